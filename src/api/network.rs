//! A network that is open: faces in, rows out.

use serde_json::{Value, json};

use super::interrupted;
use crate::config::{self, ExperimentConfig};
use crate::dataset::{self, Face};
use crate::embed::{self, DirectRows, EmbedJob, FaceReader, output_dimension};
use crate::error::Error;
use crate::model::weights::{Checkpoint, Weights};
use crate::model::{self, BATCH, Calibration, Embedder, EmbedderInfo, FaceBatch, Kernels};
use crate::preprocess::{BoundingBox, Landmarks};
use crate::progress::{Cancel, KeptLines, Progress};
use crate::run::{MissingBoxes, MissingLandmarks, RunError};
use crate::weights;

pub use crate::embed::FailedFace;
pub use crate::quality::Quality;

/// A network with its weights, on its device.
pub struct OpenedNetwork {
    /// `model`, `weights` and `embed` as they were given; `preprocess`, too.
    sections: Value,
    config: ExperimentConfig,
    embedder: Box<dyn Embedder>,
    notes: Vec<String>,
}

/// A face in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceFile {
    /// The picture: absolute, or from the current folder.
    pub path: String,
    /// The face's box; `None`: the whole picture.
    pub bbox: Option<BoundingBox>,
    /// Its landmarks, for preprocessing that aligns.
    pub landmarks: Option<Landmarks>,
}

/// What became of files.
#[derive(Debug)]
pub struct Embedded {
    /// Numbers in a row.
    pub dimension: usize,
    /// The faces that have a row, by their place among those that were given; ascending.
    pub faces: Vec<usize>,
    /// Their unit rows.
    pub rows: Vec<f32>,
    /// Their qualities.
    pub quality: Vec<Quality>,
    /// The other faces, and why.
    pub failures: Vec<FailedFace>,
}

impl OpenedNetwork {
    /// Opens what the sections `weights`, `model`, `preprocess` and `embed` of a config describe. int8 needs the ranges of
    /// `calibration`: RGB faces, and their side.
    ///
    /// # Errors
    /// [`Error`]: a section is wrong, the weights cannot be loaded, or this machine cannot run them.
    pub fn open(sections: &Value, calibration: Option<(&[u8], usize)>, cancel: &Cancel) -> Result<Self, Error> {
        let config = validated(sections)?;
        let said = KeptLines::default();
        let side = config.preprocess.resize.size;
        let whole = config.embed.kernels == Kernels::OnnxRuntime;
        let checkpoint = weights::load_network(&config.weights, &config.model, side, whole, &said, cancel)
            .map_err(RunError::from)?;
        if let Some(caution) =
            weights::standardised_once(&checkpoint, config.preprocess.standardise).map_err(RunError::from)?
        {
            said.warn(&caution);
        }
        let calibration = match calibration {
            Some((_, given)) if given != side as usize => {
                let rule = format!(
                    "calibration: the faces are of {given}×{given} pixels, expected {side}×{side}; resize them"
                );
                return Err(Error::Usage(rule));
            }
            Some((faces, _)) => Some(calibrated(&config, &checkpoint, faces)?),
            None => None,
        };
        let say = |line: &str| said.say(line);
        let embedder = model::open(
            &config.model,
            side as usize,
            &config.embed.execution(),
            &checkpoint.weights,
            calibration.as_ref(),
            &say,
        )
        .map_err(RunError::from)?;
        if cancel.requested() {
            return Err(interrupted());
        }
        Ok(Self { sections: sections.clone(), config, embedder, notes: said.into_lines() })
    }

    /// Side of a face, pixels.
    #[must_use]
    pub fn side(&self) -> usize {
        self.config.preprocess.resize.size as usize
    }

    /// Numbers in a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        output_dimension(self.embedder.dimension(), self.config.preprocess.mirror)
    }

    /// Which network runs where.
    #[must_use]
    pub fn info(&self) -> &EmbedderInfo {
        self.embedder.info()
    }

    /// What the command would have said: where `auto` led, which keys were renamed, cautions.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Embeds faces: RGB, `side × side × 3` bytes each, in row-major order.
    ///
    /// # Errors
    /// [`Error`]: the device failed, or an output is not a unit vector.
    pub fn embed(&mut self, pixels: &[u8], cancel: &Cancel) -> Result<Vec<f32>, Error> {
        let rows = embed::embed_pixels(self.embedder.as_mut(), &self.config.preprocess, pixels, cancel);
        match rows.map_err(RunError::from)? {
            None => Err(interrupted()),
            Some(rows) => Ok(rows.map_err(RunError::from)?),
        }
    }

    /// Reads, crops and embeds faces in files, as a run does. `preprocess` stands in for the network's own.
    ///
    /// # Errors
    /// [`Error`]: the preprocessing is wrong or does not fit the faces, or the device failed. A face that cannot be read is a
    /// failure in the result.
    pub fn embed_files(
        &mut self,
        faces: Vec<FaceFile>,
        preprocess: Option<&Value>,
        cancel: &Cancel,
    ) -> Result<Embedded, Error> {
        let of_call = preprocess.map(|preprocess| {
            let mut sections = self.sections.clone();
            sections["preprocess"] = preprocess.clone();
            validated(&sections)
        });
        let of_call = of_call.transpose()?;
        let config = of_call.as_ref().unwrap_or(&self.config);
        let faces = faces.into_iter().enumerate().map(|(place, FaceFile { path, bbox, landmarks })| Face {
            face_id: place.to_string(),
            bbox,
            landmarks,
            ..Face::of_picture(path)
        });
        let manifest = dataset::of_files(faces.collect(), cancel).map_err(RunError::from)?;
        if let Some(whole) = MissingBoxes::of(config, &manifest) {
            whole.refuse(config, &manifest)?;
        }
        if let Some(missing) = MissingLandmarks::of(config, &manifest) {
            missing.refuse()?;
        }
        let reader =
            FaceReader::new(&manifest, &config.preprocess, &config.dataset).within(config.embed.picture_memory(cancel));
        let job = EmbedJob::new(&manifest.faces, &reader, &config.preprocess, &config.embed);
        let found = embed::embed_rows(&job, self.embedder.as_mut(), cancel).map_err(RunError::from)?;
        let Some(DirectRows { rows, data, quality, failures }) = found else { return Err(interrupted()) };
        let dimension = output_dimension(self.embedder.dimension(), config.preprocess.mirror);
        Ok(Embedded { dimension, faces: rows, rows: data, quality, failures })
    }
}

/// The config that these sections make with a dataset of files.
fn validated(sections: &Value) -> Result<ExperimentConfig, Error> {
    let mut whole = json!({ "name": "embedder", "dataset": { "source": "folders", "root": "." } });
    if let (Value::Object(whole), Value::Object(sections)) = (&mut whole, sections) {
        whole.extend(sections.clone());
    }
    Ok(config::of_sections(&whole, "Embedder")?)
}

/// The int8 ranges over these faces and, if the preprocessing mirrors, their mirror images.
fn calibrated(
    config: &ExperimentConfig,
    checkpoint: &Checkpoint<Weights>,
    faces: &[u8],
) -> Result<Calibration, RunError> {
    let preprocess = &config.preprocess;
    let turned = embed::turned(faces, preprocess);
    let side = preprocess.resize.size as usize;
    let batches = turned.chunks(BATCH * side * side * 3).map(|pixels| FaceBatch {
        pixels,
        count: pixels.len() / (side * side * 3),
        side,
        standardise: preprocess.standardise,
    });
    Ok(model::calibrate(&config.model, &config.embed.execution(), &checkpoint.weights, batches)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::wrong_argument;

    fn demo(embed: &Value) -> Value {
        json!({
            "weights": { "source": "embedded", "name": "demo" },
            "model": { "width": 0.25 },
            "preprocess": { "profile": "facevault-notebook", "resize": { "size": 80 } },
            "embed": embed,
        })
    }

    fn refused(sections: &Value, calibration: Option<(&[u8], usize)>) -> String {
        let error = OpenedNetwork::open(sections, calibration, &Cancel::default()).err().unwrap();
        assert!(wrong_argument(&error), "{error}");
        error.to_string()
    }

    #[test]
    fn arrays_and_files_have_the_same_rows() {
        let folder = tempfile::tempdir().unwrap();
        let side = 80_usize;
        let faces: Vec<u8> = (0..3 * side * side * 3).map(|i| (i * i % 253) as u8).collect();
        let mut files: Vec<_> = faces
            .chunks(side * side * 3)
            .enumerate()
            .map(|(i, face)| {
                let path = folder.path().join(format!("{i}.ppm"));
                std::fs::write(&path, [b"P6 80 80 255\n", face].concat()).unwrap();
                FaceFile { path: path.to_str().unwrap().into(), bbox: None, landmarks: None }
            })
            .collect();
        files.insert(1, FaceFile { path: folder.path().join("none.png").to_str().unwrap().into(), ..files[0].clone() });
        let mut network = OpenedNetwork::open(&demo(&json!({ "device": "cpu" })), None, &Cancel::default()).unwrap();
        let rows = network.embed(&faces, &Cancel::default()).unwrap();
        let found = network.embed_files(files, None, &Cancel::default()).unwrap();
        assert_eq!((found.faces, found.rows), (vec![0, 2, 3], rows));
        assert_eq!((found.quality.len(), found.failures.len(), found.failures[0].row), (3, 1, 1));
    }

    /// Fault (config): a wrong argument of a program → the config's error, which quotes the argument
    #[test]
    fn arguments_are_checked_as_a_config_is() {
        insta::assert_snapshot!(refused(&demo(&json!({ "device": "cpu", "precision": "f8" })), None), @r#"
        error: `embed.precision` must be `f32`, `bf16x3`, `tf32`, `f16`, `bf16` or `int8`, got `f8`
          --> Embedder:22:18
           |
        22 |     "precision": "f8"
           |                  ^^^^
        "#);
        insta::assert_snapshot!(refused(&demo(&json!({ "device": "cpu", "precision": "int8" })), Some((&[], 60))), @"calibration: the faces are of 60×60 pixels, expected 80×80; resize them");
        insta::assert_snapshot!(refused(&demo(&json!({ "device": "cpu", "precision": "int8" })), None), @"int8 needs the range of each layer's output; calibrate on a sample of the faces first");
    }
}
