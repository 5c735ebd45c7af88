//! Encoded bytes → upright 8-bit RGB, as Pillow's `ImageOps.exif_transpose(im).convert("RGB")`.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

use super::{PreprocessError, jpeg};

/// What a picture may cost. The defaults take every photograph and refuse headers that lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels a side.
    pub side: u32,
    /// Most pixels in all.
    pub pixels: u64,
    /// Most bytes that the decoder may allocate beside its output, where it can tell.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // As many pixels as Pillow opens before it calls the picture a decompression bomb; as RGB they are 512 MiB.
        Self { side: 20_000, pixels: 178_956_970, bytes: 512 << 20 }
    }
}

/// Decodes a JPEG, PNG, WebP, BMP, PBM, PGM or PPM picture, turned upright by its EXIF orientation.
///
/// As in Pillow: alpha is dropped, not blended; a palette gives its colours; CMYK is taken as Adobe writes it (inverted);
/// 16-bit colour keeps its high byte; and **16-bit grey is clipped at 255, not scaled** (scale such pictures to 8 bits
/// before if they use their range). Pixels equal Pillow's, a JPEG's too, except: samples of a PNM file with an odd maximum
/// may differ by one.
///
/// # Errors
///
/// [`PreprocessError::UnknownFormat`], [`PreprocessError::Damaged`], [`PreprocessError::CutShort`],
/// [`PreprocessError::TooLarge`] (before anything is allocated) and [`PreprocessError::EmptyPicture`].
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<RgbImage, PreprocessError> {
    let format = image::guess_format(bytes).map_err(|_| PreprocessError::UnknownFormat)?;
    if !matches!(format, ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP | ImageFormat::Bmp | ImageFormat::Pnm)
    {
        return Err(PreprocessError::UnknownFormat);
    }
    if format == ImageFormat::Jpeg {
        return jpeg::decode(bytes, limits);
    }
    let damaged = |error| PreprocessError::Damaged { format, reason: Box::new(error) };

    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut allocation = image::Limits::no_limits();
    allocation.max_alloc = Some(limits.bytes);
    reader.limits(allocation);
    let mut decoder = reader.into_decoder().map_err(damaged)?;

    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(PreprocessError::EmptyPicture { width, height });
    }
    if width.max(height) > limits.side || u64::from(width) * u64::from(height) > limits.pixels {
        return Err(PreprocessError::TooLarge { width, height, max_side: limits.side, max_pixels: limits.pixels });
    }
    // A broken EXIF block leaves the picture as it lies, as in Pillow.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    Ok(to_rgb(picture, format))
}

fn to_rgb(picture: DynamicImage, format: ImageFormat) -> RgbImage {
    let (width, height) = (picture.width(), picture.height());
    let high_byte = |value: u16| (value >> 8) as u8;
    // Pillow scales the samples of PPM files to 8 bits, but takes only the high byte of PNG's.
    let colour = |value: u16| match format {
        ImageFormat::Pnm => ((u32::from(value) * 255 + 32_767) / 65_535) as u8,
        _ => high_byte(value),
    };
    let clipped = |value: u16| value.min(255) as u8;
    let pixels = match picture {
        DynamicImage::ImageRgb8(rgb) => return rgb,
        DynamicImage::ImageLuma8(grey) => interleave(&grey, 1, |value| value),
        DynamicImage::ImageLumaA8(grey) => interleave(&grey, 2, |value| value),
        DynamicImage::ImageRgba8(rgba) => interleave(&rgba, 4, |value| value),
        DynamicImage::ImageLuma16(grey) => interleave(&grey, 1, clipped),
        DynamicImage::ImageLumaA16(grey) => interleave(&grey, 2, high_byte),
        DynamicImage::ImageRgb16(rgb) => interleave(&rgb, 3, colour),
        DynamicImage::ImageRgba16(rgba) => interleave(&rgba, 4, colour),
        // Floating point: no format that is read decodes to it.
        other => return other.to_rgb8(),
    };
    RgbImage::from_raw(width, height, pixels).unwrap_or_default()
}

/// Samples of 1 (grey), 2 (grey, alpha), 3 or 4 (colour, alpha) channels → RGB bytes.
fn interleave<T: Copy>(samples: &[T], channels: usize, to_byte: impl Fn(T) -> u8) -> Vec<u8> {
    let pixels = samples.chunks_exact(channels);
    let mut rgb = Vec::with_capacity(pixels.len() * 3);
    for pixel in pixels {
        match *pixel {
            [red, green, blue, ..] => rgb.extend([red, green, blue].map(&to_byte)),
            [grey, ..] => rgb.extend([to_byte(grey); 3]),
            [] => {}
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let picture = RgbImage::from_fn(21, 17, |x, y| image::Rgb([(x * 11) as u8, (y * 13) as u8, (x * y) as u8]));
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    const FORMATS: [ImageFormat; 5] =
        [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Pnm];

    proptest! {
        #[test]
        fn random_bytes_do_not_panic(
            magic in prop::sample::select(vec![
                &b""[..],
                b"\xff\xd8\xff",
                b"\x89PNG\r\n\x1a\n",
                b"RIFF\0\0\0\0WEBPVP8",
                b"BM",
                b"P5 ",
                b"P1 ",
            ]),
            tail in proptest::collection::vec(any::<u8>(), 0..300)
        ) {
            let bytes = [magic, &tail].concat();
            let _ = decode(&bytes, &Limits::default());
        }

        #[test]
        fn a_damaged_picture_does_not_panic(
            format in prop::sample::select(FORMATS.to_vec()),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
        ) {
            let mut bytes = encoded(format);
            for (place, value) in damage {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            let limits = Limits { side: 2_000, pixels: 1 << 20, bytes: 16 << 20 };
            if let Ok(picture) = decode(&bytes, &limits) {
                prop_assert!(picture.width() <= 2_000 && picture.height() <= 2_000);
            }
        }
    }

    #[test]
    fn a_picture_cut_short_is_an_error() {
        for format in FORMATS {
            let bytes = encoded(format);
            assert!(decode(&bytes, &Limits::default()).is_ok(), "{format:?}");
            for kept in [bytes.len() / 4, bytes.len() / 2, bytes.len() * 3 / 4] {
                let error = decode(&bytes[..kept], &Limits::default()).expect_err(&format!("{format:?} {kept}"));
                let is_jpeg = format == ImageFormat::Jpeg;
                match error {
                    PreprocessError::CutShort { .. } => assert!(is_jpeg),
                    PreprocessError::Damaged { .. } => assert!(!is_jpeg),
                    other => panic!("{format:?}: {other}"),
                }
            }
        }
    }

    /// However little is missing: a picture whose rest is filled with grey would become a wrong embedding.
    #[test]
    fn a_picture_cut_short_anywhere_is_an_error_or_whole() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/preprocess/decode/");
        for name in ["exif-1.jpg", "progressive.jpg", "restart.jpg", "grey.pgm", "palette.png", "lossy.webp", "rgb.bmp"]
        {
            let bytes = std::fs::read(format!("{folder}{name}")).unwrap();
            let whole = decode(&bytes, &Limits::default()).unwrap();
            for kept in (0..bytes.len()).rev().step_by(7) {
                if let Ok(picture) = decode(&bytes[..kept], &Limits::default()) {
                    assert!(picture == whole, "{name}, {kept} of {} bytes", bytes.len());
                }
            }
        }
    }

    #[test]
    fn what_is_no_picture_is_named_so() {
        for bytes in [&b""[..], b"GIF89a", b"face_id,image_id\n", b"II*\0"] {
            assert!(matches!(decode(bytes, &Limits::default()), Err(PreprocessError::UnknownFormat)));
        }
    }

    #[test]
    fn a_header_that_announces_too_much_is_refused() {
        let error = decode(b"P6 60000 60000 255\n", &Limits::default()).unwrap_err();
        insta::assert_snapshot!(error, @"the picture announces 60000 × 60000 pixels, over the limit of 20000 a side and 178956970 in all; scale it down, or replace it if its header is damaged");
        let error = decode(b"P6 19000 19000 255\n", &Limits::default()).unwrap_err();
        assert!(matches!(error, PreprocessError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn a_jpeg_header_that_announces_too_much_is_refused() {
        let mut bytes = encoded(ImageFormat::Jpeg);
        let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        bytes[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
        let error = decode(&bytes, &Limits::default()).unwrap_err();
        assert!(matches!(error, PreprocessError::TooLarge { width: 60_000, .. }), "{error}");
    }
}
