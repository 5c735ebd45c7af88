//! Digests of an earlier scan by path, size and times. Best effort: a missing or damaged cache only costs
//! time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::forget::{self, Traces};
use super::sealed_json;
use crate::digest::Digest;
use crate::files::{self, FileError, Stamp};

/// What a scan remembers: files by their path below the root.
type Entries = BTreeMap<String, (Stamp, Digest)>;

/// The cache of one root.
#[derive(Debug)]
pub(super) struct ScanCache {
    path: PathBuf,
    entries: Entries,
}

impl ScanCache {
    /// The cache for files below `root` in the folder `folder`.
    pub fn open(folder: &Path, root: &Path) -> Self {
        let name = Digest::of(root.as_os_str().as_encoded_bytes()).short(16);
        let path = folder.join(format!("scan-{name}.json"));
        let entries = sealed_json::read(&path).unwrap_or_default();
        Self { path, entries }
    }

    /// The digest of a file that has not changed.
    pub fn get(&self, path: &str, stamp: Stamp) -> Option<Digest> {
        self.entries.get(path).filter(|(known, _)| *known == stamp).map(|(_, digest)| *digest)
    }

    /// Adds a file.
    pub fn insert(&mut self, path: &str, stamp: Stamp, digest: Digest) {
        self.entries.insert(path.to_owned(), (stamp, digest));
    }

    /// Saves the cache, sealed: a damaged entry would be a wrong digest of a picture.
    pub fn save(&self) -> Result<(), FileError> {
        sealed_json::write(&self.path, &self.entries)
    }
}

/// The caches of scans in a folder that hold traces; takes these entries out if `act`.
pub(super) fn forget_scanned(folder: &Path, traces: &Traces, act: bool) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    for path in forget::entries_inside(folder)? {
        let is_scan = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("scan-"));
        if !is_scan || path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        match sealed_json::read::<Entries>(&path) {
            Some(mut entries) => {
                let before = entries.len();
                entries.retain(|path, (_, content)| !traces.contents.contains(content) && !traces.name_in(path));
                if entries.len() == before {
                    continue;
                }
                if act {
                    sealed_json::write(&path, &entries)?;
                }
            }
            // Whatever is in it, it only saves time.
            None if act => files::remove_all(&path)?,
            None => {}
        }
        found.push(path);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_saved_cache_answers_only_for_the_same_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let stamp = Stamp { size: 3, modified: -5, changed: 9 };
        let mut cache = ScanCache::open(folder.path(), Path::new("/r"));
        cache.insert("a b/é.jpg", stamp, Digest::of(b"abc"));
        cache.save().unwrap();
        let cache = ScanCache::open(folder.path(), Path::new("/r"));
        assert_eq!(cache.get("a b/é.jpg", stamp), Some(Digest::of(b"abc")));
        assert_eq!(cache.get("a b/é.jpg", Stamp { size: 4, ..stamp }), None);
        assert_eq!(cache.get("a b/é.jpg", Stamp { modified: 0, ..stamp }), None);
        assert_eq!(cache.get("a b/é.jpg", Stamp { changed: 10, ..stamp }), None);
        assert_eq!(cache.entries.len(), 1);
        assert_eq!(ScanCache::open(folder.path(), Path::new("/other")).entries.len(), 0);
    }

    #[test]
    fn any_damaged_byte_empties_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = ScanCache::open(folder.path(), Path::new("/r"));
        cache.insert("a.jpg", Stamp { size: 3, modified: 7, changed: 7 }, Digest::of(b"abc"));
        cache.save().unwrap();
        let bytes = fs::read(&cache.path).unwrap();
        let entries = |bytes: &[u8]| {
            fs::write(&cache.path, bytes).unwrap();
            ScanCache::open(folder.path(), Path::new("/r")).entries.len()
        };
        assert_eq!(entries(&bytes), 1);
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 1;
            assert_eq!(entries(&damaged), 0, "byte {i}");
            assert_eq!(entries(&bytes[..i]), 0, "cut at {i}");
        }
    }
}
