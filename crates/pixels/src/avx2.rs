//! Kernels compiled for 256-bit vectors, and the loops for which the compiler finds none: those that move bytes about. They
//! give the portable loops' bytes.

// Tested by: `resizing_as_pillow_agrees` in crates/pixels/src/tests.rs
// Tested by: `resizing_as_opencv_agrees` in crates/pixels/src/tests.rs
// Tested by: `warping_agrees` in crates/pixels/src/tests.rs
// Tested by: `sums_agree` in crates/pixels/src/tests.rs

#![allow(clippy::wildcard_imports, reason = "half of the file is their names")]

use std::arch::x86_64::*;

use crate::instructions::{Instructions, Kernel};
use crate::pillow;
use crate::quads::Quads;
use crate::sums;

/// Proof that this CPU has AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HasAvx2(());

#[allow(clippy::unused_self, reason = "it is the proof")]
impl HasAvx2 {
    /// `None` where the CPU lacks them.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    /// Runs a kernel that is compiled for them.
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `self` proves that the CPU has AVX2 and FMA.
        unsafe { run(kernel, self) }
    }

    /// A row as Pillow resizes it; see [`pillow::SplitTaps`]. `line` holds what the taps reach, `to` four bytes more than
    /// the row.
    #[inline]
    pub fn rounded_row(self, high: &Quads, low: &[[[i16; 16]; 2]], line: &[u8], to: &mut [u8]) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { rounded_row(high, low, line, to) }
    }

    /// A row as `OpenCV` resizes it, with four fraction bits; see [`crate::opencv`]. `line` holds what the taps reach, `to`
    /// two values more than the row.
    #[inline]
    pub fn shifted_row(self, quads: &Quads, line: &[u8], to: &mut [i16]) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { shifted_row(quads, line, to) }
    }

    /// [`sums::to_grey`] of as many pixels as vectors take; returns how many.
    #[inline]
    pub fn to_grey(self, pixels: &[u8], weights: [u16; 3], grey: &mut [i16]) -> usize {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { to_grey(pixels, weights, grey) }
    }
}

#[target_feature(enable = "avx2,fma")]
fn run<K: Kernel>(kernel: K, avx2: HasAvx2) -> K::Output {
    kernel.run(Instructions::Avx2(avx2))
}

#[target_feature(enable = "avx2")]
#[inline]
fn load16(values: &[u8; 16]) -> __m128i {
    // SAFETY: the array is 16 bytes long; the load needs no alignment.
    unsafe { _mm_loadu_si128(values.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_lanes(values: &[i16; 16]) -> __m256i {
    // SAFETY: the array is 32 bytes long; the load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(to: &mut [u8; 16], value: __m128i) {
    // SAFETY: the array is 16 bytes long; the store needs no alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), value) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store8(to: &mut [i16; 8], value: __m128i) {
    // SAFETY: the array is 16 bytes long; the store needs no alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), value) }
}

/// The 16 bytes from `at` on in the lower half, those from `upper` on in the upper; zeros beyond the end.
#[target_feature(enable = "avx2")]
#[inline]
fn two_loads(bytes: &[u8], lower: usize, upper: usize) -> __m256i {
    let load = |at: usize| load16(bytes.get(at..).and_then(|rest| rest.first_chunk()).unwrap_or(&[0; 16]));
    _mm256_set_m128i(load(upper), load(lower))
}

/// Where each byte comes from, the same in both halves; −1: zero.
#[target_feature(enable = "avx2")]
#[inline]
fn both_halves(from: [i8; 16]) -> __m256i {
    _mm256_broadcastsi128_si256(load16(&from.map(|byte| byte as u8)))
}

/// Two pixels side by side → their channels in pairs of 16 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn pair_up() -> __m256i {
    both_halves([0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1])
}

/// The source pixels of a pair: of target pixels 0 and 2, and of 1 and 3.
#[target_feature(enable = "avx2")]
#[inline]
fn sources(line: &[u8], firsts: [usize; 4], pair: usize, pair_up: __m256i) -> [__m256i; 2] {
    let [a, b, c, d] = firsts.map(|first| first + pair * 6);
    [_mm256_shuffle_epi8(two_loads(line, a, c), pair_up), _mm256_shuffle_epi8(two_loads(line, b, d), pair_up)]
}

#[target_feature(enable = "avx2")]
#[inline]
fn rounded_row(high: &Quads, low: &[[[i16; 16]; 2]], line: &[u8], to: &mut [u8]) {
    // What is known when compiled is unrolled: faces that are enlarged have one pair, and by half reduced ones two.
    match high.pairs {
        1 => rounded(high, low, 1, line, to),
        2 => rounded(high, low, 2, line, to),
        pairs => rounded(high, low, pairs, line, to),
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn rounded(high: &Quads, low: &[[[i16; 16]; 2]], pairs: usize, line: &[u8], to: &mut [u8]) {
    let pair_up = pair_up();
    let half = _mm256_set1_epi32(pillow::HALF);
    // Of eight 16-bit values that became bytes, the three of each pixel.
    let lower = both_halves([0, 1, 2, 4, 5, 6, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1]);
    let upper = both_halves([-1, -1, -1, -1, -1, -1, 0, 1, 2, 4, 5, 6, -1, -1, -1, -1]);
    let compact = _mm256_blend_epi32::<0xf0>(lower, upper);
    let weights = high.weights.chunks_exact(pairs).zip(low.chunks_exact(pairs));
    for ((at, &firsts), (high, low)) in (0..).step_by(12).zip(&high.firsts).zip(weights) {
        let mut highs = [_mm256_setzero_si256(); 2];
        let mut lows = [half; 2];
        for (pair, (high, low)) in high.iter().zip(low).enumerate() {
            let sources = sources(line, firsts, pair, pair_up);
            for side in 0..2 {
                let product = |weights| _mm256_madd_epi16(sources[side], load_lanes(weights));
                highs[side] = _mm256_add_epi32(highs[side], product(&high[side]));
                lows[side] = _mm256_add_epi32(lows[side], product(&low[side]));
            }
        }
        let pixels = |side: usize| {
            let sum = _mm256_add_epi32(_mm256_slli_epi32::<{ pillow::LOW_BITS as i32 }>(highs[side]), lows[side]);
            _mm256_srai_epi32::<{ pillow::PRECISION as i32 }>(sum)
        };
        let words = _mm256_packs_epi32(pixels(0), pixels(1));
        let bytes = _mm256_shuffle_epi8(_mm256_packus_epi16(words, words), compact);
        let bytes = _mm_or_si128(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
        put(to, at, bytes);
    }
}

/// Writes 16 bytes from `at` on, or as many as there is room for.
#[target_feature(enable = "avx2")]
#[inline]
fn put(to: &mut [u8], at: usize, bytes: __m128i) {
    let to = &mut to[at..];
    if let Some(to) = to.first_chunk_mut() {
        store(to, bytes);
    } else {
        let mut all = [0; 16];
        store(&mut all, bytes);
        to.copy_from_slice(&all[..to.len()]);
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn shifted_row(quads: &Quads, line: &[u8], to: &mut [i16]) {
    let pair_up = pair_up();
    // Of the eight 16-bit values of two pixels, the three of each.
    let compact = both_halves([0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1]);
    for ((at, &firsts), weights) in (0..).step_by(12).zip(&quads.firsts).zip(&quads.weights) {
        let [left, right] = sources(line, firsts, 0, pair_up);
        let shifted =
            |pixels, weights| _mm256_srai_epi32::<4>(_mm256_madd_epi16(pixels, load_lanes(weights)));
        let words = _mm256_packs_epi32(shifted(left, &weights[0]), shifted(right, &weights[1]));
        let words = _mm256_shuffle_epi8(words, compact);
        for (at, half) in [(at, _mm256_castsi256_si128(words)), (at + 6, _mm256_extracti128_si256::<1>(words))] {
            if let Some(to) = to.get_mut(at..).and_then(|to| to.first_chunk_mut()) {
                store8(to, half);
            }
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn to_grey(pixels: &[u8], weights: [u16; 3], grey: &mut [i16]) -> usize {
    // The middle channel's weight is too large for 16 bits: each pair has half of it.
    let [first, middle, last] = weights.map(i32::from);
    let weights = [middle / 2 << 16 | first, last << 16 | (middle - middle / 2)].map(|pair| _mm256_set1_epi32(pair));
    let from = [
        both_halves([0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1]),
        both_halves([1, -1, 2, -1, 4, -1, 5, -1, 7, -1, 8, -1, 10, -1, 11, -1]),
    ];
    let eight = |at: usize| {
        let bytes = two_loads(pixels, at, at + 24);
        let part = |k: usize| _mm256_madd_epi16(_mm256_shuffle_epi8(bytes, from[k]), weights[k]);
        let sum = _mm256_add_epi32(_mm256_add_epi32(part(0), part(1)), _mm256_set1_epi32(sums::HALF as i32));
        _mm256_srli_epi32::<16>(sum)
    };
    // The last load takes four bytes of the pixels behind.
    let blocks = (pixels.len().saturating_sub(4) / 48).min(grey.len() / 16);
    for (block, grey) in grey.as_chunks_mut::<16>().0[..blocks].iter_mut().enumerate() {
        let words = _mm256_packs_epi32(eight(block * 48), eight(block * 48 + 12));
        let halves = [_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words)];
        for (grey, half) in grey.as_chunks_mut().0.iter_mut().zip(halves) {
            store8(grey, half);
        }
    }
    blocks * 16
}
