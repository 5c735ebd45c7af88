//! Which faces must not be compared, by position.

use std::ops::Range;

use super::member::Member;

/// Positions by photo and by picture.
#[derive(Debug, Clone)]
pub struct Exclusions {
    images: Groups,
    contents: Groups,
}

impl Exclusions {
    /// For faces in the order of their positions.
    #[must_use]
    pub fn new(members: &[Member]) -> Self {
        Self { images: Groups::new(members, |m| m.image), contents: Groups::new(members, |m| m.content) }
    }

    /// The positions in `range` that are not compared with this member (itself among them), ascending and each once.
    pub fn of(&self, member: &Member, range: Range<usize>, out: &mut Vec<usize>) {
        out.clear();
        for (groups, key) in [(&self.images, member.image), (&self.contents, member.content)] {
            let group = groups.of(key);
            let first = group.partition_point(|&position| (position as usize) < range.start);
            let inside = group[first..].iter().map(|&position| position as usize);
            out.extend(inside.take_while(|position| *position < range.end));
        }
        if out.len() > 1 {
            out.sort_unstable();
            out.dedup();
        }
    }

    /// The positions of each picture that is there more than once, ascending.
    pub fn repeated_pictures(&self) -> impl Iterator<Item = &[u32]> {
        let Groups { starts, positions } = &self.contents;
        let group = |bounds: &[u32]| &positions[bounds[0] as usize..bounds[1] as usize];
        starts.windows(2).map(group).filter(|positions| positions.len() > 1)
    }
}

/// Positions sorted by key.
#[derive(Debug, Clone)]
struct Groups {
    /// Where each key's positions begin, with one entry more than there are keys.
    starts: Vec<u32>,
    positions: Vec<u32>,
}

impl Groups {
    fn new(members: &[Member], key: impl Fn(&Member) -> u32) -> Self {
        let keys = members.iter().map(|member| key(member) as usize + 1).max().unwrap_or(0);
        let mut starts = vec![0u32; keys + 1];
        for member in members {
            starts[key(member) as usize + 1] += 1;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        let mut next = starts.clone();
        let mut positions = vec![0; members.len()];
        for (position, member) in members.iter().enumerate() {
            let slot = &mut next[key(member) as usize];
            positions[*slot as usize] = position as u32;
            *slot += 1;
        }
        Self { starts, positions }
    }

    fn of(&self, key: u32) -> &[u32] {
        let (start, end) = (self.starts[key as usize], self.starts[key as usize + 1]);
        &self.positions[start as usize..end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::Population;
    use crate::similarity::population::tests::{labelled, labels, strings};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_the_pairs_that_are_not_comparable(labels in labels(40), start in 0usize..40, length in 0usize..40) {
            let strings = strings();
            let members = Population::new(&labelled(&labels, &strings), 1).members;
            let exclusions = Exclusions::new(&members);
            let range = start.min(members.len())..(start + length).min(members.len());
            let mut found = Vec::new();
            for member in &members {
                exclusions.of(member, range.clone(), &mut found);
                let expected: Vec<usize> = range.clone().filter(|&other| !member.comparable(&members[other])).collect();
                prop_assert_eq!(&found, &expected);
            }
        }
    }
}
