//! Softmax, norms and reductions.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

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
        let (storage, to_storage) = (self.storage(&step.input), self.storage(&step.out));
        let (bytes, to_bytes) = (storage.bytes() as isize, to_storage.bytes() as isize);
        let mut values = vec![0f32; length];
        for face in faces {
            let (to, from) = (self.at(&step.out, face), self.at(&step.input, face).cast_const());
            for unit in self.member.share(all) {
                position(unit, axes.iter().map(|axis| axis.extent), &strides, &mut at);
                // SAFETY: a row of `length` numbers lies at every position of the loops, contiguous as the plan made sure;
                // members write disjoint rows. Input and output are different buffers.
                unsafe {
                    (maps.load)(storage, from.offset(at[1] * bytes), &mut values);
                    let to = to.offset(at[0] * to_bytes);
                    match &step.kind {
                        RowsKind::Reduce(reduction) => {
                            (maps.store)(to_storage, &[(maps.reduce)(&values, *reduction)], to);
                            continue;
                        }
                        RowsKind::Softmax => (maps.softmax)(&mut values),
                        RowsKind::LayerNorm { epsilon, scale, shift } => {
                            (maps.layer_norm)(&mut values, *epsilon, scale, shift.as_deref());
                        }
                    }
                    (maps.store)(to_storage, &values, to);
                }
            }
        }
    }
}
