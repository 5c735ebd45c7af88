//! Rates of template protocols that all runs ran on the same templates, side by side. They are not compared pair by pair:
//! each run's interval stands for itself.

use schemars::JsonSchema;
use serde::Serialize;

use super::RunSummary;
use super::effect::Effect;
use crate::estimate::Estimate;
use crate::templates::{TemplateCounts, TemplatesResult};

/// What runs are compared by of each template protocol.
pub(super) const QUANTITIES: [&str; 6] =
    ["eer", "tar@fmr=1e-3", "tar@fmr=1e-4", "tar@fmr=1e-5", "rank1", "tpir@fpir=1e-2"];

/// A rate of a template protocol in all runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TemplateRates {
    /// As configs name it.
    pub metric: String,
    /// Value in each run, with its own interval.
    pub values: Vec<Estimate>,
    /// None: there is no paired interval.
    #[serde(skip)]
    pub effects: Vec<Option<Effect>>,
}

impl TemplateRates {
    /// The rates of the first run's protocols that all others have of as many faces, templates and pairs.
    pub fn all(runs: &[&RunSummary]) -> Vec<Self> {
        let of = |run: &RunSummary, name: &str| -> Option<TemplatesResult> {
            run.evaluation.metrics.templates.iter().find(|found| found.protocol.name == name).cloned()
        };
        let names = runs.iter().take(1).flat_map(|first| &first.evaluation.metrics.templates);
        let mut rates = Vec::new();
        for name in names.map(|found| &found.protocol.name) {
            let Some(results) = runs.iter().map(|run| of(run, name)).collect::<Option<Vec<_>>>() else { continue };
            let size = |TemplateCounts { faces, templates, listed, .. }: TemplateCounts| (faces, templates, listed);
            if results.iter().any(|result| size(result.counts) != size(results[0].counts)) {
                continue;
            }
            rates.extend(QUANTITIES.into_iter().filter_map(|quantity| {
                let values = results.iter().map(|result| result.estimate(quantity).cloned());
                Some(Self {
                    metric: format!("{name}.{quantity}"),
                    values: values.collect::<Option<_>>()?,
                    effects: vec![None; runs.len()],
                })
            }));
        }
        rates
    }
}
