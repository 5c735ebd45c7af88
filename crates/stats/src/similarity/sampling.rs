//! How many pairs are compared, and which ones if not all.
//!
//! Pairs are drawn without replacement: none is in a sample twice. Each kind is spread over the resampled units in
//! proportion to their pairs, and parts of a pair are rounded at random, so each pair of a kind is as likely as any other,
//! even where there are fewer pairs than pairs of units. The two kinds are never mixed in a rate, so it does no harm that
//! genuine pairs are sampled more densely. An excluded pair is replaced by another pair of the same units.

use super::kernel::{Rows, cosine};
use super::permutation::Permutation;
use super::population::{Available, Population, pairs};
use super::{Collector, PairKind};
use crate::similarity::{PairMode, SimilarityOptions};
use crate::verification::random::Draw;

/// Up to this many pairs, all are compared unless a config says otherwise: about two minutes on 2 cores with AVX2
/// (`docs/pairs.md`: 150 million pairs per second). Upstream's 187,697 faces have fewer. A machine with a quarter of
/// that speed takes under ten minutes, shows its progress, and resumes after an interruption.
pub const ALL_PAIRS: u64 = 20_000_000_000;

/// Beyond that, this many are drawn, one by one from the whole matrix, which takes a few seconds.
pub const SAMPLE: u64 = 20_000_000;

/// How many pairs of each kind are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Genuine pairs.
    pub genuine: u64,
    /// Impostor pairs.
    pub impostor: u64,
}

impl Quota {
    /// All pairs.
    #[must_use]
    pub fn all(available: &Available) -> Self {
        Self { genuine: available.genuine, impostor: available.impostor }
    }

    /// All pairs, or a sample: half of it genuine pairs; if one kind has too few, the other makes up the rest. At
    /// least one of each.
    #[must_use]
    pub fn new(available: &Available, options: &SimilarityOptions) -> Self {
        let all = Self::all(available);
        let most = match options.pairs {
            PairMode::Exhaustive => return all,
            PairMode::Auto => options.max_pairs.unwrap_or(ALL_PAIRS),
            PairMode::Sampled => options.max_pairs.unwrap_or(SAMPLE),
        };
        let budget = options.max_pairs.unwrap_or(SAMPLE).max(2);
        if all.genuine + all.impostor <= most.max(2) {
            return all;
        }
        let impostor = all.impostor.min(budget - all.genuine.min(budget.div_ceil(2)));
        Self { genuine: all.genuine.min(budget - impostor), impostor }
    }

    /// Whether these are all pairs.
    #[must_use]
    pub fn is_all(&self, available: &Available) -> bool {
        *self == Self::all(available)
    }
}

/// Pairs of units (g ≤ h) and the number of impostor pairs between them before exclusions.
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

/// Divides `total` in proportion to `weights`: each share is the exact one rounded down or up, at random, and its mean over
/// all seeds is the exact one (systematic sampling in random order: Madow 1949). No share exceeds its weight unless the
/// total exceeds their sum.
#[must_use]
pub fn apportion(total: u64, weights: &[u64], draw: &mut Draw) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let exact = |place: usize| u128::from(total) * u128::from(weights[place]);
    let mut shares: Vec<u64> = (0..weights.len()).map(|place| (exact(place) / sum) as u64).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    draw.shuffle(&mut order);
    // The remainders lie end to end; marks at distances of the sum, the first one anywhere, fall on those that are rounded up.
    let mut until_mark = u128::from(draw.below(u64::try_from(sum).unwrap_or(u64::MAX)));
    for place in order {
        let remainder = exact(place) % sum;
        if remainder > until_mark {
            shares[place] += 1;
            until_mark += sum;
        }
        until_mark -= remainder;
    }
    shares
}

/// Draws genuine pairs of one unit without replacement: every comparable pair is visited once and taken with
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

/// Draws impostor pairs between two units (or within one) without replacement: goes through the pairs of
/// faces in random order and takes comparable ones of two people until there are enough.
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
    let between = if left == right { pairs(left.len() as u64) } else { left.len() as u64 * right.len() as u64 };
    let order = Permutation::new(between, &mut Draw::impostor(seed, units));
    let mut taken = 0;
    for place in 0..between {
        if taken == wanted || (place % LOOK_UP == 0 && !go_on()) {
            return;
        }
        let Some(number) = order.at(place) else { return };
        let (a, b) = match number {
            _ if left == right => triangle(number),
            _ => (number / right.len() as u64, number % right.len() as u64),
        };
        let (a, b) = (&population.members[left.start + a as usize], &population.members[right.start + b as usize]);
        if a.identity != b.identity && a.comparable(b) {
            collector.add(PairKind::Impostor, a, b, cosine(rows.row(a.row), rows.row(b.row)));
            taken += 1;
        }
    }
}

/// The pair (a, b), a < b, with this number; pairs are numbered by b, then a.
fn triangle(number: u64) -> (u64, u64) {
    let mut b = f64::midpoint(1.0, (8.0 * number as f64 + 1.0).sqrt()) as u64;
    // The root of a large number is off by at most one.
    while pairs(b) > number {
        b -= 1;
    }
    while pairs(b + 1) <= number {
        b += 1;
    }
    (number - pairs(b), b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quota(pairs: PairMode, max_pairs: impl Into<Option<u64>>, genuine: u64, impostor: u64) -> (u64, u64) {
        let max_pairs = max_pairs.into();
        let options = SimilarityOptions { pairs, max_pairs, replicates: 0, hardest: 0, ..SimilarityOptions::DEFAULT };
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

    #[test]
    fn all_pairs_are_compared_as_far_as_they_cost_two_minutes() {
        // LFW's 7,701 faces; upstream's 187,697; a million.
        let (lfw, upstream, million) =
            ((242_257, 29_410_593), (36_000_000, 17_578_988_056), (100_000_000, 499_899_500_000));
        let found = |pairs, (genuine, impostor)| quota(pairs, None, genuine, impostor);
        assert_eq!((found(PairMode::Auto, lfw), found(PairMode::Auto, upstream)), (lfw, upstream));
        assert_eq!(found(PairMode::Auto, million), (10_000_000, 10_000_000));
        assert_eq!(found(PairMode::Sampled, lfw), (242_257, 19_757_743));
        assert_eq!(quota(PairMode::Auto, 1_000_000, lfw.0, lfw.1), (242_257, 757_743));
    }

    #[test]
    fn numbers_of_pairs_are_pairs() {
        let all: Vec<_> = (0..pairs(50)).map(triangle).collect();
        let expected: Vec<_> = (0..50).flat_map(|b| (0..b).map(move |a| (a, b))).collect();
        assert_eq!(all, expected);
        for b in [94_906_267_u64, 3_000_000_000] {
            assert_eq!((triangle(pairs(b)), triangle(pairs(b) - 1)), ((0, b), (b - 2, b - 1)));
        }
    }

    #[test]
    fn the_mean_of_a_share_is_its_exact_part() {
        // One of them has nearly all pairs, and the sample has fewer than there are shares.
        let weights: Vec<u64> = (0..40).map(|i| if i == 7 { 5_000 } else { 10 + i % 3 }).collect();
        let sum: u64 = weights.iter().sum();
        for total in [1, 25, 60] {
            let mut sums = vec![0u64; weights.len()];
            for seed in 0..4_000 {
                let shares = apportion(total, &weights, &mut Draw::genuine_shares(seed));
                sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
            }
            for (found, weight) in sums.iter().zip(&weights) {
                let exact = (total * weight) as f64 / sum as f64;
                let error = *found as f64 / 4_000.0 - exact;
                assert!(error.abs() < 5.0 * (exact.fract().max(0.001) / 4_000.0).sqrt(), "{total}: {weight}: {error}");
            }
        }
    }

    proptest! {
        #[test]
        fn shares_add_up_and_stay_below_their_weights(
            weights in prop::collection::vec(0u64..1000, 1..50),
            part in 0.0..1.0,
            seed in any::<u64>(),
        ) {
            let sum: u64 = weights.iter().sum();
            let total = (sum as f64 * part) as u64;
            let shares = apportion(total, &weights, &mut Draw::impostor_shares(seed));
            prop_assert_eq!(shares.iter().sum::<u64>(), total);
            for (share, weight) in shares.iter().zip(&weights) {
                prop_assert!(share <= weight);
                prop_assert!((*share as f64 - total as f64 * *weight as f64 / sum.max(1) as f64).abs() < 1.0);
            }
        }
    }
}
