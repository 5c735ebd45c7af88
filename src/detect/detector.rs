//! The detector with its weights, and what of it is part of a run's identity.

use facevault_detect::{DetectorOptions, Keep, Mtcnn, Networks, TensorView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Detect, DetectError, Detector, DetectorFiles};
use crate::digest::{Digest, Hasher};
use crate::model::Kernels;
use crate::model::weights::{Checkpoint, Origin, Tensor};
use crate::progress::{Cancel, Progress};
use crate::weights::{self, Pin, WeightsOrigin, WeightsSource};

/// Version of the code between a photo's bytes and its faces. Increase it with every change that can change a box.
const DETECTION_CODE_VERSION: u32 = 1;

/// What of a detection can change a face: part of a run's plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetectorPlan {
    /// Which detector.
    detector: Detector,
    /// Version of the detecting code.
    code: u32,
    /// Digest of each file of weights.
    weights: Vec<Digest>,
    /// Side of the smallest face looked for, pixels.
    min_size: u32,
    /// Probabilities that the three networks' candidates need.
    thresholds: [f32; 3],
    /// Ratio of the sides of two successive scales of the photo.
    factor: f64,
    /// Which of a photo's faces become rows.
    keep: Keep,
    /// Faces of a smaller probability are dropped.
    min_probability: f32,
}

/// A detector that is ready to run.
pub struct LoadedDetector {
    pub(super) network: Mtcnn,
    /// What a run records of it.
    pub plan: DetectorPlan,
    /// Where its weights came from.
    pub weights: Vec<WeightsOrigin>,
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
                let load = |source: &WeightsSource| {
                    let file = weights::load(source, progress, cancel)?;
                    Ok::<_, DetectError>((WeightsOrigin::new(source, &file), file))
                };
                let [pnet, rnet, onet] = [load(&files.pnet)?, load(&files.rnet)?, load(&files.onet)?];
                let networks = Networks::from_checkpoints(views(&pnet.1), views(&rnet.1), views(&onet.1))?;
                (networks, vec![pnet.0, rnet.0, onet.0])
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

/// Cautions about the files of a detector's weights that nothing pins, in the order of [`DetectorFiles::KEYS`]: what pins
/// each, and its content if that is known.
pub(crate) fn cautions(files: impl IntoIterator<Item = (Pin, Option<Digest>)>) -> Vec<String> {
    let caution = |((pin, content), key): ((Pin, Option<Digest>), &str)| {
        pin.caution("the detector's weights", &format!("detect.weights.{key}"), content)
    };
    files.into_iter().zip(DetectorFiles::KEYS).filter_map(caution).collect()
}

/// [`cautions`] about files that were read.
pub(crate) fn unpinned(files: &[WeightsOrigin]) -> Vec<String> {
    cautions(files.iter().filter_map(|file| Some((file.pinned_by?, Some(file.sha256)))))
}

fn views(checkpoint: &Checkpoint) -> impl Iterator<Item = (&str, TensorView<'_>)> {
    checkpoint.weights.iter().map(|(key, Tensor { shape, data, .. })| (key.as_str(), TensorView { shape, data }))
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
fn embedded() -> WeightsOrigin {
    let (source, location, bytes) = ("embedded".into(), "mtcnn".into(), Networks::EMBEDDED.len() as u64);
    WeightsOrigin {
        origin: Origin { source, location, revision: None, bytes },
        sha256: Digest::of(Networks::EMBEDDED),
        pinned_by: Some(Pin::Embedded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_nothing_pins_are_named_by_their_keys() {
        let file = |pinned_by| WeightsOrigin { pinned_by, ..embedded() };
        let found = unpinned(&[file(Some(Pin::Sha256)), file(Some(Pin::None)), file(Some(Pin::Revision))]);
        insta::assert_snapshot!(found.join("\n"), @"the detector's weights are not pinned: whatever file is at their place will be used; to pin these, add `sha256: 45209c89a01a216d7ae9baf3fa8e506dfb0e8ff1269007ce26e28338a9148cd3` to `detect.weights.rnet`");
        insta::assert_snapshot!(cautions([(Pin::None, None)]).join("\n"), @"the detector's weights are not pinned: whatever file is at their place will be used; `facevault fetch` prints the `sha256` to add to `detect.weights.pnet`");
        assert!(unpinned(&[embedded()]).is_empty());
    }
}
