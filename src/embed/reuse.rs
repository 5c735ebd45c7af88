//! Rows taken from other runs. A row depends on its own face alone, so runs of the same network, preprocessing and
//! arithmetic share the rows of the faces that they share, byte for byte. The faces are joined by what determines a row:
//! the content of the picture, the box and the landmarks.
//!
//! In memory: some 50 bytes for each face without a row, and 30 for each that has one. The rows themselves are read when
//! their chunk is written.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::BufReader;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;

use super::record::{self, CHUNKS, ChunkRecord, read_records};
use super::store::{ChunkStore, ComputedChunk};
use super::store_error::StoreError;
use crate::dataset::Face;
use crate::digest::{Digest, Hasher};
use crate::files::{self, FileError};
use crate::npy::MatrixReader;
use crate::preprocess::{Crop, Landmarks};
use crate::progress::Cancel;
use crate::quality::{Qualities, Quality};

/// Buffer for reading rows that may lie anywhere in a chunk.
const BUFFER: usize = 16 * 1024;

/// What determines the row of a face, given the rest of the plan: half of a digest, which is enough to tell faces apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PictureKey([u8; 16]);

impl PictureKey {
    /// Of a face that can have a row; `None` for one whose picture could not be read or whose row is wrong.
    pub fn of(face: &Face, crop: Crop) -> Option<Self> {
        let content = face.content?;
        face.failing(crop).is_none().then(|| Self::of_part(face, content.bytes()))
    }

    /// Of the same part of a picture that is known by something else than its content.
    pub fn of_part(face: &Face, picture: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.field(picture);
        hasher.field(&[face.bbox.is_some(), face.landmarks.is_some()].map(u8::from));
        let edges = face.bbox.iter().flat_map(|bbox| [bbox.x1, bbox.y1, bbox.x2, bbox.y2]);
        for number in edges.chain(face.landmarks.iter().flat_map(Landmarks::numbers)) {
            hasher.update(&number.to_le_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finish().bytes()[..16]);
        Self(key)
    }
}

/// Rows of other runs for the faces of a job.
#[derive(Debug)]
pub struct Reuse {
    crop: Crop,
    dimension: usize,
    /// The faces without a row at first, by key.
    wanted: Vec<(PictureKey, u32)>,
    runs: Vec<String>,
    chunks: Vec<DonorChunk>,
    /// For each manifest row, where its embedding is.
    found: Vec<Option<FoundRow>>,
}

/// A chunk of another run, checked.
#[derive(Debug)]
struct DonorChunk {
    run: usize,
    path: PathBuf,
    stamp: Stamp,
}

#[derive(Debug, Clone, Copy)]
struct FoundRow {
    chunk: u32,
    row: u32,
    quality: Quality,
}

/// Size and time of a file, which tell whether it is the one that was checked.
type Stamp = (u64, Option<SystemTime>);

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.len(), metadata.modified().ok())
}

/// Why a run gives no rows.
#[derive(Debug, thiserror::Error)]
pub enum DonorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("its chunk {chunk:05}: {rule}")]
    Chunk { chunk: usize, rule: String },
    #[error("interrupted")]
    Interrupted,
}

impl Reuse {
    /// What the missing chunks of a store need; `faces` is its whole manifest.
    pub fn new(faces: &[Face], crop: Crop, store: &ChunkStore) -> Self {
        let rows = store.missing().flat_map(|(_, rows)| rows);
        let mut wanted: Vec<_> =
            rows.filter_map(|row| Some((PictureKey::of(&faces[row], crop)?, row as u32))).collect();
        wanted.sort_unstable();
        let found = vec![None; if wanted.is_empty() { 0 } else { faces.len() }];
        Self { crop, dimension: store.dimension(), wanted, runs: Vec::new(), chunks: Vec::new(), found }
    }

    /// Whether the row is taken.
    pub(super) fn has(&self, row: usize) -> bool {
        self.found.get(row).is_some_and(Option::is_some)
    }

    /// How many of these rows are taken.
    pub(super) fn count(&self, rows: Range<usize>) -> usize {
        rows.filter(|&row| self.has(row)).count()
    }

    /// How many rows are taken.
    pub fn rows(&self) -> usize {
        self.count(0..self.found.len())
    }

    /// How many rows are taken from each run, in the order in which the runs were offered.
    pub fn by_run(&self) -> Vec<(&str, usize)> {
        let mut rows: Vec<_> = self.runs.iter().map(|run| (run.as_str(), 0)).collect();
        for found in self.found.iter().flatten() {
            rows[self.chunks[found.chunk as usize].run].1 += 1;
        }
        rows
    }

    /// Whether every face has a row that can have one.
    pub fn is_complete(&self) -> bool {
        self.wanted.iter().all(|(_, row)| self.has(*row as usize))
    }

    /// Finds rows in the chunks of the run in folder `from`, computed by `arithmetic`; `faces` is its manifest. Returns how
    /// many. Chunks of other arithmetic, or from before quality was measured, give none. Fails with [`DonorError`] if a
    /// chunk with one of the rows is damaged; then the run gives nothing.
    pub fn find(
        &mut self,
        run: &str,
        from: &Path,
        faces: &[Face],
        arithmetic: Digest,
        cancel: &Cancel,
    ) -> Result<usize, DonorError> {
        let folder = from.join(CHUNKS);
        let mut offered = Vec::new();
        for record in read_records(from)? {
            if (record.manifest_rows, record.dimension) != (faces.len(), self.dimension) {
                return Err(DonorError::Chunk { chunk: record.chunk, rule: record::OTHER_LAYOUT.into() });
            }
            // Nothing vouches for a sidecar without a digest in a run that may not be sealed yet.
            let vouched = record.sidecar_sha256.is_some() && record.is_of(faces);
            if record.arithmetic == Some(arithmetic) && vouched {
                let rows = self.offered(&record, faces);
                offered.extend((!rows.is_empty()).then_some((record, rows)));
            }
        }
        let checked = offered
            .into_par_iter()
            .map(|(record, rows)| {
                if cancel.requested() {
                    return Err(DonorError::Interrupted);
                }
                let path = record::path_of(&folder, record.chunk, "npy");
                // Before the check, so that a later change cannot go unnoticed.
                let stamp =
                    stamp(&std::fs::metadata(&path).map_err(FileError::new("read", &path)).map_err(StoreError::from)?);
                match record.damage(&folder)? {
                    None => Ok((path, stamp, rows)),
                    Some(rule) => Err(DonorError::Chunk { chunk: record.chunk, rule }),
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut taken = 0;
        self.runs.push(run.to_owned());
        for (path, stamp, rows) in checked {
            let chunk = self.chunks.len() as u32;
            self.chunks.push(DonorChunk { run: self.runs.len() - 1, path, stamp });
            for (to, row, quality) in rows {
                let found = &mut self.found[to as usize];
                taken += usize::from(found.is_none());
                found.get_or_insert(FoundRow { chunk, row, quality });
            }
        }
        Ok(taken)
    }

    /// The rows of a chunk that are wanted and not found yet: manifest row here, row of its matrix, quality.
    fn offered(&self, record: &ChunkRecord, faces: &[Face]) -> Vec<(u32, u32, Quality)> {
        let (mut failures, mut rows) = (record.failures.iter().map(|failure| failure.row).peekable(), Vec::new());
        let embedded = (record.first_row..).take(record.rows).filter(|row| failures.next_if_eq(row).is_none());
        for ((row, quality), from) in embedded.zip(record.qualities()).zip(0..) {
            let (Some(quality), Some(key)) = (quality, PictureKey::of(&faces[row], self.crop)) else { continue };
            let first = self.wanted.partition_point(|(wanted, _)| *wanted < key);
            let alike = self.wanted[first..].iter().take_while(|(wanted, _)| *wanted == key);
            rows.extend(alike.filter(|(_, to)| !self.has(*to as usize)).map(|(_, to)| (*to, from, quality)));
        }
        rows
    }

    /// Adds to a chunk of these manifest rows those that are taken; the others are in it, embedded or failed. Fails with
    /// [`StoreError::Changed`] if a chunk is no longer the one that was checked.
    pub(super) fn fill(&self, rows: Range<usize>, chunk: &mut ComputedChunk) -> Result<(), StoreError> {
        if self.count(rows.clone()) == 0 {
            return Ok(());
        }
        let width = self.dimension;
        let embedded = (std::mem::take(&mut chunk.data), std::mem::take(&mut chunk.quality));
        let mut computed = embedded.0.chunks_exact(width).zip(embedded.1.iter());
        let mut failures = chunk.failures.iter().map(|failure| failure.row).peekable();
        let (mut data, mut quality) = (Vec::with_capacity(rows.len() * width), Qualities::default());
        let mut taken = BTreeMap::<u32, Vec<(u32, usize)>>::new();
        for row in rows {
            if failures.next_if_eq(&row).is_some() {
                continue;
            }
            if let Some(found) = self.found[row] {
                taken.entry(found.chunk).or_default().push((found.row, data.len()));
                data.resize(data.len() + width, 0.0);
                quality.extend([found.quality]);
            } else if let Some((row, measured)) = computed.next() {
                data.extend_from_slice(row);
                quality.extend([measured]);
            }
        }
        for (from, mut rows) in taken {
            let donor = &self.chunks[from as usize];
            *chunk.reused.entry(self.runs[donor.run].clone()).or_default() += rows.len();
            rows.sort_unstable();
            let mut matrix = donor.open()?;
            for (row, to) in rows {
                matrix.seek(row as usize)?;
                matrix.read(&mut data[to..to + width])?;
            }
        }
        (chunk.data, chunk.quality) = (data, quality);
        Ok(())
    }
}

impl DonorChunk {
    /// The matrix that was checked.
    fn open(&self) -> Result<MatrixReader<BufReader<File>>, StoreError> {
        let failed = |error| FileError::new("read", &self.path)(error);
        let file = files::open(&self.path).map_err(failed)?;
        let now = stamp(&file.metadata().map_err(failed)?);
        if now != self.stamp {
            return Err(StoreError::Changed { path: self.path.clone() });
        }
        Ok(MatrixReader::new(&self.path, BufReader::with_capacity(BUFFER, file), now.0)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::embed::mock::{EmbedFixture, MockEmbedder};
    use crate::embed::{EmbedError, EmbedJob, RunLock};
    use crate::progress::Silent;

    fn arithmetic() -> Digest {
        Digest::of(b"this machine")
    }

    /// Faces whose pictures are these, embedded by [`arithmetic`] if asked.
    fn fixture(pictures: std::ops::Range<usize>, embed: bool) -> EmbedFixture {
        let mut fixture = EmbedFixture::new(pictures.len(), 4);
        for (face, picture) in fixture.faces.iter_mut().zip(pictures) {
            face.content = Some(Digest::of(&picture.to_le_bytes()));
        }
        if embed {
            let mut store = fixture.open(&Silent);
            store.computed_by(arithmetic());
            fixture.session(&mut store, &Silent, &Cancel::default(), |_| Ok(())).unwrap();
        }
        fixture
    }

    fn open(fixture: &EmbedFixture) -> (ChunkStore, Reuse) {
        let lock = RunLock::acquire(fixture.run()).unwrap();
        let mut store = ChunkStore::open(&lock, fixture.faces.len(), fixture.dimension, 4, None, &Silent).unwrap();
        store.computed_by(arithmetic());
        let reuse = Reuse::new(&fixture.faces, fixture.preprocess.crop, &store);
        (store, reuse)
    }

    fn find(reuse: &mut Reuse, donor: &EmbedFixture, arithmetic: Digest) -> Result<usize, DonorError> {
        reuse.find("donor", donor.run(), &donor.faces, arithmetic, &Cancel::default())
    }

    fn embed(fixture: &EmbedFixture, store: &mut ChunkStore, reuse: &Reuse) -> Result<(), EmbedError> {
        let job = EmbedJob::new(&fixture.faces, &fixture.reader, &fixture.preprocess, &fixture.options).reusing(reuse);
        let mut network = MockEmbedder::new(fixture.dimension, |_| Ok(()));
        crate::embed::run(&job, &mut network, store, &Silent, &Cancel::default()).map(drop)
    }

    #[test]
    fn only_rows_without_a_donor_are_read() {
        // The mock's pixels say which row they are of, so that a row tells where it was embedded.
        let donor = fixture(100..106, true);
        let fixture = fixture(97..109, false);
        let (mut store, mut reuse) = open(&fixture);
        assert_eq!(find(&mut reuse, &donor, arithmetic()).unwrap(), 6);
        assert_eq!((reuse.by_run(), reuse.is_complete()), (vec![("donor", 6)], false));
        embed(&fixture, &mut store, &reuse).unwrap();
        assert_eq!(fixture.reader.started.load(Ordering::SeqCst), 6);
        assert_eq!((store.rows_computed(), store.rows_reused()), (6, [("donor".to_owned(), 6)].into()));
        let records = read_records(fixture.run()).unwrap();
        assert_eq!(records.iter().map(ChunkRecord::computed).collect::<Vec<_>>(), [3, 0, 3]);
        let sizes: Vec<_> =
            records.iter().flat_map(ChunkRecord::qualities).map(|quality| quality.unwrap().size).collect();
        assert_eq!(sizes, [0, 1, 2, 0, 1, 2, 3, 4, 5, 9, 10, 11], "its own rows, and those of the donor");
        let row = |run: &Path, chunk: usize, row| {
            record::read_records(run).unwrap()[chunk].matrix(&run.join(CHUNKS)).unwrap().row(row).to_vec()
        };
        assert_eq!(row(fixture.run(), 1, 0), row(donor.run(), 0, 1));
        assert_eq!(row(fixture.run(), 2, 0), row(donor.run(), 1, 1));
    }

    #[test]
    fn other_arithmetic_and_other_faces_give_nothing() {
        let donor = fixture(0..6, true);
        let (_, mut reuse) = open(&fixture(6..9, false));
        assert_eq!(find(&mut reuse, &donor, arithmetic()).unwrap(), 0);
        let (_, mut reuse) = open(&fixture(0..6, false));
        assert_eq!(find(&mut reuse, &donor, Digest::of(b"other")).unwrap(), 0);
        let shorter = fixture(0..5, false);
        let error = reuse.find("donor", donor.run(), &shorter.faces, arithmetic(), &Cancel::default()).unwrap_err();
        insta::assert_snapshot!(error, @"its chunk 00000: it belongs to another manifest, network or chunk size");
        assert_eq!(reuse.rows(), 0);
    }

    /// Fault (runs): a chunk is replaced after its rows were found for another run → the run stops with the file's name,
    /// and nothing of it is taken
    #[test]
    fn a_chunk_that_changes_after_it_was_checked_is_not_read() {
        let donor = fixture(0..6, true);
        let fixture = fixture(0..6, false);
        let (mut store, mut reuse) = open(&fixture);
        find(&mut reuse, &donor, arithmetic()).unwrap();
        let chunk = donor.file("chunks/00000.npy");
        let mut bytes = fs::read(&chunk).unwrap();
        bytes.push(0);
        fs::write(&chunk, bytes).unwrap();
        let error = embed(&fixture, &mut store, &reuse).unwrap_err().to_string();
        let error = error.replace(&chunk.display().to_string(), "CHUNK");
        insta::assert_snapshot!(error, @"CHUNK changed while embeddings were taken from it; finished chunks are kept, and running the command again resumes from them");
        assert!(read_records(fixture.run()).unwrap().is_empty());
    }
}
