//! Checkpoints: found (Hub, file, embedded), digested, parsed, and checked against what the network needs. What is
//! digested is what is loaded: bytes are read once.

mod embedded;
mod error;
mod source;

use std::path::Path;

pub use error::WeightsError;
pub use source::WeightsSource;

use crate::digest::Digest;
use crate::files;
use crate::hub::{Hub, HubFile, RepoKind};
use crate::model::weights::{self, Checkpoint, Origin, Tensors};
use crate::progress::{Cancel, Progress};

/// Finds, digests and parses a checkpoint. The bytes that are digested are the bytes that are parsed.
///
/// # Errors
/// [`WeightsError`].
pub fn load(source: &WeightsSource, progress: &dyn Progress, cancel: &Cancel) -> Result<Checkpoint, WeightsError> {
    load_with(Hub::shared(), source, progress, cancel)
}

/// [`load`] from another Hub than the environment's.
///
/// # Errors
/// [`WeightsError`].
pub fn load_with(
    hub: &Hub,
    source: &WeightsSource,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Checkpoint, WeightsError> {
    let origin = |source: &str, location: String, revision: Option<&String>, bytes: &[u8]| Origin {
        source: source.to_owned(),
        location,
        revision: revision.cloned(),
        bytes: bytes.len() as u64,
    };
    match source {
        WeightsSource::Hub { repo, revision, file, sha256 } => {
            let (bytes, digest) = from_hub(hub, &hub_file(repo, revision, file, *sha256), progress, cancel)?;
            let origin = origin("hub", format!("{repo}/{file}"), Some(revision), &bytes);
            Ok(Checkpoint { tensors: parse(&bytes, &origin.location, &|note| progress.say(note))?, digest, origin })
        }
        WeightsSource::File { path, sha256 } => {
            let bytes = files::read(path)?;
            let origin = origin("file", path.display().to_string(), None, &bytes);
            let digest = Digest::of(&bytes);
            match sha256 {
                Some(expected) if *expected != digest => {
                    let (path, expected) = (path.clone(), *expected);
                    Err(WeightsError::WrongDigest { path, found: digest, expected })
                }
                _ => Ok(Checkpoint {
                    tensors: parse(&bytes, &origin.location, &|note| progress.say(note))?,
                    digest,
                    origin,
                }),
            }
        }
        WeightsSource::Embedded { name } => {
            let bytes = embedded::find(name)?;
            let origin = origin("embedded", name.clone(), None, bytes);
            Ok(Checkpoint {
                tensors: parse(bytes, name, &|note| progress.say(note))?,
                digest: Digest::of(bytes),
                origin,
            })
        }
    }
}

/// One line for people: what would be loaded, and whether it would be downloaded. Nothing is.
#[must_use]
pub fn describe(source: &WeightsSource) -> String {
    match source {
        WeightsSource::Hub { repo, revision, file, sha256 } => {
            Hub::shared().describe(&hub_file(repo, revision, file, *sha256))
        }
        WeightsSource::File { path, .. } => describe_file(path),
        WeightsSource::Embedded { name } => match embedded::find(name) {
            Ok(bytes) => format!("`{name}`, inside the program, {} bytes", bytes.len()),
            Err(error) => error.to_string(),
        },
    }
}

/// Whether a checkpoint can be loaded without a download.
#[must_use]
pub fn at_hand(source: &WeightsSource) -> bool {
    match source {
        WeightsSource::Hub { repo, revision, file, sha256 } => {
            Hub::shared().cached(&hub_file(repo, revision, file, *sha256)).is_ok_and(|path| path.is_some())
        }
        WeightsSource::File { path, .. } => path.is_file(),
        WeightsSource::Embedded { .. } => true,
    }
}

fn describe_file(path: &Path) -> String {
    match std::fs::metadata(path) {
        Ok(metadata) => format!("{}, {} bytes", path.display(), metadata.len()),
        Err(error) => format!("{}: cannot be read: {error}", path.display()),
    }
}

fn hub_file(repo: &str, revision: &str, path: &str, sha256: Option<Digest>) -> HubFile {
    let [repo, revision, path] = [repo, revision, path].map(str::to_owned);
    HubFile { kind: RepoKind::Model, repo, revision, path, size: None, sha256 }
}

/// The bytes of a file on the Hub, and their digest: the pinned one, else the one that the Hub stated for the commit. A
/// cached file that is damaged is downloaded anew, once.
fn from_hub(
    hub: &Hub,
    file: &HubFile,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<(Vec<u8>, Digest), WeightsError> {
    // What is cached is checked here and not by `download`, so that it is read once.
    let mut path = match hub.cached(file)? {
        Some(path) => path,
        None => hub.fetch(file, progress, cancel)?,
    };
    let mut again = true;
    loop {
        let bytes = files::read(&path)?;
        let found = Digest::of(&bytes);
        let expected = file.sha256.or_else(|| Hub::stated(&path)).unwrap_or(found);
        if found == expected {
            return Ok((bytes, found));
        }
        let error = Hub::mismatch(&path, file, found, expected);
        if !matches!(error, crate::hub::HubError::Damaged { .. }) {
            return Err(error.into());
        }
        hub.discard(&path)?;
        if !std::mem::replace(&mut again, false) {
            return Err(error.into());
        }
        progress.say(&format!("{file} was damaged in the cache; downloading it again"));
        path = hub.fetch(file, progress, cancel)?;
    }
}

fn parse(bytes: &[u8], location: &str, say: &dyn Fn(&str)) -> Result<Tensors, WeightsError> {
    weights::parse(bytes, say).map_err(|source| WeightsError::Format { location: location.to_owned(), source })
}
