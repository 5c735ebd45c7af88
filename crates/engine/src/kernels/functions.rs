//! Elementwise functions without branches or calls, so that the compiler vectorises a loop over them. Each operation rounds
//! as IEEE 754 says, so they give the same bits on every instruction set with fused multiply-adds.

use facevault_graph::{Binary, Function};

/// eˣ within 2 units in the last place; 0 below −104, ∞ above 88.73.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = clip(x, -104.0, 89.0);
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    // ln 2 in two parts: the first has few bits, so that its product with n is exact.
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    // Taylor's series to r⁷/7!: |r| ≤ ln 2 / 2.
    let mut p = 1.0f32 / 5040.0;
    for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = p.mul_add(r, c);
    }
    // 2ⁿ in two factors: n reaches below the exponents of normal numbers and above those of finite ones.
    let n = n as i32;
    let half = n >> 1;
    let power = |n: i32| f32::from_bits(((n + 127) << 23) as u32);
    p * power(half) * power(n - half)
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Hyperbolic tangent: a series near 0, where the other form cancels.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let z = x * x;
    // Cephes, tanhf.
    let mut p = -5.704_988_7e-3f32;
    for c in [2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1] {
        p = p.mul_add(z, c);
    }
    let near = (p * z).mul_add(x, x);
    let far = (1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0)).copysign(x);
    if x.abs() < 0.625 { near } else { far }
}

/// The error function within 4·10⁻⁷: x·P(x²)/Q(x²), fitted to it by least squares over |x| ≤ 3.95; ±1 beyond.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    #[expect(clippy::approx_constant, reason = "a coefficient of the fit, which is near 2/√π for a reason")]
    const P: [f32; 6] = [2.013_335_8e-6, 2.871_975e-4, 3.902_753e-3, 5.316_218_3e-2, 0.193_706_35, 1.128_379];
    const Q: [f32; 6] = [3.783_501e-5, 1.194_520_6e-3, 1.524_172_4e-2, 0.115_453_35, 0.504_999_4, 1.0];
    let x = clip(x, -3.95, 3.95);
    let z = x * x;
    let (mut p, mut q) = (P[0], Q[0]);
    for (a, b) in P[1..].iter().zip(&Q[1..]) {
        (p, q) = (p.mul_add(z, *a), q.mul_add(z, *b));
    }
    clip(x * p / q, -1.0, 1.0)
}

/// A number through a function.
#[inline(always)]
pub fn function(function: Function, x: f32) -> f32 {
    // NaN passes through every comparison as in the frameworks: the result is the operand's.
    match function {
        Function::Relu => {
            if x < 0.0 {
                0.0
            } else {
                x
            }
        }
        Function::LeakyRelu(slope) => {
            if x < 0.0 {
                slope * x
            } else {
                x
            }
        }
        Function::Clip(low, high) => clip(x, low, high),
        Function::Sigmoid => sigmoid(x),
        Function::HardSigmoid(a, b) => clip(a.mul_add(x, b), 0.0, 1.0),
        Function::HardSwish => x * clip(x.mul_add(1.0 / 6.0, 0.5), 0.0, 1.0),
        Function::Silu => x * sigmoid(x),
        Function::Mish => x * tanh(softplus(x)),
        Function::Tanh => tanh(x),
        Function::Erf => erf(x),
        Function::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        Function::GeluTanh => {
            let inner = 0.797_884_6 * (0.044_715 * x * x).mul_add(x, x);
            0.5 * x * (1.0 + tanh(inner))
        }
        Function::Elu(a) => {
            if x < 0.0 {
                a * x.exp_m1()
            } else {
                x
            }
        }
        Function::Softplus => softplus(x),
        Function::Exp => exp(x),
        Function::Log => x.ln(),
        Function::Sqrt => x.sqrt(),
        Function::Reciprocal => 1.0 / x,
        Function::Abs => x.abs(),
        Function::Neg => -x,
        Function::Power(power) => x.powf(power),
        Function::Quantise { scale, zero, low, high } => clip((x / scale).round_ties_even() + zero, low, high),
    }
}

#[inline(always)]
fn clip(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

#[inline(always)]
fn softplus(x: f32) -> f32 {
    (if x > 0.0 { x } else { 0.0 }) + exp(-x.abs()).ln_1p()
}

/// Two numbers → one.
#[inline(always)]
pub fn binary(binary: Binary, a: f32, b: f32) -> f32 {
    match binary {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => a.powf(b),
        Binary::Min => {
            if b < a {
                b
            } else {
                a
            }
        }
        Binary::Max => {
            if b > a {
                b
            } else {
                a
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest error against f64, in units of the last place or absolute.
    fn error(range: (f32, f32), ours: impl Fn(f32) -> f32, theirs: impl Fn(f64) -> f64, absolute: bool) -> f64 {
        let mut most = 0f64;
        for i in 0..=2_000_000 {
            let x = range.0 + (range.1 - range.0) * (i as f32 / 2_000_000.0);
            let expected = theirs(f64::from(x));
            let unit = if absolute { 1.0 } else { (expected.abs() * f64::from(f32::EPSILON)).max(1e-45) };
            most = most.max((f64::from(ours(x)) - expected).abs() / unit);
        }
        most
    }

    #[test]
    fn exp_is_within_two_units() {
        assert!(error((-87.0, 88.7), exp, f64::exp, false) < 2.0);
        assert_eq!([exp(-200.0), exp(f32::NEG_INFINITY), exp(0.0)], [0.0, 0.0, 1.0]);
        assert_eq!([exp(89.5), exp(f32::INFINITY)], [f32::INFINITY; 2]);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn tanh_and_sigmoid_keep_their_digits() {
        assert!(error((-10.0, 10.0), tanh, f64::tanh, true) < 1.5e-7);
        assert!(error((-0.7, 0.7), tanh, f64::tanh, false) < 4.0);
        assert!(error((-30.0, 30.0), sigmoid, |x| 1.0 / (1.0 + (-x).exp()), true) < 1.5e-7);
    }

    /// erf by its series and its continued fraction.
    fn definition(x: f64) -> f64 {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term.abs() > 1e-18 * sum.abs() && n < 300.0 {
            n += 1.0;
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn erf_is_the_error_function() {
        let most = error((-3.5, 3.5), erf, definition, true);
        assert!(most < 4e-7, "{most}");
        assert!((erf(20.0) - 1.0).abs() < 2e-7 && (erf(-20.0) + 1.0).abs() < 2e-7);
        assert_eq!(erf(0.0), 0.0);
    }

    #[test]
    fn functions_hand_nan_on() {
        for f in [Function::Relu, Function::Clip(0.0, 6.0), Function::HardSwish, Function::Gelu, Function::Silu] {
            assert!(function(f, f32::NAN).is_nan(), "{f:?}");
        }
    }
}
