//! Runs that are there. What the command prints as JSON is JSON here, too.

use std::path::PathBuf;

use facevault::api;
use pyo3::prelude::*;

use crate::calls::call;

#[pyfunction]
pub fn find_run(py: Python<'_>, experiments: PathBuf, run: &str) -> PyResult<PathBuf> {
    call(py, |_| api::find_run(&experiments, run))
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
