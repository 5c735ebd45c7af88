//! JPEG, by the project's own decoder: Pillow's pixels, or an error.

use std::borrow::Cow;

use facevault_jpeg::{Announced, JpegError, Part};
use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, RgbImage};

use super::PreprocessError;
use super::crop::Region;
use super::limits::Gate;
use super::orientation::Metadata;

/// Decodes a JPEG, turned upright by its EXIF orientation.
pub(super) fn decode(bytes: &[u8], gate: &mut Gate<'_>) -> Result<RgbImage, PreprocessError> {
    let format = ImageFormat::Jpeg;
    let (limits, mut refused) = (gate.limits, None);
    // The coefficients are gone when the pixels are turned upright in a copy.
    let mut may_take = |pixels: u64, more: u64| {
        (gate.take)((pixels + more).max(2 * pixels)).map_err(|error| refused = Some(error)).is_ok()
    };
    let part = |announced: &Announced<'_>| {
        let metadata = Metadata { exif: announced.exif.map(Cow::Borrowed), xmp: announced.xmp.map(Cow::Borrowed) };
        // Of a picture that has to be turned, all is decoded.
        let is_upright = metadata.orientation() == Orientation::NoTransforms;
        let Region { left, top, width, height } =
            (gate.part)(announced.width, announced.height).filter(|_| is_upright)?;
        Some(Part { columns: left..left + width, rows: top..top + height })
    };
    let picture = facevault_jpeg::decode_part(bytes, limits, &mut may_take, &part);
    let picture = picture.map_err(|error| match error {
        JpegError::NotAllowed => refused.unwrap_or(PreprocessError::Interrupted),
        JpegError::CutShort | JpegError::ScansMissing => PreprocessError::CutShort { format },
        JpegError::Empty { width, height } => PreprocessError::EmptyPicture { width, height },
        JpegError::TooLarge { width, height } => PreprocessError::too_large(limits, width, height),
        error => PreprocessError::damaged(format, error),
    })?;
    let metadata = Metadata { exif: picture.exif.map(Cow::Owned), xmp: picture.xmp.map(Cow::Owned) };
    let rgb = RgbImage::from_raw(picture.width, picture.height, picture.rgb).unwrap_or_default();
    let mut upright = DynamicImage::ImageRgb8(rgb);
    upright.apply_orientation(metadata.orientation());
    Ok(upright.into_rgb8())
}

#[cfg(test)]
mod tests {

    #[test]
    fn errors_say_what_is_wrong_with_the_picture() {
        let message = |bytes: &[u8]| crate::decode(bytes, &crate::Limits::default()).unwrap_err().to_string();
        let arithmetic = b"\xff\xd8\xff\xc9\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0";
        insta::assert_snapshot!(message(arithmetic), @"damaged or unusual JPEG picture: it is coded arithmetically, which is not supported; save it again with an image editor");
        let wrong_scan = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0\xff\xda\0\x02";
        insta::assert_snapshot!(message(wrong_scan), @"damaged or unusual JPEG picture: a scan header's length does not fit its number of components (at byte 19); save it again with an image editor");
        let no_height = b"\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\x10\x01\x01\x11\0";
        insta::assert_snapshot!(message(no_height), @"the picture has no pixels (16 × 0); replace it or remove it from the dataset");
        let cut = b"\xff\xd8\xff\xe0\0";
        insta::assert_snapshot!(message(cut), @"the JPEG picture is cut short: the end of the file is missing; copy or download it again");
        let no_scan = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0\xff\xd9";
        assert_eq!(message(no_scan), message(cut));
    }
}
