//! Runs of embeddings that somebody has computed: a matrix takes the place of pictures, weights and network.

use super::{RunContext, RunDirectory, RunError};
use crate::config::ExperimentConfig;
use crate::dataset::{DatasetSource, Manifest};
use crate::digest::Digest;
use crate::embed::{self, ChunkStore, EmbedOptions, EmbedOutcome};
use crate::matrix::Matrix;
use crate::model::{DeviceKind, EmbedderInfo, Network, Precision};
use crate::provenance::{self, Build, MachineInfo, Provenance, RunArithmetic, RunSession};

/// What takes rows from a matrix. It changes with every change that can change a row.
const ARITHMETIC: &[u8] = b"given rows, version 1: unit rows as they are, others normalised in f64";

/// What computes the embeddings of a config, if they are given.
pub(crate) fn describe(config: &ExperimentConfig) -> Option<EmbedderInfo> {
    config.is_given().then(|| EmbedderInfo {
        name: Network::Given.facts().name.into(),
        device: DeviceKind::Cpu,
        device_name: "none: the embeddings are given".into(),
        precision: Precision::F32,
    })
}

impl RunContext<'_> {
    /// The matrix of a config's embeddings, if they are given.
    pub(super) fn given_matrix(&self, config: &ExperimentConfig) -> Result<Option<Matrix>, RunError> {
        match &config.dataset {
            DatasetSource::Embeddings { matrix, column, .. } => {
                Ok(Some(Matrix::open(&self.matrix_here(matrix)?, column.as_deref())?))
            }
            _ => Ok(None),
        }
    }

    /// [`Self::embed`] for given embeddings.
    #[expect(clippy::too_many_arguments, reason = "what a run is made of")]
    pub(super) fn give(
        &self,
        run: &RunDirectory,
        options: &EmbedOptions,
        manifest: &Manifest,
        matrix: &mut Matrix,
        store: &mut ChunkStore,
        embedder: &EmbedderInfo,
        mut provenance: Provenance,
    ) -> Result<EmbedOutcome, RunError> {
        let fingerprint = Digest::of(ARITHMETIC);
        store.computed_by(fingerprint);
        let before = store.rows_embedded();
        provenance.arithmetic.get_or_insert_with(|| RunArithmetic::of(fingerprint, embedder));
        provenance.sessions.push(RunSession {
            started: provenance::now(),
            ended: None,
            machine: MachineInfo::current(),
            device: embedder.device_name.clone(),
            threads: 1,
            batch_size: 1,
            embedded: 0,
            revision: Some(Build::current().revision),
            worker: None,
        });
        run.write_json(RunDirectory::PROVENANCE, &provenance)?;
        let outcome = embed::give(&manifest.faces, matrix, options, store, self.progress, self.cancel);
        if let Some(session) = provenance.sessions.last_mut() {
            session.ended = Some(provenance::now());
            session.embedded = (store.rows_embedded() - before) as u64;
        }
        run.write_json(RunDirectory::PROVENANCE, &provenance)?;
        if let Ok(EmbedOutcome::Complete(_)) = &outcome {
            self.export_files(run, options, store, manifest)?;
            self.say_failures(run, &embed::read_records(run.path())?)?;
        }
        Ok(outcome?)
    }
}
