//! What the files of repositories and those at URLs have in common: they are cached, and verified when they are read.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::cache::CacheEntry;
use super::content::Content;
use super::error::DISCARDED;
use super::{Hub, HubError, HubFile, UrlFile, cache, git_blob_id};
use crate::digest::Digest;
use crate::files;
use crate::progress::{Cancel, Progress};

/// A file that can be downloaded.
pub(crate) trait Remote: fmt::Display {
    /// The digest that the config pins.
    fn pinned(&self) -> Option<Digest>;

    /// Where it comes from.
    fn address<'a>(&'a self, hub: &'a Hub) -> &'a str;

    /// The cached file, not verified.
    fn cached(&self, hub: &Hub) -> Result<Option<PathBuf>, HubError>;

    /// Downloads it into the cache.
    fn fetch(&self, hub: &Hub, progress: &dyn Progress, cancel: &Cancel) -> Result<PathBuf, HubError>;

    /// Removes it from the cache, where it is damaged.
    fn discard(&self, hub: &Hub, path: &Path) -> Result<(), HubError>;
}

impl Remote for HubFile {
    fn pinned(&self) -> Option<Digest> {
        self.sha256
    }

    fn address<'a>(&'a self, hub: &'a Hub) -> &'a str {
        &hub.settings.endpoint
    }

    fn cached(&self, hub: &Hub) -> Result<Option<PathBuf>, HubError> {
        hub.cached(self)
    }

    fn fetch(&self, hub: &Hub, progress: &dyn Progress, cancel: &Cancel) -> Result<PathBuf, HubError> {
        hub.fetch(self, progress, cancel)
    }

    fn discard(&self, hub: &Hub, path: &Path) -> Result<(), HubError> {
        CacheEntry::new(&hub.settings, self)?.blobs.discard(path)
    }
}

impl Remote for UrlFile {
    fn pinned(&self) -> Option<Digest> {
        self.sha256
    }

    fn address<'a>(&'a self, _: &'a Hub) -> &'a str {
        &self.url
    }

    fn cached(&self, hub: &Hub) -> Result<Option<PathBuf>, HubError> {
        hub.settings.require_readable()?;
        Ok(hub.cached_url(self))
    }

    fn fetch(&self, hub: &Hub, progress: &dyn Progress, cancel: &Cancel) -> Result<PathBuf, HubError> {
        hub.fetch_url(self, progress, cancel)
    }

    fn discard(&self, _: &Hub, path: &Path) -> Result<(), HubError> {
        cache::remove(path)
    }
}

impl Hub {
    /// The bytes of a file and their digest: the pinned one, else the one under which the file was cached. A damaged cached
    /// file is downloaded again, once.
    pub(crate) fn read(
        &self,
        file: &dyn Remote,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<(Vec<u8>, Digest), HubError> {
        // Cached files are verified here and not before, so that they are read once.
        let mut path = match file.cached(self)? {
            Some(path) => path,
            None => file.fetch(self, progress, cancel)?,
        };
        let mut again = true;
        loop {
            let bytes = files::read_at_most(&path, files::LARGEST_WEIGHTS)?;
            let digest = Digest::of(&bytes);
            let Some(expected) = file.pinned().map(Content::Sha256).or_else(|| cache::announced(&path)) else {
                return Ok((bytes, digest));
            };
            let found = match expected {
                Content::Sha256(_) => Content::Sha256(digest),
                Content::Git(_) => Content::Git(git_blob_id(&bytes)),
            };
            if found == expected {
                return Ok((bytes, digest));
            }
            let error = mismatch(&path, file, found, expected);
            if !error.damaged() {
                return Err(error);
            }
            self.require_online(&error, &path)?;
            file.discard(self, &path)?;
            if !std::mem::replace(&mut again, false) {
                return Err(error);
            }
            progress.say(&format!("{file} is damaged in the cache; downloading it again"));
            path = file.fetch(self, progress, cancel)?;
        }
    }

    /// Offline, nothing replaces what is discarded: the error for a damaged file that stays.
    pub(super) fn require_online(&self, damage: &HubError, path: &Path) -> Result<(), HubError> {
        if !self.settings.offline {
            return Ok(());
        }
        let problem = damage.to_string();
        let problem = problem.split(DISCARDED).next().unwrap_or(&problem).to_owned();
        Err(HubError::DamagedOffline { problem, path: path.into() })
    }

    /// Describes a file and whether it is cached, in one line.
    pub(crate) fn describe(&self, file: &dyn Remote) -> String {
        match file.cached(self) {
            Ok(Some(path)) => {
                let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
                format!("{file}: cached, {bytes} bytes")
            }
            Ok(None) if self.settings.offline => format!("{file}: not cached, and HF_HUB_OFFLINE is set"),
            Ok(None) => format!("{file}: to be downloaded from {}", self.host(file.address(self))),
            Err(error) => error.to_string(),
        }
    }
}

/// The error for a cached file of other content: it is damaged, or intact but not the pinned one.
pub(super) fn mismatch(path: &Path, file: &dyn fmt::Display, found: Content, expected: Content) -> HubError {
    match (found, expected) {
        (Content::Sha256(found), Content::Sha256(expected)) if is_as_announced(path, found) => {
            HubError::OtherContent { subject: file.to_string(), found, expected }
        }
        (found, expected) => found.damaged(expected, file, false),
    }
}

/// Whether a cached file with this digest is what its blob is named after.
fn is_as_announced(path: &Path, sha256: Digest) -> bool {
    match cache::announced(path) {
        Some(Content::Sha256(announced)) => announced == sha256,
        Some(git) => {
            let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
            opened.and_then(|(length, file)| git.of(length, file)).is_ok_and(|found| found == git)
        }
        None => false,
    }
}
