//! Precision of a network, and the CPU instructions it runs on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Arithmetic of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// Factors of products as two bfloat16s each, three products for one, all else in 32-bit floats: close to f32, and faster where
    /// the CPU has a matrix unit (AMX).
    Bf16x3,
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
    pub const ALL: [Self; 6] = [Self::F32, Self::Bf16x3, Self::Tf32, Self::F16, Self::Bf16, Self::Int8];

    /// As configs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16x3 => "bf16x3",
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
    /// Kernels for AMX, Intel's matrix unit; in AVX-512, slower and with the same bytes, where the CPU has none.
    Amx,
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
    /// ONNX Runtime, if its library is on this machine: the reference for ONNX files, f32 only.
    #[serde(rename = "onnxruntime")]
    OnnxRuntime,
}

impl Kernels {
    /// As configs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Amx => "amx",
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Portable => "portable",
            Self::Candle => "candle",
            Self::OnnxRuntime => "onnxruntime",
        }
    }
}
