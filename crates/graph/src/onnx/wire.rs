//! The encoding of a message, before it is decoded: how many fields it has (one of two bytes can become a hundred in memory),
//! and where they are.

use std::ops::Range;

/// A field of a message.
pub(super) struct Field {
    /// Its number.
    pub tag: u64,
    /// All of it in the message.
    pub whole: Range<usize>,
    /// What it holds, if that is bytes: a text, a message, or packed numbers.
    pub content: Option<Range<usize>>,
}

/// The fields of a message, in order; None stands for the end of one that is cut off or none.
pub(super) fn fields(bytes: &[u8]) -> impl Iterator<Item = Option<Field>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let field = field(bytes, at);
        at = field.as_ref().map_or(bytes.len(), |field| field.whole.end);
        Some(field)
    })
}

fn field(bytes: &[u8], at: usize) -> Option<Field> {
    let mut rest = &bytes[at..];
    let key = varint(&mut rest)?;
    let length = match key & 7 {
        0 => {
            varint(&mut rest)?;
            0
        }
        1 => 8,
        2 => varint(&mut rest)?,
        5 => 4,
        _ => return None,
    };
    let start = bytes.len() - rest.len();
    let end = start.checked_add(usize::try_from(length).ok()?).filter(|end| *end <= bytes.len())?;
    Some(Field { tag: key >> 3, whole: at..end, content: (key & 7 == 2).then_some(start..end) })
}

/// How many fields a message has, and how many of them have the tag. None if it ends too early or is none.
pub(super) fn count(bytes: &[u8], tag: u64) -> Option<(usize, usize)> {
    fields(bytes).try_fold((0, 0), |(all, tagged), field| Some((all + 1, tagged + usize::from(field?.tag == tag))))
}

/// Writes a field that holds bytes.
pub(super) fn write(out: &mut Vec<u8>, tag: u64, content: &[u8]) {
    for mut number in [tag << 3 | 2, content.len() as u64] {
        while number >= 0x80 {
            out.push(number as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }
    out.extend_from_slice(content);
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
