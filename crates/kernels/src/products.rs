//! Products of many rows with many rows, by the network's tile kernel. They are counted while they are still in the cache:
//! `counting`.
//!
//! Every product is one chain of multiply-adds over the components, first to last, in any tile. It does not depend on the
//! blocking, the order of the rows, the number of threads, or the instruction set if that rounds a multiply-add once.

// Tested by: `every_pair_is_collected_once_whatever_the_kernels` in crates/stats/src/similarity/blocks.rs

pub use crate::counting::{COLUMNS, Hits, Sums, cosine_of};

use crate::counting::{self, CountKernel};
use crate::kernels::TileJob;
use crate::sets::{self, Set};
use crate::{Kernels, Precision};

/// Rows of a [`Left`] at most.
pub const LEFT: usize = 144;

/// Numbers of a row that are packed at once.
const PIECE: usize = 16;

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

/// Up to [`LEFT`] rows, one after the other, zeros up to a whole number of tiles.
#[derive(Debug, Default)]
pub struct Left {
    data: Lines,
}

/// Rows in panels of two registers: component 0 of each, component 1 of each, …; zeros fill the last panel.
#[derive(Debug, Default)]
pub struct Right {
    panels: Lines,
    rows: usize,
}

/// Products, [`COLUMNS`] apart from row to row.
#[derive(Debug, Default)]
pub struct Block {
    data: Lines,
}

/// Numbers that begin with a cache line. Where rows of a left side begin in the middle of one, products were seen to take 12%
/// longer (AMD Zen 4).
#[derive(Debug, Default)]
struct Lines {
    data: Vec<f32>,
    /// Place of the first number.
    first: usize,
    length: usize,
}

impl Lines {
    /// Numbers of a cache line.
    const LINE: usize = 16;

    /// So many numbers, whatever they are.
    fn resize(&mut self, length: usize) -> &mut [f32] {
        if self.data.len() < length + Self::LINE {
            self.data.resize(length + Self::LINE, 0.0);
        }
        self.first = self.data.as_ptr().align_offset(size_of::<[f32; Self::LINE]>()).min(Self::LINE);
        self.length = length;
        &mut self.data[self.first..][..length]
    }
}

impl std::ops::Deref for Lines {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[self.first..][..self.length]
    }
}

impl Block {
    /// The products of one row of the left side with the right side's columns of the block.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * COLUMNS..(row + 1) * COLUMNS]
    }
}

impl Products {
    /// The fastest kernels of this CPU, or those asked for; `None` where the CPU lacks them. `dimension` > 0.
    #[must_use]
    pub fn new(kernels: Kernels, dimension: usize) -> Option<Self> {
        let set = sets::choose(kernels, Precision::F32)?;
        Some(Self { set, count: counting::kernel(set.lanes), dimension })
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

    /// Rows of a [`Left`] that are fastest: with 512 components, they, a panel, the products and the counts share the
    /// second-level cache, of 512 KiB, or of 1 MiB where AVX-512 is.
    #[must_use]
    pub fn strip(&self) -> usize {
        if self.set.lanes == 16 { LEFT } else { LEFT / 3 }
    }

    /// Puts up to [`LEFT`] rows of `dimension` numbers side by side.
    pub fn left<'r>(&self, rows: impl Iterator<Item = &'r [f32]>, left: &mut Left) {
        let rows: Vec<&[f32]> = rows.take(LEFT).collect();
        let slots = left.data.resize(rows.len().next_multiple_of(self.set.height) * self.dimension);
        let (given, rest) = slots.split_at_mut(rows.len() * self.dimension);
        given
            .chunks_exact_mut(self.dimension)
            .zip(rows)
            .for_each(|(slots, row)| slots.copy_from_slice(&row[..self.dimension]));
        rest.fill(0.0);
    }

    /// Packs rows of `dimension` numbers into panels.
    pub fn right<'r>(&self, rows: impl ExactSizeIterator<Item = &'r [f32]>, right: &mut Right) {
        let width = self.width();
        right.rows = rows.len();
        let panels = right.panels.resize(right.rows.div_ceil(width) * width * self.dimension);
        if let Some(last) = panels.rchunks_exact_mut(width * self.dimension).next() {
            last.fill(0.0);
        }
        let rows: Vec<&[f32]> = rows.map(|row| &row[..self.dimension]).collect();
        for (rows, panel) in rows.chunks(width).zip(panels.chunks_exact_mut(width * self.dimension)) {
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
        let products = block.data.resize(rows * COLUMNS);
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
                    out: products[top * COLUMNS + place * width..].as_mut_ptr().cast(),
                    stride: COLUMNS,
                };
                // SAFETY: `choose` gave the set to this CPU. The left side has `rows` ≥ top + height rows of `dimension`
                // numbers at the offsets, as asserted; the panel is `dimension` × `width` numbers; the block has `rows` rows
                // of `COLUMNS` numbers, of which `width` from `place × width` < `COLUMNS`, a multiple of the width.
                unsafe { (self.set.tile_f32)(&tile, height, 2) };
            }
        }
        columns
    }

    /// Counts a run of at most [`COLUMNS`] products as cosines in [`BINS`](crate::tally::BINS) counts, and lists in `hits` those that reach
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
