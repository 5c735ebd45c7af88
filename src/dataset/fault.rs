//! A row of a source that cannot be used as it is: one failure of one face, whatever the source.

use super::CsvProblem;
use crate::preprocess::Crop;

/// What is wrong with a face's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What of the row it spoils.
    pub part: FaultIn,
    /// What is wrong, in words, with its place in the source: "line 5: `bbox_x1` is `nan`, …".
    pub reason: String,
}

/// What of a row a fault spoils.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultIn {
    /// The face itself: who it is, or where its pixels are.
    Face,
    /// What the detector said: the box, its score. A crop that does not look at boxes does without.
    Box,
}

impl FaultIn {
    /// As the manifest has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Box => "box",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Face, Self::Box].into_iter().find(|part| part.name() == name)
    }
}

impl Fault {
    /// Whether a face that is cut out like this fails for it.
    #[must_use]
    pub fn counts(&self, crop: Crop) -> bool {
        match self.part {
            FaultIn::Face => true,
            FaultIn::Box => matches!(crop, Crop::Box { .. }),
        }
    }
}

/// What is wrong with one line of a table. A fault of the face counts for more than one of its box, else the first.
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

    /// The value; where there is none, why is kept.
    pub fn keep<T>(&mut self, part: FaultIn, value: Result<T, CsvProblem>) -> Option<T> {
        match (value, &self.found) {
            (Ok(value), _) => return Some(value),
            (Err(_), Some((FaultIn::Face, _))) => {}
            (Err(_), Some((FaultIn::Box, _))) if part == FaultIn::Box => {}
            (Err(problem), _) => self.found = Some((part, problem)),
        }
        None
    }

    /// What a face carries of it.
    pub fn fault(&self) -> Option<Fault> {
        let (part, problem) = self.found.as_ref()?;
        Some(Fault { part: *part, reason: format!("line {}: {problem}", self.line) })
    }
}
