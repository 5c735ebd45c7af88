//! The metrics that runs are compared by: their names and which direction is better.

use serde::{Serialize, Serializer};

use super::CompareError;
use crate::estimate::Estimate;
pub use crate::metrics::MetricDirection;
use crate::metrics::{self, Metrics};
use crate::numbers::Quantity;
use crate::similarity::PairKind;
use crate::spelling;
use crate::verification::OperatingPoint;
use crate::verification::bootstrap::ScoreSample;
use crate::verification::cells::Of;
use crate::verification::paired::Replicated;
use crate::verification::rates::RateEstimator;
use crate::verification::thresholds::{self, TARGETS};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HeadlineMetric {
    Eer,
    /// True accept rate at a false match rate, at each run's own threshold.
    Tar(f64),
    Auc,
    DPrime,
    Mean(PairKind),
    Std(PairKind),
}

impl HeadlineMetric {
    /// All of them, in display order.
    pub fn all() -> Vec<Self> {
        use HeadlineMetric::{Auc, DPrime, Eer, Mean, Std, Tar};
        use PairKind::{Genuine, Impostor};
        let mut all = vec![Eer];
        all.extend(TARGETS.map(Tar));
        all.extend([Auc, DPrime, Mean(Genuine), Std(Genuine), Mean(Impostor), Std(Impostor)]);
        all
    }

    /// As in `expect:` of a config: `eer`, `tar@fmr=1e-3`, `genuine.mean`.
    pub fn key(self) -> String {
        match self {
            Self::Eer => "eer".into(),
            Self::Tar(target) => format!("tar@fmr={target:e}"),
            Self::Auc => "auc".into(),
            Self::DPrime => "d_prime".into(),
            Self::Mean(kind) => format!("{}.mean", word(kind)),
            Self::Std(kind) => format!("{}.std", word(kind)),
        }
    }

    /// Its row in the table of all metrics.
    fn metric(self) -> Option<&'static metrics::Metric> {
        metrics::find(&self.key())
    }

    pub fn name(self) -> String {
        self.metric().map_or_else(|| self.key(), |metric| metric.name.into())
    }

    pub fn quantity(self) -> Quantity {
        Quantity::of_metric(&self.key())
    }

    pub fn better(self) -> MetricDirection {
        self.metric().map_or(MetricDirection::Neither, |metric| metric.better)
    }

    /// Parses a key; the false match rate may be spelled in any way (`tar@fmr=0.001`). Fails with
    /// [`CompareError::UnknownMetric`] with the nearest key. `also` are other accepted names.
    pub fn parse(text: &str, also: &[&str]) -> Result<Self, CompareError> {
        let rate = text.strip_prefix("tar@fmr=").and_then(|rate| rate.parse::<f64>().ok());
        let all = Self::all();
        let found = all.iter().find(|metric| match (metric, rate) {
            (Self::Tar(target), Some(rate)) => (rate / target - 1.0).abs() < 1e-9,
            _ => metric.key() == text,
        });
        found.copied().ok_or_else(|| {
            let names: Vec<String> = all.iter().map(|one| one.key()).chain(also.iter().map(|&a| a.into())).collect();
            let near = spelling::nearest(text, names.iter().map(String::as_str)).map(str::to_owned);
            CompareError::UnknownMetric { name: text.into(), near, all: names.join(", ") }
        })
    }

    /// The statistic on one sample. TAR finds its threshold in the sample itself, so that replicates include the
    /// uncertainty of the threshold.
    fn of(self, sample: &ScoreSample) -> f64 {
        let scores = |kind| match kind {
            PairKind::Genuine => &sample.genuine,
            PairKind::Impostor => &sample.impostor,
        };
        match self {
            Self::Eer => sample.roc().eer().0,
            Self::Tar(target) => sample.genuine.survival.rate_at(sample.impostor.survival.quantile(1.0 - target)),
            Self::Auc => sample.roc().auc(),
            Self::DPrime => sample.d_prime().unwrap_or(f64::NAN),
            Self::Mean(kind) => scores(kind).moments.mean(),
            Self::Std(kind) => scores(kind).moments.std(),
        }
    }

    /// The kinds of pairs it is computed from.
    fn pairs(self) -> Of {
        match self {
            Self::Mean(PairKind::Genuine) | Self::Std(PairKind::Genuine) => Of::Genuine,
            Self::Mean(PairKind::Impostor) | Self::Std(PairKind::Impostor) => Of::Impostor,
            Self::Eer | Self::Tar(_) | Self::Auc | Self::DPrime => Of::Both,
        }
    }

    /// The metric as a run stored it.
    pub fn stored(self, metrics: &Metrics) -> Option<&Estimate> {
        metrics.estimate(&self.key())
    }

    /// All metrics of one run, in the order of [`HeadlineMetric::all`], as in `metrics.json` and with their replicates.
    /// `None` if the pairs cannot resolve a metric.
    pub fn measure(rates: RateEstimator<'_>) -> Vec<Option<Replicated>> {
        let estimator = rates.estimator;
        let (points, _) = thresholds::operating_points(rates);
        let pairs = |kind| match kind {
            PairKind::Genuine => estimator.observed.genuine.moments.count(),
            PairKind::Impostor => estimator.observed.impostor.moments.count(),
        };
        let measured = |metric: Self| {
            let estimate = match metric {
                Self::Eer => rates.eer().0,
                Self::Tar(target) => OperatingPoint::find(&points, target)?.tar.clone()?,
                Self::Auc => thresholds::auc(rates),
                Self::DPrime => Some(thresholds::d_prime(estimator)).filter(|estimate| estimate.n > 0)?,
                Self::Mean(kind) | Self::Std(kind) => {
                    estimator.estimate(metric.pairs(), pairs(kind), |sample| metric.of(sample))
                }
            };
            Some(Replicated { estimate, values: estimator.values(metric.pairs(), &|sample| metric.of(sample)) })
        };
        Self::all().into_iter().map(measured).collect()
    }
}

fn word(kind: PairKind) -> &'static str {
    match kind {
        PairKind::Genuine => "genuine",
        PairKind::Impostor => "impostor",
    }
}

impl Serialize for HeadlineMetric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{HEADLINES, PATHS};

    #[test]
    fn keys_are_those_of_expectations_and_parse_back() {
        assert!(HeadlineMetric::all().iter().map(|metric| metric.key()).eq(HEADLINES.iter().copied()));
        for metric in HeadlineMetric::all() {
            assert!(PATHS.contains(&metric.key().as_str()), "{}", metric.key());
            assert_eq!(HeadlineMetric::parse(&metric.key(), &[]), Ok(metric));
        }
        assert_eq!(HeadlineMetric::parse("tar@fmr=0.001", &[]), Ok(HeadlineMetric::Tar(1e-3)));
    }

    #[test]
    fn an_unknown_name_gets_the_nearest_one() {
        insta::assert_snapshot!(HeadlineMetric::parse("err", &[]).unwrap_err(), @"unknown metric `err`; runs are compared by eer, tar@fmr=1e-1, tar@fmr=1e-2, tar@fmr=1e-3, tar@fmr=1e-4, tar@fmr=1e-5, tar@fmr=1e-6, auc, d_prime, genuine.mean, genuine.std, impostor.mean, impostor.std");
        insta::assert_snapshot!(HeadlineMetric::parse("sped", &["speed"]).unwrap_err(), @"unknown metric `sped` (did you mean `speed`?); runs are compared by eer, tar@fmr=1e-1, tar@fmr=1e-2, tar@fmr=1e-3, tar@fmr=1e-4, tar@fmr=1e-5, tar@fmr=1e-6, auc, d_prime, genuine.mean, genuine.std, impostor.mean, impostor.std, speed");
        insta::assert_snapshot!(HeadlineMetric::parse("tar@fmr=2e-3", &[]).unwrap_err(), @"unknown metric `tar@fmr=2e-3` (did you mean `tar@fmr=1e-3`?); runs are compared by eer, tar@fmr=1e-1, tar@fmr=1e-2, tar@fmr=1e-3, tar@fmr=1e-4, tar@fmr=1e-5, tar@fmr=1e-6, auc, d_prime, genuine.mean, genuine.std, impostor.mean, impostor.std");
    }
}
