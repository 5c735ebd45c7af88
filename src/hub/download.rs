//! Downloads one file: found in the cache, or fetched, resumed, verified, and only then given its name.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ureq::Body;
use ureq::http::{HeaderMap, Response};

use super::cache::{self, CacheEntry};
use super::client::{Chunks, MAX_HOPS, escape, header, join};
use super::{Hub, HubError, HubFile, RepoKind, git, is_commit, is_whole_commit};
use crate::digest::Digest;
use crate::file_lock::Lock;
use crate::files::FileError;
use crate::progress::{Cancel, Progress};

/// What the response headers tell about a file.
#[derive(Default)]
struct RemoteFile {
    /// Name of the blob.
    etag: Option<String>,
    /// Whether the tag is that of the file after redirects.
    linked: bool,
    sha256: Option<Digest>,
    size: Option<u64>,
    commit: Option<String>,
}

impl RemoteFile {
    fn learn(&mut self, headers: &HeaderMap) {
        if self.commit.is_none() {
            self.commit = header(headers, "x-repo-commit").filter(|text| is_commit(text)).map(str::to_owned);
        }
        if let Some(size) = header(headers, "x-linked-size").and_then(|text| text.parse().ok()) {
            self.size.get_or_insert(size);
        }
        if self.linked {
            return;
        }
        let linked = header(headers, "x-linked-etag");
        if let Some(etag) = linked.or_else(|| header(headers, "etag")).and_then(tag) {
            self.linked = linked.is_some();
            self.sha256 = etag.parse().ok().filter(|_| self.linked);
            self.etag = Some(etag);
        }
    }

    /// The name of the blob: its entity tag, as in Python, or the expected digest.
    fn name(&self, file: &HubFile) -> Option<String> {
        self.etag.clone().or_else(|| file.sha256.map(|sha256| sha256.to_string()))
    }
}

/// An entity tag, if it can be a file name.
fn tag(text: &str) -> Option<String> {
    let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (!text.is_empty() && text.len() <= 128 && !text.starts_with('.') && text.bytes().all(plain))
        .then(|| text.to_owned())
}

/// The final response for a file.
enum Arrival {
    /// A body that starts at this byte of the file.
    Body(Response<Body>, String, u64),
    /// None needed: the blob is already complete.
    Complete,
}

impl Hub {
    /// The local path of a file, downloaded if it is not cached, and verified against `size` and `sha256`.
    ///
    /// # Errors
    /// [`HubError`].
    pub fn download(&self, file: &HubFile, progress: &dyn Progress, cancel: &Cancel) -> Result<PathBuf, HubError> {
        if let Some(path) = self.cached(file)? {
            match check(&path, file, None) {
                Ok(()) => return Ok(path),
                Err(error @ (HubError::WrongSize { .. } | HubError::Damaged { .. })) => {
                    cache::remove(&path)?;
                    if self.settings.offline {
                        return Err(error);
                    }
                    progress.say(&format!("{file} is damaged in the cache; downloading it again"));
                }
                Err(error) => return Err(error),
            }
        }
        match self.known_content(file)? {
            Some(path) => Ok(path),
            None => self.fetch(file, progress, cancel),
        }
    }

    /// A file whose content was downloaded with another revision: most files stay the same when a branch moves.
    fn known_content(&self, file: &HubFile) -> Result<Option<PathBuf>, HubError> {
        let place = CacheEntry::new(&self.settings, file)?;
        let Some(etag) = file.sha256.map(|sha256| sha256.to_string()) else { return Ok(None) };
        let blob = place.blob(&etag);
        if !is_whole_commit(&file.revision) || !blob.is_file() || check(&blob, file, None).is_err() {
            return Ok(None);
        }
        place.link_snapshot(&etag, &file.revision).map(Some)
    }

    /// The cached file, not verified. Branches, which may have moved, are looked up only when offline.
    pub(crate) fn cached(&self, file: &HubFile) -> Result<Option<PathBuf>, HubError> {
        let place = CacheEntry::new(&self.settings, file)?;
        Ok(place.find().filter(|_| self.settings.offline || is_commit(&file.revision)))
    }

    /// Removes a damaged file from the cache.
    pub(crate) fn discard(path: &Path) -> Result<(), HubError> {
        cache::remove(path)
    }

    /// The error for a file with a wrong digest: it is damaged, or intact but not the pinned one.
    pub(crate) fn mismatch(path: &Path, file: &HubFile, found: Digest, expected: Digest) -> HubError {
        let subject = file.to_string();
        if cache::intact(path, found) {
            HubError::OtherContent { subject, found, expected }
        } else {
            HubError::Damaged { subject, found, expected, resumed: false }
        }
    }

    /// The digest that the Hub announced for a cached file; it announces none for small files, which are in git itself.
    pub(crate) fn announced_digest(path: &Path) -> Option<Digest> {
        cache::announced_digest(path)
    }

    /// Downloads a file that is not in the cache.
    pub(crate) fn fetch(&self, file: &HubFile, progress: &dyn Progress, cancel: &Cancel) -> Result<PathBuf, HubError> {
        let place = CacheEntry::new(&self.settings, file)?;
        if self.settings.offline {
            let folder = self.settings.cache.clone();
            return Err(HubError::NotCached { subject: file.to_string(), folder });
        }
        self.with_retries(progress, cancel, || self.attempt(file, &place, progress, cancel))
    }

    /// Describes a file and whether it is cached, in one line.
    pub(crate) fn describe(&self, file: &HubFile) -> String {
        match self.cached(file) {
            Ok(Some(path)) => {
                let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
                format!("{file}: cached, {bytes} bytes")
            }
            Ok(None) if self.settings.offline => format!("{file}: not cached, and HF_HUB_OFFLINE is set"),
            Ok(None) => format!("{file}: to be downloaded from {}", self.host(&self.settings.endpoint)),
            Err(error) => error.to_string(),
        }
    }

    fn attempt(
        &self,
        file: &HubFile,
        place: &CacheEntry,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<PathBuf, HubError> {
        let mut facts = RemoteFile::default();
        let mut lock = None;
        let arrival = self.approach(file, place, &mut facts, &mut lock, progress, cancel)?;
        let unexpected = |reason: &str| self.unexpected(&self.settings.endpoint, file, reason);
        let etag = facts
            .name(file)
            .ok_or_else(|| unexpected("no ETag header; for a mirror that sends none, set `sha256` in the config"))?;
        let commit = facts.commit.clone().or_else(|| Some(file.revision.clone()).filter(|text| is_whole_commit(text)));
        let commit = commit.ok_or_else(|| {
            unexpected("no X-Repo-Commit header; for a mirror that sends none, set `revision` to a full commit hash")
        })?;
        let blob = place.blob(&etag);
        let mut resumed = true;
        if !blob.is_file() {
            let partial = place.partial(&etag);
            if let Arrival::Body(response, url, from) = arrival {
                resumed = from > 0;
                self.transfer(response, &url, from, &partial, file, facts.size, progress, cancel)?;
            }
            if let Err(error) = check(&partial, file, facts.sha256) {
                cache::remove(&partial)?;
                return Err(error.after_resuming(resumed));
            }
            // A mirror's tags may only look like git's; a pinned digest, checked above, takes precedence.
            if git::is_id(&etag) && file.sha256.is_none() {
                let opened = File::open(&partial).and_then(|file| git::blob_id(file.metadata()?.len(), file));
                let found = opened.map_err(FileError::new("read", &partial))?;
                if found != etag {
                    cache::remove(&partial)?;
                    return Err(HubError::DamagedBlob { subject: file.to_string(), found, expected: etag, resumed });
                }
            }
            File::open(&partial)
                .and_then(|file| file.sync_all())
                .and_then(|()| fs::rename(&partial, &blob))
                .map_err(FileError::new("rename into place", &blob))
                .map_err(HubError::disk(file, &self.settings.cache))?;
        } else if let Err(error) = check(&blob, file, facts.sha256) {
            cache::remove(&blob)?;
            // The next attempt downloads it again.
            return Err(error.after_resuming(true));
        }
        let path = place.link_snapshot(&etag, &commit)?;
        drop(lock);
        Ok(path)
    }

    /// Follows redirects to the content of a file and collects what the headers tell about it.
    fn approach(
        &self,
        file: &HubFile,
        place: &CacheEntry,
        facts: &mut RemoteFile,
        lock: &mut Option<Lock>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Arrival, HubError> {
        let mut url = format!(
            "{}/{}{}/resolve/{}/{}",
            self.settings.endpoint,
            if file.kind == RepoKind::Dataset { "datasets/" } else { "" },
            file.repo,
            escape(&file.revision).replace('/', "%2F"),
            escape(&file.path)
        );
        let mut asked_for_rest = false;
        for _ in 0..MAX_HOPS {
            let from = facts.name(file).filter(|_| lock.is_some()).map_or(0, |etag| place.downloaded(&etag));
            let response = self.get(&url, from, file, cancel)?;
            let (status, headers) = (response.status(), response.headers());
            facts.learn(headers);
            expect(file, facts)?;
            // The tag of a redirect itself is not that of the file.
            if let Some(etag) = facts.name(file).filter(|_| facts.linked || status.is_success()) {
                let etag = &etag;
                if lock.is_none() {
                    *lock = Some(place.lock(etag, progress, cancel)?);
                }
                let arrived = place.downloaded(etag);
                if place.blob(etag).is_file() || (arrived > 0 && facts.size == Some(arrived)) {
                    return Ok(Arrival::Complete);
                }
                if facts.size.is_some_and(|size| arrived > size) {
                    cache::remove(&place.partial(etag))?;
                }
            }
            if status.is_redirection() {
                let Some(location) = header(headers, "location") else {
                    return Err(self.refusal(&url, status, headers, file));
                };
                url = join(&url, location);
                continue;
            }
            match status.as_u16() {
                200 => {
                    if facts.etag.is_none() && header(headers, "content-type").is_some_and(|kind| kind.contains("html"))
                    {
                        return Err(self.unexpected(&url, file, "a web page, such as the login page of a network"));
                    }
                    let rest = facts.name(file).map_or(0, |etag| place.downloaded(&etag));
                    if from == 0 && rest > 0 && !std::mem::replace(&mut asked_for_rest, true) {
                        continue;
                    }
                    let length = header(headers, "content-length").and_then(|text| text.parse().ok());
                    facts.size = facts.size.or(length);
                    expect(file, facts)?;
                    return Ok(Arrival::Body(response, url, 0));
                }
                206 => {
                    let range = header(headers, "content-range").and_then(content_range);
                    if let Some((_, total)) = range.filter(|(start, _)| *start == from && from > 0) {
                        facts.size = facts.size.or(total);
                        return Ok(Arrival::Body(response, url, from));
                    }
                    return Err(self.unexpected(&url, file, "a different range than requested"));
                }
                // The partial file is not a prefix of the server's file.
                416 => {
                    if let Some(etag) = facts.name(file) {
                        cache::remove(&place.partial(&etag))?;
                    }
                }
                _ => return Err(self.refusal(&url, status, headers, file)),
            }
        }
        Err(self.unexpected(&url, file, "too many redirects"))
    }

    /// Appends a body to the partial file.
    #[expect(clippy::too_many_arguments, reason = "one call; a struct would only repeat the names")]
    fn transfer(
        &self,
        response: Response<Body>,
        url: &str,
        from: u64,
        partial: &Path,
        file: &HubFile,
        size: Option<u64>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<(), HubError> {
        let disk = |error| HubError::disk(file, &self.settings.cache)(error);
        let failed = |error| disk(FileError::new("write", partial)(error));
        let folder = partial.parent().unwrap_or(&self.settings.cache);
        crate::files::create_dir(folder).map_err(disk)?;
        let mut out = OpenOptions::new().create(true).truncate(false).write(true).open(partial).map_err(failed)?;
        if from == 0 && out.metadata().map_err(failed)?.len() > 0 {
            out.set_len(0).map_err(failed)?;
        }
        out.seek(SeekFrom::Start(from)).map_err(failed)?;
        let chunks = Chunks::of(response.into_body())?;
        progress.start(&format!("downloading {}", file.path), "bytes", size, from);
        let mut got = from;
        let result = loop {
            let chunk = match chunks.next(cancel) {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(error))) => break Ok(Some(error.to_string())),
                Ok(None) => break Ok(None),
                Err(error) => break Err(error),
            };
            got += chunk.len() as u64;
            if size.is_some_and(|size| got > size) {
                break Ok(None);
            }
            if let Err(error) = out.write_all(&chunk) {
                break Err(failed(error));
            }
            progress.advance(chunk.len() as u64);
        };
        progress.finish();
        let reason = result?;
        match size {
            Some(expected) if got > expected => {
                cache::remove(partial)?;
                Err(HubError::WrongSize { subject: file.to_string(), got, expected })
            }
            _ if reason.is_some() || size.is_some_and(|size| got < size) => {
                Err(HubError::Truncated { subject: file.to_string(), host: self.host(url), got, size, reason })
            }
            _ => Ok(()),
        }
    }
}

/// Compares what the Hub announces with what is expected, before anything is transferred.
fn expect(file: &HubFile, facts: &RemoteFile) -> Result<(), HubError> {
    match (file.sha256.zip(facts.sha256), file.size.zip(facts.size)) {
        (Some((expected, found)), _) if expected != found => {
            Err(HubError::OtherContent { subject: file.to_string(), found, expected })
        }
        (_, Some((expected, got))) if expected != got => {
            Err(HubError::WrongSize { subject: file.to_string(), got, expected })
        }
        _ => Ok(()),
    }
}

/// Verifies a file on disk against what is expected and what the Hub announced.
fn check(path: &Path, file: &HubFile, announced: Option<Digest>) -> Result<(), HubError> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (got, bytes) = opened.map_err(FileError::new("read", path))?;
    if let Some(expected) = file.size.filter(|&size| size != got) {
        return Err(HubError::WrongSize { subject: file.to_string(), got, expected });
    }
    let Some(expected) = file.sha256.or(announced) else { return Ok(()) };
    let found = Digest::of_reader(bytes).map_err(FileError::new("read", path))?;
    if found == expected { Ok(()) } else { Err(Hub::mismatch(path, file, found, expected)) }
}

/// Start and total of `bytes 10-99/100`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_valid_file_names() {
        assert_eq!(tag("\"abc\"").as_deref(), Some("abc"));
        assert_eq!(tag("W/\"a-1\"").as_deref(), Some("a-1"));
        assert_eq!(tag("\"../x\""), None);
        assert_eq!(tag("\"\""), None);
    }

    #[test]
    fn content_ranges() {
        assert_eq!(content_range("bytes 10-99/100"), Some((10, Some(100))));
        assert_eq!(content_range("bytes 10-99/*"), Some((10, None)));
        assert_eq!(content_range("bytes */100"), None);
    }
}
