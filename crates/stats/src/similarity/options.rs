//! Which pairs are compared: `similarity` in a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which pairs are compared, and how uncertainty is estimated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SimilarityOptions {
    /// Which pairs are compared: all of them, a seeded sample without repeats, or (`auto`) all up to `max_pairs` and a
    /// sample beyond that.
    pub pairs: PairMode,
    /// The most pairs that `auto` compares exhaustively, and the size of a sample, half of it genuine pairs where there
    /// are enough.
    #[schemars(
        range(min = 1, max = 1_000_000_000_000_u64),
        extend(
            "x-unit" = "pairs",
            "x-default" = "all up to 20,000,000,000 (200,000 faces, about two minutes on 2 cores), else a sample of 20,000,000"
        )
    )]
    pub max_pairs: Option<u64>,
    /// Upstream FaceVault's own choice of pairs, computed in addition and reported next to the numbers it published. `{}`
    /// takes both defaults.
    #[schemars(extend("x-default" = "not computed"))]
    pub upstream: Option<UpstreamSampling>,
    /// Bootstrap replicates of the intervals.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub replicates: u32,
    /// Confidence level of the intervals.
    #[schemars(range(min = 0.5, max = 0.9999), extend("x-digits" = 9))]
    pub confidence: f64,
    /// How many of the hardest genuine pairs, and how many of the hardest impostor pairs, are kept.
    #[schemars(range(max = 100_000), extend("x-unit" = "pairs"))]
    pub hardest: usize,
}

impl SimilarityOptions {
    /// The defaults of a config.
    pub const DEFAULT: Self = Self {
        pairs: PairMode::Auto,
        max_pairs: None,
        upstream: None,
        replicates: 1000,
        confidence: 0.95,
        hardest: 50,
    };
}

impl Default for SimilarityOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// All pairs, or a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PairMode {
    /// All pairs up to `max_pairs`, else a sample.
    Auto,
    /// All pairs, however many there are.
    Exhaustive,
    /// A seeded sample of `max_pairs`.
    Sampled,
}

/// How upstream FaceVault chooses pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamSampling {
    /// Genuine pairs are all pairs among the first this many faces of each identity.
    #[schemars(range(min = 2, max = 10_000), extend("x-unit" = "faces"))]
    pub faces_per_identity: usize,
    /// Number of random impostor pairs.
    #[schemars(range(min = 1, max = 100_000_000), extend("x-unit" = "pairs"))]
    pub impostor_pairs: u64,
}

impl Default for UpstreamSampling {
    fn default() -> Self {
        Self { faces_per_identity: 10, impostor_pairs: 2000 }
    }
}
