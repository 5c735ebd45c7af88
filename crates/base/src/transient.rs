//! File errors that may pass by themselves: a network share that comes back, a full table of open files.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// Pauses between the tries.
const PAUSES: [Duration; 3] = [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(500)];

/// Whether the same file may be readable later, unchanged. Also true where access is denied: that says nothing about the
/// content.
#[must_use]
pub fn may_pass(error: &io::Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied || is_momentary(error)
}

/// Whether waiting a moment may help.
fn is_momentary(error: &io::Error) -> bool {
    let by_number = cfg!(unix) && error.raw_os_error().is_some_and(|number| UNIX.contains(&number));
    by_number
        || matches!(
            error.kind(),
            ErrorKind::Interrupted
                | ErrorKind::WouldBlock
                | ErrorKind::TimedOut
                | ErrorKind::OutOfMemory
                | ErrorKind::ResourceBusy
                | ErrorKind::StaleNetworkFileHandle
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::NetworkDown
                | ErrorKind::NotConnected
                | ErrorKind::ConnectionReset
        )
}

/// Without a kind of their own, the same on every Unix: `EIO`, `ENFILE`, `EMFILE`.
const UNIX: [i32; 3] = [5, 23, 24];

/// How many operations in a row may fail after all their tries. From then on, each is tried once until one succeeds:
/// a share that is gone must not cost a pause for each of a million files.
const IN_A_ROW: u32 = 8;

static PATIENCE: Patience = Patience::new();

/// Calls `act` again after a pause while its error may pass, for less than a second in all.
///
/// # Errors
/// The last one of `act`.
pub fn retry<T>(act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    PATIENCE.retry(act)
}

/// Whether pausing still helps.
struct Patience {
    /// Operations in a row that failed in spite of all their tries.
    lost: AtomicU32,
}

impl Patience {
    const fn new() -> Self {
        Self { lost: AtomicU32::new(0) }
    }

    fn retry<T>(&self, mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let pauses = if self.lost.load(Ordering::Relaxed) < IN_A_ROW { &PAUSES[..] } else { &[] };
        let mut result = act();
        for pause in pauses {
            if !result.as_ref().is_err_and(is_momentary) {
                break;
            }
            thread::sleep(*pause);
            result = act();
        }
        match &result {
            Ok(_) => self.lost.store(0, Ordering::Relaxed),
            Err(error) if is_momentary(error) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_not() {
        let tries = |error: fn() -> io::Error, failing: usize| {
            let mut tries = 0;
            let found = Patience::new().retry(|| {
                tries += 1;
                if tries > failing { Ok(tries) } else { Err(error()) }
            });
            (tries, found.is_ok())
        };
        assert_eq!(tries(|| ErrorKind::TimedOut.into(), 2), (3, true));
        assert_eq!(tries(|| ErrorKind::StaleNetworkFileHandle.into(), 9), (4, false));
        assert_eq!(tries(|| ErrorKind::NotFound.into(), 1), (1, false));
        assert_eq!(tries(|| ErrorKind::PermissionDenied.into(), 1), (1, false), "waiting grants no access");
    }

    #[test]
    fn a_share_that_is_gone_is_not_waited_for_again_and_again() {
        let patience = Patience { lost: AtomicU32::new(IN_A_ROW - 1) };
        let tries = |works: bool| {
            let mut tries = 0;
            let _ = patience.retry(|| {
                tries += 1;
                if works { Ok(()) } else { Err(ErrorKind::TimedOut.into()) }
            });
            tries
        };
        assert_eq!([tries(false), tries(false), tries(true), tries(false)], [4, 1, 1, 4]);
    }

    #[test]
    #[cfg(unix)]
    fn errors_of_the_system_are_told_apart() {
        // EPERM, EINTR, EIO, ENOMEM, EACCES, EBUSY, ENFILE, EMFILE.
        for number in [1, 4, 5, 12, 13, 16, 23, 24] {
            assert!(may_pass(&io::Error::from_raw_os_error(number)), "{number}");
        }
        // ENOENT, ENOTDIR, EISDIR, EINVAL.
        for number in [2, 20, 21, 22] {
            assert!(!may_pass(&io::Error::from_raw_os_error(number)), "{number}");
        }
    }
}
