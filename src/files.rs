//! The commit point: a file is written to a temporary name beside its target, flushed to disk and renamed. Whoever
//! finds a file under its final name finds it whole.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::progress::Cancel;

/// How the name of a file begins that is being written. What is found under such a name, nobody finished.
pub const PARTIAL: &str = ".partial-";

/// A file operation that failed: what was tried, on which path, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// The verb: "read", "write", "create", "rename", "list".
    pub action: &'static str,
    /// The path it was tried on.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: `.map_err(FileError::new("read", path))`.
    pub fn new(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self { action, path, source }
    }
}

/// Reads a whole file.
///
/// # Errors
/// [`FileError`] with the path.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(FileError::new("read", path))
}

/// Whether bytes are what Git LFS leaves in a file's place until `git lfs pull` fetches it.
#[must_use]
pub fn lfs_pointer(bytes: &[u8]) -> bool {
    // The specification: a pointer is shorter than 1,024 bytes and begins with its version.
    bytes.len() < 1024
        && (bytes.starts_with(b"version https://git-lfs.github.com/spec/")
            || bytes.starts_with(b"version https://hawser.github.com/spec/"))
}

/// Creates a folder and its parents.
///
/// # Errors
/// [`FileError`] with the path.
pub fn create_dir(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(FileError::new("create", path))
}

/// Writes `path` so that it is either absent (or as before) or whole: `fill` writes to a temporary file in the same
/// folder, which is synced and renamed; then the folder is synced. On any error the temporary file is removed.
///
/// # Errors
/// What `fill` returns, or a [`FileError`] of the steps around it.
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

/// [`commit`] for bytes that are at hand.
///
/// # Errors
/// [`FileError`] with the path.
pub fn commit_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    commit(path, |writer| writer.write_all(bytes).map_err(FileError::new("write", path)))
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

/// Temporary files are private to their owner; what others are to read gets what `File::create` would have given.
#[cfg(unix)]
fn set_ordinary_permissions(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::OnceLock;
    static MODE: OnceLock<u32> = OnceLock::new();
    let mode = *MODE.get_or_init(|| {
        // The umask cannot be read without setting it for a moment, which would race with other threads; Linux tells.
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

/// Locks the file at a path, made where it is not there, and waits while another process holds it: `waiting` is told once.
/// `None` when `cancel` asks to stop. Dropping the file unlocks it.
///
/// # Errors
/// [`FileError`].
pub fn lock(path: &Path, waiting: impl FnOnce(), cancel: &Cancel) -> Result<Option<File>, FileError> {
    let lock = File::create(path).map_err(FileError::new("create", path))?;
    let mut waiting = Some(waiting);
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(lock)),
            Err(TryLockError::Error(error)) => return Err(FileError::new("lock", path)(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        if let Some(waiting) = waiting.take() {
            waiting();
        }
        if cancel.requested() {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn pointers_are_told_from_files_that_speak_of_them() {
        let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 7\n", "a".repeat(64));
        assert!(lfs_pointer(pointer.as_bytes()));
        assert!(!lfs_pointer(b"version,https://git-lfs.github.com/spec/v1\n"));
        assert!(!lfs_pointer(b""));
        assert!(!lfs_pointer((pointer + &" ".repeat(1024)).as_bytes()));
    }

    #[test]
    fn the_error_names_verb_path_and_reason() {
        let error = read(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /nowhere/at/all: "), "{error}");
    }
}
