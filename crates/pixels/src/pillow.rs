//! Pillow's `Image.resize` for 8-bit pixels (its `Resample.c`): a weighted sum along rows, rounded to 8 bits, then one
//! along columns. When it shrinks, the filter is stretched over all pixels that a target pixel covers.
//!
//! That order is Pillow's up to version 11. Version 12.3 begins with the columns of a picture more than 100 times as high as
//! wide that shrinks in height, and 13.0 with those of many pictures that shrink in height, such as 170 × 230 to 160 × 160.

use crate::PixelView;
use crate::instructions::{Instructions, Kernel};
use crate::quads::Quads;

/// Fraction bits of a weight: 32 less 8 of the pixel and 2 for weights that overshoot.
pub(crate) const PRECISION: u32 = 32 - 8 - 2;
pub(crate) const HALF: i32 = 1 << (PRECISION - 1);

/// The lower bits of a weight, where its two parts must fit 16 bits each.
pub(crate) const LOW_BITS: u32 = PRECISION / 2;

/// A filter's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterShape {
    /// `Image.BILINEAR`.
    Triangle,
    /// `Image.BICUBIC`, a = −0.5.
    Cubic,
}

impl FilterShape {
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

/// Buffers and weights. Keep one per thread: pictures of one size share their weights.
#[derive(Debug, Default)]
pub struct PillowResampler {
    across: FilterWeights,
    /// The weights of the first pass in two parts, see [`LOW_BITS`].
    high: Quads,
    low: Quads,
    down: FilterWeights,
    /// The picture after the first pass: source height × size pixels.
    narrowed: Vec<u8>,
    /// A source row, where the picture ends before what is read.
    line: Vec<u8>,
}

impl PillowResampler {
    /// Resizes to `size` × `size` pixels.
    pub fn resize(&mut self, source: PixelView, kernel: FilterShape, size: usize, out: &mut [u8]) {
        self.resize_with(Instructions::best(), source, kernel, size, out);
    }

    pub(crate) fn resize_with(
        &mut self,
        instructions: Instructions,
        source: PixelView,
        kernel: FilterShape,
        size: usize,
        out: &mut [u8],
    ) {
        if self.across.prepare(kernel, source.width, size) {
            let FilterWeights { firsts, values, stride, .. } = &self.across;
            let weight = |target: usize, tap: usize| values[target * stride + tap];
            self.high.prepare(firsts, *stride, |target, tap| (weight(target, tap) >> LOW_BITS) as i16);
            self.low.prepare(firsts, *stride, |target, tap| (weight(target, tap) & ((1 << LOW_BITS) - 1)) as i16);
        }
        self.down.prepare(kernel, source.height, size);
        instructions.run(Passes { of: self, source, size, out });
    }
}

/// Both passes, once the weights are there.
struct Passes<'a> {
    of: &'a mut PillowResampler,
    source: PixelView<'a>,
    size: usize,
    out: &'a mut [u8],
}

impl Kernel for Passes<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, instructions: Instructions) {
        let Self { of: PillowResampler { across, high, low, down, narrowed, line }, source, size, out } = self;
        let row_bytes = size * 3;
        // Vector code writes a little beyond the end of a row.
        narrowed.resize(source.height * row_bytes + 16, 0);
        for y in 0..source.height {
            let to = &mut narrowed[y * row_bytes..];
            match instructions {
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2(avx2) => {
                    avx2.rounded_row(high, low, source.row_and_more(y, high.reach(), line), to);
                }
                Instructions::Portable => across_row(source.row(y), across, &mut to[..row_bytes]),
            }
        }
        for (to, (first, weights)) in out.chunks_exact_mut(row_bytes).zip(down.iter()) {
            down_row(&narrowed[first * row_bytes..], weights, to);
        }
    }
}

/// One row resized along x.
#[inline(always)]
fn across_row(line: &[u8], weights: &FilterWeights, to: &mut [u8]) {
    let line = line.as_chunks::<3>().0;
    for (pixel, (first, weights)) in to.as_chunks_mut::<3>().0.iter_mut().zip(weights.iter()) {
        let mut sums = [HALF; 3];
        for (value, &weight) in line[first..].iter().zip(weights) {
            for (sum, &byte) in sums.iter_mut().zip(value) {
                *sum += i32::from(byte) * weight;
            }
        }
        *pixel = sums.map(rounded);
    }
}

/// One target row from the source rows that start with the first of `rows`; sums stay in registers.
#[inline(always)]
fn down_row(rows: &[u8], weights: &[i32], to: &mut [u8]) {
    const LANES: usize = 32;
    let row_bytes = to.len();
    // Trailing zero weights may reach below the picture.
    let weighted = || rows.chunks_exact(row_bytes).zip(weights);
    let (blocks, rest) = to.as_chunks_mut::<LANES>();
    let done = blocks.len() * LANES;
    for (block, at) in blocks.iter_mut().zip((0..).step_by(LANES)) {
        let mut sums = [HALF; LANES];
        for (row, &weight) in weighted() {
            for (sum, &value) in sums.iter_mut().zip(&row[at..at + LANES]) {
                *sum += i32::from(value) * weight;
            }
        }
        for (byte, sum) in block.iter_mut().zip(sums) {
            *byte = rounded(sum);
        }
    }
    for (byte, at) in rest.iter_mut().zip(done..) {
        let mut sum = HALF;
        for (row, &weight) in weighted() {
            sum += i32::from(row[at]) * weight;
        }
        *byte = rounded(sum);
    }
}

/// A sum of pixel × weight that started at [`HALF`] → the pixel.
#[inline(always)]
fn rounded(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// For each target pixel of one axis: the first source pixel and the weights of it and the ones after it.
#[derive(Debug, Default)]
struct FilterWeights {
    /// What the weights were computed for.
    of: Option<(FilterShape, usize, usize)>,
    /// First source pixel, one a target pixel.
    firsts: Vec<usize>,
    /// Weights in fixed point, `stride` a target pixel; zeros fill up what a pixel does not need.
    values: Vec<i32>,
    /// As many weights as the pixel with the most has.
    stride: usize,
    /// Weights of one target pixel before they are normalised.
    exact: Vec<f64>,
}

impl FilterWeights {
    /// Returns whether the weights are other ones than before.
    fn prepare(&mut self, kernel: FilterShape, from: usize, to: usize) -> bool {
        if self.of == Some((kernel, from, to)) {
            return false;
        }
        self.of = Some((kernel, from, to));
        let scale = from as f64 / to as f64;
        let stretch = scale.max(1.0);
        let support = kernel.support() * stretch;
        let span = |target: usize| {
            let centre = (target as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(from);
            (centre, first, end)
        };
        self.stride = (0..to).map(span).map(|(_, first, end)| end - first).max().unwrap_or(1);
        self.firsts.clear();
        self.values.clear();
        for (target, (centre, first, end)) in (0..to).map(span).enumerate() {
            self.exact.clear();
            self.exact.extend((first..end).map(|x| kernel.at((x as f64 - centre + 0.5) * (1.0 / stretch))));
            let sum: f64 = self.exact.iter().sum();
            self.values.extend(self.exact.iter().map(|weight| fixed(weight / sum)));
            self.values.resize(self.stride * (target + 1), 0);
            self.firsts.push(first);
        }
        true
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        self.firsts.iter().copied().zip(self.values.chunks_exact(self.stride))
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
        let mut weights = FilterWeights::default();
        for kernel in [FilterShape::Triangle, FilterShape::Cubic] {
            for (from, to) in [(1, 160), (2, 3), (92, 160), (112, 160), (500, 160), (20_000, 112), (160, 160)] {
                weights.prepare(kernel, from, to);
                assert_eq!(weights.iter().count(), to);
                for (first, values) in weights.iter() {
                    let sum: i32 = values.iter().sum();
                    assert!((sum - (1 << PRECISION)).unsigned_abs() as usize <= values.len(), "{kernel:?} {from} {to}");
                    let reach = values.iter().rposition(|&weight| weight != 0).map_or(0, |last| last + 1);
                    assert!(first + reach <= from);
                }
            }
        }
    }

    #[test]
    fn at_the_same_size_a_pixel_weighs_one_and_its_neighbours_nothing() {
        let mut weights = FilterWeights::default();
        for kernel in [FilterShape::Triangle, FilterShape::Cubic] {
            weights.prepare(kernel, 7, 7);
            for (target, (first, values)) in weights.iter().enumerate() {
                for (x, &value) in (first..).zip(values) {
                    assert_eq!(value, if x == target { 1 << PRECISION } else { 0 });
                }
            }
        }
    }
}
