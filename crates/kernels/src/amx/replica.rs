//! What a matrix unit computes, in AVX-512: the same bits, several times slower.

// Tested by: `products_of_gathered_pixels_equal_their_definition` in crates/kernels/src/amx/tests.rs

use std::arch::asm;
use std::arch::x86_64::{
    __m512, __m512i, _mm512_add_ps, _mm512_and_si512, _mm512_castsi512_ps, _mm512_fmadd_ps, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_slli_epi32,
};

use super::{BLOCK_BYTES, HEIGHT, PackedTile, ROW_BYTES, ROW_WORDS, ROWS, Stretch};
use crate::simd::avx512::Avx512 as S;
use crate::simd::{DotU8, Simd};

/// Pixels whose sums stay in registers while weights are read once.
const TOGETHER: usize = 4;

/// Flushes small numbers to zero while it lives, as a matrix unit does.
struct Flushed(u32);

impl Flushed {
    fn new() -> Self {
        /// Results below the smallest normal number become 0, operands below it count as 0.
        const FLUSH: u32 = 1 << 15 | 1 << 6;
        let mut before = 0u32;
        // SAFETY: MXCSR is this thread's, and is put back.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &raw mut before, options(nostack));
            let now = before | FLUSH;
            asm!("ldmxcsr [{}]", in(reg) &raw const now, options(nostack));
        }
        Self(before)
    }
}

impl Drop for Flushed {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const self.0, options(nostack)) }
    }
}

/// The lower bf16 of each word.
#[inline]
#[target_feature(enable = "avx512f")]
fn lower(words: __m512i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words))
}

/// The upper bf16 of each word.
#[inline]
#[target_feature(enable = "avx512f")]
fn upper(words: __m512i) -> __m512 {
    _mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32(0xffff_0000_u32 as i32)))
}

/// As `multiply_bf16` of the hardware.
///
/// # Safety
/// The pointers of `job` are valid for what it says, weights for whole blocks; the CPU has AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(crate) unsafe fn replica_bf16(job: &PackedTile, tiles: usize, vectors: usize) {
    let _flushed = Flushed::new();
    // SAFETY: handed on from the caller.
    unsafe {
        each(job, tiles, vectors, |pixels, weights, sums: &mut [__m512; TOGETHER]| {
            let (mut even, mut odd) = ([_mm512_setzero_ps(); TOGETHER], [_mm512_setzero_ps(); TOGETHER]);
            for k in 0..ROW_WORDS {
                let words = S::load_words(weights.add(k * vectors * S::LANES));
                let (low, high) = (lower(words), upper(words));
                for m in 0..TOGETHER {
                    let pair = S::splat_word(pixels.add(m * ROW_WORDS + k));
                    even[m] = _mm512_fmadd_ps(lower(pair), low, even[m]);
                    odd[m] = _mm512_fmadd_ps(upper(pair), high, odd[m]);
                }
            }
            for m in 0..TOGETHER {
                sums[m] = _mm512_add_ps(sums[m], _mm512_add_ps(even[m], odd[m]));
            }
        });
    }
}

/// As `multiply_int8` of the hardware.
///
/// # Safety
/// As [`replica_bf16`], and the CPU has VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
pub(crate) unsafe fn replica_int8(job: &PackedTile, tiles: usize, vectors: usize) {
    // SAFETY: handed on from the caller.
    unsafe {
        each(job, tiles, vectors, |pixels, weights, sums: &mut [__m512; TOGETHER]| {
            for k in 0..ROW_WORDS {
                let words = S::load_words(weights.add(k * vectors * S::LANES));
                for m in 0..TOGETHER {
                    let four = S::splat_word(pixels.add(m * ROW_WORDS + k));
                    sums[m] = S::as_f32(S::dot_u8(four, words, S::as_words(sums[m])));
                }
            }
        });
    }
}

/// Goes over the sums, a few pixels and 16 channels at a time, and over the blocks of each.
#[inline(always)]
unsafe fn each(
    job: &PackedTile,
    tiles: usize,
    vectors: usize,
    block: impl Fn(*const u32, *const u32, &mut [__m512; TOGETHER]),
) {
    // SAFETY: handed on from the caller.
    unsafe {
        let stretches = std::slice::from_raw_parts(job.stretches, job.count);
        for first in (0..tiles * ROWS).step_by(TOGETHER) {
            for vector in 0..vectors {
                let mut sums = [S::splat(0.0); TOGETHER];
                for stretch in stretches {
                    for number in 0..stretch.blocks as usize {
                        let pixels = job.pixels.add(stretch.at as usize + number * BLOCK_BYTES + first * ROW_BYTES);
                        let row = stretch.row as usize + number * ROW_WORDS;
                        let weights = job.weights.add((row * vectors + vector) * S::LANES);
                        block(pixels.cast(), weights, &mut sums);
                    }
                }
                for (m, sum) in sums.into_iter().enumerate() {
                    let out = job.out.byte_add((first + m) * job.stride).add(vector * S::LANES);
                    S::store_words(out, S::as_words(sum));
                }
            }
        }
    }
}

macro_rules! peak {
    ($peak:ident, $multiply:ident) => {
        /// `rounds` × 16 products of the same tiles.
        ///
        /// # Safety
        /// As the products.
        pub(crate) unsafe fn $peak(rounds: usize) {
            let (pixels, weights) = ([0u32; HEIGHT * ROW_WORDS], [0u32; ROW_WORDS * 2 * ROW_WORDS]);
            let mut out = [0u32; HEIGHT * 2 * ROW_WORDS];
            let stretches = [Stretch { at: 0, row: 0, blocks: 1 }; 4];
            let job = PackedTile {
                pixels: pixels.as_ptr().cast(),
                weights: weights.as_ptr(),
                out: out.as_mut_ptr(),
                stride: 2 * ROW_BYTES,
                stretches: stretches.as_ptr(),
                count: stretches.len(),
            };
            for _ in 0..rounds {
                // SAFETY: handed on from the caller; the arrays are whole blocks and tiles.
                unsafe { $multiply(&job, 2, 2) };
            }
            std::hint::black_box(out);
        }
    };
}

peak!(replica_peak_bf16, replica_bf16);
peak!(replica_peak_int8, replica_int8);
