//! Networks as candle graphs: one face a task on the CPU, one batch at a time on a GPU.
//!
//! A file per network; [`CandleEmbedder`] does what they have in common.

mod checkpoint;
mod clip;
mod dinov2;
mod inception_resnet_v1;
mod iresnet;
mod standardise;

use candle_core::{D, Device, Result, Tensor};
use rayon::prelude::*;

use super::device::reason;
use super::{Embedder, EmbedderInfo, FaceBatch, ModelError};
use crate::weights::Tensors;
use crate::{DeviceKind, ModelSpec, Network, Precision};

/// A network with its weights on one device.
trait CandleGraph: Send + Sync {
    /// Standardised faces (n, 3, side, side) → (n, dimension), of any length. A row depends on its own face only.
    fn forward(&self, faces: &Tensor) -> Result<Tensor>;
}

/// The graph of a network. The tensors must hold [`super::parameters`], which `weights::require` checks.
fn graph(spec: &ModelSpec, tensors: &Tensors, device: &Device) -> Result<Box<dyn CandleGraph>> {
    Ok(match spec.network {
        Network::InceptionResnetV1 => Box::new(inception_resnet_v1::InceptionGraph::new(tensors, spec.width, device)?),
        Network::Dinov2Vits14 => Box::new(dinov2::Dinov2Graph::new(tensors, device)?),
        Network::ClipVitB32 => Box::new(clip::ClipGraph::new(tensors, device)?),
        Network::Iresnet50 | Network::Iresnet100 => {
            Box::new(iresnet::IresnetGraph::new(spec.network, tensors, device)?)
        }
        network => return Err(candle_core::Error::Msg(format!("no graph of `{}`", network.facts().name))),
    })
}

#[allow(clippy::needless_pass_by_value)] // What `map_err` hands over.
fn missing(key: String) -> candle_core::Error {
    candle_core::Error::Msg(format!("no tensor {key}"))
}

/// Rows of unit length, as `torch.nn.functional.normalize` makes them: the norm is bounded from below so that a zero
/// vector stays zero.
fn unit_rows(x: &Tensor) -> Result<Tensor> {
    let norm = x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?.maximum(1e-12f64)?;
    x.broadcast_div(&norm)
}

/// A graph as an [`Embedder`].
pub struct CandleEmbedder {
    graph: Box<dyn CandleGraph>,
    device: Device,
    info: EmbedderInfo,
    dimension: usize,
    /// Runs images side by side on the CPU.
    pool: Option<rayon::ThreadPool>,
}

impl CandleEmbedder {
    /// Puts the network on a device. `threads` bounds the CPU path; `None` takes all cores.
    ///
    /// # Errors
    /// [`ModelError::Device`].
    pub fn new(
        spec: &ModelSpec,
        tensors: &Tensors,
        device: Device,
        device_name: String,
        threads: Option<usize>,
    ) -> std::result::Result<Self, ModelError> {
        let failed = |reason: String| ModelError::Device { device: device_name.clone(), reason };
        let graph = graph(spec, tensors, &device).map_err(|error| failed(reason(&error)))?;
        let (kind, pool) = if device.is_cpu() {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads.unwrap_or(0))
                .thread_name(|i| format!("forward-{i}"))
                .build()
                .map_err(|error| failed(error.to_string()))?;
            (DeviceKind::Cpu, Some(pool))
        } else {
            (DeviceKind::Cuda, None)
        };
        let info = Self::describe(spec.network, kind, device_name);
        let dimension = spec.network.facts().dimension.unwrap_or_default();
        Ok(Self { graph, device, info, dimension, pool })
    }

    /// What it is on a device.
    #[must_use]
    pub fn describe(network: Network, device: DeviceKind, device_name: String) -> EmbedderInfo {
        EmbedderInfo {
            name: format!("{} (candle)", network.facts().name),
            device,
            device_name,
            precision: Precision::F32,
        }
    }

    /// Standardises `count` interleaved 8-bit faces into a (count, 3, side, side) tensor and runs the graph.
    fn forward(&self, pixels: &[u8], count: usize, batch: &FaceBatch<'_>) -> Result<Vec<f32>> {
        let side = batch.side;
        let table = batch.standardise.values();
        let plane = side * side;
        let mut values = vec![0f32; count * 3 * plane];
        for (face, planes) in pixels.chunks_exact(3 * plane).zip(values.chunks_exact_mut(3 * plane)) {
            for (i, rgb) in face.chunks_exact(3).enumerate() {
                for (channel, &v) in rgb.iter().enumerate() {
                    planes[channel * plane + i] = table[usize::from(v)];
                }
            }
        }
        let input = Tensor::from_vec(values, (count, 3, side, side), &self.device)?;
        unit_rows(&self.graph.forward(&input)?)?.flatten_all()?.to_vec1()
    }
}

impl Embedder for CandleEmbedder {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> std::result::Result<(), ModelError> {
        let dimension = self.dimension;
        batch.check(out, dimension)?;
        let failed = |error: candle_core::Error| ModelError::Device {
            device: self.info.device_name.clone(),
            reason: reason(&error),
        };
        let Some(pool) = &self.pool else {
            out.copy_from_slice(&self.forward(batch.pixels, batch.count, &batch).map_err(failed)?);
            return Ok(());
        };
        // One image a task: no barrier between layers, and a row cannot depend on its neighbours in the batch.
        pool.install(|| {
            let face = batch.side * batch.side * 3;
            batch.pixels.par_chunks_exact(face).zip(out.par_chunks_exact_mut(dimension)).try_for_each(
                |(pixels, row)| {
                    row.copy_from_slice(&self.forward(pixels, 1, &batch).map_err(failed)?);
                    Ok(())
                },
            )
        })
    }
}
