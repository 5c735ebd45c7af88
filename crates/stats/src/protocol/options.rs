//! What a verification protocol is made of: `protocols` in a config.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A verification protocol over a published list of pairs: thresholds from some folds are judged on another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Protocol {
    /// Its metrics are `<name>.accuracy` and so on.
    pub name: String,
    /// The group that it is one of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
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
fn max_left_out() -> f64 {
    0.05
}

/// Where a protocol's pairs are listed. What they are is part of the manifest; where they were read is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    /// Squared Euclidean distance. Of concatenated halves (`preprocess.mirror: concat`) it is the sum of both halves',
    /// up to 8, as in `facenet/src/validate_on_lfw.py`, although rows are stored with length 1.
    #[default]
    SquaredL2,
    /// arccos(cosine)/π, from 0 to 1.
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

/// Thresholds `from`, `from + step`, … below `to`, as NumPy's `arange` gives them. A pair is accepted when its distance
/// is below the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Grid {
    /// The first threshold.
    #[schemars(range(min = -1000, max = 1000), extend("x-digits" = 9, "x-unit" = "as a distance"))]
    pub from: f64,
    /// The end of the range, which is not itself a threshold.
    #[schemars(range(min = -1000, max = 1000), extend("x-digits" = 9, "x-unit" = "as a distance"))]
    pub to: f64,
    /// The distance between two thresholds.
    #[schemars(extend("exclusiveMinimum" = 0, "x-digits" = 9, "x-unit" = "as a distance"))]
    pub step: f64,
}

impl Default for Grid {
    fn default() -> Self {
        Self { from: 0.0, to: 4.0, step: 0.01 }
    }
}

/// VAL@FAR: the share of genuine pairs accepted at the threshold whose false accept rate on the training folds is the
/// target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FarTarget {
    /// The false accept rate.
    #[schemars(range(min = 1e-9, max = 1), extend("x-digits" = 9))]
    pub target: f64,
    /// The distance between two thresholds, over the range of `thresholds`.
    #[schemars(extend("exclusiveMinimum" = 0, "x-digits" = 9, "x-unit" = "as a distance"))]
    pub step: f64,
}

impl Default for FarTarget {
    fn default() -> Self {
        Self { target: 1e-3, step: 0.001 }
    }
}

/// A verification protocol as a config writes it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Protocol")]
pub struct WrittenProtocol {
    /// Short name. The protocol's metrics are `<name>.accuracy`, `<name>.val`, `<name>.far`, `<name>.auc` and
    /// `<name>.eer`.
    #[schemars(
        regex(pattern = r"^[a-z0-9][a-z0-9_-]{0,31}$"),
        extend("x-values" = "1 to 32 lower-case letters, digits, `-` and `_`, starting with a letter or digit")
    )]
    pub name: String,
    /// A name for protocols of one benchmark whose people differ, such as RFW's four. The group's metrics are `<group>.mean`,
    /// `<group>.spread` (highest less lowest) and `<group>.std` of its protocols' accuracies.
    #[schemars(
        regex(pattern = r"^[a-z0-9][a-z0-9_-]{0,31}$"),
        extend(
            "x-values" = "1 to 32 lower-case letters, digits, `-` and `_`, starting with a letter or digit",
            "x-default" = "no group"
        )
    )]
    pub group: Option<String>,
    /// Files of pairs, read one after the other: CSVs, lists without a header, or LFW's `pairs.txt`, `pairsDevTrain.txt`
    /// and `pairsDevTest.txt`.
    #[serde(default)]
    #[schemars(extend("x-values" = "list of paths of files", "x-default" = "the list the dataset ships with"))]
    pub pairs: Vec<PathBuf>,
    /// Which pairs thresholds are chosen on. `folds`: each fold in turn is judged with thresholds from the others (LFW
    /// View 2). `train-test`: fold 1 is judged with thresholds from fold 0 (LFW View 1).
    #[serde(default)]
    pub split: WrittenSplit,
    /// Number of equal blocks the list is cut into, as scikit-learn's `KFold` cuts them.
    #[schemars(range(min = 2, max = 1000), extend("x-unit" = "folds", "x-default" = "the list's own folds, else 10"))]
    pub folds: Option<u32>,
    /// Distance between two faces; `arccos` is arccos(cosine)/π.
    #[serde(default)]
    pub distance: Distance,
    /// Whether the mean embedding of the training folds' faces is subtracted first.
    #[serde(default)]
    pub subtract_mean: bool,
    /// The candidate thresholds; the one that is most accurate on the training folds is taken. A pair is accepted when its
    /// distance is below it.
    #[serde(default)]
    pub thresholds: Grid,
    /// The share of the list's pairs that may be left out because the dataset lacks one of their faces or the face has no
    /// embedding; more is an error. Not part of the run's name.
    #[serde(default = "max_left_out")]
    #[schemars(range(min = 0, max = 1))]
    pub max_left_out: f64,
    /// VAL@FAR: the share of genuine pairs accepted at the threshold whose false accept rate on the training folds is the
    /// target.
    #[serde(default)]
    pub far: FarTarget,
}

/// Which pairs thresholds are chosen on, as a config writes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Split")]
pub enum WrittenSplit {
    /// Each fold in turn, thresholds from all others.
    #[default]
    Folds,
    /// Fold 1, thresholds from fold 0.
    TrainTest,
}

impl WrittenProtocol {
    /// The protocol that this describes, with its paths as they are written.
    #[must_use]
    pub fn into_protocol(self) -> Protocol {
        let Self { name, group, pairs, split, folds, distance, subtract_mean, thresholds, max_left_out, far } = self;
        Protocol {
            name,
            group,
            pairs: if pairs.is_empty() { PairsSource::Dataset } else { PairsSource::Files { paths: pairs } },
            split: match split {
                WrittenSplit::Folds => Split::Folds { count: folds },
                WrittenSplit::TrainTest => Split::TrainTest,
            },
            distance,
            subtract_mean,
            thresholds,
            far,
            max_left_out,
        }
    }
}
