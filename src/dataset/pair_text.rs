//! LFW's own lists of pairs. A first line with counts, then `name n1 n2` for two pictures of one person and `name1 n1
//! name2 n2` for two people, tabs between: View 2 (`pairs.txt`) in folds, each of as many same as different pairs;
//! View 1 (`pairsDevTrain.txt`, `pairsDevTest.txt`) in one piece.

use std::path::Path;

use super::CsvProblem;
use super::csv_lines::CsvError;
use super::face_names::FaceNames;
use super::pair_list::{Named, Pairs};

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

/// Adds the pairs below the counts. The name of the file tells View 1's two lists apart.
pub(super) fn parse(text: &str, counts: Counts, file: &Path, pairs: &mut Pairs<'_>) -> Result<(), CsvError> {
    let mut lines = lines(text);
    let head = lines.next().map_or(0, |(at, _)| at);
    for (at, line) in lines {
        let fold = match counts.folds {
            Some(_) => Some((pairs.len() / (2 * counts.same as usize).max(1)) as u32 + 1),
            None => view_1_fold(file),
        };
        add(at, line, fold, pairs)?;
    }
    let expected = u64::from(counts.folds.unwrap_or(1)) * 2 * u64::from(counts.same);
    let found = pairs.len() as u64;
    if found == 0 {
        return Err(CsvError { offset: head, problem: CsvProblem::NoPairs });
    }
    if found != expected {
        return Err(CsvError { offset: head, problem: CsvProblem::PairCount { expected, found } });
    }
    Ok(())
}

/// The lines that are not blank, each without white space at its end and with the byte where it begins.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut offset = 0;
    let lines = text.split_inclusive('\n').map(move |line| {
        let at = offset;
        offset += line.len();
        (at, line.trim_end())
    });
    lines.filter(|(_, line)| !line.is_empty())
}

/// The values of a line: between tabs, semicolons or commas, the first of these that it has, else between spaces.
pub(super) fn fields(line: &str) -> Vec<&str> {
    match ['\t', ';', ','].into_iter().find(|separator| line.contains(*separator)) {
        Some(separator) => {
            line.trim_end_matches(separator).split(separator).map(|field| field.trim().trim_matches('"')).collect()
        }
        None => line.split_whitespace().collect(),
    }
}

/// Adds the pair of a line: `name n1 n2`, or `name1 n1 name2 n2`.
pub(super) fn add(at: usize, line: &str, fold: Option<u32>, pairs: &mut Pairs<'_>) -> Result<(), CsvError> {
    let fields = fields(line);
    let fail = |problem| CsvError { offset: at, problem };
    let (first, second, same) = match fields[..] {
        [name, first, second] => ([name, first], [name, second], true),
        [name, first, other, second] => ([name, first], [other, second], false),
        _ => return Err(fail(CsvProblem::PairLine { found: fields.len() })),
    };
    let names = pairs.names;
    let face = |face| picture(face, names).map_err(fail);
    pairs.add(at, [face(first)?, face(second)?], same, fold)
}

/// The picture of a person by its number. Copies of LFW call it otherwise than LFW does: without zeros in front, in a
/// folder that has the name, or as detectors do that may find several faces.
fn picture([name, number]: [&str; 2], names: &FaceNames<'_>) -> Result<Named, CsvProblem> {
    let number: u32 =
        number.parse().map_err(|_| CsvProblem::PictureNumber { name: name.into(), value: number.into() })?;
    let called = format!("{name}_{number:04}");
    let find = |value: &str| names.find("the picture", value);
    let others = [
        format!("{name}_{number}"),
        format!("{name}/{number:04}"),
        format!("{name}/{number}"),
        format!("{name}_{number:04}_0"),
    ];
    let unknown = |found: &Result<u32, CsvProblem>| matches!(found, Err(CsvProblem::UnknownFace { .. }));
    let mut found = find(&called);
    if unknown(&found) {
        found = others.iter().map(|other| find(other)).find(|found| !unknown(found)).unwrap_or(found);
    }
    Ok((called, found))
}

fn view_1_fold(file: &Path) -> Option<u32> {
    let name = file.file_name()?.to_string_lossy().to_lowercase();
    match (name.contains("train"), name.contains("test")) {
        (true, false) => Some(0),
        (false, true) => Some(1),
        _ => None,
    }
}
