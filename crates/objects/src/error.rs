//! What goes wrong with an object.

use std::error::Error;
use std::io;

use facevault_base::files::FileError;

/// Most bytes of a store's own words in a text.
const LONGEST: usize = 300;

/// Why an object could not be read or written. No text has a credential.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// An address that is none.
    #[error("`{address}`: {rule}")]
    Address {
        /// As given, without user and query.
        address: String,
        /// What is wrong with it.
        rule: String,
    },
    /// A request that failed after all tries.
    #[error("cannot {action} {object}: {reason}{}", remedy(*.kind))]
    Request {
        /// What was tried: "read", "write".
        action: &'static str,
        /// Its address.
        object: String,
        /// What the store or the network said.
        reason: String,
        /// What kind of failure.
        kind: Kind,
    },
    /// An object that is larger than what is read.
    #[error("cannot read {object}: it has {bytes} bytes, at most {limit} are read")]
    TooLarge {
        /// Its address.
        object: String,
        /// Its size.
        bytes: u64,
        /// Most bytes that are read.
        limit: u64,
    },
    /// Nobody waits for the object any more.
    #[error("interrupted while reading {object}")]
    Interrupted {
        /// Its address.
        object: String,
    },
    /// A local file that an object is copied from or to.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What kind of failure, as far as a remedy depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There is no such object, or no such bucket.
    Missing,
    /// No credentials, or wrong ones.
    Refused,
    /// Whatever may pass.
    Other,
}

fn remedy(kind: Kind) -> &'static str {
    match kind {
        Kind::Refused => {
            "; set the credentials of the store (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; GOOGLE_APPLICATION_CREDENTIALS; \
             AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY), or AWS_SKIP_SIGNATURE=true for a public bucket"
        }
        Kind::Missing | Kind::Other => "",
    }
}

impl ObjectError {
    pub(crate) fn new(action: &'static str, object: String, error: &object_store::Error) -> Self {
        use object_store::Error as Store;
        let reason = reason(error);
        let kind = match error {
            Store::NotFound { .. } => Kind::Missing,
            Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => Kind::Refused,
            _ if reason.starts_with("401 ") || reason.starts_with("403 ") => Kind::Refused,
            // Without any credentials, it looks for those of a cloud machine.
            _ if reason.contains("169.254.") || reason.contains("metadata.google") => Kind::Refused,
            _ => Kind::Other,
        };
        Self::Request { action, object, reason, kind }
    }

    pub(crate) fn of_io(action: &'static str, object: String, error: &io::Error) -> Self {
        Self::Request { action, object, reason: error.to_string(), kind: Kind::Other }
    }

    /// Whether there is no such object.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Request { kind: Kind::Missing, .. })
    }
}

/// As an error of a file: what reads and writes files passes it on, and knows from its kind what may pass.
impl From<ObjectError> for FileError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::File(error) => error,
            ObjectError::Address { address, rule } => {
                Self::new("open", address)(io::Error::new(io::ErrorKind::InvalidInput, rule))
            }
            ObjectError::TooLarge { object, bytes, limit } => {
                let reason = format!("it has {bytes} bytes, at most {limit} are read");
                Self::new("read", object)(io::Error::new(io::ErrorKind::FileTooLarge, reason))
            }
            ObjectError::Interrupted { object } => {
                Self::new("read", object)(io::Error::new(io::ErrorKind::Interrupted, "interrupted"))
            }
            ObjectError::Request { action, object, reason, kind } => {
                let of_io = match kind {
                    Kind::Missing => io::ErrorKind::NotFound,
                    Kind::Refused => io::ErrorKind::PermissionDenied,
                    Kind::Other => io::ErrorKind::TimedOut,
                };
                Self::new(action, object)(io::Error::new(of_io, format!("{reason}{}", remedy(kind))))
            }
        }
    }
}

/// The innermost reason, which has the words of the store or the system, in one line without queries.
fn reason(error: &object_store::Error) -> String {
    let mut innermost: &dyn Error = error;
    let mut chain = vec![error.to_string()];
    while let Some(source) = innermost.source() {
        innermost = source;
        chain.push(source.to_string());
    }
    // Some end in a word that says nothing without what is around it.
    let told = chain.iter().rev().find(|text| text.len() > 20).or(chain.first()).cloned().unwrap_or_default();
    in_short(&said(&told))
}

/// What a store said, without the words around it: its status, and the message in the XML of its answer.
fn said(text: &str) -> String {
    let text = text.strip_prefix("Server returned non-2xx status code: ").unwrap_or(text);
    let element = |name: &str| {
        let (_, after) = text.split_once(&format!("<{name}>"))?;
        after.split_once(&format!("</{name}>")).map(|(inside, _)| inside)
    };
    match (text.split_once(": "), element("Message").or(element("Code"))) {
        (Some((status, _)), Some(message)) => format!("{status}: {message}"),
        _ => text.trim_end_matches([':', ' ']).to_owned(),
    }
}

/// In one line, without the queries of addresses, which may be signatures, and not too long.
fn in_short(text: &str) -> String {
    let word = |word: &str| match word.split_once('?') {
        Some((before, after)) if before.contains("://") && !after.is_empty() => format!("{before}?…"),
        _ => word.to_owned(),
    };
    let line = text.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault (object stores): a store repeats a signed address in its error → the text has no signature
    #[test]
    fn a_reason_is_one_short_line_without_signatures() {
        let text = "Error performing GET http://host/a/b?sig=SECRET&x=1 in 3s\n  - <Error>\tbad\u{1b}[31m</Error>";
        assert_eq!(in_short(text), "Error performing GET http://host/a/b?… in 3s - <Error> bad [31m</Error>");
        assert_eq!(in_short(&"x".repeat(1000)).chars().count(), LONGEST + 1);
    }
}
