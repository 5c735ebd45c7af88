//! Counts the fields of a message before it is decoded: a field of two bytes can become a hundred in memory.

/// How many fields a message has, and how many of them have the tag. None if it ends too early or is none.
pub(super) fn count(mut bytes: &[u8], tag: u64) -> Option<(usize, usize)> {
    let (mut all, mut tagged) = (0, 0);
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let length = match key & 7 {
            0 => {
                varint(&mut bytes)?;
                0
            }
            1 => 8,
            2 => varint(&mut bytes)?,
            5 => 4,
            _ => return None,
        };
        bytes = bytes.get(usize::try_from(length).ok()?..)?;
        all += 1;
        tagged += usize::from(key >> 3 == tag);
    }
    Some((all, tagged))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
