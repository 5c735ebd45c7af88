//! A number, or two, at a time.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::Tensor;
use super::movement::{broadcast_strides, offsets};
use crate::graph::{Binary, Function};

pub(super) fn broadcast(a: &Tensor<'_>, b: &Tensor<'_>, shape: &[usize], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let places = |tensor: &Tensor<'_>| offsets(shape, 0, &broadcast_strides(tensor.shape, shape));
    places(a).zip(places(b)).map(|(i, j)| f(a.data[i], b.data[j])).collect()
}

pub(super) fn binary(kind: Binary, a: f64, b: f64) -> f64 {
    match kind {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => a.powf(b),
        Binary::Min => a.min(b),
        Binary::Max => a.max(b),
    }
}

pub(crate) fn function(function: Function, x: f64) -> f64 {
    match function {
        Function::Relu => x.max(0.0),
        Function::LeakyRelu(slope) => x.max(0.0) + f64::from(slope) * x.min(0.0),
        Function::Clip(low, high) => x.max(low.into()).min(high.into()),
        Function::Sigmoid => sigmoid(x),
        Function::HardSigmoid(a, b) => (f64::from(a) * x + f64::from(b)).clamp(0.0, 1.0),
        Function::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Function::Silu => x * sigmoid(x),
        Function::Mish => x * softplus(x).tanh(),
        Function::Tanh => x.tanh(),
        Function::Erf => libm::erf(x),
        Function::Gelu => x / 2.0 * libm::erfc(-x * FRAC_1_SQRT_2),
        Function::GeluTanh => x / 2.0 * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh()),
        Function::Elu(a) => x.max(0.0) + f64::from(a) * x.min(0.0).exp_m1(),
        Function::Softplus => softplus(x),
        Function::Exp => x.exp(),
        Function::Log => x.ln(),
        Function::Sqrt => x.sqrt(),
        Function::Reciprocal => x.recip(),
        Function::Abs => x.abs(),
        Function::Neg => -x,
        Function::Power(exponent) => x.powf(exponent.into()),
        Function::Quantise { scale, zero, low, high } => {
            // The quotient is an f32 by ONNX' definition: what lies halfway depends on it.
            (f64::from(x as f32 / scale).round_ties_even() + f64::from(zero)).max(low.into()).min(high.into())
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
