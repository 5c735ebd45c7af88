//! The kernels compiled for each instruction set.

// Tested by: `sums_are_one_chain_of_multiply_adds_on_every_set` in crates/kernels/src/shallow/tests.rs
// Tested by: `instruction_sets_give_the_same_bytes` in crates/detect/tests/detect/same_bytes.rs

use std::ops::Range;

use super::tile::{Job, tile};
use super::{area, pool};
use crate::Kernels;
use crate::simd::Simd;

/// `Shallow::averages`, compiled for a set.
type AveragesKernel = unsafe fn(&mut [u32], &[Range<u32>], &[f32], f32, &mut [f32]);

/// One instruction set's kernels.
pub(super) struct Entry {
    /// Name of the set.
    pub name: &'static str,
    /// 32-bit numbers in a register.
    pub lanes: usize,
    /// A panel of so many vectors over all patches, in groups of 1 or 4.
    pub tiles: unsafe fn(&Job, usize, usize),
    pub column_sums: unsafe fn(&[u8], usize, Range<usize>, usize, &mut [u32]),
    pub averages: AveragesKernel,
    pub pool: unsafe fn(&[f32], usize, usize, usize, &mut [f32]),
}

/// The tile of the smallest height that holds all patches that are left, else of the largest: heights ascend.
macro_rules! smallest {
    ($left:expr, $last:literal => $call:expr) => { $call };
    ($left:expr, $h:literal => $call:expr, $($rest:tt)+) => {
        if $left <= $h { $call } else { smallest!($left, $($rest)+) }
    };
}

/// The kernels compiled for one set; heights of tiles of single patches, and of patches that are pooled by fours.
macro_rules! set {
    ($module:ident, $name:literal, $set:ty, $features:literal, [$($h:literal),+], [$($fours:literal),+]) => {
        mod $module {
            use super::*;

            // SAFETY of every function here: the callers of an `Entry` keep the contract of its kernels, and an `Entry` is
            // handed out only where the CPU has its features.
            #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), target_feature(enable = $features))]
            unsafe fn tile_of<const H: usize, const V: usize, const G: usize>(job: &Job, first: usize) -> usize {
                // SAFETY: as above.
                unsafe { tile::<$set, H, V, G>(job, first) };
                H
            }
            unsafe fn tiles(job: &Job, vectors: usize, group: usize) {
                let mut first = 0;
                while first < job.starts.len() {
                    let left = job.starts.len() - first;
                    // SAFETY: as above.
                    first += unsafe {
                        match (group, vectors) {
                            (1, 1) => smallest!(left, $($h => tile_of::<$h, 1, 1>(job, first)),+),
                            (1, 2) => smallest!(left, $($h => tile_of::<$h, 2, 1>(job, first)),+),
                            (4, 1) => smallest!(left, $($fours => tile_of::<$fours, 1, 4>(job, first)),+),
                            (4, 2) => smallest!(left, $($fours => tile_of::<$fours, 2, 4>(job, first)),+),
                            _ => unreachable!("{vectors} vectors, groups of {group}"),
                        }
                    };
                }
            }
            #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), target_feature(enable = $features))]
            unsafe fn column_sums(
                picture: &[u8],
                stride: usize,
                rows: Range<usize>,
                first: usize,
                out: &mut [u32],
            ) {
                area::column_sums(picture, stride, rows, first, out);
            }
            #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), target_feature(enable = $features))]
            unsafe fn averages(
                sums: &mut [u32],
                windows: &[Range<u32>],
                widths: &[f32],
                height: f32,
                out: &mut [f32],
            ) {
                area::averages(sums, windows, widths, height, out);
            }
            #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), target_feature(enable = $features))]
            unsafe fn pool(input: &[f32], size: usize, channels: usize, side: usize, out: &mut [f32]) {
                // SAFETY: as above.
                unsafe { pool::pool::<$set>(input, size, channels, side, out) }
            }
            pub(super) static ENTRY: Entry =
                Entry { name: $name, lanes: <$set as Simd>::LANES, tiles, column_sums, averages, pool };
        }
    };
}

#[cfg(target_arch = "x86_64")]
set!(
    avx512,
    "avx512",
    crate::simd::avx512::Avx512,
    "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma",
    [1, 2, 4, 6, 8, 10, 12],
    [4, 8, 12]
);
#[cfg(target_arch = "x86_64")]
set!(avx2, "avx2+fma", crate::simd::avx2::Avx2, "avx2,fma", [1, 2, 3, 4, 5, 6], [4]);
#[cfg(target_arch = "aarch64")]
set!(neon, "neon", crate::simd::neon::Neon, "neon", [1, 2, 4, 6, 8, 10, 12], [4, 8, 12]);
// The attribute has to name a feature: one of the baseline.
#[cfg(not(target_arch = "aarch64"))]
set!(portable, "portable", crate::simd::portable::Portable, "sse2", [1, 2, 4], [4]);
#[cfg(target_arch = "aarch64")]
set!(portable, "portable", crate::simd::portable::Portable, "neon", [1, 2, 4], [4]);

/// The requested kernels, or the fastest for `auto`, if this CPU has them.
pub(super) fn able(kernels: Kernels) -> Option<&'static Entry> {
    match kernels {
        Kernels::Auto => [Kernels::Avx512, Kernels::Avx2, Kernels::Neon, Kernels::Portable].into_iter().find_map(able),
        #[cfg(target_arch = "x86_64")]
        // A matrix unit has no product of f32s.
        Kernels::Avx512 | Kernels::Amx if crate::cpu::avx512() => Some(&avx512::ENTRY),
        #[cfg(target_arch = "x86_64")]
        Kernels::Avx2 if crate::cpu::avx2() => Some(&avx2::ENTRY),
        #[cfg(target_arch = "aarch64")]
        Kernels::Neon => Some(&neon::ENTRY),
        Kernels::Portable => Some(&portable::ENTRY),
        _ => None,
    }
}
