//! Operators that move numbers and compute nothing.

use super::Call;
use crate::graph::{Operator, ValueId};
use crate::onnx::builder::Builder;
use crate::onnx::error::{Fault, wrong};
use crate::onnx::limits::numbers;
use crate::onnx::shapes;

/// `Concat`.
pub(super) fn concat(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let inputs: Vec<ValueId> = (0..call.inputs.len()).map(|at| call.input(at)).collect::<Result<_, _>>()?;
    let first = *inputs.first().ok_or_else(|| wrong!("it has no inputs"))?;
    let axis = shapes::axis(call.attributes.int("axis", 1)?, graph.rank(first))?;
    let mut shape = graph.shape(first).to_vec();
    shape[axis] = 0;
    for input in &inputs {
        let part = graph.shape(*input);
        let fits = part.len() == shape.len() && (0..shape.len()).all(|at| at == axis || part[at] == shape[at]);
        if !fits {
            return Err(wrong!("it joins {part:?} to {:?} along axis {axis}", graph.shape(first)));
        }
        shape[axis] = shape[axis].saturating_add(part[axis]);
    }
    if let [alone] = *inputs { Ok(alone) } else { graph.emit(Operator::Concat { axis }, &inputs, shape) }
}

/// `Slice`: bounds are attributes before operator set 10.
pub(super) fn slice(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let mut x = call.input(0)?;
    let rank = graph.rank(x);
    let list = |name, input| call.ints(graph, name, if call.opset < 10 { usize::MAX } else { input });
    let starts = list("starts", 1)?.ok_or_else(|| wrong!("it has no starts"))?;
    let ends = list("ends", 2)?.ok_or_else(|| wrong!("it has no ends"))?;
    let axes = list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(wrong!("it has {} starts, {} ends, {} axes", starts.len(), ends.len(), axes.len()));
    }
    shapes::axes(&axes, rank)?;
    for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
        let axis = shapes::axis(axis, rank)?;
        let extent = graph.shape(x)[axis] as i64;
        let from_end = |at: i64| if at < 0 { at.saturating_add(extent) } else { at };
        let (start, end) = (from_end(start), from_end(end));
        let (start, distance) = match step {
            0 => return Err(wrong!("its step is 0")),
            1.. => {
                let start = start.clamp(0, extent);
                (start, end.clamp(0, extent) - start)
            }
            _ => {
                let start = start.max(0).min(extent - 1);
                (start, start - end.clamp(-1, extent - 1))
            }
        };
        let count = distance.max(0).unsigned_abs().div_ceil(step.unsigned_abs()) as usize;
        x = graph.slice(x, axis, if count == 0 { 0 } else { start as usize }, step as isize, count)?;
    }
    Ok(x)
}

/// `Split`: equal parts, or parts of extents that are an input since operator set 13.
pub(super) fn split(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<Vec<ValueId>, Fault> {
    let x = call.input(0)?;
    let axis = shapes::axis(call.attributes.int("axis", 0)?, graph.rank(x))?;
    let extent = graph.shape(x)[axis];
    let parts = call.outputs.len();
    let extents = if let Some(list) = call.ints(graph, "split", 1)? {
        list.iter().map(|n| shapes::extent(*n)).collect::<Result<Vec<_>, _>>()?
    } else {
        // The last part is smaller if need be, since operator set 18.
        let each = extent.div_ceil(parts.max(1));
        (0..parts).map(|part| extent.saturating_sub(part * each).min(each)).collect()
    };
    let sum = extents.iter().try_fold(0usize, |sum, part| sum.checked_add(*part));
    if extents.len() != parts || sum != Some(extent) {
        return Err(wrong!("it splits an extent of {extent} into {parts} parts of {extents:?}"));
    }
    let mut start = 0;
    let mut part = |(count, read): (usize, &bool)| {
        let from = start;
        start += count;
        // Nobody misses a part that is not read.
        if *read { graph.slice(x, axis, from, 1, count) } else { Ok(x) }
    };
    extents.into_iter().zip(&call.outputs).map(&mut part).collect()
}

/// `Gather`: constant indices.
pub(super) fn gather(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let (x, list) = (call.input(0)?, call.input(1)?);
    let axis = shapes::axis(call.attributes.int("axis", 0)?, graph.rank(x))?;
    let extent = graph.shape(x)[axis];
    let indices = graph.integers(list, "indices")?;
    let indices = indices
        .iter()
        .map(|index| shapes::axis(*index, extent).map_err(|_| wrong!("index {index} along an axis of {extent}")));
    let indices = indices.collect::<Result<Vec<_>, _>>()?;
    let mut shape = graph.shape(x).to_vec();
    shape.splice(axis..=axis, graph.shape(list).iter().copied());
    let y = match *indices {
        [only] => graph.slice(x, axis, only, 1, 1)?,
        _ => graph.gather(x, axis, indices)?,
    };
    graph.reshape(y, shape)
}

/// `Transpose`.
pub(super) fn transpose(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let rank = graph.rank(x);
    let order = match call.attributes.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(list) => {
            if shapes::axes(list, rank)?.len() != rank {
                return Err(wrong!("its perm {list:?} does not order {rank} axes"));
            }
            list.iter().map(|entry| shapes::axis(*entry, rank)).collect::<Result<_, _>>()?
        }
    };
    graph.transpose(x, order)
}

/// `Reshape`: 0 keeps an extent, −1 is what is left.
pub(super) fn reshape(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let asked = graph.list(call.input(1)?, "shape")?;
    let from = graph.shape(x).to_vec();
    let keeps = !call.attributes.flag("allowzero")?;
    let mut shape = Vec::new();
    let mut rest = None;
    for (axis, extent) in asked.iter().enumerate() {
        shape.push(match extent {
            0 if keeps => *from.get(axis).ok_or_else(|| wrong!("a tensor of shape {from:?} has no axis {axis}"))?,
            -1 if rest.is_none() => {
                rest = Some(axis);
                1
            }
            _ => usize::try_from(*extent).map_err(|_| wrong!("its shape is {asked:?}"))?,
        });
    }
    if let Some(rest) = rest {
        let known = numbers(&shape, u64::MAX)?;
        let numbers: usize = from.iter().product();
        if known == 0 || !numbers.is_multiple_of(known) {
            return Err(wrong!("a tensor of shape {from:?} cannot have the shape {asked:?}"));
        }
        shape[rest] = numbers / known;
    }
    graph.reshape(x, shape)
}

/// `Flatten`: to a matrix.
pub(super) fn flatten(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let shape = graph.shape(x);
    let axis = call.attributes.int("axis", 1)?;
    let axis = if axis == shape.len() as i64 { shape.len() } else { shapes::axis(axis, shape.len())? };
    let flat = vec![shape[..axis].iter().product(), shape[axis..].iter().product()];
    graph.reshape(x, flat)
}

/// `Squeeze`: axes are an input since operator set 13.
pub(super) fn squeeze(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let shape = graph.shape(x).to_vec();
    let axes = match call.ints(graph, "axes", 1)? {
        Some(list) => shapes::axes(&list, shape.len())?,
        None => (0..shape.len()).filter(|axis| shape[*axis] == 1).collect(),
    };
    if let Some(axis) = axes.iter().find(|axis| shape[**axis] != 1) {
        return Err(wrong!("it drops axis {axis} of a tensor of shape {shape:?}"));
    }
    let kept = (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]).collect();
    graph.reshape(x, kept)
}

/// `Unsqueeze`: axes are an input since operator set 13.
pub(super) fn unsqueeze(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let list = call.ints(graph, "axes", 1)?.ok_or_else(|| wrong!("it has no axes"))?;
    if list.len() > 32 {
        return Err(wrong!("it adds {} axes", list.len()));
    }
    let mut shape = graph.shape(x).to_vec();
    for axis in shapes::axes(&list, shape.len() + list.len())? {
        shape.insert(axis, 1);
    }
    graph.reshape(x, shape)
}

/// `Expand`: broadcast in both directions.
pub(super) fn expand(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let asked = graph.list(call.input(1)?, "shape")?;
    let asked: Vec<usize> = asked.iter().map(|n| shapes::extent(*n)).collect::<Result<_, _>>()?;
    let shape = shapes::broadcast(graph.shape(x), &asked)?;
    numbers(&shape, graph.limits().computed)?;
    graph.broadcast(x, shape)
}

/// `Tile`.
pub(super) fn tile(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let mut x = call.input(0)?;
    let repeats = graph.list(call.input(1)?, "repeats")?;
    if repeats.len() != graph.rank(x) {
        return Err(wrong!("it has {} repeats for {} axes", repeats.len(), graph.rank(x)));
    }
    for (axis, repeat) in repeats.into_iter().enumerate() {
        let (extent, repeat) = (graph.shape(x)[axis], shapes::extent(repeat)?);
        numbers(&[extent, repeat], graph.limits().computed)?;
        x = graph.gather(x, axis, (0..repeat).flat_map(|_| 0..extent).collect())?;
    }
    Ok(x)
}

/// `Pad`: pads are attributes before operator set 11.
pub(super) fn pad(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let mut x = call.input(0)?;
    let rank = graph.rank(x);
    let value = match call.optional(2) {
        None => call.attributes.float("value", 0.0)?,
        Some(value) => match graph.numbers(value).as_deref() {
            Some([value]) => *value as f32,
            _ => return Err(wrong!("its value is not one constant number")),
        },
    };
    let pads = call.ints(graph, "pads", 1)?.ok_or_else(|| wrong!("it has no pads"))?;
    let axes = match call.optional(3) {
        Some(axes) => graph.list(axes, "axes")?,
        None => (0..rank as i64).collect(),
    };
    shapes::axes(&axes, rank)?;
    if pads.len() != 2 * axes.len() || pads.iter().any(|n| n.unsigned_abs() > 1 << 31) {
        return Err(wrong!("its pads are {pads:?}, for {} axes", axes.len()));
    }
    let mode = call.attributes.string("mode")?.unwrap_or("constant");
    let mut before = vec![0; rank];
    let mut shape = graph.shape(x).to_vec();
    for (at, axis) in axes.iter().enumerate() {
        let axis = shapes::axis(*axis, rank)?;
        let (first, last) = (pads[at], pads[at + axes.len()]);
        // What is negative is cut off.
        let extent = graph.shape(x)[axis] as i64;
        let cut = (first.min(0) + last.min(0) + extent, first.min(0).unsigned_abs() as usize);
        let count = usize::try_from(cut.0).map_err(|_| wrong!("its pads {pads:?} leave nothing"))?;
        x = graph.slice(x, axis, if count == 0 { 0 } else { cut.1 }, 1, count)?;
        let (first, last) = (first.max(0) as usize, last.max(0) as usize);
        if mode == "constant" {
            before[axis] = first;
            shape[axis] = count + first + last;
        } else if first + last > 0 {
            numbers(&[count + first + last], graph.limits().computed)?;
            let indices = (-(first as i64)..(count + last) as i64).map(|at| source(mode, at, count as i64));
            x = graph.gather(x, axis, indices.collect::<Result<_, _>>()?)?;
        }
    }
    if mode != "constant" || shape == graph.shape(x) {
        return Ok(x);
    }
    graph.emit(Operator::Pad { before, value }, &[x], shape)
}

/// Which number stands at a place outside.
fn source(mode: &str, at: i64, extent: i64) -> Result<usize, Fault> {
    let index = match mode {
        "edge" if extent > 0 => at.clamp(0, extent - 1),
        "wrap" if extent > 0 => at.rem_euclid(extent),
        "reflect" => (extent - 1 - (extent - 1 - at.abs()).abs()).max(-1),
        "edge" | "wrap" => -1,
        _ => return Err(wrong!("its mode is `{mode}`")),
    };
    usize::try_from(index).map_err(|_| wrong!("its pads are larger than what they mirror"))
}

/// The extents of a map, with its channels or its height and width divided by the size of a block.
fn blocks(graph: &Builder<'_>, call: &Call<'_>, of_space: bool) -> Result<(ValueId, [usize; 3], usize), Fault> {
    let x = call.input(0)?;
    let size = usize::try_from(call.attributes.int("blocksize", 0)?).ok().filter(|size| (1..1 << 16).contains(size));
    let size = size.ok_or_else(|| wrong!("its blocksize is not a positive number"))?;
    let fits = |c: usize, h: usize, w: usize| {
        if of_space { h.is_multiple_of(size) && w.is_multiple_of(size) } else { c.is_multiple_of(size * size) }
    };
    match *graph.shape(x) {
        [1, c, h, w] if fits(c, h, w) => Ok((x, [c, h, w], size)),
        ref shape => Err(wrong!("it divides a tensor of shape {shape:?} into blocks of {size}")),
    }
}

/// `DepthToSpace`.
pub(super) fn depth_to_space(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let (x, [c, h, w], size) = blocks(graph, call, false)?;
    let left = c / (size * size);
    let (x, order) = match call.attributes.string("mode")?.unwrap_or("DCR") {
        "DCR" => (graph.reshape(x, vec![1, size, size, left, h, w])?, vec![0, 3, 4, 1, 5, 2]),
        "CRD" => (graph.reshape(x, vec![1, left, size, size, h, w])?, vec![0, 1, 4, 2, 5, 3]),
        mode => return Err(wrong!("its mode is `{mode}`")),
    };
    let x = graph.transpose(x, order)?;
    graph.reshape(x, vec![1, left, h * size, w * size])
}

/// `SpaceToDepth`.
pub(super) fn space_to_depth(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let (x, [c, h, w], size) = blocks(graph, call, true)?;
    let x = graph.reshape(x, vec![1, c, h / size, size, w / size, size])?;
    let x = graph.transpose(x, vec![0, 3, 5, 1, 2, 4])?;
    graph.reshape(x, vec![1, c * size * size, h / size, w / size])
}
