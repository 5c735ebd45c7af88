//! `detect CONFIG`: finds the faces in a config's photos and writes them as a table.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::shared::{config_for, interrupted};
use super::{options_to_repeat, print, with_context};
use crate::cli::DetectArgs;
use crate::config;
use crate::detect;
use crate::embed::OnError;
use crate::error::{CommandOutcome, Error};
use crate::provenance::DetectionOrigin;
use crate::text::counted;

/// The folder of all tables where none is given.
pub(super) const FOLDER: &str = "detections";

/// What `detect --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DetectOutput {
    /// Photos of the dataset.
    photos: u64,
    /// Faces that were kept.
    faces: u64,
    /// Photos in which no face was kept.
    without_face: u64,
    /// Photos without a face to keep, or that cannot be read: the rows of `failures`.
    failed: u64,
    /// What found them.
    detector: DetectionOrigin,
    /// `face_metadata.csv`.
    table: PathBuf,
    /// `failures.csv`.
    failures: PathBuf,
    /// The folder of the crops; null if they were not asked for.
    crops: Option<PathBuf>,
}

pub(super) fn run(arguments: &DetectArgs) -> Result<CommandOutcome, Error> {
    let given = &arguments.config;
    let config = config_for("detect", &given.config, &given.overrides, &given.common)?.config;
    let Some(options) = &config.detect else {
        if let Some((rule, _)) = config::without_photos(&config.dataset) {
            return Err(Error::Usage(format!("{} detects no faces: {rule}", given.config.display())));
        }
        return Err(Error::Usage(format!(
            "{} detects no faces; add `detect: {{detector: mtcnn}}` to it, or --set detect.detector=mtcnn to the command",
            given.config.display()
        )));
    };
    let folder = arguments.out.clone().unwrap_or_else(|| Path::new(FOLDER).join(&config.name));
    let out = arguments.out.as_ref().map_or_else(String::new, |out| format!(" --out '{}'", out.display()));
    let cut = if arguments.crops { " --crops" } else { "" };
    let repeated = options_to_repeat(&given.common, &given.overrides);
    let again = format!("to resume: facevault detect {}{repeated}{out}{cut}", given.config.display());
    with_context(&given.common, &again, |context| {
        let (found, origin) = match context.detect_faces(&config, options) {
            Err(error) if error.interrupted() => return Ok(interrupted(&again)),
            other => other?,
        };
        let crops = arguments.crops.then_some(&config.preprocess);
        let memory = config.embed.picture_memory(context.cancel);
        let written = detect::write(&found.manifest, &folder, crops, &memory, context.progress, context.cancel)?;
        let Some(table) = written else {
            return Ok(interrupted(&again));
        };
        let value = DetectOutput {
            photos: found.photos,
            faces: found.faces,
            without_face: found.without_face,
            failed: table.failed,
            detector: origin.clone(),
            table: table.faces.clone(),
            failures: table.failures.clone(),
            crops: table.crops.clone(),
        };
        print(&given.common, &value, || {
            let mut lines = vec![origin.sentence(), format!("faces     {}", table.faces.display())];
            lines.extend((table.failed > 0).then(|| {
                format!(
                    "failures  {} of {}: {}",
                    table.failed,
                    counted(found.photos, "photo"),
                    table.failures.display()
                )
            }));
            lines.extend(table.crops.as_ref().map(|crops| format!("crops     {}", crops.display())));
            lines.join("\n")
        })?;
        let accepted = match (config.embed.on_error, config.embed.max_failures) {
            (OnError::Fail, _) if table.failed > 0 => Some("none (`embed.on_error: fail`)".to_owned()),
            (_, Some(most)) if table.failed > most => Some(format!("{most} (`embed.max_failures`)")),
            _ => None,
        };
        if let Some(accepted) = accepted {
            let (failed, photos, file) = (table.failed, found.photos, table.failures.display().to_string());
            return Err(Error::TooManyUndetected { failed, photos, accepted, file });
        }
        if found.faces == 0 {
            let (photos, file) = (found.photos, table.failures.display().to_string());
            return Err(Error::NothingDetected { photos, file });
        }
        Ok(CommandOutcome::Done)
    })
}
