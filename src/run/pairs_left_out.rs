//! Writes `pairs_left_out.csv`: the pairs of published lists that could not be compared, and why.

use super::inspect::EmbeddedFaces;
use super::{RunDirectory, RunError, seal};
use crate::config::ExperimentConfig;
use crate::embed::FailedFace;
use crate::evaluate::{self, EvaluateError};
use crate::files::{self, FileError};
use crate::protocol::{ABSENT, ListedPair, PairList};
use crate::table::{Kind, Table, TableColumn};

pub(crate) const PAIRS_LEFT_OUT: Table = Table {
    file: "pairs_left_out.csv",
    about: "Pairs of published lists that were not compared, and why. One row per pair, list by list; no file if every \
            pair was compared.",
    columns: &[&[
        TableColumn::new("list", Kind::Text, "The list: `dataset`, or the protocol that brings it"),
        TableColumn::new("pair", Kind::U64, "Place of the pair in the list, from 1"),
        TableColumn::new("same", Kind::Flag, "Whether the list says that both are one person"),
        TableColumn::new("fold", Kind::U32, "The pair's fold in the list").missing("where the list has no folds"),
        TableColumn::new(
            "face_a",
            Kind::Text,
            "`face_id` of the first face, or the list's name for a face that is absent",
        ),
        TableColumn::new("face_b", Kind::Text, "The same of the second face"),
        TableColumn::new("reason", Kind::Text, "Why, in words"),
    ]],
    others: None,
};

const FILE: &str = PAIRS_LEFT_OUT.file;

/// Writes them, list by list.
pub(super) fn write(run: &RunDirectory, faces: &EmbeddedFaces) -> Result<(), RunError> {
    let failed = |error: csv::Error| FileError::new("write", FILE)(std::io::Error::from(error));
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(PAIRS_LEFT_OUT.header()).map_err(failed)?;
    let mut any = false;
    for list in &faces.manifest.lists {
        for (index, pair) in list.pairs.iter().enumerate() {
            let reasons: Vec<String> = [(0, pair.a), (1, pair.b)]
                .into_iter()
                .filter_map(|(side, row)| reason(faces, list, index, side, row))
                .collect();
            if reasons.is_empty() {
                continue;
            }
            any = true;
            let [a, b] = [(0, pair.a), (1, pair.b)].map(|(side, row)| called(faces, list, index, side, row));
            let (number, fold) = ((index + 1).to_string(), pair.fold.map(|fold| fold.to_string()).unwrap_or_default());
            let same = u8::from(pair.same).to_string();
            let record = [&list.name, &number, &same, &fold, a, b, &reasons.join("; ")];
            out.write_record(record).map_err(failed)?;
        }
    }
    let bytes = out.into_inner().map_err(|error| FileError::new("write", FILE)(error.into_error()))?;
    if any {
        files::commit_bytes(&run.file(FILE), &bytes)?;
    } else if run.has(FILE) {
        seal::remove(run, FILE)?;
    }
    Ok(())
}

/// The error of an evaluation, with the first pair that is left out where too many are: they have been written.
pub(super) fn explained(
    error: EvaluateError,
    run: &RunDirectory,
    config: &ExperimentConfig,
    faces: &EmbeddedFaces,
) -> RunError {
    let EvaluateError::LeftOut { protocol, .. } = &error else { return error.into() };
    let of = |list: &&PairList| {
        config.protocols.iter().any(|one| one.name == *protocol && evaluate::list_of(one) == list.name)
    };
    let Some(list) = faces.manifest.lists.iter().find(of) else { return error.into() };
    let left_out = |(index, pair): &(usize, &ListedPair)| {
        [(0, pair.a), (1, pair.b)].into_iter().any(|(side, row)| reason(faces, list, *index, side, row).is_some())
    };
    let Some((index, pair)) = list.pairs.iter().enumerate().find(left_out) else { return error.into() };
    let names = [(0, pair.a), (1, pair.b)].map(|(side, row)| called(faces, list, index, side, row).to_owned());
    RunError::PairsLeftOut { error: error.into(), pair: index + 1, names, file: Some(run.file(FILE)) }
}

/// The same before anything is embedded, when only the faces that the dataset lacks are known.
pub(super) fn absent(error: EvaluateError, list: &PairList) -> RunError {
    match list.absent.first() {
        Some(first) if matches!(error, EvaluateError::LeftOut { .. }) => RunError::PairsLeftOut {
            error: error.into(),
            pair: first.pair as usize + 1,
            names: first.names.clone(),
            file: None,
        },
        _ => error.into(),
    }
}

/// The name of a face: its id, or the list's name for it if the dataset lacks it.
fn called<'a>(faces: &'a EmbeddedFaces, list: &'a PairList, index: usize, side: usize, row: u32) -> &'a str {
    if let Some(face) = faces.manifest.faces.get(row as usize) {
        return &face.face_id;
    }
    let at = list.absent.binary_search_by_key(&(index as u32), |absent| absent.pair);
    at.map_or("", |at| &list.absent[at].names[side])
}

/// Why a face cannot be compared, if so.
fn reason(faces: &EmbeddedFaces, list: &PairList, index: usize, side: usize, row: u32) -> Option<String> {
    if row == ABSENT {
        return Some(format!("the dataset has no face `{}`", called(faces, list, index, side, row)));
    }
    let at = faces.failures.binary_search_by_key(&(row as usize), |failure| failure.row).ok()?;
    let FailedFace { face_id, kind, message, .. } = &faces.failures[at];
    Some(format!("`{face_id}` has no embedding ({}: {message})", kind.name()))
}
