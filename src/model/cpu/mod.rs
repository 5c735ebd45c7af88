//! [`InceptionResnetV1`](super::inception_resnet_v1) on the CPU as fast as the CPU can: compiled from the checkpoint into
//! a [`plan`], run by [`execute`] with the [`kernels`] of the best instruction set. `docs/cpu-kernels.md` tells how it came
//! to be, and what was measured.

mod arithmetic;
mod embedder;
mod execute;
mod kernels;
mod pack;
mod plan;
mod sets;
mod simd;
mod team;
#[cfg(test)]
mod tests;

pub use embedder::{CpuEmbedder, CpuOptions, Layer};
