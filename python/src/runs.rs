//! Runs that are there. What the command prints as JSON is JSON here, too.

use std::path::PathBuf;

use facevault::api;
use facevault::npy::StoredMatrix;
use pyo3::prelude::*;

use crate::calls::call;

#[pyfunction]
pub fn find_run(py: Python<'_>, experiments: PathBuf, run: &str) -> PyResult<PathBuf> {
    call(py, |_| api::find_run(&experiments, run))
}

/// A matrix in parts, as numpy takes memory of others: its address is that of unit rows for as long as this lives.
#[pyclass(frozen)]
pub struct MatrixParts(StoredMatrix);

#[pymethods]
impl MatrixParts {
    /// Opens the index of a run's parts.
    #[new]
    fn new(py: Python<'_>, index: PathBuf) -> PyResult<Self> {
        call(py, |_| api::matrix(&index)).map(Self)
    }

    /// Where the first number is.
    #[getter]
    fn address(&self) -> usize {
        self.0.data().as_ptr().expose_provenance()
    }

    /// Rows, and numbers in a row.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.0.rows(), self.0.dimension())
    }
}

#[pyfunction]
pub fn verify(py: Python<'_>, run: PathBuf) -> PyResult<String> {
    call(py, |cancel| api::verify(&run, cancel))
}

#[pyfunction]
pub fn compare(
    py: Python<'_>,
    experiments: PathBuf,
    runs: Vec<String>,
    by: &str,
    same_pictures: bool,
) -> PyResult<String> {
    call(py, |cancel| api::compare(&experiments, &runs, by, same_pictures, cancel))
}

#[pyfunction]
pub fn drawings(py: Python<'_>, run: PathBuf) -> PyResult<Vec<(String, String)>> {
    call(py, |_| api::drawings(&run))
}

#[pyfunction]
pub fn headline(py: Python<'_>, run: PathBuf) -> PyResult<Vec<(String, String)>> {
    call(py, |_| api::headline(&run))
}
