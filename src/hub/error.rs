//! Why the Hub did not give a file, and what to do about it.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use super::RepoKind;
use crate::digest::Digest;
use crate::files::FileError;

/// Why the Hub did not give a file. `subject` names the file or folder asked for, `host` who was asked.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Stopped on request.
    #[error("interrupted")]
    Interrupted,
    /// 401.
    #[error(
        "{host} does not give {subject} (401): {}; check the spelling of the repository, and set HF_TOKEN to a token \
         that may read it (or log in with `hf auth login`)",
        if *token { "it does not accept the token" } else { "it is private, gated, or does not exist, and no token was sent" }
    )]
    Unauthorized {
        /// What was asked for.
        subject: String,
        /// Who was asked.
        host: String,
        /// Whether a token was sent.
        token: bool,
    },
    /// 403.
    #[error(
        "{host} does not give {subject} (403): who asks may not read it; set HF_TOKEN to a token of somebody who may, \
         and if the repository is gated, accept its conditions at {page}"
    )]
    Forbidden {
        /// What was asked for.
        subject: String,
        /// Who was asked.
        host: String,
        /// The repository's page.
        page: String,
    },
    /// 404 of a repository.
    #[error(
        "{host} has no {kind} repository {repo} (404); check the spelling of `repo`; a private one needs HF_TOKEN to \
         be seen"
    )]
    NoRepository {
        /// Who was asked.
        host: String,
        /// Model or dataset.
        kind: RepoKind,
        /// `owner/name`.
        repo: String,
    },
    /// 404 of a revision.
    #[error("{kind} repository {repo} has no revision `{revision}` (404); {page}/commits/main lists its commits")]
    NoRevision {
        /// Model or dataset.
        kind: RepoKind,
        /// `owner/name`.
        repo: String,
        /// The revision.
        revision: String,
        /// The repository's page.
        page: String,
    },
    /// 404 of a file or folder.
    #[error("there is no {subject} (404); {page}/tree/{revision} lists what there is")]
    NoEntry {
        /// What was asked for.
        subject: String,
        /// The revision.
        revision: String,
        /// The repository's page.
        page: String,
    },
    /// 429.
    #[error(
        "{host} gives {subject} to nobody who asks this often (429){}; try again later, and set HF_TOKEN: known users \
         may ask more often",
        match wait { Some(wait) => format!(" and wants a pause of {} s", wait.as_secs()), None => String::new() }
    )]
    RateLimited {
        /// What was asked for.
        subject: String,
        /// Who was asked.
        host: String,
        /// The pause that the server asked for.
        wait: Option<Duration>,
    },
    /// 5xx.
    #[error("{host} failed to give {subject} ({status}), also when asked again; the fault is theirs: try again later")]
    Server {
        /// What was asked for.
        subject: String,
        /// Who was asked.
        host: String,
        /// The status.
        status: u16,
    },
    /// No connection.
    #[error(
        "cannot reach {host} for {subject}: {reason}; check the network, the proxy and HF_ENDPOINT, or set \
         HF_HUB_OFFLINE=1 to use only what is in the cache"
    )]
    Unreachable {
        /// What was asked for.
        subject: String,
        /// Who was asked.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// A certificate that is not believed.
    #[error("cannot trust {host} for {subject}: {problem}")]
    Untrusted {
        /// What was asked for.
        subject: String,
        /// Who was asked.
        host: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Files or folders of root certificates that cannot be used.
    #[error(
        "{variable} names {}, but {reason}; correct it, or unset it to trust the system's root certificates", path.display()
    )]
    Roots {
        /// The variable.
        variable: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A proxy that lets nobody through.
    #[error("{proxy} refuses to connect to {host} for {subject}: {problem}")]
    Proxy {
        /// What was asked for.
        subject: String,
        /// Who was to be asked.
        host: String,
        /// The proxy and its variable.
        proxy: String,
        /// What the proxy said, and what to do.
        problem: String,
    },
    /// A variable that should name a proxy. Its value may hold a password.
    #[error(
        "{variable} is not the address of a proxy; write http://host:port, http://user:password@host:port or socks5h://host:port"
    )]
    BadProxy {
        /// The variable.
        variable: &'static str,
    },
    /// A connection that ended or fell silent before the answer was whole.
    #[error(
        "{host} stopped after {got}{} bytes of {subject}{}; what came is kept: start again to resume",
        match size { Some(size) => format!(" of {size}"), None => String::new() },
        match reason { Some(reason) => format!(" ({reason})"), None => String::new() }
    )]
    Truncated {
        /// What was asked for.
        subject: String,
        /// Who was asked.
        host: String,
        /// Bytes that came.
        got: u64,
        /// Bytes that were announced.
        size: Option<u64>,
        /// What the system said.
        reason: Option<String>,
    },
    /// A size that contradicts the listing, the headers or the request.
    #[error("{subject} is {got} bytes long, {expected} were announced; nothing of it is kept: start again")]
    WrongSize {
        /// What was asked for.
        subject: String,
        /// Bytes there are.
        got: u64,
        /// Bytes there should be.
        expected: u64,
    },
    /// Bytes that were damaged on the way or in the cache.
    #[error(
        "{subject} arrived damaged: its bytes have sha256 {found}, {expected} was expected; they were removed: start \
         again, and if it happens again, ask who runs the proxy or mirror"
    )]
    Damaged {
        /// What was asked for.
        subject: String,
        /// Digest of what came.
        found: Digest,
        /// Digest it should have.
        expected: Digest,
        /// Whether part of it was from an earlier, interrupted download.
        resumed: bool,
    },
    /// Bytes of a file that is git's own, damaged on the way.
    #[error(
        "{subject} arrived damaged: its bytes are the git blob {found}, {expected} was expected; they were removed: \
         start again; where it happens again, ask who runs the proxy or mirror, or, if they are the right bytes, pin their \
         sha256, which then decides"
    )]
    DamagedBlob {
        /// What was asked for.
        subject: String,
        /// Id of what came.
        found: String,
        /// Id it should have.
        expected: String,
        /// Whether part of it was from an earlier, interrupted download.
        resumed: bool,
    },
    /// Sound bytes, and not those that the config pins.
    #[error(
        "{subject} has sha256 {found} on the Hub, but {expected} is pinned: it is another file than the one meant; \
         correct `sha256` or `revision`"
    )]
    OtherContent {
        /// What was asked for.
        subject: String,
        /// Digest of the Hub's file.
        found: Digest,
        /// Digest that is pinned.
        expected: Digest,
    },
    /// No space.
    #[error(
        "the disk of {} is full: no space for {subject}; free some, or set HF_HUB_CACHE to a folder on another disk, \
         and start again: what came is kept", folder.display()
    )]
    DiskFull {
        /// What was asked for.
        subject: String,
        /// The cache.
        folder: PathBuf,
    },
    /// Offline, and not there.
    #[error(
        "{subject} is not in the cache {} and HF_HUB_OFFLINE forbids to download it; unset HF_HUB_OFFLINE, or set \
         HF_HUB_CACHE to the cache that has it", folder.display()
    )]
    NotCached {
        /// What was asked for.
        subject: String,
        /// The cache.
        folder: PathBuf,
    },
    /// A cache that cannot be written.
    #[error(
        "cannot keep {subject} in the cache {}: {source}; set HF_HUB_CACHE to a folder that can be written", folder.display()
    )]
    ReadOnly {
        /// What was asked for.
        subject: String,
        /// The cache.
        folder: PathBuf,
        /// What was tried.
        source: Box<FileError>,
    },
    /// An answer that the Hub would not give.
    #[error("{host} answers unlike a Hub when asked for {subject}: {reason}; check HF_ENDPOINT and the proxy")]
    Strange {
        /// What was asked for.
        subject: String,
        /// Who was asked.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that must not become a path or an address.
    #[error("{what} `{value}` is not one the Hub can have: {rule}")]
    BadName {
        /// "repository", "revision", "path".
        what: &'static str,
        /// The name.
        value: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The cache.
    #[error(transparent)]
    File(#[from] FileError),
}

impl HubError {
    /// A failed file operation, with a full disk told apart.
    pub(super) fn disk(subject: &impl ToString, folder: impl Into<PathBuf>) -> impl FnOnce(FileError) -> Self {
        let (subject, folder) = (subject.to_string(), folder.into());
        move |error| match error.source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull { subject, folder },
            _ if error.refused() => Self::ReadOnly { subject, folder, source: error.into() },
            _ => Self::File(error),
        }
    }

    /// How often a request is worth making when it fails like this, at most `patient` times.
    pub(super) fn attempts(&self, patient: u32) -> u32 {
        match self {
            Self::RateLimited { .. } | Self::Server { .. } | Self::Truncated { .. } => patient,
            Self::Unreachable { .. }
            | Self::Proxy { .. }
            | Self::Damaged { resumed: true, .. }
            | Self::DamagedBlob { resumed: true, .. } => patient.min(2),
            _ => 1,
        }
    }
}
