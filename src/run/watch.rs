//! How far a run is that another process works on, from the files that it has. Reads only, and takes no lock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::directory::experiments_option;
use super::{RunDirectory, RunError, command_here, partial, seal, shards};
use crate::embed::{self, CommittedChunks};
use crate::file_lock::{self, Holder};
use crate::provenance::{Provenance, RunSession};

/// Whether somebody works on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WatchState {
    /// A process has the run.
    Working,
    /// It is sealed: everything is done.
    Complete,
    /// Its embeddings are complete, and nobody evaluates it.
    Embedded,
    /// Its process gave the run back before it was done: it was stopped, or met an error.
    Stopped,
    /// Its process ended without giving the run back: it was killed.
    Died,
    /// Workers of a prepared run embed it, or are to be started: their files say which have begun, not which live.
    Workers,
    /// A process that cannot be seen from here has the run, or was killed.
    Unknown,
}

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunStage {
    /// It has its name, and no chunk: reading its faces, opening its network.
    Opening,
    /// Chunks are embedded.
    Embedding,
    /// Chunks become matrix and tables.
    Exporting,
    /// Pairs are compared.
    Evaluating,
    /// The digests of all files are taken.
    Sealing,
    /// Faces are removed from it.
    Forgetting,
    /// Nothing.
    Done,
}

impl RunStage {
    pub fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Embedding => "embedding",
            Self::Exporting => "exporting",
            Self::Evaluating => "evaluating",
            Self::Sealing => "sealing",
            Self::Forgetting => "forgetting",
            Self::Done => "done",
        }
    }
}

/// How far a run is: a line of `watch --json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WatchedRun {
    /// The run's name.
    pub run: String,
    /// Whether somebody works on it.
    pub state: WatchState,
    /// What it is at.
    pub stage: RunStage,
    /// Faces that are done, with an embedding or without.
    pub done: u64,
    /// Faces of the manifest.
    pub faces: u64,
    /// Faces without an embedding so far.
    pub failed: u64,
    /// Chunks that are committed.
    pub chunks_done: u64,
    /// All its chunks; null before the first.
    pub chunks: Option<u64>,
    /// Faces a second in the last chunks; null before the first that took time.
    pub faces_per_second: Option<f64>,
    /// Seconds until the last face is embedded, at this speed; null where it cannot be told.
    pub seconds_left: Option<f64>,
    /// The process that has the run, or had it when it ended; of a prepared run, its workers.
    pub process: Option<String>,
    /// The machine that embeds it, or did last.
    pub host: Option<String>,
    /// The command that continues it; null where nothing is left to do or somebody works on it.
    pub resume: Option<String>,
}

impl WatchedRun {
    /// Whether workers have embedded every face, and nobody exports them.
    pub fn lacks_only_finish(&self) -> bool {
        self.state == WatchState::Workers && self.done >= self.faces
    }
}

/// Looks at one run again and again.
#[derive(Debug)]
pub struct RunWatch {
    run: RunDirectory,
    committed: CommittedChunks,
    /// When so many faces were done, of the last [`WINDOW`].
    seen: VecDeque<(Instant, u64)>,
}

/// The speed of several workers is that of the faces that were done in this time.
const WINDOW: Duration = Duration::from_mins(1);

impl RunWatch {
    pub fn new(run: RunDirectory) -> Self {
        Self { run, committed: CommittedChunks::default(), seen: VecDeque::new() }
    }

    /// How far it is now. Fails with [`RunError`] where its provenance or its folder of chunks cannot be read.
    pub fn look(&mut self) -> Result<WatchedRun, RunError> {
        let run = &self.run;
        // Before the files: what ends meanwhile is seen as it is at work still, and not as if it had died.
        let holder = file_lock::holder(&run.file(embed::LOCK))?;
        let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
        self.committed.update(run.path())?;
        let (done, faces) = (self.committed.rows() as u64, provenance.dataset.faces);
        let (sealed, embedded) = (run.has(RunDirectory::SEALED), run.has(RunDirectory::METADATA));
        let free = holder == Holder::Nobody;
        let stage = match () {
            () if run.is_being_cleared() => RunStage::Forgetting,
            () if sealed || embedded && free => RunStage::Done,
            () if embedded && (run.has(RunDirectory::METRICS)) => RunStage::Sealing,
            () if embedded && seal::is_recorded(run) => RunStage::Evaluating,
            () if embedded || faces > 0 && done >= faces => RunStage::Exporting,
            () if self.committed.len() > 0 => RunStage::Embedding,
            () => RunStage::Opening,
        };
        let workers = if embedded { None } else { shards::at_work(run)? };
        let (state, process) = match holder {
            Holder::Here(process) => (WatchState::Working, Some(process)),
            // A finished run has nothing to continue, whoever was killed after that.
            _ if sealed && stage == RunStage::Done => (WatchState::Complete, None),
            Holder::Gone(process) => (WatchState::Died, Some(process)),
            Holder::Elsewhere(process) => (WatchState::Unknown, Some(process)),
            // They share the lock, so that it does not tell who they are.
            Holder::Nobody if let Some(workers) = &workers => (WatchState::Workers, Some(workers.clone())),
            Holder::Nobody if stage == RunStage::Done => (WatchState::Embedded, None),
            Holder::Nobody => (WatchState::Stopped, None),
        };
        let speed = if workers.is_some() { self.speed_seen(done) } else { self.committed.faces_per_second() };
        let speed = speed.filter(|_| stage == RunStage::Embedding);
        let run = &self.run;
        Ok(WatchedRun {
            run: run.name(),
            state,
            stage,
            done,
            faces,
            failed: self.committed.failed() as u64,
            chunks_done: self.committed.len() as u64,
            chunks: self.committed.of().map(|chunks| chunks as u64),
            faces_per_second: speed,
            seconds_left: speed.map(|speed| faces.saturating_sub(done) as f64 / speed),
            process,
            host: provenance.sessions.last().map(|RunSession { machine, .. }| machine.host.clone()),
            resume: match state {
                // The condition of `lacks_only_finish`.
                WatchState::Workers => Some(if done >= faces {
                    run.to_write().command("finish")
                } else {
                    format!("facevault missing {} --shards N", run.argument())
                }),
                WatchState::Stopped | WatchState::Died | WatchState::Unknown => Some(self.resume(&provenance, stage)),
                WatchState::Embedded => Some(run.to_write().command("evaluate")),
                WatchState::Working | WatchState::Complete => None,
            },
        })
    }

    /// Faces a second since the first look of the window.
    fn speed_seen(&mut self, done: u64) -> Option<f64> {
        let now = Instant::now();
        self.seen.push_back((now, done));
        while self.seen.len() > 2 && self.seen.front().is_some_and(|(then, _)| now - *then > WINDOW) {
            self.seen.pop_front();
        }
        let (then, before) = self.seen.front()?;
        let (faces, seconds) = (done.saturating_sub(*before), (now - *then).as_secs_f64());
        (faces > 0 && seconds > 0.0).then(|| faces as f64 / seconds)
    }

    fn resume(&self, provenance: &Provenance, stage: RunStage) -> String {
        let run = self.run.to_write();
        match stage {
            RunStage::Forgetting => run.command("forget"),
            RunStage::Evaluating | RunStage::Sealing | RunStage::Done => run.command("evaluate"),
            _ => {
                run.before.clone() + &command_here("experiment", &provenance.config) + &experiments_option(&run.folder)
            }
        }
    }

    /// Something that changes with every sign of life: the newest time of the files that its process writes.
    pub fn sign_of_life(&self) -> Option<std::time::SystemTime> {
        let names = [".", embed::CHUNKS, embed::LOCK, partial::NAME, RunDirectory::PROVENANCE];
        let written = names.iter().filter_map(|name| self.run.file(name).metadata().ok()?.modified().ok());
        written.max()
    }
}
