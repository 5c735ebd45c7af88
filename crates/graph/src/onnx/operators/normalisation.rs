//! Norms.

use super::Call;
use crate::graph::{Binary, Operator, Reduction, ValueId};
use crate::onnx::builder::Builder;
use crate::onnx::error::{Fault, wrong};
use crate::onnx::shapes;

/// The numbers of a constant, one for each channel.
fn channels(graph: &Builder<'_>, call: &Call<'_>, input: usize, name: &str, count: usize) -> Result<Vec<f64>, Fault> {
    let value = call.input(input)?;
    graph
        .numbers(value)
        .filter(|numbers| numbers.len() == count)
        .ok_or_else(|| wrong!("its {name} is not {count} constant numbers, but of shape {:?}", graph.shape(value)))
}

/// A shape that broadcasts along the channels of a tensor: (C, 1, …).
fn along_channels(graph: &Builder<'_>, x: ValueId) -> Result<Vec<usize>, Fault> {
    let shape = graph.shape(x);
    let [_, channels, maps @ ..] = shape else { return Err(wrong!("it reads a tensor of shape {shape:?}")) };
    Ok([*channels].into_iter().chain(maps.iter().map(|_| 1)).collect())
}

/// `BatchNormalization`, with the statistics of its training: a factor and a term for each channel.
pub(super) fn batch_normalization(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    // `spatial: 0` of operator sets 7 and 8 asks for a number for each place of a map: MXNet writes it with one for each
    // channel, and means that.
    if call.attributes.flag("training_mode")? {
        return Err(wrong!("it is in training mode; export the network in evaluation mode"));
    }
    let x = call.input(0)?;
    let shape = along_channels(graph, x)?;
    let list = |input, name| channels(graph, call, input, name, shape[0]);
    let (scale, shift, mean, variance) = (list(1, "scale")?, list(2, "bias")?, list(3, "mean")?, list(4, "variance")?);
    let epsilon = f64::from(call.attributes.float("epsilon", 1e-5)?);
    let factors: Vec<f64> =
        scale.iter().zip(variance).map(|(scale, variance)| scale / (variance + epsilon).sqrt()).collect();
    let terms = shift.iter().zip(mean).zip(&factors).map(|((shift, mean), factor)| shift - mean * factor);
    let terms = terms.map(|x| x as f32).collect();
    let factors = graph.reals(shape.clone(), factors.iter().map(|x| *x as f32).collect());
    let terms = graph.reals(shape, terms);
    let scaled = graph.binary(Binary::Mul, x, factors)?;
    graph.binary(Binary::Add, scaled, terms)
}

/// Over the axes from `axis` on.
fn normalised(
    graph: &mut Builder<'_>,
    x: ValueId,
    axis: usize,
    epsilon: f32,
    scale: Option<ValueId>,
    shift: Option<ValueId>,
) -> Result<ValueId, Fault> {
    let shape = graph.shape(x).to_vec();
    for value in [scale, shift].into_iter().flatten() {
        if shapes::broadcast(&shape, graph.shape(value))? != shape {
            return Err(wrong!("its scale or shift has shape {:?}, for a tensor of {shape:?}", graph.shape(value)));
        }
    }
    let operator = Operator::LayerNorm { axis, epsilon: epsilon.into() };
    let constant = |graph: &Builder<'_>, value: Option<ValueId>| value.is_none_or(|value| graph.is_constant(value));
    if constant(graph, scale) && constant(graph, shift) {
        let scale = scale.unwrap_or_else(|| graph.scalar(1.0));
        let inputs: Vec<ValueId> = [Some(x), Some(scale), shift].into_iter().flatten().collect();
        return graph.emit(operator, &inputs, shape);
    }
    let one = graph.scalar(1.0);
    let mut y = graph.emit(operator, &[x, one], shape)?;
    if let Some(scale) = scale {
        y = graph.binary(Binary::Mul, y, scale)?;
    }
    shift.map_or(Ok(y), |shift| graph.binary(Binary::Add, y, shift))
}

/// `LayerNormalization`.
pub(super) fn layer_normalization(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let axis = shapes::axis(call.attributes.int("axis", -1)?, graph.rank(x))?;
    let epsilon = call.attributes.float("epsilon", 1e-5)?;
    normalised(graph, x, axis, epsilon, Some(call.input(1)?), call.optional(2))
}

/// `SkipLayerNormalization` of ONNX Runtime: of the sum of two tensors and, perhaps, a bias.
pub(super) fn skip_layer_normalization(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let mut x = graph.binary(Binary::Add, call.input(0)?, call.input(1)?)?;
    if let Some(bias) = call.optional(4) {
        x = graph.binary(Binary::Add, x, bias)?;
    }
    let axis = shapes::axis(-1, graph.rank(x))?;
    normalised(graph, x, axis, call.attributes.float("epsilon", 1e-12)?, Some(call.input(2)?), call.optional(3))
}

/// `InstanceNormalization`: each channel alone.
pub(super) fn instance_normalization(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let shape = along_channels(graph, x)?;
    if shape.len() < 2 {
        return Err(wrong!("it reads a tensor of shape {:?}", graph.shape(x)));
    }
    channels(graph, call, 1, "scale", shape[0])?;
    channels(graph, call, 2, "bias", shape[0])?;
    let scale = graph.reshape(call.input(1)?, shape.clone())?;
    let shift = graph.reshape(call.input(2)?, shape)?;
    normalised(graph, x, 2, call.attributes.float("epsilon", 1e-5)?, Some(scale), Some(shift))
}

/// `GroupNormalization`: scale and shift are of groups before operator set 21, of channels since.
pub(super) fn group_normalization(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let shape = graph.shape(x).to_vec();
    let along = along_channels(graph, x)?;
    let groups = usize::try_from(call.attributes.int("num_groups", 0)?).unwrap_or(0);
    if groups == 0 || !shape[1].is_multiple_of(groups) || shape[0] != 1 {
        return Err(wrong!("it divides {} channels into {groups} groups", shape[1]));
    }
    let inside = shape[1..].iter().product::<usize>() / groups;
    let grouped = graph.reshape(x, vec![1, groups, inside])?;
    let normed = normalised(graph, grouped, 2, call.attributes.float("epsilon", 1e-5)?, None, None)?;
    let y = graph.reshape(normed, shape)?;
    let count = if call.opset < 21 { groups } else { along[0] };
    let list = |input, name| {
        let numbers = channels(graph, call, input, name, count)?;
        let each = along[0] / count;
        Ok::<Vec<f32>, Fault>(numbers.iter().flat_map(|x| std::iter::repeat_n(*x as f32, each)).collect())
    };
    let (scale, shift) = (list(1, "scale")?, list(2, "bias")?);
    let scale = graph.reals(along.clone(), scale);
    let scaled = graph.binary(Binary::Mul, y, scale)?;
    let shift = graph.reals(along, shift);
    graph.binary(Binary::Add, scaled, shift)
}

/// `LpNormalization`: divided by its L1 or L2 norm along an axis. A vector of zeros stays one, as in ONNX Runtime.
pub(super) fn lp_normalization(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let axis = shapes::axis(call.attributes.int("axis", -1)?, graph.rank(x))?;
    let reduction = match call.attributes.int("p", 2)? {
        1 => Reduction::L1,
        2 => Reduction::L2,
        p => return Err(wrong!("its p is {p}")),
    };
    let norm = graph.reduce(x, reduction, vec![axis], true)?;
    let least = graph.scalar(f32::MIN_POSITIVE);
    let norm = graph.binary(Binary::Max, norm, least)?;
    graph.binary(Binary::Div, x, norm)
}
