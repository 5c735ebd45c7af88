//! Which pieces of a comparison are done.

use std::ops::Range;

/// Numbers of pieces, as ranges that are apart from each other, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done(Vec<Range<usize>>);

impl Done {
    /// The ranges.
    #[must_use]
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// How many pieces.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    /// Adds pieces; false, and nothing is added, if one of them is done already.
    pub fn add(&mut self, pieces: Range<usize>) -> bool {
        if pieces.is_empty() {
            return true;
        }
        if self.0.iter().any(|range| range.start < pieces.end && pieces.start < range.end) {
            return false;
        }
        // Those that it touches, one on each side at most, become one with it.
        let first = self.0.partition_point(|range| range.end < pieces.start);
        let last = self.0.partition_point(|range| range.start <= pieces.end);
        let touched = self.0[first..last].iter();
        let merged = touched.fold(pieces, |all, range| all.start.min(range.start)..all.end.max(range.end));
        self.0.splice(first..last, [merged]);
        true
    }

    /// Whether none of these pieces is done.
    #[must_use]
    pub fn is_apart_from(&self, other: &Self) -> bool {
        let mut both = self.clone();
        other.0.iter().all(|range| both.add(range.clone()))
    }

    /// The pieces of `all` that are not done, ascending.
    #[must_use]
    pub fn rest(&self, all: Range<usize>) -> Vec<usize> {
        let mut done = self.0.iter().flat_map(Clone::clone).peekable();
        all.filter(|piece| {
            while done.next_if(|next| next < piece).is_some() {}
            done.next_if_eq(piece).is_none()
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_that_takes_nothing_twice(ranges in proptest::collection::vec((0..40_usize, 0..10_usize), 0..12)) {
            let (mut done, mut set) = (Done::default(), BTreeSet::new());
            for (start, length) in ranges {
                let pieces = start..start + length;
                let free = pieces.clone().all(|piece| !set.contains(&piece));
                prop_assert_eq!(done.add(pieces.clone()), free);
                if free {
                    set.extend(pieces);
                }
                prop_assert_eq!(done.count(), set.len());
                let apart = done.ranges().windows(2).all(|pair| pair[0].end < pair[1].start);
                prop_assert!(apart, "{:?}", done);
                let rest: Vec<usize> = (5..45).filter(|piece| !set.contains(piece)).collect();
                prop_assert_eq!(done.rest(5..45), rest);
            }
        }
    }
}
