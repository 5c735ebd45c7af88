//! The loops for which the compiler finds no vectors, those that move bytes about, with 256-bit vectors. They give the portable
//! loops' bytes.

// Tested by: `resizing_as_pillow_agrees` in crates/pixels/src/tests.rs
// Tested by: `resizing_as_opencv_agrees` in crates/pixels/src/tests.rs
// Tested by: `sums_agree` in crates/pixels/src/tests.rs

#![allow(clippy::wildcard_imports, reason = "half of the file is their names")]

use std::arch::x86_64::*;

use crate::instructions::HasAvx2;
use crate::pillow;
use crate::quads::Quads;
use crate::sums;

#[allow(clippy::unused_self, reason = "it is the proof")]
impl HasAvx2 {
    /// Rows as Pillow resizes them, to bytes; see [`pillow`]. The weights are in two parts, of equal [`Quads::firsts`]. `line`
    /// holds [`Quads::reach`] bytes, `to` four bytes more than the row's whole quads.
    #[inline]
    pub fn rounded_row(self, high: &Quads, low: &Quads, line: &[u8], to: &mut [u8]) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { rounded_row(high, low, line, to) }
    }

    /// A row as `OpenCV` resizes it, to sums less four of their fraction bits; see [`crate::opencv`]. `line` holds
    /// [`Quads::reach`] bytes, `to` two values more than the row's whole quads.
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
fn store16(to: &mut [u8; 16], value: __m128i) {
    // SAFETY: the array is 16 bytes long; the store needs no alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), value) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store8(to: &mut [i16; 8], value: __m128i) {
    // SAFETY: the array is 16 bytes long; the store needs no alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), value) }
}

/// Two loads of 16 bytes, in the lower and in the upper half.
#[target_feature(enable = "avx2")]
#[inline]
fn two_loads(lower: &[u8; 16], upper: &[u8; 16]) -> __m256i {
    _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(load16(lower)), load16(upper))
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

/// A row that is long enough for all taps of its quads.
#[derive(Clone, Copy)]
struct LongRow<'a>(&'a [u8]);

impl<'a> LongRow<'a> {
    fn new(line: &'a [u8], quads: &Quads) -> Self {
        assert!(line.len() >= quads.reach(), "the row ends before the taps do");
        Self(line)
    }

    /// The source pixels of a pair: of target pixels 0 and 2, and of 1 and 3.
    ///
    /// # Safety
    ///
    /// `firsts` are of the quads that the row is for, and `pair` is below their number.
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn sources(self, firsts: [u32; 4], pair: usize, pair_up: __m256i) -> [__m256i; 2] {
        let [a, b, c, d] = firsts.map(|first| {
            let at = first as usize + pair * 6;
            // SAFETY: the caller's promise is that of `Quads::reach`, and `new` has compared that with the row's length.
            unsafe { self.0.get_unchecked(at..at + Quads::READ).as_array().unwrap_unchecked() }
        });
        [_mm256_shuffle_epi8(two_loads(a, c), pair_up), _mm256_shuffle_epi8(two_loads(b, d), pair_up)]
    }
}

#[target_feature(enable = "avx2")]
fn rounded_row(high: &Quads, low: &Quads, line: &[u8], to: &mut [u8]) {
    // What is known when compiled is unrolled: faces that are enlarged have one pair, reduced ones mostly two.
    match high.pairs() {
        1 => rounded::<1>(high, low, line, to),
        2 => rounded::<2>(high, low, line, to),
        _ => rounded::<0>(high, low, line, to),
    }
}

/// With so many pairs of source pixels; 0: any number.
#[target_feature(enable = "avx2")]
fn rounded<const PAIRS: usize>(high: &Quads, low: &Quads, line: &[u8], to: &mut [u8]) {
    let pairs = if PAIRS == 0 { high.pairs() } else { PAIRS };
    let line = LongRow::new(line, high);
    let (pair_up, half) = (pair_up(), _mm256_set1_epi32(pillow::HALF));
    // Of four channels the first three, the upper half's behind those of the lower.
    let compact = _mm256_blend_epi32::<0xf0>(
        both_halves([0, 1, 2, 4, 5, 6, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1]),
        both_halves([-1, -1, -1, -1, -1, -1, 0, 1, 2, 4, 5, 6, -1, -1, -1, -1]),
    );
    let weights = high.weights().chunks_exact(pairs).zip(low.weights().chunks_exact(pairs));
    for ((at, &firsts), (high, low)) in (0..).step_by(12).zip(high.firsts()).zip(weights) {
        let (mut highs, mut lows) = ([_mm256_setzero_si256(); 2], [half; 2]);
        for pair in 0..pairs {
            // SAFETY: the row is for `high`, whose firsts these are.
            let sources = unsafe { line.sources(firsts, pair, pair_up) };
            for side in 0..2 {
                let product = |weights| _mm256_madd_epi16(sources[side], load_lanes(weights));
                highs[side] = _mm256_add_epi32(highs[side], product(&high[pair][side]));
                lows[side] = _mm256_add_epi32(lows[side], product(&low[pair][side]));
            }
        }
        let pixels = |side: usize| {
            let sum = _mm256_add_epi32(_mm256_slli_epi32::<{ pillow::LOW_BITS as i32 }>(highs[side]), lows[side]);
            _mm256_srai_epi32::<{ pillow::PRECISION as i32 }>(sum)
        };
        let words = _mm256_packs_epi32(pixels(0), pixels(1));
        let bytes = _mm256_shuffle_epi8(_mm256_packus_epi16(words, words), compact);
        let bytes = _mm_or_si128(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
        if let Some(to) = to.get_mut(at..at + 16).and_then(|to| to.as_mut_array()) {
            store16(to, bytes);
        }
    }
}

#[target_feature(enable = "avx2")]
fn shifted_row(quads: &Quads, line: &[u8], to: &mut [i16]) {
    let line = LongRow::new(line, quads);
    let pair_up = pair_up();
    // Of four channels of 16 bits the first three.
    let compact = both_halves([0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1]);
    for ((at, &firsts), weights) in (0..).step_by(12).zip(quads.firsts()).zip(quads.weights()) {
        // SAFETY: the row is for `quads`, whose firsts these are; it has a pair for each.
        let [left, right] = unsafe { line.sources(firsts, 0, pair_up) };
        let shifted = |pixels, weights| _mm256_srai_epi32::<4>(_mm256_madd_epi16(pixels, load_lanes(weights)));
        let words = _mm256_packs_epi32(shifted(left, &weights[0]), shifted(right, &weights[1]));
        let words = _mm256_shuffle_epi8(words, compact);
        if let Some(to) = to.get_mut(at..at + 14) {
            let (lower, upper) = (_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            to.first_chunk_mut().into_iter().for_each(|to| store8(to, lower));
            to.last_chunk_mut().into_iter().for_each(|to| store8(to, upper));
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn to_grey(pixels: &[u8], weights: [u16; 3], grey: &mut [i16]) -> usize {
    // The middle channel's weight is too large for 16 bits: each pair has half of it.
    let [first, middle, last] = weights.map(i32::from);
    let weights = [[first, middle / 2], [middle - middle / 2, last]];
    let weights = weights.map(|[lower, upper]| _mm256_set1_epi32((upper << 16) | lower));
    let from = [
        both_halves([0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1]),
        both_halves([1, -1, 2, -1, 4, -1, 5, -1, 7, -1, 8, -1, 10, -1, 11, -1]),
    ];
    // Pixels 0 to 3 and 8 to 11, or the others, of 16.
    let eight = |lower: &[u8; 16], upper: &[u8; 16]| {
        let bytes = two_loads(lower, upper);
        let part = |k: usize| _mm256_madd_epi16(_mm256_shuffle_epi8(bytes, from[k]), weights[k]);
        let sum = _mm256_add_epi32(_mm256_add_epi32(part(0), part(1)), _mm256_set1_epi32(sums::HALF as i32));
        _mm256_srli_epi32::<16>(sum)
    };
    let mut done = 0;
    for grey in grey.as_chunks_mut::<16>().0 {
        // Four bytes more than the pixels have.
        let Some(bytes) = pixels.get(done * 3..).and_then(|rest| rest.first_chunk::<52>()) else { break };
        let four = |k: usize| bytes[k * 12..].first_chunk().unwrap_or(&[0; 16]);
        let words = _mm256_packs_epi32(eight(four(0), four(2)), eight(four(1), four(3)));
        let halves = [_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words)];
        for (grey, half) in grey.as_chunks_mut().0.iter_mut().zip(halves) {
            store8(grey, half);
        }
        done += 16;
    }
    done
}
