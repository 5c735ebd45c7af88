//! Why there are no weights.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::files::FileError;
use crate::hub::HubError;
use crate::model::weights::{FormatError, Unfit};

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
    #[error(transparent)]
    Unfit(#[from] Unfit),
}
