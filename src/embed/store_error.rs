//! Why the chunks of a run cannot be used.

use std::path::PathBuf;

use crate::files::FileError;
use crate::npy::NpyError;
use crate::text::counted;

/// Why the chunks of a run cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Npy(#[from] NpyError),
    /// A damaged chunk that was intact when the store was opened, or of a finished run.
    #[error("{} is damaged: {rule}; remove the run's `face_metadata.csv`, if it has one, and run it again to recompute what is damaged", path.display())]
    Damaged { path: PathBuf, rule: String },
    /// A chunk of another run that was intact when its rows were found.
    #[error("{} changed while embeddings were taken from it", path.display())]
    Changed { path: PathBuf },
    #[error("{} lacks {}; run it again to compute the rest", chunks.display(), counted(*missing, "chunk"))]
    Incomplete { chunks: PathBuf, missing: usize },
    /// Two workers do not agree on a chunk; `theirs` is the other one's session, where it is known.
    #[error("chunk {chunk:05}: {} was committed by another worker with other content than what was computed here", path.display())]
    Differs { path: PathBuf, chunk: usize, theirs: Option<u32> },
    #[error("cannot write {}: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("the {what} is 0, but must be at least 1")]
    Zero { what: &'static str },
}
