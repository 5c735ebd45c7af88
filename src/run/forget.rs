//! Removes faces from a run: from its manifest, its lists of pairs and its chunks, of which everything else is made again.
//!
//! A hidden file of the run, the journal, says which manifest rows go, and none of their names. As long as it is there, every
//! other command refuses the run, and forgetting can be taken up again:
//!
//! 1. Pages and caches that name the faces are cleared, and what is made from manifest and chunks is removed.
//! 2. What is kept of manifest, lists and chunks is written into a folder of its own; the journal says when it is complete.
//! 3. Its files replace those of the run.
//! 4. The removal is recorded, exports and results are made again, the run is sealed, and the journal is removed.
//!
//! Of a run in an object store, the journal is there as well, from before step 1 until the run has been sent after step 4. The
//! machine that has begun with step 2 is the only one that can end it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::seal::{self, Depth};
use super::{
    Evaluated, RunContext, RunDirectory, RunError, mend, not_embedded, partial, quoted, refuse_not_embedded, traces,
};
use crate::dataset::Manifest;
use crate::dataset::forget::{self, Traces};
use crate::digest::Digest;
use crate::embed::{self, CHUNKS, ChunkStore, RunLock};
use crate::evaluate::EvaluateError;
use crate::files::{self, FileError};
use crate::mirror;
use crate::provenance::{self, Provenance, Removal};
use crate::spelling;
use crate::text::counted;

/// The journal.
const JOURNAL: &str = mirror::FORGETTING;

/// The folder of what is kept, until it replaces what was; then it is empty.
const KEPT: &str = mirror::KEPT;

/// The files of a run that are rewritten without the faces, or do not name any.
const SOURCES: [&str; 10] = [
    RunDirectory::CONFIG,
    RunDirectory::PLAN,
    RunDirectory::PROVENANCE,
    RunDirectory::MANIFEST,
    RunDirectory::PAIR_LISTS,
    RunDirectory::TEMPLATES,
    RunDirectory::TEMPLATE_PAIRS,
    RunDirectory::ROLES,
    RunDirectory::CALIBRATION,
    RunDirectory::AGREEMENT,
];

/// The files of a run that stay as they are.
pub(super) const UNCHANGED: [&str; 4] =
    [RunDirectory::CONFIG, RunDirectory::PLAN, RunDirectory::CALIBRATION, RunDirectory::AGREEMENT];

/// The faces to forget.
#[derive(Debug, Default)]
pub(crate) struct Named<'a> {
    pub face_ids: &'a [String],
    pub identities: &'a [String],
}

impl Named<'_> {
    /// Whether no face is named.
    pub fn is_empty(&self) -> bool {
        self.face_ids.is_empty() && self.identities.is_empty()
    }

    /// Those that the journal's rows are not known to have: of a manifest that has the rows still, faces and identities with
    /// another row; of one that has lost them, all.
    fn beyond(&self, manifest: &Manifest, journal: &Journal) -> (Vec<String>, Vec<String>) {
        let [faces, identities] = self.rows_of(manifest);
        let beyond = |rows: &HashMap<&str, Vec<usize>>, id: &str| {
            let covered = |rows: &Vec<usize>| rows.iter().all(|row| journal.rows.contains(row));
            manifest.len() != journal.of || !rows.get(id).is_some_and(covered)
        };
        (
            self.face_ids.iter().filter(|id| beyond(&faces, id)).cloned().collect(),
            self.identities.iter().filter(|id| beyond(&identities, id)).cloned().collect(),
        )
    }

    /// The manifest rows of each named face, and of each named identity, where there are any.
    fn rows_of<'m>(&self, manifest: &'m Manifest) -> [HashMap<&'m str, Vec<usize>>; 2] {
        let [face_ids, identities] =
            [self.face_ids, self.identities].map(|named| named.iter().map(String::as_str).collect::<HashSet<_>>());
        let mut found = [HashMap::new(), HashMap::new()];
        for (row, face) in manifest.faces.iter().enumerate() {
            let ids = [Some(face.face_id.as_str()), face.identity_id.as_deref()];
            for ((found, named), id) in found.iter_mut().zip([&face_ids, &identities]).zip(ids) {
                if let Some(id) = id.filter(|id| named.contains(id)) {
                    found.entry(id).or_insert_with(Vec::new).push(row);
                }
            }
        }
        found
    }
}

/// What forgetting did, or would do.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the fields of the JSON")]
pub(crate) struct Forgotten {
    /// The run's name.
    pub run: String,
    /// Whether nothing was changed, only listed.
    pub dry_run: bool,
    /// Whether a removal that had been interrupted was finished first.
    pub resumed: bool,
    /// Faces that were removed, with an embedding or without.
    pub faces: usize,
    /// Faces that are left.
    pub left: usize,
    /// Files of the run that were removed or made again, from its directory.
    pub files: Vec<String>,
    /// Pages that were removed because they name the run or one of the faces; not the run's own that is made again.
    pub pages: Vec<PathBuf>,
    /// Whether the run was evaluated and the folder of reports had no page of it.
    pub no_page: bool,
    /// Cached files and folders that were removed or rewritten.
    pub cached: Vec<PathBuf>,
    /// Other runs in the folder that have one of the faces, or that cannot be read. They are left alone.
    pub other_runs: Vec<PathBuf>,
    /// Files of the run, and its page, that still name one of the faces: in a description in the config, or in columns of
    /// other faces. Names of fewer than five characters are not looked for.
    pub still_named_in: Vec<String>,
    /// Why the run could not be evaluated again, if it was evaluated before.
    pub not_evaluated: Option<String>,
    /// The run's page, made again; null without metrics or if there was none.
    pub report: Option<PathBuf>,
    /// Whether that page has to be made yet.
    #[serde(skip)]
    pub page_due: bool,
    /// What failed once an interrupted removal was finished.
    #[serde(skip)]
    pub then: Option<RunError>,
    /// What that page is not to name; unknown if the interrupted call had begun to rewrite the run.
    #[serde(skip)]
    traces: Traces,
}

impl Forgotten {
    /// Adds the page that was made again, and whether it names one of the faces.
    pub fn made_again(&mut self, page: PathBuf) -> Result<(), RunError> {
        if traces::names_one(&page, &self.traces)? {
            self.still_named_in.push(page.display().to_string());
        }
        self.pages.retain(|removed| *removed != page);
        self.report = Some(page);
        Ok(())
    }
}

/// What is to be done, and how far it is. It names nobody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Journal {
    /// Manifest rows to remove.
    rows: BTreeSet<usize>,
    /// Rows of the manifest before.
    of: usize,
    /// When it began, seconds since the epoch.
    at: u64,
    /// Whether the run was sealed, and so is to be evaluated again.
    evaluate: bool,
    /// Whether the run had a page.
    page: bool,
    /// Other runs that have one of the faces.
    other_runs: Vec<PathBuf>,
    /// What the folder of kept files holds, once it is complete.
    kept: Option<Kept>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    chunks: usize,
    lists: bool,
    #[serde(default)]
    roles: bool,
    manifest: Digest,
}

/// Refuses a run in which forgetting was interrupted.
pub(super) fn refuse_unfinished(run: &RunDirectory) -> Result<(), RunError> {
    files::refuse_link("work on", &run.file(JOURNAL))?;
    if run.is_being_cleared() { Err(unfinished(run)) } else { Ok(()) }
}

fn unfinished(run: &RunDirectory) -> RunError {
    RunError::Forgetting { run: run.name(), command: run.to_write().command("forget") }
}

/// The removals from a run, first to last; none if its provenance cannot be read.
pub(super) fn removals(run: &RunDirectory) -> Vec<Removal> {
    run.json::<Provenance>(RunDirectory::PROVENANCE).map(|provenance| provenance.removals).unwrap_or_default()
}

/// Refuses to embed a run from which faces were removed: its config's dataset may still have them.
pub(super) fn refuse_embedding(run: &RunDirectory) -> Result<(), RunError> {
    refuse_unfinished(run)?;
    let removals = removals(run);
    // Damage to the provenance must not bring anybody back: the manifest tells as well.
    let is_planned = || {
        let plan = run.plan().ok()?;
        let path = run.file(RunDirectory::MANIFEST);
        let mut manifest = Manifest::read_parquet(&path, PathBuf::new()).ok()?;
        manifest.read_lists(run.path()).ok()?;
        Some(manifest.digest() == plan.manifest_digest())
    };
    if removals.is_empty() && (run.json::<Provenance>(RunDirectory::PROVENANCE).is_ok() || is_planned() != Some(false))
    {
        return Ok(());
    }
    let faces: u64 = removals.iter().map(|removal| removal.faces).sum();
    let faces = if faces == 1 { "a face was".into() } else { format!("{faces} faces were") };
    Err(RunError::Forgotten { run: run.name(), command: run.to_write().command("evaluate"), faces })
}

impl RunDirectory {
    /// Whether forgetting was interrupted.
    pub fn is_being_cleared(&self) -> bool {
        // What cannot be told is refused like what is unfinished.
        files::is_file(&self.file(JOURNAL)).unwrap_or(true)
    }
}

impl RunContext<'_> {
    /// Removes faces from a run, and takes up a removal that was interrupted. With `dry_run`, changes nothing. Fails with
    /// [`RunError::NoSuchFace`] and [`RunError::NoSuchIdentity`], [`RunError::NothingLeft`], [`RunError::Damaged`], and
    /// [`RunError::NotYet`] for a run that is not embedded; what fails or is interrupted later is finished by the next call.
    pub fn forget(
        &self,
        run: &RunDirectory,
        named: &Named<'_>,
        reports: &Path,
        dry_run: bool,
    ) -> Result<Forgotten, RunError> {
        if dry_run {
            refuse_unfinished(run)?;
            return self.list_forgotten(run, named, reports);
        }
        let lock = self.lock(run)?;
        if run.is_being_cleared() {
            let journal: Journal = run.json(JOURNAL)?;
            let rest = named.beyond(&manifest(run)?, &journal);
            let done = Forgotten { resumed: true, ..self.finish(run, &lock, &journal, reports)? };
            let rest = Named { face_ids: &rest.0, identities: &rest.1 };
            if rest.is_empty() {
                return Ok(done);
            }
            // Unlike the others, these have no row that was to go: who asks for them is not to think that they are gone.
            let known = manifest(run).and_then(|manifest| rows(run, &manifest, &rest)).map_err(|error| match error {
                RunError::NoSuchFace { run, face_id, .. } => RunError::NotAfterAll { run, what: "face", name: face_id },
                RunError::NoSuchIdentity { run, identity, .. } => {
                    RunError::NotAfterAll { run, what: "identity", name: identity }
                }
                other => other,
            });
            let next = match known.and_then(|_| self.forget_now(run, &lock, &rest, reports)) {
                Ok(next) => next,
                Err(error) => return Ok(Forgotten { then: Some(error), ..done }),
            };
            return Ok(Forgotten {
                faces: done.faces + next.faces,
                resumed: true,
                pages: [done.pages, next.pages].concat(),
                cached: [done.cached, next.cached].concat(),
                no_page: next.no_page && !done.page_due,
                page_due: next.page_due || done.page_due && next.not_evaluated.is_none(),
                ..next
            });
        }
        self.forget_now(run, &lock, named, reports)
    }

    /// Clears the caches once more: reading a dataset puts into them again what it still has of faces that are forgotten.
    pub(super) fn clear_what_came_back(&self, run: &RunDirectory, dataset: &Manifest) -> Result<(), RunError> {
        // A manifest that cannot be read tells of nobody.
        let path = run.file(RunDirectory::MANIFEST);
        let Ok(kept) = Manifest::read_parquet(&path, PathBuf::new()) else { return Ok(()) };
        let kept: HashSet<&str> = kept.faces.iter().map(|face| face.face_id.as_str()).collect();
        let gone: Vec<_> = dataset.faces.iter().map(|face| !kept.contains(face.face_id.as_str())).collect();
        self.clear_caches(run, &Traces::of(dataset, &gone), true).map(drop)
    }

    /// What [`Self::forget`] would change.
    fn list_forgotten(&self, run: &RunDirectory, named: &Named<'_>, reports: &Path) -> Result<Forgotten, RunError> {
        refuse_not_embedded(run)?;
        let manifest = manifest(run)?;
        let rows = rows(run, &manifest, named)?;
        let traces = Traces::of(&manifest, &gone(&rows, manifest.len()));
        let evaluated = files::is_file(&run.file(RunDirectory::SEALED))?;
        Ok(Forgotten {
            run: run.name(),
            dry_run: true,
            faces: rows.len(),
            left: manifest.len() - rows.len(),
            files: changed(run)?,
            pages: traces::clear_pages(run, &traces, reports, false)?,
            no_page: evaluated && traces::own_page(run, reports)?.is_none(),
            cached: self.clear_caches(run, &traces, false)?,
            other_runs: self.others(run, &traces)?,
            still_named_in: traces::naming_after(
                run,
                &traces,
                &manifest.without(&gone(&rows, manifest.len()), &traces),
                traces::own_page(run, reports)?,
            )?,
            ..Forgotten::default()
        })
    }

    fn forget_now(
        &self,
        run: &RunDirectory,
        lock: &RunLock,
        named: &Named<'_>,
        reports: &Path,
    ) -> Result<Forgotten, RunError> {
        refuse_not_embedded(run)?;
        let manifest = manifest(run)?;
        let rows = rows(run, &manifest, named)?;
        // Nothing is made again from files that were not checked.
        let differences = seal::check(run, Depth::Every, self.watch())?.unwrap_or_default();
        if !differences.is_empty() {
            return Err(mend::damaged(run, &differences));
        }
        let traces = Traces::of(&manifest, &gone(&rows, manifest.len()));
        let journal = Journal {
            rows,
            of: manifest.len(),
            at: provenance::now(),
            evaluate: files::is_file(&run.file(RunDirectory::SEALED))?,
            page: traces::own_page(run, reports)?.is_some(),
            other_runs: self.others(run, &traces)?,
            kept: None,
        };
        if !mirror::announce(&run.file(JOURNAL), &run.json_of(JOURNAL, &journal)?)? {
            return Err(unfinished(run));
        }
        self.finish(run, lock, &journal, reports)
    }

    /// Does what the journal says.
    fn finish(
        &self,
        run: &RunDirectory,
        lock: &RunLock,
        journal: &Journal,
        reports: &Path,
    ) -> Result<Forgotten, RunError> {
        if journal.rows.len() >= journal.of || journal.rows.last().is_some_and(|last| *last >= journal.of) {
            let rule = format!("it names rows that a manifest of {} has not", journal.of);
            return Err(RunError::Inconsistent { path: run.file(JOURNAL), rule });
        }
        let mut done = Forgotten {
            run: run.name(),
            faces: journal.rows.len(),
            left: journal.of - journal.rows.len(),
            no_page: journal.evaluate && !journal.page,
            other_runs: journal.other_runs.clone(),
            ..Forgotten::default()
        };
        let kept = if let Some(kept) = &journal.kept {
            if mirror::is_copy(run.path()) && !run.file(KEPT).is_dir() {
                return Err(RunError::ForgettingElsewhere { run: run.shown(), argument: run.argument() });
            }
            kept.clone()
        } else {
            let manifest = manifest(run)?;
            if manifest.len() != journal.of {
                let rule = format!("it is about {}, the manifest has {}", counted(journal.of, "face"), manifest.len());
                return Err(RunError::Inconsistent { path: run.file(JOURNAL), rule });
            }
            let gone = gone(&journal.rows, journal.of);
            let traces = Traces::of(&manifest, &gone);
            // Before the run forgets whom it has to look for.
            done.pages = traces::clear_pages(run, &traces, reports, true)?;
            done.cached = self.clear_caches(run, &traces, true)?;
            done.files = changed(run)?;
            seal::discard(run)?;
            clear(run)?;
            let kept = keep(run, &manifest.without(&gone, &traces), &gone)?;
            run.write_json(JOURNAL, &Journal { kept: Some(kept.clone()), ..journal.clone() })?;
            done.traces = traces;
            kept
        };
        replace(run, &kept)?;
        let manifest = manifest(run)?;
        if manifest.digest() != kept.manifest {
            let rule = "it is not the one that an interrupted `forget` was to leave".into();
            return Err(RunError::Inconsistent { path: run.file(RunDirectory::MANIFEST), rule });
        }
        record(run, journal, &kept)?;
        let first = embed::read_records(run.path())?;
        let Some(first) = first.first() else { return Err(not_embedded(run)) };
        let store =
            ChunkStore::open(lock, manifest.len(), first.dimension, first.chunk_size, first.arithmetic, self.progress)?;
        self.export_files(run, &super::stored_config(run)?.embed, &store, &manifest)?;
        if journal.evaluate {
            // The faces are gone. What fails now is done by the next call.
            done.not_evaluated = match self.evaluate_locked(run, true) {
                Ok(Evaluated::Metrics(_)) => None,
                Ok(Evaluated::NotEvaluable { reason, .. }) => Some(reason),
                // What is left does not suit a protocol any more, and the next call would not change that.
                Err(
                    error @ (RunError::Roles { .. }
                    | RunError::Evaluate(
                        EvaluateError::SearchesLeftOut { .. } | EvaluateError::NobodyEnrolled { .. },
                    )),
                ) => Some(error.to_string()),
                Err(error) => return Err(error),
            };
        }
        if done.files.is_empty() {
            done.files = changed(run)?;
        }
        // The columns of other faces may speak of them.
        done.still_named_in = traces::naming(run, &done.traces)?;
        mirror::push_forgotten(run.path())?;
        seal::remove(run, JOURNAL)?;
        files::remove_all(&run.file(KEPT))?;
        if journal.page && done.not_evaluated.is_none() && files::is_file(&run.file(RunDirectory::METRICS))? {
            done.page_due = true;
        }
        Ok(done)
    }
}

/// The manifest with its lists.
fn manifest(run: &RunDirectory) -> Result<Manifest, RunError> {
    let mut manifest = Manifest::read_parquet(&run.file(RunDirectory::MANIFEST), super::inspect::dataset_root(run)?)?;
    manifest.read_lists(run.path())?;
    Ok(manifest)
}

/// The manifest rows of the named faces. Fails with [`RunError::NoSuchFace`] and [`RunError::NoSuchIdentity`] with the nearest
/// name, and with [`RunError::NothingLeft`].
fn rows(run: &RunDirectory, manifest: &Manifest, named: &Named<'_>) -> Result<BTreeSet<usize>, RunError> {
    let [faces, identities] = named.rows_of(manifest);
    let mut rows = BTreeSet::new();
    for face_id in named.face_ids {
        let Some(theirs) = faces.get(face_id.as_str()) else {
            if manifest.identities().contains(&face_id.as_str()) {
                let remedy = format!("it is an identity: `--identity {}`", quoted(face_id));
                return Err(RunError::OfAnotherKind { run: run.name(), what: "face", name: face_id.clone(), remedy });
            }
            let near = spelling::nearest(face_id, manifest.faces.iter().map(|face| face.face_id.as_str()));
            let near = near.map(str::to_owned);
            return Err(RunError::NoSuchFace { run: run.name(), face_id: face_id.clone(), near });
        };
        rows.extend(theirs);
    }
    for identity in named.identities {
        let Some(theirs) = identities.get(identity.as_str()) else {
            if manifest.faces.iter().any(|face| face.face_id == *identity) {
                let (what, remedy) = ("identity", "it is a face: name it without `--identity`".into());
                return Err(RunError::OfAnotherKind { run: run.name(), what, name: identity.clone(), remedy });
            }
            let near = spelling::nearest(identity, manifest.identities()).map(str::to_owned);
            return Err(RunError::NoSuchIdentity { run: run.name(), identity: identity.clone(), near });
        };
        rows.extend(theirs);
    }
    if rows.len() == manifest.len() {
        return Err(RunError::NothingLeft { run: run.name(), path: run.path().to_owned() });
    }
    Ok(rows)
}

fn gone(rows: &BTreeSet<usize>, of: usize) -> Vec<bool> {
    (0..of).map(|row| rows.contains(&row)).collect()
}

/// The files that forgetting changes.
fn changed(run: &RunDirectory) -> Result<Vec<String>, RunError> {
    let mut names = seal::names(run.path())?;
    names.retain(|name| !UNCHANGED.contains(&name.as_str()));
    if files::is_file(&run.file(RunDirectory::SEALED))? {
        names.push(RunDirectory::SEALED.into());
    }
    Ok(names)
}

/// Removes everything that is made from manifest and chunks.
fn clear(run: &RunDirectory) -> Result<(), RunError> {
    let chunk = |name: &str| name.starts_with(CHUNKS);
    let made = seal::names(run.path())?.into_iter().filter(|name| !SOURCES.contains(&name.as_str()) && !chunk(name));
    for name in made.chain(partial::names(run.path())?).chain([seal::CHECKED.into()]) {
        files::remove_all(&run.file(&name))?;
    }
    Ok(files::sync_dir(run.path())?)
}

/// Writes what is kept into a folder of its own.
fn keep(run: &RunDirectory, manifest: &Manifest, gone: &[bool]) -> Result<Kept, RunError> {
    let folder = run.file(KEPT);
    files::remove_all(&folder)?;
    files::create_dir(&folder)?;
    manifest.write_parquet(&folder.join(RunDirectory::MANIFEST))?;
    manifest.write_lists(&folder)?;
    let chunks = embed::copy_without(run.path(), gone, &folder)?;
    files::sync_dir(run.path())?;
    let there = |name: &str| files::is_file(&folder.join(name));
    let (lists, roles) = (there(RunDirectory::PAIR_LISTS)?, there(RunDirectory::ROLES)?);
    Ok(Kept { chunks, lists, roles, manifest: manifest.digest() })
}

/// Puts what is kept in the place of what was; does what is left of that.
fn replace(run: &RunDirectory, kept: &Kept) -> Result<(), RunError> {
    let folder = run.file(KEPT);
    let rename = |from: PathBuf, to: PathBuf| fs::rename(from, &to).map_err(FileError::new("rename into place", to));
    for path in forget::entries_inside(&folder.join(CHUNKS))? {
        let name = path.file_name().unwrap_or_default().to_owned();
        rename(path, run.file(CHUNKS).join(name))?;
    }
    for path in forget::entries_inside(&run.file(CHUNKS))? {
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<usize>().ok());
        if number.is_none_or(|number| number >= kept.chunks) {
            files::remove_all(&path)?;
        }
    }
    files::sync_dir(&run.file(CHUNKS))?;
    for name in [
        RunDirectory::PAIR_LISTS,
        RunDirectory::ROLES,
        RunDirectory::TEMPLATES,
        RunDirectory::TEMPLATE_PAIRS,
        RunDirectory::MANIFEST,
    ] {
        if files::is_file(&folder.join(name))? {
            rename(folder.join(name), run.file(name))?;
        }
    }
    for (kept, name) in [(kept.lists, RunDirectory::PAIR_LISTS), (kept.roles, RunDirectory::ROLES)] {
        if !kept {
            files::remove_all(&run.file(name))?;
        }
    }
    Ok(files::sync_dir(run.path())?)
}

/// Records that a removal happened, once.
fn record(run: &RunDirectory, journal: &Journal, kept: &Kept) -> Result<(), RunError> {
    let mut provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
    let removal = Removal { at: journal.at, faces: journal.rows.len() as u64, manifest: kept.manifest };
    if provenance.removals.last() == Some(&removal) {
        return Ok(());
    }
    provenance.dataset.manifest = kept.manifest;
    provenance.dataset.faces = (journal.of - journal.rows.len()) as u64;
    provenance.removals.push(removal);
    run.write_json(RunDirectory::PROVENANCE, &provenance)
}
