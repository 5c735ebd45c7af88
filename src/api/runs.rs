//! Runs that are there.

use std::path::{Path, PathBuf};

use crate::compare::HeadlineMetric;
use crate::error::Error;
use crate::headline::{self as rates, HeadlineRate};
use crate::npy::StoredMatrix;
use crate::numbers::Quantity;
use crate::pages;
use crate::progress::{Cancel, Silent};
use crate::run::{self, RunContext, RunDirectory, RunError};

/// The directory of a run, by its path, its name, its config's name or a unique prefix.
///
/// # Errors
/// [`Error`]: there is no such run, or there are several.
pub fn find_run(experiments: &Path, run: &str) -> Result<PathBuf, Error> {
    Ok(RunDirectory::find(experiments, run)?.path().to_owned())
}

/// What `verify --json` prints.
///
/// # Errors
/// [`Error`]: the run is not finished.
pub fn verify(run: &Path, cancel: &Cancel) -> Result<String, Error> {
    let run = RunDirectory::new(run.to_owned());
    let context = RunContext { experiments: Path::new(""), progress: &Silent, cancel };
    Ok(serde_json::to_string(&context.verify(&run)?.checks)?)
}

/// The matrix of a run, mapped from its file or its parts where they can be: its `.npy`, or the index of the parts.
///
/// # Errors
/// [`Error`]: it cannot be read, or is no matrix.
pub fn matrix(path: &Path) -> Result<StoredMatrix, Error> {
    Ok(StoredMatrix::open(path).map_err(RunError::from)?)
}

/// What `compare --json` prints.
///
/// # Errors
/// [`Error`]: a run does not exist or is not evaluated, the metric is unknown, or nothing can be compared.
pub fn compare(
    experiments: &Path,
    runs: &[String],
    by: &str,
    same_pictures: bool,
    cancel: &Cancel,
) -> Result<String, Error> {
    let by = HeadlineMetric::parse(by, &[])?;
    let runs = runs.iter().map(|run| RunDirectory::find(experiments, run)).collect::<Result<Vec<_>, _>>()?;
    let context = RunContext { experiments, progress: &Silent, cancel };
    Ok(serde_json::to_string(&context.compare(&runs, by, same_pictures)?)?)
}

/// The figures of a run's report, title and SVG each. No face is in them.
///
/// # Errors
/// [`Error`]: the run is not evaluated or damaged.
pub fn drawings(run: &Path) -> Result<Vec<(String, String)>, Error> {
    pages::drawings(&RunDirectory::new(run.to_owned()))
}

/// What a run found: name and value of each headline rate in words, as the terminal shows them.
///
/// # Errors
/// [`Error`]: the run is not evaluated or damaged.
pub fn headline(run: &Path) -> Result<Vec<(String, String)>, Error> {
    let summary = run::summary(&RunDirectory::new(run.to_owned()))?;
    let row = |HeadlineRate { name, estimate, .. }: HeadlineRate| (name, Quantity::Rate.sentence(&estimate));
    Ok(rates::headline(&summary.evaluation.metrics).into_iter().map(row).collect())
}
