//! What is wrong with a checkpoint.

use facevault_base::pickle::PickleError;

/// What is wrong with the bytes of a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// An empty file.
    #[error("it is empty; download or copy it again")]
    Empty,
    /// An unknown format.
    #[error(
        "it is {found}, expected .safetensors, or .pth, .pt or .bin as saved by torch; download the file itself, or \
         convert it"
    )]
    Unknown {
        /// What it looks like.
        found: String,
    },
    /// Another file in the place of an ONNX file.
    #[error("it is {found}, expected an ONNX file; download the file itself, or export the network to ONNX")]
    NotOnnx {
        /// What it looks like.
        found: String,
    },
    /// The safetensors header or layout.
    #[error("damaged .safetensors file: {0}; download or copy it again")]
    Safetensors(String),
    /// The zip container of a `.pth`.
    #[error("damaged .pth file (a zip archive): {0}; download or copy it again")]
    Zip(String),
    /// A pickle of something else than tensors and plain containers, or a damaged one.
    #[error("{0}{remedy}", remedy = remedy(.0))]
    Pickle(#[from] PickleError),
    /// The file ends too early.
    #[error("it ends inside {what}: it is truncated; download or copy it again")]
    Truncated {
        /// What is incomplete.
        what: String,
    },
    /// Anything else.
    #[error("{0}")]
    Content(String),
}

/// A checkpoint of a different network.
#[derive(Debug, thiserror::Error)]
#[error(
    "{location} does not match the network:{problems}\nuse the checkpoint of this `model`, or the `model` of this checkpoint"
)]
pub struct Unfit {
    /// Path, repository and file, or name.
    pub location: String,
    /// One paragraph for each kind of problem.
    pub problems: String,
}

fn remedy(error: &PickleError) -> &'static str {
    match error {
        PickleError::Global { .. } => {
            "; save only the `state_dict()`, or convert the file to .safetensors on a machine where you trust it"
        }
        _ => "",
    }
}
