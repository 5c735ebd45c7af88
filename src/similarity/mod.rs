//! Cosines of face pairs, streamed: histograms, exact moments and the hardest pairs, in memory independent of N².

use serde::{Deserialize, Serialize};

/// Genuine and impostor cosine histograms over [−1, 1], equal bins, 64-bit counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histograms {
    /// Counts of same-identity pairs; the number of bins is the length.
    pub genuine: Vec<u64>,
    /// Counts of different-identity pairs; same length.
    pub impostor: Vec<u64>,
}

/// Same or different identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairKind {
    /// Same identity.
    Genuine,
    /// Different identities.
    Impostor,
}

/// One of the hardest pairs: a genuine pair with a low cosine or an impostor pair with a high one.
#[derive(Debug, Clone, PartialEq)]
pub struct HardPair {
    /// Genuine or impostor.
    pub kind: PairKind,
    /// 1 is the hardest of its kind.
    pub rank: u32,
    /// Row of the embedding matrix.
    pub row_a: u32,
    /// Row of the embedding matrix, > `row_a`.
    pub row_b: u32,
    /// Face of `row_a`.
    pub face_a: String,
    /// Face of `row_b`.
    pub face_b: String,
    /// Identity of `row_a`.
    pub identity_a: String,
    /// Identity of `row_b`.
    pub identity_b: String,
    /// Their cosine.
    pub cosine: f32,
}

/// How one identity's faces hold together and whom they come close to.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentitySpread {
    /// Who.
    pub identity_id: String,
    /// Embedded faces.
    pub faces: u64,
    /// Mean cosine among them; `None` with a single face.
    pub genuine_mean: Option<f64>,
    /// Lowest cosine among them.
    pub genuine_min: Option<f32>,
    /// Highest cosine to a face of another identity among the compared pairs.
    pub impostor_max: Option<f32>,
    /// Whose face that is.
    pub nearest_identity: Option<String>,
}
