//! What a person may write. The doc comments are the descriptions in `configs/schema.json`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::types::{
    BatchSize, ChannelOrder, Design, DeviceRequest, Distance, Filter, Kernels, MarginUnit, Mirror, Network, OnError,
    PairMode, Phase1Image, Precision,
};
use crate::metrics;
use crate::model::inception_resnet_v1::MIN_SIDE;
use crate::preprocess::PROFILES;

/// One `FaceVault` experiment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FaceVault experiment")]
pub(super) struct Experiment {
    /// Short name; the run directory's prefix. Lower-case letters, digits, `-`, `_` and `.`, at most 64.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9._-]{0,63}$"))]
    pub name: String,
    /// What the experiment is for; shown at the top of the report.
    #[serde(default)]
    pub description: String,
    /// Seed of everything drawn at random: the sample of pairs, the bootstrap.
    #[serde(default)]
    pub seed: u64,
    /// Where faces come from.
    pub dataset: Dataset,
    /// Picture → network input.
    #[serde(default)]
    pub preprocess: Preprocess,
    /// Which network.
    #[serde(default)]
    pub model: Model,
    /// Where the network's weights come from.
    pub weights: Weights,
    /// How faces are embedded.
    #[serde(default)]
    pub embed: Embed,
    /// Which pairs are compared, and how uncertainty is estimated.
    #[serde(default)]
    pub similarity: Similarity,
    /// What the report shows.
    #[serde(default)]
    pub report: Report,
    /// Verification protocols over published lists of pairs, run beside the comparison of faces.
    #[serde(default)]
    pub protocols: Vec<Protocol>,
    /// Ranges that metrics must fall in, by metric path; a run that misses one ends with exit code 3.
    #[serde(default)]
    #[schemars(transform = only_known_metrics)]
    pub expect: BTreeMap<String, Expect>,
    /// What `facevault ablate` varies, and which metric tells what that costs. Changes no number of a run.
    #[serde(default)]
    pub ablation: Option<Ablation>,
    /// Published values that the results are set beside, with an interval and what differs.
    #[serde(default)]
    pub published: Vec<Published>,
}

/// Where faces come from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "source", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Dataset", tag = "source")]
pub(super) enum Dataset {
    /// Phase-1's `face_metadata.csv`.
    Phase1 {
        /// The CSV file.
        csv: String,
        /// Folder that every picture must be in; default: the CSV's folder.
        root: Option<String>,
        /// Prefixes of recorded paths to replace; the first that matches wins.
        #[serde(default)]
        rewrite: Vec<Rewrite>,
        /// Which picture of a row a face is read from.
        #[serde(default = "crop_image")]
        image: Phase1Image,
    },
    /// Identity folders, `<root>/<identity>/<picture>`, or an image folder, whose `<root>/metadata.csv` names the
    /// pictures.
    Folders {
        /// The folder of identity folders, or of `metadata.csv`.
        root: String,
        /// The list of pairs that the dataset ships with: a file in the folder or the one above; with `./`, `../` or `/`
        /// in front, one where paths of the config start.
        pairs: Option<String>,
        /// A detector's boxes, at most one a face: a file, found like `pairs`.
        boxes: Option<String>,
    },
    /// Identity folders, or an image folder, in a dataset repository on the Hugging Face Hub.
    HubFolders {
        /// `owner/name` of the dataset repository.
        #[schemars(regex(pattern = r"^[\w.-]+/[\w.-]+$"))]
        repo: String,
        /// Commit hash, 7 to 40 hexadecimal characters, or a branch or tag, which may move; the commit it resolves to
        /// is recorded.
        #[schemars(regex(pattern = r"^[A-Za-z0-9_-][\w.-]*(/[A-Za-z0-9_-][\w.-]*)*$"))]
        revision: String,
        /// Folder inside the repository that holds the identity folders, or `metadata.csv`; default: the repository's
        /// root.
        #[serde(default)]
        folder: String,
        /// The list of pairs that the dataset ships with: a file in the folder or the one above; with `./`, `../` or `/`
        /// in front, a local one where paths of the config start.
        pairs: Option<String>,
        /// A detector's boxes, at most one a face: a file, found like `pairs`.
        boxes: Option<String>,
    },
    /// Pairs in insightface's `.bin`: a Python pickle of encoded pictures, two a pair, and whether each pair is one person.
    InsightfaceBin {
        /// The file in a dataset repository on the Hugging Face Hub; either this or `path`.
        hub: Option<HubFile>,
        /// The file on this machine; either this or `hub`.
        path: Option<String>,
        /// Expected SHA-256 of the local file, 64 hexadecimal characters; recorded when not given.
        #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
        sha256: Option<String>,
    },
    /// Parquet with encoded pictures: faces with an identity column, or pairs (`pair`, `img_0`, `img_1`, or `image1`,
    /// `image2`, `target`). The columns tell which.
    Parquet {
        /// The shards in a dataset repository on the Hugging Face Hub; either this or `path`.
        hub: Option<HubShards>,
        /// A local file, or a folder whose `*.parquet` are the shards in the order of their names; either this or `hub`.
        path: Option<String>,
        /// Expected SHA-256 of the one local file, 64 hexadecimal characters; recorded when not given.
        #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
        sha256: Option<String>,
    },
    /// VGGFace2's archive of photos, `<identity>/<photo>_<face>.jpg`, and its table of face boxes.
    Vggface2 {
        /// The `.tar.gz`, or a local folder where it is unpacked.
        archive: Container,
        /// The CSV of boxes (`NAME_ID`, X, Y, W, H), or the `.tar.gz` that holds it as `loose_bb_test.csv`.
        boxes: Container,
    },
    /// Procedural faces: a pure function of these numbers.
    Synthetic {
        /// Which universe of identities.
        #[serde(default)]
        seed: u64,
        /// Number of identities.
        #[schemars(range(min = 1, max = 1_000_000))]
        identities: u32,
        /// Samples of each identity.
        #[schemars(range(min = 1, max = 100_000))]
        samples: u32,
        /// Side of the square pictures, pixels.
        #[serde(default = "synthetic_size")]
        #[schemars(range(min = 16, max = 2048))]
        size: u32,
    },
}

fn crop_image() -> Phase1Image {
    Phase1Image::Crop
}

fn synthetic_size() -> u32 {
    112
}

/// A file that holds much: on the Hub or on this machine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Container {
    /// The file in a dataset repository on the Hugging Face Hub; either this or `path`.
    pub hub: Option<HubFile>,
    /// The file on this machine; either this or `hub`.
    pub path: Option<String>,
    /// Expected SHA-256 of the local file, 64 hexadecimal characters; recorded when not given.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    pub sha256: Option<String>,
}

/// One file of a dataset repository on the Hub.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HubFile {
    /// `owner/name` of the dataset repository.
    #[schemars(regex(pattern = r"^[\w.-]+/[\w.-]+$"))]
    pub repo: String,
    /// Commit hash, 7 to 40 hexadecimal characters, or a branch, which may move; the commit it resolves to is recorded.
    #[schemars(regex(pattern = r"^[\w./-]+$"))]
    pub revision: String,
    /// Path inside the repository.
    pub file: String,
    /// Expected SHA-256 of the file, 64 hexadecimal characters; recorded when not given.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    pub sha256: Option<String>,
}

/// Parquet shards in a dataset repository on the Hub: one of `file`, `files` and `folder`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HubShards {
    /// `owner/name` of the dataset repository.
    #[schemars(regex(pattern = r"^[\w.-]+/[\w.-]+$"))]
    pub repo: String,
    /// Commit hash, 7 to 40 hexadecimal characters, or a branch, which may move; the commit it resolves to is recorded.
    #[schemars(regex(pattern = r"^[\w./-]+$"))]
    pub revision: String,
    /// Path of the only shard inside the repository.
    pub file: Option<String>,
    /// Paths of the shards inside the repository, in the order of their rows.
    pub files: Option<Vec<String>>,
    /// Folder inside the repository: every `.parquet` below it, by path.
    pub folder: Option<String>,
    /// Expected SHA-256 of `file`, 64 hexadecimal characters; recorded when not given.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    pub sha256: Option<String>,
}

/// A recorded path prefix and what replaces it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rewrite {
    /// Prefix as recorded, e.g. `/kaggle/working/face_crops_new/`.
    pub from: String,
    /// Replacement, relative to the dataset's root unless absolute.
    pub to: String,
}

/// Picture → network input: a named profile, and the parts of it that are to differ.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Preprocess {
    /// Which published preprocessing to start from; default: that of the network's reference implementation. With any part
    /// changed the run records `custom`.
    #[schemars(extend("enum" = PROFILES))]
    pub profile: Option<String>,
    /// What is cut out of the picture.
    pub crop: Option<Crop>,
    /// To which square, with which filter.
    pub resize: Resize,
    /// Order of the channels that reach the network.
    pub channels: Option<ChannelOrder>,
    /// 8-bit value → network input: (x − mean) / scale.
    pub standardise: Standardise,
    /// What the mirrored face contributes.
    pub mirror: Option<Mirror>,
}

/// What is cut out of the picture before resizing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "mode", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Crop", tag = "mode")]
pub(super) enum Crop {
    /// The whole picture is the face.
    Whole {},
    /// The face's box, widened by a margin and clamped to the picture. A face without a box uses the whole picture.
    Box {
        /// Total margin added to each dimension, half on each side.
        #[schemars(range(min = 0))]
        margin: f64,
        /// What the margin is counted in.
        unit: MarginUnit,
    },
    /// The middle of the picture, with or without a box: for photos in which the face is known to be there.
    Centre {
        /// Part of width and of height that is kept; > 0.
        #[schemars(range(max = 1))]
        fraction: f64,
    },
}

/// Target square and filter; a part that is not given stays the profile's.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Resize {
    /// Side of the network's input, pixels; networks other than `inception-resnet-v1` have one side.
    #[schemars(range(min = MIN_SIDE, max = 1024))]
    pub size: Option<u32>,
    /// Which resampling.
    pub filter: Option<Filter>,
}

/// (x − mean) / scale with x in 0..=255; a part that is not given stays the profile's.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Standardise {
    /// Subtracted, grey levels.
    pub mean: Option<f32>,
    /// Divided by, grey levels; > 0.
    pub scale: Option<f32>,
}

/// Which network, at which width.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Model {
    /// The architecture.
    pub network: Network,
    /// Channel multiplier: 1.0 is the published network. Only `inception-resnet-v1` has other widths.
    #[schemars(range(min = 0.0625, max = 4.0))]
    pub width: f64,
}

impl Default for Model {
    fn default() -> Self {
        Self { network: Network::InceptionResnetV1, width: 1.0 }
    }
}

/// Where weights come from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "source", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Weights", tag = "source")]
pub(super) enum Weights {
    /// A file in a model repository on the Hugging Face Hub.
    Hub {
        /// `owner/name` of the model repository.
        #[schemars(regex(pattern = r"^[\w.-]+/[\w.-]+$"))]
        repo: String,
        /// Commit hash, 40 hexadecimal characters.
        #[schemars(regex(pattern = r"^[0-9a-fA-F]{40}$"))]
        revision: String,
        /// Path inside the repository; `.safetensors`, `.pth`, `.pt` or `.bin`.
        file: String,
        /// Expected SHA-256 of the file, 64 hexadecimal characters; where not given, what the Hub states for the revision
        /// is expected, and recorded.
        #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
        sha256: Option<String>,
    },
    /// A local file.
    File {
        /// The file; `.safetensors`, `.pth`, `.pt` or `.bin`.
        path: String,
        /// Expected SHA-256 of the file; recorded when not given.
        #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
        sha256: Option<String>,
    },
    /// Weights inside the binary.
    Embedded {
        /// Which.
        #[schemars(extend("enum" = EMBEDDED))]
        name: String,
    },
}

/// Weights that the binary carries.
pub(super) const EMBEDDED: [&str; 1] = ["demo"];

/// How faces are embedded.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Embed {
    /// Where the network runs. `auto` takes CUDA if it works, else the CPU, and the run says which.
    pub device: DeviceRequest,
    /// Arithmetic of the forward pass.
    pub precision: Precision,
    /// What computes on the CPU: the fastest kernels it can run, those of one instruction set, or the reference graph.
    pub kernels: Kernels,
    /// Faces in one forward pass; `auto` takes as many as suit the device.
    pub batch_size: BatchSize,
    /// Faces in one chunk: the unit of commit and resume.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub chunk_size: usize,
    /// Threads of the forward pass; default: all cores.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: Option<usize>,
    /// What a face that cannot be read does: becomes a row of `failures.csv`, or stops the run.
    pub on_error: OnError,
    /// More failed faces than this stop the run; default: any number may fail.
    pub max_failures: Option<u64>,
}

impl Default for Embed {
    fn default() -> Self {
        Self {
            device: DeviceRequest::Auto,
            precision: Precision::F32,
            kernels: Kernels::Auto,
            batch_size: BatchSize::Auto,
            chunk_size: 1024,
            threads: None,
            on_error: OnError::Skip,
            max_failures: None,
        }
    }
}

/// Which pairs are compared, and how uncertainty is estimated.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Similarity {
    /// All pairs, or a sample.
    pub pairs: PairMode,
    /// `auto` compares all pairs up to this many, else it samples this many, half of them genuine where there are
    /// enough; default: all up to 20 billion (about two minutes on 2 cores), else a sample of 20 million.
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub max_pairs: Option<u64>,
    /// Upstream `FaceVault`'s own way to choose pairs, computed beside the above; default: not computed.
    pub upstream: Option<Upstream>,
    /// Bootstrap replicates of the intervals.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub replicates: u32,
    /// Confidence level of the intervals.
    #[schemars(range(min = 0.5, max = 0.9999))]
    pub confidence: f64,
    /// Number of hardest genuine and of hardest impostor pairs that are kept.
    #[schemars(range(max = 100_000))]
    pub hardest: usize,
    /// Where all pairs are compared: changes no number, and is no part of the run's identity.
    pub device: DeviceRequest,
}

impl Default for Similarity {
    fn default() -> Self {
        Self {
            pairs: PairMode::Auto,
            max_pairs: None,
            upstream: None,
            replicates: 1000,
            confidence: 0.95,
            hardest: 50,
            device: DeviceRequest::Auto,
        }
    }
}

/// Upstream `FaceVault`'s own way to choose pairs.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Upstream {
    /// All pairs among the first this many faces of each identity.
    #[schemars(range(min = 2, max = 10_000))]
    pub faces_per_identity: usize,
    /// Number of random different-identity pairs.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub impostor_pairs: u64,
}

impl Default for Upstream {
    fn default() -> Self {
        Self { faces_per_identity: 10, impostor_pairs: 2000 }
    }
}

/// A verification protocol: the threshold that is best on some folds is judged on another.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Protocol {
    /// Short name; its metrics are `<name>.accuracy`, `<name>.val`, `<name>.far`, `<name>.auc` and `<name>.eer`.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9_-]{0,31}$"))]
    pub name: String,
    /// Files of pairs, one after the other: CSVs with a header, or LFW's `pairs.txt`, `pairsDevTrain.txt` and
    /// `pairsDevTest.txt`; default: the list that the dataset ships with.
    #[serde(default)]
    pub pairs: Vec<String>,
    /// `folds`: each fold in turn, thresholds from the others (LFW View 2); `train-test`: fold 1, thresholds from fold 0
    /// (LFW View 1).
    #[serde(default)]
    pub split: Split,
    /// Number of equal blocks of the list that are folds; default: the list's own folds, else 10.
    #[schemars(range(min = 2, max = 1000))]
    pub folds: Option<u32>,
    /// Distance of two faces.
    #[serde(default = "squared_l2")]
    pub distance: Distance,
    /// Whether the mean embedding of the training folds' faces is subtracted first.
    #[serde(default)]
    pub subtract_mean: bool,
    /// Thresholds that the most accurate on the training folds is chosen from.
    #[serde(default)]
    pub thresholds: Grid,
    /// The false accept rate that VAL is told at.
    #[serde(default)]
    pub far: FarTarget,
}

fn squared_l2() -> Distance {
    Distance::SquaredL2
}

/// Which pairs thresholds come from, and which they are judged on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Split {
    /// Each fold in turn, thresholds from all others.
    #[default]
    Folds,
    /// Fold 1, thresholds from fold 0.
    TrainTest,
}

/// Thresholds `from`, `from + step`, …, below `to`; a pair is accepted when its distance is below the threshold.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Grid {
    /// The first threshold.
    pub from: f64,
    /// Thresholds end before it.
    pub to: f64,
    /// From one threshold to the next; > 0.
    pub step: f64,
}

impl Default for Grid {
    fn default() -> Self {
        Self { from: 0.0, to: 4.0, step: 0.01 }
    }
}

/// VAL@FAR: the share of genuine pairs accepted at the threshold whose false accept rate on the training folds is this.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FarTarget {
    /// The rate.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub target: f64,
    /// From one threshold to the next, over the range of `thresholds`; > 0.
    pub step: f64,
}

impl Default for FarTarget {
    fn default() -> Self {
        Self { target: 1e-3, step: 0.001 }
    }
}

/// A published value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    /// Metric path, as in `expect`.
    #[schemars(transform = only_known_metric)]
    pub metric: String,
    /// The value, in the metric's unit (a rate of 99.65% is 0.9965).
    pub value: f64,
    /// What was published behind its ±.
    pub plus_minus: Option<f64>,
    /// Where it was published.
    pub source: String,
    /// In what its protocol or data differ from this config's.
    #[serde(default)]
    pub differs: Vec<String>,
}

/// What the report shows.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Report {
    /// Pictures of the hardest pairs' faces. Faces are personal data: off unless asked for.
    pub pictures: bool,
}

/// A range that a metric must fall in; at least one bound.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// Inclusive lower bound, in the metric's unit.
    pub min: Option<f64>,
    /// Inclusive upper bound, in the metric's unit.
    pub max: Option<f64>,
    /// Where the range is from.
    pub source: Option<String>,
}

/// What is varied, how, and which metric tells what it costs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ablation {
    /// The metric: one that `compare` ranks by.
    #[serde(default = "ablation_metric")]
    pub metric: String,
    /// `steps`: each step keeps the changes before it; `each`: every step alone; `grid`: all combinations.
    #[serde(default)]
    pub design: Design,
    /// The choices, in order.
    #[schemars(length(min = 1))]
    pub steps: Vec<AblationStep>,
}

fn ablation_metric() -> String {
    "eer".into()
}

/// A choice that can be made otherwise.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AblationStep {
    /// In a few words, e.g. `no mirror`.
    pub name: String,
    /// What it changes: dotted keys and their values, as `--set` takes them.
    pub set: BTreeMap<String, serde_json::Value>,
}

/// A mapping from any text becomes a mapping from the metrics there are.
fn only_known_metrics(schema: &mut schemars::Schema) {
    schema.insert("propertyNames".into(), known_metric());
}

/// Any text becomes one of the metrics there are.
fn only_known_metric(schema: &mut schemars::Schema) {
    schema.insert("anyOf".into(), known_metric()["anyOf"].clone());
}

fn known_metric() -> serde_json::Value {
    let protocols = format!("^[a-z0-9][a-z0-9_-]*\\.({})$", metrics::PROTOCOL_QUANTITIES.join("|"));
    serde_json::json!({ "anyOf": [{ "enum": metrics::PATHS }, { "pattern": protocols }] })
}
