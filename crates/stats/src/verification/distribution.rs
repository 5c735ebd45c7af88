//! Mean, spread, extremes and quantiles of cosines, with intervals.

use super::bootstrap::Estimator;
use super::cells::Of;
use super::tally::Tally;
use crate::verification::{Distribution, Quantile};

/// Levels of the quantiles.
pub const LEVELS: [f64; 9] = [0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999];

/// Describes a tally, which is that of one kind of the estimator's pairs. Moments and extremes are exact; quantiles are
/// right to one of the tally's bins.
#[must_use]
pub fn distribution(estimator: &Estimator, tally: &Tally, of: Of) -> Distribution {
    let n = tally.moments.count();
    let (min, max) = (f64::from(tally.min), f64::from(tally.max));
    let quantile = |level: f64| Quantile {
        level,
        value: estimator.estimate(of, n, |sample| sample.of(of).survival.quantile(level).clamp(min, max)),
    };
    Distribution {
        mean: estimator.estimate(of, n, |sample| sample.of(of).moments.mean()),
        std: estimator.estimate(of, n, |sample| sample.of(of).moments.std()),
        mean_abs: estimator.estimate(of, n, |sample| sample.of(of).moments.mean_abs()),
        min,
        max,
        quantiles: LEVELS.map(quantile).into(),
    }
}
