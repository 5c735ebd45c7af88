//! Checkpoints: found (Hub, file, embedded), digested, parsed, and checked against what the network needs. What is
//! digested is what is loaded: bytes are read once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A named tensor of a checkpoint. Floating point data of any width is widened to f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Values, C order. Empty for integer tensors (`num_batches_tracked`), which no network reads.
    pub data: Vec<f32>,
    /// Type in the file, e.g. `F32`, `F16`, `I64`.
    pub dtype: String,
}

/// All tensors of a checkpoint, by key.
pub type Tensors = BTreeMap<String, Tensor>;

/// A parameter that a network needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Key in the checkpoint, e.g. `repeat_1.0.branch0.conv.weight`.
    pub key: String,
    /// Shape.
    pub shape: Vec<usize>,
}

/// A loaded checkpoint.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Its tensors.
    pub tensors: Tensors,
    /// Digest of the file's bytes.
    pub digest: Digest,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a checkpoint came from, for provenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `hub`, `file` or `embedded`.
    pub source: String,
    /// Repository, path or name.
    pub location: String,
    /// Hub revision.
    pub revision: Option<String>,
    /// Size of the file, bytes.
    pub bytes: u64,
}
