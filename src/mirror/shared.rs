//! What workers of a prepared run do one file at a time, in the store if the run is in one.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::holding;
use crate::files::{self, FileError};
use crate::objects::Condition;

/// [`files::commit_new`], in the store if the run is in one: then the file here is what is there, whoever wrote it.
pub(crate) fn commit_new(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    let Some((mirror, run, name)) = holding(path) else { return files::commit_new(path, bytes) };
    let folder = mirror.run(&run)?;
    if let Some(tag) = folder.put(&name, bytes, Condition::Absent)? {
        files::commit_bytes(path, bytes)?;
        mirror.with_ledger(&run, |ledger| ledger.insert(&name, Some(tag)));
        return Ok(true);
    }
    let found = folder.fetch(&name, path)?;
    mirror.with_ledger(&run, |ledger| ledger.insert(&name, found.tag));
    Ok(false)
}

/// [`commit_new`] of what another process may go on with: it finds the object to be this machine's.
pub(crate) fn announce(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    let new = commit_new(path, bytes)?;
    match holding(path) {
        Some((mirror, run, _)) => mirror.keep_ledger(&run).map(|()| new),
        None => Ok(new),
    }
}

/// Refuses a store that has replaced this file although it was to put it only if absent, as some servers do: two workers would
/// commit one chunk. The file is lost then.
pub(crate) fn refuse_unconditional(path: &Path) -> Result<(), FileError> {
    let Some((mirror, run, name)) = holding(path) else { return Ok(()) };
    let folder = mirror.run(&run)?;
    if folder.put(&name, b"", Condition::Absent)?.is_none() {
        return Ok(());
    }
    folder.remove(&name)?;
    let rule = "the store replaces objects although it is asked not to (`If-None-Match: *`), so that two workers could commit one \
                chunk; use one that does not, or a shared folder";
    Err(FileError::new("share", folder.address().to_string())(std::io::Error::other(rule)))
}

/// [`files::commit_bytes`], in the store, too.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    files::commit_bytes(path, bytes)?;
    let Some((mirror, run, name)) = holding(path) else { return Ok(()) };
    let tag = mirror.run(&run)?.put(&name, bytes, Condition::Always)?;
    mirror.with_ledger(&run, |ledger| ledger.insert(&name, tag));
    Ok(())
}

/// [`files::remove_all`] of a file, in the store, too.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    if let Some((mirror, run, name)) = holding(path) {
        mirror.run(&run)?.remove(&name)?;
        mirror.with_ledger(&run, |ledger| ledger.remove(&name));
    }
    files::remove_all(path)
}

/// The names of the files of a folder of a run, in the store if the run is in one.
pub(crate) fn names(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let Some((mirror, run, name)) = holding(folder) else { return files::names(folder) };
    let objects = mirror.run(&run)?.join(&name)?.entries()?.0;
    Ok(objects.into_iter().map(|object| folder.join(object.name)).collect())
}

/// Copies what a folder of a run in a store has.
pub(crate) fn refresh(folder: &Path) -> Result<(), FileError> {
    let Some((mirror, run, of)) = holding(folder) else { return Ok(()) };
    let found = mirror.run(&run)?.join(&of)?.entries()?.0;
    mirror.fetch_new(&run, &of, found)
}

/// Copies what is committed of these chunks of a run in a store: their files are those of `name`, for a number and an ending.
pub(crate) fn pull_chunks(
    chunks: &Path,
    wanted: Range<usize>,
    name: impl Fn(usize, &str) -> String,
) -> Result<(), FileError> {
    let Some((mirror, run, of)) = holding(chunks) else { return Ok(()) };
    let mut names: Vec<String> = wanted.flat_map(|chunk| ["json", "npy"].map(|ending| name(chunk, ending))).collect();
    names.sort();
    let [Some(first), Some(last)] = [names.first(), names.last()] else { return Ok(()) };
    let found = mirror.run(&run)?.join(&of)?.list_between(first, last)?;
    let wanted = found.into_iter().filter(|object| names.binary_search(&object.name).is_ok());
    mirror.fetch_new(&run, &of, wanted.collect())
}
