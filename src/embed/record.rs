//! A chunk on disk: the matrix of its embedded rows, and the sidecar that commits it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::store_error::StoreError;
use super::{FailedFace, sidecar};
use crate::dataset::{self, Face};
use crate::digest::Digest;
use crate::files::{self, FileError};
use crate::mirror;
use crate::npy::{self, EmbeddingMatrix, MatrixReader};
use crate::quality::{Qualities, Quality};

/// The folder of chunks inside a run directory.
pub(crate) const CHUNKS: &str = "chunks";

/// The content of a chunk's sidecar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChunkRecord {
    /// Its number, from 0: that of its file.
    pub chunk: usize,
    /// Rows of every chunk of the run except the last.
    pub chunk_size: usize,
    /// Rows of the manifest.
    pub manifest_rows: usize,
    /// Numbers in a row.
    pub dimension: usize,
    /// First manifest row of the chunk.
    pub first_row: usize,
    /// Manifest rows of the chunk.
    pub rows: usize,
    /// How many of them have an embedding; the others are `failures`.
    pub embedded: usize,
    /// Digest of the chunk's `.npy`.
    pub sha256: Digest,
    /// Fingerprint of the arithmetic that computed it; `None` for chunks that predate fingerprints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arithmetic: Option<Digest>,
    /// Faces without an embedding, in row order.
    pub failures: Vec<FailedFace>,
    /// Picture quality of the embedded rows, in order; `None` for chunks that predate quality measurements, and
    /// for given embeddings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Qualities>,
    /// Rows taken from other runs instead of being embedded, by run; they took none of the times. Absent if there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reused: BTreeMap<String, usize>,
    /// Digest over the chunk's faces as the worker of a shard read them, which had no other rows of the manifest. Absent where
    /// the whole manifest was read and checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faces_sha256: Option<Digest>,
    /// How long it took.
    pub timings: Timings,
    /// Digest of this file with 64 zeros in place of this digest; `None` for chunks that predate it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecar_sha256: Option<Digest>,
}

/// How long a chunk took, µs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timings {
    /// The session (start of the program) that embedded it, from 1, not counting sessions that committed nothing; workers
    /// of shards count in any case.
    pub session: u32,
    /// From the chunk before it, or the start of the session, to its last forward pass.
    pub wall_us: u64,
    /// Reading, decoding, cropping and resizing, summed over all worker threads.
    pub prepare_us: u64,
    /// Forward passes: how long the device had the chunk's batches, each from its start or the end of the previous one,
    /// whichever is later. Overlapping batches are not counted twice.
    pub forward_us: u64,
    /// Writing the matrix and flushing it to disk.
    pub write_us: u64,
}

/// Problem of a chunk whose [`ChunkRecord::layout`] differs from the run's.
pub(super) const OTHER_LAYOUT: &str = "it belongs to another manifest, network or chunk size";

/// Problem of a chunk whose arithmetic differs from the run's.
pub(super) const OTHER_ARITHMETIC: &str = "computed by other arithmetic than the run's";

/// Manifest rows of chunk `chunk`; empty past the end.
pub(super) fn rows_of(chunk: usize, chunk_size: usize, manifest_rows: usize) -> Range<usize> {
    let first = chunk.saturating_mul(chunk_size).min(manifest_rows);
    first..first.saturating_add(chunk_size).min(manifest_rows)
}

/// `00007.npy` or `00007.json`.
pub(super) fn path_of(chunks: &Path, chunk: usize, extension: &str) -> PathBuf {
    chunks.join(name_of(chunk, extension))
}

/// The name of a file of a chunk.
pub(super) fn name_of(chunk: usize, extension: &str) -> String {
    format!("{chunk:05}.{extension}")
}

impl ChunkRecord {
    /// Picture quality of each embedded row, if measured.
    pub fn qualities(&self) -> impl Iterator<Item = Option<Quality>> {
        let known = self.quality.iter().flat_map(Qualities::iter).map(Some);
        let unknown = if self.quality.is_some() { 0 } else { self.embedded };
        known.chain(std::iter::repeat_n(None, unknown))
    }

    /// Rows that were embedded for this chunk, in its times: not those taken from other runs.
    pub fn computed(&self) -> usize {
        // Removing faces can leave fewer rows than were taken.
        self.embedded.saturating_sub(self.reused.values().fold(0, |sum, rows| sum.saturating_add(*rows)))
    }

    /// Whether both have the same rows and failures: what does not depend on when and where it was computed.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        let of = |record: &Self| Self {
            timings: self.timings,
            reused: BTreeMap::new(),
            faces_sha256: None,
            sidecar_sha256: None,
            ..record.clone()
        };
        of(self) == of(other)
    }

    /// Whether it was computed from these faces, the whole manifest: a worker reads a part of it, and cannot tell whether that
    /// is damaged. True where the whole manifest was read and checked.
    pub(super) fn is_of(&self, faces: &[Face]) -> bool {
        let own = rows_of(self.chunk, self.chunk_size, self.manifest_rows);
        let seen = |seen| faces.get(own).map(dataset::digest_of_faces) == Some(seen);
        self.faces_sha256.is_none_or(seen)
    }

    /// What all chunks of a run share: manifest rows, dimension, chunk size.
    pub fn layout(&self) -> [usize; 3] {
        [self.manifest_rows, self.dimension, self.chunk_size]
    }

    /// The consistency rule that the sidecar of chunk `chunk` violates, if any.
    fn broken_rule(&self, chunk: usize) -> Option<String> {
        let range = rows_of(chunk, self.chunk_size, self.manifest_rows);
        let mut next = range.start;
        let in_order = self.failures.iter().all(|failure| {
            let fits = (next..range.end).contains(&failure.row);
            next = failure.row.saturating_add(1);
            fits
        });
        let rules = [
            (self.chunk == chunk, "its number does not match its file name"),
            (
                !range.is_empty() && (self.first_row, self.rows) == (range.start, range.len()),
                "its rows are not those of its chunk number",
            ),
            (in_order, "its failures are not its own rows in ascending order"),
            (
                self.embedded.checked_add(self.failures.len()) == Some(self.rows),
                "its embedded and failed faces do not add up to its rows",
            ),
            (
                self.quality.as_ref().is_none_or(|quality| quality.faces() == Some(self.embedded)),
                "it does not have one quality per embedded face",
            ),
            (self.timings.session >= 1, "its session is 0"),
        ];
        rules.into_iter().find(|(kept, _)| !kept).map(|(_, rule)| rule.to_owned())
    }

    /// Most bytes that its matrix file has: its values behind a header.
    fn largest_matrix(&self) -> u64 {
        let values = (self.embedded as u64).saturating_mul(self.dimension as u64);
        values.saturating_mul(size_of::<f32>() as u64).saturating_add(npy::LONGEST_HEADER)
    }

    /// The problem with the chunk's matrix file; `None` if it matches the digest in the sidecar.
    pub(super) fn damage(&self, chunks: &Path) -> Result<Option<String>, StoreError> {
        let path = path_of(chunks, self.chunk, "npy");
        // A file that is longer cannot have the digest, whatever its length.
        match files::open(&path).and_then(|file| Digest::of_reader(file.take(self.largest_matrix()))) {
            Ok(digest) if digest == self.sha256 => Ok(None),
            Ok(_) => Ok(Some("its matrix does not match the digest in its sidecar".into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some("its matrix is missing".into())),
            Err(error) => Err(FileError::new("read", path)(error).into()),
        }
    }

    /// The embedded rows, checked against the digest.
    pub(super) fn matrix(&self, chunks: &Path) -> Result<EmbeddingMatrix, StoreError> {
        let path = path_of(chunks, self.chunk, "npy");
        let bytes = files::read_at_most(&path, self.largest_matrix())?;
        let damaged = |rule: &str| StoreError::Damaged { path: path.clone(), rule: rule.to_owned() };
        if Digest::of(&bytes) != self.sha256 {
            return Err(damaged("it does not match the digest in its sidecar"));
        }
        let matrix = EmbeddingMatrix::of(MatrixReader::new(&path, &bytes[..], bytes.len() as u64)?)?;
        if (matrix.rows, matrix.dimension) != (self.embedded, self.dimension) {
            return Err(damaged("its shape does not match its sidecar"));
        }
        Ok(matrix)
    }
}

/// The bytes of a chunk's matrix file.
pub(super) fn matrix_bytes(path: &Path, rows: &[f32], dimension: usize) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    npy::write(&mut bytes, rows, dimension).map_err(FileError::new("write", path))?;
    Ok(bytes)
}

/// A sidecar: its number, and the record or the problem with it.
pub(super) type ScannedRecord = (usize, Result<ChunkRecord, String>);

/// All sidecars of a chunks folder by number; none if the folder does not exist. Does not read matrices.
pub(super) fn scan(chunks: &Path) -> Result<Vec<ScannedRecord>, StoreError> {
    numbers(chunks, "json")?.into_iter().map(|chunk| Ok((chunk, read_sidecar(chunks, chunk)?))).collect()
}

/// The record of a chunk, or the problem with it.
pub(super) fn read_sidecar(chunks: &Path, chunk: usize) -> Result<Result<ChunkRecord, String>, FileError> {
    let bytes = files::read(&path_of(chunks, chunk, "json"))?;
    Ok(sidecar::read(bytes).and_then(|record| match record.broken_rule(chunk) {
        Some(rule) => Err(format!("its sidecar contradicts itself: {rule}")),
        None => Ok(record),
    }))
}

/// Numbers of the chunks that have a file with this extension, ascending.
pub(super) fn numbers(chunks: &Path, extension: &str) -> Result<Vec<usize>, FileError> {
    Ok(numbers_of(chunks, extension, &files::names(chunks)?))
}

fn numbers_of(chunks: &Path, extension: &str, files: &[PathBuf]) -> Vec<usize> {
    let mut numbers = Vec::new();
    for path in files {
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        // Only names that this program writes, not `7.json` or `+0007.json`.
        numbers.extend(number.filter(|&number| *path == path_of(chunks, number, extension)));
    }
    numbers.sort_unstable();
    numbers
}

/// Numbers of the chunks of a run that are committed, as far as names tell.
pub fn committed(run: &Path) -> Result<BTreeSet<usize>, FileError> {
    let chunks = run.join(CHUNKS);
    let files = mirror::names(&chunks)?;
    let matrices: BTreeSet<usize> = numbers_of(&chunks, "npy", &files).into_iter().collect();
    Ok(numbers_of(&chunks, "json", &files).into_iter().filter(|chunk| matrices.contains(chunk)).collect())
}

/// Removes the sidecars of a run, so that every chunk is computed again.
pub fn remove_records(run: &Path) -> Result<(), FileError> {
    let chunks = run.join(CHUNKS);
    for chunk in numbers(&chunks, "json")? {
        let path = path_of(&chunks, chunk, "json");
        fs::remove_file(&path).map_err(FileError::new("remove", path))?;
    }
    Ok(())
}

/// The sidecars of a run in row order; none if nothing is embedded yet. Fails with [`StoreError::Damaged`] for the
/// first sidecar that is not one, or not of the same run as those before it.
pub fn read_records(run: &Path) -> Result<Vec<ChunkRecord>, StoreError> {
    let chunks = run.join(CHUNKS);
    let mut records: Vec<ChunkRecord> = Vec::new();
    for (chunk, record) in scan(&chunks)? {
        let record = record.and_then(|record| match records.first() {
            Some(first) if first.layout() != record.layout() => Err(OTHER_LAYOUT.into()),
            _ => Ok(record),
        });
        records.push(record.map_err(|rule| StoreError::Damaged { path: path_of(&chunks, chunk, "json"), rule })?);
    }
    Ok(records)
}
