//! The native part of the Python package `facevault_bench`: thin calls into the library. What Python code sees is in
//! `facevault_bench/`, which checks arguments and makes plain objects of the results.

#![allow(clippy::needless_pass_by_value, reason = "arguments of Python are made for the call")]
#![allow(clippy::result_large_err, reason = "the library's error, once a call")]

mod calls;
mod files;
mod network;
mod rates;
mod runs;

use std::ffi::OsString;

use facevault::provenance;
use pyo3::prelude::*;

/// Runs the command `facevault` with these arguments, its own name first, and returns its exit code.
#[pyfunction]
fn command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| facevault_cli::run(arguments))
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    provenance::set_source(facevault_cli::SOURCE);
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<network::Network>()?;
    module.add_class::<rates::Scores>()?;
    module.add_class::<runs::MatrixParts>()?;
    for function in [
        wrap_pyfunction!(command, module)?,
        wrap_pyfunction!(files::detect, module)?,
        wrap_pyfunction!(runs::find_run, module)?,
        wrap_pyfunction!(runs::verify, module)?,
        wrap_pyfunction!(runs::compare, module)?,
        wrap_pyfunction!(runs::drawings, module)?,
        wrap_pyfunction!(runs::headline, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
