//! What several runs read alike: weights and manifests, each read once.

use std::sync::Arc;

use super::{RunError, Workplace, pair_lists};
use crate::config::{DatasetSource, ExperimentConfig, Protocol, WeightsSource};
use crate::dataset::{self, Manifest};
use crate::files;
use crate::weights::{self, Checkpoint};

/// Weights and manifests that were read already, by the part of a config that asks for them.
#[derive(Default)]
pub struct Sources {
    checkpoints: Vec<(WeightsSource, Arc<Checkpoint>)>,
    /// A manifest has the pair lists of the protocols.
    manifests: Vec<(DatasetSource, Vec<Protocol>, Arc<Manifest>)>,
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
    pub(super) fn manifest(&self, config: &ExperimentConfig, sources: &mut Sources) -> Result<Arc<Manifest>, RunError> {
        let asked = |(source, protocols, _): &&(_, _, _)| *source == config.dataset && *protocols == config.protocols;
        if let Some((_, _, known)) = sources.manifests.iter().find(asked) {
            return Ok(Arc::clone(known));
        }
        let cache = self.experiments.join(".cache");
        files::create_dir(&cache)?;
        let mut manifest = dataset::open(&config.dataset, Some(&cache), self.progress, self.cancel)?;
        pair_lists::read(&mut manifest, &config.protocols, self.progress)?;
        let read = Arc::new(manifest);
        sources.manifests.push((config.dataset.clone(), config.protocols.clone(), Arc::clone(&read)));
        Ok(read)
    }
}
