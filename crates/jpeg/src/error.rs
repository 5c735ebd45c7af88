//! Why a JPEG cannot be decoded.

use std::fmt;

/// Why a JPEG cannot be decoded. Each text is a reason that fits after "JPEG picture: ".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum JpegError {
    /// The bytes do not start with a start-of-image marker.
    NotJpeg,
    /// The bytes end before the picture does.
    CutShort,
    /// An end marker comes before the scans have given every coefficient to its last bit: the picture was cut between two
    /// scans, or lost one. A progressive picture that leaves coefficients open on purpose looks the same.
    ScansMissing,
    /// The picture contradicts itself or the format.
    Damaged { at: usize, what: &'static str },
    /// A part of the standard that is not supported.
    Unsupported { what: &'static str },
    /// A side is zero pixels long. Height zero may also mean that the height follows the picture (DNL).
    Empty { width: u32, height: u32 },
    /// The header announces more pixels than [`Limits`](crate::Limits) allow; nothing was allocated for them.
    TooLarge { width: u32, height: u32 },
    /// The picture needs more memory in addition to its pixels than [`Limits`](crate::Limits) allow: it is progressive, or its
    /// components are in separate scans, so all coefficients must be kept.
    TooMuchMemory { needed: u64, limit: u64 },
    /// The memory was asked for and refused.
    NotAllowed,
    /// Too many scans for the picture's size: decoding would take minutes. No photograph has as many.
    TooManyScans,
}

impl fmt::Display for JpegError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJpeg => f.write_str("it does not start with a JPEG's first marker"),
            Self::CutShort => f.write_str("the end of the file is missing"),
            Self::ScansMissing => f.write_str("some of its scans are missing"),
            Self::Damaged { at, what } => write!(f, "{what} (at byte {at})"),
            Self::Unsupported { what } => write!(f, "{what}, which is not supported"),
            Self::Empty { width, height } => write!(f, "it has no pixels ({width} × {height})"),
            Self::TooLarge { width, height } => write!(f, "it announces {width} × {height} pixels, over the limit"),
            Self::TooMuchMemory { needed, limit } => {
                write!(f, "its coefficients take {needed} bytes of memory, over the limit of {limit}")
            }
            Self::NotAllowed => f.write_str("it may not take the memory that it needs"),
            Self::TooManyScans => f.write_str("it has far more scans than a picture of its size needs"),
        }
    }
}

impl std::error::Error for JpegError {}
