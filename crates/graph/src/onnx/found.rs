//! What a file is: its face, its embedding, and what is done at both ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use super::error::{OnnxError, quoted};
use super::limits::numbers;
use super::tensors::{element, element_name};
use super::{Options, proto};
use crate::graph::{Binary, Function, Graph, Operator, Reduction, ValueId};

/// How a face lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// (1, 3, height, width).
    Planar,
    /// (1, height, width, 3).
    Interleaved,
}

/// What the network does with a face before anything else: x · scale + shift, by channel of the face.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalisation {
    /// Of each channel.
    pub scale: [f32; 3],
    /// Of each channel.
    pub shift: [f32; 3],
}

impl Normalisation {
    /// Whether it is made for pixels of 0 to 255: such a network takes them as they are. What takes numbers from -1 to 1
    /// neither shrinks them to less than a twentieth nor moves them far.
    #[must_use]
    pub fn is_of_pixels(&self) -> bool {
        let shrinks = self.scale.iter().all(|scale| *scale > 0.0 && *scale < 0.05);
        shrinks || self.shift.iter().any(|shift| shift.abs() > 16.0)
    }
}

/// What was found in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Name of the face.
    pub input: String,
    /// How it lies in memory.
    pub layout: Layout,
    /// Of the face, in pixels.
    pub height: usize,
    /// Of the face, in pixels.
    pub width: usize,
    /// Whether its numbers are pixels as they are, from 0 to 255.
    pub takes_bytes: bool,
    /// Name of the embedding.
    pub output: String,
    /// Numbers of the embedding.
    pub dimension: usize,
    /// Operator set of ONNX.
    pub opset: i64,
    /// What wrote the file, with its version.
    pub producer: String,
    /// Numbers of the tensors that the embedding needs, without shapes and indices.
    pub parameters: u64,
    /// Bytes of these in the file.
    pub parameter_bytes: u64,
    /// The type that most of them have.
    pub format: &'static str,
    /// At the start of the network, if there is one.
    pub normalisation: Option<Normalisation>,
    /// Whether the network takes the first channel for the last before it computes anything: RGB for BGR.
    pub swaps_channels: bool,
    /// Whether the network ends with an L2 normalisation.
    pub normalises_embedding: bool,
    /// Files beside the ONNX file that hold tensors.
    pub files: Vec<String>,
}

/// What a file says of itself, whatever its operators are.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// Name of the face.
    pub input: String,
    /// How it lies in memory.
    pub layout: Layout,
    /// Of the face, in pixels.
    pub height: usize,
    /// Of the face, in pixels.
    pub width: usize,
    /// Type of the face's numbers: `TensorProto.DataType`.
    pub element: i32,
    /// Faces that go through at once, if only that many do.
    pub batch: Option<usize>,
    /// Name of the embedding.
    pub output: String,
    /// Operator set of ONNX.
    pub opset: i64,
    /// What wrote the file, with its version.
    pub producer: String,
}

impl Outline {
    pub(super) fn of(face: Face, output: &str, opset: i64, model: &proto::Model) -> Self {
        let [height, width] = face.size();
        Self {
            input: face.name,
            layout: face.layout,
            height,
            width,
            element: face.element,
            batch: face.said,
            output: output.to_owned(),
            opset,
            producer: producer(model),
        }
    }
}

/// What wrote a file.
fn producer(model: &proto::Model) -> String {
    quoted(format!("{} {}", model.producer, model.producer_version).trim())
}

/// The input that is a face.
pub(super) struct Face {
    pub name: String,
    pub shape: Vec<usize>,
    pub layout: Layout,
    pub element: i32,
    /// What the file says, 1 if it is open.
    pub batch: i64,
    /// What the file says, if it does.
    pub said: Option<usize>,
}

impl Face {
    /// Height and width.
    fn size(&self) -> [usize; 2] {
        match self.layout {
            Layout::Planar => [self.shape[2], self.shape[3]],
            Layout::Interleaved => [self.shape[1], self.shape[2]],
        }
    }
}

/// Finds the input with three channels.
pub(super) fn face(
    inputs: &[proto::ValueInfo],
    initialisers: &HashMap<String, &Bytes>,
    options: &Options,
) -> Result<Face, OnnxError> {
    let inputs: Vec<_> = inputs.iter().filter(|input| !initialisers.contains_key(&input.name)).collect();
    let names = || inputs.iter().map(|input| format!("`{}`", quoted(&input.name))).collect::<Vec<_>>().join(", ");
    let [input] = *inputs else {
        return Err(OnnxError::Input(match inputs.len() {
            0 => "there is none".to_owned(),
            _ => format!("a face is expected, and there are {}: export the network with the face alone", names()),
        }));
    };
    let name = quoted(&input.name);
    let shape = input.shape().unwrap_or_default();
    let shown: Vec<String> = shape.iter().map(|extent| extent.map_or("?".to_owned(), |n| n.to_string())).collect();
    let wrong = |what: &str| OnnxError::Input(format!("`{name}` has shape ({}); {what}", shown.join(", ")));
    let [batch, a, b, c] = *shape else { return Err(wrong("a face has a batch, three channels, height and width")) };
    let layout = match (a, c) {
        // Symbols everywhere: PyTorch's layout is the usual one.
        (Some(3), _) | (None, None) => Layout::Planar,
        (_, Some(3)) => Layout::Interleaved,
        _ => return Err(wrong("a face has three channels")),
    };
    let open = |extent: Option<i64>, what: &str| {
        let asked = options.side.map(|side| side as i64);
        let extent = extent
            .filter(|extent| *extent > 0)
            .or(asked)
            .ok_or_else(|| wrong(&format!("its {what} is open: say with `side` for how many pixels it was trained")))?;
        match usize::try_from(extent) {
            Ok(extent) if extent <= 1 << 13 => Ok(extent),
            _ => Err(wrong(&format!("its {what} of {extent} is not that of a face"))),
        }
    };
    let (height, width) = match layout {
        Layout::Planar => (open(b, "height")?, open(c, "width")?),
        Layout::Interleaved => (open(a, "height")?, open(b, "width")?),
    };
    if let Some(side) = options.side.filter(|side| [height, width] != [*side; 2]) {
        return Err(wrong(&format!("it takes faces of this size, not of {side} × {side}")));
    }
    let element = input.element();
    if !matches!(element, element::FLOAT | element::FLOAT16 | element::BFLOAT16 | element::DOUBLE | element::UINT8) {
        return Err(wrong(&format!("its numbers are {}, which no face has", element_name(element))));
    }
    let shape = match layout {
        Layout::Planar => vec![1, 3, height, width],
        Layout::Interleaved => vec![1, height, width, 3],
    };
    if numbers(&shape, options.limits.computed).is_err() {
        return Err(wrong(&format!("its {height} × {width} pixels are more than a face has")));
    }
    let said = batch.and_then(|batch| usize::try_from(batch).ok()).filter(|batch| *batch > 0);
    Ok(Face { name: input.name.clone(), shape, layout, element, batch: batch.unwrap_or(1).max(1), said })
}

/// The name of the embedding: the one asked for, the only one, or the only matrix. The norms that some
/// networks give with it are a column.
pub(super) fn output<'a>(outputs: &'a [proto::ValueInfo], asked: Option<&str>) -> Result<&'a str, OnnxError> {
    let names = || {
        let shown = outputs.iter().take(20).map(|output| {
            let shape = output.shape().unwrap_or_default();
            let shape: Vec<_> = shape.iter().map(|extent| extent.map_or("?".to_owned(), |n| n.to_string())).collect();
            format!("`{}` ({})", quoted(&output.name), shape.join(", "))
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    if let Some(asked) = asked {
        let found = outputs.iter().find(|output| output.name == asked);
        let missing = || OnnxError::Output(format!("there is no `{}`; there are {}", quoted(asked), names()));
        return Ok(&found.ok_or_else(missing)?.name);
    }
    let is_matrix = |output: &&proto::ValueInfo| {
        let real = matches!(output.element(), element::FLOAT | element::FLOAT16 | element::BFLOAT16 | element::DOUBLE);
        real && output.shape().is_some_and(|shape| matches!(*shape, [_, columns] if columns != Some(1)))
    };
    let matrices: Vec<_> = outputs.iter().filter(is_matrix).collect();
    match (outputs, &*matrices) {
        ([only], _) => Ok(&only.name),
        (_, [only]) => Ok(&only.name),
        ([], _) => Err(OnnxError::Output("there is none".to_owned())),
        _ => Err(OnnxError::Output(format!("there are {}: say with `model.output` which is the embedding", names()))),
    }
}

/// An embedding is one list of numbers that depend on the face.
pub(super) fn check_output(graph: &Graph, face: &Face) -> Result<(), OnnxError> {
    let output = &graph.values[graph.output];
    let name = quoted(&output.name);
    let made = graph.nodes.iter().any(|node| node.output == graph.output);
    if !made {
        return Err(OnnxError::Output(format!("`{name}` does not depend on the face")));
    }
    let dimension = output.len();
    if output.shape.iter().filter(|extent| **extent != 1).count() > 1 || dimension > 1 << 20 {
        let hint = match face.batch {
            1 => "",
            _ => "; the file was exported for batches of several faces: export it with one",
        };
        return Err(OnnxError::Output(format!(
            "`{name}` has shape {:?} for one face, which is no embedding: say with `model.output` which value is, or export the \
             network without what comes behind it{hint}",
            output.shape
        )));
    }
    Ok(())
}

impl Found {
    pub(super) fn of(
        graph: &Graph,
        face: Face,
        output: &str,
        opset: i64,
        model: &proto::Model,
        mut weights: BTreeMap<i32, (u64, u64)>,
        files: BTreeSet<String>,
    ) -> Found {
        weights.retain(|kind, _| !matches!(*kind, element::INT64 | element::INT32 | element::BOOL));
        let most = weights.iter().max_by_key(|(_, (_, bytes))| *bytes);
        let [height, width] = face.size();
        let (normalisation, swaps_channels) = start(graph, face.layout);
        Found {
            layout: face.layout,
            height,
            width,
            takes_bytes: face.element == element::UINT8,
            output: output.to_owned(),
            dimension: graph.values[graph.output].len(),
            opset,
            producer: producer(model),
            parameters: weights.values().map(|(numbers, _)| numbers).sum(),
            parameter_bytes: weights.values().map(|(_, bytes)| bytes).sum(),
            format: most.map_or("f32", |(kind, _)| element_name(*kind)),
            normalisation,
            swaps_channels,
            normalises_embedding: normalises(graph),
            files: files.into_iter().collect(),
            input: face.name,
        }
    }
}

/// Follows the face through what only scales, shifts and swaps its channels.
fn start(graph: &Graph, layout: Layout) -> (Option<Normalisation>, bool) {
    let (mut scale, mut shift) = ([1.0f32; 3], [0.0f32; 3]);
    let (mut value, mut layout) = (graph.input, layout);
    let (mut scales, mut swaps) = (false, false);
    while let [node] = *graph.nodes.iter().filter(|node| node.inputs.contains(&value)).collect::<Vec<_>>() {
        let channels = if layout == Layout::Planar { 1 } else { 3 };
        match &node.operator {
            Operator::Transpose { order } if *order == [0, 3, 1, 2] && layout == Layout::Interleaved => {
                layout = Layout::Planar;
            }
            Operator::Gather { axis, indices } if *axis == channels && *indices == [2, 1, 0] => swaps ^= true,
            Operator::Slice { axis, start: 2, step: -1 } if *axis == channels => swaps ^= true,
            Operator::Binary(kind) if node.inputs[0] == value => {
                let Some(mut factors) = by_channel(graph, node.inputs[1], layout) else { break };
                if swaps {
                    factors.reverse();
                }
                for ((scale, shift), x) in scale.iter_mut().zip(&mut shift).zip(factors) {
                    match kind {
                        Binary::Add => *shift += x,
                        Binary::Sub => *shift -= x,
                        Binary::Mul => (*scale, *shift) = (*scale * x, *shift * x),
                        Binary::Div => (*scale, *shift) = (*scale / x, *shift / x),
                        _ => return (None, swaps),
                    }
                }
                scales = true;
            }
            _ => break,
        }
        value = node.output;
    }
    (scales.then_some(Normalisation { scale, shift }), swaps)
}

/// The number that a constant has for each channel of a face.
fn by_channel(graph: &Graph, value: ValueId, layout: Layout) -> Option<[f32; 3]> {
    let value = &graph.values[value];
    let numbers = value.constant.as_deref()?;
    let behind = match layout {
        Layout::Planar => &[1, 1][..],
        Layout::Interleaved => &[],
    };
    match *numbers {
        [one] => Some([one; 3]),
        [r, g, b] if value.shape.strip_suffix(behind).and_then(<[usize]>::last) == Some(&3) => Some([r, g, b]),
        _ => None,
    }
}

/// Whether the embedding is x / |x|.
fn normalises(graph: &Graph) -> bool {
    let maker = |value: ValueId| graph.nodes.iter().rev().find(|node| node.output == value);
    let skipped = |mut value: ValueId, skip: fn(&Operator) -> bool| {
        while let Some(node) = maker(value).filter(|node| skip(&node.operator)) {
            value = *node.inputs.iter().find(|input| graph.values[**input].constant.is_none()).unwrap_or(&value);
        }
        value
    };
    let output = skipped(graph.output, |operator| matches!(operator, Operator::Reshape));
    let Some(division) = maker(output) else { return false };
    let x = match (&division.operator, &*division.inputs) {
        (Operator::Binary(Binary::Div | Binary::Mul), [x, norm]) => {
            // Bounds from below, roots and repetitions on the way to the norm.
            let norm = skipped(*norm, |operator| {
                matches!(
                    operator,
                    Operator::Broadcast
                        | Operator::Reshape
                        | Operator::Binary(Binary::Max | Binary::Add)
                        | Operator::Function(
                            Function::Clip(..) | Function::Sqrt | Function::Reciprocal | Function::Power(_)
                        )
                )
            });
            let Some(norm) = maker(norm) else { return false };
            match norm.operator {
                Operator::Reduce { reduction: Reduction::L2, .. } => (*x, norm.inputs[0]),
                Operator::Reduce { reduction: Reduction::Sum, .. } => match maker(norm.inputs[0]) {
                    Some(square) => (*x, square.inputs[0]),
                    None => return false,
                },
                _ => return false,
            }
        }
        _ => return false,
    };
    x.0 == x.1
}
