//! From histograms to curves, rates and intervals. Pure: no files, no network, no inference library.

pub mod bootstrap;
pub mod carriers;
pub(crate) mod clustered;
pub mod distribution;
pub mod interval;
pub mod paired;
pub mod plug_in;
pub mod random;
pub mod rates;
mod replicates;
mod results;
pub mod roc;
pub mod simulation;
pub mod thresholds;

pub use facevault_kernels::tally;
pub use results::{
    Distribution, ErrorRate, Intervals, OPERATING_FMR, OperatingPoint, Quantile, RateIntervals, ThresholdRates,
};

#[cfg(test)]
mod tests;

/// ROC and DET in one: error rates by threshold, from the strictest threshold to the laxest (FMR never decreases,
/// FNMR never increases along the vector). Thinned for plotting; rates at each kept point are exact.
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
