//! What a PNG need not be read for, and what its decoder does not check.

use std::borrow::Cow;
use std::ops::Range;

/// The byte of the header that tells the type of colours.
const COLOUR_TYPE: usize = 25;

/// The type with a palette.
const INDEXED: u8 = 3;

/// The file without its colour profiles (`iCCP`): no pixel depends on them here, and a few bytes of one unpack to as much
/// as memory holds.
pub(crate) fn without_profiles(file: &[u8]) -> Cow<'_, [u8]> {
    let (mut kept, mut from) = (Vec::new(), 0);
    for (kind, place) in chunks(file) {
        if kind == *b"iCCP" && place.end <= file.len() {
            kept.extend_from_slice(&file[from..place.start]);
            from = place.end;
        }
    }
    if from == 0 { Cow::Borrowed(file) } else { Cow::Owned([&kept, &file[from..]].concat()) }
}

/// Whether the pixels are indices into a palette that ends within a colour: png 0.18.1 panics there. Where pixels are no
/// indices, nothing reads it.
pub(crate) fn has_broken_palette(file: &[u8]) -> bool {
    let indexed = file.get(COLOUR_TYPE) == Some(&INDEXED);
    let broken = |(kind, place): ([u8; 4], Range<usize>)| kind == *b"PLTE" && !(place.len() - 12).is_multiple_of(3);
    indexed && chunks(file).any(broken)
}

/// The chunks before the pixels, which are all that is read beside them: the kind, and the place with length and checksum.
fn chunks(file: &[u8]) -> impl Iterator<Item = ([u8; 4], Range<usize>)> {
    let mut at = 8;
    std::iter::from_fn(move || {
        let (length, kind) = file.get(at..at + 8)?.split_first_chunk()?;
        let (start, kind) = (at, kind.try_into().ok()?);
        at = at.saturating_add(12).saturating_add(u32::from_be_bytes(*length) as usize);
        (kind != *b"IDAT").then_some((kind, start..at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
        [&(data.len() as u32).to_be_bytes()[..], &kind, data, b"crc."].concat()
    }

    /// Fault (pictures): a PNG whose palette ends within a colour → refused; the decoder would panic
    #[test]
    fn a_palette_has_whole_colours() {
        let picture = |colours: u8, palette: &[u8]| {
            let header = [&[0, 0, 0, 2, 0, 0, 0, 2, 8, colours][..], &[0; 3]].concat();
            let rest = [chunk(*b"PLTE", palette), chunk(*b"IDAT", b"x")].concat();
            [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(*b"IHDR", &header), rest].concat()
        };
        assert!([4, 5, 52].iter().all(|length| has_broken_palette(&picture(3, &vec![7; *length]))));
        assert!([3, 6, 768].iter().all(|length| !has_broken_palette(&picture(3, &vec![7; *length]))));
        assert!(!has_broken_palette(&picture(2, &[7; 4])), "a suggestion for screens with few colours");
        let error = crate::decode(&picture(3, &[7; 4]), &crate::Limits::default()).unwrap_err();
        insta::assert_snapshot!(error, @"damaged or unusual PNG picture: its palette ends within a colour; save it again with an image editor");
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
