//! Many weighted sums of cells at once: what the double-or-nothing bootstrap spends its time on.
//!
//! A replicate is a subset of the units, and its histogram the sum of the cells that have both units in it. The units
//! are cut into blocks of [`BLOCK`]. Two blocks and the at most 16 cells between them have 16 × 16 different subset sums;
//! those are made once, and every replicate then adds a single one of them instead of a quarter of 16 cells (the method
//! of four Russians). Bins go by in strips so narrow that the table of a pair of blocks stays in the first level of
//! cache. Sums are of integers, so that neither strips nor threads can change a bit.

use rayon::prelude::*;

use super::bootstrap::{COARSE, Cell, MAX_UNITS};
use super::roc::Survival;
use super::tally::Moments;

/// Units in a block.
const BLOCK: usize = 4;
/// Subsets of a block.
const SUBSETS: usize = 1 << BLOCK;
/// Bins in a strip.
const STRIP: usize = 16;

const BLOCKS: usize = MAX_UNITS.div_ceil(BLOCK);

type Strip = [u64; STRIP];

/// A subset of the units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subset(u128);

const _: () = assert!(MAX_UNITS <= u128::BITS as usize, "a unit is a bit of a subset");

impl Subset {
    /// The units of which `kept` is true.
    pub fn new(kept: impl Iterator<Item = bool>) -> Self {
        Self(kept.enumerate().fold(0, |subset, (unit, kept)| subset | u128::from(kept) << unit))
    }

    /// Whether a cell has both of its units in it.
    #[must_use]
    pub fn keeps(self, (g, h): (u16, u16)) -> bool {
        self.0 >> g & self.0 >> h & 1 == 1
    }

    /// Which of a block's subsets that is.
    fn of_block(self, block: usize) -> usize {
        (self.0 >> (block * BLOCK)) as usize % SUBSETS
    }
}

/// Moments of the cells that each subset keeps.
#[must_use]
pub fn moments(cells: &[Cell], subsets: &[Subset]) -> Vec<Moments> {
    let sum = |subset: &Subset| {
        let mut sum = Moments::default();
        cells.iter().filter(|cell| subset.keeps(cell.units)).for_each(|cell| sum.merge(&cell.moments));
        sum
    };
    subsets.par_iter().map(sum).collect()
}

/// Counts by threshold of the cells that each subset keeps. `None` when `stop` says so.
#[must_use]
pub fn survivals(cells: &[Cell], subsets: &[Subset], stop: &(dyn Fn() -> bool + Sync)) -> Option<Vec<Survival>> {
    let by_blocks = by_blocks(cells);
    let first = cells.iter().map(|cell| cell.first).min().unwrap_or(0);
    let end = cells.iter().map(|cell| cell.first + cell.counts.len()).max().unwrap_or(0);
    let strips: Vec<Vec<Strip>> = (first..end)
        .into_par_iter()
        .step_by(STRIP)
        .map(|start| if stop() { None } else { Some(strip(&by_blocks, subsets, start)) })
        .collect::<Option<_>>()?;
    let survival = |replicate: usize| {
        let counts: Vec<u64> = strips.iter().flat_map(|strip| strip[replicate]).take(end - first).collect();
        Survival::of_range(COARSE, first, &counts)
    };
    Some((0..subsets.len()).into_par_iter().map(survival).collect())
}

/// The cells between each two blocks of units, with the place of their units in the blocks.
fn by_blocks(cells: &[Cell]) -> Vec<((usize, usize), Vec<(usize, usize, &Cell)>)> {
    let mut table = vec![Vec::new(); BLOCKS * BLOCKS];
    for cell in cells {
        let (g, h) = (usize::from(cell.units.0), usize::from(cell.units.1));
        table[g / BLOCK * BLOCKS + h / BLOCK].push((g % BLOCK, h % BLOCK, cell));
    }
    let blocks = table.into_iter().enumerate().filter(|(_, cells)| !cells.is_empty());
    blocks.map(|(place, cells)| ((place / BLOCKS, place % BLOCKS), cells)).collect()
}

/// The sum of each subset in [`STRIP`] bins from `start` on.
fn strip(by_blocks: &[((usize, usize), Vec<(usize, usize, &Cell)>)], subsets: &[Subset], start: usize) -> Vec<Strip> {
    let mut sums = vec![[0; STRIP]; subsets.len()];
    let mut table = vec![[[0; STRIP]; SUBSETS]; SUBSETS];
    for &((left, right), ref cells) in by_blocks {
        let mut between = [[[0; STRIP]; BLOCK]; BLOCK];
        for &(g, h, cell) in cells {
            cell.add_to(&mut between[g][h], start);
        }
        fill(&mut table, &between);
        for (sum, subset) in sums.iter_mut().zip(subsets) {
            add(sum, &table[subset.of_block(left)][subset.of_block(right)]);
        }
    }
    sums
}

/// `table[a][b]` is the sum over the units of subset `a` on the left and of subset `b` on the right.
fn fill(table: &mut [[Strip; SUBSETS]], between: &[[Strip; BLOCK]; BLOCK]) {
    for right in 1..SUBSETS {
        let (without, unit) = (right & (right - 1), right.trailing_zeros() as usize);
        // With one unit on the left: a subset on the right is a smaller one and a unit.
        for (g, row) in between.iter().enumerate() {
            let mut sum = table[1 << g][without];
            add(&mut sum, &row[unit]);
            table[1 << g][right] = sum;
        }
        for left in (1..SUBSETS).filter(|left| !left.is_power_of_two()) {
            let mut sum = table[left & (left - 1)][right];
            add(&mut sum, &table[1 << left.trailing_zeros()][right]);
            table[left][right] = sum;
        }
    }
}

fn add(sum: &mut Strip, more: &Strip) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}
