//! Adopts chunks of another run with the same embeddings instead of computing them.

use std::fs;
use std::io;
use std::path::Path;

use super::record::{self, CHUNKS, ChunkRecord, read_records};
use super::sidecar;
use super::store::ChunkStore;
use super::store_error::StoreError;
use crate::files::{self, FileError};
use crate::text::counted;

/// Why chunks could not be adopted. They are computed instead.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{rule}")]
    Unfit { rule: String },
}

impl From<FileError> for AdoptError {
    fn from(error: FileError) -> Self {
        Self::Store(error.into())
    }
}

impl ChunkStore {
    /// Adopts every missing chunk of the complete run in folder `from` that was computed by this store's arithmetic.
    /// Commits like a computed chunk: matrix first, verified in place, sidecar last. Returns the number of adopted
    /// manifest rows. An empty store adopts the chunk size as well; a store with another chunk size adopts nothing.
    /// Chunks with failures that may not recur, or from before quality was measured, are left to be computed. Fails
    /// with [`AdoptError`]; chunks adopted before it stay.
    pub fn adopt(&mut self, from: &Path) -> Result<usize, AdoptError> {
        let unfit = |rule: String| Err(AdoptError::Unfit { rule });
        let records = read_records(from)?;
        let Some(first) = records.first() else { return unfit("it has no chunks".into()) };
        let [rows, dimension, chunk_size] = first.layout();
        if (rows, dimension) != (self.rows, self.dimension) {
            return unfit(record::OTHER_LAYOUT.into());
        }
        let mut records = records.into_iter().filter(repeatable).peekable();
        if self.records.is_empty() && records.peek().is_some() {
            self.chunk_size = chunk_size;
        } else if self.chunk_size != chunk_size {
            return unfit(format!("its chunks have {}, not {}", counted(chunk_size, "row"), self.chunk_size));
        }
        let theirs = from.join(CHUNKS);
        let mut adopted = 0;
        for record in records {
            if self.records.contains_key(&record.chunk) {
                continue;
            }
            if record.arithmetic != self.arithmetic {
                return unfit(format!("its chunk {:05}: {}", record.chunk, record::OTHER_ARITHMETIC));
            }
            let place = |folder: &Path, extension: &str| record::path_of(folder, record.chunk, extension);
            link_or_copy(&place(&theirs, "npy"), &place(&self.chunks, "npy"))?;
            if let Some(rule) = record.damage(&self.chunks)? {
                let damaged = place(&self.chunks, "npy");
                fs::remove_file(&damaged).map_err(FileError::new("remove", damaged))?;
                return unfit(format!("its chunk {:05} is damaged: {rule}", record.chunk));
            }
            let path = place(&self.chunks, "json");
            // Rewritten rather than linked, so that the sidecar contains exactly what was checked.
            let text = sidecar::write(&record).map_err(|source| StoreError::Json { path: path.clone(), source })?;
            files::commit_bytes(&path, &text)?;
            adopted += record.rows;
            self.session = self.session.max(record.timings.session + 1);
            self.records.insert(record.chunk, record);
        }
        Ok(adopted)
    }
}

/// Whether computing the chunk again would give the same result.
fn repeatable(record: &ChunkRecord) -> bool {
    record.quality.is_some() && record.failures.iter().all(|failure| failure.kind.repeats())
}

/// Links `to` to `from`, or copies it if the file system lacks hard links. Sharing is safe because files of a run are
/// never changed in place, only replaced by a rename.
fn link_or_copy(from: &Path, to: &Path) -> Result<(), FileError> {
    if fs::hard_link(from, to).is_ok() {
        return to.parent().map_or(Ok(()), files::sync_dir);
    }
    let mut source = files::open(from).map_err(FileError::new("read", from))?;
    files::commit(to, |out| io::copy(&mut source, out).map(|_| ()).map_err(FileError::new("copy", from)))
}
