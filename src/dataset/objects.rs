//! What of a dataset is in an object store. Tables are read where they are; files that are read in many places, such as
//! archives and matrices, are fetched once:
//!
//! ```text
//! <cache>/objects/<16 hex>/           named by the address
//!                          <16 hex>/  named by what the store calls the object's content
//!                                    faces.tar
//! ```
//!
//! An object that changes is fetched again. Its older copy stays: somebody may be reading faces in it.

use std::collections::HashMap;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::container::is_shard;
use super::forget::{self, Traces};
use super::scan::OpenContext;
use super::{Container, DatasetError, DatasetSource, Tables};
use crate::digest::{Digest, Hasher};
use crate::files::{self, FileError};
use crate::npy::parts;
use crate::objects::{Folder, Object, ObjectError, is_address};

/// The folder inside the cache.
const FETCHED: &str = "objects";

/// How often an object is fetched that changes meanwhile.
const TRIES: usize = 3;

/// Whether a path is the address of something in an object store.
pub(crate) fn is_remote(path: &Path) -> bool {
    path.to_str().is_some_and(is_address)
}

/// The folder at an address. Each connects to its store once.
pub(super) fn folder(address: &Path) -> Result<Folder, FileError> {
    static OPENED: Mutex<Option<HashMap<PathBuf, Folder>>> = Mutex::new(None);
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let opened = opened.get_or_insert_default();
    if let Some(folder) = opened.get(address) {
        return Ok(folder.clone());
    }
    let folder = Folder::open(&address.to_string_lossy()).map_err(FileError::from)?;
    opened.insert(address.to_owned(), folder.clone());
    Ok(folder)
}

fn object(address: &Path) -> Result<(Folder, String), FileError> {
    Folder::of_object(&address.to_string_lossy()).map_err(FileError::from)
}

/// What an address names, if it is an object.
pub(super) fn look(address: &Path) -> Result<Option<Object>, FileError> {
    let (folder, name) = object(address)?;
    folder.look(&name).map_err(FileError::from)
}

/// [`files::read`] of a file on this machine or in an object store.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    if !is_remote(path) {
        return files::read(path);
    }
    let (folder, name) = object(path)?;
    let bytes = folder.read(&name, None, files::LARGEST_READ).map_err(FileError::from)?;
    files::refuse_pointer(path, &bytes).map(|()| bytes)
}

/// Whether there is a file.
pub(super) fn is_file(path: &Path) -> Result<bool, FileError> {
    if is_remote(path) { look(path).map(|found| found.is_some()) } else { Ok(path.is_file()) }
}

/// The objects directly in the folder at an address whose names end like this, by name.
pub(super) fn files_in(address: &Path, ending: &str) -> Result<Vec<PathBuf>, FileError> {
    let found = folder(address)?.list().map_err(FileError::from)?;
    let wanted = found.iter().filter(|found| is_shard(&found.name, ending));
    Ok(wanted.map(|found| address.join(in_address(&found.name))).collect())
}

/// A name as a part of an address, in which some characters mean something else.
fn in_address(name: &str) -> String {
    let special = |c: char| matches!(c, '%' | '#' | '?') || c.is_ascii_control();
    name.chars().map(|c| if special(c) { format!("%{:02X}", u32::from(c)) } else { c.into() }).collect()
}

/// The file on this machine: one of an object store is fetched unless it is in the cache.
pub(super) fn here(path: &Path, context: &OpenContext<'_>) -> Result<PathBuf, DatasetError> {
    if !is_remote(path) {
        return Ok(path.to_owned());
    }
    let failed = |kind, reason: &str| FileError::new("read", path)(Error::new(kind, reason.to_owned()));
    let Some(cache) = context.cache else {
        return Err(failed(ErrorKind::Unsupported, "it is fetched into the folder of runs, and here is none").into());
    };
    let (folder, name) = object(path)?;
    let own = Digest::of(format!("{}/{name}", folder.address()).as_bytes()).short(16);
    for _ in 0..TRIES {
        let Some(found) = folder.look(&name).map_err(FileError::from)? else {
            return Err(failed(ErrorKind::NotFound, "there is no such object").into());
        };
        let version = version(&found);
        let place = files::create_dir_inside(cache, &format!("{FETCHED}/{own}/{version}"))?;
        let copy = place.join(&name);
        let is_whole = copy.metadata().is_ok_and(|there| there.is_file() && there.len() == found.size);
        if is_whole || fetch(&folder, &found, &name, &copy, context)? {
            return Ok(copy);
        }
    }
    Err(failed(ErrorKind::Interrupted, "it changes while it is read").into())
}

/// [`here`] for a matrix, with its parts if it has any.
pub(super) fn matrix(path: &Path, context: &OpenContext<'_>) -> Result<PathBuf, DatasetError> {
    let copy = here(path, context)?;
    if !is_remote(path) || !parts::is_index(&copy) {
        return Ok(copy);
    }
    // Each version of the index has a copy of its own, and names the content of its parts, which is checked when they are read.
    let folder = folder(path.parent().unwrap_or(path))?;
    for part in parts::PartIndex::read(&copy)?.parts {
        let to = parts::beside(&copy, &part.file);
        if to.is_file() {
            continue;
        }
        to.parent().map_or(Ok(()), files::create_dir)?;
        let found = folder.look(&part.file).map_err(FileError::from)?;
        let missing = || FileError::new("read", parts::beside(path, &part.file))(ErrorKind::NotFound.into());
        if !fetch(&folder, &found.ok_or_else(missing)?, &part.file, &to, context)? {
            let changing = Error::new(ErrorKind::Interrupted, "it changes while it is read");
            return Err(FileError::new("read", parts::beside(path, &part.file))(changing).into());
        }
    }
    Ok(copy)
}

/// Fetches an object unless it is another one by now; returns whether it was.
fn fetch(
    folder: &Folder,
    found: &Object,
    name: &str,
    to: &Path,
    context: &OpenContext<'_>,
) -> Result<bool, DatasetError> {
    let OpenContext { progress, cancel, .. } = *context;
    to.parent().into_iter().for_each(files::sweep);
    progress.start(&format!("fetching {name}"), "bytes", Some(found.size), 0);
    let fetched = folder.fetch_if(name, to, &mut |object| version(object) == version(found), &mut |bytes| {
        progress.advance(bytes);
        !cancel.requested()
    });
    progress.finish();
    match fetched {
        Err(ObjectError::Interrupted { .. }) => Err(DatasetError::Interrupted),
        other => Ok(other.map_err(FileError::from)?),
    }
}

/// A name for an object's content.
fn version(object: &Object) -> String {
    let mut hasher = Hasher::default();
    hasher.field(object.tag.as_deref().unwrap_or_default().as_bytes());
    hasher.update(&object.size.to_le_bytes());
    // A store without tags has times.
    hasher.update(&if object.tag.is_some() { 0 } else { object.modified }.to_le_bytes());
    hasher.finish().short(16)
}

/// The fetched copies of a cache, if the manifest's faces are, or may be, in one; removes them if `act`. They are fetched again
/// by whoever needs them.
pub(super) fn forget_fetched(cache: &Path, traces: &Traces, act: bool) -> Result<Vec<PathBuf>, FileError> {
    if !traces.may_be_fetched(cache) {
        return Ok(Vec::new());
    }
    let found = forget::entries_inside(&cache.join(FETCHED))?;
    if act {
        found.iter().try_for_each(|path| files::remove_all(path))?;
    }
    Ok(found)
}

impl DatasetSource {
    /// The first of its paths that is in an object store.
    pub(crate) fn remote(&self) -> Option<&Path> {
        self.paths().into_iter().find(|path| is_remote(path))
    }

    /// Its paths, as the config names them.
    fn paths(&self) -> Vec<&Path> {
        fn of_tables(tables: &Tables) -> [Option<&Path>; 2] {
            [tables.pairs.as_deref(), tables.boxes.as_deref()]
        }
        fn of_container(container: &Container) -> Option<&Path> {
            match container {
                Container::Local { path, .. } => Some(path),
                Container::Hub { .. } => None,
            }
        }
        let (own, tables) = match self {
            Self::Phase1 { csv, root, .. } => ([Some(&**csv), Some(root), None], [None; 2]),
            Self::Folders { root, tables, .. } => ([Some(&**root), None, None], of_tables(tables)),
            Self::Files { root, list, table, tables, .. } => {
                ([Some(&**root), list.as_deref(), table.as_deref()], of_tables(tables))
            }
            Self::HubFolders { tables, .. } => ([None; 3], of_tables(tables)),
            Self::Archive { archive, tables } => ([of_container(archive), None, None], of_tables(tables)),
            Self::InsightfaceBin { file } => ([of_container(file), None, None], [None; 2]),
            Self::Webdataset { shards, tables, .. } => ([Some(&**shards), None, None], of_tables(tables)),
            Self::Parquet { shards } => ([of_container(shards), None, None], [None; 2]),
            Self::Vggface2 { archive, boxes } => ([of_container(archive), of_container(boxes), None], [None; 2]),
            Self::Ijb { root, .. } => ([Some(&**root), None, None], [None; 2]),
            Self::Embeddings { matrix: file, table, .. } | Self::Array { array: file, table } => {
                ([Some(&**file), Some(&table.faces), None], [table.pairs.as_deref(), None])
            }
            Self::Synthetic { .. } => ([None; 3], [None; 2]),
        };
        own.into_iter().chain(tables).flatten().collect()
    }
}
