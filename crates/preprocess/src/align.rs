//! Five landmarks → the upright face, as insightface's `face_align.norm_crop` cuts it out: the similarity transform that
//! brings the landmarks closest to a template, then [`warp()`].

use facevault_pixels::{PixelView, warp};
use image::RgbImage;

use super::crop::Region;
use super::{Landmarks, PreprocessError};

/// Where the landmarks should be in a face of side 112 (`arcface_dst` in insightface's `face_align.py`).
const TEMPLATE: [[f64; 2]; 5] =
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];

/// Landmarks that spread less than this part of their length across it are on one line. Those of faces in full profile
/// spread ten times as much and more.
const FLAT: f64 = 0.01;

/// Aligns the face into `out`, `side` × `side` × 3 bytes. Returns width and height of the square of the picture that it
/// covers, in pixels.
pub(super) fn align(
    picture: &RgbImage,
    landmarks: Option<&Landmarks>,
    side: usize,
    out: &mut [u8],
) -> Result<[usize; 2], PreprocessError> {
    let (width, height) = picture.dimensions();
    if width == 0 || height == 0 {
        return Err(PreprocessError::EmptyPicture { width, height });
    }
    let landmarks = *landmarks.ok_or(PreprocessError::NoLandmarks)?;
    let unusable = |problem| PreprocessError::UnusableLandmarks { landmarks, problem };
    let transform = Similarity::between(&landmarks, template(side)).map_err(unusable)?;
    let source = PixelView::new(picture, width as usize * 3, width as usize, height as usize);
    if !warp(source, transform.inverse(), side, out) {
        return Err(PreprocessError::AlignedOutside { landmarks, width, height });
    }
    let covered = (side as f64 / transform.scale()).round().clamp(1.0, f64::from(u32::MAX)) as usize;
    Ok([covered, covered])
}

/// The part of a picture that [`align()`] looks at; `None` if it cannot align the face.
pub(super) fn region(landmarks: &Landmarks, side: usize, width: u32, height: u32) -> Option<Region> {
    let to_source = Similarity::between(landmarks, template(side)).ok()?.inverse();
    let [columns, rows] = [(to_source[0], width), (to_source[1], height)].map(|([a, b, c], length)| {
        let far = side as f64;
        let corners = [c, a * far + c, b * far + c, (a + b) * far + c];
        // A pixel to interpolate with, and one for the rounding of positions to 32 bits.
        let more = 2.0 + (a.abs() * far + b.abs() * far + c.abs()) * 1e-6;
        let first = corners.into_iter().fold(f64::INFINITY, f64::min) - more;
        let last = corners.into_iter().fold(f64::NEG_INFINITY, f64::max) + more;
        let within = |position: f64| (position.max(0.0) as usize).min(length as usize);
        within(first)..within(last.ceil())
    });
    Some(Region { left: columns.start, top: rows.start, width: columns.len(), height: rows.len() })
}

/// The template for a face of this side: that for 112 scaled, as insightface scales it for multiples of 112. For other
/// multiples of 128 it is moved right by 8·side/128 instead, as there, because those faces are 112 wide with a margin. Other
/// sides, such as 160, are not insightface's; they get the whole of the face that 112 has.
fn template(side: usize) -> [[f64; 2]; 5] {
    let of = |base: usize| side as f64 / base as f64;
    let (ratio, shift) =
        if side.is_multiple_of(128) && !side.is_multiple_of(112) { (of(128), 8.0 * of(128)) } else { (of(112), 0.0) };
    TEMPLATE.map(|[x, y]| [x * ratio + shift, y * ratio])
}

/// Scale and rotation, then a shift: (x, y) → (c·x − s·y + shift₀, s·x + c·y + shift₁).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Similarity {
    c: f64,
    s: f64,
    shift: [f64; 2],
}

impl Similarity {
    /// The one with the least squared distances (Umeyama 1991, equations 40 to 42, and `SimilarityTransform.estimate` of
    /// scikit-image). In the plane the singular values need not be computed: the best rotation turns by the angle of
    /// (trace, antisymmetric part) of the covariance, and its length over the variance is the scale, whatever the
    /// determinant; mirrored landmarks therefore give the best rotation, not a reflection. `Err` says what is wrong with
    /// landmarks that have none.
    fn between(landmarks: &Landmarks, template: [[f64; 2]; 5]) -> Result<Self, &'static str> {
        let from = landmarks.0.map(|point| point.map(f64::from));
        if !from.iter().flatten().all(|number| number.is_finite()) {
            return Err("are not finite numbers");
        }
        let (from_mean, to_mean) = (mean(from), mean(template));
        let (mut trace, mut turn) = (0.0, 0.0);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (from, to) in from.into_iter().zip(template) {
            let [x, y] = [from[0] - from_mean[0], from[1] - from_mean[1]];
            let [u, v] = [to[0] - to_mean[0], to[1] - to_mean[1]];
            trace += u * x + v * y;
            turn += v * x - u * y;
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        let variance = xx + yy;
        // Half the difference of the variances along and across the direction in which the landmarks spread the most.
        let spread = ((xx - yy) / 2.0).hypot(xy);
        if variance == 0.0 {
            return Err("are all the same point");
        }
        if variance / 2.0 - spread <= FLAT * FLAT * (variance / 2.0 + spread) {
            return Err("lie on one line");
        }
        let (c, s) = (trace / variance, turn / variance);
        // Reflected so that no rotation fits better than any other.
        if c.hypot(s) * variance.sqrt() < 1e-9 {
            return Err("fit the template in no orientation");
        }
        let [x, y] = from_mean;
        Ok(Self { c, s, shift: [to_mean[0] - (c * x - s * y), to_mean[1] - (s * x + c * y)] })
    }

    fn scale(&self) -> f64 {
        self.c.hypot(self.s)
    }

    /// As `cv2.warpAffine` inverts its matrix.
    fn inverse(&self) -> [[f64; 3]; 2] {
        let Self { c, s, shift: [x, y] } = *self;
        let by = 1.0 / (c * c - -s * s);
        let [a, b] = [c * by, -s * -by];
        let [d, e] = [s * -by, c * by];
        [[a, b, -a * x - b * y], [d, e, -d * x - e * y]]
    }
}

fn mean(points: [[f64; 2]; 5]) -> [f64; 2] {
    [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / 5.0)
}

#[cfg(test)]
mod tests {
    use facevault_base::digest::Digest;
    use image::Rgb;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::{Limits, decode};

    fn fixtures() -> std::path::PathBuf {
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures").into()
    }

    fn matrix(transform: &Similarity) -> [f64; 6] {
        let Similarity { c, s, shift: [x, y] } = *transform;
        [c, -s, x, s, c, y]
    }

    /// The landmarks of the template itself, moved by a function.
    fn template_points(moved: impl Fn([f64; 2]) -> [f64; 2]) -> Landmarks {
        Landmarks(TEMPLATE.map(|point| moved(point).map(|number| number as f32)))
    }

    fn drawn(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let waves = |a: u32, b: u32| (((x * a + y * b) as f32 * 0.05).sin() * 120.0 + 128.0) as u8;
            Rgb([waves(3, 1), waves(1, 4), waves(2, 2)])
        })
    }

    fn message(landmarks: Option<&Landmarks>) -> String {
        align(&drawn(60, 50), landmarks, 16, &mut [0; 16 * 16 * 3]).unwrap_err().to_string()
    }

    #[test]
    fn faces_are_aligned_to_the_transforms_of_scikit_image_and_the_bytes_of_opencv() {
        let goldens = std::fs::read(fixtures().join("align/goldens.json")).unwrap();
        let goldens: Vec<Value> = serde_json::from_slice(&goldens).unwrap();
        assert_eq!(goldens.len(), 60);
        for golden in goldens {
            let numbers = |key: &str| golden[key].as_array().unwrap().iter().map(|n| n.as_f64().unwrap());
            let points: Vec<f32> = numbers("points").map(|number| number as f32).collect();
            let landmarks = Landmarks::from_numbers(points.try_into().unwrap());
            let side = golden["size"].as_u64().unwrap() as usize;
            let transform = Similarity::between(&landmarks, template(side)).unwrap();
            for (ours, theirs) in matrix(&transform).into_iter().zip(numbers("matrix")) {
                assert!((ours - theirs).abs() < 1e-9 * (1.0 + theirs.abs()), "{golden}: {transform:?}");
            }
            let name = format!("preprocess/resize/{}.png", golden["picture"].as_str().unwrap());
            let picture = decode(&std::fs::read(fixtures().join(name)).unwrap(), &Limits::default()).unwrap();
            let mut face = vec![1; side * side * 3];
            let black = align(&picture, Some(&landmarks), side, &mut face).is_err();
            assert_eq!(black, golden["black"].as_u64() == Some((side * side) as u64));
            let sample: Vec<u64> = face.iter().step_by(997).map(|byte| u64::from(*byte)).collect();
            assert!(numbers("sample").eq(sample.iter().map(|byte| *byte as f64)), "{golden}\n{sample:?}");
            assert_eq!(Digest::of(&face).to_string(), golden["sha256"], "{golden}");
        }
    }

    #[test]
    fn the_template_follows_insightface_for_its_sides() {
        assert_eq!(template(112), TEMPLATE);
        assert_eq!(template(224)[2], [56.0252 * 2.0, 71.7366 * 2.0]);
        assert_eq!(template(128)[2], [56.0252 + 8.0, 71.7366]);
        assert_eq!(template(256)[2], [56.0252 * 2.0 + 16.0, 71.7366 * 2.0]);
        assert_eq!(template(896)[2], [56.0252 * 8.0, 71.7366 * 8.0], "a multiple of both is one of 112");
        assert_eq!(template(160)[2], [56.0252 * (160.0 / 112.0), 71.7366 * (160.0 / 112.0)]);
    }

    #[test]
    fn a_face_without_landmarks_or_with_useless_ones_is_an_error() {
        insta::assert_snapshot!(message(None), @"the face has no landmarks to align it by; provide them in `dataset.boxes`, or let `detect` find them");
        let same = Landmarks([[3.5, 7.0]; 5]);
        insta::assert_snapshot!(message(Some(&same)), @"the landmarks (3.5, 7) (3.5, 7) (3.5, 7) (3.5, 7) (3.5, 7) (eyes, nose, corners of the mouth) are all the same point; correct them");
        let line = Landmarks([0.0, 1.0, 2.0, 3.0, 4.0].map(|i| [10.0 + 3.0 * i, 20.0 + 0.1 * i]));
        insta::assert_snapshot!(message(Some(&line)), @"the landmarks (10, 20) (13, 20.1) (16, 20.2) (19, 20.3) (22, 20.4) (eyes, nose, corners of the mouth) lie on one line; correct them");
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut landmarks = template_points(|point| point);
            landmarks.0[3][1] = wrong;
            assert!(message(Some(&landmarks)).contains("are not finite numbers"), "{landmarks}");
        }
        let away = template_points(|[x, y]| [x + 500.0, y]);
        insta::assert_snapshot!(message(Some(&away)), @"aligned by the landmarks (538.2946, 51.6963) (573.5318, 51.5014) (556.0252, 71.7366) (541.5493, 92.3655) (570.7299, 92.2041) (eyes, nose, corners of the mouth), the face is outside the 60 × 50 picture; give the landmarks in pixels of the picture");
        let error = align(&RgbImage::new(0, 3), Some(&away), 16, &mut [0; 16 * 16 * 3]).unwrap_err();
        assert!(matches!(error, PreprocessError::EmptyPicture { .. }), "{error}");
    }

    #[test]
    fn the_square_that_is_covered_is_measured_in_pixels_of_the_picture() {
        let landmarks = template_points(|[x, y]| [x * 2.0, y * 2.0]);
        let mut out = vec![0; 112 * 112 * 3];
        assert_eq!(align(&drawn(300, 300), Some(&landmarks), 112, &mut out).unwrap(), [224, 224]);
        let mut out = vec![0; 56 * 56 * 3];
        assert_eq!(align(&drawn(300, 300), Some(&landmarks), 56, &mut out).unwrap(), [224, 224]);
    }

    #[test]
    fn landmarks_at_the_template_copy_the_picture() {
        let picture = drawn(130, 120);
        let mut out = vec![0; 112 * 112 * 3];
        // Rounded to 32 bits, they are the template only to some 1e-6 pixels.
        align(&picture, Some(&template_points(|point| point)), 112, &mut out).unwrap();
        for (y, row) in out.chunks_exact(112 * 3).enumerate() {
            assert_eq!(row, &picture.as_raw()[y * 130 * 3..][..112 * 3], "row {y}");
        }
        // Whole pixels further and a quarter turn, nothing is interpolated either.
        let turned = template_points(|[x, y]| [119.0 - y, x + 5.0]);
        align(&picture, Some(&turned), 112, &mut out).unwrap();
        for (x, y) in [(0, 0), (7, 3), (50, 110)] {
            assert_eq!(out[(y * 112 + x) * 3..][..3], picture.get_pixel(119 - y as u32, x as u32 + 5).0, "{x} {y}");
        }
    }

    proptest! {
        #[test]
        fn a_moved_turned_and_scaled_face_is_brought_back(
            angle in -3.1..3.1_f64, scale in 0.1..10.0_f64, dx in -500.0..500.0_f64, dy in -500.0..500.0_f64,
            noise in any::<[[i8; 2]; 5]>()
        ) {
            let (sin, cos) = angle.sin_cos();
            let base: [[f64; 2]; 5] = std::array::from_fn(|i| {
                [0, 1].map(|axis| TEMPLATE[i][axis] + f64::from(noise[i][axis]) / 64.0)
            });
            let moved = base.map(|[x, y]| {
                [scale * (cos * x - sin * y) + dx, scale * (sin * x + cos * y) + dy].map(|number| number as f32)
            });
            let still = Similarity::between(&Landmarks(base.map(|point| point.map(|n| n as f32))), TEMPLATE).unwrap();
            let back = Similarity::between(&Landmarks(moved), TEMPLATE).unwrap();
            prop_assert!((back.scale() * scale / still.scale() - 1.0).abs() < 1e-3);
            for ([x, y], [u, v]) in base.into_iter().zip(moved.map(|point| point.map(f64::from))) {
                let a = [still.c * x - still.s * y + still.shift[0], still.s * x + still.c * y + still.shift[1]];
                let b = [back.c * u - back.s * v + back.shift[0], back.s * u + back.c * v + back.shift[1]];
                prop_assert!((a[0] - b[0]).hypot(a[1] - b[1]) < 0.01, "{a:?} {b:?}");
            }
        }

        #[test]
        fn no_landmarks_make_it_panic(numbers in any::<[f32; 10]>(), near in any::<[i8; 10]>()) {
            let picture = drawn(30, 20);
            let mut out = vec![0; 20 * 20 * 3];
            for numbers in [numbers, near.map(f32::from)] {
                match align(&picture, Some(&Landmarks::from_numbers(numbers)), 20, &mut out) {
                    Ok([width, height]) => prop_assert!(width == height && width > 0),
                    Err(error) => prop_assert!(!error.to_string().is_empty()),
                }
            }
        }
    }
}
