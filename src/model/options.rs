//! Which network runs, where, and in which arithmetic: `model` and parts of `embed` in a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BatchSize;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// Arithmetic of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// Factors of products rounded to 10 bits of fraction, all else in 32-bit floats. On the GPU.
    Tf32,
    /// Weights and activations in 16-bit floats, sums in 32-bit floats. On the GPU.
    F16,
    /// Weights and activations in bfloat16, sums in 32-bit floats.
    Bf16,
    /// Weights and activations in 8 bits, sums in 32-bit integers; ranges come from a sample of the faces. On the CPU.
    Int8,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::F32, Self::Tf32, Self::F16, Self::Bf16, Self::Int8];

    /// As configs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }
}

/// What computes on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kernels {
    /// The fastest kernels that the CPU can run.
    Auto,
    /// Kernels for AVX-512; with VNNI for int8 and BF16 for bf16 where the CPU has them.
    Avx512,
    /// Kernels for AVX2 with FMA.
    Avx2,
    /// Kernels for 64-bit ARM.
    Neon,
    /// Kernels without any instruction set in particular.
    Portable,
    /// The reference graph: slow, f32 only.
    Candle,
}

impl Kernels {
    /// As configs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Portable => "portable",
            Self::Candle => "candle",
        }
    }
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
