//! A picture's size, from its header alone.

use std::io::{BufRead, Read, Seek};

use image::ImageReader;

use super::ifd::Directory;
use super::kind::{HEAD, PictureKind};

/// Width and height as stored, pixels; `None` if the header does not say. Turning the picture by its EXIF orientation leaves
/// the shorter side the shorter one.
#[must_use]
pub fn size(mut picture: impl BufRead + Seek) -> Option<[u32; 2]> {
    let mut head = Vec::with_capacity(HEAD);
    picture.by_ref().take(HEAD as u64).read_to_end(&mut head).ok()?;
    picture.rewind().ok()?;
    match PictureKind::of(&head)? {
        PictureKind::Jpeg => {
            let _start_of_image: [u8; 2] = bytes(&mut picture)?;
            jpeg(&mut picture)
        }
        PictureKind::Gif => {
            let [a, b, c, d] = *head.get(6..10)?.as_array()?;
            Some([[a, b], [c, d]].map(|side| u32::from(u16::from_le_bytes(side))))
        }
        // The directory may be anywhere in the file.
        PictureKind::Tiff => {
            let mut file = Vec::new();
            picture.read_to_end(&mut file).ok()?;
            let directory = Directory::read(&file)?;
            let [width, height] = [256, 257].map(|tag| directory.number(tag)?.try_into().ok());
            Some([width?, height?])
        }
        _ => {
            let reader = ImageReader::new(picture).with_guessed_format().ok()?;
            reader.into_dimensions().ok().map(|(width, height)| [width, height])
        }
    }
}

/// From the frame header (ITU-T T.81, B.2.2), after skipping the segments before it.
fn jpeg(picture: &mut (impl BufRead + Seek)) -> Option<[u32; 2]> {
    loop {
        picture.skip_until(0xff).ok().filter(|skipped| *skipped > 0)?;
        let mut marker = 0xff;
        while marker == 0xff {
            [marker] = bytes(picture)?;
        }
        // Markers without a segment: TEM, restarts and start of image; zero is an escape within data.
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8) {
            continue;
        }
        let length = u16::from_be_bytes(bytes(picture)?);
        // SOF0 to SOF15 without DHT, JPG and DAC.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let [_, high, low, left, right] = bytes(picture)?;
            return Some([u16::from_be_bytes([left, right]), u16::from_be_bytes([high, low])].map(u32::from));
        }
        picture.seek_relative(i64::from(length.checked_sub(2)?)).ok()?;
    }
}

fn bytes<const N: usize>(picture: &mut impl BufRead) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    picture.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, RgbImage};
    use proptest::prelude::*;

    use super::super::ifd::tests::file;
    use super::*;

    #[test]
    fn the_header_of_every_format_tells() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Pnm] {
            let mut picture = Vec::new();
            RgbImage::new(31, 17).write_to(&mut Cursor::new(&mut picture), format).unwrap();
            assert_eq!(size(Cursor::new(&picture)), Some([31, 17]), "{format:?}");
        }
        // A thumbnail in a segment before the frame, fill bytes, then the frame.
        let jpeg =
            b"\xff\xd8\xff\xe1\0\x0d\xff\xd8\xff\xc0\0\x0b\x08\0\x01\0\x02\xff\xff\xff\xc2\0\x0b\x08\x01\x02\x03\x04";
        assert_eq!(size(Cursor::new(jpeg)), Some([0x304, 0x102]));
        assert_eq!(size(Cursor::new(b"\xff\xd8\xff\xd9")), None);
        assert_eq!(size(Cursor::new(b"GIF89a\x1f\0\x11\0")), Some([31, 17]));
        let tiff = file(false, &[(256, 3, 1, [0, 31, 0, 0]), (257, 4, 1, [0, 0, 0, 17])]);
        assert_eq!(size(Cursor::new(&tiff)), Some([31, 17]));
        assert_eq!(size(Cursor::new(&tiff[..20])), None);
        assert_eq!(size(Cursor::new(b"no picture")), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_stay(tail in any::<Vec<u8>>()) {
            for head in [&b"\xff\xd8\xff"[..], b"GIF89a", b"II*\0", b"MM\0+", b"P6", b""] {
                let _ = size(Cursor::new([head, &tail[..]].concat()));
            }
        }
    }
}
