//! Checkpoints: located (Hub, file, embedded), digested, parsed, and checked against the network. Files are read once, so
//! the digest is that of the loaded bytes.

mod embedded;
mod error;
mod source;

use std::borrow::Cow;

pub use error::WeightsError;
pub use source::WeightsSource;

use crate::digest::Digest;
use crate::files;
use crate::hub::{Hub, HubFile, RepoKind};
use crate::model::weights::{self, Checkpoint, Origin};
use crate::progress::{Cancel, Progress};

/// Locates, digests and parses a checkpoint.
///
/// # Errors
/// [`WeightsError`].
pub fn load(source: &WeightsSource, progress: &dyn Progress, cancel: &Cancel) -> Result<Checkpoint, WeightsError> {
    load_with(Hub::shared(), source, progress, cancel)
}

/// [`load`] from a Hub other than the environment's.
///
/// # Errors
/// [`WeightsError`].
pub fn load_with(
    hub: &Hub,
    source: &WeightsSource,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Checkpoint, WeightsError> {
    let (bytes, digest, source, location, revision) = match source {
        WeightsSource::Hub { repo, revision, file, sha256 } => {
            let (bytes, digest) = from_hub(hub, &hub_file(repo, revision, file, *sha256), progress, cancel)?;
            (Cow::Owned(bytes), digest, "hub", format!("{repo}/{file}"), Some(revision.clone()))
        }
        WeightsSource::File { path, sha256 } => {
            let bytes = files::read(path)?;
            let found = Digest::of(&bytes);
            if let Some(expected) = sha256.filter(|expected| *expected != found) {
                return Err(WeightsError::WrongDigest { path: path.clone(), found, expected });
            }
            (Cow::Owned(bytes), found, "file", path.display().to_string(), None)
        }
        WeightsSource::Embedded { name } => {
            let bytes = embedded::find(name)?;
            (Cow::Borrowed(bytes), Digest::of(bytes), "embedded", name.clone(), None)
        }
    };
    let tensors = weights::parse(&bytes, &|note| progress.say(note))
        .map_err(|source| WeightsError::Format { location: location.clone(), source })?;
    let origin = Origin { source: source.to_owned(), location, revision, bytes: bytes.len() as u64 };
    Ok(Checkpoint { tensors, digest, origin })
}

/// Describes in one line what would be loaded and whether it would be downloaded, without doing either.
#[must_use]
pub fn describe(source: &WeightsSource) -> String {
    match source {
        WeightsSource::Hub { repo, revision, file, sha256 } => {
            Hub::shared().describe(&hub_file(repo, revision, file, *sha256))
        }
        WeightsSource::File { path, .. } => match std::fs::metadata(path) {
            Ok(metadata) => format!("{}, {} bytes", path.display(), metadata.len()),
            Err(error) => format!("{}: unreadable: {error}", path.display()),
        },
        WeightsSource::Embedded { name } => match embedded::find(name) {
            Ok(bytes) => format!("`{name}`, embedded, {} bytes", bytes.len()),
            Err(error) => error.to_string(),
        },
    }
}

/// Whether a checkpoint can be loaded without a download.
pub(crate) fn is_available(source: &WeightsSource) -> bool {
    match source {
        WeightsSource::Hub { repo, revision, file, sha256 } => {
            Hub::shared().cached(&hub_file(repo, revision, file, *sha256)).is_ok_and(|path| path.is_some())
        }
        WeightsSource::File { path, .. } => path.is_file(),
        WeightsSource::Embedded { .. } => true,
    }
}

fn hub_file(repo: &str, revision: &str, path: &str, sha256: Option<Digest>) -> HubFile {
    HubFile { sha256, ..HubFile::new(RepoKind::Model, repo, revision, path) }
}

/// The bytes of a file on the Hub, and their digest: the pinned one, else the one that the Hub announced for the commit. A
/// damaged cached file is downloaded again, once.
fn from_hub(
    hub: &Hub,
    file: &HubFile,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(Vec<u8>, Digest), WeightsError> {
    // Cached files are verified here and not by `download`, so that they are read once.
    let mut path = match hub.cached(file)? {
        Some(path) => path,
        None => hub.fetch(file, progress, cancel)?,
    };
    let mut again = true;
    loop {
        let bytes = files::read(&path)?;
        let found = Digest::of(&bytes);
        let expected = file.sha256.or_else(|| Hub::announced_digest(&path)).unwrap_or(found);
        if found == expected {
            return Ok((bytes, found));
        }
        let error = Hub::mismatch(&path, file, found, expected);
        if !matches!(error, crate::hub::HubError::Damaged { .. }) {
            return Err(error.into());
        }
        Hub::discard(&path)?;
        if !std::mem::replace(&mut again, false) {
            return Err(error.into());
        }
        progress.say(&format!("{file} is damaged in the cache; downloading it again"));
        path = hub.fetch(file, progress, cancel)?;
    }
}
