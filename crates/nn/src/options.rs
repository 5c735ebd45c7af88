//! How a network is run: parts of `embed` in a config.

use super::BatchSize;
use facevault_cuda::DeviceRequest;
use facevault_kernels::{Kernels, Precision};

/// How a network is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// Where.
    pub device: DeviceRequest,
    /// Arithmetic of the forward pass.
    pub precision: Precision,
    /// What computes on the CPU.
    pub kernels: Kernels,
    /// Faces in one forward pass.
    pub batch_size: BatchSize,
    /// Threads; `None`: all cores.
    pub threads: Option<usize>,
}
