//! Compares upstream's sampling with what upstream published: same identity, mean 0.70–0.80, range about −0.50 → 0.96;
//! different identity, mean about 0.01, range about −0.49 → 0.56.

use crate::metrics::{PublishedRow, UpstreamResult};
use crate::similarity::ComparedPairs;
use crate::verification::bootstrap::Estimator;
use crate::verification::cells::Of;
use crate::verification::distribution::distribution;

/// Tolerance of "about" for a mean.
const MEAN_TOLERANCE: f64 = 0.02;
/// Tolerance of "about" for a smallest or largest cosine: extremes of a sample vary more than its mean.
const EXTREME_TOLERANCE: f64 = 0.05;

/// Describes upstream's sample and judges it row by row.
pub(super) fn compare(found: &ComparedPairs, estimator: &Estimator) -> UpstreamResult {
    let genuine = distribution(estimator, &found.genuine, Of::Genuine);
    let impostor = distribution(estimator, &found.impostor, Of::Impostor);
    let row = |quantity: &str, measured: f64, lower: f64, upper: f64| PublishedRow {
        quantity: quantity.into(),
        measured,
        lower,
        upper,
        inside: (lower..=upper).contains(&measured),
    };
    let about = |quantity: &str, measured: f64, value: f64, tolerance: f64| {
        // Rounded, so that 0.01 − 0.02 reads −0.01.
        let rounded = |bound: f64| (bound * 1e6).round() / 1e6;
        row(quantity, measured, rounded(value - tolerance), rounded(value + tolerance))
    };
    let rows = vec![
        row("same identity, mean", genuine.mean.point, 0.70, 0.80),
        about("same identity, min", genuine.min, -0.50, EXTREME_TOLERANCE),
        about("same identity, max", genuine.max, 0.96, EXTREME_TOLERANCE),
        about("different identity, mean", impostor.mean.point, 0.01, MEAN_TOLERANCE),
        about("different identity, min", impostor.min, -0.49, EXTREME_TOLERANCE),
        about("different identity, max", impostor.max, 0.56, EXTREME_TOLERANCE),
    ];
    UpstreamResult { genuine, impostor, rows }
}
