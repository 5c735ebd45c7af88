//! Separation, equal error rate and operating points, with intervals and bounds.

use super::Curve;
use super::bootstrap::Estimator;
use super::cells::Of;
use super::rates::{Rate, RateEstimator};
use super::roc::{Survival, allowed};
use super::tally::{BINS, edge};
use crate::estimate::{Estimate, Unit};
use crate::verification::{ErrorRate, OPERATING_FMR, OperatingPoint, RateIntervals, ThresholdRates};

/// False match rates with an operating point in every run; with enough pairs, further powers of ten follow.
pub const TARGETS: [f64; 6] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/// Thresholds whose rates are tabled.
pub const LADDER: [f64; 14] = [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.62, 0.65, 0.7, 0.75, 0.8];

/// Number of genuine and of impostor pairs together.
fn pairs(estimator: &Estimator) -> u64 {
    estimator.observed.genuine.survival.total() + estimator.observed.impostor.survival.total()
}

/// d′. Undefined when neither distribution has any spread: 0 from 0 pairs, and the method says so.
#[must_use]
pub fn d_prime(estimator: &Estimator) -> Estimate {
    if estimator.observed.d_prime().is_none() {
        let method = "undefined: neither distribution has any spread".into();
        return Estimate::new(0.0, None, 0, Unit::Pairs, estimator.level, method);
    }
    estimator.estimate(Of::Both, pairs(estimator), |sample| sample.d_prime().unwrap_or(f64::NAN))
}

/// Area under the ROC curve; a bound where the two kinds of pairs do not overlap.
#[must_use]
pub fn auc(rates: RateEstimator<'_>) -> Estimate {
    let n = pairs(rates.estimator);
    let found = rates.estimator.estimate(Of::Both, n, |sample| sample.roc().auc());
    let separated = |above| Estimate { n, bound: false, ..rates.separated(above) };
    match found.point {
        1.0 => separated(true),
        0.0 => separated(false),
        _ => found,
    }
}

/// [`TARGETS`], and powers of ten below them as far as `impostor` pairs resolve them.
#[must_use]
pub fn targets(impostor: u64) -> Vec<f64> {
    let further = (7..=20).map(|power| 1.0 / 10f64.powi(power)).take_while(|target| allowed(*target, impostor) > 0);
    TARGETS.into_iter().chain(further).collect()
}

/// The false match rate of the operating threshold: [`OPERATING_FMR`], or the nearest of [`TARGETS`] above it that this
/// number of pairs resolves; `None` if it resolves none.
#[must_use]
pub fn operating_rate(impostor: u64) -> Option<f64> {
    let resolved = |target: &f64| *target >= OPERATING_FMR && allowed(*target, impostor) > 0;
    TARGETS.into_iter().rfind(resolved)
}

/// The operating threshold, as a bin edge: that of [`operating_points`] at [`operating_rate`].
#[must_use]
pub fn operating_edge(impostor: &Survival) -> Option<usize> {
    let target = operating_rate(impostor.total())?;
    Some(impostor.lowest_edge(allowed(target, impostor.total())))
}

/// The rates at each of [`targets`], and their intervals by three methods. Those of FMR hold the threshold fixed, as in
/// using it on other people; those of TAR account for its choice, which other people would change.
#[must_use]
pub fn operating_points(rates: RateEstimator<'_>) -> (Vec<OperatingPoint>, Vec<RateIntervals>) {
    let (_, impostor) = rates.pairs();
    let mut intervals = Vec::new();
    let mut point = |target_fmr: f64| {
        let matches = allowed(target_fmr, impostor);
        if matches == 0 {
            let fmr = Some(rates.no_match());
            return OperatingPoint { target_fmr, threshold: None, fmr, tar: None };
        }
        let bin = rates.estimator.observed.roc().impostor.lowest_edge(matches);
        let threshold = edge(bin, BINS);
        let mut keep = |rate: ErrorRate, found: Rate| {
            let point = found.estimate.point;
            intervals.push(RateIntervals { rate, target_fmr, threshold, point, intervals: found.intervals });
            Some(found.estimate)
        };
        let fmr = keep(ErrorRate::Fmr, rates.fmr(bin));
        let tar = keep(ErrorRate::Tar, rates.fnmr_at_fmr(bin, target_fmr).complement());
        OperatingPoint { target_fmr, threshold: Some(threshold), fmr, tar }
    };
    let points = targets(impostor).into_iter().map(&mut point).collect();
    (points, intervals)
}

/// TAR at the lowest threshold whose observed FMR does not exceed a rate above 0; `None` where the pairs are too few to
/// see that rate.
#[must_use]
pub(super) fn tar_at(rates: RateEstimator<'_>, fmr: f64) -> Option<Estimate> {
    let matches = allowed(fmr, rates.pairs().1);
    let bin = rates.estimator.observed.roc().impostor.lowest_edge(matches);
    (matches > 0).then(|| rates.fnmr_at_fmr(bin, fmr).complement().estimate)
}

/// FNMR at the lowest threshold whose observed FMR does not exceed a rate. FMR100 is that of 1e-2, FMR1000 of 1e-3,
/// `ZeroFMR` of 0 (FVC; ISO/IEC 19795-1): no rate of other people has its threshold, which ever more pairs push up, so its
/// interval holds that fixed. With too few pairs to see the rate, a bound from below: at the rate itself at least as many
/// are missed as without any false match.
#[must_use]
pub fn fnmr_at(rates: RateEstimator<'_>, fmr: f64) -> Estimate {
    let (_, impostor) = rates.pairs();
    let matches = allowed(fmr, impostor);
    let bin = rates.estimator.observed.roc().impostor.lowest_edge(matches);
    if matches > 0 {
        return rates.fnmr_at_fmr(bin, fmr).estimate;
    }
    let found = rates.fnmr(bin).estimate;
    if fmr == 0.0 {
        return found;
    }
    Estimate {
        lower: found.lower.filter(|lower| *lower > 0.0),
        upper: None,
        n: impostor,
        bound: true,
        method: format!("not resolved: an FMR of {fmr:e} takes {} impostor pairs", (1.0 / fmr).round()),
        ..found
    }
}

/// Rates at each threshold of [`LADDER`], counted at the nearest bin edge.
#[must_use]
pub fn ladder(rates: RateEstimator<'_>) -> Vec<ThresholdRates> {
    let row = |threshold: f64| {
        let bin = ((threshold + 1.0) * (BINS as f64 / 2.0)).round() as usize;
        ThresholdRates { threshold, fmr: rates.fmr(bin).estimate, fnmr: rates.fnmr(bin).estimate }
    };
    LADDER.map(row).into()
}

/// The thinned curve with a band for the FNMR at each threshold, held fixed; without an interval the band is 0 to 1.
#[must_use]
pub fn curve(rates: RateEstimator<'_>) -> Curve {
    let roc = rates.estimator.observed.roc();
    let mut curve = Curve::default();
    for bin in roc.curve_edges() {
        let fnmr = rates.fnmr_band(bin);
        curve.threshold.push(edge(bin, BINS));
        curve.fmr.push(roc.fmr(bin));
        curve.fnmr.push(fnmr.point);
        curve.fnmr_lower.push(fnmr.lower.unwrap_or(0.0));
        curve.fnmr_upper.push(fnmr.upper.unwrap_or(1.0));
    }
    curve
}
