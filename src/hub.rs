//! The Hugging Face Hub: pinned files, checked before anybody sees them.

use std::path::PathBuf;

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

/// One file at a pinned revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFile {
    /// Kind of repository.
    pub kind: RepoKind,
    /// `owner/name`.
    pub repo: String,
    /// Commit hash.
    pub revision: String,
    /// Path inside the repository.
    pub path: String,
    /// Size in bytes, where the Hub told.
    pub size: Option<u64>,
    /// SHA-256 of the content, where the config pins it or the Hub told (LFS files).
    pub sha256: Option<Digest>,
}

/// Brings a file into the local cache (or finds it there), checked against `size` and `sha256`.
///
/// # Errors
/// [`HubError`].
pub fn download(_file: &HubFile, _progress: &dyn Progress, _cancel: &Cancel) -> Result<PathBuf, HubError> {
    Err(HubError::Interrupted)
}

/// All files below a folder ("" for all) of a repository at a pinned revision, by path.
///
/// # Errors
/// [`HubError`].
pub fn list(
    _kind: RepoKind,
    _repo: &str,
    _revision: &str,
    _folder: &str,
    _cancel: &Cancel,
) -> Result<Vec<HubFile>, HubError> {
    Err(HubError::Interrupted)
}

/// Why the Hub did not give a file.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Stopped on request.
    #[error("interrupted")]
    Interrupted,
}
