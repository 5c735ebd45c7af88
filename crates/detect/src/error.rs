//! Why there is no detector.

/// Why there is no detector.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// An option outside its range.
    #[error("{key}: {value} is outside {range}; choose a value inside, or leave it out for facenet-pytorch's")]
    Option {
        /// Name of the option.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// Kernels that this CPU lacks, or that have no detector.
    #[error("the detector has no kernels `{kernels}` on this CPU; choose `auto`")]
    Kernels {
        /// What was asked for.
        kernels: &'static str,
    },
    /// Tensors that are not there.
    #[error(
        "the weights of MTCNN lack {}; give the checkpoints pnet.pt, rnet.pt and onet.pt of facenet-pytorch",
        some(keys)
    )]
    Missing {
        /// Their keys.
        keys: Vec<String>,
    },
    /// Tensors that no network has.
    #[error(
        "the weights of MTCNN have {}, which none of its networks uses; give the checkpoints pnet.pt, rnet.pt and onet.pt of facenet-pytorch",
        some(keys)
    )]
    Unknown {
        /// Their keys.
        keys: Vec<String>,
    },
    /// A tensor of another shape.
    #[error("`{key}` has the shape {found:?} where MTCNN has {expected:?}; give the checkpoints of facenet-pytorch")]
    Shape {
        /// Its key.
        key: String,
        /// Its shape.
        found: Vec<usize>,
        /// What it should be.
        expected: Vec<usize>,
    },
    /// A tensor whose values are infinite or not a number, or not as many as its shape says.
    #[error("`{key}` does not hold finite numbers for all of its shape; download or copy the weights again")]
    Values {
        /// Its key.
        key: String,
    },
}

/// A list for a message: the first few, and how many more there are.
fn some(keys: &[String]) -> String {
    const SHOWN: usize = 3;
    match keys.len().saturating_sub(SHOWN) {
        0 => keys.join(", "),
        more => format!("{} and {more} more", keys[..SHOWN].join(", ")),
    }
}
