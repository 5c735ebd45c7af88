//! Atomic writes: a file is written under a temporary name next to its target, flushed to disk and renamed, so that a
//! file under its final name is always complete.

mod partial;
mod stamp;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, DirBuilder, DirEntry, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

pub use partial::{PARTIAL, Scratch, sweep};
pub use stamp::Stamp;

use crate::pointer::PointerFile;
use crate::transient;

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
    let mut bytes = Vec::new();
    // A sparse file may claim more than there is memory.
    bytes
        .try_reserve_exact(size as usize)
        .map_err(|_| io::Error::new(io::ErrorKind::OutOfMemory, format!("its {size} bytes do not fit in memory")))?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
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
    let known: [(&[u8], &str); 12] = [
        (b"\x1f\x8b", "a gzip file"),
        (b"BZh", "a bzip2 file (decompress it with `bunzip2`)"),
        (b"\xfd7zXZ\0", "an xz file (decompress it with `unxz`)"),
        (b"\x28\xb5\x2f\xfd", "a zstd file (decompress it with `unzstd`)"),
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

/// Who may read what is created from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Permissions {
    /// Only the owner: 0700 for folders, 0600 for files.
    #[default]
    Private,
    /// As the umask allows, like most programs.
    Umask,
}

static PERMISSIONS: AtomicU8 = AtomicU8::new(Permissions::Private as u8);

/// Sets the permissions of everything that this process creates from now on. What exists keeps its own.
pub fn set_permissions(permissions: Permissions) {
    PERMISSIONS.store(permissions as u8, Ordering::Relaxed);
}

/// Whether new files and folders are their owner's alone.
#[cfg(unix)]
fn private() -> bool {
    PERMISSIONS.load(Ordering::Relaxed) == Permissions::Private as u8
}

/// Folders whose own permissions decide over what is created in them.
static SHARED_AS: Mutex<BTreeMap<PathBuf, u32>> = Mutex::new(BTreeMap::new());

/// From now on, what is created in this folder may be read by those that may read the folder, and by nobody else: whoever
/// opens a finished run to a group, or closes it, need not do so again after each command.
pub fn keep_shared_as_is(folder: &Path) {
    #[cfg(unix)]
    if let Ok(found) = fs::metadata(folder) {
        use std::os::unix::fs::PermissionsExt;
        let mut known = SHARED_AS.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(folder.to_owned(), found.permissions().mode() & 0o777);
    }
}

/// The permissions of something new, of those that a umask may take from.
#[cfg(unix)]
fn mode_of_new(path: &Path, all: u32, of_umask: impl FnOnce() -> u32) -> u32 {
    let known = SHARED_AS.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = path.ancestors().find_map(|folder| known.get(folder).copied());
    match (private(), folder) {
        (true, None) => all & 0o700,
        // Nobody but the owner writes, unless the umask says so.
        (true, Some(folder)) => all & (0o700 | folder & 0o055),
        (false, None) => of_umask(),
        (false, Some(folder)) => of_umask() & (0o700 | folder),
    }
}

/// Creates a folder and its parents, and flushes their names to the disk.
///
/// # Errors
/// [`FileError`] with the path.
pub fn create_dir(path: &Path) -> Result<(), FileError> {
    let missing = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).count();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode_of_new(path, 0o777, || 0o777));
    builder.create(path).map_err(FileError::new("create", path))?;
    for created in path.ancestors().take(missing) {
        // A umask may have taken even the owner's own permissions.
        #[cfg(unix)]
        if private() {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode_of_new(created, 0o777, || 0o777));
            fs::set_permissions(created, mode).map_err(FileError::new("set the permissions of", created))?;
        }
        match sync_dir(folder_of(created)) {
            // Who may create in a folder need not be allowed to read it, and then cannot flush it.
            Err(error) if !error.refused() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The entries of a folder. Tried again for a moment while the error may pass.
///
/// # Errors
/// [`FileError`] with the folder.
pub fn list(folder: &Path) -> Result<Vec<DirEntry>, FileError> {
    transient::retry(|| fs::read_dir(folder).and_then(Iterator::collect)).map_err(FileError::new("list", folder))
}

/// [`list`], and no entries if there is no folder.
///
/// # Errors
/// [`FileError`] with the folder.
pub fn list_if_there(folder: &Path) -> Result<Vec<DirEntry>, FileError> {
    match list(folder) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed,
    }
}

/// The paths of the files of a folder, in no order; what is no file is left out, and a folder that is not there has none.
///
/// # Errors
/// [`FileError`] with the folder.
pub fn names(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = list_if_there(folder)?.into_iter();
    Ok(entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())).map(|entry| entry.path()).collect())
}

/// Whether there is a regular file. Unlike [`Path::is_file`], it does not take an error for an absence.
///
/// # Errors
/// [`FileError`] with the path.
pub fn is_file(path: &Path) -> Result<bool, FileError> {
    match transient::retry(|| fs::metadata(path)) {
        Ok(found) => Ok(found.is_file()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::InvalidFilename
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(FileError::new("read", path)(error)),
    }
}

/// Creates `folder` inside `base`, with the folders between. Links in `base` are not followed: they could lead anywhere if
/// `base` comes from somebody else.
///
/// # Errors
/// [`FileError`] with the path, also for a link.
pub fn create_dir_inside(base: &Path, folder: &str) -> Result<PathBuf, FileError> {
    let mut path = base.to_owned();
    for part in folder.split('/') {
        path.push(part);
        refuse_link("create", &path)?;
    }
    create_dir(&path).map(|()| path)
}

/// Refuses a path that is itself a link.
///
/// # Errors
/// [`FileError`] with the link.
pub fn refuse_link(action: &'static str, path: &Path) -> Result<(), FileError> {
    match fs::read_link(path) {
        Ok(target) => Err(FileError::new(action, path)(io::Error::other(format!(
            "it is a link to {}, and links are not followed here; put what it should be in its place, or remove it",
            target.display()
        )))),
        Err(_) => Ok(()),
    }
}

/// Opens a file for writing, and for reading, creating it if needed. A link is not followed.
///
/// # Errors
/// [`FileError`] with the path.
pub fn open_to_write(path: &Path) -> Result<File, FileError> {
    let opened = match create_new_with(options(path).read(true), path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options(path).read(true).create(true).truncate(false).open(path)
        }
        new => new,
    };
    opened.or_else(|error| {
        refuse_link("write", path)?;
        Err(FileError::new("open", path)(error))
    })
}

/// Creates a file that is not there yet.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] and others.
pub fn create_new(path: &Path) -> io::Result<File> {
    create_new_with(&mut options(path), path)
}

#[cfg_attr(not(unix), expect(unused_variables))]
fn create_new_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.create_new(true).open(path)?;
    // A umask may have taken even the owner's own permissions.
    #[cfg(unix)]
    if private() {
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode_of_new(path, 0o666, || 0o666)))?;
    }
    Ok(file)
}

/// For writing: with the permissions of new files, and without following a link.
#[cfg_attr(not(unix), expect(unused_variables))]
fn options(path: &Path) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32).mode(mode_of_new(path, 0o666, || 0o666));
    }
    options
}

/// Writes a file in place, without flushing it to the disk: for what is checked before it is used. A link is not followed.
///
/// # Errors
/// [`FileError`] with the path.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = open_to_write(path)?;
    file.set_len(0).and_then(|()| file.write_all(bytes)).map_err(FileError::new("write", path))
}

/// Writes `path` atomically: `fill` writes to a temporary file in the same folder, which is synced and renamed; then
/// the folder is synced. On any error the temporary file is removed. A link at `path` is replaced, and what it leads to is
/// left alone. A file that is replaced passes on its permissions.
///
/// # Errors
/// The error of `fill`, or a [`FileError`] of the steps around it.
pub fn commit<E: From<FileError>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<(), E>,
) -> Result<(), E> {
    let temporary = filled(path, fill)?;
    temporary.persist(path).map_err(|error| FileError::new("rename into place", path)(error.error))?;
    sync_dir(folder_of(path))?;
    Ok(())
}

/// [`commit`] of bytes unless there is a file already, which is left alone; returns whether it was written. Of several
/// processes on any machines that share the folder, one writes it. Needs a file system with hard links.
///
/// # Errors
/// [`FileError`] with the path.
pub fn commit_new(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    let temporary = filled(path, |writer| writer.write_all(bytes).map_err(FileError::new("write", path)))?;
    let made = fs::hard_link(temporary.path(), path);
    // A network file system may report a link that it has made as failed.
    let made = made.or_else(|error| if is_linked(&temporary) { Ok(()) } else { Err(error) });
    match made {
        Ok(()) => {
            sync_dir(folder_of(path))?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(FileError::new("link into place", path)(error)),
    }
}

#[cfg(unix)]
fn is_linked(temporary: &tempfile::NamedTempFile) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(temporary.path()).is_ok_and(|found| found.nlink() > 1)
}

#[cfg(not(unix))]
fn is_linked(_temporary: &tempfile::NamedTempFile) -> bool {
    false
}

/// A temporary file next to `path`, with content, flushed, and with the permissions that `path` is to have.
fn filled<E: From<FileError>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<(), E>,
) -> Result<tempfile::NamedTempFile, E> {
    let folder = folder_of(path);
    sweep_once(folder);
    let mut temporary = partial::create(folder)?;
    let file = temporary.as_file_mut();
    let mut writer = BufWriter::with_capacity(256 * 1024, &*file);
    fill(&mut writer)?;
    writer.flush().map_err(FileError::new("write", path))?;
    drop(writer);
    file.sync_all().map_err(FileError::new("flush", path))?;
    give_permissions(temporary.path(), path).map_err(FileError::new("set the permissions of", path))?;
    Ok(temporary)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
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
    let made = create_dir(folder_of(path));
    made.and_then(|()| commit_bytes(path, bytes)).map_err(FileError::or_set(option))
}

/// Removes a file, or a folder with all that is in it, unless it is gone already. A link is removed itself, and nothing that
/// it leads to.
///
/// # Errors
/// [`FileError`] with the path.
pub fn remove_all(path: &Path) -> Result<(), FileError> {
    let removed = fs::symlink_metadata(path).and_then(|found| {
        // Neither follows links, and the standard library's removal of folders holds off those who exchange them meanwhile.
        if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
    });
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::new("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Makes renames inside `folder` durable.
///
/// # Errors
/// [`FileError`] with the folder.
pub fn sync_dir(folder: &Path) -> Result<(), FileError> {
    #[cfg(unix)]
    match File::open(folder).and_then(|dir| dir.sync_all()) {
        // Some file systems, such as VirtualBox's shared folders, have no way to flush a folder.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
        flushed => flushed.map_err(FileError::new("flush", folder))?,
    }
    Ok(())
}

/// Gives a new file the permissions of the one that it replaces, or of a new one: temporary files are their owner's alone.
#[cfg(unix)]
fn give_permissions(new: &Path, replaced: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let known = fs::symlink_metadata(replaced).ok().filter(fs::Metadata::is_file);
    let mode = match known {
        Some(known) => known.permissions().mode() & 0o777,
        None => mode_of_new(replaced, 0o666, of_umask),
    };
    fs::set_permissions(new, fs::Permissions::from_mode(mode))
}

/// The permissions of `File::create`.
#[cfg(unix)]
fn of_umask() -> u32 {
    use std::sync::OnceLock;
    static MODE: OnceLock<u32> = OnceLock::new();
    *MODE.get_or_init(|| {
        // Reading the umask means setting it for a moment, which would race with other threads; Linux also reports it.
        fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|status| {
                let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
                u32::from_str_radix(line.trim(), 8).ok()
            })
            .map_or(0o644, |umask| 0o666 & !umask)
    })
}

#[cfg(not(unix))]
fn give_permissions(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

/// [`partial::sweep`] before this process first writes into a folder.
fn sweep_once(folder: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if swept.insert(folder.to_owned()) {
        drop(swept);
        partial::sweep(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault (disk): the disk fills up while a file is replaced → the old file stays whole, and nothing else is left
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

    /// Fault (processes): many processes write one file that none may replace → one has written it, and nothing partial is
    /// left
    #[test]
    fn of_many_who_write_a_new_file_one_does() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..40 {
            let path = folder.path().join(format!("{round}"));
            let writers: Vec<_> = (0..4_u8)
                .map(|writer| {
                    let path = path.clone();
                    std::thread::spawn(move || commit_new(&path, &[writer; 1000]).unwrap().then_some(writer))
                })
                .collect();
            let winners: Vec<_> = writers.into_iter().filter_map(|writer| writer.join().unwrap()).collect();
            assert_eq!(winners.len(), 1);
            assert_eq!(fs::read(&path).unwrap(), [winners[0]; 1000]);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 40);
    }

    /// Fault (disk): a folder may not be written → the error names it and the option for another
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

    /// Fault (privacy): a link stands where a file is written, replaced or removed → what it leads to is as it was
    #[test]
    #[cfg(unix)]
    fn no_link_is_followed_when_something_is_written_or_removed() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let (mine, link, inside) =
            (folder.path().join("mine"), folder.path().join("link"), folder.path().join("inside"));
        fs::create_dir(&mine).unwrap();
        fs::write(mine.join("text"), "mine").unwrap();
        symlink(mine.join("text"), &link).unwrap();
        for written in [open_to_write(&link).map(|_| ()), write(&link, b"theirs"), refuse_link("write", &link)] {
            let error = written.unwrap_err().to_string().replace(folder.path().to_str().unwrap(), "DIR");
            assert!(
                error.starts_with("cannot write DIR/link: it is a link to DIR/mine/text, and links are not"),
                "{error}"
            );
        }
        commit_bytes(&link, b"replaced").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
        fs::create_dir(&inside).unwrap();
        symlink(&mine, inside.join("folder")).unwrap();
        assert!(create_dir_inside(&inside, "folder/more").is_err() && create_dir_inside(&inside, "a/b").is_ok());
        remove_all(&inside).unwrap();
        symlink(&mine, &inside).unwrap();
        remove_all(&inside).unwrap();
        remove_all(&inside).unwrap();
        assert_eq!(fs::read_to_string(mine.join("text")).unwrap(), "mine");
        assert_eq!(fs::read_dir(&mine).unwrap().count(), 1);
    }

    /// Fault (tables): a file is a Git LFS pointer → refused with the command that fetches the file
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
    #[cfg(unix)]
    fn a_new_folder_in_a_shared_one_is_shared_and_any_other_is_its_owners() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let [shared, own] = ["shared/a", "own/a"].map(|name| place.path().join(name));
        create_dir(shared.parent().unwrap()).unwrap();
        fs::set_permissions(shared.parent().unwrap(), fs::Permissions::from_mode(0o750)).unwrap();
        keep_shared_as_is(shared.parent().unwrap());
        for folder in [&shared, &own] {
            create_dir(folder).unwrap();
        }
        assert_eq!([mode(&shared), mode(&own)], [0o750, 0o700]);
    }

    #[test]
    fn the_error_names_verb_path_and_reason() {
        let error = read(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /nowhere/at/all: "), "{error}");
    }
}
