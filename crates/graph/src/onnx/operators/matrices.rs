//! Products of matrices.

use super::Call;
use crate::graph::{Binary, Operator, ValueId};
use crate::onnx::builder::Builder;
use crate::onnx::error::{Fault, quoted, wrong};
use crate::onnx::shapes;

/// `MatMul`: a vector to the left is a row, one to the right a column.
pub(super) fn multiply(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let (mut a, mut b) = (call.input(0)?, call.input(1)?);
    let vectors = (graph.rank(a) == 1, graph.rank(b) == 1);
    if vectors.0 {
        a = graph.reshape(a, vec![1, graph.shape(a)[0]])?;
    }
    if vectors.1 {
        b = graph.reshape(b, vec![graph.shape(b)[0], 1])?;
    }
    let product = product(graph, a, b)?;
    let mut shape = graph.shape(product).to_vec();
    if vectors.0 {
        shape.remove(shape.len() - 2);
    }
    if vectors.1 {
        shape.pop();
    }
    graph.reshape(product, shape)
}

pub(super) fn product(graph: &mut Builder<'_>, a: ValueId, b: ValueId) -> Result<ValueId, Fault> {
    let (left, right) = (graph.shape(a), graph.shape(b));
    let ([outer_a @ .., rows, depth], [outer_b @ .., same, columns]) = (left, right) else {
        return Err(wrong!("it multiplies tensors of shapes {left:?} and {right:?}"));
    };
    if depth != same {
        return Err(wrong!("it multiplies matrices of shapes {left:?} and {right:?}"));
    }
    let mut shape = shapes::broadcast(outer_a, outer_b)?;
    shape.extend([*rows, *columns]);
    graph.emit(Operator::MatMul, &[a, b], shape)
}

/// `Gemm`: α·A·B + β·C.
pub(super) fn gemm(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let mut matrix = |input, transposed| {
        let x = call.input(input)?;
        match graph.rank(x) {
            2 if call.attributes.flag(transposed)? => graph.transpose(x, vec![1, 0]),
            2 => Ok(x),
            rank => Err(wrong!("its input {input} has {rank} axes, not two")),
        }
    };
    let (a, b) = (matrix(0, "transA")?, matrix(1, "transB")?);
    let alpha = call.attributes.float("alpha", 1.0)?;
    // The factor becomes part of a constant matrix.
    let y = if graph.is_constant(b) {
        let b = graph.multiplied(b, alpha)?;
        product(graph, a, b)?
    } else {
        let y = product(graph, a, b)?;
        graph.multiplied(y, alpha)?
    };
    let beta = call.attributes.float("beta", 1.0)?;
    let Some(c) = call.optional(2).filter(|_| beta != 0.0) else { return Ok(y) };
    if shapes::broadcast(graph.shape(y), graph.shape(c))? != graph.shape(y) {
        return Err(wrong!("it adds a tensor of shape {:?} to one of {:?}", graph.shape(c), graph.shape(y)));
    }
    let c = graph.multiplied(c, beta)?;
    graph.binary(Binary::Add, y, c)
}

/// `Einsum` of two tensors without repeated letters: a product of matrices between transpositions.
pub(super) fn einsum(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let equation = call.attributes.string("equation")?.unwrap_or_default().replace(' ', "");
    let unsupported = || wrong!("its equation `{}` is not supported", quoted(&equation));
    let (inputs, output) = equation.split_once("->").ok_or_else(unsupported)?;
    let (left, right) = inputs.split_once(',').ok_or_else(unsupported)?;
    let (a, b) = (call.input(0)?, call.input(1)?);
    let plain = |letters: &str| {
        let twice = |(at, letter): (usize, char)| letters[at + 1..].contains(letter);
        letters.len() <= 52 && letters.bytes().all(|c| c.is_ascii_alphabetic()) && !letters.char_indices().any(twice)
    };
    let known = |letters: &str| letters.chars().all(|c| left.contains(c) || right.contains(c));
    if call.inputs.len() != 2 || ![left, right, output].into_iter().all(plain) || !known(output) {
        return Err(unsupported());
    }
    if graph.rank(a) != left.len() || graph.rank(b) != right.len() {
        return Err(wrong!("its equation `{equation}` is not for {} and {} axes", graph.rank(a), graph.rank(b)));
    }
    let letters = |from: &str, other: bool, out: bool, text: &str| -> String {
        from.chars().filter(|c| text.contains(*c) == other && output.contains(*c) == out).collect()
    };
    let (batch, rows, depth) =
        (letters(left, true, true, right), letters(left, false, true, right), letters(left, true, false, right));
    let columns = letters(right, false, true, left);
    // A letter of one tensor alone that the output does not have would be summed before.
    if batch.len() + rows.len() + depth.len() != left.len() || batch.len() + columns.len() + depth.len() != right.len()
    {
        return Err(unsupported());
    }
    let extents = |graph: &Builder<'_>, x: ValueId, names: &str, part: &str| -> Vec<usize> {
        part.chars().map(|c| graph.shape(x)[names.find(c).expect("a letter of the tensor")]).collect()
    };
    let mut matrices = |x: ValueId, names: &str, first: &str, second: &str| {
        let order = [&batch, first, second].concat().chars().map(|c| names.find(c).expect("a letter")).collect();
        let [outer, first, second] =
            [&batch, first, second].map(|part| extents(graph, x, names, part).iter().product::<usize>());
        let x = graph.transpose(x, order)?;
        graph.reshape(x, vec![outer, first, second])
    };
    let x = matrices(a, left, &rows, &depth)?;
    let y = matrices(b, right, &depth, &columns)?;
    let mut shape = extents(graph, a, left, &batch);
    if shape != extents(graph, b, right, &batch) {
        return Err(wrong!("its equation `{equation}` does not fit {:?} and {:?}", graph.shape(a), graph.shape(b)));
    }
    shape.extend(extents(graph, a, left, &rows));
    shape.extend(extents(graph, b, right, &columns));
    let product = product(graph, x, y)?;
    let product = graph.reshape(product, shape)?;
    let made = [batch, rows, columns].concat();
    graph.transpose(product, output.chars().map(|c| made.find(c).expect("a letter of the output")).collect())
}
