//! The kernels compiled for each instruction set.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

use facevault_graph::Reduction;
use facevault_kernels::sets::Set;

use super::chain::{Block, Target};
use super::rows;
use super::storage::Storage;
use super::window::{self, Window};

/// A row, ε, the scale, the shift.
type LayerNormKernel = unsafe fn(&mut [f32], f32, &[f32], Option<&[f32]>);

/// One instruction set's kernels.
pub struct Maps {
    /// A chain over rows, which are then written.
    pub finish: unsafe fn(&Block<'_>, &Target),
    pub pool: unsafe fn(&Window),
    pub softmax: unsafe fn(&mut [f32]),
    pub layer_norm: LayerNormKernel,
    pub reduce: unsafe fn(&[f32], Reduction) -> f32,
    pub load: unsafe fn(Storage, *const u8, &mut [f32]),
    pub store: unsafe fn(Storage, &[f32], *mut u8),
}

macro_rules! maps {
    ($module:ident, $features:literal) => {
        mod $module {
            use super::*;

            // SAFETY of every function here: the callers of a `Maps` keep the contract of its kernels, and it is handed out
            // only where the CPU has its features.
            #[target_feature(enable = $features)]
            unsafe fn finish(block: &Block<'_>, target: &Target) {
                // SAFETY: as above.
                unsafe { block.finish(target) }
            }
            #[target_feature(enable = $features)]
            unsafe fn pool(job: &Window) {
                // SAFETY: as above.
                unsafe { window::pool(job) }
            }
            #[target_feature(enable = $features)]
            unsafe fn softmax(row: &mut [f32]) {
                rows::softmax(row);
            }
            #[target_feature(enable = $features)]
            unsafe fn layer_norm(row: &mut [f32], epsilon: f32, scale: &[f32], shift: Option<&[f32]>) {
                rows::layer_norm(row, epsilon, scale, shift);
            }
            #[target_feature(enable = $features)]
            unsafe fn reduce(row: &[f32], reduction: Reduction) -> f32 {
                rows::reduce(row, reduction)
            }
            #[target_feature(enable = $features)]
            unsafe fn load(storage: Storage, from: *const u8, into: &mut [f32]) {
                // SAFETY: as above.
                unsafe { storage.load(from, into) }
            }
            #[target_feature(enable = $features)]
            unsafe fn store(storage: Storage, values: &[f32], to: *mut u8) {
                // SAFETY: as above.
                unsafe { storage.store(values, to) }
            }
            pub(super) static MAPS: Maps = Maps { finish, pool, softmax, layer_norm, reduce, load, store };
        }
    };
}

#[cfg(target_arch = "x86_64")]
maps!(avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
#[cfg(target_arch = "x86_64")]
maps!(avx2, "avx2,fma");
// The attribute has to name a feature: one of the baseline.
#[cfg(not(target_arch = "aarch64"))]
maps!(baseline, "sse2");
#[cfg(target_arch = "aarch64")]
maps!(baseline, "neon");

/// Those that go with a set of products, which this CPU has.
#[must_use]
pub fn maps(set: &Set) -> &'static Maps {
    #[cfg(target_arch = "x86_64")]
    {
        if set.lanes == 16 {
            return &avx512::MAPS;
        }
        if set.lanes == 8 {
            return &avx2::MAPS;
        }
    }
    let _ = set;
    &baseline::MAPS
}
