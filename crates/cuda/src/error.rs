//! Why a GPU cannot be used, and the remedy.

use std::fmt;

/// The oldest CUDA whose drivers accept the kernels: the PTX has its version.
pub(super) const OLDEST_CUDA: (u32, u32) = (12, 1);

/// The oldest compute capability that the kernels run on: they use `mma` in bf16 and tf32, and `cp.async`.
pub(super) const OLDEST_CARD: (u32, u32) = (8, 0);

/// A failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    pub call: &'static str,
    pub code: u32,
}

/// Why a GPU cannot be used. Its text is [`Self::reason`] and [`Self::remedy`]; advice on the config is up to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CudaError {
    /// The driver's library cannot be opened.
    NoDriver {
        /// The system loader's message.
        reason: String,
    },
    /// The driver is older than the kernels.
    OldDriver {
        /// What it offers, e.g. `CUDA 11.8`.
        found: String,
        /// The oldest CUDA that suffices, major and minor.
        needed: (u32, u32),
    },
    /// The driver shows no GPU.
    NoDevice,
    /// There are fewer GPUs.
    NoSuchCard {
        /// The requested GPU.
        ordinal: usize,
        /// Number of GPUs.
        count: usize,
    },
    /// The GPU is older than the kernels.
    OldCard {
        /// The GPU's name.
        name: String,
        /// Its compute capability, major and minor.
        found: (u32, u32),
    },
    /// The GPU's memory is full.
    OutOfMemory {
        /// Bytes requested, if known.
        wanted: Option<usize>,
        /// Free and total bytes, if known.
        room: Option<(usize, usize)>,
    },
    /// Host memory cannot be pinned.
    NoPinned {
        /// Bytes requested.
        wanted: usize,
    },
    /// Library and kernel module of the driver come from different installations.
    Mismatch {
        /// The driver's name of the error.
        name: String,
        /// The driver's words.
        description: String,
    },
    /// The driver rejects the kernels.
    Kernel {
        /// The driver's name of the error.
        name: String,
        /// Its compiler's log.
        log: String,
    },
    /// Anything else.
    Driver {
        /// The driver's function.
        call: &'static str,
        /// The driver's name of the error.
        name: String,
        /// The driver's words.
        description: String,
    },
}

impl fmt::Display for CudaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason())?;
        self.remedy().map_or(Ok(()), |remedy| write!(formatter, "; {remedy}"))
    }
}

impl CudaError {
    /// What is wrong.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::NoDriver { reason } => format!("no NVIDIA driver: {reason}"),
            Self::OldDriver { found, needed: (major, minor) } => {
                format!("the NVIDIA driver is too old: it offers {found}, but CUDA {major}.{minor} is required")
            }
            Self::NoDevice => "the NVIDIA driver shows no GPU".into(),
            Self::NoSuchCard { ordinal, count } => {
                format!("no GPU {ordinal}: the NVIDIA driver shows {count}, counted from 0")
            }
            Self::OldCard { name, found: (major, minor) } => {
                let (oldest, its_minor) = OLDEST_CARD;
                format!("the {name} has compute capability {major}.{minor}; {oldest}.{its_minor} or newer is required")
            }
            Self::OutOfMemory { wanted, room } => {
                let wanted = wanted.map(|wanted| format!(" allocating {}", bytes(wanted))).unwrap_or_default();
                let free = |(free, total)| format!(" ({} of {} free)", bytes(free), bytes(total));
                format!("out of GPU memory{wanted}{}", room.map(free).unwrap_or_default())
            }
            Self::NoPinned { wanted } => {
                format!("the NVIDIA driver cannot pin {} of this machine's memory", bytes(*wanted))
            }
            Self::Mismatch { name, description } => {
                format!("the NVIDIA driver's library and kernel module do not match: {name}, {description}")
            }
            Self::Kernel { name, log } => format!("the NVIDIA driver rejects the kernels: {name}, {log}"),
            Self::Driver { call, name, description } => {
                format!("the NVIDIA driver failed in {call}: {name}, {description}")
            }
        }
    }

    /// The remedy on the machine.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoDriver { .. } => {
                "install one (530 or newer), start a container with `--gpus all`, or name the driver's folder in \
                 FACEVAULT_CUDA_LIBS"
            }
            Self::OldDriver { .. } => "install driver 530 or newer",
            Self::NoDevice => "check `nvidia-smi` and CUDA_VISIBLE_DEVICES, and start a container with `--gpus all`",
            Self::OldCard { .. } => "use a GPU of the Ampere generation (2020) or newer",
            Self::OutOfMemory { .. } => "use a smaller `embed.batch_size`, or stop other programs on the GPU",
            Self::NoPinned { .. } => "use a smaller `embed.batch_size`, or stop other programs",
            Self::Mismatch { .. } => {
                "restart the machine if the driver was updated, and remove `cuda-compat` from LD_LIBRARY_PATH"
            }
            Self::Kernel { .. } => "update the driver",
            Self::NoSuchCard { .. } | Self::Driver { .. } => return None,
        })
    }
}

/// The driver's error codes that are treated specially.
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
    /// The error for a failed call; `name` and `description` are the driver's.
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

    /// Adds the number of bytes requested to an out-of-memory error.
    pub(super) fn wanting(self, bytes: usize) -> Self {
        match self {
            Self::OutOfMemory { room, .. } => Self::OutOfMemory { wanted: Some(bytes), room },
            other => other,
        }
    }

    /// Whether requesting less memory may help.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::OutOfMemory { .. } | Self::NoPinned { .. })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of what the driver's answer to a call becomes.
    fn text(call: &'static str, code: u32, name: &str, description: &str) -> String {
        CudaError::new(Failure { call, code }, name.into(), description.into()).to_string()
    }

    #[test]
    fn each_driver_error_has_its_remedy() {
        insta::assert_snapshot!(text("cuInit", 100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"),
            @"the NVIDIA driver shows no GPU; check `nvidia-smi` and CUDA_VISIBLE_DEVICES, and start a container with `--gpus all`");
        insta::assert_snapshot!(text("cuInit", 803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"),
            @"the NVIDIA driver's library and kernel module do not match: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, system has unsupported display driver / cuda driver combination; restart the machine if the driver was updated, and remove `cuda-compat` from LD_LIBRARY_PATH");
        insta::assert_snapshot!(text("cuInit", 804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE", "forward compatibility was attempted on non supported HW"),
            @"the NVIDIA driver's library and kernel module do not match: CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, forward compatibility was attempted on non supported HW; restart the machine if the driver was updated, and remove `cuda-compat` from LD_LIBRARY_PATH");
        insta::assert_snapshot!(text("cuModuleLoadDataEx", 222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain"),
            @"the NVIDIA driver rejects the kernels: CUDA_ERROR_UNSUPPORTED_PTX_VERSION, the provided PTX was compiled with an unsupported toolchain; update the driver");
        insta::assert_snapshot!(text("cuStreamSynchronize", 700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"),
            @"the NVIDIA driver failed in cuStreamSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS, an illegal memory access was encountered");
    }

    #[test]
    fn out_of_memory_gives_the_known_numbers() {
        let failure = Failure { call: "cuMemAlloc_v2", code: code::OUT_OF_MEMORY };
        let unknown = CudaError::new(failure, "CUDA_ERROR_OUT_OF_MEMORY".into(), "out of memory".into());
        insta::assert_snapshot!(unknown, @"out of GPU memory; use a smaller `embed.batch_size`, or stop other programs on the GPU");
        let room = Some((700 << 20, 80 << 30));
        let known = CudaError::OutOfMemory { wanted: None, room }.wanting(3 << 29);
        insta::assert_snapshot!(known, @"out of GPU memory allocating 1.5 GiB (700.0 MiB of 80.0 GiB free); use a smaller `embed.batch_size`, or stop other programs on the GPU");
        let pinned = CudaError::NoPinned { wanted: 1000 };
        insta::assert_snapshot!(pinned, @"the NVIDIA driver cannot pin 1000 bytes of this machine's memory; use a smaller `embed.batch_size`, or stop other programs");
        assert!(unknown.is_out_of_memory() && known.is_out_of_memory() && pinned.is_out_of_memory());
        assert!(!CudaError::NoDevice.is_out_of_memory());
        assert_eq!(CudaError::NoDevice.wanting(7), CudaError::NoDevice);
    }

    #[test]
    fn what_the_machine_lacks_comes_with_the_remedy() {
        let reason = "libcuda.so.1: cannot open shared object file: No such file or directory".into();
        insta::assert_snapshot!(CudaError::NoDriver { reason }, @"no NVIDIA driver: libcuda.so.1: cannot open shared object file: No such file or directory; install one (530 or newer), start a container with `--gpus all`, or name the driver's folder in FACEVAULT_CUDA_LIBS");
        let old = CudaError::OldCard { name: "Tesla T4".into(), found: (7, 5) };
        insta::assert_snapshot!(old, @"the Tesla T4 has compute capability 7.5; 8.0 or newer is required; use a GPU of the Ampere generation (2020) or newer");
        insta::assert_snapshot!(CudaError::NoSuchCard { ordinal: 2, count: 2 }, @"no GPU 2: the NVIDIA driver shows 2, counted from 0");
    }

    #[test]
    fn a_driver_is_old_below_cuda_12_1() {
        let text = |version| CudaError::old_driver(version).map(|error| error.to_string());
        insta::assert_snapshot!(text(12000).unwrap(), @"the NVIDIA driver is too old: it offers CUDA 12.0, but CUDA 12.1 is required; install driver 530 or newer");
        insta::assert_snapshot!(text(11080).unwrap(), @"the NVIDIA driver is too old: it offers CUDA 11.8, but CUDA 12.1 is required; install driver 530 or newer");
        assert_eq!(text(12010), None);
        assert_eq!(text(13000), None);
    }
}
