//! The validated configuration. Every value here is in range; serialising it gives the canonical form that the run's
//! identity is a digest of.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::dataset::DatasetSource;
use crate::detect::Detect;
use crate::embed::EmbedOptions;
use crate::identification::IdentificationProtocol;
use crate::metrics::{self, Expectation};
use crate::model::{DeviceRequest, ModelSpec};
use crate::preprocess::Preprocess;
use crate::protocol::{GROUP_QUANTITIES, Protocol};
use crate::similarity::SimilarityOptions;
use crate::templates::{self, TemplateProtocol};
use crate::weights::WeightsSource;

/// A whole experiment, validated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExperimentConfig {
    /// Short name; the run directory's prefix. Lower-case letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// What the experiment is for; shown at the top of the report.
    pub description: String,
    /// Seed of everything drawn at random (pair sample, bootstrap).
    pub seed: u64,
    /// Where faces come from.
    pub dataset: DatasetSource,
    /// How faces are found in the dataset's photos; `None`: its pictures are faces, or it has boxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detect: Option<Detect>,
    /// Bytes → standardised network input.
    pub preprocess: Preprocess,
    /// Which network.
    pub model: ModelSpec,
    /// Where its weights come from.
    pub weights: WeightsSource,
    /// How faces are embedded.
    pub embed: EmbedOptions,
    /// Which pairs are compared, and how uncertainty is estimated.
    pub similarity: SimilarityOptions,
    /// Where all pairs are compared (`similarity.device`). Not part of a run's identity: the numbers are the same.
    #[serde(skip)]
    pub pairs_device: DeviceRequest,
    /// What the report shows.
    pub report: ReportOptions,
    /// Verification protocols over lists of pairs, run in addition to the comparison of faces.
    pub protocols: Vec<Protocol>,
    /// Template protocols, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<TemplateProtocol>,
    /// Identification protocols, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identification: Vec<IdentificationProtocol>,
    /// Ranges that metrics must fall in, by metric path (e.g. `eer`, `impostor.mean`, `upstream.genuine.mean`).
    pub expect: BTreeMap<String, Expectation>,
    /// What `ablate` varies. Not part of a run's identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ablation: Option<Ablation>,
    /// Published values that results are compared with.
    pub published: Vec<Published>,
    /// The config file's own folder: relative paths in the config start here.
    #[serde(skip)]
    pub base: PathBuf,
}

impl ExperimentConfig {
    /// Whether the embeddings are given, so that nothing is embedded.
    #[must_use]
    pub fn is_given(&self) -> bool {
        matches!(self.dataset, DatasetSource::Embeddings { .. })
    }
}

/// A published value of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The metric, by the names below or a protocol's, such as `eer` or `view-2.accuracy`.
    #[schemars(transform = only_known_metric, extend("x-values" = "metric"))]
    pub metric: String,
    /// The value.
    #[schemars(extend("x-unit" = "the metric's unit: 99.65% is 0.9965"))]
    pub value: f64,
    /// What was published behind its ±, as its source defines it.
    #[schemars(range(min = 0), extend("x-unit" = "the metric's unit"))]
    pub plus_minus: Option<f64>,
    /// Where it was published.
    #[schemars(regex(pattern = r"\S"), extend("x-values" = "text"))]
    pub source: String,
    /// How its protocol or data are known to differ from this config's.
    #[serde(default)]
    pub differs: Vec<String>,
}

/// What the report shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReportOptions {
    /// Show the faces of the hardest pairs. Faces are personal data: off unless asked for.
    pub pictures: bool,
}

/// What is varied, how, and which metric the cost is measured in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ablation {
    /// The metric that costs are measured in.
    #[serde(default = "eer")]
    #[schemars(extend("x-values" = headlines()))]
    pub metric: String,
    /// Which combinations are computed: each step on top of those before it (`steps`), every step alone (`each`), or all
    /// combinations (`grid`).
    #[serde(default)]
    pub design: Design,
    /// The choices, in order. They may make at most 64 variants; n steps make 2ⁿ of them in a `grid`.
    #[schemars(length(min = 1))]
    pub steps: Vec<Step>,
}

/// A choice that can be made otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// A few words for the table and the chart, such as `no mirror`.
    #[schemars(
        regex(pattern = r"^\s*[^\s\x00-\x1f\x7f-\x9f](?:[^\x00-\x1f\x7f-\x9f]{0,58}[^\s\x00-\x1f\x7f-\x9f])?\s*$"),
        extend("x-values" = "one line of 1 to 60 characters")
    )]
    pub name: String,
    /// What the step changes: dotted keys and values, as `--set` takes them.
    // Kept as `--set` arguments, in order. Validation takes them from the tree, which knows order and notation.
    #[serde(deserialize_with = "taken_from_the_tree")]
    #[schemars(with = "BTreeMap<String, serde_json::Value>", extend("minProperties" = 1))]
    pub set: Vec<String>,
}

fn taken_from_the_tree<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| Vec::new())
}

fn eer() -> String {
    "eer".into()
}

fn headlines() -> String {
    let metrics = metrics::HEADLINES.iter().map(|metric| format!("`{metric}`")).collect::<Vec<_>>().join(", ");
    format!(
        "{metrics}, a protocol's accuracy, such as `view-2.accuracy`, a rank or TPIR of identification, such as `search.rank1`, or a TAR of templates, such as `ijbc.tar@fmr=1e-4`"
    )
}

/// Any text becomes one of the metrics there are.
fn only_known_metric(schema: &mut Schema) {
    schema.insert("anyOf".into(), known_metric()["anyOf"].clone());
}

/// The keys of a mapping become the metrics there are.
pub(super) fn only_known_metrics(schema: &mut Schema) {
    schema.insert("propertyNames".into(), known_metric());
}

fn known_metric() -> serde_json::Value {
    let mut quantities = [&metrics::PROTOCOL_QUANTITIES[..], &GROUP_QUANTITIES, &templates::QUANTITIES].concat();
    quantities.retain(|quantity| !quantity.starts_with("rank") && !quantity.contains("@fpir="));
    quantities.sort_unstable();
    quantities.dedup();
    let quantities = quantities.join("|");
    let protocols = format!("^[a-z0-9][a-z0-9_-]*\\.({quantities}|{})$", metrics::IDENTIFICATION_QUANTITIES);
    serde_json::json!({ "anyOf": [{ "enum": metrics::PATHS }, { "pattern": protocols }] })
}

/// Which combinations of an ablation's steps are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Design {
    /// The config, then each step on top of those before it.
    #[default]
    Steps,
    /// The config, then each step alone.
    Each,
    /// All combinations.
    Grid,
}

impl Design {
    /// As configs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Each => "each",
            Self::Grid => "grid",
        }
    }

    /// How many variants a number of steps makes.
    #[must_use]
    pub fn variants(self, steps: usize) -> usize {
        match self {
            Self::Steps | Self::Each => steps + 1,
            Self::Grid => 1_usize.checked_shl(steps as u32).unwrap_or(usize::MAX),
        }
    }
}
