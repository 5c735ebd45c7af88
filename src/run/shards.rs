//! A run that several processes embed, on one machine or many: one prepares it, workers compute a shard each, one finishes
//! it. Nothing coordinates them: whoever starts the workers says which shard is whose, and each chunk is committed once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::precision::{self, NetworkOpener, OpenNetwork};
use super::workers::{self, Worker, WorkerRecord};
use super::{
    PreparedRun, RunContext, RunDirectory, RunError, SourceCache, Stage, again, forget, given, not_locked, seal, stored,
};
use crate::config::ExperimentConfig;
use crate::dataset::{self, Manifest};
use crate::embed::{
    self, ChunkStore, EmbedError, EmbedJob, EmbedOutcome, EmbedSummary, FaceFailure, FaceReader, FailureKind,
    PixelReader, RunLock, StoreError,
};
use crate::files::{self, FileError};
use crate::mirror;
use crate::model;
use crate::progress::{Cancel, Progress};
use crate::provenance::{self, Build, MachineInfo, Provenance, RunSession, WorkerOrigin};
use crate::quality::Quality;
use crate::shard::Shard;
use crate::text::counted;

/// Most manifest rows that a worker has in memory at a time, unless a chunk has more.
const SEGMENT: usize = 65_536;

/// What workers need to know that the plan does not say: `workers/prepared.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreparedShards {
    manifest_rows: usize,
    dimension: usize,
    chunk_size: usize,
    /// The highest session of the chunks that were there: no worker has that number, or a lower one.
    #[serde(default)]
    sessions: u32,
}

impl PreparedShards {
    fn layout(self) -> [usize; 3] {
        [self.manifest_rows, self.dimension, self.chunk_size]
    }

    fn chunks(self) -> usize {
        self.manifest_rows.div_ceil(self.chunk_size)
    }
}

/// A run that workers can embed: what `prepare --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SharedRun {
    /// The run's name.
    pub run: String,
    /// Its directory.
    pub directory: String,
    /// Faces of the manifest.
    pub faces: usize,
    /// Chunks, of which a shard is a part.
    pub chunks: usize,
    /// Chunks that are committed already: embedded before, or taken from other runs.
    pub committed: usize,
}

/// What a worker did: what `embed RUN --shard I/N --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ShardSummary {
    /// The run's name.
    pub run: String,
    /// The shard, as `0/8`.
    pub shard: String,
    /// Number of the worker's session.
    pub session: u32,
    /// Chunks of the shard.
    pub chunks: usize,
    /// Faces of the shard.
    pub faces: usize,
    /// Faces with an embedding.
    pub embedded: usize,
    /// Faces without one.
    pub failed: usize,
    /// Faces that were embedded or failed before this worker started.
    pub resumed: usize,
    /// Whether all chunks of the shard are committed.
    pub complete: bool,
}

/// What is not committed yet: what `missing --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MissingShards {
    /// The run's name.
    pub run: String,
    /// Into how many shards it is split.
    pub shards: usize,
    /// The shards that lack a chunk.
    pub missing: Vec<usize>,
    /// Chunks of the run.
    pub chunks: usize,
    /// Chunks that are missing.
    pub chunks_missing: usize,
}

impl MissingShards {
    /// The shards as `sbatch --array` takes them: `3,17-19`.
    pub fn array(&self) -> String {
        let neighbours = self.missing.chunk_by(|a, b| a + 1 == *b);
        let words = neighbours.map(|span| match span {
            [] => String::new(),
            [one] => one.to_string(),
            [first, second] => format!("{first},{second}"),
            [first, .., last] => format!("{first}-{last}"),
        });
        words.collect::<Vec<_>>().join(",")
    }
}

impl RunContext<'_> {
    /// Makes everything that workers share: plan, manifest, ranges, arithmetic, and the rows that other runs have. Fails with
    /// [`RunError::NotShared`] for embeddings that are given, and as [`RunContext::embed`]. `None` if cancelled.
    pub fn prepare_shards(&self, prepared: PreparedRun) -> Result<Option<SharedRun>, RunError> {
        if given::describe(&prepared.loaded.config).is_some() {
            let reason = "its embeddings are given, and no network runs";
            return Err(RunError::NotShared { run: prepared.directory.name(), reason });
        }
        let run = prepared.directory.clone();
        match self.embed_until(prepared, Stage::Prepared)? {
            EmbedOutcome::Interrupted(_) if self.cancel.requested() => Ok(None),
            _ => {
                let records = embed::read_records(run.path())?;
                let plan = run.plan()?;
                let finished = run.has(RunDirectory::METADATA);
                let of_shards = if finished { None } else { Some(prepared_shards(&run)?) };
                Ok(Some(SharedRun {
                    run: run.name(),
                    directory: run.shown(),
                    faces: plan.faces() as usize,
                    chunks: of_shards.map_or(records.len(), PreparedShards::chunks),
                    committed: records.len(),
                }))
            }
        }
    }

    /// Embeds what is missing of a shard. Everything but its own rows of the manifest and its own pictures stays unread. Fails
    /// with [`RunError::NotPrepared`], [`RunError::OtherPlan`] if this machine would compute another run,
    /// [`RunError::OtherArithmetic`], [`RunError::WorkersDiffer`], and as [`RunContext::embed`]; what was committed stays. `None`
    /// if cancelled before it began.
    pub fn embed_shard(&self, run: &RunDirectory, shard: Shard) -> Result<Option<ShardSummary>, RunError> {
        forget::refuse_embedding(run)?;
        let lock = RunLock::share(run.path()).map_err(|error| not_locked(run, error))?;
        if let Some(note) = lock.note() {
            self.progress.say(note);
        }
        let (_, loaded) = stored(run)?;
        let config = &loaded.config;
        let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
        let shards = match prepared_shards(run) {
            Err(RunError::NotPrepared { .. }) if run.has(RunDirectory::METADATA) => {
                return self.shard_of_finished(run, shard).map(Some);
            }
            shards => shards?,
        };
        let Some(begun) = &provenance.arithmetic else { return Err(not_prepared(run)) };
        precision::refuse_changed(run, &provenance)?;
        let root = self.pictures(run, config, &provenance)?;
        let checkpoint = self.checkpoint(config, &mut SourceCache::default())?;
        let say = |line: &str| self.progress.say(line);
        let embedder = model::describe(&config.model, &config.embed.execution(), &say)?;
        let plan = run.plan()?;
        let here = plan.with(config, checkpoint.digest, &embedder);
        if here != plan {
            return Err(RunError::OtherPlan { run: run.name(), changed: again::keys(&plan, &here).join(", ") });
        }
        let nothing = Manifest::default();
        let reader = FaceReader::new(&nothing, &config.preprocess, &config.dataset);
        let opening = NetworkOpener {
            run,
            config,
            weights: (&checkpoint.weights).into(),
            job: EmbedJob::new(&[], &reader, &config.preprocess, &config.embed),
            device: embedder.device,
            progress: self.progress,
            cancel: self.cancel,
            opened: RefCell::default(),
        };
        let chunks = shard.part(shards.chunks());
        let Some(OpenNetwork { embedder: mut network, arithmetic }) = opening.open(Some(begun))? else {
            return Ok(None);
        };
        drop(checkpoint);
        let session = RunSession {
            started: provenance::now(),
            ended: None,
            machine: MachineInfo::current(),
            device: embedder.device_name.clone(),
            threads: config.embed.threads.unwrap_or_else(|| MachineInfo::current().cores),
            batch_size: config.embed.batch_size.or(network.batch()),
            embedded: 0,
            revision: Some(Build::current().revision),
            worker: None,
        };
        let record = WorkerRecord { shard: shard.to_string(), chunks: chunks.clone(), session };
        let worker = Worker::register(&lock, shards.sessions.max(provenance.session_count()), record)?;
        let number = worker.number;
        let opened =
            ChunkStore::share(&lock, shards.layout(), arithmetic.fingerprint, chunks.clone(), number, self.progress);
        let mut store = opened?;
        let resumed = store.rows_embedded() + store.rows_failed();
        let work = ShardWork { context: self, run, config, root };
        let stopped = work.embed(&mut store, chunks.clone(), network.as_mut());
        store.assign(chunks.clone());
        worker.end(provenance::now(), store.rows_of_session(number) as u64)?;
        stopped?;
        Ok(Some(ShardSummary {
            run: run.name(),
            shard: shard.to_string(),
            session: number,
            chunks: chunks.len(),
            faces: store.assigned_rows().len(),
            embedded: store.rows_embedded(),
            failed: store.rows_failed(),
            resumed,
            complete: store.is_complete(),
        }))
    }

    /// The folder of the run's pictures on this machine, or in an object store.
    fn pictures(
        &self,
        run: &RunDirectory,
        config: &ExperimentConfig,
        provenance: &Provenance,
    ) -> Result<PathBuf, RunError> {
        let root = &provenance.dataset.root;
        if root.as_os_str().is_empty() || dataset::is_remote(root) || root.is_dir() {
            return Ok(root.clone());
        }
        // What was fetched where the run was prepared can be fetched here. Each picture is compared with the manifest.
        if config.dataset.remote().is_some() {
            return Ok(self.photos(config)?.root);
        }
        Err(RunError::NoPictures { run: run.name(), root: root.clone(), host: MachineInfo::current().host })
    }

    /// A shard that starts after the run was finished, as engines that start tasks twice do, has nothing to do.
    fn shard_of_finished(&self, run: &RunDirectory, shard: Shard) -> Result<ShardSummary, RunError> {
        let records = embed::read_records(run.path())?;
        let chunks = shard.part(records.len());
        let sum = |of: fn(&embed::ChunkRecord) -> usize| records[chunks.clone()].iter().map(of).sum();
        self.progress.say(&format!("{} is finished; there is nothing to do", run.name()));
        Ok(ShardSummary {
            run: run.name(),
            shard: shard.to_string(),
            session: 0,
            chunks: chunks.len(),
            faces: sum(|record| record.rows),
            embedded: sum(|record| record.embedded),
            failed: sum(|record| record.failures.len()),
            resumed: sum(|record| record.rows),
            complete: true,
        })
    }

    /// Gathers what the workers committed, checks all of it, and exports it. Fails with [`RunError::ShardsMissing`] while
    /// chunks are missing; those that are damaged are removed, and missing then.
    pub fn finish_shards(&self, run: &RunDirectory) -> Result<EmbedSummary, RunError> {
        forget::refuse_embedding(run)?;
        let lock = self.lock(run)?;
        let (_, loaded) = stored(run)?;
        let options = &loaded.config.embed;
        let plan = run.plan()?;
        if run.has(RunDirectory::METADATA) && seal::is_recorded(run) {
            self.mend(run)?;
            if run.has(RunDirectory::METADATA) {
                return Ok(summary_of(self.embedded_before(run, options, plan.faces() as usize)?));
            }
        }
        let mut provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
        let Some(begun) = &provenance.arithmetic else { return Err(not_prepared(run)) };
        precision::refuse_changed(run, &provenance)?;
        let records = embed::read_records(run.path());
        let layout = match prepared_shards(run) {
            // One process embedded the rest, and was interrupted.
            Err(RunError::NotPrepared { .. }) => records?.first().map(embed::ChunkRecord::layout),
            shards => Some(shards?.layout()),
        };
        let Some([rows, dimension, chunk_size]) = layout else { return Err(not_prepared(run)) };
        let path = run.file(RunDirectory::MANIFEST);
        let mut manifest = Manifest::read_parquet(&path, provenance.dataset.root.clone())?;
        manifest.read_lists(run.path())?;
        if manifest.digest() != plan.manifest_digest() {
            return Err(RunError::Inconsistent { path, rule: "it is not the manifest of plan.json".into() });
        }
        let arithmetic = Some(begun.fingerprint);
        if manifest.len() != rows {
            return Err(RunError::Inconsistent { path, rule: format!("the chunks are of {}", counted(rows, "face")) });
        }
        let store = self.open_store(&lock, &manifest, dimension, chunk_size, arithmetic)?;
        if !store.is_complete() {
            let (missing, chunks, prepared) = (store.missing_count(), store.chunk_count(), run.has(PREPARED));
            return Err(RunError::ShardsMissing {
                run: run.name(),
                argument: run.argument(),
                missing,
                chunks,
                prepared,
            });
        }
        embed::admit(options, embed::read_records(run.path())?.iter().flat_map(|record| &record.failures))?;
        provenance.count_reused(&store.rows_reused());
        gather(run, &mut provenance)?;
        run.write_json(RunDirectory::PROVENANCE, &provenance)?;
        self.export_files(run, options, &store, &manifest)?;
        Ok(summary_of(self.embedded_before(run, options, manifest.len())?))
    }
}

/// Records what workers need to know of a store.
pub(super) fn share(run: &RunDirectory, store: &ChunkStore) -> Result<(), RunError> {
    let [manifest_rows, dimension, chunk_size] = store.layout();
    files::create_dir_inside(run.path(), embed::WORKERS)?;
    run.write_json(PREPARED, &PreparedShards { manifest_rows, dimension, chunk_size, sessions: store.last_session() })
}

/// Takes the sessions of a run's workers into its provenance, which the caller may write.
pub(super) fn gather(run: &RunDirectory, provenance: &mut Provenance) -> Result<(), RunError> {
    for (number, worker) in workers::all(run.path())? {
        let origin = Some(WorkerOrigin { number, shard: worker.shard });
        // An interrupted finish may have taken it already.
        if provenance.sessions.iter().all(|session| session.worker != origin) {
            provenance.sessions.push(RunSession { worker: origin, ..worker.session });
        }
    }
    Ok(())
}

/// Which of `shards` shards of a prepared run lack a chunk. Looks at names only: `finish` checks what is in the files. Fails
/// with [`RunError::NotPrepared`].
pub(crate) fn missing_shards(run: &RunDirectory, shards: usize) -> Result<MissingShards, RunError> {
    forget::refuse_embedding(run)?;
    let name = run.name();
    if run.has(RunDirectory::METADATA) {
        let chunks = embed::read_records(run.path())?.len();
        return Ok(MissingShards { run: name, shards, missing: Vec::new(), chunks, chunks_missing: 0 });
    }
    let chunks = prepared_shards(run)?.chunks();
    let committed = embed::committed(run.path())?;
    let absent = |chunks: Range<usize>| chunks.len() - committed.range(chunks).count();
    let lacking = |index: &usize| Shard::new(*index, shards).is_ok_and(|shard| absent(shard.part(chunks)) > 0);
    let missing = (0..shards).filter(lacking).collect();
    Ok(MissingShards { run: name, shards, missing, chunks, chunks_missing: absent(0..chunks) })
}

/// What is left to do until a prepared run is embedded, in words; `None` for a run that is not prepared.
pub(super) fn remedy(run: &RunDirectory) -> Result<Option<String>, RunError> {
    if !run.has(PREPARED) {
        return Ok(None);
    }
    let (finish, lacking) = (run.to_write().command("finish"), missing_shards(run, 1)?);
    let run = run.argument();
    Ok(Some(match lacking.chunks_missing {
        0 => format!("run `{finish}`"),
        missing => {
            let chunks = counted(lacking.chunks, "chunk");
            format!(
                "it lacks {missing} of {chunks}: `facevault missing {run} --shards N` prints which of N shards to start, and \
                 `{finish}` gathers them"
            )
        }
    }))
}

/// Who works on a prepared run, by what the workers say, in words; `None` for a run that is not prepared.
pub(super) fn at_work(run: &RunDirectory) -> Result<Option<String>, RunError> {
    if !run.has(PREPARED) {
        return Ok(None);
    }
    let open = workers::all(run.path())?.into_iter().filter(|(_, worker)| worker.session.ended.is_none());
    let mut hosts: BTreeMap<String, usize> = BTreeMap::new();
    open.for_each(|(_, worker)| *hosts.entry(worker.session.machine.host).or_default() += 1);
    let each: Vec<_> = hosts.into_iter().map(|(host, count)| format!("{count} on {host}")).collect();
    Ok(Some(if each.is_empty() { "no worker".into() } else { format!("workers: {}", each.join(", ")) }))
}

/// The file that makes a run one that workers can embed.
pub(super) const PREPARED: &str = "workers/prepared.json";

/// Removes what workers needed to know.
pub(super) fn remove(run: &RunDirectory) -> Result<(), RunError> {
    if run.has(PREPARED) {
        seal::remove(run, PREPARED)?;
    }
    Ok(workers::remove(run.path())?)
}

fn prepared_shards(run: &RunDirectory) -> Result<PreparedShards, RunError> {
    let path = run.file(PREPARED);
    if !files::is_file(&path)? {
        return Err(not_prepared(run));
    }
    let damaged = |rule: String| RunError::PreparedDamaged { path: path.clone(), rule };
    let shards: PreparedShards = run.json(PREPARED).map_err(|error| match error {
        RunError::Json { source, .. } => damaged(source.to_string()),
        other => other,
    })?;
    if shards.layout().contains(&0) {
        return Err(damaged("a size in it is 0".into()));
    }
    let plan = run.plan()?;
    if shards.manifest_rows as u64 != plan.faces() {
        return Err(damaged(format!(
            "it has {}, plan.json has {}",
            counted(shards.manifest_rows, "face"),
            plan.faces()
        )));
    }
    Ok(shards)
}

fn not_prepared(run: &RunDirectory) -> RunError {
    RunError::NotPrepared { run: run.name() }
}

fn summary_of(outcome: EmbedOutcome) -> EmbedSummary {
    match outcome {
        EmbedOutcome::Complete(summary) | EmbedOutcome::Interrupted(summary) => summary,
    }
}

/// The work of one shard, segment by segment.
struct ShardWork<'a> {
    context: &'a RunContext<'a>,
    run: &'a RunDirectory,
    config: &'a ExperimentConfig,
    /// Of the pictures.
    root: PathBuf,
}

impl ShardWork<'_> {
    /// Embeds the missing chunks, a bounded number of manifest rows at a time.
    fn embed(
        &self,
        store: &mut ChunkStore,
        chunks: Range<usize>,
        network: &mut dyn model::Embedder,
    ) -> Result<(), RunError> {
        let RunContext { cancel, .. } = self.context;
        let options = &self.config.embed;
        let total = store.assigned_rows().len();
        let progress = WholeShard::new(self.context.progress, total);
        let chunk_size = store.layout()[2];
        for first in chunks.clone().step_by((SEGMENT / chunk_size).max(1)) {
            let last = chunks.end.min(first + (SEGMENT / chunk_size).max(1));
            store.assign(first..last);
            if store.is_complete() {
                progress.skip(store.assigned_rows().len());
                continue;
            }
            if cancel.requested() {
                break;
            }
            let rows = store.assigned_rows();
            let path = self.run.file(RunDirectory::MANIFEST);
            let root = &self.root;
            let read = |path: &Path| Ok::<_, RunError>(Manifest::read_rows(path, root.clone(), rows.clone())?);
            let manifest = mirror::with_rows(&path, rows.clone(), read)?;
            let reader = FaceReader::new(&manifest, &self.config.preprocess, &self.config.dataset)
                .within(options.picture_memory(cancel));
            let reader = ShardReader { reader, manifest: &manifest, first: rows.start };
            let job = EmbedJob::new(&manifest.faces, &reader, &self.config.preprocess, options).starting_at(rows.start);
            match embed::run(&job, network, store, &progress, cancel) {
                Err(EmbedError::Store(StoreError::Differs { path, chunk, theirs })) => {
                    return Err(self.differ(path, chunk, theirs)?);
                }
                Err(error) => return Err(error.into()),
                // What is missing is seen in the store.
                Ok(EmbedOutcome::Complete(_) | EmbedOutcome::Interrupted(_)) => {}
            }
        }
        progress.end();
        Ok(())
    }

    /// Names the machines of two workers that do not agree.
    fn differ(&self, path: std::path::PathBuf, chunk: usize, theirs: Option<u32>) -> Result<RunError, FileError> {
        let mine = MachineInfo::current().host;
        let Some(theirs) = theirs else { return Ok(RunError::MatrixDiffers { path, chunk, mine }) };
        mirror::refresh(&self.run.file(embed::WORKERS))?;
        let known = workers::all(self.run.path())?.into_iter().find(|(number, _)| *number == theirs);
        let theirs = known.map_or_else(
            || format!("session {theirs}"),
            |(number, worker)| format!("worker {number} on {}", worker.session.machine.host),
        );
        Ok(RunError::WorkersDiffer { path, chunk, mine, theirs })
    }
}

/// Reads faces of a part of the manifest by their manifest row.
struct ShardReader<'a> {
    reader: FaceReader<'a>,
    manifest: &'a Manifest,
    first: usize,
}

impl PixelReader for ShardReader<'_> {
    fn read(&self, row: usize, out: &mut [u8]) -> Result<Quality, FaceFailure> {
        let row = row - self.first;
        self.reader.read(row, out).map_err(|failure| {
            // It could be read when the run was prepared: more likely this machine lacks a mount, or has a copy that is not
            // whole, than the picture is gone or another one.
            let elsewhere = matches!(failure.kind, FailureKind::Read | FailureKind::Changed);
            let was_there = elsewhere && self.manifest.faces[row].content.is_some();
            FaceFailure { may_pass: failure.may_pass || was_there, ..failure }
        })
    }

    fn will_read(&self, rows: &mut dyn Iterator<Item = usize>, cancel: &Cancel) {
        self.reader.will_read(&mut rows.map(|row| row - self.first), cancel);
    }
}

/// Progress over all segments of a shard, as of one task.
struct WholeShard<'a> {
    progress: &'a dyn Progress,
    total: usize,
    state: Mutex<WholeState>,
}

#[derive(Default)]
struct WholeState {
    begun: bool,
    /// Done before the task is shown.
    before: u64,
}

impl<'a> WholeShard<'a> {
    fn new(progress: &'a dyn Progress, total: usize) -> Self {
        Self { progress, total, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, WholeState> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// These faces were done before.
    fn skip(&self, faces: usize) {
        let mut state = self.state();
        if state.begun { self.progress.advance(faces as u64) } else { state.before += faces as u64 }
    }

    fn end(&self) {
        if self.state().begun {
            self.progress.finish();
        }
    }
}

impl Progress for WholeShard<'_> {
    fn start(&self, task: &str, unit: &'static str, _: Option<u64>, resumed: u64) {
        let mut state = self.state();
        if state.begun {
            self.progress.advance(resumed);
        } else {
            self.progress.start(task, unit, Some(self.total as u64), state.before + resumed);
            state.begun = true;
        }
    }

    fn advance(&self, n: u64) {
        self.progress.advance(n);
    }

    fn remark(&self, text: &str) {
        self.progress.remark(text);
    }

    fn say(&self, line: &str) {
        self.progress.say(line);
    }

    fn warn(&self, line: &str) {
        self.progress.warn(line);
    }
}
