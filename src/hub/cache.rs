//! The cache on disk, as Python's `huggingface_hub` lays it out:
//!
//! ```text
//! models--owner--name/blobs/<etag>                      the bytes; <etag>.incomplete while they arrive
//!                     refs/<branch or short hash>       the commit it refers to
//!                     snapshots/<commit>/<path>         → ../../blobs/<etag>
//! .locks/models--owner--name/<etag>.lock                held while a blob arrives
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use super::{HubError, HubFile, HubSettings, is_commit, is_whole_commit};
use crate::digest::Digest;
use crate::file_lock::{Busy, Lock};
use crate::files::{self, FileError};
use crate::progress::{Cancel, Progress};

/// The location of one file in the cache.
pub(super) struct CacheEntry<'a> {
    file: &'a HubFile,
    root: &'a Path,
    /// `models--owner--name`.
    folder: String,
}

impl<'a> CacheEntry<'a> {
    /// Refuses names that would lead out of the cache.
    pub fn new(settings: &'a HubSettings, file: &'a HubFile) -> Result<Self, HubError> {
        check_names(file)?;
        let folder = format!("{}s--{}", file.kind, file.repo.replace('/', "--"));
        Ok(Self { file, root: &settings.cache, folder })
    }

    /// The cached file.
    pub fn find(&self) -> Option<PathBuf> {
        let path = self.pointer(&self.commit()?);
        path.is_file().then_some(path)
    }

    /// The folder of the repository.
    pub fn folder(&self) -> PathBuf {
        self.root.join(&self.folder)
    }

    /// Path of the blob with an entity tag.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.folder().join("blobs").join(etag)
    }

    /// Path of a blob while it is downloaded.
    pub fn partial(&self, etag: &str) -> PathBuf {
        self.blob(&format!("{etag}.incomplete"))
    }

    /// Bytes of the blob downloaded so far.
    pub fn downloaded(&self, etag: &str) -> u64 {
        fs::metadata(self.partial(etag)).map_or(0, |metadata| metadata.len())
    }

    /// Waits until no other process downloads this blob, and locks it.
    pub fn lock(&self, etag: &str, progress: &dyn Progress, cancel: &Cancel) -> Result<Lock, HubError> {
        let folder = self.root.join(".locks").join(&self.folder);
        let path = folder.join(format!("{etag}.lock"));
        let disk = |error| HubError::disk(self.file, self.root)(error);
        files::create_dir(&folder).map_err(disk)?;
        let waiting = |busy: &Busy| {
            progress.say(&format!("{} is downloading {}; waiting for it{}", busy.holder, self.file, busy.remedy()));
        };
        let lock = Lock::wait(&path, waiting, cancel).map_err(disk)?.ok_or(HubError::Interrupted)?;
        if let Some(note) = lock.note() {
            progress.say(note);
        }
        Ok(lock)
    }

    /// Links a complete, verified blob into the commit's snapshot.
    pub fn link_snapshot(&self, etag: &str, commit: &str) -> Result<PathBuf, HubError> {
        let disk = |error| HubError::disk(self.file, self.root)(error);
        let pointer = self.pointer(commit);
        let parent = pointer.parent().unwrap_or(self.root);
        files::create_dir(parent).map_err(disk)?;
        self.link(etag, &pointer).map_err(FileError::new("create", &pointer)).map_err(disk)?;
        self.store_ref(commit)?;
        Ok(pointer)
    }

    /// Stores the commit that a branch or short hash refers to.
    pub fn store_ref(&self, commit: &str) -> Result<(), HubError> {
        if self.file.revision == commit {
            return Ok(());
        }
        let path = self.folder().join("refs").join(&self.file.revision);
        let written = path.parent().map_or(Ok(()), files::create_dir);
        written
            .and_then(|()| files::commit_bytes(&path, commit.as_bytes()))
            .map_err(HubError::disk(self.file, self.root))
    }

    #[cfg(unix)]
    fn link(&self, etag: &str, pointer: &Path) -> std::io::Result<()> {
        let up = "../".repeat(self.file.path.split('/').count() + 1);
        let temporary = pointer.with_file_name(format!(".partial-{}-{etag}", std::process::id()));
        let _ = fs::remove_file(&temporary);
        std::os::unix::fs::symlink(format!("{up}blobs/{etag}"), &temporary)?;
        fs::rename(&temporary, pointer).inspect_err(|_| drop(fs::remove_file(&temporary)))
    }

    /// Where links need a privilege, the snapshot contains the file itself, as in Python.
    #[cfg(not(unix))]
    fn link(&self, etag: &str, pointer: &Path) -> std::io::Result<()> {
        fs::rename(self.blob(etag), pointer)
    }

    fn pointer(&self, commit: &str) -> PathBuf {
        let snapshot = self.folder().join("snapshots").join(commit);
        self.file.path.split('/').fold(snapshot, |path, part| path.join(part))
    }

    /// The commit that the revision refers to, if the cache knows.
    pub fn commit(&self) -> Option<String> {
        let revision = &self.file.revision;
        if is_whole_commit(revision) {
            return Some(revision.clone());
        }
        if let Ok(text) = fs::read_to_string(self.folder().join("refs").join(revision)) {
            let commit = text.trim();
            return is_commit(commit).then(|| commit.to_owned());
        }
        if !is_commit(revision) {
            return None;
        }
        let names = fs::read_dir(self.folder().join("snapshots")).ok()?;
        let mut fitting = names
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with(revision.as_str()));
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

/// Whether a cached file has the content that the Hub announced.
pub(super) fn intact(path: &Path, found: Digest) -> bool {
    announced_digest(path) == Some(found)
}

/// The digest of a cached file as announced by the Hub, which is the name of its blob.
pub(super) fn announced_digest(path: &Path) -> Option<Digest> {
    fs::canonicalize(path).ok()?.file_name()?.to_str()?.parse().ok()
}

/// Removes a file from the cache: its link in the snapshot and its blob.
pub(super) fn remove(path: &Path) -> Result<(), HubError> {
    let blob = fs::canonicalize(path).ok().filter(|blob| blob != path);
    for path in blob.iter().map(PathBuf::as_path).chain([path]) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(FileError::new("remove", path)(error).into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Checks that names are safe in paths and URLs; those of a listing are untrusted.
pub(super) fn check_names(file: &HubFile) -> Result<(), HubError> {
    let plain = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed)
    };
    let inside = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
    let bad = |what, value: &str, rule| Err(HubError::BadName { what, value: value.to_owned(), rule });
    if file.repo.split('/').count() > 2 || !file.repo.split('/').all(plain) {
        return bad("repository", &file.repo, "`owner/name` of letters, digits, `-`, `_` and `.`");
    }
    if !file.revision.split('/').all(plain) {
        return bad("revision", &file.revision, "a commit hash, a branch or a tag");
    }
    if !file.path.is_empty() && !file.path.split('/').all(inside) {
        return bad("path", &file.path, "names separated by `/`, none of them empty, `.` or `..`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::RepoKind;

    fn file(repo: &str, revision: &str, path: &str) -> HubFile {
        HubFile::new(RepoKind::Model, repo, revision, path)
    }

    #[test]
    fn names_that_lead_out_of_the_cache_are_refused() {
        assert!(check_names(&file("a/b", "0123456", "c/d.txt")).is_ok());
        for (repo, revision, path) in [
            ("a/b/c", "main", "x"),
            ("../b", "main", "x"),
            ("", "main", "x"),
            ("a/b", "../../x", "x"),
            ("a/b", "", "x"),
            ("a/b", "main", "../x"),
            ("a/b", "main", "/etc/passwd"),
            ("a/b", "main", "c//d"),
            ("a/b", "main", "c\\..\\d"),
        ] {
            assert!(check_names(&file(repo, revision, path)).is_err(), "{repo} {revision} {path}");
        }
    }
}
