//! Counts of cosines: in bins, as sums and extremes, and those that reach the tail one by one. All of it is the same in any
//! order.

// Tested by: `any_products_are_counted_as_defined` in crates/kernels/src/counting/tests.rs
// Tested by: `every_pair_is_collected_once_whatever_the_kernels` in crates/stats/src/similarity/blocks.rs

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod tests;

use crate::tally::{BINS, FIXED_POINT, Moments};

/// Products of a run at most.
pub const COLUMNS: usize = 512;

/// Products that are looked at together for one that reaches the tail.
const BLOCK: usize = 32;

/// Counts a run of at most [`COLUMNS`] products, compiled for an instruction set.
pub(crate) type CountKernel = unsafe fn(&[f32], f32, &mut [u64; BINS], &mut Sums, &mut Hits);

/// The one for the instruction set with registers of `lanes` numbers.
pub(crate) fn kernel(lanes: usize) -> CountKernel {
    match lanes {
        #[cfg(target_arch = "x86_64")]
        16 => avx512::count,
        #[cfg(target_arch = "x86_64")]
        8 => count_avx2,
        _ => count,
    }
}

/// Clamps a product to a cosine: rounding may leave [−1, 1] slightly, and rows that are not of unit length by more.
#[inline(always)]
#[must_use]
pub fn cosine_of(product: f32) -> f32 {
    smaller(larger(product, -1.0), 1.0)
}

/// One instruction; `b` where `a` is NaN.
#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// One instruction; `b` where `a` is NaN.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Sums over runs of cosines, in the steps of [`Moments`].
#[derive(Debug, Clone, Copy)]
pub struct Sums {
    count: u64,
    sum: i64,
    magnitudes: u64,
    squares: u64,
    /// Smallest cosine.
    pub min: f32,
    /// Largest cosine.
    pub max: f32,
}

impl Default for Sums {
    fn default() -> Self {
        Self { count: 0, sum: 0, magnitudes: 0, squares: 0, min: f32::INFINITY, max: f32::NEG_INFINITY }
    }
}

impl Sums {
    /// Of `count` cosines: the sums of their steps, of their steps' magnitudes and of the squares of these less
    /// `Moments::SQUARE_SHIFT` bits, and the smallest and the largest.
    #[must_use]
    pub fn new(count: u64, sum: i64, [magnitudes, squares]: [u64; 2], [min, max]: [f32; 2]) -> Self {
        Self { count, sum, magnitudes, squares, min, max }
    }

    /// As moments. The sums hold at least 2²³ cosines.
    #[must_use]
    pub fn moments(&self) -> Moments {
        Moments::from_sums(self.count, self.sum, self.squares, self.magnitudes)
    }
}

/// The places in a run whose cosines reach the tail.
#[derive(Debug)]
pub struct Hits {
    places: [u16; COLUMNS],
    found: usize,
}

impl Default for Hits {
    fn default() -> Self {
        Self { places: [0; COLUMNS], found: 0 }
    }
}

impl Hits {
    /// Adds a place, above the others, if its cosine reaches the tail; without a branch.
    #[inline(always)]
    fn add(&mut self, place: usize, reaches: bool) {
        // At most one a place, and no more places than the run has: found stays below the number of columns.
        self.places[self.found & (COLUMNS - 1)] = place as u16;
        self.found += usize::from(reaches);
    }

    /// Their places, ascending.
    #[must_use]
    pub fn places(&self) -> &[u16] {
        &self.places[..self.found]
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn count_avx2(run: &[f32], tail: f32, counts: &mut [u64; BINS], sums: &mut Sums, hits: &mut Hits) {
    count(run, tail, counts, sums, hits);
}

/// Minima and maxima computed side by side.
const SIDE: usize = 8;

/// Loops over arrays, which the compiler vectorises for the caller's instruction set.
#[inline(always)]
fn count(run: &[f32], tail: f32, counts: &mut [u64; BINS], sums: &mut Sums, hits: &mut Hits) {
    hits.found = 0;
    let (blocks, rest) = run.as_chunks::<BLOCK>();
    for (number, block) in blocks.iter().enumerate() {
        count_block(block, number * BLOCK, tail, counts, sums, hits);
    }
    let (small, last) = rest.as_chunks::<SIDE>();
    let mut first = blocks.len() * BLOCK;
    for block in small {
        count_block(block, first, tail, counts, sums, hits);
        first += SIDE;
    }
    for (place, value) in last.iter().enumerate() {
        count_block(&[*value], first + place, tail, counts, sums, hits);
    }
}

#[inline(always)]
fn count_block<const N: usize>(
    block: &[f32; N],
    first: usize,
    tail: f32,
    counts: &mut [u64; BINS],
    sums: &mut Sums,
    hits: &mut Hits,
) {
    let cosines = block.map(cosine_of);
    let (mut bins, mut fixed) = ([0i32; N], [0i32; N]);
    for (lane, &cosine) in cosines.iter().enumerate() {
        // Both products are exact: powers of two.
        let (place, steps) = (cosine * (BINS / 2) as f32, cosine * FIXED_POINT);
        // SAFETY: a cosine is a number of −1..=1, so both are numbers of −2³⁰..=2³⁰.
        let (whole, steps) = unsafe { (place.to_int_unchecked::<i32>(), steps.to_int_unchecked::<i32>()) };
        let floor = whole - i32::from(place < whole as f32);
        bins[lane] = (floor + (BINS / 2) as i32).min(BINS as i32 - 1);
        fixed[lane] = steps;
    }
    for bin in bins {
        // The mask changes nothing; it spares the check of the index.
        counts[bin as usize & (BINS - 1)] += 1;
    }
    sums.count += N as u64;
    let (mut sum, mut magnitudes, mut squares) = (0i64, 0u64, 0u64);
    for steps in fixed {
        sum += i64::from(steps);
        let magnitude = u64::from(steps.unsigned_abs());
        magnitudes += magnitude;
        squares += (magnitude * magnitude) >> Moments::SQUARE_SHIFT;
    }
    sums.sum += sum;
    sums.magnitudes += magnitudes;
    sums.squares += squares;
    // Side by side, or each comparison waits for the one before it.
    let (mut least, mut most) = ([f32::INFINITY; SIDE], [f32::NEG_INFINITY; SIDE]);
    let (chunks, rest) = cosines.as_chunks::<SIDE>();
    for chunk in chunks {
        for lane in 0..SIDE {
            least[lane] = smaller(chunk[lane], least[lane]);
            most[lane] = larger(chunk[lane], most[lane]);
        }
    }
    let least = least.iter().chain(rest).copied().fold(f32::INFINITY, smaller);
    let most = most.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger);
    sums.min = smaller(least, sums.min);
    sums.max = larger(most, sums.max);
    if most >= tail {
        for (lane, &cosine) in cosines.iter().enumerate() {
            hits.add(first + lane, cosine >= tail);
        }
    }
}
