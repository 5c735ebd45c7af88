//! Picture quality of a face by four measures that need no network. They are cheap enough to compute for every face while
//! it is embedded, because the picture may not be available later.
//!
//! All measures but the size use the luma of the 8-bit picture that the network sees, after cropping and resizing
//! (ITU-R BT.601, as Pillow's `convert("L")`: `(19595 R + 38470 G + 7471 B + 32768) >> 16`). Sums are integers, so the
//! results are identical to the last bit on every machine.
//!
//! | measure | definition | unit | better |
//! |---|---|---|---|
//! | sharpness | variance of the 4-neighbour Laplacian of the inner pixels (Pech-Pacheco et al. 2000) | grey levels² | higher |
//! | exposure | mean luma | grey levels, 0 … 255 | near the middle |
//! | contrast | standard deviation of luma (RMS contrast, Peli 1990) | grey levels | higher |
//! | size | shorter side of the crop before resizing | pixels | higher |
//!
//! Sharpness is measured on the resized picture: an enlarged crop is soft, and noise and JPEG blocks count as detail.

use facevault_pixels::FaceSums;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ChannelOrder;

/// The exposure in the middle of the scale.
pub const MIDDLE_GREY: f64 = 127.5;

/// The quality of one face. The first three measures are rounded to hundredths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Variance of the Laplacian of luma, grey levels².
    pub sharpness: f32,
    /// Mean luma, 0 … 255.
    pub exposure: f32,
    /// Standard deviation of luma, grey levels.
    pub contrast: f32,
    /// Shorter side of the crop before resizing, pixels.
    pub size: u32,
}

/// The quality of faces in order, by column, as stored in a chunk's sidecar.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Qualities {
    /// Variance of the Laplacian of luma, grey levels².
    sharpness: Vec<f32>,
    /// Mean luma, 0 to 255.
    exposure: Vec<f32>,
    /// Standard deviation of luma, grey levels.
    contrast: Vec<f32>,
    /// Shorter side of the crop before it was resized, pixels.
    size: Vec<u32>,
}

impl Qualities {
    /// The number of faces; `None` if the columns differ in length.
    #[must_use]
    pub fn faces(&self) -> Option<usize> {
        let lengths = [self.sharpness.len(), self.exposure.len(), self.contrast.len(), self.size.len()];
        lengths.iter().all(|length| *length == lengths[0]).then_some(lengths[0])
    }

    /// All faces in order.
    pub fn iter(&self) -> impl Iterator<Item = Quality> {
        let numbers = self.sharpness.iter().zip(&self.exposure).zip(&self.contrast).zip(&self.size);
        numbers.map(|(((&sharpness, &exposure), &contrast), &size)| Quality { sharpness, exposure, contrast, size })
    }
}

impl Extend<Quality> for Qualities {
    fn extend<I: IntoIterator<Item = Quality>>(&mut self, faces: I) {
        for Quality { sharpness, exposure, contrast, size } in faces {
            self.sharpness.push(sharpness);
            self.exposure.push(exposure);
            self.contrast.push(contrast);
            self.size.push(size);
        }
    }
}

/// Measures a face of `side` × `side` × 3 bytes, row-major with interleaved channels, cropped from a picture as a region of
/// `source` (width, height) pixels. `luma` is a buffer; reuse one per thread.
///
/// # Panics
/// If `face` does not have that size.
#[must_use]
pub fn measure(face: &[u8], side: usize, channels: ChannelOrder, source: [usize; 2], luma: &mut Vec<i16>) -> Quality {
    assert_eq!(face.len(), side * side * 3, "the face has side {side}");
    let FaceSums { grey, edges } = FaceSums::of(face, side, channels == ChannelOrder::Bgr, luma);
    Quality {
        sharpness: hundredths(edges.variance()),
        exposure: hundredths(grey.mean()),
        contrast: hundredths(grey.variance().sqrt()),
        size: source[0].min(source[1]) as u32,
    }
}

fn hundredths(value: f64) -> f32 {
    ((value * 100.0).round() / 100.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbImage;
    use proptest::prelude::*;
    use serde_json::Value;

    fn of(face: &RgbImage, source: [usize; 2]) -> Quality {
        measure(face.as_raw(), face.width() as usize, ChannelOrder::Rgb, source, &mut Vec::new())
    }

    // Expected values: `tests/fixtures/quality/make_goldens.py`.
    #[test]
    fn measures_match_numpy_and_opencv() {
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let goldens: Vec<Value> =
            serde_json::from_slice(&std::fs::read(fixtures.join("quality/goldens.json")).unwrap()).unwrap();
        assert!(goldens.len() >= 5);
        for golden in goldens {
            let name = golden["picture"].as_str().unwrap();
            let face = image::open(fixtures.join(name)).unwrap().to_rgb8();
            let found = of(&face, [300, 200]);
            let number = |key: &str| golden[key].as_f64().unwrap() as f32;
            let expected = [number("sharpness"), number("exposure"), number("contrast")];
            assert_eq!([found.sharpness, found.exposure, found.contrast], expected, "{name}");
            assert_eq!(found.size, 200);
        }
    }

    #[test]
    fn each_measure_responds_to_its_property() {
        let flat = RgbImage::from_pixel(9, 9, image::Rgb([40, 40, 40]));
        assert_eq!(of(&flat, [7, 9]), Quality { sharpness: 0.0, exposure: 40.0, contrast: 0.0, size: 7 });
        let ramp = RgbImage::from_fn(9, 9, |x, _| image::Rgb([x as u8 * 10; 3]));
        let ramped = of(&ramp, [1, 1]);
        assert!(ramped.sharpness == 0.0 && ramped.contrast > 25.0, "a ramp has contrast but no edge: {ramped:?}");
        let stripes = RgbImage::from_fn(9, 9, |x, _| image::Rgb([x as u8 % 2 * 80; 3]));
        assert!(of(&stripes, [1, 1]).sharpness > 10_000.0);
        assert_eq!(of(&RgbImage::new(2, 2), [5, 5]).sharpness, 0.0, "there are no inner pixels");
    }

    proptest! {
        #[test]
        fn channel_order_does_not_matter(pixels in proptest::collection::vec(any::<u8>(), 75)) {
            let mut swapped = pixels.clone();
            swapped.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.reverse());
            let measure = |face: &[u8], order| super::measure(face, 5, order, [3, 4], &mut vec![9; 3]);
            prop_assert_eq!(measure(&pixels, ChannelOrder::Rgb), measure(&swapped, ChannelOrder::Bgr));
        }

        #[test]
        fn columns_round_trip_through_json(faces in proptest::collection::vec(any::<[u8; 27]>(), 0..9)) {
            let faces: Vec<Quality> =
                faces.iter().map(|face| super::measure(face, 3, ChannelOrder::Rgb, [8, 9], &mut Vec::new())).collect();
            let mut columns = Qualities::default();
            columns.extend(faces.clone());
            let read: Qualities = serde_json::from_str(&serde_json::to_string(&columns).unwrap()).unwrap();
            prop_assert_eq!(read.faces(), Some(faces.len()));
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), faces);
        }
    }
}
