//! A safe layer over the NVIDIA driver for FaceVault's own kernels. `libcuda.so.1` is opened when the first GPU is requested,
//! so a binary needs no CUDA toolkit to build and no driver to start. **Not yet run on a GPU**: tests run against an emulator.
//!
//! ```text
//! Card ── Stream ── Event, Graph
//!   ├──── DeviceMemory, Pinned
//!   └──── Module ── Kernel
//! ```
//!
//! Every object keeps what it was made from alive, makes its context current before each driver call, and releases its
//! handle when dropped, so all of them may move between threads. A [`Card`] is a GPU.

mod api;
mod card;
mod context;
mod device;
mod error;
mod graph;
mod memory;
mod module;
pub mod ptx;
mod stream;

pub use card::Card;
pub use device::{DeviceKind, DeviceRequest};
pub use error::CudaError;
pub use graph::Graph;
pub use memory::{DeviceMemory, Pinned};
pub use module::{Kernel, Module};
pub use stream::{Event, Stream};
