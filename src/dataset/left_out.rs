//! Counts what a dataset's folders contain besides faces, by reason: nothing is dropped silently.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why an entry of a dataset's folders is not a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// A picture next to the identity folders.
    InRoot,
    /// A picture deeper than `<identity>/<image>`.
    TooDeep,
    /// A picture in a folder that `dataset.parts` does not name.
    OtherPart,
    /// A picture that is not in `metadata.csv`.
    NotInTable,
    /// A picture whose name is not `<photo>_<face>`, in VGGFace2.
    OtherName,
    /// An identity folder without a picture.
    EmptyFolder,
    /// A dangling link, or one to itself.
    Dangling,
    /// A link to a folder above it, or to one that was visited already.
    Repeated,
    /// An empty file without the name of a picture.
    EmptyFile,
    /// A Git LFS or git-annex pointer without the name of a picture.
    Pointer,
    /// An unreadable file without the name of a picture.
    Unreadable,
    /// A pipe, socket or device.
    Special,
    /// A file that is not a picture by name or content.
    NoPicture,
    /// A file on the Hub, or in an object store, that is not a picture by its extension; it is not looked into.
    OtherEnding,
    /// A hidden file or folder: its name begins with a dot.
    Hidden,
    /// A file or folder whose name is not UTF-8, with all that is in it.
    NotUtf8,
    /// A file or folder whose name contains a control character, with all that is in it.
    ControlCharacter,
}

impl LeftOutReason {
    /// In words, for one and for several.
    fn words(self) -> [&'static str; 2] {
        match self {
            Self::InRoot => ["picture next to the identity folders", "pictures next to the identity folders"],
            Self::TooDeep => ["picture deeper than <identity>/<image>", "pictures deeper than <identity>/<image>"],
            Self::OtherPart => [
                "picture in a folder that is not in `dataset.parts`",
                "pictures in folders that are not in `dataset.parts`",
            ],
            Self::NotInTable => ["picture missing from `metadata.csv`", "pictures missing from `metadata.csv`"],
            Self::OtherName => ["picture not named <photo>_<face>", "pictures not named <photo>_<face>"],
            Self::EmptyFolder => ["identity folder without a picture", "identity folders without a picture"],
            Self::Dangling => ["dangling link", "dangling links"],
            Self::Repeated => {
                ["link to a folder that was already visited", "links to folders that were already visited"]
            }
            Self::EmptyFile => ["empty file", "empty files"],
            Self::Pointer => ["Git LFS or git-annex pointer", "Git LFS or git-annex pointers"],
            Self::Unreadable => ["unreadable file", "unreadable files"],
            Self::Special => ["pipe, socket or device", "pipes, sockets or devices"],
            Self::NoPicture => {
                ["file that is not a picture by name or content", "files that are not pictures by name or content"]
            }
            Self::OtherEnding => {
                ["file that is not a picture by extension", "files that are not pictures by extension"]
            }
            Self::Hidden => ["hidden entry", "hidden entries"],
            Self::NotUtf8 => ["entry whose name is not UTF-8", "entries whose names are not UTF-8"],
            Self::ControlCharacter => {
                ["entry whose name contains a control character", "entries whose names contain a control character"]
            }
        }
    }
}

/// Counts by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LeftOut(BTreeMap<LeftOutReason, u64>);

impl LeftOut {
    /// Counts one more.
    pub(crate) fn add(&mut self, reason: LeftOutReason) {
        *self.0.entry(reason).or_default() += 1;
    }

    /// Number of entries left out for this reason.
    #[must_use]
    pub fn count(&self, reason: LeftOutReason) -> u64 {
        self.0.get(&reason).copied().unwrap_or(0)
    }

    /// Whether nothing was left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `2 pictures deeper than <identity>/<image>, 1 hidden entry`.
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
    fn counts_are_displayed_in_words_and_stored_as_json() {
        let mut left = LeftOut::default();
        for reason in [LeftOutReason::Hidden, LeftOutReason::TooDeep, LeftOutReason::NoPicture, LeftOutReason::TooDeep]
        {
            left.add(reason);
        }
        let text = "2 pictures deeper than <identity>/<image>, 1 file that is not a picture by name or content, 1 hidden entry";
        assert_eq!(left.to_string(), text);
        let json = serde_json::to_string(&left).unwrap();
        assert_eq!(json, r#"{"too_deep":2,"no_picture":1,"hidden":1}"#);
        assert_eq!(serde_json::from_str::<LeftOut>(&json).unwrap(), left);
    }
}
