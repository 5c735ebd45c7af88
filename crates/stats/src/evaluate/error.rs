//! Why faces could not be evaluated.

use crate::protocol::PartitionError;

/// Why faces could not be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The faces hold nothing to compare; embedding them was not in vain.
    #[error("nothing to evaluate: {reason}")]
    NotEvaluable {
        /// Which pairs are missing.
        reason: String,
    },
    /// Stopped on request.
    #[error("the evaluation was interrupted; `facevault evaluate` goes on with it")]
    Interrupted,
    /// No card to compare the pairs on.
    #[error("`similarity.device: cuda` cannot be had: {reason}; `cpu` or `auto` gives the same numbers")]
    NoCard {
        /// Why not.
        reason: String,
    },
    /// The matrix is not one unit row a face.
    #[error(
        "the embedding matrix cannot be evaluated: {rule}; `facevault verify` says what else is wrong with the run"
    )]
    Matrix {
        /// The broken rule.
        rule: String,
    },
    /// A protocol without a list of pairs.
    #[error(
        "protocol `{protocol}` needs a list of pairs, and the dataset came with none; give the protocol `pairs: FILE`, or \
         the dataset the list that it ships with"
    )]
    NoPairs {
        /// Its name.
        protocol: String,
    },
    /// More pairs of a list cannot be compared than a protocol accepts.
    #[error(
        "protocol `{protocol}`: {left_out} of {pairs} pairs would be left out, for faces that the dataset does not have or \
         that have no embedding; `max_left_out` accepts a share of {most}: add the faces, use another list, or accept more"
    )]
    LeftOut {
        /// Its name.
        protocol: String,
        /// Pairs.
        left_out: usize,
        /// All pairs of the list.
        pairs: usize,
        /// The share that is accepted.
        most: f64,
    },
    /// A list that a protocol cannot use.
    #[error("protocol `{protocol}`: {source}")]
    Protocol {
        /// Its name.
        protocol: String,
        /// Why.
        source: PartitionError,
    },
}
