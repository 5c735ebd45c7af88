//! What to embed, and how the work is split.

use std::ops::Range;
use std::thread;

use super::reuse::Reuse;
use super::{EmbedOptions, PixelReader};
use crate::dataset::Face;
use crate::preprocess::{Mirror, Preprocess};

/// Batches in addition to those in the network: one being filled, one waiting.
pub(super) const SPARE_BATCHES: usize = 2;

/// What to embed, and how.
#[derive(Clone, Copy)]
pub struct EmbedJob<'a> {
    /// Neighbouring faces of the manifest.
    pub(super) faces: &'a [Face],
    /// Manifest row of the first.
    pub(super) first: usize,
    pub(super) reader: &'a dyn PixelReader,
    pub(super) preprocess: &'a Preprocess,
    pub(super) options: &'a EmbedOptions,
    pub(super) reuse: Option<&'a Reuse>,
}

impl<'a> EmbedJob<'a> {
    /// All faces of a manifest, in row order; `reader` gives their pixels.
    pub fn new(
        faces: &'a [Face],
        reader: &'a dyn PixelReader,
        preprocess: &'a Preprocess,
        options: &'a EmbedOptions,
    ) -> Self {
        Self { faces, first: 0, reader, preprocess, options, reuse: None }
    }

    /// The same, but its faces are those of the manifest from row `first` on; the reader knows them by their manifest row.
    pub fn starting_at(self, first: usize) -> Self {
        Self { first, ..self }
    }

    /// Its manifest rows.
    pub(super) fn rows(&self) -> Range<usize> {
        self.first..self.first + self.faces.len()
    }

    /// The same, but takes these rows instead of embedding them.
    pub fn reusing(self, reuse: &'a Reuse) -> Self {
        Self { reuse: Some(reuse), ..self }
    }

    /// Whether the row is to be embedded, not taken.
    pub(super) fn embeds(&self, row: usize) -> bool {
        self.reuse.is_none_or(|reuse| !reuse.has(row))
    }

    /// The face of a manifest row.
    pub(super) fn face(&self, row: usize) -> &'a Face {
        &self.faces[row - self.first]
    }

    /// Its faces, in row order.
    pub fn faces(&self) -> &'a [Face] {
        self.faces
    }

    /// Splits the work; `auto` is the size that `batch_size: auto` stands for.
    pub(super) fn cut(&self, auto: usize) -> BatchLayout {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let side = self.preprocess.resize.size as usize;
        let passes = passes(self.preprocess.mirror);
        // A batch belongs to one chunk, and holds a face together with its mirror image.
        let most = self.faces.len().min(self.options.chunk_size).max(1);
        BatchLayout {
            batch_rows: (self.options.batch_size.or(auto) / passes).clamp(1, most),
            workers: self.options.threads.unwrap_or_else(cores).max(1),
            face_bytes: side * side * 3,
            passes,
        }
    }
}

/// How the work is split into batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchLayout {
    pub batch_rows: usize,
    pub workers: usize,
    /// Bytes of a face.
    pub face_bytes: usize,
    /// Passes of the network per face.
    pub passes: usize,
}

impl BatchLayout {
    pub(super) fn batch_bytes(&self) -> usize {
        self.batch_rows * self.passes * self.face_bytes
    }

    /// Face buffers: enough to read a batch ahead while the network is busy, and one per worker.
    pub(super) fn face_buffers(&self) -> usize {
        self.batch_rows + self.workers
    }

    /// Most faces between being read and being embedded.
    #[cfg(test)]
    pub(super) fn faces_in_flight(&self, in_flight: usize) -> usize {
        self.face_buffers() + (in_flight + SPARE_BATCHES) * self.batch_rows
    }
}

/// Passes per face: as it is, and mirrored right after it.
pub(super) fn passes(mirror: Mirror) -> usize {
    match mirror {
        Mirror::None => 1,
        Mirror::Sum | Mirror::Concat => 2,
    }
}
