//! Separation, equal error rate and operating points, with intervals and bounds.

use super::Curve;
use super::bootstrap::{Estimator, Sample};
use super::interval::{no_error, no_miss};
use super::roc::allowed;
use super::tally::{BINS, edge};
use crate::estimate::Estimate;
use crate::metrics::OperatingPoint;

/// False match rates that thresholds are chosen for.
pub const TARGETS: [f64; 6] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/// Number of same-identity and of different-identity pairs.
fn pairs(estimator: &Estimator) -> (u64, u64) {
    (estimator.observed.genuine.survival.total(), estimator.observed.impostor.survival.total())
}

/// d′. Undefined when neither distribution has any spread: 0 from 0 pairs, and the method says so.
#[must_use]
pub fn d_prime(estimator: &Estimator) -> Estimate {
    let (genuine, impostor) = pairs(estimator);
    if estimator.observed.d_prime().is_none() {
        let method = "undefined: neither distribution has any spread".into();
        return Estimate { point: 0.0, lower: None, upper: None, method, ..no_interval(0, estimator.level) };
    }
    estimator.estimate(genuine + impostor, |sample| sample.d_prime().unwrap_or(f64::NAN))
}

fn no_interval(n: u64, level: f64) -> Estimate {
    Estimate { bound: false, ..no_error(n, level) }
}

/// Area under the ROC curve.
#[must_use]
pub fn auc(estimator: &Estimator) -> Estimate {
    let (genuine, impostor) = pairs(estimator);
    estimator.estimate(genuine + impostor, |sample| sample.roc().auc())
}

/// Equal error rate and its threshold. Without any error, a bound by the smaller number of pairs.
#[must_use]
pub fn eer(estimator: &Estimator) -> (Estimate, f64) {
    let (genuine, impostor) = pairs(estimator);
    let (rate, threshold) = estimator.observed.roc().eer();
    if rate == 0.0 {
        return (no_error(genuine.min(impostor), estimator.level), threshold);
    }
    (estimator.estimate(genuine.min(impostor), |sample| sample.roc().eer().0), threshold)
}

/// The rates at each of [`TARGETS`]. Both intervals are those of the rates at this threshold, held fixed.
#[must_use]
pub fn operating_points(estimator: &Estimator) -> Vec<OperatingPoint> {
    let (genuine, impostor) = pairs(estimator);
    let roc = estimator.observed.roc();
    let point = |target_fmr: f64| {
        let matches = allowed(target_fmr, impostor);
        if matches == 0 {
            return OperatingPoint { target_fmr, threshold: None, fmr: None, tar: None };
        }
        let bin = roc.impostor.lowest_edge(matches);
        let threshold = edge(bin, BINS);
        let fmr = match roc.impostor.reach(bin) {
            0 => no_error(impostor, estimator.level),
            _ => estimator.estimate(impostor, |sample| sample.impostor.survival.rate_at(threshold)),
        };
        let tar = match roc.genuine.reach(bin) {
            reached if reached == genuine => no_miss(genuine, estimator.level),
            _ => estimator.estimate(genuine, |sample| sample.genuine.survival.rate_at(threshold)),
        };
        OperatingPoint { target_fmr, threshold: Some(threshold), fmr: Some(fmr), tar: Some(tar) }
    };
    TARGETS.map(point).into()
}

/// The thinned curve with a band for the FNMR at each threshold; where no interval could be made, the band has no
/// width.
#[must_use]
pub fn curve(estimator: &Estimator) -> Curve {
    let roc = estimator.observed.roc();
    let mut curve = Curve::default();
    for bin in roc.curve_edges() {
        let threshold = edge(bin, BINS);
        let fnmr = roc.fnmr(bin);
        let missed = |sample: &Sample| 1.0 - sample.genuine.survival.rate_at(threshold);
        let (lower, upper) = estimator.interval(&missed).unwrap_or((fnmr, fnmr));
        curve.threshold.push(threshold);
        curve.fmr.push(roc.fmr(bin));
        curve.fnmr.push(fnmr);
        curve.fnmr_lower.push(lower.min(fnmr));
        curve.fnmr_upper.push(upper.max(fnmr));
    }
    curve
}
