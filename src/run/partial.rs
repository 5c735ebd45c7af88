//! Keeps a long comparison of pairs across sessions, and the parts of it that workers compare, in hidden files of the run that
//! the seal ignores and that are removed once the evaluation is written.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{RunDirectory, RunError};
use crate::digest::{Digest, Hasher};
use crate::files::{self, FileError};
use crate::progress::Progress;
use crate::shard::Shard;
use crate::similarity::PairCheckpoint;

pub(super) const NAME: &str = ".pairs.partial";

/// The file of a shard is `.pairs.partial.3-of-8`.
fn name_of(shard: Shard) -> String {
    let (index, count) = shard.numbers();
    format!("{NAME}.{index}-of-{count}")
}

/// The parts that a run has.
pub(super) fn names(run: &Path) -> Result<Vec<String>, FileError> {
    let names = files::list_if_there(run)?.into_iter().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| name.starts_with(NAME)).collect())
}

/// Removes all parts of a run once the evaluation is written.
pub(super) fn remove(run: &RunDirectory) {
    for name in names(run.path()).unwrap_or_default() {
        // A leftover file is harmless: only the same comparison reads it again.
        let _ = std::fs::remove_file(run.file(&name));
    }
}

/// Numbers that are digested at a time.
const BLOCK: usize = 1 << 16;

/// Length of the digest at the start of the file.
const DIGEST: usize = 64;

/// Keeps the comparison of one run, or one shard's part of it.
pub(super) struct PartialPairs<'a> {
    folder: PathBuf,
    /// The file that is written.
    name: String,
    /// Whether the parts of others count.
    whole: bool,
    /// Digest of everything that the comparison depends on.
    key: Digest,
    progress: &'a dyn Progress,
    /// Why a part could not be kept.
    failure: Mutex<Option<FileError>>,
}

impl std::fmt::Debug for PartialPairs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartialPairs").field("name", &self.name).field("key", &self.key).finish_non_exhaustive()
    }
}

impl<'a> PartialPairs<'a> {
    /// For a run: the plan determines faces and options; the embeddings are those that were read, damaged or not.
    /// With a shard, only its own part is read and written.
    pub fn of(
        run: &RunDirectory,
        shard: Option<Shard>,
        matrix: &[f32],
        progress: &'a dyn Progress,
    ) -> Result<Self, RunError> {
        let mut hasher = Hasher::default();
        hasher.update(&files::read(&run.file(RunDirectory::PLAN))?);
        let mut bytes = Vec::new();
        for numbers in matrix.chunks(BLOCK) {
            bytes.clear();
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            hasher.update(&bytes);
        }
        let name = shard.map_or_else(|| NAME.to_owned(), name_of);
        Ok(Self {
            folder: run.path().to_owned(),
            name,
            whole: shard.is_none(),
            key: hasher.finish(),
            progress,
            failure: Mutex::default(),
        })
    }

    /// Why a part could not be kept, if one could not.
    pub fn failure(&self) -> Option<FileError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn digest(&self, state: &[u8]) -> String {
        let mut hasher = Hasher::default();
        hasher.update(self.key.to_string().as_bytes());
        hasher.update(state);
        hasher.finish().to_string()
    }
}

impl PairCheckpoint for PartialPairs<'_> {
    fn names(&self) -> Vec<String> {
        if self.whole { names(&self.folder).unwrap_or_default() } else { vec![self.name.clone()] }
    }

    fn load(&self, name: &str) -> Option<Vec<u8>> {
        let bytes = files::read_at_most(&self.folder.join(name), u64::MAX).ok()?;
        let (digest, state) = bytes.split_at_checked(DIGEST)?;
        if digest != self.digest(state).as_bytes() {
            let line = "a saved part of the comparison is damaged or of another comparison: comparing it again";
            self.progress.say(line);
            return None;
        }
        Some(state.into())
    }

    fn save(&self, state: &[u8]) {
        let mut bytes = self.digest(state).into_bytes();
        bytes.extend_from_slice(state);
        if let Err(error) = files::commit_bytes(&self.folder.join(&self.name), &bytes) {
            if self.whole {
                self.progress.say(&format!("the comparison continues but cannot be resumed if interrupted: {error}"));
            }
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn all(keeper: &PartialPairs<'_>) -> Vec<Vec<u8>> {
        keeper.names().iter().filter_map(|name| keeper.load(name)).collect()
    }

    fn keeper(folder: &std::path::Path, key: &[u8]) -> PartialPairs<'static> {
        PartialPairs {
            folder: folder.into(),
            name: NAME.into(),
            whole: true,
            key: Digest::of(key),
            progress: &Silent,
            failure: Mutex::default(),
        }
    }

    /// Fault (runs): the saved part of a comparison is damaged, cut short or of another comparison → it is not used,
    /// and the comparison starts over
    #[test]
    fn it_gives_back_what_the_same_comparison_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mine = keeper(folder.path(), b"a");
        assert!(all(&mine).is_empty());
        mine.save(b"first");
        mine.save(b"second");
        assert_eq!(all(&mine), [b"second"]);
        assert!(all(&keeper(folder.path(), b"b")).is_empty(), "another comparison");
        let shard = PartialPairs { name: name_of("3/8".parse().unwrap()), whole: false, ..keeper(folder.path(), b"a") };
        shard.save(b"a part");
        assert_eq!(all(&shard), [b"a part"]);
        let mut found = all(&mine);
        found.sort();
        assert_eq!(found, [&b"a part"[..], b"second"], "who compares everything has the parts of all");
        std::fs::remove_file(folder.path().join(".pairs.partial.3-of-8")).unwrap();
        let path = folder.path().join(NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(all(&mine).is_empty(), "damaged");
        std::fs::write(&path, b"short").unwrap();
        assert!(all(&mine).is_empty(), "cut short");
        remove(&RunDirectory::new(folder.path().into()));
        assert!(!path.exists());
    }

    /// Fault (disk): the saved part of a comparison cannot be written → the comparison continues
    #[test]
    fn a_disk_that_fails_does_not_stop_the_comparison() {
        let nowhere = keeper(std::path::Path::new("/nonexistent/folder"), b"a");
        nowhere.save(b"state");
        assert!(nowhere.failure().is_some(), "a shard has nothing else to show");
        assert!(all(&nowhere).is_empty());
    }
}
