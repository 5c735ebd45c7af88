//! FMR, FNMR and their crossing at a threshold, each with its interval made in three ways.

use super::bootstrap::{Cells, Estimator, MIN_UNITS, Sample};
use super::interval::{clopper_pearson, no_error, no_miss, wilson};
use super::plug_in::PlugIn;
use super::tally::{BINS, edge};
use crate::estimate::Estimate;
use crate::metrics::Intervals;

/// What rates are computed from.
#[derive(Debug, Clone, Copy)]
pub struct Rates<'a> {
    /// What was observed, and its replicates.
    pub estimator: &'a Estimator,
    /// By resampled unit.
    pub cells: &'a Cells,
}

/// A rate, and the intervals that it could have.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// With the recommended interval.
    pub estimate: Estimate,
    /// All intervals.
    pub intervals: Intervals,
}

impl Rate {
    /// 1 less the rate.
    #[must_use]
    pub fn complement(self) -> Self {
        let Self { estimate, intervals } = self;
        let turned = |interval: [f64; 2]| [1.0 - interval[1], 1.0 - interval[0]];
        let estimate = match (estimate.point, estimate.bound) {
            (_, true) => no_miss(estimate.n, estimate.level),
            (1.0, _) => no_error(estimate.n, estimate.level),
            (point, _) => Estimate {
                point: 1.0 - point,
                lower: estimate.upper.map(|upper| 1.0 - upper),
                upper: estimate.lower.map(|lower| 1.0 - lower),
                ..estimate
            },
        };
        let intervals = Intervals {
            wilson: intervals.wilson.map(turned),
            bootstrap: intervals.bootstrap.map(turned),
            naive: turned(intervals.naive),
            ..intervals
        };
        Self { estimate, intervals }
    }
}

impl Rates<'_> {
    /// Number of same-identity and of different-identity pairs.
    #[must_use]
    pub fn pairs(&self) -> (u64, u64) {
        (self.estimator.observed.genuine.survival.total(), self.estimator.observed.impostor.survival.total())
    }

    /// Share of different-identity pairs that match at edge `bin`.
    #[must_use]
    pub fn fmr(&self, bin: usize) -> Rate {
        let threshold = edge(bin, BINS);
        let of = |sample: &Sample| sample.impostor.survival.rate_at(threshold);
        let plug_in = || PlugIn::of_matches(&self.cells.impostor, self.cells.units, threshold);
        let survival = &self.estimator.observed.impostor.survival;
        self.rate(survival.reach(bin), survival.total(), &of, plug_in)
    }

    /// Share of same-identity pairs that do not match at edge `bin`.
    #[must_use]
    pub fn fnmr(&self, bin: usize) -> Rate {
        let threshold = edge(bin, BINS);
        let of = |sample: &Sample| 1.0 - sample.genuine.survival.rate_at(threshold);
        // Matches have the variance of misses.
        let plug_in = || PlugIn::of_matches(&self.cells.genuine, self.cells.units, threshold);
        let survival = &self.estimator.observed.genuine.survival;
        self.rate(survival.total() - survival.reach(bin), survival.total(), &of, plug_in)
    }

    /// FNMR at edge `bin` with its recommended interval only.
    #[must_use]
    pub fn fnmr_band(&self, bin: usize) -> Estimate {
        let survival = &self.estimator.observed.genuine.survival;
        let (errors, n) = (survival.total() - survival.reach(bin), survival.total());
        match errors {
            0 => no_error(n, self.estimator.level),
            _ if errors == n => no_miss(n, self.estimator.level),
            _ => {
                let plug_in = PlugIn::of_matches(&self.cells.genuine, self.cells.units, edge(bin, BINS));
                self.plugged_in(errors as f64 / n as f64, n as f64, plug_in)
            }
        }
    }

    fn rate(
        &self,
        errors: u64,
        n: u64,
        of: &(impl Fn(&Sample) -> f64 + Sync),
        plug_in: impl Fn() -> Option<PlugIn>,
    ) -> Rate {
        let level = self.estimator.level;
        let (lower, upper) = clopper_pearson(errors, n, level);
        let naive = [lower, upper];
        if errors == 0 || errors == n {
            let estimate = if errors == 0 { no_error(n, level) } else { no_miss(n, level) };
            return Rate { estimate, intervals: Intervals { naive, ..Intervals::default() } };
        }
        let rate = errors as f64 / n as f64;
        let estimate = self.plugged_in(rate, n as f64, plug_in());
        let wilson = estimate.lower.zip(estimate.upper).map(|(lower, upper)| [lower, upper]);
        let intervals = Intervals {
            wilson,
            bootstrap: self.estimator.interval(of).map(|(lower, upper)| [lower.min(rate), upper.max(rate)]),
            naive,
            naive_too_narrow: wilson.map(|[from, to]| (to - from) / (upper - lower)),
        };
        Rate { estimate, intervals }
    }

    /// Equal error rate and its threshold. Without any error, a bound by the smaller number of pairs.
    ///
    /// Where both curves cross, the rate moves by the mean of what FNMR and FMR move by, each weighted with the slope
    /// of the other; so its variance follows from those of both.
    #[must_use]
    pub fn eer(&self) -> (Estimate, f64) {
        let (genuine, impostor) = self.pairs();
        let (rate, threshold) = self.estimator.observed.roc().eer();
        let n = genuine.min(impostor);
        if rate == 0.0 {
            return (no_error(n, self.estimator.level), threshold);
        }
        let [matches, misses] = self.slopes(threshold);
        let share = matches / (matches + misses);
        let plug_in = || {
            let of = |cells| PlugIn::of_matches(cells, self.cells.units, threshold);
            Some(of(&self.cells.impostor)?.mixed(1.0 - share, &of(&self.cells.genuine)?, -share))
        };
        let pairs = share.powi(2) / genuine as f64 + (1.0 - share).powi(2) / impostor as f64;
        (Estimate { n, ..self.plugged_in(rate, pairs.recip(), plug_in()) }, threshold)
    }

    /// How fast FMR falls and FNMR rises around a threshold: over the narrowest stretch in which both do.
    fn slopes(&self, threshold: f64) -> [f64; 2] {
        let roc = self.estimator.observed.roc();
        let over = |reach: f64| {
            [roc.impostor, roc.genuine].map(|curve| curve.rate_at(threshold - reach) - curve.rate_at(threshold + reach))
        };
        let stretches = (0..8).map(|step| 0.02 * f64::from(1 << step)).map(over);
        stretches.into_iter().find(|slopes| slopes.iter().all(|slope| *slope > 0.0)).unwrap_or([1.0, 1.0])
    }

    /// Wilson's interval with the number of independent pairs that would have the variance, at most `n`.
    fn plugged_in(&self, rate: f64, n: f64, plug_in: Option<PlugIn>) -> Estimate {
        let (level, cells) = (self.estimator.level, self.cells);
        let none = Estimate { point: rate, lower: None, upper: None, bound: false, ..no_error(n as u64, level) };
        let Some(plug_in) = plug_in else {
            let method = if cells.units < MIN_UNITS {
                format!("no interval: {} identities are too few", cells.identities)
            } else {
                format!("no interval: fewer than {MIN_UNITS} identities have such pairs")
            };
            return Estimate { method, ..none };
        };
        // Pairs that share faces do not tell more than independent ones.
        let independent = rate * (1.0 - rate);
        let effective = independent / plug_in.variance().max(independent / n);
        let (lower, upper) = wilson(rate, effective, plug_in.quantile(level));
        let groups = if cells.units < cells.identities {
            format!("{} groups of {} identities", cells.units, cells.identities)
        } else {
            format!("{} identities", cells.identities)
        };
        let method =
            format!("Wilson with plug-in variance over {groups}: worth {} independent pairs", effective.round());
        Estimate { lower: Some(lower), upper: Some(upper), method, ..none }
    }
}
