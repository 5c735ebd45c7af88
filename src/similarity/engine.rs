//! Different-identity pairs compared beside the cores of this machine, with the same bits: by a card.
//!
//! A piece of work is cut into blocks that an engine takes; what it counted of them goes into the same collector. A block
//! with more pairs in the tail than the engine has room for is halved. A block that it fails at is done on the CPU, and
//! so is everything after it: a result never depends on who computed it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Collector;
use super::blocks::{Blocks, Kinds, Scratch};
use crate::model::cpu::products::Sums;
use crate::progress::Progress;

/// Rows that an engine packs together: blocks begin at multiples of it, counted from the beginning of a unit.
pub const PANEL: usize = 128;

/// Most rows of a block's left side.
pub const LEFT: usize = 4096;

/// Most rows of a block's right side. All cosines of a block may be 1: its squares still add up in 64 bits.
pub const RIGHT: usize = 2048;

/// A pair in the tail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Counted from the beginning of the block's left side.
    pub left: u16,
    /// Counted from the beginning of the block's right side.
    pub right: u16,
    /// Their cosine.
    pub cosine: f32,
}

/// What the comparable different-identity pairs of a block came to.
#[derive(Debug, Default)]
pub struct Counted {
    /// Pairs by [`BINS`](crate::verification::tally::BINS).
    pub counts: Vec<u32>,
    /// Their moments and extremes.
    pub sums: Sums,
    /// Those in the tail, in any order.
    pub hits: Vec<Hit>,
}

/// How an engine answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The block was handed over.
    Counted,
    /// More of its pairs are in the tail than there is room for. Nothing was handed over.
    TooMany,
}

/// Compares blocks of pairs, on any thread.
pub trait Engine: Sync + std::fmt::Debug {
    /// Compares the comparable different-identity pairs of positions i < j, i in `left`, j in `right`, up to [`LEFT`] and
    /// [`RIGHT`] of one unit each, and hands them over: products as the CPU's kernels that round once compute them, those
    /// at or above `tail` one by one.
    ///
    /// # Errors
    /// Why it cannot go on, in words. Nothing was handed over.
    fn compare(
        &self,
        left: &Range<usize>,
        right: &Range<usize>,
        tail: f32,
        take: &mut dyn FnMut(&Counted),
    ) -> Result<Answer, String>;
}

/// An engine, and whether it still works.
#[derive(Clone, Copy)]
pub struct Helper<'a> {
    /// Who compares.
    pub engine: &'a dyn Engine,
    /// Whether it failed.
    pub gave_up: &'a AtomicBool,
    /// Who is told.
    pub progress: &'a dyn Progress,
}

impl Helper<'_> {
    /// Collects what [`Blocks::collect`] would of these positions of two units.
    pub fn collect(
        &self,
        blocks: &Blocks<'_>,
        (left, right): (&Range<usize>, &Range<usize>),
        kinds: Kinds,
        scratch: &mut Scratch,
        collector: &mut Collector,
        go_on: impl Fn() -> bool + Copy,
    ) {
        if kinds.genuine {
            blocks.collect_genuine(left, right, scratch, collector, go_on);
        }
        if !kinds.impostor {
            return;
        }
        for left in cut(left, LEFT) {
            for right in cut(right, RIGHT) {
                if !go_on() {
                    return;
                }
                self.block(blocks, (&left, &right), scratch, collector, go_on);
            }
        }
    }

    fn block(
        &self,
        blocks: &Blocks<'_>,
        (left, right): (&Range<usize>, &Range<usize>),
        scratch: &mut Scratch,
        collector: &mut Collector,
        go_on: impl Fn() -> bool + Copy,
    ) {
        let members = &blocks.population.members;
        let ends = [left.start, left.end - 1, right.start, right.end - 1].map(|position| members[position].identity);
        // Faces stand identity by identity: these are all of one.
        let alone = ends.iter().all(|identity| *identity == ends[0]);
        if alone || right.end <= left.start + 1 {
            return;
        }
        if !self.gave_up.load(Ordering::Relaxed) {
            let mut take = |found: &Counted| add(blocks, (left.start, right.start), found, collector);
            match self.engine.compare(left, right, blocks.tail, &mut take) {
                Ok(Answer::Counted) => return,
                Ok(Answer::TooMany) => {
                    if let Some(halves) = halves(left, right) {
                        for (left, right) in &halves {
                            self.block(blocks, (left, right), scratch, collector, go_on);
                        }
                        return;
                    }
                }
                Err(reason) => {
                    if !self.gave_up.swap(true, Ordering::Relaxed) {
                        self.progress.say(&format!("comparing goes on on the CPU, with the same result: {reason}"));
                    }
                }
            }
        }
        blocks.collect(left, right, Kinds { genuine: false, impostor: true }, scratch, collector, go_on);
    }
}

/// Adds what was counted of a block that begins at these positions.
fn add(blocks: &Blocks<'_>, (left, right): (usize, usize), found: &Counted, collector: &mut Collector) {
    let members = &blocks.population.members;
    let counts = collector.impostor_counts();
    counts.iter_mut().zip(&found.counts).for_each(|(sum, count)| *sum += u64::from(*count));
    collector.add_sums(&found.sums);
    for hit in &found.hits {
        let (a, b) = (&members[left + usize::from(hit.left)], &members[right + usize::from(hit.right)]);
        collector.add_to_tail(a, b, hit.cosine);
    }
}

fn cut(range: &Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.clone().step_by(length).map(move |start| start..(start + length).min(end))
}

/// Cuts the longer side in two at a multiple of [`PANEL`]; `None` where neither is longer than that.
fn halves(left: &Range<usize>, right: &Range<usize>) -> Option<[(Range<usize>, Range<usize>); 2]> {
    let longest = left.len().max(right.len());
    if longest <= PANEL {
        return None;
    }
    let middle = (longest / 2).next_multiple_of(PANEL);
    let parts = |range: &Range<usize>| (range.start..range.start + middle, range.start + middle..range.end);
    Some(if left.len() == longest {
        let (first, second) = parts(left);
        [(first, right.clone()), (second, right.clone())]
    } else {
        let (first, second) = parts(right);
        [(left.clone(), first), (left.clone(), second)]
    })
}
