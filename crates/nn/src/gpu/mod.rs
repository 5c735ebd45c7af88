//! [`InceptionResnetV1`](super::inception_resnet_v1) on an NVIDIA card: compiled into launches of our own kernels
//! (`plan`), which run through the driver alone (`facevault_cuda`). `docs/gpu-kernels.md` tells how it came to be, and
//! what has been measured.

mod arguments;
mod embedder;
mod fitted;
mod kernels;
mod plan;
mod tile;

pub use embedder::{CardEmbedder, PRECISIONS};
