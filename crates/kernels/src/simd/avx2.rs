//! AVX2 with FMA: x86-64 since 2013.

// Tested by: `every_kernel_equals_the_definition` in crates/nn/src/cpu/tests.rs

#[allow(clippy::wildcard_imports)] // All of it are intrinsics.
use std::arch::x86_64::*;

use super::Simd;

/// 8 lanes.
#[derive(Clone, Copy)]
pub struct Avx2;

// SAFETY of every block here: the trait's contract; the caller was compiled for AVX2 and FMA and runs where they are.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Simd for Avx2 {
    const LANES: usize = 8;
    type F = __m256;
    type I = __m256i;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m256) {
        unsafe { _mm256_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn turned<const BY: usize>(value: __m256) -> __m256 {
        unsafe {
            match BY {
                1 => _mm256_permute_ps::<0b10_11_00_01>(value),
                2 => _mm256_permute_ps::<0b01_00_11_10>(value),
                3 => _mm256_permute_ps::<0b00_01_10_11>(value),
                _ => value,
            }
        }
    }

    #[inline(always)]
    unsafe fn splat_word(from: *const u32) -> __m256i {
        unsafe { _mm256_castps_si256(_mm256_broadcast_ss(&*from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store_words(to: *mut u32, value: __m256i) {
        unsafe { _mm256_storeu_si256(to.cast(), value) }
    }
    #[inline(always)]
    unsafe fn zero_words() -> __m256i {
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn as_f32(value: __m256i) -> __m256 {
        unsafe { _mm256_castsi256_ps(value) }
    }
    #[inline(always)]
    unsafe fn as_words(value: __m256) -> __m256i {
        unsafe { _mm256_castps_si256(value) }
    }
    #[inline(always)]
    unsafe fn to_f32(value: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(value) }
    }
    #[inline(always)]
    unsafe fn dot_i16(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(c, _mm256_madd_epi16(a, b)) }
    }

    #[inline(always)]
    unsafe fn round_bf16(value: __m256) -> __m256 {
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(upper_half(value))) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m256 {
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast())))) }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, value: __m256) {
        unsafe { _mm_storeu_si128(to.cast(), halves(upper_half(value))) }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_u8(to: *mut u8, value: __m256) {
        unsafe {
            let words = halves(bounded(value));
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(words, words));
        }
    }
    #[inline(always)]
    unsafe fn load_u16(from: *const u16) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_u16(to: *mut u16, value: __m256) {
        unsafe { _mm_storeu_si128(to.cast(), halves(bounded(value))) }
    }
}

/// The bf16 nearest to each lane, in the lane's lower half.
#[inline(always)]
#[allow(clippy::undocumented_unsafe_blocks)] // As above.
unsafe fn upper_half(value: __m256) -> __m256i {
    unsafe {
        let bits = _mm256_castps_si256(value);
        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
        _mm256_srli_epi32::<16>(rounded)
    }
}

/// The lower 16 bits of each lane.
#[inline(always)]
#[allow(clippy::undocumented_unsafe_blocks)] // As above.
unsafe fn halves(value: __m256i) -> __m128i {
    unsafe { _mm_packus_epi32(_mm256_castsi256_si128(value), _mm256_extracti128_si256::<1>(value)) }
}

/// The nearest number of 0..=255.
#[inline(always)]
#[allow(clippy::undocumented_unsafe_blocks)] // As above.
unsafe fn bounded(value: __m256) -> __m256i {
    unsafe {
        let value = _mm256_min_ps(_mm256_max_ps(value, _mm256_setzero_ps()), _mm256_set1_ps(255.0));
        _mm256_cvtps_epi32(value)
    }
}
