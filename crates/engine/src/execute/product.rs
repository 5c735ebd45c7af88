//! Convolutions.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

use std::ops::Range;

use facevault_kernels::kernels::{DEPTHWISE_HEIGHT, DEPTHWISE_WIDTH, DepthwiseTile, TileJob, WinogradIn, WinogradOut};
use facevault_kernels::layer::{Products, Tiles};

use super::Pass;
use crate::kernels::chain::{Block, Operand, Place, TwinTarget};
use crate::kernels::storage::Storage;
use crate::plan::TileTable;
use crate::step::{Depthwise, Product, Winograd};

/// Activations of a pixel tile and its channels while a panel is swept over them: half of the second cache.
const BLOCK_BYTES: usize = 512 << 10;

/// Channels of a Winograd tile that are finished at once.
const STRIP: usize = 64;

static ONLY_TAP: u32 = 0;

impl Pass<'_> {
    pub(super) fn product(&self, p: &Product, table: &TileTable, first: usize) {
        let set = self.plan.set;
        let tiles = table.tiles.len() - 1;
        // A team shares the larger of the two: weights or pixels.
        let storage = self.storage(&p.input.view);
        let input_bytes = p.input.height * p.input.width * p.input.channels * storage.bytes();
        let by_panel = p.weights.len() * 4 > input_bytes && p.panels.len() >= 2 * self.member.size();
        let (panels, tiles) = if by_panel {
            (self.member.share(p.panels.len()), 0..tiles)
        } else {
            (0..p.panels.len(), self.member.share(tiles))
        };
        let written: usize = p.panels.iter().map(|panel| panel.channels * 4).sum();
        let stride = p.geometry.stride.0 * p.geometry.stride.1;
        let bytes_of_tile = set.height * (p.input.channels * storage.bytes() * stride + written);
        let mut products = Products::new(
            set,
            !p.narrow,
            Tiles {
                arena: self.arena.start(),
                taps: &table.taps,
                offsets: &table.offsets,
                ends: &table.tiles,
                pixels: table.places.len(),
                height: table.height,
                words: p.words,
            },
        );
        let block = products.block((BLOCK_BYTES / bytes_of_tile).max(1));
        let operands = self.operands(&p.finish, first);
        let target = self.target(&p.finish.out, first);
        let twins = self.twins(&p.finish, first);
        let mut shifted = (operands.clone(), twins.clone());
        for start in tiles.clone().step_by(block) {
            let tiles = start..(start + block).min(tiles.end);
            for panel in &p.panels[panels.clone()] {
                // SAFETY: the plan sized weights, tables and buffers for this convolution, which does not write over its
                // input; members write disjoint tiles or panels. Constants of channels are padded to whole panels, and only
                // the panel's own channels are read of others.
                unsafe {
                    products.gather(tiles.clone(), panel.input * storage.bytes());
                    shift(&mut shifted, (&operands, &twins), panel.channel);
                    let target = target.from(panel.channel);
                    let weights = p.weights.as_ptr().add(panel.weights);
                    products.sweep(tiles.clone(), weights, panel.vectors, |tile, rows, sums| {
                        let block = Block {
                            values: sums.cast(),
                            stride: panel.vectors * set.lanes,
                            width: panel.channels,
                            places: &table.places[tile * table.height..][..rows],
                            links: &p.finish.links,
                            operands: &shifted.0,
                            twins: &shifted.1,
                        };
                        (self.plan.maps.finish)(&block, &target);
                    });
                }
            }
        }
    }

    pub(super) fn depthwise(&self, d: &Depthwise, table: &TileTable, first: usize) {
        let set = self.plan.set;
        let tiles = self.member.share(table.tiles.len() - 1);
        let operands = self.operands(&d.finish, first);
        let target = self.target(&d.finish.out, first);
        let twins = self.twins(&d.finish, first);
        let mut shifted = (operands.clone(), twins.clone());
        let channels = d.input.channels;
        let narrow = self.storage(&d.input.view) != Storage::F32;
        let mut sums = [0f32; DEPTHWISE_HEIGHT * DEPTHWISE_WIDTH];
        for tile in tiles {
            let taps = table.tiles[tile] as usize..table.tiles[tile + 1] as usize;
            let places = &table.places[tile * table.height..];
            let places = &places[..places.len().min(table.height)];
            for channel in (0..channels).step_by(DEPTHWISE_WIDTH) {
                let width = (channels - channel).min(DEPTHWISE_WIDTH);
                // SAFETY: as in `product`; the weights' channels are whole tiles.
                unsafe {
                    let kernel = if narrow { set.depthwise } else { set.depthwise_f32 };
                    kernel(&DepthwiseTile {
                        arena: self.arena.start(),
                        taps: table.taps.as_ptr().add(taps.start),
                        offsets: table.offsets.as_ptr().add(taps.start * table.height),
                        runs: taps.len(),
                        channel,
                        width,
                        weights: d.weights.as_ptr(),
                        channels: channels.next_multiple_of(DEPTHWISE_WIDTH),
                        members: d.members,
                        out: sums.as_mut_ptr(),
                    });
                    shift(&mut shifted, (&operands, &twins), channel);
                    let target = target.from(channel);
                    let block = Block {
                        values: sums.as_mut_ptr(),
                        stride: DEPTHWISE_WIDTH,
                        width,
                        places,
                        links: &d.finish.links,
                        operands: &shifted.0,
                        twins: &shifted.1,
                    };
                    (self.plan.maps.finish)(&block, &target);
                }
            }
        }
    }

    pub(super) fn winograd(&self, w: &Winograd, faces: Range<usize>) {
        let set = self.plan.set;
        let (first, images) = (faces.start, faces.len());
        let from = self.at(&w.input.view, first).cast_const();
        let bytes = self.storage(&w.input.view).bytes() as isize;
        let (winograd_in, winograd_out) = (
            if self.storage(&w.input.view) == Storage::F32 { set.winograd_in_f32 } else { set.winograd_in },
            if self.storage(&w.finish.out.view) == Storage::F32 { set.winograd_out_f32 } else { set.winograd_out },
        );
        let face = self.face_bytes(&w.input.view);
        let (scratch_in, scratch_out) = (self.scratch(w.scratch.0), self.scratch(w.scratch.1));
        let outside = w.pad.map_or(self.arena.start().cast_const(), |pad| {
            // SAFETY: the head holds it.
            unsafe { self.arena.start().add(pad.offset).cast_const() }
        });
        let operands = self.operands(&w.finish, first);
        let target = self.target(&w.finish.out, first);
        let of_image = w.tiles.0 * w.tiles.1;
        let position = |tile: usize| (tile / of_image, tile % of_image / w.tiles.1 * 4, tile % w.tiles.1 * 4);
        let all = images * of_image;
        let mut strip = [0f32; 16 * STRIP];
        let twins = self.twins(&w.finish, first);
        let mut shifted = (operands.clone(), twins.clone());
        for start in (0..all).step_by(w.chunk) {
            let tiles = w.chunk.min(all - start);
            for i in self.member.share(tiles) {
                let (image, y, x) = position(start + i);
                // SAFETY: pixels inside the picture lie inside the buffer, all others read the padding; the scratch holds
                // `chunk` tiles.
                unsafe {
                    let pixels = std::array::from_fn(|p| {
                        let (y, x) = ((y + p / 6).wrapping_sub(w.padding.0), (x + p % 6).wrapping_sub(w.padding.1));
                        if y < w.input.height && x < w.input.width {
                            let number = y as isize * w.input.row + x as isize * w.input.pixel;
                            from.add(image * face).offset(number * bytes)
                        } else {
                            outside
                        }
                    });
                    let out = scratch_in.add(i * w.inputs);
                    winograd_in(&WinogradIn { pixels, channels: w.inputs, out, stride: w.strides.0 });
                }
            }
            self.member.meet();
            // A team shares the 36 products, each a matrix product of its own.
            let tall = tiles.div_ceil(set.height);
            for unit in self.member.share(36 * w.panels.len()) {
                let (component, panel) = (unit / w.panels.len(), &w.panels[unit % w.panels.len()]);
                for tile in 0..tall {
                    let at = tile * set.height;
                    // SAFETY: as in `product`; `chunk` is a multiple of a tile's height.
                    unsafe {
                        let job = TileJob {
                            arena: scratch_in.add(component * w.strides.0).cast(),
                            taps: &raw const ONLY_TAP,
                            offsets: w.offsets.as_ptr().add(at),
                            height: set.height,
                            runs: 1,
                            words: w.inputs,
                            weights: w.weights.as_ptr().add(component * w.component + panel.weights),
                            out: scratch_out.add(component * w.strides.1 + at * w.outputs + panel.channel).cast(),
                            stride: w.outputs,
                        };
                        (set.tile_f32)(&job, set.height.min(tiles - at), panel.vectors);
                    }
                }
            }
            self.member.meet();
            for i in self.member.share(tiles) {
                let (image, y, x) = position(start + i);
                let (rows, columns) = ((w.height - y).min(4), (w.width - x).min(4));
                // SAFETY: the scratch holds `chunk` tiles of so many channels.
                let sums = |channel: usize| unsafe { scratch_out.add(i * w.outputs + channel) };
                if w.finish.links.is_empty() && twins.is_empty() {
                    // SAFETY: `rows` and `columns` keep to the picture.
                    unsafe {
                        let to = target.base.add(image * target.image + (y * w.width + x) * target.pixel);
                        winograd_out(&WinogradOut {
                            sums: sums(0),
                            stride: w.strides.1,
                            channels: w.outputs,
                            bias: w.bias.as_ptr(),
                            floor: if w.relu { 0.0 } else { f32::NEG_INFINITY },
                            rows,
                            columns,
                            out: to,
                            out_stride: target.pixel,
                            row_stride: w.width * target.pixel,
                        });
                    }
                    continue;
                }
                let mut places = [Place::default(); 16];
                for (p, place) in places[..rows * columns].iter_mut().enumerate() {
                    let pixel = (y + p / columns) * w.width + x + p % columns;
                    *place = Place { image: image as u32, pixel: pixel as u32 };
                }
                for channel in (0..w.outputs).step_by(STRIP) {
                    let width = (w.outputs - channel).min(STRIP);
                    // SAFETY: the strip holds 16 pixels of `width` numbers; the rest as above.
                    unsafe {
                        (set.winograd_out_f32)(&WinogradOut {
                            sums: sums(channel),
                            stride: w.strides.1,
                            channels: width,
                            bias: w.bias.as_ptr().add(channel),
                            floor: f32::NEG_INFINITY,
                            rows,
                            columns,
                            out: strip.as_mut_ptr().cast(),
                            out_stride: STRIP * 4,
                            row_stride: columns * STRIP * 4,
                        });
                        shift(&mut shifted, (&operands, &twins), channel);
                        let block = Block {
                            values: strip.as_mut_ptr(),
                            stride: STRIP,
                            width,
                            places: &places[..rows * columns],
                            links: &w.finish.links,
                            operands: &shifted.0,
                            twins: &shifted.1,
                        };
                        (self.plan.maps.finish)(&block, &target.from(channel));
                    }
                }
            }
            if start + w.chunk < all {
                self.member.meet();
            }
        }
    }
}

/// Operands and twins from a channel on.
///
/// # Safety
/// They have so many channels.
unsafe fn shift(
    shifted: &mut (Vec<Operand>, Vec<TwinTarget>),
    (operands, twins): (&[Operand], &[TwinTarget]),
    channel: usize,
) {
    // SAFETY: handed on from the caller.
    unsafe {
        for (shifted, operand) in shifted.0.iter_mut().zip(operands) {
            let bytes = if operand.wide { channel * operand.storage.bytes() } else { 0 };
            shifted.base = operand.base.add(bytes);
        }
        for (shifted, twin) in shifted.1.iter_mut().zip(twins) {
            shifted.scale_and_shift = twin.scale_and_shift.map(|both| both.map(|numbers| numbers.add(channel)));
            shifted.target = twin.target.from(channel);
        }
    }
}
