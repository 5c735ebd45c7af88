//! All pairs of two ranges of faces: blocks of products, and each row of a block cut into runs of one kind of pair.
//!
//! Faces are ordered by identity, so a row's genuine pairs form one run and its impostor pairs at most
//! two, split where a pair is excluded. Impostor runs go through the counting kernel; only their pairs in the
//! tail are examined one by one.

use std::ops::Range;

use super::kernel::Rows;
use super::population::Population;
use super::{Collector, PairKind};
use facevault_kernels::products::{Block, COLUMNS, Hits, Left, Products, Right, Sums, cosine_of};

/// Faces packed at once: 8 MB with 512 components.
const PACKED: usize = 4096;

/// What is compared, and how.
#[derive(Clone, Copy)]
pub struct Blocks<'a> {
    /// The embeddings.
    pub rows: Rows<'a>,
    /// The faces and which pairs of them are compared.
    pub population: &'a Population<'a>,
    /// Kernels for rows of this length.
    pub products: Products,
    /// Impostor pairs at or above this are examined one by one.
    pub tail: f32,
}

/// Which kinds of pairs are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// Same identity.
    pub genuine: bool,
    /// Different identities.
    pub impostor: bool,
}

/// Buffers of one thread.
#[derive(Debug, Default)]
pub struct Scratch {
    left: Left,
    right: Right,
    /// Positions packed in `right`; the next piece of work often uses the same ones.
    packed: Range<usize>,
    block: Block,
    hits: Hits,
    excluded: Vec<usize>,
}

impl Blocks<'_> {
    /// Collects every comparable pair of positions i < j, i in `left`, j in `right`, of the wanted kinds. `go_on` is
    /// called before each block; false stops the work.
    pub fn collect(
        &self,
        left: &Range<usize>,
        right: &Range<usize>,
        kinds: Kinds,
        scratch: &mut Scratch,
        collector: &mut Collector,
        go_on: impl Fn() -> bool,
    ) {
        let row = |position: usize| self.rows.row(self.population.members[position].row);
        for start in right.clone().step_by(PACKED) {
            let packed = start..(start + PACKED).min(right.end);
            // Pairs have i < j, so a range that ends before the left side begins has none.
            if packed.end <= left.start + 1 {
                continue;
            }
            if scratch.packed != packed {
                self.products.right(packed.clone().map(row), &mut scratch.right);
                scratch.packed.clone_from(&packed);
            }
            for top in left.clone().step_by(self.products.strip()) {
                let tall = top..(top + self.products.strip()).min(left.end);
                self.products.left(tall.clone().map(row), &mut scratch.left);
                for first in packed.clone().step_by(COLUMNS) {
                    let wide = first..(first + COLUMNS).min(packed.end);
                    if wide.end <= tall.start + 1 {
                        continue;
                    }
                    if !go_on() {
                        return;
                    }
                    let Scratch { left, right, block, .. } = scratch;
                    self.products.multiply(left, right, first - packed.start, block);
                    self.collect_block(tall.clone(), &wide, kinds, scratch, collector);
                }
            }
        }
    }

    /// Collects the genuine pairs among these: for each identity, only the block of its own faces.
    pub fn collect_genuine(
        &self,
        left: &Range<usize>,
        right: &Range<usize>,
        scratch: &mut Scratch,
        collector: &mut Collector,
        go_on: impl Fn() -> bool + Copy,
    ) {
        let mut start = left.start;
        while start < left.end && go_on() {
            let own = &self.population.identities[self.population.members[start].identity as usize];
            let (mine, others) = (start..own.end.min(left.end), start.max(right.start)..own.end.min(right.end));
            if !others.is_empty() {
                self.collect(&mine, &others, Kinds { genuine: true, impostor: false }, scratch, collector, go_on);
            }
            start = mine.end;
        }
    }

    fn collect_block(
        &self,
        tall: Range<usize>,
        wide: &Range<usize>,
        kinds: Kinds,
        scratch: &mut Scratch,
        collector: &mut Collector,
    ) {
        let Scratch { block, hits, excluded, .. } = scratch;
        let population = self.population;
        let mut sums = Sums::default();
        for position in tall.clone() {
            let member = &population.members[position];
            let line = block.row(position - tall.start);
            let own = &population.identities[member.identity as usize];
            let pairs = wide.start.max(position + 1)..wide.end;
            population.exclusions.of(member, pairs.clone(), excluded);
            let mut start = pairs.start;
            for &stop in excluded.iter().chain(std::iter::once(&pairs.end)) {
                let before = start..stop.min(own.start);
                let same = start.max(own.start)..stop.min(own.end);
                let after = start.max(own.end)..stop;
                start = stop + 1;
                if kinds.genuine {
                    for other in same {
                        let cosine = cosine_of(line[other - wide.start]);
                        collector.add(PairKind::Genuine, member, &population.members[other], cosine);
                    }
                }
                if !kinds.impostor {
                    continue;
                }
                for run in [before, after] {
                    if run.is_empty() {
                        continue;
                    }
                    let cosines = &line[run.start - wide.start..run.end - wide.start];
                    self.products.count(cosines, self.tail, collector.impostor_counts(), &mut sums, hits);
                    for &place in hits.places() {
                        let place = usize::from(place);
                        let other = &population.members[run.start + place];
                        collector.add_to_tail(member, other, cosine_of(cosines[place]));
                    }
                }
            }
        }
        collector.add_sums(&sums);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::similarity::Labelled;
    use crate::similarity::hardest::Candidate;
    use crate::similarity::kernel::cosine;
    use crate::testing::{names, unit_rows};
    use crate::verification::tally::Tally;
    use facevault_kernels::Kernels;

    /// A few hundred faces of identities of uneven size; every seventh comes from the photo of the one before it.
    fn faces(names: &[String]) -> Vec<Labelled<'_>> {
        crate::testing::faces(names, |i| i * i / 900, |i| i - usize::from(i % 7 == 1))
    }

    #[test]
    fn every_pair_is_collected_once_whatever_the_kernels() {
        const DIMENSION: usize = 19;
        let names = names(700);
        let population = Population::new(&faces(&names), 3);
        let data = unit_rows(names.len(), DIMENSION, 5);
        let rows = Rows { data: &data, dimension: DIMENSION };
        for kernels in [Kernels::Auto, Kernels::Avx512, Kernels::Avx2, Kernels::Neon, Kernels::Portable] {
            let Some(products) = Products::new(kernels, DIMENSION) else { continue };
            for (left, right) in [(0..700, 0..700), (3..110, 110..700), (10..400, 10..700), (300..301, 0..700)] {
                let blocks = Blocks { rows, population: &population, products, tail: 0.3 };
                let mut collector = Collector::new(&population, 250_000, &[0.3, 0.6]);
                let kinds = Kinds { genuine: true, impostor: true };
                blocks.collect(&left, &right, kinds, &mut Scratch::default(), &mut collector, || true);
                collector.close((0, 0));
                let mut expected = Collector::new(&population, 250_000, &[0.3, 0.6]);
                let (mut genuine, mut impostor) = (Tally::default(), Tally::default());
                for i in left {
                    for j in right.clone().filter(|&j| j > i) {
                        let (a, b) = (&population.members[i], &population.members[j]);
                        if a.comparable(b) {
                            let cosine = cosine(rows.row(a.row), rows.row(b.row));
                            let kind = if a.identity == b.identity { PairKind::Genuine } else { PairKind::Impostor };
                            (if a.identity == b.identity { &mut genuine } else { &mut impostor }).add(cosine);
                            expected.add(kind, a, b, cosine);
                        }
                    }
                }
                for (found, expected) in [(&collector.genuine, &genuine), (&collector.impostor, &impostor)] {
                    assert_eq!(found.moments.count(), expected.moments.count());
                    assert_eq!(found.counts.iter().sum::<u64>(), expected.moments.count());
                    assert!((found.moments.mean() - expected.moments.mean()).abs() < 1e-7);
                    assert!((found.moments.std() - expected.moments.std()).abs() < 1e-7);
                    assert!((found.moments.mean_abs() - expected.moments.mean_abs()).abs() < 1e-7);
                    assert!((found.min - expected.min).abs() < 1e-6 || expected.moments.count() == 0);
                    assert!((found.max - expected.max).abs() < 1e-6 || expected.moments.count() == 0);
                }
                assert_eq!(collector.faces.misses, expected.faces.misses);
                assert_eq!(collector.faces.false_matches, expected.faces.false_matches);
                // All pairs in the tail are kept; below it, none is examined.
                let found = collector.hardest_impostor.into_sorted();
                let expected = expected.hardest_impostor.into_sorted();
                let rows = |pair: &Candidate| (pair.row_a, pair.row_b);
                let kept: BTreeSet<_> = found.iter().map(rows).collect();
                assert_eq!(kept.len(), found.len());
                for pair in &expected {
                    let cosine = -pair.easiness;
                    assert!((cosine - 0.3).abs() < 1e-5 || kept.contains(&rows(pair)) == (cosine > 0.3), "{pair:?}");
                }
            }
        }
    }

    #[test]
    fn a_refusal_ends_it() {
        let names = names(300);
        let population = Population::new(&faces(&names), 3);
        let data = unit_rows(names.len(), 6, 5);
        let products = Products::best(6);
        let rows = Rows { data: &data, dimension: 6 };
        let blocks = Blocks { rows, population: &population, products, tail: 2.0 };
        let mut collector = Collector::new(&population, 0, &[]);
        let asked = std::cell::Cell::new(0);
        let go_on = || asked.replace(asked.get() + 1) < 2;
        let kinds = Kinds { genuine: false, impostor: true };
        blocks.collect(&(0..300), &(0..300), kinds, &mut Scratch::default(), &mut collector, go_on);
        assert_eq!(asked.get(), 3);
        assert!(collector.close((0, 0)) < population.available.impostor);
    }
}
