//! How numbers are multiplied and stored. A product runs over 32-bit words at every precision: one f32, two bf16 or 16-bit
//! integers, or four bytes. So the kernels only need one step over one word.

// Tested by: `every_kernel_equals_the_definition` in crates/nn/src/cpu/tests.rs

use crate::simd::{DotBf16, DotU8, Simd};

/// One step of an inner product. # Safety: as [`Simd`].
pub(crate) trait ProductArithmetic<S: Simd> {
    /// Sums are `i32`, not `f32`.
    const INTEGER: bool;
    /// The order in which a sum takes its words, as many at a time as are listed here; they divide the words of a product.
    const ORDER: &'static [usize] = &[0];
    /// acc + activation × weight, on the bits of the sums.
    unsafe fn step(acc: S::I, activation: S::I, weight: S::I) -> S::I;
}

/// f32 × f32.
pub(crate) struct Float;
/// f32 × f32, where the words are pairs of bf16 values: what `vdpbf16ps` computes, by two fused steps, the upper half first
/// (Intel SDM; Zen 5 does the same). It takes numbers below 1.2e-38 for zero, and this does not.
pub(crate) struct FloatPairs;
/// Pairs of bf16, f32 sums.
pub(crate) struct Bf16Pairs;
/// Pairs of 16-bit integers, i32 sums.
pub(crate) struct I16Pairs;
/// Four unsigned by four signed bytes, i32 sums.
pub(crate) struct U8Quads;

// SAFETY of every block here: handed on from the caller, who keeps the contract of `Simd`.
#[allow(clippy::undocumented_unsafe_blocks)]
mod steps {
    use super::{Bf16Pairs, DotBf16, DotU8, Float, FloatPairs, I16Pairs, ProductArithmetic, Simd, U8Quads};

    impl<S: Simd> ProductArithmetic<S> for Float {
        const INTEGER: bool = false;
        #[inline(always)]
        unsafe fn step(acc: S::I, activation: S::I, weight: S::I) -> S::I {
            unsafe { S::as_words(S::fma(S::as_f32(activation), S::as_f32(weight), S::as_f32(acc))) }
        }
    }

    impl<S: Simd> ProductArithmetic<S> for FloatPairs {
        const INTEGER: bool = false;
        const ORDER: &'static [usize] = &[1, 0];
        #[inline(always)]
        unsafe fn step(acc: S::I, activation: S::I, weight: S::I) -> S::I {
            unsafe { <Float as ProductArithmetic<S>>::step(acc, activation, weight) }
        }
    }

    impl<S: DotBf16> ProductArithmetic<S> for Bf16Pairs {
        const INTEGER: bool = false;
        #[inline(always)]
        unsafe fn step(acc: S::I, activation: S::I, weight: S::I) -> S::I {
            unsafe { S::as_words(S::dot_bf16(activation, weight, S::as_f32(acc))) }
        }
    }

    impl<S: Simd> ProductArithmetic<S> for I16Pairs {
        const INTEGER: bool = true;
        #[inline(always)]
        unsafe fn step(acc: S::I, activation: S::I, weight: S::I) -> S::I {
            unsafe { S::dot_i16(activation, weight, acc) }
        }
    }

    impl<S: DotU8> ProductArithmetic<S> for U8Quads {
        const INTEGER: bool = true;
        #[inline(always)]
        unsafe fn step(acc: S::I, activation: S::I, weight: S::I) -> S::I {
            unsafe { S::dot_u8(activation, weight, acc) }
        }
    }
}

/// How an activation is kept in memory. # Safety: as [`Simd`]; `from` and `to` are valid for LANES × [`Self::BYTES`].
pub(crate) trait ActivationStorage<S: Simd> {
    /// Of one number.
    const BYTES: usize;
    /// Reads LANES numbers.
    unsafe fn load(from: *const u8) -> S::F;
    /// Writes the nearest numbers that it can keep.
    unsafe fn store(to: *mut u8, value: S::F);
}

/// f32.
pub(crate) struct InF32;
/// bf16 values in f32, for sets that cannot multiply bf16.
pub(crate) struct RoundedInF32;
/// bf16.
pub(crate) struct InBf16;
/// 0..=255 in a byte.
pub(crate) struct InU8;
/// 0..=255 in 16 bits, for sets that cannot multiply bytes.
pub(crate) struct InU16;

macro_rules! storage {
    ($name:ident, $bytes:literal, $load:expr, $store:expr) => {
        #[allow(clippy::undocumented_unsafe_blocks)] // As above.
        impl<S: Simd> ActivationStorage<S> for $name {
            const BYTES: usize = $bytes;
            #[inline(always)]
            unsafe fn load(from: *const u8) -> S::F {
                unsafe { $load(from.cast()) }
            }
            #[inline(always)]
            unsafe fn store(to: *mut u8, value: S::F) {
                unsafe { $store(to.cast(), value) }
            }
        }
    };
}

storage!(InF32, 4, S::load, S::store);
storage!(RoundedInF32, 4, S::load, |to, value| S::store(to, S::round_bf16(value)));
storage!(InBf16, 2, S::load_bf16, S::store_bf16);
storage!(InU8, 1, S::load_u8, S::store_u8);
storage!(InU16, 2, S::load_u16, S::store_u16);
