//! Curves, error rates and thresholds from histograms of cosines, with intervals.

pub mod bootstrap;
pub mod carriers;
pub mod cells;
pub(crate) mod clustered;
pub(crate) mod counts;
pub(crate) mod distribution;
pub mod interval;
mod labelled;
pub mod paired;
pub(crate) mod plug_in;
pub mod random;
pub mod rates;
mod replicates;
mod results;
pub mod roc;
mod scored;
pub mod simulation;
pub mod sorted;
pub mod thresholds;

pub use facevault_kernels::tally;
pub use labelled::{LabelledScores, LabelledScoresError, RatesAt};
pub use results::{
    Distribution, ErrorRate, Intervals, OPERATING_FMR, OperatingPoint, Quantile, RateIntervals, ThresholdRates,
};
pub use scored::{ScoredPair, ScoredPairs, ScoredPairsError};

#[cfg(test)]
mod tests;

/// ROC and DET curve: error rates by threshold, from the strictest to the laxest, so that FMR never decreases and FNMR
/// never increases. Thinned for plotting; the rates at each kept point are exact.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    /// A pair matches when its cosine is ≥ this.
    pub threshold: Vec<f64>,
    /// False match rate: share of impostor pairs that match.
    pub fmr: Vec<f64>,
    /// False non-match rate: share of genuine pairs that do not.
    pub fnmr: Vec<f64>,
    /// Interval of the FNMR at each point.
    pub fnmr_lower: Vec<f64>,
    /// Interval of the FNMR at each point.
    pub fnmr_upper: Vec<f64>,
}
