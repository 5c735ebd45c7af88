//! The embedding pipeline: read ‖ prepare ‖ embed ‖ write. The network uses the calling thread; the other stages have
//! their own threads, connected by bounded queues. Memory does not grow with the number of faces, except for the list
//! of chunks.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::forward::Forward;
use super::job::EmbedJob;
use super::prepare::{self, Batch, Batches};
use super::store::{ChunkStore, ComputedChunk};
use super::store_error::StoreError;
use super::{FailedFace, output_dimension};
use crate::dataset;
use crate::embed::{EmbedOptions, OnError};
use crate::model::{Embedder, ModelError};
use crate::progress::{Cancel, Progress};
use crate::text::counted;

/// How often to check for cancellation while faces are slow to read.
const CANCEL_POLL: Duration = Duration::from_millis(50);

/// How often to check for a finished batch while waiting for the next one: short compared with a forward pass.
const READY_POLL: Duration = Duration::from_micros(100);

/// How an embedding ended.
#[derive(Debug, Clone, PartialEq)]
pub enum EmbedOutcome {
    Complete(EmbedSummary),
    /// Stopped on request; committed chunks stay.
    Interrupted(EmbedSummary),
}

/// Totals of an embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedSummary {
    pub rows: usize,
    pub embedded: usize,
    pub failed: usize,
    /// Rows (embedded or failed) that an earlier session had committed.
    pub resumed: usize,
    pub seconds: f64,
}

/// Embeds every face whose chunk is not committed yet. The bytes of a chunk depend on its faces only: not on the size
/// of batches, the number of threads or of batches and cards at work at once, or how often the run was interrupted.
/// Fails with [`EmbedError`]; committed chunks stay, and the next call resumes from them.
pub fn run(
    job: &EmbedJob<'_>,
    embedder: &mut dyn Embedder,
    store: &mut ChunkStore,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<EmbedOutcome, EmbedError> {
    let started = Instant::now();
    let dimension = output_dimension(embedder.dimension(), job.preprocess.mirror);
    let (ours, theirs) = (job.rows(), store.assigned_rows());
    for (what, got, expected) in [
        ("first row", ours.start, theirs.start),
        ("rows", ours.len(), theirs.len()),
        ("dimension", dimension, store.dimension()),
    ] {
        if got != expected {
            return Err(EmbedError::Mismatch { what, got, expected });
        }
    }
    let resumed = store.rows_embedded() + store.rows_failed();
    let mut failures = FailureLimit::new(job.options);
    store.failures().try_for_each(|failure| failures.admit(failure))?;
    let taken = take(job, store, progress, cancel)?;
    progress.start("embedding", "faces", Some(ours.len() as u64), taken as u64);
    if failures.count > 0 {
        progress.remark(&failures.remark());
    }
    let stopped = overlapped(job, embedder, store, &mut failures, progress, cancel);
    progress.finish();
    stopped?;
    let summary = EmbedSummary {
        rows: ours.len(),
        embedded: store.rows_embedded(),
        failed: store.rows_failed(),
        resumed,
        seconds: started.elapsed().as_secs_f64(),
    };
    // Decide by what is on disk, whenever cancellation came.
    let complete = summary.embedded + summary.failed == summary.rows;
    Ok(if complete { EmbedOutcome::Complete(summary) } else { EmbedOutcome::Interrupted(summary) })
}

/// Commits the chunks whose rows are all taken from other runs; returns the rows that are not to be embedded: committed, or
/// taken for another chunk.
pub fn take(
    job: &EmbedJob<'_>,
    store: &mut ChunkStore,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<usize, StoreError> {
    let mut rest = 0;
    if let Some(reuse) = job.reuse {
        let (whole, parts): (Vec<_>, Vec<_>) =
            store.missing().partition(|(_, rows)| reuse.count(rows.clone()) == rows.len());
        rest = parts.into_iter().map(|(_, rows)| reuse.count(rows)).sum();
        let faces: usize = whole.iter().map(|(_, rows)| rows.len()).sum();
        if faces > 0 {
            progress.start("reusing", "faces", Some(faces as u64), 0);
        }
        for (chunk, rows) in whole {
            if cancel.requested() {
                break;
            }
            let (faces, mut taken) = (rows.len(), ComputedChunk { chunk, ..ComputedChunk::default() });
            reuse.fill(rows, &mut taken)?;
            store.commit(&taken)?;
            progress.advance(faces as u64);
        }
        if faces > 0 {
            progress.finish();
        }
    }
    Ok(store.rows_embedded() + store.rows_failed() + rest)
}

/// Runs all stages until the last chunk is committed, or one of them stops.
fn overlapped(
    job: &EmbedJob<'_>,
    embedder: &mut dyn Embedder,
    store: &mut ChunkStore,
    failures: &mut FailureLimit,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(), EmbedError> {
    let missing: Vec<_> = store.missing().collect();
    if missing.is_empty() || cancel.requested() {
        return Ok(());
    }
    let cut = job.cut(embedder.batch());
    let mut forward = Forward::new(embedder, job);
    let memory = forward.batches(cut)?;
    let rows = missing.iter().flat_map(|(_, rows)| rows.clone());
    job.reader.will_read(&mut rows.filter(|&row| job.embeds(row)), cancel);
    thread::scope(|scope| {
        // On every exit the ends of all queues are dropped, and a stage that can neither receive nor send ends.
        let batches = prepare::start(scope, job, missing, cut, memory).map_err(EmbedError::Threads)?;
        let (chunks, full) = sync_channel(1);
        let (spare, spares) = channel();
        let writer = thread::Builder::new()
            .name("writer".into())
            .spawn_scoped(scope, move || write(store, job, &full, &spare))
            .map_err(EmbedError::Threads)?;
        let stage = ForwardStage { forward, failures, progress, cancel };
        let stopped = stage.run(&batches, &chunks, &spares);
        drop((batches, chunks));
        join(writer)?;
        stopped
    })
}

/// The writer: adds the rows that are taken from other runs, commits chunks and returns their buffers.
fn write(
    store: &mut ChunkStore,
    job: &EmbedJob<'_>,
    full: &Receiver<ComputedChunk>,
    spare: &Sender<Vec<f32>>,
) -> Result<(), StoreError> {
    for mut computed in full {
        let rows = store.rows_of(computed.chunk);
        if let Some(reuse) = job.reuse {
            reuse.fill(rows, &mut computed)?;
        } else if store.is_shared() {
            let faces = rows.start - job.first..rows.end - job.first;
            computed.faces = Some(dataset::digest_of_faces(&job.faces[faces]));
        }
        store.commit(&computed)?;
        // Nothing receives it after the last batch.
        let _ = spare.send(computed.data);
    }
    Ok(())
}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

struct ForwardStage<'a> {
    forward: Forward<'a>,
    failures: &'a mut FailureLimit,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

/// What the forward stage does next.
enum Next {
    Start(Batch),
    Finish,
    Stop,
}

impl ForwardStage<'_> {
    /// Embeds batches until there are no more or the run is cancelled. A batch starts as soon as it is available and
    /// the device has room; batches finish in order.
    fn run(
        mut self,
        batches: &Batches,
        chunks: &SyncSender<ComputedChunk>,
        spares: &Receiver<Vec<f32>>,
    ) -> Result<(), EmbedError> {
        let mut chunk = ComputedChunk::default();
        let mut unread = Vec::new();
        let mut boundary = Instant::now();
        loop {
            match self.next(&batches.full) {
                Next::Start(batch) => {
                    self.forward.start(batch)?;
                    continue;
                }
                Next::Finish => {}
                Next::Stop => break,
            }
            let Some((mut batch, took)) = self.forward.finish(&mut chunk.data)? else { break };
            chunk.quality.extend(batch.quality.iter().copied());
            chunk.timings.forward_us += micros(took);
            chunk.timings.prepare_us += micros(batch.prepare);
            if !batch.failures.is_empty() {
                batch.failures.iter().try_for_each(|failure| self.failures.admit(failure))?;
                self.progress.remark(&self.failures.remark());
                chunk.failures.append(&mut batch.failures);
            }
            chunk.unread.append(&mut batch.unread);
            self.progress.advance(batch.faces as u64);
            if batch.ends_chunk {
                let now = Instant::now();
                chunk.chunk = batch.chunk;
                chunk.timings.wall_us = micros(now - boundary);
                boundary = now;
                let mut data = spares.try_recv().unwrap_or_default();
                data.clear();
                let mut computed = std::mem::replace(&mut chunk, ComputedChunk { data, ..ComputedChunk::default() });
                let whole = computed.unread.is_empty();
                unread.append(&mut computed.unread);
                // Nothing of a chunk could be read: what is behind it can hardly be read either.
                if !whole && computed.data.is_empty() && computed.failures.is_empty() {
                    break;
                }
                if whole && chunks.send(computed).is_err() {
                    // The writer has ended; its own error has the reason.
                    break;
                }
            }
            // Nothing receives it after the last batch.
            let _ = batches.empty.send(batch);
        }
        let faces = unread.len();
        match unread.into_iter().next() {
            Some(first) if !self.cancel.requested() => Err(EmbedError::Unread { faces, first }),
            _ => Ok(()),
        }
    }

    fn next(&self, full: &Receiver<Batch>) -> Next {
        loop {
            let idle = self.forward.is_idle();
            if !idle && !self.forward.has_room() {
                return if self.cancel.requested() { Next::Stop } else { Next::Finish };
            }
            // While the device is busy, wait for the next batch only briefly.
            let done = !idle && self.forward.is_ready();
            let patience = if idle {
                CANCEL_POLL
            } else if done {
                Duration::ZERO
            } else {
                READY_POLL
            };
            match full.recv_timeout(patience) {
                _ if self.cancel.requested() => return Next::Stop,
                Ok(batch) => return Next::Start(batch),
                Err(RecvTimeoutError::Disconnected) if idle => return Next::Stop,
                Err(RecvTimeoutError::Disconnected) => return Next::Finish,
                Err(RecvTimeoutError::Timeout) if done => return Next::Finish,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

/// Checks all failures of an embedding, in row order, against the options. Fails with [`EmbedError::Face`] and
/// [`EmbedError::TooManyFailures`], as while embedding.
pub fn admit<'a>(options: &EmbedOptions, failures: impl IntoIterator<Item = &'a FailedFace>) -> Result<(), EmbedError> {
    let mut limit = FailureLimit::new(options);
    failures.into_iter().try_for_each(|failure| limit.admit(failure))
}

/// Enforces the limit on failures.
pub(super) struct FailureLimit {
    on_error: OnError,
    limit: Option<u64>,
    count: u64,
    /// All failures, kept only with a limit: if it stops the run, no file lists them.
    seen: Vec<FailedFace>,
}

impl FailureLimit {
    pub(super) fn new(options: &EmbedOptions) -> Self {
        Self { on_error: options.on_error, limit: options.max_failures, count: 0, seen: Vec::new() }
    }

    pub(super) fn admit(&mut self, failure: &FailedFace) -> Result<(), EmbedError> {
        self.count += 1;
        if self.limit.is_some() {
            self.seen.push(failure.clone());
        }
        if self.on_error == OnError::Fail {
            return Err(EmbedError::Face { failure: failure.clone() });
        }
        match self.limit {
            Some(limit) if self.count > limit => Err(EmbedError::TooManyFailures {
                limit,
                failure: failure.clone(),
                seen: std::mem::take(&mut self.seen),
            }),
            _ => Ok(()),
        }
    }

    fn remark(&self) -> String {
        format!("{} failure{}", self.count, if self.count == 1 { "" } else { "s" })
    }
}

/// Why an embedding stopped. What was committed stays.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// A face failed, and the options do not allow failures.
    #[error("face `{}` (row {}) has no embedding: {} ({}); set `embed.on_error: skip` to list it in failures.csv and \
             continue",
            failure.face_id, failure.row, failure.message, failure.kind.name())]
    Face { failure: FailedFace },
    #[error("more than {} {} no embedding (`embed.max_failures`); the last is `{}` (row {}): {} ({})",
            counted(*limit, "face"), if *limit == 1 { "has" } else { "have" }, failure.face_id, failure.row, failure.message, failure.kind.name())]
    TooManyFailures { limit: u64, failure: FailedFace, seen: Vec<FailedFace> },
    #[error("{faces} face{} could not be read, the first is `{}` (row {}): {}; this may pass, so the chunks with them \
             are not committed: run the command again to try them again, or remove the pictures from the dataset",
            if *faces == 1 { "" } else { "s" }, first.face_id, first.row, first.message)]
    Unread { faces: usize, first: FailedFace },
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("{0}; finished chunks are kept, and running the command again resumes from them")]
    Store(#[from] StoreError),
    #[error("cannot start a thread: {0}; lower `embed.threads`")]
    Threads(#[source] io::Error),
    #[error("the job's {what} ({got}) does not match the store's ({expected})")]
    Mismatch { what: &'static str, got: usize, expected: usize },
}
