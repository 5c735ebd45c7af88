//! Downloads one file at a URL, such as a release's on GitHub, whose URL redirects to a signed one of its storage.
//!
//! Beside the repositories in the cache:
//!
//! ```text
//! urls--<file name>--<digest of the URL>/blobs/<sha256>              the file
//!                                        blobs/download.incomplete   while it arrives
//!                                        blobs/download.etag         the entity tag of what arrives
//!                                        refs/latest                 the sha256 of the last download
//!                                        refs/covered                the digest of the URL as runs keep it, if it has a query
//! ```
//!
//! No token is sent, and no URL that a server redirects to is shown or stored.

use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;

use ureq::Body;
use ureq::http::{HeaderMap, Response, StatusCode, Uri};

use super::address::{join, origin, with_plain_scheme, without_query};
use super::cache::{self, Blobs};
use super::client::{MAX_HOPS, Request, header, is_chunked};
use super::content::Cancellable;
use super::transfer::{Part, content_range};
use super::{Hub, HubError, HubSettings, Service};
use crate::digest::Digest;
use crate::files::FileError;
use crate::progress::{Cancel, Progress};
use crate::text;

/// Name of the blob that arrives, whose digest is not known before.
const ARRIVING: &str = "download";

/// Name of the reference to the last download.
const LATEST: &str = "latest";

/// Name of the reference to the URL as runs keep it.
const COVERED: &str = "covered";

/// Characters of a URL that are shown.
const LONGEST: usize = 1000;

/// A file at a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlFile {
    /// The whole URL.
    pub url: String,
    /// SHA-256 of the content, if the config pins it.
    pub sha256: Option<Digest>,
}

impl UrlFile {
    /// Last part of the URL's path.
    fn name(&self) -> &str {
        let path = without_query(&self.url);
        path.rsplit('/').next().unwrap_or(path)
    }

    /// Its blobs in the cache, by the digest of the URL; the file's name is there for those who look.
    fn blobs<'a>(&'a self, settings: &'a HubSettings) -> Blobs<'a> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let name: String = self.name().chars().map(plain).take(64).collect();
        let start = format!("urls--{name}--");
        let folder = self.kept_as(settings, &start);
        let folder = folder.unwrap_or_else(|| format!("{start}{}", Digest::of(self.url.as_bytes()).short(32)));
        Blobs::new(settings, folder, self)
    }

    /// Whether the query is covered: the URL is that of a run's copy of a config.
    fn is_covered(&self) -> bool {
        let query = self.url.split_once('?').map_or("", |(_, query)| query);
        !query.is_empty() && query.bytes().all(|byte| byte == b'*')
    }

    /// The digest of the URL as runs keep it.
    fn covered(&self) -> String {
        Digest::of(text::masked(&self.url).as_bytes()).to_string()
    }

    /// For a covered URL, the folder of the only one that is kept like this.
    fn kept_as(&self, settings: &HubSettings, start: &str) -> Option<String> {
        if !self.is_covered() {
            return None;
        }
        let names = fs::read_dir(&settings.cache).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let is_it = |name: &String| {
            let covered = Blobs::new(settings, name.clone(), self).reference(COVERED);
            name.starts_with(start) && fs::read_to_string(covered).is_ok_and(|text| text == self.covered())
        };
        let mut fitting = names.filter(is_it);
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

/// The URL without its query, which may contain a key.
impl fmt::Display for UrlFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::quoted_to(without_query(&self.url), LONGEST))
    }
}

/// Why a URL is not requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It contains a user name or password.
    Credentials,
    /// It is neither https nor on this machine.
    NotEncrypted,
}

/// Whether, and why, a URL must not be requested.
pub(crate) fn unusable(url: &str) -> Option<Unusable> {
    let url = with_plain_scheme(url);
    let (scheme, place) = origin(&url).split_once("://").unwrap_or_default();
    let host = place.split(':').next().unwrap_or(place);
    if place.contains('@') {
        Some(Unusable::Credentials)
    } else if scheme != "https" && !(scheme == "http" && matches!(host, "localhost" | "127.0.0.1")) {
        Some(Unusable::NotEncrypted)
    } else {
        None
    }
}

impl Hub {
    /// The file as it was last downloaded from its URL, or the pinned one; not verified.
    pub(super) fn cached_url(&self, file: &UrlFile) -> Option<PathBuf> {
        let blobs = file.blobs(&self.settings);
        let latest = || fs::read_to_string(blobs.reference(LATEST)).ok()?.trim().parse().ok();
        let path = blobs.blob(&file.sha256.or_else(latest)?.to_string());
        path.is_file().then_some(path)
    }

    /// Downloads a file that is not in the cache.
    pub(super) fn fetch_url(
        &self,
        file: &UrlFile,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<PathBuf, HubError> {
        if self.settings.offline {
            let folder = self.settings.cache.clone();
            return Err(HubError::NotCached { subject: file.to_string(), folder });
        }
        if file.is_covered() {
            return Err(HubError::Covered { subject: file.to_string() });
        }
        let blobs = file.blobs(&self.settings);
        let _lock = blobs.lock(ARRIVING, progress, cancel)?;
        // Another process may have downloaded it in the meantime.
        if let Some(path) = self.cached_url(file) {
            return Ok(path);
        }
        self.with_retries(progress, cancel, || self.attempt_url(file, &blobs, progress, cancel))
    }

    fn attempt_url(
        &self,
        file: &UrlFile,
        blobs: &Blobs<'_>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<PathBuf, HubError> {
        let partial = blobs.partial(ARRIVING);
        let (response, url, from, size) = self.approach_url(file, blobs, cancel)?;
        let part = Part { name: file.name(), subject: file, path: &partial, from, size };
        self.transfer(response, &url, &part, progress, cancel)?;
        let found = File::open(&partial).and_then(|file| Digest::of_reader(Cancellable(file, cancel)));
        if cancel.requested() {
            return Err(HubError::Interrupted);
        }
        let found = found.map_err(FileError::new("read", &partial))?;
        if let Some(expected) = file.sha256.filter(|expected| *expected != found) {
            cache::remove(&partial)?;
            let subject = file.to_string();
            return Err(if from > 0 {
                HubError::Damaged { subject, found, expected, resumed: true }
            } else {
                HubError::OtherUrlContent { subject, found, expected }
            });
        }
        let blob = blobs.blob(&found.to_string());
        blobs.keep(&partial, &blob)?;
        blobs.store_reference(LATEST, &found.to_string())?;
        if file.url.contains('?') {
            blobs.store_reference(COVERED, &file.covered())?;
        }
        Ok(blob)
    }

    /// Follows redirects to the content of a file: the response, its URL, its first byte in the file, and the file's size.
    fn approach_url(
        &self,
        file: &UrlFile,
        blobs: &Blobs<'_>,
        cancel: &Cancel,
    ) -> Result<(Response<Body>, String, u64, Option<u64>), HubError> {
        let mut arrived = Arrived::read(file, blobs);
        let mut url = with_plain_scheme(&file.url);
        self.require_safe(&url, &url, file)?;
        for _ in 0..MAX_HOPS {
            let Arrived { bytes: from, etag } = &arrived;
            let request = Request { url: &url, from: *from, if_range: etag.as_deref(), service: Service::Url };
            let response = self.get(request, file, cancel)?;
            let (status, headers) = (response.status(), response.headers());
            let length = header(headers, "content-length").and_then(|text| text.parse::<u64>().ok());
            match (status.as_u16(), header(headers, "location")) {
                (300..=399, Some(location)) => {
                    let next = join(&url, location);
                    self.require_safe(&url, &next, file)?;
                    url = next;
                }
                (200, _) => {
                    let is_page = header(headers, "content-type").is_some_and(|kind| kind.contains("html"));
                    if is_page {
                        return Err(self.unexpected_of_url(&url, file, "a web page, not a file"));
                    }
                    self.require_end(&url, file, headers, length)?;
                    Arrived::begin(blobs, entity_tag(headers))?;
                    return Ok((response, url, 0, length));
                }
                (206, _) => {
                    let range = header(headers, "content-range").and_then(content_range);
                    let Some((_, total)) = range.filter(|(start, _)| start == from && *from > 0) else {
                        return Err(self.unexpected_of_url(&url, file, "a different range than requested"));
                    };
                    if etag.is_some() && entity_tag(headers).is_some_and(|now| Some(now) != etag.as_deref()) {
                        // A server that does not know If-Range.
                        arrived = Arrived::begin(blobs, None)?;
                        continue;
                    }
                    let (from, size) = (*from, total.or_else(|| length.map(|rest| from.saturating_add(rest))));
                    return Ok((response, url, from, size));
                }
                // The partial file is not a prefix of the server's file.
                (416, _) if *from > 0 => arrived = Arrived::begin(blobs, None)?,
                _ => return Err(self.refusal_of_url(&url, status, headers, file)),
            }
        }
        Err(self.unexpected_of_url(&url, file, "too many redirects"))
    }

    /// Refuses an unsafe URL that the response of another leads to.
    fn require_safe(&self, url: &str, next: &str, file: &UrlFile) -> Result<(), HubError> {
        let reason = match unusable(next) {
            None if next.parse::<Uri>().is_ok() => return Ok(()),
            None => "it leads to an invalid URL",
            Some(Unusable::Credentials) => "it leads to a URL with a user name or password",
            Some(Unusable::NotEncrypted) => "it leads to a URL that is neither https nor on this machine",
        };
        Err(self.unexpected_of_url(url, file, reason))
    }

    /// Refuses a body whose end cannot be told from a broken connection, unless a digest will tell.
    fn require_end(&self, url: &str, file: &UrlFile, headers: &HeaderMap, length: Option<u64>) -> Result<(), HubError> {
        if length.is_some() || is_chunked(headers) || file.sha256.is_some() {
            return Ok(());
        }
        Err(self.unexpected_of_url(url, file, "no Content-Length header; for a server that sends none, set `sha256`"))
    }

    fn unexpected_of_url(&self, url: &str, file: &UrlFile, reason: &str) -> HubError {
        self.unexpected_of(url, file, reason, Service::Url)
    }

    /// The error for an unsuccessful status.
    fn refusal_of_url(&self, url: &str, status: StatusCode, headers: &HeaderMap, file: &UrlFile) -> HubError {
        let (subject, host) = (file.to_string(), self.host(url));
        match status.as_u16() {
            status @ (401 | 403) => HubError::UrlDenied { subject, host, status },
            status @ (404 | 410) => HubError::NoUrl { subject, host, status },
            _ => self.failed_status(url, status, headers, subject, Service::Url),
        }
    }
}

/// What arrived in earlier attempts and is of use.
#[derive(Default)]
struct Arrived {
    bytes: u64,
    /// The entity tag of the file that the bytes are of.
    etag: Option<String>,
}

impl Arrived {
    /// Bytes of a file whose tag is not known are of use only if a digest will judge them.
    fn read(file: &UrlFile, blobs: &Blobs<'_>) -> Self {
        let etag = fs::read_to_string(Self::tag(blobs)).ok().filter(|text| is_strong(text));
        let useful = etag.is_some() || file.sha256.is_some();
        Self { bytes: if useful { blobs.downloaded(ARRIVING) } else { 0 }, etag }
    }

    /// Discards what arrived; what arrives from now on has this tag.
    fn begin(blobs: &Blobs<'_>, etag: Option<&str>) -> Result<Self, HubError> {
        // In this order, so that no bytes ever stand beside the tag of another file.
        cache::remove(&blobs.partial(ARRIVING))?;
        let path = Self::tag(blobs);
        match etag {
            Some(etag) => blobs.write(&path, etag)?,
            None => cache::remove(&path)?,
        }
        Ok(Self::default())
    }

    fn tag(blobs: &Blobs<'_>) -> PathBuf {
        blobs.blob(&format!("{ARRIVING}.etag"))
    }
}

/// The entity tag of a response, if the same tag means the same bytes.
fn entity_tag(headers: &HeaderMap) -> Option<&str> {
    header(headers, "etag").filter(|text| is_strong(text))
}

fn is_strong(etag: &str) -> bool {
    etag.len() > 2 && etag.len() <= 256 && etag.starts_with('"') && etag.ends_with('"')
}
