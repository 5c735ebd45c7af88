//! What a file is that stands in a dataset's folders: a picture, by name or by its first bytes, or something that is
//! counted. A file that has a picture's name is a face whatever is in it: what is wrong with it is a row of
//! `failures.csv`. So only the files without such a name are opened here.

use std::collections::HashSet;
use std::fs::{self, DirEntry, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::DatasetError;
use super::left_out::{LeftOut, Reason};
use super::scan::Context;
use crate::files::FileError;
use crate::pointer::Pointer;
use crate::preprocess::{HEAD, PictureKind};

/// Endings of pictures, decoded or not, in any case.
const PICTURES: [&str; 47] = [
    "jpg", "jpeg", "jpe", "jfif", "jfi", "jif", "pjpeg", "pjp", "png", "apng", "webp", "bmp", "dib", "gif", "tif",
    "tiff", "pbm", "pgm", "ppm", "pnm", "pam", "pfm", "avif", "avifs", "heic", "heif", "heics", "hif", "jp2", "j2k",
    "jpx", "jpf", "jxl", "jxr", "psd", "tga", "exr", "hdr", "qoi", "dds", "cr2", "cr3", "nef", "arw", "dng", "orf",
    "raf",
];

/// Endings of what else stands in repositories; on the Hub, where a look at the first bytes is a download, they decide.
const OTHERS: [&str; 44] = [
    "txt",
    "md",
    "rst",
    "pdf",
    "html",
    "htm",
    "xml",
    "json",
    "jsonl",
    "yaml",
    "yml",
    "toml",
    "csv",
    "tsv",
    "parquet",
    "arrow",
    "npy",
    "npz",
    "mat",
    "pkl",
    "pickle",
    "pt",
    "pth",
    "bin",
    "onnx",
    "safetensors",
    "ckpt",
    "h5",
    "hdf5",
    "zip",
    "tar",
    "gz",
    "tgz",
    "bz2",
    "xz",
    "7z",
    "rar",
    "py",
    "ipynb",
    "mp4",
    "avi",
    "mov",
    "db",
    "dvc",
];

/// What a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// macOS leaves `._a.jpg` beside `a.jpg`.
    Hidden,
    Picture,
    /// Something else for certain.
    Other,
    Unknown,
}

/// Judges a file's name.
pub(super) fn named(name: &str) -> Named {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let one_of = |endings: &[&str]| endings.iter().any(|known| ending.eq_ignore_ascii_case(known));
    match () {
        () if name.starts_with('.') => Named::Hidden,
        () if one_of(&PICTURES) => Named::Picture,
        () if one_of(&OTHERS) => Named::Other,
        () => Named::Unknown,
    }
}

/// Judges a file without a picture's name by its first [`HEAD`] bytes: `None` for a picture.
pub(super) fn reason(head: &[u8]) -> Option<Reason> {
    match PictureKind::of(head) {
        Some(_) => None,
        None if head.is_empty() => Some(Reason::EmptyFile),
        None if Pointer::of(head).is_some() => Some(Reason::Pointer),
        None => Some(Reason::NoPicture),
    }
}

/// [`reason`] for a file on this machine.
pub(super) fn reason_of(path: &Path) -> Option<Reason> {
    let mut head = Vec::new();
    match File::open(path).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head)) {
        Ok(_) => reason(&head),
        Err(_) => Some(Reason::Unreadable),
    }
}

/// What stands in a folder under a name.
pub(super) enum Entry {
    Picture,
    Folder,
    Left(Reason),
}

/// Looks at what stands in a folder.
///
/// # Errors
/// When the system does not say what it is: behind it may be a person.
pub(super) fn look(entry: &DirEntry, name: &str) -> Result<Entry, DatasetError> {
    let (path, by_name) = (entry.path(), named(name));
    let failed = |error| FileError::new("read", &path)(error);
    if by_name == Named::Hidden {
        return Ok(Entry::Left(Reason::Hidden));
    }
    let mut kind = entry.file_type().map_err(failed)?;
    if kind.is_symlink() {
        kind = match fs::metadata(&path) {
            Ok(target) => target.file_type(),
            Err(_) if by_name == Named::Picture => return Ok(Entry::Picture),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(failed(error).into()),
            Err(_) => return Ok(Entry::Left(Reason::Dangling)),
        };
    }
    Ok(match by_name {
        _ if kind.is_dir() => Entry::Folder,
        Named::Picture => Entry::Picture,
        // Opening a pipe would wait for its writer.
        _ if !kind.is_file() => Entry::Left(Reason::Special),
        _ => reason_of(&path).map_or(Entry::Picture, Entry::Left),
    })
}

/// The entries of a folder.
pub(super) fn list(folder: &Path) -> Result<Vec<DirEntry>, FileError> {
    fs::read_dir(folder).and_then(Iterator::collect).map_err(FileError::new("list", folder))
}

/// The entries of a folder in byte order, links last: a folder counts where it is, not where a link to it stands.
pub(super) fn sorted(folder: &Path) -> Result<Vec<DirEntry>, FileError> {
    let mut entries = list(folder)?;
    entries.sort_by_cached_key(|entry| (entry.file_type().is_ok_and(|kind| kind.is_symlink()), entry.file_name()));
    Ok(entries)
}

/// Where a folder really is.
pub(super) fn real(folder: &Path) -> Result<PathBuf, FileError> {
    fs::canonicalize(folder).map_err(FileError::new("list", folder))
}

/// The name of an entry as text.
pub(super) fn name(entry: &DirEntry) -> Result<String, DatasetError> {
    entry
        .file_name()
        .into_string()
        .map_err(|_| DatasetError::Name { path: entry.path().to_string_lossy().into_owned(), rule: "is not UTF-8" })
}

/// A walk through all folders below one, links included, each folder once.
pub(super) struct Walk<'a> {
    /// Files directly in the walked folder that are neither pictures nor left out.
    skip: &'a dyn Fn(&str) -> bool,
    context: &'a Context<'a>,
    /// Where the folders really are that were listed.
    seen: HashSet<PathBuf>,
}

impl<'a> Walk<'a> {
    /// A walk that does not enter again what is [`real`]ly any of `seen`.
    pub fn new(
        seen: impl IntoIterator<Item = PathBuf>,
        skip: &'a dyn Fn(&str) -> bool,
        context: &'a Context<'a>,
    ) -> Self {
        Self { skip, context, seen: seen.into_iter().collect() }
    }

    /// Gives every picture below `folder` to `found`, by its path relative to it, with `/`; counts the rest.
    pub fn pictures(
        &mut self,
        folder: &Path,
        below: &str,
        left: &mut LeftOut,
        found: &mut dyn FnMut(String, &mut LeftOut),
    ) -> Result<(), DatasetError> {
        let here = folder.join(below);
        if !self.seen.insert(real(&here)?) {
            left.add(Reason::Repeated);
            return Ok(());
        }
        for entry in sorted(&here)? {
            if self.context.cancel.requested() {
                return Err(DatasetError::Interrupted);
            }
            let name = name(&entry)?;
            let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            match look(&entry, &name)? {
                Entry::Picture => found(path, left),
                Entry::Folder => self.pictures(folder, &path, left, found)?,
                Entry::Left(_) if (self.skip)(&path) => {}
                Entry::Left(reason) => left.add(reason),
            }
        }
        Ok(())
    }
}

/// Whether a folder is a link to a folder that it stands in.
pub(super) fn leads_up(entry: &DirEntry) -> bool {
    let path = entry.path();
    let up =
        |real: PathBuf| path.parent().and_then(|parent| fs::canonicalize(parent).ok()?.starts_with(real).then_some(()));
    path.is_symlink() && fs::canonicalize(&path).ok().and_then(up).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_can() {
        for (name, expected) in [
            ("a.JPG", Named::Picture),
            ("a.jfif", Named::Picture),
            ("a.heic", Named::Picture),
            ("._a.jpg", Named::Hidden),
            ("labels.csv", Named::Other),
            ("0001", Named::Unknown),
            ("a.jpg_small", Named::Unknown),
        ] {
            assert_eq!(named(name), expected, "{name}");
        }
    }

    #[test]
    fn files_without_a_name_are_judged_by_content() {
        assert_eq!(reason(b"\xff\xd8\xff\xe0"), None);
        assert_eq!(reason(b"\0\0\0\x18ftypheic"), None);
        assert_eq!(reason(b""), Some(Reason::EmptyFile));
        assert_eq!(reason(b"version https://git-lfs.github.com/spec/v1\n"), Some(Reason::Pointer));
        assert_eq!(reason(b"hello"), Some(Reason::NoPicture));
    }
}
