//! What is wrong with a checkpoint.

/// What is wrong with the bytes of a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// No byte.
    #[error("it is empty; download or copy it again")]
    Empty,
    /// None of the formats.
    #[error(
        "it is {found}, and not one of .safetensors, .pth, .pt or .bin as torch saves them; download the file itself \
         again, or convert it"
    )]
    Unknown {
        /// What it looks like.
        found: String,
    },
    /// The safetensors header or layout.
    #[error("damaged .safetensors file: {0}; download or copy it again")]
    Safetensors(String),
    /// The zip container of a `.pth`.
    #[error("damaged .pth file (a zip archive): {0}; download or copy it again")]
    Zip(String),
    /// A pickle that asks for code.
    #[error(
        "its pickle asks to run `{name}`, and only tensors and plain containers are accepted: running it could do \
         anything; save the `state_dict()` alone, or convert the file to .safetensors where you trust it"
    )]
    Code {
        /// The qualified name.
        name: String,
    },
    /// A pickle instruction that no checkpoint needs.
    #[error(
        "its pickle has the instruction 0x{opcode:02x} at byte {at}, which `torch.save` does not write for tensors"
    )]
    Opcode {
        /// The byte.
        opcode: u8,
        /// Its offset in the pickle.
        at: usize,
    },
    /// The file ends too early.
    #[error("it ends within {what}: it is truncated; download or copy it again")]
    Truncated {
        /// What was being read.
        what: String,
    },
    /// A pickle that breaks its own rules.
    #[error("its pickle is damaged at byte {at}: {rule}")]
    Pickle {
        /// Offset in the pickle.
        at: usize,
        /// The rule.
        rule: &'static str,
    },
    /// Anything else.
    #[error("{0}")]
    Content(String),
}

/// A checkpoint of another network.
#[derive(Debug, thiserror::Error)]
#[error(
    "{location} does not fit the network:{problems}\nchoose the checkpoint that belongs to `model`, or the `model` that \
     belongs to the checkpoint"
)]
pub struct Unfit {
    /// Path, repository and file, or name.
    pub location: String,
    /// One paragraph for each kind of problem.
    pub problems: String,
}
