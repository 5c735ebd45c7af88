//! Results of verification: distributions, operating points, and the intervals of their rates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;

/// The target FMR of the operating threshold, if the pairs resolve it.
pub const OPERATING_FMR: f64 = 1e-3;

/// A distribution of cosines.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantile {
    /// Level, from 0 to 1.
    pub level: f64,
    /// Cosine, with its interval.
    pub value: Estimate,
}

/// Error rates at one threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperatingPoint {
    /// The target FMR.
    pub target_fmr: f64,
    /// The lowest threshold whose observed FMR does not exceed the target (a pair matches if cosine ≥ threshold); `None` if
    /// the impostor pairs cannot resolve the target (target < 1/n).
    pub threshold: Option<f64>,
    /// The observed FMR at the threshold; without a threshold, the bound that no false match in all pairs implies.
    pub fmr: Option<Estimate>,
    /// The observed true accept rate (1 − FNMR) at the threshold.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdRates {
    /// A pair matches if its cosine is at least this.
    pub threshold: f64,
    /// False match rate.
    pub fmr: Estimate,
    /// False non-match rate.
    pub fnmr: Estimate,
}

/// The intervals of one rate at one operating point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RateIntervals {
    /// Which rate.
    pub rate: ErrorRate,
    /// The target FMR of its operating point.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorRate {
    /// False match rate.
    Fmr,
    /// True accept rate.
    Tar,
}

/// One interval, `[lower, upper]`, by three methods. Only the naive one exists where all or none of the pairs are errors, or
/// where there are too few identities.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Intervals {
    /// Wilson interval with plug-in variance, as used in the estimates.
    pub wilson: Option<[f64; 2]>,
    /// Percentiles of the double-or-nothing bootstrap over identities.
    pub bootstrap: Option<[f64; 2]>,
    /// Exact binomial (Clopper-Pearson), which treats pairs as independent.
    pub naive: [f64; 2],
    /// Width of Wilson's interval divided by that of the naive one.
    pub naive_too_narrow: Option<f64>,
}
