//! Resolves revisions to commits.

use std::time::Instant;

use serde::Deserialize;

use super::address::escape;
use super::cache::CacheEntry;
use super::{Hub, HubError, HubFile, RepoKind, is_commit, is_whole_commit};
use crate::progress::{Cancel, Progress};

/// The part of the revision API's response that is used.
#[derive(Deserialize)]
struct Revision {
    sha: String,
}

impl Hub {
    /// The commit that a revision refers to: a full hash itself, a short one as resolved by the cache or the Hub, and a
    /// branch or tag as it is on the Hub now (offline, as it was when last resolved).
    pub(crate) fn resolve(
        &self,
        kind: RepoKind,
        repo: &str,
        revision: &str,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<String, HubError> {
        let subject = HubFile::new(kind, repo, revision, "");
        let place = CacheEntry::new(&self.settings, &subject)?;
        let known = if is_commit(&subject.revision) || self.settings.offline { place.commit() } else { None };
        if let Some(commit) = known {
            return Ok(commit);
        }
        let what = format!("the commit of `{}` in {}", subject.revision, subject.repo);
        if self.settings.offline {
            return Err(HubError::NotCached { subject: what, folder: self.settings.cache.clone() });
        }
        let commit = self.with_retries(progress, cancel, || self.ask_for_commit(&subject, &what, cancel))?;
        place.store_ref(&commit)?;
        Ok(commit)
    }

    fn ask_for_commit(&self, subject: &HubFile, what: &str, cancel: &Cancel) -> Result<String, HubError> {
        let HubFile { kind, repo, revision, .. } = subject;
        let revision = escape(revision).replace('/', "%2F");
        // Without `expand` the response lists all files.
        let url = format!("{}/api/{kind}s/{repo}/revision/{revision}?expand=sha", self.settings.endpoint);
        let allowed = self.settings.limits.answer_time;
        let (url, _, body) = self.whole_body(url, subject, what, (Instant::now() + allowed, allowed), cancel)?;
        let unexpected = |reason: String| self.unexpected(&url, &what, reason);
        let Revision { sha } = serde_json::from_slice(&body)
            .map_err(|error| unexpected(format!("not JSON of the revision API: {error}")))?;
        let fits = is_whole_commit(&sha) && (!is_commit(&subject.revision) || sha.starts_with(&subject.revision));
        if fits { Ok(sha) } else { Err(unexpected(format!("`sha` is `{sha}`"))) }
    }
}
