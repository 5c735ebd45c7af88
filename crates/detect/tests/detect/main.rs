//! What the detector finds.

mod formula;
mod goldens;
mod hostile;
mod lfw;
mod same_bytes;
mod weights;

use facevault_detect::{DetectBuffers, Detection, DetectorOptions, Mtcnn, Networks};
use facevault_kernels::Kernels;
use image::RgbImage;

/// What is found with these weights and options by the fastest kernels.
fn detect(networks: &Networks, options: DetectorOptions, photo: &RgbImage) -> Vec<Detection> {
    let mtcnn = Mtcnn::new(networks, options, Kernels::Auto).unwrap();
    mtcnn.detect(photo, &mut DetectBuffers::default())
}

/// All numbers of a face: box, probability, landmarks.
fn numbers(face: &Detection) -> Vec<f32> {
    let bbox = face.bbox;
    let mut numbers = vec![bbox.x1, bbox.y1, bbox.x2, bbox.y2, face.probability];
    numbers.extend(face.landmarks.as_flattened());
    numbers
}
