//! JSON after a line with its digest, which detects damage: for data that is expensive to recreate.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::files::{self, FileError};

/// Writes a value.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> Result<(), FileError> {
    let text = serde_json::to_string(value).unwrap_or_default();
    files::commit_bytes(path, format!("{}\n{text}", Digest::of(text.as_bytes())).as_bytes())
}

/// The value; `None` if it is missing or damaged.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let text = String::from_utf8(files::read(path).ok()?).ok()?;
    let (digest, text) = text.split_once('\n')?;
    (Digest::of(text.as_bytes()) == digest.parse().ok()?).then(|| serde_json::from_str(text).ok())?
}
