//! The operations on a vector register that the kernels need. Everything else is written once, in terms of this trait, and
//! compiled for each instruction set.

// Tested by: `every_kernel_equals_the_definition` in crates/nn/src/cpu/tests.rs

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
#[cfg(target_arch = "aarch64")]
pub mod neon;
pub mod portable;

/// A set of vector instructions.
///
/// # Safety
/// Each function may be called only where the CPU has the set, and pointers must be valid for the bytes in the name
/// of the function: [`Self::LANES`] numbers, unaligned. All functions are `inline(always)`, so that they become
/// instructions of the kernel that was compiled for the set.
pub trait Simd: Copy + 'static {
    /// 32-bit numbers in a register.
    const LANES: usize;
    /// Whether [`Self::fma`] rounds once.
    const FUSED: bool = true;
    /// [`Self::LANES`] × `f32`.
    type F: Copy;
    /// [`Self::LANES`] × 32 bits: an `i32`, two 16-bit or four 8-bit numbers each.
    type I: Copy;

    /// The same number in each lane.
    unsafe fn splat(value: f32) -> Self::F;
    /// Reads `f32`s.
    unsafe fn load(from: *const f32) -> Self::F;
    /// Writes `f32`s.
    unsafe fn store(to: *mut f32, value: Self::F);
    /// Writes the first `count` < [`Self::LANES`] `f32`s.
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, value: Self::F, count: usize) {
        let mut all = [0f32; 16];
        // SAFETY: no set has more than 16 lanes; `to` is valid for `count` of them.
        unsafe {
            Self::store(all.as_mut_ptr(), value);
            to.copy_from_nonoverlapping(all.as_ptr(), count);
        }
    }
    /// a + b.
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    /// a − b.
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    /// a × b.
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    /// a × b + c, rounded once if [`Self::FUSED`], else after each of the two.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// a × b + c, rounded once on every set; where [`Self::FUSED`] is false, at many times the cost of [`Self::fma`].
    #[inline(always)]
    unsafe fn fused(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // SAFETY: handed on from the caller.
        unsafe { Self::fma(a, b, c) }
    }
    /// The larger; `b` if it is NaN.
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;

    /// Lane i of the result is lane i xor BY, BY < 4.
    unsafe fn turned<const BY: usize>(value: Self::F) -> Self::F;

    /// The same 32 bits in each lane.
    unsafe fn splat_word(from: *const u32) -> Self::I;
    /// Reads words.
    unsafe fn load_words(from: *const u32) -> Self::I;
    /// Writes words.
    unsafe fn store_words(to: *mut u32, value: Self::I);
    /// Zeros.
    unsafe fn zero_words() -> Self::I;
    /// The same bits as `f32`s.
    unsafe fn as_f32(value: Self::I) -> Self::F;
    /// The same bits as words.
    unsafe fn as_words(value: Self::F) -> Self::I;
    /// The `f32`s nearest to `i32`s.
    unsafe fn to_f32(value: Self::I) -> Self::F;
    /// a₀ × b₀ + a₁ × b₁ + c for the two signed 16-bit halves of each word.
    unsafe fn dot_i16(a: Self::I, b: Self::I, c: Self::I) -> Self::I;

    /// Rounds to the nearest bf16, ties to even, and stays `f32`.
    unsafe fn round_bf16(value: Self::F) -> Self::F;
    /// Reads bf16s.
    unsafe fn load_bf16(from: *const u16) -> Self::F;
    /// Writes the nearest bf16s, ties to even.
    unsafe fn store_bf16(to: *mut u16, value: Self::F);
    /// Reads `u8`s.
    unsafe fn load_u8(from: *const u8) -> Self::F;
    /// Writes the nearest `u8`s, ties to even, bounded to 0..=255.
    unsafe fn store_u8(to: *mut u8, value: Self::F);
    /// Reads `u16`s.
    unsafe fn load_u16(from: *const u16) -> Self::F;
    /// Writes the nearest numbers of 0..=255 as `u16`s, ties to even.
    unsafe fn store_u16(to: *mut u16, value: Self::F);
}

/// Sets with a product of bf16 pairs.
pub trait DotBf16: Simd {
    /// a₀ × b₀ + a₁ × b₁ + c for the two bf16 halves of each word.
    unsafe fn dot_bf16(a: Self::I, b: Self::I, c: Self::F) -> Self::F;
}

/// Sets with a product of four bytes.
pub trait DotU8: Simd {
    /// Σ aᵢ × bᵢ + c for the four bytes of each word, `a` unsigned, `b` signed.
    unsafe fn dot_u8(a: Self::I, b: Self::I, c: Self::I) -> Self::I;
}
