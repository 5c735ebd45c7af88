//! The K hardest pairs of a stream, in memory proportional to K.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A pair by matrix row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Smaller for harder pairs.
    pub easiness: f32,
    /// The smaller row.
    pub row_a: u32,
    /// The larger row.
    pub row_b: u32,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        let rows = |pair: &Self| (pair.row_a, pair.row_b);
        self.easiness.total_cmp(&other.easiness).then_with(|| rows(self).cmp(&rows(other)))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Keeps the hardest pairs; ties go to the smaller rows, so the order of the stream does not matter.
#[derive(Debug, Clone)]
pub struct Hardest {
    keep: usize,
    /// The easiest pair kept is on top.
    kept: BinaryHeap<Candidate>,
    /// Pairs easier than this are not hard enough.
    limit: f32,
}

impl Hardest {
    /// An empty collection that keeps this many.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        Self { keep, kept: BinaryHeap::new(), limit: if keep == 0 { f32::NEG_INFINITY } else { f32::INFINITY } }
    }

    /// Offers a pair.
    pub fn offer(&mut self, easiness: f32, row_a: u32, row_b: u32) {
        if easiness <= self.limit {
            self.insert(Candidate { easiness, row_a: row_a.min(row_b), row_b: row_a.max(row_b) });
        }
    }

    #[cold]
    fn insert(&mut self, candidate: Candidate) {
        self.kept.push(candidate);
        if self.kept.len() > self.keep {
            self.kept.pop();
        }
        if self.kept.len() == self.keep {
            self.limit = self.kept.peek().map_or(f32::NEG_INFINITY, |easiest| easiest.easiness);
        }
    }

    /// Offers the pairs that another kept.
    pub fn merge(&mut self, other: Self) {
        for pair in other.kept {
            self.offer(pair.easiness, pair.row_a, pair.row_b);
        }
    }

    /// How many are kept so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The hardest first.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Candidate> {
        self.kept.into_sorted_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_keeps_what_sorting_everything_would(
            values in prop::collection::vec(0u8..20, 0..60),
            keep in 0usize..12,
            split in 0usize..60,
        ) {
            let all: Vec<(f32, u32, u32)> =
                values.iter().enumerate().map(|(i, v)| (f32::from(*v) / 20.0, i as u32, i as u32 + 1)).collect();
            let (mut left, mut right) = (Hardest::new(keep), Hardest::new(keep));
            for (i, &(easiness, a, b)) in all.iter().enumerate() {
                if i < split { left.offer(easiness, a, b) } else { right.offer(easiness, b, a) }
            }
            right.merge(left);
            let found: Vec<_> = right.into_sorted().iter().map(|c| (c.easiness, c.row_a, c.row_b)).collect();
            let mut expected = all;
            expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            expected.truncate(keep);
            prop_assert_eq!(found, expected);
        }
    }
}
