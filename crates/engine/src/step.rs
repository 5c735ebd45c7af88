//! What a plan consists of.

use crate::kernels::chain::Link;
use crate::view::View;
use facevault_graph::Reduction;

/// One step over all faces of a group.
#[derive(Debug)]
pub struct Step {
    /// Of the nodes that it does, joined.
    pub name: String,
    /// Floating-point operations a face, by definition.
    pub flop: f64,
    /// What it does.
    pub work: Work,
}

/// What a step does.
#[derive(Debug)]
pub enum Work {
    /// Bytes → network input, and zeros in the rest of its buffer of so many numbers.
    Standardise { out: View, length: usize },
    /// A convolution or a product with constant weights.
    Product(Product),
    /// A 3×3 convolution by way of Winograd's F(4×4, 3×3).
    Winograd(Winograd),
    /// A convolution of each channel by itself, or in very small groups.
    Depthwise(Depthwise),
    /// Products of pairs of matrices that are both activations.
    MatMul(MatMul),
    /// Elementwise.
    Map(Map),
    /// Windows.
    Pool(Pool),
    /// Row by row along contiguous numbers.
    Rows(Rows),
    /// Numbers to other places.
    Copy { from: View, to: View },
    /// The same number everywhere.
    Fill { value: f32, to: View },
}

/// A grid of pixels whose channels lie next to each other.
#[derive(Debug, Clone)]
pub struct Grid {
    pub view: View,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// Numbers from row to row and from pixel to pixel.
    pub row: isize,
    pub pixel: isize,
}

/// A grid that is one run of pixels.
#[derive(Debug, Clone)]
pub struct Pixels {
    pub view: View,
    /// Numbers from pixel to pixel.
    pub pixel: usize,
    /// Whether a pixel has a number for each channel, or one for all.
    pub wide: bool,
}

/// How a window moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    pub kernel: (usize, usize),
    pub stride: (usize, usize),
    /// Above and to the left.
    pub padding: (usize, usize),
    pub dilation: (usize, usize),
    /// Of the output.
    pub height: usize,
    pub width: usize,
}

/// A chain of operations after a step, and where its result goes.
#[derive(Debug, Clone)]
pub struct Finish {
    pub links: Vec<Link>,
    pub operands: Vec<Pixels>,
    pub out: Pixels,
    /// Where else it goes.
    pub twins: Vec<Twin>,
}

/// A result once more, as a product reads it.
#[derive(Debug, Clone)]
pub struct Twin {
    /// Constants of each channel: what it is multiplied with, and what is added.
    pub scale_and_shift: Option<[View; 2]>,
    pub out: Pixels,
}

/// See [`Work::Product`].
#[derive(Debug)]
pub struct Product {
    pub input: Grid,
    pub geometry: Geometry,
    /// Whether numbers are multiplied as the precision has them, not in f32.
    pub narrow: bool,
    /// Taps that a pixel reads, each `words` words long: rows of the kernel where they lie next to each other.
    pub runs: usize,
    pub words: usize,
    pub panels: Vec<Panel>,
    /// Panel after panel, as the kernels read them.
    pub weights: Vec<u32>,
    /// What padding is worth, one number a channel; zeros where there is none.
    pub pad: Option<Pad>,
    pub finish: Finish,
}

/// Where a constant pixel lies in the head of every arena, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pad {
    pub offset: usize,
}

/// Output channels that are computed together.
#[derive(Debug, Clone, Copy)]
pub struct Panel {
    /// First word.
    pub weights: usize,
    /// Registers.
    pub vectors: usize,
    /// First channel of the output, and how many of them there are.
    pub channel: usize,
    pub channels: usize,
    /// First channel of the input.
    pub input: usize,
}

/// See [`Work::Winograd`].
#[derive(Debug)]
pub struct Winograd {
    pub input: Grid,
    pub padding: (usize, usize),
    pub height: usize,
    pub width: usize,
    /// Tiles of a column and of a row.
    pub tiles: (usize, usize),
    /// Tiles at a time, when faces go through together.
    pub chunk: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub panels: Vec<Panel>,
    /// Panel after panel, as the kernels read them.
    pub weights: Vec<u32>,
    /// Words of one of the 36.
    pub component: usize,
    /// Where each tile's channels begin in the scratch, bytes.
    pub offsets: Vec<u32>,
    /// Scratch: 36 × chunk × inputs, 36 × chunk × outputs.
    pub scratch: (usize, usize),
    /// Numbers between two of the 36 in each.
    pub strides: (usize, usize),
    pub pad: Option<Pad>,
    /// Of each channel, where bias and ReLU are all that follows; then `finish` has no links.
    pub bias: Vec<f32>,
    pub relu: bool,
    pub finish: Finish,
}

/// See [`Work::Depthwise`].
#[derive(Debug)]
pub struct Depthwise {
    pub input: Grid,
    pub geometry: Geometry,
    /// Channels of a group: 1, 2 or 4.
    pub members: usize,
    /// taps × members × channels, the channels rounded up.
    pub weights: Vec<f32>,
    pub pad: Option<Pad>,
    pub finish: Finish,
}

/// See [`Work::MatMul`]. Batches are independent products.
#[derive(Debug)]
pub struct MatMul {
    /// (…, M, K) with K contiguous.
    pub left: View,
    /// (…, K, N).
    pub right: View,
    /// (…, M, N) with N contiguous.
    pub out: View,
    /// Each member's own room for a packed right side, numbers.
    pub scratch: usize,
    pub room: usize,
}

/// See [`Work::Map`].
#[derive(Debug)]
pub struct Map {
    pub input: View,
    pub links: Vec<Link>,
    pub operands: Vec<View>,
    pub out: View,
}

/// See [`Work::Pool`].
#[derive(Debug)]
pub struct Pool {
    pub input: Grid,
    pub geometry: Geometry,
    pub kind: PoolKind,
    pub out: Grid,
}

/// What becomes of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PoolKind {
    /// Largest.
    Max,
    /// Σ / numbers in it.
    Mean,
    /// Σ / places in it inside the padded map, whose height and width these are.
    MeanOfPlaces(usize, usize),
    /// Σ.
    Sum,
}

/// See [`Work::Rows`].
#[derive(Debug)]
pub struct Rows {
    /// The row is the last axes from `axis` on.
    pub input: View,
    pub axis: usize,
    pub kind: RowsKind,
    pub out: View,
}

/// What becomes of a row.
#[derive(Debug)]
pub enum RowsKind {
    Softmax,
    LayerNorm { epsilon: f32, scale: Vec<f32>, shift: Option<Vec<f32>> },
    Reduce(Reduction),
}

impl Work {
    /// What it reads of the faces' buffers and of the constants.
    pub fn reads(&self) -> Vec<&View> {
        fn of<'a>(input: &'a View, finish: &'a Finish) -> Vec<&'a View> {
            std::iter::once(input).chain(finish.operands.iter().map(|operand| &operand.view)).collect()
        }
        match self {
            Self::Standardise { .. } | Self::Fill { .. } => Vec::new(),
            Self::Product(step) => of(&step.input.view, &step.finish),
            Self::Winograd(step) => of(&step.input.view, &step.finish),
            Self::Depthwise(step) => of(&step.input.view, &step.finish),
            Self::MatMul(step) => vec![&step.left, &step.right],
            Self::Map(step) => std::iter::once(&step.input).chain(&step.operands).collect(),
            Self::Pool(step) => vec![&step.input.view],
            Self::Rows(step) => vec![&step.input],
            Self::Copy { from, .. } => vec![from],
        }
    }

    /// What it writes.
    pub fn writes(&self) -> Vec<&View> {
        fn of(finish: &Finish) -> Vec<&View> {
            std::iter::once(&finish.out).chain(finish.twins.iter().map(|twin| &twin.out)).map(|out| &out.view).collect()
        }
        match self {
            Self::Standardise { out, .. } => vec![out],
            Self::Product(step) => of(&step.finish),
            Self::Winograd(step) => of(&step.finish),
            Self::Depthwise(step) => of(&step.finish),
            Self::MatMul(step) => vec![&step.out],
            Self::Map(step) => vec![&step.out],
            Self::Pool(step) => vec![&step.out.view],
            Self::Rows(step) => vec![&step.out],
            Self::Copy { to, .. } | Self::Fill { to, .. } => vec![to],
        }
    }

    /// In a word, for measurements.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Standardise { .. } => "standardise",
            Self::Product(_) => "product",
            Self::Winograd(_) => "winograd",
            Self::Depthwise(_) => "depthwise",
            Self::MatMul(_) => "matmul",
            Self::Map(_) => "elementwise",
            Self::Pool(_) => "pool",
            Self::Rows(_) => "rows",
            Self::Copy { .. } => "copy",
            Self::Fill { .. } => "fill",
        }
    }

    /// Bytes of its weights.
    pub fn weight_bytes(&self) -> usize {
        match self {
            Self::Product(step) => step.weights.len() * 4,
            Self::Winograd(step) => step.weights.len() * 4,
            _ => 0,
        }
    }
}
