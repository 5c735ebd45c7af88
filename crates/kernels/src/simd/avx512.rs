//! AVX-512 (F, BW, DQ, VL), and with it VNNI and BF16 where the CPU has them.

// Tested by: `every_kernel_equals_the_definition` in crates/nn/src/cpu/tests.rs

#[allow(clippy::wildcard_imports)] // All of it are intrinsics.
use std::arch::x86_64::*;

use super::{DotBf16, DotU8, Simd};

/// 16 lanes.
#[derive(Clone, Copy)]
pub struct Avx512;

// SAFETY of every block here: the trait's contract; the caller was compiled for these sets and runs where they are.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Simd for Avx512 {
    const LANES: usize = 16;
    type F = __m512;
    type I = __m512i;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m512) {
        unsafe { _mm512_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, value: __m512, count: usize) {
        unsafe { _mm512_mask_storeu_ps(to, (1u16 << count) - 1, value) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn turned<const BY: usize>(value: __m512) -> __m512 {
        unsafe {
            match BY {
                1 => _mm512_permute_ps::<0b10_11_00_01>(value),
                2 => _mm512_permute_ps::<0b01_00_11_10>(value),
                3 => _mm512_permute_ps::<0b00_01_10_11>(value),
                _ => value,
            }
        }
    }

    #[inline(always)]
    unsafe fn splat_word(from: *const u32) -> __m512i {
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store_words(to: *mut u32, value: __m512i) {
        unsafe { _mm512_storeu_si512(to.cast(), value) }
    }
    #[inline(always)]
    unsafe fn zero_words() -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn as_f32(value: __m512i) -> __m512 {
        unsafe { _mm512_castsi512_ps(value) }
    }
    #[inline(always)]
    unsafe fn as_words(value: __m512) -> __m512i {
        unsafe { _mm512_castps_si512(value) }
    }
    #[inline(always)]
    unsafe fn to_f32(value: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(value) }
    }
    #[inline(always)]
    unsafe fn dot_i16(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(c, _mm512_madd_epi16(a, b)) }
    }

    #[inline(always)]
    unsafe fn round_bf16(value: __m512) -> __m512 {
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(upper_half(value))) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m512 {
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast())))) }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, value: __m512) {
        unsafe { _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(upper_half(value))) }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_u8(to: *mut u8, value: __m512) {
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(bounded(value))) }
    }
    #[inline(always)]
    unsafe fn load_u16(from: *const u16) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_u16(to: *mut u16, value: __m512) {
        unsafe { _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(bounded(value))) }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)] // As above.
impl DotBf16 for Avx512 {
    #[inline(always)]
    unsafe fn dot_bf16(a: __m512i, b: __m512i, c: __m512) -> __m512 {
        unsafe {
            _mm512_dpbf16_ps(
                c,
                std::mem::transmute::<__m512i, __m512bh>(a),
                std::mem::transmute::<__m512i, __m512bh>(b),
            )
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)] // As above.
impl DotU8 for Avx512 {
    #[inline(always)]
    unsafe fn dot_u8(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(c, a, b) }
    }
}

/// The bf16 nearest to each lane, in the lane's lower half.
#[inline(always)]
#[allow(clippy::undocumented_unsafe_blocks)] // As above.
unsafe fn upper_half(value: __m512) -> __m512i {
    unsafe {
        let bits = _mm512_castps_si512(value);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        _mm512_srli_epi32::<16>(rounded)
    }
}

/// The nearest number of 0..=255.
#[inline(always)]
#[allow(clippy::undocumented_unsafe_blocks)] // As above.
unsafe fn bounded(value: __m512) -> __m512i {
    unsafe {
        let value = _mm512_min_ps(_mm512_max_ps(value, _mm512_setzero_ps()), _mm512_set1_ps(255.0));
        _mm512_cvtps_epi32(value)
    }
}
