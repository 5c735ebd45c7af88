//! The detector with its weights, and what of it is part of a run's identity.

use facevault_detect::{DetectorOptions, Keep, Mtcnn, Networks, TensorView};
use serde::{Deserialize, Serialize};

use super::{Detect, DetectError, Detector, DetectorFiles};
use crate::digest::{Digest, Hasher};
use crate::model::Kernels;
use crate::model::weights::{Checkpoint, Origin, Tensor};
use crate::progress::{Cancel, Progress};
use crate::weights::{self, Pin, WeightsSource};

/// Version of the code between a photo's bytes and its faces. Increase it with every change that can change a box.
const DETECTION_CODE_VERSION: u32 = 1;

/// What of a detection can change a face: part of a run's plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorPlan {
    detector: Detector,
    code: u32,
    /// Digest of each file of weights.
    weights: Vec<Digest>,
    min_size: u32,
    thresholds: [f32; 3],
    factor: f64,
    keep: Keep,
    min_probability: f32,
}

/// A file of a detector's weights, for provenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectorWeights {
    /// Source, location, revision, size.
    #[serde(flatten)]
    pub origin: Origin,
    /// Digest of the file.
    pub sha256: Digest,
    /// What makes sure that it is always this file.
    pub pinned_by: Pin,
}

/// A detector that is ready to run.
pub struct LoadedDetector {
    pub(super) network: Mtcnn,
    /// What a run records of it.
    pub plan: DetectorPlan,
    /// Where its weights came from.
    pub weights: Vec<DetectorWeights>,
}

impl LoadedDetector {
    /// Loads the weights and checks them.
    ///
    /// # Errors
    /// [`DetectError::Weights`], [`DetectError::Unfit`].
    pub fn load(detect: &Detect, progress: &dyn Progress, cancel: &Cancel) -> Result<Self, DetectError> {
        let (networks, weights) = match &detect.weights {
            None => (Networks::embedded(), vec![embedded()]),
            Some(files) => {
                let load = |source| weights::load(source, progress, cancel);
                let [pnet, rnet, onet] = [load(&files.pnet)?, load(&files.rnet)?, load(&files.onet)?];
                let networks = Networks::from_checkpoints(views(&pnet), views(&rnet), views(&onet))?;
                let pins = [&files.pnet, &files.rnet, &files.onet].map(WeightsSource::pin);
                let of = |(file, pin): (Checkpoint, Pin)| DetectorWeights {
                    origin: file.origin,
                    sha256: file.digest,
                    pinned_by: pin,
                };
                (networks, [pnet, rnet, onet].into_iter().zip(pins).map(of).collect())
            }
        };
        // Every instruction set finds the same faces, so the fastest may be chosen.
        let network = Mtcnn::new(&networks, detect.options, Kernels::Auto)?;
        let DetectorOptions { min_size, thresholds, factor } = detect.options;
        let plan = DetectorPlan {
            detector: detect.detector,
            code: DETECTION_CODE_VERSION,
            weights: weights.iter().map(|file| file.sha256).collect(),
            min_size,
            thresholds,
            factor,
            keep: detect.keep,
            min_probability: detect.min_probability,
        };
        Ok(Self { network, plan, weights })
    }
}

/// A caution about weights of a detector that nothing pins; what is known of them says how to pin them.
pub(crate) fn caution(detect: &Detect, found: &[DetectorWeights]) -> Option<String> {
    let DetectorFiles { pnet, rnet, onet } = detect.weights.as_ref()?;
    let named = [("pnet", pnet), ("rnet", rnet), ("onet", onet)].into_iter().enumerate();
    let open: Vec<_> = named
        .filter(|(_, (_, source))| source.pin() == Pin::None)
        .map(|(at, (name, _))| match found.get(at) {
            Some(file) => format!("`sha256: {}` to `detect.weights.{name}`", file.sha256),
            None => format!("the `sha256` that `facevault fetch` prints to `detect.weights.{name}`"),
        })
        .collect();
    (!open.is_empty()).then(|| {
        format!(
            "the detector's weights are not pinned: whatever file is at their place will be used; to pin these, add {}",
            open.join(", ")
        )
    })
}

fn views(checkpoint: &Checkpoint) -> impl Iterator<Item = (&str, TensorView<'_>)> {
    checkpoint.tensors.iter().map(|(key, Tensor { shape, data, .. })| (key.as_str(), TensorView { shape, data }))
}

impl DetectorPlan {
    /// Digest of what decides which faces are found; which of them are kept is decided later.
    pub(super) fn findings(&self) -> Digest {
        let Self { detector, code, weights, min_size, thresholds, factor, .. } = self;
        let mut hasher = Hasher::default();
        hasher.field(detector.name().as_bytes());
        hasher.field(&code.to_le_bytes());
        for digest in weights {
            hasher.field(digest.bytes());
        }
        hasher.field(&min_size.to_le_bytes());
        for threshold in thresholds {
            hasher.field(&threshold.to_le_bytes());
        }
        hasher.field(&factor.to_le_bytes());
        hasher.finish()
    }
}

/// Describes in one line which detector would run and what would be downloaded, without doing either.
pub(crate) fn describe(detect: &Detect) -> String {
    let weights = match &detect.weights {
        None => format!("facenet-pytorch's weights, embedded, {} bytes", Networks::EMBEDDED.len()),
        Some(DetectorFiles { pnet, rnet, onet }) => [("pnet", pnet), ("rnet", rnet), ("onet", onet)]
            .map(|(name, source)| format!("{name} {}", weights::describe(source)))
            .join("; "),
    };
    format!("{}, {weights}", detect.detector.name())
}

/// The file of weights in the binary; `assets/mtcnn.md` has its origin and licence.
fn embedded() -> DetectorWeights {
    let (source, location, bytes) = ("embedded".into(), "mtcnn".into(), Networks::EMBEDDED.len() as u64);
    DetectorWeights {
        origin: Origin { source, location, revision: None, bytes },
        sha256: Digest::of(Networks::EMBEDDED),
        pinned_by: Pin::Embedded,
    }
}
