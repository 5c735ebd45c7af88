//! What can be wrong with ONNX Runtime.

use std::path::PathBuf;

use crate::find::PATH;

/// The oldest version that is supported: the first with version 17 of the C API.
pub(crate) const OLDEST: &str = "1.17";

/// Why a network does not run with ONNX Runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum OrtError {
    /// There is no library.
    #[error(
        "ONNX Runtime is not on this machine ({reason}); install it in the active Python environment with `pip install \
         onnxruntime`, or name its library in the environment variable `{PATH}`"
    )]
    Missing { reason: String },
    /// A file that is no library.
    #[error("{} cannot be loaded as ONNX Runtime: {reason}; {remedy}", path.display())]
    Unloadable { path: PathBuf, reason: String, remedy: &'static str },
    /// Another library.
    #[error(
        "{library} is a library, but not ONNX Runtime: it has no `OrtGetApiBase`; set `{PATH}` to `libonnxruntime.so`"
    )]
    NotOnnxRuntime { library: String },
    /// A library without the functions that are needed.
    #[error(
        "ONNX Runtime {version} ({library}) is too old: {OLDEST} or newer is needed; `pip install --upgrade onnxruntime`, or set \
         `{PATH}` to a newer library"
    )]
    TooOld { library: String, version: String },
    /// The library refuses or fails.
    #[error("ONNX Runtime {version} cannot {what}: {message}")]
    Failed { version: String, what: &'static str, message: String },
}

impl OrtError {
    /// Whether this machine lacks a library that works, rather than the network.
    #[must_use]
    pub fn is_of_the_library(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}
