//! A config as it is written: its sections, most of them as their owners define them.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::types::{Ablation, Published, ReportOptions, only_known_metrics};
use crate::dataset::DatasetSource;
use crate::detect::Detect;
use crate::embed::EmbedOptions;
use crate::identification::WrittenIdentification;
use crate::metrics::Expectation;
use crate::model::{DeviceRequest, ModelSpec};
use crate::preprocess::PreprocessChanges;
use crate::protocol::WrittenProtocol;
use crate::similarity::SimilarityOptions;
use crate::templates::TemplateProtocol;
use crate::weights::WeightsSource;

/// One FaceVault experiment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FaceVault experiment")]
pub(super) struct Experiment {
    /// Short name; the run directory's prefix.
    #[schemars(
        regex(pattern = r"^[a-z0-9][a-z0-9._-]{0,63}$"),
        extend("x-values" = "1 to 64 lower-case letters, digits, `-`, `_` and `.`, starting with a letter or digit")
    )]
    pub name: String,
    /// What the experiment is for; shown at the top of the report.
    #[serde(default)]
    pub description: String,
    /// Seed of everything drawn at random: the sample of pairs, the bootstrap.
    #[serde(default)]
    pub seed: u64,
    /// Where faces come from.
    pub dataset: DatasetSource,
    /// How faces are found in whole photos. Without it the dataset's pictures are crops, or it has boxes.
    #[serde(default)]
    #[schemars(extend("x-default" = "no detection"))]
    pub detect: Option<Detect>,
    /// How a picture becomes the network's input: a profile, and the parts of it that differ.
    #[serde(default)]
    #[schemars(extend("x-default" = "the network's profile"))]
    pub preprocess: PreprocessChanges,
    /// Which network, at which width.
    #[serde(default)]
    pub model: ModelSpec,
    /// Where the network's weights come from.
    #[schemars(extend("x-default" = "required, except with `dataset.source: embeddings`"))]
    pub weights: Option<WeightsSource>,
    /// How faces are embedded.
    #[serde(default)]
    pub embed: EmbedOptions,
    /// Which pairs are compared, and how uncertainty is estimated.
    #[serde(default)]
    pub similarity: Similarity,
    /// What the report shows.
    #[serde(default)]
    pub report: ReportOptions,
    /// Protocols, run in addition to the comparison of faces: verification over published lists of pairs, identification
    /// in a gallery, and verification of templates.
    #[serde(default)]
    pub protocols: Vec<Protocol>,
    /// Ranges that metrics must fall in, by the names below; a run that misses one ends with exit code 3.
    #[serde(default)]
    #[schemars(transform = only_known_metrics)]
    pub expect: BTreeMap<String, Expectation>,
    /// What `facevault ablate` varies, and which metric the cost is measured in. No other command reads it, and it is not
    /// part of a run's name.
    #[serde(default)]
    pub ablation: Option<Ablation>,
    /// Published values to compare the results with; the report gives an interval, a verdict and what differs.
    #[serde(default)]
    pub published: Vec<Published>,
}

/// One protocol.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[schemars(transform = without_kind)]
pub(super) enum Protocol {
    /// Verification over a published list of pairs: thresholds from some folds are judged on another.
    Pairs(WrittenProtocol),
    /// Identification: probes are searched for in a gallery.
    Identification(WrittenIdentification),
    /// Verification of templates, sets of faces of one subject (IJB-B, IJB-C); for `source: ijb`.
    Templates(TemplateProtocol),
}

/// A protocol that does not say its kind is one of pairs.
fn without_kind(schema: &mut Schema) {
    let Some(first) = schema.get_mut("oneOf").and_then(|kinds| kinds.get_mut(0)) else { return };
    if let Some(required) = first["required"].as_array_mut() {
        required.retain(|key| key != "kind");
    }
}

/// Which pairs are compared, how uncertainty is estimated, and where.
// The device is not part of a run's identity, so it is not one of the options.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(super) struct Similarity {
    #[serde(flatten)]
    pub options: SimilarityOptions,
    /// Where all pairs are compared. The numbers are the same, so it is not part of the run's name. `auto` takes an NVIDIA
    /// card if there is one and there are more than 100 million pairs.
    pub device: DeviceRequest,
}
