//! Whether a JPEG file is all there. The decoder fills what is missing with grey, which would become a wrong embedding;
//! Pillow refuses.

/// Whether the end-of-image marker is reached from the start. Walks from marker to marker, because segments hold
/// thumbnails that have markers of their own.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    find_end(bytes).is_some()
}

fn find_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        at += match *bytes.get(at + 1)? {
            0xd9 => return Some(at),
            // Fill byte.
            0xff => 1,
            // Compressed data, and markers without a segment: TEM, restarts, start of image.
            0x00 | 0x01 | 0xd0..=0xd8 => 2,
            _ => 2 + usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?])),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_thumbnail_is_not_the_end() {
        let thumbnail = [0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9];
        assert!(!has_end(&thumbnail));
        assert!(has_end(
            &[&thumbnail[..], &[0xff, 0xda, 0, 2, 7, 0xff, 0, 0xff, 0xd0, 8, 0xff, 0xff, 0xd9, 1]].concat()
        ));
    }

    #[test]
    fn what_has_no_marker_has_no_end() {
        for bytes in [&[][..], &[0xff], &[0xff, 0xd8], &[0xff, 0xd8, 0xff, 0xe0, 0xff], &[0xff, 0xd8, 0xff, 0xe0, 0, 2]]
        {
            assert!(!has_end(bytes));
        }
    }
}
