//! Weights and manifests that several runs share, each read once.

use std::sync::Arc;

use super::{MissingBoxes, MissingLandmarks, RunContext, RunError, pair_lists, unused_boxes};
use crate::config::ExperimentConfig;
use crate::dataset::{self, DatasetError, DatasetSource, Manifest};
use crate::files::{self, FileError};
use crate::model;
use crate::model::ModelSpec;
use crate::model::weights::Checkpoint;
use crate::protocol::Protocol;
use crate::weights::{self, WeightsError, WeightsSource};

/// Weights and manifests read so far, keyed by the config sections that determine them.
#[derive(Default)]
pub struct SourceCache {
    /// Keyed by the network as well, because it determines the names of the tensors.
    checkpoints: Vec<(WeightsSource, ModelSpec, Arc<Checkpoint>)>,
    /// Keyed by the protocols as well, because a manifest holds their lists of pairs.
    manifests: Vec<(DatasetSource, Vec<Protocol>, Arc<Manifest>)>,
}

impl RunContext<'_> {
    /// The checkpoint of a config, renamed to the network's keys and checked for completeness.
    pub(super) fn checkpoint(
        &self,
        config: &ExperimentConfig,
        sources: &mut SourceCache,
    ) -> Result<Arc<Checkpoint>, RunError> {
        let asked = |(source, model, _): &&(_, _, _)| *source == config.weights && *model == config.model;
        if let Some((_, _, known)) = sources.checkpoints.iter().find(asked) {
            return Ok(Arc::clone(known));
        }
        let mut read = weights::load(&config.weights, self.progress, self.cancel)?;
        read.tensors = model::adopt(&config.model, read.tensors);
        let needed = model::parameters(&config.model);
        if let Some(prefix) = model::weights::strip_prefix(&mut read.tensors, &needed) {
            self.progress.say(&format!("the prefix `{prefix}` is taken off the keys of {}", read.origin.location));
        }
        model::weights::require(&read, &needed, model::unused_keys(&config.model)).map_err(WeightsError::from)?;
        let read = Arc::new(read);
        sources.checkpoints.push((config.weights.clone(), config.model.clone(), Arc::clone(&read)));
        Ok(read)
    }

    /// The dataset's manifest; content digests of unchanged files come from the scan cache.
    pub(super) fn manifest(
        &self,
        config: &ExperimentConfig,
        sources: &mut SourceCache,
    ) -> Result<Arc<Manifest>, RunError> {
        let manifest = self.read_manifest(config, sources)?;
        if let Some(line) = manifest.wrong_rows(config.preprocess.crop) {
            self.progress.say(&line);
        }
        if let Some(line) = unused_boxes(config) {
            self.progress.warn(&line);
        }
        if let Some(whole) = MissingBoxes::of(config, &manifest) {
            whole.refuse(config, &manifest)?;
            self.progress.say(&whole.sentence());
        }
        if let Some(missing) = MissingLandmarks::of(config, &manifest) {
            missing.refuse()?;
            self.progress.say(&missing.sentence());
        }
        Ok(manifest)
    }

    fn read_manifest(&self, config: &ExperimentConfig, sources: &mut SourceCache) -> Result<Arc<Manifest>, RunError> {
        let asked = |(source, protocols, _): &&(_, _, _)| *source == config.dataset && *protocols == config.protocols;
        if let Some((_, _, known)) = sources.manifests.iter().find(asked) {
            return Ok(Arc::clone(known));
        }
        let cache = self.experiments.join(".cache");
        files::create_dir(&cache).map_err(FileError::or_set("--experiments"))?;
        let read = dataset::open(&config.dataset, Some(&cache), self.progress, self.cancel);
        let mut manifest = read.map_err(|error| match error {
            DatasetError::File(error) if error.path.starts_with(&cache) => {
                DatasetError::File(FileError::or_set("--experiments")(error))
            }
            error => error,
        })?;
        pair_lists::read(&mut manifest, &config.protocols, self.progress)?;
        let read = Arc::new(manifest);
        sources.manifests.push((config.dataset.clone(), config.protocols.clone(), Arc::clone(&read)));
        Ok(read)
    }
}
