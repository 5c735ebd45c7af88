//! The chunks of a run. A chunk exists if its sidecar does *and* its matrix matches the digest in it; anything else in
//! the folder was left by an interrupted process and is rewritten. Failed faces are committed with their chunk: remove
//! its sidecar to retry them.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;

use super::record::{self, CHUNKS, ChunkRecord, ScannedRecord, Timings};
use super::store_error::StoreError;
use super::{FailedFace, RunLock, sidecar};
use crate::dataset::Face;
use crate::digest::Digest;
use crate::files::{self, FileError};
use crate::mirror;
use crate::progress::Progress;
use crate::quality::Qualities;
use crate::text::counted;

/// The chunks of one run, owned by the process that holds its lock.
#[derive(Debug)]
pub struct ChunkStore {
    pub(super) chunks: PathBuf,
    pub(super) rows: usize,
    pub(super) dimension: usize,
    pub(super) chunk_size: usize,
    pub(super) session: u32,
    pub(super) arithmetic: Option<Digest>,
    /// The chunks that are this process's to compute, if others work on the rest.
    assigned: Option<Range<usize>>,
    /// Whether others may commit the same chunks meanwhile: then no file is replaced.
    shared: bool,
    pub(super) records: BTreeMap<usize, ChunkRecord>,
}

/// A chunk that is embedded but not committed.
#[derive(Debug, Default)]
pub(super) struct ComputedChunk {
    pub chunk: usize,
    /// Embedded rows, row-major.
    pub data: Vec<f32>,
    /// The other rows, ascending.
    pub failures: Vec<FailedFace>,
    /// Faces that may be readable later. Such a chunk is not committed.
    pub unread: Vec<FailedFace>,
    /// Picture quality of the embedded rows, in order.
    pub quality: Qualities,
    /// Rows taken from other runs, by run.
    pub reused: BTreeMap<String, usize>,
    /// Digest over its faces, for [`ChunkRecord::faces_sha256`].
    pub faces: Option<Digest>,
    /// Timings known before it is written.
    pub timings: Timings,
}

impl ChunkStore {
    /// Opens the chunks of a run whose manifest has `rows` rows, for embeddings of `dimension` numbers computed by
    /// `arithmetic`. Checks every digest; chunks that are damaged or computed by other arithmetic are reported, removed
    /// and computed again. A store with chunks keeps their size.
    pub fn open(
        lock: &RunLock,
        rows: usize,
        dimension: usize,
        chunk_size: usize,
        arithmetic: Option<Digest>,
        progress: &dyn Progress,
    ) -> Result<Self, StoreError> {
        let mut store = Self::empty(lock, [rows, dimension, chunk_size], arithmetic)?;
        let found = record::scan(&store.chunks)?;
        if let Some(size) = found.iter().find_map(|(_, record)| Some(record.as_ref().ok()?.chunk_size)) {
            store.chunk_size = size;
        }
        for (chunk, checked) in store.check(found, progress)? {
            match checked {
                Ok(record) => {
                    store.records.insert(chunk, record);
                }
                Err(rule) => {
                    progress.say(&format!("chunk {chunk:05} is damaged ({rule}); computing it again"));
                    store.remove(chunk, "json")?;
                }
            }
        }
        // A matrix without sidecar was never committed.
        for chunk in record::numbers(&store.chunks, "npy")? {
            if !store.records.contains_key(&chunk) {
                store.remove(chunk, "npy")?;
            }
        }
        if store.records.is_empty() {
            store.chunk_size = chunk_size;
        } else if store.chunk_size != chunk_size {
            let kept = store.chunk_size;
            progress.say(&format!(
                "the run keeps its chunks of {}; ignoring chunk_size {chunk_size}",
                counted(kept, "row")
            ));
        }
        store.session += store.last_session();
        Ok(store)
    }

    /// Opens these chunks of a run that others work on: no listing, and nothing is removed that another worker may be about
    /// to commit. Chunks that are committed and damaged are reported, removed and computed again. `layout` is that of
    /// [`ChunkRecord::layout`].
    pub fn share(
        lock: &RunLock,
        layout: [usize; 3],
        arithmetic: Digest,
        assigned: Range<usize>,
        session: u32,
        progress: &dyn Progress,
    ) -> Result<Self, StoreError> {
        let empty = Self::empty(lock, layout, Some(arithmetic))?;
        let mut store = Self { assigned: Some(assigned.clone()), shared: true, session, ..empty };
        mirror::pull_chunks(&store.chunks, assigned.clone(), record::name_of)?;
        let mut found = Vec::new();
        for chunk in assigned {
            if files::is_file(&record::path_of(&store.chunks, chunk, "json"))? {
                found.push((chunk, record::read_sidecar(&store.chunks, chunk)?));
            }
        }
        for (chunk, checked) in store.check(found, progress)? {
            match checked {
                Ok(record) => drop(store.records.insert(chunk, record)),
                Err(rule) => {
                    progress.say(&format!("chunk {chunk:05} is damaged ({rule}); computing it again"));
                    for extension in ["json", "npy"] {
                        mirror::remove(&record::path_of(&store.chunks, chunk, extension))?;
                    }
                }
            }
        }
        Ok(store)
    }

    fn empty(
        lock: &RunLock,
        [rows, dimension, chunk_size]: [usize; 3],
        arithmetic: Option<Digest>,
    ) -> Result<Self, StoreError> {
        for (what, value) in [("chunk size", chunk_size), ("dimension", dimension)] {
            if value == 0 {
                return Err(StoreError::Zero { what });
            }
        }
        let chunks = files::create_dir_inside(lock.run(), CHUNKS)?;
        let records = BTreeMap::new();
        let (assigned, shared) = (None, false);
        Ok(Self { chunks, rows, dimension, chunk_size, session: 1, arithmetic, assigned, shared, records })
    }

    /// Restricts what is computed next to these chunks.
    pub fn assign(&mut self, chunks: Range<usize>) {
        self.assigned = Some(chunks);
    }

    /// The manifest rows of the chunks to compute.
    pub fn assigned_rows(&self) -> Range<usize> {
        let Range { start, end } = self.assigned();
        self.rows_of(start).start..self.rows_of(end).start
    }

    /// Whether other workers commit chunks of the run meanwhile.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    fn assigned(&self) -> Range<usize> {
        self.assigned.clone().unwrap_or(0..self.chunk_count())
    }

    /// Chunks of the run.
    pub fn chunk_count(&self) -> usize {
        self.rows.div_ceil(self.chunk_size)
    }

    fn assigned_records(&self) -> impl Iterator<Item = &ChunkRecord> {
        self.records.range(self.assigned()).map(|(_, record)| record)
    }

    /// What its chunks share, as [`ChunkRecord::layout`].
    pub fn layout(&self) -> [usize; 3] {
        [self.rows, self.dimension, self.chunk_size]
    }

    /// Assigned chunks that are not committed yet.
    pub fn missing_count(&self) -> usize {
        self.missing().count()
    }

    /// The highest session of its chunks; 0 if there are none.
    pub fn last_session(&self) -> u32 {
        self.records.values().map(|record| record.timings.session).max().unwrap_or(0)
    }

    /// Rows that a session embedded, so far.
    pub fn rows_of_session(&self, session: u32) -> usize {
        self.records.values().filter(|record| record.timings.session == session).map(ChunkRecord::computed).sum()
    }

    /// Removes the chunks that were computed from other faces than those of the whole manifest, which only their workers
    /// could see: what they read was damaged. Returns their numbers.
    pub fn discard_other_faces(&mut self, faces: &[Face]) -> Result<Vec<usize>, StoreError> {
        let wrong = self.records.values().filter(|record| !record.is_of(faces));
        let wrong: Vec<usize> = wrong.map(|record| record.chunk).collect();
        for &chunk in &wrong {
            self.remove(chunk, "json")?;
            self.remove(chunk, "npy")?;
            self.records.remove(&chunk);
        }
        Ok(wrong)
    }

    /// The same chunks, with an error for those that are damaged or do not belong to this store.
    fn check(&self, found: Vec<ScannedRecord>, progress: &dyn Progress) -> Result<Vec<ScannedRecord>, StoreError> {
        if found.is_empty() {
            return Ok(found);
        }
        progress.start("checking", "chunks", Some(found.len() as u64), 0);
        let layout = [self.rows, self.dimension, self.chunk_size];
        let checked = found
            .into_par_iter()
            .map(|(chunk, record)| {
                let checked = match record {
                    Ok(record) if record.layout() != layout => Err(record::OTHER_LAYOUT.into()),
                    Ok(record) if record.arithmetic != self.arithmetic => Err(record::OTHER_ARITHMETIC.into()),
                    Ok(record) => record.damage(&self.chunks)?.map_or(Ok(record), Err),
                    Err(rule) => Err(rule),
                };
                progress.advance(1);
                Ok((chunk, checked))
            })
            .collect();
        progress.finish();
        checked
    }

    fn remove(&self, chunk: usize, extension: &str) -> Result<(), FileError> {
        let path = record::path_of(&self.chunks, chunk, extension);
        fs::remove_file(&path).map_err(FileError::new("remove", path))
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Assigned rows with an embedding, so far.
    pub fn rows_embedded(&self) -> usize {
        self.assigned_records().map(|record| record.embedded).sum()
    }

    /// Assigned rows that failed, so far.
    pub fn rows_failed(&self) -> usize {
        self.assigned_records().map(|record| record.failures.len()).sum()
    }

    /// Assigned rows that were embedded for this run or one whose chunks it adopted, so far.
    pub fn rows_computed(&self) -> usize {
        self.assigned_records().map(ChunkRecord::computed).sum()
    }

    /// Rows taken from other runs so far, by run.
    pub fn rows_reused(&self) -> BTreeMap<String, usize> {
        let mut rows = BTreeMap::new();
        for (run, taken) in self.records.values().flat_map(|record| &record.reused) {
            *rows.entry(run.clone()).or_default() += taken;
        }
        rows
    }

    /// Sets the arithmetic of chunks committed from now on.
    pub fn computed_by(&mut self, fingerprint: Digest) {
        self.arithmetic = Some(fingerprint);
    }

    /// Whether no chunk is committed yet.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub fn is_complete(&self) -> bool {
        self.missing().next().is_none()
    }

    /// Failures so far, in row order.
    pub(super) fn failures(&self) -> impl Iterator<Item = &FailedFace> {
        self.records.values().flat_map(|record| &record.failures)
    }

    /// Manifest rows that have an embedding, ascending: row `i` of the exported matrix is row `embedded_rows()[i]` of
    /// the manifest. Fails with [`StoreError::Incomplete`] while chunks are missing.
    pub fn embedded_rows(&self) -> Result<Vec<usize>, StoreError> {
        let failures = self.complete()?.values().flat_map(|record| &record.failures);
        let mut failed = failures.map(|failure| failure.row).peekable();
        Ok((0..self.rows).filter(|row| failed.next_if_eq(row).is_none()).collect())
    }

    /// The committed chunks in row order. Fails with [`StoreError::Incomplete`] while chunks are missing.
    pub(super) fn complete(&self) -> Result<&BTreeMap<usize, ChunkRecord>, StoreError> {
        match self.missing().count() {
            0 => Ok(&self.records),
            missing => Err(StoreError::Incomplete { chunks: self.chunks.clone(), missing }),
        }
    }

    /// The assigned chunks that are not committed yet: number and manifest rows, ascending.
    pub(super) fn missing(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let all = self.assigned().filter(|chunk| !self.records.contains_key(chunk));
        all.map(|chunk| (chunk, self.rows_of(chunk)))
    }

    /// Manifest rows of a chunk.
    pub(super) fn rows_of(&self, chunk: usize) -> Range<usize> {
        record::rows_of(chunk, self.chunk_size, self.rows)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.chunks
    }

    /// Commits a chunk of given rows: no picture was measured.
    pub(super) fn give(&mut self, given: &ComputedChunk) -> Result<(), StoreError> {
        self.write(given, None)
    }

    /// Commits a chunk: its matrix, then its sidecar.
    pub(super) fn commit(&mut self, computed: &ComputedChunk) -> Result<(), StoreError> {
        self.write(computed, Some(computed.quality.clone()))
    }

    fn write(&mut self, computed: &ComputedChunk, quality: Option<Qualities>) -> Result<(), StoreError> {
        let ComputedChunk { chunk, data, failures, reused, faces, timings, .. } = computed;
        let rows = self.rows_of(*chunk);
        let started = Instant::now();
        let path = record::path_of(&self.chunks, *chunk, "npy");
        let bytes = record::matrix_bytes(&path, data, self.dimension)?;
        let sha256 = Digest::of(&bytes);
        if !self.put(&path, &bytes)? && Digest::of(&files::read(&path)?) != sha256 {
            return Err(StoreError::Differs { path, chunk: *chunk, theirs: None });
        }
        let write_us = started.elapsed().as_micros() as u64;
        let record = ChunkRecord {
            chunk: *chunk,
            chunk_size: self.chunk_size,
            manifest_rows: self.rows,
            dimension: self.dimension,
            first_row: rows.start,
            rows: rows.len(),
            embedded: data.len() / self.dimension,
            sha256,
            arithmetic: self.arithmetic,
            failures: failures.clone(),
            quality,
            reused: reused.clone(),
            faces_sha256: *faces,
            timings: Timings { session: self.session, write_us, ..*timings },
            sidecar_sha256: None,
        };
        let path = record::path_of(&self.chunks, *chunk, "json");
        let text = sidecar::write(&record).map_err(|source| StoreError::Json { path: path.clone(), source })?;
        let record = if self.put(&path, &text)? { record } else { self.duplicate(&record, path)? };
        self.records.insert(*chunk, record);
        Ok(())
    }

    /// Writes a file of a chunk; `false` if another worker has written it.
    fn put(&self, path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
        if self.shared { mirror::commit_new(path, bytes) } else { mirror::replace(path, bytes).map(|()| true) }
    }

    /// The record of a chunk that another worker has committed meanwhile.
    fn duplicate(&self, ours: &ChunkRecord, path: PathBuf) -> Result<ChunkRecord, StoreError> {
        match record::read_sidecar(&self.chunks, ours.chunk)? {
            Ok(theirs) if theirs.agrees_with(ours) => Ok(theirs),
            Ok(theirs) => Err(StoreError::Differs { path, chunk: ours.chunk, theirs: Some(theirs.timings.session) }),
            Err(rule) => Err(StoreError::Damaged { path, rule }),
        }
    }
}
