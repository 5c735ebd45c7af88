//! What an earlier scan found out about files: path, size and modification time → digest. Best effort: a cache that is
//! missing or damaged costs time and nothing else.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::files::{self, FileError};

const HEADING: &str = "facevault scan 1";

/// A file is known by its path; it is unchanged when these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Modification time, ns since the epoch.
    pub modified: i64,
}

/// The cache of one root.
#[derive(Debug)]
pub(super) struct ScanCache {
    path: PathBuf,
    entries: HashMap<String, (Stamp, Digest)>,
}

impl ScanCache {
    /// The cache for files below `root` in the folder `folder`.
    pub fn open(folder: &Path, root: &Path) -> Self {
        let name = Digest::of(root.as_os_str().as_encoded_bytes()).short(16);
        let path = folder.join(format!("scan-{name}.txt"));
        let entries = fs::read(&path).ok().and_then(|bytes| parse(&bytes)).unwrap_or_default();
        Self { path, entries }
    }

    /// The digest of a file that has not changed.
    pub fn get(&self, path: &str, stamp: Stamp) -> Option<Digest> {
        self.entries.get(path).filter(|(known, _)| *known == stamp).map(|(_, digest)| *digest)
    }

    /// Remembers a file.
    pub fn insert(&mut self, path: &str, stamp: Stamp, digest: Digest) {
        // One entry is one line.
        if !path.contains(['\n', '\r']) {
            self.entries.insert(path.to_owned(), (stamp, digest));
        }
    }

    /// Writes it down. The last line is a digest of the others: a damaged entry would be a wrong digest of a picture.
    pub fn save(&self) -> Result<(), FileError> {
        let mut lines: Vec<_> = self.entries.iter().collect();
        lines.sort_unstable_by_key(|(path, _)| path.as_str());
        let mut text = format!("{HEADING}\n");
        for (path, (Stamp { size, modified }, digest)) in lines {
            let _ = writeln!(text, "{digest} {size} {modified} {path}");
        }
        let _ = writeln!(text, "{}", Digest::of(text.as_bytes()));
        files::commit_bytes(&self.path, text.as_bytes())
    }
}

fn parse(bytes: &[u8]) -> Option<HashMap<String, (Stamp, Digest)>> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let (_, seal) = text.rsplit_once('\n')?;
    let body = &text[..text.len() - seal.len()];
    if Digest::of(body.as_bytes()) != seal.parse().ok()? {
        return None;
    }
    let mut lines = body.lines();
    (lines.next()? == HEADING).then_some(())?;
    lines
        .map(|line| {
            let mut fields = line.splitn(4, ' ');
            let mut field = || fields.next();
            let digest = field()?.parse().ok()?;
            let stamp = Stamp { size: field()?.parse().ok()?, modified: field()?.parse().ok()? };
            Some((field()?.to_owned(), (stamp, digest)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_answers_only_for_the_same_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let stamp = Stamp { size: 3, modified: -5 };
        let mut cache = ScanCache::open(folder.path(), Path::new("/r"));
        cache.insert("a b/é.jpg", stamp, Digest::of(b"abc"));
        cache.insert("line\nbreak", stamp, Digest::of(b"abc"));
        cache.save().unwrap();
        let cache = ScanCache::open(folder.path(), Path::new("/r"));
        assert_eq!(cache.get("a b/é.jpg", stamp), Some(Digest::of(b"abc")));
        assert_eq!(cache.get("a b/é.jpg", Stamp { size: 4, ..stamp }), None);
        assert_eq!(cache.get("a b/é.jpg", Stamp { modified: 0, ..stamp }), None);
        assert_eq!(cache.entries.len(), 1);
        assert_eq!(ScanCache::open(folder.path(), Path::new("/other")).entries.len(), 0);
    }

    #[test]
    fn any_damaged_byte_empties_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = ScanCache::open(folder.path(), Path::new("/r"));
        cache.insert("a.jpg", Stamp { size: 3, modified: 7 }, Digest::of(b"abc"));
        cache.save().unwrap();
        let bytes = fs::read(&cache.path).unwrap();
        assert_eq!(parse(&bytes).unwrap().len(), 1);
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 1;
            assert!(parse(&damaged).is_none(), "byte {i}");
            assert!(parse(&bytes[..i]).is_none(), "cut at {i}");
        }
    }
}
