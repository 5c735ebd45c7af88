//! The Hugging Face Hub: pinned files, verified before use. The same client downloads files at other URLs.
//!
//! The cache has the layout of Python's `huggingface_hub`, so the two share their files. Transfers are implemented here
//! because the crate `hf-hub` (1.0) neither verifies digests before a file enters the cache nor resumes a download.

mod address;
mod body;
mod cache;
mod client;
mod content;
mod download;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod git;
mod limits;
mod listing;
mod proxy;
mod rate_limit;
pub(crate) mod reference;
mod remote;
mod revision;
mod roots;
mod settings;
mod transfer;
mod url;

use std::fmt;
use std::sync::OnceLock;

pub use body::TooSlow;
pub use error::{HubError, Service};
pub use limits::Limits;
pub use proxy::{NamedProxy, Proxies};
pub(crate) use remote::Remote;
pub use roots::Roots;
pub use settings::{HubSettings, Token};
pub use url::UrlFile;
pub(crate) use url::{Unusable, unusable};

use crate::digest::Digest;
use crate::text;

/// Kind of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepoKind {
    /// Weights.
    Model,
    /// Data.
    Dataset,
}

impl fmt::Display for RepoKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "model",
            Self::Dataset => "dataset",
        })
    }
}

/// One file at a pinned revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFile {
    /// Kind of repository.
    pub kind: RepoKind,
    /// `owner/name`.
    pub repo: String,
    /// Commit hash, whole or at least its first 7 characters.
    pub revision: String,
    /// Path inside the repository.
    pub path: String,
    /// Size in bytes, if the Hub gave it.
    pub size: Option<u64>,
    /// SHA-256 of the content, if the config pins it or the Hub gave it (LFS files).
    pub sha256: Option<Digest>,
    /// git's blob id of the content, if the Hub gave it (other files).
    pub git_id: Option<String>,
}

impl HubFile {
    /// A file of unknown size and content.
    #[must_use]
    pub fn new(kind: RepoKind, repo: &str, revision: &str, path: &str) -> Self {
        let [repo, revision, path] = [repo, revision, path].map(str::to_owned);
        Self { kind, repo, revision, path, size: None, sha256: None, git_id: None }
    }
}

/// The name of a file in messages: `` `a/b.txt` of owner/name@0123456 ``.
impl fmt::Display for HubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let revision = if is_commit(&self.revision) { &self.revision[..7] } else { self.revision.as_str() };

        let [repo, revision] = [self.repo.as_str(), revision].map(text::quoted);
        match self.path.as_str() {
            "" => write!(f, "{repo}@{revision}"),
            path => write!(f, "`{}` of {repo}@{revision}", text::quoted(path)),
        }
    }
}

/// Whether a revision is a commit hash, which never moves, and not a branch.
pub(crate) fn is_commit(revision: &str) -> bool {
    (7..=40).contains(&revision.len()) && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a revision is a full commit hash.
fn is_whole_commit(revision: &str) -> bool {
    revision.len() == 40 && is_commit(revision)
}

/// git's id for content, which the Hub uses as the entity tag of small files.
#[must_use]
pub fn git_blob_id(bytes: &[u8]) -> String {
    // Reading from memory cannot fail.
    git::blob_id(bytes.len() as u64, bytes).unwrap_or_default()
}

/// A connection to the Hub (or a mirror of it) and its local cache.
pub struct Hub {
    settings: HubSettings,
    /// The header that requests to the endpoint carry.
    authorization: Option<Token>,
    /// For `http://` and `https://` URLs, created on first use.
    agents: [OnceLock<client::Agents>; 2],
    /// The pause that the Hub asked for, which applies to all requests.
    pause: client::Pause,
}

impl Hub {
    /// Opens no connection yet.
    #[must_use]
    pub fn new(settings: HubSettings) -> Self {
        let authorization = client::authorization(&settings);
        Self { settings, authorization, agents: [OnceLock::new(), OnceLock::new()], pause: client::Pause::default() }
    }

    /// The Hub of the environment, shared by the whole process to reuse connections.
    pub fn shared() -> &'static Self {
        static HUB: OnceLock<Hub> = OnceLock::new();
        HUB.get_or_init(|| Self::new(HubSettings::from_env()))
    }
}
