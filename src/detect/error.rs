//! Errors of finding faces.

use crate::weights::WeightsError;

/// Why faces cannot be found in a dataset's photos.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The detector's weights cannot be loaded.
    #[error("the detector's weights: {0}")]
    Weights(#[from] WeightsError),
    /// The detector's weights are of another network.
    #[error("the detector's weights: {0}")]
    Unfit(#[from] facevault_detect::DetectError),
    /// Stopped on request; what was found is kept.
    #[error("interrupted while detecting faces")]
    Interrupted,
    /// A listed pair names a photo in which several faces were kept.
    #[error(
        "{} names the photo `{photo}`, in which {faces} faces were found; set `detect.keep` to `largest`, `center-weighted`, \
         `most-probable` or `one`, so that each photo is one face, or name the faces (`photo#1`) in `protocols[].pairs`",
        if list == crate::protocol::DATASET_PAIRS { "the dataset's list of pairs".to_owned() } else { format!("list `{list}`") }
    )]
    AmbiguousPair { list: String, photo: String, faces: usize },
    /// Photos that were read as something else.
    #[error("the dataset has no photos on disk to detect faces in; remove `detect`")]
    NoPhotos,
}
