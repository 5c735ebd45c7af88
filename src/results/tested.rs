//! `protocol_pairs.parquet`: the outcome of each test pair of each protocol, so that two runs can be compared pair by
//! pair.

use std::path::Path;

use super::ResultsError;
use super::table::{ParquetTable, bools, column, f64s, strings, u32s, write_table};
use crate::evaluate::TestedProtocol;
use crate::protocol::PairOutcome;
use crate::table::{Kind, Table, TableColumn};

pub(crate) const PROTOCOL_PAIRS: Table = Table {
    file: "protocol_pairs.parquet",
    about: "Every test pair of every protocol and how it was decided. One row per pair, protocol by protocol; only with \
            `protocols`.",
    columns: &[&[
        TableColumn::new("protocol", Kind::Text, "The protocol's name in the config"),
        TableColumn::new("pair", Kind::U32, "Place of the pair in the protocol's list, from 0"),
        TableColumn::new("row_a", Kind::U32, "Row of the first face in the matrix, from 0"),
        TableColumn::new("row_b", Kind::U32, "Row of the second face"),
        TableColumn::new(
            "person_a",
            Kind::U32,
            "Number of the first face's person: what intervals resample. Within this file alone",
        ),
        TableColumn::new("person_b", Kind::U32, "Number of the second face's person"),
        TableColumn::new("same", Kind::Bool, "Whether the list says that both are one person"),
        TableColumn::new("fold", Kind::U32, "The fold that the pair was tested in"),
        TableColumn::new("distance", Kind::F64, "Distance of the two embeddings in that fold")
            .unit("as the protocol's `distance`"),
        TableColumn::new(
            "threshold",
            Kind::F64,
            "The fold's threshold: a pair is accepted if its distance is below it",
        )
        .unit("as the protocol's `distance`"),
        TableColumn::new("right", Kind::Bool, "Whether the decision at that threshold is right"),
        TableColumn::new(
            "accepted_for_val",
            Kind::Bool,
            "Whether the pair is accepted at the fold's threshold for VAL",
        ),
    ]],
    others: None,
};

/// Writes the pairs of all protocols. Without protocols there is no file.
pub(super) fn write(run: &Path, tested: &[TestedProtocol]) -> Result<(), ResultsError> {
    if tested.is_empty() {
        return Ok(());
    }
    let all = || tested.iter().flat_map(|tested| tested.pairs.iter().map(|pair| (tested.protocol.as_str(), pair)));
    let number = |of: fn(&PairOutcome) -> u32| all().map(|(_, pair)| of(pair)).collect::<Vec<u32>>();
    let value = |of: fn(&PairOutcome) -> f64| all().map(|(_, pair)| of(pair)).collect::<Vec<f64>>();
    let flag = |of: fn(&PairOutcome) -> bool| all().map(|(_, pair)| of(pair)).collect::<Vec<bool>>();
    let columns = vec![
        column("protocol", all().map(|(name, _)| name).collect::<Vec<&str>>()),
        column("pair", number(|pair| pair.pair)),
        column("row_a", number(|pair| pair.rows.0)),
        column("row_b", number(|pair| pair.rows.1)),
        column("person_a", number(|pair| pair.people.0)),
        column("person_b", number(|pair| pair.people.1)),
        column("same", flag(|pair| pair.same)),
        column("fold", number(|pair| pair.fold)),
        column("distance", value(|pair| pair.distance)),
        column("threshold", value(|pair| pair.threshold)),
        column("right", flag(PairOutcome::right)),
        column("accepted_for_val", flag(|pair| pair.accepted_for_val)),
    ];
    write_table(run, &PROTOCOL_PAIRS, columns)
}

/// Reads them back; a missing file means no protocols.
///
/// # Errors
/// [`ResultsError::File`], [`ResultsError::Damaged`].
pub fn read(run: &Path) -> Result<Vec<TestedProtocol>, ResultsError> {
    let path = run.join(PROTOCOL_PAIRS.file);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let table = ParquetTable::read(&path)?;
    let number = |name| table.full(name, u32s);
    let value = |name| table.full(name, f64s);
    let flag = |name| table.full(name, bools);
    let names = table.full("protocol", strings)?;
    let (pairs, folds) = (number("pair")?, number("fold")?);
    let (rows_a, rows_b) = (number("row_a")?, number("row_b")?);
    let (people_a, people_b) = (number("person_a")?, number("person_b")?);
    let (distances, thresholds) = (value("distance")?, value("threshold")?);
    let (same, accepted) = (flag("same")?, flag("accepted_for_val")?);
    let mut tested: Vec<TestedProtocol> = Vec::new();
    for (i, name) in names.into_iter().enumerate() {
        if tested.last().is_none_or(|last| last.protocol != name) {
            tested.push(TestedProtocol { protocol: name, pairs: Vec::new() });
        }
        let outcome = PairOutcome {
            pair: pairs[i],
            rows: (rows_a[i], rows_b[i]),
            people: (people_a[i], people_b[i]),
            same: same[i],
            fold: folds[i],
            distance: distances[i],
            threshold: thresholds[i],
            accepted_for_val: accepted[i],
        };
        tested.iter_mut().last().into_iter().for_each(|last| last.pairs.push(outcome));
    }
    Ok(tested)
}
