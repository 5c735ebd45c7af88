//! Errors of loading weights.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::files::FileError;
use crate::hub::HubError;
use crate::model::onnx::OnnxError;
use crate::model::weights::{FormatError, Unfit};
use crate::model::{ModelError, Network};
use crate::npy::NpyError;
use crate::preprocess::Standardise;

/// The remedy for faces of another size.
fn fitting_side(height: usize, width: usize) -> String {
    let (least, most) = Network::Onnx.facts().sides.into_inner();
    if height == width && !(least as usize..=most as usize).contains(&height) {
        format!("networks for faces of {least} to {most} pixels are run; export it for such faces, if it can be")
    } else if height == width {
        format!("set `preprocess.resize.size` to {height}, or take a profile of that size")
    } else {
        "export the network for square faces: no other faces are made".into()
    }
}

/// The remedy for a file that this reader does not know.
fn elsewhere(error: &OnnxError) -> &'static str {
    match error {
        OnnxError::Unsupported(_) | OnnxError::Opset { .. } => {
            ", or let ONNX Runtime run it: `embed.kernels: onnxruntime`"
        }
        // Some end with a remedy, some do not.
        OnnxError::Node { .. } => "; ONNX Runtime may run it: `embed.kernels: onnxruntime`",
        _ => "",
    }
}

/// Why weights cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages explain the fields")]
pub enum WeightsError {
    /// An error of the Hub.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A file error.
    #[error(transparent)]
    File(#[from] FileError),
    /// A local file that differs from the pinned one.
    #[error(
        "the sha256 of {} is {found}, but {expected} is pinned: it is damaged or a different file; replace it, or correct \
         `{key}`", path.display()
    )]
    WrongDigest { path: PathBuf, found: Digest, expected: Digest, key: &'static str },
    /// A part of a matrix that differs from what its index says.
    #[error(
        "the sha256 of {} is {found}, but {} says {expected}: one of them is damaged or of another matrix; replace it",
        path.display(), index.display()
    )]
    WrongPart { path: PathBuf, index: PathBuf, found: Digest, expected: Digest },
    /// A matrix of given embeddings that cannot be read.
    #[error(transparent)]
    Matrix(#[from] NpyError),
    /// Unknown embedded weights.
    #[error("unknown embedded weights `{name}`; available: {known}")]
    NotEmbedded { name: String, known: String },
    /// A part of a checkpoint.
    #[error(
        "{location} is a shard, one of several files of a checkpoint, and shards are not read; merge them in Python: \
         `safetensors.torch.save_file({{k: v for shard in glob.glob('*-of-*.safetensors') for k, v in \
         safetensors.torch.load_file(shard).items()}}, 'model.safetensors')`"
    )]
    Shard { location: String },
    /// An unusable checkpoint.
    #[error("cannot load {location}: {source}")]
    Format { location: String, source: FormatError },
    /// An unusable ONNX file.
    #[error("cannot load {location}: {source}{}", elsewhere(source))]
    Onnx { location: String, source: Box<OnnxError> },
    /// An ONNX file with a tensor that has no value.
    #[error("cannot load {location}: its tensor `{tensor}` has NaN at index {index}; export the network again")]
    NotANumber { location: String, tensor: String, index: usize },
    /// An ONNX file for faces of another size.
    #[error("{location} takes faces of {height}×{width} pixels, got {side}×{side}; {}", fitting_side(*height, *width))]
    Side { location: String, height: usize, width: usize, side: usize },
    /// An ONNX file that standardises pixels, and a config that does it, too.
    #[error(
        "{location} begins by standardising pixels of 0 to 255, and `preprocess.standardise` (mean {}, scale {}) would do \
         it twice; set `preprocess.standardise: {{mean: 0, scale: 1}}`", standardise.mean, standardise.scale
    )]
    StandardisedTwice { location: String, standardise: Standardise },
    /// An ONNX file that takes bytes, and a config that makes them other numbers.
    #[error(
        "{location} takes bytes, and `preprocess.standardise` (mean {}, scale {}) makes other numbers of them; set \
         `preprocess.standardise: {{mean: 0, scale: 1}}`", standardise.mean, standardise.scale
    )]
    TakesBytes { location: String, standardise: Standardise },
    /// An ONNX file whose output is a score or the like.
    #[error(
        "the output of {location} is one number for a face, which is no embedding; set `model.output` to the output that is, or \
         export the network with it"
    )]
    OneNumber { location: String },
    /// An ONNX file that ONNX Runtime cannot run.
    #[error("cannot load {location}: {source}")]
    OnnxRuntime { location: String, source: Box<ModelError> },
    /// A checkpoint of another network.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn onnx_runtime_is_the_remedy_for_what_this_reader_does_not_know() {
        let node = |fault: &str| OnnxError::Node {
            operator: "Slice".into(),
            node: "cut".into(),
            opset: 17,
            fault: fault.into(),
            hint: String::new(),
        };
        let faults = [
            node("it makes a tensor of shape [1, 3, 32, 0], which is empty"),
            node("it is in training mode; export the network in evaluation mode"),
            OnnxError::Opset { found: 6 },
            OnnxError::Damaged("it is cut off".into()),
        ];
        let texts =
            faults.map(|source| WeightsError::Onnx { location: "a.onnx".into(), source: source.into() }.to_string());
        insta::assert_snapshot!(texts.join("\n"), @r"
        cannot load a.onnx: the ONNX operator `Slice` (opset 17) of node `cut`: it makes a tensor of shape [1, 3, 32, 0], which is empty; ONNX Runtime may run it: `embed.kernels: onnxruntime`
        cannot load a.onnx: the ONNX operator `Slice` (opset 17) of node `cut`: it is in training mode; export the network in evaluation mode; ONNX Runtime may run it: `embed.kernels: onnxruntime`
        cannot load a.onnx: the ONNX file uses operator set 6, and those from 7 to 21 are known; export it again with `opset_version=17`, or let ONNX Runtime run it: `embed.kernels: onnxruntime`
        cannot load a.onnx: this is no whole ONNX file: it is cut off; download or export it again
        ");
    }

    /// Fault (weights): an ONNX file for faces of 16, 2048 or 96×112 pixels → the error gives no size that the config refuses
    #[test]
    fn the_remedy_for_another_size_is_one_that_the_config_takes() {
        let sides = [(112, 112), (16, 16), (2048, 2048), (96, 112)];
        let texts = sides.map(|(height, width)| fitting_side(height, width));
        insta::assert_snapshot!(texts.join("\n"), @r"
        set `preprocess.resize.size` to 112, or take a profile of that size
        networks for faces of 32 to 1024 pixels are run; export it for such faces, if it can be
        networks for faces of 32 to 1024 pixels are run; export it for such faces, if it can be
        export the network for square faces: no other faces are made
        ");
    }
}
