//! A recogniser in an ONNX file → a [`Graph`]. The file is data: nothing in it runs, and sizes and counts are bounded before
//! memory is taken. Batches are 1, shapes are concrete, and what depends on constants only is computed.
//!
//! Operator sets 7 to 21; the formats are those of <https://onnx.ai/onnx/repo-docs/IR.html> and
//! <https://onnx.ai/onnx/operators/>.

mod attributes;
mod builder;
mod error;
mod found;
mod limits;
mod operators;
mod order;
mod proto;
mod prune;
mod shapes;
mod tensors;
mod whole;
mod wire;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;

pub use bytes::Bytes;
use prost::Message as _;

pub use error::{OnnxError, Unsupported};
pub use found::{Found, Layout, Normalisation, Outline};
pub use limits::Limits;

use crate::graph::{Graph, Value, ValueId};
use attributes::Attributes;
use builder::Builder;
use error::{Fault, quoted, shortened};
use operators::{Call, Meaning};
use order::Step;
use tensors::Tensors;

/// The operator sets of ONNX that are known.
pub const OPSETS: RangeInclusive<i64> = 7..=21;

/// What a file does not say.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Height and width of a face, if the file leaves them open.
    pub side: Option<usize>,
    /// Which output is the embedding, if there are several.
    pub output: Option<String>,
    /// Bounds.
    pub limits: Limits,
}

/// What was made of a file.
#[derive(Debug, Clone)]
pub struct Onnx {
    /// The network.
    pub graph: Graph,
    /// What it is.
    pub found: Found,
}

/// Reads an ONNX file, and the files of external data beside it.
///
/// # Errors
///
/// If it cannot be read, is damaged, too large, or uses what is not supported.
pub fn read(path: &Path, options: &Options) -> Result<Onnx, OnnxError> {
    let limit = options.limits.file;
    let load = || {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut bytes = Vec::new();
        if size <= limit {
            bytes.reserve_exact(size as usize);
            // One more than there may be: a device or a file that grows has no size that counts.
            file.by_ref().take(limit + 1).read_to_end(&mut bytes)?;
        }
        Ok((size.max(bytes.len() as u64), bytes))
    };
    let (size, bytes) = load().map_err(|source| OnnxError::Io { path: path.to_owned(), source })?;
    if size > limit {
        return Err(OnnxError::TooMuch { what: format!("{size} bytes"), limit });
    }
    let folder = path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    make(bytes.into(), folder, options)
}

/// Reads an ONNX file that is in memory. External data is an error.
///
/// # Errors
///
/// As [`read`].
pub fn parse(bytes: impl Into<Bytes>, options: &Options) -> Result<Onnx, OnnxError> {
    make(bytes.into(), None, options)
}

/// Reads an ONNX file that is in memory, and the files of external data in the folder that it came from.
///
/// # Errors
///
/// As [`read`].
pub fn parse_beside(bytes: impl Into<Bytes>, folder: &Path, options: &Options) -> Result<Onnx, OnnxError> {
    make(bytes.into(), Some(folder), options)
}

/// What a file says of its input and output, whatever its operators are.
///
/// # Errors
///
/// If it cannot be read, is damaged, too large, or takes or gives something else than faces and embeddings.
pub fn outline(bytes: impl Into<Bytes>, options: &Options) -> Result<Outline, OnnxError> {
    let file = Decoded::new(bytes.into(), &options.limits)?;
    let initialisers = file.initialisers()?;
    let (inputs, outputs) = (described(&file.graph.inputs)?, described(&file.graph.outputs)?);
    let output = found::output(&outputs, options.output.as_deref())?;
    let face = found::face(&inputs, &initialisers, options)?;
    if face.said.is_some_and(|batch| batch > MOST_FACES) {
        let (name, batch) = (quoted(&face.name), face.batch);
        return Err(OnnxError::Input(format!("`{name}` takes {batch} faces at once, more than {MOST_FACES}")));
    }
    Ok(Outline::of(face, output, file.opset, &file.model))
}

/// The file with the numbers of the files beside it inside, for a reader that is to open no other file, and the names of
/// those files.
///
/// # Errors
///
/// If it is damaged, or the files beside it are missing, outside the folder, or too large.
pub fn whole(bytes: Bytes, folder: Option<&Path>, limits: &Limits) -> Result<(Bytes, Vec<String>), OnnxError> {
    let mut tensors = Tensors::new(folder, limits);
    let made = whole::whole(&bytes, &mut tensors)?;
    Ok((made.map_or(bytes, Bytes::from), tensors.files.into_iter().collect()))
}

/// In a batch.
const MOST_FACES: usize = 4096;

fn damaged(error: &prost::DecodeError) -> OnnxError {
    OnnxError::Damaged(error.to_string())
}

fn cut_off() -> OnnxError {
    OnnxError::Damaged("it is cut off".to_owned())
}

/// A file whose parts are still encoded.
struct Decoded {
    model: proto::Model,
    opsets: HashMap<String, i64>,
    /// Of ONNX itself.
    opset: i64,
    graph: proto::Graph,
}

impl Decoded {
    fn new(bytes: Bytes, limits: &Limits) -> Result<Self, OnnxError> {
        bounded(&bytes, 1000, "fields")?;
        let model = proto::Model::decode(bytes).map_err(|error| damaged(&error))?;
        let opsets: HashMap<_, _> = model.opsets.iter().map(|set| (set.domain.clone(), set.version)).collect();
        let opset = *opsets
            .get("")
            .or_else(|| opsets.get("ai.onnx"))
            .ok_or_else(|| OnnxError::Damaged("it names no operator set of ONNX".to_owned()))?;
        bounded(&model.graph, limits.nodes.saturating_mul(8), "nodes, tensors and descriptions")?;
        let graph = proto::Graph::decode(model.graph.clone()).map_err(|error| damaged(&error))?;
        if graph.nodes.len() as u64 > limits.nodes {
            return Err(OnnxError::TooMuch { what: format!("{} nodes", graph.nodes.len()), limit: limits.nodes });
        }
        Ok(Self { model, opsets, opset, graph })
    }

    /// The encoded tensors, by name.
    fn initialisers(&self) -> Result<HashMap<String, &Bytes>, OnnxError> {
        let mut initialisers = HashMap::new();
        for tensor in &self.graph.initialisers {
            let name = proto::TensorName::decode(tensor.clone()).map_err(|error| damaged(&error))?.name;
            if let Some((name, _)) = initialisers.insert(name.clone(), tensor).map(|tensor| (name, tensor)) {
                return Err(OnnxError::Graph(format!("two of its tensors are called `{}`", quoted(&name))));
            }
        }
        Ok(initialisers)
    }
}

fn make(bytes: Bytes, folder: Option<&Path>, options: &Options) -> Result<Onnx, OnnxError> {
    let limits = &options.limits;
    let decoded = Decoded::new(bytes, limits)?;
    let Decoded { model, opsets, opset, graph: file } = &decoded;
    if !OPSETS.contains(opset) {
        return Err(OnnxError::Opset { found: *opset });
    }
    let nodes = file.nodes.iter().map(node).collect::<Result<Vec<_>, _>>()?;
    let initialisers = decoded.initialisers()?;
    let inputs = described(&file.inputs)?;
    let outputs = described(&file.outputs)?;
    let output = found::output(&outputs, options.output.as_deref())?;
    let steps = order::steps(&nodes, &initialisers, output)?;
    let unsupported = unsupported(&steps, &nodes, opsets);
    if !unsupported.is_empty() {
        return Err(OnnxError::Unsupported(unsupported));
    }

    let face = found::face(&inputs, &initialisers, options)?;
    let mut tensors = Tensors::new(folder, limits);
    let input = Value { name: face.name.clone(), shape: face.shape.clone(), constant: None };
    let mut builder = Builder::new(input, face.element, limits);
    let read = read_values(&steps, &nodes, output);
    let mut values: HashMap<&str, ValueId> = HashMap::from([(face.name.as_str(), builder.graph.input)]);
    for step in steps {
        match step {
            Step::Tensor(name) => {
                let constant = tensors.constant(initialisers[name]);
                let constant = constant.map_err(|fault| of_tensor(fault, name))?;
                values.insert(name, builder.constant(constant));
            }
            Step::Input(name) => {
                if !values.contains_key(name) {
                    return Err(OnnxError::Input(format!(
                        "the network reads `{}` beside the face `{}`, and nothing is known of it",
                        quoted(name),
                        quoted(&face.name)
                    )));
                }
            }
            Step::Node(at) => {
                let node = &nodes[at];
                let version = version(opsets, &node.domain);
                let made = translate(node, version, &mut builder, &mut tensors, &values, &read);
                let made = made.map_err(|fault| of_node(fault, node, version, face.batch))?;
                values.extend(node.outputs.iter().map(String::as_str).zip(made).filter(|(name, _)| !name.is_empty()));
            }
        }
    }
    builder.graph.output = values[output];
    let (files, weights) = (tensors.files, tensors.weights);
    let mut graph = builder.graph;
    found::check_output(&graph, &face)?;
    prune::prune(&mut graph);
    let found = Found::of(&graph, face, output, *opset, model, weights, files);
    Ok(Onnx { graph, found })
}

/// An error if a message has more fields than are allowed, or ends too early.
fn bounded(bytes: &[u8], limit: u64, what: &str) -> Result<(), OnnxError> {
    let (fields, _) = wire::count(bytes, 0).ok_or_else(cut_off)?;
    let what = format!("{fields} {what}");
    if fields as u64 > limit { Err(OnnxError::TooMuch { what, limit }) } else { Ok(()) }
}

/// Decodes a `NodeProto`.
fn node(bytes: &Bytes) -> Result<proto::Node, OnnxError> {
    bounded(bytes, 1 << 16, "inputs, outputs and attributes of a node")?;
    let node = proto::Node::decode(bytes.clone()).map_err(|error| damaged(&error))?;
    let names = node.inputs.iter().chain(&node.outputs).chain([&node.name, &node.operator, &node.domain]);
    match names.map(String::len).max() {
        Some(length) if length > LONGEST_NAME => {
            Err(OnnxError::TooMuch { what: format!("a name of {length} bytes"), limit: LONGEST_NAME as u64 })
        }
        _ => Ok(node),
    }
}

/// PyTorch's names are paths of modules: long, but not that long.
const LONGEST_NAME: usize = 4096;

/// Decodes the descriptions of inputs or outputs.
fn described(messages: &[Bytes]) -> Result<Vec<proto::ValueInfo>, OnnxError> {
    messages
        .iter()
        .map(|message| {
            let limit = 1 << 16;
            if message.len() > limit {
                let what = format!("a description of {} bytes", message.len());
                return Err(OnnxError::TooMuch { what, limit: limit as u64 });
            }
            proto::ValueInfo::decode(message.clone()).map_err(|error| damaged(&error))
        })
        .collect()
}

/// The version of a domain's operator set, 1 if the file does not say.
fn version(opsets: &HashMap<String, i64>, domain: &str) -> i64 {
    let domain = if domain == "ai.onnx" && !opsets.contains_key(domain) { "" } else { domain };
    opsets.get(domain).or_else(|| opsets.get("ai.onnx").filter(|_| domain.is_empty())).copied().unwrap_or(1)
}

/// Every operator that is needed and not known, in the order in which they come.
fn unsupported(steps: &[Step<'_>], nodes: &[proto::Node], opsets: &HashMap<String, i64>) -> Vec<Unsupported> {
    let mut found: Vec<Unsupported> = Vec::new();
    let mut places: HashMap<_, usize> = HashMap::new();
    let needed = steps.iter().filter_map(|step| if let Step::Node(at) = step { Some(&nodes[*at]) } else { None });
    for node in needed.filter(|node| operators::meaning(&node.domain, &node.operator).is_none()) {
        let place = *places.entry((&node.domain, &node.operator)).or_insert(found.len());
        if place == found.len() {
            let domain = if node.domain.is_empty() { String::new() } else { format!("{}.", quoted(&node.domain)) };
            let (operator, opset) = (domain + &quoted(&node.operator), version(opsets, &node.domain));
            found.push(Unsupported { operator, opset, node: called(node), nodes: 0 });
        }
        found[place].nodes += 1;
    }
    found
}

/// The values that somebody reads.
fn read_values<'a>(steps: &[Step<'_>], nodes: &'a [proto::Node], output: &'a str) -> HashSet<&'a str> {
    let inputs =
        steps.iter().filter_map(|step| if let Step::Node(at) = step { Some(&nodes[*at].inputs) } else { None });
    inputs.flatten().map(String::as_str).filter(|name| !name.is_empty()).chain([output]).collect()
}

/// The name of a node, or that of its output.
fn called(node: &proto::Node) -> String {
    let output = node.outputs.iter().find(|name| !name.is_empty());
    quoted(if node.name.is_empty() { output.map_or("", String::as_str) } else { &node.name })
}

fn translate(
    node: &proto::Node,
    opset: i64,
    builder: &mut Builder<'_>,
    tensors: &mut Tensors<'_>,
    values: &HashMap<&str, ValueId>,
    read: &HashSet<&str>,
) -> Result<Vec<ValueId>, Fault> {
    let attributes = Attributes::decode(&node.attributes)?;
    let call = Call {
        operator: &node.operator,
        opset,
        inputs: node.inputs.iter().map(|name| values.get(name.as_str()).copied()).collect(),
        outputs: node.outputs.iter().map(|name| read.contains(name.as_str())).collect(),
        attributes: &attributes,
    };
    let first = builder.graph.values.len();
    builder.begin(&called(node));
    let meaning: Meaning = operators::meaning(&node.domain, &node.operator).expect("it was looked for");
    let made = meaning.apply(builder, &call, tensors)?;
    for (value, name) in made.iter().zip(&node.outputs).filter(|(value, name)| **value >= first && !name.is_empty()) {
        builder.rename(*value, name);
    }
    Ok(made)
}

fn of_tensor(fault: Fault, name: &str) -> OnnxError {
    match fault {
        Fault::Wrong(fault) => OnnxError::Tensor { name: quoted(name), fault: shortened(fault) },
        Fault::TooMuch { what, limit } => OnnxError::TooMuch { what, limit },
    }
}

fn of_node(fault: Fault, node: &proto::Node, opset: i64, batch: i64) -> OnnxError {
    match fault {
        Fault::Wrong(fault) => OnnxError::Node {
            operator: quoted(&node.operator),
            node: called(node),
            opset,
            fault: shortened(fault),
            hint: if batch > 1 {
                format!(
                    "; the file was exported for batches of {batch}: export it with one face, or with a batch of any size"
                )
            } else {
                String::new()
            },
        },
        Fault::TooMuch { what, limit } => OnnxError::TooMuch { what, limit },
    }
}

#[cfg(test)]
mod tests;
