//! No instruction set in particular: arrays, which the compiler turns into whatever the target's baseline has.

// Tested by: `every_kernel_equals_the_definition` in crates/nn/src/cpu/tests.rs

use super::Simd;

const LANES: usize = 4;

/// 4 lanes.
#[derive(Clone, Copy)]
pub struct Portable;

#[inline(always)]
fn each<A: Copy, B: Copy, T>(a: [A; LANES], b: [B; LANES], f: impl Fn(A, B) -> T) -> [T; LANES] {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}

#[inline(always)]
fn nearest_bf16(value: f32) -> u32 {
    let bits = value.to_bits();
    bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16
}

/// a × b + c rounded once, by f64 arithmetic that vector units have: the product is exact, the sum is rounded to odd, which
/// keeps what the rounding to f32 needs to know (Boldo & Melquiond 2008, "Emulation of a FMA and correctly rounded sums").
#[inline(always)]
fn rounded_once(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    // Knuth's two-sum: sum + error is exact. NaN where the sum is not finite.
    let part = sum - product;
    let error = (product - (sum - part)) + (c - part);
    let bits = sum.to_bits();
    let inexact = u64::from(error.abs() > 0.0) & !bits & 1;
    let away = (error > 0.0) == (sum > 0.0);
    let odd = if away { bits.wrapping_add(inexact) } else { bits.wrapping_sub(inexact) };
    f64::from_bits(odd) as f32
}

// SAFETY of every block here: the pointers are valid for LANES numbers, as the trait demands.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Simd for Portable {
    const LANES: usize = LANES;
    // Without an instruction for it, rounding once is a function call a lane, and 60 times as slow. Where all CPUs of the
    // target have one, and where the program is compiled for those that do, the bytes are those of the other sets.
    const FUSED: bool = cfg!(any(
        target_feature = "fma",
        target_arch = "aarch64",
        target_arch = "powerpc64",
        target_arch = "riscv64",
        target_arch = "s390x"
    ));
    type F = [f32; LANES];
    type I = [u32; LANES];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::F {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        unsafe { from.cast::<Self::F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::F) {
        unsafe { to.cast::<Self::F>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        std::array::from_fn(|i| if Self::FUSED { a[i].mul_add(b[i], c[i]) } else { a[i] * b[i] + c[i] })
    }
    #[inline(always)]
    unsafe fn fused(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        std::array::from_fn(|i| if Self::FUSED { a[i].mul_add(b[i], c[i]) } else { rounded_once(a[i], b[i], c[i]) })
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn turned<const BY: usize>(value: Self::F) -> Self::F {
        std::array::from_fn(|lane| value[lane ^ BY])
    }

    #[inline(always)]
    unsafe fn splat_word(from: *const u32) -> Self::I {
        unsafe { [from.read_unaligned(); LANES] }
    }
    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> Self::I {
        unsafe { from.cast::<Self::I>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_words(to: *mut u32, value: Self::I) {
        unsafe { to.cast::<Self::I>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn zero_words() -> Self::I {
        [0; LANES]
    }
    #[inline(always)]
    unsafe fn as_f32(value: Self::I) -> Self::F {
        value.map(f32::from_bits)
    }
    #[inline(always)]
    unsafe fn as_words(value: Self::F) -> Self::I {
        value.map(f32::to_bits)
    }
    #[inline(always)]
    unsafe fn to_f32(value: Self::I) -> Self::F {
        value.map(|bits| bits as i32 as f32)
    }
    #[inline(always)]
    unsafe fn dot_i16(a: Self::I, b: Self::I, c: Self::I) -> Self::I {
        let low = |word: u32| i32::from(word as i16);
        let high = |word: u32| i32::from((word >> 16) as i16);
        let sums = each(a, b, |a, b| low(a) * low(b) + high(a) * high(b));
        each(sums, c, |sum, c| c.wrapping_add(sum as u32))
    }

    #[inline(always)]
    unsafe fn round_bf16(value: Self::F) -> Self::F {
        value.map(|v| f32::from_bits(nearest_bf16(v) << 16))
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self::F {
        unsafe { from.cast::<[u16; LANES]>().read_unaligned() }.map(|half| f32::from_bits(u32::from(half) << 16))
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, value: Self::F) {
        unsafe { to.cast::<[u16; LANES]>().write_unaligned(value.map(|v| nearest_bf16(v) as u16)) }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> Self::F {
        unsafe { from.cast::<[u8; LANES]>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn store_u8(to: *mut u8, value: Self::F) {
        unsafe { to.cast::<[u8; LANES]>().write_unaligned(value.map(|v| v.round_ties_even() as u8)) }
    }
    #[inline(always)]
    unsafe fn load_u16(from: *const u16) -> Self::F {
        unsafe { from.cast::<[u16; LANES]>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn store_u16(to: *mut u16, value: Self::F) {
        unsafe { to.cast::<[u16; LANES]>().write_unaligned(value.map(|v| u16::from(v.round_ties_even() as u8))) }
    }
}

#[cfg(test)]
mod tests {
    use super::rounded_once;

    #[test]
    fn a_multiply_add_is_rounded_once() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        let special =
            [0.0, -0.0, 1.0, f32::MIN_POSITIVE, f32::MAX, f32::from_bits(1), f32::INFINITY, f32::NEG_INFINITY];
        for round in 0..3_000_000u32 {
            let mut number = || match round % 4 {
                0 => f32::from_bits(next()),
                // Near 1, and few bits, so that sums cancel and ties occur.
                1 => f32::from_bits(0x3f80_0000 ^ (next() & 0x8180_0007)),
                2 => f32::from_bits(0x3f00_0000 ^ (next() & 0x81ff_ffff)),
                _ => special[next() as usize % special.len()],
            };
            let (a, b, c) = (number(), number(), number());
            let (expected, found) = (a.mul_add(b, c), rounded_once(a, b, c));
            assert!(
                expected.to_bits() == found.to_bits() || expected.is_nan() && found.is_nan(),
                "{a:e} × {b:e} + {c:e}: {found:e} instead of {expected:e}"
            );
        }
    }
}
