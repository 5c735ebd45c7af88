//! Errors of the Hub and of downloads from a URL, each with a remedy.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use super::{RepoKind, TooSlow};
use crate::digest::Digest;
use crate::files::FileError;

/// What the messages about damaged files go on with.
pub(super) const DISCARDED: &str = "; it was discarded";

/// What a request is for. It decides whether the Hub's token is sent, and what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The Hub: its API, or a file of a repository.
    Hub,
    /// A file at a URL, wherever it redirects to.
    Url,
}

impl Service {
    /// What sets the address.
    fn address(self) -> &'static str {
        match self {
            Self::Hub => "HF_ENDPOINT",
            Self::Url => "the URL",
        }
    }
}

/// Why a file could not be fetched. `subject` is the requested file or folder, `host` the server.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages explain the fields")]
pub enum HubError {
    /// Cancelled.
    #[error("interrupted")]
    Interrupted,
    /// 401.
    #[error(
        "{host} denies access to {subject} (401): {}; check the spelling of the repository, and set HF_TOKEN to a token \
         with read access (or log in with `hf auth login`)",
        if *token { "the token is not accepted" } else { "it is private, gated or does not exist, and no token was sent" }
    )]
    Unauthorized {
        subject: String,
        host: String,
        /// Whether a token was sent.
        token: bool,
    },
    /// 403.
    #[error(
        "{host} denies access to {subject} (403); set HF_TOKEN to a token with read access, and if the repository is \
         gated, accept its conditions at {page}"
    )]
    Forbidden { subject: String, host: String, page: String },
    /// 404 of a repository.
    #[error(
        "{host} has no {kind} repository {repo} (404); check the spelling of `repo`; a private repository requires HF_TOKEN"
    )]
    NoRepository { host: String, kind: RepoKind, repo: String },
    /// 404 of a revision.
    #[error("{kind} repository {repo} has no revision `{revision}` (404); {page}/commits/main lists its commits")]
    NoRevision { kind: RepoKind, repo: String, revision: String, page: String },
    /// 404 of a file or folder.
    #[error("{subject} does not exist (404); {page}/tree/{revision} lists the files")]
    NoEntry { subject: String, revision: String, page: String },
    /// 401 or 403 of a URL.
    #[error(
        "{host} denies access to {subject} ({status}); no password or token is sent to a URL: if the file requires one, \
         download it yourself and use `source: file`"
    )]
    UrlDenied { subject: String, host: String, status: u16 },
    /// 404 or 410 of a URL.
    #[error("{subject} does not exist ({status} from {host}); check the URL: the file may have been moved or removed")]
    NoUrl { subject: String, host: String, status: u16 },
    /// 429.
    #[error(
        "{host} refuses {subject} because of too many requests (429){}; try again later{}",
        match wait { Some(wait) => format!(" and asks to wait {} s", wait.as_secs()), None => String::new() },
        match service {
            Service::Hub => ", and set HF_TOKEN: authenticated users have a higher limit",
            Service::Url => "",
        }
    )]
    RateLimited {
        subject: String,
        host: String,
        /// The time that the server asks to wait.
        wait: Option<Duration>,
        service: Service,
    },
    /// 5xx.
    #[error("{host} failed to serve {subject} ({status}); this is a problem of the server: try again later")]
    Server { subject: String, host: String, status: u16 },
    /// No connection.
    #[error(
        "cannot reach {host} for {subject}: {reason}; check the network, the proxy and {}, or set HF_HUB_OFFLINE=1 to \
         use cached files only",
        service.address()
    )]
    Unreachable { subject: String, host: String, reason: String, service: Service },
    /// An untrusted certificate.
    #[error("cannot trust {host} for {subject}: {problem}")]
    Untrusted { subject: String, host: String, problem: String },
    /// Unusable files or folders of root certificates.
    #[error(
        "{variable} is set to {}, but {reason}; correct it, or unset it to use the system's root certificates", path.display()
    )]
    Roots { variable: &'static str, path: PathBuf, reason: String },
    /// A proxy that refuses the connection.
    #[error("{proxy} refuses to connect to {host} for {subject}: {problem}")]
    Proxy {
        subject: String,
        /// The server behind the proxy.
        host: String,
        /// The proxy and its variable.
        proxy: String,
        problem: String,
    },
    /// An invalid proxy address. The value is not shown because it may contain a password.
    #[error(
        "{variable} is not a valid proxy address; expected http://host:port, http://user:password@host:port or socks5h://host:port"
    )]
    BadProxy { variable: &'static str },
    /// A connection that ended or timed out before the response was complete.
    #[error(
        "{host} stopped after {got}{} bytes of {subject}{}; start again to resume the download",
        match size { Some(size) => format!(" of {size}"), None => String::new() },
        match reason { Some(reason) => format!(" ({reason})"), None => String::new() }
    )]
    Truncated {
        subject: String,
        host: String,
        got: u64,
        /// Bytes announced.
        size: Option<u64>,
        reason: Option<String>,
    },
    /// A body that arrives too slowly.
    #[error(
        "{host} sends {subject} too slowly: {got}{} bytes arrived, {}; {}",
        match size { Some(size) => format!(" of {size}"), None => String::new() },
        match limit {
            TooSlow::Rate(rate, window) => format!("fewer than {rate} a second over the last {}", span(*window)),
            TooSlow::Total(allowed) => format!("and it is not complete after {}", span(*allowed)),
        },
        "try again later or from another network; what arrived of a file is kept"
    )]
    TooSlow {
        subject: String,
        host: String,
        got: u64,
        /// Bytes announced.
        size: Option<u64>,
        limit: TooSlow,
    },
    /// A body, or a list of files, that is larger than accepted.
    #[error(
        "{host} sends too much for {subject}: {got} {unit}, and at most {most} are accepted; check that it is the right \
         server and file"
    )]
    TooLarge {
        subject: String,
        host: String,
        /// As many were announced, or arrived so far.
        got: u64,
        most: u64,
        unit: &'static str,
    },
    /// An answer about another commit than the pinned one.
    #[error(
        "{host} answers for {subject} with commit {found}, but {pinned} is pinned; correct `revision`, or contact whoever \
         runs the proxy or mirror"
    )]
    OtherCommit { subject: String, host: String, found: String, pinned: String },
    /// A size that differs from the listing, the headers or the request.
    #[error("{subject} has {got} bytes, but {expected} were announced; it was discarded: start again")]
    WrongSize { subject: String, got: u64, expected: u64 },
    /// Content damaged in transit or in the cache.
    #[error(
        "{subject} is damaged: its sha256 is {found}, expected {expected}; it was discarded: start again, and if it is \
         damaged again, contact whoever runs the proxy or mirror"
    )]
    Damaged {
        subject: String,
        found: Digest,
        expected: Digest,
        /// Whether part of it was from an earlier, interrupted download.
        resumed: bool,
    },
    /// Damaged content of a small file, which has a git blob id but no sha256.
    #[error(
        "{subject} is damaged: its git blob id is {found}, expected {expected}; it was discarded: start again; if it is \
         damaged again, contact whoever runs the proxy or mirror, or, if the content is right, pin its sha256, which \
         takes precedence"
    )]
    DamagedBlob {
        subject: String,
        found: String,
        expected: String,
        /// Whether part of it was from an earlier, interrupted download.
        resumed: bool,
    },
    /// Intact content that differs from the config's pin.
    #[error(
        "{subject} has sha256 {found} on the Hub, but {expected} is pinned: they are different files; correct `sha256` or \
         `revision`"
    )]
    OtherContent { subject: String, found: Digest, expected: Digest },
    /// A file at a URL that differs from the config's pin. Nothing says whether it is damaged or another one.
    #[error(
        "{subject} has sha256 {found}, but {expected} is pinned: it was replaced, or damaged on the way; it was \
         discarded: start again, and if it has the same sha256 again, find out why it was replaced before you correct \
         `sha256`"
    )]
    OtherUrlContent { subject: String, found: Digest, expected: Digest },
    /// Damaged content in the cache, offline.
    #[error(
        "{problem}; HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE prevents its download, so {} stays as it is: set \
         HF_HUB_OFFLINE=0 to download the file again, or, if it is the right one, correct `sha256` in the config",
        path.display()
    )]
    DamagedOffline { problem: String, path: PathBuf },
    /// A variable that cannot be read.
    #[error("the environment variable {variable} is not UTF-8; correct it, or unset it")]
    NotUtf8 { variable: String },
    /// A token that no header can contain.
    #[error(
        "the token in {place} has a space, a typographic quote or another character that no token has, so nothing was sent; \
         copy it again from your account's settings, or remove it"
    )]
    OddToken {
        /// The variable or the file.
        place: String,
    },
    /// A full disk.
    #[error(
        "the disk of {} is full: no space for {subject}; free some, or set HF_HUB_CACHE to a folder on another disk, then \
         start again to resume the download", folder.display()
    )]
    DiskFull { subject: String, folder: PathBuf },
    /// Offline and not cached.
    #[error(
        "{subject} is not in the cache {} and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE prevents its download; set \
         HF_HUB_OFFLINE=0, or set HF_HUB_CACHE to a cache that contains it", folder.display()
    )]
    NotCached { subject: String, folder: PathBuf },
    /// A URL without its query, as a run keeps it.
    #[error(
        "{subject} is not in the cache, and the run's copy of the config does not have the query of its URL, which may \
         hold a key; start from a config with the whole URL"
    )]
    Covered { subject: String },
    /// A read-only cache.
    #[error(
        "cannot store {subject} in the cache {}: {source}; set HF_HUB_CACHE to a writable folder", folder.display()
    )]
    ReadOnly { subject: String, folder: PathBuf, source: Box<FileError> },
    /// A response that a server of such files would not send.
    #[error("unexpected response of {host} for {subject}: {reason}; check {} and the proxy", service.address())]
    Unexpected { subject: String, host: String, reason: String, service: Service },
    /// A name that is not safe in a path or URL.
    #[error("invalid {what} `{value}`: expected {rule}")]
    BadName { what: &'static str, value: String, rule: &'static str },
    /// The cache.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A length of time in words.
fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 7_200.. => format!("{} h", seconds / 3_600),
        seconds @ 120.. => format!("{} min", seconds / 60),
        _ => format!("{} s", time.as_secs_f64()),
    }
}

impl HubError {
    /// A failed file operation; a full disk and a read-only one are distinguished.
    pub(super) fn disk(
        subject: &(impl ToString + ?Sized),
        folder: impl Into<PathBuf>,
    ) -> impl FnOnce(FileError) -> Self {
        let (subject, folder) = (subject.to_string(), folder.into());
        move |error| match error.source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull { subject, folder },
            _ if error.refused() => Self::ReadOnly { subject, folder, source: error.into() },
            _ => Self::File(error),
        }
    }

    /// Whether the content is damaged, so that downloading it again may help.
    pub(super) fn damaged(&self) -> bool {
        matches!(self, Self::WrongSize { .. } | Self::Damaged { .. } | Self::DamagedBlob { .. })
    }

    /// The error, with whether the damaged bytes may be from an earlier download.
    pub(super) fn after_resuming(self, resumed: bool) -> Self {
        match self {
            Self::Damaged { subject, found, expected, .. } => Self::Damaged { subject, found, expected, resumed },
            Self::DamagedBlob { subject, found, expected, .. } => {
                Self::DamagedBlob { subject, found, expected, resumed }
            }
            error => error,
        }
    }

    /// How often to attempt a request that fails like this, at most `most` times.
    pub(super) fn attempts(&self, most: u32) -> u32 {
        match self {
            Self::RateLimited { .. } | Self::Server { .. } | Self::Truncated { .. } => most,
            Self::Unreachable { .. }
            | Self::TooSlow { limit: TooSlow::Rate(..), .. }
            | Self::Proxy { .. }
            | Self::Damaged { resumed: true, .. }
            | Self::DamagedBlob { resumed: true, .. } => most.min(2),
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault (disk): the disk of the Hub's cache is full → the error names the folder and the variable for another, and that the
    /// download is resumed
    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let failed = |kind: ErrorKind| {
            let error = FileError::new("write", "/cache/blobs/1.incomplete")(kind.into());
            HubError::disk("`w.bin` of py-feat/facenet@c42f4c2", "/cache")(error).to_string()
        };
        let full = "the disk of /cache is full: no space for `w.bin` of py-feat/facenet@c42f4c2; free some, or set \
                    HF_HUB_CACHE to a folder on another disk, then start again to resume the download";
        assert_eq!([failed(ErrorKind::StorageFull), failed(ErrorKind::QuotaExceeded)], [full, full]);
        assert!(failed(ErrorKind::NotFound).starts_with("cannot write /cache/blobs/1.incomplete"));
    }
}
