//! The thresholds at which errors are counted face by face. They must be known before all pairs are compared, so a
//! sample of the pairs tells where they are; what is then counted at them is exact.

use serde::{Deserialize, Serialize};

use super::kernel::Rows;
use super::{Collector, Population, sampling};
use crate::progress::Cancel;
use crate::verification::roc::{Survival, allowed};
use crate::verification::tally::{BINS, Tally, edge};

/// Cosines between which later phases choose the threshold of their centroid search.
pub const ROUTING: [f32; 4] = [0.45, 0.5, 0.55, 0.62];

/// False match rates that the sample is asked for, most false matches first.
const RATES: [f64; 3] = [1e-2, 1e-3, 1e-4];

/// Different-identity pairs of the sample.
const SAMPLE: u64 = 1_000_000;

/// Thresholds that errors are counted at, ascending.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Watched {
    /// A pair matches when its cosine is ≥ this. Where more than about one in a hundred different-identity pairs match
    /// at one of [`ROUTING`], it is left out.
    pub thresholds: Vec<f32>,
    /// Which of them is the operating threshold: about one false match in a thousand.
    pub operating: usize,
}

impl Watched {
    /// Asks a seeded sample of the different-identity pairs. `None` when there are none, or when cancelled.
    #[must_use]
    pub fn choose(rows: Rows<'_>, population: &Population<'_>, seed: u64, cancel: &Cancel) -> Option<Self> {
        sample(rows, population, SAMPLE, seed, cancel).and_then(|impostor| Self::from_sample(&impostor))
    }

    fn from_sample(impostor: &Tally) -> Option<Self> {
        let survival = Survival::new(&impostor.counts);
        let n = survival.total();
        let at = |rate: f64| edge(survival.lowest_edge(allowed(rate, n)), BINS).min(1.0) as f32;
        if n == 0 {
            return None;
        }
        // A rate that the sample cannot resolve is that of a single pair of it.
        let rates = RATES.map(|rate| at(rate.max(1.0 / n as f64)));
        let lowest = rates[0];
        let mut thresholds: Vec<f32> = rates.into_iter().chain(ROUTING.into_iter().filter(|t| *t > lowest)).collect();
        thresholds.sort_by(f32::total_cmp);
        thresholds.dedup();
        let operating = thresholds.iter().position(|threshold| *threshold == rates[1])?;
        Some(Self { thresholds, operating })
    }

    /// The operating threshold.
    #[must_use]
    pub fn operating_threshold(&self) -> f64 {
        self.thresholds.get(self.operating).copied().map_or(f64::NAN, f64::from)
    }
}

/// The cosines of a seeded sample of `wanted` different-identity pairs. `None` when cancelled.
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
    for ((units, _), wanted) in between.iter().zip(sampling::apportion(wanted, &weights)) {
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
    fn the_operating_threshold_lets_one_in_a_thousand_pass() {
        let mut tally = Tally::default();
        tally.extend((0..100_000).map(|i| i as f32 / 200_000.0));
        let watched = Watched::from_sample(&tally).unwrap();
        let matches = |threshold: f32| (0..100_000).filter(|i| *i as f32 / 200_000.0 >= threshold).count();
        assert!(watched.thresholds.is_sorted_by(|a, b| a < b));
        assert!((90..=100).contains(&matches(watched.thresholds[watched.operating])), "{watched:?}");
        assert!(watched.thresholds.contains(&0.62) && !watched.thresholds.contains(&0.45));
        assert_eq!(Watched::from_sample(&Tally::default()), None);
    }
}
