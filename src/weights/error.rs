//! Why there are no weights.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::files::FileError;
use crate::hub::HubError;
use crate::pickle::PickleError;

/// Why there are no weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The Hub.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A local file that is another than the one pinned.
    #[error(
        "{} has sha256 {found}, but {expected} is pinned: it is damaged or another file; put the right one there, or \
         correct `weights.sha256`", path.display()
    )]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// Digest of the file.
        found: Digest,
        /// Digest in the config.
        expected: Digest,
    },
    /// No such embedded weights.
    #[error("no weights named `{name}` are inside the program; there are: {known}")]
    NotEmbedded {
        /// The name.
        name: String,
        /// Names there are.
        known: String,
    },
    /// Not a checkpoint.
    #[error("{location} is no checkpoint that can be used: {source}")]
    Format {
        /// Path, repository and file, or name.
        location: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// A checkpoint of another network.
    #[error(
        "{location} does not fit the network:{problems}\nchoose the checkpoint that belongs to `model`, or the `model` \
         that belongs to the checkpoint"
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
    /// No byte.
    #[error("it is empty; download or copy it again")]
    Empty,
    /// None of the formats.
    #[error(
        "it is {found}, and not one of .safetensors, .pth, .pt or .bin as torch saves them; download the file itself \
         again, or convert it"
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
    #[error("it ends within {what}: it is truncated; download or copy it again")]
    Truncated {
        /// What was being read.
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
