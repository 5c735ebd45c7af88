//! Cosines of many rows with many rows, and their counts. Products use the network's tile kernel; counting follows while they
//! are still in the cache.
//!
//! Every product is one chain of multiply-adds over the components, first to last, in any tile. It does not depend on the
//! blocking, the order of the rows, the number of threads, or the instruction set if that rounds a multiply-add once.

// Tested by: `every_pair_is_collected_once_whatever_the_kernels` in crates/stats/src/similarity/blocks.rs

use crate::kernels::TileJob;
use crate::sets::{self, Set};
use crate::tally::{BINS, FIXED_POINT, Moments};
use crate::{Kernels, Precision};

/// Rows of a [`Left`] at most: with 512 components they fill a part of the second-level cache.
pub const LEFT: usize = 48;

/// Columns of products that are computed before they are counted.
pub const COLUMNS: usize = 512;

/// Numbers of a row that are packed at once.
const PIECE: usize = 16;

/// Products that are looked at together for one that reaches the tail.
const BLOCK: usize = 32;

/// The kernels of this CPU for rows of one length.
#[derive(Clone, Copy)]
pub struct Products {
    set: &'static Set,
    count: CountKernel,
    dimension: usize,
}

impl std::fmt::Debug for Products {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Products")
            .field("set", &self.set.name)
            .field("dimension", &self.dimension)
            .finish_non_exhaustive()
    }
}

/// The counting, compiled for an instruction set.
type CountKernel = unsafe fn(&[f32], f32, &mut [u64; BINS], &mut Sums, &mut Hits);

/// Up to [`LEFT`] rows, one after the other, zeros up to a whole number of tiles.
#[derive(Debug, Default)]
pub struct Left {
    data: Vec<f32>,
}

/// Rows in panels of two registers: component 0 of each, component 1 of each, …; zeros fill the last panel.
#[derive(Debug, Default)]
pub struct Right {
    panels: Vec<f32>,
    rows: usize,
}

/// Products, `stride` apart from row to row.
#[derive(Debug, Default)]
pub struct Block {
    data: Vec<f32>,
    stride: usize,
}

impl Block {
    /// The products of one row of the left side with the right side's columns of the block.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.stride..(row + 1) * self.stride]
    }
}

impl Products {
    /// The fastest kernels of this CPU, or those asked for; `None` where the CPU lacks them. `dimension` > 0.
    #[must_use]
    pub fn new(kernels: Kernels, dimension: usize) -> Option<Self> {
        let set = sets::choose(kernels, Precision::F32)?;
        #[cfg(target_arch = "x86_64")]
        let count: CountKernel = match set.lanes {
            16 => count_avx512,
            8 => count_avx2,
            _ => count_plain,
        };
        #[cfg(not(target_arch = "x86_64"))]
        let count: CountKernel = count_plain;
        Some(Self { set, count, dimension })
    }

    /// The fastest kernels of this CPU. `dimension` > 0.
    #[must_use]
    pub fn best(dimension: usize) -> Self {
        Self::new(Kernels::Auto, dimension).expect("portable kernels run everywhere")
    }

    /// The rounding of multiply-adds: kernels with the same rounding give the same bits.
    #[must_use]
    pub fn rounding(&self) -> &'static str {
        if self.set.name == "portable" { "rounded twice" } else { "rounded once" }
    }

    /// Rows of a panel.
    fn width(&self) -> usize {
        2 * self.set.lanes
    }

    /// Puts up to [`LEFT`] rows of `dimension` numbers side by side.
    pub fn left<'r>(&self, rows: impl Iterator<Item = &'r [f32]>, left: &mut Left) {
        left.data.clear();
        rows.take(LEFT).for_each(|row| left.data.extend_from_slice(&row[..self.dimension]));
        left.data.resize(left.data.len().next_multiple_of(self.set.height * self.dimension), 0.0);
    }

    /// Packs rows of `dimension` numbers into panels.
    pub fn right<'r>(&self, rows: impl ExactSizeIterator<Item = &'r [f32]>, right: &mut Right) {
        let width = self.width();
        right.rows = rows.len();
        right.panels.clear();
        right.panels.resize(right.rows.div_ceil(width) * width * self.dimension, 0.0);
        let rows: Vec<&[f32]> = rows.map(|row| &row[..self.dimension]).collect();
        for (rows, panel) in rows.chunks(width).zip(right.panels.chunks_exact_mut(width * self.dimension)) {
            // A cache line of each row at a time: whole rows would push each other out of the cache, whose sets they share.
            for (piece, slots) in panel.chunks_mut(PIECE * width).enumerate() {
                for (lane, row) in rows.iter().enumerate() {
                    let numbers = &row[piece * PIECE..self.dimension.min((piece + 1) * PIECE)];
                    slots.chunks_exact_mut(width).zip(numbers).for_each(|(slots, &value)| slots[lane] = value);
                }
            }
        }
    }

    /// Products of all rows of `left` with [`COLUMNS`] rows of `right` from `first`, a multiple of [`COLUMNS`], on. Returns
    /// how many columns there are.
    ///
    /// # Panics
    /// With a left side that other kernels made.
    pub fn multiply(&self, left: &Left, right: &Right, first: usize, block: &mut Block) -> usize {
        const ELEMENT: usize = size_of::<f32>();
        let (width, height) = (self.width(), self.set.height);
        let rows = left.data.len() / self.dimension;
        let whole = rows.is_multiple_of(height) && rows * self.dimension == left.data.len();
        assert!(
            whole && rows <= LEFT.next_multiple_of(height),
            "{} numbers are not whole tiles of these kernels",
            left.data.len()
        );
        block.stride = COLUMNS;
        block.data.resize(LEFT.next_multiple_of(height) * COLUMNS, 0.0);
        let columns = right.rows.saturating_sub(first).min(COLUMNS);
        let panels = right.panels.chunks_exact(width * self.dimension).skip(first / width);
        for (place, panel) in panels.take(columns.div_ceil(width)).enumerate() {
            for top in (0..rows).step_by(height) {
                let mut offsets = [0; MAX_HEIGHT];
                for (row, offset) in offsets[..height].iter_mut().enumerate() {
                    *offset = ((top + row) * self.dimension * ELEMENT) as u32;
                }
                let tile = TileJob {
                    arena: left.data.as_ptr().cast(),
                    taps: &raw const ONLY_TAP,
                    offsets: offsets.as_ptr(),
                    height,
                    runs: 1,
                    words: self.dimension,
                    weights: panel.as_ptr().cast(),
                    out: block.data[top * COLUMNS + place * width..].as_mut_ptr().cast(),
                    stride: COLUMNS,
                };
                // SAFETY: `choose` gave the set to this CPU. The left side has `rows` ≥ top + height rows of `dimension`
                // numbers at the offsets, as asserted; the panel is `dimension` × `width` numbers; the block has at least `rows` rows
                // of `COLUMNS` numbers, of which `width` from `place × width` < `COLUMNS`, a multiple of the width.
                unsafe { (self.set.tile_f32)(&tile, height, 2) };
            }
        }
        columns
    }

    /// Counts a run of at most [`COLUMNS`] products as cosines in [`BINS`] counts, and lists in `hits` those that reach
    /// `tail`.
    ///
    /// # Panics
    /// With fewer counts.
    pub fn count(&self, run: &[f32], tail: f32, counts: &mut [u64], sums: &mut Sums, hits: &mut Hits) {
        let counts = counts.first_chunk_mut().expect("a count for each bin");
        // SAFETY: `new` took the function for the instruction set that `choose` found on this CPU.
        unsafe { (self.count)(&run[..run.len().min(COLUMNS)], tail, counts, sums, hits) }
    }

    /// Runs multiply-adds on one thread at full speed and returns the number of operations, to measure the peak.
    #[must_use]
    pub fn run_peak(&self, rounds: usize) -> f64 {
        self.set.run_peak(rounds)
    }
}

/// To the tile kernel, a row is a pixel with one tap.
static ONLY_TAP: u32 = 0;

/// Of every set's tiles.
const MAX_HEIGHT: usize = 12;

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
    /// Their places, ascending.
    #[must_use]
    pub fn places(&self) -> &[u16] {
        &self.places[..self.found]
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn count_avx512(run: &[f32], tail: f32, counts: &mut [u64; BINS], sums: &mut Sums, hits: &mut Hits) {
    count(run, tail, counts, sums, hits);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn count_avx2(run: &[f32], tail: f32, counts: &mut [u64; BINS], sums: &mut Sums, hits: &mut Hits) {
    count(run, tail, counts, sums, hits);
}

fn count_plain(run: &[f32], tail: f32, counts: &mut [u64; BINS], sums: &mut Sums, hits: &mut Hits) {
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
            // At most one a place, and no more places than the run has: found stays below the number of columns.
            hits.places[hits.found & (COLUMNS - 1)] = (first + lane) as u16;
            hits.found += usize::from(cosine >= tail);
        }
    }
}
