//! Counting with AVX-512: 16 products at once, sums and extremes in registers. Left to the compiler, the same loops take twice
//! as long.

// Tested by: `any_products_are_counted_as_defined` in crates/kernels/src/counting/tests.rs
// Tested by: `every_pair_is_collected_once_whatever_the_kernels` in crates/stats/src/similarity/blocks.rs

#[allow(clippy::wildcard_imports)] // All of it are intrinsics.
use std::arch::x86_64::*;

use super::{COLUMNS, Hits, Sums};
use crate::tally::{BINS, FIXED_POINT, Moments};

/// Products in a register.
const LANES: usize = 16;

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) fn count(run: &[f32], tail: f32, counts: &mut [u64; BINS], sums: &mut Sums, hits: &mut Hits) {
    // Bins wait in memory, from where they come one by one more cheaply than from a register.
    let mut bins = [[0; LANES]; COLUMNS / LANES];
    measure(run, tail, &mut bins, sums, hits);
    for &bin in &bins.as_flattened()[..run.len()] {
        counts[usize::from(bin)] += 1;
    }
}

/// All but the counts.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn measure(run: &[f32], tail: f32, bins: &mut [[u16; LANES]; COLUMNS / LANES], sums: &mut Sums, hits: &mut Hits) {
    const SHIFT: u32 = Moments::SQUARE_SHIFT;
    let (half, one) = (_mm512_set1_epi32(BINS as i32 / 2), _mm512_set1_epi64(1));
    let (bins_of_one, steps_of_one) = (_mm512_set1_ps((BINS / 2) as f32), _mm512_set1_ps(FIXED_POINT));
    let (lowest, highest, tail) = (_mm512_set1_ps(-1.0), _mm512_set1_ps(1.0), _mm512_set1_ps(tail));
    let (mut sum, mut magnitudes, mut squares) =
        (_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512());
    let (mut least, mut most) = (_mm512_set1_ps(sums.min), _mm512_set1_ps(sums.max));
    hits.found = 0;
    let mut first = 0;
    for bins in &mut bins[..run.len().div_ceil(LANES)] {
        let products = &run[first..];
        let given = u16::MAX >> LANES.saturating_sub(products.len());
        // SAFETY: `given` are the first lanes, as many as there are products. The others are 0 and add nothing to a sum.
        let products = unsafe { _mm512_maskz_loadu_ps(given, products.as_ptr()) };
        let cosines = _mm512_min_ps(_mm512_max_ps(products, lowest), highest);
        least = _mm512_mask_min_ps(least, given, cosines, least);
        most = _mm512_mask_max_ps(most, given, cosines, most);

        // Exact: the factor is a power of two. Of 1, the conversion to 16 bits makes the last bin.
        let places = _mm512_mul_ps(cosines, bins_of_one);
        let floors = _mm512_cvt_roundps_epi32::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(places);
        let packed = _mm512_cvtusepi32_epi16(_mm512_add_epi32(floors, half));
        // SAFETY: both are 16 numbers of 16 bits.
        unsafe { _mm256_storeu_si256(bins.as_mut_ptr().cast(), packed) };

        // Two to a lane of 64 bits.
        let steps = _mm512_cvttps_epi32(_mm512_mul_ps(cosines, steps_of_one));
        let pair = [_mm512_mul_epi32(steps, one), _mm512_srai_epi64::<32>(steps)];
        for steps in pair {
            sum = _mm512_add_epi64(sum, steps);
            magnitudes = _mm512_add_epi64(magnitudes, _mm512_abs_epi64(steps));
            squares = _mm512_add_epi64(squares, _mm512_srli_epi64::<SHIFT>(_mm512_mul_epi32(steps, steps)));
        }

        let mut reaching = _mm512_mask_cmp_ps_mask::<_CMP_GE_OQ>(given, cosines, tail);
        while reaching != 0 {
            hits.add(first + reaching.trailing_zeros() as usize, true);
            reaching &= reaching - 1;
        }
        first += LANES;
    }
    sums.count += run.len() as u64;
    sums.sum += _mm512_reduce_add_epi64(sum);
    sums.magnitudes += _mm512_reduce_add_epi64(magnitudes) as u64;
    sums.squares += _mm512_reduce_add_epi64(squares) as u64;
    sums.min = _mm512_reduce_min_ps(least);
    sums.max = _mm512_reduce_max_ps(most);
}
