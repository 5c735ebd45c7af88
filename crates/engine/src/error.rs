//! What a graph can have that cannot be compiled.

use facevault_graph::Misshapen;

/// Why a graph cannot be compiled or run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum EngineError {
    /// A form of an operator that has no kernel.
    #[error("node `{node}`: {what} is not supported; `facevault guide engine` says what is not")]
    Unsupported { node: String, what: String },
    /// Shapes that do not fit.
    #[error("the graph contradicts itself: {0}")]
    Misshapen(#[from] Misshapen),
    /// Whole numbers of unknown range.
    #[error("the range of `{value}` is not known; calibrate int8 on faces with this network")]
    NoRange { value: String },
    /// What is computed of a face does not fit into memory that can be addressed.
    #[error(
        "a face takes {} MiB of memory in this network, and at most {} are supported; export it for smaller faces",
        bytes >> 20,
        limit >> 20
    )]
    TooLarge { bytes: usize, limit: usize },
    /// Threads cannot be started.
    #[error("threads cannot be started: {reason}")]
    Threads { reason: String },
}
