//! Who on this machine may change the copy of a run.

use std::path::{Path, PathBuf};

use super::{ledger, progress};
use crate::file_lock::{Busy, Lock};
use crate::files::{self, FileError};
use crate::progress::Cancel;

/// The right to change a copy, until it is dropped: it is ahead of the store, so nobody copies anything over it.
#[derive(Debug)]
pub(super) struct Claim {
    _lock: Lock,
    shared: bool,
}

impl Claim {
    /// Alone, or together with others who share it; waits for a transfer of another process to end. `Err`: another process has it.
    pub fn stake(local: &Path, run: &str, shared: bool) -> Result<Result<Self, Busy>, FileError> {
        // Who has begun to copy does not know of the claim; who begins later does.
        let _transfer = Transfer::begin(local, run)?;
        let path = path(local, run, "claim")?;
        let lock = if shared { Lock::share(&path)? } else { Lock::acquire(&path)? };
        Ok(lock.map(|lock| Self { _lock: lock, shared }))
    }

    /// Whether others may have one at the same time.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Whether another process has one, told to who transfers.
    pub fn is_taken(local: &Path, run: &str, _: &Transfer) -> Result<bool, FileError> {
        Ok(Lock::acquire(&path(local, run, "claim")?)?.is_err())
    }
}

/// The right to copy from the store, and to it what others have changed as well, until it is dropped: one process at a time.
#[derive(Debug)]
pub(super) struct Transfer {
    _lock: Option<Lock>,
}

impl Transfer {
    /// Waits for the transfer of another process to end.
    pub fn begin(local: &Path, run: &str) -> Result<Self, FileError> {
        let waiting = |busy: &Busy| {
            progress().say(&format!("{} is copying {run}; waiting for it{}", busy.holder, busy.remedy()));
        };
        Ok(Self { _lock: Lock::wait(&path(local, run, "transfer")?, waiting, &Cancel::default())? })
    }
}

fn path(local: &Path, run: &str, ending: &str) -> Result<PathBuf, FileError> {
    let folder = local.join(ledger::FOLDER);
    files::create_dir(&folder)?;
    Ok(folder.join(format!("{run}.{ending}")))
}
