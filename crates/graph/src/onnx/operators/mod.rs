//! What the operators of ONNX become.

mod constants;
mod convolution;
mod elementwise;
mod matrices;
mod movement;
mod normalisation;
mod quantisation;
mod reductions;
mod resize;

use super::attributes::Attributes;
use super::builder::Builder;
use super::error::{Fault, wrong};
use super::tensors::Tensors;
use crate::graph::ValueId;

/// A node of the file with the values that it reads.
pub(super) struct Call<'a> {
    pub operator: &'a str,
    pub opset: i64,
    /// None for one that is left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Whether somebody reads it.
    pub outputs: Vec<bool>,
    pub attributes: &'a Attributes,
}

impl Call<'_> {
    pub fn input(&self, at: usize) -> Result<ValueId, Fault> {
        self.optional(at).ok_or_else(|| wrong!("it has no input {at}"))
    }

    pub fn optional(&self, at: usize) -> Option<ValueId> {
        self.inputs.get(at).copied().flatten()
    }

    /// An attribute that newer operator sets have as an input.
    pub fn ints(&self, graph: &Builder<'_>, name: &str, input: usize) -> Result<Option<Vec<i64>>, Fault> {
        match self.optional(input) {
            Some(value) => graph.list(value, name).map(Some),
            None => Ok(self.attributes.ints(name)?.map(<[i64]>::to_vec)),
        }
    }

    /// Outputs after the first are not computed.
    fn only_output(&self) -> Result<(), Fault> {
        match self.outputs.iter().skip(1).position(|read| *read) {
            Some(at) => Err(wrong!("its output {} is read, which is not supported", at + 1)),
            None => Ok(()),
        }
    }
}

/// Makes values of a node's inputs.
pub(super) type Handler = fn(&mut Builder<'_>, &Call<'_>) -> Result<ValueId, Fault>;

/// What becomes of an operator.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// Its first output; others must not be read.
    One(Handler),
    /// All outputs.
    Many(fn(&mut Builder<'_>, &Call<'_>) -> Result<Vec<ValueId>, Fault>),
    /// Numbers of the file.
    Constant,
}

impl Meaning {
    pub fn apply(
        self,
        graph: &mut Builder<'_>,
        call: &Call<'_>,
        tensors: &mut Tensors<'_>,
    ) -> Result<Vec<ValueId>, Fault> {
        match self {
            Meaning::Many(handler) => handler(graph, call),
            Meaning::One(handler) => {
                call.only_output()?;
                Ok(vec![handler(graph, call)?])
            }
            Meaning::Constant => Ok(vec![constants::constant(graph, call, tensors)?]),
        }
    }
}

/// What an operator means. None if it is not known.
pub(super) fn meaning(domain: &str, operator: &str) -> Option<Meaning> {
    let handler: Handler = match (domain, operator) {
        ("" | "ai.onnx", "Constant") => return Some(Meaning::Constant),
        ("" | "ai.onnx", "Split") => return Some(Meaning::Many(movement::split)),
        ("" | "ai.onnx", operator) => known(operator)?,
        ("com.microsoft", "Gelu") => elementwise::function,
        ("com.microsoft", "FastGelu" | "BiasGelu") => elementwise::gelu_of_sum,
        ("com.microsoft", "QuickGelu") => elementwise::quick_gelu,
        ("com.microsoft", "FusedConv") => convolution::fused,
        ("com.microsoft", "SkipLayerNormalization") => normalisation::skip_layer_normalization,
        ("com.microsoft", "DequantizeLinear") => quantisation::dequantize_linear,
        ("com.microsoft", "QuantizeLinear") => quantisation::quantize_linear,
        _ => return None,
    };
    Some(Meaning::One(handler))
}

fn known(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Conv" => convolution::convolution,
        "MaxPool" | "AveragePool" => convolution::pool,
        "GlobalAveragePool" | "GlobalMaxPool" => reductions::global_pool,
        "Relu" | "LeakyRelu" | "Sigmoid" | "HardSigmoid" | "HardSwish" | "Mish" | "Tanh" | "Erf" | "Gelu" | "Elu"
        | "Softplus" | "Exp" | "Log" | "Sqrt" | "Reciprocal" => elementwise::function,
        "Abs" | "Neg" => elementwise::abs_or_neg,
        "Clip" => elementwise::clip,
        "Selu" => elementwise::selu,
        "Celu" => elementwise::celu,
        "Softsign" => elementwise::softsign,
        "PRelu" => elementwise::prelu,
        "Add" | "Sub" | "Mul" | "Div" | "Pow" => elementwise::binary,
        "Min" | "Max" | "Sum" | "Mean" => elementwise::variadic,
        "Identity" | "Dropout" => elementwise::same,
        "Cast" | "CastLike" => elementwise::cast,
        "Where" => elementwise::choose,
        "MatMul" => matrices::multiply,
        "Gemm" => matrices::gemm,
        "Einsum" => matrices::einsum,
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare"
        | "ReduceProd" => reductions::reduce,
        "Softmax" | "LogSoftmax" => reductions::softmax,
        "BatchNormalization" => normalisation::batch_normalization,
        "LayerNormalization" => normalisation::layer_normalization,
        "InstanceNormalization" => normalisation::instance_normalization,
        "GroupNormalization" => normalisation::group_normalization,
        "LpNormalization" => normalisation::lp_normalization,
        "Concat" => movement::concat,
        "Slice" => movement::slice,
        "Gather" => movement::gather,
        "Transpose" => movement::transpose,
        "Reshape" => movement::reshape,
        "Flatten" => movement::flatten,
        "Squeeze" => movement::squeeze,
        "Unsqueeze" => movement::unsqueeze,
        "Expand" => movement::expand,
        "Tile" => movement::tile,
        "Pad" => movement::pad,
        "Resize" | "Upsample" => resize::resize,
        "DepthToSpace" => movement::depth_to_space,
        "SpaceToDepth" => movement::space_to_depth,
        "Shape" => constants::shape,
        "Size" => constants::size,
        "ConstantOfShape" => constants::constant_of_shape,
        "Range" => constants::range,
        "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "And" | "Or" | "Xor" | "Mod" => {
            constants::binary
        }
        "Not" | "Floor" | "Ceil" | "Round" | "Sign" | "Sin" | "Cos" | "IsNaN" => constants::unary,
        "CumSum" => constants::cumulative_sum,
        "Trilu" => constants::trilu,
        "QuantizeLinear" => quantisation::quantize_linear,
        "DequantizeLinear" => quantisation::dequantize_linear,
        _ => return None,
    })
}
