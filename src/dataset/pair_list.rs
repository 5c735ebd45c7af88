//! Which faces a verification protocol compares: pairs of manifest rows, as a benchmark publishes them.

use std::path::Path;

use super::csv_lines::{CsvError, utf8};
use super::face_names::FaceNames;
use super::{CsvProblem, DatasetError, Face, Manifest, pair_table, pair_text};
use crate::files;

/// A published list of pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PairList {
    /// [`DATASET_PAIRS`] for the list that a dataset ships with, else the name of the protocol that named the list.
    pub name: String,
    /// The pairs in the order of the list, which is the order that folds are cut in.
    pub pairs: Vec<ListedPair>,
}

/// Name of the list that a dataset ships with.
pub const DATASET_PAIRS: &str = "dataset";

/// Two faces that a protocol compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedPair {
    /// Manifest row of the first face.
    pub a: u32,
    /// Manifest row of the second face.
    pub b: u32,
    /// Whether the list says that they are one person.
    pub same: bool,
    /// The pair's fold as the list numbers it (View 1: 0 is training, 1 is test); `None`: the list has no folds.
    pub fold: Option<u32>,
}

impl PairList {
    /// How many pairs contradict the faces' identities, where both are known. A published list is the truth of its
    /// protocol, so it is followed all the same; a reader should be told.
    #[must_use]
    pub fn contradictions(&self, faces: &[Face]) -> usize {
        let identity = |row: u32| faces.get(row as usize)?.identity_id.as_deref();
        let contradicts = |pair: &&ListedPair| {
            identity(pair.a).zip(identity(pair.b)).is_some_and(|(first, second)| (first == second) != pair.same)
        };
        self.pairs.iter().filter(contradicts).count()
    }
}

/// Reads a list of pairs of the manifest's faces: a table with a header, or one of LFW's own texts (`pairs.txt`,
/// `pairsDevTrain.txt`, `pairsDevTest.txt`; <http://vis-www.cs.umass.edu/lfw/README.txt>), told apart by content.
///
/// A table has a column that says whether a pair is one person (`is_same`, `issame`, `same`, `target`, `label`, `pair`;
/// 1 or 0, true or false, yes or no), two columns for the faces (`face_a` and `face_b`, `image_a_path` and
/// `image_b_path`, `img_0` and `img_1`, …), and perhaps one for the fold (`fold_id`, `fold`, or `split` with `train` and
/// `test`, which are 0 and 1). LFW's texts name pictures by person and number, `<name>_%04d`; their folds are numbered
/// from 1, and of View 1 the training pairs are fold 0 and the test pairs fold 1.
///
/// # Errors
/// [`DatasetError::File`], or [`DatasetError::Csv`] with the line: a value that means no face of the manifest or more
/// than one, a face with itself, what is no number or no answer, an empty list.
pub fn read_pair_list(name: &str, file: &Path, manifest: &Manifest) -> Result<PairList, DatasetError> {
    let bytes = files::read(file)?;
    let read = || {
        let text = utf8(&bytes)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(CsvError { offset: 0, problem: CsvProblem::NoPairs });
        }
        let names = FaceNames::of(&manifest.faces);
        match pair_text::Counts::of(text) {
            Some(counts) => pair_text::parse(text, counts, file, &names),
            None => pair_table::parse(&bytes, &names),
        }
    };
    let pairs = read().map_err(|error: CsvError| error.at(file, &bytes))?;
    Ok(PairList { name: name.into(), pairs })
}

/// A pair of two different rows.
pub(super) fn pair(a: u32, b: u32, same: bool, fold: Option<u32>, value: &str) -> Result<ListedPair, CsvProblem> {
    if a == b {
        return Err(CsvProblem::FaceWithItself { value: value.trim().into() });
    }
    Ok(ListedPair { a, b, same, fold })
}
