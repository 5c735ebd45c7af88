//! Dequantisation and inverse DCT: the "accurate integer" transform after Loeffler, Ligtenberg and Moschytz (1989) with
//! 13-bit constants, as libjpeg's `jidctint.c` defines it and its SIMD forms compute it.
//!
//! All of these agree on a valid picture, which never overflows. A damaged one can, and then this module follows the SIMD
//! forms, which Pillow's and OpenCV's builds run: 16-bit products and sums wrap around, the results of a pass saturate.

use crate::frame::{Block, SIDE};

/// Fractional bits of the constants.
const CONST_BITS: u32 = 13;
/// Fractional bits of what the first pass hands to the second.
const PASS1_BITS: u32 = 2;

pub(crate) const SHIFT_1: i32 = (CONST_BITS - PASS1_BITS) as i32;
pub(crate) const SHIFT_2: i32 = (CONST_BITS + PASS1_BITS + 3) as i32;

// The rotations' factors, times 2^13.
pub(crate) const F_0_298: i32 = 2_446;
pub(crate) const F_0_390: i32 = 3_196;
pub(crate) const F_0_541: i32 = 4_433;
pub(crate) const F_0_765: i32 = 6_270;
pub(crate) const F_0_899: i32 = 7_373;
pub(crate) const F_1_175: i32 = 9_633;
pub(crate) const F_1_501: i32 = 12_299;
pub(crate) const F_1_847: i32 = 15_137;
pub(crate) const F_1_961: i32 = 16_069;
pub(crate) const F_2_053: i32 = 16_819;
pub(crate) const F_2_562: i32 = 20_995;
pub(crate) const F_3_072: i32 = 25_172;

/// A row of blocks → eight rows of samples, the first at `out[0]`, `stride` bytes apart.
pub(crate) fn inverse_row(blocks: &[Block], quantisers: &Block, out: &mut [u8], stride: usize) {
    for (index, block) in blocks.iter().enumerate() {
        let samples = inverse(block, quantisers);
        for (y, row) in samples.as_chunks::<SIDE>().0.iter().enumerate() {
            out[y * stride + index * SIDE..][..SIDE].copy_from_slice(row);
        }
    }
}

/// One block → its samples, row by row.
fn inverse(block: &Block, quantisers: &Block) -> [u8; 64] {
    let mut values = [0; 64];
    for ((value, &coefficient), &quantiser) in values.iter_mut().zip(block).zip(quantisers) {
        *value = coefficient.wrapping_mul(quantiser);
    }
    if block[SIDE..].iter().all(|&coefficient| coefficient == 0) {
        // Columns without detail; differs from the general way only where it overflows.
        let top: [i16; SIDE] = std::array::from_fn(|x| values[x] << PASS1_BITS);
        for row in values.as_chunks_mut::<SIDE>().0 {
            *row = top;
        }
    } else {
        pass::<SHIFT_1>(&mut values, SIDE, 1);
    }
    pass::<SHIFT_2>(&mut values, 1, SIDE);
    values.map(|value| (value.clamp(-128, 127) + 128) as u8)
}

/// Eight one-dimensional transforms in place: each over values `step` apart, the transforms `next` apart.
#[inline(always)]
fn pass<const SHIFT: i32>(values: &mut [i16; 64], step: usize, next: usize) {
    for index in 0..SIDE {
        let at = |k: usize| k * step + index * next;
        let [x0, x1, x2, x3, x4, x5, x6, x7] = std::array::from_fn(|k| values[at(k)]);
        let wide = i32::from;

        // Even part.
        let sum = wide(x0.wrapping_add(x4)) << CONST_BITS;
        let difference = wide(x0.wrapping_sub(x4)) << CONST_BITS;
        let low = wide(x2) * (F_0_541 + F_0_765) + wide(x6) * F_0_541;
        let high = wide(x2) * F_0_541 + wide(x6) * (F_0_541 - F_1_847);
        let even = [
            sum.wrapping_add(low),
            difference.wrapping_add(high),
            difference.wrapping_sub(high),
            sum.wrapping_sub(low),
        ];

        // Odd part.
        let (z3, z4) = (wide(x7.wrapping_add(x3)), wide(x5.wrapping_add(x1)));
        let w3 = z3 * (F_1_175 - F_1_961) + z4 * F_1_175;
        let w4 = z3 * F_1_175 + z4 * (F_1_175 - F_0_390);
        let odd = [
            (wide(x7) * -F_0_899 + wide(x1) * (F_1_501 - F_0_899)).wrapping_add(w4),
            (wide(x5) * -F_2_562 + wide(x3) * (F_3_072 - F_2_562)).wrapping_add(w3),
            (wide(x5) * (F_2_053 - F_2_562) + wide(x3) * -F_2_562).wrapping_add(w4),
            (wide(x7) * (F_0_298 - F_0_899) + wide(x1) * -F_0_899).wrapping_add(w3),
        ];

        for (k, (even, odd)) in even.into_iter().zip(odd).enumerate() {
            values[at(k)] = descale::<SHIFT>(even.wrapping_add(odd));
            values[at(7 - k)] = descale::<SHIFT>(even.wrapping_sub(odd));
        }
    }
}

#[inline(always)]
fn descale<const SHIFT: i32>(value: i32) -> i16 {
    (value.wrapping_add(1 << (SHIFT - 1)) >> SHIFT).clamp(i16::MIN.into(), i16::MAX.into()) as i16
}
