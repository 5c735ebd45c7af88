//! LFW's own pair lists: a first line with counts, then `name n1 n2` for two pictures of one person and `name1 n1 name2
//! n2` for two people, separated by tabs. View 2 (`pairs.txt`) has folds of as many genuine as impostor pairs; View 1
//! (`pairsDevTrain.txt`, `pairsDevTest.txt`) has none.

use std::path::Path;

use super::CsvProblem;
use super::csv_lines::CsvError;
use super::face_names::FaceNames;
use super::pairs_builder::{NamedFace, PairsBuilder};

/// The first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// `None`: View 1.
    folds: Option<u32>,
    /// Genuine pairs per fold; there are as many impostor pairs.
    same: u32,
}

impl Counts {
    /// The counts of a text that begins like LFW's lists, with one or two integers.
    pub fn of(text: &str) -> Option<Self> {
        let first = text.trim_start().lines().next()?;
        match first.split_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>().ok()?[..] {
            [same] => Some(Self { folds: None, same }),
            [folds, same] => Some(Self { folds: Some(folds), same }),
            _ => None,
        }
    }
}

/// Adds the pairs below the counts. The file name distinguishes the two lists of View 1.
pub(super) fn parse(text: &str, counts: Counts, file: &Path, pairs: &mut PairsBuilder<'_>) -> Result<(), CsvError> {
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

/// The non-blank lines without trailing white space, each with the byte where it begins.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut offset = 0;
    let lines = text.split_inclusive('\n').map(move |line| {
        let at = offset;
        offset += line.len();
        (at, line.trim_end())
    });
    lines.filter(|(_, line)| !line.is_empty())
}

/// The values of a line, separated by the first of tab, semicolon and comma that it contains, else by spaces.
pub(super) fn fields(line: &str) -> Vec<&str> {
    match ['\t', ';', ','].into_iter().find(|separator| line.contains(*separator)) {
        Some(separator) => {
            line.trim_end_matches(separator).split(separator).map(|field| field.trim().trim_matches('"')).collect()
        }
        None => line.split_whitespace().collect(),
    }
}

/// Adds the pair of a line: `name n1 n2`, or `name1 n1 name2 n2`.
pub(super) fn add(at: usize, line: &str, fold: Option<u32>, pairs: &mut PairsBuilder<'_>) -> Result<(), CsvError> {
    let fields = fields(line);
    let fail = |problem| CsvError { offset: at, problem };
    let (first, second, same) = match fields[..] {
        [name, first, second] => ([name, first], [name, second], true),
        [name, first, other, second] => ([name, first], [other, second], false),
        _ => {
            let expected = "`name n1 n2` (genuine) or `name1 n1 name2 n2` (impostor)";
            return Err(fail(CsvProblem::PairLine { found: fields.len(), expected }));
        }
    };
    let names = pairs.names;
    let face = |face| picture(face, names).map_err(fail);
    pairs.add(at, [face(first)?, face(second)?], same, fold)
}

/// The picture of a person by its number. Copies of LFW use other names than LFW: without leading zeros, in a folder of
/// the person's name, or with the suffix of a detector that may find several faces.
fn picture([name, number]: [&str; 2], names: &FaceNames<'_>) -> Result<NamedFace, CsvProblem> {
    let number: u32 =
        number.parse().map_err(|_| CsvProblem::PictureNumber { name: name.into(), value: number.into() })?;
    let called = format!("{name}_{number:04}");
    let find = |value: &str| names.find("picture", value);
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
