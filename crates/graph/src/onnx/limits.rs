//! How large a file and what is made of it may become.

use super::error::{Fault, wrong};

/// Of a tensor.
const MOST_AXES: usize = 32;

/// Bounds, checked before memory is taken.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of the ONNX file, and of the files beside it together.
    pub file: u64,
    /// Nodes of the graph, and as many constants.
    pub nodes: u64,
    /// Numbers of a constant of the file.
    pub tensor: u64,
    /// Numbers of what a node makes of one face.
    pub computed: u64,
    /// Numbers of all constants that are computed from others.
    pub folded: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { file: 4 << 30, nodes: 100_000, tensor: 1 << 31, computed: 1 << 26, folded: 1 << 29 }
    }
}

/// How many numbers a shape has, if they are not more than `limit`.
pub(super) fn numbers(shape: &[usize], limit: u64) -> Result<usize, Fault> {
    if shape.len() > MOST_AXES {
        return Err(wrong!("a tensor of {} axes", shape.len()));
    }
    // An extent of 0 does not excuse others whose product is too large for a word.
    let product = shape.iter().try_fold(1u64, |product, extent| product.checked_mul((*extent).max(1) as u64));
    match product {
        Some(numbers) if numbers <= limit => Ok(shape.iter().product()),
        Some(_) => Err(Fault::TooMuch { what: format!("a tensor of shape {shape:?}"), limit }),
        None => Err(wrong!("its shape is {shape:?}, which no memory holds")),
    }
}
