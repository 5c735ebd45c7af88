//! What a PNG need not be read for.

use std::borrow::Cow;

/// The file without its colour profiles (`iCCP`): no pixel depends on them here, and a few bytes of one unpack to as much
/// as memory holds.
pub(crate) fn without_profiles(file: &[u8]) -> Cow<'_, [u8]> {
    let (mut at, mut kept, mut from) = (8, Vec::new(), 0);
    while let Some(&[a, b, c, d, k0, k1, k2, k3]) = file.get(at..at + 8) {
        let end = at.saturating_add(12).saturating_add(u32::from_be_bytes([a, b, c, d]) as usize);
        match &[k0, k1, k2, k3] {
            // What follows the pixels is not read.
            b"IDAT" => break,
            b"iCCP" if end <= file.len() => {
                kept.extend_from_slice(&file[from..at]);
                from = end;
            }
            _ => {}
        }
        at = end;
    }
    if from == 0 { Cow::Borrowed(file) } else { Cow::Owned([&kept, &file[from..]].concat()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
        [&(data.len() as u32).to_be_bytes()[..], &kind, data, b"crc."].concat()
    }

    /// Fault (pictures): a PNG of 500 KB whose colour profile unpacks to 500 MB → the picture is decoded without its profile
    #[test]
    fn profiles_go_and_everything_else_stays() {
        let (start, head) = (b"\x89PNG\r\n\x1a\n".to_vec(), chunk(*b"IHDR", &[1; 13]));
        let (profile, rest) =
            (chunk(*b"iCCP", b"name\0\0packed"), [chunk(*b"IDAT", b"x"), chunk(*b"IEND", b"")].concat());
        let plain = [&start[..], &head, &rest].concat();
        assert!(matches!(without_profiles(&plain), Cow::Borrowed(same) if same == plain));
        assert_eq!(*without_profiles(&[&start[..], &head, &profile, &profile, &rest].concat()), plain);
        // Cut, or with a length that leads beyond the end: left to the decoder.
        let mut wrong = [&start[..], &head, &profile].concat();
        wrong.truncate(wrong.len() - 1);
        assert_eq!(*without_profiles(&wrong), wrong);
        for length in 0..plain.len() {
            assert_eq!(*without_profiles(&plain[..length]), plain[..length]);
        }
    }
}
