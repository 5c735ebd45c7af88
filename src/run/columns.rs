//! The columns that the breakdown can split faces by: manifest attributes and measured picture quality.

use super::inspect::EmbeddedFaces;
use crate::breakdown::{FaceColumn, GoodValues};
use crate::dataset::{Face, PixelSource, landmark_columns};
use crate::preprocess::BoundingBox;
use crate::quality::{MIDDLE_GREY, Quality};

/// Headers of a source's table that identify a face, locate its picture, or duplicate a manifest column.
const NON_ATTRIBUTE_HEADERS: [&str; 27] = [
    "face_id",
    "image_id",
    "photo_id",
    "identity_id",
    "identity",
    "label_name",
    "label",
    "person",
    "person_id",
    "subject",
    "name",
    "file_name",
    "crop_path",
    "face_path",
    "photo_path",
    "detector_score",
    "confidence",
    "bbox_x1",
    "bbox_y1",
    "bbox_x2",
    "bbox_y2",
    "x",
    "y",
    "w",
    "h",
    "template_id",
    "media_id",
];

/// One value per embedded face, in matrix order. Built-in columns without any value are left out.
pub(super) fn columns(faces: &EmbeddedFaces) -> Vec<FaceColumn<'_>> {
    let number =
        |name: &str, of: &dyn Fn(&Face) -> Option<f64>| FaceColumn::numbers(name, faces.iter().map(of).collect());
    let measured = |name: &str, of: fn(&Quality) -> f64| {
        FaceColumn::numbers(name, faces.quality.iter().map(|quality| quality.as_ref().map(of)).collect())
    };
    let higher = GoodValues::Higher;
    let mut columns = Vec::new();
    if faces.quality.iter().any(Option::is_some) {
        columns.extend([
            measured("sharpness", |face| f64::from(face.sharpness)).judged(higher),
            measured("exposure", |face| f64::from(face.exposure)).judged(GoodValues::Near(MIDDLE_GREY)),
            measured("contrast", |face| f64::from(face.contrast)).judged(higher),
            measured("size", |face| f64::from(face.size)).judged(higher),
        ]);
    }
    if faces.iter().any(|face| face.detector_score.is_some()) {
        columns.push(number("detector score", &|face| face.detector_score.map(f64::from)).judged(higher));
    }
    if faces.iter().any(|face| face.bbox.is_some()) {
        columns.push(number("box size", &|face| face.bbox.as_ref().map(shorter_side)));
    }
    let sources: Vec<Option<&str>> = faces.iter().map(source).collect();
    if sources.iter().any(Option::is_some) {
        columns.push(FaceColumn::texts("source", sources));
    }
    let table = &faces.manifest.table;
    let landmarks = landmark_columns(&table.headers);
    for (at, (header, column)) in table.headers.iter().zip(&table.columns).enumerate() {
        if !NON_ATTRIBUTE_HEADERS.contains(&header.trim()) && !landmarks.is_some_and(|columns| columns.contains(&at)) {
            let values = faces.rows.iter().map(|&row| column.get(row)).collect();
            columns.push(FaceColumn::texts(&format!("meta.{header}"), values));
        }
    }
    columns
}

/// Pixels.
fn shorter_side(bbox: &BoundingBox) -> f64 {
    f64::from(bbox.x2 - bbox.x1).min(f64::from(bbox.y2 - bbox.y1))
}

/// The outermost folder of the picture, if there is one above the folders of people.
fn source(face: &Face) -> Option<&str> {
    let PixelSource::File { path, .. } = &face.pixels else { return None };
    let (outermost, inner) = path.split_once('/')?;
    inner.contains('/').then_some(outermost)
}
