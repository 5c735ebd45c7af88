//! The network's [`Program`] compiled for a GPU: the places of maps, the parameters of each step, the launches for a number of
//! faces. Pure: the caller supplies the addresses.

use super::arguments::{self as args, SEGMENTS, Segment};
use super::tile::STEP;
use crate::Precision;
use crate::batch_norm::Folded;
use crate::networks::inception_resnet_v1::{Convolution, DIMENSION};
use crate::program::{self, MapRole, MapSlice, Op, Product, Program};
use facevault_kernels::arena::{self, Need};

/// Bytes that kernels read and write at once.
const CHUNK: usize = 16;

/// Places in memory are multiples of this.
const ALIGNMENT: usize = 256;

/// Fills up k with a tap outside every picture: `NO_TAP` of `convolution.cuh`, for both axes.
const NO_TAP: [i32; 2] = [0, 0x4000 | 0x4000 << 16];

/// How a precision stores its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberFormat {
    /// One that a GPU computes in.
    pub precision: Precision,
    /// Of a number, bytes.
    pub bytes: usize,
}

impl NumberFormat {
    /// Those of a precision; `None` if the GPU kernels lack it.
    #[must_use]
    pub fn of(precision: Precision) -> Option<Self> {
        let bytes = match precision {
            Precision::F32 | Precision::Tf32 => 4,
            Precision::F16 | Precision::Bf16 => 2,
            Precision::Bf16x3 | Precision::Int8 => return None,
        };
        Some(Self { precision, bytes })
    }

    /// Channels of a chunk: what the channels of a slice are padded to.
    fn lanes(self) -> usize {
        CHUNK / self.bytes
    }

    fn write(self, value: f32, out: &mut Vec<u8>) {
        match self.precision {
            Precision::F16 => out.extend(half::f16::from_f32(value).to_le_bytes()),
            Precision::Bf16 => out.extend(half::bf16::from_f32(value).to_le_bytes()),
            // Rounded to 10 bits of mantissa, ties away from zero, as the kernel rounds the other side.
            Precision::Tf32 if value.is_finite() => out.extend(((value.to_bits() + 0x1000) & !0x1fff).to_le_bytes()),
            _ => out.extend(value.to_le_bytes()),
        }
    }
}

/// A map's layout: channels last, each slice padded to whole chunks with channels that are zero.
#[derive(Debug, Clone)]
pub struct MapLayout {
    /// Pixels of a column.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Of a pixel, padding included.
    pub channels: usize,
    /// Of a number.
    pub bytes: usize,
    /// First channel, channels of the checkpoint, channels with padding of each slice.
    parts: Vec<(usize, usize, usize)>,
}

impl MapLayout {
    fn new(map: &program::Map, numbers: NumberFormat) -> Self {
        let mut at = 0;
        let parts = map.parts.iter().map(|&channels| {
            let padded = channels.next_multiple_of(numbers.lanes());
            at += padded;
            (at - padded, channels, padded)
        });
        let parts = parts.collect();
        let bytes = if matches!(map.role, MapRole::Input | MapRole::Activation) { numbers.bytes } else { 4 };
        Self { height: map.height, width: map.width, channels: at, bytes, parts }
    }

    /// Bytes of a pixel.
    fn pixel(&self) -> usize {
        self.channels * self.bytes
    }

    fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Bytes of a face.
    fn face(&self) -> usize {
        self.pixels() * self.pixel()
    }
}

/// A product's parameters in [`GpuParameters::bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedProduct {
    /// Where the weights begin: channels × k.
    weights: usize,
    /// Where the bias begins: channels × f32.
    bias: usize,
    /// Output channels, padding included.
    channels: usize,
    /// Of [`STEP`] bytes of k.
    steps: usize,
}

/// All parameters of the network as the kernels read them; they do not depend on the size of the faces.
#[derive(Debug, Default)]
pub struct GpuParameters {
    /// In the kernels' layout.
    pub bytes: Vec<u8>,
    /// A product each, in the order of the steps.
    pub layers: Vec<PackedProduct>,
}

/// The network for faces of one size.
#[derive(Debug)]
pub struct GpuPlan {
    /// Side of the faces, pixels.
    pub side: usize,
    numbers: NumberFormat,
    program: Program,
    layouts: Vec<MapLayout>,
    lives: Vec<(usize, usize)>,
    /// Of all products, one behind the other.
    pub taps: Vec<[i32; 2]>,
    /// Where each product's begin in `taps`.
    first_taps: Vec<usize>,
}

/// Addresses on the GPU.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Of the parameters.
    pub parameters: u64,
    /// Of the taps.
    pub taps: u64,
    /// Of the network input of each byte.
    pub values: u64,
    /// Of the activations.
    pub arena: u64,
    /// Of the faces' bytes.
    pub pixels: u64,
    /// Of the unit vectors.
    pub out: u64,
}

/// A kernel and its arguments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LaunchWork {
    /// Bytes → network input.
    Standardise(args::StandardiseArguments),
    /// Convolutions in the precision of the network, or in f32.
    Convolution {
        /// What it takes.
        args: args::ConvolutionArguments,
        /// Whether it is the head's: f32 whatever the precision.
        head: bool,
    },
    /// 3×3 maximum.
    Pool(args::PoolArguments),
    /// Mean over the pixels.
    Mean(args::MeanArguments),
    /// Unit vectors.
    Normalise(args::NormaliseArguments),
}

/// A launch and the layer it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// Of the layer or layers.
    pub name: String,
    /// The part of the network.
    pub stage: &'static str,
    /// Floating-point operations for a face, by definition.
    pub flop: f64,
    /// Which kernel, on what.
    pub work: LaunchWork,
}

impl GpuParameters {
    /// Packs a network's folded parameters for a program of it, whatever the side of its faces.
    pub fn new(program: &Program, numbers: NumberFormat, folded: impl Fn(&Convolution) -> Folded) -> Self {
        let layouts: Vec<_> = program.maps.iter().map(|map| MapLayout::new(map, numbers)).collect();
        let mut parameters = Self::default();
        for (product, head) in products(program) {
            let numbers = if head { NumberFormat { precision: Precision::F32, bytes: 4 } } else { numbers };
            parameters.push(product, &layouts, numbers, &folded);
        }
        parameters
    }

    fn push(
        &mut self,
        product: &Product,
        layouts: &[MapLayout],
        numbers: NumberFormat,
        folded: &impl Fn(&Convolution) -> Folded,
    ) {
        let input = &layouts[product.input];
        let geometry = product.geometry();
        let taps = geometry.kernel.0 * geometry.kernel.1;
        let steps = (taps * input.pixel()).div_ceil(STEP);
        let weights = self.align();
        let mut bias = Vec::new();
        for (convolution, (map, part)) in &product.into {
            let Folded { weight, bias: own } = folded(convolution);
            let scale = product.residual.as_ref().map_or(1.0, |residual| residual.scale as f32);
            // A residual's convolution fills all slices of its map.
            let parts = &layouts[*map].parts;
            let parts = if product.residual.is_some() { &parts[..] } else { &parts[*part..=*part] };
            let mut first = 0;
            for &(_, channels, padded) in parts {
                for output in first..first + channels {
                    self.row(&weight[output * convolution.inputs * taps..], taps, input, scale, numbers);
                    self.bytes.resize(weights + (bias.len() + 1) * steps * STEP, 0);
                    bias.push(own[output] * scale);
                }
                first += channels;
                bias.resize(bias.len() + padded - channels, 0.0);
                self.bytes.resize(weights + bias.len() * steps * STEP, 0);
            }
        }
        let channels = bias.len();
        let at = self.align();
        self.bytes.extend(bias.iter().flat_map(|value| value.to_le_bytes()));
        self.layers.push(PackedProduct { weights, bias: at, channels, steps });
    }

    /// One output channel: taps × channels of the input's layout.
    fn row(&mut self, weight: &[f32], taps: usize, input: &MapLayout, scale: f32, numbers: NumberFormat) {
        for tap in 0..taps {
            let mut first = 0;
            for &(_, channels, padded) in &input.parts {
                for channel in first..first + channels {
                    numbers.write(weight[channel * taps + tap] * scale, &mut self.bytes);
                }
                self.bytes.resize(self.bytes.len() + (padded - channels) * numbers.bytes, 0);
                first += channels;
            }
        }
    }

    fn align(&mut self) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        self.bytes.len()
    }
}

/// The products of a program in order, and whether each is the head.
fn products(program: &Program) -> impl Iterator<Item = (&Product, bool)> {
    program.steps.iter().filter_map(|step| match &step.op {
        Op::Product(product) => Some((product, program.maps[product.input].role == MapRole::Head)),
        _ => None,
    })
}

impl GpuPlan {
    /// Compiles the network at a width for faces of `side` × `side` pixels.
    #[must_use]
    pub fn new(width: f64, side: usize, numbers: NumberFormat) -> Self {
        let program = Program::new(width, side);
        let layouts: Vec<_> = program.maps.iter().map(|map| MapLayout::new(map, numbers)).collect();
        let (mut taps, mut first_taps) = (Vec::new(), Vec::new());
        for (product, _) in products(&program) {
            first_taps.push(taps.len());
            taps.extend(taps_of(product.geometry(), &layouts[product.input]));
        }
        let lives = program.lives();
        Self { side, numbers, program, layouts, lives, taps, first_taps }
    }

    /// Where each map begins with so many faces, and how much memory all take, bytes.
    #[must_use]
    pub fn arena(&self, faces: usize) -> (Vec<usize>, usize) {
        let size = |layout: &MapLayout| (layout.face() * faces).next_multiple_of(ALIGNMENT);
        let needs: Vec<_> =
            self.layouts.iter().zip(&self.lives).map(|(layout, &life)| Need { size: size(layout), life }).collect();
        arena::place(&needs, 0)
    }

    /// The launches for `faces` faces, in order. `places` are those of [`Self::arena`] with at least as many faces.
    #[must_use]
    pub fn launches(&self, layers: &[PackedProduct], places: &[usize], at: &Addresses, faces: usize) -> Vec<Launch> {
        let context = LaunchContext { plan: self, places, at, faces };
        let mut number = 0;
        let mut launches: Vec<Launch> = Vec::with_capacity(self.program.steps.len() + 1);
        for step in &self.program.steps {
            let (work, flop) = match &step.op {
                Op::Standardise { out } => (context.standardise(*out), 0.0),
                Op::Product(product) => {
                    let work = context.convolution(product, &layers[number], self.first_taps[number]);
                    number += 1;
                    (work, product.flop(self.layouts[product.into[0].1.0].pixels()))
                }
                Op::Pool { input, out } => (context.pool(*input, *out), 0.0),
                Op::Mean { input, out } => (context.mean(*input, *out), 0.0),
            };
            launches.push(Launch { name: step.name.clone(), stage: step.stage, flop, work });
        }
        let work = context.normalise(self.program.output);
        launches.push(Launch { name: "normalise".into(), stage: "head", flop: 0.0, work });
        launches
    }
}

/// Where each 16 bytes of k come from, relative to the first pixel of an output's window.
fn taps_of(convolution: &Convolution, input: &MapLayout) -> Vec<[i32; 2]> {
    let (height, width) = convolution.kernel;
    let mut taps = Vec::new();
    for ky in 0..height {
        for kx in 0..width {
            let offset = (ky * input.width + kx) * input.pixel();
            let chunks = (0..input.pixel()).step_by(CHUNK);
            taps.extend(chunks.map(|chunk| [(offset + chunk) as i32, (ky | kx << 16) as i32]));
        }
    }
    taps.resize(taps.len().next_multiple_of(STEP / CHUNK), NO_TAP);
    taps
}

struct LaunchContext<'a> {
    plan: &'a GpuPlan,
    places: &'a [usize],
    at: &'a Addresses,
    faces: usize,
}

impl LaunchContext<'_> {
    fn layout(&self, map: usize) -> &MapLayout {
        &self.plan.layouts[map]
    }

    fn address(&self, map: usize) -> u64 {
        self.at.arena + self.places[map] as u64
    }

    /// Address of a slice of the first pixel.
    fn slice(&self, (map, part): MapSlice) -> u64 {
        let layout = self.layout(map);
        self.address(map) + (layout.parts[part].0 * layout.bytes) as u64
    }

    fn standardise(&self, out: usize) -> LaunchWork {
        let count = (self.faces * self.layout(out).pixels()) as i64;
        let Addresses { pixels, values, .. } = *self.at;
        LaunchWork::Standardise(args::StandardiseArguments { pixels, values, out: self.address(out), count })
    }

    fn convolution(&self, product: &Product, layer: &PackedProduct, first_tap: usize) -> LaunchWork {
        let (input, geometry) = (self.layout(product.input), product.geometry());
        let mut segments = [Segment { end: i32::MAX, ..Segment::default() }; SEGMENTS];
        let mut end = 0;
        for (segment, (_, (map, part))) in segments.iter_mut().zip(&product.into) {
            let layout = self.layout(*map);
            let from = product.residual.as_ref().map(|residual| residual.x);
            end += if from.is_some() { layout.channels } else { layout.parts[*part].2 };
            *segment = Segment {
                out: self.slice((*map, *part)),
                residual: from.map_or(0, |x| self.address(x)),
                end: end as i32,
                out_pixel: layout.pixel() as i32,
                residual_pixel: from.map_or(0, |x| self.layout(x).pixel() as i32),
                wide: i32::from(layout.bytes != self.plan.numbers.bytes),
            };
        }
        let output = self.layout(product.into[0].1.0);
        let head = self.plan.program.maps[product.input].role == MapRole::Head;
        let args = args::ConvolutionArguments {
            input: self.address(product.input),
            weights: self.at.parameters + layer.weights as u64,
            bias: self.at.parameters + layer.bias as u64,
            taps: self.at.taps + (first_tap * size_of::<[i32; 2]>()) as u64,
            segments,
            rows: (self.faces * output.pixels()) as i32,
            channels: layer.channels as i32,
            steps: layer.steps as i32,
            input_height: input.height as i32,
            input_width: input.width as i32,
            input_pixel: input.pixel() as i32,
            output_height: output.height as i32,
            output_width: output.width as i32,
            stride: geometry.stride as i32,
            padding_y: geometry.padding.0 as i32,
            padding_x: geometry.padding.1 as i32,
            relu: i32::from(product.relu),
        };
        LaunchWork::Convolution { args, head }
    }

    fn pool(&self, input: usize, out: MapSlice) -> LaunchWork {
        let (from, to) = (self.layout(input), self.layout(out.0));
        let chunks = from.pixel() / CHUNK;
        LaunchWork::Pool(args::PoolArguments {
            input: self.address(input),
            out: self.slice(out),
            input_height: from.height as i32,
            input_width: from.width as i32,
            input_pixel: from.pixel() as i32,
            output_height: to.height as i32,
            output_width: to.width as i32,
            output_pixel: to.pixel() as i32,
            chunks: chunks as i32,
            count: (self.faces * to.pixels() * chunks) as i64,
        })
    }

    fn mean(&self, input: usize, out: usize) -> LaunchWork {
        let from = self.layout(input);
        LaunchWork::Mean(args::MeanArguments {
            input: self.address(input),
            out: self.address(out),
            pixels: from.pixels() as i32,
            channels: from.channels as i32,
            count: (self.faces * from.channels) as i64,
        })
    }

    fn normalise(&self, input: usize) -> LaunchWork {
        LaunchWork::Normalise(args::NormaliseArguments {
            input: self.address(input),
            out: self.at.out,
            rows: self.faces as i32,
            dimension: DIMENSION as i32,
            stride: self.layout(input).channels as i32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F16: NumberFormat = NumberFormat { precision: Precision::F16, bytes: 2 };

    fn at() -> Addresses {
        let base = 1 << 40;
        Addresses {
            parameters: base,
            taps: 2 * base,
            values: 3 * base,
            arena: 4 * base,
            pixels: 5 * base,
            out: 6 * base,
        }
    }

    #[test]
    fn weights_are_packed_by_output_then_tap_then_channel_with_zeros_between() {
        let input = MapLayout { height: 9, width: 9, channels: 16, bytes: 2, parts: vec![(0, 3, 8), (8, 2, 8)] };
        // Outputs × inputs × taps: 2 × 5 × 1×2; each number tells its place.
        let weight: Vec<f32> = (0..20).map(|i| i as f32).collect();
        let mut parameters = GpuParameters::default();
        parameters.row(&weight[10..], 2, &input, 2.0, F16);
        let numbers: Vec<f32> =
            parameters.bytes.as_chunks().0.iter().map(|bytes| half::f16::from_le_bytes(*bytes).to_f32()).collect();
        let tap = |tap: usize| {
            let value = |channel: usize| 2.0 * (10 + channel * 2 + tap) as f32;
            let mut all = [0.0; 16];
            (0..3).for_each(|channel| all[channel] = value(channel));
            (3..5).for_each(|channel| all[channel + 5] = value(channel));
            all
        };
        assert_eq!(numbers, [tap(0), tap(1)].concat());
    }

    #[test]
    fn tf32_weights_are_rounded_to_the_nearest() {
        let mut bytes = Vec::new();
        let numbers = NumberFormat { precision: Precision::Tf32, bytes: 4 };
        for value in [1.0 + f32::EPSILON, 1.0 + 0.6 / 1024.0, -1.0 - 0.5 / 1024.0, f32::INFINITY] {
            numbers.write(value, &mut bytes);
        }
        let found: Vec<f32> = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        assert_eq!(found, [1.0, 1.0 + 1.0 / 1024.0, -1.0 - 1.0 / 1024.0, f32::INFINITY]);
    }

    #[test]
    fn taps_walk_the_window_in_chunks_and_end_outside_every_picture() {
        let program = Program::new(0.25, 96);
        let layouts: Vec<_> = program.maps.iter().map(|map| MapLayout::new(map, F16)).collect();
        let (product, _) = products(&program).next().unwrap();
        let taps = taps_of(product.geometry(), &layouts[product.input]);
        // 3×3 taps of one chunk each, in whole steps of four.
        assert_eq!(taps.len(), 12);
        assert_eq!(taps[4], [(96 + 1) * 16, 1 | 1 << 16]);
        assert_eq!(taps[9..], [NO_TAP; 3]);
    }

    #[test]
    fn launches_stay_in_the_memory_they_are_given() {
        for numbers in [F16, NumberFormat { precision: Precision::F32, bytes: 4 }] {
            let plan = GpuPlan::new(0.25, 96, numbers);
            let zero = |c: &Convolution| Folded {
                weight: vec![0.0; c.inputs * c.outputs * c.kernel.0 * c.kernel.1],
                bias: vec![0.0; c.outputs],
            };
            let parameters = GpuParameters::new(&plan.program, numbers, zero);
            let (places, arena) = plan.arena(3);
            let at = at();
            let inside =
                |address: u64, bytes: usize| address >= at.arena && address + bytes as u64 <= at.arena + arena as u64;
            let mut convolutions = 0;
            for launch in plan.launches(&parameters.layers, &places, &at, 3) {
                match launch.work {
                    LaunchWork::Convolution { args, head } => {
                        convolutions += 1;
                        let step = args.channels as usize * args.steps as usize * STEP;
                        let weights = (args.weights - at.parameters) as usize..;
                        assert!(weights.start + step <= parameters.bytes.len(), "{}", launch.name);
                        assert!(weights.start.is_multiple_of(16) && args.input.is_multiple_of(16));
                        let pixels = args.input_height * args.input_width * 3;
                        assert!(inside(args.input, (pixels * args.input_pixel) as usize), "{}", launch.name);
                        let mut first = 0;
                        for segment in args.segments.iter().take_while(|segment| segment.end < i32::MAX) {
                            assert!(segment.end > first && segment.end <= args.channels, "{}", launch.name);
                            let bytes = if head || segment.wide != 0 { 4 } else { numbers.bytes };
                            let row = (segment.end - first) as usize * bytes;
                            let all = (args.rows as usize - 1) * segment.out_pixel as usize + row;
                            assert!(inside(segment.out, all), "{}", launch.name);
                            assert!(segment.out.is_multiple_of(16) && segment.residual.is_multiple_of(16));
                            first = segment.end;
                        }
                        assert_eq!(first, args.channels, "{}: every channel goes somewhere", launch.name);
                    }
                    LaunchWork::Pool(args) => {
                        let pixels = args.output_height * args.output_width * 3;
                        assert_eq!(args.count, i64::from(pixels) * i64::from(args.chunks), "{}", launch.name);
                        let all = (pixels - 1) * args.output_pixel + args.chunks * 16;
                        assert!(inside(args.out, all as usize), "{}", launch.name);
                    }
                    LaunchWork::Standardise(args) => assert_eq!(args.count, 3 * 96 * 96),
                    LaunchWork::Mean(args) => assert_eq!(args.count, 3 * i64::from(args.channels)),
                    LaunchWork::Normalise(args) => assert_eq!((args.rows, args.out), (3, at.out)),
                }
            }
            assert_eq!(convolutions, parameters.layers.len());
        }
    }

    #[test]
    fn memory_grows_with_the_faces_and_maps_take_turns_in_it() {
        let plan = GpuPlan::new(1.0, 160, F16);
        let (_, one) = plan.arena(1);
        let (_, many) = plan.arena(64);
        assert!(many <= 64 * one);
        let all: usize = plan.layouts.iter().map(MapLayout::face).sum();
        assert!(2 * one < all, "{one} of {all} bytes");
    }
}
