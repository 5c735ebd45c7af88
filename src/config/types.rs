//! The validated configuration. Every value here is in range; serialising it gives the canonical form that the run's
//! identity is a digest of.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::batch_size::BatchSize;
use crate::digest::Digest;

/// A whole experiment, validated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExperimentConfig {
    /// Short name; the run directory's prefix. Lower-case letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// What the experiment is for; shown at the top of the report.
    pub description: String,
    /// Seed of everything drawn at random (pair sample, bootstrap).
    pub seed: u64,
    /// Where faces come from.
    pub dataset: DatasetSource,
    /// Bytes → standardised network input.
    pub preprocess: Preprocess,
    /// Which network.
    pub model: ModelSpec,
    /// Where its weights come from.
    pub weights: WeightsSource,
    /// How faces are embedded.
    pub embed: EmbedOptions,
    /// Which pairs are compared, and how uncertainty is estimated.
    pub similarity: SimilarityOptions,
    /// Where all pairs are compared (`similarity.device`). No part of a run's identity: the numbers are the same.
    #[serde(skip)]
    pub pairs_device: DeviceRequest,
    /// What the report shows.
    pub report: ReportOptions,
    /// Verification protocols that are run beside the comparison of faces.
    pub protocols: Vec<Protocol>,
    /// Ranges that metrics must fall in, by metric path (e.g. `eer`, `impostor.mean`, `upstream.genuine.mean`).
    pub expect: BTreeMap<String, Expectation>,
    /// What `ablate` varies. No part of a run's identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ablation: Option<Ablation>,
    /// Published values that results are set beside.
    pub published: Vec<Published>,
    /// The config file's own folder: relative paths in the config start here.
    #[serde(skip)]
    pub base: PathBuf,
}

/// Where faces come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case")]
pub enum DatasetSource {
    /// Phase-1's `face_metadata.csv`.
    Phase1 {
        /// The CSV file.
        csv: PathBuf,
        /// Folder that every image must be in; default: the CSV's folder.
        root: PathBuf,
        /// Prefixes of recorded paths to replace, first match wins.
        rewrite: Vec<PathRewrite>,
        /// Which picture a face is read from.
        image: Phase1Image,
    },
    /// `<root>/<identity>/<image>`, or an image folder: pictures as `<root>/metadata.csv` names them.
    Folders {
        /// The folder of identity folders, or of `metadata.csv`.
        root: PathBuf,
        /// What stands beside the pictures.
        #[serde(flatten)]
        tables: Tables,
    },
    /// Identity folders, or an image folder, on the Hugging Face Hub, downloaded file by file at a pinned revision.
    HubFolders {
        /// `owner/name` of the dataset repository.
        repo: String,
        /// Commit hash, 7 to 40 hexadecimal characters, or a branch or tag, which may move; the commit it resolves to
        /// is recorded.
        revision: String,
        /// Folder inside the repository that holds the identity folders, or `metadata.csv`; "" for the repository's
        /// root.
        folder: String,
        /// What stands beside the pictures.
        #[serde(flatten)]
        tables: Tables,
    },
    /// insightface's `.bin`: a Python pickle of encoded pictures, two a pair, and of one bool a pair.
    InsightfaceBin {
        /// The pickle.
        file: Container,
    },
    /// Parquet with encoded pictures: faces with identities, or pairs.
    Parquet {
        /// The files, in the order of their rows.
        shards: Container,
    },
    /// VGGFace2: photos in a `.tar.gz` or unpacked, and face boxes in a table.
    Vggface2 {
        /// The archive, or the folder where it is unpacked.
        archive: Container,
        /// The table of boxes.
        boxes: Container,
    },
    /// Procedural faces: pure function of these numbers and the generator's version.
    Synthetic {
        /// Which universe of identities; training and evaluation use different ones.
        seed: u64,
        /// Number of identities.
        identities: u32,
        /// Samples of each identity.
        samples: u32,
        /// Side of the square pictures, pixels.
        size: u32,
    },
}

/// Tables beside the pictures of a folder. An absolute path is a local file, any other one a name in the dataset's
/// folder, or in the one above.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// The list of pairs that the dataset ships with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PathBuf>,
    /// A detector's boxes, at most one a face.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boxes: Option<PathBuf>,
}

/// A file that holds a whole dataset, or the few files that do together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Container {
    /// In a dataset repository on the Hugging Face Hub.
    Hub {
        /// `owner/name`.
        repo: String,
        /// Commit hash, 7 to 40 hexadecimal characters, or a branch.
        revision: String,
        /// Which of the repository's files.
        files: HubFiles,
        /// Expected SHA-256, where there is one file.
        sha256: Option<Digest>,
    },
    /// On this machine.
    Local {
        /// A file, or a folder where the source allows one.
        path: PathBuf,
        /// Expected SHA-256 of the file.
        sha256: Option<Digest>,
    },
}

/// Files of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HubFiles {
    /// These paths, in this order; at least one.
    Named(Vec<String>),
    /// All below this folder that the source reads, by path; "" for the repository's root.
    Below(String),
}

/// A recorded path prefix and what replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRewrite {
    /// Prefix as recorded, e.g. `/kaggle/working/face_crops_new/`.
    pub from: String,
    /// Replacement, relative to the dataset's root unless absolute.
    pub to: String,
}

/// Which picture of a Phase-1 row a face is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase1Image {
    /// The crop (`crop_path` / `face_path`); the row's box is not applied.
    Crop,
    /// The photo (`image_id` / `photo_path`); the row's box is cut out with the profile's margin.
    Photo,
}

/// Which network, at which width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The architecture.
    pub network: Network,
    /// Channel multiplier: 1.0 is the published network, the demo uses a narrow one. Only `inception-resnet-v1` has other
    /// widths.
    pub width: f64,
}

/// Network architectures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// `FaceNet`, 3×160×160 → 512.
    InceptionResnetV1,
    /// DINOv2 ViT-S/14, a generic vision model, 3×224×224 → 384.
    Dinov2Vits14,
    /// CLIP ViT-B/32's image tower, a generic vision model, 3×224×224 → 512.
    #[serde(rename = "clip-vit-b-32")]
    ClipVitB32,
    /// insightface's iResNet-50, 3×112×112 → 512.
    Iresnet50,
    /// insightface's iResNet-100, 3×112×112 → 512.
    Iresnet100,
}

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case")]
pub enum WeightsSource {
    /// A file in a model repository on the Hugging Face Hub.
    Hub {
        /// `owner/name`.
        repo: String,
        /// Commit hash.
        revision: String,
        /// Path inside the repository; `.safetensors`, `.pth`, `.pt` or `.bin`.
        file: String,
        /// Expected digest; where not given, what the Hub states for the revision is expected, and recorded.
        sha256: Option<Digest>,
    },
    /// A local file; `.safetensors`, `.pth`, `.pt` or `.bin`.
    File {
        /// The file.
        path: PathBuf,
        /// Expected digest; recorded when not given.
        sha256: Option<Digest>,
    },
    /// Weights inside the binary.
    Embedded {
        /// Which: `demo`.
        name: String,
    },
}

/// Bytes → 8-bit RGB → crop → resize → standardise. Profiles of REFERENCE §7 are values of this type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Name of the profile this started from; `custom` when parts were changed.
    pub profile: String,
    /// What is cut out of the picture.
    pub crop: Crop,
    /// To which square, with which filter.
    pub resize: Resize,
    /// Order of the channels that reach the network.
    pub channels: ChannelOrder,
    /// 8-bit value → network input.
    pub standardise: Standardise,
    /// Whether the mirrored face contributes.
    pub mirror: Mirror,
}

/// What is cut out of the picture before resizing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Crop {
    /// The whole picture is the face.
    Whole,
    /// The face's box, widened by a margin and clamped to the picture. A face without a box uses the whole picture.
    Box {
        /// Total margin added to each dimension (half on each side), in `unit`s.
        margin: f64,
        /// What the margin is counted in.
        unit: MarginUnit,
    },
    /// The middle of the picture, with or without a box: for photos in which the face is known to be there, such as
    /// LFW's 250×250 pixels. Each side is `fraction` of the picture's, rounded half up, at least 1 pixel; where what is
    /// left over is odd, the pixel more is right or below.
    Centre {
        /// Part of width and of height that is kept; > 0, at most 1.
        fraction: f64,
    },
}

/// Unit of a crop's margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MarginUnit {
    /// Pixels of the original picture (Sandberg's `align_dataset_mtcnn.py`).
    OriginalPixels,
    /// Pixels of the resized output: margin·w/(size−margin) (`facenet_pytorch.extract_face`).
    OutputPixels,
}

/// Target square and filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// Side of the network's input, pixels.
    pub size: u32,
    /// Which resampling.
    pub filter: Filter,
}

/// Resampling filters, exact to their originals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Pillow `Image.BILINEAR`: triangle filter, antialiased when it shrinks.
    PillowBilinear,
    /// Pillow `Image.BICUBIC` (a = −0.5), antialiased when it shrinks.
    PillowBicubic,
    /// `OpenCV` `INTER_LINEAR`: 2×2 taps, no antialiasing.
    OpencvLinear,
}

/// Channel order at the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelOrder {
    /// Red first (every published `FaceNet`).
    Rgb,
    /// Blue first (a common mistake with `OpenCV`; here to measure what it costs).
    Bgr,
}

/// `(x − mean) / scale`, x in 0..=255.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Standardise {
    /// Subtracted.
    pub mean: f32,
    /// Divided by; > 0.
    pub scale: f32,
}

impl Standardise {
    /// The network input of each byte: the same division that the reference does for each pixel.
    #[must_use]
    pub fn values(self) -> [f32; 256] {
        std::array::from_fn(|byte| (byte as f32 - self.mean) / self.scale)
    }
}

/// What the mirrored face contributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mirror {
    /// Nothing.
    #[default]
    None,
    /// Embeddings of face and mirror image are added, then normalised.
    Sum,
    /// Embeddings of face and mirror image side by side, then normalised: twice the numbers.
    Concat,
}

/// How faces are embedded. Only `precision`, `kernels` and the resolved device can change a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbedOptions {
    /// Where the network runs.
    pub device: DeviceRequest,
    /// Arithmetic of the forward pass.
    pub precision: Precision,
    /// What computes on the CPU.
    pub kernels: Kernels,
    /// Faces in one forward pass.
    pub batch_size: BatchSize,
    /// Rows in one chunk: the unit of commit and resume.
    pub chunk_size: usize,
    /// Threads; `None`: all cores.
    pub threads: Option<usize>,
    /// What a face that cannot be read does.
    pub on_error: OnError,
    /// More failures than this stop the run.
    pub max_failures: Option<u64>,
}

/// Where the network should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceRequest {
    /// CUDA if it works, else CPU; the run says and records which.
    Auto,
    /// CPU.
    Cpu,
    /// CUDA or an error.
    Cuda,
}

/// Where the network does run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// CPU.
    Cpu,
    /// CUDA.
    Cuda,
}

impl From<DeviceKind> for DeviceRequest {
    /// Nothing but this one.
    fn from(kind: DeviceKind) -> Self {
        match kind {
            DeviceKind::Cpu => Self::Cpu,
            DeviceKind::Cuda => Self::Cuda,
        }
    }
}

/// Arithmetic of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// Factors of products rounded to 10 bits of fraction, all else in 32-bit floats. On the GPU.
    Tf32,
    /// Weights and activations in 16-bit floats, sums in 32-bit floats. On the GPU.
    F16,
    /// Weights and activations in bfloat16, sums in 32-bit floats.
    Bf16,
    /// Weights and activations in 8 bits, sums in 32-bit integers; ranges come from a sample of the faces. On the CPU.
    Int8,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::F32, Self::Tf32, Self::F16, Self::Bf16, Self::Int8];

    /// As configs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }
}

/// What computes on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kernels {
    /// The fastest kernels that the CPU can run.
    Auto,
    /// Kernels for AVX-512; with VNNI for int8 and BF16 for bf16 where the CPU has them.
    Avx512,
    /// Kernels for AVX2 with FMA.
    Avx2,
    /// Kernels for 64-bit ARM.
    Neon,
    /// Kernels without any instruction set in particular.
    Portable,
    /// The reference graph: slow, f32 only.
    Candle,
}

impl Kernels {
    /// As configs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Portable => "portable",
            Self::Candle => "candle",
        }
    }
}

/// What a face that cannot be read does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// Becomes a row of `failures.csv`; the run goes on.
    Skip,
    /// Stops the run.
    Fail,
}

/// Which pairs are compared, and how uncertainty is estimated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimilarityOptions {
    /// All pairs, or a sample.
    pub pairs: PairMode,
    /// `auto` compares all pairs up to this many, else it samples this many (half genuine where there are enough). `None`:
    /// all up to 20 billion, else a sample of 20 million (`similarity::sampling`).
    pub max_pairs: Option<u64>,
    /// Upstream's own sampling beside it (REFERENCE §6); `None`: not computed.
    pub upstream: Option<UpstreamSampling>,
    /// Bootstrap replicates of the intervals.
    pub replicates: u32,
    /// Confidence level of the intervals.
    pub confidence: f64,
    /// Number of hardest genuine and hardest impostor pairs kept.
    pub hardest: usize,
}

/// All pairs, or a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PairMode {
    /// All up to `max_pairs`, else a sample.
    Auto,
    /// All, however many.
    Exhaustive,
    /// A seeded sample of `max_pairs`.
    Sampled,
}

/// `FaceVault` upstream's way to choose pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamSampling {
    /// All pairs among the first this many faces of each identity.
    pub faces_per_identity: usize,
    /// Number of random different-identity pairs.
    pub impostor_pairs: u64,
}

/// A verification protocol over a published list of pairs: thresholds from some folds are judged on another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// Its metrics are `<name>.accuracy` and so on.
    pub name: String,
    /// Which list.
    pub pairs: PairsSource,
    /// Which pairs thresholds come from, and which they are judged on.
    pub split: Split,
    /// Distance of two faces.
    pub distance: Distance,
    /// Whether the mean embedding of the training folds is subtracted first.
    pub subtract_mean: bool,
    /// Thresholds that the most accurate is chosen from.
    pub thresholds: Grid,
    /// The false accept rate that VAL is told at.
    pub far: FarTarget,
}

/// Where a protocol's pairs are listed. What they are is part of the manifest; where they were read is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairsSource {
    /// The list that the dataset ships with.
    Dataset,
    /// Files of its own, one after the other.
    Files {
        /// Where.
        #[serde(skip)]
        paths: Vec<PathBuf>,
    },
}

/// Which pairs thresholds come from, and which they are judged on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Each fold in turn, the thresholds from all others: LFW's View 2.
    Folds {
        /// Equal blocks in the order of the list; `None`: the list's own folds, else ten blocks.
        count: Option<u32>,
    },
    /// Fold 1, the thresholds from fold 0: LFW's View 1.
    TrainTest,
}

/// Distance of two embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    /// Squared Euclidean distance. Of concatenated halves (`preprocess.mirror: concat`) it is the sum of both halves',
    /// up to 8, as in `facenet/src/validate_on_lfw.py`, although rows are stored with length 1.
    SquaredL2,
    /// arccos(cosine)/π, 0..=1.
    Arccos,
}

impl Distance {
    /// As configs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SquaredL2 => "squared-l2",
            Self::Arccos => "arccos",
        }
    }
}

/// Thresholds `from`, `from + step`, …, below `to`: NumPy's `arange`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// The first.
    pub from: f64,
    /// They end before it.
    pub to: f64,
    /// From one to the next; > 0.
    pub step: f64,
}

/// The false accept rate that VAL, the share of accepted genuine pairs, is told at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FarTarget {
    /// The rate.
    pub target: f64,
    /// From one threshold to the next, over the range of the accuracy's thresholds.
    pub step: f64,
}

/// A published value of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Metric path, e.g. `eer` or `view-2.accuracy`.
    pub metric: String,
    /// The value.
    pub value: f64,
    /// What was published behind its ±, as its source defines it.
    pub plus_minus: Option<f64>,
    /// Where it was published.
    pub source: String,
    /// In what its protocol differs from this run's; empty: not known to differ.
    pub differs: Vec<String>,
}

/// What the report shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportOptions {
    /// Pictures of the hardest pairs' faces. Faces are personal data: off unless asked for.
    pub pictures: bool,
}

/// A range a metric must fall in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Inclusive lower bound.
    pub min: Option<f64>,
    /// Inclusive upper bound.
    pub max: Option<f64>,
    /// Where the range is from.
    pub source: Option<String>,
}

/// What is varied, how, and which metric tells what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ablation {
    /// Key of the metric: one of `metrics::HEADLINES`.
    pub metric: String,
    /// Which combinations of the steps are computed.
    pub design: Design,
    /// At least one; names differ.
    pub steps: Vec<Step>,
}

/// A choice that can be made otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// In words, shown to people.
    pub name: String,
    /// What it changes, as `--set` arguments, in order.
    pub set: Vec<String>,
}

/// Which combinations of an ablation's steps are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Design {
    /// The config, then each step on top of those before it: a path from one setting to another.
    #[default]
    Steps,
    /// The config, and each step alone.
    Each,
    /// All combinations.
    Grid,
}

impl Design {
    /// As configs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Each => "each",
            Self::Grid => "grid",
        }
    }

    /// How many variants a number of steps makes.
    #[must_use]
    pub fn variants(self, steps: usize) -> usize {
        match self {
            Self::Steps | Self::Each => steps + 1,
            Self::Grid => 1_usize.checked_shl(steps as u32).unwrap_or(usize::MAX),
        }
    }
}
