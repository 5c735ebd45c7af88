//! Whole photos → faces: the step between reading and cropping. A detector finds the faces of each photo, `detect.keep`
//! selects among them, and the manifest of photos becomes a manifest of faces with boxes, scores and landmarks.
//!
//! What a detector finds depends on the photo's content and the detector alone, so it is computed once for each content
//! and kept in the cache; an interrupted detection continues where it stopped.

mod cache;
mod detector;
mod error;
mod expand;
mod find;
mod options;
mod table;

pub use cache::PhotoFaces;
pub(crate) use cache::forget_detected;
pub use detector::{DetectorPlan, LoadedDetector};
pub(crate) use detector::{cautions, describe, unpinned};
pub use error::DetectError;
pub(crate) use expand::photos;
pub use expand::{Expanded, expand};
pub use find::{find, find_once};
pub use options::{Detect, Detector, DetectorFiles};
pub(crate) use table::FAILURES;
pub use table::write;
