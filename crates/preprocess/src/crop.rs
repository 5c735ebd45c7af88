//! Face box → the rectangle that is cut out.

use super::{BoundingBox, PreprocessError};
use crate::{Crop, MarginUnit};

/// A non-empty rectangle inside a picture, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// The face's part of a `width` × `height` picture.
///
/// Half the margin goes to each side, the result is clamped to the picture, then truncated to whole pixels: the order
/// of Sandberg's `align_dataset_mtcnn.py` and of `facenet_pytorch.extract_face`, which differ in what the margin counts.
pub(super) fn region(
    bbox: Option<&BoundingBox>,
    crop: Crop,
    size: usize,
    width: u32,
    height: u32,
) -> Result<Region, PreprocessError> {
    if width == 0 || height == 0 {
        return Err(PreprocessError::EmptyPicture { width, height });
    }
    let (margin, unit, bbox) = match (crop, bbox) {
        (Crop::Box { margin, unit }, Some(bbox)) => (margin, unit, bbox),
        (Crop::Centre { fraction }, _) => return Ok(centre(fraction, width as usize, height as usize)),
        _ => return Ok(Region { left: 0, top: 0, width: width as usize, height: height as usize }),
    };
    let span = |low: f32, high: f32, length: u32| {
        let (low, high) = (f64::from(low), f64::from(high));
        let margin = match unit {
            MarginUnit::OriginalPixels => margin,
            MarginUnit::OutputPixels => margin * (high - low) / (size as f64 - margin),
        };
        let (start, end) = (low - margin / 2.0, (high + margin / 2.0).min(f64::from(length)));
        let (from, to) = (start.max(0.0) as usize, end.max(0.0) as usize);
        // The comparison of `low` and `high` also turns NaN away.
        (low < high && margin.is_finite() && from < to).then(|| (from, to - from))
    };
    match (span(bbox.x1, bbox.x2, width), span(bbox.y1, bbox.y2, height)) {
        (Some((left, width)), Some((top, height))) => Ok(Region { left, top, width, height }),
        _ => Err(PreprocessError::EmptyCrop { bbox: *bbox, width, height }),
    }
}

/// The middle of a picture: each side is `fraction` of the picture's, rounded half up, at least one pixel. An odd rest
/// leaves the pixel more on the right and below, as truncating the corner does.
fn centre(fraction: f64, width: usize, height: usize) -> Region {
    let part = |length: usize| ((fraction * length as f64 + 0.5) as usize).clamp(1, length);
    let (part_width, part_height) = (part(width), part(height));
    Region { left: (width - part_width) / 2, top: (height - part_height) / 2, width: part_width, height: part_height }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ORIGINAL: Crop = Crop::Box { margin: 32.0, unit: MarginUnit::OriginalPixels };

    fn bbox(x1: f32, y1: f32, x2: f32, y2: f32) -> BoundingBox {
        BoundingBox { x1, y1, x2, y2 }
    }

    #[test]
    fn the_margin_is_clamped_to_the_picture() {
        let face = bbox(4.0, 20.9, 50.0, 60.0);
        let region = region(Some(&face), ORIGINAL, 160, 60, 100).unwrap();
        assert_eq!(region, Region { left: 0, top: 4, width: 60, height: 72 });
    }

    #[test]
    fn a_face_without_box_and_a_box_not_asked_for_are_the_whole_picture() {
        let whole = Region { left: 0, top: 0, width: 60, height: 100 };
        assert_eq!(region(None, ORIGINAL, 160, 60, 100).unwrap(), whole);
        assert_eq!(region(Some(&bbox(1.0, 1.0, 2.0, 2.0)), Crop::Whole, 160, 60, 100).unwrap(), whole);
    }

    #[test]
    fn the_centre_is_rounded_half_up_and_an_odd_rest_goes_right_and_below() {
        let cut = |fraction, width, height| {
            let face = bbox(1.0, 1.0, 2.0, 2.0);
            let Region { left, top, width, height } =
                region(Some(&face), Crop::Centre { fraction }, 160, width, height).unwrap();
            [left, top, width, height]
        };
        assert_eq!(cut(0.5, 250, 250), [62, 62, 125, 125], "125 of 125 pixels left over: 62 and 63");
        assert_eq!(cut(0.55, 250, 250), [56, 56, 138, 138], "137.5 is 138");
        assert_eq!(cut(0.5, 100, 61), [25, 15, 50, 31], "a picture that is no square keeps its shape");
        assert_eq!(cut(1.0, 7, 5), [0, 0, 7, 5]);
        assert_eq!(cut(0.001, 250, 3), [124, 1, 1, 1], "at least a pixel");
    }

    #[test]
    fn a_box_that_leaves_nothing_is_an_error() {
        let error = region(Some(&bbox(90.5, 10.0, 120.0, 40.0)), ORIGINAL, 160, 60, 100).unwrap_err();
        insta::assert_snapshot!(error, @"the face box (90.5, 10, 120, 40) (left, top, right, bottom) covers nothing of the 60 × 100 picture; correct the box, or use the whole picture (`crop: {mode: whole}`)");
        for face in [
            bbox(-90.0, 10.0, -60.0, 40.0),
            bbox(40.0, 10.0, 30.0, 40.0),
            bbox(f32::NAN, 10.0, 30.0, 40.0),
            bbox(10.0, 10.0, f32::INFINITY, f32::NAN),
        ] {
            assert!(region(Some(&face), ORIGINAL, 160, 60, 100).is_err(), "{face:?}");
        }
    }

    #[test]
    fn boxes_are_cut_out_as_the_reference_formulas_cut_them_out() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/preprocess/crops.json");
        let crops: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert!(crops.len() > 200);
        for expected in crops {
            let numbers = |key: &str| expected[key].as_array().unwrap().iter().map(|n| n.as_f64().unwrap());
            let [width, height] = numbers("picture").map(|n| n as u32).collect::<Vec<_>>()[..] else { panic!() };
            let [x1, y1, x2, y2] = numbers("box").map(|n| n as f32).collect::<Vec<_>>()[..] else { panic!() };
            let unit = serde_json::from_value(expected["unit"].clone()).unwrap();
            let crop = Crop::Box { margin: expected["margin"].as_f64().unwrap(), unit };
            let cut = region(Some(&bbox(x1, y1, x2, y2)), crop, 160, width, height).unwrap();
            let corners = [cut.left, cut.top, cut.left + cut.width, cut.top + cut.height].map(|n| n as f64);
            assert!(numbers("cut").eq(corners), "{expected} {cut:?}");
        }
    }

    proptest! {
        #[test]
        fn a_region_lies_inside_the_picture(
            corners in any::<[f32; 4]>(), margin in -50.0..200.0_f64, output in any::<bool>(),
            width in 1..5000_u32, height in 1..5000_u32
        ) {
            let [x1, y1, x2, y2] = corners;
            let unit = if output { MarginUnit::OutputPixels } else { MarginUnit::OriginalPixels };
            let crop = Crop::Box { margin, unit };
            if let Ok(region) = region(Some(&bbox(x1, y1, x2, y2)), crop, 160, width, height) {
                prop_assert!(region.width > 0 && region.left + region.width <= width as usize);
                prop_assert!(region.height > 0 && region.top + region.height <= height as usize);
            }
        }

        #[test]
        fn a_centre_lies_in_the_middle_and_has_the_size_asked_for(
            fraction in 1e-6..=1.0_f64, width in 1..5000_u32, height in 1..5000_u32
        ) {
            let cut = region(None, Crop::Centre { fraction }, 160, width, height).unwrap();
            for (start, part, length) in [(cut.left, cut.width, width), (cut.top, cut.height, height)] {
                let length = length as usize;
                let after = length - start - part;
                prop_assert!(part >= 1 && (start == after || start + 1 == after), "{cut:?}");
                prop_assert!(part == 1 || (part as f64 - fraction * length as f64).abs() <= 0.5 + 1e-9, "{cut:?}");
            }
        }
    }
}
