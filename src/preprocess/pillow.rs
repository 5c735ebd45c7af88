//! Pillow's `Image.resize` for 8-bit pixels (its `Resample.c`): a weighted sum along rows, rounded to 8 bits, then one
//! along columns. When it shrinks, the filter is stretched over all pixels that a target pixel covers.

use super::View;

/// Fraction bits of a weight: 32 less 8 of the pixel and 2 for weights that overshoot.
const PRECISION: u32 = 32 - 8 - 2;
const HALF: i32 = 1 << (PRECISION - 1);

/// A filter's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    /// `Image.BILINEAR`.
    Triangle,
    /// `Image.BICUBIC`, a = −0.5.
    Cubic,
}

impl Kernel {
    fn support(self) -> f64 {
        match self {
            Self::Triangle => 1.0,
            Self::Cubic => 2.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Self::Triangle => (1.0 - x).max(0.0),
            Self::Cubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Cubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Self::Cubic => 0.0,
        }
    }
}

/// Buffers of the two passes.
#[derive(Debug, Default)]
pub(super) struct Resampler {
    across: Weights,
    down: Weights,
    /// The picture after the first pass: source height × size pixels.
    narrowed: Vec<u8>,
    /// One target row, not yet rounded.
    sums: Vec<i32>,
}

impl Resampler {
    /// Resizes to `size` × `size` pixels.
    pub(super) fn resize(&mut self, source: View, kernel: Kernel, size: usize, out: &mut [u8]) {
        self.across.prepare(kernel, source.width, size);
        self.down.prepare(kernel, source.height, size);

        let row_bytes = size * 3;
        self.narrowed.resize(source.height * row_bytes, 0);
        for (to, y) in self.narrowed.chunks_exact_mut(row_bytes).zip(0..) {
            let from = source.row(y).as_chunks::<3>().0;
            for (pixel, (first, weights)) in to.as_chunks_mut::<3>().0.iter_mut().zip(self.across.iter()) {
                let mut sums = [HALF; 3];
                for (value, &weight) in from[first..].iter().zip(weights) {
                    for (sum, &byte) in sums.iter_mut().zip(value) {
                        *sum += i32::from(byte) * weight;
                    }
                }
                *pixel = sums.map(rounded);
            }
        }

        for (to, (first, weights)) in out.chunks_exact_mut(row_bytes).zip(self.down.iter()) {
            self.sums.clear();
            self.sums.resize(row_bytes, HALF);
            for (row, &weight) in self.narrowed.chunks_exact(row_bytes).skip(first).zip(weights) {
                for (sum, &value) in self.sums.iter_mut().zip(row) {
                    *sum += i32::from(value) * weight;
                }
            }
            for (byte, &sum) in to.iter_mut().zip(&self.sums) {
                *byte = rounded(sum);
            }
        }
    }
}

/// A sum of pixel × weight that started at [`HALF`] → the pixel.
fn rounded(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// For each target pixel of one axis: the first source pixel and the weights of it and the ones after it.
#[derive(Debug, Default)]
struct Weights {
    /// What the weights were computed for.
    of: Option<(Kernel, usize, usize)>,
    /// First source pixel and number of weights, one a target pixel.
    spans: Vec<(usize, usize)>,
    /// Weights in fixed point, `stride` a target pixel.
    values: Vec<i32>,
    stride: usize,
    /// Weights of one target pixel before they are normalised.
    exact: Vec<f64>,
}

impl Weights {
    fn prepare(&mut self, kernel: Kernel, from: usize, to: usize) {
        if self.of == Some((kernel, from, to)) {
            return;
        }
        self.of = Some((kernel, from, to));
        let scale = from as f64 / to as f64;
        let stretch = scale.max(1.0);
        let support = kernel.support() * stretch;
        self.stride = support.ceil() as usize * 2 + 1;
        self.spans.clear();
        self.values.clear();
        for target in 0..to {
            let centre = (target as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(from);
            self.exact.clear();
            self.exact.extend((first..end).map(|x| kernel.at((x as f64 - centre + 0.5) * (1.0 / stretch))));
            let sum: f64 = self.exact.iter().sum();
            self.values.extend(self.exact.iter().map(|weight| fixed(weight / sum)));
            self.values.resize(self.stride * (target + 1), 0);
            self.spans.push((first, end - first));
        }
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        self.spans
            .iter()
            .zip(self.values.chunks_exact(self.stride))
            .map(|(&(first, count), values)| (first, &values[..count]))
    }
}

/// Rounds half away from zero, as the C code does.
fn fixed(weight: f64) -> i32 {
    (weight * f64::from(1 << PRECISION)).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_every_target_pixel_sum_to_one() {
        let mut weights = Weights::default();
        for kernel in [Kernel::Triangle, Kernel::Cubic] {
            for (from, to) in [(1, 160), (2, 3), (92, 160), (112, 160), (500, 160), (20_000, 112), (160, 160)] {
                weights.prepare(kernel, from, to);
                assert_eq!(weights.iter().count(), to);
                for (first, values) in weights.iter() {
                    let sum: i32 = values.iter().sum();
                    assert!((sum - (1 << PRECISION)).unsigned_abs() as usize <= values.len(), "{kernel:?} {from} {to}");
                    assert!(first + values.len() <= from);
                }
            }
        }
    }

    #[test]
    fn at_the_same_size_a_pixel_weighs_one_and_its_neighbours_nothing() {
        let mut weights = Weights::default();
        for kernel in [Kernel::Triangle, Kernel::Cubic] {
            weights.prepare(kernel, 7, 7);
            for (target, (first, values)) in weights.iter().enumerate() {
                for (x, &value) in (first..).zip(values) {
                    assert_eq!(value, if x == target { 1 << PRECISION } else { 0 });
                }
            }
        }
    }
}
