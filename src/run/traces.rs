//! What else names the faces of a run: pages, caches, other runs, and the user's own texts in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::forget::UNCHANGED;
use super::sources::CACHE;
use super::{RunContext, RunDirectory, RunError, seal};
use crate::dataset::Manifest;
use crate::dataset::forget::{self, Traces};
use crate::{detect, embed, files, parquet};

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
        // Before the run forgets whom it has to look for.
        files::sync_dir(reports)?;
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
                files::sync_dir(&cache)?;
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
            let runs = RunDirectory::list_with_faces(&folder)?;
            found.extend(runs.iter().filter(|other| has(other)).map(|other| PathBuf::from(other.shown())));
        }
        Ok(found)
    }
}

/// The file of error rates by slices of the faces.
const BREAKDOWN: &str = "breakdown.json";

/// The files of a run that name one of the faces.
pub(super) fn naming(run: &RunDirectory, traces: &Traces) -> Result<Vec<String>, RunError> {
    let mut found = Vec::new();
    for name in seal::names(run.path())? {
        if names_one(&run.file(&name), traces)? {
            found.push(name);
        }
    }
    Ok(found)
}

/// What [`naming`] will find, and the run's page if it will, once the run has lost the faces that `after` lacks.
pub(super) fn naming_after(
    run: &RunDirectory,
    traces: &Traces,
    after: &Manifest,
    page: Option<PathBuf>,
) -> Result<Vec<String>, RunError> {
    let failed: BTreeSet<String> = embed::read_records(run.path())?
        .into_iter()
        .flat_map(|record| record.failures.into_iter().map(|failure| failure.face_id))
        .collect();
    let speak =
        |row: usize| after.table.columns.iter().any(|column| column.get(row).is_some_and(|it| traces.name_in_page(it)));
    let speaking: Vec<usize> = (0..after.len()).filter(|row| speak(*row)).collect();
    let in_header = traces.name_in_page(&after.table.headers.join("\n"));
    let in_embedded = in_header || speaking.iter().any(|row| !failed.contains(&after.faces[*row].face_id));
    // The people of a run are in neither of its slices nor in what stays as it is.
    let mut found = Vec::new();
    for name in seal::names(run.path())? {
        let stays = match name.as_str() {
            RunDirectory::MANIFEST => in_header || !speaking.is_empty(),
            RunDirectory::METADATA => in_embedded,
            BREAKDOWN => in_embedded && names_one(&run.file(&name), traces)?,
            name if UNCHANGED.contains(&name) || name == RunDirectory::PROVENANCE => {
                names_one(&run.file(name), traces)?
            }
            _ => false,
        };
        if stays {
            found.push(name);
        }
    }
    let shown = [RunDirectory::PLAN, RunDirectory::PROVENANCE, BREAKDOWN];
    let described = traces.name_in_page(&super::stored(run)?.1.config.description);
    if described || found.iter().any(|name| shown.contains(&name.as_str())) {
        found.extend(page.map(|page| page.display().to_string()));
    }
    Ok(found)
}

/// Whether a file names one of the faces: in its text, or in the text columns of a table. Arrays have no names.
pub(super) fn names_one(path: &Path, traces: &Traces) -> Result<bool, RunError> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("npy") => Ok(false),
        Some("parquet") => Ok(traces.name_in_page(&parquet::texts(path)?)),
        _ => Ok(traces.name_in_page(&String::from_utf8_lossy(&files::read(path)?))),
    }
}

/// The run's own page.
pub(super) fn own_page(run: &RunDirectory, reports: &Path) -> Result<Option<PathBuf>, RunError> {
    let name = run.name();
    let names_it = |path: &PathBuf| path.file_name().is_some_and(|page| page.to_string_lossy().starts_with(&name));
    Ok(forget::entries(reports)?.into_iter().find(names_it))
}
