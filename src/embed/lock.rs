//! One process per run directory.

use std::path::{Path, PathBuf};

use super::matrix_files::PARTS;
use super::record::CHUNKS;
use crate::file_lock::{Busy, Lock};
use crate::files::{self, FileError};

/// The lock file inside the run directory. It is never removed, because others may wait on it.
pub const FILE: &str = ".lock";

/// The folder of the workers of a prepared run.
pub const WORKERS: &str = "workers";

/// The right to write into a run directory, until it is dropped.
#[derive(Debug)]
pub struct RunLock {
    run: PathBuf,
    lock: Lock,
}

impl RunLock {
    /// Creates the run directory if need be, locks it, and removes the temporary files of killed processes. Fails with
    /// [`LockError::Held`] when another process works on the run, [`LockError::File`] when the directory cannot be
    /// written or locked.
    pub fn acquire(run: &Path) -> Result<Self, LockError> {
        refuse_links(run)?;
        let lock = Self::lock(run)?;
        let lock = lock.map_err(|busy| LockError::Held { run: run.to_owned(), busy })?;
        files::keep_shared_as_is(run);
        // No other process writes here now, so partial files are abandoned.
        for folder in folders(run) {
            remove_partial_files(&folder)?;
        }
        Ok(Self { run: run.to_owned(), lock })
    }

    /// The right to add chunks together with other workers of a prepared run. Nothing is cleared that may be theirs. Fails with
    /// [`LockError::Held`] when a process works on the run alone, [`LockError::File`].
    pub fn share(run: &Path) -> Result<Self, LockError> {
        refuse_links(run)?;
        let lock = Lock::share(&run.join(FILE))?;
        let lock = lock.map_err(|busy| LockError::Held { run: run.to_owned(), busy })?;
        files::keep_shared_as_is(run);
        Ok(Self { run: run.to_owned(), lock })
    }

    fn lock(run: &Path) -> Result<Result<Lock, Busy>, FileError> {
        files::create_dir(run)?;
        Lock::acquire(&run.join(FILE))
    }

    pub fn run(&self) -> &Path {
        &self.run
    }

    /// A note if the file system has no locks; once per process.
    pub fn note(&self) -> Option<&str> {
        self.lock.note()
    }
}

/// The folders that are written into.
fn folders(run: &Path) -> [PathBuf; 4] {
    [run.to_owned(), run.join(CHUNKS), run.join(WORKERS), run.join(PARTS)]
}

/// Refuses a run with a link in it: it would lead what is written to where it points. The run's directory itself may be one.
fn refuse_links(run: &Path) -> Result<(), FileError> {
    for folder in folders(run) {
        for entry in files::list_if_there(&folder)? {
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                files::refuse_link("work on", &entry.path())?;
            }
        }
    }
    Ok(())
}

fn remove_partial_files(folder: &Path) -> Result<(), FileError> {
    for entry in files::list_if_there(folder)? {
        if entry.file_name().to_string_lossy().starts_with(files::PARTIAL) {
            files::remove_all(&entry.path())?;
        }
    }
    Ok(())
}

/// Why a run directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(
        "{} is in use by {}; wait for it to finish, or stop it and try again{}", run.display(), busy.holder,
        busy.remedy()
    )]
    Held { run: PathBuf, busy: Busy },
    #[error(transparent)]
    File(#[from] FileError),
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Fault (processes): two processes start on one run → the second is refused with the number of the first
    #[test]
    fn a_run_has_one_worker_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("experiments/a-1");
        let first = RunLock::acquire(&run).unwrap();
        let error = RunLock::acquire(&run).unwrap_err().to_string();
        let error = error.replace(run.to_str().unwrap(), "RUN").replace(&std::process::id().to_string(), "PID");
        insta::assert_snapshot!(error, @"RUN is in use by process PID; wait for it to finish, or stop it and try again");
        drop(first);
        RunLock::acquire(&run).unwrap();
    }

    /// Fault (processes): a process dies with the lock and files half written → the lock is free, and the files are
    /// removed
    #[test]
    fn what_a_dead_process_left_is_no_lock_and_is_cleaned_up() {
        let folder = tempfile::tempdir().unwrap();
        let chunks = folder.path().join(CHUNKS);
        fs::create_dir(&chunks).unwrap();
        fs::write(folder.path().join(FILE), "4194305999").unwrap();
        for partial in [folder.path().join(".partial-abc"), chunks.join(".partial-def")] {
            fs::write(partial, "half").unwrap();
        }
        fs::write(chunks.join("00000.npy"), "kept").unwrap();
        let lock = RunLock::acquire(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), std::process::id().to_string());
        let left: Vec<_> = fs::read_dir(&chunks).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["00000.npy"]);
        assert!(!lock.run().join(".partial-abc").exists());
    }

    /// Fault (processes): another machine holds a run on a file system without locks → refused with the file to remove
    /// if that process has ended
    #[test]
    fn what_another_host_holds_is_left_to_the_user() {
        let run = PathBuf::from("experiments/a-1");
        let busy = Busy { holder: "process 7 on node7".into(), remove: Some(run.join(".lock.held")) };
        insta::assert_snapshot!(LockError::Held { run, busy }, @"experiments/a-1 is in use by process 7 on node7; wait for it to finish, or stop it and try again; this machine cannot tell whether it still runs: if not, remove experiments/a-1/.lock.held");
    }

    /// Fault (runs): a file stands where the run directory should be → refused with its path
    #[test]
    fn a_path_that_is_a_file_is_an_error_with_its_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = RunLock::acquire(file.path()).unwrap_err().to_string();
        assert!(error.contains(file.path().to_str().unwrap()), "{error}");
    }
}
