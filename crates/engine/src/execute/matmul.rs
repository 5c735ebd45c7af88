//! Products of two activations: the right side is packed into panels first, as weights are when a plan is made.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

use std::ops::Range;

use facevault_kernels::kernels::TileJob;
use facevault_kernels::layer::{MOST_HEIGHT, MOST_SUMS};

use super::{Pass, position};
use crate::step::MatMul;
use crate::view::{View, loops};

static ONLY_TAP: u32 = 0;

impl Pass<'_> {
    pub(super) fn mat_mul(&self, p: &MatMul, faces: Range<usize>) {
        let set = self.plan.set;
        let rank = p.out.shape.len();
        let batch = |view: &View| View {
            shape: view.shape[..rank - 2].to_vec(),
            strides: view.strides[..rank - 2].to_vec(),
            ..view.clone()
        };
        let views = [batch(&p.out), batch(&p.left), batch(&p.right)];
        let axes = loops(&views[0].shape, &[&views[0], &views[1], &views[2]]);
        let strides: Vec<&[isize]> = axes.iter().map(|axis| &axis.strides[..]).collect();
        let batches: usize = axes.iter().map(|axis| axis.extent).product();
        let (rows, columns, inner) = (p.out.shape[rank - 2], p.out.shape[rank - 1], p.left.shape[rank - 1]);
        let width = 2 * set.lanes;
        let panels = columns.div_ceil(width);
        // With few products, a team shares the panels of each.
        let many = batches * faces.len() >= self.member.size();
        let splits = if many { 1 } else { panels.min(self.member.size()) };
        // SAFETY: each member has room of its own.
        let packed = unsafe { self.scratch(p.scratch).add(self.member.rank() * p.room) };
        let left_row = p.left.strides[rank - 2];
        let (right_row, right_column) = (p.right.strides[rank - 2], p.right.strides[rank - 1]);
        let mut at = [0isize; 3];
        let storage = self.storage(&p.out);
        let bytes = storage.bytes() as isize;
        let mut offsets = [0u32; MOST_HEIGHT];
        let mut sums = [0f32; MOST_SUMS];
        for unit in self.member.share(faces.len() * batches * splits) {
            let (face, product, split) =
                (faces.start + unit / (batches * splits), unit / splits % batches, unit % splits);
            position(product, axes.iter().map(|axis| axis.extent), &strides, &mut at);
            // SAFETY: every index lies inside the views; the room holds `panels` panels of `inner` × `width` numbers; members
            // write disjoint products or panels. Rows beyond the last are computed as the last.
            unsafe {
                let out = self.at(&p.out, face).offset(at[0] * bytes);
                let left = self.at(&p.left, face).cast::<f32>().offset(at[1]).cast_const();
                let right = self.at(&p.right, face).cast::<f32>().offset(at[2]).cast_const();
                for panel in split * panels / splits..(split + 1) * panels / splits {
                    let first = panel * width;
                    let here = (columns - first).min(width);
                    let vectors = here.div_ceil(set.lanes);
                    let step = vectors * set.lanes;
                    pack(
                        right.offset(first as isize * right_column),
                        (right_row, right_column),
                        (inner, here),
                        step,
                        packed,
                    );
                    for top in (0..rows).step_by(set.height) {
                        let count = (rows - top).min(set.height);
                        for (row, offset) in offsets[..set.height].iter_mut().enumerate() {
                            *offset = ((top + row.min(count - 1)) as isize * left_row * 4) as u32;
                        }
                        let job = TileJob {
                            arena: left.cast(),
                            taps: &raw const ONLY_TAP,
                            offsets: offsets.as_ptr(),
                            height: set.height,
                            runs: 1,
                            words: inner,
                            weights: packed.cast_const().cast(),
                            out: sums.as_mut_ptr().cast(),
                            stride: step,
                        };
                        (set.tile_f32)(&job, count, vectors);
                        for row in 0..count {
                            let to = (top + row) as isize * p.out.strides[rank - 2] + first as isize;
                            (self.plan.maps.store)(storage, &sums[row * step..][..here], out.offset(to * bytes));
                        }
                    }
                }
            }
        }
    }
}

/// A panel of `count` columns of a matrix, zeros up to `width`.
///
/// # Safety
/// `from` is valid for rows × columns numbers at these strides, `to` for rows × `width`.
unsafe fn pack(from: *const f32, strides: (isize, isize), (rows, count): (usize, usize), width: usize, to: *mut f32) {
    // SAFETY: handed on from the caller.
    unsafe {
        if strides.1 == 1 {
            for row in 0..rows {
                let to = to.add(row * width);
                to.copy_from_nonoverlapping(from.offset(row as isize * strides.0), count);
                for column in count..width {
                    to.add(column).write(0.0);
                }
            }
        } else {
            for column in 0..width {
                for row in 0..rows {
                    let value = if column < count {
                        *from.offset(row as isize * strides.0 + column as isize * strides.1)
                    } else {
                        0.0
                    };
                    to.add(row * width + column).write(value);
                }
            }
        }
    }
}
