//! An invalid row of a source: it fails one face, whatever the source.

use super::CsvProblem;

/// What is wrong with a face's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The part of the row that is unusable.
    pub part: FaultIn,
    /// The rule with its place in the source: "line 5: `bbox_x1` is `nan`, …". Part of the manifest's digest: rewording a
    /// rule renames the runs of datasets that break it.
    pub reason: String,
}

/// The part of a row that a fault makes unusable.
// In order of precedence: of one line only one fault is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultIn {
    /// The face itself: its identity, or the location of its pixels.
    Face,
    /// The detector's output, box and score, which only a crop by box needs.
    Box,
    /// The landmarks, which only aligning needs.
    Landmarks,
    /// The photo: no face to keep was found in it.
    Detection,
}

impl FaultIn {
    const ALL: [Self; 4] = [Self::Face, Self::Box, Self::Landmarks, Self::Detection];

    /// All names.
    pub(super) const NAMES: [&str; 4] =
        [Self::Face.name(), Self::Box.name(), Self::Landmarks.name(), Self::Detection.name()];

    /// Its name in the manifest.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Box => "box",
            Self::Landmarks => "landmarks",
            Self::Detection => "detection",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// The fault of one line of a table: that of the face before that of its box, that before its landmarks', else the first
/// one.
pub(super) struct LineFault {
    /// Its number, from 1.
    pub line: u64,
    /// The fault so far.
    pub found: Option<(FaultIn, CsvProblem)>,
}

impl LineFault {
    pub fn of(line: u64) -> Self {
        Self { line, found: None }
    }

    /// The value; of an error, the fault is kept.
    pub fn keep<T>(&mut self, part: FaultIn, value: Result<T, CsvProblem>) -> Option<T> {
        match (value, &self.found) {
            (Ok(value), _) => return Some(value),
            (Err(_), Some((found, _))) if *found <= part => {}
            (Err(problem), _) => self.found = Some((part, problem)),
        }
        None
    }

    /// The fault for the face.
    pub fn fault(&self) -> Option<Fault> {
        let (part, problem) = self.found.as_ref()?;
        Some(Fault { part: *part, reason: format!("line {}: {problem}", self.line) })
    }
}
