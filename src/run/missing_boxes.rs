//! A crop by box of faces that have no box takes their whole pictures. With whole photos that costs twenty points of
//! error rate, and no number of the run says why: so it is said, and where it can only be a mistake it is an error.

use super::RunError;
use crate::config::ExperimentConfig;
use crate::dataset::Manifest;
use crate::dataset::{DatasetSource, Phase1Image};
use crate::preprocess::Crop;

/// Pictures whose headers are looked at.
const SAMPLE: usize = 64;

/// Crops of faces are made about as large as the network's input (160 or 182 pixels for 160, 224 at most); the smallest
/// photos in use, LFW's, have 250. Between the two lies 1.5 times the input.
const PHOTO_RATIO: f64 = 1.5;

/// Faces whose whole pictures a crop by box takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingBoxes {
    /// Faces without a box; at least one.
    pub without_box: u64,
    /// All that could be cut out.
    pub faces: u64,
    /// Whether the source takes a table of boxes.
    table: bool,
}

/// That boxes are given which no crop uses: the numbers are those without them.
#[must_use]
pub fn unused_boxes(config: &ExperimentConfig) -> Option<String> {
    let (DatasetSource::Folders { tables, .. } | DatasetSource::HubFolders { tables, .. }) = &config.dataset else {
        return None;
    };
    let taken = match config.preprocess.crop {
        Crop::Box { .. } => return None,
        Crop::Whole => "the whole picture",
        Crop::Centre { .. } => "the middle of the picture",
    };
    tables.boxes.as_ref().map(|_| {
        format!(
            "`dataset.boxes` is not used: `preprocess.crop` takes {taken}; set `preprocess.crop` to mode `box`, or leave the \
             boxes out"
        )
    })
}

impl MissingBoxes {
    /// `None` where nothing is cut out by box, every face has one, or the source's pictures are crops by definition.
    #[must_use]
    pub fn of(config: &ExperimentConfig, manifest: &Manifest) -> Option<Self> {
        let crops = matches!(
            config.dataset,
            DatasetSource::Synthetic { .. } | DatasetSource::Phase1 { image: Phase1Image::Crop, .. }
        );
        if crops || !matches!(config.preprocess.crop, Crop::Box { .. }) {
            return None;
        }
        let usable = || manifest.faces.iter().filter(|face| face.fault.is_none());
        let without_box = usable().filter(|face| face.bbox.is_none()).count() as u64;
        let table = matches!(config.dataset, DatasetSource::Folders { .. } | DatasetSource::HubFolders { .. });
        (without_box > 0).then(|| Self { without_box, faces: usable().count() as u64, table })
    }

    /// What a reader of the numbers has to know, and the way out.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { without_box, faces, .. } = self;
        let have = if *without_box == 1 { "face has" } else { "faces have" };
        format!(
            "{without_box} of {faces} {have} no box, and a crop by box takes the whole picture then; {}",
            self.remedy()
        )
    }

    fn remedy(&self) -> String {
        let table = if self.table { "give boxes with `dataset.boxes`, " } else { "" };
        format!(
            "{table}cut out the middle of photos with `preprocess.crop: {{mode: centre, fraction: 0.6}}`, or say that \
             the pictures are crops already with `preprocess.crop: {{mode: whole}}`"
        )
    }

    /// Refuses whole photos that are taken for faces: no face has a box, and the pictures are much larger than the
    /// network's input.
    ///
    /// # Errors
    /// [`RunError::WholePhotos`].
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
