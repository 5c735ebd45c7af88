//! LFW's own lists of pairs. A first line with counts, then `name n1 n2` for two pictures of one person and `name1 n1
//! name2 n2` for two people, tabs between: View 2 (`pairs.txt`) in folds, each of as many same as different pairs;
//! View 1 (`pairsDevTrain.txt`, `pairsDevTest.txt`) in one piece.

use std::path::Path;

use super::csv_lines::CsvError;
use super::face_names::FaceNames;
use super::pair_list::pair;
use super::{CsvProblem, ListedPair};

/// The first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// `None`: View 1.
    folds: Option<u32>,
    /// Pairs of one person in a fold; there are as many of two people.
    same: u32,
}

impl Counts {
    /// Those of a text that begins as LFW's lists do: with one or two whole numbers.
    pub fn of(text: &str) -> Option<Self> {
        let first = text.trim_start().lines().next()?;
        match first.split_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>().ok()?[..] {
            [same] => Some(Self { folds: None, same }),
            [folds, same] => Some(Self { folds: Some(folds), same }),
            _ => None,
        }
    }
}

/// The pairs below the counts. The name of the file tells View 1's two lists apart.
pub(super) fn parse(
    text: &str,
    counts: Counts,
    file: &Path,
    names: &FaceNames<'_>,
) -> Result<Vec<ListedPair>, CsvError> {
    let start = text.len() - text.trim_start().len();
    let mut offset = start;
    let mut lines = text[start..].split_inclusive('\n').filter_map(|line| {
        let at = offset;
        offset += line.len();
        (!line.trim().is_empty()).then_some((at, line.trim_end_matches(['\r', '\n'])))
    });
    let head = lines.next().map_or(0, |(at, _)| at);
    let mut pairs = Vec::new();
    for (at, line) in lines {
        let fold = match counts.folds {
            Some(_) => Some((pairs.len() / (2 * counts.same as usize).max(1)) as u32 + 1),
            None => view_1_fold(file),
        };
        pairs.push(one(line, fold, names).map_err(|problem| CsvError { offset: at, problem })?);
    }
    let expected = u64::from(counts.folds.unwrap_or(1)) * 2 * u64::from(counts.same);
    let found = pairs.len() as u64;
    if found == 0 {
        return Err(CsvError { offset: head, problem: CsvProblem::NoPairs });
    }
    if found != expected {
        return Err(CsvError { offset: head, problem: CsvProblem::PairCount { expected, found } });
    }
    Ok(pairs)
}

fn one(line: &str, fold: Option<u32>, names: &FaceNames<'_>) -> Result<ListedPair, CsvProblem> {
    let fields: Vec<&str> =
        if line.contains('\t') { line.split('\t').map(str::trim).collect() } else { line.split_whitespace().collect() };
    let (first, second, same) = match fields[..] {
        [name, first, second] => ([name, first], [name, second], true),
        [name, first, other, second] => ([name, first], [other, second], false),
        _ => return Err(CsvProblem::PairLine { found: fields.len() }),
    };
    let row = |[name, number]: [&str; 2]| {
        let number: u32 =
            number.parse().map_err(|_| CsvProblem::PictureNumber { name: name.into(), value: number.into() })?;
        names.find("the picture", &format!("{name}_{number:04}"))
    };
    pair(row(first)?, row(second)?, same, fold, line)
}

fn view_1_fold(file: &Path) -> Option<u32> {
    let name = file.file_name()?.to_string_lossy().to_lowercase();
    match (name.contains("train"), name.contains("test")) {
        (true, false) => Some(0),
        (false, true) => Some(1),
        _ => None,
    }
}
