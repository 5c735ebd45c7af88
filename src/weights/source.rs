//! Where weights come from: `weights` in a config.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case")]
pub enum WeightsSource {
    /// A file in a model repository on the Hugging Face Hub.
    Hub {
        /// `owner/name`.
        repo: String,
        /// Commit hash.
        revision: String,
        /// Path inside the repository; `.safetensors`, `.pth`, `.pt` or `.bin`.
        file: String,
        /// Expected digest; where not given, what the Hub states for the revision is expected, and recorded.
        sha256: Option<Digest>,
    },
    /// A local file; `.safetensors`, `.pth`, `.pt` or `.bin`.
    File {
        /// The file.
        path: PathBuf,
        /// Expected digest; recorded when not given.
        sha256: Option<Digest>,
    },
    /// Weights inside the binary.
    Embedded {
        /// Which: `demo`.
        name: String,
    },
}
