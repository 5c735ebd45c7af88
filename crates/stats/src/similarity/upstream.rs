//! Upstream's own way to choose pairs, so that its published table can be reproduced: all pairs among the first k faces
//! of each identity, and random pairs of different identities. Upstream excluded nothing, so this does not either:
//! faces from one photo and repeated pictures count. Upstream's impostor pairs had no seed; here two different
//! identities are drawn uniformly, then a face of each.

use super::compare::ComparedPairs;
use super::kernel::{Rows, cosine};
use super::population::Population;
use super::{Collector, PairKind};
use crate::similarity::UpstreamSampling;
use crate::verification::random::Draw;

/// Compares upstream's pairs. `None` if either kind has none.
#[must_use]
pub fn compare(
    rows: Rows<'_>,
    population: &Population<'_>,
    sampling: &UpstreamSampling,
    seed: u64,
) -> Option<ComparedPairs> {
    let mut collector = Collector::new(population, 0, &[]);
    let members = &population.members;
    for (identity, &unit) in population.identities.iter().zip(&population.unit_of) {
        let first = &members[identity.start..identity.end.min(identity.start + sampling.faces_per_identity)];
        for (i, a) in first.iter().enumerate() {
            for b in &first[i + 1..] {
                collector.add(PairKind::Genuine, a, b, cosine(rows.row(a.row), rows.row(b.row)));
            }
        }
        collector.close((unit, unit));
    }
    let identities = population.identities.len() as u64;
    if identities >= 2 {
        let mut draw = Draw::upstream(seed);
        let face = |draw: &mut Draw, identity: u64| {
            let faces = &population.identities[identity as usize];
            (population.unit_of[identity as usize], faces.start + draw.below(faces.len() as u64) as usize)
        };
        let pair = |_| {
            let first = draw.below(identities);
            let second = draw.below(identities - 1);
            let second = second + u64::from(second >= first);
            let (a, b) = (face(&mut draw, first), face(&mut draw, second));
            if a <= b { ((a.0, b.0), a.1, b.1, false) } else { ((b.0, a.0), b.1, a.1, false) }
        };
        collector.compare(rows, population, (0..sampling.impostor_pairs).map(pair).collect());
    }
    ComparedPairs::of_both_kinds(population, collector)
}
