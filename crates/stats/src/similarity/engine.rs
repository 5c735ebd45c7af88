//! Compares impostor pairs on a GPU alongside the CPU cores, with the same bits.
//!
//! A piece of work is cut into blocks for an engine, and its counts go into the same collector. A block with more pairs
//! in the tail than the engine can list is halved. If the engine fails, the CPU computes that block and all later ones,
//! so a result never depends on what computed it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Collector;
use super::blocks::{Blocks, Kinds, Scratch};
use facevault_base::progress::Progress;
use facevault_kernels::products::Sums;

/// Rows that an engine packs together. Blocks begin at multiples of it, counted from the start of a unit.
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

/// Counts of the comparable impostor pairs of a block.
#[derive(Debug, Default)]
pub struct Counted {
    /// Pairs by [`BINS`](crate::verification::tally::BINS).
    pub counts: Vec<u32>,
    /// Their moments and extremes.
    pub sums: Sums,
    /// Those in the tail, in any order.
    pub hits: Vec<Hit>,
}

/// The outcome of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The block was handed over.
    Counted,
    /// The tail has more pairs than fit. Nothing was handed over.
    TooMany,
}

/// Compares blocks of pairs, on any thread.
pub trait PairEngine: Sync + std::fmt::Debug {
    /// Compares the comparable impostor pairs of positions i < j, i in `left`, j in `right`, up to [`LEFT`]
    /// and [`RIGHT`] of one unit each, and hands over the counts, with the pairs at or above `tail` one by one.
    /// Products are those of the CPU's kernels with fused multiply-adds.
    ///
    /// # Errors
    /// Why it cannot continue, in words. Nothing was handed over.
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
    /// The engine.
    pub engine: &'a dyn PairEngine,
    /// Whether it failed.
    pub gave_up: &'a AtomicBool,
    /// Where a failure is reported.
    pub progress: &'a dyn Progress,
}

impl Helper<'_> {
    /// Collects what `Blocks::collect` would collect for these positions of two units.
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
        // Faces are ordered by identity: these all belong to one.
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

/// Adds the counts of a block that begins at these positions.
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

/// Cuts the longer side in two at a multiple of [`PANEL`]; `None` if neither is longer than one panel.
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use proptest::prelude::*;

    use super::*;
    use crate::similarity::kernel::Rows;
    use crate::similarity::population::tests::{labelled, labels, strings};
    use crate::similarity::sampling::Quota;
    use crate::similarity::{ComparedPairs, NoCheckpoint, PairRequest, Population, compare, compare_resumably};
    use crate::testing::{faces, names, unit_rows};
    use crate::verification::tally::Tally;
    use facevault_base::progress::{Cancel, KeptLines, Silent};
    use facevault_kernels::products::{Products, cosine_of};

    const DIMENSION: usize = 5;

    /// An engine that examines one pair after the other.
    #[derive(Debug)]
    struct Plain<'a> {
        rows: Rows<'a>,
        population: &'a Population<'a>,
        room: usize,
        /// Blocks until it fails.
        lasts: AtomicUsize,
        blocks: AtomicUsize,
    }

    impl<'a> Plain<'a> {
        fn new(rows: Rows<'a>, population: &'a Population<'a>, room: usize, lasts: usize) -> Self {
            Self { rows, population, room, lasts: AtomicUsize::new(lasts), blocks: AtomicUsize::new(0) }
        }
    }

    impl PairEngine for Plain<'_> {
        fn compare(
            &self,
            left: &Range<usize>,
            right: &Range<usize>,
            tail: f32,
            take: &mut dyn FnMut(&Counted),
        ) -> Result<Answer, String> {
            let members = &self.population.members;
            for side in [left, right] {
                let unit = self.population.units.iter().find(|unit| unit.contains(&side.start)).unwrap();
                assert!(
                    (side.start - unit.start).is_multiple_of(PANEL) && side.end <= unit.end,
                    "{side:?} of {unit:?}"
                );
                assert!(side.end == unit.end || side.len().is_multiple_of(PANEL), "{side:?} of {unit:?}");
            }
            assert!(left.len() <= LEFT && right.len() <= RIGHT);
            if self.lasts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |lasts| lasts.checked_sub(1)).is_err() {
                return Err("it is broken".into());
            }
            let fused = Products::best(DIMENSION).rounding() == "rounded once";
            let (mut tally, mut hits, mut squares) = (Tally::default(), Vec::new(), 0);
            for i in left.clone() {
                for j in right.clone().filter(|j| *j > i) {
                    let (a, b) = (&members[i], &members[j]);
                    if a.identity == b.identity || !a.comparable(b) {
                        continue;
                    }
                    let step = |sum: f32, (a, b): (&f32, &f32)| if fused { a.mul_add(*b, sum) } else { sum + a * b };
                    let cosine = cosine_of(self.rows.row(a.row).iter().zip(self.rows.row(b.row)).fold(0.0, step));
                    tally.add(cosine);
                    let steps = u64::from(((cosine * (1u32 << 30) as f32) as i32).unsigned_abs());
                    squares += (steps * steps) >> 20;
                    if cosine >= tail {
                        hits.push(Hit { left: (i - left.start) as u16, right: (j - right.start) as u16, cosine });
                    }
                }
            }
            if hits.len() > self.room {
                return Ok(Answer::TooMany);
            }
            let [count, sum, _, _, _, magnitudes, _] = tally.moments.to_words();
            let sums = Sums::new(count, sum as i64, [magnitudes, squares], [tally.min, tally.max]);
            let counts = tally.counts.iter().map(|count| *count as u32).collect();
            hits.reverse();
            take(&Counted { counts, sums, hits });
            self.blocks.fetch_add(1, Ordering::Relaxed);
            Ok(Answer::Counted)
        }
    }

    /// Runs with an engine that has this much room and fails after this many blocks: what was found, what was said, and
    /// its blocks.
    fn helped(
        rows: Rows<'_>,
        population: &Population<'_>,
        request: &PairRequest<'_>,
        room: usize,
        lasts: usize,
    ) -> (ComparedPairs, Vec<String>, usize) {
        let engine = Plain::new(rows, population, room, lasts);
        let (lines, cancel) = (KeptLines::default(), Cancel::default());
        let found =
            compare_resumably(rows, population, request, Some(&engine), &NoCheckpoint, &lines, &cancel).unwrap();
        (found.with_sorted_cells(), lines.into_lines(), engine.blocks.into_inner())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn an_engine_changes_nothing(labels in labels(60), room in 0usize..200, lasts in 0usize..20) {
            let data = unit_rows(labels.len(), DIMENSION, 3);
            let rows = Rows { data: &data, dimension: DIMENSION };
            let strings = strings();
            let population = Population::new(&labelled(&labels, &strings), 1);
            let quota = Quota::all(&population.available);
            for quota in [quota, Quota { genuine: quota.genuine.min(1), ..quota }] {
                let request = PairRequest { quota, hardest: 5, watched: &[0.2, 0.5], seed: 1 };
                let alone = compare(rows, &population, &request, &Silent, &Cancel::default()).unwrap().with_sorted_cells();
                for (room, lasts) in [(usize::MAX, usize::MAX), (room, usize::MAX), (room, lasts)] {
                    let (found, lines, _) = helped(rows, &population, &request, room, lasts);
                    prop_assert_eq!(&found, &alone);
                    prop_assert!(lines.len() <= 1 && (lines.is_empty() || lasts < usize::MAX), "{:?}", lines);
                }
            }
        }
    }

    /// Faces of these identities; every seventh comes from a photo of another identity.
    fn population(names: &[String], identity: impl Fn(usize) -> usize) -> Population<'_> {
        Population::new(&faces(names, identity, |i| if i % 7 == 1 { names.len() - i } else { i }), 1)
    }

    #[test]
    fn units_of_many_identities_and_of_many_faces_are_cut_into_blocks() {
        let names = names(3_000);
        let data = unit_rows(names.len(), DIMENSION, 4);
        let rows = Rows { data: &data, dimension: DIMENSION };
        let many_faces: fn(usize) -> usize = |i| usize::from(i >= 2_200) + usize::from(i >= 2_900);
        for (identity, faces) in [(many_faces, 3_000), (|i| i / 3, 900)] {
            let population = population(&names[..faces], identity);
            let request =
                PairRequest { quota: Quota::all(&population.available), hardest: 9, watched: &[0.6, 0.8], seed: 3 };
            let alone = compare(rows, &population, &request, &Silent, &Cancel::default()).unwrap().with_sorted_cells();
            let (found, _, whole) = helped(rows, &population, &request, usize::MAX, usize::MAX);
            assert_eq!(found, alone);
            // Room for the pairs of two panels, and a failure half-way.
            let (found, lines, halved) = helped(rows, &population, &request, 20_000, usize::MAX);
            assert_eq!(found, alone);
            assert!(lines.is_empty() && (faces < 3_000 || halved > whole), "{lines:?}, {halved} of {whole} blocks");
            let (found, lines, done) = helped(rows, &population, &request, usize::MAX, whole / 2);
            assert_eq!(found, alone);
            assert_eq!(done, whole / 2);
            assert_eq!(lines, ["comparing goes on on the CPU, with the same result: it is broken"]);
        }
    }

    #[test]
    fn halves_are_all_of_it_and_begin_at_panels() {
        assert_eq!(halves(&(5..133), &(9..60)), None);
        assert_eq!(halves(&(0..129), &(0..128)), Some([(0..128, 0..128), (128..129, 0..128)]));
        assert_eq!(halves(&(7..207), &(300..1_300)), Some([(7..207, 300..812), (7..207, 812..1_300)]));
    }
}
