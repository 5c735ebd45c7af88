//! Collects the pairs of a list, whatever its form.

use super::CsvProblem;
use super::csv_lines::CsvError;
use super::face_names::FaceNames;
use crate::protocol::{ABSENT, AbsentPair, ListedPair};

/// Collects the pairs of a list while it is read.
pub(super) struct PairsBuilder<'a> {
    pub names: &'a FaceNames<'a>,
    listed: Vec<ListedPair>,
    absent: Vec<AbsentPair>,
    /// The error for the first face that is not in the dataset.
    first_absent: Option<CsvError>,
}

/// A face of a pair: its name in the list, and its row.
pub(super) type NamedFace = (String, Result<u32, CsvProblem>);

impl<'a> PairsBuilder<'a> {
    pub fn of(names: &'a FaceNames<'a>) -> Self {
        Self { names, listed: Vec::new(), absent: Vec::new(), first_absent: None }
    }

    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// Adds the pair of the line that begins at `offset`.
    pub fn add(&mut self, offset: usize, faces: [NamedFace; 2], same: bool, fold: Option<u32>) -> Result<(), CsvError> {
        let fail = |problem| CsvError { offset, problem };
        let names = [faces[0].0.clone(), faces[1].0.clone()];
        let mut rows = [ABSENT; 2];
        for (row, (_, found)) in rows.iter_mut().zip(faces) {
            match found {
                Ok(found) => *row = found,
                Err(problem @ CsvProblem::UnknownFace { .. }) => drop(self.first_absent.get_or_insert(fail(problem))),
                Err(problem) => return Err(fail(problem)),
            }
        }
        let [a, b] = rows;
        if a == b && (a != ABSENT || names[0] == names[1]) {
            let [value, _] = names;
            return Err(fail(CsvProblem::FaceWithItself { value }));
        }
        if a == ABSENT || b == ABSENT {
            self.absent.push(AbsentPair { pair: self.listed.len() as u32, names });
        }
        self.listed.push(ListedPair { a, b, same, fold });
        Ok(())
    }

    pub fn finish(self) -> Result<(Vec<ListedPair>, Vec<AbsentPair>), CsvError> {
        match self.first_absent {
            // No pair fits: the list belongs to another dataset, or names its faces in an unknown way.
            Some(error) if self.absent.len() == self.listed.len() => Err(error),
            _ => Ok((self.listed, self.absent)),
        }
    }
}
