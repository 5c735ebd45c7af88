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
    /// A file at a URL, such as a release on GitHub.
    Url {
        /// Its URL, without a user name or password. Its query is covered in messages and in what a run keeps.
        #[schemars(transform = file_at_url)]
        url: String,
        /// Expected SHA-256 of the file, checked before anything is read from it.
        #[schemars(extend("x-default" = "recorded, not checked"))]
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
    /// No weights: a matrix of embeddings, `dataset.matrix`.
    #[serde(skip_deserializing)]
    #[schemars(skip)]
    Given {
        /// The matrix.
        path: PathBuf,
        /// Its expected SHA-256.
        sha256: Option<Digest>,
    },
    /// Weights inside the binary.
    Embedded {
        /// Which weights.
        #[schemars(extend("enum" = embedded::names()))]
        name: String,
    },
}

/// What makes sure that a config always loads the same weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pin {
    /// The config's `weights.sha256`.
    Sha256,
    /// The commit of the Hub's repository.
    Revision,
    /// The program contains the weights.
    Embedded,
    /// Nothing.
    None,
}

impl WeightsSource {
    /// Path of a checkpoint's file in its repository, in a URL or on this machine; empty for what is none.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Hub { file, .. } => file,
            Self::Url { url, .. } => url.split(['?', '#']).next().unwrap_or_default(),
            Self::File { path, .. } => path.to_str().unwrap_or_default(),
            Self::Given { .. } | Self::Embedded { .. } => "",
        }
    }

    /// Whether the file is an ONNX file by its name.
    #[must_use]
    pub fn is_onnx(&self) -> bool {
        let ending = self.name().rsplit_once('.').map(|(_, ending)| ending);
        ending.is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
    }

    /// Whether the file is one of several by its name, as transformers splits checkpoints: `model-00001-of-00003.safetensors`.
    pub(super) fn is_shard(&self) -> bool {
        let stem = self.name().rsplit_once('.').map_or("", |(stem, _)| stem);
        let Some((rest, of)) = stem.rsplit_once("-of-") else { return false };
        let number = rest.rsplit_once('-').map_or("", |(_, number)| number);
        let five = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        five(number) && five(of) && of != "00001"
    }

    /// What pins the weights.
    #[must_use]
    pub fn pin(&self) -> Pin {
        match self {
            // A matrix is data: like that of pictures, its digest is part of the run's name.
            Self::Given { .. }
            | Self::Hub { sha256: Some(_), .. }
            | Self::Url { sha256: Some(_), .. }
            | Self::File { sha256: Some(_), .. } => Pin::Sha256,
            Self::Hub { .. } => Pin::Revision,
            Self::Embedded { .. } => Pin::Embedded,
            Self::Url { .. } | Self::File { .. } => Pin::None,
        }
    }
}

impl Pin {
    /// A caution about weights that nothing pins, and how to pin them: to this content, if it is known. `what` they are,
    /// and the config's `key` for them.
    #[must_use]
    pub fn caution(self, what: &str, key: &str, content: Option<Digest>) -> Option<String> {
        let remedy = match content {
            Some(sha256) => format!("to pin these, add `sha256: {sha256}` to `{key}`"),
            None => format!("`facevault fetch` prints the `sha256` to add to `{key}`"),
        };
        let text = format!("{what} are not pinned: whatever file is at their place will be used; {remedy}");
        (self == Self::None).then_some(text)
    }
}

/// File name endings of checkpoints that can be read, as a pattern and in words. The content tells the format.
const ENDING: (&str, &str) = (
    r"\.(?:[sS][aA][fF][eE][tT][eE][nN][sS][oO][rR][sS]|[pP][tT][hH]?|[bB][iI][nN]|[cC][kK][pP][tT]|[tT][aA][rR]|[oO][nN][nN][xX])",
    "ending in `.safetensors`, `.pth`, `.pt`, `.bin`, `.ckpt`, `.pth.tar` or `.onnx`",
);

/// The part of a file name before its ending, as a pattern.
const NAME: &str = r"[^/\\\x00]*";

fn file_in_repository(schema: &mut Schema) {
    schema.insert("pattern".into(), format!("^{}{NAME}{}$", reference::FOLDERS, ENDING.0).into());
    schema.insert("x-values".into(), format!("a path in the repository {}", ENDING.1).into());
    schema.insert(
        "x-help".into(),
        "shards (`*.index.json`) are not read: merge them into one file, and name it with `source: file`".into(),
    );
}

fn local_file(schema: &mut Schema) {
    schema.insert("pattern".into(), format!("{NAME}{}$", ENDING.0).into());
    schema.insert("x-values".into(), format!("a path {}", ENDING.1).into());
    let help = "rename a checkpoint of torch with another ending; shards (`*.index.json`) are not read: merge them into one file";
    schema.insert("x-help".into(), help.into());
}

/// Which URLs are safe is checked by [`crate::hub::unusable`], which can say why.
fn file_at_url(schema: &mut Schema) {
    const PLACE: &str = r"[A-Za-z0-9._~%!$&'()*+,;=:@\[\]-]+";
    const PATH: &str = r"[A-Za-z0-9._~%!$&'()*+,;=:@/-]*";
    const QUERY: &str = r"(?:\?[A-Za-z0-9._~%!$&'()*+,;=:@/?\[\]-]*)?";
    schema.insert("pattern".into(), format!("^https?://{PLACE}/{PATH}{}{QUERY}$", ENDING.0).into());
    schema.insert("x-values".into(), format!("an https URL with a path {}", ENDING.1).into());
    schema
        .insert("x-help".into(), "for example `https://github.com/OWNER/REPO/releases/download/v1.0/model.pt`".into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Cancel, Silent};

    fn file(path: &str) -> WeightsSource {
        WeightsSource::File { path: path.into(), sha256: None }
    }

    /// Fault (weights): one shard of a checkpoint in several → refused with how to merge them
    #[test]
    fn a_shard_is_refused_with_how_to_merge_it() {
        let error = super::super::load(&file("/w/model-00002-of-00003.safetensors"), &Silent, &Cancel::default());
        insta::assert_snapshot!(error.unwrap_err(), @"/w/model-00002-of-00003.safetensors is a shard, one of several files of a checkpoint, and shards are not read; merge them in Python: `safetensors.torch.save_file({k: v for shard in glob.glob('*-of-*.safetensors') for k, v in safetensors.torch.load_file(shard).items()}, 'model.safetensors')`");
        for whole in
            ["model-00001-of-00001.safetensors", "fold-1-of-5.pth", "best-of-00003.pth", "model.safetensors", "x"]
        {
            assert!(!file(whole).is_shard(), "{whole}");
        }
        assert!(file("a-00001-of-00002.bin").is_shard());
    }
}
