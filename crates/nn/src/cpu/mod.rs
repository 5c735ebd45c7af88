//! [`InceptionResnetV1`](super::inception_resnet_v1) on the CPU as fast as the CPU can: compiled from the checkpoint into
//! a plan (`plan`), which is run (`execute`) with the kernels (`kernels`) of the best instruction set (`sets`).
//! `docs/cpu-kernels.md` tells how it came to be, and what was measured.

// The operations of a vector trait must become instructions of the kernel around them; buffers of one arena are bytes
// whose places are multiples of 64; kernels index what they keep in registers.
#![allow(clippy::inline_always, clippy::cast_ptr_alignment, clippy::needless_range_loop)]

mod embedder;
mod execute;
mod plan;
#[cfg(test)]
mod tests;

pub use embedder::{CpuEmbedder, CpuOptions, Layer};
