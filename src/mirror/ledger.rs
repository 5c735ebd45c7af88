//! Which files of a run's copy are as they are in the store.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{self, FileError, Stamp};

/// The folder of all ledgers of a folder of runs.
pub(super) const FOLDER: &str = ".copied";

/// A file that is as in the store, as long as it has this stamp here and this tag there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copied {
    pub tag: String,
    pub stamp: Stamp,
}

/// The files of a run by name. Losing it costs requests: what is the same is found out again.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    run: PathBuf,
    files: BTreeMap<String, Copied>,
}

impl Ledger {
    /// Of the copy of a run.
    pub fn open(local: &Path, run: &str) -> Self {
        let path = local.join(FOLDER).join(format!("{run}.json"));
        let files = files::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { path, run: local.join(run), files }
    }

    pub fn save(&self) -> Result<(), FileError> {
        let bytes = serde_json::to_vec(&self.files).unwrap_or_default();
        files::create_dir(self.path.parent().unwrap_or(&self.path))?;
        files::commit_bytes(&self.path, &bytes)
    }

    /// Whether the file here is the object with this tag.
    pub fn has(&self, name: &str, tag: Option<&str>) -> bool {
        self.files
            .get(name)
            .is_some_and(|known| Some(known.tag.as_str()) == tag && stamp(&self.run.join(name)) == Some(known.stamp))
    }

    /// The tag of the object that the file was when it was copied, changed or not.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(|known| known.tag.as_str())
    }

    /// Whether the file here is as it was copied.
    pub fn is_unchanged(&self, name: &str) -> bool {
        self.has(name, self.tag(name))
    }

    /// The file here is this object now.
    pub fn insert(&mut self, name: &str, tag: Option<String>) {
        // Without a tag, it is compared again.
        if let (Some(tag), Some(stamp)) = (tag, stamp(&self.run.join(name))) {
            self.files.insert(name.to_owned(), Copied { tag, stamp });
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.files.remove(name);
    }

    pub fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|found| Stamp::of(&found))
}
