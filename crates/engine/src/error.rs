//! What a graph can have that cannot be compiled.

/// Why a graph cannot be compiled or run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum EngineError {
    /// A form of an operator that has no kernel.
    #[error("node `{node}`: {what} is not supported; docs/engine.md says what is not")]
    Unsupported { node: String, what: String },
    /// This CPU lacks the instructions that were asked for.
    #[error("these kernels are not available on this CPU")]
    NoKernels,
    /// Threads cannot be started.
    #[error("threads cannot be started: {reason}")]
    Threads { reason: String },
}
