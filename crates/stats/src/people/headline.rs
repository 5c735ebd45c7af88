//! The few numbers that a run is judged by, to be set beside each other.

use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;
use crate::verification::OPERATING_FMR;
use crate::verification::bootstrap::Of;
use crate::verification::rates::Rates;
use crate::verification::thresholds;

/// Headline metrics of one set of pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Headline {
    /// Compared same-identity pairs.
    pub genuine_pairs: u64,
    /// Compared different-identity pairs.
    pub impostor_pairs: u64,
    /// Equal error rate.
    pub eer: Estimate,
    /// True accept rate at [`OPERATING_FMR`]; `None` when the pairs cannot resolve it.
    pub tar: Option<Estimate>,
    /// Mean same-identity cosine.
    pub genuine_mean: Estimate,
    /// Separation.
    pub d_prime: Estimate,
}

impl Headline {
    /// The numbers with their intervals.
    #[must_use]
    pub fn of(rates: Rates<'_>) -> Self {
        let (estimator, (genuine_pairs, impostor_pairs)) = (rates.estimator, rates.pairs());
        let (points, _) = thresholds::operating_points(rates);
        Self {
            genuine_pairs,
            impostor_pairs,
            eer: rates.eer().0,
            tar: points.into_iter().find(|point| point.target_fmr == OPERATING_FMR).and_then(|point| point.tar),
            genuine_mean: estimator.estimate(Of::Genuine, genuine_pairs, |sample| sample.genuine.moments.mean()),
            d_prime: thresholds::d_prime(estimator),
        }
    }
}
