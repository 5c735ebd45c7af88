//! Writes the matrix of a run: one file, or parts with an index when it has many rows.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::export::ExportError;
use super::record::ChunkRecord;
use super::store::ChunkStore;
use crate::digest::Hasher;
use crate::files::{self, FileError};
use crate::npy::parts::{MatrixPart, PartIndex, SCHEMA};
use crate::npy::{self, EmbeddingMatrix};
use crate::progress::Progress;

/// The matrix in one file.
pub(crate) const MATRIX: &str = "face_embeddings.npy";

/// The index of a matrix in parts.
pub(crate) const INDEX: &str = "face_embeddings.json";

/// The folder of the parts.
pub(crate) const PARTS: &str = "face_embeddings";

/// Whether a file of a run, by its name in the run, is part of its matrix.
pub(crate) fn is_of_matrix(name: &str) -> bool {
    name == MATRIX || name == INDEX || name.strip_prefix(PARTS).is_some_and(|rest| rest.starts_with('/'))
}

/// Writes the matrix of a complete store of `rows` rows: one file, or parts if there are more than `part_rows`. What there is
/// of the matrix goes first, so that it is never there twice.
pub(super) fn write(
    run: &Path,
    store: &ChunkStore,
    rows: usize,
    part_rows: usize,
    progress: &dyn Progress,
) -> Result<(), ExportError> {
    for name in [INDEX, PARTS, MATRIX] {
        files::remove_all(&run.join(name))?;
    }
    let dimension = store.dimension();
    let mut stream = RowStream::new(store, progress)?;
    if rows <= part_rows {
        let path = run.join(MATRIX);
        return files::commit(&path, |out: &mut BufWriter<&File>| {
            npy::write_header(out, rows, dimension).map_err(FileError::new("write", &path))?;
            stream.write(rows, &path, out)
        });
    }
    files::create_dir_inside(run, PARTS)?;
    let mut parts = Vec::new();
    for first_row in (0..rows).step_by(part_rows) {
        let rows = part_rows.min(rows - first_row);
        let file = format!("{PARTS}/{:05}.npy", parts.len());
        let path = run.join(&file);
        let mut hasher = Hasher::default();
        files::commit(&path, |out: &mut BufWriter<&File>| {
            let mut out = Digested { out, hasher: &mut hasher };
            npy::write_part_header(&mut out, rows, dimension).map_err(FileError::new("write", &path))?;
            stream.write(rows, &path, &mut out)
        })?;
        parts.push(MatrixPart { file, first_row, rows, sha256: hasher.finish() });
    }
    let index = PartIndex { schema: SCHEMA, rows, dimension, part_rows, parts };
    let path = run.join(INDEX);
    let mut text = serde_json::to_vec_pretty(&index).map_err(|error| FileError::new("write", &path)(error.into()))?;
    text.push(b'\n');
    Ok(files::commit_bytes(&path, &text)?)
}

/// The rows of a store, chunk by chunk.
struct RowStream<'a> {
    store: &'a ChunkStore,
    chunks: std::collections::btree_map::Values<'a, usize, ChunkRecord>,
    /// The chunk at hand, and how many of its rows are written.
    chunk: EmbeddingMatrix,
    written: usize,
    progress: &'a dyn Progress,
}

impl<'a> RowStream<'a> {
    fn new(store: &'a ChunkStore, progress: &'a dyn Progress) -> Result<Self, ExportError> {
        let chunk = EmbeddingMatrix { rows: 0, dimension: store.dimension(), data: Vec::new() };
        Ok(Self { store, chunks: store.complete()?.values(), chunk, written: 0, progress })
    }

    /// Writes the next rows; `path` is for messages.
    fn write(&mut self, mut rows: usize, path: &Path, out: &mut impl Write) -> Result<(), ExportError> {
        let dimension = self.store.dimension();
        while rows > 0 {
            if self.written == self.chunk.rows {
                let Some(record) = self.chunks.next() else { break };
                (self.chunk, self.written) = (record.matrix(self.store.folder())?, 0);
                continue;
            }
            let next = rows.min(self.chunk.rows - self.written);
            let numbers = self.written * dimension..(self.written + next) * dimension;
            npy::write_rows(out, &self.chunk.data[numbers]).map_err(FileError::new("write", path))?;
            (self.written, rows) = (self.written + next, rows - next);
            self.progress.advance(super::export::size(next, dimension));
        }
        Ok(())
    }
}

/// Digests what is written.
struct Digested<'a, W> {
    out: W,
    hasher: &'a mut Hasher,
}

impl<W: Write> Write for Digested<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
