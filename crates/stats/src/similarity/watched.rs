//! The threshold at which errors are counted face by face: the operating threshold of the report. It is known only
//! after all pairs are compared, but counting starts earlier. A sample of the pairs therefore predicts a range for it;
//! pairs in that range are kept one by one and counted at the threshold itself at the end.

use super::kernel::Rows;
use super::{Collector, Population, sampling};
use crate::verification::random::Draw;
use crate::verification::roc::{Survival, allowed};
use crate::verification::tally::{BINS, Tally, edge};
use crate::verification::thresholds::{operating_edge, operating_rate};
use facevault_base::progress::Cancel;

/// Range of cosines from which later phases choose the threshold of their centroid search.
pub const ROUTING: [f32; 4] = [0.45, 0.5, 0.55, 0.62];

/// Impostor pairs are examined one by one from the threshold of this false match rate.
const TAIL: f64 = 1e-2;

/// Fewest impostor pairs in the sample; beyond a thousand times as many, one in a thousand.
const SAMPLE: u64 = 1_000_000;

/// How far the range extends to either side, in standard deviations of the sample's count.
const SIGMAS: f64 = 6.0;

/// Most pairs kept one by one: 64 MB.
const MOST: f64 = 4e6;

/// Thresholds to watch, ascending: the tail's, and the two ends of the range that the operating threshold will be in.
/// Empty if there are too few impostor pairs to resolve a rate. `None` when cancelled.
#[must_use]
pub fn bracket(
    rows: Rows<'_>,
    population: &Population<'_>,
    compared: u64,
    seed: u64,
    cancel: &Cancel,
) -> Option<Vec<f32>> {
    let Some(target) = operating_rate(compared) else { return Some(Vec::new()) };
    let impostor = sample(rows, population, SAMPLE.max(compared / 1000), seed, cancel)?;
    Some(around(&Survival::new(&impostor.counts), target, compared))
}

/// The range that a sample predicts for the threshold of a false match rate over `compared` pairs.
fn around(sample: &Survival, target: f64, compared: u64) -> Vec<f32> {
    let n = sample.total();
    let expected = target * n as f64;
    let slack = SIGMAS * expected.sqrt() + SIGMAS;
    let at = |matches: u64| sample.lowest_edge(matches);
    let mut low = at((expected + slack) as u64);
    // Pairs outside the sample may be above all pairs in it.
    let mut high = if expected > slack { at((expected - slack) as u64) } else { BINS };
    if n == 0 || (sample.rate(low) - sample.rate(high)) * compared as f64 > MOST {
        // Many equal cosines: the sample's threshold is as good a guess, and comparing again settles it.
        (low, high) = (at(allowed(target, n)), at(allowed(target, n)));
    }
    let [tail, low, high] = [at(allowed(TAIL, n)).min(low), low, high].map(|bin| edge(bin, BINS) as f32);
    vec![tail, low, high]
}

/// The threshold at which individual errors are reported, at or above which a pair matches: the operating threshold
/// over impostor pairs; `None` if there are too few of them.
#[must_use]
pub fn operating_threshold(impostor: &Tally) -> Option<f32> {
    operating_edge(&Survival::new(&impostor.counts)).map(|bin| edge(bin, BINS) as f32)
}

/// The cosines of a seeded sample of `wanted` impostor pairs. `None` when cancelled.
pub(super) fn sample(
    rows: Rows<'_>,
    population: &Population<'_>,
    wanted: u64,
    seed: u64,
    cancel: &Cancel,
) -> Option<Tally> {
    let wanted = wanted.min(population.available.impostor);
    let between = sampling::unit_pairs(population);
    let weights: Vec<u64> = between.iter().map(|(_, weight)| *weight).collect();
    let mut collector = Collector::new(population, 0, &[]);
    let shares = sampling::apportion(wanted, &weights, &mut Draw::impostor_shares(seed));
    for ((units, _), wanted) in between.iter().zip(shares) {
        let go_on = || !cancel.requested();
        sampling::draw_impostor(rows, population, *units, wanted, seed, go_on, &mut collector);
    }
    collector.close((0, 0));
    (!cancel.requested()).then_some(collector.impostor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_s_range_holds_the_threshold_of_all_pairs() {
        let tally = |cosines: &mut dyn Iterator<Item = f32>| {
            let mut tally = Tally::default();
            tally.extend(cosines);
            tally
        };
        let cosine = |i: u32| (f64::from(i.wrapping_mul(2_654_435_761)) / f64::from(u32::MAX)) as f32;
        for (all, share) in [(200_000, 10), (200_000, 200), (1_500, 1), (40, 1), (12, 1)] {
            let whole = tally(&mut (0..all).map(cosine));
            let part = tally(&mut (0..all).step_by(share).map(cosine));
            let target = operating_rate(u64::from(all)).unwrap();
            let watched = around(&Survival::new(&part.counts), target, u64::from(all));
            assert!(watched.is_sorted() && watched.len() == 3, "{watched:?}");
            let threshold = operating_threshold(&whole).unwrap();
            assert!((watched[1]..=watched[2]).contains(&threshold), "{threshold} of {all} in {watched:?}");
            let matches = (0..all).filter(|i| cosine(*i) >= threshold).count() as f64;
            let most = target * f64::from(all);
            assert!(matches <= most && matches > most - 8.0, "{matches} of {all}");
        }
        assert_eq!(operating_threshold(&tally(&mut (0..9).map(cosine))), None);
    }

    #[test]
    fn masses_of_equal_cosines_are_not_kept_one_by_one() {
        let mut tally = Tally::default();
        tally.extend((0..100_000).map(|i| if i % 833 == 0 { 0.5 } else { 0.1 }));
        let watched = |compared| around(&Survival::new(&tally.counts), 1e-3, compared);
        assert!(watched(1_000_000)[1] < 0.5 && watched(1_000_000)[2] > 0.5, "few enough to be kept");
        let watched = watched(10_000_000_000);
        assert_eq!(watched[1].to_bits(), watched[2].to_bits(), "{watched:?}");
    }
}
