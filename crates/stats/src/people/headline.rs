//! Key metrics of a set of pairs, to compare the labels as given with suspects unlabelled.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::verification::cells::Of;
use crate::verification::rates::RateEstimator;
use crate::verification::{OPERATING_FMR, OperatingPoint, thresholds};

/// Key metrics of one set of pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeyMetrics {
    /// Compared genuine pairs.
    pub genuine_pairs: u64,
    /// Compared impostor pairs.
    pub impostor_pairs: u64,
    /// Equal error rate.
    pub eer: Estimate,
    /// True accept rate at a false match rate of 0.001; `None` when the pairs cannot resolve it.
    pub tar: Option<Estimate>,
    /// Mean genuine cosine.
    pub genuine_mean: Estimate,
    /// Separation.
    pub d_prime: Estimate,
}

impl KeyMetrics {
    /// The numbers with their intervals.
    #[must_use]
    pub fn of(rates: RateEstimator<'_>) -> Self {
        let (estimator, (genuine_pairs, impostor_pairs)) = (rates.estimator, rates.pairs());
        let (points, _) = thresholds::operating_points(rates);
        Self {
            genuine_pairs,
            impostor_pairs,
            eer: rates.eer().0,
            tar: OperatingPoint::find(&points, OPERATING_FMR).and_then(|point| point.tar.clone()),
            genuine_mean: estimator.estimate(Of::Genuine, genuine_pairs, |sample| sample.genuine.moments.mean()),
            d_prime: thresholds::d_prime(estimator),
        }
    }
}
