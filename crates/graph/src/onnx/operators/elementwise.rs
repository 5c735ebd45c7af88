//! A number, or two, at a time.

use super::{Call, constants};
use crate::graph::{Binary, Function, Operator, ValueId};
use crate::onnx::builder::Builder;
use crate::onnx::error::{Fault, wrong};
use crate::onnx::shapes;
use crate::onnx::tensors::{element, element_name};

/// Operators of one tensor.
pub(super) fn function(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let float = |name, default| call.attributes.float(name, default);
    let function = match call.operator {
        "Relu" => Function::Relu,
        "LeakyRelu" => Function::LeakyRelu(float("alpha", 0.01)?),
        "Sigmoid" => Function::Sigmoid,
        "HardSigmoid" => Function::HardSigmoid(float("alpha", 0.2)?, float("beta", 0.5)?),
        "HardSwish" => Function::HardSwish,
        "Mish" => Function::Mish,
        "Tanh" => Function::Tanh,
        "Erf" => Function::Erf,
        "Gelu" => match call.attributes.string("approximate")?.unwrap_or("none") {
            "tanh" => Function::GeluTanh,
            "none" => Function::Gelu,
            other => return Err(wrong!("its approximation `{other}` is not known")),
        },
        "Elu" => Function::Elu(float("alpha", 1.0)?),
        "Softplus" => Function::Softplus,
        "Exp" => Function::Exp,
        "Log" => Function::Log,
        "Sqrt" => Function::Sqrt,
        "Reciprocal" => Function::Reciprocal,
        other => unreachable!("`{other}` is no function"),
    };
    graph.function(function, call.input(0)?)
}

/// `Abs`, `Neg`: of whole numbers, too.
pub(super) fn abs_or_neg(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let negative = call.operator == "Neg";
    if let Some(whole) = graph.whole(x).cloned() {
        let numbers = whole.iter().map(|n| if negative { n.wrapping_neg() } else { n.wrapping_abs() }).collect();
        return graph.wholes(graph.shape(x).to_vec(), numbers);
    }
    graph.function(if negative { Function::Neg } else { Function::Abs }, x)
}

/// `Clip`: bounds are attributes before operator set 11.
pub(super) fn clip(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let bound = |name, input, default| match call.optional(input) {
        None if call.opset < 11 => call.attributes.float(name, default),
        None => Ok(default),
        Some(value) => match graph.numbers(value).as_deref() {
            Some([bound]) => Ok(*bound as f32),
            _ => Err(wrong!("its {name} is not one constant number")),
        },
    };
    let (low, high) = (bound("min", 1, f32::NEG_INFINITY)?, bound("max", 2, f32::INFINITY)?);
    let x = call.input(0)?;
    if let Some(whole) = graph.whole(x).cloned() {
        let numbers = whole.iter().map(|n| (*n).max(low as i64).min(high as i64)).collect();
        return graph.wholes(graph.shape(x).to_vec(), numbers);
    }
    graph.function(Function::Clip(low, high), x)
}

/// `Selu`.
pub(super) fn selu(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let alpha = call.attributes.float("alpha", 1.673_263_2)?;
    let gamma = call.attributes.float("gamma", 1.050_701)?;
    let y = graph.function(Function::Elu(alpha), call.input(0)?)?;
    graph.multiplied(y, gamma)
}

/// `Celu`: α · elu(x / α).
pub(super) fn celu(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let alpha = call.attributes.float("alpha", 1.0)?;
    let divisor = graph.scalar(alpha);
    let x = graph.binary(Binary::Div, call.input(0)?, divisor)?;
    let y = graph.function(Function::Elu(1.0), x)?;
    graph.multiplied(y, alpha)
}

/// `Softsign`: x / (1 + |x|).
pub(super) fn softsign(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let size = graph.function(Function::Abs, x)?;
    let one = graph.scalar(1.0);
    let divisor = graph.binary(Binary::Add, size, one)?;
    graph.binary(Binary::Div, x, divisor)
}

/// `FastGelu`, `BiasGelu` of ONNX Runtime.
pub(super) fn gelu_of_sum(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let mut x = call.input(0)?;
    if let Some(bias) = call.optional(1) {
        x = graph.binary(Binary::Add, x, bias)?;
    }
    graph.function(if call.operator == "FastGelu" { Function::GeluTanh } else { Function::Gelu }, x)
}

/// `QuickGelu` of ONNX Runtime: x · sigmoid(α·x).
pub(super) fn quick_gelu(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let scaled = graph.multiplied(x, call.attributes.float("alpha", 1.702)?)?;
    let gate = graph.function(Function::Sigmoid, scaled)?;
    graph.binary(Binary::Mul, x, gate)
}

/// `PRelu`.
pub(super) fn prelu(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let (x, slope) = (call.input(0)?, call.input(1)?);
    if graph.real(slope).is_none() {
        return Err(wrong!("its slope depends on the face; only constant ones are supported"));
    }
    let shape = graph.shape(x).to_vec();
    if shapes::broadcast(&shape, graph.shape(slope))? != shape {
        return Err(wrong!("its slope has shape {:?}, for a tensor of shape {shape:?}", graph.shape(slope)));
    }
    graph.emit(Operator::PRelu, &[x, slope], shape)
}

/// `Add`, `Sub`, `Mul`, `Div`, `Pow`.
pub(super) fn binary(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    if graph.whole(a).is_some() && graph.whole(b).is_some() {
        return constants::binary(graph, call);
    }
    let kind = match call.operator {
        "Add" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        _ => match graph.numbers(b).as_deref() {
            Some([exponent]) if graph.rank(b) <= graph.rank(a) => {
                return graph.function(Function::Power(*exponent as f32), a);
            }
            _ => Binary::Pow,
        },
    };
    graph.binary(kind, a, b)
}

/// `Min`, `Max`, `Sum`, `Mean` of any number of tensors.
pub(super) fn variadic(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let kind = match call.operator {
        "Min" => Binary::Min,
        "Max" => Binary::Max,
        _ => Binary::Add,
    };
    let mut y = call.input(0)?;
    for at in 1..call.inputs.len() {
        let x = call.input(at)?;
        y = match (graph.whole(y).is_some(), graph.whole(x).is_some()) {
            (true, true) => constants::combined(graph, call.operator, y, x)?,
            _ => graph.binary(kind, y, x)?,
        };
    }
    if call.operator == "Mean" { graph.multiplied(y, 1.0 / call.inputs.len() as f32) } else { Ok(y) }
}

/// `Identity`, `Dropout`.
pub(super) fn same(_: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    call.input(0)
}

/// `Cast`, `CastLike`: of what depends on the face, only to real numbers, which stay as they are.
pub(super) fn cast(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let to = match call.optional(1) {
        Some(like) => graph.element(like),
        None => call.attributes.int("to", 0)? as i32,
    };
    let shape = graph.shape(x).to_vec();
    match (to, graph.numbers(x)) {
        (element::FLOAT | element::FLOAT16 | element::DOUBLE | element::BFLOAT16, None) => Ok(x),
        (element::FLOAT | element::FLOAT16 | element::DOUBLE | element::BFLOAT16, Some(numbers)) => {
            if graph.real(x).is_some() { Ok(x) } else { graph.folded(shape, numbers.into_iter()) }
        }
        (element::UINT8 | element::INT8, Some(numbers)) => graph.folded(shape, numbers.into_iter().map(f64::trunc)),
        (element::BOOL, Some(numbers)) => graph.wholes(shape, numbers.into_iter().map(|x| (x != 0.0).into()).collect()),
        (
            element::INT32 | element::INT64 | element::UINT32 | element::UINT64 | element::INT16 | element::UINT16,
            Some(n),
        ) => match graph.whole(x) {
            Some(_) => Ok(x),
            None => graph.wholes(shape, n.into_iter().map(|x| x as i64).collect()),
        },
        _ => Err(wrong!("it makes {} of numbers that depend on the face, which is not supported", element_name(to))),
    }
}

/// `Where`: the condition must be constant.
pub(super) fn choose(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let (condition, x, y) = (call.input(0)?, call.input(1)?, call.input(2)?);
    let mask = graph.integers(condition, "condition")?;
    let both = shapes::broadcast(graph.shape(x), graph.shape(y))?;
    let shape = shapes::broadcast(graph.shape(condition), &both)?;
    if mask.iter().all(|chosen| *chosen != 0) {
        return graph.broadcast(x, shape);
    }
    if mask.iter().all(|chosen| *chosen == 0) {
        return graph.broadcast(y, shape);
    }
    if graph.is_constant(x) && graph.is_constant(y) {
        return constants::chosen(graph, condition, x, y, shape);
    }
    // What is not chosen is multiplied by 0; a constant is made 0 where it is not, for 0 · ∞ is none.
    let mut part = |value: ValueId, of: bool| {
        let mask: Vec<f32> = mask.iter().map(|chosen| f32::from((*chosen != 0) == of)).collect();
        let mask = graph.reals(graph.shape(condition).to_vec(), mask);
        if graph.is_constant(value) {
            let zero = graph.scalar(0.0);
            let shape = shapes::broadcast(graph.shape(condition), graph.shape(value))?;
            return constants::chosen(graph, mask, value, zero, shape);
        }
        graph.binary(Binary::Mul, value, mask)
    };
    let (x, y) = (part(x, true)?, part(y, false)?);
    graph.binary(Binary::Add, x, y)
}
