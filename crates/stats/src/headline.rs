//! The headline of a run: the same rates at the same false match rate wherever a run is summed up, whatever its size.

use schemars::JsonSchema;
use serde::Serialize;

use crate::estimate::Estimate;
use crate::metrics::{self, Metrics};
use crate::verification::OPERATING_FMR;

/// One rate of a run's headline.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HeadlineRate {
    /// Its path as in `expect:`, e.g. `tar@fmr=1e-3`.
    pub metric: String,
    /// In words.
    pub name: String,
    /// The rate. Where the pairs cannot resolve it a bound, whose method says why.
    #[serde(flatten)]
    pub estimate: Estimate,
}

/// Equal error rate, true accept rate at [`OPERATING_FMR`], and the accuracy of the first protocol if there is one.
#[must_use]
pub fn headline(metrics: &Metrics) -> Vec<HeadlineRate> {
    let tar_path = format!("tar@fmr={OPERATING_FMR:e}");
    let tar = metrics.estimate(&tar_path).cloned().unwrap_or_else(|| at_most(&metrics.fmr1000));
    let row = |metric: String, estimate: Estimate| {
        let name = metrics::find(&metric).map_or_else(|| metric.replace('.', " "), |metric| metric.name.into());
        HeadlineRate { metric, name, estimate }
    };
    let accuracy = metrics.protocols.first().map(|found| {
        let metric = format!("{}.accuracy", found.protocol.name);
        row(metric, found.accuracy.clone())
    });
    [row("eer".into(), metrics.eer.clone()), row(tar_path, tar)].into_iter().chain(accuracy).collect()
}

/// The true accept rate that a false non-match rate known from below allows.
fn at_most(fnmr: &Estimate) -> Estimate {
    Estimate { point: 1.0 - fnmr.point, lower: None, upper: fnmr.lower.map(|lower| 1.0 - lower), ..fnmr.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::OperatingPoint;

    fn rate(point: f64) -> Estimate {
        Estimate { point, ..Estimate::default() }
    }

    #[test]
    fn every_run_is_headed_by_the_same_rates() {
        let point = |target_fmr, tar| OperatingPoint { target_fmr, threshold: None, fmr: None, tar };
        let mut metrics = Metrics {
            eer: rate(0.01),
            operating_points: vec![point(1e-2, Some(rate(0.99))), point(1e-3, Some(rate(0.98)))],
            ..Metrics::default()
        };
        let found = headline(&metrics);
        assert_eq!(
            found.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
            ["equal error rate", "TAR at FMR 1e-3"]
        );
        assert_eq!(found.iter().map(|row| row.estimate.point).collect::<Vec<_>>(), [0.01, 0.98]);
        // A smaller run keeps the rate and has a bound, not another rate.
        metrics.operating_points[1].tar = None;
        metrics.fmr1000 = Estimate { lower: Some(0.125), bound: true, method: "not resolved".into(), ..rate(0.25) };
        let tar = &headline(&metrics)[1];
        assert_eq!((tar.metric.as_str(), tar.estimate.point), ("tar@fmr=1e-3", 0.75));
        assert_eq!((tar.estimate.lower, tar.estimate.upper, tar.estimate.bound), (None, Some(0.875), true));
        assert_eq!(tar.estimate.method, "not resolved");
    }
}
