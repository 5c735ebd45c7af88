//! [`InceptionResnetV1`](super::inception_resnet_v1) on an NVIDIA GPU: `plan` compiles it into launches of FaceVault's own
//! kernels, which `facevault-cuda` runs through the driver alone. **Not yet run on a GPU**; `docs/gpu-kernels.md` explains the
//! design and how it is tested without one.

mod arguments;
mod embedder;
mod fitted;
mod kernels;
mod plan;
mod tile;

pub use embedder::CardEmbedder;
