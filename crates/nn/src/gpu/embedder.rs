//! The GPU plan as an [`Embedder`]: a batch is uploaded while the previous one is computed, and nothing waits for the GPU
//! until a batch's rows are requested. **Not yet run on a GPU.**

use std::collections::VecDeque;

use super::fitted::{Fitted, LoadedNetwork, SLOTS};
use super::kernels::NetworkKernels;
use super::plan::{GpuParameters, NumberFormat};
use crate::networks::inception_resnet_v1::DIMENSION;
use crate::program::Program;
use crate::queue::{OwnedBatch, Pixels, Queue};
use crate::weights::Tensors;
use crate::{
    BatchSize, DeviceKind, Embedder, EmbedderInfo, Execution, FaceBatch, ModelError, Precision, StageTime, capacity,
    folding,
};
use facevault_cuda::{Card, CudaError};

/// The precisions a GPU computes in.
const PRECISIONS: &[Precision] = &[Precision::F32, Precision::Tf32, Precision::F16, Precision::Bf16];

/// InceptionResnetV1 on a GPU.
pub struct CardEmbedder {
    info: EmbedderInfo,
    /// For faces of the last size. It refers to the network's memory, so it is dropped first.
    fitted: Option<Fitted>,
    network: LoadedNetwork,
    /// Faces per batch: as configured, or the fastest as measured.
    batch: usize,
    /// Pinned copy of faces that arrive in ordinary memory.
    staging: Pixels,
}

impl CardEmbedder {
    /// Puts a checkpoint on a card; `tensors` must hold the network's parameters. `size` is the network's width, and the side
    /// of the faces that will come. With `batch_size: auto` batches are measured. `say` gets a line where memory is short.
    ///
    /// # Errors
    /// [`ModelError::Precision`], [`ModelError::OutOfMemory`] where not even one face fits, [`ModelError::Device`].
    pub fn new(
        card: &Card,
        tensors: &Tensors,
        size: (f64, usize),
        options: &Execution,
        say: &dyn Fn(&str),
    ) -> Result<Self, ModelError> {
        let (width, side) = size;
        let info = Self::describe(card, options.precision)?;
        let failed = |error| model_error(error, &info);
        let numbers = numbers(options.precision, &info)?;
        let folded = |convolution: &_| folding::folded(tensors, convolution);
        let GpuParameters { bytes, layers } = GpuParameters::new(&Program::new(width, side), numbers, folded);
        let open = || {
            let (compute, uploads) = (card.stream()?, card.stream()?);
            let parameters = card.allocate(bytes.len())?;
            compute.upload_now(&bytes, &parameters, 0)?;
            let kernels = NetworkKernels::load(card, options.precision)?;
            Ok(LoadedNetwork { kernels, compute, uploads, parameters, layers, numbers, width, card: card.clone() })
        };
        let network = open().map_err(failed)?;
        let mut embedder = Self { info, network, fitted: None, batch: 1, staging: Pixels::default() };
        let batch = match options.batch_size {
            BatchSize::Faces(faces) => faces,
            BatchSize::Auto => capacity::best_batch(capacity::CANDIDATES, |faces| embedder.speed(side, faces))?,
        };
        embedder.batch = batch;
        embedder.fit(side, batch, say)?;
        Ok(embedder)
    }

    /// Its info, without weights.
    ///
    /// # Errors
    /// [`ModelError::Precision`].
    pub fn describe(card: &Card, precision: Precision) -> Result<EmbedderInfo, ModelError> {
        let (major, minor) = card.compute();
        let info = EmbedderInfo {
            // Tensor cores of different generations round sums differently.
            name: format!("inception-resnet-v1 (cuda, compute capability {major}.{minor})"),
            device: DeviceKind::Cuda,
            device_name: card.name().to_owned(),
            precision,
        };
        numbers(precision, &info)?;
        Ok(info)
    }

    /// Prepares for faces of a size, `wanted` at once or as many as fit into memory.
    fn fit(&mut self, side: usize, wanted: usize, say: &dyn Fn(&str)) -> Result<&mut Fitted, ModelError> {
        let Self { info, network, fitted, .. } = self;
        let fits = fitted.as_ref().is_some_and(|fitted| fitted.plan.side == side);
        if !fits {
            // Frees the old memory before allocating the new.
            *fitted = None;
            let make = |faces| Fitted::new(network, side, faces).map_err(|error| model_error(error, info));
            *fitted = Some(capacity::fit(wanted, make, say)?.1);
        }
        fitted.as_mut().ok_or(ModelError::Idle)
    }

    /// Faces per millisecond in batches of `faces`, without transfers.
    fn speed(&mut self, side: usize, faces: usize) -> Result<f64, ModelError> {
        self.fitted = None;
        let Self { info, network, fitted, .. } = self;
        let failed = |error| model_error(error, info);
        let made = fitted.insert(Fitted::new(network, side, faces).map_err(failed)?);
        let milliseconds = made.milliseconds(network, faces).map_err(failed)?;
        self.fitted = None;
        Ok(faces as f64 / milliseconds)
    }
}

/// How a precision's numbers are stored.
fn numbers(precision: Precision, info: &EmbedderInfo) -> Result<NumberFormat, ModelError> {
    NumberFormat::of(precision).ok_or_else(|| ModelError::Precision {
        precision,
        device: info.device_name.clone(),
        able: PRECISIONS.to_vec(),
    })
}

/// A driver error as an error of the network.
fn model_error(error: CudaError, info: &EmbedderInfo) -> ModelError {
    let device = info.device_name.clone();
    match error {
        CudaError::OutOfMemory { wanted, room } => {
            let (wanted, free) = (wanted.unwrap_or(0), room.map_or(0, |(free, _)| free));
            ModelError::OutOfMemory { device, wanted: wanted as u64, free: free as u64 }
        }
        other => ModelError::Device { device, reason: other.reason() },
    }
}

impl Embedder for CardEmbedder {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn batch(&self) -> usize {
        self.fits().map_or(self.batch, |fits| self.batch.min(fits))
    }

    fn fits(&self) -> Option<usize> {
        self.fitted.as_ref().map(|fitted| fitted.capacity)
    }

    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<(), ModelError> {
        batch.check(out, DIMENSION)?;
        let bytes = batch.pixels.len();
        let mut pixels = std::mem::take(&mut self.staging);
        let mut queue = self.queue();
        if pixels.len() < bytes {
            pixels = queue.pixels(bytes)?;
        }
        pixels[..bytes].copy_from_slice(batch.pixels);
        let FaceBatch { count, side, standardise, .. } = batch;
        queue.start(OwnedBatch { pixels, count, side, standardise })?;
        pixels = queue.finish(out)?;
        drop(queue);
        self.staging = pixels;
        Ok(())
    }

    fn queue(&mut self) -> Box<dyn Queue + '_> {
        Box::new(CardQueue { embedder: self, started: VecDeque::new(), next: 0 })
    }

    fn stages(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<Vec<StageTime>, ModelError> {
        self.embed(batch, out)?;
        let Self { info, network, fitted, staging, .. } = self;
        let Some(fitted) = fitted else { return Ok(Vec::new()) };
        let faces = batch.count.min(fitted.capacity);
        let pixels = &staging[..faces * batch.side * batch.side * 3];
        fitted.stages(network, pixels, faces).map_err(|error| model_error(error, info))
    }
}

/// The way into the network; whatever is on its way is waited for when it is dropped.
struct CardQueue<'a> {
    embedder: &'a mut CardEmbedder,
    /// Batches on their way, oldest first, with their slots.
    started: VecDeque<(OwnedBatch, usize)>,
    next: usize,
}

impl CardQueue<'_> {
    fn failed(&self, error: CudaError) -> ModelError {
        model_error(error, &self.embedder.info)
    }
}

impl Queue for CardQueue<'_> {
    fn pixels(&mut self, bytes: usize) -> Result<Pixels, ModelError> {
        let pinned = self.embedder.network.card.pinned(bytes);
        pinned.map(Pixels::new).map_err(|error| self.failed(error))
    }

    fn in_flight(&self) -> usize {
        SLOTS
    }

    fn start(&mut self, batch: OwnedBatch) -> Result<(), ModelError> {
        let (slot, wanted) = (self.next % SLOTS, self.embedder.batch);
        let pixels = batch.faces();
        // Memory for another size would take the place of what those on their way need.
        let side = self.started.front().map_or(batch.side, |(batch, _)| batch.side);
        let checks = [
            ("batch", pixels.pixels.len(), batch.count * batch.side * batch.side * 3),
            ("side of a batch behind others", batch.side, side),
            ("queue of batches", self.started.len().max(SLOTS - 1) + 1, SLOTS),
        ];
        if let Some(&(what, got, expected)) = checks.iter().find(|(_, got, expected)| got != expected) {
            return Err(ModelError::Shape { what, got, expected });
        }
        self.embedder.fit(side, wanted, &|_| ())?;
        let CardEmbedder { info, network, fitted, .. } = &mut *self.embedder;
        let fitted = fitted.as_mut().ok_or(ModelError::Idle)?;
        if let Err(error) = fitted.start(network, slot, &pixels) {
            // An upload may be on its way out of memory that goes now, and a download into the slot's.
            let _ = network.uploads.synchronize();
            let _ = network.compute.synchronize();
            return Err(model_error(error, info));
        }
        self.started.push_back((batch, slot));
        self.next += 1;
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let Some((_, slot)) = self.started.front() else { return false };
        self.embedder.fitted.as_ref().is_none_or(|fitted| fitted.is_done(*slot))
    }

    fn finish(&mut self, out: &mut [f32]) -> Result<Pixels, ModelError> {
        let (batch, slot) = self.started.pop_front().ok_or(ModelError::Idle)?;
        if let Err(error) = batch.faces().check(out, DIMENSION) {
            // Its pixels go with it, and may still be read.
            let _ = self.embedder.network.compute.synchronize();
            return Err(error);
        }
        let CardEmbedder { info, fitted, .. } = &mut *self.embedder;
        let fitted = fitted.as_mut().ok_or(ModelError::Idle)?;
        fitted.finish(slot, out).map_err(|error| model_error(error, info))?;
        Ok(batch.pixels)
    }
}

impl Drop for CardQueue<'_> {
    fn drop(&mut self) {
        if !self.started.is_empty() {
            // Their pixels are still read. A card that fails here has failed a call before, or will the next one.
            let _ = self.embedder.network.uploads.synchronize();
            let _ = self.embedder.network.compute.synchronize();
        }
    }
}
