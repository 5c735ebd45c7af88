//! Many sums of cells at once: what the double-or-nothing bootstrap spends its time on.
//!
//! A replicate is a subset of the units, and its histogram the sum of the cells that have both units in it. The units
//! are cut into blocks of [`BLOCK`]. For a subset of a block, what it has in common with each of the 16 subsets of any
//! other block is summed up once, and every replicate with that subset then adds one of those sums for each other block,
//! instead of a quarter of all cells (the method of four Russians: Arlazarov et al. 1970). Bins go by in strips so narrow
//! that these sums stay in the first level of cache. Sums are of integers, so that neither strips nor threads can change
//! a bit.

use rayon::prelude::*;

use super::cells::{COARSE, CosineCell, MAX_UNITS};
use super::roc::Survival;
use super::tally::Moments;

/// Units in a block.
const BLOCK: usize = 4;
/// Subsets of a block.
const SUBSETS: usize = 1 << BLOCK;
/// Bins in a strip.
const STRIP: usize = 8;

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
    fn of_block(self, block: usize) -> u8 {
        (self.0 >> (block * BLOCK)) as u8 % SUBSETS as u8
    }
}

/// Moments of the cells that each subset keeps.
#[must_use]
pub fn moments(cells: &[CosineCell], subsets: &[Subset]) -> Vec<Moments> {
    let sum = |subset: &Subset| {
        let mut sum = Moments::default();
        cells.iter().filter(|cell| subset.keeps(cell.units)).for_each(|cell| sum.merge(&cell.moments));
        sum
    };
    subsets.par_iter().map(sum).collect()
}

/// Counts by threshold of the cells that each subset keeps. `None` when `stop` says so.
#[must_use]
pub fn survivals(cells: &[CosineCell], subsets: &[Subset], stop: &(dyn Fn() -> bool + Sync)) -> Option<Vec<Survival>> {
    if subsets.is_empty() {
        return Some(Vec::new());
    }
    let plan = Plan::new(cells, subsets);
    let first = cells.iter().map(|cell| cell.first).min().unwrap_or(0);
    let end = cells.iter().map(|cell| cell.first + cell.counts.len()).max().unwrap_or(0);
    let strips: Vec<Vec<Strip>> = (first..end)
        .into_par_iter()
        .step_by(STRIP)
        .map(|start| if stop() { None } else { Some(plan.strip(start)) })
        .collect::<Option<_>>()?;
    let survival = |replicate: usize| {
        let counts: Vec<u64> = strips.iter().flat_map(|strip| strip[replicate]).take(end - first).collect();
        Survival::of_range(COARSE, first, &counts)
    };
    Some((0..subsets.len()).into_par_iter().map(survival).collect())
}

/// What is the same for all strips.
struct Plan<'a> {
    /// Of each replicate, its subset of each block.
    codes: Vec<[u8; BLOCKS]>,
    blocks: Vec<Block<'a>>,
}

/// The cells whose lower unit is in a block.
#[derive(Default)]
struct Block<'a> {
    /// By place of the lower unit in the block, and upper unit.
    cells: Vec<(usize, usize, &'a CosineCell)>,
    /// Blocks that the upper units are in.
    others: Vec<usize>,
    /// Replicates by their subset of this block.
    replicates: [Vec<u32>; SUBSETS],
}

impl<'a> Plan<'a> {
    fn new(cells: &'a [CosineCell], subsets: &[Subset]) -> Self {
        let codes = subsets.iter().map(|subset| std::array::from_fn(|block| subset.of_block(block))).collect();
        let mut blocks: Vec<Block<'a>> = (0..BLOCKS).map(|_| Block::default()).collect();
        for cell in cells {
            let (g, h) = (usize::from(cell.units.0), usize::from(cell.units.1));
            blocks[g.min(h) / BLOCK].cells.push((g.min(h) % BLOCK, g.max(h), cell));
        }
        for (place, block) in blocks.iter_mut().enumerate() {
            block.others = block.cells.iter().map(|(_, h, _)| h / BLOCK).collect();
            block.others.sort_unstable();
            block.others.dedup();
            for (replicate, subset) in (0..).zip(subsets) {
                block.replicates[usize::from(subset.of_block(place))].push(replicate);
            }
        }
        Self { codes, blocks }
    }

    /// The sum of each replicate in [`STRIP`] bins from `start` on.
    fn strip(&self, start: usize) -> Vec<Strip> {
        let mut sums = vec![[0; STRIP]; self.codes.len()];
        let mut between = vec![[[0; STRIP]; BLOCKS * BLOCK]; BLOCK];
        let mut table = vec![[[0; STRIP]; SUBSETS]; BLOCKS];
        for block in self.blocks.iter().filter(|block| !block.cells.is_empty()) {
            between.fill([[0; STRIP]; BLOCKS * BLOCK]);
            for &(g, h, cell) in &block.cells {
                cell.add_to(&mut between[g][h], start);
            }
            for (subset, replicates) in block.replicates.iter().enumerate().skip(1) {
                for &other in &block.others {
                    fill(&mut table[other], |unit| {
                        let mut sum = [0; STRIP];
                        let kept = (0..BLOCK).filter(|g| subset >> g & 1 == 1);
                        kept.for_each(|g| add(&mut sum, &between[g][other * BLOCK + unit]));
                        sum
                    });
                }
                for &replicate in replicates {
                    let codes = &self.codes[replicate as usize];
                    let mut sum = sums[replicate as usize];
                    for &other in &block.others {
                        add(&mut sum, &table[other][usize::from(codes[other]) % SUBSETS]);
                    }
                    sums[replicate as usize] = sum;
                }
            }
        }
        sums
    }
}

/// `table[subset]` is the sum over its units.
fn fill(table: &mut [Strip; SUBSETS], of_unit: impl Fn(usize) -> Strip) {
    for unit in 0..BLOCK {
        let (one, alone) = (1 << unit, of_unit(unit));
        for smaller in 0..one {
            let mut sum = table[smaller];
            add(&mut sum, &alone);
            table[one + smaller] = sum;
        }
    }
}

/// Counts of pairs are far from overflowing; a check for it would keep the compiler from adding several at once.
fn add(sum: &mut Strip, more: &Strip) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = sum.wrapping_add(*more);
    }
}
