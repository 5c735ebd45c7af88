//! How faces are embedded: `embed` in a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{BatchSize, DeviceRequest, Execution, Kernels, Precision};
use crate::preprocess::PictureMemory;
use crate::progress::Cancel;

/// How faces are embedded.
// Only `precision`, `kernels` and the resolved device can change a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmbedOptions {
    /// Where the network runs. `cuda` without CUDA is an error; `auto` takes CUDA if it works, else the CPU, and the run
    /// says which.
    pub device: DeviceRequest,
    /// Arithmetic of the forward pass. Anything below `f32` excludes `kernels: candle` and `onnxruntime`.
    /// All networks run in `bf16x3` (with AMX), `bf16` and `int8` on the CPU, `inception-resnet-v1` also in `tf32`, `f16` and
    /// `bf16` on the GPU.
    pub precision: Precision,
    /// What computes on the CPU: the fastest kernels it supports (`auto`), those of one instruction set, the reference
    /// graph (`candle`), or, for ONNX files, an ONNX Runtime that is installed here (`onnxruntime`).
    pub kernels: Kernels,
    /// Faces in one forward pass, mirror images included. `auto` takes 32 on the CPU, and on a GPU the size that was
    /// fastest when the run started. If the GPU runs out of memory, the size is halved until the batch fits, and the run
    /// says so.
    #[schemars(extend("x-unit" = "faces"))]
    pub batch_size: BatchSize,
    /// Faces in one chunk, the unit of commit and resume: what an interruption can cost.
    #[schemars(range(min = 1, max = 1_048_576), extend("x-unit" = "faces"))]
    pub chunk_size: usize,
    /// Rows of `face_embeddings.npy` at most: a matrix of more is written in parts of so many, `face_embeddings/00000.npy`
    /// and so on, with `face_embeddings.json` as their index. Parts are mapped, not read, if a part fills whole pages of
    /// memory, as all powers of two from 1,024 do.
    #[schemars(range(min = 1, max = 1_073_741_824), extend("x-unit" = "faces"))]
    pub part_rows: usize,
    /// Threads of the forward pass.
    #[schemars(range(min = 1, max = 1024), extend("x-unit" = "threads", "x-default" = "all cores"))]
    pub threads: Option<usize>,
    /// Memory that pictures take together while they are decoded, in embedding and in detection. Crops of faces and
    /// photographs of up to a megapixel are not counted; a picture that takes more than all of it is decoded alone.
    #[schemars(range(min = 64, max = 1_048_576), extend("x-unit" = "MiB"))]
    pub picture_memory: u64,
    /// What happens to a face that cannot be read: it becomes a row of `failures.csv` (`skip`), or it stops the run
    /// (`fail`).
    pub on_error: OnError,
    /// The run stops when more faces than this fail.
    #[schemars(extend("x-unit" = "faces", "x-default" = "no limit"))]
    pub max_failures: Option<u64>,
}

impl EmbedOptions {
    /// What a config that says nothing gets.
    pub const DEFAULT: Self = Self {
        device: DeviceRequest::Auto,
        precision: Precision::F32,
        kernels: Kernels::Auto,
        batch_size: BatchSize::Auto,
        chunk_size: 1024,
        part_rows: 4_194_304,
        threads: None,
        picture_memory: PictureMemory::DEFAULT >> 20,
        on_error: OnError::Skip,
        max_failures: None,
    };
}

impl Default for EmbedOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a face that cannot be read does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// It becomes a row of `failures.csv`; the run continues.
    Skip,
    /// It stops the run.
    Fail,
}

impl EmbedOptions {
    /// What pictures may take; waiting for it ends when `cancel` is requested.
    #[must_use]
    pub fn picture_memory(&self, cancel: &Cancel) -> PictureMemory {
        PictureMemory::new(self.picture_memory << 20, cancel)
    }

    /// The options that concern the network.
    #[must_use]
    pub fn execution(&self) -> Execution {
        let &Self { device, precision, kernels, batch_size, threads, .. } = self;
        Execution { device, precision, kernels, batch_size, threads }
    }
}
