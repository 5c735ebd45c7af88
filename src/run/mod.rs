//! A run, from config to sealed directory. Every step reads the files of the step before it.

mod ablate;
mod adopt;
mod again;
mod arithmetic;
mod builds;
mod columns;
mod compare;
mod directory;
mod error;
mod exemplars;
mod failures;
mod forget;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod given;
mod inspect;
mod list;
mod mend;
mod missing_boxes;
mod missing_landmarks;
mod pair_lists;
mod pairs_left_out;
mod partial;
mod precision;
mod renamed;
mod reuse;
mod seal;
mod searches;
mod select;
mod shards;
mod sources;
mod template_scores;
mod traces;
mod verify;
mod watch;
mod workers;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use builds::{embedded_by, other_build};
pub(crate) use directory::{DEFAULT_FOLDER, RunDirectory, RunToWrite, experiments_option, quoted};
pub(crate) use error::RunError;
pub(crate) use exemplars::exemplars;
use failures::failures_in;
pub(crate) use failures::{Failures, failures};
pub(crate) use forget::{Forgotten, Named};
pub(crate) use given::describe as given;
pub(crate) use inspect::{EmbeddedFaces, Lookup, LookupThreshold, embedded_and_intact, lookup};
pub(crate) use list::{ListedRun, ListedValue, RunRow, RunState, differing, list};
pub(crate) use missing_boxes::{MissingBoxes, PHOTO_RATIO, unused_boxes};
pub(crate) use missing_landmarks::MissingLandmarks;
pub(crate) use pairs_left_out::PAIRS_LEFT_OUT;
use partial::PartialPairs;
use precision::{NetworkOpener, OpenNetwork};
pub(crate) use precision::{StoredCalibration, agreement};
use reuse::Embedding;
pub(crate) use reuse::{reusable, reused, sentence as reuse_in_words};
use seal::Depth;
pub(crate) use select::{RunCondition, RunKey, matches, sort};
pub(crate) use shards::{MissingShards, ShardSummary, SharedRun, missing_shards};
use sources::DatasetFaces;
pub(crate) use sources::SourceCache;
pub(crate) use verify::{Check, Verified};
pub(crate) use watch::{RunWatch, WatchState, WatchedRun};

use crate::compare::RunSummary;
use crate::config::{self, ExperimentConfig, Loaded};
use crate::dataset::{LeftOut, Manifest};
use crate::detect::{self, Detect, Expanded, LoadedDetector};
use crate::digest::Digest;
use crate::embed::{
    self, ChunkRecord, ChunkStore, EmbedError, EmbedJob, EmbedOptions, EmbedOutcome, EmbedSummary, FaceReader,
    LockError, RunLock, StoredMatrix,
};
use crate::evaluate::{self, EvaluateError, Evaluation, Labelled};
use crate::file_lock::{self, Holder};
use crate::files::{self, FileError};
use crate::identification::IdentificationResult;
use crate::metrics::Judged;
use crate::mirror;
use crate::model::weights::{Checkpoint, Weights};
use crate::model::{self, EmbedderInfo, Kernels};
use crate::plan::{self, RunPlan};
use crate::progress::{Cancel, Progress};
use crate::protocol::ProtocolResult;
use crate::provenance::{
    self, Build, ConfigOrigin, DatasetOrigin, DetectionOrigin, MachineInfo, Provenance, RunArithmetic, RunSession,
};
use crate::shard::Shard;
use crate::similarity::{Cards, Share, SharedPairs};
use crate::templates::TemplatesResult;
use crate::weights::WeightsOrigin;
use crate::{results, text};

/// What every step needs: folders, progress and cancellation.
pub(crate) struct RunContext<'a> {
    pub experiments: &'a Path,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
}

/// A run that is ready to embed: everything resolved and checked.
pub(crate) struct PreparedRun {
    pub directory: RunDirectory,
    pub plan: RunPlan,
    /// Whether faces without a box are cut out by box.
    pub missing_boxes: Option<MissingBoxes>,
    loaded: Loaded,
    manifest: Arc<Manifest>,
    checkpoint: Arc<Checkpoint<Weights>>,
    embedder: EmbedderInfo,
    provenance: Provenance,
    /// The runs whose embeddings it may reuse; `None`: those of the folder.
    donors: Option<Vec<RunDirectory>>,
}

/// How far a run is embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Until workers can embed it.
    Prepared,
    Whole,
}

/// Result of an evaluation.
pub(crate) enum Evaluated {
    Metrics(Box<Evaluation>),
    /// There is nothing to compare (no labels, a single face), although the embeddings are complete.
    NotEvaluable {
        reason: String,
        /// The config's expectations; only those that need no comparison of faces are judged.
        expectations: Vec<Judged>,
    },
}

impl Evaluated {
    pub fn expectations(&self) -> &[Judged] {
        match self {
            Self::Metrics(evaluation) => &evaluation.metrics.expectations,
            Self::NotEvaluable { expectations, .. } => expectations,
        }
    }

    /// Whether every expectation of the config was met.
    pub fn met(&self) -> bool {
        self.expectations().iter().all(|judged| judged.met)
    }
}

impl RunContext<'_> {
    /// Fetches weights and data, reads the manifest, checks the device, and names the run.
    pub fn prepare(&self, config_path: &Path, loaded: Loaded) -> Result<PreparedRun, RunError> {
        self.prepare_from(&mut SourceCache::default(), config_path, loaded)
    }

    /// [`Self::prepare`] for one of several configs, which share what they read.
    pub fn prepare_from(
        &self,
        sources: &mut SourceCache,
        config_path: &Path,
        loaded: Loaded,
    ) -> Result<PreparedRun, RunError> {
        let config = &loaded.config;
        let checkpoint = self.checkpoint(config, sources)?;
        let DatasetFaces { manifest, detection } = self.faces(config, sources)?;
        let missing_boxes = MissingBoxes::of(config, &manifest);
        let say = |line: &str| self.progress.say(line);
        let embedder = given::describe(config)
            .map_or_else(|| model::describe(&config.model, &config.embed.execution(), &say), Ok)?;
        let (detector, detection) = detection.unzip();
        let plan =
            RunPlan::new(config, manifest.digest(), manifest.len() as u64, detector, checkpoint.digest, &embedder);
        let directory = RunDirectory::in_folder(self.experiments, &plan.run_id().to_string())?;
        let provenance = Provenance {
            build: Build::current(),
            config: ConfigOrigin {
                path: absolute(config_path),
                overrides: loaded.kept_overrides(),
                working_directory: std::env::current_dir().unwrap_or_default(),
            },
            weights: WeightsOrigin::new(&config.weights, &checkpoint),
            dataset: DatasetOrigin {
                source: serde_json::to_value(&config.dataset).unwrap_or_default(),
                commit: manifest.commit.clone(),
                root: absolute(&manifest.root),
                manifest: manifest.digest(),
                faces: manifest.len() as u64,
                detection,
                cautions: missing_boxes.map(|whole| whole.sentence()).into_iter().chain(unused_boxes(config)).collect(),
                files: manifest.containers.clone(),
                left_out: manifest.left_out.clone(),
            },
            arithmetic: None,
            measured: BTreeMap::new(),
            sessions: Vec::new(),
            adopted_from: None,
            reused: Vec::new(),
            compared_on: None,
            removals: Vec::new(),
        };
        Ok(PreparedRun {
            directory,
            plan,
            missing_boxes,
            loaded,
            manifest,
            checkpoint,
            embedder,
            provenance,
            donors: None,
        })
    }

    /// Downloads what a config needs, without computing anything. The manifest is of photos if the config detects faces
    /// in them.
    pub fn fetch(&self, config: &ExperimentConfig) -> Result<(Arc<Checkpoint<Weights>>, Arc<Manifest>), RunError> {
        let Some(detect) = &config.detect else { return self.sources(config) };
        let checkpoint = self.checkpoint(config, &mut SourceCache::default())?;
        let detector = LoadedDetector::load(detect, self.progress, self.cancel)?;
        for line in detect::unpinned(&detector.weights) {
            self.progress.warn(&line);
        }
        Ok((checkpoint, Arc::new(self.photos(config)?)))
    }

    /// The checkpoint and the faces of a config.
    pub fn sources(&self, config: &ExperimentConfig) -> Result<(Arc<Checkpoint<Weights>>, Arc<Manifest>), RunError> {
        self.sources_for(config, &[config.embed.kernels])
    }

    /// Finds the faces in a config's photos. Fails with [`RunError`]; what was found is kept, and the next call continues
    /// from it.
    pub fn detect_faces(
        &self,
        config: &ExperimentConfig,
        detect: &Detect,
    ) -> Result<(Expanded, DetectionOrigin), RunError> {
        let (found, (_, origin)) = self.detect(self.photos(config)?, detect, &config.embed)?;
        Ok((found, origin))
    }

    /// Embeds the remaining faces and writes the exported files. Does nothing for a run that already has them. Fails
    /// with [`RunError`]; what was committed stays, and the next call resumes from it.
    pub fn embed(&self, prepared: PreparedRun) -> Result<EmbedOutcome, RunError> {
        self.embed_until(prepared, Stage::Whole)
    }

    fn embed_until(&self, prepared: PreparedRun, stage: Stage) -> Result<EmbedOutcome, RunError> {
        if !prepared.directory.has(RunDirectory::PLAN) {
            self.say_unfinished_runs(&prepared)?;
        }
        let PreparedRun { directory, plan, loaded, manifest, checkpoint, embedder, mut provenance, donors, .. } =
            prepared;
        let (run, manifest) = (&directory, &*manifest);
        let lock = self.lock(run)?;
        if let Err(refused) = forget::refuse_embedding(run) {
            self.clear_what_came_back(run, manifest)?;
            return Err(refused);
        }
        self.mend(run)?;
        Self::describe(run, &plan, &loaded, &mut provenance)?;
        shards::gather(run, &mut provenance)?;
        let options = &loaded.config.embed;
        let mut matrix = self.given_matrix(&loaded.config)?;
        let dimension = match &matrix {
            Some(matrix) => matrix.dimension(),
            None => embed::output_dimension(
                model::dimension(&loaded.config.model, &checkpoint.weights),
                loaded.config.preprocess.mirror,
            ),
        };
        // The digests are recorded after everything is exported.
        if run.has(RunDirectory::METADATA) && seal::is_recorded(run) {
            if !manifest.has_other_columns_than(&run.file(RunDirectory::MANIFEST))? {
                return self.embedded_before(run, options, manifest.len());
            }
            self.progress.say("the columns of the dataset have changed: what depends on them is written again");
            // First, so that no interruption leaves results of the old columns.
            seal::remove(run, RunDirectory::METRICS)?;
        }
        seal::discard(run)?;
        manifest.write_parquet(&run.file(RunDirectory::MANIFEST))?;
        manifest.write_lists(run.path())?;
        let known = provenance.arithmetic.as_ref().map(|arithmetic| arithmetic.fingerprint);
        let mut store = self.open_store(&lock, manifest, dimension, options.chunk_size, known)?;
        if !store.is_empty() {
            precision::refuse_changed(run, &provenance)?;
        }
        if store.is_complete() && !store.is_empty() && precision::is_complete(run, plan.precision()) {
            // Only its exports were missing or damaged, and these need no network.
            self.export_files(run, options, &store, manifest)?;
            return self.embedded_before(run, options, manifest.len());
        }
        if let Some(matrix) = &mut matrix {
            return self.give(run, options, manifest, matrix, &mut store, &embedder, provenance);
        }
        let reader = FaceReader::new(manifest, &loaded.config.preprocess, &loaded.config.dataset)
            .within(options.picture_memory(self.cancel));
        let job = EmbedJob::new(&manifest.faces, &reader, &loaded.config.preprocess, options);
        let opening = NetworkOpener {
            run,
            config: &loaded.config,
            weights: (&checkpoint.weights).into(),
            job,
            device: embedder.device,
            progress: self.progress,
            cancel: self.cancel,
            opened: RefCell::default(),
        };
        // What another library computes may depend on the faces beside it (docs/onnx-runtime.md).
        let alone = options.kernels == Kernels::OnnxRuntime;
        let donors = match donors {
            _ if alone => Vec::new(),
            Some(named) => reuse::that_fit(named, &plan, self.progress),
            None => RunDirectory::list_here(self.experiments)?,
        };
        let refused = self.adopt(run, &donors, &plan, &mut store, &mut provenance, &opening);
        provenance.count_reused(&store.rows_reused());
        let before = store.rows_computed();
        let begun = provenance.arithmetic.take().filter(|_| !store.is_empty());
        let Some(OpenNetwork { embedder: mut network, arithmetic }) = opening.open(begun.as_ref())? else {
            let (embedded, failed) = (store.rows_embedded(), store.rows_failed());
            let (rows, resumed) = (manifest.len(), embedded + failed);
            return Ok(EmbedOutcome::Interrupted(EmbedSummary { rows, embedded, failed, resumed, seconds: 0.0 }));
        };
        // The network has its own copy.
        drop(checkpoint);
        store.computed_by(arithmetic.fingerprint);
        let crop = loaded.config.preprocess.crop;
        let ours = Embedding { run, plan: &plan, manifest, crop, arithmetic: arithmetic.fingerprint };
        let taken = self.reuse(&ours, donors, &store, &mut provenance, &refused);
        let job = if taken.rows() > 0 { job.reusing(&taken) } else { job };
        provenance.arithmetic = begun.or(Some(arithmetic));
        provenance.measured = precision::measured(run)?;
        if stage == Stage::Prepared {
            let resumed = store.rows_embedded() + store.rows_failed();
            embed::take(&job, &mut store, self.progress, self.cancel)?;
            provenance.count_reused(&store.rows_reused());
            run.write_json(RunDirectory::PROVENANCE, &provenance)?;
            shards::share(run, &store)?;
            let (embedded, failed) = (store.rows_embedded(), store.rows_failed());
            let summary = EmbedSummary { rows: manifest.len(), embedded, failed, resumed, seconds: 0.0 };
            return Ok(EmbedOutcome::Interrupted(summary));
        }
        provenance.sessions.push(RunSession {
            started: provenance::now(),
            ended: None,
            machine: MachineInfo::current(),
            device: embedder.device_name.clone(),
            threads: options.threads.unwrap_or_else(|| MachineInfo::current().cores),
            batch_size: options.batch_size.or(network.batch()),
            embedded: 0,
            revision: Some(Build::current().revision),
            worker: None,
        });
        run.write_json(RunDirectory::PROVENANCE, &provenance)?;
        mirror::push(run.path())?;

        let outcome = embed::run(&job, network.as_mut(), &mut store, self.progress, self.cancel);

        if let Some(session) = provenance.sessions.last_mut() {
            session.ended = Some(provenance::now());
            session.embedded = (store.rows_computed() - before) as u64;
        }
        provenance.count_reused(&store.rows_reused());
        run.write_json(RunDirectory::PROVENANCE, &provenance)?;
        match &outcome {
            Ok(EmbedOutcome::Complete(_)) => {
                self.export_files(run, options, &store, manifest)?;
                // What is evaluated next is not lost with this process.
                mirror::push(run.path())?;
                self.say_failures(run, &embed::read_records(run.path())?)?;
            }
            Err(EmbedError::TooManyFailures { seen, .. }) => {
                Failures::of(seen, manifest).lines().iter().for_each(|line| self.progress.warn(line));
            }
            _ => (),
        }
        Ok(outcome?)
    }

    /// Opens the chunks of a run that this process has locked. Those that workers computed from other faces than the
    /// manifest's are reported, removed and computed again.
    fn open_store(
        &self,
        lock: &RunLock,
        manifest: &Manifest,
        dimension: usize,
        chunk_size: usize,
        arithmetic: Option<Digest>,
    ) -> Result<ChunkStore, RunError> {
        let mut store = ChunkStore::open(lock, manifest.len(), dimension, chunk_size, arithmetic, self.progress)?;
        for chunk in store.discard_other_faces(&manifest.faces)? {
            self.progress.warn(&format!(
                "chunk {chunk:05} was computed from other rows of the manifest than those that are there: removed"
            ));
        }
        Ok(store)
    }

    /// What [`Self::embed`] gives for a run of `rows` faces that has its exports.
    fn embedded_before(
        &self,
        run: &RunDirectory,
        options: &EmbedOptions,
        rows: usize,
    ) -> Result<EmbedOutcome, RunError> {
        let embedded = embed::MatrixReader::open(&run.matrix())?.rows();
        let records = embed::read_records(run.path())?;
        self.say_failures(run, &records)?;
        embed::admit(options, records.iter().flat_map(|record| &record.failures))?;
        let failed = rows - embedded.min(rows);
        Ok(EmbedOutcome::Complete(EmbedSummary { rows, embedded, failed, resumed: rows, seconds: 0.0 }))
    }

    /// Reports why faces have no embedding, even with `--quiet`: an incomplete result must not look complete.
    fn say_failures(&self, run: &RunDirectory, records: &[ChunkRecord]) -> Result<(), RunError> {
        let failures = failures_in(run, records)?;
        failures.iter().flat_map(Failures::lines).for_each(|line| self.progress.warn(&line));
        Ok(())
    }

    /// For passes over all files of a run.
    fn watch(&self) -> seal::Watch<'_> {
        seal::Watch { progress: self.progress, cancel: self.cancel }
    }

    fn lock(&self, run: &RunDirectory) -> Result<RunLock, RunError> {
        let lock = RunLock::acquire(run.path()).map_err(|error| not_locked(run, error))?;
        own(run, false)?;
        if let Some(note) = lock.note() {
            self.progress.say(note);
        }
        Ok(lock)
    }

    /// Writes config, plan and provenance, keeping earlier sessions.
    fn describe(
        run: &RunDirectory,
        plan: &RunPlan,
        loaded: &Loaded,
        provenance: &mut Provenance,
    ) -> Result<(), RunError> {
        if run.has(RunDirectory::PROVENANCE) {
            let earlier: Provenance = run.json(RunDirectory::PROVENANCE)?;
            provenance.arithmetic = earlier.arithmetic;
            provenance.measured = earlier.measured;
            provenance.sessions = earlier.sessions;
            provenance.adopted_from = earlier.adopted_from;
            provenance.reused = earlier.reused;
            provenance.compared_on = earlier.compared_on;
            // The folder that the same config is started from does not matter once the run is described.
            let same = run.has(RunDirectory::CONFIG)
                && files::read(&run.file(RunDirectory::CONFIG))? == loaded.kept_text().as_bytes()
                && earlier.config.overrides == provenance.config.overrides;
            let planned = || files::read(&run.file(RunDirectory::PLAN));
            if same && run.has(RunDirectory::PLAN) && planned()? == plan.canonical_json().as_bytes() {
                return Ok(());
            }
        }
        let written = [RunDirectory::CONFIG, RunDirectory::PROVENANCE, RunDirectory::PLAN];
        seal::unseal(run, |name| !written.contains(&name))?;
        files::commit_bytes(&run.file(RunDirectory::CONFIG), loaded.kept_text().as_bytes())?;
        run.write_json(RunDirectory::PROVENANCE, provenance)?;
        // Last: a directory with a plan is a run that can be listed and resumed.
        Ok(files::commit_bytes(&run.file(RunDirectory::PLAN), plan.canonical_json().as_bytes())?)
    }

    /// Chunks → the files that later phases read; `face_metadata.csv` last, and then their digests.
    fn export_files(
        &self,
        run: &RunDirectory,
        options: &EmbedOptions,
        store: &ChunkStore,
        manifest: &Manifest,
    ) -> Result<(), RunError> {
        embed::export(run.path(), store, &manifest.faces, options.part_rows, self.progress)?;
        let rows: Vec<u32> = store.embedded_rows()?.into_iter().map(|row| row as u32).collect();
        files::commit(&run.file(RunDirectory::METADATA), |out| {
            manifest.metadata_csv(&rows, out).map_err(RunError::from)
        })?;
        shards::remove(run)?;
        seal::record(run, self.watch())
    }

    /// Compares faces, judges the config's expectations, and seals the run. An existing evaluation is only judged
    /// again, because the options that shape it are part of the run's identity.
    pub fn evaluate(&self, run: &RunDirectory, afresh: bool) -> Result<Evaluated, RunError> {
        forget::refuse_unfinished(run)?;
        refuse_not_embedded(run)?;
        let _lock = self.lock(run)?;
        forget::refuse_unfinished(run)?;
        self.evaluate_locked(run, afresh)
    }

    /// [`Self::evaluate`] of a run that this process has locked.
    fn evaluate_locked(&self, run: &RunDirectory, afresh: bool) -> Result<Evaluated, RunError> {
        let afresh = self.checked(run, afresh)?;
        let config = stored_config(run)?;
        let sealed = run.has(RunDirectory::SEALED);
        if !afresh && run.has(RunDirectory::METRICS) {
            let mut evaluation = results::read(run.path())?;
            for protocol in &config.protocols {
                let of = |result: &&ProtocolResult| result.protocol.name == protocol.name;
                if let Some(ProtocolResult { pairs, .. }) = evaluation.metrics.protocols.iter().find(of) {
                    let within = evaluate::check_left_out(protocol, pairs.missing as usize, pairs.listed as usize);
                    if let Err(error) = within {
                        return Err(pairs_left_out::explained(error, run, &config, &EmbeddedFaces::open(run)?));
                    }
                }
            }
            for protocol in &config.templates {
                let of = |result: &&TemplatesResult| result.protocol.name == protocol.name;
                if let Some(TemplatesResult { counts, .. }) = evaluation.metrics.templates.iter().find(of) {
                    let (missing, listed) = (counts.missing as usize, counts.listed as usize);
                    evaluate::left_out_within(&protocol.name, protocol.max_left_out, missing, listed)?;
                }
            }
            for protocol in &config.identification {
                let of = |result: &&IdentificationResult| result.protocol.name == protocol.name;
                if let Some(result) = evaluation.metrics.identification.iter().find(of) {
                    evaluate::check_searches(protocol, &result.left_out, result.probes())?;
                }
            }
            let judged = evaluate::judge(&evaluation.metrics, &config.expect);
            if judged != evaluation.metrics.expectations || !sealed {
                evaluation.metrics.expectations = judged;
                seal::unseal(run, |name| name != RunDirectory::METRICS)?;
                run.write_json(RunDirectory::METRICS, &evaluation.metrics)?;
                seal::seal(run, self.watch())?;
            }
            return Ok(Evaluated::Metrics(Box::new(evaluation)));
        }
        seal::unseal(run, |name| !RunDirectory::is_result(name) && name != RunDirectory::PROVENANCE)?;
        let evaluated = match self.compute(run, &config) {
            Ok(evaluation) => Evaluated::Metrics(Box::new(evaluation)),
            Err(RunError::Evaluate(EvaluateError::NotEvaluable { reason })) => {
                let faces = embed::read_records(run.path())?;
                let sum = |of: fn(&ChunkRecord) -> usize| faces.iter().map(of).sum::<usize>() as f64;
                let expectations = evaluate::judge_with(&config.expect, |metric| match metric {
                    "faces.manifest" => Ok(sum(|chunk| chunk.rows)),
                    "faces.embedded" => Ok(sum(|chunk| chunk.embedded)),
                    "faces.failed" => Ok(sum(|chunk| chunk.failures.len())),
                    _ => Err(reason.clone()),
                });
                Evaluated::NotEvaluable { reason, expectations }
            }
            Err(error) => return Err(error),
        };
        seal::seal(run, self.watch())?;
        Ok(evaluated)
    }

    /// Checks what an evaluation reads against the digests in force: all of it if everything is computed afresh. Returns
    /// whether it has to be, because a result is damaged. Fails with [`RunError::Damaged`] for anything else.
    fn checked(&self, run: &RunDirectory, afresh: bool) -> Result<bool, RunError> {
        let depth = if afresh { Depth::Every } else { Depth::Changed };
        let Some(mut differences) = seal::check(run, depth, self.watch())? else {
            // Embedded by a version that did not record digests: the chunks have their own.
            let files = verify::differs_from_chunks(run)?;
            let remedy = format!("to mend it, run `{}`", run.to_write().command("embed"));
            return if files.is_empty() {
                Ok(afresh)
            } else {
                Err(RunError::Damaged { run: run.name(), files, remedy })
            };
        };
        // What was added is refused where the seal is opened.
        differences.retain(|difference| !difference.added());
        if !mend::only_results(&differences) {
            return Err(mend::damaged(run, &differences));
        }
        Ok(afresh || !differences.is_empty())
    }

    /// Compares a shard's part of the pairs of an embedded run, and saves it where [`Self::evaluate`] finds it. Fails with
    /// [`RunError::NotYet`], [`RunError::Damaged`], [`EvaluateError`].
    pub fn evaluate_shard(&self, run: &RunDirectory, shard: Shard) -> Result<SharedPairs, RunError> {
        forget::refuse_unfinished(run)?;
        refuse_not_embedded(run)?;
        let _lock = RunLock::share(run.path()).map_err(|error| not_locked(run, error))?;
        own(run, true)?;
        self.checked(run, false)?;
        let (index, count) = shard.numbers();
        let share = Share { index, count };
        self.with_input(run, &stored_config(run)?, Some(shard), |input, _| {
            Ok(evaluate::evaluate_share(input, share, self.progress, self.cancel)?)
        })
    }

    /// Computes the statistics and writes them.
    fn compute(&self, run: &RunDirectory, config: &ExperimentConfig) -> Result<Evaluation, RunError> {
        let evaluation = self.with_input(run, config, None, |input, faces| {
            // Before, because too many of them end it.
            pairs_left_out::write(run, faces)?;
            let evaluation = evaluate::evaluate(input, self.progress, self.cancel)
                .map_err(|error| pairs_left_out::explained(error, run, config, faces))?;
            results::write(&evaluation, run.path())?;
            Self::record_card(run, input.cards.used())?;
            Ok(evaluation)
        })?;
        partial::remove(run);
        Ok(evaluation)
    }

    /// Reads matrix and manifest for an evaluation.
    fn with_input<T>(
        &self,
        run: &RunDirectory,
        config: &ExperimentConfig,
        shard: Option<Shard>,
        evaluate: impl FnOnce(&evaluate::EvaluationInput<'_>, &EmbeddedFaces) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let faces = EmbeddedFaces::open(run)?;
        let matrix = StoredMatrix::open(&run.matrix())?;
        faces.check_rows(run, matrix.rows())?;
        let labelled: Vec<Labelled<'_>> = faces.iter().map(Labelled::from).collect();
        let keeper = PartialPairs::of(run, shard, matrix.data(), self.progress)?;
        let columns = columns::columns(&faces);
        let (row_of, identities, scores) = (faces.row_of(), faces.identities(), faces.scores());
        let searches = searches::enrolled(&faces.manifest, config)?;
        let benchmarks = faces.benchmarks(config, &row_of, &identities, &searches, &scores);
        let cards = Cards::new(config.pairs_device);
        let input = evaluate::EvaluationInput {
            matrix: matrix.data(),
            dimension: matrix.dimension(),
            faces: &labelled,
            columns: &columns,
            manifest_rows: faces.manifest.len() as u64,
            failed: (faces.manifest.len() - faces.rows.len()) as u64,
            options: &config.similarity,
            seed: config.seed,
            expect: &config.expect,
            benchmarks,
            checkpoint: &keeper,
            cards: &cards,
        };
        let done = evaluate(&input, &faces)?;
        match keeper.failure() {
            // A shard has nothing else to show.
            Some(error) if shard.is_some() => Err(error.into()),
            _ => Ok(done),
        }
    }

    /// Records in the provenance which GPU compared the pairs, if one did.
    fn record_card(run: &RunDirectory, card: Option<String>) -> Result<(), RunError> {
        let mut provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
        if provenance.compared_on != card {
            provenance.compared_on = card;
            run.write_json(RunDirectory::PROVENANCE, &provenance)?;
        }
        Ok(())
    }
}

/// Numbers of a run's faces and of those with an embedding.
pub(crate) fn embedded(run: &RunDirectory) -> Result<(usize, usize), RunError> {
    let records = embed::read_records(run.path())?;
    let sum = |of: fn(&ChunkRecord) -> usize| records.iter().map(of).sum();
    Ok((sum(|chunk| chunk.rows), sum(|chunk| chunk.embedded)))
}

/// Files in a run's dataset folders that are not faces.
pub(crate) fn left_out(run: &RunDirectory) -> Result<LeftOut, RunError> {
    let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
    Ok(provenance.dataset.left_out)
}

/// What a comparison needs of an evaluated run. Fails with [`RunError::NotYet`] before the evaluation, and with
/// [`RunError::Damaged`].
pub(crate) fn summary(run: &RunDirectory) -> Result<RunSummary, RunError> {
    mend::intact(run)?;
    if !run.has(RunDirectory::METRICS) {
        return Err(if seal::sealed_without(run, RunDirectory::METRICS) {
            RunError::NothingCompared { run: run.name(), command: run.to_write().command("evaluate") }
        } else if run.has(RunDirectory::METADATA) {
            not_yet(run, "evaluated", "evaluate")
        } else {
            not_embedded(run)
        });
    }
    let plan: serde_json::Value = run.json(RunDirectory::PLAN)?;
    let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
    Ok(RunSummary {
        run_id: run.name(),
        plan: plan::flatten(&plan),
        provenance: provenance::readable(&provenance),
        evaluation: results::read(run.path())?,
    })
}

/// The config that a run was made from.
pub(crate) fn stored(run: &RunDirectory) -> Result<(PathBuf, Loaded), RunError> {
    let Provenance { config: origin, .. } = run.json(RunDirectory::PROVENANCE)?;
    let text = files::read(&run.file(RunDirectory::CONFIG))?;
    let loaded = config::load_stored(&text, &origin.path, &origin.overrides, &origin.working_directory)?;
    Ok((origin.path, loaded))
}

/// What computed a run's embeddings; `None` for a run that predates fingerprints or has not started.
pub(crate) fn arithmetic(run: &RunDirectory) -> Result<Option<RunArithmetic>, RunError> {
    Ok(run.json::<Provenance>(RunDirectory::PROVENANCE)?.arithmetic)
}

fn stored_config(run: &RunDirectory) -> Result<ExperimentConfig, RunError> {
    Ok(stored(run)?.1.config)
}

/// The command that computes a run in the folder that commands look in.
pub(crate) fn command(origin: &ConfigOrigin) -> String {
    let path = origin.path.strip_prefix(&origin.working_directory).unwrap_or(&origin.path);
    command_line("experiment", path, &origin.overrides)
}

/// The same with any verb that takes a config, from the current folder.
pub(crate) fn command_here(verb: &str, origin: &ConfigOrigin) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = origin.path.strip_prefix(here).unwrap_or(&origin.path);
    command_line(verb, path, &origin.overrides)
}

/// The command that runs a config with overrides.
pub(crate) fn command_line(verb: &str, path: &Path, overrides: &[String]) -> String {
    let mut words = vec![format!("facevault {verb} {}", quoted(&path.display().to_string()))];
    words.extend(overrides.iter().map(|set| format!("--set {}", quoted(&text::masked(set)))));
    words.join(" ")
}

fn not_yet(run: &RunDirectory, missing: &'static str, verb: &str) -> RunError {
    let remedy = in_work(run).unwrap_or_else(|| format!("run `{}`", run.to_write().command(verb)));
    RunError::NotYet { run: run.name(), missing, remedy }
}

/// What to do about a run that another process works on: any command that writes would be refused.
fn in_work(run: &RunDirectory) -> Option<String> {
    let Ok(Holder::Here(process)) = file_lock::holder(&run.file(embed::LOCK)) else { return None };
    let other = process != format!("process {}", std::process::id());
    other.then(|| format!("{process} works on it: `facevault watch {}` shows how far it is", run.argument()))
}

/// Why a run could not be locked, and what to do where it cannot be written: a run that is there is copied, another one is
/// made elsewhere.
/// Makes the copy of a run in a store this process's own, which sends it back at its end.
fn own(run: &RunDirectory, shared: bool) -> Result<(), RunError> {
    mirror::own(run.path(), shared)?.map_err(|busy| LockError::Held { run: run.path().to_owned(), busy }.into())
}

fn not_locked(run: &RunDirectory, error: LockError) -> RunError {
    match error {
        LockError::File(error) if run.has(RunDirectory::PLAN) && error.refused() => {
            RunError::OnlyRead { error, copy: run.to_write().into() }
        }
        LockError::File(error) => FileError::or_set("--experiments")(error).into(),
        held @ LockError::Held { .. } => held.into(),
    }
}

/// Why a run has no embeddings yet, and what makes them. It is the step that is missing first, so that its advice does not
/// lead to the next advice.
fn not_embedded(run: &RunDirectory) -> RunError {
    match in_work(run).map_or_else(|| shards::remedy(run), |remedy| Ok(Some(remedy))) {
        Ok(Some(remedy)) => RunError::NotYet { run: run.name(), missing: "embedded", remedy },
        Ok(None) => not_yet(run, "embedded", "embed"),
        Err(error) => error,
    }
}

/// Fails with [`RunError::NotYet`] for a run that has no embeddings yet.
fn refuse_not_embedded(run: &RunDirectory) -> Result<(), RunError> {
    if run.has(RunDirectory::METADATA) { Ok(()) } else { Err(not_embedded(run)) }
}

fn absolute(path: &Path) -> PathBuf {
    if crate::dataset::is_remote(path) {
        return path.to_owned();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
