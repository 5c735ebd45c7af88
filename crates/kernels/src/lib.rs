//! CPU kernels: the tiles that networks and all-pairs products are computed with, for AVX-512, AVX2, NEON and plain Rust,
//! chosen at run time; and the tally that cosines are counted in.
//!
//! ```text
//! simd ─ arithmetic ─ kernels ─ sets (a table of kernels for each instruction set) ─ products
//! ```

// The operations of a vector trait must become instructions of the kernel around them; buffers of one arena are bytes
// whose places are multiples of 64; kernels index what they keep in registers.
#![allow(clippy::inline_always, clippy::cast_ptr_alignment, clippy::needless_range_loop)]

mod arithmetic;
pub mod kernels;
mod options;
pub mod pack;
pub mod products;
pub mod sets;
mod simd;
pub mod tally;
pub mod team;

pub use options::{Kernels, Precision};
