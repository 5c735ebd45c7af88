//! The network's [`Program`] compiled for an instruction set: the steps, and the places of their inputs and outputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch_norm::Folded;
use crate::networks::inception_resnet_v1::Convolution;
use crate::program::{Map, MapRole, MapSlice, Op, Product, Program, extent};
use facevault_kernels::arena::{self, Need};
use facevault_kernels::pack::{self, Channels, Filters, Shape};
use facevault_kernels::sets::{Set, WeightFormat};

/// Faces that go through the layers together, so that the weights are read once for all of them.
pub const GROUP: usize = 8;

/// Tiles of a Winograd layer between its way in and its way out: what they need should stay in the second cache.
const WINOGRAD_BYTES: usize = 3 << 20;

/// A place for activations, channels last.
#[derive(Debug, Clone)]
pub struct Buffer {
    /// Where it begins in the arena, bytes.
    pub offset: usize,
    /// Pixels of a column.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Of a pixel, padding included.
    pub channels: usize,
    /// Of a channel.
    pub bytes: usize,
    /// The kind of its numbers.
    pub role: MapRole,
    /// A face at a time, or all of a group.
    pub grouped: bool,
    /// Slices, next to each other.
    pub parts: Vec<BufferPart>,
    life: (usize, usize),
}

/// Channels of a buffer that one layer writes.
#[derive(Debug, Clone)]
pub struct BufferPart {
    /// First channel.
    pub at: usize,
    /// Of the checkpoint.
    pub channels: usize,
    /// With padding.
    pub padded: usize,
    /// What one unit in memory is worth.
    pub unit: f32,
}

impl Buffer {
    /// Whether what reads it computes in f32 whatever the precision: the network's input, and the mean that the head takes.
    pub fn plain(&self) -> bool {
        matches!(self.role, MapRole::Input | MapRole::Head)
    }
    /// Bytes of a pixel.
    pub fn pixel(&self) -> usize {
        self.channels * self.bytes
    }
    /// Bytes of a face.
    pub fn image(&self) -> usize {
        self.height * self.width * self.pixel()
    }
    fn size(&self) -> usize {
        self.image() * if self.grouped { GROUP } else { 1 }
    }
}

/// One step of the forward pass.
pub struct PlanStep {
    /// Of the layer or layers.
    pub name: String,
    /// The part of the network it belongs to.
    pub stage: &'static str,
    /// Floating-point operations for a face, by definition.
    pub flop: f64,
    /// Slices that it writes, with the names of their ranges.
    pub outputs: Vec<(MapSlice, String)>,
    /// What it does.
    pub work: StepWork,
}

/// What a step does.
pub enum StepWork {
    /// Bytes → network input.
    Standardise { out: usize },
    /// A convolution.
    Conv(Conv),
    /// A 3×3 convolution with Winograd.
    Winograd(Winograd),
    /// 3×3 maximum, stride 2: every part of the input into the parts of the output from this one on.
    Pool { input: usize, out: MapSlice },
    /// Mean over the pixels.
    Mean { input: usize, out: usize },
}

/// Convolutions of one input that are computed as one.
pub struct Conv {
    pub input: usize,
    pub kernel: (usize, usize),
    pub stride: usize,
    pub padding: (usize, usize),
    pub height: usize,
    pub width: usize,
    /// An f32 product whatever the precision.
    pub float: bool,
    /// Taps that a pixel of the output reads, each `words` long: rows of the kernel where no padding comes between.
    pub runs: usize,
    pub words: usize,
    pub panels: Vec<Panel>,
    pub packed: Arc<PackedLayer>,
    /// What is added.
    pub residual: Option<usize>,
    pub relu: bool,
    /// The output is f32 though activations are not.
    pub last: bool,
}

/// A layer's parameters as its kernel reads them; they do not depend on the size of the faces.
#[derive(Default)]
pub struct PackedLayer {
    /// Panel after panel; 36 times that for Winograd.
    pub weights: Vec<u32>,
    /// Of each output channel; integer sums only.
    pub scale: Vec<f32>,
    /// Of each output channel.
    pub bias: Vec<f32>,
}

/// Output channels that are computed together.
pub struct Panel {
    /// First word.
    pub weights: usize,
    pub vectors: usize,
    /// First scale and bias.
    pub channel: usize,
    /// Buffer, and first channel there.
    pub out: (usize, usize),
    /// What the residual is multiplied with.
    pub factor: f32,
}

/// A 3×3 convolution with stride 1 in F(4×4, 3×3).
pub struct Winograd {
    pub input: usize,
    pub out: MapSlice,
    pub padding: usize,
    /// Tiles of a column and of a row.
    pub tiles: (usize, usize),
    /// Tiles at a time.
    pub chunk: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub panels: Vec<Panel>,
    pub packed: Arc<PackedLayer>,
    /// Words of one of the 36.
    pub component: usize,
    /// Scratch: 36 × chunk × inputs, 36 × chunk × outputs.
    pub scratch: (usize, usize),
    /// Numbers between two of the 36 in each.
    pub strides: (usize, usize),
}

/// The network, ready to run.
pub struct CpuPlan {
    pub set: &'static Set,
    pub side: usize,
    pub buffers: Vec<Buffer>,
    pub steps: Vec<PlanStep>,
    /// Steps that run face by face; the others take a group at once.
    pub stem: usize,
    /// Bytes of the arena. It begins with zeros for padding to read.
    pub arena: usize,
    /// Where the head's output is.
    pub output: usize,
}

/// Where the parameters come from, and the range of each layer's output.
pub struct PlanSource<'a> {
    /// The parameters.
    pub parameters: ParameterSource<'a>,
    /// Largest value of a layer's output, by name; integer activations only.
    pub ranges: &'a BTreeMap<String, f32>,
    /// Whether 3×3 layers go by way of Winograd.
    pub winograd: bool,
}

/// Where parameters come from.
pub enum ParameterSource<'a> {
    /// A convolution's folded parameters by key; `last_linear` too.
    Folded(&'a dyn Fn(&Convolution) -> Folded),
    /// The steps of a plan of the same network for faces of another size.
    Plan(&'a [PlanStep]),
}

struct PlanBuilder<'a> {
    set: &'static Set,
    source: &'a PlanSource<'a>,
    /// Those of the program's maps, then scratch.
    buffers: Vec<Buffer>,
    steps: Vec<PlanStep>,
    stage: &'static str,
}

impl CpuPlan {
    /// Compiles the network for faces of `side` × `side` pixels.
    pub fn new(set: &'static Set, width: f64, side: usize, source: &PlanSource<'_>) -> Self {
        let program = Program::new(width, side);
        PlanBuilder::new(set, &program, source).plan(&program, side)
    }
}

fn buffer_of(map: &Map, set: &Set, grouped: bool, life: (usize, usize)) -> Buffer {
    let mut at = 0;
    let parts = map.parts.iter().map(|&channels| {
        let padded = if map.role == MapRole::Input { channels } else { channels.next_multiple_of(set.lanes) };
        at += padded;
        BufferPart { at: at - padded, channels, padded, unit: 1.0 }
    });
    let parts = parts.collect();
    let bytes = if map.role == MapRole::Activation { set.bytes } else { 4 };
    let Map { height, width, role, .. } = *map;
    Buffer { offset: 0, height, width, channels: at, bytes, role, grouped, parts, life }
}

/// Gives each buffer its place. A tile may read past the last pixel.
fn lay_out(buffers: &mut [Buffer], zeros: usize, height: usize) -> usize {
    let size = |buffer: &Buffer| (buffer.size() + height * buffer.pixel()).next_multiple_of(64) + 64;
    let needs: Vec<_> = buffers.iter().map(|buffer| Need { size: size(buffer), life: buffer.life }).collect();
    let (offsets, arena) = arena::place(&needs, zeros);
    buffers.iter_mut().zip(offsets).for_each(|(buffer, offset)| buffer.offset = offset);
    arena
}

/// First channel and vectors of each panel of `padded` channels: two vectors, one at an odd end.
fn panels(padded: usize, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..padded).step_by(2 * lanes).map(move |at| (at, if at + lanes < padded { 2 } else { 1 }))
}

/// Steps that run face by face.
fn stem(program: &Program) -> usize {
    program.steps.iter().take_while(|step| step.stage == "stem").count()
}

impl<'a> PlanBuilder<'a> {
    fn new(set: &'static Set, program: &Program, source: &'a PlanSource<'a>) -> Self {
        let stem = stem(program);
        let buffer = |(map, (first, last)): (&Map, (usize, usize))| {
            let grouped = last >= stem;
            // What the stem leaves for the group must outlive the stem of every face of it.
            let first = if grouped && first < stem { 0 } else { first };
            buffer_of(map, set, grouped, (first, last))
        };
        let buffers = program.maps.iter().zip(program.lives()).map(buffer).collect();
        Self { set, source, buffers, steps: Vec::new(), stage: "" }
    }

    fn plan(mut self, program: &Program, side: usize) -> CpuPlan {
        for step in &program.steps {
            self.stage = step.stage;
            self.compile(&step.name, &step.op);
        }
        let Self { mut buffers, steps, set, .. } = self;
        let zeros = buffers.iter().map(Buffer::pixel).max().unwrap_or(0).next_multiple_of(64) + 64;
        let arena = lay_out(&mut buffers, zeros, set.height);
        CpuPlan { set, side, buffers, steps, stem: stem(program), arena, output: program.output }
    }

    /// Height and width of a convolution's output.
    fn extent(&self, convolution: &Convolution, input: usize) -> (usize, usize) {
        extent(convolution, (self.buffers[input].height, self.buffers[input].width))
    }

    fn compile(&mut self, name: &str, op: &Op) {
        match op {
            Op::Standardise { out } => self.step(name, 0.0, Vec::new(), StepWork::Standardise { out: *out }),
            Op::Product(product) => {
                let c = product.geometry();
                let pays = product.residual.is_none() && self.set.winograd_pays(c.outputs);
                let suits = c.kernel == (3, 3) && c.stride == 1 && pays && !self.buffers[product.input].plain();
                if suits && self.source.winograd { self.winograd(product) } else { self.product(name, product) }
            }
            Op::Pool { input, out } => {
                for (i, part) in self.buffers[*input].parts.clone().into_iter().enumerate() {
                    self.buffers[out.0].parts[out.1 + i].unit = part.unit;
                }
                self.step(name, 0.0, Vec::new(), StepWork::Pool { input: *input, out: *out });
            }
            Op::Mean { input, out } => self.step(name, 0.0, Vec::new(), StepWork::Mean { input: *input, out: *out }),
        }
    }

    /// Floats for the current step alone.
    fn scratch(&mut self, height: usize, width: usize) -> usize {
        let map = Map { height, width, parts: vec![16], role: MapRole::Body };
        let now = self.steps.len();
        self.buffers.push(buffer_of(&map, self.set, false, (now, now)));
        self.buffers.len() - 1
    }

    fn step(&mut self, name: &str, flop: f64, outputs: Vec<(MapSlice, String)>, work: StepWork) {
        self.steps.push(PlanStep { name: name.into(), stage: self.stage, flop, outputs, work });
    }

    fn product(&mut self, name: &str, product: &Product) {
        let Product { input, into, residual, relu } = product;
        let (input, residual) = (*input, residual.as_ref());
        let set = self.set;
        let spec = product.geometry();
        let (height, width) = self.extent(spec, input);
        let channels = self.channels(input);
        let from = &self.buffers[input];
        let float = from.plain() || set.weights == WeightFormat::F32;
        let kind = if float { WeightFormat::F32 } else { set.weights };
        let per_word = if float { 1 } else { set.per_word };
        let taps = spec.kernel.0 * spec.kernel.1;
        let whole_rows = spec.padding == (0, 0);
        let (runs, words) = if whole_rows {
            (spec.kernel.0, spec.kernel.1 * from.channels / per_word)
        } else {
            (taps, from.channels / per_word)
        };
        let padded = from.channels;
        let mut conv = Conv {
            input,
            kernel: spec.kernel,
            stride: spec.stride,
            padding: spec.padding,
            height,
            width,
            float,
            runs,
            words,
            panels: Vec::new(),
            packed: Arc::default(),
            residual: residual.map(|residual| residual.x),
            relu: *relu,
            last: self.buffers[into[0].1.0].role != MapRole::Activation,
        };
        let (mut packed, mut length, mut channel) = (PackedLayer::default(), 0, 0);
        let mut outputs = Vec::new();
        for (spec, (buffer, part)) in into {
            let (buffer, part) = (*buffer, *part);
            let folded = self.folded(spec).map(|mut folded| {
                if let Some(residual) = residual {
                    let scale = residual.scale as f32;
                    folded.weight.iter_mut().chain(&mut folded.bias).for_each(|value| *value *= scale);
                }
                folded
            });
            let name = residual.map_or(&spec.key, |residual| &residual.block);
            let unit = if conv.last { 1.0 } else { self.unit(name) };
            let shape = Shape { taps, run: taps / runs, inputs: spec.inputs, padded };
            // A residual's output has the parts of its block's input, a layer's own output the one it was given.
            let parts: Vec<usize> =
                if residual.is_some() { (0..self.buffers[buffer].parts.len()).collect() } else { vec![part] };
            let mut first = 0;
            for part in parts {
                let factor = residual.map_or(0.0, |from| self.buffers[from.x].parts[part].unit / unit);
                let out = &mut self.buffers[buffer].parts[part];
                out.unit = unit;
                if !conv.last {
                    outputs.push(((buffer, part), name.to_owned()));
                }
                let out = out.clone();
                for (at, vectors) in panels(out.padded, set.lanes) {
                    let width = vectors * set.lanes;
                    let here = at.min(out.channels)..(at + width).min(out.channels);
                    conv.panels.push(Panel { weights: length, vectors, channel, out: (buffer, out.at + at), factor });
                    length += runs * kind.rows(words) * width;
                    channel += width;
                    let Some(folded) = &folded else { continue };
                    let channels_out = first + here.start..first + here.end;
                    let filters = Filters { weight: &folded.weight, shape, channels: &channels };
                    let quantiser = |output| if kind.integer() { filters.quantiser(output) } else { unit.recip() };
                    let scales: Vec<f32> = channels_out.clone().map(quantiser).collect();
                    let scale = |output| scales[output - channels_out.start];
                    filters.panel(channels_out.clone(), width, kind, scale, &mut packed.weights);
                    packed.bias.extend(channels_out.map(|output| folded.bias[output] / unit));
                    packed.bias.resize(channel, 0.0);
                    if kind.integer() {
                        packed.scale.extend(scales.iter().map(|scale| 1.0 / (scale * unit)));
                        packed.scale.resize(channel, 0.0);
                    }
                }
                first += out.channels;
            }
        }
        if !float && !packed.weights.is_empty() {
            packed.weights.resize(length + set.words_behind(), 0);
        }
        conv.packed = self.packed(packed);
        self.step(name, product.flop(height * width), outputs, StepWork::Conv(conv));
    }

    fn winograd(&mut self, product: &Product) {
        let (input, (spec, out)) = (product.input, &product.into[0]);
        let (key, out) = (&spec.key, *out);
        let set = self.set;
        let channels: Channels = self.channels(input);
        let (height, width) = self.extent(spec, input);
        let (inputs, images) = (self.buffers[input].channels, if self.buffers[input].grouped { GROUP } else { 1 });
        let outputs = spec.outputs.next_multiple_of(set.lanes);
        let tiles = (height.div_ceil(4), width.div_ceil(4));
        let all = tiles.0 * tiles.1 * images;
        let most = (WINOGRAD_BYTES / (36 * 4 * (inputs + outputs))).clamp(set.height, all.max(set.height));
        // Chunks of about the same length.
        let chunk = all.div_ceil(all.div_ceil(most)).next_multiple_of(set.height);
        // An odd number of cache lines, so that the 36 do not fall onto the same sets of the cache.
        let lines = |channels: usize| (chunk * channels).div_ceil(16) | 1;
        let (from, to) = (lines(inputs), lines(outputs));
        let strides = (16 * from, 16 * to);
        let scratch = (self.scratch(36, from), self.scratch(36, to));
        let unit = self.unit(key);
        self.buffers[out.0].parts[out.1].unit = unit;
        let (mut all_panels, mut component) = (Vec::new(), 0);
        for (at, vectors) in panels(outputs, set.lanes) {
            all_panels.push(Panel { weights: component, vectors, channel: at, out: (scratch.1, at), factor: 0.0 });
            component += inputs * vectors * set.lanes;
        }
        let mut packed = PackedLayer::default();
        if let Some(folded) = self.folded(spec) {
            let mut components = vec![vec![0f32; spec.outputs * spec.inputs]; 36];
            for i in 0..spec.outputs * spec.inputs {
                let kernel = std::array::from_fn(|tap| f64::from(folded.weight[i * 9 + tap]));
                for (component, value) in components.iter_mut().zip(pack::winograd(&kernel)) {
                    component[i] = value as f32;
                }
            }
            let shape = Shape { taps: 1, run: 1, inputs: spec.inputs, padded: inputs };
            let scale = |_| unit.recip();
            for values in &components {
                for panel in &all_panels {
                    let width = panel.vectors * set.lanes;
                    let here = panel.channel.min(spec.outputs)..(panel.channel + width).min(spec.outputs);
                    Filters { weight: values, shape, channels: &channels }.panel(
                        here,
                        width,
                        WeightFormat::F32,
                        scale,
                        &mut packed.weights,
                    );
                }
            }
            packed.bias = folded.bias.iter().map(|value| value / unit).collect();
            packed.bias.resize(outputs, 0.0);
        }
        let packed = self.packed(packed);
        let padding = spec.padding.0;
        let work = Winograd {
            input,
            out,
            padding,
            tiles,
            chunk,
            inputs,
            outputs,
            panels: all_panels,
            packed,
            component,
            scratch,
            strides,
        };
        self.step(key, product.flop(height * width), vec![(out, key.to_owned())], StepWork::Winograd(work));
    }

    /// A layer's parameters, unless they are packed already.
    fn folded(&self, spec: &Convolution) -> Option<Folded> {
        match self.source.parameters {
            ParameterSource::Folded(folded) => Some(folded(spec)),
            ParameterSource::Plan(_) => None,
        }
    }

    /// The packed parameters of the step that comes next.
    fn packed(&self, new: PackedLayer) -> Arc<PackedLayer> {
        match self.source.parameters {
            ParameterSource::Folded(_) => Arc::new(new),
            ParameterSource::Plan(steps) => match &steps[self.steps.len()].work {
                StepWork::Conv(conv) => conv.packed.clone(),
                StepWork::Winograd(winograd) => winograd.packed.clone(),
                _ => Arc::default(),
            },
        }
    }

    /// Where each channel of the checkpoint is in a buffer.
    fn channels(&self, buffer: usize) -> Channels {
        let parts = &self.buffers[buffer].parts;
        parts.iter().flat_map(|part| (0..part.channels).map(|i| (part.at + i, part.unit))).collect()
    }

    /// What one unit of an integer activation is worth.
    fn unit(&self, name: &str) -> f32 {
        let range = || self.source.ranges.get(name).copied().unwrap_or(0.0);
        if self.set.weights.integer() { (range() / 255.0).max(f32::MIN_POSITIVE) } else { 1.0 }
    }
}

#[cfg(test)]
use crate::networks::inception_resnet_v1 as net;

#[cfg(test)]
impl CpuPlan {
    /// One convolution of `size`, over its own input's neighbour where `residual` asks for it: buffers 0 → 1.
    pub fn of_one(
        set: &'static Set,
        spec: Convolution,
        size: (usize, usize),
        residual: Option<f32>,
        source: &PlanSource<'_>,
    ) -> Self {
        let map = |(height, width), channels| Map { height, width, parts: vec![channels], role: MapRole::Activation };
        let maps = vec![map(size, spec.inputs), map(extent(&spec, size), spec.outputs)];
        let block = spec.key.clone();
        let residual = residual.map(|scale| crate::program::Residual { x: 1, block, scale: f64::from(scale) });
        let relu = spec.after == net::After::NormRelu || residual.is_some();
        let name = spec.key.clone();
        let product = Product { input: 0, into: vec![(spec, (1, 0))], residual, relu };
        let steps = vec![crate::program::ProgramStep { name, stage: "test", op: Op::Product(product) }];
        let program = Program { maps, steps, output: 1 };
        let mut builder = PlanBuilder::new(set, &program, source);
        for (buffer, name) in [(0, "input"), (1, "residual")] {
            builder.buffers[buffer].parts[0].unit = builder.unit(name);
        }
        builder.plan(&program, 0)
    }
}
