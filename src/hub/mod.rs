//! The Hugging Face Hub: pinned files, checked before anybody sees them.
//!
//! The cache has the layout of Python's `huggingface_hub`, so that each finds what the other downloaded. The transfer is
//! our own: `hf_hub` 0.5 returns short bodies and wrong bytes as success and leaves them in the cache.

mod cache;
mod client;
mod download;
mod error;
mod git;
mod listing;
mod proxy;
mod rate_limit;
pub(crate) mod reference;
mod revision;
mod roots;
mod settings;

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

pub use error::HubError;
pub use proxy::{NamedProxy, Proxies};
pub use roots::Roots;
pub use settings::{HubSettings, Token};

use crate::digest::Digest;
use crate::progress::{Cancel, Progress};

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
    /// Size in bytes, where the Hub told.
    pub size: Option<u64>,
    /// SHA-256 of the content, where the config pins it or the Hub told (LFS files).
    pub sha256: Option<Digest>,
}

/// How messages name a file: `` `a/b.txt` of owner/name@0123456 ``.
impl fmt::Display for HubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let revision = if is_commit(&self.revision) { &self.revision[..7] } else { &self.revision };
        match self.path.as_str() {
            "" => write!(f, "{}@{revision}", self.repo),
            path => write!(f, "`{path}` of {}@{revision}", self.repo),
        }
    }
}

/// Whether a revision names a commit, which never moves, and no branch.
pub(crate) fn is_commit(revision: &str) -> bool {
    (7..=40).contains(&revision.len()) && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether it is the whole hash of one.
fn is_whole_commit(revision: &str) -> bool {
    revision.len() == 40 && is_commit(revision)
}

/// The name that git has for content, which the Hub gives as the entity tag of files that are not large.
#[must_use]
pub fn git_blob_id(bytes: &[u8]) -> String {
    // Memory can always be read.
    git::blob_id(bytes.len() as u64, bytes).unwrap_or_default()
}

/// A connection to the Hub (or a mirror of it) and its local cache.
pub struct Hub {
    settings: HubSettings,
    /// For `http://` and for `https://` addresses; made when the first is asked for.
    agents: [OnceLock<client::Agents>; 2],
    /// Until when the Hub wants to be left alone: what it tells one request holds for all.
    pause: client::Pause,
}

impl Hub {
    /// Opens no connection yet.
    #[must_use]
    pub fn new(settings: HubSettings) -> Self {
        Self { settings, agents: [OnceLock::new(), OnceLock::new()], pause: client::Pause::default() }
    }

    /// The one that the environment describes, shared by the whole process so that connections are kept.
    pub fn shared() -> &'static Self {
        static HUB: OnceLock<Hub> = OnceLock::new();
        HUB.get_or_init(|| Self::new(HubSettings::from_env()))
    }
}

/// Brings a file into the local cache (or finds it there), checked against `size` and `sha256`.
///
/// # Errors
/// [`HubError`].
pub fn download(file: &HubFile, progress: &dyn Progress, cancel: &Cancel) -> Result<PathBuf, HubError> {
    Hub::shared().download(file, progress, cancel)
}

/// All files below a folder ("" for all) of a repository at a pinned revision, by path. A listing of a commit is kept
/// in the cache: a second call needs no network.
///
/// # Errors
/// [`HubError`].
pub fn list(
    kind: RepoKind,
    repo: &str,
    revision: &str,
    folder: &str,
    cancel: &Cancel,
) -> Result<Vec<HubFile>, HubError> {
    Hub::shared().list(kind, repo, revision, folder, cancel)
}

/// The commit that a revision of a repository means: a whole hash itself, a short one as the cache or the Hub knows it, a
/// branch or tag as it is now.
///
/// # Errors
/// [`HubError`].
pub fn resolve(
    kind: RepoKind,
    repo: &str,
    revision: &str,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<String, HubError> {
    Hub::shared().resolve(kind, repo, revision, progress, cancel)
}
