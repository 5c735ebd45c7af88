//! How faces are found in whole photos: `detect` in a config.

use facevault_detect::{DetectorOptions, Keep};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::weights::WeightsSource;

/// How faces are found in whole photos.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Detect {
    /// Which detector.
    pub detector: Detector,
    /// Where its weights come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "facenet-pytorch's, in the binary"))]
    pub weights: Option<DetectorFiles>,
    /// Thresholds and sizes of the detector.
    #[serde(flatten)]
    pub options: DetectorOptions,
    /// Which of a photo's faces become rows.
    pub keep: Keep,
    /// Faces that the detector gives a smaller probability are dropped before `keep` selects.
    #[schemars(range(min = 0, max = 1), extend("x-digits" = 9))]
    pub min_probability: f32,
}

impl Default for Detect {
    fn default() -> Self {
        Self {
            detector: Detector::Mtcnn,
            weights: None,
            options: DetectorOptions::default(),
            keep: Keep::Largest,
            min_probability: 0.0,
        }
    }
}

/// Face detectors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Detector {
    /// MTCNN (Zhang et al. 2016) as facenet-pytorch runs it.
    #[default]
    Mtcnn,
}

impl Detector {
    /// As configs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mtcnn => "mtcnn",
        }
    }
}

/// The checkpoints of MTCNN's three networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetectorFiles {
    /// The proposal network, P-Net.
    #[schemars(extend("x-like" = "weights"))]
    pub pnet: WeightsSource,
    /// The refinement network, R-Net.
    #[schemars(extend("x-like" = "weights"))]
    pub rnet: WeightsSource,
    /// The output network, O-Net.
    #[schemars(extend("x-like" = "weights"))]
    pub onet: WeightsSource,
}

impl DetectorFiles {
    /// The keys of the files, in order.
    pub(super) const KEYS: [&str; 3] = ["pnet", "rnet", "onet"];

    /// Where the files come from, in the order of [`Self::KEYS`].
    pub(crate) fn sources(&self) -> [&WeightsSource; 3] {
        [&self.pnet, &self.rnet, &self.onet]
    }
}
