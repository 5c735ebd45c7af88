//! [`InceptionResnetV1`](super::inception_resnet_v1) on the CPU: `plan` compiles the checkpoint for the best instruction set,
//! `execute` runs the plan with the kernels of `facevault-kernels`. `docs/cpu-kernels.md` explains the design and has the
//! measurements.

// Buffers are parts of one arena of bytes, at multiples of 64.
#![allow(clippy::cast_ptr_alignment)]

mod embedder;
mod execute;
mod plan;
#[cfg(test)]
mod tests;

pub use embedder::{CpuEmbedder, CpuOptions, PlanLayer};
