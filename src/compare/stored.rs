//! The metrics stored by each run, side by side, each on its own faces and pairs.

use schemars::JsonSchema;
use serde::Serialize;

use super::headline::HeadlineMetric;
use super::{RunSummary, templates};
use crate::estimate::Estimate;
use crate::metrics::Metrics;
use crate::numbers::Quantity;

/// One metric in all runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MetricRow {
    /// The metric, in words.
    pub name: String,
    /// Its value in each run.
    pub values: Vec<MetricValue>,
    #[serde(skip)]
    pub quantity: Option<Quantity>,
}

/// One metric in one run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MetricValue {
    /// With its interval, if the metric is an estimate and the run has it.
    pub estimate: Option<Estimate>,
    /// Without interval, if it is a count.
    pub count: Option<u64>,
    /// Minus the first run's; `None` for the first run, for bounds and if either is missing.
    pub difference: Option<f64>,
    /// Whether its interval and the first run's are disjoint. Overlapping intervals do not show that runs are equal.
    pub apart: Option<bool>,
}

pub(super) fn metric_rows(runs: &[RunSummary]) -> Vec<MetricRow> {
    let estimates = |name: String, quantity: Quantity, of: &dyn Fn(&Metrics) -> Option<Estimate>| {
        let found: Vec<_> = runs.iter().map(|run| of(&run.evaluation.metrics)).collect();
        let first = found[0].clone();
        if found.iter().all(Option::is_none) {
            return None;
        }
        let values = found.into_iter().enumerate().map(|(i, estimate)| {
            let pair = first.as_ref().filter(|_| i > 0).zip(estimate.as_ref()).filter(|(a, b)| !a.bound && !b.bound);
            let difference = pair.map(|(a, b)| b.point - a.point).filter(|difference| difference.is_finite());
            let apart = pair.and_then(|(a, b)| Some(a.lower? > b.upper? || b.lower? > a.upper?));
            MetricValue { estimate, count: None, difference, apart }
        });
        Some(MetricRow { name, values: values.collect(), quantity: Some(quantity) })
    };
    let counts = |name: &str, get: &dyn Fn(&Metrics) -> u64| {
        let found: Vec<_> = runs.iter().map(|run| get(&run.evaluation.metrics)).collect();
        let values = found.iter().enumerate().map(|(i, &count)| MetricValue {
            estimate: None,
            count: Some(count),
            difference: (i > 0).then(|| count as f64 - found[0] as f64),
            apart: None,
        });
        MetricRow { name: name.into(), values: values.collect(), quantity: None }
    };
    let headline = |metric: HeadlineMetric| {
        estimates(metric.name(), metric.quantity(), &|metrics| metric.stored(metrics).cloned())
    };
    let mut rows: Vec<_> = HeadlineMetric::all().into_iter().filter_map(headline).collect();
    for protocol in runs[0].evaluation.metrics.templates.iter().map(|found| &found.protocol.name) {
        rows.extend(templates::QUANTITIES.into_iter().filter_map(|quantity| {
            let path = format!("{protocol}.{quantity}");
            estimates(path.clone(), Quantity::Rate, &|metrics| metrics.estimate(&path).cloned())
        }));
    }
    rows.extend([
        counts("faces embedded", &|m| m.faces.embedded),
        counts("faces failed", &|m| m.faces.failed),
        counts("identities", &|m| m.faces.identities),
        counts("genuine pairs", &|m| m.pairs.genuine),
        counts("impostor pairs", &|m| m.pairs.impostor),
    ]);
    rows
}

impl MetricRow {
    /// Point and interval of one run; a dash if the run has no such number.
    pub fn value(&self, run: usize) -> String {
        let Some(value) = self.values.get(run) else { return String::new() };
        match (&value.estimate, value.count, self.quantity) {
            (Some(estimate), _, Some(quantity)) => quantity.sentence(estimate),
            (_, Some(count), _) => count.to_string(),
            _ => "–".into(),
        }
    }

    /// Difference from the first run, in percentage points for rates; `=` for the same value, empty if unknown.
    pub fn difference(&self, run: usize) -> String {
        let difference = self.values.get(run).and_then(|value| value.difference);
        difference.map_or_else(String::new, |difference| match self.quantity {
            Some(quantity) => quantity.difference(difference),
            None if difference == 0.0 => "=".into(),
            None => format!("{difference:+}").replace('-', "−"),
        })
    }
}
