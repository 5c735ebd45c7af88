//! The CPU loops that networks and all-pairs products are computed with, for AVX-512, AVX2, NEON and portable Rust, chosen at
//! run time, and the tally that counts cosines. A sum has one order whatever the tile, block or number of threads.
//!
//! ```text
//! simd ─┬─ arithmetic ─ kernels ─┬─ sets (a table of kernels for each instruction set) ─┬─ layer (tiles with panels)
//!       │           tiles ─ amx ─┘                                                      └─┬─ products (all pairs)
//!       └─ shallow (convolutions of few channels, for detectors)         tally ─ counting ─┘
//! ```

// A vector trait's operations must be inlined into the kernel that is compiled for the set; arenas are bytes, with buffers at
// multiples of 64; kernels index arrays that stay in registers.
#![allow(clippy::inline_always, clippy::cast_ptr_alignment, clippy::needless_range_loop)]

#[cfg(target_arch = "x86_64")]
mod amx;
pub mod arena;
mod arithmetic;
mod counting;
#[cfg(target_arch = "x86_64")]
pub mod cpu;
pub mod kernels;
pub mod layer;
mod options;
pub mod pack;
pub mod products;
pub mod sets;
pub mod shallow;
mod simd;
pub mod tally;
pub mod team;
mod tiles;

pub use options::{Kernels, Precision};
