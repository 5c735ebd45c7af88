//! A config for faces that somebody has: looks at what is there, chooses how it is read, and writes down why.
//!
//! ```text
//! path ─ find (which source) ─ look (faces, identities, sizes) ─ choices ─ text ─ the file
//! ```

mod error;
mod find;
mod look;
mod scalar;
mod yaml;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use error::InitError;
pub(crate) use find::Hints;
pub(crate) use look::Look;

use crate::spelling::did_you_mean;
use crate::{config, files, text};

/// What a config is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// How well people are told apart: all pairs, and the list of pairs beside the faces if there is one.
    #[default]
    Verification,
    /// How often a search in a gallery finds the right person.
    Search,
    /// The embeddings alone; nothing is compared.
    Embeddings,
}

/// What the pictures show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// Each is a face that was cut out already.
    Crops,
    /// Each is a photo, in which the face has to be found.
    Photos,
}

/// Which weights compute the embeddings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weights {
    /// FaceNet trained on VGGFace2, from the Hub.
    Vggface2,
    /// The miniature inside the program.
    Demo,
    /// A file on this machine.
    File(PathBuf),
}

impl Weights {
    /// As the command line names it: a word, or the path of a file.
    pub(crate) fn named(text: &str) -> Result<Self, InitError> {
        match text {
            "vggface2" => Ok(Self::Vggface2),
            "demo" => Ok(Self::Demo),
            path if Path::new(path).is_file() => Ok(Self::File(path.into())),
            other => Err(InitError::NoWeights {
                named: text::quoted(other).into_owned(),
                near: did_you_mean(other, ["vggface2", "demo"]).map_or_else(String::new, |near| format!("; {near}")),
            }),
        }
    }

    /// The same for a reader.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Vggface2 => "vggface2".into(),
            Self::Demo => "demo".into(),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn is_onnx(&self) -> bool {
        matches!(self, Self::File(path) if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx")))
    }

    /// The side of the faces that the network takes, as far as the name tells.
    pub(crate) fn side(&self) -> u32 {
        match self {
            Self::Demo => 80,
            _ if self.is_onnx() => 112,
            _ => 160,
        }
    }
}

/// What was chosen, by a person or by default.
#[derive(Debug, Clone)]
pub(crate) struct Choices {
    pub weights: Weights,
    pub purpose: Purpose,
    /// `None` where nobody knows: the run looks, and refuses whole photos.
    pub shown: Option<Shown>,
}

/// The config's text.
pub(crate) fn text(look: &Look, choices: &Choices) -> String {
    yaml::text(look, choices)
}

/// The profile that was chosen, and why.
pub(crate) fn profile(look: &Look, choices: &Choices) -> (&'static str, &'static str) {
    yaml::profile(look, choices)
}

/// Writes a config, which is checked first. A file that is there stays, unless `force`.
pub(crate) fn write(path: &Path, text: &str, force: bool) -> Result<(), InitError> {
    if path.symlink_metadata().is_ok() && !force {
        return Err(InitError::Exists { path: path.into() });
    }
    // What `check` and `experiment` will read, before it is written.
    let folder = std::env::current_dir().unwrap_or_default();
    config::load_stored(text.as_bytes(), path, &[], &folder)?;
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        files::create_dir(parent)?;
    }
    Ok(files::commit_bytes(path, text.as_bytes())?)
}
