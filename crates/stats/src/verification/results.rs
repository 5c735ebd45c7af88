//! Results of verification: distributions, operating points, and the intervals of their rates.

use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;

/// The false match rate of the operating threshold, where the pairs resolve it.
pub const OPERATING_FMR: f64 = 1e-3;

/// A distribution of cosines.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Distribution {
    /// Mean.
    pub mean: Estimate,
    /// Standard deviation (population).
    pub std: Estimate,
    /// Mean of |cosine|.
    pub mean_abs: Estimate,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Quantiles at 0.1, 1, 5, 25, 50, 75, 95, 99 and 99.9%.
    pub quantiles: Vec<Quantile>,
}

/// One quantile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// Level, 0..=1.
    pub level: f64,
    /// Cosine, with its interval.
    pub value: Estimate,
}

/// Error rates at one threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// The false match rate aimed at.
    pub target_fmr: f64,
    /// The smallest threshold whose observed FMR does not exceed the target (a pair matches when cosine ≥ threshold);
    /// `None` when the impostor pairs cannot resolve the target (target < 1/n).
    pub threshold: Option<f64>,
    /// Observed false match rate there; without a threshold, what no false match in all pairs is a bound for.
    pub fmr: Option<Estimate>,
    /// Observed true accept rate (1 − FNMR) there.
    pub tar: Option<Estimate>,
}

impl OperatingPoint {
    /// Whether this is the point of a target false match rate, however the rate was computed (1e-3, 0.001, 1/1000).
    #[must_use]
    pub fn aims_at(&self, fmr: f64) -> bool {
        (self.target_fmr / fmr - 1.0).abs() < 1e-9
    }

    /// The point of a target false match rate.
    #[must_use]
    pub fn find(points: &[Self], fmr: f64) -> Option<&Self> {
        points.iter().find(|point| point.aims_at(fmr))
    }
}

/// Error rates at a threshold that was not chosen for them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdRates {
    /// A pair matches when its cosine is ≥ this.
    pub threshold: f64,
    /// False match rate.
    pub fmr: Estimate,
    /// False non-match rate.
    pub fnmr: Estimate,
}

/// The intervals of one rate at one operating point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateIntervals {
    /// Which rate.
    pub rate: ErrorRate,
    /// Of which operating point.
    pub target_fmr: f64,
    /// Its threshold.
    pub threshold: f64,
    /// The rate.
    pub point: f64,
    /// Its intervals.
    #[serde(flatten)]
    pub intervals: Intervals,
}

/// Which rate of an operating point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorRate {
    /// False match rate.
    Fmr,
    /// True accept rate.
    Tar,
}

/// The interval of a rate, `[lower, upper]`, by three methods. Only the naive one exists for a rate of 0 or 1, or with too
/// few identities.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Intervals {
    /// Wilson with plug-in variance: the one that estimates report.
    pub wilson: Option<[f64; 2]>,
    /// Percentiles of the double-or-nothing bootstrap over identities.
    pub bootstrap: Option<[f64; 2]>,
    /// The exact binomial one (Clopper & Pearson), as if pairs were independent.
    pub naive: [f64; 2],
    /// Width of Wilson's interval divided by that of the naive one.
    pub naive_too_narrow: Option<f64>,
}
