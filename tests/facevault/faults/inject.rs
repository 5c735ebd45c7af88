//! One call goes wrong, or the clock does.

use std::time::Duration;

use nix::errno::Errno;
use nix::libc;

use super::calls::Syscall;
use super::tracer::{Call, Observer, Verdict};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails: a broken disk, a broken connection.
    Error,
    /// It and all later calls that need space fail.
    Full,
    /// A write moves half of its bytes, and the next fails.
    Torn,
    /// A read or write moves half of its bytes.
    Short,
    /// A signal interrupts the call before it has done anything.
    Interrupted,
    /// The call takes its time.
    Late,
    /// It and all later calls that open something fail.
    NoFiles,
    /// It and all later starts of a thread fail.
    NoThreads,
}

impl Fault {
    /// Whether correct code hides it.
    pub fn unnoticed(self) -> bool {
        matches!(self, Self::Short | Self::Interrupted | Self::Late)
    }

    /// Whether it can happen to this call.
    fn hits(self, call: &Call) -> bool {
        use Syscall::{Close, Connect, Copy, Map, Open, Poll, Read, Receive, Send, Socket, Sync, Thread, Write};
        let syscall = call.syscall;
        match self {
            // What is mapped without a file is memory.
            Self::Error | Self::Late => match syscall {
                Thread => false,
                // No file system fails here, and Rust's own library panics if one does.
                Close => !call.open_folder(),
                Map => !(call.arguments[4] as i32).is_negative(),
                _ => true,
            },
            Self::Full => syscall.grows() && !call.own_output() && (syscall != Open || call.creates()),
            Self::Torn => syscall == Write && call.arguments[2] > 1,
            Self::Short => matches!(syscall, Read | Write | Copy | Send | Receive) && call.arguments[2] > 1,
            Self::Interrupted => matches!(syscall, Open | Read | Write | Sync | Connect | Send | Receive | Poll),
            Self::NoFiles => matches!(syscall, Open | Socket),
            Self::NoThreads => syscall == Thread,
        }
    }

    /// Whether it stays once it has come.
    fn lasts(self) -> bool {
        matches!(self, Self::Full | Self::NoFiles | Self::NoThreads)
    }
}

/// Lets one fault happen at the `n`th call that it can happen to.
pub struct Inject {
    fault: Fault,
    at: usize,
    hits: usize,
    /// The call that went wrong, in words.
    pub place: Option<String>,
}

impl Inject {
    pub fn new(fault: Fault, at: usize) -> Self {
        Self { fault, at, hits: 0, place: None }
    }
}

impl Observer for Inject {
    fn enter(&mut self, call: &Call) -> Verdict {
        if !self.fault.hits(call) {
            return Verdict::Pass;
        }
        let hit = self.hits;
        self.hits += 1;
        if hit == self.at {
            self.place = Some(call.to_string());
        }
        let torn_before = self.fault == Fault::Torn && hit == self.at + 1;
        if hit != self.at && !torn_before && !(self.fault.lasts() && hit > self.at) {
            return Verdict::Pass;
        }
        match self.fault {
            Fault::Error => Verdict::Fail(Errno::EIO),
            Fault::Full => Verdict::Fail(Errno::ENOSPC),
            Fault::Torn if torn_before => Verdict::Fail(Errno::EIO),
            Fault::Torn | Fault::Short => Verdict::Short(call.arguments[2] / 2),
            Fault::Interrupted => Verdict::Fail(Errno::EINTR),
            Fault::Late => Verdict::Late(Duration::from_millis(20)),
            Fault::NoFiles => Verdict::Fail(Errno::EMFILE),
            Fault::NoThreads => Verdict::Fail(Errno::EAGAIN),
        }
    }
}

/// Moves the wall clock by `seconds` from its `at`th reading on.
pub struct ClockJump {
    at: usize,
    seconds: i64,
    readings: usize,
}

impl ClockJump {
    pub fn new(at: usize, seconds: i64) -> Self {
        Self { at, seconds, readings: 0 }
    }

    /// Whether the clock was read often enough.
    pub fn happened(&self) -> bool {
        self.readings > self.at
    }
}

impl Observer for ClockJump {
    fn enter(&mut self, _: &Call) -> Verdict {
        Verdict::Pass
    }

    fn leave(&mut self, call: &Call, result: i64) {
        let wall = call.syscall == Syscall::Clock && call.arguments[0] as i32 == libc::CLOCK_REALTIME;
        if !wall || result != 0 {
            return;
        }
        self.readings += 1;
        if self.happened() {
            call.move_time(self.seconds);
        }
    }
}
