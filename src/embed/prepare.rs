//! Prepares rows as batches of pixels. Worker threads finish faces in any order; the assembler restores row order.
//! Memory is bounded by the number of face buffers and batches, which are recycled:
//!
//! ```text
//!          ┌───── empty face buffers ─────┐      ┌───── empty batches ─────┐
//!          ▼                              │      ▼                         │
//!   workers: row → pixels ── faces ──▶ assembler: row order ── batches ──▶ network
//! ```
//!
//! A batch's memory belongs to the device: the assembler's copy is the last one on the host.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::job::{BatchLayout, EmbedJob, passes};
use super::{FaceFailure, FailedFace, FailureKind};
use crate::model::Pixels;
use crate::preprocess;
use crate::preprocess::Mirror;
use crate::progress::Cancel;
use crate::quality::Quality;

/// Manifest rows of one chunk, in order: those that the job embeds.
#[derive(Debug)]
pub(super) struct Batch {
    pub chunk: usize,
    pub faces: usize,
    /// Manifest rows of the faces with pixels, ascending.
    pub rows: Vec<usize>,
    /// Their pixels in sequence, each followed by its mirror image if needed, then unused space. Moved out while the
    /// network has the batch.
    pub pixels: Pixels,
    pub quality: Vec<Quality>,
    /// The faces without pixels.
    pub failures: Vec<FailedFace>,
    /// The faces that may be readable later; their chunk is not committed.
    pub unread: Vec<FailedFace>,
    /// Time to read them, summed over the workers.
    pub prepare: Duration,
    /// Whether it completes the chunk.
    pub ends_chunk: bool,
}

/// The queues that batches come from and return to. Dropping them stops the workers.
pub(super) struct Batches {
    pub full: Receiver<Batch>,
    pub empty: Sender<Batch>,
    stop: Cancel,
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.stop.request();
    }
}

/// A face that a worker has finished.
pub(super) struct PreparedFace {
    position: usize,
    pixels: Vec<u8>,
    outcome: Result<Quality, FaceFailure>,
    took: Duration,
}

/// The queue that workers take from, one at a time. Taking buffer and row together prevents deadlocks: every row before
/// one that waits for a buffer has its buffer, so the assembler can always proceed and return it.
struct WorkQueue<R> {
    rows: R,
    buffers: Receiver<Vec<u8>>,
    stop: Cancel,
}

impl<R: Iterator<Item = (usize, usize)>> WorkQueue<R> {
    /// The position in the work order, the manifest row and a buffer.
    fn next(&mut self) -> Option<(usize, usize, Vec<u8>)> {
        let (position, row) = self.rows.next()?;
        let buffer = self.buffers.recv().ok()?;
        (!self.stop.requested()).then_some((position, row, buffer))
    }
}

/// Starts workers and assembler over `chunks`, each of which has a row to embed, recycling the memory of `batches`. They
/// end when everything is done or the [`Batches`] are dropped.
pub(super) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    job: &'scope EmbedJob<'_>,
    chunks: Vec<(usize, Range<usize>)>,
    cut: BatchLayout,
    batches: Vec<Batch>,
) -> io::Result<Batches> {
    let (give_buffer, buffers) = channel();
    let (give_batch, empty_batches) = channel();
    // The receivers are still in scope, so sending cannot fail.
    (0..cut.face_buffers()).try_for_each(|_| give_buffer.send(vec![0; cut.face_bytes])).map_err(io::Error::other)?;
    for batch in batches {
        give_batch.send(batch).map_err(|_| io::ErrorKind::BrokenPipe)?;
    }
    let (send_face, faces) = sync_channel(cut.face_buffers());
    let (send_batch, full) = sync_channel(1);

    let stop = Cancel::default();
    let rows = chunks.clone().into_iter().flat_map(|(_, rows)| rows).filter(|&row| job.embeds(row)).enumerate();
    let source = Arc::new(Mutex::new(WorkQueue { rows, buffers, stop: stop.clone() }));
    for i in 0..cut.workers {
        let (source, send_face) = (Arc::clone(&source), send_face.clone());
        thread::Builder::new().name(format!("reader {i}")).spawn_scoped(scope, move || {
            loop {
                let next = source.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((position, row, pixels)) = next else { return };
                if send_face.send(prepare(job, position, row, pixels)).is_err() {
                    return;
                }
            }
        })?;
    }
    let assembler = Assembler { job, faces, waiting: BTreeMap::new(), next: 0, give_buffer };
    thread::Builder::new().name("assembler".into()).spawn_scoped(scope, move || {
        assembler.run(chunks, cut, &empty_batches, &send_batch);
    })?;
    Ok(Batches { full, empty: give_batch, stop })
}

fn prepare(job: &EmbedJob<'_>, position: usize, row: usize, mut pixels: Vec<u8>) -> PreparedFace {
    let started = Instant::now();
    // An image codec that panics on one file must not end a run of millions. The buffer is plain bytes, valid whatever
    // its content.
    let outcome = catch_unwind(AssertUnwindSafe(|| job.reader.read(row, &mut pixels)))
        .unwrap_or_else(|panic| Err(FaceFailure::new(FailureKind::Panic, panic_message(panic.as_ref()))));
    PreparedFace { position, pixels, outcome, took: started.elapsed() }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| Some(panic.downcast_ref::<String>()?.as_str()));
    format!("reading panicked: {}", text.unwrap_or("without a message"))
}

/// Restores row order and fills batches.
struct Assembler<'a> {
    job: &'a EmbedJob<'a>,
    faces: Receiver<PreparedFace>,
    /// Faces that arrived early, by position.
    waiting: BTreeMap<usize, PreparedFace>,
    next: usize,
    give_buffer: Sender<Vec<u8>>,
}

impl Assembler<'_> {
    /// Ends early, with `None`, once nothing receives batches.
    fn run(
        mut self,
        chunks: Vec<(usize, Range<usize>)>,
        cut: BatchLayout,
        empty: &Receiver<Batch>,
        full: &SyncSender<Batch>,
    ) -> Option<()> {
        for (chunk, rows) in chunks {
            let rows: Vec<usize> = rows.filter(|&row| self.job.embeds(row)).collect();
            let last = rows.last().copied();
            for rows in rows.chunks(cut.batch_rows) {
                let mut batch = empty.recv().ok()?;
                batch.clear();
                (batch.chunk, batch.faces) = (chunk, rows.len());
                batch.ends_chunk = rows.last().copied() == last;
                for &row in rows {
                    let face = self.next_face()?;
                    batch.push(row, &face, self.job);
                    // Nothing receives it once the workers have ended.
                    let _ = self.give_buffer.send(face.pixels);
                }
                full.send(batch).ok()?;
            }
        }
        Some(())
    }

    fn next_face(&mut self) -> Option<PreparedFace> {
        let position = self.next;
        self.next += 1;
        loop {
            if let Some(face) = self.waiting.remove(&position) {
                return Some(face);
            }
            let face = self.faces.recv().ok()?;
            self.waiting.insert(face.position, face);
        }
    }
}

impl Batch {
    /// An empty batch in this memory.
    pub(super) fn new(pixels: Pixels) -> Self {
        Self {
            chunk: 0,
            faces: 0,
            rows: Vec::new(),
            pixels,
            quality: Vec::new(),
            failures: Vec::new(),
            unread: Vec::new(),
            prepare: Duration::ZERO,
            ends_chunk: false,
        }
    }

    /// These rows, at most a batch, read on all cores.
    pub(super) fn of(rows: &[usize], job: &EmbedJob<'_>, cut: BatchLayout) -> Self {
        let faces: Vec<_> = rows
            .par_iter()
            .enumerate()
            .map(|(position, &row)| prepare(job, position, row, vec![0; cut.face_bytes]))
            .collect();
        let mut batch = Self::new(Pixels::plain(cut.batch_bytes()));
        rows.iter().zip(&faces).for_each(|(&row, face)| batch.push(row, face, job));
        batch
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.quality.clear();
        self.failures.clear();
        self.unread.clear();
        self.prepare = Duration::ZERO;
    }

    pub(super) fn push(&mut self, row: usize, face: &PreparedFace, job: &EmbedJob<'_>) {
        self.prepare += face.took;
        match &face.outcome {
            Ok(quality) => {
                let bytes = face.pixels.len();
                let (side, mirror) = (job.preprocess.resize.size as usize, job.preprocess.mirror);
                let first = self.rows.len() * passes(mirror) * bytes;
                self.pixels[first..first + bytes].copy_from_slice(&face.pixels);
                if mirror != Mirror::None {
                    let mirrored = &mut self.pixels[first + bytes..first + 2 * bytes];
                    mirrored.copy_from_slice(&face.pixels);
                    preprocess::mirror(mirrored, side);
                }
                self.rows.push(row);
                self.quality.push(*quality);
            }
            Err(FaceFailure { kind, message, may_pass }) => {
                let (face_id, kind, message) = (job.face(row).face_id.clone(), *kind, message.clone());
                let failures = if *may_pass { &mut self.unread } else { &mut self.failures };
                failures.push(FailedFace { row, face_id, kind, message });
            }
        }
    }
}
