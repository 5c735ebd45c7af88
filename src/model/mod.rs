//! Networks that turn standardised faces into unit vectors. [`Embedder`] speaks plain slices: no type of an inference
//! library crosses it, and no network knows a path.

mod candle_graph;
pub mod device;
mod folding;
pub mod inception_resnet_v1;

pub use candle_graph::CandleEmbedder;

use serde::Serialize;

use crate::config::{DeviceKind, EmbedOptions, ModelSpec, Network, Precision, Standardise};
use crate::weights::{Parameter, Tensors};

/// A batch of faces, resized and still 8-bit: the network's first step standardises, so that a device can be sent a
/// quarter of the bytes and a CPU plan can fold it into its first layer.
#[derive(Debug, Clone, Copy)]
pub struct FaceBatch<'a> {
    /// `count × side × side × 3` bytes: row-major, channels interleaved in the network's order.
    pub pixels: &'a [u8],
    /// Number of faces, ≥ 1.
    pub count: usize,
    /// Height and width of each face, pixels.
    pub side: usize,
    /// 8-bit value → network input.
    pub standardise: Standardise,
}

impl FaceBatch<'_> {
    /// Checks the lengths of both slices against the batch's own numbers.
    ///
    /// # Errors
    /// [`ModelError::Shape`].
    pub fn check(&self, out: &[f32], dimension: usize) -> Result<(), ModelError> {
        let lengths = [
            ("batch", self.pixels.len(), self.count * self.side * self.side * 3),
            ("output", out.len(), self.count * dimension),
        ];
        for (what, got, expected) in lengths {
            if got != expected {
                return Err(ModelError::Shape { what, got, expected });
            }
        }
        Ok(())
    }
}

/// What an [`Embedder`] is.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedderInfo {
    /// Architecture and implementation, e.g. `inception-resnet-v1 (candle)`; part of the run's identity.
    pub name: String,
    /// Numbers in one embedding.
    pub dimension: usize,
    /// Where it runs.
    pub device: DeviceKind,
    /// The device in words, e.g. `CPU (avx2+fma, 2 threads)` or `NVIDIA H200`.
    pub device_name: String,
    /// Arithmetic.
    pub precision: Precision,
}

/// A network on a device.
pub trait Embedder: Send {
    /// What it is.
    fn info(&self) -> &EmbedderInfo;

    /// Embeds a batch: `out` gets `count × dimension` numbers, each row of unit L2 length. A row depends on its own
    /// face only: the same face alone, or anywhere in any batch, gives the same bytes on the CPU.
    ///
    /// # Errors
    /// [`ModelError`] when the batch has the wrong shape or the device fails.
    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<(), ModelError>;

    /// As [`embed`](Self::embed), and says how long each stage of the network took, in the order of the stages; a stage
    /// may come several times. Empty where the implementation cannot tell.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    fn stages(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> Result<Vec<StageTime>, ModelError> {
        self.embed(batch, out)?;
        Ok(Vec::new())
    }
}

/// How long one stage of the network took for one batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageTime {
    /// Which stage.
    pub name: String,
    /// Seconds for the whole batch.
    pub seconds: f64,
    /// Floating point operations for the whole batch, a multiplication and an addition being two; 0 where it is not
    /// counted.
    pub flop: f64,
}

/// Every parameter that a network's checkpoint must hold.
#[must_use]
pub fn parameters(spec: &ModelSpec) -> Vec<Parameter> {
    match spec.network {
        Network::InceptionResnetV1 => inception_resnet_v1::parameters(spec.width),
    }
}

/// Keys of a network's published checkpoints that are known and not needed; `*` stands for anything.
#[must_use]
pub fn unused_keys(spec: &ModelSpec) -> &'static [&'static str] {
    match spec.network {
        Network::InceptionResnetV1 => inception_resnet_v1::UNUSED_KEYS,
    }
}

/// Puts a network on the device that `options` asks for. `say` gets a line when `auto` had to fall back.
///
/// `tensors` must hold [`parameters`]; `weights::require` checks that with one error for all that is wrong.
///
/// # Errors
/// [`ModelError::NoCuda`] when CUDA was asked for and cannot be had, [`ModelError::Precision`] when the network does not
/// compute in that precision there, [`ModelError::Device`] when the device fails.
pub fn open(
    spec: &ModelSpec,
    options: &EmbedOptions,
    tensors: &Tensors,
    say: &dyn Fn(&str),
) -> Result<Box<dyn Embedder>, ModelError> {
    let chosen = device::choose(options.device, say)?;
    if options.precision != Precision::F32 {
        return Err(ModelError::Precision { precision: options.precision, device: chosen.name });
    }
    match spec.network {
        Network::InceptionResnetV1 => {
            let (device, name) = (chosen.device, chosen.name);
            Ok(Box::new(CandleEmbedder::new(tensors, spec.width, device, name, options.threads)?))
        }
    }
}

/// Why a network could not be built or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The batch or the output slice has the wrong length.
    #[error("the {what} holds {got} values, {expected} were expected")]
    Shape {
        /// Which slice.
        what: &'static str,
        /// Its length.
        got: usize,
        /// The length it should have.
        expected: usize,
    },
    /// CUDA was asked for and cannot be had.
    #[error("device `cuda` is not available: {reason}; use `device: cpu`, or `auto` to fall back by itself")]
    NoCuda {
        /// Why, in words.
        reason: String,
    },
    /// The network does not compute in this precision there.
    #[error("precision `{}` is not available on the {device}; use `embed.precision: f32`", precision.name())]
    Precision {
        /// What was asked for.
        precision: Precision,
        /// The device in words.
        device: String,
    },
    /// The device failed.
    #[error("the {device} failed: {reason}")]
    Device {
        /// Which device.
        device: String,
        /// What it said.
        reason: String,
    },
}
