//! A graph computed by definition, in `f64`: slow and plain. It folds constants and is the measure of every engine.
//!
//! A graph whose shapes contradict its operators panics here.

mod elementwise;
mod matrices;
mod movement;
mod reductions;
mod windows;

use std::borrow::Cow;

pub(crate) use elementwise::function;
pub(crate) use movement::{is_movement, moved};

use crate::graph::{Graph, Operator, ValueId};

/// A tensor that an operator reads.
#[derive(Debug, Clone, Copy)]
pub struct Tensor<'a> {
    /// Extents, row-major.
    pub shape: &'a [usize],
    /// Its numbers.
    pub data: &'a [f64],
}

/// The embedding of a face, in the layout of the graph's input.
#[must_use]
pub fn run(graph: &Graph, input: &[f32]) -> Vec<f32> {
    let mut reads = vec![0; graph.values.len()];
    graph.nodes.iter().flat_map(|node| &node.inputs).for_each(|value| reads[*value] += 1);
    reads[graph.output] += 1;
    let mut computed = compute_all(graph, input, |computed, value| {
        reads[value] -= 1;
        if reads[value] == 0 {
            computed[value] = Vec::new();
        }
    });
    to_f32(&std::mem::take(&mut computed[graph.output]))
}

/// Every value of the graph for a face, by [`ValueId`]. Constants are as they are.
#[must_use]
pub fn values(graph: &Graph, input: &[f32]) -> Vec<Vec<f32>> {
    let computed = compute_all(graph, input, |_, _| ());
    let constants = graph.values.iter().map(|value| value.constant.as_deref());
    computed
        .iter()
        .zip(constants)
        .map(|(data, constant)| constant.map_or_else(|| to_f32(data), <[f32]>::to_vec))
        .collect()
}

/// Calls `read` with each value that a node has read.
fn compute_all(graph: &Graph, input: &[f32], mut read: impl FnMut(&mut [Vec<f64>], ValueId)) -> Vec<Vec<f64>> {
    let mut computed = vec![Vec::new(); graph.values.len()];
    assert_eq!(input.len(), graph.values[graph.input].len(), "the face has the shape of the graph's input");
    computed[graph.input] = to_f64(input);
    for node in &graph.nodes {
        let data: Vec<Cow<'_, [f64]>> = (node.inputs.iter())
            .map(|value| match &graph.values[*value].constant {
                Some(constant) => Cow::Owned(to_f64(constant)),
                None => Cow::Borrowed(&computed[*value][..]),
            })
            .collect();
        let tensors: Vec<Tensor<'_>> = (node.inputs.iter().zip(&data))
            .map(|(value, data)| Tensor { shape: &graph.values[*value].shape, data })
            .collect();
        let output = compute(&node.operator, &tensors, &graph.values[node.output].shape);
        drop(data);
        computed[node.output] = output;
        node.inputs.iter().for_each(|value| read(&mut computed, *value));
    }
    computed
}

/// What an operator makes of its inputs; `shape` is its output's.
#[must_use]
pub fn compute(operator: &Operator, inputs: &[Tensor<'_>], shape: &[usize]) -> Vec<f64> {
    let output = match operator {
        Operator::Convolution { stride, padding, dilation, groups, .. } => {
            windows::convolution(inputs, shape, *stride, *padding, *dilation, *groups)
        }
        Operator::Pool { pool, kernel, stride, padding, dilation } => {
            windows::pool(&inputs[0], shape, *pool, *kernel, *stride, *padding, *dilation)
        }
        Operator::MatMul => matrices::multiply(&inputs[0], &inputs[1], shape),
        Operator::Function(function) => inputs[0].data.iter().map(|x| elementwise::function(*function, *x)).collect(),
        Operator::Binary(kind) => {
            elementwise::broadcast(&inputs[0], &inputs[1], shape, |a, b| elementwise::binary(*kind, a, b))
        }
        Operator::PRelu => {
            elementwise::broadcast(&inputs[0], &inputs[1], shape, |x, slope| x.max(0.0) + slope * x.min(0.0))
        }
        Operator::Reduce { reduction, axes } => reductions::reduce(&inputs[0], *reduction, axes),
        Operator::Softmax { axis } => reductions::softmax(&inputs[0], *axis),
        Operator::LayerNorm { axis, epsilon } => reductions::layer_norm(inputs, *axis, *epsilon),
        Operator::Concat { .. }
        | Operator::Slice { .. }
        | Operator::Gather { .. }
        | Operator::Transpose { .. }
        | Operator::Reshape
        | Operator::Broadcast
        | Operator::Pad { .. } => {
            let parts: Vec<_> = inputs.iter().map(|tensor| (tensor.shape, tensor.data)).collect();
            moved(operator, &parts, shape)
        }
    };
    assert_eq!(output.len(), shape.iter().product::<usize>(), "{operator:?} fills its output");
    output
}

fn to_f64(data: &[f32]) -> Vec<f64> {
    data.iter().map(|x| f64::from(*x)).collect()
}

fn to_f32(data: &[f64]) -> Vec<f32> {
    data.iter().map(|x| *x as f32).collect()
}

#[cfg(test)]
mod tests;
