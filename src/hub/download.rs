//! Downloads one file of a repository: found in the cache, or fetched, resumed, verified, and only then given its name.

use std::fs::File;
use std::path::{Path, PathBuf};

use ureq::Body;
use ureq::http::{HeaderMap, Response};

use super::address::escape;
use super::cache::{self, CacheEntry};
use super::client::{MAX_HOPS, Request, header, is_chunked};
use super::content::{Cancellable, Content};
use super::remote;
use super::transfer::{Part, content_range};
use super::{Hub, HubError, HubFile, RepoKind, is_commit, is_whole_commit};
use crate::digest::Digest;
use crate::file_lock::Lock;
use crate::files::FileError;
use crate::progress::{Cancel, Progress};

/// What the response headers tell about a file.
#[derive(Default)]
struct RemoteFile {
    /// Name of the blob.
    etag: Option<String>,
    /// A tag that cannot be one.
    odd_etag: Option<String>,
    /// The tag as the file's own server sent it, if the same tag means the same bytes.
    sent: Option<String>,
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
        let sent = linked.or_else(|| header(headers, "etag"));
        self.sent = sent.filter(|text| linked.is_none() && text.starts_with('"')).map(str::to_owned);
        self.odd_etag = sent.filter(|text| tag(text).is_none()).map(str::to_owned);
        if let Some(etag) = sent.and_then(tag) {
            self.linked = linked.is_some();
            self.sha256 = etag.parse().ok().filter(|_| self.linked);
            self.etag = Some(etag);
        }
    }

    /// The name of the blob: its entity tag, as in Python, or that of the expected content.
    fn name(&self, file: &HubFile) -> Option<String> {
        self.etag.clone().or_else(|| content_name(file))
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
            match check(&path, file, cache::announced(&path), cancel) {
                Ok(()) => return Ok(path),
                Err(error) if error.damaged() => {
                    self.require_online(&error, &path)?;
                    CacheEntry::new(&self.settings, file)?.blobs.discard(&path)?;
                    progress.say(&format!("{file} is damaged in the cache; downloading it again"));
                }
                Err(error) => return Err(error),
            }
        }
        match self.known_content(file, cancel)? {
            Some(path) => Ok(path),
            None => self.fetch(file, progress, cancel),
        }
    }

    /// A file whose content was downloaded with another revision: most files stay the same when a branch moves.
    fn known_content(&self, file: &HubFile, cancel: &Cancel) -> Result<Option<PathBuf>, HubError> {
        let place = CacheEntry::new(&self.settings, file)?;
        let Some(name) = content_name(file) else { return Ok(None) };
        let blob = place.blobs.blob(&name);
        if !is_whole_commit(&file.revision) || !blob.is_file() || check(&blob, file, None, cancel).is_err() {
            return Ok(None);
        }
        place.link_snapshot(&name, &file.revision).map(Some)
    }

    /// The cached file, not verified. Branches, which may have moved, are looked up only when offline.
    pub(crate) fn cached(&self, file: &HubFile) -> Result<Option<PathBuf>, HubError> {
        let place = CacheEntry::new(&self.settings, file)?;
        Ok(place.find().filter(|_| self.settings.offline || is_commit(&file.revision)))
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
        let etag = facts.name(file).ok_or_else(|| match &facts.odd_etag {
            Some(etag) => unexpected(&format!(
                "the ETag {etag} cannot name a file in the cache; for a mirror that sends such, set `sha256` in the config"
            )),
            None => unexpected("no ETag header; for a mirror that sends none, set `sha256` in the config"),
        })?;
        let commit = Some(file.revision.clone()).filter(|text| is_whole_commit(text)).or(facts.commit.clone());
        let commit = commit.ok_or_else(|| {
            unexpected("no X-Repo-Commit header; for a mirror that sends none, set `revision` to a full commit hash")
        })?;
        let blob = place.blobs.blob(&etag);
        let mut resumed = true;
        if !blob.is_file() {
            let partial = place.blobs.partial(&etag);
            if let Arrival::Body(response, url, from) = arrival {
                resumed = from > 0;
                let (name, size) = (file.path.as_str(), facts.size.or(file.size));
                let part = Part { name, subject: file, path: &partial, from, size };
                self.transfer(response, &url, &part, progress, cancel)?;
            }
            // A mirror's tags may only look like git's; what the config or the listing expects takes precedence.
            if let Err(error) = check(&partial, file, Content::named(&etag), cancel) {
                if error.damaged() {
                    cache::remove(&partial)?;
                }
                return Err(error.after_resuming(resumed));
            }
            place.blobs.keep(&partial, &blob)?;
        } else if let Err(error) = check(&blob, file, Content::named(&etag), cancel) {
            if error.damaged() {
                cache::remove(&blob)?;
            }
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
        lock: &mut Option<(String, Lock)>,
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
        let (mut asked_for_rest, mut from_start) = (false, false);
        for _ in 0..MAX_HOPS {
            let asked = facts.name(file).filter(|_| lock.is_some() && !from_start);
            let from = asked.as_ref().map_or(0, |etag| place.blobs.downloaded(etag));
            let sent = facts.sent.clone();
            let request = Request { if_range: sent.as_deref(), ..Request::of_hub(&url, from) };
            let response = self.get(request, file, cancel)?;
            let (status, headers) = (response.status(), response.headers());
            if status.is_success() || status.is_redirection() {
                self.require_commit(&url, headers, file)?;
            }
            facts.learn(headers);
            expect(file, facts)?;
            // The tag of a redirect itself is not that of the file.
            if let Some(etag) = facts.name(file).filter(|_| facts.linked || status.is_success()) {
                let etag = &etag;
                if lock.as_ref().is_none_or(|(locked, _)| locked != etag) {
                    // The other one first: two processes must not wait for each other.
                    *lock = None;
                    *lock = Some((etag.clone(), place.blobs.lock(etag, progress, cancel)?));
                }
                let arrived = place.blobs.downloaded(etag);
                if place.blobs.blob(etag).is_file() || (arrived > 0 && facts.size == Some(arrived)) {
                    return Ok(Arrival::Complete);
                }
                if facts.size.is_some_and(|size| arrived > size) {
                    cache::remove(&place.blobs.partial(etag))?;
                }
            }
            if status.is_redirection() {
                let Some(location) = header(headers, "location") else {
                    return Err(self.refusal(&url, status, headers, file));
                };
                url = self.redirected(&url, location, file)?;
                continue;
            }
            if status.is_success() {
                self.require_plain(&url, headers, file)?;
            }
            match status.as_u16() {
                200 => {
                    if facts.etag.is_none() && header(headers, "content-type").is_some_and(|kind| kind.contains("html"))
                    {
                        return Err(self.unexpected(&url, file, "a web page, such as the login page of a network"));
                    }
                    let rest = facts.name(file).map_or(0, |etag| place.blobs.downloaded(&etag));
                    if from == 0 && !from_start && rest > 0 && !std::mem::replace(&mut asked_for_rest, true) {
                        continue;
                    }
                    let length = header(headers, "content-length").and_then(|text| text.parse().ok());
                    facts.size = facts.size.or(length);
                    expect(file, facts)?;
                    let named = facts.etag.as_deref().is_some_and(|etag| Content::named(etag).is_some());
                    let judged = named || content_name(file).is_some();
                    if facts.size.or(file.size).is_none() && !judged && !is_chunked(headers) {
                        let reason = "no Content-Length header; for a mirror that sends none, set `sha256`";
                        return Err(self.unexpected(&url, file, reason));
                    }
                    return Ok(Arrival::Body(response, url, 0));
                }
                // The rest of another file than the one whose beginning is here, of a server that does not know If-Range.
                206 if from > 0 && facts.name(file) != asked => from_start = true,
                206 => {
                    let range = header(headers, "content-range").and_then(content_range);
                    if let Some((_, total)) = range.filter(|(start, _)| *start == from && from > 0) {
                        facts.size = facts.size.or(total);
                        return Ok(Arrival::Body(response, url, from));
                    }
                    return Err(self.unexpected(&url, file, "a different range than requested"));
                }
                // The partial file is not a prefix of the server's file.
                416 if from > 0 => {
                    if let Some(etag) = facts.name(file) {
                        cache::remove(&place.blobs.partial(&etag))?;
                    }
                }
                _ => return Err(self.refusal(&url, status, headers, file)),
            }
        }
        Err(self.unexpected(&url, file, "too many redirects"))
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

/// The name of a blob with the expected content.
fn content_name(file: &HubFile) -> Option<String> {
    file.sha256.map(|sha256| sha256.to_string()).or_else(|| file.git_id.clone())
}

/// Verifies a file on disk against what is expected, or else against what the Hub announced.
fn check(path: &Path, file: &HubFile, announced: Option<Content>, cancel: &Cancel) -> Result<(), HubError> {
    let failed = || FileError::new("read", path);
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (got, bytes) = opened.map_err(failed())?;
    if let Some(expected) = file.size.filter(|&size| size != got) {
        return Err(HubError::WrongSize { subject: file.to_string(), got, expected });
    }
    let listed = || file.git_id.clone().map(Content::Git);
    let Some(expected) = file.sha256.map(Content::Sha256).or_else(listed).or(announced) else { return Ok(()) };
    let found = expected.of(got, Cancellable(bytes, cancel));
    if cancel.requested() {
        return Err(HubError::Interrupted);
    }
    let found = found.map_err(failed())?;
    if found == expected { Ok(()) } else { Err(remote::mismatch(path, file, found, expected)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault (hub): an entity tag that leads out of the cache → not used as a name
    #[test]
    fn tags_are_valid_file_names() {
        assert_eq!(tag("\"abc\"").as_deref(), Some("abc"));
        assert_eq!(tag("W/\"a-1\"").as_deref(), Some("a-1"));
        assert_eq!(tag("\"../x\""), None);
        assert_eq!(tag("\"\""), None);
    }
}
