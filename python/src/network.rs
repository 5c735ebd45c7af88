//! An open network.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::Duration;

use facevault::api::{self, OpenedNetwork};
use facevault::error::Error;
use facevault::progress::Cancel;
use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray4, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::calls::call;
use crate::files::{self, Files, FilesEmbedded, json};

/// A network on its device. Threads may share it; they take turns.
#[pyclass(frozen, module = "facevault_bench._native")]
pub struct Network {
    opened: Mutex<OpenedNetwork>,
    #[pyo3(get)]
    side: usize,
    #[pyo3(get)]
    dimension: usize,
    #[pyo3(get)]
    name: String,
    #[pyo3(get)]
    device: String,
    #[pyo3(get)]
    precision: &'static str,
    #[pyo3(get)]
    notes: Vec<String>,
}

/// How often a call that waits for another looks whether it is over.
const TURN: Duration = Duration::from_micros(200);

impl Network {
    /// Waits for its turn, unless it is to stop.
    fn opened(&self, cancel: &Cancel) -> Result<MutexGuard<'_, OpenedNetwork>, Error> {
        loop {
            match self.opened.try_lock() {
                Ok(opened) => return Ok(opened),
                // What a panic left is as good as new: a call begins by writing what it reads.
                Err(TryLockError::Poisoned(left)) => return Ok(left.into_inner()),
                Err(TryLockError::WouldBlock) if cancel.requested() => return Err(api::interrupted()),
                Err(TryLockError::WouldBlock) => thread::sleep(TURN),
            }
        }
    }
}

#[pymethods]
impl Network {
    /// Opens what the sections of a config describe, as JSON.
    #[new]
    fn new(py: Python<'_>, sections: &str, calibration: Option<PyReadonlyArray4<'_, u8>>) -> PyResult<Self> {
        let sections = json(py, sections)?;
        let faces = calibration.as_ref();
        let calibration = faces.map(|faces| faces.as_slice().map(|pixels| (pixels, faces.shape()[1]))).transpose()?;
        let opened = call(py, |cancel| OpenedNetwork::open(&sections, calibration, cancel))?;
        let info = opened.info();
        Ok(Self {
            side: opened.side(),
            dimension: opened.dimension(),
            name: info.name.clone(),
            device: info.device_name.clone(),
            precision: info.precision.name(),
            notes: opened.notes().to_vec(),
            opened: Mutex::new(opened),
        })
    }

    /// Faces in C order → unit rows. The caller has checked their shape.
    fn embed<'py>(&self, py: Python<'py>, faces: PyReadonlyArray4<'py, u8>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let pixels = faces.as_slice()?;
        let rows = call(py, |cancel| self.opened(cancel)?.embed(pixels, cancel))?;
        let count = rows.len() / self.dimension;
        rows.into_pyarray(py).reshape([count, self.dimension])
    }

    /// Embeds faces in files; `preprocess` is a config's section, as JSON.
    fn embed_files<'py>(
        &self,
        py: Python<'py>,
        paths: Vec<String>,
        boxes: Option<Vec<[f32; 4]>>,
        landmarks: Option<Vec<[f32; 10]>>,
        preprocess: Option<&str>,
    ) -> PyResult<FilesEmbedded<'py>> {
        let preprocess = preprocess.map(|text| json(py, text)).transpose()?;
        let faces = Files { paths, boxes, landmarks }.faces();
        let embedded = call(py, |cancel| self.opened(cancel)?.embed_files(faces, preprocess.as_ref(), cancel))?;
        files::plain(py, embedded)
    }
}
