//! Runs any graph of operators over faces on the CPU.
//!
//! ```text
//! patterns graph → graph: what exporters take apart is joined
//! lower    graph → steps over views
//! plan     steps → buffers in one arena, tables of tiles
//! execute  one group of faces through the steps, alone on a thread or with a team
//! kernels  the inner loops beside those of facevault-kernels
//! ```

// Buffers are parts of one arena of bytes, at multiples of 64.
#![allow(clippy::cast_ptr_alignment)]

mod error;
mod execute;
mod kernels;
mod lower;
mod patterns;
mod plan;
mod run;
mod step;
#[cfg(test)]
mod tests;
mod view;

pub use error::EngineError;
pub use run::{Engine, Layer};
