//! Softmax, norms and reductions.

use std::ops::Range;

use super::{Pass, position};
use crate::step::{Rows, RowsKind};
use crate::view::{View, loops};

impl Pass<'_> {
    pub(super) fn rows(&self, step: &Rows, faces: Range<usize>) {
        let length: usize = step.input.shape[step.axis..].iter().product();
        let outer = |view: &View| View {
            shape: view.shape[..step.axis].to_vec(),
            strides: view.strides[..step.axis].to_vec(),
            ..view.clone()
        };
        let (from, to) = (outer(&step.input), outer(&step.out));
        let axes = loops(&from.shape, &[&to, &from]);
        let strides: Vec<&[isize]> = axes.iter().map(|axis| &axis.strides[..]).collect();
        let all: usize = axes.iter().map(|axis| axis.extent).product();
        let maps = self.plan.maps;
        let mut at = [0isize; 2];
        for face in faces {
            let (to, from) = (self.at(&step.out, face), self.at(&step.input, face).cast_const());
            for unit in self.member.share(all) {
                position(unit, axes.iter().map(|axis| axis.extent), &strides, &mut at);
                // SAFETY: a row of `length` numbers lies at every position of the loops, contiguous as the plan made sure;
                // members write disjoint rows. Input and output are different buffers.
                unsafe {
                    let row = std::slice::from_raw_parts(from.offset(at[1]), length);
                    let to = to.offset(at[0]);
                    match &step.kind {
                        RowsKind::Reduce(reduction) => to.write((maps.reduce)(row, *reduction)),
                        RowsKind::Softmax => {
                            let to = std::slice::from_raw_parts_mut(to, length);
                            to.copy_from_slice(row);
                            (maps.softmax)(to);
                        }
                        RowsKind::LayerNorm { epsilon, scale, shift } => {
                            let to = std::slice::from_raw_parts_mut(to, length);
                            to.copy_from_slice(row);
                            (maps.layer_norm)(to, *epsilon, scale, shift.as_deref());
                        }
                    }
                }
            }
        }
    }
}
