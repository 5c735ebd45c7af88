//! What several runs read alike: weights and manifests, each read once.

use std::sync::Arc;

use super::{RunError, Workplace};
use crate::config::{DatasetSource, ExperimentConfig, WeightsSource};
use crate::dataset::{self, Manifest};
use crate::files;
use crate::weights::{self, Checkpoint};

/// Weights and manifests that were read already, by the part of a config that asks for them.
#[derive(Default)]
pub struct Sources {
    checkpoints: Vec<(WeightsSource, Arc<Checkpoint>)>,
    manifests: Vec<(DatasetSource, Arc<Manifest>)>,
}

impl Workplace<'_> {
    /// The checkpoint of a config.
    pub(super) fn checkpoint(
        &self,
        config: &ExperimentConfig,
        sources: &mut Sources,
    ) -> Result<Arc<Checkpoint>, RunError> {
        if let Some((_, known)) = sources.checkpoints.iter().find(|(source, _)| *source == config.weights) {
            return Ok(Arc::clone(known));
        }
        let read = Arc::new(weights::load(&config.weights, self.progress, self.cancel)?);
        sources.checkpoints.push((config.weights.clone(), Arc::clone(&read)));
        Ok(read)
    }

    /// The dataset's manifest; content digests of unchanged files come from the scan cache.
    pub(super) fn manifest(
        &self,
        config: &ExperimentConfig,
        sources: &mut Sources,
    ) -> Result<Arc<Manifest>, RunError> {
        if let Some((_, known)) = sources.manifests.iter().find(|(source, _)| *source == config.dataset) {
            return Ok(Arc::clone(known));
        }
        let cache = self.experiments.join(".cache");
        files::create_dir(&cache)?;
        let read = Arc::new(dataset::open(&config.dataset, Some(&cache), self.progress, self.cancel)?);
        sources.manifests.push((config.dataset.clone(), Arc::clone(&read)));
        Ok(read)
    }
}
