//! Files that are being written. Each is locked by its writer, and the lock ends with the process: what can be locked was left
//! by a dead one and is removed by the next process that writes into the folder. Where the file system has no locks, a day
//! has to have passed.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::files::FileError;

/// Prefix of a file that is being written. Files found with it are incomplete.
pub const PARTIAL: &str = ".partial-";

/// After this, a file whose lock cannot be tried belongs to nobody.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Creates a file that is removed when it is dropped, locked until then.
pub(crate) fn create(folder: &Path) -> Result<NamedTempFile, FileError> {
    let failed = |error| FileError::new("create a temporary file in", folder)(error);
    // Another process may sweep between creating and locking.
    for _ in 0..100 {
        let file = tempfile::Builder::new().prefix(PARTIAL).tempfile_in(folder).map_err(failed)?;
        match file.as_file().try_lock() {
            Ok(()) if file.path().exists() => return Ok(file),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
    Err(failed(io::Error::other("another process removes every file that is created there")))
}

/// Removes the files of dead processes from a folder. What cannot be removed is left for the next time.
pub fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_partial = entry.file_name().to_string_lossy().starts_with(PARTIAL);
        // A folder may be filled by a process that locks it in another way; opening a pipe would wait.
        if is_partial && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = remove_abandoned(&entry.path());
        }
    }
}

fn remove_abandoned(path: &Path) -> io::Result<()> {
    // Network file systems lock only what is open for writing.
    let file = OpenOptions::new().write(true).open(path)?;
    let abandoned = match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => file.metadata()?.modified()?.elapsed().is_ok_and(|age| age > ABANDONED),
    };
    match if abandoned { fs::remove_file(path) } else { Ok(()) } {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        // The lock is held until here, so that its writer, if there is one after all, does not take the name for its own.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault (runs): a process is killed while it writes a file → the next process that writes into the folder removes what
    /// it left
    #[test]
    fn what_a_dead_writer_left_goes_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = folder.path().join(".partial-abc");
        fs::write(&abandoned, "half").unwrap();
        fs::write(folder.path().join("other"), "whole").unwrap();
        fs::create_dir(folder.path().join(".partial-folder")).unwrap();
        let alive = create(folder.path()).unwrap();
        sweep(folder.path());
        assert!(alive.path().exists() && !abandoned.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
