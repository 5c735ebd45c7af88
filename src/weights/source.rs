//! Where weights come from: `weights` in a config.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::embedded;
use crate::digest::Digest;
use crate::hub::reference;

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "source", rename_all = "kebab-case", deny_unknown_fields)]
pub enum WeightsSource {
    /// A file in a model repository on the Hugging Face Hub.
    Hub {
        /// Model repository on the Hub.
        #[schemars(transform = reference::repository)]
        repo: String,
        /// Commit. A branch can move, so it is not accepted.
        #[schemars(transform = reference::commit)]
        revision: String,
        /// Path in the repository.
        #[schemars(transform = file_in_repository)]
        file: String,
        /// Expected SHA-256 of the file, checked before anything is read from it.
        #[schemars(extend("x-default" = "what the Hub states for the revision; recorded"))]
        sha256: Option<Digest>,
    },
    /// A local file.
    File {
        /// The file.
        #[schemars(transform = local_file)]
        path: PathBuf,
        /// Expected SHA-256 of the file, checked before anything is read from it.
        #[schemars(extend("x-default" = "recorded, not checked"))]
        sha256: Option<Digest>,
    },
    /// Weights inside the binary.
    Embedded {
        /// Which weights.
        #[schemars(extend("enum" = embedded::names()))]
        name: String,
    },
}

/// File name endings of checkpoints that can be read, as a pattern and in words.
const ENDING: (&str, &str) = (
    r"[^/\\\x00]*\.(?:[sS][aA][fF][eE][tT][eE][nN][sS][oO][rR][sS]|[pP][tT][hH]?|[bB][iI][nN])$",
    "ending in `.safetensors`, `.pth`, `.pt` or `.bin`",
);

fn file_in_repository(schema: &mut Schema) {
    schema.insert("pattern".into(), format!("^{}{}", reference::FOLDERS, ENDING.0).into());
    schema.insert("x-values".into(), format!("a path in the repository {}", ENDING.1).into());
}

fn local_file(schema: &mut Schema) {
    schema.insert("pattern".into(), ENDING.0.into());
    schema.insert("x-values".into(), format!("a path {}", ENDING.1).into());
}
