//! One process a run directory. The lock is the operating system's, so that a killed process leaves none behind.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::store::CHUNKS;
use crate::files::{self, FileError};

/// The lock's file inside the run directory. Others may wait on it, so it is never removed.
const FILE: &str = ".lock";

/// The right to write into a run directory, until it is dropped.
#[derive(Debug)]
pub struct RunLock {
    run: PathBuf,
    file: File,
}

impl RunLock {
    /// Creates the run directory if need be, locks it, and removes the temporary files of killed processes.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process works on the run, [`LockError::File`] when the directory cannot be
    /// written or locked.
    pub fn acquire(run: &Path) -> Result<Self, LockError> {
        files::create_dir(run)?;
        let path = run.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(FileError::new("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { run: run.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(FileError::new("lock", path)(error).into()),
        }
        file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(FileError::new("write", path))?;
        // Nobody else writes here now: what is called partial belongs to nobody.
        for folder in [run.to_owned(), run.join(CHUNKS)] {
            remove_partial_files(&folder)?;
        }
        Ok(Self { run: run.to_owned(), file })
    }

    /// The run directory.
    #[must_use]
    pub fn run(&self) -> &Path {
        &self.run
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Only so that nobody reads an old number in the instant between locking and writing the own one.
        let _ = self.file.set_len(0);
    }
}

/// The process that a lock file names, in words.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(20).read_to_string(&mut text) {
        Ok(_) if text.parse::<u32>().is_ok() => format!("process {text}"),
        _ => "another process".into(),
    }
}

fn remove_partial_files(folder: &Path) -> Result<(), FileError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileError::new("list", folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(FileError::new("list", folder))?;
        if entry.file_name().to_string_lossy().starts_with(files::PARTIAL) {
            fs::remove_file(entry.path()).map_err(FileError::new("remove", entry.path()))?;
        }
    }
    Ok(())
}

/// Why a run directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works on the run.
    #[error("{} is being worked on by {holder}; wait for it to end, or stop it and start this again", run.display())]
    Held {
        /// The run directory.
        run: PathBuf,
        /// Who, in words.
        holder: String,
    },
    /// The directory or its lock file.
    #[error(transparent)]
    File(#[from] FileError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_worker_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("experiments/a-1");
        let first = RunLock::acquire(&run).unwrap();
        let error = RunLock::acquire(&run).unwrap_err().to_string();
        let error = error.replace(run.to_str().unwrap(), "RUN").replace(&std::process::id().to_string(), "PID");
        insta::assert_snapshot!(error, @"RUN is being worked on by process PID; wait for it to end, or stop it and start this again");
        drop(first);
        RunLock::acquire(&run).unwrap();
    }

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

    #[test]
    fn a_path_that_is_a_file_is_an_error_with_its_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = RunLock::acquire(file.path()).unwrap_err().to_string();
        assert!(error.contains(file.path().to_str().unwrap()), "{error}");
    }
}
