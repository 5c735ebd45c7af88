//! Rates of template protocols that all runs ran on the same templates. TARs are compared pair by pair; the other rates stand
//! side by side, each with an interval of its own.

use schemars::JsonSchema;
use serde::Serialize;

use super::decided::{DecidedRate, DecidedRun};
use super::effect::Effect;
use crate::digest::Digest;
use crate::estimate::{Estimate, Unit};
use crate::evaluate::Evaluation;
use crate::protocol::uncertainty::{Decided, Decision};
use crate::templates::{GenuineScore, TemplateCounts, TemplatesResult};

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
    /// Each run against the first, over the genuine pairs that both scored, with each run's threshold held fixed; `None` for
    /// the first itself, for rates other than TARs, and if the runs' lists of templates differ.
    #[schemars(with = "Vec<Option<Effect>>")]
    #[serde(skip_serializing_if = "none_of_them")]
    pub effects: Vec<Option<Effect>>,
}

fn none_of_them(effects: &[Option<Effect>]) -> bool {
    effects.iter().all(Option::is_none)
}

/// The genuine scores of a run's template protocols.
#[derive(Debug, Clone, Default)]
pub struct TemplateScores {
    /// Digest of the templates and of the pairs that are listed.
    pub set: Option<Digest>,
    /// By protocol.
    pub genuine: Vec<(String, Vec<GenuineScore>)>,
}

impl TemplateRates {
    /// The rates of the first run's protocols that all others have of as many faces, templates and pairs.
    pub fn all(runs: &[&Evaluation], scores: &[TemplateScores]) -> Vec<Self> {
        let names = runs.iter().take(1).flat_map(|first| &first.metrics.templates);
        let mut rates = Vec::new();
        for name in names.map(|found| &found.protocol.name) {
            let Some(results) = results(name, runs) else { continue };
            rates.extend(QUANTITIES.into_iter().filter_map(|quantity| {
                let values = results.iter().map(|result| result.estimate(quantity).cloned());
                let decided = template_rate(name, quantity, runs, scores);
                Some(Self {
                    metric: format!("{name}.{quantity}"),
                    values: values.collect::<Option<_>>()?,
                    effects: decided.map_or_else(|| vec![None; runs.len()], |decided| decided.effects()),
                })
            }));
        }
        rates
    }
}

/// What the runs have of a protocol, if it is of as many faces, templates and pairs in all of them.
fn results<'a>(protocol: &str, runs: &[&'a Evaluation]) -> Option<Vec<&'a TemplatesResult>> {
    let of = |run: &&'a Evaluation| run.metrics.templates.iter().find(|found| found.protocol.name == protocol);
    let results: Vec<_> = runs.iter().map(of).collect::<Option<_>>()?;
    let size = |TemplateCounts { faces, templates, listed, .. }: TemplateCounts| (faces, templates, listed);
    let first = size(results.first()?.counts);
    results.iter().all(|result| size(result.counts) == first).then_some(results)
}

/// A TAR of a template protocol that all runs ran on the same templates, pair by pair.
pub fn template_rate(
    protocol: &str,
    quantity: &str,
    runs: &[&Evaluation],
    scores: &[TemplateScores],
) -> Option<DecidedRate> {
    let fmr: f64 = quantity.strip_prefix("tar@fmr=")?.parse().ok()?;
    let set = scores.first()?.set?;
    if scores.iter().any(|scores| scores.set != Some(set)) {
        return None;
    }
    let one = |(result, scores): (&TemplatesResult, &TemplateScores)| {
        let point = result.operating_points.iter().find(|point| (point.target_fmr / fmr - 1.0).abs() < 1e-9)?;
        let threshold = point.threshold?;
        let (_, genuine) = scores.genuine.iter().find(|(name, _)| name == protocol)?;
        let decision = |&GenuineScore { pair, subject, score }: &GenuineScore| Decision {
            key: pair,
            people: (subject, subject),
            right: score >= threshold,
        };
        Some(DecidedRun {
            value: point.tar.clone()?,
            decided: Decided::at_fixed_threshold(genuine.iter().map(decision).collect()),
            scores: genuine.iter().map(|found| found.score.to_bits()).chain([threshold.to_bits()]).collect(),
        })
    };
    Some(DecidedRate {
        metric: format!("{protocol}.{quantity}"),
        trials: (Unit::Pairs, "genuine pairs"),
        runs: results(protocol, runs)?.into_iter().zip(scores).map(one).collect::<Option<_>>()?,
    })
}
