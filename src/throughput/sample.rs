//! The sample of faces: read and resized as in an experiment, and timed.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::ExperimentConfig;
use crate::dataset::Manifest;
use crate::embed::FaceReader;
use crate::model::FaceBatch;
use crate::progress::Cancel;
use crate::sample;

/// Faces in memory.
pub(super) struct TimedSample<'a> {
    config: &'a ExperimentConfig,
    pub rows: Vec<usize>,
    /// Their pixels, repeated so that a batch can start at any face.
    pixels: Vec<u8>,
    pub preparation: Preparation,
}

/// Cost of a face before the network, on one thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, JsonSchema)]
pub struct Preparation {
    /// Seconds per face to read and decode its picture, or to draw a procedural face.
    pub decode_seconds: f64,
    /// Seconds per face to crop and resize it.
    pub resize_seconds: f64,
    /// Faces of the sample that could not be read and are left out.
    pub failed: usize,
}

impl<'a> TimedSample<'a> {
    /// Reads at most `faces` faces for batches of at most `largest`; empty if none can be read.
    pub fn read(
        manifest: &Manifest,
        config: &'a ExperimentConfig,
        faces: usize,
        largest: usize,
        cancel: &Cancel,
    ) -> Self {
        let reader =
            FaceReader::new(manifest, &config.preprocess, &config.dataset).within(config.embed.picture_memory(cancel));
        let side = config.preprocess.resize.size as usize;
        let mut face = vec![0; side * side * 3];
        let (mut rows, mut pixels, mut failed) = (Vec::new(), Vec::new(), 0);
        let (mut decode, mut resize) = (Duration::ZERO, Duration::ZERO);
        for row in sample::blocks(manifest.len(), faces) {
            if cancel.requested() {
                break;
            }
            match reader.timed(row, &mut face) {
                Ok((decoded, resized)) => {
                    rows.push(row);
                    pixels.extend_from_slice(&face);
                    decode += decoded;
                    resize += resized;
                }
                Err(_) => failed += 1,
            }
        }
        let seconds = |time: Duration| time.as_secs_f64() / rows.len().max(1) as f64;
        let preparation = Preparation { decode_seconds: seconds(decode), resize_seconds: seconds(resize), failed };
        let again: Vec<u8> = pixels.iter().copied().cycle().take(largest * face.len()).collect();
        pixels.extend(again);
        Self { config, rows, pixels, preparation }
    }

    /// Side of a face, pixels.
    pub fn side(&self) -> usize {
        self.config.preprocess.resize.size as usize
    }

    /// Every face once, a few at a time.
    pub fn all(&self) -> impl Iterator<Item = FaceBatch<'_>> {
        const GROUP: usize = 8;
        let faces = self.rows.len();
        (0..faces).step_by(GROUP).map(move |first| self.batch(first, GROUP.min(faces - first)))
    }

    /// `count` faces starting at `first`, wrapping around; `first` is a face of the sample, `count` at most the largest
    /// batch.
    pub fn batch(&self, first: usize, count: usize) -> FaceBatch<'_> {
        let side = self.side();
        let face = side * side * 3;
        let pixels = &self.pixels[first * face..(first + count) * face];
        FaceBatch { pixels, count, side, standardise: self.config.preprocess.standardise }
    }
}
