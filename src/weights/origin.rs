//! Where weights came from: what provenance records of each file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Pin, WeightsSource};
use crate::digest::Digest;
use crate::model::weights::{Checkpoint, Origin};

/// A file of weights, as a run records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WeightsOrigin {
    /// Source, location, revision, size.
    #[serde(flatten)]
    pub origin: Origin,
    /// Digest of the file.
    pub sha256: Digest,
    /// What pins the file; absent in runs of older versions, and of a matrix of given embeddings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_by: Option<Pin>,
}

impl WeightsOrigin {
    /// Where the weights of a config came from.
    #[must_use]
    pub fn new<W>(source: &WeightsSource, checkpoint: &Checkpoint<W>) -> Self {
        let Checkpoint { origin, digest, .. } = checkpoint;
        let pinned_by = (!matches!(source, WeightsSource::Given { .. })).then(|| source.pin());
        Self { origin: origin.clone(), sha256: *digest, pinned_by }
    }

    /// A caution about weights that nothing pins. `what` they are, and the config's `key` for them.
    #[must_use]
    pub fn caution(&self, what: &str, key: &str) -> Option<String> {
        self.pinned_by?.caution(what, key, Some(self.sha256))
    }
}
