//! Which network runs, where, and in which arithmetic: `model` and parts of `embed` in a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BatchSize;
use facevault_cuda::DeviceRequest;
use facevault_kernels::{Kernels, Precision};

/// Which network, at which width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSpec {
    /// The architecture.
    pub network: Network,
    /// Channel multiplier: 1.0 is the published network. Only `inception-resnet-v1` has other widths.
    #[schemars(range(min = 0.0625, max = 4.0), extend("x-digits" = 9))]
    pub width: f64,
}

impl Default for ModelSpec {
    fn default() -> Self {
        Self { network: Network::InceptionResnetV1, width: 1.0 }
    }
}

/// Network architectures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// `FaceNet`, 3×160×160 → 512.
    InceptionResnetV1,
    /// DINOv2 ViT-S/14, a generic vision model, 3×224×224 → 384.
    Dinov2Vits14,
    /// CLIP ViT-B/32's image tower, a generic vision model, 3×224×224 → 512.
    #[serde(rename = "clip-vit-b-32")]
    ClipVitB32,
    /// insightface's iResNet-50, 3×112×112 → 512.
    Iresnet50,
    /// insightface's iResNet-100, 3×112×112 → 512.
    Iresnet100,
}

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
