//! Files that are being written. Each is locked by its writer, and the lock ends with the process: what can be locked was left
//! by a dead one and is removed by the next process that writes into the folder. Where the file system has no locks, a day
//! has to have passed.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tempfile::{NamedTempFile, TempDir};

use super::{FileError, open_to_write, remove_all};

/// Prefix of a file that is being written. Files found with it are incomplete.
pub const PARTIAL: &str = ".partial-";

/// Prefix of a folder for temporary files.
const SCRATCH: &str = "facevault-scratch-";

/// The file in it that its process holds locked.
const OWNER: &str = ".owner";

/// After this, a file whose lock cannot be tried belongs to nobody.
const ABANDONED: Duration = Duration::from_hours(24);

/// Creates a file that is removed when it is dropped, locked until then.
pub(super) fn create(folder: &Path) -> Result<NamedTempFile, FileError> {
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
        let (Ok(kind), true) = (entry.file_type(), entry.file_name().to_string_lossy().starts_with(PARTIAL)) else {
            continue;
        };
        // A folder may be filled by a process that locks it in another way; opening a pipe would wait.
        let _ = match () {
            () if kind.is_file() => remove_abandoned(&entry.path()),
            // Nothing locks a link, and it has no content.
            () if kind.is_symlink() && entry.metadata().is_ok_and(|link| is_old(&link)) => {
                fs::remove_file(entry.path())
            }
            () => Ok(()),
        };
    }
}

fn is_old(metadata: &Metadata) -> bool {
    metadata.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ABANDONED))
}

fn remove_abandoned(path: &Path) -> io::Result<()> {
    // Network file systems lock only what is open for writing.
    let file = OpenOptions::new().write(true).open(path)?;
    let abandoned = match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => is_old(&file.metadata()?),
    };
    match if abandoned { fs::remove_file(path) } else { Ok(()) } {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        // The lock is held until here, so that its writer, if there is one after all, does not take the name for its own.
        _ => Ok(()),
    }
}

/// A folder for temporary files that its owner alone can read, removed when it is dropped. What a killed process left is
/// removed by the next that asks for such a folder.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    /// Locked as long as the process lives.
    _owner: File,
}

impl Scratch {
    /// Creates one in the system's folder for temporary files.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn new() -> Result<Self, FileError> {
        Self::inside(&std::env::temp_dir())
    }

    fn inside(place: &Path) -> Result<Self, FileError> {
        sweep_scratch(place);
        let failed = |error| FileError::new("create a temporary folder in", place)(error);
        let folder = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(place).map_err(failed)?;
        let owner = open_to_write(&folder.path().join(OWNER))?;
        // Without locks, its age protects it.
        let _ = owner.try_lock();
        Ok(Self { folder, _owner: owner })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn sweep_scratch(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !(is_folder && entry.file_name().to_string_lossy().starts_with(SCRATCH)) {
            continue;
        }
        let owner = OpenOptions::new().write(true).open(entry.path().join(OWNER));
        let abandoned = match owner.as_ref().map(File::try_lock) {
            Ok(Ok(())) => true,
            Ok(Err(TryLockError::WouldBlock)) => false,
            // It may be about to get its owner.
            Ok(Err(TryLockError::Error(_))) | Err(_) => entry.metadata().is_ok_and(|folder| is_old(&folder)),
        };
        if abandoned {
            // What is another user's stays.
            let _ = remove_all(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault (privacy): a process is killed with embeddings in a temporary folder → the next one removes the folder
    #[test]
    fn the_folder_of_a_dead_process_goes_and_that_of_a_living_one_stays() {
        let place = tempfile::tempdir().unwrap();
        let abandoned = place.path().join(format!("{SCRATCH}abc"));
        fs::create_dir(&abandoned).unwrap();
        fs::write(abandoned.join(OWNER), "").unwrap();
        fs::write(abandoned.join("00000.npy"), "rows").unwrap();
        let alive = Scratch::inside(place.path()).unwrap();
        assert!(!abandoned.exists());
        drop(Scratch::inside(place.path()).unwrap());
        assert!(alive.path().exists());
        drop(alive);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

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
