//! A crop by box takes the whole picture of faces without a box. On whole photos that costs twenty points of error rate
//! without any visible reason, so it is reported, and rejected where it can only be a mistake.

use super::RunError;
use crate::config::ExperimentConfig;
use crate::dataset::{DatasetSource, Manifest, Phase1Image};
use crate::preprocess::Crop;
use crate::text::counted;

/// Pictures sampled for their size.
const SAMPLE: usize = 64;

/// Pictures larger than this multiple of the network's input count as photos. Face crops are about as large as the
/// input (160 or 182 pixels for 160, at most 224); the smallest photos in use, LFW's, have 250.
pub(crate) const PHOTO_RATIO: f64 = 1.5;

/// Faces without a box under a crop by box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingBoxes {
    /// Faces without a box; at least one.
    pub without_box: u64,
    pub faces: u64,
    /// Whether the source accepts a table of boxes.
    table: bool,
}

/// Warns about boxes and landmarks that no crop uses.
pub fn unused_boxes(config: &ExperimentConfig) -> Option<String> {
    if matches!(config.dataset, DatasetSource::Ijb { .. }) && config.preprocess.crop != Crop::Align {
        let crop = "the pictures of `source: ijb` are loose crops, whose landmarks `preprocess.crop` does not use";
        return Some(format!("{crop}; set its mode to `align`, as the profile `insightface` does"));
    }
    let boxes = || config.dataset.tables().is_some_and(|tables| tables.boxes.is_some());
    let (unused, it) = match &config.detect {
        Some(_) => ("the faces that `detect` finds are", "`detect`"),
        None if boxes() => ("`dataset.boxes` is", "the boxes"),
        None => return None,
    };
    let taken = match config.preprocess.crop {
        // The table may hold landmarks as well; one without any is refused.
        Crop::Box { .. } | Crop::Align => return None,
        Crop::Whole => "the whole picture",
        Crop::Centre { .. } => "the middle of the picture",
    };
    Some(format!("{unused} not used: `preprocess.crop` takes {taken}; set its mode to `box`, or remove {it}"))
}

impl MissingBoxes {
    /// `None` if nothing is cropped by box, every face has a box, or the source's pictures are crops by definition.
    pub fn of(config: &ExperimentConfig, manifest: &Manifest) -> Option<Self> {
        let crops = matches!(
            config.dataset,
            DatasetSource::Synthetic { .. }
                | DatasetSource::Array { .. }
                | DatasetSource::Phase1 { image: Phase1Image::Crop, .. }
        );
        // Detection fails a photo without a face to keep.
        if crops || config.detect.is_some() || !matches!(config.preprocess.crop, Crop::Box { .. }) {
            return None;
        }
        let usable = || manifest.faces.iter().filter(|face| face.failing(config.preprocess.crop).is_none());
        let without_box = usable().filter(|face| face.bbox.is_none()).count() as u64;
        let table = config.dataset.tables().is_some();
        (without_box > 0).then(|| Self { without_box, faces: usable().count() as u64, table })
    }

    /// The warning for readers of the numbers, with the remedy.
    pub fn sentence(&self) -> String {
        let Self { without_box, faces, .. } = self;
        let have = if *without_box == 1 { "has" } else { "have" };
        format!(
            "{without_box} of {} {have} no box, so the crop by box takes the whole picture; {}",
            counted(*faces, "face"),
            self.remedy()
        )
    }

    fn remedy(&self) -> String {
        let table = if self.table {
            "let `detect: {detector: mtcnn}` find the faces, provide boxes with `dataset.boxes`, "
        } else {
            ""
        };
        format!(
            "{table}crop the centre of photos with `preprocess.crop: {{mode: centre, fraction: 0.6}}`, or declare \
             that the pictures are crops already with `preprocess.crop: {{mode: whole}}`"
        )
    }

    /// Rejects whole photos passed as faces: no face has a box, and the pictures are much larger than the network's
    /// input.
    pub fn refuse(&self, config: &ExperimentConfig, manifest: &Manifest) -> Result<(), RunError> {
        if self.without_box < self.faces {
            return Ok(());
        }
        let mut sides = manifest.shorter_sides(SAMPLE);
        sides.sort_unstable();
        let size = config.preprocess.resize.size;
        match sides.get(sides.len() / 2) {
            Some(&side) if f64::from(side) > PHOTO_RATIO * f64::from(size) => {
                Err(RunError::WholePhotos { faces: self.faces, side, size, remedy: self.remedy() })
            }
            _ => Ok(()),
        }
    }
}
