//! Values, operators and their meaning.

use std::sync::Arc;

/// Index of a [`Value`] in [`Graph::values`].
pub type ValueId = usize;

/// A network for one face. Nodes are in an order in which every value is computed before it is read.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// All tensors.
    pub values: Vec<Value>,
    /// All operations on them.
    pub nodes: Vec<Node>,
    /// The face: (1, 3, height, width) or (1, height, width, 3).
    pub input: ValueId,
    /// The embedding, any shape of `dimension` numbers.
    pub output: ValueId,
}

/// A tensor: a constant, the input, or what one node computes.
#[derive(Debug, Clone, Default)]
pub struct Value {
    /// As the file calls it; unique.
    pub name: String,
    /// Extents with the batch as 1, row-major. Empty for a scalar.
    pub shape: Vec<usize>,
    /// Its numbers, if it is a constant.
    pub constant: Option<Arc<[f32]>>,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Node {
    /// As the file calls it, or made from its output.
    pub name: String,
    /// What it does.
    pub operator: Operator,
    /// What it reads, as the operator says.
    pub inputs: Vec<ValueId>,
    /// What it writes.
    pub output: ValueId,
}

/// Few operators, to which the many of file formats are reduced.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    /// (1, C, H, W), constant weight (O, C / groups, kh, kw) and, optionally, constant bias (O) → (1, O, H', W').
    Convolution {
        /// Height and width.
        kernel: (usize, usize),
        /// Down and across.
        stride: (usize, usize),
        /// Zeros above, to the left, below, to the right.
        padding: [usize; 4],
        /// Down and across.
        dilation: (usize, usize),
        /// Channels of each group see only their own group.
        groups: usize,
    },
    /// Windows of (1, C, H, W). What the output's shape asks for beyond the padding, as `ceil_mode` does, is not counted.
    Pool {
        /// What becomes of a window.
        pool: Pool,
        /// Height and width.
        kernel: (usize, usize),
        /// Down and across.
        stride: (usize, usize),
        /// Above, to the left, below, to the right.
        padding: [usize; 4],
        /// Down and across.
        dilation: (usize, usize),
    },
    /// Two tensors of equal shape but for the last two axes and for what is broadcast as NumPy does:
    /// (…, M, K) × (…, K, N) → (…, M, N). Either may be a constant. Both have at least two axes.
    MatMul,
    /// Elementwise.
    Function(Function),
    /// Elementwise on two tensors, broadcast as NumPy does. Either may be a constant, not both.
    Binary(Binary),
    /// max(x, 0) + slope · min(x, 0), slope a constant that broadcasts to x.
    PRelu,
    /// Over axes; those keep the extent 1 or vanish, as the output's shape says.
    Reduce {
        /// How.
        reduction: Reduction,
        /// Ascending.
        axes: Vec<usize>,
    },
    /// Along one axis.
    Softmax {
        /// Which.
        axis: usize,
    },
    /// Over the axes from this one on, then a constant scale and, optionally, a constant shift that broadcast to x.
    LayerNorm {
        /// First of the axes.
        axis: usize,
        /// Added to the variance.
        epsilon: f64,
    },
    /// Any number of tensors along an axis; some may be constants.
    Concat {
        /// Which.
        axis: usize,
    },
    /// start, start + step, … along an axis, as many as the output has.
    Slice {
        /// Which.
        axis: usize,
        /// First index.
        start: usize,
        /// May be negative.
        step: isize,
    },
    /// Chosen indices along an axis.
    Gather {
        /// Which.
        axis: usize,
        /// Each below the axis' extent.
        indices: Vec<usize>,
    },
    /// Axis i of the output is axis `order[i]` of the input.
    Transpose {
        /// A permutation.
        order: Vec<usize>,
    },
    /// The same numbers in the same order, in the output's shape.
    Reshape,
    /// Broadcast to the output's shape.
    Broadcast,
    /// Constant values around.
    Pad {
        /// Before each axis. What comes behind is what the output's shape asks for.
        before: Vec<usize>,
        /// What is put there.
        value: f32,
    },
}

/// What becomes of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Its largest number; padding does not count.
    Max,
    /// Its mean over the numbers that are there.
    Mean,
    /// Its mean over all places inside the padded map.
    MeanWithPadding,
}

/// How an axis vanishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Σx / n.
    Mean,
    /// Σx.
    Sum,
    /// Largest.
    Max,
    /// Smallest.
    Min,
    /// Σ|x|.
    L1,
    /// √Σx².
    L2,
}

/// Two numbers → one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    /// The base is not negative, or the exponent is whole.
    Pow,
    Min,
    Max,
}

/// A number → a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// max(x, 0).
    Relu,
    /// x, or slope · x below 0.
    LeakyRelu(f32),
    /// min(max(x, low), high).
    Clip(f32, f32),
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// min(max(a·x + b, 0), 1).
    HardSigmoid(f32, f32),
    /// x · min(max(x / 6 + ½, 0), 1).
    HardSwish,
    /// x · sigmoid(x).
    Silu,
    /// x · tanh(ln(1 + eˣ)).
    Mish,
    /// (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ).
    Tanh,
    /// 2/√π ∫₀ˣ e^(−t²) dt.
    Erf,
    /// x · Φ(x).
    Gelu,
    /// Its approximation: x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³))).
    GeluTanh,
    /// x, or a · (eˣ − 1) below 0.
    Elu(f32),
    /// ln(1 + eˣ).
    Softplus,
    /// eˣ.
    Exp,
    /// Natural logarithm.
    Log,
    /// √x.
    Sqrt,
    /// 1 / x.
    Reciprocal,
    /// |x|.
    Abs,
    /// −x.
    Neg,
    /// x to a constant power.
    Power(f32),
    /// The nearest whole number, halves to even, of x / scale, plus zero, within low..=high: what `QuantizeLinear` makes.
    Quantise {
        /// What a step is worth.
        scale: f32,
        /// What 0 becomes.
        zero: f32,
        /// Smallest.
        low: f32,
        /// Largest.
        high: f32,
    },
}

impl Value {
    /// How many numbers it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
    /// Whether an extent is 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
