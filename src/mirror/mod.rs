//! Folders of runs in object stores, and the copies of them here, on which commands work as on any folder.
//!
//! The store is the truth. Before a command works on a run, what it needs is copied from the store; when it has ended, what it
//! has changed is copied back, and the seal last. Nothing is replaced there that somebody else has written meanwhile. Workers
//! of a prepared run put what they commit into the store at once, where it is absent.
//!
//! While a process changes a copy, that copy is ahead of the store: until the process ends, nobody on this machine copies
//! anything over it. A run that is losing faces is ahead until all of it has been sent.
//!
//! ```text
//! <cache>/facevault/objects/s3/<bucket>/<prefix>/<run>/          the copy of a run
//! <cache>/facevault/objects/s3/<bucket>/<prefix>/.copied/<run>   what of it is as in the store
//! ```

mod claim;
mod ledger;
mod parallel;
mod pull;
mod push;
mod rows;
mod shared;

use std::collections::BTreeMap;
use std::env;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use claim::Claim;
use ledger::Ledger;
pub(crate) use pull::{FORGETTING, KEPT, Needed};
pub(crate) use rows::with_rows;
pub(crate) use shared::{announce, commit_new, names, pull_chunks, refresh, refuse_unconditional, remove, replace};

use crate::file_lock::Busy;
use crate::files::{self, FileError};
use crate::objects::{Address, Folder, is_address};
use crate::progress::{Progress, Silent};

/// Sets the folder of all copies.
pub(crate) const CACHE: &str = "FACEVAULT_CACHE";

/// A folder of runs in an object store, and its copy here.
#[derive(Debug)]
pub(crate) struct Mirror {
    folder: Folder,
    local: PathBuf,
    /// The runs that this process copies back at its end, and may change until then.
    ours: Mutex<BTreeMap<String, Claim>>,
    ledgers: Mutex<BTreeMap<String, Ledger>>,
}

/// The folders that this process works on.
static OPENED: Mutex<Vec<Arc<Mirror>>> = Mutex::new(Vec::new());

fn opened() -> MutexGuard<'static, Vec<Arc<Mirror>>> {
    OPENED.lock().unwrap_or_else(PoisonError::into_inner)
}

static PROGRESS: OnceLock<Box<dyn Progress>> = OnceLock::new();

/// Shows on this what is copied from now on.
pub(crate) fn report_to(progress: Box<dyn Progress>) {
    // The first is the process's own.
    let _ = PROGRESS.set(progress);
}

fn progress() -> &'static dyn Progress {
    PROGRESS.get().map_or(&Silent as &dyn Progress, |progress| &**progress)
}

/// The copy of a folder of runs that is given by its address, or by the path of its copy. `None` for any other path.
pub(crate) fn of(folder: &Path) -> Result<Option<Arc<Mirror>>, FileError> {
    let mut opened = opened();
    if let Some(known) = opened.iter().find(|mirror| mirror.local == folder) {
        return Ok(Some(Arc::clone(known)));
    }
    let Some(text) = folder.to_str().filter(|text| is_address(text)) else { return Ok(None) };
    let folder = Folder::open(text)?;
    if let Some(known) = opened.iter().find(|mirror| mirror.folder.address() == folder.address()) {
        return Ok(Some(Arc::clone(known)));
    }
    let local = copy_of(folder.address())?;
    files::create_dir(&local)?;
    let mirror = Arc::new(Mirror { folder, local, ours: Mutex::default(), ledgers: Mutex::default() });
    opened.push(Arc::clone(&mirror));
    Ok(Some(mirror))
}

/// The folder of runs that a run is in, and its name there, if it is given by its address.
pub(crate) fn split(run: &str) -> Result<Option<(PathBuf, String)>, FileError> {
    if !is_address(run) {
        return Ok(None);
    }
    Ok(Address::parse(run)?.split().map(|(folder, name)| (PathBuf::from(folder.to_string()), name)))
}

/// The path here of a folder of runs: that of its copy, or its own.
pub(crate) fn local(folder: &Path) -> Result<PathBuf, FileError> {
    Ok(of(folder)?.map_or_else(|| folder.to_owned(), |mirror| mirror.local.clone()))
}

/// The copy that holds a path, the run, and the name of the path in it.
fn holding(path: &Path) -> Option<(Arc<Mirror>, String, String)> {
    let opened = opened();
    let (mirror, below) = opened.iter().find_map(|mirror| Some((mirror, path.strip_prefix(&mirror.local).ok()?)))?;
    let mut parts = below.components().map(|part| part.as_os_str().to_str());
    let run = parts.next().flatten()?.to_owned();
    let name: Option<Vec<&str>> = parts.collect();
    Some((Arc::clone(mirror), run, name?.join("/")))
}

/// What a path is called: its address in the store, or itself.
pub(crate) fn shown(path: &Path) -> String {
    let opened = opened();
    let known = opened.iter().find_map(|mirror| Some((mirror, path.strip_prefix(&mirror.local).ok()?)));
    match known {
        Some((mirror, below)) if below.as_os_str().is_empty() => mirror.folder.address().to_string(),
        Some((mirror, below)) => format!("{}/{}", mirror.folder.address(), below.display()),
        None => path.display().to_string(),
    }
}

/// A run that this process may change from now on, and copies back at its end: until then, its copy is not touched by others.
/// `shared`: together with others who own it so.
pub(crate) fn own(run: &Path, shared: bool) -> Result<Result<(), Busy>, FileError> {
    let Some((mirror, run, _)) = holding(run) else { return Ok(Ok(())) };
    let mut ours = mirror.ours();
    if ours.contains_key(&run) {
        return Ok(Ok(()));
    }
    let claim = Claim::stake(&mirror.local, &run, shared)?;
    mirror.reopen_ledger(&run);
    Ok(claim.map(|claim| drop(ours.insert(run, claim))))
}

/// Whether a run is the copy of one in a store.
pub(crate) fn is_copy(run: &Path) -> bool {
    holding(run).is_some()
}

/// Copies again what is needed of a run from the store, if it is in one.
pub(crate) fn update(run: &Path, needed: Needed) -> Result<(), FileError> {
    match holding(run) {
        Some((mirror, run, _)) => mirror.pull(&run, needed).map(drop),
        None => Ok(()),
    }
}

/// Copies what a run has so far to the store, if it is in one: another machine can go on with it.
pub(crate) fn push(run: &Path) -> Result<(), FileError> {
    match holding(run) {
        Some((mirror, run, _)) => mirror.push(&run),
        None => Ok(()),
    }
}

/// Copies a run that has lost faces to the store, if it is in one, and ends there what [`FORGETTING`] says.
pub(crate) fn push_forgotten(run: &Path) -> Result<(), FileError> {
    match holding(run) {
        Some((mirror, run, _)) => mirror.push_forgotten(&run),
        None => Ok(()),
    }
}

/// Copies what this process has changed back to the stores. All runs are tried; the first error is the one that is told.
pub(crate) fn push_all() -> Result<(), FileError> {
    let mirrors = opened().clone();
    let mut result = Ok(());
    for mirror in mirrors {
        // The claims end when all is sent.
        let ours = std::mem::take(&mut *mirror.ours());
        for (run, claim) in &ours {
            let pushed = if claim.is_shared() { mirror.push_together(run) } else { mirror.push(run) };
            if result.is_ok() {
                result = pushed;
            }
        }
    }
    result
}

impl Mirror {
    /// Where it is here.
    pub fn local(&self) -> &Path {
        &self.local
    }

    /// The names of the folders in it, which may be runs.
    pub fn folders(&self) -> Result<Vec<String>, FileError> {
        Ok(self.folder.entries()?.1)
    }

    fn ours(&self) -> MutexGuard<'_, BTreeMap<String, Claim>> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, run: &str) -> Result<Folder, FileError> {
        Ok(self.folder.join(run)?)
    }

    /// Reads or changes the ledger of a run, which [`Self::keep_ledger`] keeps.
    fn with_ledger<T>(&self, run: &str, act: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        act(ledgers.entry(run.to_owned()).or_insert_with(|| Ledger::open(&self.local, run)))
    }

    /// Others may have copied meanwhile.
    fn reopen_ledger(&self, run: &str) {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
    }

    fn keep_ledger(&self, run: &str) -> Result<(), FileError> {
        self.with_ledger(run, |ledger| ledger.save())
    }
}

/// Where the copy of a folder is.
fn copy_of(address: &Address) -> Result<PathBuf, FileError> {
    let text = address.to_string();
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    let cache = folder_of_copies(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from));
    let Some(cache) = cache else {
        let rule = format!("there is no home folder for its copy: set {CACHE} to a folder that is writable");
        return Err(FileError::new("open", text)(std::io::Error::other(rule)));
    };
    let mut path = std::path::absolute(&cache).unwrap_or(cache).join(scheme).join(address.bucket());
    // Of a key, only what is the name of a folder here as well.
    path.extend(Path::new(address.path()).components().filter(|part| matches!(part, Component::Normal(_))));
    Ok(path)
}

/// `$FACEVAULT_CACHE`, or `facevault/objects` in the folder of the user's caches.
fn folder_of_copies(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if let Some(folder) = variable(CACHE) {
        return Some(folder);
    }
    let caches = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("facevault").join("objects"))
}

#[cfg(test)]
mod with_store;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_where_the_variables_say() {
        let of = |known: &[(&str, &str)]| {
            let found = folder_of_copies(|name| {
                known.iter().find(|(of, _)| *of == name).map(|(_, value)| PathBuf::from(value))
            });
            found.map(|path| path.display().to_string())
        };
        assert_eq!(of(&[("HOME", "/h")]).unwrap(), "/h/.cache/facevault/objects");
        assert_eq!(of(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).unwrap(), "/x/facevault/objects");
        assert_eq!(of(&[("HOME", "/h"), ("FACEVAULT_CACHE", "/c")]).unwrap(), "/c");
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn paths_outside_all_copies_are_themselves() {
        assert_eq!(shown(Path::new("experiments/demo")), "experiments/demo");
        assert!(holding(Path::new("experiments/demo/plan.json")).is_none());
        assert!(of(Path::new("experiments")).unwrap().is_none());
        assert_eq!(local(Path::new("experiments")).unwrap(), Path::new("experiments"));
        let (folder, name) = split("s3://faces/runs/demo").unwrap().unwrap();
        assert_eq!((folder.display().to_string(), name), ("s3://faces/runs".into(), "demo".into()));
    }
}
