//! The pixels of a layer's tiles, one block of 16 words behind the other.

// Tested by: `products_of_gathered_pixels_equal_their_definition` in crates/kernels/src/amx/tests.rs

use std::arch::x86_64::{__m512i, _mm512_mask_storeu_epi32, _mm512_maskz_loadu_epi32};

use super::{BLOCK_BYTES, Gather, ROW_BYTES, ROW_WORDS};
use crate::simd::Simd;
use crate::simd::avx512::Avx512 as S;

/// The first words of a row, then zeros.
///
/// # Safety
/// `from` is valid for `count` ≤ 16 words, and the CPU has AVX-512.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load_first(from: *const u32, count: usize) -> __m512i {
    // SAFETY: handed on from the caller.
    unsafe { _mm512_maskz_loadu_epi32(((1u32 << count) - 1) as u16, from.cast()) }
}

/// Writes the first words of a row.
///
/// # Safety
/// As [`load_first`].
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn store_first(to: *mut u32, words: __m512i, count: usize) {
    // SAFETY: handed on from the caller.
    unsafe { _mm512_mask_storeu_epi32(to.cast(), ((1u32 << count) - 1) as u16, words) }
}

/// Words as they are, those of all runs behind each other.
///
/// # Safety
/// The pointers of `job` are valid for what it says, and the CPU has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(crate) unsafe fn gather(job: &Gather) {
    // SAFETY: handed on from the caller; reads and writes are cut at the end of a run and of a row.
    unsafe {
        for pixel in 0..job.pixels {
            let row = job.to.add(pixel * ROW_BYTES).cast::<u32>();
            let place = |word: usize| row.wrapping_add(word / ROW_WORDS * (BLOCK_BYTES / 4) + word % ROW_WORDS);
            let mut to = 0;
            for run in 0..job.runs {
                let from = job.arena.add(*job.offsets.add(run * job.height + pixel) as usize).cast::<u32>();
                let mut at = 0;
                while at < job.words {
                    let count = (job.words - at).min(ROW_WORDS - to % ROW_WORDS);
                    store_first(place(to), load_first(from.add(at), count), count);
                    (at, to) = (at + count, to + count);
                }
            }
            let rest = to.next_multiple_of(ROW_WORDS) - to;
            store_first(place(to), S::zero_words(), rest);
        }
    }
}

/// Each run's f32s as first parts in blocks of 32, and as many blocks of second parts behind them.
///
/// # Safety
/// As [`gather`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(crate) unsafe fn gather_split(job: &Gather) {
    const PAIRS: usize = 2 * ROW_WORDS;
    let blocks = job.words.div_ceil(PAIRS);
    // SAFETY: as in `gather`.
    unsafe {
        for pixel in 0..job.pixels {
            for run in 0..job.runs {
                let from = job.arena.add(*job.offsets.add(run * job.height + pixel) as usize).cast::<u32>();
                let first = job.to.add(2 * run * blocks * BLOCK_BYTES + pixel * ROW_BYTES);
                for at in (0..blocks * PAIRS).step_by(S::LANES) {
                    let count = job.words.saturating_sub(at).min(S::LANES);
                    let value = S::as_f32(load_first(from.wrapping_add(at), count));
                    let to = first.add(at / PAIRS * BLOCK_BYTES + at % PAIRS * 2);
                    S::store_bf16(to.cast(), value);
                    let left = S::sub(value, S::round_bf16(value));
                    S::store_bf16(to.add(blocks * BLOCK_BYTES).cast(), left);
                }
            }
        }
    }
}
