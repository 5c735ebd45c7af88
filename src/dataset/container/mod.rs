//! Datasets in container files: insightface's `.bin`, parquet, tar archives, VGGFace2's archive. Each is located (locally or on the Hub),
//! digested, unpacked once, and then used like a folder of pictures.

mod archive;
mod boxes;
mod budget;
mod error;
mod insightface;
mod layout;
mod locate;
mod parquet;
mod python_json;
mod tarball;
mod unpacked;
mod vggface2;
pub(super) mod webdataset;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Cursor, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scan::OpenContext;
use super::{DatasetError, DatasetSource, Manifest};
use crate::dataset::Container;
use crate::digest::Digest;
use crate::files::{self, FileError};
use crate::progress::Progress;
use crate::{preprocess, text};

pub use error::ContainerProblem;
pub(super) use layout::{lacks_pictures, plain_columns};
pub(super) use locate::{describe, is_shard};
pub(super) use unpacked::{forget_unpacked, sweep_unpacked};

/// A container file that a dataset was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerFile {
    /// Path on this machine, or in the Hub's repository.
    pub path: String,
    /// Commit of the repository, 40 hexadecimal characters, for a file of the Hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Size.
    pub bytes: u64,
    /// Digest of the whole file.
    pub sha256: Digest,
}

/// A file on this machine.
struct Place {
    /// For messages.
    name: String,
    path: PathBuf,
    bytes: u64,
}

/// A local container file, whose content is known.
struct Located {
    place: Place,
    sha256: Digest,
    record: ContainerFile,
}

impl Deref for Located {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

/// Whether a value names a person. The library `datasets` stores a withheld label as -1.
fn is_known(identity: &str) -> bool {
    !matches!(identity, "" | "-1")
}

impl Place {
    /// A file on this machine.
    fn at(path: &Path) -> Result<Self, FileError> {
        let bytes = files::open(path).and_then(|file| file.metadata()).map_err(FileError::new("read", path))?.len();
        Ok(Self { name: path.display().to_string(), path: path.to_owned(), bytes })
    }

    fn problem(&self, problem: ContainerProblem) -> DatasetError {
        DatasetError::Container { name: self.name.clone(), problem: Box::new(problem) }
    }

    /// Opens it for reading.
    fn open(&self) -> Result<File, FileError> {
        files::open(&self.path).map_err(FileError::new("read", &self.path))
    }

    /// The first bytes.
    fn head(&self) -> Result<Vec<u8>, FileError> {
        let mut head = Vec::new();
        self.open()?.take(1024).read_to_end(&mut head).map_err(FileError::new("read", &self.path))?;
        Ok(head)
    }

    /// Refuses a file that does not begin with `start`.
    fn expect(&self, start: &[u8], expected: &'static str) -> Result<(), DatasetError> {
        let head = self.head()?;
        if head.starts_with(start) {
            return Ok(());
        }
        Err(self.problem(ContainerProblem::OtherFormat { found: files::looks_like(&head), expected }))
    }
}

fn records(files: &[Located]) -> Vec<ContainerFile> {
    files.iter().map(|file| file.record.clone()).collect()
}

/// The shorter sides of the first pictures of a local container, at most `most`, in pixels, where their headers tell. Nothing
/// is unpacked.
pub(super) fn first_sides(source: &DatasetSource, most: usize) -> Result<Vec<u32>, DatasetError> {
    match source {
        DatasetSource::Archive { archive: Container::Local { path, .. }, .. } => {
            archive::first_sides(&Place::at(path)?, most)
        }
        DatasetSource::Parquet { shards: Container::Local { path, .. } } => {
            parquet::first_sides(&Place::at(&locate::paths(path)?[0])?, most)
        }
        _ => Ok(Vec::new()),
    }
}

/// The shorter side of an encoded picture, as its header tells.
fn shorter_side(picture: &[u8]) -> Option<u32> {
    preprocess::size(Cursor::new(picture))?.into_iter().min()
}

/// insightface's `.bin`.
pub(super) fn insightface(file: &Container, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let files = locate::files(file, context)?;
    Ok(Manifest { containers: records(&files), ..insightface::open(&files[0], context)? })
}

/// Parquet shards.
pub(super) fn parquet(shards: &Container, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let files = locate::files(shards, context)?;
    Ok(Manifest { containers: records(&files), ..parquet::open(&files, context)? })
}

/// Pictures of identities in a tar archive, and the folder that holds it, where its tables may lie.
pub(super) fn archive(archive: &Container, context: &OpenContext<'_>) -> Result<(Manifest, PathBuf), DatasetError> {
    let located = locate::files(archive, context)?.remove(0);
    let manifest = archive::open(&located, context)?;
    // Of an object, not of its copy.
    let named = match archive {
        Container::Local { path, .. } => path,
        Container::Hub { .. } => &located.path,
    };
    let beside = named.parent().unwrap_or(Path::new("")).to_owned();
    Ok((Manifest { containers: vec![located.record], ..manifest }, beside))
}

/// VGGFace2's archive, or the folder of its pictures, and its table of boxes.
pub(super) fn vggface2(
    archive: &Container,
    boxes: &Container,
    context: &OpenContext<'_>,
) -> Result<Manifest, DatasetError> {
    // The small file first: its errors are known before the archive is downloaded.
    let table = locate::files(boxes, context)?.remove(0);
    let boxes = boxes::read(&table, context.cancel)?;
    let mut containers = vec![table.record.clone()];
    let manifest = match archive {
        Container::Local { path, .. } if path.is_dir() => vggface2::folder(path, &table, &boxes, context)?,
        _ => {
            let archive = locate::files(archive, context)?.remove(0);
            containers.insert(0, archive.record.clone());
            vggface2::archive(&archive, &table, &boxes, context)?
        }
    };
    Ok(Manifest { containers, ..manifest })
}

/// An open progress task; finishes when dropped.
struct Task<'a>(&'a dyn Progress);

impl<'a> Task<'a> {
    fn start(context: &OpenContext<'a>, verb: &str, file: &Path, unit: &'static str, total: u64) -> Self {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        context.progress.start(&format!("{verb} {name}"), unit, Some(total), 0);
        Self(context.progress)
    }

    fn advance(&self, n: u64) {
        self.0.advance(n);
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Reports the number of pairs, which reveals a list with swapped labels.
fn say_pairs(manifest: &Manifest, context: &OpenContext<'_>) {
    let Some(list) = manifest.lists.first() else { return };
    let genuine = list.pairs.iter().filter(|pair| pair.same).count();
    context.progress.say(&format!(
        "{} ({genuine} genuine, {} impostor) of {}",
        text::counted(list.pairs.len(), "pair"),
        list.pairs.len() - genuine,
        text::counted(manifest.len(), "distinct picture")
    ));
}
