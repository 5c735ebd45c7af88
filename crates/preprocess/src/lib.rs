//! Encoded pictures to network input: decode, crop or align, resize and mirror, bit for bit as the programs did that published the
//! numbers. It does no I/O; standardising is the network's first step.
//!
//! [`decode`] gives the pixels of Pillow's `ImageOps.exif_transpose(im).convert("RGB")`, crops are those of
//! `align_dataset_mtcnn.py` and `facenet_pytorch.extract_face`, the filters are Pillow's and OpenCV's, and faces are
//! aligned as insightface's `face_align.norm_crop` aligns them.

mod align;
mod bounding_box;
mod crop;
mod decode;
mod error;
mod gif;
mod ifd;
mod jpeg;
mod kind;
mod landmarks;
mod limits;
mod memory;
mod options;
mod orientation;
mod png;
mod pnm;
mod profiles;
pub mod quality;
mod size;
mod tiff;

pub use bounding_box::BoundingBox;
pub use decode::decode;
pub use error::PreprocessError;
pub use facevault_jpeg::Limits;
pub use kind::{HEAD, PictureKind};
pub use landmarks::Landmarks;
pub use memory::{HeldPicture, PictureMemory, Taken};
pub use options::{ChannelOrder, Crop, Filter, MarginUnit, Mirror, Preprocess, PreprocessChanges, Resize, Standardise};
pub use profiles::{PROFILES, profile};
pub use size::size;

use facevault_pixels::{FilterShape, OpencvResampler, PillowResampler, PixelView};
use image::RgbImage;

/// Buffers and weights of the resizers. Keep one per thread: once its buffers have grown, [`render`] allocates nothing, and
/// faces of one size share their weights.
#[derive(Debug, Default)]
pub struct RenderBuffers {
    pillow: PillowResampler,
    opencv: OpencvResampler,
}

/// Cuts the face out of a picture and resizes it into `out`: size × size × 3 bytes, row by row, channels interleaved in
/// the configured order. [`mirror`] mirrors it, the network standardises it. Returns the crop's width and height in
/// pixels of the picture. [`Crop::Align`] cuts out a tilted square, whose side is both: size over the transform's scale,
/// rounded.
///
/// `bbox` matters only to [`Crop::Box`], `landmarks` only to [`Crop::Align`].
///
/// # Errors
///
/// [`PreprocessError::EmptyCrop`] when the box covers nothing of the picture, [`PreprocessError::EmptyPicture`]; when
/// aligning, [`PreprocessError::NoLandmarks`], [`PreprocessError::UnusableLandmarks`] and
/// [`PreprocessError::AlignedOutside`].
///
/// # Panics
///
/// When `out` is not size × size × 3 bytes long.
pub fn render(
    picture: &RgbImage,
    bbox: Option<&BoundingBox>,
    landmarks: Option<&Landmarks>,
    preprocess: &Preprocess,
    scratch: &mut RenderBuffers,
    out: &mut [u8],
) -> Result<[usize; 2], PreprocessError> {
    let size = preprocess.resize.size as usize;
    assert_eq!(out.len(), size * size * 3, "a face of side {size} does not fit the buffer");
    let source = match preprocess.crop {
        Crop::Align => align::align(picture, landmarks, size, out)?,
        crop => cut_out(picture, bbox, crop, preprocess.resize, scratch, out)?,
    };
    if preprocess.channels == ChannelOrder::Bgr {
        for [red, _, blue] in out.as_chunks_mut::<3>().0 {
            std::mem::swap(red, blue);
        }
    }
    Ok(source)
}

/// Every crop but the aligned one: a rectangle of the picture, resized.
fn cut_out(
    picture: &RgbImage,
    bbox: Option<&BoundingBox>,
    crop: Crop,
    resize: Resize,
    scratch: &mut RenderBuffers,
    out: &mut [u8],
) -> Result<[usize; 2], PreprocessError> {
    let size = resize.size as usize;
    let (width, height) = picture.dimensions();
    let crop::Region { left, top, width, height } = crop::region(bbox, crop, size, width, height)?;
    let stride = picture.width() as usize * 3;
    let face = PixelView::new(&picture.as_raw()[top * stride + left * 3..], stride, width, height);
    if (width, height) == (size, size) {
        // Every filter is the identity here, as it is for every face of an aligned dataset.
        for (to, y) in out.chunks_exact_mut(size * 3).zip(0..) {
            to.copy_from_slice(face.row(y));
        }
    } else {
        match resize.filter {
            Filter::PillowBilinear => scratch.pillow.resize(face, FilterShape::Triangle, size, out),
            Filter::PillowBicubic => scratch.pillow.resize(face, FilterShape::Cubic, size, out),
            Filter::OpencvLinear => scratch.opencv.resize(face, size, out),
        }
    }
    Ok([width, height])
}

/// Cuts the face out of a picture and leaves it at the picture's resolution, in RGB; a face that is aligned has its final
/// size.
///
/// # Errors
///
/// Those of [`render`].
pub fn cut(
    picture: &RgbImage,
    bbox: Option<&BoundingBox>,
    landmarks: Option<&Landmarks>,
    preprocess: &Preprocess,
) -> Result<RgbImage, PreprocessError> {
    let size = preprocess.resize.size;
    if preprocess.crop == Crop::Align {
        let mut face = RgbImage::new(size, size);
        align::align(picture, landmarks, size as usize, &mut face)?;
        return Ok(face);
    }
    let (width, height) = picture.dimensions();
    let crop::Region { left, top, width, height } = crop::region(bbox, preprocess.crop, size as usize, width, height)?;
    let [left, top, width, height] = [left, top, width, height].map(|length| length as u32);
    Ok(image::imageops::crop_imm(picture, left, top, width, height).to_image())
}

/// Mirrors faces of `side` × `side` × 3 bytes left to right, in place.
pub fn mirror(faces: &mut [u8], side: usize) {
    for row in faces.chunks_exact_mut(side * 3) {
        row.as_chunks_mut::<3>().0.reverse();
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use proptest::prelude::*;

    use super::*;
    use crate::{Crop, Resize};

    const FILTERS: [Filter; 3] = [Filter::PillowBilinear, Filter::PillowBicubic, Filter::OpencvLinear];

    fn whole(size: u32, filter: Filter) -> Preprocess {
        Preprocess { crop: Crop::Whole, resize: Resize { size, filter }, ..profile("facenet-pytorch").unwrap() }
    }

    fn rendered(picture: &RgbImage, preprocess: &Preprocess, scratch: &mut RenderBuffers) -> Vec<u8> {
        let mut out = vec![0; (preprocess.resize.size.pow(2) * 3) as usize];
        render(picture, None, None, preprocess, scratch, &mut out).unwrap();
        out
    }

    fn any_picture(side: u32) -> impl Strategy<Value = RgbImage> {
        (1..=side, 1..=side).prop_flat_map(|(width, height)| {
            proptest::collection::vec(any::<u8>(), (width * height * 3) as usize)
                .prop_map(move |pixels| RgbImage::from_raw(width, height, pixels).unwrap())
        })
    }

    #[test]
    fn faces_are_mirrored_left_to_right_and_keep_their_colours() {
        let mut faces = [1, 2, 3, 4, 5, 6, /* */ 7, 8, 9, 10, 11, 12];
        mirror(&mut faces, 2);
        assert_eq!(faces, [4, 5, 6, 1, 2, 3, /* */ 10, 11, 12, 7, 8, 9]);
    }

    proptest! {
        #[test]
        fn a_constant_picture_stays_constant(
            width in 1..90_u32, height in 1..90_u32, size in 1..40_u32, colour in any::<[u8; 3]>()
        ) {
            let picture = RgbImage::from_pixel(width, height, Rgb(colour));
            for filter in FILTERS {
                let out = rendered(&picture, &whole(size, filter), &mut RenderBuffers::default());
                prop_assert!(out.as_chunks::<3>().0.iter().all(|pixel| *pixel == colour), "{filter:?}");
            }
        }

        #[test]
        fn a_used_scratch_changes_nothing(first in any_picture(20), second in any_picture(20), size in 1..24_u32) {
            for filter in FILTERS {
                let preprocess = whole(size, filter);
                let fresh = rendered(&second, &preprocess, &mut RenderBuffers::default());
                let mut scratch = RenderBuffers::default();
                rendered(&first, &preprocess, &mut scratch);
                prop_assert_eq!(rendered(&second, &preprocess, &mut scratch), fresh);
            }
        }

        #[test]
        fn resizing_commutes_with_swapping_the_channels(picture in any_picture(20), size in 1..24_u32) {
            for filter in FILTERS {
                let mut rgb = rendered(&picture, &whole(size, filter), &mut RenderBuffers::default());
                let bgr = Preprocess { channels: ChannelOrder::Bgr, ..whole(size, filter) };
                let bgr = rendered(&picture, &bgr, &mut RenderBuffers::default());
                for pixel in rgb.as_chunks_mut::<3>().0 {
                    pixel.reverse();
                }
                prop_assert_eq!(rgb, bgr);
            }
        }

        #[test]
        fn mirroring_twice_is_the_identity(side in 1..20_usize, seed in any::<u8>()) {
            let face: Vec<u8> = (0..side * side * 3).map(|i| (i as u8).wrapping_mul(31) ^ seed).collect();
            let mut mirrored = face.clone();
            mirror(&mut mirrored, side);
            prop_assert_eq!(&mirrored[..3], &face[side * 3 - 3..side * 3]);
            mirror(&mut mirrored, side);
            prop_assert_eq!(mirrored, face);
        }
    }

    #[test]
    fn a_picture_of_the_right_size_is_copied() {
        let picture = RgbImage::from_fn(9, 9, |x, y| Rgb([x as u8 * 20, y as u8 * 20, (x * y) as u8]));
        for filter in FILTERS {
            let out = rendered(&picture, &whole(9, filter), &mut RenderBuffers::default());
            assert_eq!(out, *picture.as_raw());
        }
    }

    #[test]
    fn a_picture_without_pixels_is_an_error() {
        let mut out = [0; 12];
        let preprocess = whole(2, Filter::PillowBilinear);
        let error =
            render(&RgbImage::new(0, 3), None, None, &preprocess, &mut RenderBuffers::default(), &mut out).unwrap_err();
        insta::assert_snapshot!(error, @"the picture has no pixels (0 × 3); replace it or remove it from the dataset");
    }
}
