//! Thresholds: which one each run takes for a false match rate, and what becomes of both error rates where the first
//! run's threshold is kept.

use schemars::JsonSchema;
use serde::Serialize;

use super::effect::{Effect, EffectVerdict};
use super::headline::MetricDirection;
use crate::estimate::Estimate;
use crate::numbers::Quantity::{Cosine, Rate};
use crate::verification::bootstrap::ScoreSample;
use crate::verification::cells::Of;
use crate::verification::paired::{self, Replicated};
use crate::verification::rates::RateEstimator;
use crate::verification::roc::allowed;
use crate::verification::tally::{BINS, edge};
use crate::verification::thresholds::operating_rate;

/// False match rates that thresholds are wanted for.
const WANTED: [f64; 3] = [1e-2, 1e-3, 1e-4];

/// The thresholds of all runs on the same pairs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Thresholds {
    /// By false match rate that the pairs resolve.
    pub at: Vec<ThresholdsAt>,
    /// What the first run's threshold does in each run; `None` where the pairs resolve no false match rate.
    pub kept: Option<KeptThreshold>,
}

/// The thresholds of all runs for one false match rate.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ThresholdsAt {
    /// The false match rate.
    pub target_fmr: f64,
    /// The lowest threshold of each run whose FMR does not exceed it, with the interval that other people would give.
    pub runs: Vec<Estimate>,
}

/// The first run's threshold, kept for all.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct KeptThreshold {
    /// The false match rate that the first run has it for.
    pub target_fmr: f64,
    /// The threshold, a cosine.
    pub threshold: f64,
    /// What it does in each run, the first included.
    pub runs: Vec<KeptRates>,
}

/// Error rates of a run at the first run's threshold.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct KeptRates {
    /// False match rate.
    pub fmr: KeptRate,
    /// False non-match rate.
    pub fnmr: KeptRate,
    /// The run's own threshold for the same false match rate.
    pub own_threshold: Estimate,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct KeptRate {
    /// With the interval of a threshold held fixed.
    pub rate: Estimate,
    /// Less the first run's, paired; `None` in the first run.
    pub change: Option<Effect>,
}

/// A threshold that is kept: the bin edge, and the false match rate it is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keep {
    target_fmr: f64,
    bin: usize,
}

/// The thresholds of one run, with the replicates that its changes follow from.
pub struct MeasuredThresholds {
    at: Vec<(f64, Estimate)>,
    kept: Option<MeasuredKept>,
}

struct MeasuredKept {
    keep: Keep,
    fmr: Replicated,
    fnmr: Replicated,
    own: Estimate,
}

impl MeasuredThresholds {
    /// Measures a run at its own thresholds, and at `keep`: that of the first run, or of this one if it is the first.
    pub fn of(rates: RateEstimator<'_>, keep: Option<Keep>) -> Self {
        let (_, impostor) = rates.pairs();
        let keep = keep.or_else(|| {
            let target_fmr = operating_rate(impostor)?;
            Some(Keep { target_fmr, bin: own_bin(rates, target_fmr) })
        });
        let resolved = WANTED.into_iter().filter(|target| allowed(*target, impostor) > 0);
        let kept = keep.map(|keep| {
            let threshold = edge(keep.bin, BINS);
            let values = |of, statistic: &(dyn Fn(&ScoreSample) -> f64 + Sync)| rates.estimator.values(of, &statistic);
            MeasuredKept {
                keep,
                fmr: Replicated {
                    estimate: rates.fmr(keep.bin).estimate,
                    values: values(Of::Impostor, &|sample| sample.impostor.survival.rate_at(threshold)),
                },
                fnmr: Replicated {
                    estimate: rates.fnmr(keep.bin).estimate,
                    values: values(Of::Genuine, &|sample| 1.0 - sample.genuine.survival.rate_at(threshold)),
                },
                own: own(rates, keep.target_fmr),
            }
        });
        Self { at: resolved.map(|target| (target, own(rates, target))).collect(), kept }
    }

    /// The threshold for other runs to be measured at as well.
    pub fn keep(&self) -> Option<Keep> {
        self.kept.as_ref().map(|kept| kept.keep)
    }
}

/// The lowest edge that keeps a false match rate.
fn own_bin(rates: RateEstimator<'_>, target_fmr: f64) -> usize {
    let survival = &rates.estimator.observed.impostor.survival;
    survival.lowest_edge(allowed(target_fmr, survival.total()))
}

/// That edge, with the percentiles of the threshold that each replicate chooses.
fn own(rates: RateEstimator<'_>, target_fmr: f64) -> Estimate {
    let (_, impostor) = rates.pairs();
    let chosen = |sample: &ScoreSample| sample.impostor.survival.quantile(1.0 - target_fmr);
    let found = rates.estimator.estimate(Of::Impostor, impostor, chosen);
    let point = edge(own_bin(rates, target_fmr), BINS);
    let (lower, upper) = (found.lower.map(|end| end.min(point)), found.upper.map(|end| end.max(point)));
    Estimate { point, lower, upper, ..found }
}

impl Thresholds {
    /// Assembles what was measured of all runs, each with whether all its cosines are those of the first.
    pub fn of(measured: &[(&MeasuredThresholds, bool)]) -> Self {
        let first = measured.first().map(|(first, _)| *first);
        let targets = first.map_or_else(Vec::new, |first| first.at.iter().map(|(target, _)| *target).collect());
        let at = targets.into_iter().enumerate().map(|(place, target_fmr)| {
            let runs = measured.iter().map(|(run, _)| run.at[place].1.clone()).collect();
            ThresholdsAt { target_fmr, runs }
        });
        let kept = first.and_then(|first| first.kept.as_ref()).map(|reference| {
            let rate = |run: usize, same: bool, of: fn(&MeasuredKept) -> &Replicated| {
                let found = measured[run].0.kept.as_ref().map_or(of(reference), of);
                let change = || Effect::judged(MetricDirection::Lower, paired::difference(of(reference), found), same);
                KeptRate { rate: found.estimate.clone(), change: (run > 0).then(change) }
            };
            let runs = measured.iter().enumerate().map(|(run, (found, same))| KeptRates {
                fmr: rate(run, *same, |kept| &kept.fmr),
                fnmr: rate(run, *same, |kept| &kept.fnmr),
                own_threshold: found.kept.as_ref().unwrap_or(reference).own.clone(),
            });
            let Keep { target_fmr, bin } = reference.keep;
            KeptThreshold { target_fmr, threshold: edge(bin, BINS), runs: runs.collect() }
        });
        Self { at: at.collect(), kept }
    }
}

impl KeptThreshold {
    /// What keeping the threshold does to a run other than the first, and which one it takes instead.
    pub fn sentence(&self, run: usize) -> String {
        let (threshold, rates, first) = (Cosine.value(self.threshold), &self.runs[run], &self.runs[0]);
        if rates.fmr.change.as_ref().is_some_and(|change| change.verdict == EffectVerdict::Same) {
            return format!("keep {threshold}: every compared pair has the same cosine");
        }
        format!(
            "keep {threshold} and {}, {}; use {} for an FMR of {:e}",
            rates.fmr.sentence("FMR", &first.fmr),
            rates.fnmr.sentence("FNMR", &first.fnmr),
            Cosine.sentence(&rates.own_threshold),
            self.target_fmr
        )
    }
}

impl KeptRate {
    /// `FMR rises from 0.10% to 0.34% [0.21%, 0.52%]`.
    fn sentence(&self, name: &str, first: &Self) -> String {
        let (from, to) = (Rate.point(&first.rate), Rate.sentence(&self.rate));
        match self.change.as_ref().map(|change| change.verdict) {
            Some(EffectVerdict::Worse) => format!("{name} rises from {from} to {to}"),
            Some(EffectVerdict::Better) => format!("{name} falls from {from} to {to}"),
            _ if self.apart(first) => {
                format!("{name} goes from {from} to {to}; the interval of the change is too wide to judge by")
            }
            _ => format!("{name} may be unchanged ({from} to {to})"),
        }
    }

    /// Whether the two rates' own intervals have nothing in common. The interval of their change may contain 0 all the same:
    /// its replicates count in coarser bins, which spread a value that many pairs share.
    fn apart(&self, first: &Self) -> bool {
        let ends = |rate: &Estimate| Some((rate.lower.or(Some(0.0).filter(|_| rate.bound))?, rate.upper?));
        let (Some(here), Some(there)) = (ends(&self.rate), ends(&first.rate)) else { return false };
        here.0 > there.1 || there.0 > here.1
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::compare::paired_tests::{comparison, reference, run, without_intervals};
    use crate::estimate::Unit;

    /// The same faces, all nearer to one direction: every cosine is higher.
    fn nearer(by: f32) -> Vec<f32> {
        let mut rows = reference();
        for row in rows.chunks_exact_mut(8) {
            row[0] += by;
            let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            for value in row {
                *value /= length;
            }
        }
        rows
    }

    #[test]
    fn a_kept_threshold_says_which_way_each_rate_goes() {
        let found = comparison(&[reference(), nearer(1.5), run(&[(0.9, 1), (0.05, 2)]), reference()]);
        let thresholds = found.paired.unwrap().thresholds;
        let kept = thresholds.kept.unwrap();
        let say = |run: usize| without_intervals(&kept.sentence(run));
        assert_snapshot!(say(1), @"keep 0.9000 and FMR rises from 0.087% to 4.52% […], FNMR falls from 98.75% to 64.58% […]; use 0.9706 […] for an FMR of 1e-3");
        assert_snapshot!(say(2), @"keep 0.9000 and FMR may be unchanged (0.087% to 0.087% […]), FNMR may be unchanged (98.75% to 98.33% […]); use 0.8935 […] for an FMR of 1e-3");
        assert_snapshot!(say(3), @"keep 0.9000: every compared pair has the same cosine");
        let targets: Vec<_> = thresholds.at.iter().map(|at| at.target_fmr).collect();
        assert_eq!(targets, [1e-2, 1e-3], "6,900 pairs do not resolve 1e-4");
        for estimate in thresholds.at.iter().flat_map(|at| &at.runs) {
            assert!(estimate.lower.unwrap() <= estimate.point && estimate.upper.unwrap() >= estimate.point);
        }
        // The reference goes the other way from the nearer one.
        let turned = comparison(&[nearer(1.5), reference()]).paired.unwrap().thresholds.kept.unwrap();
        assert_snapshot!(without_intervals(&turned.sentence(1)), @"keep 0.9706 and FMR may be unchanged (0.087% to ≤ 0.16%), FNMR may be unchanged (97.50% to 100.00% […]); use 0.9000 […] for an FMR of 1e-3");
    }

    #[test]
    fn rates_with_intervals_that_lie_apart_are_not_called_unchanged() {
        let rate =
            |point, lower, upper| Estimate::new(point, Some((lower, upper)), 900, Unit::Pairs, 0.95, String::new());
        let first = KeptRate { rate: Estimate { bound: true, lower: None, ..rate(0.0, 0.0, 0.000_28) }, change: None };
        let change = Effect { difference: rate(0.4964, -0.47, 0.53), verdict: EffectVerdict::NotResolvable };
        let sentence = |rate| KeptRate { rate, change: Some(change.clone()) }.sentence("FMR", &first);
        assert_snapshot!(sentence(rate(0.4964, 0.4794, 0.5133)), @"FMR goes from ≤ 0.028% to 49.64% [47.94%, 51.33%]; the interval of the change is too wide to judge by");
        assert!(sentence(rate(0.0002, 0.0001, 0.0004)).starts_with("FMR may be unchanged"));
    }
}
