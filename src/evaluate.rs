//! Embeddings and identities → everything a report shows, and the files it is kept in.

use crate::metrics::Metrics;
use crate::similarity::{HardPair, Histograms, IdentitySpread};
use crate::verification::Curve;

/// All results of one evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The numbers: `metrics.json`.
    pub metrics: Metrics,
    /// `histograms.parquet`.
    pub histograms: Histograms,
    /// `curves.parquet`.
    pub curve: Curve,
    /// `pairs.parquet`: the hardest pairs, genuine first, by rank.
    pub hardest: Vec<HardPair>,
    /// `identities.parquet`: sorted by identity as strings, the order of `identity_centroids.npy`.
    pub identities: Vec<IdentitySpread>,
}
