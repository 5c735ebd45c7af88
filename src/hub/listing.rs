//! Lists the files of a repository with the tree API, page by page.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use ureq::http::HeaderMap;

use super::address::{escape, join, origin, public};
use super::cache::{self, CacheEntry};
use super::{Hub, HubError, HubFile, RepoKind, git, is_commit};
use crate::digest::Digest;
use crate::files;
use crate::progress::{Cancel, Silent};

/// An entry of the tree API, and of a cached listing.
#[derive(Serialize, Deserialize)]
struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    /// git's blob id: of a file in LFS, that of its pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lfs: Option<Lfs>,
}

#[derive(Serialize, Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

impl Hub {
    /// All files below a folder ("" for all) of a repository at a pinned revision, by path. The listing of a commit never
    /// changes and is cached.
    ///
    /// # Errors
    /// [`HubError`].
    pub fn list(
        &self,
        kind: RepoKind,
        repo: &str,
        revision: &str,
        folder: &str,
        cancel: &Cancel,
    ) -> Result<Vec<HubFile>, HubError> {
        let subject = HubFile::new(kind, repo, revision, folder.trim_matches('/'));
        let kept = self.kept_listing(&subject)?;
        if let Some(entries) = kept.as_ref().and_then(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok()) {
            return files_of(entries, &subject);
        }
        if self.settings.offline {
            return Err(HubError::NotCached {
                subject: format!("the list of files of {subject}"),
                folder: self.settings.cache.clone(),
            });
        }
        let allowed = self.settings.limits.list_time;
        let end = (Instant::now() + allowed, allowed);
        let entries = self.with_retries(&Silent, cancel, || self.all_pages(&subject, end, cancel))?;
        if let Some(path) = kept {
            let keep = || {
                path.parent().map_or(Ok(()), files::create_dir)?;
                files::commit_bytes(&path, &serde_json::to_vec(&entries).unwrap_or_default())
            };
            keep().map_err(HubError::disk(&subject, &self.settings.cache))?;
        }
        files_of(entries, &subject)
    }

    /// Path of the cached listing of a commit's folder: next to the snapshots, where Python does not look.
    fn kept_listing(&self, subject: &HubFile) -> Result<Option<PathBuf>, HubError> {
        let place = CacheEntry::new(&self.settings, subject)?;
        let name = format!("{}.json", Digest::of(subject.path.as_bytes()).short(16));
        let path = place.blobs.folder().join("listings").join(&subject.revision).join(name);
        Ok(is_commit(&subject.revision).then_some(path))
    }

    fn all_pages(
        &self,
        subject: &HubFile,
        end: (Instant, Duration),
        cancel: &Cancel,
    ) -> Result<Vec<TreeEntry>, HubError> {
        let kind = match subject.kind {
            RepoKind::Model => "models",
            RepoKind::Dataset => "datasets",
        };
        let revision = escape(&subject.revision).replace('/', "%2F");
        let below = if subject.path.is_empty() { String::new() } else { format!("/{}", escape(&subject.path)) };
        let (repo, limits) = (&subject.repo, &self.settings.limits);
        let first = format!("{}/api/{kind}/{repo}/tree/{revision}{below}?recursive=true", self.settings.endpoint);
        let mut url = first.clone();
        let name = format!("the list of files of {subject}");
        let mut entries: Vec<TreeEntry> = Vec::new();
        let (mut bytes, mut seen) = (0, 0);
        // The first file of each page: a mirror that does not support cursors sends the first page again.
        let mut starts = HashSet::new();
        for page_number in 1..=limits.list_pages {
            let (at, headers, page) = self.whole_body(url, subject, &name, end, cancel)?;
            url = at;
            bytes += page.len() as u64;
            let page: Vec<TreeEntry> = serde_json::from_slice(&page)
                .map_err(|error| self.unexpected(&url, &name, format!("not JSON of the tree API: {error}")))?;
            seen += page.len();
            let known = entries.len();
            entries.extend(page.into_iter().filter(|entry| entry.kind == "file"));
            let starts_anew = entries.get(known).is_none_or(|entry| starts.insert(entry.path.clone()));
            let Some(next) = next_page(&headers) else { return Ok(entries) };
            if bytes > limits.list_bytes {
                return Err(self.too_large(&url, &name, (bytes, limits.list_bytes), "bytes"));
            }
            if seen > limits.list_entries {
                return Err(self.too_large(&url, &name, (seen as u64, limits.list_entries as u64), "entries"));
            }
            let next = join(&url, &next);
            let next = self.on_endpoint(&first, &next).ok_or_else(|| {
                let (next, endpoint) = (public(&next), &self.settings.endpoint);
                self.unexpected(&url, &name, format!("the list continues at {next}, which is not on {endpoint}"))
            })?;
            if !starts_anew || next == url {
                let reason = format!("the list does not end: its page {page_number} repeats an earlier one");
                return Err(self.unexpected(&url, &name, reason));
            }
            url = next;
        }
        Err(self.too_large(&url, &name, (limits.list_pages + 1, limits.list_pages), "pages"))
    }

    /// The URL of the next page on the endpoint. A mirror may pass on the Hub's own URL, whose cursor is valid at the
    /// mirror too.
    fn on_endpoint(&self, first: &str, next: &str) -> Option<String> {
        if self.is_endpoint(next) {
            return Some(next.to_owned());
        }
        let path = |url: &str| url[origin(url).len()..].split('?').next().unwrap_or_default().to_owned();
        let query = next.split_once('?')?.1;
        path(first).ends_with(&path(next)).then(|| format!("{}?{query}", first.split('?').next().unwrap_or(first)))
    }
}

/// The URL in `<…>; rel="next"` (RFC 8288): there may be several `Link` headers, of several links each, and `rel` is a list of
/// words, in quotes or not.
fn next_page(headers: &HeaderMap) -> Option<String> {
    headers.get_all("link").iter().filter_map(|value| value.to_str().ok()).find_map(next_of).map(str::to_owned)
}

fn next_of(mut links: &str) -> Option<&str> {
    loop {
        let (address, rest) = links.split_once('<')?.1.split_once('>')?;
        let (parameters, others) = split_outside_quotes(rest, ',');
        if is_next(parameters) {
            return Some(address);
        }
        links = others?;
    }
}

/// Whether a link's parameters say that it leads to the next page.
fn is_next(mut parameters: &str) -> bool {
    loop {
        let (first, others) = split_outside_quotes(parameters, ';');
        let words = match first.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("rel") => value.trim().trim_matches('"'),
            _ => "",
        };
        if words.split_whitespace().any(|word| word.eq_ignore_ascii_case("next")) {
            return true;
        }
        let Some(others) = others else { return false };
        parameters = others;
    }
}

/// What is before and behind the first such character that is not in quotes.
fn split_outside_quotes(text: &str, separator: char) -> (&str, Option<&str>) {
    let mut quoted = false;
    let found = text.char_indices().find(|&(_, c)| {
        quoted ^= c == '"';
        c == separator && !quoted
    });
    found.map_or((text, None), |(at, c)| (&text[..at], Some(&text[at + c.len_utf8()..])))
}

fn files_of(entries: Vec<TreeEntry>, subject: &HubFile) -> Result<Vec<HubFile>, HubError> {
    let mut files = entries
        .into_iter()
        .map(|entry| {
            let size = entry.lfs.as_ref().map_or(entry.size, |lfs| lfs.size);
            let git_id = entry.oid.filter(|oid| entry.lfs.is_none() && git::is_id(oid));
            let sha256 = entry.lfs.and_then(|lfs| lfs.oid.trim_start_matches("sha256:").parse().ok());
            let file = HubFile { path: entry.path, size: Some(size), sha256, git_id, ..subject.clone() };
            cache::check_names(&file).map(|()| file)
        })
        .collect::<Result<Vec<_>, _>>()?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault (hub): a listing whose `Link` header has `rel=next` without quotes, among other words, or behind a proxy's own
    /// `Link` → all its pages are read
    #[test]
    fn the_next_page_is_found_among_links() {
        let next = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("link", ureq::http::HeaderValue::from_static(value));
            }
            next_page(&headers)
        };
        for (values, expected) in [
            (&["<http://a?x=1,2>; rel=\"next\""][..], Some("http://a?x=1,2")),
            (&["<http://a>; rel=\"prev\", <http://b>; rel=\"next\""], Some("http://b")),
            (&["<http://a>; rel=\"prev\""], None),
            (&["<http://a>; rel=next"], Some("http://a")),
            (&["<http://a>;title=\"a, b; <c>\" ; REL = \"last NEXT\" ;x=y"], Some("http://a")),
            (&["</style.css>; rel=preload; as=style", "<http://a>; rel=next"], Some("http://a")),
            (&["<http://a>; rel=nextish; title=\"; rel=next\"", "<http://b>"], None),
            (&["<http://a"], None),
        ] {
            assert_eq!(next(values).as_deref(), expected, "{values:?}");
        }
        assert_eq!(next_of(&format!("<http://a>{}", ";".repeat(1 << 20))), None);
    }
}
