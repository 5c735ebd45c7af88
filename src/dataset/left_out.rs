//! What is in a dataset's folders and is no face, counted by reason: nothing disappears in silence.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something in a dataset's folders is no face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A picture beside the identity folders.
    InRoot,
    /// A picture deeper than `<identity>/<image>`.
    TooDeep,
    /// A picture that `metadata.csv` does not name.
    NotInTable,
    /// A picture whose name is not `<photo>_<face>`, in VGGFace2.
    OtherName,
    /// An identity folder without a picture.
    EmptyFolder,
    /// A link that leads to nothing, or to itself.
    Dangling,
    /// A link to a folder above it, or to one that is listed already.
    Repeated,
    /// A file without bytes and without a picture's name.
    EmptyFile,
    /// A Git LFS or git-annex pointer without a picture's name.
    Pointer,
    /// A file without a picture's name whose first bytes cannot be read.
    Unreadable,
    /// A pipe, socket or device.
    Special,
    /// A file that neither its name nor its first bytes make a picture.
    NoPicture,
    /// A file on the Hub whose ending says that it is something else; it is not downloaded.
    OtherEnding,
    /// A hidden file or folder: its name begins with a dot.
    Hidden,
}

impl Reason {
    /// For one, and for more of it.
    fn words(self) -> [&'static str; 2] {
        match self {
            Self::InRoot => ["picture beside the identity folders", "pictures beside the identity folders"],
            Self::TooDeep => ["picture deeper than <identity>/<image>", "pictures deeper than <identity>/<image>"],
            Self::NotInTable => {
                ["picture that `metadata.csv` does not name", "pictures that `metadata.csv` does not name"]
            }
            Self::OtherName => ["picture not named <photo>_<face>", "pictures not named <photo>_<face>"],
            Self::EmptyFolder => ["identity folder without a picture", "identity folders without a picture"],
            Self::Dangling => ["link to nothing", "links to nothing"],
            Self::Repeated => ["link to a folder that is listed already", "links to folders that are listed already"],
            Self::EmptyFile => ["empty file", "empty files"],
            Self::Pointer => ["Git LFS or git-annex pointer", "Git LFS or git-annex pointers"],
            Self::Unreadable => ["unreadable file", "unreadable files"],
            Self::Special => ["pipe, socket or device", "pipes, sockets or devices"],
            Self::NoPicture => {
                ["file that is not a picture by name or content", "files that are not pictures by name or content"]
            }
            Self::OtherEnding => {
                ["file that is not a picture by its ending", "files that are not pictures by their endings"]
            }
            Self::Hidden => ["hidden", "hidden"],
        }
    }
}

/// Counts by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeftOut(BTreeMap<Reason, u64>);

impl LeftOut {
    /// Counts one more.
    pub fn add(&mut self, reason: Reason) {
        *self.0.entry(reason).or_default() += 1;
    }

    /// How many were left out for this reason.
    #[must_use]
    pub fn count(&self, reason: Reason) -> u64 {
        self.0.get(&reason).copied().unwrap_or(0)
    }

    /// Whether nothing was left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `2 pictures deeper than <identity>/<image>, 1 hidden`.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (reason, count)) in self.0.iter().enumerate() {
            let [one, more] = reason.words();
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{count} {}", if *count == 1 { one } else { more })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_in_words_and_kept_in_json() {
        let mut left = LeftOut::default();
        for reason in [Reason::Hidden, Reason::TooDeep, Reason::NoPicture, Reason::TooDeep] {
            left.add(reason);
        }
        let text =
            "2 pictures deeper than <identity>/<image>, 1 file that is not a picture by name or content, 1 hidden";
        assert_eq!(left.to_string(), text);
        let json = serde_json::to_string(&left).unwrap();
        assert_eq!(json, r#"{"too_deep":2,"no_picture":1,"hidden":1}"#);
        assert_eq!(serde_json::from_str::<LeftOut>(&json).unwrap(), left);
    }
}
