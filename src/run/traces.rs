//! What else names the faces of a run: pages, caches, other runs, and the user's own texts in it.

use std::fs;
use std::path::{Path, PathBuf};

use super::sources::CACHE;
use super::{RunContext, RunDirectory, RunError};
use crate::dataset::Manifest;
use crate::dataset::forget::{self, Traces};
use crate::{detect, files};

/// How the title of every page ends.
const PAGE: &str = " – FaceVault</title>";

/// The pages that name the run or one of the faces; removes them if `act`.
pub(super) fn clear_pages(
    run: &RunDirectory,
    traces: &Traces,
    reports: &Path,
    act: bool,
) -> Result<Vec<PathBuf>, RunError> {
    let name = run.name();
    let mut found = Vec::new();
    for path in forget::entries(reports)? {
        let is_page = path.extension().is_some_and(|ending| ending == "html");
        if !is_page || !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
            continue;
        }
        let bytes = files::read(&path)?;
        let text = String::from_utf8_lossy(&bytes);
        if text.contains(PAGE) && (text.contains(&name) || traces.name_in_page(&text)) {
            if act {
                files::remove_all(&path)?;
            }
            found.push(path);
        }
    }
    if act && reports.is_dir() {
        files::sweep(reports);
    }
    Ok(found)
}

impl RunContext<'_> {
    /// The cached files that hold a trace of the faces, beside the run and in the folder of runs; removes or rewrites them if
    /// `act`.
    pub(super) fn clear_caches(
        &self,
        run: &RunDirectory,
        traces: &Traces,
        act: bool,
    ) -> Result<Vec<PathBuf>, RunError> {
        let mut found = Vec::new();
        for folder in self.folders(run) {
            let cache = folder.join(CACHE);
            found.extend(forget::forget_cached(&cache, traces, act)?);
            found.extend(detect::forget_detected(&cache, &traces.photos, act)?);
            if act && cache.is_dir() {
                files::sweep(&cache);
            }
        }
        Ok(found)
    }

    /// The folder that the run is in, and that of the command line if it is another.
    fn folders(&self, run: &RunDirectory) -> Vec<PathBuf> {
        let place = |folder: &Path| folder.canonicalize().ok();
        let (own, given) = (run.folder(), self.experiments);
        let other = place(own).is_none() || place(own) != place(given);
        [Some(own), Some(given).filter(|_| other)].into_iter().flatten().map(Path::to_owned).collect()
    }

    /// Other runs of the folder that have one of the faces, or cannot be read.
    pub(super) fn others(&self, run: &RunDirectory, traces: &Traces) -> Result<Vec<PathBuf>, RunError> {
        let has = |other: &RunDirectory| {
            let path = other.file(RunDirectory::MANIFEST);
            other.name() != run.name()
                && Manifest::read_parquet(&path, PathBuf::new()).map_or(path.exists(), |found| traces.face_in(&found))
        };
        let mut found = Vec::new();
        for folder in self.folders(run) {
            let runs = RunDirectory::list(&folder)?;
            found.extend(runs.iter().filter(|other| has(other)).map(|other| other.path().to_owned()));
        }
        Ok(found)
    }
}

/// Which of the files that forgetting leaves name one of the faces.
pub(super) fn naming(run: &RunDirectory, traces: &Traces, kept: &[&str]) -> Result<Vec<String>, RunError> {
    let mut found = Vec::new();
    for name in kept.iter().filter(|name| run.has(name)) {
        let bytes = files::read(&run.file(name))?;
        if traces.name_in_page(&String::from_utf8_lossy(&bytes)) {
            found.push((*name).to_owned());
        }
    }
    Ok(found)
}

/// Whether the run has a page of its own.
pub(super) fn has_page(run: &RunDirectory, reports: &Path) -> Result<bool, RunError> {
    let name = run.name();
    let names_it = |path: &PathBuf| path.file_name().is_some_and(|page| page.to_string_lossy().starts_with(&name));
    Ok(forget::entries(reports)?.iter().any(names_it))
}
