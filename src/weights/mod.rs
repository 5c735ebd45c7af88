//! Files of weights: located (Hub, URL, file, embedded), digested, parsed, and checked against the network. Files are read
//! once, so the digest is that of the loaded bytes.

mod embedded;
mod error;
mod network_file;
mod origin;
mod source;

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

pub use error::WeightsError;
pub(crate) use network_file::{GraphFacts, load_network, standardised_once};
pub use origin::WeightsOrigin;
pub use source::{Pin, WeightsSource};

use crate::digest::Digest;
use crate::files::{self, FileError};
use crate::hub::{Hub, HubFile, Remote, RepoKind, UrlFile};
use crate::model::weights::{self, Checkpoint, FormatError, Origin};
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
    if source.is_shard() {
        return Err(WeightsError::Shard { location: source.name().to_owned() });
    }
    let recognise = |head: &[u8]| weights::recognise(head).map(|_| ());
    let read = read(hub, source, &recognise, progress, cancel)?;
    read.pinned(read.digest)?;
    let tensors = weights::parse(&read.bytes, &|note| progress.say(note))
        .map_err(|source| WeightsError::Format { location: read.origin.location.clone(), source })?;
    Ok(Checkpoint { weights: tensors, digest: read.digest, origin: read.origin })
}

/// A file of weights in memory.
struct ReadWeights {
    bytes: Cow<'static, [u8]>,
    digest: Digest,
    origin: Origin,
    /// Path of a file of this machine, and the digest that the config pins it to, which is not checked yet.
    local: Option<(PathBuf, Option<Digest>)>,
}

/// The key that pins a local file.
const PINNED: &str = "weights.sha256";

impl ReadWeights {
    /// Refuses a local file whose digest, perhaps together with other files, is not the pinned one.
    fn pinned(&self, found: Digest) -> Result<(), WeightsError> {
        match &self.local {
            Some((path, Some(expected))) if *expected != found => {
                Err(WeightsError::WrongDigest { path: path.clone(), found, expected: *expected, key: PINNED })
            }
            _ => Ok(()),
        }
    }
}

/// Reads a file of weights. `recognise` refuses by the first bytes what is not worth reading.
fn read(
    hub: &Hub,
    source: &WeightsSource,
    recognise: &dyn Fn(&[u8]) -> Result<(), FormatError>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<ReadWeights, WeightsError> {
    let mut local = None;
    let (bytes, digest, source, location, revision) = match source {
        WeightsSource::Hub { repo, revision, file, sha256 } => {
            let (bytes, digest) = hub.read(&hub_file(repo, revision, file, *sha256), progress, cancel)?;
            (Cow::Owned(bytes), digest, "hub", format!("{repo}/{file}"), Some(revision.clone()))
        }
        WeightsSource::Url { url, sha256 } => {
            let file = url_file(url, *sha256);
            let (bytes, digest) = hub.read(&file, progress, cancel)?;
            (Cow::Owned(bytes), digest, "url", file.to_string(), None)
        }
        WeightsSource::File { path, sha256 } => {
            // What is of another kind may be of any size, and is not read into memory.
            if let Err(source) = recognise(&files::head(path)?) {
                if let Some(expected) = *sha256 {
                    let digest = |file: File| Digest::of_reader(cancel.guard(file.take(files::LARGEST_WEIGHTS)));
                    let found = files::open(path).and_then(digest).map_err(FileError::new("read", path))?;
                    if found != expected {
                        return Err(WeightsError::WrongDigest { path: path.clone(), found, expected, key: PINNED });
                    }
                }
                return Err(WeightsError::Format { location: path.display().to_string(), source });
            }
            let bytes = files::read_at_most(path, files::LARGEST_WEIGHTS)?;
            let found = Digest::of(&bytes);
            local = Some((path.clone(), *sha256));
            (Cow::Owned(bytes), found, "file", path.display().to_string(), None)
        }
        // A matrix of embeddings is no file of weights: what takes it asks for its digest alone.
        WeightsSource::Given { path, .. } => {
            let unsupported = std::io::ErrorKind::Unsupported.into();
            return Err(FileError::new("read weights from", path)(unsupported).into());
        }
        WeightsSource::Embedded { name } => {
            let bytes = embedded::find(name)?;
            (Cow::Borrowed(bytes), Digest::of(bytes), "embedded", name.clone(), None)
        }
    };
    let origin = Origin { source: source.to_owned(), location, revision, bytes: bytes.len() as u64 };
    Ok(ReadWeights { bytes, digest, origin, local })
}

/// Describes in one line what would be loaded and whether it would be downloaded, without doing either.
#[must_use]
pub fn describe(source: &WeightsSource) -> String {
    match source {
        WeightsSource::Hub { repo, revision, file, sha256 } => {
            Hub::shared().describe(&hub_file(repo, revision, file, *sha256))
        }
        WeightsSource::Url { url, sha256 } => Hub::shared().describe(&url_file(url, *sha256)),
        WeightsSource::Given { path, .. } => format!("given: the embeddings in {}", path.display()),
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
    let cached = |file: &dyn Remote| file.cached(Hub::shared()).is_ok_and(|path| path.is_some());
    match source {
        WeightsSource::Hub { repo, revision, file, sha256 } => cached(&hub_file(repo, revision, file, *sha256)),
        WeightsSource::Url { url, sha256 } => cached(&url_file(url, *sha256)),
        WeightsSource::File { path, .. } | WeightsSource::Given { path, .. } => path.is_file(),
        WeightsSource::Embedded { .. } => true,
    }
}

fn hub_file(repo: &str, revision: &str, path: &str, sha256: Option<Digest>) -> HubFile {
    HubFile { sha256, ..HubFile::new(RepoKind::Model, repo, revision, path) }
}

fn url_file(url: &str, sha256: Option<Digest>) -> UrlFile {
    UrlFile { url: url.to_owned(), sha256 }
}
