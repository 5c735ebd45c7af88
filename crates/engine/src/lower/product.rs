//! Convolutions, and products with constant weights.

use facevault_graph::{Binary, Node, Operator, ValueId};
use facevault_kernels::kernels::DEPTHWISE_WIDTH;
use facevault_kernels::pack::{self, Channels, Filters, Shape};
use facevault_kernels::sets::WeightFormat;

use super::chain::Chain;
use super::{Lowering, affine, pixels};
use crate::error::EngineError;
use crate::kernels::chain::Link;
use crate::kernels::storage::{Steps, Storage};
use crate::step::{Depthwise, Finish, Geometry, Grid, Pad, Panel, Product, Winograd, Work};
use crate::view::{Home, View};

/// Tiles of a Winograd layer between its way in and its way out: what they need should stay in the second cache.
const WINOGRAD_BYTES: usize = 3 << 20;

/// Winograd's kernels take whole registers of channels, of the widest set.
const WINOGRAD_CHANNELS: usize = 16;

/// Weights of a Winograd layer that a few faces are worth reading for.
const WINOGRAD_WEIGHTS: usize = 16 << 20;

/// Fewest channels of a pixel that are split into bf16s.
const SPLIT_CHANNELS: usize = 16;

/// Channels of an epilogue are padded to whole registers of the widest panel.
const PANEL: usize = 32;

/// What a product multiplies with, before it is packed.
struct Parameters {
    /// outputs × inputs of a group × taps.
    weight: Vec<f32>,
    bias: Vec<f64>,
    /// What the input's padding is worth, if that is not 0.
    pad: Option<Vec<f32>>,
}

impl Parameters {
    /// The input was scaled and shifted, each channel on its own, before the product.
    fn scale_inputs(&mut self, scaled: &affine::Scaled, groups: usize, taps: usize, padded: bool) {
        let (outputs, inputs) = (self.bias.len(), scaled.scale.len());
        let per_group = inputs / groups;
        for output in 0..outputs {
            let first = output / (outputs / groups) * per_group;
            for input in 0..per_group {
                let (scale, shift) = (scaled.scale[first + input], scaled.shift[first + input]);
                for tap in 0..taps {
                    let weight = &mut self.weight[(output * per_group + input) * taps + tap];
                    self.bias[output] += f64::from(*weight) * shift;
                    *weight = (f64::from(*weight) * scale) as f32;
                }
            }
        }
        if padded {
            self.pad =
                Some(scaled.scale.iter().zip(&scaled.shift).map(|(scale, shift)| (-shift / scale) as f32).collect());
        }
    }

    /// The output is scaled and shifted.
    fn scale_outputs(&mut self, scale: &[f64], shift: &[f64]) {
        let row = self.weight.len() / self.bias.len();
        for (output, (scale, shift)) in scale.iter().zip(shift).enumerate() {
            self.weight[output * row..][..row].iter_mut().for_each(|w| *w = (f64::from(*w) * scale) as f32);
            self.bias[output] = self.bias[output] * scale + shift;
        }
    }
}

impl Lowering<'_> {
    pub(super) fn convolution(&mut self, node: &Node) -> Result<(), EngineError> {
        let Operator::Convolution { kernel, stride, padding, dilation, groups } = node.operator else {
            unreachable!("a convolution");
        };
        let unsupported = |what: &str| EngineError::Unsupported { node: node.name.clone(), what: what.to_owned() };
        let Some(weight) = &self.graph.values[node.inputs[1]].constant else {
            return Err(unsupported("a convolution whose weights are computed"));
        };
        let outputs = self.shape(node.output)[1];
        let bias = match node.inputs.get(2).map(|&bias| &self.graph.values[bias].constant) {
            None => vec![0.0; outputs],
            Some(Some(bias)) => bias.iter().map(|&bias| f64::from(bias)).collect(),
            Some(None) => return Err(unsupported("a convolution whose bias is computed")),
        };
        let mut parameters = Parameters { weight: weight.to_vec(), bias, pad: None };
        let (mut input, mut before) = (node.inputs[0], (padding[0], padding[1]));
        let taps = kernel.0 * kernel.1;
        if let Some(&(of, more)) = self.padded.get(&input) {
            (input, before) = (of, (before.0 + more.0, before.1 + more.1));
        } else if let Some(scaled) = self.scaled.get(&input) {
            parameters.scale_inputs(scaled, groups, taps, padding != [0; 4]);
            input = scaled.of;
        }
        let framed = self.framed.clone().filter(|_| input == self.graph.input);
        let view = match framed {
            Some(framed) => {
                before = (0, 0);
                framed
            }
            None if self.takes_wholes(node) => self.as_wholes(&node.name, input),
            None => self.view(input),
        };
        let grid = self.grid(&node.name, &view);
        let shape = self.shape(node.output);
        let geometry = Geometry { kernel, stride, padding: before, dilation, height: shape[2], width: shape[3] };
        self.product(&node.name, node.output, 1, grid, geometry, groups, parameters);
        Ok(())
    }

    /// (…, K) × a constant (K, N): pixels of K channels.
    pub(super) fn linear(&mut self, node: &Node, input: ValueId, weight: &[f32], rows: (usize, usize)) {
        let (inputs, outputs) = rows;
        let weight = transposed(weight, inputs, outputs);
        let parameters = Parameters { weight, bias: vec![0.0; outputs], pad: None };
        let view = if self.takes_wholes(node) { self.as_wholes(&node.name, input) } else { self.view(input) };
        let last = view.shape.len() - 1;
        let view = if pixels(&view, last).is_some_and(|pixels| pixels.wide) {
            view
        } else {
            self.copied(&node.name, &view, &(0..=last).collect::<Vec<_>>())
        };
        let rows: usize = view.shape[..last].iter().product();
        let (pixel, _) = view.rows(last).expect("one run of pixels");
        let grid = Grid { height: 1, width: rows, channels: inputs, row: 0, pixel, view };
        let geometry =
            Geometry { kernel: (1, 1), stride: (1, 1), padding: (0, 0), dilation: (1, 1), height: 1, width: rows };
        let axis = self.shape(node.output).len() - 1;
        self.product(&node.name, node.output, axis, grid, geometry, 1, parameters);
    }

    #[expect(clippy::too_many_arguments, reason = "what a product is")]
    fn product(
        &mut self,
        name: &str,
        value: ValueId,
        axis: usize,
        input: Grid,
        geometry: Geometry,
        groups: usize,
        mut parameters: Parameters,
    ) {
        let outputs = parameters.bias.len();
        let mut chain = self.chain(value, |view| pixels(view, axis).is_some());
        self.fold(&mut chain, axis, &mut parameters);
        let last = chain.last;
        let mut order: Vec<usize> = (0..self.shape(last).len()).collect();
        order.retain(|&other| other != axis);
        order.push(axis);
        let (out, copy) = self.pixels_for(last, axis, &order);
        let taps = geometry.kernel.0 * geometry.kernel.1;
        let area = geometry.height * geometry.width;
        let flop = 2.0 * (area * taps * parameters.weight.len() / taps) as f64;
        let operands: Vec<_> =
            chain.operands.iter().map(|view| pixels(view, axis).expect("what the chain accepted")).collect();
        let twins = if copy || self.is_whole(&out.view) { Vec::new() } else { self.twins(last, axis, &order) };
        let finish = Finish { links: chain.links, operands, out: out.clone(), twins };
        // On every set alike, so that all give the same bytes.
        let whole = |channels: usize| channels.is_multiple_of(WINOGRAD_CHANNELS) && channels > 0;
        let square = geometry.kernel == (3, 3) && geometry.stride == (1, 1) && geometry.dilation == (1, 1);
        let plain = square && groups == 1 && whole(input.channels) && whole(outputs) && area > 1;
        let work = if is_small(groups, input.channels, outputs) {
            self.depthwise(groups, input, geometry, &parameters, finish)
        } else if plain && !self.is_whole(&input.view) && self.winograd_pays(&input, &geometry, outputs) {
            self.winograd(input, geometry, &parameters, finish)
        } else {
            self.direct(input, geometry, groups, &parameters, finish)
        };
        self.step(name, flop, work);
        if copy {
            let to = self.view(last);
            self.step(&format!("{name}: copy"), 0.0, Work::Copy { from: out.view, to });
        }
    }

    /// Takes what scales and shifts each output channel at the head of a chain into the parameters.
    fn fold(&self, chain: &mut Chain, axis: usize, parameters: &mut Parameters) {
        let channels = parameters.bias.len();
        let (mut scale, mut shift) = (vec![1f64; channels], vec![0f64; channels]);
        let mut folded = 0;
        for link in &chain.links {
            let (binary, swapped, values) = match *link {
                Link::Scalar { binary, value, swapped } => (binary, swapped, vec![value]),
                Link::Operand { binary, operand, swapped } => {
                    let view = &chain.operands[operand];
                    let other_axes = (0..view.shape.len()).filter(|&other| other != axis);
                    let fixed = view.home == Home::Constants
                        && other_axes.clone().all(|other| view.shape[other] == 1 || view.strides[other] == 0);
                    if !fixed {
                        break;
                    }
                    let stride = view.strides[axis] as usize;
                    let at = |channel: usize| self.result.constants[view.offset + channel * stride];
                    (binary, swapped, (0..channels).map(at).collect())
                }
                Link::Function(_) | Link::PRelu { .. } | Link::Whole { .. } => break,
            };
            if matches!(binary, Binary::Pow | Binary::Min | Binary::Max)
                || !affine::apply(binary, swapped, &values, &mut scale, &mut shift)
            {
                break;
            }
            folded += 1;
        }
        chain.links.drain(..folded);
        parameters.scale_outputs(&scale, &shift);
    }

    /// Whether a 3×3 layer is better computed by way of Winograd. Its weights are four times as large (eight in bf16), so that
    /// few faces wait for memory, and of a map whose sides are no multiples of four a part is computed for nothing: 7×7
    /// pixels are 49 of 64.
    fn winograd_pays(&self, input: &Grid, geometry: &Geometry, outputs: usize) -> bool {
        let computed = geometry.height.next_multiple_of(4) * geometry.width.next_multiple_of(4);
        let wasteful = geometry.height * geometry.width * 5 < computed * 4;
        let bytes = 36 * 4 * input.channels * outputs;
        if self.storage(&input.view) == Storage::F32 && self.set.weights != WeightFormat::SplitBf16 {
            !wasteful || bytes <= WINOGRAD_WEIGHTS
        } else {
            !wasteful && self.set.winograd_pays(outputs)
        }
    }

    /// What padding is worth, kept as the input is.
    fn padding_pixel(&mut self, parameters: &Parameters, input: &Grid) -> Option<Pad> {
        let storage = self.storage(&input.view);
        parameters.pad.as_deref().map(|pixel| self.head(pixel, storage))
    }

    /// A pixel for padding to read.
    fn head(&mut self, pixel: &[f32], storage: Storage) -> Pad {
        let offset = self.result.head.len();
        for &value in pixel {
            storage.encode(value, &mut self.result.head);
        }
        // A whole tile may be read, and the next one begins on a cache line.
        let end = (self.result.head.len() + DEPTHWISE_WIDTH * 4).next_multiple_of(64);
        self.result.head.resize(end, 0);
        Pad { offset }
    }

    /// The bias as the first link.
    fn with_bias(&mut self, mut finish: Finish, bias: &[f64]) -> Finish {
        let operand = self.of_channels(&mut finish, bias);
        finish.links.insert(0, Link::Operand { binary: Binary::Add, operand, swapped: false });
        finish
    }

    /// A number of each channel as another operand: its place.
    fn of_channels(&mut self, finish: &mut Finish, numbers: &[f64]) -> usize {
        let view = self.in_panels(numbers);
        finish.operands.push(crate::step::Pixels { view, pixel: 0, wide: true });
        finish.operands.len() - 1
    }

    /// A constant of a number of each channel, as long as whole panels.
    pub(super) fn in_panels(&mut self, numbers: &[f64]) -> View {
        let mut numbers: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
        numbers.resize(numbers.len().next_multiple_of(PANEL), 0.0);
        self.constant(&numbers)
    }

    fn direct(
        &mut self,
        input: Grid,
        geometry: Geometry,
        groups: usize,
        parameters: &Parameters,
        finish: Finish,
    ) -> Work {
        let outputs = parameters.bias.len();
        let taps = geometry.kernel.0 * geometry.kernel.1;
        let lanes = self.set.lanes;
        // Groups narrower than a register go together, with zeros between them.
        let (inputs_of_one, outputs_of_one) = (input.channels / groups, outputs / groups);
        let joined = joined(groups, outputs, lanes);
        let (per_input, per_output) = (joined * inputs_of_one, joined * outputs_of_one);
        let weight =
            if joined == 1 { None } else { Some(joined_weights(parameters, groups, joined, taps, input.channels)) };
        let weight = weight.as_deref().unwrap_or(&parameters.weight);
        // Kernel rows that lie in one run of the input, if no padding comes between.
        let dense = input.pixel == input.channels as isize && groups == 1 && geometry.dilation.1 == 1;
        let rows_whole = dense && geometry.padding == (0, 0) && inside(&input, &geometry);
        let storage = self.storage(&input.view);
        let narrow = match storage.steps() {
            Some(_) => Self::suits_wholes(inputs_of_one, inputs_of_one * taps, || (&parameters.weight[..]).into()),
            // Of few channels, most of a block would be empty.
            None if self.set.weights == WeightFormat::SplitBf16 => per_input >= SPLIT_CHANNELS,
            None => storage != Storage::F32 && per_input.is_multiple_of(2),
        };
        let input = if narrow || self.storage(&input.view) == Storage::F32 { input } else { self.widened(&input) };
        let (kind, per_word) = if narrow { (self.set.weights, self.set.per_word) } else { (WeightFormat::F32, 1) };
        let words = per_input / per_word;
        let (runs, words) = if rows_whole { (geometry.kernel.0, geometry.kernel.1 * words) } else { (taps, words) };
        let channels: Channels = (0..per_input).map(|channel| (channel, 1.0)).collect();
        let shape = Shape { taps, run: taps / runs, inputs: per_input, padded: per_input };
        // Padding is worth what stands for 0.
        let pad = match storage.steps() {
            Some(steps)
                if narrow && steps.zero != 0.0 && !(geometry.padding == (0, 0) && inside(&input, &geometry)) =>
            {
                Some(self.head(&vec![0.0; input.channels], storage))
            }
            _ => self.padding_pixel(parameters, &input),
        };
        let (mut panels, mut packed) = (Vec::new(), Vec::new());
        let mut whole = storage.steps().filter(|_| narrow).map(|steps| WholeProduct::new(steps, &parameters.bias));
        for group in 0..groups / joined {
            let filters = Filters {
                weight: &weight[group * per_output * per_input * taps..][..per_output * per_input * taps],
                shape,
                channels: &channels,
            };
            let scales: Vec<f32> =
                (0..per_output).map(|output| if kind.integer() { filters.quantiser(output) } else { 1.0 }).collect();
            for at in (0..per_output).step_by(2 * lanes) {
                let here = (per_output - at).min(2 * lanes);
                let vectors = here.div_ceil(lanes);
                panels.push(Panel {
                    weights: packed.len(),
                    vectors,
                    channel: group * per_output + at,
                    channels: here,
                    input: group * per_input,
                });
                filters.panel(at..at + here, vectors * lanes, kind, |output| scales[output], &mut packed);
            }
            if let Some(whole) = &mut whole {
                let rows = filters.weight.chunks_exact(per_input * taps);
                rows.zip(&scales).for_each(|(weights, &quantiser)| whole.add(weights, quantiser));
            }
        }
        if narrow {
            packed.resize(packed.len() + self.set.words_behind(), 0);
        }
        let bias = whole.as_ref().map_or(&parameters.bias, |whole| &whole.bias);
        let mut finish = self.with_bias(finish, bias);
        if let Some(WholeProduct { scale, .. }) = whole {
            let scale = self.of_channels(&mut finish, &scale);
            finish.links.insert(0, Link::Whole { scale });
        }
        Work::Product(Product { input, geometry, narrow, runs, words, panels, weights: packed, pad, finish })
    }

    /// The grid in f32.
    fn widened(&mut self, grid: &Grid) -> Grid {
        let order = grid.view.order();
        let view = self.copied_as("widened", &grid.view, &order, Storage::F32);
        // What was one run of pixels is one again, and a map stays a map.
        let (row, pixel) = match view.shape.len() {
            4 if grid.height > 1 || view.shape[3] == grid.width => (view.strides[2], view.strides[3]),
            _ => (0, grid.channels as isize),
        };
        Grid { view, row, pixel, ..grid.clone() }
    }

    fn depthwise(
        &mut self,
        groups: usize,
        input: Grid,
        geometry: Geometry,
        parameters: &Parameters,
        finish: Finish,
    ) -> Work {
        let finish = self.with_bias(finish, &parameters.bias);
        let input = if self.storage(&input.view).steps().is_some() { self.widened(&input) } else { input };
        let pad = self.padding_pixel(parameters, &input);
        let channels = input.channels.next_multiple_of(DEPTHWISE_WIDTH);
        let taps = geometry.kernel.0 * geometry.kernel.1;
        let members = input.channels / groups;
        let mut weights = vec![0f32; taps * members * channels];
        for (channel, kernels) in parameters.weight.chunks_exact(members * taps).enumerate() {
            for member in 0..members {
                // The input that is `member` places away, counted by exclusive or.
                let kernel = &kernels[((channel % members) ^ member) * taps..][..taps];
                for (tap, &weight) in kernel.iter().enumerate() {
                    weights[(tap * members + member) * channels + channel] = weight;
                }
            }
        }
        Work::Depthwise(Depthwise { input, geometry, members, weights, pad, finish })
    }

    fn winograd(&mut self, input: Grid, geometry: Geometry, parameters: &Parameters, finish: Finish) -> Work {
        let pad = self.padding_pixel(parameters, &input);
        let set = self.set;
        let (inputs, outputs) = (input.channels, parameters.bias.len());
        let (height, width) = (geometry.height, geometry.width);
        let tiles = (height.div_ceil(4), width.div_ceil(4));
        let all = tiles.0 * tiles.1 * self.group;
        let most = (WINOGRAD_BYTES / (36 * 4 * (inputs + outputs))).clamp(set.height, all.max(set.height));
        // Chunks of about the same length.
        let chunk = all.div_ceil(all.div_ceil(most)).next_multiple_of(set.height);
        // An odd number of cache lines, so that the 36 do not fall onto the same sets of the cache.
        let lines = |channels: usize| (chunk * channels).div_ceil(16) | 1;
        let strides = (16 * lines(inputs), 16 * lines(outputs));
        let scratch = (self.scratch(36 * strides.0), self.scratch(36 * strides.1));
        let (mut panels, mut component) = (Vec::new(), 0);
        for at in (0..outputs).step_by(2 * set.lanes) {
            let channels = (outputs - at).min(2 * set.lanes);
            let vectors = channels / set.lanes;
            panels.push(Panel { weights: component, vectors, channel: at, channels, input: 0 });
            component += inputs * channels;
        }
        let mut components = vec![vec![0f32; outputs * inputs]; 36];
        for (i, kernel) in parameters.weight.as_chunks::<9>().0.iter().enumerate() {
            for (component, value) in components.iter_mut().zip(pack::winograd(&kernel.map(f64::from))) {
                component[i] = value as f32;
            }
        }
        let shape = Shape { taps: 1, run: 1, inputs, padded: inputs };
        let channels: Channels = (0..inputs).map(|channel| (channel, 1.0)).collect();
        let mut packed = Vec::new();
        for weight in &components {
            let filters = Filters { weight, shape, channels: &channels };
            for panel in &panels {
                let outputs = panel.channel..panel.channel + panel.channels;
                filters.panel(outputs, panel.channels, WeightFormat::F32, |_| 1.0, &mut packed);
            }
        }
        let relu = finish.links == [Link::Function(facevault_graph::Function::Relu)];
        let simple = (relu || finish.links.is_empty()) && finish.twins.is_empty();
        let bias = parameters.bias.iter().map(|&bias| bias as f32).collect();
        let finish = if simple { Finish { links: Vec::new(), ..finish } } else { finish };
        Work::Winograd(Winograd {
            input,
            padding: geometry.padding,
            height,
            width,
            tiles,
            chunk,
            inputs,
            outputs,
            panels,
            weights: packed,
            component,
            offsets: (0..chunk).map(|tile| (tile * inputs * 4) as u32).collect(),
            scratch,
            strides,
            pad,
            bias,
            relu,
            finish,
        })
    }
}

/// A product of whole numbers: what its sums are multiplied with, and what is added then.
struct WholeProduct {
    steps: Steps,
    scale: Vec<f64>,
    bias: Vec<f64>,
}

impl WholeProduct {
    fn new(steps: Steps, bias: &[f64]) -> Self {
        Self { steps, scale: Vec::with_capacity(bias.len()), bias: bias.to_vec() }
    }

    /// The next output: sums hold Σ whole × weight, and Σ (whole − zero) × weight is wanted.
    fn add(&mut self, weights: &[f32], quantiser: f32) {
        let sum: i64 = weights.iter().map(|weight| (weight * quantiser).round_ties_even() as i64).sum();
        let scale = f64::from(self.steps.unit / quantiser);
        self.bias[self.scale.len()] -= scale * f64::from(self.steps.zero) * sum as f64;
        self.scale.push(scale);
    }
}

/// Whether channels see themselves, or themselves and the others of a group that fits into a register's lanes.
pub(super) fn is_small(groups: usize, inputs: usize, outputs: usize) -> bool {
    matches!(outputs / groups, 1 | 2 | 4) && inputs == outputs && groups > 1
}

/// How many groups go together so that they fill a register.
pub(super) fn joined(groups: usize, outputs: usize, lanes: usize) -> usize {
    (1..=groups)
        .filter(|&joined| groups.is_multiple_of(joined))
        .find(|joined| joined * outputs / groups >= lanes)
        .unwrap_or(groups)
}

/// Whether every window lies inside the input.
fn inside(input: &Grid, geometry: &Geometry) -> bool {
    let reach =
        |out: usize, stride: usize, kernel: usize, dilation: usize| (out - 1) * stride + (kernel - 1) * dilation;
    reach(geometry.height, geometry.stride.0, geometry.kernel.0, geometry.dilation.0) < input.height
        && reach(geometry.width, geometry.stride.1, geometry.kernel.1, geometry.dilation.1) < input.width
}

/// Weights of `joined` groups as those of one, zeros where an output does not see an input.
fn joined_weights(parameters: &Parameters, groups: usize, joined: usize, taps: usize, channels: usize) -> Vec<f32> {
    let outputs = parameters.bias.len();
    let (inputs_of_one, outputs_of_one) = (channels / groups, outputs / groups);
    let per_input = joined * inputs_of_one;
    let mut weight = vec![0f32; outputs * per_input * taps];
    for output in 0..outputs {
        let place = output / outputs_of_one % joined * inputs_of_one;
        let row = inputs_of_one * taps;
        weight[(output * per_input + place) * taps..][..row].copy_from_slice(&parameters.weight[output * row..][..row]);
    }
    weight
}

/// (K, N) → (N, K).
pub(super) fn transposed(weight: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let mut transposed = vec![0f32; weight.len()];
    for (k, row) in weight.chunks_exact(outputs).enumerate() {
        for (n, &value) in row.iter().enumerate() {
            transposed[n * inputs + k] = value;
        }
    }
    transposed
}

/// A constant matrix, or none.
pub(super) fn matrix(view: &View, weight: &[f32]) -> Option<(usize, usize)> {
    let leading: usize = view.shape[..view.shape.len() - 2].iter().product();
    (leading == 1 && weight.len() == view.shape.iter().product::<usize>())
        .then(|| (view.shape[view.shape.len() - 2], view.shape[view.shape.len() - 1]))
}
