//! What looks at a whole row of numbers: norms, softmax, reductions. Sums take sixteen partial sums side by side, so that they
//! do not depend on how wide the registers are.

use facevault_graph::Reduction;

use super::functions;

/// Partial sums.
const LANES: usize = 16;

/// f over sixteen columns of a row, folded into one number.
#[inline(always)]
fn folded(row: &[f32], start: f32, f: impl Fn(f32, f32) -> f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut all = [start; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            all[lane] = f(all[lane], chunk[lane]);
        }
    }
    for (all, &value) in all.iter_mut().zip(rest) {
        *all = f(*all, value);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            all[lane] = join(all[lane], all[lane + width]);
        }
        width /= 2;
    }
    all[0]
}

#[inline(always)]
fn sum(row: &[f32]) -> f32 {
    folded(row, 0.0, |a, x| a + x, |a, b| a + b)
}

#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    folded(row, f32::NEG_INFINITY, larger, larger)
}

/// A row → one number.
#[inline(always)]
pub fn reduce(row: &[f32], reduction: Reduction) -> f32 {
    match reduction {
        Reduction::Sum => sum(row),
        Reduction::Mean => sum(row) / row.len() as f32,
        Reduction::Max => largest(row),
        Reduction::Min => {
            let smaller = |a: f32, b: f32| if b < a { b } else { a };
            folded(row, f32::INFINITY, smaller, smaller)
        }
        Reduction::L1 => folded(row, 0.0, |a, x| a + x.abs(), |a, b| a + b),
        Reduction::L2 => folded(row, 0.0, |a, x| x.mul_add(x, a), |a, b| a + b).sqrt(),
    }
}

/// eˣ over their sum.
#[inline(always)]
pub fn softmax(row: &mut [f32]) {
    let most = largest(row);
    for x in &mut *row {
        *x = functions::exp(*x - most);
    }
    let factor = 1.0 / sum(row);
    for x in row {
        *x *= factor;
    }
}

/// (x − mean) / √(variance + ε) · scale + shift.
#[inline(always)]
pub fn layer_norm(row: &mut [f32], epsilon: f32, scale: &[f32], shift: Option<&[f32]>) {
    let mean = sum(row) / row.len() as f32;
    for x in &mut *row {
        *x -= mean;
    }
    let variance = folded(row, 0.0, |a, x| x.mul_add(x, a), |a, b| a + b) / row.len() as f32;
    let factor = 1.0 / (variance + epsilon).sqrt();
    match shift {
        Some(shift) => {
            for ((x, scale), &shift) in row.iter_mut().zip(scale).zip(shift) {
                *x = (*x * factor).mul_add(*scale, shift);
            }
        }
        None => row.iter_mut().zip(scale).for_each(|(x, scale)| *x = *x * factor * scale),
    }
}
