//! A JPEG decoder that produces libjpeg-turbo's pixels, as Pillow's `convert("RGB")` has them, byte for byte. It rejects
//! truncated or damaged files instead of filling them with grey.
//!
//! [`decode`] reads baseline, extended and progressive Huffman coding with 8 bits per sample, components interleaved or in
//! scans of their own, every sampling factor that libjpeg takes, restart markers, grey, RGB, YCbCr, CMYK and YCCK. Its inverse
//! DCT is libjpeg-turbo 3's default (accurate integer), and so is its chroma filter (triangle).
//!
//! Where libjpeg warns and fills in, this decoder fails: a picture that is half grey is worse than none to a program that
//! computes with it. Data that ends early (even with an end marker after the cut), continues after the last block, has a code
//! that no table has, or lacks a restart marker, a scan's beginning or a component is a [`JpegError`]. So is a progressive
//! picture whose scans do not give every coefficient to its last bit: libjpeg reads it and smooths its blocks, but nothing
//! tells a picture made that way from one that was cut between two scans.
//!
//! Oddities that lose nothing are read: fill bytes, bytes between the segments before the first scan and after the end,
//! padding, a missing end marker after a whole sequential picture, Motion JPEG's missing Huffman tables, wrong spectral bounds
//! in sequential scans.
//!
//! Not read, each with an error that names it: arithmetic coding (data that is cut short can look complete), 12 bits per
//! sample, lossless and hierarchical coding, a height that follows the picture (DNL), two or more than four components.
//!
//! [`Limits`] and the length of the data bound memory and time; a header's claims do not.
//!
//! The sources are ITU-T T.81 and, where the standard leaves a choice, the behaviour of libjpeg-turbo and Pillow; comments
//! name the file that a rule comes from. No code is taken from them.

// The loops over samples and bits are composed of small functions, which must all be inlined.
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

pub use decoder::{Announced, DecodedPicture, Limits, decode, decode_part, decode_when};
pub use error::JpegError;
pub use frame::Part;
