//! Weights and manifests that several runs share, each read once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{MissingBoxes, MissingLandmarks, RunContext, RunError, pair_lists, searches, unused_boxes};
use crate::config::ExperimentConfig;
use crate::dataset::{self, DatasetError, DatasetSource, Manifest};
use crate::detect::{self, Detect, DetectorPlan, Expanded, LoadedDetector};
use crate::embed::EmbedOptions;
use crate::files::{self, FileError};
use crate::identification::IdentificationProtocol;
use crate::model::weights::{Checkpoint, Weights};
use crate::model::{Kernels, ModelSpec};
use crate::protocol::Protocol;
use crate::provenance::DetectionOrigin;
use crate::weights::{self, WeightsSource};

/// The folder inside that of the runs that holds what is expensive to compute again.
pub(super) const CACHE: &str = ".cache";

/// Weights and manifests read so far, keyed by the config sections that determine them.
#[derive(Default)]
pub struct SourceCache {
    checkpoints: Vec<(CheckpointKey, Arc<Checkpoint<Weights>>)>,
    /// Keyed by the protocols as well, because a manifest holds their lists of pairs and roles.
    faces: Vec<(FacesKey, DatasetFaces)>,
}

/// What determines a checkpoint.
#[derive(PartialEq)]
struct CheckpointKey {
    source: WeightsSource,
    /// It determines the names of the tensors.
    model: ModelSpec,
    /// Of the faces; an ONNX file may leave it open.
    side: u32,
    /// Whether ONNX Runtime is to run it.
    whole: bool,
}

/// What determines a manifest.
#[derive(PartialEq)]
struct FacesKey {
    dataset: DatasetSource,
    detect: Option<Detect>,
    protocols: Vec<Protocol>,
    identification: Vec<IdentificationProtocol>,
}

/// The faces of a dataset, and what found them in its photos.
#[derive(Clone)]
pub struct DatasetFaces {
    pub manifest: Arc<Manifest>,
    /// `None` if the dataset says itself where its faces are.
    pub detection: Option<(DetectorPlan, DetectionOrigin)>,
}

impl RunContext<'_> {
    /// What a config's network computes with, checked for completeness and against the preprocessing.
    pub(super) fn checkpoint(
        &self,
        config: &ExperimentConfig,
        sources: &mut SourceCache,
    ) -> Result<Arc<Checkpoint<Weights>>, RunError> {
        self.checkpoint_for(config, &[config.embed.kernels], sources)
    }

    /// [`Self::checkpoint`] for other kernels than the config's.
    fn checkpoint_for(
        &self,
        config: &ExperimentConfig,
        kernels: &[Kernels],
        sources: &mut SourceCache,
    ) -> Result<Arc<Checkpoint<Weights>>, RunError> {
        let (side, whole) = (config.preprocess.resize.size, kernels.contains(&Kernels::OnnxRuntime));
        let key = CheckpointKey { source: config.weights.clone(), model: config.model.clone(), side, whole };
        let known = sources.checkpoints.iter().find(|(other, _)| *other == key).map(|(_, known)| Arc::clone(known));
        let read = if let Some(known) = known {
            known
        } else {
            let source = match &config.weights {
                WeightsSource::Given { path, sha256 } => {
                    &WeightsSource::Given { path: self.matrix_here(path)?, sha256: *sha256 }
                }
                other => other,
            };
            let mut read = weights::load_network(source, &config.model, side, whole, self.progress, self.cancel)?;
            if let WeightsSource::Given { path, .. } = &config.weights {
                read.origin.location = path.display().to_string();
            }
            let read = Arc::new(read);
            sources.checkpoints.push((key, Arc::clone(&read)));
            read
        };
        if let Some(caution) = weights::standardised_once(&read, config.preprocess.standardise)? {
            self.progress.warn(&caution);
        }
        Ok(read)
    }

    /// The checkpoint for such kernels, and the faces of a config.
    pub fn sources_for(
        &self,
        config: &ExperimentConfig,
        kernels: &[Kernels],
    ) -> Result<(Arc<Checkpoint<Weights>>, Arc<Manifest>), RunError> {
        let sources = &mut SourceCache::default();
        Ok((self.checkpoint_for(config, kernels, sources)?, self.faces(config, sources)?.manifest))
    }

    /// The dataset's faces; content digests of unchanged files come from the scan cache, faces that were found in a
    /// photo before from the detection cache.
    pub(super) fn faces(&self, config: &ExperimentConfig, sources: &mut SourceCache) -> Result<DatasetFaces, RunError> {
        let faces = self.read_faces(config, sources)?;
        let manifest = &faces.manifest;
        if let Some(line) = manifest.wrong_rows(config.preprocess.crop) {
            self.progress.say(&line);
        }
        if let Some(line) = unused_boxes(config) {
            self.progress.warn(&line);
        }
        if let Some(whole) = MissingBoxes::of(config, manifest) {
            whole.refuse(config, manifest)?;
            self.progress.say(&whole.sentence());
        }
        if let Some(missing) = MissingLandmarks::of(config, manifest) {
            missing.refuse()?;
            self.progress.say(&missing.sentence());
        }
        Ok(faces)
    }

    fn read_faces(&self, config: &ExperimentConfig, sources: &mut SourceCache) -> Result<DatasetFaces, RunError> {
        let key = FacesKey {
            dataset: config.dataset.clone(),
            detect: config.detect.clone(),
            protocols: config.protocols.clone(),
            identification: config.identification.clone(),
        };
        if let Some((_, known)) = sources.faces.iter().find(|(other, _)| *other == key) {
            return Ok(known.clone());
        }
        let photos = self.photos(config)?;
        let (mut manifest, detection) = match &config.detect {
            None => (photos, None),
            Some(detect) => {
                let (found, detection) = self.detect(photos, detect, &config.embed)?;
                self.progress.say(&detection.1.sentence());
                if found.mixed > 0 {
                    self.progress.say(&match found.mixed {
                        1 => "1 photo has rows of several identities in the table; its faces have none".into(),
                        n => format!("{n} photos have rows of several identities in the table; their faces have none"),
                    });
                }
                (found.manifest, Some(detection))
            }
        };
        pair_lists::read(&mut manifest, &config.protocols, self.progress)?;
        searches::read(&mut manifest, config, self.progress)?;
        let read = DatasetFaces { manifest: Arc::new(manifest), detection };
        sources.faces.push((key, read.clone()));
        Ok(read)
    }

    /// The manifest as the dataset gives it: of photos if the config detects faces in them.
    pub(super) fn photos(&self, config: &ExperimentConfig) -> Result<Manifest, RunError> {
        let cache = self.cache()?;
        let read = dataset::open(&config.dataset, Some(&cache), self.progress, self.cancel);
        Ok(read.map_err(|error| match error {
            DatasetError::File(error) if error.path.starts_with(&cache) => {
                DatasetError::File(FileError::or_set("--experiments")(error))
            }
            error => error,
        })?)
    }

    /// A matrix of embeddings on this machine; one of an object store is fetched unless it is there.
    pub(super) fn matrix_here(&self, path: &Path) -> Result<PathBuf, RunError> {
        if dataset::is_remote(path) {
            Ok(dataset::matrix_here(path, &self.cache()?, self.progress, self.cancel)?)
        } else {
            Ok(path.to_owned())
        }
    }

    /// Finds the faces in photos.
    pub(super) fn detect(
        &self,
        photos: Manifest,
        detect: &Detect,
        options: &EmbedOptions,
    ) -> Result<(Expanded, (DetectorPlan, DetectionOrigin)), RunError> {
        let detector = LoadedDetector::load(detect, self.progress, self.cancel)?;
        let (cache, memory) = (self.cache()?, options.picture_memory(self.cancel));
        let found = detect::find(&photos, &detector, &cache, options.threads, &memory, self.progress, self.cancel)?;
        let expanded = detect::expand(photos, &found, detect)?;
        let origin = DetectionOrigin {
            detector: detect.detector.name().into(),
            weights: detector.weights,
            photos: expanded.photos,
            without_face: expanded.without_face,
            faces: expanded.faces,
        };
        Ok((expanded, (detector.plan, origin)))
    }

    /// The folder of what is expensive to compute again.
    fn cache(&self) -> Result<PathBuf, RunError> {
        files::create_dir(self.experiments)
            .and_then(|()| files::create_dir_inside(self.experiments, CACHE))
            .inspect(|cache| files::sweep(cache))
            .map_err(FileError::or_set("--experiments"))
            .map_err(RunError::from)
    }
}
