//! Weights and pictures that Python and Rust compute alike: twin of `tests/fixtures/make_goldens.py`.

use std::collections::BTreeMap;

use facevault_detect::{Networks, TensorView};
use image::{Rgb, RgbImage};

#[path = "../../../../tests/support/fractions.rs"]
mod fractions;

pub use fractions::fractions;

/// Tensors by key.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Formula weights of all three networks, with the shapes of the embedded ones.
pub fn tensors() -> Tensors {
    let file = safetensors::SafeTensors::deserialize(Networks::EMBEDDED).unwrap();
    file.iter()
        .map(|(key, view)| {
            let shape = view.shape().to_vec();
            let count: usize = shape.iter().product();
            let (low, high) = if key.contains("prelu") {
                (0.1, 0.4)
            } else if shape.len() == 1 {
                (-0.1, 0.1)
            } else {
                let high = (6.0 / (count / shape[0]) as f64).sqrt() * if key.contains("_2.") { 0.1 } else { 1.0 };
                (-high, high)
            };
            let data = fractions(key, count).map(|u| (low + (high - low) * u) as f32).collect();
            (key.to_owned(), (shape, data))
        })
        .collect()
}

/// As the library takes them.
pub fn views(tensors: &Tensors) -> impl Iterator<Item = (&str, TensorView<'_>)> {
    tensors.iter().map(|(key, (shape, data))| (key.as_str(), TensorView { shape, data }))
}

/// Formula weights.
pub fn networks() -> Networks {
    Networks::from_tensors(views(&tensors())).unwrap()
}

/// Random bytes.
pub fn noise(width: u32, height: u32) -> RgbImage {
    let bytes = fractions("noise", (width * height * 3) as usize).map(|u| (u * 256.0) as u8).collect();
    RgbImage::from_raw(width, height, bytes).unwrap()
}

/// Slanted waves, another slant for each channel.
pub fn smooth(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([0, 1, 2].map(|c| ((((x * (3 + c) + y * (5 - c)) % 256) as i32 * 2 - 255).unsigned_abs()) as u8))
    })
}

/// Four drawn faces.
pub fn drawn(width: u32, height: u32) -> RgbImage {
    let mut picture = RgbImage::from_fn(width, height, |x, _| {
        let grey = (90 + x * 60 / width) as u8;
        Rgb([grey, grey + 15, grey + 30])
    });
    for [x, y, r] in [[90, 110, 60], [220, 70, 38], [255, 180, 50], [310, 20, 30]] {
        face(&mut picture, x, y, r);
    }
    picture
}

fn face(picture: &mut RgbImage, x: i64, y: i64, r: i64) {
    let mut ellipse = |x: i64, y: i64, width: i64, height: i64, colour: [u8; 3]| {
        for (column, row, pixel) in picture.enumerate_pixels_mut() {
            let (across, down) = (i64::from(column) - x, i64::from(row) - y);
            if across.pow(2) * height.pow(2) + down.pow(2) * width.pow(2) <= width.pow(2) * height.pow(2) {
                *pixel = Rgb(colour);
            }
        }
    };
    ellipse(x, y - r / 4, r * 9 / 8, r * 10 / 8, [50, 35, 30]);
    for ring in 0..8u8 {
        let size = 16 - i64::from(ring);
        ellipse(x, y, r * 8 * size / 160, r * size / 16, [170 + ring * 5, 136 + ring * 4, 116 + ring * 3]);
    }
    for side in [-1, 1] {
        let eye = x + side * (r * 36 / 100);
        ellipse(eye, y - r * 36 / 100, r * 20 / 100, r * 4 / 100, [60, 40, 35]);
        ellipse(eye, y - r * 20 / 100, r * 15 / 100, r * 8 / 100, [235, 230, 228]);
        ellipse(eye, y - r * 20 / 100, r * 7 / 100, r * 7 / 100, [40, 30, 30]);
        ellipse(x + side * (r * 9 / 100), y + r * 30 / 100, r * 5 / 100, r * 3 / 100, [110, 70, 60]);
    }
    ellipse(x, y + r * 58 / 100, r * 32 / 100, r * 9 / 100, [165, 70, 70]);
    ellipse(x, y + r * 57 / 100, r * 28 / 100, r * 2 / 100, [90, 30, 35]);
}
