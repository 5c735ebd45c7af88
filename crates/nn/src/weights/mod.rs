//! Checkpoints: bytes → named tensors, checked against what the network needs.

mod check;
mod error;
mod pickle;
mod pth;
mod safetensors;
mod storage;

use std::collections::BTreeMap;

pub use check::{require, strip_prefix};
pub use error::{FormatError, Unfit};
use facevault_base::digest::Digest;
use facevault_base::files;
use facevault_graph::onnx::{Bytes, Onnx, Outline};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named tensor of a checkpoint. Floating point data of any width is widened to f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Values in C order. Empty for integer tensors (`num_batches_tracked`), which no network uses.
    pub data: Vec<f32>,
    /// Type in the file, e.g. `F32`, `F16`, `I64`.
    pub dtype: String,
}

/// All tensors of a checkpoint, by key.
pub type Tensors = BTreeMap<String, Tensor>;

/// A parameter that a network needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Key in the checkpoint, e.g. `repeat_1.0.branch0.conv.weight`.
    pub key: String,
    /// Shape.
    pub shape: Vec<usize>,
}

/// What a network computes with, as its file gives it.
#[derive(Debug, Clone)]
pub enum Weights {
    /// The parameters of a network that is known.
    Tensors(Tensors),
    /// A network with its parameters.
    Onnx(Box<OnnxFile>),
}

/// An ONNX file. At least one of both is there: what runs it, needs one of them.
#[derive(Debug, Clone)]
pub struct OnnxFile {
    /// The network as a graph, for the engine; `None` if the reader does not know all of it.
    pub graph: Option<Onnx>,
    /// The file with all its numbers inside, for ONNX Runtime; `None` if that is not to run it.
    pub whole: Option<WholeFile>,
    /// Numbers of an embedding.
    pub dimension: usize,
}

/// An ONNX file that refers to no other, and what it says of its input and output.
#[derive(Debug, Clone)]
pub struct WholeFile {
    /// The file.
    pub bytes: Bytes,
    /// What it says.
    pub outline: Outline,
}

/// [`Weights`] of somebody else.
#[derive(Debug, Clone, Copy)]
pub enum WeightsRef<'a> {
    /// The parameters of a network that is known.
    Tensors(&'a Tensors),
    /// A network with its parameters.
    Onnx(&'a OnnxFile),
}

impl<'a> From<&'a Tensors> for WeightsRef<'a> {
    fn from(tensors: &'a Tensors) -> Self {
        Self::Tensors(tensors)
    }
}

impl<'a> From<&'a Weights> for WeightsRef<'a> {
    fn from(weights: &'a Weights) -> Self {
        match weights {
            Weights::Tensors(tensors) => Self::Tensors(tensors),
            Weights::Onnx(file) => Self::Onnx(file),
        }
    }
}

/// A loaded file of weights.
#[derive(Debug, Clone)]
pub struct Checkpoint<W = Tensors> {
    /// What it holds.
    pub weights: W,
    /// Digest of the file's bytes, and of those of the files beside it that it refers to.
    pub digest: Digest,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a checkpoint came from, for provenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// `hub`, `url`, `file`, `embedded`, or `given` for a matrix of embeddings.
    pub source: String,
    /// Repository and path, URL without its query, path or name.
    pub location: String,
    /// Hub revision.
    pub revision: Option<String>,
    /// Size of the file, and of those beside it that it refers to, bytes.
    pub bytes: u64,
}

/// A format of checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.safetensors`.
    Safetensors,
    /// `torch.save`.
    Zip,
    /// `torch.save` before 1.6.
    Legacy,
}

/// Tells the format by the first 1,024 bytes: names lie.
///
/// # Errors
/// [`FormatError::Empty`] and [`FormatError::Unknown`].
pub fn recognise(head: &[u8]) -> Result<Format, FormatError> {
    // safetensors first: it begins with the length of its header, which may look like the start of any other format.
    if head.get(8) == Some(&b'{') {
        Ok(Format::Safetensors)
    } else if head.starts_with(b"PK\x03\x04") {
        Ok(Format::Zip)
    } else if head.starts_with(&[pickle::PROTO]) {
        Ok(Format::Legacy)
    } else if head.is_empty() {
        Err(FormatError::Empty)
    } else {
        Err(FormatError::Unknown { found: files::looks_like(head) })
    }
}

/// Refuses what can be seen to be no ONNX file by its first 1,024 bytes.
///
/// # Errors
/// [`FormatError::Empty`] and [`FormatError::NotOnnx`].
pub fn recognise_onnx(head: &[u8]) -> Result<(), FormatError> {
    // The tags of the fields 1 to 8 of a `ModelProto`, one of which comes first.
    const TAGS: [u8; 8] = [0x08, 0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42];
    let found = match (recognise(head), head.first()) {
        (Err(FormatError::Empty), _) | (_, None) => return Err(FormatError::Empty),
        (Ok(Format::Safetensors), _) => "a .safetensors file".into(),
        (Ok(Format::Zip | Format::Legacy), _) => "a file saved by torch".into(),
        (_, Some(first)) if TAGS.contains(first) => return Ok(()),
        _ => files::looks_like(head),
    };
    Err(FormatError::NotOnnx { found })
}

/// Reads a checkpoint of any format.
///
/// # Errors
/// [`FormatError`].
pub fn parse(bytes: &[u8], say: &dyn Fn(&str)) -> Result<Tensors, FormatError> {
    match recognise(bytes)? {
        Format::Safetensors => safetensors::read(bytes),
        Format::Zip => pth::zip(bytes, say),
        Format::Legacy => pth::legacy(bytes, say),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILES: [&[u8]; 3] = [
        include_bytes!("../../tests/fixtures/weights/zip.pth"),
        include_bytes!("../../tests/fixtures/weights/legacy.pth"),
        include_bytes!("../../tests/fixtures/weights/nested.pth"),
    ];

    fn safetensors() -> Vec<u8> {
        let data = [0; 24];
        let view =
            |shape: &[usize]| ::safetensors::tensor::TensorView::new(::safetensors::Dtype::F32, shape.to_vec(), &data);
        let tensors = [("a", view(&[6]).unwrap()), ("b", view(&[2, 3]).unwrap())];
        ::safetensors::serialize(tensors, None).unwrap()
    }

    #[test]
    fn a_safetensors_header_whose_length_looks_like_a_pickle_is_not_one() {
        let data = [0; 8];
        let file = |key: &str| {
            let view = ::safetensors::tensor::TensorView::new(::safetensors::Dtype::F32, vec![2], &data).unwrap();
            ::safetensors::serialize([(key, view)], None).unwrap()
        };
        let bytes = (1..300).map(|n| file(&"k".repeat(n))).find(|bytes| bytes[0] == pickle::PROTO).unwrap();
        assert_eq!(parse(&bytes, &|_| {}).unwrap().len(), 1);
    }

    /// Fault (weights): a checkpoint cut at any byte → refused as truncated or damaged
    #[test]
    fn a_file_truncated_anywhere_is_refused() {
        for bytes in FILES {
            parse(bytes, &|_| {}).unwrap();
            for length in 0..bytes.len() {
                assert!(parse(&bytes[..length], &|_| {}).is_err(), "{length} of {}", bytes.len());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// No bytes cause a panic or more memory use than they can fill.
        ///
        /// Fault (weights): a checkpoint with random bytes changed or cut → refused, or tensors with no more values
        /// than the file can hold
        #[test]
        fn damage_never_panics(
            which in 0usize..4,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut bytes = FILES.get(which).map_or_else(safetensors, |bytes| bytes.to_vec());
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(tensors) = parse(&bytes, &|_| {}) {
                let values: usize = tensors.values().map(|tensor| tensor.data.len()).sum();
                prop_assert!(values <= 4 * bytes.len());
            }
        }
    }
}
