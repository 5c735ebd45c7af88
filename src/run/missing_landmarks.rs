//! Faces without landmarks cannot be aligned: each is a failure, and a dataset without any is refused before embedding.

use super::RunError;
use crate::config::ExperimentConfig;
use crate::dataset::{DatasetSource, Manifest, Phase1Image};
use crate::preprocess::Crop;
use crate::text::counted;

/// Faces that cannot be aligned for want of landmarks; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingLandmarks {
    without: usize,
    faces: usize,
    remedy: &'static str,
}

impl MissingLandmarks {
    /// `None` if nothing is aligned, or every face whose row is valid has landmarks.
    pub fn of(config: &ExperimentConfig, manifest: &Manifest) -> Option<Self> {
        // Detection gives every face that it keeps landmarks.
        if config.preprocess.crop != Crop::Align || config.detect.is_some() {
            return None;
        }
        let usable = || manifest.faces.iter().filter(|face| face.failing(Crop::Align).is_none());
        let without = usable().filter(|face| face.landmarks.is_none()).count();
        let remedy = match config.dataset {
            _ if config.dataset.tables().is_some() => {
                "provide them in `dataset.boxes` (columns `left_eye_x` to `mouth_right_y`), or let `detect` find them"
            }
            DatasetSource::Phase1 { image: Phase1Image::Photo, .. } => {
                "add the columns `left_eye_x` to `mouth_right_y` to the table, or let `detect` find them"
            }
            DatasetSource::Phase1 { image: Phase1Image::Crop, .. } => {
                "read the faces from the photos, which the landmarks refer to, with `dataset.image: photo`"
            }
            _ => {
                "let `detect` find them, or take pictures that are aligned already as they are with \
                 `preprocess.crop: {mode: whole}`"
            }
        };
        (without > 0).then(|| Self { without, faces: usable().count(), remedy })
    }

    /// What happens to these faces.
    pub fn sentence(&self) -> String {
        let Self { without, faces, remedy } = self;
        let have = if *without == 1 { "has no landmarks and fails" } else { "have no landmarks and fail" };
        format!(
            "{without} of {} {have}, because `preprocess.crop` aligns faces by them; {remedy}",
            counted(*faces, "face")
        )
    }

    /// Rejects a dataset without landmarks.
    pub fn refuse(&self) -> Result<(), RunError> {
        let Self { without, faces, remedy } = *self;
        if without < faces { Ok(()) } else { Err(RunError::NoLandmarks { faces, remedy }) }
    }
}
