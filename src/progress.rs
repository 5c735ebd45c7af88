//! How long work tells the outside where it is, and how the outside asks it to stop. No terminal in here: the command
//! line draws bars from these calls, tests record them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Receiver of progress. One task is open at a time.
pub trait Progress: Send + Sync {
    /// A task starts: what it does ("embedding"), what it counts ("faces", "bytes"), how many if known, and how many of
    /// those were already done by an earlier run (they count towards `total` and not towards the speed).
    fn start(&self, task: &str, unit: &'static str, total: Option<u64>, resumed: u64);
    /// `n` more units are done.
    fn advance(&self, n: u64);
    /// A short remark beside the bar ("3 failures").
    fn remark(&self, text: &str);
    /// The open task is over.
    fn finish(&self);
    /// A line that outlives the bar: a decision, a fallback. Never contains personal data.
    fn say(&self, line: &str);
    /// A line that is said also where nobody wants progress: what went wrong though the work goes on.
    fn warn(&self, line: &str) {
        self.say(line);
    }
}

/// Progress that nobody watches.
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _: &str, _: &'static str, _: Option<u64>, _: u64) {}
    fn advance(&self, _: u64) {}
    fn remark(&self, _: &str) {}
    fn finish(&self) {}
    fn say(&self, _: &str) {}
}

/// The lines of one of many pieces of work: their bars would fight for one terminal.
pub struct LinesOnly<'a>(pub &'a dyn Progress);

impl Progress for LinesOnly<'_> {
    fn start(&self, _: &str, _: &'static str, _: Option<u64>, _: u64) {}
    fn advance(&self, _: u64) {}
    fn remark(&self, _: &str) {}
    fn finish(&self) {}
    fn say(&self, line: &str) {
        self.0.say(line);
    }
    fn warn(&self, line: &str) {
        self.0.warn(line);
    }
}

/// Keeps what is said, and nothing else.
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
    fn start(&self, _: &str, _: &'static str, _: Option<u64>, _: u64) {}
    fn advance(&self, _: u64) {}
    fn remark(&self, _: &str) {}
    fn finish(&self) {}
    fn say(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }
}

/// A wish to stop, shared between the signal handler and the work.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the work to stop at its next commit point.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
