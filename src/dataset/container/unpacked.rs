//! Pictures of a container, unpacked once into the cache:
//!
//! ```text
//! <cache>/unpacked/<16 hex>/           named by the container's digest and the unpacker's version
//!                           .index     the faces and the digests of their pictures
//!                           000012.jpg
//! ```
//!
//! The folder is filled under a temporary name and renamed when complete. Its files are not flushed individually: every
//! picture is compared with the index when the folder is opened, and what a power failure destroyed is unpacked again.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::{ContainerProblem, Located};
use crate::dataset::forget::{self, Traces};
use crate::dataset::scan::{self, OpenContext, ScanError};
use crate::dataset::{BoundingBox, DatasetError, Face, Fault, FaultIn, LeftOut, Manifest, SourceTable, sealed_json};
use crate::digest::{Digest, Hasher};
use crate::file_lock::{Busy, Lock};
use crate::files::{self, FileError, PARTIAL};
use crate::protocol::{DATASET_PAIRS, ListedPair, PairList};

/// Incremented whenever a container would be unpacked differently.
const VERSION: u64 = 3;

/// No face has a hidden name.
pub(super) const INDEX: &str = ".index";

/// The folder inside the cache.
const UNPACKED: &str = "unpacked";

/// Held by the process that unpacks.
const LOCK: &str = ".lock";

/// The content of an unpacked folder.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Index {
    pub faces: Vec<UnpackedFace>,
    /// Two indices into `faces`, and whether they are one person.
    pub pairs: Vec<(u32, u32, bool)>,
    /// The container's own columns with one value per face.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub columns: Vec<(String, Vec<String>)>,
    /// Names and types of unused columns.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unused: Option<String>,
    /// Entries of the container that are not faces.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
}

/// One face: a whole picture.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct UnpackedFace {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<String>,
    /// The photo, if it is not the picture itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub photo: Option<String>,
    pub path: String,
    /// `None`: there is no picture, for the reason in `fault`.
    pub sha256: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<String>,
}

impl UnpackedFace {
    /// The row of a manifest.
    fn face(&self, bbox: Result<Option<BoundingBox>, Fault>) -> Face {
        let own = self.fault.clone().map(|reason| Fault { part: FaultIn::Face, reason });
        let (bbox, fault) = match bbox {
            Ok(bbox) => (bbox, own),
            Err(fault) => (None, own.or(Some(fault))),
        };
        Face {
            face_id: self.id.clone(),
            identity_id: self.identity.clone(),
            image_id: self.photo.as_ref().unwrap_or(&self.id).clone(),
            bbox,
            fault,
            ..Face::of_picture(&self.path)
        }
    }
}

/// The faces of a container: unpacked by `unpack` if they are not in the cache, each picture compared with the index.
/// `unpack` fills the folder that it is given.
pub(super) fn open(
    kind: &str,
    containers: &[Located],
    context: &OpenContext<'_>,
    unpack: impl Fn(&mut PartialFolder<'_>) -> Result<Index, DatasetError>,
    bbox: impl Fn(&str) -> Result<Option<BoundingBox>, Fault>,
) -> Result<Manifest, DatasetError> {
    let first = &containers[0];
    let Some(cache) = context.cache else { return Err(first.problem(ContainerProblem::NoCache)) };
    let place = UnpackedFolder { cache: cache.into(), folder: cache.join(UNPACKED), name: name(kind, containers) };
    for last in [false, true] {
        let index = place.index(containers, context, &unpack)?;
        let mut manifest = Manifest { root: place.root(), left_out: index.left_out.clone(), ..Manifest::default() };
        manifest.faces = index.faces.iter().map(|entry| entry.face(bbox(&entry.id))).collect();
        let (headers, columns) =
            index.columns.iter().map(|(name, values)| (name.clone(), values.iter().collect())).unzip();
        manifest.table = SourceTable { headers, columns };
        if !index.pairs.is_empty() {
            let pairs = index.pairs.iter().map(|&(a, b, same)| ListedPair { a, b, same, fold: None }).collect();
            manifest.lists.push(PairList { name: DATASET_PAIRS.into(), pairs, absent: Vec::new() });
        }
        scan::fill(&mut manifest.faces, &manifest.root, true, context).map_err(|error| match error {
            ScanError::Root(error) => FileError::new("read", &manifest.root)(error).into(),
            ScanError::Interrupted => DatasetError::Interrupted,
            ScanError::Unread(error) => DatasetError::Unread(error),
            ScanError::Escape { target, .. } => first.problem(ContainerProblem::Unstable(target.display().to_string())),
        })?;
        if manifest.faces.iter().zip(&index.faces).all(|(face, entry)| face.content == entry.sha256) {
            if let Some(unused) = &index.unused {
                context.progress.say(&format!("{}: unused columns: {unused}", first.name));
            }
            return Ok(manifest);
        }
        if !last {
            let line = format!("{} was damaged in the cache; unpacking it again", first.name);
            context.progress.say(&line);
            place.remove()?;
        }
    }
    Err(first.problem(ContainerProblem::Unstable(place.root().display().to_string())))
}

/// A name that depends on everything that determines the folder's content.
fn name(kind: &str, containers: &[Located]) -> String {
    let mut hasher = Hasher::default();
    hasher.field(&VERSION.to_le_bytes());
    hasher.field(kind.as_bytes());
    for container in containers {
        hasher.field(container.sha256.bytes());
    }
    hasher.finish().short(16)
}

struct UnpackedFolder {
    cache: PathBuf,
    folder: PathBuf,
    name: String,
}

impl UnpackedFolder {
    fn root(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    fn index(
        &self,
        containers: &[Located],
        context: &OpenContext<'_>,
        unpack: impl Fn(&mut PartialFolder<'_>) -> Result<Index, DatasetError>,
    ) -> Result<Index, DatasetError> {
        let root = self.root();
        if let Some(index) = read_index(&root) {
            return Ok(index);
        }
        files::create_dir_inside(&self.cache, UNPACKED)?;
        let _lock = self.lock(context)?;
        // Another process may have been faster.
        if let Some(index) = read_index(&root) {
            return Ok(index);
        }
        self.remove()?;
        self.sweep()?;
        let partial = self.folder.join(format!("{PARTIAL}{}", self.name));
        let budget = Budget::new(containers, &self.folder);
        let mut folder = PartialFolder { path: &partial, container: &containers[0], context, budget };
        let unpacked = files::create_dir(&partial).map_err(DatasetError::from).and_then(|()| unpack(&mut folder));
        let unpacked = unpacked.and_then(|index| {
            folder.disk(sealed_json::write(&partial.join(INDEX), &index))?;
            fs::rename(&partial, &root).map_err(FileError::new("rename into place", &root))?;
            Ok(files::sync_dir(&self.folder).map(|()| index)?)
        });
        if unpacked.is_err() {
            // Faces do not stay behind because somebody is in a hurry.
            let _keeping = context.cancel.keeping();
            let _ = fs::remove_dir_all(&partial);
        }
        unpacked
    }

    /// One process unpacks at a time, so that leftover partial folders belong to nobody.
    fn lock(&self, context: &OpenContext<'_>) -> Result<Lock, DatasetError> {
        let waiting = |busy: &Busy| {
            context.progress.say(&format!("{} is unpacking a dataset; waiting for it{}", busy.holder, busy.remedy()));
        };
        let lock = Lock::wait(&self.folder.join(LOCK), waiting, context.cancel)?;
        let lock = lock.ok_or(DatasetError::Interrupted)?;
        if let Some(note) = lock.note() {
            context.progress.say(note);
        }
        Ok(lock)
    }

    fn remove(&self) -> Result<(), FileError> {
        files::remove_all(&self.root())
    }

    /// Removes partial folders of killed processes.
    fn sweep(&self) -> Result<(), FileError> {
        forget::entries_inside(&self.folder)?
            .iter()
            .filter(|path| is_partial(path))
            .try_for_each(|path| files::remove_all(path))
    }
}

/// Removes what killed processes were unpacking, unless another process is unpacking now.
pub(in crate::dataset) fn sweep_unpacked(cache: &Path) {
    let place = UnpackedFolder { cache: cache.into(), folder: cache.join(UNPACKED), name: String::new() };
    if forget::entries_inside(&place.folder).is_ok_and(|found| found.iter().any(|path| is_partial(path)))
        && let Ok(Ok(_alone)) = Lock::acquire(&place.folder.join(LOCK))
    {
        // What cannot be removed now is tried again by the next start.
        let _ = place.sweep();
    }
}

fn is_partial(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PARTIAL))
}

/// The unpacked containers of a cache that hold traces, which have to be unpacked again to be read; removes them if `act`.
/// Names of pictures repeat from container to container, so those of other datasets are told by identities and contents.
pub(in crate::dataset) fn forget_unpacked(cache: &Path, traces: &Traces, act: bool) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    let unpacked = cache.join(UNPACKED);
    let folders = forget::entries_inside(&unpacked)?;
    // Another process may be filling a folder that has no index yet.
    let lock = if act && !folders.is_empty() { Lock::acquire(&unpacked.join(LOCK))?.ok() } else { None };
    for folder in folders {
        let is_folder = fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
        if !is_folder || (is_partial(&folder) && lock.is_none()) {
            continue;
        }
        let known = |face: &UnpackedFace| {
            let named = face.identity.as_deref().is_some_and(|identity| traces.name_in(identity));
            named || face.sha256.is_some_and(|content| traces.contents.contains(&content))
        };
        let asked = |index: Index| traces.is_root(&folder) || index.faces.iter().any(known);
        // What an interruption has left has no index.
        if read_index(&folder).is_none_or(asked) {
            if act {
                files::remove_all(&folder)?;
                files::sync_dir(&unpacked)?;
            }
            found.push(folder);
        }
    }
    Ok(found)
}

fn read_index(root: &Path) -> Option<Index> {
    sealed_json::read(&root.join(INDEX))
}

/// A folder that is being filled.
pub(super) struct PartialFolder<'a> {
    path: &'a Path,
    pub container: &'a Located,
    pub context: &'a OpenContext<'a>,
    budget: Budget<'a>,
}

impl PartialFolder<'_> {
    /// Writes a picture; `path` is relative and may have folders.
    pub fn put(&self, path: &str, bytes: &[u8]) -> Result<(), DatasetError> {
        self.go_on()?;
        self.budget.picture(bytes.len() as u64).map_err(|problem| self.container.problem(problem))?;
        let target = self.path.join(path);
        let mut written = files::write(&target, bytes);
        if let (Err(error), Some(parent)) = (&written, target.parent())
            && error.source.kind() == ErrorKind::NotFound
        {
            self.disk(files::create_dir(parent))?;
            written = files::write(&target, bytes);
        }
        self.disk(written)
    }

    /// Ends the unpacking once that is requested.
    pub fn go_on(&self) -> Result<(), DatasetError> {
        if self.context.cancel.requested() { Err(DatasetError::Interrupted) } else { Ok(()) }
    }

    /// A text of a table, which is kept in memory, unless that would take too much of it.
    pub fn text(&self, text: &str) -> Result<String, DatasetError> {
        let taken = self.budget.text(text.len()).map(|()| text.to_owned());
        taken.map_err(|problem| self.container.problem(problem))
    }

    /// Distinguishes a full disk.
    fn disk<T>(&self, result: Result<T, FileError>) -> Result<T, DatasetError> {
        result.map_err(|error| match error.source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                self.container.problem(ContainerProblem::DiskFull(self.path.display().to_string()))
            }
            _ => error.into(),
        })
    }
}

/// A file name for the picture with this number, its extension by content. It becomes the face's id.
pub(super) fn file_name(number: usize, picture: &[u8]) -> String {
    let extension = image::guess_format(picture).ok().and_then(|format| format.extensions_str().first().copied());
    format!("{number:06}.{}", extension.unwrap_or("bin"))
}

/// The distinct pictures of pairs: benchmarks repeat them, and one embedding per picture is enough.
#[derive(Default)]
pub(super) struct Distinct {
    known: HashMap<Digest, u32>,
    entries: Vec<UnpackedFace>,
}

impl Distinct {
    /// The row of a picture. A new one is named by its number.
    pub fn row(&mut self, number: usize, picture: &[u8], folder: &PartialFolder<'_>) -> Result<u32, DatasetError> {
        folder.go_on()?;
        let sha256 = Digest::of(picture);
        if let Some(&row) = self.known.get(&sha256) {
            return Ok(row);
        }
        let path = file_name(number, picture);
        folder.put(&path, picture)?;
        let row = self.push(path, Some(sha256), None);
        self.known.insert(sha256, row);
        Ok(row)
    }

    /// The row of a missing picture.
    pub fn absent(&mut self, number: usize, fault: String) -> u32 {
        self.push(file_name(number, b""), None, Some(fault))
    }

    fn push(&mut self, path: String, sha256: Option<Digest>, fault: Option<String>) -> u32 {
        self.entries.push(UnpackedFace { id: path.clone(), identity: None, photo: None, path, sha256, fault });
        self.entries.len() as u32 - 1
    }

    /// All of them, with the pairs.
    pub fn with(self, pairs: Vec<(u32, u32, bool)>) -> Index {
        Index { faces: self.entries, pairs, ..Index::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::{ContainerFile, Place};
    use super::*;
    use crate::progress::{Cancel, Silent};

    /// Fault (disk): the disk is full while an archive is unpacked → the error names the disk, and nothing is kept
    #[test]
    fn a_full_disk_is_reported_with_a_remedy() {
        let record = ContainerFile { path: "x.bin".into(), commit: None, bytes: 0, sha256: Digest::of(b"") };
        let place = Place { name: "x.bin".into(), path: "x.bin".into(), bytes: record.bytes };
        let container = Located { place, sha256: record.sha256, record };
        let cancel = Cancel::default();
        let context = OpenContext { cache: None, progress: &Silent, cancel: &cancel };
        let budget = Budget::new(&[], Path::new("/cache"));
        let folder = PartialFolder { path: Path::new("/cache"), container: &container, context: &context, budget };
        let full = FileError::new("write", "/cache/1.jpg")(io::Error::from(ErrorKind::StorageFull));
        let message = folder.disk::<()>(Err(full)).unwrap_err().to_string();
        assert_eq!(message, "x.bin: the disk of /cache is full; free some space and start again; nothing was kept");
    }

    #[test]
    fn extensions_follow_the_content() {
        assert_eq!(file_name(12, b"\xff\xd8\xff\xe0"), "000012.jpg");
        assert_eq!(file_name(1_234_567, b"\x89PNG\r\n\x1a\n"), "1234567.png");
        assert_eq!(file_name(0, b"what"), "000000.bin");
    }
}
