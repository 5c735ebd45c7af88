//! Encoded bytes → upright 8-bit RGB, as Pillow's `ImageOps.exif_transpose(im).convert("RGB")`.

use std::borrow::Cow;
use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

use super::kind::PictureKind;
use super::limits::{Gate, PartOf, allow};
use super::orientation::Metadata;
use super::{Limits, PreprocessError, gif, jpeg, png, pnm, tiff};
use facevault_base::pointer::PointerFile;

/// Decodes the first frame of a JPEG, PNG, WebP, BMP, GIF, TIFF, PBM, PGM or PPM picture and turns it upright by its
/// orientation.
///
/// As in Pillow: alpha is dropped, not blended; a palette gives its colours; CMYK is taken as Adobe writes it (inverted);
/// 16-bit colour keeps its high byte; and **16-bit grey is clipped at 255, not scaled** (scale such pictures to 8 bits
/// before if they use their range). Pixels equal Pillow's.
///
/// # Errors
///
/// [`PreprocessError::UnknownFormat`], [`PreprocessError::Empty`], [`PreprocessError::Pointer`],
/// [`PreprocessError::Unsupported`], [`PreprocessError::Damaged`], [`PreprocessError::CutShort`],
/// [`PreprocessError::TooLarge`] (before anything is allocated) and [`PreprocessError::EmptyPicture`].
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<RgbImage, PreprocessError> {
    decode_when(bytes, limits, &mut |_| Ok(()), &|_, _| None)
}

/// [`decode`] that calls `take` once, with the bytes that it takes at most, before it allocates anything for pixels. What is
/// outside of `part` may be black.
pub(super) fn decode_when(
    bytes: &[u8],
    limits: &Limits,
    take: &mut dyn FnMut(u64) -> Result<(), PreprocessError>,
    part: PartOf<'_>,
) -> Result<RgbImage, PreprocessError> {
    let mut gate = Gate { limits, take, part };
    let (format, metadata) = match PictureKind::of(bytes) {
        Some(PictureKind::Jpeg) => return jpeg::decode(bytes, &mut gate),
        Some(PictureKind::Png) => (ImageFormat::Png, Metadata::of_png(bytes)),
        Some(PictureKind::WebP) => (ImageFormat::WebP, Metadata::of_webp(bytes)),
        Some(PictureKind::Bmp) => (ImageFormat::Bmp, Metadata::default()),
        // Pillow does not read PAM: `image` does.
        Some(PictureKind::Pnm) if bytes.get(1) != Some(&b'7') => return pnm::decode(bytes, &mut gate),
        Some(PictureKind::Pnm) => (ImageFormat::Pnm, Metadata::default()),
        Some(PictureKind::Gif) => return gif::decode(bytes, &mut gate),
        Some(PictureKind::Tiff) => return tiff::decode(bytes, &mut gate),
        Some(PictureKind::Unsupported(what)) => return Err(PreprocessError::Unsupported { what: what.into() }),
        None => return Err(not_a_picture(bytes)),
    };
    let is_cut = format == ImageFormat::WebP && ends_before_its_size(bytes);
    let damaged =
        |error| if is_cut { PreprocessError::CutShort { format } } else { PreprocessError::damaged(format, error) };

    let bytes = match format {
        ImageFormat::Png if png::has_broken_palette(bytes) => {
            return Err(PreprocessError::damaged(format, "its palette ends within a colour"));
        }
        ImageFormat::Png => png::without_profiles(bytes),
        _ => Cow::Borrowed(bytes),
    };
    let mut reader = ImageReader::with_format(Cursor::new(&bytes[..]), format);
    let mut allocation = image::Limits::no_limits();
    allocation.max_alloc = Some(limits.bytes);
    reader.limits(allocation);
    let decoder = reader.into_decoder().map_err(damaged)?;

    let (width, height) = decoder.dimensions();
    allow(limits, width, height)?;
    let pixels = u64::from(width) * u64::from(height);
    // A lossy WebP has its planes, an animated one its canvas and a frame, a lossless one its own pixels.
    let more = if format == ImageFormat::WebP { 8 * pixels } else { 0 };
    gate.take(width, height, decoder.total_bytes(), more)?;
    let mut picture = DynamicImage::ImageRgb8(to_rgb(DynamicImage::from_decoder(decoder).map_err(damaged)?));
    picture.apply_orientation(metadata.orientation());
    Ok(picture.into_rgb8())
}

/// Whether a RIFF file, which WebP is, has fewer bytes than its header says.
fn ends_before_its_size(bytes: &[u8]) -> bool {
    let size = bytes.get(4..8).and_then(|size| size.try_into().ok()).map_or(0, u32::from_le_bytes);
    u64::from(size) + 8 > bytes.len() as u64
}

/// The error for bytes that begin as no picture does.
fn not_a_picture(bytes: &[u8]) -> PreprocessError {
    match PointerFile::of(bytes) {
        _ if bytes.is_empty() => PreprocessError::Empty,
        Some(PointerFile { system, command }) => PreprocessError::Pointer { system, command },
        None => PreprocessError::UnknownFormat,
    }
}

fn to_rgb(picture: DynamicImage) -> RgbImage {
    let (width, height) = (picture.width(), picture.height());
    let high_byte = |value: u16| (value >> 8) as u8;
    let clipped = |value: u16| value.min(255) as u8;
    let pixels = match picture {
        DynamicImage::ImageRgb8(rgb) => return rgb,
        DynamicImage::ImageLuma8(grey) => interleave(&grey, 1, |value| value),
        DynamicImage::ImageLumaA8(grey) => interleave(&grey, 2, |value| value),
        DynamicImage::ImageRgba8(rgba) => interleave(&rgba, 4, |value| value),
        DynamicImage::ImageLuma16(grey) => interleave(&grey, 1, clipped),
        DynamicImage::ImageLumaA16(grey) => interleave(&grey, 2, high_byte),
        DynamicImage::ImageRgb16(rgb) => interleave(&rgb, 3, high_byte),
        DynamicImage::ImageRgba16(rgba) => interleave(&rgba, 4, high_byte),
        // Floating point, which no supported format decodes to.
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

    /// Every picture of `make_kinds.py` gives Pillow's bytes, or is named. What Pillow refuses may be read or not.
    #[test]
    fn odd_kinds_decode_as_pillow_decodes_them_or_are_named() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/preprocess/");
        let table = std::fs::read_to_string(format!("{folder}kinds.csv")).unwrap();
        let (mut named, mut more, mut refused, mut compared) = (vec![], vec![], vec![], 0);
        for line in table.lines().skip(1) {
            let [name, width, height, digest] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let bytes = std::fs::read(format!("{folder}kinds/{name}")).unwrap();
            match decode(&bytes, &Limits::default()) {
                Ok(_) if digest == "pillow" => more.push(name.to_owned()),
                Err(error) if digest == "pillow" => refused.push(format!("{name}: {error}")),
                Err(error @ PreprocessError::Unsupported { .. }) => named.push(format!("{name}: {error}")),
                Err(error) => panic!("{name}: {error}"),
                Ok(picture) => {
                    let size = picture.dimensions();
                    assert_eq!((size.0.to_string(), size.1.to_string()), (width.into(), height.into()), "{name}");
                    let found = facevault_base::digest::Digest::of(picture.as_raw()).to_string();
                    assert_eq!(found, digest, "{name}");
                    compared += 1;
                }
            }
        }
        let [named, more, refused] = [named, more, refused].map(|lines| lines.join("\n"));
        insta::assert_snapshot!(format!("{compared} as Pillow\n\n{named}\n\n{more}\n\n{refused}"), @"
        275 as Pillow

        rgb-16-planes.tif: TIFF with 3 samples of 16 bits a pixel, of this kind is not supported; convert to PNG or JPEG
        lab.tif: TIFF with Lab colours is not supported; convert to PNG or JPEG
        ycbcr.tif: TIFF with YCbCr colours is not supported; convert to PNG or JPEG
        jpeg.tif: TIFF with JPEG compression is not supported; convert to PNG or JPEG
        group4.tif: TIFF with fax compression is not supported; convert to PNG or JPEG

        mm-rgb-big.tif
        mm-grey-16-white-is-zero.tif
        mm-grey-32.tif
        palette-1-bit-reversed.tif
        palette-2-bit-reversed.tif
        palette-4-bit-reversed.tif
        grey-8-bit-reversed-0.tif

        grey-extra.tif: TIFF with 2 samples a pixel and colours of kind 1 is not supported; convert to PNG or JPEG
        rgba-extra-3.tif: TIFF with 4 samples a pixel and colours of kind 2 is not supported; convert to PNG or JPEG
        cut.tif: the TIFF picture is cut short: the end of the file is missing; copy or download it again
        strip-short.tif: damaged or unusual TIFF picture: incomplete deflate stream; save it again with an image editor
        cut-lzw.tif: the TIFF picture is cut short: the end of the file is missing; copy or download it again
        too-few-pixels.gif: damaged or unusual GIF picture: image truncated; save it again with an image editor
        no-frame.gif: the GIF picture is cut short: the end of the file is missing; copy or download it again
        empty-frame.gif: the picture has no pixels (0 × 0); replace it or remove it from the dataset
        cut.gif: the GIF picture is cut short: the end of the file is missing; copy or download it again
        p2-above.pgm: damaged or unusual PNM picture: a sample is not a number up to its maximum; save it again with an image editor
        p2-short.pgm: the PNM picture is cut short: the end of the file is missing; copy or download it again
        p2-word.pgm: damaged or unusual PNM picture: a sample is not a number up to its maximum; save it again with an image editor
        p5-short.pgm: the PNM picture is cut short: the end of the file is missing; copy or download it again
        p5-zero.pgm: damaged or unusual PNM picture: its maximum sample is not between 1 and 65535; save it again with an image editor
        p5-70000.pgm: damaged or unusual PNM picture: its maximum sample is not between 1 and 65535; save it again with an image editor
        p1-two.pbm: damaged or unusual PNM picture: a sample is neither 0 nor 1; save it again with an image editor
        p4-short.pbm: the PNM picture is cut short: the end of the file is missing; copy or download it again
        ");
    }

    const FORMATS: [ImageFormat; 5] =
        [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Pnm];

    /// Decodes a picture some of whose bytes are other ones.
    fn refused_or_within_limits(
        mut bytes: Vec<u8>,
        damage: Vec<(prop::sample::Index, u8)>,
    ) -> Result<(), TestCaseError> {
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let limits = Limits { side: 2_000, pixels: 1 << 20, bytes: 16 << 20 };
        if let Ok(picture) = decode(&bytes, &limits) {
            prop_assert!(picture.width() <= 2_000 && picture.height() <= 2_000);
        }
        Ok(())
    }

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
                b"GIF89a\x08\0\x06\0\x80\0\0\0\0\0\xff\xff\xff,",
                b"II*\0\x08\0\0\0\x0c\0",
                b"MM\0*\0\0\0\x08\0\x08",
                b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0",
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
            refused_or_within_limits(encoded(format), damage)?;
        }

        /// Fault (pictures): any bytes of a TIFF or GIF changed → an error or a picture within the limits, never a panic
        #[test]
        fn a_damaged_tiff_or_gif_does_not_panic(
            name in prop::sample::select(vec![
                "large-lzw-differences.tif",
                "ii-rgb-big.tif",
                "rgb-small-tiles-deflate.tif",
                "palette-4-bit.tif",
                "mm-float.tif",
                "rgba-planes.tif",
                "cmyk-packbits.tif",
                "small-transparent.gif",
                "pillow-large.gif",
            ]),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
        ) {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/preprocess/kinds/");
            refused_or_within_limits(std::fs::read(format!("{folder}{name}")).unwrap(), damage)?;
        }
    }

    /// Fault (pictures): a JPEG, PNG, WebP, BMP, GIF, TIFF or PNM whose end is missing → refused as cut short, never filled up
    #[test]
    fn a_picture_cut_short_is_an_error() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/preprocess/kinds/");
        let read = |format, name: &str| (format, std::fs::read(format!("{folder}{name}")).unwrap());
        let others = [
            read(ImageFormat::Gif, "pillow-large.gif"),
            read(ImageFormat::Tiff, "ii-rgb.tif"),
            read(ImageFormat::Tiff, "large-lzw.tif"),
            read(ImageFormat::Tiff, "grey-deflate.tif"),
        ];
        for (format, bytes) in FORMATS.map(|format| (format, encoded(format))).into_iter().chain(others) {
            assert!(decode(&bytes, &Limits::default()).is_ok(), "{format:?}");
            for kept in [bytes.len() / 4, bytes.len() / 2, bytes.len() * 3 / 4] {
                match decode(&bytes[..kept], &Limits::default()) {
                    Err(PreprocessError::CutShort { format: found }) => assert_eq!(found, format),
                    other => panic!("{format:?}, {kept} of {} bytes: {other:?}", bytes.len()),
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

    /// Fault (pictures): an empty file, a text, a Git LFS pointer, AVIF or HEIC named `.jpg` → refused by what it is
    #[test]
    fn what_is_no_picture_is_named_so() {
        let message = |bytes: &[u8]| decode(bytes, &Limits::default()).unwrap_err().to_string();
        insta::assert_snapshot!(message(b""), @"the file is empty; copy or download it again");
        insta::assert_snapshot!(message(b"face_id,image_id\n"), @"not a supported picture: its first bytes match none of JPEG, PNG, WebP, BMP, GIF, TIFF or PBM/PGM/PPM; convert it to one of these");
        insta::assert_snapshot!(message(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n"), @"a Git LFS pointer instead of the picture; fetch the picture with `git lfs pull`");
        insta::assert_snapshot!(message(b"\0\0\0\x1cftypavif\0\0\0\0"), @"AVIF is not supported; convert to PNG or JPEG");
        insta::assert_snapshot!(message(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), @"HEIC is not supported; convert to PNG or JPEG");
        insta::assert_snapshot!(message(b"GIF89a"), @"the GIF picture is cut short: the end of the file is missing; copy or download it again");
        insta::assert_snapshot!(message(b"II*\0"), @"the TIFF picture is cut short: the end of the file is missing; copy or download it again");
    }

    /// A PNG of one colour with this type of pixels (PNG specification 11.2.1), as small as deflate makes it.
    fn flat_png(side: u32, bits: u8, colours: u8, interlaced: bool) -> Vec<u8> {
        use flate2::{Compression, Crc, write::ZlibEncoder};
        use std::io::Write;
        let channels = [1, 0, 3, 1, 2, 0, 4][usize::from(colours)];
        let row = 1 + (side as usize * channels * usize::from(bits)).div_ceil(8);
        let mut data = ZlibEncoder::new(Vec::new(), Compression::fast());
        for _ in 0..side {
            data.write_all(&vec![0; row]).unwrap();
        }
        if interlaced {
            // The rows of its seven passes are more, each with a byte for its filter.
            data.write_all(&vec![0; 4 * side as usize]).unwrap();
        }
        let header =
            [&side.to_be_bytes()[..], &side.to_be_bytes(), &[bits, colours, 0, 0, u8::from(interlaced)]].concat();
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        for (name, content) in [(b"IHDR", header), (b"IDAT", data.finish().unwrap()), (b"IEND", Vec::new())] {
            let mut crc = Crc::new();
            crc.update(name);
            crc.update(&content);
            png.extend((content.len() as u32).to_be_bytes());
            png.extend(name);
            png.extend(&content);
            png.extend(crc.sum().to_be_bytes());
        }
        png
    }

    /// Fault (pictures): a PNG of 16 bits and transparency whose pixels take 8 bytes each → refused by bytes, not only by pixels
    /// Fault (pictures): an interlaced PNG of the same kind → refused as well
    #[test]
    fn pixels_are_counted_in_bytes() {
        let limits = Limits { bytes: 1 << 20, ..Limits::default() };
        let refused = |png: &[u8]| decode(png, &limits).unwrap_err().to_string();
        assert!(decode(&flat_png(300, 16, 6, false), &limits).is_ok());
        insta::assert_snapshot!(refused(&flat_png(400, 16, 6, false)), @"the picture takes 1280000 bytes as it is stored (400 × 400 pixels), over the limit of 1048576; save it with 8 bits per sample, without transparency, or scale it down");
        assert_eq!(refused(&flat_png(400, 16, 6, true)), refused(&flat_png(400, 16, 6, false)));
        assert!(decode(&flat_png(400, 8, 6, false), &limits).is_ok());
    }

    /// Fault (pictures): a picture that announces many pixels, of any kind → its memory is asked for once, before its pixels
    #[test]
    fn memory_is_asked_for_once_and_is_what_the_picture_takes() {
        let asked = |bytes: &[u8]| {
            let mut asked = Vec::new();
            let mut take = |bytes| {
                asked.push(bytes);
                Ok(())
            };
            let decoded = decode_when(bytes, &Limits::default(), &mut take, &|_, _| None);
            decoded.map(|picture| (asked, u64::from(picture.width()) * u64::from(picture.height())))
        };
        for folder in ["decode", "kinds"] {
            let folder = format!("{}/tests/fixtures/preprocess/{folder}", env!("CARGO_MANIFEST_DIR"));
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if let Ok((asked, pixels)) = asked(&std::fs::read(&path).unwrap()) {
                    assert_eq!(asked.len(), 1, "{}", path.display());
                    // As RGB, and turned upright in a copy.
                    assert!((4 * pixels..=16 * pixels + (1 << 12)).contains(&asked[0]), "{asked:?} {}", path.display());
                }
            }
        }
        assert_eq!(asked(&flat_png(100, 16, 6, true)).unwrap(), (vec![11 * 10_000], 10_000));
        let refused = decode_when(
            &encoded(ImageFormat::Jpeg),
            &Limits::default(),
            &mut |_| Err(PreprocessError::Interrupted),
            &|_, _| None,
        );
        assert!(matches!(refused, Err(PreprocessError::Interrupted)));
    }

    /// Fault (pictures): a header that announces 60,000 × 60,000 pixels → refused before anything is allocated
    #[test]
    fn a_header_that_announces_too_much_is_refused() {
        let error = decode(b"P6 60000 60000 255\n", &Limits::default()).unwrap_err();
        insta::assert_snapshot!(error, @"the picture announces 60000 × 60000 pixels, over the limit of 20000 per side and 178956970 in all; scale it down, or replace it if its header is damaged");
        let error = decode(b"P6 19000 19000 255\n", &Limits::default()).unwrap_err();
        assert!(matches!(error, PreprocessError::TooLarge { .. }), "{error}");
        let mut bytes = encoded(ImageFormat::Jpeg);
        let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        bytes[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
        let error = decode(&bytes, &Limits::default()).unwrap_err();
        assert!(matches!(error, PreprocessError::TooLarge { width: 60_000, .. }), "{error}");
    }
}
