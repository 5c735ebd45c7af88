//! Atomic writes: a file is written under a temporary name next to its target, flushed to disk and renamed, so that a
//! file under its final name is always complete.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::pointer::PointerFile;

/// Prefix of a file that is being written. Files found with it are incomplete.
pub const PARTIAL: &str = ".partial-";

/// A file operation that failed: what was tried, on which path, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}{}", path.display(), Remedy(*option))]
pub struct FileError {
    /// The verb: "read", "write", "create", "rename", "list".
    pub action: &'static str,
    /// The path it was tried on.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
    /// The option to choose another folder, if this one is not writable.
    pub option: Option<&'static str>,
}

impl FileError {
    /// For `map_err`: `.map_err(FileError::new("read", path))`.
    pub fn new(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self { action, path, source, option: None }
    }

    /// Whether writing was denied.
    #[must_use]
    pub fn refused(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
    }

    /// For `map_err`: adds the option to choose another folder, if this one is not writable.
    pub fn or_set(option: &'static str) -> impl Fn(Self) -> Self {
        move |error| if error.refused() { Self { option: Some(option), ..error } } else { error }
    }
}

struct Remedy(Option<&'static str>);

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |option| write!(f, "; choose a writable folder with {option}"))
    }
}

/// Most bytes that [`read`] takes into memory: a table of about twenty million lines.
pub const LARGEST_READ: u64 = 4 << 30;

/// Most bytes of a checkpoint that are taken into memory: two billion parameters in f32.
pub const LARGEST_WEIGHTS: u64 = 8 << 30;

/// Bytes at the beginning of a file that tell what it is ([`looks_like`], [`refuse_pointer`]).
const HEAD: u64 = 1024;

/// Opens a regular file for reading. Opening a pipe would wait for its writer, and reading a device may never end: both
/// are refused before, without waiting.
///
/// # Errors
/// Those of the operating system, and [`io::ErrorKind::InvalidInput`] for anything but a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    // Opening some devices has an effect, and what the path names may change until it is open: both are looked at.
    regular(&fs::metadata(path)?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    regular(&file.metadata()?).map(|()| file)
}

/// Refuses anything but a regular file, by what it is.
fn regular(found: &Metadata) -> io::Result<()> {
    let kind = found.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let is = if kind.is_dir() { "a folder" } else { special(kind) };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {is}, not a file")))
}

#[cfg(unix)]
fn special(kind: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

#[cfg(not(unix))]
fn special(_: fs::FileType) -> &'static str {
    "a special file"
}

/// The first 1,024 bytes of a file.
///
/// # Errors
/// [`FileError`] with the path, also for pointer files ([`refuse_pointer`]).
pub fn head(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut head = Vec::new();
    let read = open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    read.map_err(FileError::new("read", path))?;
    refuse_pointer(path, &head).map(|()| head)
}

/// Reads a whole file of at most [`LARGEST_READ`] bytes.
///
/// # Errors
/// [`FileError`] with the path, also for pointer files ([`refuse_pointer`]).
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    read_at_most(path, LARGEST_READ)
}

/// [`read`] with another limit. A larger file is refused from its size; one that grows while it is read, too.
///
/// # Errors
/// [`FileError`] with the path, also for pointer files ([`refuse_pointer`]).
pub fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let bytes = open(path).and_then(|file| all_of(file, limit)).map_err(FileError::new("read", path))?;
    refuse_pointer(path, &bytes).map(|()| bytes)
}

/// The bytes of an open file of at most `limit` bytes.
fn all_of(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let too_large =
        |size| io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {size} bytes, at most {limit} are read"));
    let size = file.metadata()?.len();
    if size > limit {
        return Err(too_large(size));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What this user may still write.
    pub free: u64,
    /// All of it.
    pub size: u64,
}

/// Space of the file system that holds `path`; `None` where it cannot be told.
#[must_use]
pub fn space(path: &Path) -> Option<Space> {
    #[cfg(unix)]
    {
        let found = rustix::fs::statvfs(path).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Space { free: bytes(found.f_bavail), size: bytes(found.f_blocks) })
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Refuses a file whose bytes, or first 1,024 of them, are a [`PointerFile`].
///
/// # Errors
/// [`FileError`] with the path and what to do.
pub fn refuse_pointer(path: &Path, start: &[u8]) -> Result<(), FileError> {
    let Some(PointerFile { system, command }) = PointerFile::of(start) else { return Ok(()) };
    let remedy = format!("it is a {system} pointer, not the file: run `{command}` in its clone");
    Err(FileError::new("read", path)(io::Error::other(remedy)))
}

/// What a file seems to be, for messages: "a web page", "empty". Needs only its first 1,024 bytes.
#[must_use]
pub fn looks_like(head: &[u8]) -> String {
    if let Some(PointerFile { system, command }) = PointerFile::of(head) {
        return format!("a {system} pointer, not the file (run `{command}`)");
    }
    let known: [(&[u8], &str); 9] = [
        (b"\x1f\x8b", "a gzip file"),
        (b"PK\x03\x04", "a zip file"),
        (b"PAR1", "a parquet file"),
        (b"\x89HDF", "an HDF5 file, as Keras writes them"),
        (b"<", "a web page"),
        (b"{", "JSON"),
        (b"\xff\xd8\xff", "a JPEG picture"),
        (b"\x89PNG", "a PNG picture"),
        (b"\x80", "a pickle"),
    ];
    match known.iter().find(|(start, _)| head.starts_with(start)) {
        Some((_, name)) => (*name).to_owned(),
        None if head.is_empty() => "empty".to_owned(),
        // Protocol buffers: field 1, the version of the format, then field 2, a text.
        None if head[0] == 8 && head.get(2) == Some(&0x12) => "an ONNX model".to_owned(),
        None => format!("a file that begins with the bytes {}", head[..head.len().min(4)].escape_ascii()),
    }
}

/// Creates a folder and its parents.
///
/// # Errors
/// [`FileError`] with the path.
pub fn create_dir(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::new("create", path))
}

/// Writes `path` atomically: `fill` writes to a temporary file in the same folder, which is synced and renamed; then
/// the folder is synced. On any error the temporary file is removed.
///
/// # Errors
/// The error of `fill`, or a [`FileError`] of the steps around it.
pub fn commit<E: From<FileError>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<(), E>,
) -> Result<(), E> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new()
        .prefix(PARTIAL)
        .tempfile_in(folder)
        .map_err(FileError::new("create a temporary file in", folder))?;
    {
        let file = temporary.as_file_mut();
        let mut writer = BufWriter::with_capacity(256 * 1024, &*file);
        fill(&mut writer)?;
        writer.flush().map_err(FileError::new("write", path))?;
        drop(writer);
        file.sync_all().map_err(FileError::new("flush", path))?;
    }
    set_ordinary_permissions(temporary.path()).map_err(FileError::new("set the permissions of", path))?;
    temporary.persist(path).map_err(|error| FileError::new("rename into place", path)(error.error))?;
    sync_dir(folder)?;
    Ok(())
}

/// [`commit`] for bytes in memory.
///
/// # Errors
/// [`FileError`] with the path.
pub fn commit_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    commit(path, |writer| writer.write_all(bytes).map_err(FileError::new("write", path)))
}

/// [`commit_bytes`] into a folder that the command-line option `option` sets, creating it if needed.
///
/// # Errors
/// [`FileError`] with the path, and with the option if the folder is not writable.
pub fn commit_below(path: &Path, bytes: &[u8], option: &'static str) -> Result<(), FileError> {
    let made = path.parent().map_or(Ok(()), create_dir);
    made.and_then(|()| commit_bytes(path, bytes)).map_err(FileError::or_set(option))
}

/// Makes renames inside `folder` durable.
///
/// # Errors
/// [`FileError`] with the folder.
pub fn sync_dir(folder: &Path) -> Result<(), FileError> {
    #[cfg(unix)]
    File::open(folder).and_then(|dir| dir.sync_all()).map_err(FileError::new("flush", folder))?;
    Ok(())
}

/// Temporary files are private to their owner; gives the file the permissions of `File::create`.
#[cfg(unix)]
fn set_ordinary_permissions(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::OnceLock;
    static MODE: OnceLock<u32> = OnceLock::new();
    let mode = *MODE.get_or_init(|| {
        // Reading the umask means setting it for a moment, which would race with other threads; Linux also reports it.
        fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|status| {
                let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
                u32::from_str_radix(line.trim(), 8).ok()
            })
            .map_or(0o644, |umask| 0o666 & !umask)
    });
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_ordinary_permissions(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault (disk): a write that fails half way → the old file stays, and nothing partial
    #[test]
    fn a_failed_commit_leaves_the_old_file_and_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        commit_bytes(&path, b"old").unwrap();
        let failed: Result<(), FileError> = commit(&path, |writer| {
            writer.write_all(b"half").unwrap();
            Err(FileError::new("write", "a.txt")(io::Error::other("disk full")))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named_with_the_option_for_another() {
        let error = |kind: io::ErrorKind| {
            let error = FileError::new("create", "/shared/runs")(kind.into());
            FileError::or_set("--experiments")(error).to_string()
        };
        for kind in [io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied] {
            let message = error(kind);
            assert!(message.ends_with("; choose a writable folder with --experiments"), "{message}");
        }
        assert!(!error(io::ErrorKind::StorageFull).contains("--experiments"));
    }

    /// Fault (tables): a Git LFS pointer in place of a table → refused with the command that fetches the file
    #[test]
    fn a_pointer_is_not_the_file_it_stands_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n").unwrap();
        assert!(read(file.path()).unwrap_err().to_string().ends_with("run `git lfs pull` in its clone"));
    }

    /// Fault (runs): a pipe, a socket, a device or a folder where a file is expected → refused by what it is, without waiting
    #[test]
    #[cfg(unix)]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, is) in [
            (pipe.as_path(), "a pipe"),
            (&link, "a pipe"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
            (folder.path(), "a folder"),
        ] {
            let error = read(path).unwrap_err().to_string();
            assert!(error.ends_with(&format!(": it is {is}, not a file")), "{error}");
        }
    }

    /// Fault (tables): a sparse file of 8 TB where a table is expected → refused from its size; nothing of it is read
    #[test]
    fn a_file_over_the_limit_is_refused_from_its_size() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8 << 40).unwrap();
        let error = read(file.path()).unwrap_err().to_string();
        assert!(error.ends_with(": it has 8796093022208 bytes, at most 4294967296 are read"), "{error}");
        fs::write(file.path(), "four").unwrap();
        assert!(read_at_most(file.path(), 3).is_err());
        assert_eq!(read_at_most(file.path(), 4).unwrap(), b"four");
    }

    #[test]
    #[cfg(unix)]
    fn the_space_of_a_file_system_is_told() {
        let Space { free, size } = space(&std::env::temp_dir()).unwrap();
        assert!(free <= size && size > 0);
        assert_eq!(space(Path::new("/nowhere/at/all")), None);
    }

    #[test]
    fn the_error_names_verb_path_and_reason() {
        let error = read(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /nowhere/at/all: "), "{error}");
    }
}
