//! How faces are embedded: `embed` in a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{BatchSize, DeviceRequest, Execution, Kernels, Precision};

/// How faces are embedded. Only `precision`, `kernels` and the resolved device can change a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbedOptions {
    /// Where the network runs.
    pub device: DeviceRequest,
    /// Arithmetic of the forward pass.
    pub precision: Precision,
    /// What computes on the CPU.
    pub kernels: Kernels,
    /// Faces in one forward pass.
    pub batch_size: BatchSize,
    /// Rows in one chunk: the unit of commit and resume.
    pub chunk_size: usize,
    /// Threads; `None`: all cores.
    pub threads: Option<usize>,
    /// What to do with a face that cannot be read.
    pub on_error: OnError,
    /// More failures than this stop the run.
    pub max_failures: Option<u64>,
}

/// What to do with a face that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// List it in `failures.csv` and continue.
    Skip,
    /// Stop the run.
    Fail,
}

impl EmbedOptions {
    /// The options that concern the network.
    #[must_use]
    pub fn execution(&self) -> Execution {
        let &Self { device, precision, kernels, batch_size, threads, .. } = self;
        Execution { device, precision, kernels, batch_size, threads }
    }
}
