//! Faces in files and in photos.

use facevault::api::{self, Embedded, FaceFile, Quality};
use facevault::preprocess::{BoundingBox, Landmarks};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods};
use pyo3::prelude::*;
use serde_json::Value;

use crate::calls::{call, input_error};

/// Rows, which faces they are of, four qualities of each, and the failures: face, step, reason.
pub type FilesEmbedded<'py> = (
    Bound<'py, PyArray2<f32>>,
    Bound<'py, PyArray1<i64>>,
    [Bound<'py, PyArray1<f32>>; 4],
    Vec<(usize, &'static str, String)>,
);

/// Width and height of a photo, and of each face its box, probability and landmarks; or why the photo cannot be read.
pub type PhotoDetected<'py> = (
    Option<(u32, u32)>,
    Bound<'py, PyArray2<f32>>,
    Bound<'py, PyArray1<f32>>,
    Bound<'py, PyArray3<f32>>,
    Option<String>,
);

/// The arguments of `embed_files`; `boxes` and `landmarks` have one entry a file, or are `None`.
pub struct Files {
    pub paths: Vec<String>,
    pub boxes: Option<Vec<[f32; 4]>>,
    pub landmarks: Option<Vec<[f32; 10]>>,
}

impl Files {
    /// The faces in them.
    pub fn faces(self) -> Vec<FaceFile> {
        let Self { paths, boxes, landmarks } = self;
        let box_of = |place: usize| {
            let [x1, y1, x2, y2] = *boxes.as_ref()?.get(place)?;
            Some(BoundingBox { x1, y1, x2, y2 })
        };
        let landmarks_of = |place: usize| Some(Landmarks::from_numbers(*landmarks.as_ref()?.get(place)?));
        let file = |(place, path)| FaceFile { path, bbox: box_of(place), landmarks: landmarks_of(place) };
        paths.into_iter().enumerate().map(file).collect()
    }
}

/// What became of files, as plain arrays.
pub fn plain(py: Python<'_>, embedded: Embedded) -> PyResult<FilesEmbedded<'_>> {
    let Embedded { dimension, faces, rows, quality, failures } = embedded;
    let count = faces.len();
    let faces: Vec<i64> = faces.into_iter().map(|face| face as i64).collect();
    let rows = rows.into_pyarray(py).reshape([count, dimension])?;
    let column = |of: fn(&Quality) -> f32| quality.iter().map(of).collect::<Vec<_>>().into_pyarray(py);
    let quality = [column(|q| q.sharpness), column(|q| q.exposure), column(|q| q.contrast), column(|q| q.size as f32)];
    let failures = failures.into_iter().map(|failed| (failed.row, failed.kind.name(), failed.message)).collect();
    Ok((rows, faces.into_pyarray(py), quality, failures))
}

/// Finds the faces in photos. `options` are a config's section `detect`, as JSON.
#[pyfunction]
pub fn detect<'py>(py: Python<'py>, paths: Vec<String>, options: &str) -> PyResult<Vec<PhotoDetected<'py>>> {
    let options = json(py, options)?;
    let photos = call(py, |cancel| api::detect(paths, &options, cancel))?;
    photos
        .into_iter()
        .map(|photo| {
            let (photo, reason) = match photo {
                Ok(photo) => (Some(photo), None),
                Err(reason) => (None, Some(reason)),
            };
            let faces = photo.iter().flat_map(|photo| &photo.faces);
            let (mut boxes, mut probabilities, mut landmarks) = (Vec::new(), Vec::new(), Vec::new());
            for face in faces {
                boxes.extend([face.bbox.x1, face.bbox.y1, face.bbox.x2, face.bbox.y2]);
                probabilities.push(face.probability);
                landmarks.extend(face.landmarks.as_flattened());
            }
            let n = probabilities.len();
            Ok((
                photo.map(|photo| photo.size.into()),
                boxes.into_pyarray(py).reshape([n, 4])?,
                probabilities.into_pyarray(py),
                landmarks.into_pyarray(py).reshape([n, 5, 2])?,
                reason,
            ))
        })
        .collect()
}

/// What Python code has written with `json.dumps`.
pub fn json(py: Python<'_>, text: &str) -> PyResult<Value> {
    serde_json::from_str(text).map_err(|error| input_error(py, &error.to_string()))
}
