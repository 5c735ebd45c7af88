//! The validated configuration. Every value here is in range; serialising it gives the canonical form that the run's
//! identity is a digest of.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::dataset::{Container, DatasetSource, HubFiles, PathRewrite, Phase1Image, Tables};
pub use crate::embed::{EmbedOptions, OnError};
pub use crate::metrics::Expectation;
pub use crate::model::{BatchSize, DeviceKind, DeviceRequest, Kernels, ModelSpec, Network, Precision};
pub use crate::preprocess::{ChannelOrder, Crop, Filter, MarginUnit, Mirror, Preprocess, Resize, Standardise};
pub use crate::protocol::{Distance, FarTarget, Grid, PairsSource, Protocol, Split, max_left_out};
pub use crate::similarity::{PairMode, SimilarityOptions, UpstreamSampling};
pub use crate::weights::WeightsSource;

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
    /// Where all pairs are compared (`similarity.device`). No part of a run's identity: the numbers are the same.
    #[serde(skip)]
    pub pairs_device: DeviceRequest,
    /// What the report shows.
    pub report: ReportOptions,
    /// Verification protocols that are run beside the comparison of faces.
    pub protocols: Vec<Protocol>,
    /// Ranges that metrics must fall in, by metric path (e.g. `eer`, `impostor.mean`, `upstream.genuine.mean`).
    pub expect: BTreeMap<String, Expectation>,
    /// What `ablate` varies. No part of a run's identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ablation: Option<Ablation>,
    /// Published values that results are set beside.
    pub published: Vec<Published>,
    /// The config file's own folder: relative paths in the config start here.
    #[serde(skip)]
    pub base: PathBuf,
}

/// A published value of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Metric path, e.g. `eer` or `view-2.accuracy`.
    pub metric: String,
    /// The value.
    pub value: f64,
    /// What was published behind its ±, as its source defines it.
    pub plus_minus: Option<f64>,
    /// Where it was published.
    pub source: String,
    /// In what its protocol differs from this run's; empty: not known to differ.
    pub differs: Vec<String>,
}

/// What the report shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportOptions {
    /// Pictures of the hardest pairs' faces. Faces are personal data: off unless asked for.
    pub pictures: bool,
}

/// What is varied, how, and which metric tells what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ablation {
    /// Key of the metric: one of `metrics::HEADLINES`.
    pub metric: String,
    /// Which combinations of the steps are computed.
    pub design: Design,
    /// At least one; names differ.
    pub steps: Vec<Step>,
}

/// A choice that can be made otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// In words, shown to people.
    pub name: String,
    /// What it changes, as `--set` arguments, in order.
    pub set: Vec<String>,
}

/// Which combinations of an ablation's steps are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Design {
    /// The config, then each step on top of those before it: a path from one setting to another.
    #[default]
    Steps,
    /// The config, and each step alone.
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
