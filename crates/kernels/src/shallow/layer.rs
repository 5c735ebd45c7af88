//! A layer's parameters, packed for an instruction set.

// Tested by: `sums_are_one_chain_of_multiply_adds_on_every_set` in crates/kernels/src/shallow/tests.rs
// Tested by: `instruction_sets_give_the_same_bytes` in crates/detect/tests/detect/same_bytes.rs

use super::sets::Entry;
use super::tile::Job;

/// A convolution or a matrix: `outputs` sums over a patch, which is `runs` stretches of `run` numbers of the input. In a picture
/// with interleaved channels a 3×3 patch is 3 runs of 3 × channels numbers; a row of a matrix is one run.
pub struct Layer {
    entry: &'static Entry,
    runs: usize,
    run: usize,
    outputs: usize,
    /// Panels of up to two registers of outputs: runs × run × (vectors × lanes); zeros fill the last.
    weights: Vec<f32>,
    /// Of each output, zeros to a whole register.
    bias: Vec<f32>,
    /// PReLU's slopes, or none.
    slopes: Option<Vec<f32>>,
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer")
            .field("runs", &self.runs)
            .field("run", &self.run)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

/// Where the patches of a layer's input are.
#[derive(Debug, Clone, Copy)]
pub struct Patches<'a> {
    /// All numbers.
    pub input: &'a [f32],
    /// Where each run of a patch begins, from the patch's start.
    pub runs: &'a [usize],
    /// Where each patch starts.
    pub starts: &'a [u32],
}

impl Layer {
    pub(super) fn new(
        entry: &'static Entry,
        runs: usize,
        run: usize,
        weights: &[f32],
        bias: &[f32],
        slopes: Option<&[f32]>,
    ) -> Self {
        let (outputs, length) = (bias.len(), runs * run);
        assert_eq!(weights.len(), outputs * length, "weights of {outputs} outputs over {length} numbers");
        assert!(slopes.is_none_or(|slopes| slopes.len() == outputs), "a slope for each of {outputs} outputs");
        let padded = outputs.next_multiple_of(entry.lanes);
        let mut packed = Vec::with_capacity(padded * length);
        for panel in (0..padded).step_by(2 * entry.lanes) {
            let lanes = panel..(panel + 2 * entry.lanes).min(padded);
            for k in 0..length {
                packed.extend(lanes.clone().map(|lane| if lane < outputs { weights[lane * length + k] } else { 0.0 }));
            }
        }
        let fill = |values: &[f32]| {
            let mut values = values.to_vec();
            values.resize(padded, 0.0);
            values
        };
        Self { entry, runs, run, outputs, weights: packed, bias: fill(bias), slopes: slopes.map(fill) }
    }

    /// Numbers that each patch gives.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The layer's outputs of each patch, one after the other.
    ///
    /// # Panics
    /// If a patch ends outside the input, or `out` is shorter than patches × outputs.
    pub fn apply(&self, patches: Patches, out: &mut [f32]) {
        self.run(patches, 1, out);
    }

    /// As [`Self::apply`], the largest over each four consecutive patches: 2×2 maximum pooling.
    ///
    /// # Panics
    /// As [`Self::apply`], or if the patches are not fours.
    pub fn apply_and_pool(&self, patches: Patches, out: &mut [f32]) {
        self.run(patches, 4, out);
    }

    fn run(&self, patches: Patches, group: usize, out: &mut [f32]) {
        let count = patches.starts.len();
        assert!(count.is_multiple_of(group), "{count} patches in groups of {group}");
        if count == 0 {
            return;
        }
        assert_eq!(patches.runs.len(), self.runs, "runs of a patch");
        let furthest = patches.runs.iter().max().unwrap_or(&0) + self.run;
        let last = patches.starts.iter().max().map_or(0, |&start| start as usize);
        assert!(last + furthest <= patches.input.len(), "a patch ends outside the input");
        assert!(count / group * self.outputs <= out.len(), "no room for {} × {} outputs", count / group, self.outputs);
        for panel in (0..self.bias.len()).step_by(2 * self.entry.lanes) {
            let vectors = (self.bias.len() - panel).div_ceil(self.entry.lanes).min(2);
            let job = Job {
                input: patches.input.as_ptr(),
                runs: patches.runs,
                run: self.run,
                starts: patches.starts,
                weights: self.weights[panel * self.runs * self.run..].as_ptr(),
                bias: self.bias[panel..].as_ptr(),
                slopes: self.slopes.as_ref().map_or(std::ptr::null(), |slopes| slopes[panel..].as_ptr()),
                out: out[panel..].as_mut_ptr(),
                stride: self.outputs,
                outputs: (self.outputs - panel).min(vectors * self.entry.lanes),
            };
            // SAFETY: the entry is of a set that the CPU has. Patches lie inside the input and their outputs inside `out`, as
            // asserted above; weights, bias and slopes are as long as the constructor made them.
            unsafe { (self.entry.tiles)(&job, vectors, group) }
        }
    }
}
