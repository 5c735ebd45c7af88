//! Random graphs on every set of kernels that this CPU has, against the graph's own definition.

use std::sync::Arc;

use facevault_graph::{Binary, Function, Graph, Node, Operator, Pool, Reduction, Value, ValueId, reference};
use facevault_kernels::{Kernels, Precision, sets};
use proptest::prelude::*;

use crate::kernels::storage::Steps;
use crate::{Engine, EngineError, Ranges};

/// Makes graphs, one decision after another from a seed.
struct Maker {
    graph: Graph,
    seed: u64,
}

impl Maker {
    fn new(seed: u64, height: usize, width: usize) -> Self {
        let mut maker = Self { graph: Graph::default(), seed };
        maker.graph.input = maker.value(&[1, 3, height, width], None);
        maker
    }

    fn value(&mut self, shape: &[usize], constant: Option<Vec<f32>>) -> ValueId {
        let name = format!("v{}", self.graph.values.len());
        self.graph.values.push(Value { name, shape: shape.to_vec(), constant: constant.map(Arc::from) });
        self.graph.values.len() - 1
    }

    fn node(&mut self, operator: Operator, inputs: &[ValueId], shape: &[usize]) -> ValueId {
        let output = self.value(shape, None);
        let name = format!("n{}", self.graph.nodes.len());
        self.graph.nodes.push(Node { name, operator, inputs: inputs.to_vec(), output });
        output
    }

    fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.seed >> 33
    }

    /// Of 0..count.
    fn below(&mut self, count: usize) -> usize {
        self.next() as usize % count
    }

    fn number(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() as f32 / (1u64 << 31) as f32)
    }

    fn constant(&mut self, shape: &[usize], low: f32, high: f32) -> ValueId {
        let values = (0..shape.iter().product()).map(|_| self.number(low, high)).collect();
        self.value(shape, Some(values))
    }

    fn shape(&self, value: ValueId) -> Vec<usize> {
        self.graph.values[value].shape.clone()
    }

    fn convolution(&mut self, x: ValueId, outputs: usize, groups: usize) -> ValueId {
        let shape = self.shape(x);
        let kernel = (1 + self.below(3).min(shape[2] - 1), 1 + self.below(3).min(shape[3] - 1));
        let kernel = if self.below(2) == 0 && shape[2] > 2 && shape[3] > 2 { (3, 3) } else { kernel };
        let stride = if self.below(3) == 0 { (2, 2) } else { (1, 1) };
        let dilation = if self.below(5) == 0 { (2, 2) } else { (1, 1) };
        let mut padding = [0; 4];
        for (side, padding) in padding.iter_mut().enumerate() {
            *padding = if self.below(3) == 0 { self.below(3) } else { [kernel.0, kernel.1][side % 2] / 2 };
        }
        let along = |axis: usize, kernel: usize, stride: usize, dilation: usize| {
            (shape[2 + axis] + padding[axis] + padding[axis + 2])
                .checked_sub((kernel - 1) * dilation + 1)
                .map(|room| room / stride + 1)
        };
        let (Some(height), Some(width)) =
            (along(0, kernel.0, stride.0, dilation.0), along(1, kernel.1, stride.1, dilation.1))
        else {
            return x;
        };
        let per_group = shape[1] / groups;
        let scale = (1.0 / (per_group * kernel.0 * kernel.1) as f32).sqrt() * 1.7;
        let weight = self.constant(&[outputs, per_group, kernel.0, kernel.1], -scale, scale);
        let mut inputs = vec![x, weight];
        if self.below(2) == 0 {
            inputs.push(self.constant(&[outputs], -1.0, 1.0));
        }
        self.node(
            Operator::Convolution { kernel, stride, padding, dilation, groups },
            &inputs,
            &[1, outputs, height, width],
        )
    }

    fn function(&mut self, x: ValueId) -> ValueId {
        let functions = [
            Function::Relu,
            Function::LeakyRelu(0.1),
            Function::Clip(0.0, 1.0),
            Function::Sigmoid,
            Function::HardSigmoid(0.2, 0.5),
            Function::HardSwish,
            Function::Silu,
            Function::Mish,
            Function::Tanh,
            Function::Erf,
            Function::Gelu,
            Function::GeluTanh,
            Function::Elu(0.7),
            Function::Softplus,
            Function::Abs,
            Function::Neg,
        ];
        let function = functions[self.below(functions.len())];
        let shape = self.shape(x);
        self.node(Operator::Function(function), &[x], &shape)
    }

    /// The axis that stands for channels, and a constant's shape for it.
    fn channels(&self, x: ValueId) -> (usize, Vec<usize>) {
        let shape = self.shape(x);
        if shape.len() == 4 { (shape[1], vec![shape[1], 1, 1]) } else { (shape[2], vec![shape[2]]) }
    }

    fn binary(&mut self, x: ValueId, pool: &[ValueId]) -> ValueId {
        let shape = self.shape(x);
        let binary = [Binary::Add, Binary::Sub, Binary::Mul, Binary::Max, Binary::Min][self.below(5)];
        let same: Vec<ValueId> = pool.iter().copied().filter(|&other| self.shape(other) == shape).collect();
        let other = match self.below(4) {
            0 => self.constant(&[], -1.5, 1.5),
            1 => {
                let (_, constant) = self.channels(x);
                self.constant(&constant, 0.3, 1.5)
            }
            2 => self.constant(&shape, -1.0, 1.0),
            _ => same[self.below(same.len())],
        };
        let inputs = if self.below(2) == 0 { [x, other] } else { [other, x] };
        self.node(Operator::Binary(binary), &inputs, &shape)
    }

    /// One decision on maps.
    fn on_map(&mut self, x: ValueId, pool: &[ValueId]) -> ValueId {
        let shape = self.shape(x);
        let (channels, height, width) = (shape[1], shape[2], shape[3]);
        match self.below(15) {
            14 => {
                // InstanceNormalization.
                let scale = self.constant(&[channels, 1, 1], 0.5, 1.5);
                let shift = self.constant(&[channels, 1, 1], -0.5, 0.5);
                self.node(Operator::LayerNorm { axis: 2, epsilon: 1e-2 }, &[x, scale, shift], &shape)
            }
            0 | 1 => {
                let outputs = [5, 16, 24, 32, 33, 64][self.below(6)];
                self.convolution(x, outputs, 1)
            }
            2 => self.convolution(x, channels, channels),
            3 => {
                let groups = if channels.is_multiple_of(4) { 4 } else { 1 };
                self.convolution(x, channels * 2, groups)
            }
            4 => self.function(x),
            5 => self.binary(x, pool),
            6 => {
                let slope = self.constant(&[channels, 1, 1], -0.2, 0.5);
                self.node(Operator::PRelu, &[x, slope], &shape)
            }
            7 => {
                // BatchNorm, then perhaps a convolution that takes it in.
                let scale = self.constant(&[1, channels, 1, 1], 0.4, 1.6);
                let shift = self.constant(&[1, channels, 1, 1], -1.0, 1.0);
                let x = self.node(Operator::Binary(Binary::Mul), &[x, scale], &shape);
                let x = self.node(Operator::Binary(Binary::Add), &[x, shift], &shape);
                if self.below(2) == 0 { self.convolution(x, 32, 1) } else { x }
            }
            8 => {
                // Squeeze and excite.
                let reduction = if self.below(2) == 0 { Reduction::Mean } else { Reduction::Max };
                let mean = self.node(Operator::Reduce { reduction, axes: vec![2, 3] }, &[x], &[1, channels, 1, 1]);
                let gate = self.node(Operator::Function(Function::Sigmoid), &[mean], &[1, channels, 1, 1]);
                self.node(Operator::Binary(Binary::Mul), &[x, gate], &shape)
            }
            9 => {
                let pool = [Pool::Max, Pool::Mean, Pool::MeanWithPadding][self.below(3)];
                let kernel = (2.min(height), 3.min(width));
                let padding = [0, kernel.1 / 2, kernel.0 / 2, kernel.1 / 2];
                let dilation = (1 + self.below(2), 1 + self.below(2));
                // `ceil_mode`: a last window that begins inside may end outside.
                let beyond = self.below(2);
                let out = |extent: usize, before: usize, after: usize, kernel: usize, dilation: usize| {
                    let room = (before + extent + after + beyond).checked_sub((kernel - 1) * dilation + 1)?;
                    Some((room / 2 + 1).min((before + extent).div_ceil(2)))
                };
                let down = out(height, 0, padding[2], kernel.0, dilation.0);
                let (Some(down), Some(across)) = (down, out(width, padding[1], padding[3], kernel.1, dilation.1))
                else {
                    return x;
                };
                let operator = Operator::Pool { pool, kernel, stride: (2, 2), padding, dilation };
                self.node(operator, &[x], &[1, channels, down, across])
            }
            10 => {
                let fits = |&&other: &&ValueId| {
                    let other = self.shape(other);
                    other.len() == 4 && other[2..] == shape[2..] && other[1] + channels < 200
                };
                let others: Vec<ValueId> = pool.iter().filter(fits).copied().collect();
                if others.is_empty() {
                    return x;
                }
                let other = others[self.below(others.len())];
                let all = channels + self.shape(other)[1];
                self.node(Operator::Concat { axis: 1 }, &[other, x], &[1, all, height, width])
            }
            11 => {
                let (start, step) = if self.below(2) == 0 { (0, 2) } else { (channels - 1, -1) };
                let length = if step == 2 { channels.div_ceil(2) } else { channels };
                self.node(Operator::Slice { axis: 1, start, step }, &[x], &[1, length, height, width])
            }
            12 => {
                let value = if self.below(2) == 0 { 0.0 } else { 0.5 };
                let padded = [1, channels, height + 2, width + 1];
                let x = self.node(Operator::Pad { before: vec![0, 0, 1, 1], value }, &[x], &padded);
                if self.below(2) == 0 { self.convolution(x, 16, 1) } else { x }
            }
            _ => {
                // Tokens.
                let tokens = height * width;
                let flat = self.node(Operator::Reshape, &[x], &[1, channels, tokens]);
                self.node(Operator::Transpose { order: vec![0, 2, 1] }, &[flat], &[1, tokens, channels])
            }
        }
    }

    /// One decision on tokens.
    fn on_tokens(&mut self, x: ValueId, pool: &[ValueId]) -> ValueId {
        let shape = self.shape(x);
        let (tokens, channels) = (shape[1], shape[2]);
        match self.below(9) {
            0 => self.function(x),
            1 => self.binary(x, pool),
            2 => {
                let outputs = [8, 24, 48][self.below(3)];
                let scale = 1.7 / (channels as f32).sqrt();
                let weight = self.constant(&[channels, outputs], -scale, scale);
                let x = self.node(Operator::MatMul, &[x, weight], &[1, tokens, outputs]);
                let bias = self.constant(&[outputs], -1.0, 1.0);
                self.node(Operator::Binary(Binary::Add), &[bias, x], &[1, tokens, outputs])
            }
            3 => {
                let (scale, shift) = (self.constant(&[channels], 0.5, 1.5), self.constant(&[channels], -0.5, 0.5));
                self.node(Operator::LayerNorm { axis: 2, epsilon: 1e-2 }, &[x, scale, shift], &shape)
            }
            4 => {
                let axis = 1 + self.below(2);
                self.node(Operator::Softmax { axis }, &[x], &shape)
            }
            5 if channels.is_multiple_of(8) => self.attention(x),
            6 => {
                let cls = self.constant(&[1, 1, channels], -1.0, 1.0);
                self.node(Operator::Concat { axis: 1 }, &[cls, x], &[1, tokens + 1, channels])
            }
            7 => {
                let indices: Vec<usize> = (0..tokens.min(5)).map(|_| self.below(tokens)).collect();
                let length = indices.len();
                self.node(Operator::Gather { axis: 1, indices }, &[x], &[1, length, channels])
            }
            _ => {
                let turned = self.node(Operator::Transpose { order: vec![0, 2, 1] }, &[x], &[1, channels, tokens]);
                self.node(Operator::Reshape, &[turned], &[1, channels, 1, tokens])
            }
        }
    }

    /// Softmax(q kᵀ) v over two heads of one product.
    fn attention(&mut self, x: ValueId) -> ValueId {
        let shape = self.shape(x);
        let (tokens, channels) = (shape[1], shape[2]);
        let (heads, depth) = (2, channels / 2);
        let scale = 1.7 / (channels as f32).sqrt();
        let weight = self.constant(&[channels, 3 * channels], -scale, scale);
        let qkv = self.node(Operator::MatMul, &[x, weight], &[1, tokens, 3 * channels]);
        let qkv = self.node(Operator::Reshape, &[qkv], &[1, tokens, 3, heads, depth]);
        let order = vec![2, 0, 3, 1, 4];
        let qkv = self.node(Operator::Transpose { order }, &[qkv], &[3, 1, heads, tokens, depth]);
        let [q, k, v] = [0, 1, 2].map(|start| {
            let part = Operator::Slice { axis: 0, start, step: 1 };
            let part = self.node(part, &[qkv], &[1, 1, heads, tokens, depth]);
            self.node(Operator::Reshape, &[part], &[1, heads, tokens, depth])
        });
        let k = self.node(Operator::Transpose { order: vec![0, 1, 3, 2] }, &[k], &[1, heads, depth, tokens]);
        let scores = self.node(Operator::MatMul, &[q, k], &[1, heads, tokens, tokens]);
        let factor = self.constant(&[], 0.2, 0.5);
        let scores = self.node(Operator::Binary(Binary::Mul), &[scores, factor], &[1, heads, tokens, tokens]);
        let shares = self.node(Operator::Softmax { axis: 3 }, &[scores], &[1, heads, tokens, tokens]);
        let out = self.node(Operator::MatMul, &[shares, v], &[1, heads, tokens, depth]);
        let out = self.node(Operator::Transpose { order: vec![0, 2, 1, 3] }, &[out], &[1, tokens, heads, depth]);
        self.node(Operator::Reshape, &[out], &[1, tokens, channels])
    }

    /// A graph of some decisions; what nothing reads is the output.
    fn finish(mut self, decisions: usize) -> Graph {
        let start = self.convolution(self.graph.input, 16, 1);
        let mut pool = vec![self.graph.input, start];
        let mut x = start;
        for _ in 0..decisions {
            x = if self.shape(x).len() == 4 { self.on_map(x, &pool) } else { self.on_tokens(x, &pool) };
            pool.push(x);
        }
        self.graph.output = x;
        self.graph
    }
}

/// Faces of bytes, and the graph's input of each.
fn faces(graph: &Graph, count: usize, seed: u64) -> (Vec<u8>, Vec<Vec<f32>>) {
    let shape = &graph.values[graph.input].shape;
    let plane = shape[2] * shape[3];
    let mut maker = Maker { graph: Graph::default(), seed };
    let bytes: Vec<u8> = (0..count * 3 * plane).map(|_| maker.next() as u8).collect();
    let planes =
        |face: &[u8]| (0..3 * plane).map(|i| (f32::from(face[i % plane * 3 + i / plane]) - 127.5) / 127.5).collect();
    let inputs = bytes.chunks_exact(3 * plane).map(planes).collect();
    (bytes, inputs)
}

/// How far a precision may be from the definition, of the largest number in the graph. Rounding of a few bits may push single
/// numbers over a step of theirs in bf16 and int8.
fn tolerance(precision: Precision) -> f32 {
    match precision {
        Precision::F32 => 2e-5,
        Precision::Bf16x3 => 1e-4,
        Precision::Bf16 => 0.08,
        _ => 0.15,
    }
}

/// 8-bit value → network input.
fn standardised() -> [f32; 256] {
    std::array::from_fn(|byte| (byte as f32 - 127.5) / 127.5)
}

/// An engine, calibrated on the faces for int8.
fn engine(graph: &Graph, set: &'static sets::Set, threads: usize, faces: &[u8]) -> Result<Engine, EngineError> {
    if !set.weights.integer() {
        return Engine::new(graph, set, threads);
    }
    Engine::in_wholes(graph, set, &ranges(graph, faces)?, threads)
}

fn ranges(graph: &Graph, faces: &[u8]) -> Result<Ranges, EngineError> {
    let set = sets::choose(Kernels::Auto, Precision::F32).unwrap();
    let mut ranges = Ranges::new();
    Engine::observing(graph, set, 1)?.widen(faces, &standardised(), &mut ranges);
    Ok(ranges)
}

fn check(graph: &Graph, count: usize, threads: usize, precision: Precision) -> Result<(), TestCaseError> {
    let (bytes, inputs) = faces(graph, count, 7);
    let values = standardised();
    // A matrix unit adds bf16 products in another order.
    let mut of_fused: [Option<Vec<u32>>; 2] = [None, None];
    for set in sets::every(precision) {
        let engine = engine(graph, set, threads, &bytes);
        let mut engine = engine.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let dimension = engine.dimension();
        let mut out = vec![0f32; count * dimension];
        engine.run(&bytes, count, &values, &mut out);
        if set.fused {
            let bits: Vec<u32> = out.iter().map(|value| value.to_bits()).collect();
            let first = &mut of_fused[usize::from(precision == Precision::Bf16 && set.has_matrix_unit())];
            prop_assert!(first.as_ref().is_none_or(|first| *first == bits), "{} gives other bytes", set.name);
            *first = Some(bits);
        }
        for (row, input) in out.chunks_exact(dimension).zip(&inputs) {
            let all = reference::values(graph, input);
            let expected = &all[graph.output];
            let largest = all.iter().flatten().fold(1f32, |most, value| most.max(value.abs()));
            for (place, (&ours, &theirs)) in row.iter().zip(expected).enumerate() {
                prop_assert!(
                    (ours - theirs).abs() <= tolerance(precision) * largest,
                    "{}: {ours} instead of {theirs} at {place} of {:?}; {:#?}",
                    set.name,
                    graph.values[graph.output].shape,
                    graph
                        .nodes
                        .iter()
                        .map(|node| format!(
                            "{:?} {:?}->{} {:?}",
                            node.operator, node.inputs, node.output, graph.values[node.output].shape
                        ))
                        .collect::<Vec<_>>()
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_mean_with_padding_is_over_the_places_of_a_dilated_window() {
    let mut maker = Maker::new(1, 9, 10);
    let (pool, kernel, stride) = (Pool::MeanWithPadding, (3, 3), (4, 4));
    // Of the last windows, places 0 and 3 of 0, 3 and 6 lie inside the padded map; without dilation, all three would.
    let operator = Operator::Pool { pool, kernel, stride, padding: [0, 0, 1, 1], dilation: (3, 3) };
    maker.graph.output = maker.node(operator, &[maker.graph.input], &[1, 3, 2, 2]);
    check(&maker.graph, 2, 1, Precision::F32).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 96 } else { 4000 }))]
    #[test]
    fn every_operator_equals_its_definition(
        seed in any::<u64>(), decisions in 1usize..9, height in 3usize..14, width in 4usize..14, count in 1usize..4,
        threads in 1usize..3,
    ) {
        let graph = Maker::new(seed, height, width).finish(decisions);
        check(&graph, count, threads, Precision::F32)?;
    }

    #[test]
    fn bf16_is_near_its_definition(
        seed in any::<u64>(), decisions in 1usize..6, height in 3usize..12, width in 4usize..12, count in 1usize..3,
        threads in 1usize..3,
    ) {
        let graph = Maker::new(seed, height, width).finish(decisions);
        check(&graph, count, threads, Precision::Bf16)?;
    }

    #[test]
    fn bf16x3_is_nearly_f32(
        seed in any::<u64>(), decisions in 1usize..6, height in 3usize..12, width in 4usize..12, count in 1usize..3,
        threads in 1usize..3,
    ) {
        let graph = Maker::new(seed, height, width).finish(decisions);
        check(&graph, count, threads, Precision::Bf16x3)?;
    }

    #[test]
    fn int8_is_near_its_definition(
        seed in any::<u64>(), decisions in 1usize..6, height in 3usize..12, width in 4usize..12, count in 1usize..3,
        threads in 1usize..3,
    ) {
        let graph = Maker::new(seed, height, width).finish(decisions);
        check(&graph, count, threads, Precision::Int8)?;
    }

    /// What int8 makes of a graph, but in f32: norms, copies and twins are in their places.
    #[test]
    fn what_is_observed_is_what_the_graph_computes(
        seed in any::<u64>(), decisions in 1usize..9, height in 3usize..12, width in 4usize..12,
    ) {
        let graph = Maker::new(seed, height, width).finish(decisions);
        let (bytes, inputs) = faces(&graph, 1, 7);
        let set = sets::choose(Kernels::Auto, Precision::F32).unwrap();
        let mut engine = Engine::observing(&graph, set, 2).unwrap();
        let mut out = vec![0f32; engine.dimension()];
        engine.run(&bytes, 1, &standardised(), &mut out);
        let all = reference::values(&graph, &inputs[0]);
        let largest = all.iter().flatten().fold(1f32, |most, value| most.max(value.abs()));
        for (ours, theirs) in out.iter().zip(&all[graph.output]) {
            prop_assert!((ours - theirs).abs() <= tolerance(Precision::F32) * largest, "{ours} instead of {theirs}");
        }
        // Each range is that of the value, and 0.
        let ranges = ranges(&graph, &bytes).unwrap();
        for (value, numbers) in graph.values.iter().zip(&all) {
            let Some(&[least, most]) = ranges.get(&value.name) else { continue };
            let expected = numbers.iter().fold([0f32; 2], |[low, high], &x| [low.min(x), high.max(x)]);
            let near = |ours: f32, theirs: f32| (ours - theirs).abs() <= tolerance(Precision::F32) * largest;
            prop_assert!(near(least, expected[0]) && near(most, expected[1]), "{least}..{most}, not {expected:?}");
        }
    }

    /// A convolution of whole numbers against the same in integers, written down here.
    #[test]
    fn products_of_whole_numbers_equal_their_definition(
        seed in any::<u64>(), height in 3usize..9, width in 4usize..9, relu in any::<bool>(), grouped in any::<bool>(),
    ) {
        let mut maker = Maker::new(seed, height, width);
        let mut x = maker.convolution(maker.graph.input, 32, 1);
        prop_assume!(x != maker.graph.input);
        if relu {
            let shape = maker.shape(x);
            x = maker.node(Operator::Function(Function::Relu), &[x], &shape);
        }
        // Four groups of eight channels, which no depthwise kernel takes.
        let y = maker.convolution(x, 48, if grouped { 4 } else { 1 });
        prop_assume!(y != x);
        maker.graph.output = y;
        let graph = maker.graph;
        let (bytes, inputs) = faces(&graph, 1, 7);
        let all = reference::values(&graph, &inputs[0]);
        let steps = Steps::over(ranges(&graph, &bytes).unwrap()[&graph.values[x].name]);
        let expected = in_integers(&graph, &all[x], steps);
        let largest = expected.iter().fold(1f64, |most, value| most.max(value.abs()));
        let weight = graph.nodes.last().map(|node| node.inputs[1]).and_then(|weight| graph.values[weight].constant.clone());
        let heaviest = weight.unwrap().iter().fold(0f32, |most, weight| most.max(weight.abs()));
        // Numbers between two steps may become either: a few of them.
        let allowed = f64::from(4.0 * steps.unit * heaviest) + 1e-5 * largest;
        for set in sets::every(Precision::Int8) {
            let mut engine = engine(&graph, set, 1, &bytes).unwrap();
            let mut out = vec![0f32; engine.dimension()];
            engine.run(&bytes, 1, &standardised(), &mut out);
            for (ours, theirs) in out.iter().zip(&expected) {
                prop_assert!((f64::from(*ours) - theirs).abs() <= allowed, "{}: {ours}, not {theirs}", set.name);
            }
        }
    }
}

/// The graph's last node, a convolution, of whole numbers.
fn in_integers(graph: &Graph, x: &[f32], steps: Steps) -> Vec<f64> {
    let node = graph.nodes.last().unwrap();
    let Operator::Convolution { kernel, stride, padding, dilation, groups } = node.operator else { unreachable!() };
    let [inputs, output] = [node.inputs[0], node.output].map(|value| &graph.values[value].shape);
    let weight = graph.values[node.inputs[1]].constant.as_ref().unwrap();
    let bias = node.inputs.get(2).map(|&bias| graph.values[bias].constant.as_ref().unwrap());
    let (inside, outside, taps) = (inputs[1] / groups, output[1] / groups, kernel.0 * kernel.1);
    let whole = |x: f32| (x / steps.unit + steps.zero).round_ties_even().clamp(0.0, 255.0) as i64 - steps.zero as i64;
    let mut all = Vec::new();
    for o in 0..output[1] {
        let weights = &weight[o * inside * taps..][..inside * taps];
        let unit = weights.iter().fold(0f32, |most, w| most.max(w.abs())) / 127.0;
        for (y, x0) in (0..output[2]).flat_map(|y| (0..output[3]).map(move |x| (y, x))) {
            let mut sum = 0i64;
            for (i, tap) in (0..inside).flat_map(|i| (0..taps).map(move |tap| (i, tap))) {
                let row = (y * stride.0 + tap / kernel.1 * dilation.0).wrapping_sub(padding[0]);
                let column = (x0 * stride.1 + tap % kernel.1 * dilation.1).wrapping_sub(padding[1]);
                if row < inputs[2] && column < inputs[3] {
                    let channel = o / outside * inside + i;
                    let factor = (weights[i * taps + tap] / unit).round_ties_even() as i64;
                    sum += whole(x[(channel * inputs[2] + row) * inputs[3] + column]) * factor;
                }
            }
            let bias = bias.map_or(0.0, |bias| f64::from(bias[o]));
            all.push(sum as f64 * f64::from(unit) * f64::from(steps.unit) + bias);
        }
    }
    all
}

#[test]
fn a_face_gives_the_same_bytes_alone_and_in_any_batch() {
    for seed in 0..12 {
        let graph = Maker::new(seed, 9, 8).finish(6);
        let (bytes, _) = faces(&graph, 19, 3);
        let values: [f32; 256] = std::array::from_fn(|byte| byte as f32 / 255.0);
        let set = sets::choose(Kernels::Auto, Precision::F32).unwrap();
        let mut engine = Engine::new(&graph, set, 2).unwrap();
        let (face, dimension) = (bytes.len() / 19, engine.dimension());
        let mut all = vec![0f32; 19 * dimension];
        engine.run(&bytes, 19, &values, &mut all);
        for i in 0..19 {
            let mut one = vec![0f32; dimension];
            engine.run(&bytes[i * face..][..face], 1, &values, &mut one);
            let same = one.iter().zip(&all[i * dimension..]).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "seed {seed}, face {i}");
        }
    }
}

#[test]
fn graphs_that_contradict_themselves_or_have_no_face_are_refused() {
    let set = sets::choose(Kernels::Auto, Precision::F32).unwrap();
    let refused = |graph: &Graph| Engine::new(graph, set, 1).err().map(|error| error.to_string()).unwrap_or_default();
    let mut graph = Maker::new(1, 6, 6).finish(3);
    assert_eq!(refused(&graph), "");
    graph.values[graph.input].shape = vec![1, 4, 6, 6];
    assert!(refused(&graph).contains("contradicts itself"), "{}", refused(&graph));
    let mut maker = Maker::new(1, 1, 1);
    maker.graph.values[0].shape = vec![1, 27];
    maker.graph.output = 0;
    assert!(refused(&maker.graph).contains("which is no face"), "{}", refused(&maker.graph));
}
