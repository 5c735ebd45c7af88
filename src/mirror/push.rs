//! From the copy here to the store.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::claim::Transfer;
use super::pull::{FORGETTING, KEPT, is_copied};
use super::{Mirror, parallel};
use crate::files::{self, FileError};
use crate::objects::{Condition, Folder, Object, ObjectError};

/// A larger file is written in parts, which no store does on a condition.
const LARGE: u64 = 32 << 20;

/// Each says that what comes before it is whole: gone before anything else changes, and written last, in this order.
const LAST: [&str; 3] = ["face_metadata.csv", "metrics.json", SEAL];

/// Says that a run is whole. It goes with every change.
const SEAL: &str = "SEALED";

/// The kind of the error where another process has written an object.
const CONFLICT: io::ErrorKind = io::ErrorKind::AlreadyExists;

impl Mirror {
    /// Copies what was changed here of a run to the store. If something of it was written there meanwhile, nothing is replaced, and
    /// that is an error. A run that is losing faces is sent when all of them are gone, by [`Self::push_forgotten`].
    pub fn push(&self, run: &str) -> Result<(), FileError> {
        if files::is_file(&self.local.join(run).join(FORGETTING))? { Ok(()) } else { self.push_now(run, false) }
    }

    /// [`Self::push`] of a run that other processes here change, too: what one of them has sent is not sent again.
    pub fn push_together(&self, run: &str) -> Result<(), FileError> {
        let _transfer = Transfer::begin(&self.local, run)?;
        self.reopen_ledger(run);
        self.push(run)
    }

    /// Copies a run that has lost faces to the store, and removes the journal there. Once the journal there says what is kept,
    /// only this machine sends: what it sent before it was killed is sent again. If another process wrote something before that,
    /// the copy is not ahead of the store any more: the next call removes the faces from what is there.
    pub fn push_forgotten(&self, run: &str) -> Result<(), FileError> {
        let copy = self.local.join(run);
        let journal = files::read(&copy.join(FORGETTING))?;
        let folder = self.run(run)?;
        let has_begun = || {
            let size = journal.len() as u64;
            let there = folder.look(FORGETTING)?.is_some_and(|there| there.size == size);
            Ok::<_, FileError>(there && folder.read(FORGETTING, None, size)? == journal)
        };
        if let Err(error) = self.push_now(run, has_begun()?) {
            if is_conflict(&error) && !has_begun()? {
                files::remove_all(&copy.join(KEPT))?;
            }
            return Err(error);
        }
        folder.remove(FORGETTING)?;
        self.with_ledger(run, |ledger| ledger.remove(FORGETTING));
        self.keep_ledger(run)
    }

    /// `alone`: nobody else writes it, so nothing that is there is a conflict.
    fn push_now(&self, run: &str, alone: bool) -> Result<(), FileError> {
        let copy = self.local.join(run);
        let mut names = BTreeSet::new();
        find(&copy, "", &mut names)?;
        let [changed, gone]: [Vec<String>; 2] = self.with_ledger(run, |ledger| {
            let changed = names.iter().filter(|name| !ledger.is_unchanged(name)).cloned().collect();
            [changed, ledger.names().into_iter().filter(|name| !names.contains(name)).collect()]
        });
        let pushed =
            if changed.is_empty() && gone.is_empty() { Ok(()) } else { self.send(run, &changed, &gone, alone) };
        pushed.and(self.keep_ledger(run))
    }

    fn send(&self, run: &str, changed: &[String], gone: &[String], alone: bool) -> Result<(), FileError> {
        let (folder, copy) = (self.run(run)?, self.local.join(run));
        // Before anything is touched; what comes between now and then, the conditions of the writes find.
        let known = |name: &str| self.with_ledger(run, |ledger| ledger.tag(name).map(str::to_owned));
        let other = |object: &&Object| known(&object.name).is_some_and(|known| object.tag != Some(known));
        if !alone && let Some(other) = folder.list()?.iter().find(other) {
            return Err(conflict(&folder, &other.name));
        }
        let put = |name: &str, size: u64| {
            let known = known(name);
            let condition = known.as_deref().map_or(Condition::Absent, Condition::Unchanged);
            let tag = put(&folder, &copy, name, size, if alone { Condition::Always } else { condition })?;
            self.with_ledger(run, |ledger| ledger.insert(name, Some(tag)));
            Ok::<_, FileError>(())
        };
        let remove = |name: &str| {
            folder.remove(name)?;
            self.with_ledger(run, |ledger| ledger.remove(name));
            Ok::<_, FileError>(())
        };
        let is = |names: &[String], name: &str| names.iter().any(|other| other == name);
        // From here on, the faces are gone from some of it: nobody else can end that.
        if is(changed, FORGETTING) {
            put(FORGETTING, 0)?;
        }
        let touched = |name: &str| name == SEAL || is(changed, name) || is(gone, name);
        for name in LAST.into_iter().rev().filter(|name| touched(name) && known(name).is_some()) {
            remove(name)?;
        }
        let before = |name: &&String| !LAST.contains(&name.as_str()) && *name != FORGETTING;
        let rest: Vec<(&String, u64)> =
            changed.iter().filter(before).map(|name| (name, size(&copy.join(name)))).collect();
        let task = format!("sending {}", folder.address());
        parallel::each(&task, &rest, |(_, size)| *size, |(name, size)| put(name, *size))?;
        gone.iter().filter(before).try_for_each(|name| remove(name))?;
        for name in LAST.into_iter().filter(|name| touched(name)) {
            if files::is_file(&copy.join(name))? {
                put(name, size(&copy.join(name)))?;
            }
        }
        Ok(())
    }
}

/// Puts a file on a condition, such as that the object still is what it was when it was copied. Returns its tag.
fn put(folder: &Folder, copy: &Path, name: &str, size: u64, condition: Condition<'_>) -> Result<String, FileError> {
    let path = copy.join(name);
    if size >= LARGE {
        if let Condition::Unchanged(known) = condition
            && folder.look(name)?.is_some_and(|there| there.tag.as_deref() != Some(known))
        {
            return Err(conflict(folder, name));
        }
        let tag = folder.put_file(name, &path)?;
        // What a store calls an object in parts it may only say when asked.
        return Ok(tag.or(folder.look(name)?.and_then(|there| there.tag)).unwrap_or_default());
    }
    let put: Result<Option<String>, ObjectError> = folder.put(name, &files::read(&path)?, condition);
    put?.ok_or_else(|| conflict(folder, name))
}

fn conflict(folder: &Folder, name: &str) -> FileError {
    let rule = "another process has written it meanwhile, and it was left alone; run the command again";
    FileError::new("write", format!("{}/{name}", folder.address()))(io::Error::new(CONFLICT, rule))
}

fn is_conflict(error: &FileError) -> bool {
    error.source.kind() == CONFLICT
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}

/// Adds the names of the files of a folder that are copied.
fn find(folder: &Path, below: &str, names: &mut BTreeSet<String>) -> Result<(), FileError> {
    for entry in files::list_if_there(folder)? {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let name = format!("{below}{name}");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && is_copied(&name) => find(&entry.path(), &format!("{name}/"), names)?,
            Ok(kind) if kind.is_file() && is_copied(&name) => {
                names.insert(name);
            }
            _ => {}
        }
    }
    Ok(())
}
