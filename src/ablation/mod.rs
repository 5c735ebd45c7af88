//! Ablations: a config is computed with and without some of its choices, on the same pairs of the same faces.
//!
//! `design` enumerates the combinations, `numbers` derives values and paired differences from the runs, `front`
//! weighs them against speed, `text` formats them for the terminal. Pure: `run::ablate` makes the runs.

mod design;
mod front;
mod numbers;
mod text;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt::Write as _;

pub(crate) use design::{pairs, variants};
pub(crate) use front::Standing;
pub(crate) use numbers::{Accuracies, Replicates, RunValues};
use schemars::JsonSchema;
use serde::Serialize;

use crate::compare::{Effect, EffectVerdict, MetricDirection, PairedPairs, Speed};
use crate::config::{self, Design};
use crate::digest::Digest;
use crate::estimate::Estimate;
use crate::numbers::Quantity;
use crate::text::counted;

/// Schema of the JSON.
pub(crate) const SCHEMA: u32 = 1;

/// Result of an ablation.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct AblationResult {
    /// Version of the form.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// The config's name.
    pub config: String,
    /// Its description.
    pub description: String,
    /// What the variants are compared by.
    pub metric: Metric,
    /// What each change is relative to.
    pub design: Design,
    /// The faces and pairs behind the numbers; `None` if the runs could not be compared.
    pub shared: Option<Shared>,
    /// Each combination, the config itself first.
    pub variants: Vec<AblationVariant>,
    /// What each step changes, in the config's order.
    pub changes: Vec<Change>,
    /// In the design `steps`: from the first measured variant to the last.
    pub total: Option<Change>,
    /// The command that computes it again.
    pub command: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Metric {
    /// As configs name it.
    pub key: String,
    /// In words.
    pub name: String,
    /// Which way is better.
    pub better: MetricDirection,
    #[serde(skip)]
    pub quantity: Quantity,
}

/// The faces and pairs that all measured variants share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Shared {
    /// Faces.
    pub faces: u64,
    /// Their identities.
    pub identities: u64,
    /// Faces of the first measured variant that another one lacks or that differ there.
    pub left_out: u64,
    /// Their pairs.
    pub pairs: PairedPairs,
}

/// One combination of steps.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct AblationVariant {
    /// The names of its steps, or what the config is without any.
    pub name: String,
    /// Its steps, by their place in the config from 0.
    pub steps: Vec<usize>,
    /// What they set, as `key=value`.
    pub set: Vec<String>,
    /// Its run; `None` if it could not be made.
    pub run: Option<String>,
    /// Why it was not measured.
    pub err: Option<String>,
    /// The metric's value on the shared pairs, with its own interval.
    pub value: Option<Estimate>,
    /// Effect compared with the config itself.
    pub to_config: Option<Effect>,
    /// How fast its faces were embedded.
    pub speed: Option<Speed>,
    /// The run whose embeddings it reused, if any.
    pub adopted_from: Option<String>,
    /// Differences of its plan from the config's own: key, value there, value here.
    pub differences: Vec<[String; 3]>,
    /// Where its embeddings were computed; `None` without a run.
    pub origin: Option<EmbeddingOrigin>,
}

/// Where a variant's embeddings were computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct EmbeddingOrigin {
    /// Version and revision of the program.
    pub program: String,
    /// Processor and the part of it in use, or the GPU.
    pub device: String,
    /// Digest of the file of weights.
    pub weights: Digest,
    /// Its size.
    pub weights_bytes: u64,
    /// Digest over the manifest.
    pub manifest: Digest,
}

/// What one step changes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Change {
    /// The step's name, or the names of all steps that the change covers if variants between were not measured.
    pub step: String,
    /// Pairs of variants (without it, with it) that the change is averaged over.
    pub pairs: Vec<(usize, usize)>,
    /// Pairs of variants in the design.
    pub planned: usize,
    /// The change with its paired interval; `None` if it could not be measured.
    pub effect: Option<Effect>,
}

/// A computed variant, before it is compared with the others.
#[derive(Debug, Clone, Default)]
pub(crate) struct ComputedVariant {
    pub run: Option<String>,
    /// Why it could not be measured, if so.
    pub err: Option<String>,
    pub plan: Vec<(String, String)>,
    pub speed: Option<Speed>,
    pub adopted_from: Option<String>,
    pub origin: Option<EmbeddingOrigin>,
}

impl AblationResult {
    /// Assembles the result. `computed` has an entry for each of [`variants`]; `place` is the index of a measured
    /// variant's run in `numbers`.
    pub fn assemble(
        asked: &config::Ablation,
        metric: Metric,
        computed: Vec<ComputedVariant>,
        numbers: Option<&dyn RunValues>,
        place: &[Option<usize>],
    ) -> Self {
        let combinations = variants(asked.design, asked.steps.len());
        let measured: Vec<bool> = place.iter().map(Option::is_some).collect();
        let change = |pairs: &[(usize, usize)]| {
            let of = |variant: usize| place[variant];
            let pairs: Option<Vec<_>> = pairs.iter().map(|&(a, b)| Some((of(a)?, of(b)?))).collect();
            numbers?.change(&pairs?)
        };
        let own = computed.first().map(|computed| computed.plan.clone()).unwrap_or_default();
        let variants =
            combinations.iter().zip(computed).enumerate().map(|(variant, (steps, computed))| AblationVariant {
                name: name(asked, steps),
                steps: steps.clone(),
                set: steps.iter().flat_map(|&step| asked.steps[step].set.clone()).collect(),
                run: computed.run,
                err: computed.err,
                value: place[variant].and_then(|run| numbers?.value(run)),
                to_config: if variant == 0 { None } else { change(&[(0, variant)]) },
                speed: computed.speed,
                adopted_from: computed.adopted_from,
                differences: differences(&own, &computed.plan),
                origin: computed.origin,
            });
        let changes = asked.steps.iter().enumerate().map(|(step, asked_step)| {
            let pairs = pairs(asked.design, &measured, step);
            let planned = design::pairs(asked.design, &vec![true; combinations.len()], step).len();
            let over = match (asked.design, pairs.first()) {
                (Design::Steps, Some(&(from, to))) => {
                    asked.steps[from..to].iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(" + ")
                }
                _ => asked_step.name.clone(),
            };
            Change { step: over, effect: change(&pairs), pairs, planned }
        });
        let ends = measured.iter().position(|known| *known).zip(measured.iter().rposition(|known| *known));
        let total = ends.filter(|(first, last)| asked.design == Design::Steps && first < last).map(|ends| Change {
            step: if ends == (0, combinations.len() - 1) { "all steps" } else { "the measured steps" }.into(),
            pairs: vec![ends],
            planned: 1,
            effect: change(&[ends]),
        });
        Self {
            schema: SCHEMA,
            config: String::new(),
            description: String::new(),
            metric,
            design: asked.design,
            shared: None,
            variants: variants.collect(),
            changes: changes.collect(),
            total,
            command: String::new(),
        }
    }

    /// Whether the change of at least one step was measured.
    pub fn measured(&self) -> bool {
        self.changes.iter().any(|change| change.effect.is_some())
    }

    /// Name of its page without extension, determined by the ablation and its runs.
    pub fn page_name(&self) -> String {
        let runs: Vec<_> = self.variants.iter().map(|variant| (&variant.name, &variant.run)).collect();
        let identity = format!("{:?} {} {runs:?}", self.design, self.metric.key);
        let name = self.config.strip_prefix("ablation-").unwrap_or(&self.config);
        format!("ablation-{name}-{}", Digest::of(identity.as_bytes()).short(12))
    }

    /// The result in a sentence or two.
    pub fn headline(&self) -> String {
        let Metric { name, quantity, .. } = &self.metric;
        let known: Vec<_> = self.changes.iter().filter_map(|change| Some((change, change.effect.as_ref()?))).collect();
        let Some((largest, effect)) =
            known.iter().max_by(|(_, a), (_, b)| a.difference.point.abs().total_cmp(&b.difference.point.abs()))
        else {
            return "No step could be measured.".into();
        };
        let mut text = match &self.total {
            Some(Change { pairs, effect: Some(all), .. }) => {
                let (first, last) = pairs[0];
                let value = |variant: usize| {
                    self.variants[variant].value.as_ref().map_or_else(|| "–".into(), |value| quantity.point(value))
                };
                format!(
                    "From {} to {} {name}: {}, {}; ",
                    value(first),
                    value(last),
                    quantity.effect(&all.difference),
                    verdict(all)
                )
            }
            _ => format!("By {name}, "),
        };
        let _ = write!(
            text,
            "the largest step is “{}”: {}, {}.",
            largest.step,
            quantity.effect(&effect.difference),
            verdict(effect)
        );
        let unclear = known.iter().filter(|(_, effect)| effect.verdict == EffectVerdict::NotResolvable).count();
        if unclear > 0 {
            let verb = if unclear == 1 { "is" } else { "are" };
            let _ = write!(text, " {unclear} of the {} {verb} indistinguishable from 0.", counted(known.len(), "step"));
        }
        text
    }
}

/// The wording of a verdict in an ablation.
pub(crate) fn verdict(effect: &Effect) -> &'static str {
    match effect.verdict {
        EffectVerdict::Same => "no change at all",
        EffectVerdict::NotResolvable => "indistinguishable from 0",
        other => other.name(),
    }
}

pub(crate) fn name(asked: &config::Ablation, steps: &[usize]) -> String {
    match (asked.design, steps) {
        (_, []) => "as configured".into(),
        (Design::Steps, [.., last]) => asked.steps[*last].name.clone(),
        _ => steps.iter().map(|&step| asked.steps[step].name.as_str()).collect::<Vec<_>>().join(" + "),
    }
}

/// Differences between two flattened plans.
fn differences(from: &[(String, String)], to: &[(String, String)]) -> Vec<[String; 3]> {
    let value = |plan: &[(String, String)], key: &str| {
        plan.iter().find(|(other, _)| other == key).map_or_else(|| "–".to_owned(), |(_, value)| value.clone())
    };
    if from.is_empty() || to.is_empty() {
        return Vec::new();
    }
    let added = to.iter().filter(|(key, _)| !from.iter().any(|(other, _)| other == key));
    let keys = from.iter().chain(added).map(|(key, _)| key);
    keys.map(|key| [key.clone(), value(from, key), value(to, key)]).filter(|[_, a, b]| a != b).collect()
}
