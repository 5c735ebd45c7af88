//! Copies.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

use std::ops::Range;

use super::{Pass, position};
use crate::view::{Axis, View, loops};

impl Pass<'_> {
    pub(super) fn copy(&self, from: &View, to: &View, faces: Range<usize>) {
        let mut axes = loops(&to.shape, &[to, from]);
        let inner = axes.pop().unwrap_or(Axis { extent: 1, strides: vec![1, 1] });
        let strides: Vec<&[isize]> = axes.iter().map(|axis| &axis.strides[..]).collect();
        let outer: usize = axes.iter().map(|axis| axis.extent).product();
        let mut at = [0isize; 2];
        let (to_storage, storage) = (self.storage(to), self.storage(from));
        let (to_bytes, bytes) = (to_storage.bytes() as isize, storage.bytes() as isize);
        for face in faces {
            let (to, from) = (self.at(to, face), self.at(from, face).cast_const());
            for unit in self.member.share(outer) {
                position(unit, axes.iter().map(|axis| axis.extent), &strides, &mut at);
                // SAFETY: every index of the loops lies inside both views; members write disjoint units.
                unsafe {
                    let (to, from) = (to.offset(at[0] * to_bytes), from.offset(at[1] * bytes));
                    if inner.strides[..] == [1, 1] && storage == to_storage {
                        to.copy_from_nonoverlapping(from, inner.extent * storage.bytes());
                    } else {
                        for i in 0..inner.extent as isize {
                            let value = storage.read(from.offset(i * inner.strides[1] * bytes));
                            to_storage.store(&[value], to.offset(i * inner.strides[0] * to_bytes));
                        }
                    }
                }
            }
        }
    }

    pub(super) fn fill(&self, value: f32, to: &View, faces: Range<usize>) {
        let axes = loops(&to.shape, &[to]);
        let strides: Vec<&[isize]> = axes.iter().map(|axis| &axis.strides[..]).collect();
        let all: usize = axes.iter().map(|axis| axis.extent).product();
        let mut at = [0isize];
        let storage = self.storage(to);
        for face in faces {
            let to = self.at(to, face);
            for unit in self.member.share(all) {
                position(unit, axes.iter().map(|axis| axis.extent), &strides, &mut at);
                // SAFETY: as above.
                unsafe { storage.store(&[value], to.offset(at[0] * storage.bytes() as isize)) };
            }
        }
    }
}
