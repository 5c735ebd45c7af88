//! NVIDIA cards through the driver alone: `libcuda.so.1` is opened when the first card is asked for, so that a binary
//! needs neither a toolkit to be built nor a driver to start.
//!
//! ```text
//! Card ── Stream ── Event, Graph
//!   ├──── DeviceMemory, Pinned
//!   └──── Module ── Kernel
//! ```
//!
//! Everything holds what it was made from, makes the card's context current before it calls the driver, and gives back
//! what it took when it is dropped; so all of it may move between threads.

mod api;
mod card;
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
