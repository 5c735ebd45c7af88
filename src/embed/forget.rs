//! Copies the chunks of a run without some of its faces. Every row after the first of them moves, and every sidecar has the
//! number of rows, so all chunks are written anew.

use std::path::Path;

use super::record::{self, CHUNKS, ChunkRecord};
use super::store_error::StoreError;
use super::{FailedFace, sidecar};
use crate::digest::Digest;
use crate::files;
use crate::quality::{Qualities, Quality};

/// Writes the chunks of the complete run in folder `from` into the folder `to`, without the manifest rows for which `gone` is
/// true; returns how many chunks that are. Holds two chunks in memory. Fails with [`StoreError`].
pub fn copy_without(from: &Path, gone: &[bool], to: &Path) -> Result<usize, StoreError> {
    let records = record::read_records(from)?;
    let (chunks, kept) = (from.join(CHUNKS), to.join(CHUNKS));
    files::create_dir(&kept)?;
    let left = gone.iter().filter(|gone| !**gone).count();
    let mut writer = ChunkWriter { folder: &kept, records: &records, left, chunk: PartialChunk::default(), written: 0 };
    let mut expected = 0;
    for record in &records {
        if record.first_row != expected || record.manifest_rows != gone.len() {
            break;
        }
        expected += record.rows;
        let matrix = record.matrix(&chunks)?;
        let mut rows = matrix.data.chunks_exact(matrix.dimension.max(1)).zip(record.qualities());
        let mut failures = record.failures.iter().peekable();
        for (row, gone) in gone.iter().enumerate().skip(record.first_row).take(record.rows) {
            let failure = failures.next_if(|failure| failure.row == row);
            let embedded = if failure.is_none() { rows.next() } else { None };
            if !gone {
                writer.push(failure, embedded)?;
            }
        }
    }
    if expected != gone.len() {
        let missing =
            records.first().map_or(0, |first| gone.len().div_ceil(first.chunk_size)).saturating_sub(records.len());
        return Err(StoreError::Incomplete { chunks, missing: missing.max(1) });
    }
    writer.flush()?;
    Ok(writer.written)
}

/// Chunks as they fill.
struct ChunkWriter<'a> {
    folder: &'a Path,
    /// The chunks of before.
    records: &'a [ChunkRecord],
    /// Rows in all.
    left: usize,
    chunk: PartialChunk,
    /// Chunks that are complete.
    written: usize,
}

/// The rows of a chunk so far.
#[derive(Default)]
struct PartialChunk {
    rows: usize,
    data: Vec<f32>,
    failures: Vec<FailedFace>,
    quality: Qualities,
    unmeasured: bool,
}

impl ChunkWriter<'_> {
    fn push(
        &mut self,
        failure: Option<&FailedFace>,
        embedded: Option<(&[f32], Option<Quality>)>,
    ) -> Result<(), StoreError> {
        let size = self.records[0].chunk_size;
        let row = self.written * size + self.chunk.rows;
        self.chunk.failures.extend(failure.map(|failure| FailedFace { row, ..failure.clone() }));
        if let Some((embedding, quality)) = embedded {
            self.chunk.data.extend_from_slice(embedding);
            self.chunk.quality.extend(quality);
            self.chunk.unmeasured |= quality.is_none();
        }
        self.chunk.rows += 1;
        if self.chunk.rows == size { self.flush() } else { Ok(()) }
    }

    /// Writes the matrix and its sidecar.
    fn flush(&mut self) -> Result<(), StoreError> {
        let PartialChunk { rows, data, failures, quality, unmeasured } = std::mem::take(&mut self.chunk);
        if rows == 0 {
            return Ok(());
        }
        // There are at most as many chunks as before: each keeps its times.
        let (before, first) = (&self.records[self.written], &self.records[0]);
        let path = |extension: &str| record::path_of(self.folder, self.written, extension);
        let matrix = record::matrix_bytes(&path("npy"), &data, first.dimension)?;
        files::commit_bytes(&path("npy"), &matrix)?;
        let record = ChunkRecord {
            chunk: self.written,
            manifest_rows: self.left,
            first_row: self.written * first.chunk_size,
            rows,
            embedded: data.len() / first.dimension,
            sha256: Digest::of(&matrix),
            failures,
            quality: (!unmeasured).then_some(quality),
            faces_sha256: None,
            sidecar_sha256: None,
            ..before.clone()
        };
        let text = sidecar::write(&record).map_err(|source| StoreError::Json { path: path("json"), source })?;
        files::commit_bytes(&path("json"), &text)?;
        self.written += 1;
        Ok(())
    }
}
