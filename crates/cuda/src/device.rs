//! The device a user asks for, and the one that is used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the network should run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceRequest {
    /// CUDA if it works, else CPU; the run says and records which.
    #[default]
    Auto,
    /// CPU.
    Cpu,
    /// CUDA or an error.
    Cuda,
}

/// Where the network does run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// CPU.
    Cpu,
    /// CUDA.
    Cuda,
}

impl From<DeviceKind> for DeviceRequest {
    /// Nothing but this one.
    fn from(kind: DeviceKind) -> Self {
        match kind {
            DeviceKind::Cpu => Self::Cpu,
            DeviceKind::Cuda => Self::Cuda,
        }
    }
}
