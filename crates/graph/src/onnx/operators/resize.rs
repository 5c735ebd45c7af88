//! `Resize` and `Upsample`: along one axis after the other, numbers are chosen or, between them, weighed by a constant
//! matrix. Extents and places are computed in f32, as ONNX Runtime does: what lies on the border of two pixels depends on it.

use super::Call;
use crate::graph::ValueId;
use crate::onnx::builder::Builder;
use crate::onnx::error::{Fault, wrong};
use crate::onnx::limits::numbers;
use crate::onnx::shapes;

/// How one axis is sampled.
struct Axis {
    from: usize,
    to: usize,
    /// What the file says, or to / from.
    scale: f32,
}

/// What the file says of all axes.
struct Sampling<'a> {
    coordinates: &'a str,
    nearest: &'a str,
    mode: &'a str,
    /// Of cubic weights.
    sharpness: f64,
    exclude_outside: bool,
}

/// `Resize`, `Upsample`.
pub(super) fn resize(graph: &mut Builder<'_>, call: &Call<'_>) -> Result<ValueId, Fault> {
    let mut x = call.input(0)?;
    let old = call.operator == "Upsample" || call.opset < 11;
    let text = |name, default| Ok::<_, Fault>(call.attributes.string(name)?.unwrap_or(default));
    let sampling = Sampling {
        coordinates: text("coordinate_transformation_mode", if old { "asymmetric" } else { "half_pixel" })?,
        nearest: text("nearest_mode", if old { "floor" } else { "round_prefer_floor" })?,
        mode: text("mode", "nearest")?,
        sharpness: call.attributes.float("cubic_coeff_a", -0.75)?.into(),
        exclude_outside: call.attributes.flag("exclude_outside")?,
    };
    if call.attributes.flag("antialias")? || text("keep_aspect_ratio_policy", "stretch")? != "stretch" {
        return Err(wrong!("it smooths or keeps the aspect ratio, which is not supported"));
    }
    for (axis, sampled) in axes(graph, call, x, old)? {
        // An axis that stays as it is is not sampled, and the batch never is.
        if (sampled.from, sampled.scale) == (sampled.to, 1.0) {
            continue;
        }
        numbers(&[sampled.from.max(sampled.to), sampled.to], graph.limits().computed)?;
        x = along(graph, x, axis, &sampled, &sampling)?;
    }
    Ok(x)
}

/// The axes that have a new extent, by scales or by extents.
fn axes(graph: &Builder<'_>, call: &Call<'_>, x: ValueId, old: bool) -> Result<Vec<(usize, Axis)>, Fault> {
    let shape = graph.shape(x);
    let list = |input: usize| {
        let value = call.optional(input).filter(|value| !graph.shape(*value).contains(&0));
        let unknown = || wrong!("its scales depend on the face; only constant ones are supported");
        value.map(|value| graph.numbers(value).ok_or_else(unknown)).transpose()
    };
    let by_attribute = call.attributes.floats("scales")?.map(|scales| scales.iter().map(|x| f64::from(*x)).collect());
    let scales: Option<Vec<f64>> = by_attribute.or(list(if old { 1 } else { 2 })?);
    let extents = if old { None } else { list(3)? };
    let which = match call.attributes.ints("axes")? {
        Some(axes) => axes.iter().map(|axis| shapes::axis(*axis, shape.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..shape.len()).collect(),
    };
    let given = scales.as_ref().or(extents.as_ref()).ok_or_else(|| wrong!("it has neither scales nor sizes"))?;
    if given.len() != which.len() {
        return Err(wrong!("it has {} scales or sizes for {} axes", given.len(), which.len()));
    }
    let sampled = |(axis, number): (usize, f64)| {
        let (from, number) = (shape[axis], number as f32);
        let (to, scale) = match &extents {
            Some(_) if scales.is_none() => (number, number / from as f32),
            _ => ((from as f32 * number).floor(), number),
        };
        if from == 0 || !(1.0..=65_536.0).contains(&to) {
            return Err(wrong!("it makes an extent of {to} of one of {from}"));
        }
        Ok((axis, Axis { from, to: to as usize, scale }))
    };
    which.into_iter().zip(given.iter().copied()).map(sampled).collect()
}

fn along(
    graph: &mut Builder<'_>,
    x: ValueId,
    axis: usize,
    sampled: &Axis,
    sampling: &Sampling<'_>,
) -> Result<ValueId, Fault> {
    let places = (0..sampled.to).map(|at| sampling.place(at, sampled)).collect::<Result<Vec<f64>, Fault>>()?;
    if sampling.mode == "nearest" {
        let indices = places.iter().map(|place| sampling.nearest(*place, sampled.from));
        return graph.gather(x, axis, indices.collect::<Result<_, _>>()?);
    }
    let mut matrix = vec![0.0; sampled.from * sampled.to];
    for (at, place) in places.iter().enumerate() {
        for (index, weight) in sampling.weights(*place, sampled.from)? {
            matrix[index * sampled.to + at] += weight as f32;
        }
    }
    // The axis becomes the last, and what is before it one.
    let rank = graph.rank(x);
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(axis, rank - 1);
    let y = graph.transpose(x, order.clone())?;
    let mut shape = graph.shape(y).to_vec();
    let rows = shape[..rank - 1].iter().product();
    let y = graph.reshape(y, vec![rows, sampled.from])?;
    let matrix = graph.reals(vec![sampled.from, sampled.to], matrix);
    let y = super::matrices::product(graph, y, matrix)?;
    shape[rank - 1] = sampled.to;
    let y = graph.reshape(y, shape)?;
    graph.transpose(y, order)
}

impl Sampling<'_> {
    /// Where in the input an output lies.
    fn place(&self, at: usize, Axis { from, to, scale }: &Axis) -> Result<f64, Fault> {
        let at = at as f32;
        Ok(f64::from(match self.coordinates {
            "asymmetric" => at / scale,
            "pytorch_half_pixel" | "align_corners" if *to == 1 => 0.0,
            "half_pixel" | "pytorch_half_pixel" => (at + 0.5) / scale - 0.5,
            "align_corners" => at * (from - 1) as f32 / (to - 1) as f32,
            other => return Err(wrong!("its coordinate_transformation_mode `{other}` is not supported")),
        }))
    }

    fn nearest(&self, place: f64, extent: usize) -> Result<usize, Fault> {
        let index = match self.nearest {
            "round_prefer_floor" => (place - 0.5).ceil(),
            "round_prefer_ceil" => (place + 0.5).floor(),
            "floor" => place.floor(),
            "ceil" => place.ceil(),
            other => return Err(wrong!("its nearest_mode `{other}` is not known")),
        };
        Ok(index.clamp(0.0, (extent - 1) as f64) as usize)
    }

    /// The inputs that a place lies between, and what each counts.
    fn weights(&self, place: f64, extent: usize) -> Result<Vec<(usize, f64)>, Fault> {
        let last = (extent - 1) as f64;
        match self.mode {
            "linear" => {
                let place = place.clamp(0.0, last);
                let (index, rest) = (place as usize, place.fract());
                Ok(vec![(index, 1.0 - rest), ((index + 1).min(extent - 1), rest)])
            }
            "cubic" => {
                let a = self.sharpness;
                let weight = |distance: f64| match distance.abs() {
                    d if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
                    d if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
                    _ => 0.0,
                };
                let near = (-1..=2).map(|offset| place.floor() + f64::from(offset));
                let mut weights: Vec<(f64, f64)> = near.map(|index| (index, weight(place - index))).collect();
                if self.exclude_outside {
                    weights.retain(|(index, _)| (0.0..=last).contains(index));
                    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
                    for (_, weight) in &mut weights {
                        *weight /= sum;
                    }
                }
                Ok(weights.into_iter().map(|(index, weight)| (index.clamp(0.0, last) as usize, weight)).collect())
            }
            other => Err(wrong!("its mode `{other}` is not known")),
        }
    }
}
