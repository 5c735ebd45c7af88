//! Faces in photos.

use serde_json::{Value, json};

use super::interrupted;
use crate::config;
use crate::dataset::{self, Face};
use crate::detect::{self, LoadedDetector};
use crate::error::Error;
use crate::progress::{Cancel, Silent};
use crate::run::RunError;

pub use crate::detect::PhotoFaces;

/// Finds the faces in photos: for each file its faces, in the detector's order, or why it cannot be looked at. `options` is
/// a config's section `detect`; which faces it keeps makes no difference.
///
/// # Errors
/// [`Error`]: an option is wrong, or the detector's weights cannot be loaded.
pub fn detect(paths: Vec<String>, options: &Value, cancel: &Cancel) -> Result<Vec<Result<PhotoFaces, String>>, Error> {
    let weights = json!({ "source": "embedded", "name": "demo" });
    let dataset = json!({ "source": "folders", "root": "." });
    let sections = json!({ "name": "detect", "dataset": dataset, "weights": weights, "detect": options });
    let config = config::of_sections(&sections, "detect")?;
    let options = config.detect.unwrap_or_default();
    let detector = LoadedDetector::load(&options, &Silent, cancel).map_err(RunError::from)?;
    let photos =
        dataset::of_files(paths.into_iter().map(Face::of_picture).collect(), cancel).map_err(RunError::from)?;
    let memory = config.embed.picture_memory(cancel);
    detect::find_once(&photos, &detector, &memory, cancel).ok_or_else(interrupted)
}
