//! Which pairs are compared: `similarity` in a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which pairs are compared, and how uncertainty is estimated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimilarityOptions {
    /// All pairs, or a sample.
    pub pairs: PairMode,
    /// `auto` compares all pairs up to this many, and samples this many (half of them genuine where there are enough)
    /// otherwise. `None`: all up to 20 billion, otherwise a sample of 20 million (`similarity::sampling`).
    pub max_pairs: Option<u64>,
    /// FaceVault's own sampling, for a comparison with its published numbers; `None`: not computed.
    pub upstream: Option<UpstreamSampling>,
    /// Bootstrap replicates of the intervals.
    pub replicates: u32,
    /// Confidence level of the intervals.
    pub confidence: f64,
    /// Number of hardest genuine and hardest impostor pairs kept.
    pub hardest: usize,
}

/// All pairs, or a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PairMode {
    /// All up to `max_pairs`, else a sample.
    Auto,
    /// All, however many.
    Exhaustive,
    /// A seeded sample of `max_pairs`.
    Sampled,
}

/// `FaceVault` upstream's way to choose pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamSampling {
    /// All pairs among the first this many faces of each identity.
    pub faces_per_identity: usize,
    /// Number of random different-identity pairs.
    pub impostor_pairs: u64,
}
