//! Why faces could not be evaluated.

use crate::protocol::PartitionError;
use facevault_base::text::counted;

/// Why faces could not be evaluated.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum EvaluateError {
    /// The faces cannot be compared; their embeddings are complete all the same.
    #[error("nothing to evaluate: {reason}")]
    NotEvaluable { reason: String },
    /// Stopped on request.
    #[error("the evaluation was interrupted; run `facevault evaluate` to resume it")]
    Interrupted,
    /// No GPU to compare the pairs on.
    #[error("`similarity.device: cuda` is not available: {reason}; `cpu` and `auto` give the same numbers")]
    NoCard { reason: String },
    /// The matrix is not one unit row per face.
    #[error("cannot evaluate the embedding matrix: {rule}; `facevault verify` checks the rest of the run")]
    Matrix { rule: String },
    /// A protocol without a list of pairs.
    #[error(
        "protocol `{protocol}` needs a list of pairs, but the dataset has none; set the protocol's `pairs` to a file, \
         or give the dataset its own list"
    )]
    NoPairs { protocol: String },
    /// More pairs of a list cannot be compared than the protocol allows.
    #[error(
        "protocol `{protocol}`: {left_out} of {} would be left out because the dataset lacks their faces \
         or they have no embedding; `max_left_out` allows a share of {most}: add the faces, use another list, or raise the limit",
        counted(*pairs, "pair")
    )]
    LeftOut { protocol: String, left_out: usize, pairs: usize, most: f64 },
    /// A template protocol without templates.
    #[error("protocol `{protocol}` compares templates, but the run has none; embed a dataset with `source: ijb`")]
    NoTemplates { protocol: String },
    /// No pair of one kind is left.
    #[error(
        "protocol `{protocol}`: the pairs of templates with an embedding are all of one person, or all of two; error rates \
         need both: `failures.csv` says why faces have no embedding"
    )]
    OneKind { protocol: String },
    /// More probes of a protocol cannot be searched for than it allows.
    #[error(
        "protocol `{protocol}`: {left_out} of {} would be left out because they or all gallery faces of their \
         person have no embedding; `max_left_out` allows a share of {most}: add the faces, or raise the limit",
        counted(*probes, "probe")
    )]
    SearchesLeftOut { protocol: String, left_out: usize, probes: usize, most: f64 },
    /// No face of a gallery has an embedding.
    #[error("protocol `{protocol}`: no face of the gallery has an embedding; failures.csv says why")]
    NobodyEnrolled { protocol: String },
    /// A list that a protocol cannot use.
    #[error("protocol `{protocol}`: {source}")]
    Protocol { protocol: String, source: PartitionError },
}
