//! From the store to the copy here.

use std::collections::BTreeSet;
use std::path::Path;

use super::claim::{Claim, Transfer};
use super::{Mirror, parallel};
use crate::files::{self, FileError};
use crate::objects::{Folder, Object};

/// How much of a run a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needed {
    /// All of it.
    All,
    /// What tells its state and its numbers.
    Summary,
    /// That and its manifest.
    Faces,
    /// What tells how far workers are, whoever they are.
    Progress,
    /// What a worker starts from. It reads the manifest's rows by [`super::with_rows`], and commits by itself.
    Worker,
}

/// Folders and files that only whole runs need: chunks, matrix and tables of a row for each face or pair.
const LARGE: [&str; 6] =
    ["chunks/", "face_embeddings", "embeddings.parquet", "face_quality.parquet", "pairs.parquet", MANIFEST];

const MANIFEST: &str = "manifest.parquet";

fn is_sidecar(name: &str) -> bool {
    name.strip_prefix("chunks/").and_then(|name| name.strip_suffix(".json")).is_some()
}

/// What a worker starts from.
const OF_WORKER: [&str; 7] = [
    "config.yaml",
    "plan.json",
    "provenance.json",
    "calibration.json",
    "agreement.json",
    "workers/prepared.json",
    FORGETTING,
];

/// A worker that finds it has nothing to do.
const FINISHED: &str = "face_metadata.csv";

impl Needed {
    fn takes(self, name: &str, finished: bool) -> bool {
        match self {
            Self::All => true,
            Self::Summary => !LARGE.iter().any(|large| name.starts_with(large)),
            Self::Faces => name == MANIFEST || Self::Summary.takes(name, finished),
            Self::Progress => Self::Summary.takes(name, finished) || is_sidecar(name),
            Self::Worker => OF_WORKER.contains(&name) || finished && (name == FINISHED || is_sidecar(name)),
        }
    }
}

/// The journal of a run that is losing faces. From before the first change until all of it has been sent, it is in the store as
/// well, and other machines refuse the run.
pub(crate) const FORGETTING: &str = ".forgetting";

/// What is kept while faces are removed, on the machine that does so, and then an empty folder until all of it has been sent.
pub(crate) const KEPT: &str = ".kept";

/// Whether a file of a run is copied: not those that one machine keeps for itself, but the parts of pairs that workers have and
/// what tells that faces are being removed.
pub(super) fn is_copied(name: &str) -> bool {
    let hidden = name.split('/').any(|part| part.starts_with('.'));
    !hidden || name == FORGETTING || name.starts_with(".pairs.partial.")
}

impl Mirror {
    /// Copies what is needed of a run from the store, unless the copy here is ahead of it. Returns whether there is such a run.
    /// What was changed here and is not in the store gives way to what is there, and is removed if it was removed there.
    pub fn pull(&self, run: &str, needed: Needed) -> Result<bool, FileError> {
        if self.ours().contains_key(run) {
            return Ok(true);
        }
        let transfer = Transfer::begin(&self.local, run)?;
        self.reopen_ledger(run);
        let folder = self.run(run)?;
        if Claim::is_taken(&self.local, run, &transfer)? || self.is_losing_faces(run, &folder)? {
            return Ok(true);
        }
        let objects = if needed == Needed::All { folder.list()? } else { some(&folder, needed)? };
        let found = !objects.is_empty();
        let there: BTreeSet<&str> = objects.iter().map(|object| object.name.as_str()).collect();
        let finished = there.contains(FINISHED);
        let known = self.with_ledger(run, |ledger| ledger.names());
        for name in known.iter().filter(|name| needed.takes(name, finished) && !there.contains(name.as_str())) {
            files::remove_all(&self.local.join(run).join(name))?;
            self.with_ledger(run, |ledger| ledger.remove(name));
        }
        self.fetch(run, objects)?;
        Ok(found)
    }

    /// Whether the removal of faces has begun here and not ended, also in the store. One that has ended there is over here, too.
    fn is_losing_faces(&self, run: &str, folder: &Folder) -> Result<bool, FileError> {
        let copy = self.local.join(run);
        if !files::is_file(&copy.join(FORGETTING))? {
            return Ok(false);
        }
        if folder.look(FORGETTING)?.is_some() {
            // Without what is kept, nothing that cannot be fetched again has changed here.
            return Ok(copy.join(KEPT).exists());
        }
        for name in [FORGETTING, KEPT] {
            files::remove_all(&copy.join(name))?;
        }
        Ok(false)
    }

    /// Copies those of these objects of a folder of a run that are not here yet.
    pub(super) fn fetch_new(&self, run: &str, of: &str, objects: Vec<Object>) -> Result<(), FileError> {
        self.fetch(run, objects.into_iter().map(|object| inside(of, object)).collect())
    }

    /// Copies those of these objects of a run that are not here yet.
    fn fetch(&self, run: &str, mut objects: Vec<Object>) -> Result<(), FileError> {
        self.with_ledger(run, |ledger| {
            objects.retain(|object| is_copied(&object.name) && !ledger.has(&object.name, object.tag.as_deref()));
        });
        if objects.is_empty() {
            return self.keep_ledger(run);
        }
        let (folder, copy) = (self.run(run)?, self.local.join(run));
        files::create_dir(&copy)?;
        let task = format!("fetching {}", folder.address());
        let fetched = parallel::each(
            &task,
            &objects,
            |object| object.size,
            |object| {
                if let Some((inside, _)) = object.name.rsplit_once('/') {
                    files::create_dir_inside(&copy, inside)?;
                }
                let path = copy.join(Path::new(&object.name));
                let found = folder.fetch(&object.name, &path)?;
                self.with_ledger(run, |ledger| ledger.insert(&object.name, found.tag));
                Ok::<_, FileError>(())
            },
        );
        fetched.and(self.keep_ledger(run))
    }
}

/// The objects of a run that are needed; its large folders are not listed in vain.
fn some(run: &Folder, needed: Needed) -> Result<Vec<Object>, FileError> {
    let (mut objects, folders) = run.entries()?;
    let finished = objects.iter().any(|object| object.name == FINISHED);
    let chunks = needed == Needed::Progress || needed == Needed::Worker && finished;
    let wanted = |of: &&str| *of == "workers" || *of == "chunks" && chunks;
    for of in folders.iter().map(String::as_str).filter(wanted) {
        objects.extend(run.join(of)?.list()?.into_iter().map(|object| inside(of, object)));
    }
    objects.retain(|object| needed.takes(&object.name, finished));
    Ok(objects)
}

/// An object of a folder of a run, as one of the run.
fn inside(folder: &str, object: Object) -> Object {
    Object { name: format!("{folder}/{}", object.name), ..object }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_machine_keeps_for_itself_is_not_copied() {
        let copied = [
            "plan.json",
            "chunks/00000.npy",
            ".pairs.partial.0-of-8",
            ".lock",
            "chunks/.partial-x",
            ".checked",
            ".pairs.partial",
        ];
        assert_eq!(copied.map(is_copied), [true, true, true, false, false, false, false]);
    }

    #[test]
    fn a_worker_starts_from_little() {
        let takes = |finished| {
            let names = ["plan.json", "manifest.parquet", "chunks/00000.json", "chunks/00000.npy", "face_metadata.csv"];
            names.map(|name| Needed::Worker.takes(name, finished))
        };
        assert_eq!(takes(false), [true, false, false, false, false]);
        assert_eq!(takes(true), [true, false, true, false, true]);
    }
}
