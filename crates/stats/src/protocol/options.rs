//! What a verification protocol is made of: `protocols` in a config.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The false accept rate at which VAL is reported.
    pub far: FarTarget,
    /// Share of the list's pairs that may be left out. It changes no number, so it is not part of a run's identity.
    #[serde(skip, default = "max_left_out")]
    pub max_left_out: f64,
}

/// Detector-aligned copies of LFW lack up to a hundred faces of 7,701; a twentieth is a sign of another list or dataset.
#[must_use]
pub fn max_left_out() -> f64 {
    0.05
}

/// Where a protocol's pairs are listed. What they are is part of the manifest; where they were read is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairsSource {
    /// The list that the dataset ships with.
    Dataset,
    /// The protocol's own files, concatenated.
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

/// The false accept rate at which VAL, the share of accepted genuine pairs, is reported.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FarTarget {
    /// The rate.
    pub target: f64,
    /// From one threshold to the next, over the range of the accuracy's thresholds.
    pub step: f64,
}
