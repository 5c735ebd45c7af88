//! A graph becomes steps: elementwise work is fused behind what computes its input, normalisation is folded into weights, and
//! every tensor gets a view of a buffer, so that as few numbers as can be are ever copied.
//!
//! ```text
//! mod         the walk over the nodes; buffers, constants and places in concatenations
//! chain       elementwise nodes that follow one another
//! affine      normalisation that a convolution takes into its weights
//! product     convolutions and products with constant weights
//! whole       what int8 products read
//! elementwise, reduce, matmul, movement: the other nodes
//! ```

mod affine;
mod chain;
mod elementwise;
mod matmul;
mod movement;
mod product;
mod reduce;
mod whole;

use std::collections::HashMap;

use facevault_graph::{Graph, Operator, ValueId};
use facevault_kernels::sets::{Set, WeightFormat};

use crate::error::EngineError;
use crate::kernels::storage::Storage;
use crate::step::{Grid, Pixels, Step, Work};
use crate::view::{Home, View};
pub use whole::Factors;

/// The axes of (1, C, H, W) with the channels innermost.
const CHANNELS_LAST: [usize; 4] = [0, 2, 3, 1];

/// What a graph becomes.
pub struct Lowered {
    pub steps: Vec<Step>,
    pub buffers: Vec<BufferSpec>,
    /// Constants that steps read as tensors.
    pub constants: Vec<f32>,
    /// Pixels for padding to read, bytes.
    pub head: Vec<u8>,
    /// The embedding, contiguous.
    pub output: View,
    /// Buffers in whole numbers, and the values that they are for.
    pub observed: Vec<(usize, String)>,
}

/// Room for some numbers.
#[derive(Debug, Clone, Copy)]
pub struct BufferSpec {
    /// Numbers.
    pub length: usize,
    /// How they are kept.
    pub storage: Storage,
    /// Of each face, or for the step alone.
    pub of_faces: bool,
}

/// The walk.
struct Lowering<'g> {
    graph: &'g Graph,
    set: &'static Set,
    threads: usize,
    group: usize,
    /// Which nodes read a value.
    readers: Vec<Vec<usize>>,
    /// Nodes that others have taken along.
    taken: Vec<bool>,
    views: Vec<Option<View>>,
    /// Which values the steps so far compute; a concatenation has a place before that.
    ready: Vec<bool>,
    /// Values that are computed straight into a concatenation: which, along which axis, from where on.
    claims: HashMap<ValueId, (ValueId, usize, usize)>,
    /// Values that convolutions compute from another one with changed weights.
    scaled: HashMap<ValueId, affine::Scaled>,
    /// Values that are another one with zeros above and to the left.
    padded: HashMap<ValueId, (ValueId, (usize, usize))>,
    placed_constants: HashMap<ValueId, usize>,
    /// The network's input with the padding of all convolutions that read it.
    framed: Option<View>,
    factors: Factors<'g>,
    /// Values that are kept in whole numbers beside f32.
    whole_copies: HashMap<ValueId, View>,
    /// The first value without a range.
    missing: Option<String>,
    result: Lowered,
}

/// Compiles a graph for a set of kernels. `group` faces go through together, on up to `threads` threads.
pub fn lower(
    graph: &Graph,
    set: &'static Set,
    factors: Factors<'_>,
    threads: usize,
    group: usize,
) -> Result<Lowered, EngineError> {
    let mut readers = vec![Vec::new(); graph.values.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        for &input in &node.inputs {
            readers[input].push(index);
        }
    }
    let empty = View::row_major(Home::Constants, 0, &[]);
    let result = Lowered {
        steps: Vec::new(),
        buffers: Vec::new(),
        constants: Vec::new(),
        head: Vec::new(),
        output: empty,
        observed: Vec::new(),
    };
    let mut lowering = Lowering {
        graph,
        set,
        threads,
        group,
        readers,
        taken: vec![false; graph.nodes.len()],
        views: vec![None; graph.values.len()],
        ready: graph.values.iter().map(|value| value.constant.is_some()).collect(),
        claims: HashMap::new(),
        scaled: HashMap::new(),
        padded: HashMap::new(),
        placed_constants: HashMap::new(),
        framed: None,
        factors,
        whole_copies: HashMap::new(),
        missing: None,
        result,
    };
    lowering.claim();
    lowering.input();
    for index in 0..graph.nodes.len() {
        if !lowering.taken[index] {
            lowering.taken[index] = true;
            lowering.node(index)?;
        }
    }
    lowering.output();
    match lowering.missing {
        Some(value) => Err(EngineError::NoRange { value }),
        None => Ok(lowering.result),
    }
}

impl<'g> Lowering<'g> {
    fn node(&mut self, index: usize) -> Result<(), EngineError> {
        let node = &self.graph.nodes[index];
        match &node.operator {
            Operator::Convolution { .. } => self.convolution(node),
            Operator::MatMul => {
                self.mat_mul(node);
                Ok(())
            }
            Operator::Function(_) | Operator::Binary(_) | Operator::PRelu => {
                if !self.scale_into_convolutions(index) {
                    self.elementwise(node);
                }
                Ok(())
            }
            Operator::Pool { .. } => self.pool(node),
            Operator::Reduce { .. } | Operator::Softmax { .. } | Operator::LayerNorm { .. } => {
                self.along_rows(node);
                Ok(())
            }
            Operator::Concat { .. }
            | Operator::Slice { .. }
            | Operator::Gather { .. }
            | Operator::Transpose { .. }
            | Operator::Reshape
            | Operator::Broadcast
            | Operator::Pad { .. } => {
                self.movement(node);
                Ok(())
            }
        }
    }

    /// Lets what computes the inputs of concatenations write straight into them.
    fn claim(&mut self) {
        let graph = self.graph;
        let mut producer: Vec<Option<&Operator>> = vec![None; graph.values.len()];
        for node in &graph.nodes {
            producer[node.output] = Some(&node.operator);
            let Operator::Concat { axis } = node.operator else { continue };
            let mut start = 0;
            for &input in &node.inputs {
                let computed = producer[input].is_some_and(|operator| {
                    !matches!(
                        operator,
                        Operator::Slice { .. } | Operator::Transpose { .. } | Operator::Reshape | Operator::Broadcast
                    )
                });
                if computed && input != graph.output {
                    self.claims.entry(input).or_insert((node.output, axis, start));
                }
                start += graph.values[input].shape[axis];
            }
        }
    }

    /// The network's input, in a frame of zeros if convolutions pad it with them: then rows of their kernels are runs of numbers.
    fn input(&mut self) {
        let input = self.graph.input;
        let shape = self.shape(input).to_vec();
        let order: &[usize] = if shape[1] == 3 && shape[3] != 3 { &CHANNELS_LAST } else { &[0, 1, 2, 3] };
        let padding = |&reader: &usize| match self.graph.nodes[reader].operator {
            Operator::Convolution { padding, groups: 1, .. } => Some(padding),
            _ => None,
        };
        let mut framed = shape.clone();
        let mut frame = [0; 4];
        if let Some(Some(first)) = self.readers[input].first().map(padding)
            && order == CHANNELS_LAST
            && self.readers[input].iter().all(|reader| padding(reader) == Some(first))
        {
            frame = first;
            (framed[2], framed[3]) = (shape[2] + frame[0] + frame[2], shape[3] + frame[1] + frame[3]);
        }
        let whole = self.fresh(&framed, order);
        let out = if frame == [0; 4] {
            whole
        } else {
            let out = whole.sliced(2, frame[0], 1, shape[2]).sliced(3, frame[1], 1, shape[3]);
            self.framed = Some(whole);
            out
        };
        self.be(input, out.clone());
        self.step("standardise", 0.0, Work::Standardise { out, length: framed.iter().product() });
    }

    fn output(&mut self) {
        let view = self.view(self.graph.output);
        self.result.output = self.contiguous("output", &view);
    }

    fn shape(&self, value: ValueId) -> &'g [usize] {
        &self.graph.values[value].shape
    }

    fn step(&mut self, name: &str, flop: f64, work: Work) {
        self.result.steps.push(Step { name: name.to_owned(), flop, work });
    }

    /// A new buffer of each face's own, the axes laid out in this order.
    fn fresh(&mut self, shape: &[usize], order: &[usize]) -> View {
        self.kept(shape, order, Storage::F32)
    }

    /// As [`Self::fresh`], of numbers that are kept like this.
    fn kept(&mut self, shape: &[usize], order: &[usize], storage: Storage) -> View {
        self.result.buffers.push(BufferSpec { length: shape.iter().product(), storage, of_faces: true });
        View::whole(Home::Buffer(self.result.buffers.len() - 1), 0, shape, order)
    }

    /// How the numbers of a view are kept.
    fn storage(&self, view: &View) -> Storage {
        match view.home {
            Home::Buffer(buffer) => self.result.buffers[buffer].storage,
            Home::Constants => Storage::F32,
        }
    }

    /// How a value is best kept: as products read it, if one does.
    fn storage_for(&self, value: ValueId) -> Storage {
        let narrow = match self.set.weights {
            WeightFormat::Bf16 => Storage::Bf16,
            WeightFormat::RoundedF32 => Storage::Rounded,
            _ => return Storage::F32,
        };
        if self.multiplied(value) { narrow } else { Storage::F32 }
    }

    /// Whether a product with weights reads a value, as it is or rearranged.
    fn multiplied(&self, value: ValueId) -> bool {
        self.readers[value].iter().any(|&reader| {
            let node = &self.graph.nodes[reader];
            match node.operator {
                ref operator if rearranges(operator) => self.multiplied(node.output),
                // Numbers are multiplied in pairs.
                Operator::Convolution { groups, .. } => (self.shape(value)[1] / groups).is_multiple_of(2) || groups > 1,
                Operator::MatMul => {
                    self.graph.values[node.inputs[1]].constant.is_some()
                        && self.shape(value).last().is_some_and(|inputs| inputs.is_multiple_of(2))
                }
                Operator::Binary(_) => {
                    self.shape(value).get(1).is_some_and(|channels| channels.is_multiple_of(2))
                        && self.foldable(reader, value).is_some()
                }
                _ => false,
            }
        })
    }

    /// Room for one step alone.
    fn scratch(&mut self, length: usize) -> usize {
        self.result.buffers.push(BufferSpec { length, storage: Storage::F32, of_faces: false });
        self.result.buffers.len() - 1
    }

    /// A value is a view of what has been computed.
    fn be(&mut self, value: ValueId, view: View) {
        self.ready[value] = true;
        self.views[value] = Some(view);
    }

    /// Where a value is.
    fn view(&mut self, value: ValueId) -> View {
        let found = &self.graph.values[value];
        let Some(constant) = &found.constant else {
            return self.views[value].clone().expect("nodes are in order");
        };
        let constants = &mut self.result.constants;
        let offset = *self.placed_constants.entry(value).or_insert_with(|| {
            constants.extend_from_slice(constant);
            constants.len() - constant.len()
        });
        View::row_major(Home::Constants, offset, &found.shape)
    }

    /// Numbers that steps read as a tensor.
    fn constant(&mut self, numbers: &[f32]) -> View {
        let offset = self.result.constants.len();
        self.result.constants.extend_from_slice(numbers);
        View::row_major(Home::Constants, offset, &[numbers.len()])
    }

    /// A place for a value that a step is about to compute.
    fn allot(&mut self, value: ValueId, order: &[usize]) -> View {
        self.ready[value] = true;
        self.place(value, order)
    }

    /// In the concatenation that claimed it, or in a buffer with the axes in this order.
    fn place(&mut self, value: ValueId, order: &[usize]) -> View {
        if let Some(view) = &self.views[value] {
            return view.clone();
        }
        let shape = self.shape(value);
        let view = match self.claims.get(&value).copied() {
            Some((whole, axis, start)) => {
                let order = if shape.len() == 4 { &CHANNELS_LAST[..] } else { order };
                self.place(whole, order).sliced(axis, start, 1, shape[axis])
            }
            None if self.in_wholes() && self.only_in_wholes(value) => self.keep_whole(value, shape, order),
            None => self.kept(shape, order, self.storage_for(value)),
        };
        self.views[value] = Some(view.clone());
        view
    }

    /// The order that suits a value of this rank.
    fn usual_order(rank: usize) -> Vec<usize> {
        if rank == 4 { CHANNELS_LAST.to_vec() } else { (0..rank).collect() }
    }

    /// The view, or a copy of it whose numbers follow one another with the last axis the innermost.
    fn contiguous(&mut self, name: &str, view: &View) -> View {
        let plain = View::row_major(view.home, view.offset, &view.shape);
        let same = (0..view.shape.len()).all(|axis| view.shape[axis] == 1 || view.strides[axis] == plain.strides[axis]);
        if same && matches!(view.home, Home::Buffer(_)) && self.storage(view) == Storage::F32 {
            return view.clone();
        }
        self.copied_as(name, view, &(0..view.shape.len()).collect::<Vec<_>>(), Storage::F32)
    }

    /// A copy with the axes in this order.
    fn copied(&mut self, name: &str, view: &View, order: &[usize]) -> View {
        self.copied_as(name, view, order, self.storage(view))
    }

    fn copied_as(&mut self, name: &str, view: &View, order: &[usize], storage: Storage) -> View {
        let to = self.kept(&view.shape, order, storage);
        self.step(&format!("{name}: copy"), 0.0, Work::Copy { from: view.clone(), to: to.clone() });
        to
    }

    /// (1, C, H, W) as a grid; what does not lie channels last is copied.
    fn grid(&mut self, name: &str, view: &View) -> Grid {
        let fits = |view: &View| view.shape[1] == 1 || view.strides[1] == 1;
        let view = if fits(view) { view.clone() } else { self.copied(name, view, &CHANNELS_LAST) };
        Grid {
            height: view.shape[2],
            width: view.shape[3],
            channels: view.shape[1],
            row: view.strides[2],
            pixel: view.strides[3],
            view,
        }
    }

    /// A place for the result of a step that writes whole pixels; `true` if it must be copied to the value's own place after.
    fn pixels_for(&mut self, value: ValueId, channel_axis: usize, order: &[usize]) -> (Pixels, bool) {
        let view = self.allot(value, order);
        if let Some(pixels) = pixels(&view, channel_axis)
            && pixels.wide
        {
            return (pixels, false);
        }
        let mut order = order.to_vec();
        order.retain(|&axis| axis != channel_axis);
        order.push(channel_axis);
        let view = self.fresh(self.shape(value), &order);
        let rows = pixels(&view, channel_axis).expect("a fresh buffer with the channels innermost");
        (rows, true)
    }
}

/// Whether an operator gives the numbers that it takes, in other places.
fn rearranges(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::Concat { .. }
            | Operator::Slice { .. }
            | Operator::Transpose { .. }
            | Operator::Pad { .. }
            | Operator::Reshape
    )
}

/// A view as one run of pixels, if it is one: the axes but one step evenly, and that one is contiguous or not stepped along.
fn pixels(view: &View, channel_axis: usize) -> Option<Pixels> {
    let (pixel, channel) = view.rows(channel_axis)?;
    let wide = match channel {
        1 => true,
        0 => false,
        _ => return None,
    };
    (pixel >= 0).then(|| Pixels { view: view.clone(), pixel: pixel as usize, wide })
}
