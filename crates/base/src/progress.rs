//! Progress and cancellation of long work. Independent of the terminal: the command line draws bars from these calls,
//! tests record them.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Receiver of progress. One task is open at a time. Whoever shows no bars implements [`Self::say`] alone.
pub trait Progress: Send + Sync {
    /// A task starts: what it does ("embedding"), what it counts ("faces", "bytes"), how many if known, and how many of
    /// those were already done by an earlier run (they count towards `total` and not towards the speed).
    fn start(&self, _task: &str, _unit: &'static str, _total: Option<u64>, _resumed: u64) {}
    /// That many more units are done.
    fn advance(&self, _n: u64) {}
    /// A short remark next to the bar ("3 failures").
    fn remark(&self, _text: &str) {}
    /// The open task is over.
    fn finish(&self) {}
    /// A line that outlives the bar: a decision, a fallback. Never contains personal data.
    fn say(&self, line: &str);
    /// A warning, shown even if progress is not: something went wrong, but the work continues.
    fn warn(&self, line: &str) {
        self.say(line);
    }
}

/// Discards progress.
pub struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
}

/// Forwards lines but no bars, for parallel work whose bars would compete for one terminal.
pub struct LinesOnly<'a>(pub &'a dyn Progress);

impl Progress for LinesOnly<'_> {
    fn say(&self, line: &str) {
        self.0.say(line);
    }
    fn warn(&self, line: &str) {
        self.0.warn(line);
    }
}

/// Keeps the lines and discards everything else.
#[derive(Debug, Default)]
pub struct KeptLines(Mutex<Vec<String>>);

impl KeptLines {
    /// The lines.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for KeptLines {
    fn say(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }
}

/// A cancellation flag, shared between the signal handler and the work.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Request>);

#[derive(Debug, Default)]
struct Request {
    made: AtomicBool,
    /// How many parts of the work end by themselves, and keep what they did.
    keeping: AtomicUsize,
}

impl Cancel {
    /// Asks the work to stop after the current chunk.
    pub fn request(&self) {
        self.0.made.store(true, Ordering::Relaxed);
    }

    /// Whether cancellation was requested.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.0.made.load(Ordering::Relaxed)
    }
}

impl Cancel {
    /// Says, until it is dropped, that this part of the work asks whether to stop and keeps what it has done: the process
    /// must not be ended before. What is not kept may be cut off anywhere, because every file is whole or absent.
    #[must_use]
    pub fn keeping(&self) -> Keeping {
        self.0.keeping.fetch_add(1, Ordering::SeqCst);
        Keeping(self.clone())
    }

    /// Whether a part of the work is keeping what it has done.
    #[must_use]
    pub fn is_keeping(&self) -> bool {
        self.0.keeping.load(Ordering::SeqCst) > 0
    }

    /// `reader` until cancellation is requested; then reading fails, and whoever reads finds [`Self::requested`].
    pub fn guard<R: Read>(&self, reader: R) -> Guarded<'_, R> {
        Guarded { reader, cancel: self }
    }
}

/// A part of the work that keeps what it has done ([`Cancel::keeping`]).
#[derive(Debug)]
pub struct Keeping(Cancel);

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.0.keeping.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A reader that ends with an error once cancellation is requested: what reads a large file stops within a step.
pub struct Guarded<'a, R> {
    reader: R,
    cancel: &'a Cancel,
}

impl<R: Read> Read for Guarded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Not the kind `Interrupted`, after which readers try again.
        if self.cancel.requested() { Err(io::Error::other(Cancelled)) } else { self.reader.read(buffer) }
    }
}

/// What a [`Guarded`] reader fails with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Cancelled;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    /// Endless, and asked to stop at the third step.
    struct Endless<'a>(u32, &'a Cancel);

    impl Read for Endless<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 == 3 {
                self.1.request();
            }
            Ok(buffer.len())
        }
    }

    /// Fault (processes): Ctrl-C while a file is digested → the digest stops within 256 KiB
    #[test]
    fn an_endless_read_ends_with_the_request() {
        let cancel = Cancel::default();
        let mut endless = Endless(0, &cancel);
        assert!(Digest::of_reader(cancel.guard(&mut endless)).is_err());
        assert_eq!(endless.0, 3);
    }

    #[test]
    fn what_is_kept_is_known_until_it_is_dropped() {
        let cancel = Cancel::default();
        let (first, second) = (cancel.keeping(), cancel.clone().keeping());
        drop(first);
        assert!(cancel.is_keeping());
        drop(second);
        assert!(!cancel.is_keeping());
    }
}
