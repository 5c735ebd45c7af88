//! The network as a list of steps over buffers: what runs, where its input lies, where its output goes.
//!
//! Concatenations are buffers whose slices the branches write; a residual block writes over its own input, which its
//! branches have read by then; parallel 1×1 branches of one input are one product.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pack::{self, Channels, Filters, Shape};
use super::sets::{Set, Weights};
use crate::model::folding::Folded;
use crate::model::inception_resnet_v1::{self as net, After, Convolution, DIMENSION};

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
    /// f32 whatever the precision: the network's input, and the mean that the head takes.
    pub plain: bool,
    /// A face at a time, or all of a group.
    pub grouped: bool,
    /// Slices, next to each other.
    pub parts: Vec<Part>,
    first_use: usize,
    last_use: usize,
}

/// Channels of a buffer that one layer writes.
#[derive(Debug, Clone)]
pub struct Part {
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
    /// Bytes of a pixel.
    pub fn pixel(&self) -> usize {
        self.channels * self.bytes
    }
    /// Bytes of a face.
    pub fn image(&self) -> usize {
        self.height * self.width * self.pixel()
    }
    /// Channels of the checkpoint in each slice.
    fn widths(&self) -> Vec<usize> {
        self.parts.iter().map(|part| part.channels).collect()
    }
    fn size(&self) -> usize {
        self.image() * if self.grouped { GROUP } else { 1 }
    }
}

/// A slice of a buffer.
pub type Place = (usize, usize);

/// One step of the forward pass.
pub struct Step {
    /// Of the layer or layers.
    pub name: String,
    /// The part of the network it belongs to.
    pub stage: &'static str,
    /// Floating-point operations a face that the layer is worth, however it is computed.
    pub flop: f64,
    /// Slices that it writes, with the names of their ranges.
    pub outputs: Vec<(Place, String)>,
    /// What it does.
    pub work: Work,
}

/// What a step does.
pub enum Work {
    /// Bytes → network input.
    Standardise { out: usize },
    /// A convolution.
    Conv(Conv),
    /// A 3×3 convolution by way of Winograd.
    Winograd(Winograd),
    /// 3×3 maximum, stride 2: every part of the input into the parts of the output from this one on.
    Pool { input: usize, out: Place },
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
    pub packed: Arc<Packed>,
    /// What is added.
    pub residual: Option<usize>,
    pub relu: bool,
    /// The output is f32 though activations are not.
    pub last: bool,
}

/// A layer's parameters as its kernel reads them; they do not depend on the size of the faces.
#[derive(Default)]
pub struct Packed {
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
    pub out: Place,
    pub padding: usize,
    /// Tiles of a column and of a row.
    pub tiles: (usize, usize),
    /// Tiles at a time.
    pub chunk: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub panels: Vec<Panel>,
    pub packed: Arc<Packed>,
    /// Words of one of the 36.
    pub component: usize,
    /// Scratch: 36 × chunk × inputs, 36 × chunk × outputs.
    pub scratch: (usize, usize),
    /// Numbers between two of the 36 in each.
    pub strides: (usize, usize),
}

/// The network, ready to run.
pub struct Plan {
    pub set: &'static Set,
    pub side: usize,
    pub buffers: Vec<Buffer>,
    pub steps: Vec<Step>,
    /// Steps that run face by face; the others take a group at once.
    pub stem: usize,
    /// Bytes of the arena. It begins with zeros for padding to read.
    pub arena: usize,
    /// Where the head's output is.
    pub output: usize,
}

/// Where the parameters come from, and the range of each layer's output.
pub struct Source<'a> {
    /// The parameters.
    pub parameters: Parameters<'a>,
    /// Largest value of a layer's output, by name; integer activations only.
    pub ranges: &'a BTreeMap<String, f32>,
    /// Whether 3×3 layers go by way of Winograd.
    pub winograd: bool,
}

/// Where parameters come from.
pub enum Parameters<'a> {
    /// A convolution's folded parameters by key; `last_linear` too.
    Folded(&'a dyn Fn(&Convolution) -> Folded),
    /// The steps of a plan of the same network for faces of another size.
    Plan(&'a [Step]),
}

struct Builder<'a> {
    set: &'static Set,
    source: &'a Source<'a>,
    convolutions: std::collections::HashMap<String, Convolution>,
    buffers: Vec<Buffer>,
    steps: Vec<Step>,
    stage: &'static str,
    grouped: bool,
}

impl Plan {
    /// Compiles the network for faces of `side` × `side` pixels.
    pub fn new(set: &'static Set, width: f64, side: usize, source: &Source<'_>) -> Self {
        let convolutions = net::convolutions(width).into_iter().map(|c| (c.key.clone(), c)).collect();
        let (buffers, steps) = (Vec::new(), Vec::new());
        let mut b = Builder { set, source, convolutions, buffers, steps, stage: "stem", grouped: false };
        let output = b.network(side);
        b.plan(side, output)
    }
}

impl Builder<'_> {
    /// Everything planned so far, laid out.
    fn plan(self, side: usize, output: usize) -> Plan {
        let Builder { mut buffers, steps, set, .. } = self;
        let stem = steps.iter().take_while(|step| step.stage == "stem").count();
        let zeros = buffers.iter().map(Buffer::pixel).max().unwrap_or(0).next_multiple_of(64) + 64;
        let arena = place(&mut buffers, zeros, set.height);
        Plan { set, side, buffers, steps, stem, arena, output }
    }
}

/// Gives each buffer its place: first fit, those that live at the same time apart. A tile may read past the last pixel.
fn place(buffers: &mut [Buffer], zeros: usize, height: usize) -> usize {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(buffers[i].size()));
    let mut placed: Vec<(usize, usize, usize)> = Vec::new(); // begin, end, buffer
    let mut arena = zeros;
    for i in order {
        let size = (buffers[i].size() + height * buffers[i].pixel()).next_multiple_of(64) + 64;
        let mut offset = zeros;
        placed.sort_unstable();
        for &(begin, end, other) in &placed {
            let (a, b) = (&buffers[i], &buffers[other]);
            let together = a.first_use <= b.last_use && b.first_use <= a.last_use;
            if together && begin < offset + size && offset < end {
                offset = end;
            }
        }
        buffers[i].offset = offset;
        placed.push((offset, offset + size, i));
        arena = arena.max(offset + size);
    }
    arena
}

const BRANCH1: [&str; 3] = ["branch1.0", "branch1.1", "branch1.2"];

impl Builder<'_> {
    /// The forward pass; gives the head's buffer. Mirrors the graph in `candle_graph`.
    fn network(&mut self, side: usize) -> usize {
        let input = self.buffer(side, side, &[3], 4);
        self.buffers[input].parts[0].padded = 3;
        self.buffers[input].channels = 3;
        self.buffers[input].plain = true;
        self.step("standardise", 0.0, Vec::new(), Work::Standardise { out: input });
        let mut x = input;
        for key in ["conv2d_1a", "conv2d_2a", "conv2d_2b"] {
            x = self.conv(key, x);
        }
        x = self.pool("maxpool_3a", x);
        for key in ["conv2d_3b", "conv2d_4a"] {
            x = self.conv(key, x);
        }
        self.grouped = true;
        x = self.conv("conv2d_4b", x);

        self.stage = "Block35";
        for i in 0..net::BLOCK35.0 {
            let block = format!("repeat_1.{i}");
            let at = |branch: &str| format!("{block}.{branch}");
            let cat = self.concat(x, &[&at("branch0"), &at("branch1.1"), &at("branch2.2")]);
            let (one, two) = (self.like(x, &at("branch1.0")), self.like(x, &at("branch2.0")));
            self.convs(&[(&at("branch0"), (cat, 0)), (&at("branch1.0"), (one, 0)), (&at("branch2.0"), (two, 0))], x);
            self.conv_into(&at("branch1.1"), one, (cat, 1));
            let three = self.conv(&at("branch2.1"), two);
            self.conv_into(&at("branch2.2"), three, (cat, 2));
            self.residual(&block, cat, x, net::BLOCK35.1);
        }

        self.stage = "mixed_6a";
        let (h, w) = (half(self.buffers[x].height), half(self.buffers[x].width));
        let pooled = self.buffers[x].widths();
        let wide: Vec<usize> =
            [self.outputs("mixed_6a.branch0"), self.outputs("mixed_6a.branch1.2")].into_iter().chain(pooled).collect();
        let cat = self.buffer(h, w, &wide, self.set.bytes);
        self.conv_into("mixed_6a.branch0", x, (cat, 0));
        let one = self.conv("mixed_6a.branch1.0", x);
        let two = self.conv("mixed_6a.branch1.1", one);
        self.conv_into("mixed_6a.branch1.2", two, (cat, 1));
        self.pool_into("mixed_6a.branch2", x, (cat, 2));
        x = cat;

        self.stage = "Block17";
        for i in 0..net::BLOCK17.0 {
            self.two_branches(&format!("repeat_2.{i}"), x, net::BLOCK17.1);
        }

        self.stage = "mixed_7a";
        let (h, w) = (half(self.buffers[x].height), half(self.buffers[x].width));
        let ends = ["branch0.1", "branch1.1", "branch2.2"].map(|end| format!("mixed_7a.{end}"));
        let pooled = self.buffers[x].widths();
        let wide: Vec<usize> = ends.iter().map(|end| self.outputs(end)).chain(pooled).collect();
        let cat = self.buffer(h, w, &wide, self.set.bytes);
        let starts = ["branch0.0", "branch1.0", "branch2.0"].map(|start| format!("mixed_7a.{start}"));
        let inner = [0, 1, 2].map(|i| self.like(x, &starts[i]));
        let into: Vec<(&str, Place)> = starts.iter().map(String::as_str).zip(inner.map(|i| (i, 0))).collect();
        self.convs(&into, x);
        self.conv_into(&ends[0], inner[0], (cat, 0));
        self.conv_into(&ends[1], inner[1], (cat, 1));
        let one = self.conv("mixed_7a.branch2.1", inner[2]);
        self.conv_into(&ends[2], one, (cat, 2));
        self.pool_into("mixed_7a.branch3", x, (cat, 3));
        x = cat;

        self.stage = "Block8";
        for i in 0..net::BLOCK8.0 {
            self.two_branches(&format!("repeat_3.{i}"), x, net::BLOCK8.1);
        }
        let last = self.two_branches("block8", x, 1.0);

        self.stage = "head";
        let channels = self.buffers[last].widths();
        let mean = self.buffer(1, 1, &channels, 4);
        self.buffers[mean].plain = true;
        self.step("mean", 0.0, Vec::new(), Work::Mean { input: last, out: mean });
        let output = self.buffer(1, 1, &[DIMENSION], 4);
        let head = Convolution {
            key: "last_linear".into(),
            inputs: channels.iter().sum(),
            outputs: DIMENSION,
            kernel: (1, 1),
            stride: 1,
            padding: (0, 0),
            after: After::Bias,
        };
        self.convolutions.insert(head.key.clone(), head);
        self.convs(&[("last_linear", (output, 0))], mean);
        self.touch(output);
        output
    }

    /// Block17 and Block8: x += scale · conv2d(branch0 ‖ branch1). `block8` ends the body in f32 without ReLU.
    fn two_branches(&mut self, block: &str, x: usize, scale: f64) -> usize {
        let at = |branch: &str| format!("{block}.{branch}");
        let cat = self.concat(x, &[&at("branch0"), &at("branch1.2")]);
        let one = self.like(x, &at(BRANCH1[0]));
        self.convs(&[(&at("branch0"), (cat, 0)), (&at(BRANCH1[0]), (one, 0))], x);
        let two = self.conv(&at(BRANCH1[1]), one);
        self.conv_into(&at(BRANCH1[2]), two, (cat, 1));
        self.residual(block, cat, x, scale)
    }

    fn outputs(&self, key: &str) -> usize {
        self.convolutions[key].outputs
    }

    /// A buffer for the current step on.
    fn buffer(&mut self, height: usize, width: usize, channels: &[usize], bytes: usize) -> usize {
        let mut at = 0;
        let parts = channels.iter().map(|&channels| {
            let padded = channels.next_multiple_of(self.set.lanes);
            at += padded;
            Part { at: at - padded, channels, padded, unit: 1.0 }
        });
        let parts: Vec<_> = parts.collect();
        // What the stem leaves for the group must outlive the stem of every face of it.
        let first_use = if self.stage == "stem" && self.grouped { 0 } else { self.steps.len() };
        let grouped = self.grouped;
        self.buffers.push(Buffer {
            offset: 0,
            height,
            width,
            channels: at,
            bytes,
            plain: false,
            grouped,
            parts,
            first_use,
            last_use: first_use,
        });
        self.buffers.len() - 1
    }

    fn concat(&mut self, like: usize, keys: &[&str]) -> usize {
        let (h, w) = (self.buffers[like].height, self.buffers[like].width);
        let channels: Vec<usize> = keys.iter().map(|key| self.outputs(key)).collect();
        self.buffer(h, w, &channels, self.set.bytes)
    }

    fn like(&mut self, input: usize, key: &str) -> usize {
        self.concat(input, &[key])
    }

    fn touch(&mut self, buffer: usize) {
        let now = self.steps.len();
        self.buffers[buffer].last_use = self.buffers[buffer].last_use.max(now);
    }

    fn step(&mut self, name: &str, flop: f64, outputs: Vec<(Place, String)>, work: Work) {
        self.steps.push(Step { name: name.into(), stage: self.stage, flop, outputs, work });
    }

    /// A convolution into a buffer of its own.
    fn conv(&mut self, key: &str, input: usize) -> usize {
        let c = &self.convolutions[key];
        let (h, w) = extent(c, &self.buffers[input]);
        let channels = c.outputs;
        let out = self.buffer(h, w, &[channels], self.set.bytes);
        self.conv_into(key, input, (out, 0));
        out
    }

    fn conv_into(&mut self, key: &str, input: usize, out: Place) {
        let c = &self.convolutions[key];
        let pays = self.set.weights.winograd_pays(c.outputs);
        let suits = c.kernel == (3, 3) && c.stride == 1 && pays && !self.buffers[input].plain;
        if suits && self.source.winograd { self.winograd(key, input, out) } else { self.convs(&[(key, out)], input) }
    }

    /// Convolutions of the same geometry and input.
    fn convs(&mut self, into: &[(&str, Place)], input: usize) {
        self.product(into, input, None);
    }

    /// x + scale · conv2d(cat), over x, or into an f32 buffer of its own where the body ends.
    fn residual(&mut self, block: &str, cat: usize, x: usize, scale: f64) -> usize {
        let key = format!("{block}.conv2d");
        let out = if block == "block8" {
            let channels = self.buffers[x].widths();
            let (h, w) = (self.buffers[x].height, self.buffers[x].width);
            self.buffer(h, w, &channels, 4)
        } else {
            x
        };
        self.product(&[(&key, (out, 0))], cat, Some((x, block, scale as f32)));
        out
    }

    fn product(&mut self, into: &[(&str, Place)], input: usize, residual: Option<(usize, &str, f32)>) {
        self.touch(input);
        let set = self.set;
        let spec = self.convolutions[into[0].0].clone();
        let (height, width) = extent(&spec, &self.buffers[input]);
        let channels = self.channels(input);
        let from = &self.buffers[input];
        let float = from.plain || set.weights == Weights::F32;
        let kind = if float { Weights::F32 } else { set.weights };
        let per_word = if float { 1 } else { set.per_word };
        let taps = spec.kernel.0 * spec.kernel.1;
        let whole_rows = spec.padding == (0, 0);
        let (runs, words) = if whole_rows {
            (spec.kernel.0, spec.kernel.1 * from.channels / per_word)
        } else {
            (taps, from.channels / per_word)
        };
        let padded = from.channels;
        let last = residual.is_some_and(|(_, block, _)| block == "block8");
        if let Some((x, _, _)) = residual {
            self.touch(x);
        }
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
            residual: residual.map(|(x, _, _)| x),
            relu: spec.after == After::NormRelu || residual.is_some() && !last,
            last: last || spec.key == "last_linear",
        };
        let (mut packed, mut length, mut channel) = (Packed::default(), 0, 0);
        let (mut flop, mut outputs) = (0.0, Vec::new());
        for &(key, (buffer, part)) in into {
            let spec = self.convolutions[key].clone();
            flop += 2.0 * (height * width * taps * spec.inputs * spec.outputs) as f64;
            let folded = self.folded(&spec).map(|mut folded| {
                if let Some((_, _, scale)) = residual {
                    folded.weight.iter_mut().chain(&mut folded.bias).for_each(|value| *value *= scale);
                }
                folded
            });
            let name = residual.map_or(key, |(_, block, _)| block);
            let unit = if conv.last { 1.0 } else { self.unit(name) };
            let shape = Shape { taps, inputs: spec.inputs, padded };
            // A residual's output has the parts of its block's input, a layer's own output the one it was given.
            let parts: Vec<usize> =
                if residual.is_some() { (0..self.buffers[buffer].parts.len()).collect() } else { vec![part] };
            let mut first = 0;
            for part in parts {
                let factor = residual.map_or(0.0, |(x, _, _)| self.buffers[x].parts[part].unit / unit);
                let out = &mut self.buffers[buffer].parts[part];
                out.unit = unit;
                if !conv.last {
                    outputs.push(((buffer, part), name.to_owned()));
                }
                let out = out.clone();
                for at in (0..out.padded).step_by(2 * set.lanes) {
                    let vectors = if at + set.lanes < out.padded { 2 } else { 1 };
                    let here = at.min(out.channels)..(at + vectors * set.lanes).min(out.channels);
                    let width = vectors * set.lanes;
                    conv.panels.push(Panel { weights: length, vectors, channel, out: (buffer, out.at + at), factor });
                    length += runs * words * width;
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
            self.touch(buffer);
        }
        conv.packed = self.packed(packed);
        let name = into.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(" + ");
        self.step(&name, flop, outputs, Work::Conv(conv));
    }

    fn winograd(&mut self, key: &str, input: usize, out: Place) {
        self.touch(input);
        let set = self.set;
        let spec = self.convolutions[key].clone();
        let channels: Channels = self.channels(input);
        let (height, width) = extent(&spec, &self.buffers[input]);
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
        let grouped = std::mem::replace(&mut self.grouped, false);
        let scratch = (self.buffer(36, from, &[16], 4), self.buffer(36, to, &[16], 4));
        self.grouped = grouped;
        let unit = self.unit(key);
        self.buffers[out.0].parts[out.1].unit = unit;
        let (mut panels, mut component) = (Vec::new(), 0);
        for at in (0..outputs).step_by(2 * set.lanes) {
            let vectors = if at + set.lanes < outputs { 2 } else { 1 };
            panels.push(Panel { weights: component, vectors, channel: at, out: (scratch.1, at), factor: 0.0 });
            component += inputs * vectors * set.lanes;
        }
        let mut packed = Packed::default();
        if let Some(folded) = self.folded(&spec) {
            let mut components = vec![vec![0f32; spec.outputs * spec.inputs]; 36];
            for i in 0..spec.outputs * spec.inputs {
                let kernel = std::array::from_fn(|tap| f64::from(folded.weight[i * 9 + tap]));
                for (component, value) in components.iter_mut().zip(pack::winograd(&kernel)) {
                    component[i] = value as f32;
                }
            }
            let shape = Shape { taps: 1, inputs: spec.inputs, padded: inputs };
            let scale = |_| unit.recip();
            for values in &components {
                for panel in &panels {
                    let width = panel.vectors * set.lanes;
                    let here = panel.channel.min(spec.outputs)..(panel.channel + width).min(spec.outputs);
                    Filters { weight: values, shape, channels: &channels }.panel(
                        here,
                        width,
                        Weights::F32,
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
            panels,
            packed,
            component,
            scratch,
            strides,
        };
        let flop = 2.0 * (height * width * 9 * spec.inputs * spec.outputs) as f64;
        for buffer in [out.0, scratch.0, scratch.1] {
            self.touch(buffer);
        }
        self.step(key, flop, vec![(out, key.to_owned())], Work::Winograd(work));
    }

    /// A layer's parameters, unless they are packed already.
    fn folded(&self, spec: &Convolution) -> Option<Folded> {
        match self.source.parameters {
            Parameters::Folded(folded) => Some(folded(spec)),
            Parameters::Plan(_) => None,
        }
    }

    /// The packed parameters of the step that comes next.
    fn packed(&self, new: Packed) -> Arc<Packed> {
        match self.source.parameters {
            Parameters::Folded(_) => Arc::new(new),
            Parameters::Plan(steps) => match &steps[self.steps.len()].work {
                Work::Conv(conv) => conv.packed.clone(),
                Work::Winograd(winograd) => winograd.packed.clone(),
                _ => Arc::default(),
            },
        }
    }

    fn pool(&mut self, name: &str, input: usize) -> usize {
        let from = &self.buffers[input];
        let (h, w) = (half(from.height), half(from.width));
        let channels = from.widths();
        let out = self.buffer(h, w, &channels, self.set.bytes);
        self.pool_into(name, input, (out, 0));
        out
    }

    fn pool_into(&mut self, name: &str, input: usize, out: Place) {
        self.touch(input);
        self.touch(out.0);
        for (i, part) in self.buffers[input].parts.clone().into_iter().enumerate() {
            self.buffers[out.0].parts[out.1 + i].unit = part.unit;
        }
        self.step(name, 0.0, Vec::new(), Work::Pool { input, out });
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

/// Output of a 3×3 window with stride 2.
fn half(extent: usize) -> usize {
    (extent - 3) / 2 + 1
}

fn extent(c: &Convolution, input: &Buffer) -> (usize, usize) {
    let along = |size: usize, kernel: usize, padding: usize| (size + 2 * padding - kernel) / c.stride + 1;
    (along(input.height, c.kernel.0, c.padding.0), along(input.width, c.kernel.1, c.padding.1))
}

#[cfg(test)]
impl Plan {
    /// One convolution of `size`, over its own input's neighbour where `residual` asks for it: buffers 0 → 1.
    pub fn of_one(
        set: &'static Set,
        spec: Convolution,
        size: (usize, usize),
        residual: Option<f32>,
        source: &Source<'_>,
    ) -> Self {
        let (key, inputs, outputs) = (spec.key.clone(), spec.inputs, spec.outputs);
        let convolutions = std::iter::once((key.clone(), spec)).collect();
        let (buffers, steps) = (Vec::new(), Vec::new());
        let mut b = Builder { set, source, convolutions, buffers, steps, stage: "test", grouped: true };
        let input = b.buffer(size.0, size.1, &[inputs], set.bytes);
        b.buffers[input].parts[0].unit = b.unit("input");
        let (h, w) = extent(&b.convolutions[&key], &b.buffers[input]);
        let out = b.buffer(h, w, &[outputs], set.bytes);
        match residual {
            Some(scale) => {
                b.buffers[out].parts[0].unit = b.unit("residual");
                b.touch(out);
                b.product(&[(&key, (out, 0))], input, Some((out, &key, scale)));
            }
            None => b.conv_into(&key, input, (out, 0)),
        }
        b.touch(out);
        b.plan(0, out)
    }
}
