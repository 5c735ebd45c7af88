//! Compares measured values with published ones, with the known reasons for differences.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::Published;
use crate::estimate::Estimate;
use crate::metrics::Metrics;

/// A published value and the measured one.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct PublishedResult {
    /// The metric, as configs name it.
    pub metric: String,
    /// The published value, in the metric's unit.
    pub published: f64,
    /// What was published behind its ±.
    pub plus_minus: Option<f64>,
    /// Where it was published.
    pub source: String,
    /// Known differences between its protocol and this run's.
    pub differs: Vec<String>,
    /// The measured value; `None` if the run has no such number.
    pub here: Option<Estimate>,
    /// The measured standard deviation over folds, if that is what the published ± means.
    pub over_folds: Option<f64>,
    /// Where the published value lies relative to the measured interval: inside it (`agrees`), below it (`above`: this run measures more), above it (`below`).
    pub standing: PublishedAgreement,
}

/// Agreement of a measured value with a published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PublishedAgreement {
    Agrees,
    Above,
    Below,
    NoInterval,
    NotMeasured,
}

impl PublishedAgreement {
    fn of(here: Option<&Estimate>, published: f64) -> Self {
        match here {
            None => Self::NotMeasured,
            Some(Estimate { lower: Some(lower), upper: Some(upper), .. }) => {
                if published < *lower {
                    Self::Above
                } else if published > *upper {
                    Self::Below
                } else {
                    Self::Agrees
                }
            }
            Some(_) => Self::NoInterval,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Above => "above",
            Self::Below => "below",
            Self::NoInterval => "no interval",
            Self::NotMeasured => "not measured",
        }
    }
}

/// Config sections that published values depend on.
const COMPARED_SECTIONS: [&str; 6] = ["dataset", "detect", "preprocess", "model", "weights", "protocols"];

/// The sections that overrides, `key=value` as on the command line, change.
pub(crate) fn overridden(overrides: &[String]) -> Vec<&'static str> {
    let changed: BTreeSet<&str> = overrides.iter().filter_map(|set| set.split(['.', '=']).next()).collect();
    COMPARED_SECTIONS.into_iter().filter(|part| changed.contains(part)).collect()
}

/// Compares a run's metrics with published values, in the order of the config. `overrides`, `key=value` as on the
/// command line, may make it a different experiment than the published one, which is listed as a difference.
pub(crate) fn compare(metrics: &Metrics, published: &[Published], overrides: &[String]) -> Vec<PublishedResult> {
    let overridden: Vec<String> =
        overridden(overrides).into_iter().map(|part| format!("`{part}` was overridden")).collect();
    let one = |Published { metric, value, plus_minus, source, differs }: &Published| {
        let here = metrics.estimate(metric);
        let over_folds = metric.rsplit_once('.').and_then(|(name, quantity)| {
            metrics.protocols.iter().find(|found| found.protocol.name == name)?.over_folds(quantity)
        });
        PublishedResult {
            metric: metric.clone(),
            published: *value,
            plus_minus: *plus_minus,
            source: source.clone(),
            differs: differs.iter().chain(&overridden).cloned().collect(),
            standing: PublishedAgreement::of(here, *value),
            here: here.cloned(),
            over_folds,
        }
    };
    published.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_decides() {
        let here = |lower, upper| Estimate { point: 0.5, lower, upper, ..Estimate::default() };
        let standing = |published| PublishedAgreement::of(Some(&here(Some(0.4), Some(0.6))), published);
        assert_eq!(
            [0.39, 0.4, 0.6, 0.61].map(standing),
            [
                PublishedAgreement::Above,
                PublishedAgreement::Agrees,
                PublishedAgreement::Agrees,
                PublishedAgreement::Below
            ]
        );
        assert_eq!(PublishedAgreement::of(Some(&here(None, None)), 0.5), PublishedAgreement::NoInterval);
        assert_eq!(PublishedAgreement::of(None, 0.5), PublishedAgreement::NotMeasured);
    }

    #[test]
    fn what_was_overridden_differs() {
        let metrics = crate::report::sample::report().evaluation.metrics;
        let published = Published {
            metric: "eer".into(),
            value: 0.5,
            plus_minus: None,
            source: "somebody".into(),
            differs: vec!["no detector".into()],
        };
        let sets =
            ["embed.threads=2", "dataset={source: folders}", "dataset.pairs=x", "model.width=0.5"].map(String::from);
        let rows = compare(&metrics, &[published], &sets);
        assert_eq!(rows[0].differs, ["no detector", "`dataset` was overridden", "`model` was overridden"]);
    }
}
