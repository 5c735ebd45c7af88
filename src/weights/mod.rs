//! Checkpoints: located (Hub, file, embedded), digested, parsed, and checked against the network. Files are read once, so
//! the digest is that of the loaded bytes.

mod check;
mod embedded;
mod error;
mod pickle;
mod pth;
mod safetensors;
mod source;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use check::{require, strip_prefix};
pub use error::{FormatError, WeightsError};
pub use source::WeightsSource;

use crate::digest::Digest;
use crate::files;
use crate::hub::{Hub, HubFile, RepoKind};
use crate::progress::{Cancel, Progress};

/// A named tensor of a checkpoint. Floating point data of any width is widened to f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Values in C order. Empty for integer tensors (`num_batches_tracked`), which no network uses.
    pub data: Vec<f32>,
    /// Type in the file, e.g. `F32`, `F16`, `I64`.
    pub dtype: String,
}

/// All tensors of a checkpoint, by key.
pub type Tensors = BTreeMap<String, Tensor>;

/// A parameter of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Key in the checkpoint, e.g. `repeat_1.0.branch0.conv.weight`.
    pub key: String,
    /// Shape.
    pub shape: Vec<usize>,
}

/// A loaded checkpoint.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Its tensors.
    pub tensors: Tensors,
    /// Digest of the file's bytes.
    pub digest: Digest,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a checkpoint came from, for provenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `hub`, `file` or `embedded`.
    pub source: String,
    /// Repository, path or name.
    pub location: String,
    /// Hub revision.
    pub revision: Option<String>,
    /// Size of the file, bytes.
    pub bytes: u64,
}

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
    let tensors = parse(&bytes, &location, &|note| progress.say(note))?;
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
        WeightsSource::File { path, .. } => describe_file(path),
        WeightsSource::Embedded { name } => match embedded::find(name) {
            Ok(bytes) => format!("`{name}`, embedded, {} bytes", bytes.len()),
            Err(error) => error.to_string(),
        },
    }
}

/// Whether a checkpoint can be loaded without a download.
#[must_use]
pub fn is_available(source: &WeightsSource) -> bool {
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
        Err(error) => format!("{}: unreadable: {error}", path.display()),
    }
}

fn hub_file(repo: &str, revision: &str, path: &str, sha256: Option<Digest>) -> HubFile {
    let [repo, revision, path] = [repo, revision, path].map(str::to_owned);
    HubFile { kind: RepoKind::Model, repo, revision, path, size: None, sha256 }
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
        hub.discard(&path)?;
        if !std::mem::replace(&mut again, false) {
            return Err(error.into());
        }
        progress.say(&format!("{file} is damaged in the cache; downloading it again"));
        path = hub.fetch(file, progress, cancel)?;
    }
}

/// Detects the format by content: names are unreliable.
fn parse(bytes: &[u8], location: &str, say: &dyn Fn(&str)) -> Result<Tensors, WeightsError> {
    // safetensors first: it begins with the length of its header, which may look like the start of another format.
    let parsed = if bytes.get(8) == Some(&b'{') {
        safetensors::read(bytes)
    } else if bytes.starts_with(b"PK\x03\x04") {
        pth::zip(bytes, say)
    } else if bytes.starts_with(&[pickle::PROTO]) {
        pth::legacy(bytes, say)
    } else {
        Err(match bytes {
            [] => FormatError::Empty,
            _ => FormatError::Unknown { found: files::looks_like(bytes) },
        })
    };
    parsed.map_err(|source| WeightsError::Format { location: location.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILES: [&[u8]; 3] = [
        include_bytes!("../../tests/fixtures/weights/zip.pth"),
        include_bytes!("../../tests/fixtures/weights/legacy.pth"),
        include_bytes!("../../tests/fixtures/weights/nested.pth"),
    ];

    fn safetensors() -> Vec<u8> {
        let data = [0; 24];
        let view =
            |shape: &[usize]| ::safetensors::tensor::TensorView::new(::safetensors::Dtype::F32, shape.to_vec(), &data);
        let tensors = [("a", view(&[6]).unwrap()), ("b", view(&[2, 3]).unwrap())];
        ::safetensors::serialize(tensors, None).unwrap()
    }

    #[test]
    fn a_safetensors_header_whose_length_looks_like_a_pickle_is_not_one() {
        let data = [0; 8];
        let file = |key: &str| {
            let view = ::safetensors::tensor::TensorView::new(::safetensors::Dtype::F32, vec![2], &data).unwrap();
            ::safetensors::serialize([(key, view)], None).unwrap()
        };
        let bytes = (1..300).map(|n| file(&"k".repeat(n))).find(|bytes| bytes[0] == pickle::PROTO).unwrap();
        assert_eq!(parse(&bytes, "odd", &|_| {}).unwrap().len(), 1);
    }

    #[test]
    fn a_file_truncated_anywhere_is_refused() {
        for bytes in FILES {
            parse(bytes, "whole", &|_| {}).unwrap();
            for length in 0..bytes.len() {
                assert!(parse(&bytes[..length], "cut", &|_| {}).is_err(), "{length} of {}", bytes.len());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// No bytes cause a panic or more memory use than they can fill.
        #[test]
        fn damage_never_panics(
            which in 0usize..4,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut bytes = FILES.get(which).map_or_else(safetensors, |bytes| bytes.to_vec());
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(tensors) = parse(&bytes, "damaged", &|_| {}) {
                let values: usize = tensors.values().map(|tensor| tensor.data.len()).sum();
                prop_assert!(values <= 4 * bytes.len());
            }
        }
    }
}
