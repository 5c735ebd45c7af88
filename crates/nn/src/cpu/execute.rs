//! Runs a [`CpuPlan`] over a group of faces: alone on a thread, or layer by layer with a team.

// Tested by: `every_kernel_equals_the_definition` in crates/nn/src/cpu/tests.rs
// Tested by: `instruction_sets_give_the_same_bytes_where_they_say_so` in crates/nn/src/cpu/tests.rs

use std::ops::Range;

use super::plan::{Conv, CpuPlan, GROUP, PlanStep, StepWork, Winograd};
use facevault_kernels::arena::ArenaPointer;
use facevault_kernels::kernels::{Finish, MaxPool, TileJob, WinogradIn, WinogradOut};
use facevault_kernels::layer::{Products, Tiles};
use facevault_kernels::team::TeamMember;

/// Activations of a pixel tile and its channels while a panel is swept over them: half of a small second cache.
const BLOCK_BYTES: usize = 256 << 10;

/// The pixels of each tile and the places of their inputs, for a number of faces at a time.
#[derive(Default)]
pub struct PixelTable {
    /// Indices of taps, tile after tile.
    taps: Vec<u32>,
    /// For each of `taps`, the place of each pixel's channels in the arena, bytes.
    offsets: Vec<u32>,
    /// Index of each pixel in the output.
    pixels: Vec<u32>,
    /// First of `taps` of each tile, and the end.
    tiles: Vec<u32>,
}

impl PixelTable {
    /// Pixels that see the same part of the kernel, the rest being padding, come to lie in the same tiles, so that taps
    /// that see nothing but padding are left out.
    fn new(conv: &Conv, plan: &CpuPlan, images: usize) -> Self {
        let input = &plan.buffers[conv.input];
        let height = plan.set.height;
        let whole_rows = conv.runs != conv.kernel.0 * conv.kernel.1 || conv.kernel == (1, 1);
        let place = |image: usize, y: usize, x: usize, run: usize| {
            let (ky, kx) = if whole_rows { (run, 0) } else { (run / conv.kernel.1, run % conv.kernel.1) };
            let (y, x) = (y * conv.stride + ky, x * conv.stride + kx);
            let (y, x) = (y.checked_sub(conv.padding.0)?, x.checked_sub(conv.padding.1)?);
            (y < input.height && x < input.width)
                .then(|| input.offset + image * input.image() + (y * input.width + x) * input.pixel())
        };
        let mut order = Vec::with_capacity(images * conv.height * conv.width);
        for image in 0..images {
            for y in 0..conv.height {
                for x in 0..conv.width {
                    let seen =
                        (0..conv.runs).fold(0u64, |seen, run| seen << 1 | u64::from(place(image, y, x, run).is_some()));
                    order.push((seen, image, y, x));
                }
            }
        }
        order.sort_by_key(|&(seen, ..)| std::cmp::Reverse(seen));
        let mut table = Self { tiles: vec![0], ..Self::default() };
        for tile in order.chunks(height) {
            for run in 0..conv.runs {
                let places: Vec<_> = tile.iter().map(|&(_, image, y, x)| place(image, y, x, run)).collect();
                if places.iter().any(Option::is_some) {
                    table.taps.push(run as u32);
                    let row = |i: usize| places.get(i).copied().flatten().unwrap_or(0) as u32;
                    table.offsets.extend((0..height).map(row));
                }
            }
            table.tiles.push(table.taps.len() as u32);
            let pixel =
                |&(_, image, y, x): &(u64, usize, usize, usize)| ((image * conv.height + y) * conv.width + x) as u32;
            table.pixels.extend(tile.iter().map(pixel));
        }
        table
    }
}

/// The tables of every step for a number of faces.
pub struct PixelTables {
    steps: Vec<PixelTable>,
}

impl PixelTables {
    pub fn new(plan: &CpuPlan, images: usize) -> Self {
        let table = |(i, step): (usize, &PlanStep)| match &step.work {
            StepWork::Conv(conv) => PixelTable::new(conv, plan, if i < plan.stem { 1 } else { images }),
            StepWork::Winograd(w) => PixelTable {
                offsets: (0..w.chunk).map(|tile| (tile * w.inputs * 4) as u32).collect(),
                ..PixelTable::default()
            },
            _ => PixelTable::default(),
        };
        Self { steps: plan.steps.iter().enumerate().map(table).collect() }
    }
}

/// One group of faces going through the plan.
pub struct Pass<'a> {
    pub plan: &'a CpuPlan,
    pub tables: &'a PixelTables,
    pub arena: ArenaPointer,
    pub member: &'a TeamMember<'a>,
    /// At most [`GROUP`] faces, interleaved bytes.
    pub pixels: &'a [u8],
    pub images: usize,
    /// Network input of each byte.
    pub values: &'a [f32; 256],
}

impl Pass<'_> {
    /// Runs every step; `watch` is called after each with its index and the faces it was for.
    pub fn run(&self, mut watch: impl FnMut(usize, Range<usize>)) {
        debug_assert!(self.images <= GROUP);
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

    /// One step of some faces: of one in the stem, of all from the first on elsewhere.
    pub fn step(&self, index: usize, faces: Range<usize>) {
        let (first, images) = (faces.start, faces.len());
        match &self.plan.steps[index].work {
            StepWork::Standardise { out } => self.standardise(*out, first),
            StepWork::Conv(conv) => self.conv(conv, &self.tables.steps[index], first),
            StepWork::Winograd(winograd) => self.winograd(winograd, &self.tables.steps[index], first, images),
            StepWork::Pool { input, out } => self.pool(*input, *out, images),
            StepWork::Mean { input, out } => self.mean(*input, *out, images),
        }
    }

    /// Start of a buffer, or of one face's part of it where it holds a group.
    pub fn at(&self, buffer: usize, face: usize) -> *mut u8 {
        let buffer = &self.plan.buffers[buffer];
        let face = if buffer.grouped { face } else { 0 };
        // SAFETY: the plan laid its buffers out inside the arena.
        unsafe { self.arena.start().add(buffer.offset + face * buffer.image()) }
    }

    fn standardise(&self, out: usize, first: usize) {
        let face = self.plan.side * self.plan.side * 3;
        let pixels = &self.pixels[first * face..(first + 1) * face];
        let share = self.member.share(face);
        let out = self.at(out, 0).cast::<f32>();
        for (i, &pixel) in pixels[share.clone()].iter().enumerate() {
            // SAFETY: the buffer holds `side × side × 3` numbers.
            unsafe { out.add(share.start + i).write(self.values[usize::from(pixel)]) };
        }
    }

    fn conv(&self, conv: &Conv, table: &PixelTable, first: usize) {
        let set = self.plan.set;
        let finish = match (conv.float, conv.last) {
            (false, false) => set.finish,
            (false, true) => set.finish_last,
            (true, false) => set.finish_f32,
            (true, true) => set.finish_head,
        };
        let input = &self.plan.buffers[conv.input];
        let tiles = table.tiles.len() - 1;
        // A team shares the larger of the two: weights or pixels.
        let by_panel = conv.packed.weights.len() * 4 > input.image() && conv.panels.len() >= 2 * self.member.size();
        let (panels, tiles) = if by_panel {
            (self.member.share(conv.panels.len()), 0..tiles)
        } else {
            (0..conv.panels.len(), self.member.share(tiles))
        };
        let written: usize =
            conv.panels.iter().map(|panel| panel.vectors * set.lanes * self.plan.buffers[panel.out.0].bytes).sum();
        let bytes_of_tile = set.height * (input.pixel() * conv.stride * conv.stride + written);
        let mut products = Products::new(
            set,
            conv.float,
            Tiles {
                arena: self.arena.start(),
                taps: &table.taps,
                offsets: &table.offsets,
                ends: &table.tiles,
                pixels: table.pixels.len(),
                height: set.height,
                words: conv.words,
            },
        );
        let block = products.block((BLOCK_BYTES / bytes_of_tile).max(1));
        for start in tiles.clone().step_by(block) {
            let tiles = start..(start + block).min(tiles.end);
            // SAFETY: tables hold places in the arena, whose last map has room for a run behind it; a layer does not write
            // over its input.
            unsafe { products.gather(tiles.clone(), 0) };
            for panel in &conv.panels[panels.clone()] {
                let out = &self.plan.buffers[panel.out.0];
                // SAFETY: the plan sized weights, tables and buffers for this convolution; members write disjoint
                // tiles or panels; where a residual is written over, each number is read before it is written.
                unsafe {
                    let channel = panel.out.1 * out.bytes;
                    let to = self.at(panel.out.0, first).add(channel);
                    let residual = conv.residual.map(|from| {
                        let buffer = &self.plan.buffers[from];
                        (self.at(from, first).add(panel.out.1 * buffer.bytes).cast_const(), buffer.pixel())
                    });
                    let weights = conv.packed.weights.as_ptr().add(panel.weights);
                    products.sweep(tiles.clone(), weights, panel.vectors, |tile, rows, sums| {
                        finish(&Finish {
                            sums,
                            stride: panel.vectors * set.lanes,
                            rows,
                            vectors: panel.vectors,
                            scale: if conv.packed.scale.is_empty() {
                                std::ptr::null()
                            } else {
                                conv.packed.scale.as_ptr().add(panel.channel)
                            },
                            bias: conv.packed.bias.as_ptr().add(panel.channel),
                            pixels: table.pixels.as_ptr().add(tile * set.height),
                            residual: residual.map_or(std::ptr::null(), |(from, _)| from),
                            residual_stride: residual.map_or(0, |(_, stride)| stride),
                            factor: panel.factor,
                            relu: conv.relu,
                            out: to,
                            out_stride: out.pixel(),
                        });
                    });
                }
            }
        }
    }

    fn winograd(&self, w: &Winograd, table: &PixelTable, first: usize, images: usize) {
        let set = self.plan.set;
        let (input, out) = (&self.plan.buffers[w.input], &self.plan.buffers[w.out.0]);
        let part = &out.parts[w.out.1];
        let (from, to) = (self.at(w.input, first), self.at(w.out.0, first));
        let (scratch_in, scratch_out) = (self.at(w.scratch.0, 0).cast::<f32>(), self.at(w.scratch.1, 0).cast::<f32>());
        let of_image = w.tiles.0 * w.tiles.1;
        let position = |tile: usize| (tile / of_image, tile % of_image / w.tiles.1 * 4, tile % w.tiles.1 * 4);
        let all = images * of_image;
        for start in (0..all).step_by(w.chunk) {
            let tiles = w.chunk.min(all - start);
            for i in self.member.share(tiles) {
                let (image, y, x) = position(start + i);
                // SAFETY: pixels inside the picture lie inside the buffer, all others read the zeros; the scratch
                // holds `chunk` tiles.
                unsafe {
                    let pixels = std::array::from_fn(|p| {
                        let (y, x) = ((y + p / 6).wrapping_sub(w.padding), (x + p % 6).wrapping_sub(w.padding));
                        if y < input.height && x < input.width {
                            from.add(image * input.image() + (y * input.width + x) * input.pixel()).cast_const()
                        } else {
                            self.arena.start().cast_const()
                        }
                    });
                    let out = scratch_in.add(i * w.inputs);
                    (set.winograd_in)(&WinogradIn { pixels, channels: w.inputs, out, stride: w.strides.0 });
                }
            }
            self.member.meet();
            // A team shares the 36 products, each a matrix product of its own.
            let tall = tiles.div_ceil(set.height);
            for unit in self.member.share(36 * w.panels.len()) {
                let (component, panel) = (unit / w.panels.len(), &w.panels[unit % w.panels.len()]);
                for tile in 0..tall {
                    let at = tile * set.height;
                    // SAFETY: as in `conv`; `chunk` is a multiple of a tile's height.
                    unsafe {
                        let job = TileJob {
                            arena: scratch_in.add(component * w.strides.0).cast(),
                            taps: &raw const ONLY_TAP,
                            offsets: table.offsets.as_ptr().add(at),
                            height: set.height,
                            runs: 1,
                            words: w.inputs,
                            weights: w.packed.weights.as_ptr().add(component * w.component + panel.weights),
                            out: scratch_out.add(component * w.strides.1 + at * w.outputs + panel.out.1).cast(),
                            stride: w.outputs,
                        };
                        (set.tile_f32)(&job, set.height.min(tiles - at), panel.vectors);
                    }
                }
            }
            self.member.meet();
            for i in self.member.share(tiles) {
                let (image, y, x) = position(start + i);
                // SAFETY: `rows` and `columns` keep to the picture.
                unsafe {
                    let pixel = image * out.height * out.width + y * out.width + x;
                    (set.winograd_out)(&WinogradOut {
                        sums: scratch_out.add(i * w.outputs),
                        stride: w.strides.1,
                        channels: w.outputs,
                        bias: w.packed.bias.as_ptr(),
                        floor: 0.0,
                        rows: (out.height - y).min(4),
                        columns: (out.width - x).min(4),
                        out: to.add(pixel * out.pixel() + part.at * out.bytes),
                        out_stride: out.pixel(),
                        row_stride: out.width * out.pixel(),
                    });
                }
            }
            if start + w.chunk < all {
                self.member.meet();
            }
        }
    }

    fn pool(&self, input: usize, out: (usize, usize), images: usize) {
        let (from, to) = (&self.plan.buffers[input], &self.plan.buffers[out.0]);
        for image in 0..images {
            for (source, target) in from.parts.iter().zip(&to.parts[out.1..]) {
                // SAFETY: the window of every output pixel lies inside the input.
                unsafe {
                    (self.plan.set.max_pool)(&MaxPool {
                        input: self.at(input, image).add(source.at * from.bytes),
                        width: from.width,
                        stride: from.pixel(),
                        out: self.at(out.0, image).add(target.at * to.bytes),
                        out_width: to.width,
                        out_stride: to.pixel(),
                        rows: self.member.share(to.height),
                        channels: source.padded,
                    });
                }
            }
        }
    }

    fn mean(&self, input: usize, out: usize, images: usize) {
        let from = &self.plan.buffers[input];
        let pixels = from.height * from.width;
        for image in self.member.share(images) {
            let (source, target) = (self.at(input, image).cast::<f32>(), self.at(out, image).cast::<f32>());
            for channel in 0..from.channels {
                // SAFETY: both buffers hold `channels` f32s a pixel.
                unsafe {
                    let sum: f32 = (0..pixels).map(|pixel| *source.add(pixel * from.channels + channel)).sum();
                    target.add(channel).write(sum / pixels as f32);
                }
            }
        }
    }

    /// The head's output of a face.
    pub fn output(&self, face: usize) -> &[f32] {
        let buffer = &self.plan.buffers[self.plan.output];
        // SAFETY: the head wrote it, and nobody writes before the next pass.
        unsafe { std::slice::from_raw_parts(self.at(self.plan.output, face).cast(), buffer.channels) }
    }

    /// The largest activation that a step wrote, by the name of its range; f32 activations only.
    pub fn ranges(&self, index: usize, faces: Range<usize>, mut note: impl FnMut(&str, f32)) {
        for ((out, part), name) in &self.plan.steps[index].outputs {
            let buffer = &self.plan.buffers[*out];
            let part = &buffer.parts[*part];
            let mut most = 0f32;
            for face in faces.clone() {
                let from = self.at(*out, face).cast::<f32>();
                for pixel in 0..buffer.height * buffer.width {
                    for channel in part.at..part.at + part.channels {
                        // SAFETY: inside the buffer.
                        most = most.max(unsafe { *from.add(pixel * buffer.channels + channel) });
                    }
                }
            }
            note(name, most);
        }
    }
}

static ONLY_TAP: u32 = 0;
