//! A run in the formats of other tools. What a library of Python's writes is left to it: `facevault_bench.export`.

mod mlflow;
#[cfg(test)]
mod tests;
mod webdataset;

use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::ExportFormat;
use crate::error::Error;
use crate::files::{self, FileError};
use crate::progress::{Cancel, Progress};
use crate::run::RunDirectory;

/// What an export that was stopped needs.
pub(crate) const START_OVER: &str = "nothing of it is left; run the same command again";

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Exported {
    /// The run's name.
    pub run: String,
    /// The format.
    pub to: ExportFormat,
    /// The folder.
    pub folder: PathBuf,
    /// Its files that were written, relative to the folder, in the order they were.
    pub files: Vec<PathBuf>,
    /// Faces in it; null for a format that has none.
    pub faces: Option<u64>,
    /// Faces whose picture could not be read, of those that were to have one.
    pub without_picture: u64,
}

/// What is asked for.
pub(crate) struct ExportRequest<'a> {
    pub run: &'a RunDirectory,
    pub to: ExportFormat,
    /// The folder; the format's own default without one.
    pub out: Option<&'a Path>,
    /// Whether pictures of faces are part of it.
    pub pictures: bool,
    /// Samples of a tar file.
    pub shard: usize,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
}

/// Writes a run in another format. Fails with [`Error::Usage`] where the folder has something else in it, or the format
/// needs Python.
pub(crate) fn export(request: &ExportRequest<'_>) -> Result<Exported, Error> {
    match request.to {
        ExportFormat::WebDataset => webdataset::write(request),
        ExportFormat::MlFlow => mlflow::write(request),
        ExportFormat::Faiss => Err(needs_python(request, "faiss-cpu")),
        ExportFormat::Lance => Err(needs_python(request, "pylance")),
    }
}

/// The folder of all exports in a format where none is given.
pub(crate) fn default_folder(to: ExportFormat) -> &'static str {
    match to {
        ExportFormat::MlFlow => "mlruns",
        ExportFormat::WebDataset | ExportFormat::Faiss | ExportFormat::Lance => "exports",
    }
}

fn needs_python(request: &ExportRequest<'_>, package: &str) -> Error {
    let (to, run) = (request.to.name(), request.run.argument());
    Error::Usage(format!(
        "`--to {to}` is written by Python's own library: `pip install ./facevault_bench-*.whl {package}`, with the wheel that \
         `just package` builds, then `python -m facevault_bench.export {run} --to {to}`"
    ))
}

/// A folder for an export: one that is not there yet, or is empty.
fn empty_folder(folder: &Path) -> Result<(), Error> {
    if !files::list_if_there(folder)?.is_empty() {
        let shown = folder.display();
        return Err(Error::Usage(format!("{shown} is not empty; remove it, or name another folder with --out")));
    }
    Ok(files::create_dir(folder).map_err(FileError::or_set("--out"))?)
}

/// Copies a file of a run into an export.
fn copy(from: &Path, to: &Path) -> Result<(), FileError> {
    files::commit(to, |out| {
        let mut file = files::open(from).map_err(FileError::new("read", from))?;
        std::io::copy(&mut file, out).map(drop).map_err(FileError::new("write", to))
    })
}

/// Whether there is anything at a path.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
