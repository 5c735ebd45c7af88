//! The inner loops with 256-bit integer vectors. They give the portable loops' bytes, which `kernel_tests` checks.

// Tested by: `transforms_agree` in crates/jpeg/src/kernel_tests.rs
// Tested by: `upsampling_agrees` in crates/jpeg/src/kernel_tests.rs
// Tested by: `colours_agree` in crates/jpeg/src/kernel_tests.rs

#![allow(clippy::wildcard_imports, reason = "half of the file is their names")]

use std::arch::x86_64::*;

use crate::colour::{BLUE_CB, GREEN_CB, GREEN_CR, RED_CR, ycc_to_rgb};
use crate::dct::{
    F_0_298, F_0_390, F_0_541, F_0_765, F_0_899, F_1_175, F_1_501, F_1_847, F_1_961, F_2_053, F_2_562, F_3_072,
    SHIFT_1, SHIFT_2,
};
use crate::frame::{Block, SIDE};
use crate::upsample::Upsampling;

/// Proof that this CPU has AVX2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HasAvx2(());

#[allow(clippy::unused_self, reason = "it is the proof")]
impl HasAvx2 {
    /// `None` where the CPU lacks it.
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// [`crate::dct::inverse_row`], faster for blocks whose `extents` are small.
    pub fn inverse_row(self, blocks: &[Block], extents: &[u8], quantisers: &Block, out: &mut [u8], stride: usize) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { inverse_row(blocks, extents, quantisers, out, stride) }
    }

    /// [`Upsampling::row`].
    pub fn upsample_row(
        self,
        upsampling: Upsampling,
        near: &[u8],
        far: &[u8],
        is_lower: bool,
        sums: &mut [i16],
        out: &mut [u8],
    ) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { upsample_row(upsampling, near, far, is_lower, sums, out) }
    }

    /// [`crate::colour::ycc_to_rgb`].
    pub fn ycc_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { ycc_row(y, cb, cr, out) }
    }
}

/// The portable loops, compiled for wider vectors.
#[target_feature(enable = "avx2")]
fn upsample_row(upsampling: Upsampling, near: &[u8], far: &[u8], is_lower: bool, sums: &mut [i16], out: &mut [u8]) {
    upsampling.row(near, far, is_lower, sums, out);
}

/// Eight values to load.
#[target_feature(enable = "avx2")]
fn load8(values: &[i16; SIDE]) -> __m128i {
    // SAFETY: the array is 16 bytes long; the load needs no alignment.
    unsafe { _mm_loadu_si128(values.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn load16(values: &[u8; 16]) -> __m128i {
    // SAFETY: the array is 16 bytes long; the load needs no alignment.
    unsafe { _mm_loadu_si128(values.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn store16(out: &mut [u8; 16], value: __m128i) {
    // SAFETY: the array is 16 bytes long; the store needs no alignment.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), value) }
}

/// Pairs of blocks: one in the lower halves of the vectors, one in the upper.
#[target_feature(enable = "avx2")]
fn inverse_row(blocks: &[Block], extents: &[u8], quantisers: &Block, out: &mut [u8], stride: usize) {
    let quantisers = quantisers.as_chunks::<SIDE>().0;
    let quantisers: [__m256i; SIDE] = std::array::from_fn(|y| _mm256_broadcastsi128_si256(load8(&quantisers[y])));
    for (index, pair) in blocks.chunks(2).enumerate() {
        let out = &mut out[index * 2 * SIDE..];
        let (left, right) = (&pair[0], pair.get(1).unwrap_or(&[0; 64]));
        let extent = extents[index * 2].max(extents.get(index * 2 + 1).copied().unwrap_or(0));
        let rows = match extent {
            0 => flat(left[0], right[0], quantisers[0]),
            // In zigzag order, the first ten are within the first four rows and columns.
            1..10 => inverse::<true>(left, right, &quantisers),
            _ => inverse::<false>(left, right, &quantisers),
        };
        for (y, row) in rows.into_iter().enumerate() {
            if let Some(out) = out[y * stride..].first_chunk_mut() {
                store16(out, row);
            }
        }
    }
}

/// Two blocks of a single shade each.
#[target_feature(enable = "avx2")]
fn flat(left: i16, right: i16, quantisers: __m256i) -> [__m128i; SIDE] {
    let quantiser = _mm256_extract_epi16::<0>(quantisers) as i16;
    let shade = |value: i16| {
        let first = i32::from(value.wrapping_mul(quantiser) << 2);
        (((first + 16) >> 5).clamp(-128, 127) + 128) as i8
    };
    [_mm_unpacklo_epi64(_mm_set1_epi8(shade(left)), _mm_set1_epi8(shade(right))); SIDE]
}

/// Two blocks → their eight rows of samples side by side. `IS_SMALL` says that all but their first four rows and columns are
/// zeros.
#[target_feature(enable = "avx2")]
#[inline]
fn inverse<const IS_SMALL: bool>(left: &Block, right: &Block, quantisers: &[__m256i; SIDE]) -> [__m128i; SIDE] {
    let (left, right) = (left.as_chunks::<SIDE>().0, right.as_chunks::<SIDE>().0);
    let zero = _mm256_setzero_si256();
    let coefficients: [__m256i; SIDE] =
        std::array::from_fn(
            |y| {
                if IS_SMALL && y > 3 { zero } else { _mm256_set_m128i(load8(&right[y]), load8(&left[y])) }
            },
        );
    let values: [__m256i; SIDE] =
        std::array::from_fn(
            |y| {
                if IS_SMALL && y > 3 { zero } else { _mm256_mullo_epi16(coefficients[y], quantisers[y]) }
            },
        );
    let mut columns = pass::<SHIFT_1, IS_SMALL>(values);
    // A block whose rows are all alike takes libjpeg's shortcut, whose result differs where it overflows.
    let detail = coefficients[1..].iter().fold(zero, |all, &row| _mm256_or_si256(all, row));
    let plain = _mm256_cmpeq_epi64(detail, zero);
    let plain = _mm256_and_si256(plain, _mm256_shuffle_epi32::<0x4e>(plain));
    if _mm256_movemask_epi8(plain) != 0 {
        let top = _mm256_slli_epi16::<2>(values[0]);
        for column in &mut columns {
            *column = _mm256_blendv_epi8(*column, top, plain);
        }
    }
    let mut lines = transpose(columns);
    if IS_SMALL {
        lines[4..].fill(zero);
    }
    let rows = transpose(pass::<SHIFT_2, false>(lines));
    let centre = _mm256_set1_epi8(-128);
    let samples: [__m256i; SIDE / 2] = std::array::from_fn(|pair| {
        let bytes = _mm256_packs_epi16(rows[pair * 2], rows[pair * 2 + 1]);
        // Left and right of a row side by side.
        _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_xor_si256(bytes, centre))
    });
    std::array::from_fn(|y| match y % 2 {
        0 => _mm256_castsi256_si128(samples[y / 2]),
        _ => _mm256_extracti128_si256::<1>(samples[y / 2]),
    })
}

/// A factor for the first and for the second of each pair of values.
#[target_feature(enable = "avx2")]
fn factors(first: i32, second: i32) -> __m256i {
    _mm256_set1_epi32(second << 16 | first & 0xffff)
}

/// Sixteen one-dimensional transforms side by side; see [`crate::dct`]. `IS_HALF` says that the latter four of each eight are
/// of zeros.
#[target_feature(enable = "avx2")]
#[inline]
fn pass<const SHIFT: i32, const IS_HALF: bool>([x0, x1, x2, x3, x4, x5, x6, x7]: [__m256i; SIDE]) -> [__m256i; SIDE] {
    let zero = _mm256_setzero_si256();
    // Half of the values at a time: these are 32 bits wide.
    let wide = |value, upper| {
        // Times 2^13: up by 16 bits, down by 3.
        let high = if upper { _mm256_unpackhi_epi16(zero, value) } else { _mm256_unpacklo_epi16(zero, value) };
        _mm256_srai_epi32::<3>(high)
    };
    let pairs = |first, second, upper| {
        if upper { _mm256_unpackhi_epi16(first, second) } else { _mm256_unpacklo_epi16(first, second) }
    };
    let (sum, difference) = (_mm256_add_epi16(x0, x4), _mm256_sub_epi16(x0, x4));
    let (z3, z4) = (_mm256_add_epi16(x7, x3), _mm256_add_epi16(x5, x1));
    let half = |upper| {
        let x26 = pairs(x2, x6, upper);
        let low = _mm256_madd_epi16(x26, factors(F_0_541 + F_0_765, F_0_541));
        let high = _mm256_madd_epi16(x26, factors(F_0_541, F_0_541 - F_1_847));
        let (sum, difference) = (wide(sum, upper), wide(difference, upper));
        let even = [
            _mm256_add_epi32(sum, low),
            _mm256_add_epi32(difference, high),
            _mm256_sub_epi32(difference, high),
            _mm256_sub_epi32(sum, low),
        ];

        let (z, x71, x53) = (pairs(z3, z4, upper), pairs(x7, x1, upper), pairs(x5, x3, upper));
        let w3 = _mm256_madd_epi16(z, factors(F_1_175 - F_1_961, F_1_175));
        let w4 = _mm256_madd_epi16(z, factors(F_1_175, F_1_175 - F_0_390));
        let odd = [
            _mm256_add_epi32(_mm256_madd_epi16(x71, factors(-F_0_899, F_1_501 - F_0_899)), w4),
            _mm256_add_epi32(_mm256_madd_epi16(x53, factors(-F_2_562, F_3_072 - F_2_562)), w3),
            _mm256_add_epi32(_mm256_madd_epi16(x53, factors(F_2_053 - F_2_562, -F_2_562)), w4),
            _mm256_add_epi32(_mm256_madd_epi16(x71, factors(F_0_298 - F_0_899, -F_0_899)), w3),
        ];
        let rounding = _mm256_set1_epi32(1 << (SHIFT - 1));
        let descaled = |value| _mm256_srai_epi32::<SHIFT>(_mm256_add_epi32(value, rounding));
        let above: [__m256i; 4] = std::array::from_fn(|k| descaled(_mm256_add_epi32(even[k], odd[k])));
        let below: [__m256i; 4] = std::array::from_fn(|k| descaled(_mm256_sub_epi32(even[k], odd[k])));
        (above, below)
    };
    let (above_l, below_l) = half(false);
    let (above_u, below_u) = if IS_HALF { ([zero; 4], [zero; 4]) } else { half(true) };
    std::array::from_fn(|k| match k {
        0..4 => _mm256_packs_epi32(above_l[k], above_u[k]),
        _ => _mm256_packs_epi32(below_l[7 - k], below_u[7 - k]),
    })
}

/// Rows ↔ columns of two 8 × 8 blocks of 16-bit values.
#[target_feature(enable = "avx2")]
#[inline]
fn transpose(rows: [__m256i; SIDE]) -> [__m256i; SIDE] {
    let pairs: [__m256i; SIDE] = std::array::from_fn(|k| match k {
        0..4 => _mm256_unpacklo_epi16(rows[k], rows[k + 4]),
        _ => _mm256_unpackhi_epi16(rows[k - 4], rows[k]),
    });
    // pairs[k] = rows k and k + 4, first (k < 4) or last half of the columns; twice more of the same kind.
    let fours: [__m256i; SIDE] = std::array::from_fn(|k| {
        let from = (k & 4) | (k & 1);
        match k & 2 {
            0 => _mm256_unpacklo_epi16(pairs[from], pairs[from + 2]),
            _ => _mm256_unpackhi_epi16(pairs[from], pairs[from + 2]),
        }
    });
    std::array::from_fn(|k| {
        let from = k & 6;
        match k & 1 {
            0 => _mm256_unpacklo_epi16(fours[from], fours[from + 1]),
            _ => _mm256_unpackhi_epi16(fours[from], fours[from + 1]),
        }
    })
}

#[target_feature(enable = "avx2")]
fn ycc_row(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    let pixels = out.len() / 3;
    let groups = y[..pixels].as_chunks::<16>().0.iter().zip(cb.as_chunks::<16>().0).zip(cr.as_chunks::<16>().0);
    for (((y, cb), cr), out) in groups.zip(out.as_chunks_mut::<48>().0) {
        let wide = |samples| _mm256_cvtepu8_epi16(load16(samples));
        let centre = _mm256_set1_epi16(128);
        let (y, cb, cr) = (wide(y), _mm256_sub_epi16(wide(cb), centre), _mm256_sub_epi16(wide(cr), centre));
        // The factors' whole parts by addition, so that the rest fits 16 bits: value × rest, halves rounded up.
        let scaled = |value, rest: i32| {
            let twice = _mm256_mulhi_epi16(_mm256_add_epi16(value, value), _mm256_set1_epi16(rest as i16));
            _mm256_srai_epi16::<1>(_mm256_add_epi16(twice, _mm256_set1_epi16(1)))
        };
        let red = _mm256_add_epi16(cr, scaled(cr, RED_CR - (1 << 16)));
        let blue = _mm256_add_epi16(_mm256_add_epi16(cb, cb), scaled(cb, BLUE_CB - (2 << 16)));
        let weights = factors(GREEN_CB, GREEN_CR + (1 << 16));
        let green = |pairs| {
            let sum = _mm256_add_epi32(_mm256_madd_epi16(pairs, weights), _mm256_set1_epi32(1 << 15));
            _mm256_srai_epi32::<16>(sum)
        };
        let green = _mm256_packs_epi32(green(_mm256_unpacklo_epi16(cb, cr)), green(_mm256_unpackhi_epi16(cb, cr)));
        let green = _mm256_sub_epi16(green, cr);
        let bytes = |offset| {
            let value = _mm256_add_epi16(y, offset);
            _mm_packus_epi16(_mm256_castsi256_si128(value), _mm256_extracti128_si256::<1>(value))
        };
        interleave(bytes(red), bytes(green), bytes(blue), out);
    }
    let done = pixels / 16 * 16;
    ycc_to_rgb(&y[done..], &cb[done..], &cr[done..], &mut out[done * 3..]);
}

/// Sixteen pixels from their channels.
#[target_feature(enable = "avx2")]
fn interleave(red: __m128i, green: __m128i, blue: __m128i, out: &mut [u8; 48]) {
    // Where each byte of the output comes from, channel by channel; −1: from another channel.
    const FROM: [[[i8; 16]; 3]; 3] = {
        let mut from = [[[-1; 16]; 3]; 3];
        let mut byte = 0;
        while byte < 48 {
            from[byte / 16][byte % 3][byte % 16] = (byte / 3) as i8;
            byte += 1;
        }
        from
    };
    let mask = |bytes: &[i8; 16]| load16(&bytes.map(|byte| byte as u8));
    for (out, from) in out.as_chunks_mut::<16>().0.iter_mut().zip(&FROM) {
        let part = |channel, index: usize| _mm_shuffle_epi8(channel, mask(&from[index]));
        store16(out, _mm_or_si128(_mm_or_si128(part(red, 0), part(green, 1)), part(blue, 2)));
    }
}
