//! A network written down once: what computes its embedding, and with that the parameters that a checkpoint must hold.

use std::sync::Arc;

use facevault_graph::{Binary, Function, Graph, Node, Operator, Pool, Reduction, Value, ValueId};

use crate::batch_norm::{self, BATCH_NORM};
use crate::weights::{Parameter, Tensors};

/// A network that is being written down, layer after layer.
pub struct Definition<'t> {
    graph: Graph,
    /// Where the numbers come from; without, only the parameters are listed.
    tensors: Option<&'t Tensors>,
    parameters: Vec<Parameter>,
}

/// A convolution's geometry.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Height and width.
    pub kernel: usize,
    /// Down and across.
    pub stride: usize,
    /// On all sides.
    pub padding: usize,
    /// Channels see only their own group.
    pub groups: usize,
}

impl Window {
    /// A square one that keeps the size but for the stride.
    pub const fn same(kernel: usize, stride: usize) -> Self {
        Self { kernel, stride, padding: kernel / 2, groups: 1 }
    }
    /// In so many groups.
    pub const fn in_groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }
}

impl<'t> Definition<'t> {
    /// A network of faces of `side` × `side` pixels, and the face.
    pub fn new(tensors: Option<&'t Tensors>, side: usize) -> (Self, ValueId) {
        let mut definition = Self { graph: Graph::default(), tensors, parameters: Vec::new() };
        let face = definition.value(&[1, 3, side, side], None);
        definition.graph.input = face;
        (definition, face)
    }

    /// The network, and the parameters that it has.
    pub fn finish(mut self, embedding: ValueId) -> (Graph, Vec<Parameter>) {
        self.graph.output = embedding;
        (self.graph, self.parameters)
    }

    fn value(&mut self, shape: &[usize], constant: Option<Arc<[f32]>>) -> ValueId {
        let name = format!("{}", self.graph.values.len());
        self.graph.values.push(Value { name, shape: shape.to_vec(), constant });
        self.graph.values.len() - 1
    }

    fn node(&mut self, name: &str, operator: Operator, inputs: &[ValueId], shape: &[usize]) -> ValueId {
        let output = self.value(shape, None);
        self.graph.nodes.push(Node { name: name.to_owned(), operator, inputs: inputs.to_vec(), output });
        output
    }

    pub fn shape(&self, value: ValueId) -> Vec<usize> {
        self.graph.values[value].shape.clone()
    }

    /// The numbers of a parameter. `weights::require` has checked that they are there.
    fn numbers(&mut self, key: &str, shape: &[usize]) -> &'t [f32] {
        self.parameters.push(Parameter { key: key.to_owned(), shape: shape.to_vec() });
        self.tensors.and_then(|tensors| tensors.get(key)).map_or(&[], |tensor| &tensor.data)
    }

    /// Numbers that no parameter holds as they are.
    pub fn constant(&mut self, numbers: &[f32], shape: &[usize]) -> ValueId {
        self.value(shape, Some(Arc::from(numbers)))
    }

    /// A parameter, as a tensor of another shape.
    pub fn parameter(&mut self, key: &str, shape: &[usize], taken_as: &[usize]) -> ValueId {
        let numbers = self.numbers(key, shape);
        self.constant(numbers, taken_as)
    }

    /// A parameter after a function of its numbers.
    pub fn computed(
        &mut self,
        key: &str,
        shape: &[usize],
        taken_as: &[usize],
        compute: impl FnOnce(&[f32]) -> Vec<f32>,
    ) -> ValueId {
        let numbers = self.numbers(key, shape);
        let numbers = if numbers.is_empty() { Vec::new() } else { compute(numbers) };
        self.constant(&numbers, taken_as)
    }

    /// (1, C, H, W) → (1, outputs, H', W') with `key.weight`, and `key.bias` where it has one.
    pub fn convolution(&mut self, x: ValueId, key: &str, outputs: usize, window: Window, bias: bool) -> ValueId {
        let shape = self.shape(x);
        let Window { kernel, stride, padding, groups } = window;
        let weight_shape = [outputs, shape[1] / groups, kernel, kernel];
        let mut inputs = vec![x, self.parameter(&format!("{key}.weight"), &weight_shape, &weight_shape)];
        if bias {
            inputs.push(self.parameter(&format!("{key}.bias"), &[outputs], &[outputs]));
        }
        let along = |extent: usize| (extent + 2 * padding - kernel) / stride + 1;
        let out = [1, outputs, along(shape[2]), along(shape[3])];
        let operator = Operator::Convolution {
            kernel: (kernel, kernel),
            stride: (stride, stride),
            padding: [padding; 4],
            dilation: (1, 1),
            groups,
        };
        self.node(key, operator, &inputs, &out)
    }

    /// The axis of the channels, and the shape in which one number for each of them is broadcast.
    fn channels(&self, x: ValueId) -> (usize, Vec<usize>) {
        match self.shape(x)[..] {
            [_, channels, _, _] => (channels, vec![channels, 1, 1]),
            ref shape => (shape[shape.len() - 1], vec![shape[shape.len() - 1]]),
        }
    }

    /// BatchNorm over channels.
    pub fn batch_norm(&mut self, x: ValueId, key: &str, epsilon: f64) -> ValueId {
        let (channels, broadcast) = self.channels(x);
        for name in BATCH_NORM {
            self.numbers(&format!("{key}.{name}"), &[channels]);
        }
        let affine = self.tensors.and_then(|tensors| batch_norm::affine(tensors, key, epsilon).ok());
        let (scale, shift) = affine.map(|affine| (affine.scale, affine.shift)).unwrap_or_default();
        self.scaled_and_shifted(x, key, &scale, &shift, &broadcast)
    }

    /// BatchNorm that only knows the mean and the variance.
    pub fn batch_norm_without_affine(&mut self, x: ValueId, key: &str, epsilon: f64) -> ValueId {
        let (channels, broadcast) = self.channels(x);
        let mean = self.numbers(&format!("{key}.running_mean"), &[channels]);
        let variance = self.numbers(&format!("{key}.running_var"), &[channels]);
        let scale: Vec<f64> = variance.iter().map(|&v| (f64::from(v) + epsilon).sqrt().recip()).collect();
        let shift: Vec<f64> = mean.iter().zip(&scale).map(|(&mean, scale)| -f64::from(mean) * scale).collect();
        self.scaled_and_shifted(x, key, &scale, &shift, &broadcast)
    }

    fn scaled_and_shifted(
        &mut self,
        x: ValueId,
        name: &str,
        scale: &[f64],
        shift: &[f64],
        broadcast: &[usize],
    ) -> ValueId {
        let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<_>>();
        let scale = self.constant(&narrow(scale), broadcast);
        let shift = self.constant(&narrow(shift), broadcast);
        let x = self.binary(name, Binary::Mul, x, scale);
        self.binary(name, Binary::Add, x, shift)
    }

    /// (x − mean) / deviation of each of the three channels of the face.
    pub fn standardise(&mut self, x: ValueId, mean: [f32; 3], deviation: [f32; 3]) -> ValueId {
        let scale = deviation.map(|deviation| 1.0 / f64::from(deviation));
        let shift = std::array::from_fn::<_, 3, _>(|i| -f64::from(mean[i]) / f64::from(deviation[i]));
        self.scaled_and_shifted(x, "standardise", &scale, &shift, &[3, 1, 1])
    }

    /// PReLU with a slope for each channel.
    pub fn prelu(&mut self, x: ValueId, key: &str) -> ValueId {
        let (channels, broadcast) = self.channels(x);
        let slope = self.parameter(&format!("{key}.weight"), &[channels], &broadcast);
        let shape = self.shape(x);
        self.node(key, Operator::PRelu, &[x, slope], &shape)
    }

    pub fn function(&mut self, x: ValueId, function: Function) -> ValueId {
        let shape = self.shape(x);
        self.node(&format!("{function:?}"), Operator::Function(function), &[x], &shape)
    }

    /// Elementwise; the first has the result's shape.
    pub fn binary(&mut self, name: &str, binary: Binary, a: ValueId, b: ValueId) -> ValueId {
        let shape = self.shape(a);
        self.node(name, Operator::Binary(binary), &[a, b], &shape)
    }

    pub fn add(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.binary("add", Binary::Add, a, b)
    }

    /// (…, inputs) → (…, outputs) with `key.weight` of outputs × inputs, and `key.bias` where it has one.
    pub fn linear(&mut self, x: ValueId, key: &str, outputs: usize, bias: bool) -> ValueId {
        let mut shape = self.shape(x);
        let inputs = shape[shape.len() - 1];
        let transpose = |weight: &[f32]| {
            (0..weight.len()).map(|i| weight[i % outputs * inputs + i / outputs]).collect::<Vec<f32>>()
        };
        let weight = self.computed(&format!("{key}.weight"), &[outputs, inputs], &[inputs, outputs], transpose);
        *shape.last_mut().expect("a tensor with axes") = outputs;
        let x = self.node(key, Operator::MatMul, &[x, weight], &shape);
        if !bias {
            return x;
        }
        let bias = self.parameter(&format!("{key}.bias"), &[outputs], &[outputs]);
        self.binary(key, Binary::Add, x, bias)
    }

    /// Over the last axis.
    pub fn layer_norm(&mut self, x: ValueId, key: &str, epsilon: f64) -> ValueId {
        let shape = self.shape(x);
        let (axis, channels) = (shape.len() - 1, shape[shape.len() - 1]);
        let scale = self.parameter(&format!("{key}.weight"), &[channels], &[channels]);
        let shift = self.parameter(&format!("{key}.bias"), &[channels], &[channels]);
        self.node(key, Operator::LayerNorm { axis, epsilon }, &[x, scale, shift], &shape)
    }

    /// Mean over height and width, both of which stay as 1.
    pub fn mean(&mut self, x: ValueId) -> ValueId {
        let channels = self.shape(x)[1];
        let operator = Operator::Reduce { reduction: Reduction::Mean, axes: vec![2, 3] };
        self.node("mean", operator, &[x], &[1, channels, 1, 1])
    }

    /// Every `step`-th row and column.
    pub fn every(&mut self, x: ValueId, step: usize) -> ValueId {
        let [_, channels, height, width] = self.shape(x)[..] else { unreachable!("a map") };
        let operator =
            Operator::Pool { pool: Pool::Max, kernel: (1, 1), stride: (step, step), padding: [0; 4], dilation: (1, 1) };
        self.node("every", operator, &[x], &[1, channels, height.div_ceil(step), width.div_ceil(step)])
    }

    pub fn reshape(&mut self, x: ValueId, shape: &[usize]) -> ValueId {
        self.node("reshape", Operator::Reshape, &[x], shape)
    }

    pub fn transpose(&mut self, x: ValueId, order: &[usize]) -> ValueId {
        let shape = self.shape(x);
        let shape: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
        self.node("transpose", Operator::Transpose { order: order.to_vec() }, &[x], &shape)
    }

    /// All of it as one row.
    pub fn flatten(&mut self, x: ValueId) -> ValueId {
        let length = self.shape(x).iter().product();
        self.reshape(x, &[1, length])
    }

    /// One after the other along an axis.
    pub fn concat(&mut self, parts: &[ValueId], axis: usize) -> ValueId {
        let mut shape = self.shape(parts[0]);
        shape[axis] = parts.iter().map(|&part| self.shape(part)[axis]).sum();
        self.node("concat", Operator::Concat { axis }, parts, &shape)
    }

    /// One index of an axis, which stays.
    pub fn at(&mut self, x: ValueId, axis: usize, index: usize) -> ValueId {
        let mut shape = self.shape(x);
        shape[axis] = 1;
        self.node("slice", Operator::Slice { axis, start: index, step: 1 }, &[x], &shape)
    }

    /// Patches of (1, 3, side, side) as tokens: (1, patches, channels).
    pub fn patches(&mut self, x: ValueId, key: &str, channels: usize, patch: usize, bias: bool) -> ValueId {
        let window = Window { kernel: patch, stride: patch, padding: 0, groups: 1 };
        let x = self.convolution(x, key, channels, window, bias);
        let [_, _, height, width] = self.shape(x)[..] else { unreachable!("a map") };
        let x = self.reshape(x, &[1, channels, height * width]);
        self.transpose(x, &[0, 2, 1])
    }

    /// softmax(q·kᵀ/√depth)·v over heads, each of (1, tokens, channels).
    pub fn attention(&mut self, [q, k, v]: [ValueId; 3], heads: usize) -> ValueId {
        let [_, tokens, channels] = self.shape(q)[..] else { unreachable!("tokens") };
        let depth = channels / heads;
        let mut split = |x: ValueId, order: &[usize]| {
            let x = self.reshape(x, &[1, tokens, heads, depth]);
            self.transpose(x, order)
        };
        let (q, k, v) = (split(q, &[0, 2, 1, 3]), split(k, &[0, 2, 3, 1]), split(v, &[0, 2, 1, 3]));
        let scores = self.node("scores", Operator::MatMul, &[q, k], &[1, heads, tokens, tokens]);
        let factor = self.constant(&[(depth as f32).sqrt().recip()], &[]);
        let scores = self.binary("scores", Binary::Mul, scores, factor);
        let shares = self.node("shares", Operator::Softmax { axis: 3 }, &[scores], &[1, heads, tokens, tokens]);
        let mixed = self.node("mixed", Operator::MatMul, &[shares, v], &[1, heads, tokens, depth]);
        let mixed = self.transpose(mixed, &[0, 2, 1, 3]);
        self.reshape(mixed, &[1, tokens, channels])
    }
}
