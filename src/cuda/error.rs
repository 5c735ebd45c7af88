//! Why a card cannot be used, and what to do about it.

use super::api::{Api, Failure};
use super::card::{OLDEST_CARD, OLDEST_CUDA};

/// Why a card cannot be used. What to do in the config is for the caller to say; what to do on the machine is said here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CudaError {
    /// The driver's library cannot be opened.
    #[error(
        "no NVIDIA driver on this machine ({reason}): install one, version 530 or newer; a container needs `--gpus all`; \
         the folder of a driver in an unusual place goes into FACEVAULT_CUDA_LIBS"
    )]
    NoDriver {
        /// What the system's loader said.
        reason: String,
    },
    /// The driver is older than the kernels.
    #[error(
        "the NVIDIA driver is too old: it offers {found}, CUDA {}.{} is needed: install driver 530 or newer", needed.0, needed.1
    )]
    OldDriver {
        /// What it offers, e.g. `CUDA 11.8`.
        found: String,
        /// The oldest CUDA that will do, major and minor.
        needed: (u32, u32),
    },
    /// There is a driver, and no card that it would show.
    #[error(
        "the NVIDIA driver shows no card: look at what `nvidia-smi` and CUDA_VISIBLE_DEVICES say; a container needs \
         `--gpus all`"
    )]
    NoDevice,
    /// There are fewer cards.
    #[error("there is no card {ordinal}: the NVIDIA driver shows {count}, counted from 0")]
    NoSuchCard {
        /// Which card was asked for.
        ordinal: usize,
        /// Number of cards.
        count: usize,
    },
    /// The card is older than the kernels.
    #[error(
        "the {name} is too old: it has compute capability {}.{}, {}.{} is needed (Ampere, or newer)",
        found.0, found.1, OLDEST_CARD.0, OLDEST_CARD.1
    )]
    OldCard {
        /// The card's name.
        name: String,
        /// Its compute capability, major and minor.
        found: (u32, u32),
    },
    /// The card's memory is full.
    #[error("the card's memory is too small{}", too_small(*wanted, *room))]
    OutOfMemory {
        /// Bytes that were asked for, where that is known.
        wanted: Option<usize>,
        /// Bytes that are free and bytes that there are, where that is known.
        room: Option<(usize, usize)>,
    },
    /// The machine's memory cannot be pinned.
    #[error("the NVIDIA driver cannot pin {} of this machine's memory: free some, or let fewer faces be in flight", bytes(*wanted))]
    NoPinned {
        /// Bytes that were asked for.
        wanted: usize,
    },
    /// Library and kernel module of the driver come from different installations.
    #[error(
        "the parts of the NVIDIA driver do not fit together ({name}: {description}): restart the machine after an update of \
         the driver, and take folders of `cuda-compat` out of LD_LIBRARY_PATH"
    )]
    Mismatch {
        /// The driver's name of the error.
        name: String,
        /// The driver's words.
        description: String,
    },
    /// The driver does not take the kernels.
    #[error("the NVIDIA driver refuses a kernel ({name}): {log}")]
    Kernel {
        /// The driver's name of the error.
        name: String,
        /// What its compiler wrote.
        log: String,
    },
    /// Anything else.
    #[error("{call} failed with {name}: {description}")]
    Driver {
        /// The driver's function.
        call: &'static str,
        /// The driver's name of the error.
        name: String,
        /// The driver's words.
        description: String,
    },
}

/// The driver's numbers of errors that mean something here.
pub(super) mod code {
    pub const OUT_OF_MEMORY: u32 = 2;
    pub const NO_DEVICE: u32 = 100;
    pub const INVALID_IMAGE: u32 = 200;
    pub const NO_BINARY_FOR_GPU: u32 = 209;
    pub const INVALID_PTX: u32 = 218;
    pub const UNSUPPORTED_PTX_VERSION: u32 = 222;
    pub const JIT_COMPILER_NOT_FOUND: u32 = 221;
    pub const NOT_READY: u32 = 600;
    pub const SYSTEM_DRIVER_MISMATCH: u32 = 803;
    pub const COMPAT_NOT_SUPPORTED_ON_DEVICE: u32 = 804;
}

impl CudaError {
    /// What the driver's answer to a call means; `name` and `description` are the driver's words for it.
    pub(super) fn new(failure: Failure, name: String, description: String) -> Self {
        match failure.code {
            code::OUT_OF_MEMORY => Self::OutOfMemory { wanted: None, room: None },
            code::NO_DEVICE => Self::NoDevice,
            code::SYSTEM_DRIVER_MISMATCH | code::COMPAT_NOT_SUPPORTED_ON_DEVICE => Self::Mismatch { name, description },
            code::INVALID_IMAGE
            | code::NO_BINARY_FOR_GPU
            | code::INVALID_PTX
            | code::UNSUPPORTED_PTX_VERSION
            | code::JIT_COMPILER_NOT_FOUND => Self::Kernel { name, log: description },
            _ => Self::Driver { call: failure.call, name, description },
        }
    }

    /// The version in `cuDriverGetVersion`'s form (1000 × major + 10 × minor), if it is too old.
    pub(super) fn old_driver(version: u32) -> Option<Self> {
        let (major, minor) = (version / 1000, version % 1000 / 10);
        let found = format!("CUDA {major}.{minor}");
        ((major, minor) < OLDEST_CUDA).then_some(Self::OldDriver { found, needed: OLDEST_CUDA })
    }

    /// The same, telling how many bytes were asked for if it is their number that was too large.
    pub(super) fn wanting(self, bytes: usize) -> Self {
        match self {
            Self::OutOfMemory { room, .. } => Self::OutOfMemory { wanted: Some(bytes), room },
            other => other,
        }
    }

    /// Whether asking for less may help.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::OutOfMemory { .. } | Self::NoPinned { .. })
    }
}

impl From<Failure> for CudaError {
    fn from(failure: Failure) -> Self {
        Api::opened().map_or_else(
            || Self::new(failure, format!("error {}", failure.code), "no driver is open".into()),
            |api| api.explain(failure),
        )
    }
}

fn too_small(wanted: Option<usize>, room: Option<(usize, usize)>) -> String {
    let wanted = wanted.map(|wanted| format!(" for {} more", bytes(wanted))).unwrap_or_default();
    let room = room.map(|(free, total)| format!(" ({} of {} are free)", bytes(free), bytes(total))).unwrap_or_default();
    format!("{wanted}{room}: use a smaller `embed.batch_size`, or end other programs on the card")
}

/// A number of bytes for people, e.g. `1.5 GiB`.
fn bytes(bytes: usize) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "KiB", "MiB"] {
        if value < 1024.0 {
            return if unit == "bytes" { format!("{bytes} bytes") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} GiB")
}
