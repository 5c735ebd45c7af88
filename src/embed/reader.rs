//! Turns a manifest row into the network's 8-bit input: reads or draws the picture, then preprocesses it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use image::RgbImage;

use crate::dataset::{
    self, DatasetSource, Face, FaultIn, Manifest, Part, PixelSource, ReadAhead, ReadError, synthetic,
};
use crate::embed::{FaceFailure, FailureKind, PixelReader};
use crate::preprocess::{self, HeldPicture, Limits, PictureMemory, Preprocess, PreprocessError, RenderBuffers};
use crate::progress::Cancel;
use crate::quality::{self, Quality};

/// The real [`PixelReader`].
pub struct FaceReader<'a> {
    manifest: &'a Manifest,
    preprocess: &'a Preprocess,
    limits: Limits,
    memory: PictureMemory,
    /// Seed and side of synthetic faces.
    synthetic: (u64, u32),
    /// The encoded pictures of all rows, if they are already in memory.
    encoded: &'a [&'a [u8]],
    /// Those of an object store that are on their way.
    ahead: RwLock<Option<ReadAhead<'a>>>,
}

thread_local! {
    /// Buffers of the resizer, one set per worker thread.
    static SCRATCH: RefCell<RenderBuffers> = RefCell::default();
    /// Its buffer for the luma of a face.
    static LUMA: RefCell<Vec<i16>> = RefCell::default();
}

impl<'a> FaceReader<'a> {
    /// Of a dataset's faces, preprocessed like this.
    pub fn new(manifest: &'a Manifest, preprocess: &'a Preprocess, source: &DatasetSource) -> Self {
        let synthetic = match *source {
            DatasetSource::Synthetic { seed, size, .. } => (seed, size),
            _ => (0, 0),
        };
        Self {
            manifest,
            preprocess,
            limits: Limits::default(),
            memory: PictureMemory::default(),
            synthetic,
            encoded: &[],
            ahead: RwLock::default(),
        }
    }

    /// One whose pictures are at hand, one a row.
    pub fn in_memory(
        manifest: &'a Manifest,
        preprocess: &'a Preprocess,
        source: &DatasetSource,
        encoded: &'a [&'a [u8]],
    ) -> Self {
        Self { encoded, ..Self::new(manifest, preprocess, source) }
    }

    /// Takes no more memory for pictures than this.
    pub fn within(self, memory: PictureMemory) -> Self {
        Self { memory, ..self }
    }

    fn encoded(&self, row: usize) -> Result<Cow<'a, [u8]>, ReadError> {
        if let Some(&bytes) = self.encoded.get(row) {
            return Ok(Cow::Borrowed(bytes));
        }
        let ahead = self.ahead.read().unwrap_or_else(PoisonError::into_inner);
        let on_its_way = ahead.as_ref().and_then(|ahead| ahead.bytes(row));
        on_its_way.unwrap_or_else(|| dataset::bytes(self.manifest, row)).map(Cow::Owned)
    }

    fn picture(&self, row: usize) -> Result<HeldPicture<'_>, FaceFailure> {
        if let Some(fault) = self.manifest.faces[row].failing(self.preprocess.crop) {
            let kind = if fault.part == FaultIn::Detection { FailureKind::Detect } else { FailureKind::Row };
            return Err(FaceFailure::new(kind, fault.reason.clone()));
        }
        if let PixelSource::Synthetic { identity, sample } = self.manifest.faces[row].pixels {
            let (seed, size) = self.synthetic;
            return Ok(synthetic::render(seed, identity, sample, size).into());
        }
        let encoded_bytes = match &self.manifest.faces[row].pixels {
            PixelSource::File { size, .. } | PixelSource::Part(Part { size, .. }) if self.encoded.is_empty() => *size,
            _ => 0,
        };
        let _encoded = self.memory.encoded(encoded_bytes).map_err(|error| undecoded(&error))?;
        let bytes = self.encoded(row).map_err(|error| {
            let kind =
                if matches!(error, ReadError::Changed { .. }) { FailureKind::Changed } else { FailureKind::Read };
            FaceFailure { may_pass: error.may_pass(), ..FaceFailure::new(kind, error.to_string()) }
        })?;
        let Face { bbox, landmarks, .. } = &self.manifest.faces[row];
        self.memory
            .decode_face(&bytes, &self.limits, bbox.as_ref(), landmarks.as_ref(), self.preprocess)
            .map_err(|error| undecoded(&error))
    }

    /// Returns width and height of the crop before resizing.
    fn render(&self, row: usize, out: &mut [u8]) -> Result<[usize; 2], FaceFailure> {
        let picture = self.picture(row)?;
        self.cut(row, &picture, out)
    }

    /// As [`PixelReader::read`], and returns how long reading and decoding (or drawing), and cropping and resizing
    /// took.
    pub(crate) fn timed(&self, row: usize, out: &mut [u8]) -> Result<(Duration, Duration), FaceFailure> {
        let started = Instant::now();
        let picture = self.picture(row)?;
        let decoded = started.elapsed();
        let started = Instant::now();
        self.cut(row, &picture, out)?;
        Ok((decoded, started.elapsed()))
    }

    fn cut(&self, row: usize, picture: &RgbImage, out: &mut [u8]) -> Result<[usize; 2], FaceFailure> {
        let Face { bbox, landmarks, .. } = &self.manifest.faces[row];
        let (bbox, landmarks) = (bbox.as_ref(), landmarks.as_ref());
        SCRATCH
            .with_borrow_mut(|scratch| preprocess::render(picture, bbox, landmarks, self.preprocess, scratch, out))
            .map_err(|error: PreprocessError| FaceFailure::new(FailureKind::Crop, error.to_string()))
    }

    /// The face as the network saw it, as a PNG; `None` when it can no longer be read.
    pub fn png(&self, row: usize) -> Option<Vec<u8>> {
        let side = self.preprocess.resize.size;
        let mut pixels = vec![0; (side * side * 3) as usize];
        self.render(row, &mut pixels).ok()?;
        let mut png = Vec::new();
        RgbImage::from_raw(side, side, pixels)?
            .write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png)
            .ok()?;
        Some(png)
    }
}

/// Why a picture has no pixels. A request to stop says nothing about it.
fn undecoded(error: &PreprocessError) -> FaceFailure {
    let may_pass = matches!(error, PreprocessError::Interrupted);
    FaceFailure { may_pass, ..FaceFailure::new(FailureKind::Decode, error.to_string()) }
}

impl PixelReader for FaceReader<'_> {
    fn read(&self, row: usize, out: &mut [u8]) -> Result<Quality, FaceFailure> {
        let source = self.render(row, out)?;
        let Preprocess { resize, channels, .. } = self.preprocess;
        let measure = |luma: &mut Vec<i16>| quality::measure(out, resize.size as usize, *channels, source, luma);
        Ok(LUMA.with_borrow_mut(measure))
    }

    fn will_read(&self, rows: &mut dyn Iterator<Item = usize>, cancel: &Cancel) {
        let is_read = |row: &usize| {
            let face = &self.manifest.faces[*row];
            matches!(face.pixels, PixelSource::File { .. }) && face.failing(self.preprocess.crop).is_none()
        };
        // Reading a row gives the reason why it cannot be done.
        let ahead = ReadAhead::new(self.manifest, rows.filter(is_read), cancel).and_then(Result::ok);
        *self.ahead.write().unwrap_or_else(PoisonError::into_inner) = ahead;
    }
}
