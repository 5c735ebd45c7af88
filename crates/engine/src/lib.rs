//! Runs any graph of operators over faces on the CPU.
//!
//! ```text
//! patterns graph → graph: what exporters take apart is joined
//! lower    graph → steps over views
//! plan     steps → buffers in one arena, tables of tiles
//! execute  one group of faces through the steps, alone on a thread or with a team
//! kernels  the inner loops beside those of facevault-kernels
//! ```

// Inner loops must be inlined into the kernel that is compiled for a set of instructions, and index arrays that stay in
// registers; buffers are parts of one arena of bytes, at multiples of 64.
#![allow(clippy::inline_always, clippy::needless_range_loop, clippy::cast_ptr_alignment)]

mod error;
mod execute;
mod kernels;
mod lower;
mod patterns;
mod plan;
mod ranges;
mod run;
mod step;
#[cfg(test)]
mod tests;
mod view;

pub use error::EngineError;
pub use ranges::Ranges;
pub use run::{Engine, Layer};
