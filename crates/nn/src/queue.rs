//! Batches in flight on a device: several are started before the first is waited for, so the device never waits for the
//! host.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, DerefMut};

use super::{Embedder, FaceBatch, ModelError};
use facevault_preprocess::Standardise;

/// Memory for 8-bit faces, from which a device reads them: plain for the CPU, pinned for a GPU.
pub struct Pixels(Box<dyn DerefMut<Target = [u8]> + Send>);

impl Pixels {
    /// Any memory that can be written to as bytes.
    pub fn new(memory: impl DerefMut<Target = [u8]> + Send + 'static) -> Self {
        Self(Box::new(memory))
    }

    /// Ordinary memory, all zero.
    #[must_use]
    pub fn plain(bytes: usize) -> Self {
        Self::new(vec![0; bytes])
    }
}

impl Default for Pixels {
    fn default() -> Self {
        Self::plain(0)
    }
}

impl Deref for Pixels {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Pixels {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pixels({} bytes)", self.len())
    }
}

/// A [`FaceBatch`] that owns its memory, which belongs to the device from [`Queue::start`] to [`Queue::finish`].
#[derive(Debug)]
pub struct OwnedBatch {
    /// The faces, at its beginning: `count × side × side × 3` bytes. It may be larger.
    pub pixels: Pixels,
    /// Number of faces, ≥ 1.
    pub count: usize,
    /// Height and width of each face, pixels.
    pub side: usize,
    /// 8-bit value → network input.
    pub standardise: Standardise,
}

impl OwnedBatch {
    /// The faces.
    #[must_use]
    pub fn faces(&self) -> FaceBatch<'_> {
        let Self { ref pixels, count, side, standardise } = *self;
        let bytes = count * side * side * 3;
        // `FaceBatch::check` reports memory that is too small.
        FaceBatch { pixels: pixels.get(..bytes).unwrap_or(pixels), count, side, standardise }
    }
}

/// Takes batches for an [`Embedder`], first in, first out.
pub trait Queue {
    /// Memory that batches are fastest started from.
    ///
    /// # Errors
    /// [`ModelError::OutOfMemory`], [`ModelError::Device`].
    fn pixels(&mut self, bytes: usize) -> Result<Pixels, ModelError> {
        Ok(Pixels::plain(bytes))
    }

    /// How many batches may be started before the first is finished, ≥ 1; beyond that, [`Self::start`] may fail.
    fn in_flight(&self) -> usize;

    /// Takes a batch without waiting for the device.
    ///
    /// # Errors
    /// [`ModelError`] when the batch has the wrong shape or the device fails; the batch is then not in the queue.
    fn start(&mut self, batch: OwnedBatch) -> Result<(), ModelError>;

    /// Whether [`Self::finish`] has nothing to wait for: the batch is done, or `finish` computes it.
    fn is_ready(&self) -> bool {
        true
    }

    /// Waits for the oldest batch and returns its memory; `out` gets `count × dimension` numbers, as from
    /// [`Embedder::embed`].
    ///
    /// # Errors
    /// [`ModelError::Idle`] when no batch is in the queue, [`ModelError`] when `out` has the wrong length or the device
    /// fails; the batch has left the queue either way.
    fn finish(&mut self, out: &mut [f32]) -> Result<Pixels, ModelError>;
}

/// The queue of an embedder that computes one batch at a time: it computes a batch when it is asked to finish it.
pub struct SequentialQueue<'a, E: ?Sized> {
    embedder: &'a mut E,
    kept: VecDeque<OwnedBatch>,
}

impl<'a, E: Embedder + ?Sized> SequentialQueue<'a, E> {
    /// An empty queue.
    pub fn new(embedder: &'a mut E) -> Self {
        Self { embedder, kept: VecDeque::new() }
    }
}

impl<E: Embedder + ?Sized> Queue for SequentialQueue<'_, E> {
    fn in_flight(&self) -> usize {
        1
    }

    fn start(&mut self, batch: OwnedBatch) -> Result<(), ModelError> {
        self.kept.push_back(batch);
        Ok(())
    }

    fn finish(&mut self, out: &mut [f32]) -> Result<Pixels, ModelError> {
        let batch = self.kept.pop_front().ok_or(ModelError::Idle)?;
        self.embedder.embed(batch.faces(), out)?;
        Ok(batch.pixels)
    }
}
