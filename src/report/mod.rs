//! A [`Report`] is plain data; rendering it is pure: the same run gives the same bytes. One self-contained HTML file.

use crate::evaluate::Evaluation;

/// Everything the report of one run shows.
#[derive(Debug, Clone)]
pub struct Report {
    /// Name of the run directory.
    pub run_id: String,
    /// The config's description.
    pub description: String,
    /// A line that a person types to get this run again.
    pub command: String,
    /// The resolved plan, flattened: dotted key → value.
    pub plan: Vec<(String, String)>,
    /// Provenance, flattened: dotted key → value.
    pub provenance: Vec<(String, String)>,
    /// The numbers.
    pub evaluation: Evaluation,
    /// Embedding speed, chunk by chunk in row order.
    pub timeline: Vec<ChunkTiming>,
    /// Faces without an embedding, in row order.
    pub failures: Vec<FailureRow>,
    /// PNG bytes of faces by matrix row; empty unless the config asks for pictures.
    pub pictures: std::collections::BTreeMap<u32, Vec<u8>>,
}

/// How long one chunk took.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkTiming {
    /// Chunk number.
    pub chunk: u32,
    /// Faces embedded in it.
    pub faces: u64,
    /// Wall-clock seconds from the chunk before it (or the session's start) to its commit.
    pub seconds: f64,
    /// Which session (start or resume, from 0) embedded it.
    pub session: u32,
}

/// One face without an embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRow {
    /// Row of the manifest.
    pub row: u64,
    /// Its id.
    pub face_id: String,
    /// Short class: `read`, `decode`, `changed`, …
    pub kind: String,
    /// The whole message.
    pub message: String,
}
