//! What can be wrong with an ONNX file.

use std::fmt;
use std::path::PathBuf;

/// Why no graph could be made of a file.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// More than [`super::Limits`] allow.
    #[error("the ONNX file has {what}, more than the {limit} that are allowed")]
    TooMuch {
        /// What, with its number.
        what: String,
        /// Of [`super::Limits`].
        limit: u64,
    },
    /// It is no ONNX file, or only a part of one.
    #[error("this is no whole ONNX file: {0}; download or export it again")]
    Damaged(String),
    /// The operator set is older or newer than what is known.
    #[error(
        "the ONNX file uses operator set {found}, and those from {} to {} are known; export it again with \
         `opset_version=17`",
        super::OPSETS.start(),
        super::OPSETS.end()
    )]
    Opset {
        /// What the file says.
        found: i64,
    },
    /// Operators that are not known: all of the file.
    #[error(
        "the ONNX file uses what is not supported: {}; export the network with other operators: \
         `facevault guide onnx` lists those that are",
        Listed(.0)
    )]
    Unsupported(Vec<Unsupported>),
    /// A node contradicts itself or the values that it reads, or uses an operator in a way that is not known.
    #[error("the ONNX operator `{operator}` (opset {opset}) of node `{node}`: {fault}{hint}")]
    Node {
        /// Its type.
        operator: String,
        /// Its name, or that of its output.
        node: String,
        /// Of the operator's domain.
        opset: i64,
        /// What is wrong.
        fault: String,
        /// What may help.
        hint: String,
    },
    /// A tensor of the file.
    #[error("the tensor `{name}` of the ONNX file: {fault}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong.
        fault: String,
    },
    /// Nodes that wait for one another, or that read what nobody writes.
    #[error("the graph of the ONNX file: {0}")]
    Graph(String),
    /// The input is not one face.
    #[error("the input of the ONNX file: {0}")]
    Input(String),
    /// It is not clear which output is the embedding, or it is none.
    #[error("the output of the ONNX file: {0}")]
    Output(String),
}

impl OnnxError {
    /// Whether it is what this reader does not know, rather than a file that nobody reads.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Unsupported(_) | Self::Node { .. } | Self::Opset { .. } | Self::Tensor { .. } | Self::Graph(_) => {
                true
            }
            Self::Io { .. } | Self::TooMuch { .. } | Self::Damaged(_) | Self::Input(_) | Self::Output(_) => false,
        }
    }
}

/// An operator that is not known, and who uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// With its domain, unless that is ONNX itself.
    pub operator: String,
    /// Of its domain.
    pub opset: i64,
    /// The first node that uses it.
    pub node: String,
    /// How many nodes use it.
    pub nodes: usize,
}

struct Listed<'a>(&'a [Unsupported]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Unsupported { operator, opset, node, nodes }) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}the operator `{operator}` (opset {opset}) of node `{node}`")?;
            match nodes {
                1 => {}
                2 => write!(f, " and one more")?,
                _ => write!(f, " and {} more", nodes - 1)?,
            }
        }
        Ok(())
    }
}

/// What is wrong with a node or tensor, without its name.
#[derive(Debug)]
pub(super) enum Fault {
    Wrong(String),
    TooMuch { what: String, limit: u64 },
}

/// A [`Fault`] with a text of `format!`.
macro_rules! wrong {
    ($($text:tt)*) => {
        $crate::onnx::error::Fault::Wrong(format!($($text)*))
    };
}
pub(super) use wrong;

/// Text of a file within an error: short, and without what would confuse a terminal.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(100).flat_map(char::escape_debug).collect();
    if text.chars().nth(100).is_some() { short + "…" } else { short }
}

/// Of a text that lists numbers, what a reader needs.
pub(super) fn shortened(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(500) {
        text.truncate(at);
        text.push('…');
    }
    text
}
