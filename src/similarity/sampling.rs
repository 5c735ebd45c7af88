//! How many pairs are compared, and which ones when that is not all.
//!
//! Same-identity pairs are drawn without replacement, different-identity pairs with replacement. Either is spread over
//! the resampled units in proportion to their pairs, so each sample is a miniature of its population; as the two kinds
//! are never mixed in a rate, it does no harm that same-identity pairs are drawn more densely. Where the rules leave
//! pairs out, another pair of the same units is drawn in their place.

use super::kernel::{Rows, cosine};
use super::population::{Available, Population, pairs};
use super::{Collector, PairKind};
use crate::config::{PairMode, SimilarityOptions};
use crate::verification::random::Draw;

/// How many pairs of each kind are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Same-identity pairs.
    pub genuine: u64,
    /// Different-identity pairs.
    pub impostor: u64,
}

impl Quota {
    /// All pairs, or `max_pairs` of them: half same-identity where there are enough, and the rest of one kind where
    /// there are not. At least one of each.
    #[must_use]
    pub fn new(available: &Available, options: &SimilarityOptions) -> Self {
        let all = Self { genuine: available.genuine, impostor: available.impostor };
        let budget = options.max_pairs.max(2);
        let fits = all.genuine + all.impostor <= budget;
        if options.pairs == PairMode::Exhaustive || fits {
            return all;
        }
        let impostor = all.impostor.min(budget - all.genuine.min(budget.div_ceil(2)));
        Self { genuine: all.genuine.min(budget - impostor), impostor }
    }

    /// Whether that is all there are.
    #[must_use]
    pub fn is_all(&self, available: &Available) -> bool {
        (self.genuine, self.impostor) == (available.genuine, available.impostor)
    }
}

/// Pairs of units (g ≤ h) and how many different-identity pairs lie between them before any rule leaves some out.
#[must_use]
pub fn unit_pairs(population: &Population<'_>) -> Vec<((u16, u16), u64)> {
    let mut within: Vec<u64> = population.units.iter().map(|unit| pairs(unit.len() as u64)).collect();
    for (identity, unit) in population.identities.iter().zip(&population.unit_of) {
        within[usize::from(*unit)] -= pairs(identity.len() as u64);
    }
    let units = population.units.len();
    (0..units)
        .flat_map(|g| (g..units).map(move |h| (g, h)))
        .map(|(g, h)| {
            let across = population.units[g].len() as u64 * population.units[h].len() as u64;
            ((g as u16, h as u16), if g == h { within[g] } else { across })
        })
        .collect()
}

/// Shares `total` out in proportion to `weights` (largest remainders, the first among equals). No share exceeds its
/// weight unless the total exceeds their sum.
#[must_use]
pub fn apportion(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: u64| u128::from(total) * u128::from(weight);
    let mut shares: Vec<u64> = weights.iter().map(|&weight| (exact(weight) / sum) as u64).collect();
    let left = total - shares.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&place| std::cmp::Reverse(exact(weights[place]) % sum));
    for place in order.into_iter().take(left as usize) {
        shares[place] += 1;
    }
    shares
}

/// Draws same-identity pairs of one unit without replacement: every comparable pair is looked at once and taken with
/// probability (still wanted)/(still to come).
pub fn draw_genuine(
    rows: Rows<'_>,
    population: &Population<'_>,
    unit: u16,
    mut wanted: u64,
    seed: u64,
    mut go_on: impl FnMut() -> bool,
    collector: &mut Collector,
) {
    let mut to_come = population.available.genuine_by_unit[usize::from(unit)];
    let mut draw = Draw::genuine(seed, unit);
    let identities = population.identities.iter().zip(&population.unit_of).filter(|(_, of)| **of == unit);
    for (identity, _) in identities {
        for first in identity.clone() {
            if wanted == 0 || !go_on() {
                return;
            }
            let a = &population.members[first];
            for b in &population.members[first + 1..identity.end] {
                if !a.comparable(b) {
                    continue;
                }
                if draw.below(to_come) < wanted {
                    wanted -= 1;
                    collector.add(PairKind::Genuine, a, b, cosine(rows.row(a.row), rows.row(b.row)));
                }
                to_come -= 1;
            }
        }
    }
}

/// Draws different-identity pairs between two units (or within one) with replacement. Gives up when nearly every pair
/// it finds is left out by the rules.
pub fn draw_impostor(
    rows: Rows<'_>,
    population: &Population<'_>,
    units: (u16, u16),
    wanted: u64,
    seed: u64,
    mut go_on: impl FnMut() -> bool,
    collector: &mut Collector,
) {
    const LOOK_UP: u64 = 4096;
    let (left, right) = (&population.units[usize::from(units.0)], &population.units[usize::from(units.1)]);
    let mut draw = Draw::impostor(seed, units);
    let mut taken = 0;
    for attempt in 0..1000 + 100 * wanted {
        if taken == wanted || (attempt % LOOK_UP == 0 && !go_on()) {
            return;
        }
        let a = &population.members[left.start + draw.below(left.len() as u64) as usize];
        let b = &population.members[right.start + draw.below(right.len() as u64) as usize];
        if a.identity != b.identity && a.comparable(b) {
            collector.add(PairKind::Impostor, a, b, cosine(rows.row(a.row), rows.row(b.row)));
            taken += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quota(pairs: PairMode, max_pairs: u64, genuine: u64, impostor: u64) -> (u64, u64) {
        let options =
            SimilarityOptions { pairs, max_pairs, upstream: None, replicates: 0, confidence: 0.95, hardest: 0 };
        let quota = Quota::new(&Available { genuine, impostor, ..Available::default() }, &options);
        (quota.genuine, quota.impostor)
    }

    #[test]
    fn half_is_genuine_where_there_are_enough() {
        assert_eq!(quota(PairMode::Auto, 100, 40, 60), (40, 60), "all fit");
        assert_eq!(quota(PairMode::Exhaustive, 100, 400, 6_000), (400, 6_000));
        assert_eq!(quota(PairMode::Auto, 100, 400, 6_000), (50, 50));
        assert_eq!(quota(PairMode::Sampled, 100, 10, 6_000), (10, 90));
        assert_eq!(quota(PairMode::Sampled, 100, 400, 6), (94, 6));
        assert_eq!(quota(PairMode::Sampled, 1, 400, 6), (1, 1), "never none of a kind");
    }

    proptest! {
        #[test]
        fn shares_add_up_and_stay_below_their_weights(weights in prop::collection::vec(0u64..1000, 1..50), part in 0.0..1.0) {
            let sum: u64 = weights.iter().sum();
            let total = (sum as f64 * part) as u64;
            let shares = apportion(total, &weights);
            prop_assert_eq!(shares.iter().sum::<u64>(), total);
            for (share, weight) in shares.iter().zip(&weights) {
                prop_assert!(share <= weight);
                prop_assert!((*share as f64 - total as f64 * *weight as f64 / sum.max(1) as f64).abs() < 1.0);
            }
        }
    }
}
