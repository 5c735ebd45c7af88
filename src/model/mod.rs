//! Networks that turn standardised faces into unit vectors. [`Embedder`] speaks plain slices: no type of an inference
//! library crosses it, and no network knows a path.

use crate::config::{DeviceKind, Precision, Standardise};

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
    /// The device failed.
    #[error("the {device} failed: {reason}")]
    Device {
        /// Which device.
        device: String,
        /// What it said.
        reason: String,
    },
}
