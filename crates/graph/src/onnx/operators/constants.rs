//! Operators on what is known when the file is read: shapes, indices, masks.

use super::Call;
use crate::graph::ValueId;
use crate::onnx::builder::Builder;
use crate::onnx::error::{Fault, wrong};
use crate::onnx::limits::numbers;
use crate::onnx::shapes;
use crate::onnx::tensors::{Numbers, Tensors};

/// `Constant`.
pub(super) fn constant(graph: &mut Builder<'_>, call: &Call<'_>, tensors: &mut Tensors<'_>) -> Result<ValueId, Fault> {
    let attributes = call.attributes;
    if let Some(tensor) = attributes.tensor("value")? {
        let constant = tensors.constant(tensor)?;
        return Ok(graph.constant(constant));
    }
    if let Some(floats) = attributes.floats("value_floats")? {
        return Ok(graph.reals(vec![floats.len()], floats.to_vec()));
    }
    if let Some(ints) = attributes.ints("value_ints")? {
        return graph.wholes(vec![ints.len()], ints.to_vec());
    }
    if attributes.has("value_float") {
        return Ok(graph.scalar(attributes.float("value_float", 0.0)?));
    }
    if attributes.has("value_int") {
        return graph.wholes(Vec::new(), vec![attributes.int("value_int", 0)?]);
    }
    Err(wrong!("it has no value that is known"))
}

/// `Shape`, from `start` to `end`.
pub(super) fn shape(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let shape: Vec<i64> = graph.shape(call.input(0)?).iter().map(|n| *n as i64).collect();
    let rank = shape.len() as i64;
    let bound = |name, default| {
        let at = call.attributes.int(name, default)?;
        Ok::<_, Fault>((if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize)
    };
    let (start, end) = (bound("start", 0)?, bound("end", rank)?);
    let part = shape.get(start..end).unwrap_or_default().to_vec();
    graph.wholes(vec![part.len()], part)
}

/// `Size`.
pub(super) fn size(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let size: usize = graph.shape(call.input(0)?).iter().product();
    graph.wholes(Vec::new(), vec![size as i64])
}

/// `ConstantOfShape`.
pub(super) fn constant_of_shape(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let shape = graph.list(call.input(0)?, "shape")?;
    let shape: Vec<usize> = shape.iter().map(|n| shapes::extent(*n)).collect::<Result<_, _>>()?;
    // Before memory is taken.
    let count = numbers(&shape, graph.limits().computed)?;
    let value = match call.attributes.tensor("value")? {
        Some(tensor) => Tensors::new(None, graph.limits()).constant(tensor)?.numbers,
        None => Numbers::Real([0.0].into()),
    };
    match value {
        Numbers::Real(value) => match *value {
            [value] => graph.folded(shape, std::iter::repeat_n(f64::from(value), count)),
            _ => Err(wrong!("its value is not one number")),
        },
        Numbers::Whole(value) => match *value {
            [value] => graph.wholes(shape, vec![value; count]),
            _ => Err(wrong!("its value is not one number")),
        },
    }
}

/// `Range`.
pub(super) fn range(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let mut bounds = [0.0; 3];
    let mut whole = true;
    for (at, bound) in bounds.iter_mut().enumerate() {
        let value = call.input(at)?;
        whole &= graph.whole(value).is_some();
        match graph.numbers(value).as_deref() {
            Some([number]) => *bound = *number,
            _ => return Err(wrong!("its input {at} is not one constant number")),
        }
    }
    let [start, limit, step] = bounds;
    let count = ((limit - start) / step).ceil().max(0.0);
    if !count.is_finite() || count > graph.limits().computed as f64 {
        return Err(wrong!("it counts from {start} to {limit} by {step}"));
    }
    let numbers = (0..count as u32).map(|i| start + f64::from(i) * step);
    let shape = vec![count as usize];
    if whole { graph.wholes(shape, numbers.map(|x| x as i64).collect()) } else { graph.folded(shape, numbers) }
}

/// Arithmetic and comparisons of constants, broadcast as NumPy does.
pub(super) fn binary(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    combined(graph, call.operator, call.input(0)?, call.input(1)?)
}

pub(super) fn combined(graph: &mut Builder<'_>, operator: &str, a: ValueId, b: ValueId) -> Result<ValueId, Fault> {
    let shape = shapes::broadcast(graph.shape(a), graph.shape(b))?;
    let (x, y) = (graph.broadcast(a, shape.clone())?, graph.broadcast(b, shape.clone())?);
    let unknown = || wrong!("it reads what depends on the face; only constants are supported");
    if let (Some(x), Some(y)) = (graph.whole(x).cloned(), graph.whole(y).cloned()) {
        let numbers = x.iter().zip(y.iter()).map(|(x, y)| whole(operator, *x, *y)).collect::<Result<_, _>>()?;
        return graph.wholes(shape, numbers);
    }
    let (x, y) = (graph.numbers(x).ok_or_else(unknown)?, graph.numbers(y).ok_or_else(unknown)?);
    let pairs = x.into_iter().zip(y);
    let compare = match operator {
        "Equal" => |x: f64, y: f64| x == y,
        "Greater" => |x, y| x > y,
        "GreaterOrEqual" => |x, y| x >= y,
        "Less" => |x, y| x < y,
        "LessOrEqual" => |x, y| x <= y,
        "Mod" => return graph.folded(shape, pairs.map(|(x, y)| x % y)),
        _ => return Err(wrong!("it reads numbers that are not whole")),
    };
    graph.wholes(shape, pairs.map(|(x, y)| compare(x, y).into()).collect())
}

fn whole(operator: &str, x: i64, y: i64) -> Result<i64, Fault> {
    let divided = |result: Option<i64>| result.ok_or_else(|| wrong!("it divides {x} by {y}"));
    Ok(match operator {
        "Add" | "Sum" => x.wrapping_add(y),
        "Sub" => x.wrapping_sub(y),
        "Mul" => x.wrapping_mul(y),
        "Div" => divided(x.checked_div(y))?,
        // The sign of the divisor, as Python has it.
        "Mod" => divided(x.checked_rem(y))? + if x % y != 0 && (x < 0) != (y < 0) { y } else { 0 },
        "Pow" => u32::try_from(y).ok().and_then(|y| x.checked_pow(y)).ok_or_else(|| wrong!("{x} to the power {y}"))?,
        "Min" => x.min(y),
        "Max" => x.max(y),
        "Equal" => (x == y).into(),
        "Greater" => (x > y).into(),
        "GreaterOrEqual" => (x >= y).into(),
        "Less" => (x < y).into(),
        "LessOrEqual" => (x <= y).into(),
        "And" => (x != 0 && y != 0).into(),
        "Or" => (x != 0 || y != 0).into(),
        "Xor" => ((x != 0) != (y != 0)).into(),
        _ => return Err(wrong!("it reads whole numbers, which is not supported")),
    })
}

/// Functions of constants.
pub(super) fn unary(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let shape = graph.shape(x).to_vec();
    let numbers = graph.numbers(x);
    let numbers = numbers.ok_or_else(|| wrong!("it reads what depends on the face; only constants are supported"))?;
    let numbers = numbers.into_iter();
    match call.operator {
        "Not" => graph.wholes(shape, numbers.map(|x| (x == 0.0).into()).collect()),
        "IsNaN" => graph.wholes(shape, numbers.map(|x| x.is_nan().into()).collect()),
        "Sign" if graph.whole(x).is_some() => {
            graph.wholes(shape, numbers.map(|x| i64::from(x > 0.0) - i64::from(x < 0.0)).collect())
        }
        operator => {
            let function = match operator {
                "Floor" => f64::floor,
                "Ceil" => f64::ceil,
                "Round" => f64::round_ties_even,
                "Sin" => f64::sin,
                "Cos" => f64::cos,
                _ => |x: f64| if x == 0.0 { 0.0 } else { x.signum() },
            };
            graph.folded(shape, numbers.map(function))
        }
    }
}

/// Constants, by a constant condition.
pub(super) fn chosen(
    graph: &mut Builder<'_>,
    condition: ValueId,
    x: ValueId,
    y: ValueId,
    shape: Vec<usize>,
) -> Result<ValueId, Fault> {
    let mut broadcast = |value| graph.broadcast(value, shape.clone());
    let (condition, x, y) = (broadcast(condition)?, broadcast(x)?, broadcast(y)?);
    let condition = graph.integers(condition, "condition")?;
    if let (Some(x), Some(y)) = (graph.whole(x).cloned(), graph.whole(y).cloned()) {
        let each = condition.iter().zip(x.iter().zip(y.iter()));
        return graph.wholes(shape, each.map(|(chosen, (x, y))| if *chosen != 0 { *x } else { *y }).collect());
    }
    let constant = |value| graph.numbers(value).expect("constants are chosen from");
    let each = condition.into_iter().zip(constant(x).into_iter().zip(constant(y)));
    graph.folded(shape, each.map(|(chosen, (x, y))| if chosen != 0 { x } else { y }))
}

/// `Trilu`: a triangle of constants.
pub(super) fn trilu(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let shape = graph.shape(x).to_vec();
    let [.., rows, columns] = *shape else { return Err(wrong!("it reads a tensor of shape {shape:?}")) };
    let diagonal = match call.optional(1) {
        Some(value) => graph.list(value, "diagonal")?.first().copied().unwrap_or(0),
        None => 0,
    };
    let upper = call.attributes.int("upper", 1)? != 0;
    let kept = |at: usize| {
        let (row, column) = ((at / columns % rows) as i64, (at % columns) as i64);
        let above = column.saturating_sub(row);
        if upper { above >= diagonal } else { above <= diagonal }
    };
    if let Some(whole) = graph.whole(x).cloned() {
        let numbers = whole.iter().enumerate().map(|(at, n)| if kept(at) { *n } else { 0 }).collect();
        return graph.wholes(shape, numbers);
    }
    let numbers = graph.numbers(x);
    let numbers = numbers.ok_or_else(|| wrong!("it reads what depends on the face; only constants are supported"))?;
    graph.folded(shape, numbers.into_iter().enumerate().map(|(at, x)| if kept(at) { x } else { 0.0 }))
}

/// `CumSum`: of constants.
pub(super) fn cumulative_sum(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let shape = graph.shape(x).to_vec();
    let axis = match *graph.list(call.input(1)?, "axis")? {
        [axis] => shapes::axis(axis, shape.len())?,
        _ => return Err(wrong!("its axis is not one number")),
    };
    let (exclusive, reverse) = (call.attributes.flag("exclusive")?, call.attributes.flag("reverse")?);
    let numbers = graph.numbers(x);
    let mut numbers =
        numbers.ok_or_else(|| wrong!("it reads what depends on the face; only constants are supported"))?;
    let (extent, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    for block in numbers.chunks_mut((extent * inner).max(1)) {
        for start in 0..inner {
            let mut sum = 0.0;
            for at in 0..extent {
                let place = start + if reverse { extent - 1 - at } else { at } * inner;
                let number = std::mem::replace(&mut block[place], sum);
                sum += number;
                if !exclusive {
                    block[place] = sum;
                }
            }
        }
    }
    if graph.whole(x).is_some() {
        return graph.wholes(shape, numbers.into_iter().map(|x| x as i64).collect());
    }
    graph.folded(shape, numbers.into_iter())
}
