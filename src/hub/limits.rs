//! What is taken from a server, whatever it sends. A line of 20 KB/s, and a repository of a million files, stay well below.
//! `docs/hub.md` states these limits.

use std::time::Duration;

/// Limits of requests to the Hub and to URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes a second that the body of a response must bring, on average over every [`Self::window`].
    pub rate: u64,
    /// The time over which the rate is judged.
    pub window: Duration,
    /// Size of one answer of the API. The Hub's largest are pages of 1,000 entries of some 300 bytes; some mirrors send the
    /// whole list as one page.
    pub answer_bytes: u64,
    /// Time for one answer of the API.
    pub answer_time: Duration,
    /// Size of all pages of a list of files.
    pub list_bytes: u64,
    /// Entries of a list of files.
    pub list_entries: usize,
    /// Pages of a list of files.
    pub list_pages: u64,
    /// Time for all pages of a list of files.
    pub list_time: Duration,
    /// Size of a file.
    pub file_bytes: u64,
    /// Size of a file whose server does not say how large it is.
    pub unsized_bytes: u64,
    /// Time for one transfer of a file; what arrived is kept.
    pub transfer_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rate: 500,
            window: Duration::from_secs(30),
            answer_bytes: 32 << 20,
            answer_time: Duration::from_mins(30),
            list_bytes: 512 << 20,
            list_entries: 2_000_000,
            list_pages: 10_000,
            list_time: Duration::from_hours(12),
            file_bytes: 64 << 30,
            unsized_bytes: 4 << 30,
            transfer_time: Duration::from_hours(24),
        }
    }
}
