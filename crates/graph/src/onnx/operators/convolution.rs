//! Windows of maps. Maps of one spatial axis are taken for maps of height 1.

use super::Call;
use crate::graph::{Function, Operator, Pool, ValueId};
use crate::onnx::builder::Builder;
use crate::onnx::error::{Fault, wrong};

/// No window, stride or padding is larger than this: nothing that is multiplied overflows.
const LARGEST: i64 = 1 << 20;

/// How a window moves, by (down, across).
struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    before: [usize; 2],
    after: [usize; 2],
}

impl Window {
    /// For a map of `spatial` extents, one or two.
    fn of(call: &Call<'_>, kernel: &[i64], spatial: &[usize]) -> Result<Window, Fault> {
        let pair = |name: &str, list: &[i64], least: i64, default: usize| match list {
            _ if list.len() != spatial.len() => {
                Err(wrong!("its {name} has {} entries for {} axes of maps", list.len(), spatial.len()))
            }
            _ if list.iter().any(|n| !(least..=LARGEST).contains(n)) => Err(wrong!("its {name} is {list:?}")),
            [across] => Ok([default, *across as usize]),
            list => Ok([list[0] as usize, list[1] as usize]),
        };
        let ones = vec![1; spatial.len()];
        let attribute = |name: &str| pair(name, call.attributes.ints(name)?.unwrap_or(&ones), 1, 1);
        let mut window = Window {
            kernel: pair("kernel", kernel, 1, 1)?,
            stride: attribute("strides")?,
            dilation: attribute("dilations")?,
            before: [0; 2],
            after: [0; 2],
        };
        let same = match call.attributes.string("auto_pad")?.unwrap_or("NOTSET") {
            "SAME_UPPER" => Some(false),
            "SAME_LOWER" => Some(true),
            "VALID" => return Ok(window),
            "NOTSET" | "" => None,
            other => return Err(wrong!("its auto_pad is `{other}`")),
        };
        if let Some(lower) = same {
            for (axis, extent) in maps(spatial).into_iter().enumerate() {
                let stride = window.stride[axis];
                let needed = (extent.div_ceil(stride).max(1) - 1) * stride + window.reach(axis);
                let padding = needed.saturating_sub(extent);
                let (less, more) = (padding / 2, padding.div_ceil(2));
                (window.before[axis], window.after[axis]) = if lower { (more, less) } else { (less, more) };
            }
        } else if let Some(pads) = call.attributes.ints("pads")? {
            if pads.len() != 2 * spatial.len() {
                return Err(wrong!("its pads has {} entries for {} axes of maps", pads.len(), spatial.len()));
            }
            let (before, after) = pads.split_at(spatial.len());
            (window.before, window.after) = (pair("pads", before, 0, 0)?, pair("pads", after, 0, 0)?);
        }
        Ok(window)
    }

    /// How many places a window spans.
    fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// How many windows there are.
    fn outputs(&self, axis: usize, extent: usize, ceil: bool) -> Result<usize, Fault> {
        let padded = extent + self.before[axis] + self.after[axis];
        let room = padded.checked_sub(self.reach(axis));
        let room =
            room.ok_or_else(|| wrong!("its window of {} is larger than its map of {padded}", self.reach(axis)))?;
        let stride = self.stride[axis];
        let count = if ceil { room.div_ceil(stride) } else { room / stride } + 1;
        // A window that would start behind the map is none.
        let behind = ceil && (count - 1) * stride >= extent + self.before[axis];
        Ok(count - usize::from(behind))
    }

    fn padding(&self) -> [usize; 4] {
        [self.before[0], self.before[1], self.after[0], self.after[1]]
    }
}

fn maps(spatial: &[usize]) -> [usize; 2] {
    match spatial {
        [across] => [1, *across],
        spatial => [spatial[0], spatial[1]],
    }
}

/// (1, C, L) as (1, C, 1, L), and what its spatial extents are.
fn as_maps(graph: &mut Builder<'_>, x: ValueId) -> Result<(ValueId, Vec<usize>), Fault> {
    let shape = graph.shape(x).to_vec();
    match *shape {
        [batch, channels, length] => Ok((graph.reshape(x, vec![batch, channels, 1, length])?, vec![length])),
        [_, _, height, width] => Ok((x, vec![height, width])),
        _ => Err(wrong!("it reads a tensor of shape {shape:?}; only maps of one or two axes are supported")),
    }
}

/// The opposite.
fn as_it_was(graph: &mut Builder<'_>, y: ValueId, spatial: &[usize]) -> Result<ValueId, Fault> {
    let shape = graph.shape(y).to_vec();
    if spatial.len() == 2 { Ok(y) } else { graph.reshape(y, vec![shape[0], shape[1], shape[3]]) }
}

/// `Conv`.
pub(super) fn convolution(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let (x, spatial) = as_maps(graph, call.input(0)?)?;
    let weight = call.input(1)?;
    if graph.real(weight).is_none() {
        return Err(wrong!("its weight depends on the face; only constant ones are supported"));
    }
    let shape = graph.shape(weight).to_vec();
    let groups = call.attributes.int("group", 1)?;
    let channels = graph.shape(x)[1];
    let fits = |inputs: usize, outputs: usize| {
        usize::try_from(groups).is_ok_and(|groups| {
            groups > 0 && inputs.checked_mul(groups) == Some(channels) && outputs > 0 && outputs.is_multiple_of(groups)
        })
    };
    if shape.len() != spatial.len() + 2 || graph.shape(x)[0] != 1 || !fits(shape[1], shape[0]) {
        return Err(wrong!(
            "its weight has shape {shape:?}, for a tensor of shape {:?} in {groups} groups",
            graph.shape(call.input(0)?)
        ));
    }
    let kernel: Vec<i64> = shape[2..].iter().map(|n| *n as i64).collect();
    if call.attributes.ints("kernel_shape")?.is_some_and(|said| said != kernel) {
        return Err(wrong!("its kernel_shape differs from its weight, which has shape {shape:?}"));
    }
    let window = Window::of(call, &kernel, &spatial)?;
    let weight = match *shape {
        [outputs, inputs, length] => graph.reshape(weight, vec![outputs, inputs, 1, length])?,
        _ => weight,
    };
    let mut inputs = vec![x, weight];
    if let Some(bias) = call.optional(2) {
        if graph.real(bias).is_none() || graph.shape(bias) != [shape[0]] {
            return Err(wrong!("its bias is not {} constant numbers", shape[0]));
        }
        inputs.push(bias);
    }
    let [height, width] = maps(&spatial);
    let output = vec![1, shape[0], window.outputs(0, height, false)?, window.outputs(1, width, false)?];
    let operator = Operator::Convolution {
        kernel: window.kernel.into(),
        stride: window.stride.into(),
        padding: window.padding(),
        dilation: window.dilation.into(),
        groups: groups as usize,
    };
    let y = graph.emit(operator, &inputs, output)?;
    as_it_was(graph, y, &spatial)
}

/// `MaxPool`, `AveragePool`.
pub(super) fn pool(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let (x, spatial) = as_maps(graph, call.input(0)?)?;
    let kernel = call.attributes.ints("kernel_shape")?.ok_or_else(|| wrong!("it has no kernel_shape"))?;
    let window = Window::of(call, kernel, &spatial)?;
    if (0..2).any(|axis| window.before[axis].max(window.after[axis]) >= window.reach(axis)) {
        return Err(wrong!("its padding is as large as its window"));
    }
    let ceil = call.attributes.flag("ceil_mode")?;
    let [height, width] = maps(&spatial);
    let shape = graph.shape(x);
    let output = vec![shape[0], shape[1], window.outputs(0, height, ceil)?, window.outputs(1, width, ceil)?];
    let pool = match call.operator {
        "MaxPool" => Pool::Max,
        _ if call.attributes.flag("count_include_pad")? => Pool::MeanWithPadding,
        _ => Pool::Mean,
    };
    let operator = Operator::Pool {
        pool,
        kernel: window.kernel.into(),
        stride: window.stride.into(),
        padding: window.padding(),
        dilation: window.dilation.into(),
    };
    let y = graph.emit(operator, &[x], output)?;
    as_it_was(graph, y, &spatial)
}

/// `FusedConv` of ONNX Runtime: a sum and an activation behind the convolution.
pub(super) fn fused(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let mut y = convolution(graph, call)?;
    if let Some(other) = call.optional(3) {
        y = graph.binary(crate::graph::Binary::Add, y, other)?;
    }
    let parameters = call.attributes.floats("activation_params")?.unwrap_or_default();
    let parameter =
        |at: usize| parameters.get(at).copied().ok_or_else(|| wrong!("its activation has too few parameters"));
    let function = match call.attributes.string("activation")?.unwrap_or_default() {
        "" => return Ok(y),
        "Relu" => Function::Relu,
        "Sigmoid" => Function::Sigmoid,
        "Tanh" => Function::Tanh,
        "LeakyRelu" => Function::LeakyRelu(parameter(0)?),
        "Clip" => Function::Clip(parameter(0)?, parameter(1)?),
        "HardSigmoid" => Function::HardSigmoid(parameter(0)?, parameter(1)?),
        other => return Err(wrong!("its activation `{other}` is not known")),
    };
    graph.function(function, y)
}
