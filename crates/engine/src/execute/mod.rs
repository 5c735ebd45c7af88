//! Runs a plan over a group of faces: alone on a thread, or step by step with a team.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

mod elementwise;
mod matmul;
mod movement;
mod pool;
mod product;
mod rows;

use std::ops::Range;

use facevault_kernels::arena::ArenaPointer;
use facevault_kernels::team::TeamMember;

use crate::kernels::chain::{Operand, Target, TwinTarget};
use crate::kernels::storage::Storage;
use crate::plan::{Plan, TileTables};
use crate::ranges::Ranges;
use crate::step::{Finish, Pixels, Twin, Work};
use crate::view::{Axis, Home, View, loops};

/// One group of faces going through the plan.
pub struct Pass<'a> {
    pub plan: &'a Plan,
    pub tables: &'a TileTables,
    pub arena: ArenaPointer,
    pub member: &'a TeamMember<'a>,
    /// At most a group of faces, interleaved bytes.
    pub pixels: &'a [u8],
    pub images: usize,
    /// Network input of each byte.
    pub values: &'a [f32; 256],
}

impl Pass<'_> {
    /// Runs every step; `watch` is called after each with its index and the faces it was for.
    pub fn run(&self, mut watch: impl FnMut(usize, Range<usize>)) {
        debug_assert!(self.images <= self.plan.group);
        let stem = self.plan.stem;
        for image in 0..self.images {
            for i in 0..stem {
                self.step(i, image..image + 1);
                self.member.meet();
                watch(i, image..image + 1);
            }
        }
        for i in stem..self.plan.steps.len() {
            self.step(i, 0..self.images);
            self.member.meet();
            watch(i, 0..self.images);
        }
    }

    fn step(&self, index: usize, faces: Range<usize>) {
        let table = &self.tables.steps[index];
        match &self.plan.steps[index].work {
            Work::Standardise { out, length } => self.standardise(out, *length, faces),
            Work::Product(product) => self.product(product, table, faces.start),
            Work::Winograd(winograd) => self.winograd(winograd, faces),
            Work::Depthwise(depthwise) => self.depthwise(depthwise, table, faces.start),
            Work::MatMul(product) => self.mat_mul(product, faces),
            Work::Map(map) => self.map(map, faces),
            Work::Pool(pool) => self.pool(pool, faces),
            Work::Rows(rows) => self.rows(rows, faces),
            Work::Copy { from, to } => self.copy(from, to, faces),
            Work::Fill { value, to } => self.fill(*value, to, faces),
        }
    }

    /// The first number of a view, for a face.
    fn at(&self, view: &View, face: usize) -> *mut u8 {
        match view.home {
            Home::Buffer(buffer) => {
                let buffer = &self.plan.buffers[buffer];
                // SAFETY: the plan laid its buffers out inside the arena.
                unsafe {
                    self.arena.start().add(buffer.offset + face * buffer.face + view.offset * buffer.storage.bytes())
                }
            }
            // SAFETY: the view lies inside the constants. Nothing writes through it: no step's result is a constant.
            Home::Constants => unsafe { self.plan.constants.as_ptr().cast_mut().add(view.offset).cast() },
        }
    }

    /// How the numbers of a view are kept.
    fn storage(&self, view: &View) -> Storage {
        match view.home {
            Home::Buffer(buffer) => self.plan.buffers[buffer].storage,
            Home::Constants => Storage::F32,
        }
    }

    /// Scratch of a step.
    fn scratch(&self, buffer: usize) -> *mut f32 {
        // SAFETY: as in `at`.
        unsafe { self.arena.start().add(self.plan.buffers[buffer].offset).cast() }
    }

    /// Bytes from face to face.
    fn face_bytes(&self, view: &View) -> usize {
        match view.home {
            Home::Buffer(buffer) => self.plan.buffers[buffer].face,
            Home::Constants => 0,
        }
    }

    fn target(&self, pixels: &Pixels, first: usize) -> Target {
        Target {
            base: self.at(&pixels.view, first),
            storage: self.storage(&pixels.view),
            image: self.face_bytes(&pixels.view),
            pixel: pixels.pixel * self.storage(&pixels.view).bytes(),
        }
    }

    fn operands(&self, finish: &Finish, first: usize) -> Vec<Operand> {
        let operand = |pixels: &Pixels| Operand {
            base: self.at(&pixels.view, first).cast_const(),
            storage: self.storage(&pixels.view),
            image: self.face_bytes(&pixels.view),
            pixel: pixels.pixel * self.storage(&pixels.view).bytes(),
            wide: pixels.wide,
        };
        finish.operands.iter().map(operand).collect()
    }

    fn twins(&self, finish: &Finish, first: usize) -> Vec<TwinTarget> {
        let constant = |view: &View| self.at(view, first).cast_const().cast();
        let twin = |twin: &Twin| TwinTarget {
            scale_and_shift: twin.scale_and_shift.as_ref().map(|both| both.each_ref().map(constant)),
            target: self.target(&twin.out, first),
        };
        finish.twins.iter().map(twin).collect()
    }

    /// The bytes of a face lie as the view's axes do, row after row; around them, the buffer holds zeros.
    fn standardise(&self, out: &View, length: usize, faces: Range<usize>) {
        let (height, width) = self.plan.side;
        let line = width * 3;
        let rows = if out.shape[1] == 3 && out.shape[3] != 3 { 2 } else { 1 };
        let step = out.strides[rows] as usize;
        for image in faces {
            let pixels = &self.pixels[image * height * line..(image + 1) * height * line];
            // SAFETY: the buffer begins `offset` numbers before the view.
            let start = unsafe { self.at(out, image).cast::<f32>().sub(out.offset) };
            for y in self.member.share(height) {
                let from = if y == 0 { 0 } else { out.offset + (y - 1) * step + line };
                let (here, end) = (out.offset + y * step, if y + 1 == height { length } else { 0 });
                // SAFETY: rows lie `step` ≥ `line` numbers apart in a buffer of `length`; members write disjoint ones, each
                // with the zeros before it.
                unsafe {
                    start.add(from).write_bytes(0, here - from);
                    for (i, &pixel) in pixels[y * line..(y + 1) * line].iter().enumerate() {
                        start.add(here + i).write(self.values[usize::from(pixel)]);
                    }
                    let behind = here + line;
                    start.add(behind).write_bytes(0, end.saturating_sub(behind));
                }
            }
        }
    }

    /// Widens the ranges of the values that a step wrote and that int8 keeps in whole numbers.
    pub fn widen(&self, step: usize, faces: Range<usize>, ranges: &mut Ranges) {
        for view in self.plan.steps[step].work.writes() {
            let observed = |(buffer, _): &&(usize, String)| view.home == Home::Buffer(*buffer);
            let Some((_, name)) = self.plan.observed.iter().find(observed) else { continue };
            let range = ranges.entry(name.clone()).or_insert([0.0; 2]);
            let mut axes = loops(&view.shape, &[view]);
            let inner = axes.pop().unwrap_or(Axis { extent: 1, strides: vec![1] });
            let strides: Vec<&[isize]> = axes.iter().map(|axis| &axis.strides[..]).collect();
            let outer: usize = axes.iter().map(|axis| axis.extent).product();
            let mut at = [0isize];
            for face in faces.clone() {
                let from = self.at(view, face).cast_const().cast::<f32>();
                for index in 0..outer {
                    position(index, axes.iter().map(|axis| axis.extent), &strides, &mut at);
                    for step in 0..inner.extent as isize {
                        // SAFETY: every index of the loops lies inside the view, which is in f32 where ranges are observed.
                        let value = unsafe { *from.offset(at[0] + step * inner.strides[0]) };
                        *range = [range[0].min(value), range[1].max(value)];
                    }
                }
            }
        }
    }

    /// The embedding of a face.
    pub fn output(&self, face: usize) -> &[f32] {
        let output = &self.plan.output;
        // SAFETY: the last step wrote it, contiguous, and nobody writes before the next pass.
        unsafe { std::slice::from_raw_parts(self.at(output, face).cast(), output.shape.iter().product()) }
    }
}

/// Numbers of the step-by-step position in loops whose extents these are, the last the innermost.
fn position(
    mut index: usize,
    extents: impl DoubleEndedIterator<Item = usize>,
    strides: &[&[isize]],
    into: &mut [isize],
) {
    into.fill(0);
    for (extent, strides) in extents.rev().zip(strides.iter().rev()) {
        let here = (index % extent) as isize;
        index /= extent;
        into.iter_mut().zip(*strides).for_each(|(sum, stride)| *sum += here * stride);
    }
}
