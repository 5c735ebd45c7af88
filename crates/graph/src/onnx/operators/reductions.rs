//! Operators that look along axes.

use super::Call;
use crate::graph::{Binary, Function, Operator, Reduction, ValueId};
use crate::onnx::builder::Builder;
use crate::onnx::error::{Fault, wrong};
use crate::onnx::shapes;

/// `GlobalAveragePool`, `GlobalMaxPool`.
pub(super) fn global_pool(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let reduction = if call.operator == "GlobalMaxPool" { Reduction::Max } else { Reduction::Mean };
    let axes = (2..graph.rank(x)).collect();
    graph.reduce(x, reduction, axes, true)
}

/// `ReduceMean` and the others: axes are an input since operator set 18, for sums since 13.
pub(super) fn reduce(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let mut x = call.input(0)?;
    let rank = graph.rank(x);
    let axes = match call.ints(graph, "axes", 1)?.unwrap_or_default() {
        none if none.is_empty() && call.attributes.flag("noop_with_empty_axes")? => return Ok(x),
        all if all.is_empty() => (0..rank).collect(),
        list => shapes::axes(&list, rank)?,
    };
    let keep = call.attributes.int("keepdims", 1)? != 0;
    let reduction = match call.operator {
        "ReduceMean" => Reduction::Mean,
        "ReduceMax" => Reduction::Max,
        "ReduceMin" => Reduction::Min,
        "ReduceL1" => Reduction::L1,
        "ReduceL2" => Reduction::L2,
        "ReduceProd" => return product(graph, x, axes.len() == rank, keep),
        "ReduceSumSquare" => {
            x = graph.binary(Binary::Mul, x, x)?;
            Reduction::Sum
        }
        _ => Reduction::Sum,
    };
    let whole = graph.whole(x).is_some();
    let y = graph.reduce(x, reduction, axes, keep)?;
    match graph.numbers(y).filter(|_| whole) {
        Some(numbers) => graph.wholes(graph.shape(y).to_vec(), numbers.iter().map(|x| *x as i64).collect()),
        None => Ok(y),
    }
}

/// Of all numbers of a constant: how shapes are multiplied.
fn product(graph: &mut Builder<'_>, x: ValueId, all: bool, keep: bool) -> Result<ValueId, Fault> {
    let shape = vec![1; if keep { graph.rank(x) } else { 0 }];
    let numbers = graph.numbers(x).filter(|_| all);
    let numbers = numbers.ok_or_else(|| wrong!("it is supported on all numbers of a constant only"))?;
    let product: f64 = numbers.iter().product();
    if graph.whole(x).is_some() {
        return graph.wholes(shape, vec![product as i64]);
    }
    graph.folded(shape, [product].into_iter())
}

/// `Softmax`, `LogSoftmax`: before operator set 13 over all axes from one on.
pub(super) fn softmax(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let shape = graph.shape(x).to_vec();
    let flat = call.opset < 13;
    let axis = call.attributes.int("axis", if flat { 1 } else { -1 })?;
    let softmax = if call.operator == "LogSoftmax" { log_softmax } else { plain_softmax };
    if !flat {
        return softmax(graph, x, shapes::axis(axis, shape.len())?);
    }
    let axis = if axis == shape.len() as i64 { shape.len() } else { shapes::axis(axis, shape.len())? };
    if axis + 1 == shape.len() {
        return softmax(graph, x, axis);
    }
    let rows = graph.reshape(x, vec![shape[..axis].iter().product(), shape[axis..].iter().product()])?;
    let rows = softmax(graph, rows, 1)?;
    graph.reshape(rows, shape)
}

fn plain_softmax(graph: &mut Builder<'_>, x: ValueId, axis: usize) -> Result<ValueId, Fault> {
    let shape = graph.shape(x).to_vec();
    graph.emit(Operator::Softmax { axis }, &[x], shape)
}

/// y − ln Σeʸ, y = x − max x: the logarithm of a share would be −∞ where f32 has no number for the share.
fn log_softmax(graph: &mut Builder<'_>, x: ValueId, axis: usize) -> Result<ValueId, Fault> {
    let most = graph.reduce(x, Reduction::Max, vec![axis], true)?;
    let y = graph.binary(Binary::Sub, x, most)?;
    let shares = graph.function(Function::Exp, y)?;
    let sum = graph.reduce(shares, Reduction::Sum, vec![axis], true)?;
    let log = graph.function(Function::Log, sum)?;
    graph.binary(Binary::Sub, y, log)
}
