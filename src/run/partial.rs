//! Keeps a long comparison of pairs across sessions, in a hidden file of the run that the seal ignores and that is
//! removed once the evaluation is written.

use std::path::PathBuf;

use super::{RunDirectory, RunError};
use crate::digest::{Digest, Hasher};
use crate::progress::Progress;
use crate::similarity::PairCheckpoint;
use crate::{embed, files};

pub(super) const NAME: &str = ".pairs.partial";

/// Length of the digest at the start of the file.
const DIGEST: usize = 64;

/// Keeps the comparison of one run.
pub(super) struct PartialPairs<'a> {
    path: PathBuf,
    /// Digest of everything that the comparison depends on.
    key: Digest,
    progress: &'a dyn Progress,
}

impl std::fmt::Debug for PartialPairs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartialPairs").field("path", &self.path).field("key", &self.key).finish_non_exhaustive()
    }
}

impl<'a> PartialPairs<'a> {
    /// For a run: the plan determines faces and options, the chunks determine the embeddings.
    pub fn of(run: &RunDirectory, progress: &'a dyn Progress) -> Result<Self, RunError> {
        let mut hasher = Hasher::default();
        hasher.update(&files::read(&run.file(RunDirectory::PLAN))?);
        for record in embed::read_records(run.path())? {
            hasher.update(record.sha256.to_string().as_bytes());
        }
        Ok(Self { path: run.file(NAME), key: hasher.finish(), progress })
    }

    /// Removes the file once the evaluation is written.
    pub fn done(&self) {
        // A leftover file is harmless: only the same comparison reads it again.
        let _ = std::fs::remove_file(&self.path);
    }

    fn digest(&self, state: &[u8]) -> String {
        let mut hasher = Hasher::default();
        hasher.update(self.key.to_string().as_bytes());
        hasher.update(state);
        hasher.finish().to_string()
    }
}

impl PairCheckpoint for PartialPairs<'_> {
    fn load(&self) -> Option<Vec<u8>> {
        let bytes = files::read(&self.path).ok()?;
        let (digest, state) = bytes.split_at_checked(DIGEST)?;
        if digest != self.digest(state).as_bytes() {
            self.progress.say("the saved part of the comparison is damaged or of another comparison: starting over");
            return None;
        }
        Some(state.into())
    }

    fn save(&self, state: &[u8]) {
        let mut bytes = self.digest(state).into_bytes();
        bytes.extend_from_slice(state);
        if let Err(error) = files::commit_bytes(&self.path, &bytes) {
            self.progress.say(&format!("the comparison continues but cannot be resumed if interrupted: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn keeper(folder: &std::path::Path, key: &[u8]) -> PartialPairs<'static> {
        PartialPairs { path: folder.join(NAME), key: Digest::of(key), progress: &Silent }
    }

    /// Fault (runs): the saved part of a comparison is damaged, cut short or of another comparison → it is not used,
    /// and the comparison starts over
    #[test]
    fn it_gives_back_what_the_same_comparison_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mine = keeper(folder.path(), b"a");
        assert_eq!(mine.load(), None);
        mine.save(b"first");
        mine.save(b"second");
        assert_eq!(mine.load().unwrap(), b"second");
        assert_eq!(keeper(folder.path(), b"b").load(), None, "another comparison");
        let path = folder.path().join(NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(mine.load(), None, "damaged");
        std::fs::write(&path, b"short").unwrap();
        assert_eq!(mine.load(), None, "cut short");
        mine.done();
        assert!(!path.exists());
    }

    /// Fault (disk): the saved part of a comparison cannot be written → the comparison continues
    #[test]
    fn a_disk_that_fails_does_not_stop_the_comparison() {
        let nowhere = keeper(std::path::Path::new("/nonexistent/folder"), b"a");
        nowhere.save(b"state");
        assert_eq!(nowhere.load(), None);
    }
}
