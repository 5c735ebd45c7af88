//! A JPEG decoder for those who need the same pixels as everybody else, or none.
//!
//! [`decode`] gives what libjpeg-turbo 3 gives by default (accurate integer inverse DCT, triangle-filtered chroma), and from
//! there what Pillow's `convert("RGB")` makes of it, byte for byte: baseline, extended and progressive Huffman coding with 8
//! bits a sample, components interleaved or in scans of their own, every sampling factor that libjpeg takes, restart markers,
//! grey, RGB, YCbCr, CMYK and YCCK.
//!
//! Where libjpeg warns and fills in, this decoder fails: a picture half of which is grey is worse than none to whoever
//! computes with it. So data that is cut short (also with an end marker behind the cut), goes on after the last block, holds
//! a code that no table has, misses a restart marker, a scan's beginning or a component, is an [`Error`]. So is a progressive
//! picture whose scans do not give every coefficient to its last bit. libjpeg reads it and smooths its blocks; but a picture
//! made that way on purpose and one that was cut between two scans look the same.
//!
//! What loses nothing is read: fill bytes, bytes between the segments before the first scan and after the end, padding, a
//! missing end marker behind a whole sequential picture, Motion JPEG's missing Huffman tables, wrong spectral bounds in
//! sequential scans.
//!
//! Not read, with an error that names it: arithmetic coding (the end of its data cannot be told from a cut), 12 bits a
//! sample, lossless and hierarchical coding, a height that only follows the picture (DNL), two or more than four components.
//!
//! Memory and time are bounded by [`Limits`] and by the length of the data, never by what a header claims.
//!
//! The sources are ITU-T T.81 and, for what the standard leaves open, the behaviour of libjpeg-turbo and Pillow; comments
//! name the file that a rule comes from. No code is taken from them.

// The loops over samples and bits are written in small pieces, of which nothing may be left in the machine's code.
#![allow(clippy::inline_always)]

#[cfg(target_arch = "x86_64")]
mod avx2;
mod colour;
mod dct;
mod decoder;
mod error;
mod frame;
mod huffman;
#[cfg(test)]
mod kernel_tests;
mod kernels;
mod rows;
mod scan;
mod segments;
mod upsample;

pub use decoder::{Limits, Picture, decode};
pub use error::Error;
