//! The cache on disk, as Python's `huggingface_hub` lays it out:
//!
//! ```text
//! models--owner--name/blobs/<etag>                      the bytes; <etag>.incomplete while they arrive
//!                     refs/<branch or short hash>       the commit it refers to
//!                     snapshots/<commit>/<path>         → ../../blobs/<etag>
//! .locks/models--owner--name/<etag>.lock                held while a blob arrives
//! ```
//!
//! Files at a URL, which Python does not know, are beside the repositories ([`super::url`]).

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::content::Content;
use super::{HubError, HubFile, HubSettings, is_commit, is_whole_commit};
use crate::file_lock::{Busy, Lock};
use crate::files::{self, FileError};
use crate::progress::{Cancel, Progress};
use crate::text;

/// Bytes of a path in a repository: no file system takes a longer one.
const LONGEST_PATH: usize = 4096;

/// The blobs of one repository or URL: what is downloaded, and what arrives.
pub(super) struct Blobs<'a> {
    root: &'a Path,
    /// `models--owner--name`.
    folder: String,
    /// What is downloaded, for messages.
    subject: &'a dyn fmt::Display,
}

impl<'a> Blobs<'a> {
    /// `folder` is a name that does not lead out of the cache.
    pub fn new(settings: &'a HubSettings, folder: String, subject: &'a dyn fmt::Display) -> Self {
        Self { root: &settings.cache, folder, subject }
    }

    /// The folder of the repository or URL.
    pub fn folder(&self) -> PathBuf {
        self.root.join(&self.folder)
    }

    /// Path of the blob of this name: an entity tag or a digest.
    pub fn blob(&self, name: &str) -> PathBuf {
        self.folder().join("blobs").join(name)
    }

    /// Path of a blob while it is downloaded.
    pub fn partial(&self, name: &str) -> PathBuf {
        self.blob(&format!("{name}.incomplete"))
    }

    /// Bytes of the blob downloaded so far.
    pub fn downloaded(&self, name: &str) -> u64 {
        fs::metadata(self.partial(name)).map_or(0, |metadata| metadata.len())
    }

    /// Path of a reference.
    pub fn reference(&self, name: &str) -> PathBuf {
        self.folder().join("refs").join(name)
    }

    /// Stores what a reference means.
    pub fn store_reference(&self, name: &str, target: &str) -> Result<(), HubError> {
        self.write(&self.reference(name), target)
    }

    /// Writes a small text file below the folder.
    pub fn write(&self, path: &Path, text: &str) -> Result<(), HubError> {
        let written = path.parent().map_or(Ok(()), files::create_dir);
        written.and_then(|()| files::commit_bytes(path, text.as_bytes())).map_err(|error| self.disk(error))
    }

    /// Waits until no other process downloads this blob, and locks it.
    pub fn lock(&self, name: &str, progress: &dyn Progress, cancel: &Cancel) -> Result<Lock, HubError> {
        let folder = self.root.join(".locks").join(&self.folder);
        let path = folder.join(format!("{name}.lock"));
        files::create_dir(&folder).map_err(|error| self.disk(error))?;
        let waiting = |busy: &Busy| {
            progress.say(&format!("{} is downloading {}; waiting for it{}", busy.holder, self.subject, busy.remedy()));
        };
        let lock = Lock::wait(&path, waiting, cancel).map_err(|error| self.disk(error))?;
        let lock = lock.ok_or(HubError::Interrupted)?;
        if let Some(note) = lock.note() {
            progress.say(note);
        }
        Ok(lock)
    }

    /// Removes a damaged file: a blob, or a link to one and that blob. A link may also lead to somebody's own file, in a cache
    /// that was put together by hand: that file stays.
    pub fn discard(&self, path: &Path) -> Result<(), HubError> {
        let folder = path.parent().unwrap_or(path);
        let target = fs::read_link(path).ok().map(|target| folder.join(target));
        let own = fs::canonicalize(self.folder().join("blobs")).ok();
        let is_own =
            |target: &PathBuf| own.is_some() && target.parent().and_then(|at| fs::canonicalize(at).ok()) == own;
        target.filter(is_own).map_or(Ok(()), |blob| remove(&blob))?;
        remove(path)
    }

    /// Flushes a complete, verified download to the disk and gives it its name.
    pub fn keep(&self, partial: &Path, blob: &Path) -> Result<(), HubError> {
        File::open(partial)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(partial, blob))
            .map_err(FileError::new("rename into place", blob))
            .map_err(|error| self.disk(error))
    }

    /// A failed file operation.
    pub fn disk(&self, error: FileError) -> HubError {
        HubError::disk(self.subject, self.root)(error)
    }
}

/// The location of one file of a repository in the cache.
pub(super) struct CacheEntry<'a> {
    file: &'a HubFile,
    pub blobs: Blobs<'a>,
}

impl<'a> CacheEntry<'a> {
    /// Refuses names that would lead out of the cache.
    pub fn new(settings: &'a HubSettings, file: &'a HubFile) -> Result<Self, HubError> {
        settings.require_readable()?;
        check_names(file)?;
        let folder = format!("{}s--{}", file.kind, file.repo.replace('/', "--"));
        Ok(Self { file, blobs: Blobs::new(settings, folder, file) })
    }

    /// The cached file.
    pub fn find(&self) -> Option<PathBuf> {
        let path = self.pointer(&self.commit()?);
        path.is_file().then_some(path)
    }

    /// Links a complete, verified blob into the commit's snapshot.
    pub fn link_snapshot(&self, etag: &str, commit: &str) -> Result<PathBuf, HubError> {
        let disk = |error| self.blobs.disk(error);
        let pointer = self.pointer(commit);
        pointer.parent().map_or(Ok(()), files::create_dir).map_err(disk)?;
        self.link(etag, &pointer).map_err(FileError::new("create", &pointer)).map_err(disk)?;
        self.store_ref(commit)?;
        Ok(pointer)
    }

    /// Stores the commit that a branch or short hash refers to.
    pub fn store_ref(&self, commit: &str) -> Result<(), HubError> {
        if self.file.revision == commit {
            return Ok(());
        }
        self.blobs.store_reference(&self.file.revision, commit)
    }

    #[cfg(unix)]
    fn link(&self, etag: &str, pointer: &Path) -> std::io::Result<()> {
        let up = "../".repeat(self.file.path.split('/').count() + 1);
        let temporary = pointer.with_file_name(format!(".partial-{}-{etag}", std::process::id()));
        let _ = fs::remove_file(&temporary);
        pointer.parent().into_iter().for_each(files::sweep);
        std::os::unix::fs::symlink(format!("{up}blobs/{etag}"), &temporary)?;
        fs::rename(&temporary, pointer).inspect_err(|_| drop(fs::remove_file(&temporary)))
    }

    /// Where links need a privilege, the snapshot contains the file itself, as in Python.
    #[cfg(not(unix))]
    fn link(&self, etag: &str, pointer: &Path) -> std::io::Result<()> {
        fs::rename(self.blobs.blob(etag), pointer)
    }

    fn pointer(&self, commit: &str) -> PathBuf {
        let snapshot = self.blobs.folder().join("snapshots").join(commit);
        self.file.path.split('/').fold(snapshot, |path, part| path.join(part))
    }

    /// The commit that the revision refers to, if the cache knows.
    pub fn commit(&self) -> Option<String> {
        let revision = &self.file.revision;
        if is_whole_commit(revision) {
            return Some(revision.clone());
        }
        if let Ok(text) = fs::read_to_string(self.blobs.reference(revision)) {
            let commit = text.trim();
            return is_commit(commit).then(|| commit.to_owned());
        }
        if !is_commit(revision) {
            return None;
        }
        let names = fs::read_dir(self.blobs.folder().join("snapshots")).ok()?;
        let mut fitting = names
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with(revision.as_str()));
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

/// What a cached file contains as announced by the Hub, which is the name of its blob.
pub(super) fn announced(path: &Path) -> Option<Content> {
    let blob = fs::canonicalize(path).ok()?;
    blob.parent().filter(|folder| folder.ends_with("blobs"))?;
    Content::named(blob.file_name()?.to_str()?)
}

/// Removes a file, or a link and not what it leads to.
pub(super) fn remove(path: &Path) -> Result<(), HubError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FileError::new("remove", path)(error).into()),
        _ => Ok(()),
    }
}

/// Checks that names are safe in paths and URLs; those of a listing are untrusted.
pub(super) fn check_names(file: &HubFile) -> Result<(), HubError> {
    let plain = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed)
    };
    let inside = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
    let bad = |what, value: &str, rule| Err(HubError::BadName { what, value: text::quoted(value).into_owned(), rule });
    if file.repo.split('/').count() > 2 || !file.repo.split('/').all(plain) {
        return bad("repository", &file.repo, "`owner/name` of letters, digits, `-`, `_` and `.`");
    }
    if !file.revision.split('/').all(plain) {
        return bad("revision", &file.revision, "a commit hash, a branch or a tag");
    }
    if !file.path.is_empty() && !file.path.split('/').all(inside) {
        return bad("path", &file.path, "names separated by `/`, none of them empty, `.` or `..`");
    }
    if file.path.len() > LONGEST_PATH {
        return bad("path", &file.path, "at most 4096 bytes");
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

    /// Fault (hub): a listing whose paths lead out of the cache, or are longer than a file system takes → refused with the path
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
            ("a/b", "main", &"x/".repeat(2100)),
        ] {
            assert!(check_names(&file(repo, revision, path)).is_err(), "{repo} {revision} {path}");
        }
    }
}
