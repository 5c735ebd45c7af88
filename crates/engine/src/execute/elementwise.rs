//! Elementwise steps.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

use std::ops::Range;

use super::{Pass, position};
use crate::kernels::chain::{Block, Operand, Place, Target, WIDEST};
use crate::kernels::storage::Storage;
use crate::step::Map;
use crate::view::{Axis, View, loops};

/// Rows at a time.
const ROWS: usize = 16;

/// Row after row.
static PLACES: [Place; ROWS] = {
    let mut places = [Place { image: 0, pixel: 0 }; ROWS];
    let mut row = 0;
    while row < ROWS {
        places[row].pixel = row as u32;
        row += 1;
    }
    places
};

impl Pass<'_> {
    pub(super) fn map(&self, map: &Map, faces: Range<usize>) {
        let views: Vec<&View> = [&map.out, &map.input].into_iter().chain(&map.operands).collect();
        let mut axes = loops(&map.out.shape, &views);
        let unit = |extent| Axis { extent, strides: vec![0; views.len()] };
        // The innermost loop is contiguous in the output; without one, it is one number.
        if axes.last().is_none_or(|axis| axis.strides[0] != 1) {
            axes.push(Axis { extent: 1, strides: vec![1; views.len()] });
        }
        if axes.len() < 2 {
            axes.insert(0, unit(1));
        }
        let (Some(inner), Some(rows)) = (axes.pop(), axes.pop()) else { return };
        let strides: Vec<&[isize]> = axes.iter().map(|axis| &axis.strides[..]).collect();
        let outer: usize = axes.iter().map(|axis| axis.extent).product();
        let (blocks, pieces) = (rows.extent.div_ceil(ROWS), inner.extent.div_ceil(WIDEST));
        let units = outer * blocks * pieces;
        let mut at = vec![0isize; views.len()];
        let mut values = [0f32; ROWS * WIDEST];
        let storages: Vec<Storage> = views.iter().map(|view| self.storage(view)).collect();
        for face in faces {
            let bases: Vec<*mut u8> = views.iter().map(|view| self.at(view, face)).collect();
            for unit in self.member.share(units) {
                let (outer, block, piece) = (unit / (blocks * pieces), unit / pieces % blocks, unit % pieces);
                position(outer, axes.iter().map(|axis| axis.extent), &strides, &mut at);
                let (row, column) = (block * ROWS, piece * WIDEST);
                let count = (rows.extent - row).min(ROWS);
                let width = (inner.extent - column).min(WIDEST);
                let place = |view: usize| {
                    let offset = at[view] + row as isize * rows.strides[view] + column as isize * inner.strides[view];
                    // SAFETY: inside the view.
                    unsafe { bases[view].offset(offset * storages[view].bytes() as isize) }
                };
                // SAFETY: members write disjoint units; every index of the loops lies inside each view.
                unsafe {
                    for row in 0..count {
                        let step = rows.strides[1] * storages[1].bytes() as isize;
                        let from = place(1).offset(row as isize * step).cast_const();
                        let into = &mut values[row * WIDEST..][..width];
                        if inner.strides[1] == 0 {
                            into.fill(storages[1].read(from));
                        } else {
                            (self.plan.maps.load)(storages[1], from, into);
                        }
                    }
                    let operand = |view: usize| Operand {
                        base: place(view).cast_const(),
                        storage: storages[view],
                        image: 0,
                        pixel: rows.strides[view] as usize * storages[view].bytes(),
                        wide: inner.strides[view] != 0,
                    };
                    let operands: Vec<Operand> = (2..views.len()).map(operand).collect();
                    let target = Target {
                        base: place(0),
                        storage: storages[0],
                        image: 0,
                        pixel: rows.strides[0] as usize * storages[0].bytes(),
                    };
                    let block = Block {
                        values: values.as_mut_ptr(),
                        stride: WIDEST,
                        width,
                        places: &PLACES[..count],
                        links: &map.links,
                        operands: &operands,
                        twins: &[],
                    };
                    (self.plan.maps.finish)(&block, &target);
                }
            }
        }
    }
}
