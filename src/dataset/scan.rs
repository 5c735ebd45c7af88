//! The single pass over all pictures: each file is read once, on all cores, for its digest and stamp in the manifest.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use rayon::prelude::*;

use super::listing::Tree;
use super::normalisation::Spellings;
use super::object_tree::ObjectTree;
use super::paths::Fence;
use super::scan_cache::ScanCache;
use super::{DatasetError, Face, FaultIn, LARGEST_PICTURE, Manifest, Part, PixelSource, normalisation, objects};
use crate::digest::Digest;
use crate::files::{self, FileError, Stamp};
use crate::objects::ObjectError;
use crate::progress::{Cancel, Progress};
use crate::transient;

/// A file modified this recently may be modified again without a new time stamp (git calls it "racy").
const SETTLED: Duration = Duration::from_secs(2);

/// The environment in which a dataset is opened.
#[derive(Clone, Copy)]
pub(super) struct OpenContext<'a> {
    /// Folder of cached results; `None`: nothing is cached.
    pub cache: Option<&'a Path>,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
}

/// Why a scan stopped.
#[derive(Debug)]
pub(super) enum ScanError {
    Interrupted,
    /// The root cannot be found.
    Root(io::Error),
    /// A picture cannot be read for a reason that may pass.
    Unread(FileError),
    /// The picture of a row is behind a link that leads out of the root.
    Escape {
        row: usize,
        target: PathBuf,
    },
}

/// A file and the number of faces in it.
struct Picture<'a> {
    path: &'a str,
    /// Where it lies in the file, if it is not the whole.
    part: Option<&'a Part>,
    first_row: usize,
    faces: u64,
}

impl Picture<'_> {
    /// Its name in the cache.
    fn key(&self) -> Cow<'_, str> {
        self.part.map_or(Cow::Borrowed(self.path), |part| part.key().into())
    }
}

/// The result for one file.
#[derive(Clone)]
struct ScannedFile {
    /// Its path, if spelled in a different Unicode normalisation.
    path: Option<String>,
    stamp: Stamp,
    /// `None`: unreadable.
    content: Option<Digest>,
    /// Whether a later scan may trust the stamp.
    settled: bool,
    cached: bool,
}

const MISSING: ScannedFile = ScannedFile {
    path: None,
    stamp: Stamp { size: 0, modified: 0, changed: 0 },
    content: None,
    settled: false,
    cached: false,
};

/// Fills in size, modification time and digest of every file below `root`. A file that cannot be read gets no digest, and
/// embedding records the reason, unless that may pass: then the scan fails. `fenced`: links must not leave the root.
pub(super) fn fill(faces: &mut [Face], root: &Path, fenced: bool, context: &OpenContext<'_>) -> Result<(), ScanError> {
    let OpenContext { cache, progress, cancel } = *context;
    let (pictures, picture_of) = pictures(faces);
    let paths = pictures.iter().map(|picture| picture.path);
    let fence = fenced.then(|| Fence::new(root, paths)).transpose().map_err(ScanError::Root)?;
    let mut cache = cache.map(|folder| ScanCache::open(folder, &std::path::absolute(root).unwrap_or(root.into())));

    let spellings = Spellings::default();
    // The digests so far are kept.
    let _keeping = cancel.keeping();
    progress.start("reading", "faces", Some(faces.len() as u64), 0);
    let results: Vec<Result<ScannedFile, ScanError>> = pictures
        .par_iter()
        .map(|picture| {
            if cancel.requested() {
                return Err(ScanError::Interrupted);
            }
            let found = look_at(picture, root, fence.as_ref(), cache.as_ref(), &spellings, cancel);
            progress.advance(picture.faces);
            found
        })
        .collect();
    progress.finish();
    if let Some(cache) = &mut cache {
        remember(cache, &pictures, &results, progress);
    }
    // The first error in row order, independent of thread timing.
    let found = results.into_iter().collect::<Result<Vec<_>, _>>()?;
    normalisation::say(found.iter().filter(|found| found.path.is_some()).count(), progress);
    enter(faces, &picture_of, &found);
    Ok(())
}

/// Enters what was found into the faces; `picture_of` is the index of each face's file.
fn enter(faces: &mut [Face], picture_of: &[Option<usize>], found: &[ScannedFile]) {
    for (face, picture) in faces.iter_mut().zip(picture_of) {
        let Some(picture) = picture else { continue };
        let ScannedFile { stamp, content, path: elsewhere, .. } = &found[*picture];
        let path = match &mut face.pixels {
            PixelSource::File { path, size, modified } => {
                (*size, *modified) = (stamp.size, stamp.modified);
                path
            }
            PixelSource::Part(Part { path, modified, .. }) => {
                *modified = stamp.modified;
                path
            }
            PixelSource::Given { .. } | PixelSource::Synthetic { .. } => continue,
        };
        face.content = *content;
        if let Some(elsewhere) = elsewhere {
            path.clone_from(elsewhere);
        }
    }
}

/// [`fill`] for a folder whose links may lead anywhere: users build datasets from links into a store (the Hub cache, DVC,
/// git-annex) or into another dataset.
pub(super) fn fill_folder(manifest: &mut Manifest, context: &OpenContext<'_>) -> Result<(), DatasetError> {
    if objects::is_remote(&manifest.root) {
        let tree = ObjectTree::open(&manifest.root, context)?;
        return fill_objects(&mut manifest.faces, &tree, context);
    }
    let Manifest { faces, root, .. } = manifest;
    fill(faces, root, false, context).map_err(|error| match error {
        ScanError::Root(error) => FileError::new("read", &*root)(error).into(),
        ScanError::Unread(error) => DatasetError::Unread(error),
        ScanError::Interrupted | ScanError::Escape { .. } => DatasetError::Interrupted,
    })
}

/// [`fill_folder`] for the folder that the faces were found in.
pub(super) fn fill_tree(manifest: &mut Manifest, tree: &Tree, context: &OpenContext<'_>) -> Result<(), DatasetError> {
    match tree {
        Tree::Disk(_) => fill_folder(manifest, context),
        Tree::Objects(tree) => fill_objects(&mut manifest.faces, tree, context),
    }
}

/// [`fill`] for objects. The listing says which ones have changed; the others are read, many at a time.
fn fill_objects(faces: &mut [Face], tree: &ObjectTree, context: &OpenContext<'_>) -> Result<(), DatasetError> {
    let OpenContext { cache, progress, cancel } = *context;
    let (pictures, picture_of) = pictures(faces);
    let mut cache = cache.map(|folder| ScanCache::open(folder, tree.address()));
    let by_composed =
        if pictures.iter().all(|picture| picture.path.is_ascii()) { HashMap::new() } else { tree.by_composed() };
    let looked = pictures.iter().map(|picture| {
        let path = match tree.stamp(picture.path) {
            None if !picture.path.is_ascii() => by_composed.get(&normalisation::composed(picture.path)).copied(),
            _ => None,
        };
        let Some(stamp) = tree.stamp(path.unwrap_or(picture.path)) else { return MISSING };
        let content = cache.as_ref().and_then(|cache| cache.get(picture.path, stamp));
        ScannedFile { path: path.map(str::to_owned), stamp, content, settled: true, cached: content.is_some() }
    });
    let mut found: Vec<ScannedFile> = looked.collect();
    // Embedding gives the reason for those that are missing or too large.
    let unread = |found: &ScannedFile| {
        found.content.is_none() && found.stamp != MISSING.stamp && found.stamp.size <= LARGEST_PICTURE
    };
    let wanted: Vec<usize> = (0..found.len()).filter(|&at| unread(&found[at])).collect();
    let paths: Vec<String> =
        wanted.iter().map(|&at| found[at].path.as_deref().unwrap_or(pictures[at].path).to_owned()).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let known: u64 =
        pictures.iter().zip(&found).filter(|(_, found)| !unread(found)).map(|(picture, _)| picture.faces).sum();

    // The digests so far are kept.
    let _keeping = cancel.keeping();
    progress.start("reading", "faces", Some(faces.len() as u64), known);
    let (ahead, next, stop) = (tree.ahead(&paths, context), AtomicUsize::new(0), AtomicBool::new(false));
    // In order, which is that of the requests.
    let work = || {
        let mut read = Vec::new();
        while !stop.load(Ordering::Relaxed) && !cancel.requested() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&at) = wanted.get(index) else { break };
            let content = match ahead.take(index) {
                Ok(bytes) => Ok(Some(Digest::of(&bytes))),
                // It went after it was listed.
                Err(error) if error.is_missing() => Ok(None),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    Err(error)
                }
            };
            read.push((at, content));
            progress.advance(pictures[at].faces);
        }
        read
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let read: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    progress.finish();
    let mut failed = None::<(usize, ObjectError)>;
    for (at, content) in read {
        match content {
            Ok(Some(content)) => found[at].content = Some(content),
            Ok(None) => found[at] = MISSING,
            // The first in row order.
            Err(error) if failed.as_ref().is_none_or(|(first, _)| at < *first) => failed = Some((at, error)),
            Err(_) => {}
        }
    }
    let found: Vec<_> = found.into_iter().map(Ok).collect();
    if let Some(cache) = &mut cache {
        remember(cache, &pictures, &found, progress);
    }
    match failed {
        _ if cancel.requested() => return Err(DatasetError::Interrupted),
        Some((_, error)) => return Err(DatasetError::Unread(error.into())),
        None => {}
    }
    let found: Vec<_> = found.into_iter().flatten().collect();
    normalisation::say(found.iter().filter(|found| found.path.is_some()).count(), progress);
    enter(faces, &picture_of, &found);
    Ok(())
}

/// The distinct files, and the file of each face: several faces may share a photo.
fn pictures(faces: &[Face]) -> (Vec<Picture<'_>>, Vec<Option<usize>>) {
    let mut pictures = Vec::<Picture>::new();
    let mut known = HashMap::new();
    let picture_of = faces.iter().enumerate().map(|(row, face)| {
        let (path, part) = match &face.pixels {
            PixelSource::File { path, .. } => (path, None),
            PixelSource::Part(part) => (&part.path, Some(part)),
            PixelSource::Given { .. } | PixelSource::Synthetic { .. } => return None,
        };
        if face.fault.as_ref().is_some_and(|fault| fault.part == FaultIn::Face) {
            return None;
        }
        let index = *known.entry((path.as_str(), part.map(|part| part.offset))).or_insert(pictures.len());
        if index == pictures.len() {
            pictures.push(Picture { path, part, first_row: row, faces: 0 });
        }
        pictures[index].faces += 1;
        Some(index)
    });
    let picture_of = picture_of.collect();
    (pictures, picture_of)
}

fn look_at(
    picture: &Picture<'_>,
    root: &Path,
    fence: Option<&Fence>,
    cache: Option<&ScanCache>,
    spellings: &Spellings,
    cancel: &Cancel,
) -> Result<ScannedFile, ScanError> {
    let (mut full, mut path) = (root.join(picture.path), None);
    let unread = |path: &Path, error: io::Error| ScanError::Unread(FileError::new("read", path)(error));
    let mut found = transient::retry(|| fs::symlink_metadata(&full));
    if found.is_err() && !picture.path.is_ascii() {
        path = spellings.resolve(root, picture.path);
        if let Some(path) = &path {
            full = root.join(path);
            found = fs::symlink_metadata(&full);
        }
    }
    let mut metadata = match found {
        Ok(metadata) => metadata,
        Err(error) if transient::may_pass(&error) => return Err(unread(&full, error)),
        Err(_) => return Ok(MISSING),
    };
    // The fence knows the folders as spelled in the table.
    let is_link = metadata.is_symlink() || path.is_some();
    if let Some(target) = fence.and_then(|fence| fence.escape(picture.path, &full, is_link)) {
        return Err(ScanError::Escape { row: picture.first_row, target });
    }
    if is_link {
        metadata = match transient::retry(|| fs::metadata(&full)) {
            Ok(target) => target,
            Err(error) if transient::may_pass(&error) => return Err(unread(&full, error)),
            Err(_) => return Ok(MISSING),
        };
    }
    // Opening a pipe would wait for its writer.
    if !metadata.is_file() {
        return Ok(MISSING);
    }
    // Stamped before reading: a file that changes meanwhile has a different stamp when it is embedded.
    let stamp = Stamp::of(&metadata);
    let content = cache.and_then(|cache| cache.get(&picture.key(), stamp));
    let cached = content.is_some();
    let content = match content {
        Some(content) => Some(content),
        // Embedding gives the reason.
        None if picture.part.map_or(stamp.size, |part| part.size) > LARGEST_PICTURE => None,
        None => match transient::retry(|| match picture.part {
            Some(part) => part.open(root).and_then(|part| Digest::of_reader(cancel.guard(part))),
            None => files::open(&full).and_then(|file| Digest::of_reader(cancel.guard(file))),
        }) {
            Err(_) if cancel.requested() => return Err(ScanError::Interrupted),
            Err(error) if transient::may_pass(&error) => return Err(unread(&full, error)),
            read => read.ok(),
        },
    };
    let settled = metadata.modified().is_ok_and(|time| time + SETTLED <= SystemTime::now());
    Ok(ScannedFile { path, stamp, content, settled, cached })
}

fn remember(
    cache: &mut ScanCache,
    pictures: &[Picture<'_>],
    results: &[Result<ScannedFile, ScanError>],
    progress: &dyn Progress,
) {
    let mut news = false;
    for (picture, result) in pictures.iter().zip(results) {
        if let Ok(ScannedFile { stamp, content: Some(content), settled: true, cached: false, .. }) = result {
            cache.insert(&picture.key(), *stamp, *content);
            news = true;
        }
    }
    if let Err(error) = if news { cache.save() } else { Ok(()) } {
        progress.say(&format!("{error}; the next start will read all pictures again"));
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::progress::Silent;

    fn backdate(path: &Path) {
        let time = SystemTime::now() - Duration::from_secs(10);
        File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[derive(Default)]
    struct Counter(AtomicU64);

    impl Progress for Counter {
        fn start(&self, task: &str, unit: &'static str, total: Option<u64>, resumed: u64) {
            assert_eq!((task, unit, total, resumed), ("reading", "faces", Some(3), 0));
        }
        fn advance(&self, n: u64) {
            self.0.fetch_add(n, Ordering::Relaxed);
        }
        fn remark(&self, _: &str) {}
        fn finish(&self) {}
        fn say(&self, _: &str) {}
    }

    #[test]
    fn faces_of_one_photo_share_its_digest_and_missing_files_have_none() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "abc").unwrap();
        let mut faces = [Face::of_picture("a"), Face::of_picture("b"), Face::of_picture("a")];
        let (counter, cancel) = (Counter::default(), Cancel::default());
        let context = OpenContext { cache: None, progress: &counter, cancel: &cancel };
        fill(&mut faces, root.path(), true, &context).unwrap();
        let content: Vec<_> = faces.iter().map(|face| face.content).collect();
        assert_eq!(content, [Some(Digest::of(b"abc")), None, Some(Digest::of(b"abc"))]);
        assert!(matches!(faces[2].pixels, PixelSource::File { size: 3, modified: 1.., .. }));
        assert_eq!(counter.0.into_inner(), 3);
    }

    #[test]
    fn settled_files_are_not_read_again_and_recent_ones_are() {
        let (root, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cancel = Cancel::default();
        let context = OpenContext { cache: Some(cache.path()), progress: &Silent, cancel: &cancel };
        for name in ["old", "new"] {
            fs::write(root.path().join(name), "abc").unwrap();
        }
        backdate(&root.path().join("old"));
        let scan = || {
            let mut faces = [Face::of_picture("old"), Face::of_picture("new")];
            fill(&mut faces, root.path(), true, &context).unwrap();
            faces.map(|face| face.content.unwrap())
        };
        assert_eq!(scan(), [Digest::of(b"abc"); 2]);
        // What is settled is remembered, and what is remembered is not read.
        let stamp_of = |name: &str| Stamp::of(&fs::metadata(root.path().join(name)).unwrap());
        let mut known = ScanCache::open(cache.path(), root.path());
        assert_eq!(known.get("old", stamp_of("old")), Some(Digest::of(b"abc")));
        assert_eq!(known.get("new", stamp_of("new")), None);
        known.insert("old", stamp_of("old"), Digest::of(b"remembered"));
        known.save().unwrap();
        assert_eq!(scan(), [Digest::of(b"remembered"), Digest::of(b"abc")]);
        // A later time: read again.
        File::options().append(true).open(root.path().join("old")).unwrap().set_modified(SystemTime::now()).unwrap();
        assert_eq!(scan(), [Digest::of(b"abc"); 2]);
    }

    /// Fault (pictures): a picture is replaced by one of the same size and modification time between two runs → it is read
    /// again, and has its own digest
    #[cfg(unix)]
    #[test]
    fn another_picture_of_the_same_size_and_modification_time_is_noticed() {
        let (root, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cancel = Cancel::default();
        let context = OpenContext { cache: Some(cache.path()), progress: &Silent, cancel: &cancel };
        let path = root.path().join("a");
        let scan = || {
            let mut faces = [Face::of_picture("a")];
            fill(&mut faces, root.path(), true, &context).unwrap();
            faces[0].content.unwrap()
        };
        fs::write(&path, "abc").unwrap();
        backdate(&path);
        assert_eq!(scan(), Digest::of(b"abc"));
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        // The clock of the file system ticks a few hundred times a second.
        std::thread::sleep(Duration::from_millis(20));
        fs::write(&path, "xyz").unwrap();
        File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        assert_eq!(scan(), Digest::of(b"xyz"));
    }

    #[test]
    fn a_scan_can_be_cancelled() {
        let root = tempfile::tempdir().unwrap();
        let cancel = Cancel::default();
        cancel.request();
        let context = OpenContext { cache: None, progress: &Silent, cancel: &cancel };
        let stopped = fill(&mut [Face::of_picture("a")], root.path(), true, &context);
        assert!(matches!(stopped, Err(ScanError::Interrupted)));
    }
}
