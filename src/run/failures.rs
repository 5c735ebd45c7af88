//! Summarises why faces have no embedding, most common reason first.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{RunDirectory, RunError};
use crate::dataset::{Manifest, PixelSource};
use crate::embed::{self, ChunkRecord, FailedFace, FailureKind};
use crate::text::counted;

/// Reasons listed individually.
const MAX_REASONS: usize = 5;

/// The faces of a run that have no embedding.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Failures {
    /// How many there are.
    pub faces: usize,
    #[serde(skip)]
    pub of: usize,
    /// The most common reasons.
    pub reasons: Vec<FailureReason>,
    /// Faces with other reasons than those.
    pub others: usize,
    /// The file that lists all of them; `None` until the run is embedded.
    pub file: Option<String>,
}

/// A reason that several faces share.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FailureReason {
    /// Which step failed.
    pub kind: FailureKind,
    /// The message of the first of them.
    pub message: String,
    /// How many faces share it.
    pub faces: usize,
}

/// The failures of an embedded run; `None` when every face has an embedding.
pub fn failures(run: &RunDirectory) -> Result<Option<Failures>, RunError> {
    failures_in(run, &embed::read_records(run.path())?)
}

/// [`failures`] of a run whose chunks' records have been read.
pub(super) fn failures_in(run: &RunDirectory, records: &[ChunkRecord]) -> Result<Option<Failures>, RunError> {
    if records.iter().all(|record| record.failures.is_empty()) {
        return Ok(None);
    }
    // Messages contain paths below the root; only the part after it distinguishes faces.
    let manifest = Manifest::read_parquet(&run.file(RunDirectory::MANIFEST), super::inspect::dataset_root(run)?)?;
    let failed: Vec<FailedFace> = records.iter().flat_map(|record| &record.failures).cloned().collect();
    let file = run.has(RunDirectory::FAILURES).then(|| run.file(RunDirectory::FAILURES).display().to_string());
    Ok(Some(Failures { file, ..Failures::of(&failed, &manifest) }))
}

impl Failures {
    /// Summarises failures among the faces of a manifest.
    pub(super) fn of(failed: &[FailedFace], manifest: &Manifest) -> Self {
        let mut reasons = grouped(failed, |row| names(manifest, row));
        let others = reasons.iter().skip(MAX_REASONS).map(|reason| reason.faces).sum();
        reasons.truncate(MAX_REASONS);
        Self { faces: failed.len(), of: manifest.len(), reasons, others, file: None }
    }

    pub fn lines(&self) -> Vec<String> {
        let have = if self.faces == 1 { "has" } else { "have" };
        let mut lines = vec![format!("{} of {} {have} no embedding:", self.faces, counted(self.of, "face"))];
        let line = |faces: usize, words: &str| format!("{faces:>7}  {words}");
        lines.extend(self.reasons.iter().map(|one| line(one.faces, &format!("{}: {}", one.kind.name(), one.message))));
        if self.others > 0 {
            lines.push(line(self.others, "other reasons"));
        }
        lines.extend(self.file.iter().map(|file| format!("see {file} for the reason of each face")));
        lines
    }
}

/// The names a message may use for a face: its full path, its path below the root, and its id.
fn names(manifest: &Manifest, row: usize) -> Vec<String> {
    let Some(face) = manifest.faces.get(row) else { return Vec::new() };
    let mut names = Vec::new();
    if let PixelSource::File { path, .. } = &face.pixels {
        names.extend([manifest.root.join(path).display().to_string(), path.clone()]);
    }
    names.push(face.face_id.clone());
    names
}

/// Groups failures that differ only in the face and in numbers; largest group first, then in row order.
fn grouped(failures: &[FailedFace], names: impl Fn(usize) -> Vec<String>) -> Vec<FailureReason> {
    let mut place: HashMap<(&str, String), usize> = HashMap::new();
    let mut reasons: Vec<FailureReason> = Vec::new();
    for failure in failures {
        let mut essence = failure.message.clone();
        for name in names(failure.row).iter().filter(|name| !name.is_empty()) {
            essence = essence.replace(name.as_str(), "");
        }
        essence.retain(|letter| !(letter.is_ascii_digit() || letter == '-' || letter == '.'));
        let next = reasons.len();
        let at = *place.entry((failure.kind.name(), essence)).or_insert(next);
        if at == next {
            reasons.push(FailureReason { kind: failure.kind, message: failure.message.clone(), faces: 0 });
        }
        reasons[at].faces += 1;
    }
    // A stable sort keeps row order among equals.
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.faces));
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(row: usize, kind: FailureKind, message: &str) -> FailedFace {
        FailedFace { row, face_id: format!("f{row}"), kind, message: message.into() }
    }

    #[test]
    fn what_differs_in_face_and_numbers_is_one_reason_and_the_commonest_comes_first() {
        let failures = [
            failure(0, FailureKind::Read, "cannot read /a b/0.jpg: gone"),
            failure(1, FailureKind::Crop, "the box (1, 2, 1, 9) leaves nothing of the 250 × 250 picture"),
            failure(2, FailureKind::Crop, "the box (-1, 2, -7.5, 9) leaves nothing of the 16 × 250 picture"),
            failure(3, FailureKind::Read, "cannot read /a b/3.jpg: gone"),
            failure(4, FailureKind::Crop, "the box (0, 0, 0, 0) leaves nothing of the 250 × 250 picture"),
            failure(5, FailureKind::Decode, "cannot read /a b/5.jpg: gone"),
        ];
        let reasons = grouped(&failures, |row| vec![format!("/a b/{row}.jpg"), format!("f{row}")]);
        let found: Vec<_> = reasons.iter().map(|reason| (reason.faces, reason.message.as_str())).collect();
        assert_eq!(
            found,
            [
                (3, "the box (1, 2, 1, 9) leaves nothing of the 250 × 250 picture"),
                (2, "cannot read /a b/0.jpg: gone"),
                (1, "cannot read /a b/5.jpg: gone"),
            ]
        );
    }
}
