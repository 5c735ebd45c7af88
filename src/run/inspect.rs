//! Inspects a run: its embedded faces, or one of them and its neighbours.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::{RunDirectory, RunError, mend, refuse_not_embedded};
use crate::config::ExperimentConfig;
use crate::dataset::{Face, Manifest};
use crate::embed::{self, ChunkRecord, FailedFace, StoredMatrix};
use crate::evaluate::Benchmarks;
use crate::files;
use crate::identification::{Enrolment, IdentificationProtocol};
use crate::metrics::Metrics;
use crate::preprocess::Mirror;
use crate::provenance::Provenance;
use crate::quality::Quality;
use crate::text::counted;
use crate::{similarity, spelling};

/// The manifest of a run together with the manifest rows that have an embedding, in matrix order.
pub struct EmbeddedFaces {
    pub manifest: Manifest,
    /// Matrix row → manifest row.
    pub rows: Vec<usize>,
    /// Faces without an embedding.
    pub failures: Vec<FailedFace>,
    /// How good the picture of each embedded face is, in matrix order, as far as it was measured.
    pub quality: Vec<Option<Quality>>,
}

impl EmbeddedFaces {
    /// Reads both.
    pub fn open(run: &RunDirectory) -> Result<Self, RunError> {
        let mut manifest = Manifest::read_parquet(&run.file(RunDirectory::MANIFEST), dataset_root(run)?)?;
        manifest.read_lists(run.path())?;
        let records = embed::read_records(run.path())?;
        let quality = records.iter().flat_map(ChunkRecord::qualities).collect();
        let failures: Vec<FailedFace> = records.into_iter().flat_map(|record| record.failures).collect();
        let mut failed = failures.iter().map(|failure| failure.row).peekable();
        let rows = (0..manifest.len()).filter(|row| failed.next_if_eq(row).is_none()).collect();
        Ok(Self { manifest, rows, failures, quality })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Face> {
        self.rows.iter().map(|&row| &self.manifest.faces[row])
    }

    /// Matrix row of each manifest row.
    pub fn row_of(&self) -> Vec<Option<u32>> {
        let mut row_of = vec![None; self.manifest.len()];
        (0..).zip(&self.rows).for_each(|(row, &face)| row_of[face] = Some(row));
        row_of
    }

    /// Who each manifest row is.
    pub fn identities(&self) -> Vec<Option<&str>> {
        self.manifest.faces.iter().map(|face| face.identity_id.as_deref()).collect()
    }

    /// The detector's score of each manifest row.
    pub fn scores(&self) -> Vec<Option<f32>> {
        self.manifest.faces.iter().map(|face| face.detector_score).collect()
    }

    /// The lists that came with the faces and the config's protocols; the slices are [`Self::row_of`],
    /// [`Self::identities`], `searches::enrolled` and [`Self::scores`].
    pub fn benchmarks<'a>(
        &'a self,
        config: &'a ExperimentConfig,
        row_of: &'a [Option<u32>],
        identities: &'a [Option<&'a str>],
        searches: &'a [(&'a IdentificationProtocol, Enrolment)],
        scores: &'a [Option<f32>],
    ) -> Benchmarks<'a> {
        let (protocols, halves) = (&config.protocols, config.preprocess.mirror == Mirror::Concat);
        Benchmarks {
            protocols,
            searches,
            lists: &self.manifest.lists,
            row_of,
            identities,
            template_protocols: &config.templates,
            templates: self.manifest.templates.as_ref(),
            scores,
            halves,
        }
    }

    /// Checks that a matrix of `rows` rows, index and manifest list the same faces in the same order.
    pub fn check_rows(&self, run: &RunDirectory, rows: usize) -> Result<(), RunError> {
        let wrong = |path, rule: String| Err(RunError::Inconsistent { path, rule });
        if rows != self.rows.len() {
            let rule = format!(
                "{}, but {} of the manifest without a failure",
                counted(rows, "row"),
                counted(self.rows.len(), "face")
            );
            return wrong(run.matrix(), rule);
        }
        let index = index(run)?;
        if index.len() != self.rows.len() || !index.iter().eq(self.iter().map(|face| &face.face_id)) {
            return wrong(
                run.file(RunDirectory::INDEX),
                "its ids are not the manifest's embedded faces in row order".into(),
            );
        }
        Ok(())
    }
}

/// The folder that the manifest's paths start from. Only pictures need it.
pub(super) fn dataset_root(run: &RunDirectory) -> Result<std::path::PathBuf, RunError> {
    let Provenance { dataset, .. } = run.json(RunDirectory::PROVENANCE)?;
    Ok(dataset.root)
}

/// `face_embedding_index.csv`.
pub(super) fn index(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    column(&run.file(RunDirectory::INDEX), "face_id")
}

/// One column of a CSV file.
pub(super) fn column(path: &Path, name: &str) -> Result<Vec<String>, RunError> {
    let wrong = |rule: String| RunError::Inconsistent { path: path.to_owned(), rule };
    let bytes = files::read(path)?;
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let headers = reader.headers().map_err(|error| wrong(error.to_string()))?;
    let position = headers
        .iter()
        .position(|header| header == name)
        .ok_or_else(|| wrong(format!("it lacks the column `{name}`")))?;
    reader
        .records()
        .map(|record| {
            let record = record.map_err(|error| wrong(error.to_string()))?;
            Ok(record.get(position).unwrap_or_default().to_owned())
        })
        .collect()
}

/// One face of a run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Lookup {
    /// The run's name.
    pub run: String,
    /// The face.
    pub face_id: String,
    /// Its row in the matrix, from 0.
    pub row: usize,
    /// Its identity, if known.
    pub identity_id: Option<String>,
    /// L2 length of its embedding.
    pub norm: f64,
    /// Where this run accepts a pair; null before its evaluation, or where its pairs are too few to resolve any rate.
    pub threshold: Option<LookupThreshold>,
    /// The most similar other faces, nearest first.
    pub neighbours: Vec<Neighbour>,
}

/// Another face, and how alike it is.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Neighbour {
    /// Its row in the matrix, from 0.
    pub row: usize,
    /// The neighbour.
    pub face_id: String,
    /// Its identity, if known.
    pub identity_id: Option<String>,
    /// Cosine of the two embeddings.
    pub cosine: f32,
    /// Whether the cosine reaches the threshold; null without one.
    pub accepted: Option<bool>,
}

/// The run's operating threshold: at a false match rate of 1e-3, or at the next higher one that its pairs resolve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct LookupThreshold {
    /// A pair is accepted from this cosine on.
    pub cosine: f64,
    /// Its target false match rate.
    pub target_fmr: f64,
}

fn threshold(run: &RunDirectory) -> Result<Option<LookupThreshold>, RunError> {
    if !run.has(RunDirectory::METRICS) {
        return Ok(None);
    }
    let metrics: Metrics = run.json(RunDirectory::METRICS)?;
    let point = metrics.operating();
    Ok(point.and_then(|point| Some(LookupThreshold { cosine: point.threshold?, target_fmr: point.target_fmr })))
}

/// Checks that a run is embedded, and not damaged as far as sizes and times tell.
pub fn embedded_and_intact(run: &RunDirectory) -> Result<(), RunError> {
    mend::intact(run)?;
    refuse_not_embedded(run)
}

/// Finds a face in an embedded run. Fails with [`RunError::NoSuchFace`] with the nearest id, [`RunError::FailedFace`]
/// with the reason.
pub fn lookup(run: &RunDirectory, face_id: &str, neighbours: usize) -> Result<Lookup, RunError> {
    embedded_and_intact(run)?;
    let faces = EmbeddedFaces::open(run)?;
    let Some(row) = faces.iter().position(|face| face.face_id == face_id) else {
        if let Some(failure) = faces.failures.iter().find(|failure| failure.face_id == face_id) {
            let reason = failure.message.clone();
            return Err(RunError::FailedFace { run: run.name(), face_id: face_id.into(), reason });
        }
        let near = spelling::nearest(face_id, faces.iter().map(|face| face.face_id.as_str())).map(str::to_owned);
        return Err(RunError::NoSuchFace { run: run.name(), face_id: face_id.into(), near });
    };
    let matrix = StoredMatrix::open(&run.matrix())?;
    faces.check_rows(run, matrix.rows())?;
    let face = |row: usize| &faces.manifest.faces[faces.rows[row]];
    let norm = matrix.row(row).iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let threshold = threshold(run)?;
    let neighbours = similarity::nearest(matrix.data(), matrix.dimension(), row, neighbours)
        .into_iter()
        .map(|(row, cosine)| Neighbour {
            row,
            face_id: face(row).face_id.clone(),
            identity_id: face(row).identity_id.clone(),
            cosine,
            accepted: threshold.map(|threshold| f64::from(cosine) >= threshold.cosine),
        })
        .collect();
    let identity_id = face(row).identity_id.clone();
    Ok(Lookup { run: run.name(), face_id: face_id.into(), row, identity_id, norm, threshold, neighbours })
}
