//! Errors of loading weights.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::files::FileError;
use crate::hub::HubError;
use crate::model::weights::{FormatError, Unfit};

/// Why weights cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages explain the fields")]
pub enum WeightsError {
    /// An error of the Hub.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A file error.
    #[error(transparent)]
    File(#[from] FileError),
    /// A local file that differs from the pinned one.
    #[error(
        "the sha256 of {} is {found}, but {expected} is pinned: it is damaged or a different file; replace it, or correct \
         `weights.sha256`", path.display()
    )]
    WrongDigest { path: PathBuf, found: Digest, expected: Digest },
    /// Unknown embedded weights.
    #[error("unknown embedded weights `{name}`; available: {known}")]
    NotEmbedded { name: String, known: String },
    /// An unusable checkpoint.
    #[error("cannot load {location}: {source}")]
    Format { location: String, source: FormatError },
    /// A checkpoint of another network.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}
