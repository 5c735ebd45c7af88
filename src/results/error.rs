//! Why an evaluation could not be written or read back.

use std::path::PathBuf;

use crate::files::FileError;

/// Why an evaluation could not be written or read back.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages explain the fields")]
pub enum ResultsError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// `metrics.json` of another version.
    #[error("{} has schema {found}, this version of facevault reads schema {expected}; `facevault evaluate` writes it again", path.display())]
    Schema { path: PathBuf, found: u64, expected: u32 },
    /// A file that does not have the form that this version writes.
    #[error("{} is not what this version of facevault writes: {reason}; `facevault evaluate` writes it again", path.display())]
    Damaged { path: PathBuf, reason: String },
}
