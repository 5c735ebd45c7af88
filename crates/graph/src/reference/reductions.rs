//! Operators that look along axes.

use super::Tensor;
use super::movement::{broadcast_strides, offsets, strides};
use crate::graph::Reduction;

pub(super) fn reduce(x: &Tensor<'_>, reduction: Reduction, axes: &[usize]) -> Vec<f64> {
    let along = strides(x.shape);
    let part = |reduced: bool| {
        let axes = (0..x.shape.len()).filter(move |axis| axes.contains(axis) == reduced);
        let (shape, strides): (Vec<usize>, Vec<isize>) = axes.map(|axis| (x.shape[axis], along[axis])).unzip();
        offsets(&shape, 0, &strides).collect::<Vec<_>>()
    };
    let inside = part(true);
    let numbers = |start: usize| inside.iter().map(move |place| x.data[start + place]);
    part(false)
        .into_iter()
        .map(|start| match reduction {
            Reduction::Mean => numbers(start).sum::<f64>() / inside.len() as f64,
            Reduction::Sum => numbers(start).sum(),
            Reduction::Max => numbers(start).fold(f64::NEG_INFINITY, f64::max),
            Reduction::Min => numbers(start).fold(f64::INFINITY, f64::min),
            Reduction::L1 => numbers(start).map(f64::abs).sum(),
            Reduction::L2 => numbers(start).map(|x| x * x).sum::<f64>().sqrt(),
        })
        .collect()
}

pub(super) fn softmax(x: &Tensor<'_>, axis: usize) -> Vec<f64> {
    let extent = x.shape[axis];
    let inner: usize = x.shape[axis + 1..].iter().product();
    let mut output = x.data.to_vec();
    for block in output.chunks_mut((extent * inner).max(1)) {
        for start in 0..inner {
            let largest = block[start..].iter().step_by(inner).copied().fold(f64::NEG_INFINITY, f64::max);
            block[start..].iter_mut().step_by(inner).for_each(|x| *x = (*x - largest).exp());
            let sum: f64 = block[start..].iter().step_by(inner).sum();
            block[start..].iter_mut().step_by(inner).for_each(|x| *x /= sum);
        }
    }
    output
}

/// Of x, a scale, and perhaps a shift.
pub(super) fn layer_norm(inputs: &[Tensor<'_>], axis: usize, epsilon: f64) -> Vec<f64> {
    let x = &inputs[0];
    let length: usize = x.shape[axis..].iter().product();
    let mut output = x.data.to_vec();
    for block in output.chunks_mut(length.max(1)) {
        let mean = block.iter().sum::<f64>() / length as f64;
        let variance = block.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / length as f64;
        for x in block {
            *x = (*x - mean) / (variance + epsilon).sqrt();
        }
    }
    let places = |tensor: &Tensor<'_>| offsets(x.shape, 0, &broadcast_strides(tensor.shape, x.shape));
    output.iter_mut().zip(places(&inputs[1])).for_each(|(x, place)| *x *= inputs[1].data[place]);
    if let Some(shift) = inputs.get(2) {
        output.iter_mut().zip(places(shift)).for_each(|(x, place)| *x += shift.data[place]);
    }
    output
}
