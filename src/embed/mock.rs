//! A dataset and a network for tests: a face's pixels encode its row, and the network's output is a function of the
//! pixels, so that each embedding identifies its face.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{
    ChunkStore, EmbedError, EmbedJob, EmbedOutcome, FaceFailure, FailureKind, PixelReader, RunLock, export,
    output_dimension,
};
use crate::dataset::Face;
use crate::embed::EmbedOptions;
use crate::model::{BatchSize, DeviceKind, DeviceRequest, Embedder, EmbedderInfo, FaceBatch, ModelError, Precision};
use crate::preprocess::{ChannelOrder, Crop, Filter, Mirror, Preprocess, Resize, Standardise};
use crate::progress::{Cancel, Progress, Silent};
use crate::quality::Quality;
pub use facevault_nn::mock::encoded as answer;

pub const SIDE: usize = 2;
pub const DIMENSION: usize = 4;
const BYTES: usize = SIDE * SIDE * 3;
/// In the last byte of a face: makes the network's output NaN.
const POISON: u8 = 255;

/// What happens to a row instead of being read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    Fails,
    /// Cannot be read now.
    Unread,
    Panics,
    Poisons,
}

/// A reader that generates its pixels.
pub struct MockReader {
    pub fates: BTreeMap<usize, Fate>,
    /// Faces requested so far.
    pub started: AtomicUsize,
    /// Whether reading takes varying time, so that workers overtake each other.
    pub jitter: bool,
}

pub fn pixels(row: usize) -> [u8; BYTES] {
    let mut pixels = [7; BYTES];
    pixels[..8].copy_from_slice(&(row as u64).to_le_bytes());
    pixels
}

/// The network: a unit vector computed from the pixels, except for poisoned ones.
pub fn network(pixels: &[u8], dimension: usize) -> Vec<f32> {
    let mut row = answer(pixels, dimension);
    if pixels[BYTES - 1] == POISON {
        row[1] = f32::NAN;
    }
    row
}

/// The quality of a face says which row it is of.
pub fn quality(row: usize) -> Quality {
    Quality { sharpness: row as f32 + 0.25, exposure: row as f32 / 100.0, contrast: 1.01, size: row as u32 }
}

impl PixelReader for MockReader {
    fn read(&self, row: usize, out: &mut [u8]) -> Result<Quality, FaceFailure> {
        self.started.fetch_add(1, Ordering::SeqCst);
        if self.jitter && row % 7 == 3 {
            std::thread::sleep(Duration::from_micros(300));
        }
        // A failing face leaves garbage in the buffer, as a decoder does.
        out.fill(99);
        match self.fates.get(&row) {
            Some(Fate::Fails) => return Err(FaceFailure::new(FailureKind::Decode, format!("row {row}, \"quoted\""))),
            Some(Fate::Unread) => {
                let now = FaceFailure::new(FailureKind::Read, "Input/output error");
                return Err(FaceFailure { may_pass: true, ..now });
            }
            Some(Fate::Panics) => panic!("the codec gave up on {row}"),
            _ => {}
        }
        out.copy_from_slice(&pixels(row));
        if self.fates.get(&row) == Some(&Fate::Poisons) {
            out[BYTES - 1] = POISON;
        }
        Ok(quality(row))
    }
}

/// Calls `before` with the number of faces embedded so far, then answers.
pub struct MockEmbedder<'a> {
    info: EmbedderInfo,
    dimension: usize,
    embedded: usize,
    before: Box<dyn FnMut(usize) -> Result<(), ModelError> + Send + 'a>,
}

impl<'a> MockEmbedder<'a> {
    pub fn new(dimension: usize, before: impl FnMut(usize) -> Result<(), ModelError> + Send + 'a) -> Self {
        let info = EmbedderInfo {
            name: "mock".into(),
            device: DeviceKind::Cpu,
            device_name: "CPU".into(),
            precision: Precision::F32,
        };
        Self { info, dimension, embedded: 0, before: Box::new(before) }
    }
}

impl Embedder for MockEmbedder<'_> {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<(), ModelError> {
        batch.check(out, self.dimension)?;
        (self.before)(self.embedded)?;
        self.embedded += batch.count;
        for (face, out) in batch.pixels.chunks_exact(BYTES).zip(out.chunks_exact_mut(self.dimension)) {
            out.copy_from_slice(&network(face, self.dimension));
        }
        Ok(())
    }
}

/// A run directory and everything to embed into it.
pub struct EmbedFixture {
    folder: tempfile::TempDir,
    pub faces: Vec<Face>,
    pub reader: MockReader,
    pub preprocess: Preprocess,
    pub options: EmbedOptions,
    pub dimension: usize,
}

impl EmbedFixture {
    pub fn new(rows: usize, chunk_size: usize) -> Self {
        let faces = (0..rows)
            .map(|row| Face {
                face_id: format!("face,{row}"),
                identity_id: (row % 5 != 4).then(|| format!("person {}", row / 5)),
                ..Face::of_picture(format!("image {row}"))
            })
            .collect();
        Self {
            folder: tempfile::tempdir().unwrap(),
            faces,
            reader: MockReader { fates: BTreeMap::new(), started: AtomicUsize::new(0), jitter: false },
            preprocess: Preprocess {
                profile: "custom".into(),
                crop: Crop::Whole,
                resize: Resize { size: SIDE as u32, filter: Filter::PillowBilinear },
                channels: ChannelOrder::Rgb,
                standardise: Standardise { mean: 127.5, scale: 128.0 },
                mirror: Mirror::None,
            },
            options: EmbedOptions {
                device: DeviceRequest::Cpu,
                batch_size: BatchSize::Faces(3),
                chunk_size,
                threads: Some(2),
                ..EmbedOptions::DEFAULT
            },
            dimension: DIMENSION,
        }
    }

    pub fn with_fates(mut self, fates: impl IntoIterator<Item = (usize, Fate)>) -> Self {
        self.reader.fates.extend(fates);
        self
    }

    pub fn run(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.run().join(name)
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    pub fn replace(&self, name: &str, from: &str, to: &str) {
        fs::write(self.file(name), self.text(name).replace(from, to)).unwrap();
    }

    pub fn open(&self, progress: &dyn Progress) -> ChunkStore {
        let lock = RunLock::acquire(self.run()).unwrap();
        let dimension = output_dimension(self.dimension, self.preprocess.mirror);
        ChunkStore::open(&lock, self.faces.len(), dimension, self.options.chunk_size, None, progress).unwrap()
    }

    /// One session with everything observable.
    pub fn session(
        &self,
        store: &mut ChunkStore,
        progress: &dyn Progress,
        cancel: &Cancel,
        before: impl FnMut(usize) -> Result<(), ModelError> + Send,
    ) -> Result<EmbedOutcome, EmbedError> {
        self.session_on(&mut MockEmbedder::new(self.dimension, before), store, progress, cancel)
    }

    /// The same on another embedder.
    pub fn session_on(
        &self,
        embedder: &mut dyn Embedder,
        store: &mut ChunkStore,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<EmbedOutcome, EmbedError> {
        let job = EmbedJob::new(&self.faces, &self.reader, &self.preprocess, &self.options);
        super::run(&job, embedder, store, progress, cancel)
    }

    /// One undisturbed session.
    pub fn embed(&self) -> Result<EmbedOutcome, EmbedError> {
        self.session(&mut self.open(&Silent), &Silent, &Cancel::default(), |_| Ok(()))
    }

    /// One undisturbed session and its files.
    pub fn finish(&self) -> [Vec<u8>; 5] {
        self.finish_on(&mut MockEmbedder::new(self.dimension, |_| Ok(())))
    }

    /// The same on another embedder.
    pub fn finish_on(&self, embedder: &mut dyn Embedder) -> [Vec<u8>; 5] {
        let mut store = self.open(&Silent);
        let outcome = self.session_on(embedder, &mut store, &Silent, &Cancel::default()).unwrap();
        assert!(matches!(outcome, EmbedOutcome::Complete(_)), "{outcome:?}");
        export(self.run(), &store, &self.faces, EmbedOptions::DEFAULT.part_rows, &Silent).unwrap();
        [
            "face_embeddings.npy",
            "face_embedding_index.csv",
            "embeddings.parquet",
            "face_quality.parquet",
            "failures.csv",
        ]
        .map(|name| self.bytes(name))
    }
}

/// Progress as lines.
#[derive(Default)]
pub struct Recorded(Mutex<Vec<String>>);

impl Recorded {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Progress for Recorded {
    fn start(&self, task: &str, unit: &'static str, total: Option<u64>, resumed: u64) {
        self.push(format!("start {task} {total:?} {unit}, {resumed} resumed"));
    }

    fn advance(&self, n: u64) {
        self.push(format!("advance {n}"));
    }

    fn remark(&self, text: &str) {
        self.push(format!("remark {text}"));
    }

    fn finish(&self) {
        self.push("finish".into());
    }

    fn say(&self, line: &str) {
        self.push(format!("say {line}"));
    }
}
