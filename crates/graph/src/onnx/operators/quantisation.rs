//! Numbers on a grid.

use super::Call;
use crate::graph::{Binary, Function, ValueId};
use crate::onnx::builder::Builder;
use crate::onnx::error::{Fault, wrong};
use crate::onnx::shapes;
use crate::onnx::tensors::element;
use crate::reference;

/// Scale and zero point: one of each, or one of each along an axis.
struct Grid {
    scale: Vec<f64>,
    zero: Vec<f64>,
    /// That they broadcast along; of one number, none.
    shape: Vec<usize>,
}

impl Grid {
    fn of(graph: &Builder<'_>, call: &Call<'_>) -> Result<Grid, Fault> {
        if call.attributes.int("block_size", 0)? != 0 {
            return Err(wrong!("it is quantised by blocks, which is not supported"));
        }
        let known = |value| {
            let unknown = || wrong!("its scale or zero point depends on the face; only constant ones are supported");
            graph.numbers(value).ok_or_else(unknown)
        };
        let scale = known(call.input(1)?)?;
        let zero = call.optional(2).map(known).transpose()?.unwrap_or_else(|| vec![0.0; scale.len()]);
        let extents = graph.shape(call.input(0)?);
        let shape = if scale.len() == 1 {
            Vec::new()
        } else {
            let axis = shapes::axis(call.attributes.int("axis", 1)?, extents.len())?;
            (axis..extents.len()).map(|at| if at == axis { extents[at] } else { 1 }).collect()
        };
        if zero.len() != scale.len() || scale.len() != shape.iter().product::<usize>() {
            return Err(wrong!(
                "it has {} scales and {} zero points for a tensor of shape {extents:?}",
                scale.len(),
                zero.len()
            ));
        }
        Ok(Grid { scale, zero, shape })
    }

    /// Which scale number `at` of a tensor has.
    fn channel(&self, shape: &[usize], at: usize) -> usize {
        let behind = self.shape.len().saturating_sub(1);
        at / shape[shape.len() - behind..].iter().product::<usize>() % self.scale.len()
    }
}

/// `QuantizeLinear`.
pub(super) fn quantize_linear(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let grid = Grid::of(graph, call)?;
    let asked = call.attributes.int("output_dtype", 0)? as i32;
    let (low, high) = match call.optional(2).map_or(asked, |zero| graph.element(zero)) {
        0 | element::UINT8 => (0.0, 255.0),
        element::INT8 => (-128.0, 127.0),
        element::UINT16 => (0.0, 65_535.0),
        element::INT16 => (-32_768.0, 32_767.0),
        _ => return Err(wrong!("it makes numbers of a type that is not known")),
    };
    let quantise = |channel: usize| {
        let (scale, zero) = (grid.scale[channel] as f32, grid.zero[channel] as f32);
        Function::Quantise { scale, zero, low, high }
    };
    if grid.scale.len() == 1 {
        return graph.function(quantise(0), x);
    }
    let shape = graph.shape(x).to_vec();
    let Some(numbers) = graph.numbers(x) else {
        return Err(wrong!("it quantises what depends on the face by channel, which is not supported"));
    };
    let each = numbers.into_iter().enumerate();
    let each = each.map(|(at, x)| reference::function(quantise(grid.channel(&shape, at)), x));
    graph.folded(shape.clone(), each)
}

/// `DequantizeLinear`.
pub(super) fn dequantize_linear(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let x = call.input(0)?;
    let grid = Grid::of(graph, call)?;
    if let Some(numbers) = graph.numbers(x) {
        let shape = graph.shape(x).to_vec();
        let each = numbers.into_iter().enumerate().map(|(at, x)| {
            let channel = grid.channel(&shape, at);
            (x - grid.zero[channel]) * grid.scale[channel]
        });
        return graph.folded(shape.clone(), each);
    }
    let reals = |list: &[f64]| list.iter().map(|x| *x as f32).collect::<Vec<_>>();
    let mut y = x;
    if grid.zero.iter().any(|zero| *zero != 0.0) {
        let zero = graph.reals(grid.shape.clone(), reals(&grid.zero));
        y = graph.binary(Binary::Sub, y, zero)?;
    }
    let scale = graph.reals(grid.shape.clone(), reals(&grid.scale));
    graph.binary(Binary::Mul, y, scale)
}
