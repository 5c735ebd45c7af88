//! What a run that is being embedded has committed, read as it comes: each sidecar once, without a lock.

use std::collections::BTreeMap;
use std::path::Path;

use super::record::{self, CHUNKS};
use super::sidecar;
use crate::files::{self, FileError};

/// Chunks whose times the speed is taken from: the last ones committed.
const RECENT: usize = 8;

/// The chunks that a run has so far.
#[derive(Debug, Default)]
pub struct CommittedChunks {
    chunks: BTreeMap<usize, CommittedChunk>,
}

#[derive(Debug, Clone, Copy)]
struct CommittedChunk {
    rows: usize,
    failed: usize,
    /// Rows that took the time.
    computed: usize,
    seconds: f64,
    session: u32,
    /// Chunks of the whole run.
    of: usize,
}

impl CommittedChunks {
    /// Reads what has been committed since the last call. A sidecar that is no record is passed over: the run's own process
    /// computes its chunk again.
    pub fn update(&mut self, run: &Path) -> Result<(), FileError> {
        let folder = run.join(CHUNKS);
        let numbers = record::numbers(&folder, "json")?;
        self.chunks.retain(|number, _| numbers.binary_search(number).is_ok());
        for number in numbers {
            if self.chunks.contains_key(&number) {
                continue;
            }
            let Ok(Ok(record)) = files::read(&record::path_of(&folder, number, "json")).map(sidecar::read) else {
                continue;
            };
            let chunk = CommittedChunk {
                rows: record.rows,
                failed: record.failures.len(),
                computed: record.computed(),
                seconds: record.timings.wall_us as f64 / 1e6,
                session: record.timings.session,
                of: record.manifest_rows.div_ceil(record.chunk_size.max(1)),
            };
            self.chunks.insert(number, chunk);
        }
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Chunks that the run will have; `None` before the first.
    pub fn of(&self) -> Option<usize> {
        self.chunks.values().next().map(|chunk| chunk.of)
    }

    /// Faces that are done, with an embedding or without.
    pub fn rows(&self) -> usize {
        self.chunks.values().fold(0, |sum, chunk| sum.saturating_add(chunk.rows))
    }

    /// Faces without an embedding.
    pub fn failed(&self) -> usize {
        self.chunks.values().fold(0, |sum, chunk| sum.saturating_add(chunk.failed))
    }

    /// Faces a second in the last chunks of the last session; `None` before the first that took time.
    pub fn faces_per_second(&self) -> Option<f64> {
        let session = self.chunks.values().map(|chunk| chunk.session).max()?;
        let timed = self.chunks.values().rev().filter(|chunk| chunk.session == session && chunk.computed > 0);
        let (faces, seconds) = timed
            .take(RECENT)
            .fold((0, 0.0), |(faces, seconds), chunk| (faces + chunk.computed, seconds + chunk.seconds));
        (seconds > 0.0).then(|| faces as f64 / seconds)
    }
}
