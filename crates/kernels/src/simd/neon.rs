//! NEON: every 64-bit ARM.

// Tested by: `every_kernel_equals_the_definition` in crates/nn/src/cpu/tests.rs
// Not yet: no ARM machine has run it; the tests have passed as an aarch64 binary under qemu-user.

#[allow(clippy::wildcard_imports)] // All of it are intrinsics.
use std::arch::aarch64::*;

use super::Simd;

/// 4 lanes.
#[derive(Clone, Copy)]
pub struct Neon;

// SAFETY of every block here: the trait's contract; NEON is part of the aarch64 baseline.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Simd for Neon {
    const LANES: usize = 4;
    type F = float32x4_t;
    type I = uint32x4_t;

    #[inline(always)]
    unsafe fn splat(value: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: float32x4_t) {
        unsafe { vst1q_f32(to, value) }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }
    // `FMAX` gives NaN if either is NaN; where it matters, that is `b`.
    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmaxq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn turned<const BY: usize>(value: float32x4_t) -> float32x4_t {
        unsafe {
            match BY {
                1 => vrev64q_f32(value),
                2 => vextq_f32::<2>(value, value),
                3 => vrev64q_f32(vextq_f32::<2>(value, value)),
                _ => value,
            }
        }
    }

    #[inline(always)]
    unsafe fn splat_word(from: *const u32) -> uint32x4_t {
        unsafe { vld1q_dup_u32(from) }
    }
    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> uint32x4_t {
        unsafe { vld1q_u32(from) }
    }
    #[inline(always)]
    unsafe fn store_words(to: *mut u32, value: uint32x4_t) {
        unsafe { vst1q_u32(to, value) }
    }
    #[inline(always)]
    unsafe fn zero_words() -> uint32x4_t {
        unsafe { vdupq_n_u32(0) }
    }
    #[inline(always)]
    unsafe fn as_f32(value: uint32x4_t) -> float32x4_t {
        unsafe { vreinterpretq_f32_u32(value) }
    }
    #[inline(always)]
    unsafe fn as_words(value: float32x4_t) -> uint32x4_t {
        unsafe { vreinterpretq_u32_f32(value) }
    }
    #[inline(always)]
    unsafe fn to_f32(value: uint32x4_t) -> float32x4_t {
        unsafe { vcvtq_f32_s32(vreinterpretq_s32_u32(value)) }
    }
    #[inline(always)]
    unsafe fn dot_i16(a: uint32x4_t, b: uint32x4_t, c: uint32x4_t) -> uint32x4_t {
        unsafe {
            let (a, b) = (vreinterpretq_s16_u32(a), vreinterpretq_s16_u32(b));
            let low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
            let high = vmull_high_s16(a, b);
            vaddq_u32(c, vreinterpretq_u32_s32(vpaddq_s32(low, high)))
        }
    }

    #[inline(always)]
    unsafe fn round_bf16(value: float32x4_t) -> float32x4_t {
        unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(upper_half(value))) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> float32x4_t {
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from))) }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, value: float32x4_t) {
        unsafe { vst1_u16(to, vmovn_u32(upper_half(value))) }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> float32x4_t {
        unsafe {
            let bytes = vreinterpret_u8_u32(vdup_n_u32(from.cast::<u32>().read_unaligned()));
            vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))))
        }
    }
    #[inline(always)]
    unsafe fn store_u8(to: *mut u8, value: float32x4_t) {
        unsafe {
            let words = bounded(value);
            let bytes = vmovn_u16(vcombine_u16(words, words));
            to.cast::<u32>().write_unaligned(vget_lane_u32::<0>(vreinterpret_u32_u8(bytes)));
        }
    }
    #[inline(always)]
    unsafe fn load_u16(from: *const u16) -> float32x4_t {
        unsafe { vcvtq_f32_u32(vmovl_u16(vld1_u16(from))) }
    }
    #[inline(always)]
    unsafe fn store_u16(to: *mut u16, value: float32x4_t) {
        unsafe { vst1_u16(to, bounded(value)) }
    }
}

/// The bf16 nearest to each lane, in the lane's lower half.
#[inline(always)]
#[allow(clippy::undocumented_unsafe_blocks)] // As above.
unsafe fn upper_half(value: float32x4_t) -> uint32x4_t {
    unsafe {
        let bits = vreinterpretq_u32_f32(value);
        let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
        vshrq_n_u32::<16>(vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff))))
    }
}

/// The nearest number of 0..=255.
#[inline(always)]
#[allow(clippy::undocumented_unsafe_blocks)] // As above.
unsafe fn bounded(value: float32x4_t) -> uint16x4_t {
    unsafe {
        let value = vminq_f32(vmaxq_f32(value, vdupq_n_f32(0.0)), vdupq_n_f32(255.0));
        vmovn_u32(vreinterpretq_u32_s32(vcvtnq_s32_f32(value)))
    }
}
