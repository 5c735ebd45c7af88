//! Operators that move numbers and compute nothing, on numbers of any kind.

use crate::graph::Operator;

/// Whether an operator only moves numbers.
pub(crate) fn is_movement(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::Concat { .. }
            | Operator::Slice { .. }
            | Operator::Gather { .. }
            | Operator::Transpose { .. }
            | Operator::Reshape
            | Operator::Broadcast
            | Operator::Pad { .. }
    )
}

/// What such an operator makes of (shape, numbers); `shape` is its output's.
pub(crate) fn moved<T: Copy + FromF32>(operator: &Operator, inputs: &[(&[usize], &[T])], shape: &[usize]) -> Vec<T> {
    let (from, data) = inputs[0];
    let steps = strides(from);
    match operator {
        Operator::Reshape => data.to_vec(),
        Operator::Broadcast => view(data, shape, 0, &broadcast_strides(from, shape)),
        Operator::Transpose { order } => {
            view(data, shape, 0, &order.iter().map(|axis| steps[*axis]).collect::<Vec<_>>())
        }
        Operator::Slice { axis, start, step } => {
            let mut along = steps.clone();
            along[*axis] *= step;
            view(data, shape, *start as isize * steps[*axis], &along)
        }
        Operator::Gather { axis, indices } => {
            let inner: usize = from[axis + 1..].iter().product();
            let outer: usize = from[..*axis].iter().product();
            let mut output = Vec::with_capacity(outer * inner * indices.len());
            for block in 0..outer {
                for index in indices {
                    let start = (block * from[*axis] + index) * inner;
                    output.extend_from_slice(&data[start..start + inner]);
                }
            }
            output
        }
        Operator::Concat { axis } => {
            let outer: usize = shape[..*axis].iter().product();
            let mut output = Vec::with_capacity(shape.iter().product());
            for block in 0..outer {
                for (shape, data) in inputs {
                    let length: usize = shape[*axis..].iter().product();
                    output.extend_from_slice(&data[block * length..(block + 1) * length]);
                }
            }
            output
        }
        Operator::Pad { before, value } => {
            let mut output = vec![T::from_f32(*value); shape.iter().product()];
            let to = strides(shape);
            let start: isize = before.iter().zip(&to).map(|(before, stride)| *before as isize * stride).sum();
            for (number, place) in data.iter().zip(offsets(from, start, &to)) {
                output[place] = *number;
            }
            output
        }
        _ => unreachable!("{operator:?} computes"),
    }
}

/// Numbers that can stand around a padded tensor.
pub(crate) trait FromF32 {
    fn from_f32(value: f32) -> Self;
}

impl FromF32 for f64 {
    fn from_f32(value: f32) -> Self {
        value.into()
    }
}

impl FromF32 for f32 {
    fn from_f32(value: f32) -> Self {
        value
    }
}

impl FromF32 for i64 {
    fn from_f32(value: f32) -> Self {
        value as i64
    }
}

/// How far apart neighbours along each axis are.
pub(super) fn strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] as isize;
    }
    strides
}

/// [`strides`] of a tensor seen in a larger shape: 0 along what is repeated.
pub(super) fn broadcast_strides(from: &[usize], to: &[usize]) -> Vec<isize> {
    let mut along = vec![0; to.len()];
    let missing = to.len() - from.len();
    for (axis, stride) in strides(from).into_iter().enumerate() {
        assert!(from[axis] == 1 || from[axis] == to[missing + axis], "{from:?} broadcasts to {to:?}");
        along[missing + axis] = if from[axis] == 1 { 0 } else { stride };
    }
    along
}

fn view<T: Copy>(data: &[T], shape: &[usize], start: isize, strides: &[isize]) -> Vec<T> {
    offsets(shape, start, strides).map(|place| data[place]).collect()
}

/// The places of all elements of `shape`, in row-major order.
pub(super) fn offsets(shape: &[usize], start: isize, strides: &[isize]) -> impl Iterator<Item = usize> + use<> {
    let (shape, strides) = (shape.to_vec(), strides.to_vec());
    let mut index = vec![0; shape.len()];
    let mut place = start;
    (0..shape.iter().product::<usize>()).map(move |_| {
        let here = place as usize;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            place += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            place -= strides[axis] * shape[axis] as isize;
            index[axis] = 0;
        }
        here
    })
}
