//! Classifies the files in a dataset's folders: pictures, by name or by their first bytes, and everything else, which is
//! counted. A file with the name of a picture is a face whatever its content: a bad one is a row of `failures.csv`. Only
//! files without such a name are opened here.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::left_out::{LeftOut, LeftOutReason};
use super::object_tree::ObjectTree;
use super::scan::OpenContext;
use super::{DatasetError, objects};
use crate::files::{self, FileError};
use crate::pointer::PointerFile;
use crate::preprocess::{HEAD, PictureKind};
use crate::transient;

/// Extensions of pictures, supported or not, in any case.
const PICTURES: &str = "jpg jpeg jpe jfif jfi jif pjpeg pjp png apng webp bmp dib gif tif tiff pbm pgm ppm pnm pam \
    pfm avif avifs heic heif heics hif jp2 j2k jpx jpf jxl jxr psd tga exr hdr qoi dds cr2 cr3 \
    nef arw dng orf raf";

/// Extensions of other files. They decide on the Hub, where looking at the first bytes would require a download.
const OTHERS: &str = "txt md rst pdf html htm xml json jsonl yaml yml toml csv tsv parquet arrow npy npz mat pkl \
    pickle pt pth bin onnx safetensors ckpt h5 hdf5 zip tar gz tgz bz2 xz 7z rar py ipynb mp4 \
    avi mov db dvc";

/// What a file name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    /// Such as macOS's `._a.jpg` next to `a.jpg`.
    Hidden,
    Picture,
    /// Certainly something else.
    Other,
    Unknown,
}

/// Classifies a file name.
pub(super) fn named(name: &str) -> NameKind {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let one_of = |known: &str| known.split(' ').any(|known| extension.eq_ignore_ascii_case(known));
    match () {
        () if name.starts_with('.') => NameKind::Hidden,
        () if one_of(PICTURES) => NameKind::Picture,
        () if one_of(OTHERS) => NameKind::Other,
        () => NameKind::Unknown,
    }
}

/// Why a file without the name of a picture is left out, by its first [`HEAD`] bytes; `None` for a picture.
pub(super) fn reason(head: &[u8]) -> Option<LeftOutReason> {
    match PictureKind::of(head) {
        Some(_) => None,
        None if head.is_empty() => Some(LeftOutReason::EmptyFile),
        None if PointerFile::of(head).is_some() => Some(LeftOutReason::Pointer),
        None => Some(LeftOutReason::NoPicture),
    }
}

/// [`reason`] for a local file.
pub(super) fn reason_of(path: &Path) -> Option<LeftOutReason> {
    let mut head = Vec::new();
    match files::open(path).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head)) {
        Ok(_) => reason(&head),
        Err(_) => Some(LeftOutReason::Unreadable),
    }
}

/// What an entry of a folder is.
pub(super) enum EntryKind {
    Picture,
    Folder,
    Left(LeftOutReason),
}

/// A folder of a dataset.
pub(super) enum Tree {
    /// On this machine.
    Disk(PathBuf),
    /// In an object store.
    Objects(Box<ObjectTree>),
}

/// An entry of one of its folders.
pub(super) enum Entry {
    /// On this machine.
    Disk(DirEntry),
    /// In an object store: its path below the root.
    Object { path: String, is_folder: bool },
}

impl Entry {
    /// Its name as text.
    pub fn name(&self) -> Result<String, DatasetError> {
        match self {
            Self::Disk(entry) => entry.file_name().into_string().map_err(|_| DatasetError::Name {
                path: entry.path().to_string_lossy().into_owned(),
                rule: "is not UTF-8",
            }),
            Self::Object { path, .. } => Ok(path.rsplit('/').next().unwrap_or(path).to_owned()),
        }
    }

    /// Whether it is a link to a folder that contains it.
    pub fn leads_up(&self) -> bool {
        let Self::Disk(entry) = self else { return false };
        let path = entry.path();
        let up = |real: PathBuf| {
            path.parent().and_then(|parent| fs::canonicalize(parent).ok()?.starts_with(real).then_some(()))
        };
        path.is_symlink() && fs::canonicalize(&path).ok().and_then(up).is_some()
    }
}

/// Paths within a tree are `/`-separated and relative to its root; `""` is the root.
impl Tree {
    /// The folder at a path or an address. Objects are listed, all at once.
    pub fn open(root: &Path, context: &OpenContext<'_>) -> Result<Self, DatasetError> {
        if objects::is_remote(root) {
            ObjectTree::open(root, context).map(|tree| Self::Objects(tree.into()))
        } else {
            Ok(Self::Disk(root.to_owned()))
        }
    }

    /// Its path or address.
    pub fn root(&self) -> &Path {
        match self {
            Self::Disk(root) => root,
            Self::Objects(tree) => tree.address(),
        }
    }

    /// Whether there is a folder.
    pub fn is_folder(&self, path: &str) -> bool {
        match self {
            Self::Disk(root) => under(root, path).is_dir(),
            Self::Objects(tree) => tree.is_folder(path),
        }
    }

    /// Whether there is a file, or a link that should lead to one.
    pub fn is_file(&self, path: &str) -> bool {
        match self {
            Self::Disk(root) => under(root, path).is_file() || under(root, path).is_symlink(),
            Self::Objects(tree) => tree.is_file(path),
        }
    }

    /// The entries of a folder in byte order, links last: a folder takes precedence over links to it.
    pub fn entries(&self, below: &str) -> Result<Vec<Entry>, DatasetError> {
        match self {
            Self::Disk(root) => {
                let mut entries = files::list(&under(root, below))?;
                let is_link = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_symlink());
                entries.sort_by_cached_key(|entry| (is_link(entry), entry.file_name()));
                Ok(entries.into_iter().map(Entry::Disk).collect())
            }
            Self::Objects(tree) => {
                let entry = |(name, is_folder): (String, bool)| Entry::Object { path: joined(below, &name), is_folder };
                Ok(tree.names(below).into_iter().map(entry).collect())
            }
        }
    }

    /// Classifies an entry of a folder.
    ///
    /// # Errors
    /// If its type cannot be determined: it may be an identity.
    pub fn look(&self, entry: &Entry) -> Result<EntryKind, DatasetError> {
        match (self, entry) {
            (Self::Objects(tree), Entry::Object { path, is_folder }) => Ok(tree.look(path, *is_folder)),
            (_, Entry::Disk(on_disk)) => look(on_disk, &entry.name()?),
            (Self::Disk(_), Entry::Object { .. }) => Ok(EntryKind::Left(LeftOutReason::Unreadable)),
        }
    }

    /// What tells a folder from all others, whatever links lead to it.
    pub fn real(&self, below: &str) -> Result<PathBuf, FileError> {
        match self {
            Self::Disk(root) => {
                let folder = under(root, below);
                fs::canonicalize(&folder).map_err(FileError::new("list", folder))
            }
            Self::Objects(_) => Ok(PathBuf::from(below)),
        }
    }
}

fn under(root: &Path, path: &str) -> PathBuf {
    // Joined with nothing, a path ends in `/`.
    if path.is_empty() { root.to_owned() } else { root.join(path) }
}

/// The path of an entry of a folder.
pub(super) fn joined(below: &str, name: &str) -> String {
    if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") }
}

fn look(entry: &DirEntry, name: &str) -> Result<EntryKind, DatasetError> {
    let (path, by_name) = (entry.path(), named(name));
    let failed = |error| FileError::new("read", &path)(error);
    if by_name == NameKind::Hidden {
        return Ok(EntryKind::Left(LeftOutReason::Hidden));
    }
    let mut kind = entry.file_type().map_err(failed)?;
    if kind.is_symlink() {
        kind = match transient::retry(|| fs::metadata(&path)) {
            Ok(target) => target.file_type(),
            Err(error) => return of_link(&path, by_name, error),
        };
    }
    Ok(match by_name {
        _ if kind.is_dir() => EntryKind::Folder,
        NameKind::Picture => EntryKind::Picture,
        // Opening a pipe would wait for its writer.
        _ if !kind.is_file() => EntryKind::Left(LeftOutReason::Special),
        _ => reason_of(&path).map_or(EntryKind::Picture, EntryKind::Left),
    })
}

/// What a link is whose target cannot be determined. Fails where that may pass: it may be an identity.
fn of_link(path: &Path, by_name: NameKind, error: io::Error) -> Result<EntryKind, DatasetError> {
    match by_name {
        // Its own reading says why it cannot be read.
        NameKind::Picture => Ok(EntryKind::Picture),
        _ if transient::may_pass(&error) => Err(FileError::new("read", path)(error).into()),
        _ => Ok(EntryKind::Left(LeftOutReason::Dangling)),
    }
}

/// The entries of a folder with their names, of which ids are made. Those whose names cannot be part of an id are counted, and
/// the first of each kind is named.
pub(super) fn with_names(entries: Vec<Entry>, left: &mut LeftOut, context: &OpenContext<'_>) -> Vec<(Entry, String)> {
    let name = |entry: Entry| {
        let (reason, rule) = match entry.name() {
            Ok(name) if !name.contains(char::is_control) => return Some((entry, name)),
            Ok(_) => (LeftOutReason::ControlCharacter, "contains a control character"),
            Err(_) => (LeftOutReason::NotUtf8, "is not UTF-8"),
        };
        if left.count(reason) == 0 {
            #[expect(clippy::unnecessary_debug_formatting, reason = "it shows what is no text as `\\xFF`")]
            let shown = match &entry {
                Entry::Disk(entry) => format!("{:?}", entry.path()),
                Entry::Object { path, .. } => format!("{path:?}"),
            };
            context.progress.warn(&format!(
                "{shown} is left out, and so is whatever else has a name that {rule}, with all that is in it; rename it, because \
                 ids are made from names"
            ));
        }
        left.add(reason);
        None
    };
    entries.into_iter().filter_map(name).collect()
}

/// A recursive walk that follows links and visits each folder once.
pub(super) struct Walk<'a> {
    tree: &'a Tree,
    /// Files that are skipped without being counted.
    skip: &'a dyn Fn(&str) -> bool,
    context: &'a OpenContext<'a>,
    /// [`Tree::real`] of the visited folders.
    seen: HashSet<PathBuf>,
}

impl<'a> Walk<'a> {
    /// A walk that does not visit `seen`, which are [`Tree::real`] paths.
    pub fn new(
        tree: &'a Tree,
        seen: impl IntoIterator<Item = PathBuf>,
        skip: &'a dyn Fn(&str) -> bool,
        context: &'a OpenContext<'a>,
    ) -> Self {
        Self { tree, skip, context, seen: seen.into_iter().collect() }
    }

    /// Ends the walk once that is requested.
    pub fn go_on(&self) -> Result<(), DatasetError> {
        if self.context.cancel.requested() { Err(DatasetError::Interrupted) } else { Ok(()) }
    }

    /// Passes the path of every picture in a folder, and in those in it, to `found`; counts the rest.
    pub fn pictures(
        &mut self,
        below: &str,
        left: &mut LeftOut,
        found: &mut dyn FnMut(String, &mut LeftOut),
    ) -> Result<(), DatasetError> {
        if !self.seen.insert(self.tree.real(below)?) {
            left.add(LeftOutReason::Repeated);
            return Ok(());
        }
        for (entry, name) in with_names(self.tree.entries(below)?, left, self.context) {
            self.go_on()?;
            let path = joined(below, &name);
            match self.tree.look(&entry)? {
                EntryKind::Picture => found(path, left),
                EntryKind::Folder => self.pictures(&path, left, found)?,
                EntryKind::Left(_) if (self.skip)(&path) => {}
                EntryKind::Left(reason) => left.add(reason),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_classified() {
        for (name, expected) in [
            ("a.JPG", NameKind::Picture),
            ("a.jfif", NameKind::Picture),
            ("a.heic", NameKind::Picture),
            ("._a.jpg", NameKind::Hidden),
            ("labels.csv", NameKind::Other),
            ("0001", NameKind::Unknown),
            ("a.jpg_small", NameKind::Unknown),
        ] {
            assert_eq!(named(name), expected, "{name}");
        }
    }

    #[test]
    fn files_without_a_known_name_are_classified_by_content() {
        assert_eq!(reason(b"\xff\xd8\xff\xe0"), None);
        assert_eq!(reason(b"\0\0\0\x18ftypheic"), None);
        assert_eq!(reason(b""), Some(LeftOutReason::EmptyFile));
        assert_eq!(reason(b"version https://git-lfs.github.com/spec/v1\n"), Some(LeftOutReason::Pointer));
        assert_eq!(reason(b"hello"), Some(LeftOutReason::NoPicture));
    }

    #[test]
    #[cfg(unix)]
    fn a_link_that_cannot_be_followed_now_is_an_error_not_a_missing_person() {
        let look = |number| of_link(Path::new("ada"), named("ada"), io::Error::from_raw_os_error(number));
        // EIO, EACCES.
        for number in [5, 13] {
            assert!(matches!(look(number), Err(DatasetError::File(_))), "{number}");
        }
        // ENOENT.
        assert!(matches!(look(2), Ok(EntryKind::Left(LeftOutReason::Dangling))));
    }
}
