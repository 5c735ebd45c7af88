//! An ONNX file with the numbers of the files beside it put inside: for a reader that is to open no other file.

use bytes::Bytes;
use prost::Message as _;

use super::error::{Fault, OnnxError, wrong};
use super::tensors::Tensors;
use super::{cut_off, of_tensor, proto, wire};

/// What a message is, as far as it leads to tensors.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    Sparse,
    Tensor,
}

impl Kind {
    /// What a field of such a message is.
    fn of(self, tag: u64) -> Option<Self> {
        Some(match (self, tag) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::Sparse,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::Sparse, 1 | 2) => Self::Tensor,
            _ => return None,
        })
    }
}

/// Messages within messages: a graph of a node of a graph is three further down.
const DEEPEST: usize = 100;

/// What protobuf reads in one piece.
const LARGEST: u64 = i32::MAX as u64;

/// The file without references to others: every tensor that lies in a file beside it is inside. `None` if there is none.
pub(super) fn whole(file: &Bytes, tensors: &mut Tensors<'_>) -> Result<Option<Vec<u8>>, OnnxError> {
    rewritten(Kind::Model, file, tensors, 0)
}

fn rewritten(
    kind: Kind,
    message: &Bytes,
    tensors: &mut Tensors<'_>,
    depth: usize,
) -> Result<Option<Vec<u8>>, OnnxError> {
    if kind == Kind::Tensor {
        return inside(message, tensors);
    }
    if depth > DEEPEST {
        return Err(OnnxError::TooMuch { what: "graphs within graphs".into(), limit: DEEPEST as u64 / 3 });
    }
    let mut out: Option<Vec<u8>> = None;
    for field in wire::fields(message) {
        let field = field.filter(|field| field.tag > 0).ok_or_else(cut_off)?;
        let changed = match (kind.of(field.tag), &field.content) {
            (Some(kind), Some(content)) => rewritten(kind, &message.slice(content.clone()), tensors, depth + 1)?,
            _ => None,
        };
        match (changed, &mut out) {
            (Some(changed), out) => {
                let out = out.get_or_insert_with(|| message[..field.whole.start].to_vec());
                wire::write(out, field.tag, &changed);
                if out.len() as u64 > LARGEST {
                    return Err(OnnxError::TooMuch { what: "bytes in one piece".into(), limit: LARGEST });
                }
            }
            (None, Some(out)) => out.extend_from_slice(&message[field.whole]),
            (None, None) => {}
        }
    }
    Ok(out)
}

/// A tensor with its numbers inside; `None` if they are already.
fn inside(message: &Bytes, tensors: &mut Tensors<'_>) -> Result<Option<Vec<u8>>, OnnxError> {
    let (_, entries) = wire::count(message, EXTERNAL).ok_or_else(cut_off)?;
    let tensor = |fault: Fault| {
        let name = proto::TensorName::decode(message.clone()).map(|tensor| tensor.name).unwrap_or_default();
        of_tensor(fault, &name)
    };
    if entries > 64 {
        return Err(tensor(wrong!("it names external data {entries} times")));
    }
    let decoded = proto::Tensor::decode(message.clone()).map_err(|error| tensor(wrong!("{error}")))?;
    if decoded.external.is_empty() && decoded.location != 1 {
        return Ok(None);
    }
    // Whoever reads the file is not to see where the numbers were, even where two messages are put together.
    let kept = |field: &wire::Field| ![RAW, EXTERNAL, LOCATION].contains(&field.tag);
    let mut out = Vec::new();
    for field in wire::fields(message).flatten().filter(kept) {
        out.extend_from_slice(&message[field.whole]);
    }
    if let Some(raw) = tensors.raw(&decoded).map_err(tensor)? {
        wire::write(&mut out, RAW, &raw);
    }
    Ok(Some(out))
}

/// Numbers of fields of a `TensorProto`.
const RAW: u64 = 9;
const EXTERNAL: u64 = 13;
const LOCATION: u64 = 14;
