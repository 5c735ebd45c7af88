//! What is done to every pixel of a face between the decoder and the network: resizing as Pillow and `OpenCV` do it, warping
//! as `OpenCV` does it, and the sums that its quality is made of. Loops over plain arrays, compiled for the widest vectors
//! of the CPU at hand; any of them gives the same bytes.

// What is not inlined is compiled for every CPU of the target, not for the one at hand.
#![allow(clippy::inline_always)]

#[cfg(target_arch = "x86_64")]
mod avx2;
mod instructions;
mod opencv;
mod pillow;
mod quads;
mod sums;
#[cfg(test)]
mod tests;
mod view;
mod warp;

pub use opencv::OpencvResampler;
pub use pillow::{FilterShape, PillowResampler};
pub use sums::{FaceSums, PixelSums};
pub use view::PixelView;
pub use warp::warp;
