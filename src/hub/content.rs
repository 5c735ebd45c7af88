//! What a file must contain: the digest that the config pins, the git id that the listing gives, or the name of its blob.

use std::fmt;
use std::io::{self, Read};

use super::{HubError, git};
use crate::digest::Digest;
use crate::progress::Cancel;

/// A name for bytes that tells whether they are the right ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Sha256(Digest),
    /// git's blob id, of files outside LFS.
    Git(String),
}

impl Content {
    /// What a blob of this name contains, if the name tells.
    pub fn named(name: &str) -> Option<Self> {
        let sha256 = || name.parse().ok().map(Self::Sha256);
        if git::is_id(name) { Some(Self::Git(name.to_owned())) } else { sha256() }
    }

    /// The same kind of name for these bytes.
    pub fn of(&self, length: u64, bytes: impl Read) -> io::Result<Self> {
        Ok(match self {
            Self::Sha256(_) => Self::Sha256(Digest::of_reader(bytes)?),
            Self::Git(_) => Self::Git(git::blob_id(length, bytes)?),
        })
    }

    /// The error for other content than expected, which is damaged.
    pub fn damaged(self, expected: Self, subject: &dyn fmt::Display, resumed: bool) -> HubError {
        let subject = subject.to_string();
        match (self, expected) {
            (Self::Sha256(found), Self::Sha256(expected)) => HubError::Damaged { subject, found, expected, resumed },
            (found, expected) => {
                let [found, expected] = [found, expected].map(|content| content.to_string());
                HubError::DamagedBlob { subject, found, expected, resumed }
            }
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Git(id) => f.write_str(id),
        }
    }
}

/// Reads until cancelled, so that a digest of gigabytes delays nobody.
pub(super) struct Cancellable<'a, R>(pub R, pub &'a Cancel);

impl<R: Read> Read for Cancellable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1.requested() {
            // Not `ErrorKind::Interrupted`, which readers take for a reason to read on.
            return Err(io::Error::other("cancelled"));
        }
        self.0.read(buffer)
    }
}
