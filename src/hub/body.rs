//! The bodies of responses: received in the background, so that a stalled connection does not prevent cancellation, and
//! given up when they arrive too slowly.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use ureq::{Body, BodyReader};

use super::{HubError, Limits};
use crate::progress::Cancel;

/// Interval at which a wait checks for cancellation.
const CANCEL_POLL: Duration = Duration::from_millis(20);

/// A body that arrives.
pub(super) struct Chunks {
    receiver: Receiver<io::Result<Vec<u8>>>,
    pace: Pace,
}

/// Why a body ends early.
pub(super) enum Ended {
    Cancelled,
    /// The connection broke.
    Broken(String),
    TooSlow(TooSlow),
}

/// A limit of time that a body exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooSlow {
    /// Fewer bytes a second than this, over this time.
    Rate(u64, Duration),
    /// Not complete after this time.
    Total(Duration),
}

impl Chunks {
    /// A body that must be complete at `end`, `allowed` after the work began that it is part of.
    pub fn of(body: Body, limits: &Limits, (end, allowed): (Instant, Duration)) -> Result<Self, HubError> {
        let (sender, receiver) = mpsc::sync_channel(8);
        spawn(move || send_all(body.into_reader(), &sender))?;
        let (rate, window) = (limits.rate, limits.window);
        Ok(Self { receiver, pace: Pace { rate, window, end, allowed, since: Instant::now(), bytes: 0 } })
    }

    /// The next bytes; `None` at the end.
    pub fn next(&mut self, cancel: &Cancel) -> Result<Option<Vec<u8>>, Ended> {
        loop {
            if cancel.requested() {
                return Err(Ended::Cancelled);
            }
            self.pace.judge(Instant::now()).map_err(Ended::TooSlow)?;
            match self.receiver.recv_timeout(CANCEL_POLL) {
                Ok(Ok(chunk)) => {
                    self.pace.bytes += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                Ok(Err(error)) => return Err(Ended::Broken(error.to_string())),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// How fast a body arrives.
struct Pace {
    rate: u64,
    window: Duration,
    end: Instant,
    allowed: Duration,
    /// When the current window began, and the bytes in it.
    since: Instant,
    bytes: u64,
}

impl Pace {
    fn judge(&mut self, now: Instant) -> Result<(), TooSlow> {
        if now >= self.end {
            return Err(TooSlow::Total(self.allowed));
        }
        let seconds = now.duration_since(self.since);
        if seconds >= self.window {
            if (self.bytes as f64) < self.rate as f64 * seconds.as_secs_f64() {
                return Err(TooSlow::Rate(self.rate, self.window));
            }
            (self.since, self.bytes) = (now, 0);
        }
        Ok(())
    }
}

fn send_all(mut body: BodyReader<'static>, sender: &SyncSender<io::Result<Vec<u8>>>) {
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let chunk = match body.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => Ok(buffer[..n].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if sender.send(chunk).is_err() || failed {
            return;
        }
    }
}

/// Runs blocking work on another thread and abandons it on cancellation.
pub(super) fn interruptible<T: Send + 'static>(
    cancel: &Cancel,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HubError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    spawn(move || drop(sender.send(work())))?;
    loop {
        if cancel.requested() {
            return Err(HubError::Interrupted);
        }
        match receiver.recv_timeout(CANCEL_POLL) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Disconnected) => return Err(HubError::Interrupted),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), HubError> {
    let thread = thread::Builder::new().name("hub".into()).spawn(work);
    thread.map(drop).map_err(|error| crate::files::FileError::new("start a thread for", "the Hub")(error).into())
}

/// Waits, unless cancelled.
pub(super) fn sleep(pause: Duration, cancel: &Cancel) -> Result<(), HubError> {
    let end = Instant::now() + pause;
    loop {
        if cancel.requested() {
            return Err(HubError::Interrupted);
        }
        match end.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => thread::sleep(left.min(CANCEL_POLL)),
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);

    fn pace(start: Instant) -> Pace {
        let hour = Duration::from_hours(1);
        Pace { rate: 500, window: WINDOW, end: start + hour, allowed: hour, since: start, bytes: 0 }
    }

    /// The second at which a body of so many bytes a second is given up, within two hours.
    fn given_up(rate: u64, burst: u64) -> Option<(u64, TooSlow)> {
        let start = Instant::now();
        let mut pace = pace(start);
        (0..7_200).find_map(|second| {
            if second % burst == 0 {
                pace.bytes += rate * burst;
            }
            Some((second, pace.judge(start + Duration::from_secs(second)).err()?))
        })
    }

    /// Fault (hub): a body of 1 byte a second → given up after 30 s, with the rate
    /// Fault (hub): a body of 20 KB/s, steady or in bursts → goes on, up to the total time
    #[test]
    fn a_slow_line_goes_on_and_a_drip_ends() {
        let total = TooSlow::Total(Duration::from_hours(1));
        assert_eq!(given_up(1, 1), Some((30, TooSlow::Rate(500, WINDOW))));
        assert_eq!(given_up(450, 1), Some((30, TooSlow::Rate(500, WINDOW))));
        assert_eq!(given_up(20_000, 1), Some((3_600, total)));
        assert_eq!(given_up(2_500, 20), Some((3_600, total)), "a share of such a line, in bursts");
    }
}
