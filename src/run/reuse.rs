//! Takes the rows of faces that other runs have embedded, whatever else is in those runs: a run of more faces, or of fewer,
//! embeds the new ones only.

use std::collections::HashSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::{RunContext, RunDirectory, RunError, precision, seal, shards};
use crate::config::ExperimentConfig;
use crate::dataset::{self, Face, Manifest, Part, PixelSource};
use crate::digest::Digest;
use crate::embed::{self, ChunkStore, DonorError, PictureKey, Reuse};
use crate::model::{EmbedderInfo, Kernels, Precision};
use crate::plan::RunPlan;
use crate::preprocess::Crop;
use crate::progress::{Cancel, Progress, Silent};
use crate::provenance::{Provenance, ReusedRows};
use crate::text::counted;
use crate::weights;

/// Those of some runs whose rows would be those of `plan`, those of most faces first, except the one named.
fn donors(runs: Vec<RunDirectory>, plan: &RunPlan, except: &str) -> Vec<(RunDirectory, RunPlan)> {
    let theirs = |run: RunDirectory| (run.name() != except).then(|| fitting(&run, plan))?.map(|plan| (run, plan));
    let mut donors: Vec<_> = runs.into_iter().filter_map(theirs).collect();
    // Stable: runs of as many faces stay sorted by name.
    donors.sort_by_key(|(_, plan)| std::cmp::Reverse(plan.faces()));
    donors
}

/// The plan of a run whose rows would be those of `plan`. Runs that another version made, or that are damaged, have nothing
/// to give.
fn fitting(run: &RunDirectory, plan: &RunPlan) -> Option<RunPlan> {
    let theirs = run.plan().ok()?;
    (theirs.run_id().to_string() == run.name() && theirs.row_digest() == plan.row_digest()).then_some(theirs)
}

/// Those of the runs that somebody named whose rows would be those of `plan`; says which are not.
pub(super) fn that_fit(named: Vec<RunDirectory>, plan: &RunPlan, progress: &dyn Progress) -> Vec<RunDirectory> {
    let ours = plan.run_id().to_string();
    let fits = |run: &RunDirectory| {
        let name = run.name();
        let why = match fitting(run, plan) {
            _ if name == ours => "it is this run",
            None => "its rows are of other weights, preprocessing or precision, or another version made it",
            Some(_) => return true,
        };
        progress.warn(&format!("nothing is reused from {name}: {why}"));
        false
    };
    named.into_iter().filter(fits).collect()
}

/// The manifest of a run, checked against its plan or its last removal, and the run's provenance.
pub(super) fn embedded_faces(run: &RunDirectory, plan: &RunPlan) -> Result<(Manifest, Provenance), String> {
    let words = |error: RunError| error.to_string();
    if run.is_being_cleared() {
        return Err("faces are being removed from it".into());
    }
    let mut provenance: Provenance = run.json(RunDirectory::PROVENANCE).map_err(words)?;
    shards::gather(run, &mut provenance).map_err(words)?;
    let read = |path: &Path| Manifest::read_parquet(path, PathBuf::new());
    let mut manifest = read(&run.file(RunDirectory::MANIFEST)).map_err(|error| error.to_string())?;
    manifest.read_lists(run.path()).map_err(|error| error.to_string())?;
    let expected = provenance.removals.last().map_or(plan.manifest_digest(), |removal| removal.manifest);
    if manifest.digest() != expected {
        return Err(format!("its {} is not the one that it was embedded with", RunDirectory::MANIFEST));
    }
    Ok((manifest, provenance))
}

/// The run that is about to embed.
pub(super) struct Embedding<'a> {
    pub run: &'a RunDirectory,
    pub plan: &'a RunPlan,
    pub manifest: &'a Manifest,
    pub crop: Crop,
    /// What computes its rows.
    pub arithmetic: Digest,
}

impl RunContext<'_> {
    /// Finds the missing rows of `store` in other runs, finished or not, reports them, and records the runs in
    /// `provenance`. A run that is damaged gives nothing and is reported, unless it is among `reported`.
    pub(super) fn reuse(
        &self,
        ours: &Embedding<'_>,
        runs: Vec<RunDirectory>,
        store: &ChunkStore,
        provenance: &mut Provenance,
        reported: &[String],
    ) -> Reuse {
        let mut reuse = Reuse::new(&ours.manifest.faces, ours.crop, store);
        for (donor, plan) in donors(runs, ours.plan, &ours.run.name()) {
            if reuse.is_complete() || self.cancel.requested() {
                break;
            }
            let name = donor.name();
            match take_from(&donor, &plan, ours, &mut reuse, self.cancel) {
                Ok(None) => {}
                Ok(Some(rows)) => provenance.reuses(rows),
                Err(_) if self.cancel.requested() || reported.contains(&name) => {}
                Err(reason) => self.progress.warn(&format!("cannot reuse the embeddings of {name}: {reason}")),
            }
        }
        if let Some(line) = sentence(&reuse.by_run(), store.rows(), store.rows_embedded() + store.rows_failed()) {
            self.progress.say(&format!("reusing {line}"));
        }
        reuse
    }
}

/// What is taken from which run, in words; `None` if nothing is.
pub(crate) fn sentence(by_run: &[(impl Display, usize)], faces: usize, embedded: usize) -> Option<String> {
    let by_run: Vec<_> = by_run.iter().filter(|(_, rows)| *rows > 0).collect();
    let rows: usize = by_run.iter().map(|(_, rows)| rows).sum();
    let from = match &by_run[..] {
        [] => return None,
        [(run, _)] => format!(" from {run}"),
        several => {
            let each: Vec<_> = several.iter().map(|(run, rows)| format!("{rows} from {run}")).collect();
            format!(": {}", each.join(", "))
        }
    };
    let left = faces.saturating_sub(rows + embedded);
    Some(format!("{rows} of {}{from}; {left} to embed", counted(faces, "embedding")))
}

/// Finds rows in one run. `Err` is the reason why it gives nothing.
fn take_from(
    donor: &RunDirectory,
    plan: &RunPlan,
    ours: &Embedding<'_>,
    reuse: &mut Reuse,
    cancel: &Cancel,
) -> Result<Option<ReusedRows>, String> {
    let words = |error: RunError| error.to_string();
    let (manifest, provenance) = embedded_faces(donor, plan)?;
    // Not begun yet.
    let Some(theirs) = &provenance.arithmetic else { return Ok(None) };
    if plan.precision() == Precision::Int8
        && precision::calibration(donor).map_err(words)? != precision::calibration(ours.run).map_err(words)?
    {
        return Err("its int8 ranges come from other faces, so its rows differ".into());
    }
    if theirs.fingerprint != ours.arithmetic {
        return Err(format!("they were computed by {}, which gives different bytes", theirs.machine()));
    }
    if donor.has(RunDirectory::SEALED) {
        // The matrices are checked against their sidecars.
        let asked = |name: &str| name == RunDirectory::MANIFEST || is_sidecar(name);
        if let Some(file) = seal::first_broken(donor, asked, cancel).map_err(words)? {
            return Err(format!("its {file} has changed since the run was sealed"));
        }
    }
    let name = donor.name();
    match reuse.find(&name, donor.path(), &manifest.faces, ours.arithmetic, cancel) {
        Ok(0) | Err(DonorError::Interrupted) => Ok(None),
        Ok(rows) => {
            // One that crashed or still runs says 0, whatever it has committed.
            let open = provenance.sessions.iter().filter(|session| session.embedded == 0 && session.ended.is_none());
            let sessions = provenance.sessions_behind().chain(open).cloned().collect();
            Ok(Some(ReusedRows { run: name, rows: rows as u64, sessions }))
        }
        Err(error) => Err(error.to_string()),
    }
}

fn is_sidecar(name: &str) -> bool {
    name.starts_with("chunks/") && Path::new(name).extension().is_some_and(|extension| extension == "json")
}

/// The rows that a run took from others.
pub(crate) fn reused(run: &RunDirectory) -> Result<Vec<(String, u64)>, RunError> {
    let Provenance { reused, .. } = run.json(RunDirectory::PROVENANCE)?;
    Ok(reused.into_iter().map(|reused| (reused.run, reused.rows)).collect())
}

/// How many of a config's faces each run of the folder has embedded already, without reading a picture: files are known by
/// their path, size and time. None where the faces, or what would compute their rows, are not known without a download or
/// more work. Damage is noticed when the rows are taken.
pub(crate) fn reusable(
    experiments: &Path,
    config: &ExperimentConfig,
    manifest: &Manifest,
    embedder: &EmbedderInfo,
) -> Result<Vec<(String, usize)>, RunError> {
    // Most folders hold no run that comes into question, and then the weights need not be read.
    let unknown = config.detect.is_some() || config.is_given() || config.embed.kernels == Kernels::OnnxRuntime;
    if RunDirectory::list_here(experiments)?.is_empty() || unknown || !weights::is_available(&config.weights) {
        return Ok(Vec::new());
    }
    let side = config.preprocess.resize.size;
    let cancel = Cancel::default();
    let weights = weights::load_network(&config.weights, &config.model, side, false, &Silent, &cancel)?.digest;
    let plan = RunPlan::new(config, manifest.digest(), manifest.len() as u64, None, weights, embedder);
    if plan.precision() == Precision::Int8 {
        return Ok(Vec::new());
    }
    let root = super::absolute(&manifest.root);
    let wanted: Vec<_> = manifest.faces.iter().map(|face| key_here(face, &root, config.preprocess.crop)).collect();
    let mut found = vec![None; wanted.len()];
    let donors = donors(RunDirectory::list_here(experiments)?, &plan, "");
    for (at, (donor, theirs)) in donors.iter().enumerate() {
        let Ok((manifest, provenance)) = embedded_faces(donor, theirs) else { continue };
        let Ok(records) = embed::read_records(donor.path()) else { continue };
        let failed: HashSet<usize> = records.iter().flat_map(|record| &record.failures).map(|face| face.row).collect();
        let rows = records.iter().flat_map(|record| (record.first_row..).take(record.rows));
        let has = rows.filter(|row| !failed.contains(row)).filter_map(|row| manifest.faces.get(row));
        let keys: HashSet<_> = has.filter_map(|face| key_there(face, &provenance.dataset.root)).collect();
        for (key, found) in wanted.iter().zip(&mut found) {
            if found.is_none() && key.as_ref().is_some_and(|key| keys.contains(key)) {
                *found = Some(at);
            }
        }
    }
    let rows = |at: usize| found.iter().filter(|found| **found == Some(at)).count();
    let by_run = donors.iter().enumerate().map(|(at, (donor, _))| (donor.name(), rows(at)));
    Ok(by_run.filter(|(_, rows)| *rows > 0).collect())
}

/// A face of a dataset whose pictures were not read.
fn key_here(face: &Face, root: &Path, crop: Crop) -> Option<PictureKey> {
    match &face.pixels {
        PixelSource::Given { .. } => None,
        PixelSource::Synthetic { .. } => PictureKey::of(face, crop),
        PixelSource::File { path, .. } => {
            let path = root.join(path);
            let (size, modified) = dataset::stamp(&path)?;
            face.failing(crop).is_none().then(|| key_of_file(face, &path, size, modified))
        }
        PixelSource::Part(part) => {
            let (_, modified) = dataset::stamp(&root.join(&part.path))?;
            face.failing(crop).is_none().then(|| key_of_part(face, root, part, modified))
        }
    }
}

/// A face that a run has embedded.
fn key_there(face: &Face, root: &Path) -> Option<PictureKey> {
    match &face.pixels {
        PixelSource::Given { .. } => None,
        PixelSource::Synthetic { .. } => Some(PictureKey::of_part(face, face.content?.bytes())),
        PixelSource::File { path, size, modified } => Some(key_of_file(face, &root.join(path), *size, *modified)),
        PixelSource::Part(part) => Some(key_of_part(face, root, part, part.modified)),
    }
}

/// The place of a picture within a file takes that of a path.
fn key_of_part(face: &Face, root: &Path, part: &Part, modified: i64) -> PictureKey {
    key_of_file(face, &root.join(format!("{}#{}", part.path, part.offset)), part.size, modified)
}

fn key_of_file(face: &Face, path: &Path, size: u64, modified: i64) -> PictureKey {
    let path = path.as_os_str().as_encoded_bytes();
    PictureKey::of_part(face, &[path, &size.to_le_bytes(), &modified.to_le_bytes()].concat())
}
