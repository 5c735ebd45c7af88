//! Photos that hold no face, too many candidates, or hardly any pixel.

use facevault_detect::{DetectBuffers, DetectorOptions, Mtcnn, Networks};
use facevault_kernels::Kernels;
use image::{Rgb, RgbImage};

use crate::{detect, formula};

#[test]
fn odd_photos_are_looked_at_without_harm() {
    let mtcnn = Mtcnn::new(&Networks::embedded(), DetectorOptions::default(), Kernels::Auto).unwrap();
    let mut buffers = DetectBuffers::default();
    let sizes = [(0, 0), (1, 1), (20, 20), (20, 21), (12, 3_000), (3_000, 12), (20, 3_000), (3_000, 21), (640, 480)];
    for (width, height) in sizes {
        let gradient = RgbImage::from_fn(width, height, |x, y| Rgb([(x * 255 / width) as u8, (y % 256) as u8, 7]));
        for photo in [formula::noise(width, height), gradient, RgbImage::new(width, height)] {
            let faces = mtcnn.detect(&photo, &mut buffers);
            assert!(faces.len() < 3, "{width} × {height}: {} faces", faces.len());
        }
    }
}

/// Thresholds of 0 let every cell through: the limits and the suppression bound the work.
#[test]
fn a_photo_in_which_everything_is_a_candidate_ends() {
    let options = DetectorOptions { thresholds: [0.0; 3], factor: 0.3, ..DetectorOptions::default() };
    let faces = detect(&formula::networks(), options, &formula::noise(400, 300));
    assert!(!faces.is_empty());
    assert!(faces.iter().all(|face| face.probability > 0.0));
}
