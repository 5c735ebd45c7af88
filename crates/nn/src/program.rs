//! [`InceptionResnetV1`](crate::networks::inception_resnet_v1) as a list of steps over maps, which every fused plan is compiled from.
//!
//! Branches write into slices of a concatenated map. A residual block overwrites its own input, which its branches have read
//! by then. Parallel 1×1 branches of one input are one product.

use std::collections::HashMap;

use crate::networks::inception_resnet_v1::{self as net, After, Convolution, DIMENSION};

/// Activations of a face: height × width × channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Pixels of a column.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Channels of the checkpoint in each slice, slices next to each other.
    pub parts: Vec<usize>,
    /// The kind of its numbers.
    pub role: MapRole,
}

/// The kind of numbers in a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapRole {
    /// The network's input: standardised pixels.
    Input,
    /// Whatever the precision computes with.
    Activation,
    /// The end of the body: f32 whatever the precision.
    Body,
    /// Its mean over the pixels, and the head's output: likewise.
    Head,
}

/// A slice of a map.
pub type MapSlice = (usize, usize);

/// One step of the forward pass.
#[derive(Debug, Clone)]
pub struct ProgramStep {
    /// Of the layer or layers.
    pub name: String,
    /// The part of the network it belongs to.
    pub stage: &'static str,
    /// What it does.
    pub op: Op,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Op {
    /// Bytes → network input.
    Standardise { out: usize },
    /// Convolutions of one input and one geometry.
    Product(Product),
    /// 3×3 maximum, stride 2: every slice of the input into the slices of the output from this one on.
    Pool { input: usize, out: MapSlice },
    /// Mean over the pixels.
    Mean { input: usize, out: usize },
}

/// Convolutions that are computed as one.
#[derive(Debug, Clone)]
pub struct Product {
    /// Map that all of them read.
    pub input: usize,
    /// Each with its slice. A residual's one convolution fills all slices of its map.
    pub into: Vec<(Convolution, MapSlice)>,
    /// What is added.
    pub residual: Option<Residual>,
    /// Whether negative sums become zero.
    pub relu: bool,
}

/// x + scale · product.
#[derive(Debug, Clone)]
pub struct Residual {
    /// The map x.
    pub x: usize,
    /// Block whose output this is.
    pub block: String,
    /// On the product.
    pub scale: f64,
}

/// The network for faces of one size.
#[derive(Debug, Clone)]
pub struct Program {
    /// Maps by index.
    pub maps: Vec<Map>,
    /// Steps in order.
    pub steps: Vec<ProgramStep>,
    /// The map of the head's output.
    pub output: usize,
}

impl Product {
    /// The convolution whose geometry all share.
    #[must_use]
    pub fn geometry(&self) -> &Convolution {
        &self.into[0].0
    }
    /// Names of its layers.
    fn name(&self) -> String {
        self.into.iter().map(|(convolution, _)| convolution.key.as_str()).collect::<Vec<_>>().join(" + ")
    }
    /// Floating-point operations for a face with `pixels` pixels of output, by definition.
    #[must_use]
    pub fn flop(&self, pixels: usize) -> f64 {
        let per_pixel = |c: &Convolution| c.kernel.0 * c.kernel.1 * c.inputs * c.outputs;
        let products: usize = self.into.iter().map(|(convolution, _)| per_pixel(convolution)).sum();
        2.0 * (pixels * products) as f64
    }
}

impl Op {
    /// Maps that the step reads.
    #[must_use]
    pub fn reads(&self) -> Vec<usize> {
        match self {
            Self::Standardise { .. } => Vec::new(),
            Self::Product(product) => {
                std::iter::once(product.input).chain(product.residual.as_ref().map(|residual| residual.x)).collect()
            }
            Self::Pool { input, .. } | Self::Mean { input, .. } => vec![*input],
        }
    }

    /// Maps that the step writes to.
    #[must_use]
    pub fn writes(&self) -> Vec<usize> {
        match self {
            Self::Standardise { out } | Self::Mean { out, .. } => vec![*out],
            Self::Product(product) => product.into.iter().map(|(_, (map, _))| *map).collect(),
            Self::Pool { out, .. } => vec![out.0],
        }
    }
}

impl Program {
    /// The network at a width, for faces of `side` × `side` pixels, `side` ≥ [`net::MIN_SIDE`].
    #[must_use]
    pub fn new(width: f64, side: usize) -> Self {
        let convolutions = net::convolutions(width).into_iter().map(|c| (c.key.clone(), c)).collect();
        let mut builder = ProgramBuilder { convolutions, maps: Vec::new(), steps: Vec::new(), stage: "stem" };
        let output = builder.network(side);
        Self { maps: builder.maps, steps: builder.steps, output }
    }

    /// First and last step that touch each map.
    #[must_use]
    pub fn lives(&self) -> Vec<(usize, usize)> {
        let mut lives = vec![(usize::MAX, 0); self.maps.len()];
        for (now, step) in self.steps.iter().enumerate() {
            for map in step.op.reads().into_iter().chain(step.op.writes()) {
                lives[map] = (lives[map].0.min(now), now);
            }
        }
        lives
    }
}

struct ProgramBuilder {
    convolutions: HashMap<String, Convolution>,
    maps: Vec<Map>,
    steps: Vec<ProgramStep>,
    stage: &'static str,
}

const BRANCH1: [&str; 3] = ["branch1.0", "branch1.1", "branch1.2"];

impl ProgramBuilder {
    /// The forward pass; gives the head's map. Mirrors the candle graph.
    fn network(&mut self, side: usize) -> usize {
        let input = self.map(side, side, vec![3], MapRole::Input);
        self.step("standardise", Op::Standardise { out: input });
        let mut x = input;
        for key in ["conv2d_1a", "conv2d_2a", "conv2d_2b"] {
            x = self.conv(key, x);
        }
        x = self.pool("maxpool_3a", x);
        for key in ["conv2d_3b", "conv2d_4a", "conv2d_4b"] {
            x = self.conv(key, x);
        }

        self.stage = "Block35";
        for i in 0..net::BLOCK35.0 {
            let block = format!("repeat_1.{i}");
            let at = |branch: &str| format!("{block}.{branch}");
            let cat = self.concat(x, &[&at("branch0"), &at("branch1.1"), &at("branch2.2")]);
            let (one, two) = (self.like(x, &at("branch1.0")), self.like(x, &at("branch2.0")));
            self.convs(&[(&at("branch0"), (cat, 0)), (&at("branch1.0"), (one, 0)), (&at("branch2.0"), (two, 0))], x);
            self.convs(&[(&at("branch1.1"), (cat, 1))], one);
            let three = self.conv(&at("branch2.1"), two);
            self.convs(&[(&at("branch2.2"), (cat, 2))], three);
            self.residual(&block, cat, x, net::BLOCK35.1);
        }

        self.stage = "mixed_6a";
        let cat = self.reduction(x, &["mixed_6a.branch0", "mixed_6a.branch1.2"]);
        self.convs(&[("mixed_6a.branch0", (cat, 0))], x);
        let one = self.conv("mixed_6a.branch1.0", x);
        let two = self.conv("mixed_6a.branch1.1", one);
        self.convs(&[("mixed_6a.branch1.2", (cat, 1))], two);
        self.step("mixed_6a.branch2", Op::Pool { input: x, out: (cat, 2) });
        x = cat;

        self.stage = "Block17";
        for i in 0..net::BLOCK17.0 {
            self.two_branches(&format!("repeat_2.{i}"), x, net::BLOCK17.1);
        }

        self.stage = "mixed_7a";
        let ends = ["mixed_7a.branch0.1", "mixed_7a.branch1.1", "mixed_7a.branch2.2"];
        let cat = self.reduction(x, &ends);
        let starts = ["mixed_7a.branch0.0", "mixed_7a.branch1.0", "mixed_7a.branch2.0"];
        let inner = starts.map(|start| self.like(x, start));
        self.convs(&[(starts[0], (inner[0], 0)), (starts[1], (inner[1], 0)), (starts[2], (inner[2], 0))], x);
        self.convs(&[(ends[0], (cat, 0))], inner[0]);
        self.convs(&[(ends[1], (cat, 1))], inner[1]);
        let one = self.conv("mixed_7a.branch2.1", inner[2]);
        self.convs(&[(ends[2], (cat, 2))], one);
        self.step("mixed_7a.branch3", Op::Pool { input: x, out: (cat, 3) });
        x = cat;

        self.stage = "Block8";
        for i in 0..net::BLOCK8.0 {
            self.two_branches(&format!("repeat_3.{i}"), x, net::BLOCK8.1);
        }
        let last = self.two_branches("block8", x, 1.0);

        self.stage = "head";
        let channels = self.maps[last].parts.clone();
        let inputs = channels.iter().sum();
        let mean = self.map(1, 1, channels, MapRole::Head);
        self.step("mean", Op::Mean { input: last, out: mean });
        let output = self.map(1, 1, vec![DIMENSION], MapRole::Head);
        let (kernel, stride, padding) = ((1, 1), 1, (0, 0));
        let key = "last_linear".to_owned();
        let head = Convolution { key, inputs, outputs: DIMENSION, kernel, stride, padding, after: After::Bias };
        self.product(Product { input: mean, into: vec![(head, (output, 0))], residual: None, relu: false });
        output
    }

    /// Block17 and Block8: x += scale · conv2d(branch0 ‖ branch1).
    fn two_branches(&mut self, block: &str, x: usize, scale: f64) -> usize {
        let at = |branch: &str| format!("{block}.{branch}");
        let cat = self.concat(x, &[&at("branch0"), &at("branch1.2")]);
        let one = self.like(x, &at(BRANCH1[0]));
        self.convs(&[(&at("branch0"), (cat, 0)), (&at(BRANCH1[0]), (one, 0))], x);
        let two = self.conv(&at(BRANCH1[1]), one);
        self.convs(&[(&at(BRANCH1[2]), (cat, 1))], two);
        self.residual(block, cat, x, scale)
    }

    /// x + scale · conv2d(cat), over x; `block8` ends the body in a map of its own, without ReLU.
    fn residual(&mut self, block: &str, cat: usize, x: usize, scale: f64) -> usize {
        let last = block == "block8";
        let out = if last {
            let Map { height, width, parts, .. } = self.maps[x].clone();
            self.map(height, width, parts, MapRole::Body)
        } else {
            x
        };
        let into = vec![(self.convolutions[&format!("{block}.conv2d")].clone(), (out, 0))];
        let residual = Some(Residual { x, block: block.to_owned(), scale });
        self.product(Product { input: cat, into, residual, relu: !last });
        out
    }

    fn map(&mut self, height: usize, width: usize, parts: Vec<usize>, role: MapRole) -> usize {
        self.maps.push(Map { height, width, parts, role });
        self.maps.len() - 1
    }

    /// A map of the size of `like` for the outputs of some convolutions, side by side.
    fn concat(&mut self, like: usize, keys: &[&str]) -> usize {
        let (height, width) = (self.maps[like].height, self.maps[like].width);
        let channels = keys.iter().map(|key| self.convolutions[*key].outputs).collect();
        self.map(height, width, channels, MapRole::Activation)
    }

    fn like(&mut self, input: usize, key: &str) -> usize {
        self.concat(input, &[key])
    }

    /// A map for what some convolutions make of `x` at half its size, and for its pooled self.
    fn reduction(&mut self, x: usize, keys: &[&str]) -> usize {
        let Map { height, width, parts, .. } = self.maps[x].clone();
        let channels = keys.iter().map(|key| self.convolutions[*key].outputs).chain(parts).collect();
        self.map(half(height), half(width), channels, MapRole::Activation)
    }

    fn pool(&mut self, name: &str, input: usize) -> usize {
        let out = self.reduction(input, &[]);
        self.step(name, Op::Pool { input, out: (out, 0) });
        out
    }

    /// A convolution into a map of its own.
    fn conv(&mut self, key: &str, input: usize) -> usize {
        let convolution = &self.convolutions[key];
        let (height, width) = extent(convolution, (self.maps[input].height, self.maps[input].width));
        let out = self.map(height, width, vec![convolution.outputs], MapRole::Activation);
        self.convs(&[(key, (out, 0))], input);
        out
    }

    /// Normalised and rectified convolutions of the same geometry and input.
    fn convs(&mut self, into: &[(&str, MapSlice)], input: usize) {
        let into = into.iter().map(|(key, place)| (self.convolutions[*key].clone(), *place)).collect();
        self.product(Product { input, into, residual: None, relu: true });
    }

    fn product(&mut self, product: Product) {
        self.step(&product.name(), Op::Product(product));
    }

    fn step(&mut self, name: &str, op: Op) {
        self.steps.push(ProgramStep { name: name.into(), stage: self.stage, op });
    }
}

/// Output of a 3×3 window with stride 2.
fn half(extent: usize) -> usize {
    (extent - 3) / 2 + 1
}

/// Height and width of a convolution's output.
#[must_use]
pub fn extent(convolution: &Convolution, input: (usize, usize)) -> (usize, usize) {
    let along = |size: usize, kernel: usize, padding: usize| (size + 2 * padding - kernel) / convolution.stride + 1;
    let (kernel, padding) = (convolution.kernel, convolution.padding);
    (along(input.0, kernel.0, padding.0), along(input.1, kernel.1, padding.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_network_has_its_published_operations() {
        let program = Program::new(1.0, 160);
        let flop: f64 = program
            .steps
            .iter()
            .filter_map(|step| match &step.op {
                Op::Product(product) => {
                    let out = &program.maps[product.into[0].1.0];
                    Some(product.flop(out.height * out.width))
                }
                _ => None,
            })
            .sum();
        // Products alone; the 2.846 GFLOP of profilers count normalisation and pooling too.
        assert_eq!(flop, 2_835_324_608.0);
    }

    #[test]
    fn every_slice_is_written_once_before_it_is_read() {
        let program = Program::new(0.25, 96);
        let mut written: Vec<Vec<bool>> = program.maps.iter().map(|map| vec![false; map.parts.len()]).collect();
        for step in &program.steps {
            for map in step.op.reads() {
                assert!(written[map].iter().all(|written| *written), "{} reads what is not there", step.name);
            }
            let over_itself =
                |map| matches!(&step.op, Op::Product(p) if p.residual.as_ref().is_some_and(|r| r.x == map));
            let slices: Vec<MapSlice> = match &step.op {
                Op::Standardise { out } | Op::Mean { out, .. } => {
                    (0..program.maps[*out].parts.len()).map(|part| (*out, part)).collect()
                }
                Op::Product(product) if product.residual.is_some() => {
                    let map = product.into[0].1.0;
                    (0..program.maps[map].parts.len()).map(|part| (map, part)).collect()
                }
                Op::Product(product) => product.into.iter().map(|(_, place)| *place).collect(),
                Op::Pool { input, out } => {
                    (0..program.maps[*input].parts.len()).map(|part| (out.0, out.1 + part)).collect()
                }
            };
            for (map, part) in slices {
                let before = std::mem::replace(&mut written[map][part], true);
                assert_eq!(before, over_itself(map), "{} writes {map}.{part}", step.name);
            }
        }
        assert!(written.iter().flatten().all(|written| *written));
    }
}
