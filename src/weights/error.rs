//! Errors of loading weights.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::files::FileError;
use crate::hub::HubError;
use crate::pickle::PickleError;

/// Why weights cannot be loaded.
#[derive(Debug, thiserror::Error)]
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
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// Digest of the file.
        found: Digest,
        /// Digest in the config.
        expected: Digest,
    },
    /// Unknown embedded weights.
    #[error("unknown embedded weights `{name}`; available: {known}")]
    NotEmbedded {
        /// The name.
        name: String,
        /// Known names.
        known: String,
    },
    /// An unusable checkpoint.
    #[error("cannot load {location}: {source}")]
    Format {
        /// Path, repository and file, or name.
        location: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// A checkpoint of a different network.
    #[error(
        "{location} does not match the network:{problems}\nuse the checkpoint of this `model`, or the `model` of this checkpoint"
    )]
    Unfit {
        /// Path, repository and file, or name.
        location: String,
        /// One paragraph for each kind of problem.
        problems: String,
    },
}

/// What is wrong with the bytes of a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// An empty file.
    #[error("it is empty; download or copy it again")]
    Empty,
    /// An unknown format.
    #[error(
        "it is {found}, expected .safetensors, or .pth, .pt or .bin as saved by torch; download the file itself, or \
         convert it"
    )]
    Unknown {
        /// What it looks like.
        found: String,
    },
    /// The safetensors header or layout.
    #[error("damaged .safetensors file: {0}; download or copy it again")]
    Safetensors(String),
    /// The zip container of a `.pth`.
    #[error("damaged .pth file (a zip archive): {0}; download or copy it again")]
    Zip(String),
    /// A pickle of something else than tensors and plain containers, or a damaged one.
    #[error("{0}{remedy}", remedy = remedy(.0))]
    Pickle(#[from] PickleError),
    /// The file ends too early.
    #[error("it ends inside {what}: it is truncated; download or copy it again")]
    Truncated {
        /// What is incomplete.
        what: String,
    },
    /// Anything else.
    #[error("{0}")]
    Content(String),
}

fn remedy(error: &PickleError) -> &'static str {
    match error {
        PickleError::Global { .. } => {
            "; save only the `state_dict()`, or convert the file to .safetensors on a machine where you trust it"
        }
        _ => "",
    }
}
