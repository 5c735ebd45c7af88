//! Weights and pictures that Python and Rust compute alike: twin of `tests/fixtures/model/formula.py`.

use facevault::model::weights::{Parameter, Tensor, Tensors};

#[path = "../../support/fractions.rs"]
mod fractions;

pub use fractions::fractions;

/// A checkpoint whose every tensor follows from its key.
pub fn checkpoint(parameters: &[Parameter]) -> Tensors {
    parameters.iter().map(|parameter| (parameter.key.clone(), tensor(parameter))).collect()
}

fn tensor(Parameter { key, shape }: &Parameter) -> Tensor {
    let count: usize = shape.iter().product();
    let (low, high) = if key.ends_with("running_var") || key.ends_with("lambda1") {
        (0.5, 1.5)
    } else if key.ends_with("prelu.weight") {
        (0.1, 0.4)
    } else if key.ends_with("position_embeddings") {
        (-0.5, 0.5)
    } else if key.ends_with(".weight") && shape.len() == 1 {
        (0.8, 1.2)
    } else if shape.len() == 1 {
        (-0.1, 0.1)
    } else {
        // Or the gates of squeeze-and-excite are steps, and the last bit of a sum decides.
        let gentle = if key.ends_with("fc2.weight") && shape.len() == 4 { 0.001 } else { 1.0 };
        let high = (6.0 / (count / shape[0]) as f64).sqrt() * gentle;
        (-high, high)
    };
    let data = fractions(key, count).map(|u| (low + (high - low) * u) as f32).collect();
    Tensor { shape: shape.clone(), data, dtype: "F32".into() }
}

/// A side×side×3 8-bit picture: `constant-<value>`, `noise` or `smooth-<name>`.
pub fn picture(kind: &str, side: usize) -> Vec<u8> {
    if let Some(value) = kind.strip_prefix("constant-") {
        return vec![value.parse().unwrap(); side * side * 3];
    }
    let bytes = |name: &str, count| fractions(name, count).map(|u| (u * 256.0) as u8).collect::<Vec<_>>();
    if kind == "noise" {
        return bytes(kind, side * side * 3);
    }
    assert!(kind.starts_with("smooth-"), "no picture {kind}");
    let lattice = side / 16 + 2;
    let grid = bytes(kind, lattice * lattice * 3);
    let at = |y: usize, x: usize, c: usize| usize::from(grid[(y * lattice + x) * 3 + c]);
    let mut pixels = Vec::with_capacity(side * side * 3);
    for y in 0..side {
        for x in 0..side {
            for c in 0..3 {
                let (gy, gx, fy, fx) = (y / 16, x / 16, y % 16, x % 16);
                let total = (16 - fy) * (16 - fx) * at(gy, gx, c)
                    + (16 - fy) * fx * at(gy, gx + 1, c)
                    + fy * (16 - fx) * at(gy + 1, gx, c)
                    + fy * fx * at(gy + 1, gx + 1, c);
                pixels.push((total / 256) as u8);
            }
        }
    }
    pixels
}
