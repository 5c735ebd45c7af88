//! The inner loop of a layer.

// Tested by: `sums_are_one_chain_of_multiply_adds_on_every_set` in crates/kernels/src/shallow/tests.rs
// Tested by: `instruction_sets_give_the_same_bytes` in crates/detect/tests/detect/same_bytes.rs

use crate::simd::Simd;

/// One panel of a layer over all patches.
pub(super) struct Job<'a> {
    /// Base of the patches.
    pub input: *const f32,
    /// Where each run of a patch begins, from the patch's start.
    pub runs: &'a [usize],
    /// Numbers of a run.
    pub run: usize,
    /// Where each patch starts.
    pub starts: &'a [u32],
    /// runs × run × (vectors × LANES).
    pub weights: *const f32,
    /// Of each output, whole registers.
    pub bias: *const f32,
    /// Of each output, whole registers; or null.
    pub slopes: *const f32,
    /// This panel's outputs of the first patch or group.
    pub out: *mut f32,
    /// Numbers between the outputs of two patches or groups.
    pub stride: usize,
    /// Outputs of this panel.
    pub outputs: usize,
}

/// H patches × V vectors of outputs, in registers; the largest over each G patches is stored. `first` is the first patch; those
/// beyond the last are computed as the last, and not stored.
///
/// # Safety
/// The CPU has the set, and the pointers of `job` are valid for what it says.
#[inline(always)]
pub(super) unsafe fn tile<S: Simd, const H: usize, const V: usize, const G: usize>(job: &Job, first: usize) {
    // SAFETY: handed on from the caller.
    unsafe {
        let last = job.starts.len() - 1;
        let rows: [*const f32; H] =
            std::array::from_fn(|m| job.input.add(*job.starts.get_unchecked((first + m).min(last)) as usize));
        let bias: [S::F; V] = std::array::from_fn(|v| S::load(job.bias.add(v * S::LANES)));
        let mut sums = [bias; H];
        let mut weights = job.weights;
        for &offset in job.runs {
            for k in offset..offset + job.run {
                let columns: [S::F; V] = std::array::from_fn(|v| S::load(weights.add(v * S::LANES)));
                for m in 0..H {
                    let value = S::splat(*rows[m].add(k));
                    for v in 0..V {
                        sums[m][v] = S::fused(value, columns[v], sums[m][v]);
                    }
                }
                weights = weights.add(V * S::LANES);
            }
        }
        if !job.slopes.is_null() {
            let zero = S::splat(0.0);
            for v in 0..V {
                let slope = S::load(job.slopes.add(v * S::LANES));
                for m in 0..H {
                    let positive = S::max(sums[m][v], zero);
                    let negative = S::sub(zero, S::max(S::sub(zero, sums[m][v]), zero));
                    // One of the two is 0: nothing is rounded but the product.
                    sums[m][v] = S::add(positive, S::mul(slope, negative));
                }
            }
        }
        let groups = ((last + 1 - first) / G).min(H / G);
        for group in 0..H / G {
            if group == groups {
                break;
            }
            let out = job.out.add((first / G + group) * job.stride);
            for v in 0..V {
                let mut most = sums[group * G][v];
                for m in 1..G {
                    most = S::max(most, sums[group * G + m][v]);
                }
                if (v + 1) * S::LANES <= job.outputs {
                    S::store(out.add(v * S::LANES), most);
                } else {
                    S::store_first(out.add(v * S::LANES), most, job.outputs - v * S::LANES);
                }
            }
        }
    }
}
