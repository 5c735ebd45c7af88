//! The files of [`People`]: numbers in JSON, identities in a table, suspects and possible duplicates in CSVs for people
//! to open.

use std::path::Path;

use polars::prelude::Column;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ResultsError;
use super::table::{ParquetTable, bools, column, f64s, strings, u64s, write_json, write_table};
use crate::files::{self, FileError, commit};
use crate::people::audit::OnePerson;
use crate::people::{IdentityErrors, People, SCHEMA};
use crate::table::{Kind, Table, TableColumn};

const PEOPLE: &str = "people.json";

pub(crate) const ERRORS: Table = Table {
    file: "identity_errors.parquet",
    about: "Errors of each identity at the operating threshold (`threshold` in `people.json`). One row per identity with an \
            embedded face, sorted as strings.",
    columns: &[&[
        TableColumn::new("identity_id", Kind::Text, "The identity"),
        TableColumn::new("faces", Kind::U64, "Its embedded faces").unit("faces"),
        TableColumn::new("genuine_pairs", Kind::U64, "Compared pairs of two of its faces").unit("pairs"),
        TableColumn::new("misses", Kind::U64, "Those below the threshold: false non-matches").unit("pairs"),
        TableColumn::new("fnmr", Kind::F64, "False non-match rate: misses / genuine pairs")
            .unit("share")
            .missing("without such a pair"),
        TableColumn::new("fnmr_lower", Kind::F64, "Lower end of its interval").unit("share").missing(NO_INTERVAL),
        TableColumn::new("fnmr_upper", Kind::F64, "Upper end of its interval").unit("share").missing(NO_INTERVAL),
        TableColumn::new(
            "impostor_pairs",
            Kind::U64,
            "Compared pairs of one of its faces with one of another identity",
        )
        .unit("pairs"),
        TableColumn::new("false_matches", Kind::U64, "Those at or above the threshold").unit("pairs"),
        TableColumn::new("fmr", Kind::F64, "False match rate: false matches / impostor pairs")
            .unit("share")
            .missing("without such a pair"),
        TableColumn::new("fmr_lower", Kind::F64, "Lower end of its interval").unit("share").missing(NO_INTERVAL),
        TableColumn::new("fmr_upper", Kind::F64, "Upper end of its interval").unit("share").missing(NO_INTERVAL),
        TableColumn::new("goat", Kind::Bool, "Hard to recognise: `fnmr_lower` is above the FNMR of all identities"),
        TableColumn::new("lamb", Kind::Bool, "Easily confused: `fmr_lower` is above the FMR of all identities"),
    ]],
    others: None,
};

const NO_INTERVAL: &str = "where the faces are too few for one";

pub(crate) const AUDIT: Table = Table {
    file: "label_audit.csv",
    about: "Faces whose label a person should check, most suspicious first. One row per face; none if no label is suspect.",
    columns: &[&[
        TableColumn::new("rank", Kind::U64, "Place in the list; 1 is looked at first"),
        TableColumn::new("face_id", Kind::Text, "The face"),
        TableColumn::new("row", Kind::U32, "Its row in the matrix, from 0"),
        TableColumn::new("labelled_as", Kind::Text, "Its identity as given"),
        TableColumn::new("own_cosine", Kind::F32, "Cosine to the centroid of that identity's other faces")
            .unit("cosine"),
        TableColumn::new("looks_like", Kind::Text, "The other identity with the closest centroid"),
        TableColumn::new("its_cosine", Kind::F32, "Cosine to that centroid").unit("cosine"),
        TableColumn::new("margin", Kind::F32, "`its_cosine` − `own_cosine`").unit("cosine"),
        TableColumn::new(
            "kind",
            Kind::Words(&["another", "nobody"]),
            "Whether it looks like that other identity, or like nobody in the run",
        ),
    ]],
    others: None,
};

pub(crate) const PAIRS: Table = Table {
    file: "identity_pairs.csv",
    about: "Pairs of identities that may be one person under two names, highest cosine first. One row per pair; none if \
            there is no such pair.",
    columns: &[&[
        TableColumn::new("rank", Kind::U64, "Place in the list; 1 is looked at first"),
        TableColumn::new("identity_a", Kind::Text, "The identity that comes first as a string"),
        TableColumn::new("identity_b", Kind::Text, "The other identity"),
        TableColumn::new("faces_a", Kind::U64, "Embedded faces of `identity_a`").unit("faces"),
        TableColumn::new("faces_b", Kind::U64, "Embedded faces of `identity_b`").unit("faces"),
        TableColumn::new("mean_cosine", Kind::F32, "Mean cosine of all pairs of a face of one and a face of the other")
            .unit("cosine"),
        TableColumn::new("highest_cosine", Kind::F32, "Highest cosine of such a pair")
            .unit("cosine")
            .missing("in the files of older versions"),
        TableColumn::new("face_a", Kind::Text, "The face of `identity_a` in the pair of the highest cosine"),
        TableColumn::new("face_b", Kind::Text, "The face of `identity_b` in it"),
    ]],
    others: None,
};

/// A line of `identity_pairs.csv`.
#[derive(Serialize, Deserialize)]
struct PairLine {
    rank: u64,
    identity_a: String,
    identity_b: String,
    faces_a: u64,
    faces_b: u64,
    mean_cosine: f32,
    highest_cosine: Option<f32>,
    face_a: String,
    face_b: String,
}

impl PairLine {
    fn of((rank, pair): (u64, &OnePerson)) -> Self {
        let OnePerson { identity_a, identity_b, mean_cosine, highest_cosine, face_a, face_b, faces } = pair.clone();
        let [faces_a, faces_b] = faces;
        Self { rank, identity_a, identity_b, faces_a, faces_b, mean_cosine, highest_cosine, face_a, face_b }
    }

    fn pair(self) -> OnePerson {
        let Self { identity_a, identity_b, faces_a, faces_b, mean_cosine, highest_cosine, face_a, face_b, .. } = self;
        OnePerson { identity_a, identity_b, mean_cosine, highest_cosine, face_a, face_b, faces: [faces_a, faces_b] }
    }
}

/// Writes the four files.
pub(super) fn write(people: &People, run: &Path) -> Result<(), ResultsError> {
    write_table(run, &ERRORS, error_columns(&people.identities.errors))?;
    write_csv(run, &AUDIT, &people.audit.suspects)?;
    write_csv(run, &PAIRS, (1..).zip(&people.audit.one_person).map(PairLine::of))?;
    write_json(&run.join(PEOPLE), people)
}

/// Reads what [`write`] wrote.
pub(super) fn read(run: &Path) -> Result<People, ResultsError> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    let path = run.join(PEOPLE);
    let bytes = files::read(&path)?;
    let damaged = |error: serde_json::Error| ResultsError::Damaged { path: path.clone(), reason: error.to_string() };
    let Version { schema } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if schema != SCHEMA {
        return Err(ResultsError::Schema { path, found: schema.into(), expected: SCHEMA });
    }
    let mut people: People = serde_json::from_slice(&bytes).map_err(damaged)?;
    people.identities.errors = ParquetTable::read(&run.join(ERRORS.file))?.identity_errors()?;
    people.audit.suspects = read_csv(run, &AUDIT)?;
    check_pairs(run, &people.audit.one_person)?;
    Ok(people)
}

fn error_columns(errors: &[IdentityErrors]) -> Vec<Column> {
    let number = |of: fn(&IdentityErrors) -> u64| errors.iter().map(of).collect::<Vec<u64>>();
    let rate = |of: fn(&IdentityErrors) -> Option<f64>| errors.iter().map(of).collect::<Vec<Option<f64>>>();
    let is = |of: fn(&IdentityErrors) -> bool| errors.iter().map(of).collect::<Vec<bool>>();
    vec![
        column("identity_id", errors.iter().map(|one| one.identity_id.as_str()).collect::<Vec<&str>>()),
        column("faces", number(|one| one.faces)),
        column("genuine_pairs", number(|one| one.genuine)),
        column("misses", number(|one| one.misses)),
        column("fnmr", rate(IdentityErrors::fnmr)),
        column("fnmr_lower", rate(|one| one.fnmr_interval.map(|interval| interval.0))),
        column("fnmr_upper", rate(|one| one.fnmr_interval.map(|interval| interval.1))),
        column("impostor_pairs", number(|one| one.impostor)),
        column("false_matches", number(|one| one.false_matches)),
        column("fmr", rate(IdentityErrors::fmr)),
        column("fmr_lower", rate(|one| one.fmr_interval.map(|interval| interval.0))),
        column("fmr_upper", rate(|one| one.fmr_interval.map(|interval| interval.1))),
        column("goat", is(|one| one.goat)),
        column("lamb", is(|one| one.lamb)),
    ]
}

impl ParquetTable<'_> {
    fn identity_errors(&self) -> Result<Vec<IdentityErrors>, ResultsError> {
        let names = self.full("identity_id", strings)?;
        let [faces, genuine, misses, impostor, false_matches] =
            ["faces", "genuine_pairs", "misses", "impostor_pairs", "false_matches"].map(|name| self.full(name, u64s));
        let (faces, genuine, misses, impostor, false_matches) = (faces?, genuine?, misses?, impostor?, false_matches?);
        let [fnmr_lower, fnmr_upper, fmr_lower, fmr_upper] =
            ["fnmr_lower", "fnmr_upper", "fmr_lower", "fmr_upper"].map(|name| self.column(name, f64s));
        let (fnmr_lower, fnmr_upper, fmr_lower, fmr_upper) = (fnmr_lower?, fnmr_upper?, fmr_lower?, fmr_upper?);
        let (goat, lamb) = (self.full("goat", bools)?, self.full("lamb", bools)?);
        // All columns of a table have the same length.
        let one = |(i, identity_id): (usize, String)| IdentityErrors {
            identity_id,
            faces: faces[i],
            genuine: genuine[i],
            misses: misses[i],
            fnmr_interval: fnmr_lower[i].zip(fnmr_upper[i]),
            impostor: impostor[i],
            false_matches: false_matches[i],
            fmr_interval: fmr_lower[i].zip(fmr_upper[i]),
            goat: goat[i],
            lamb: lamb[i],
        };
        Ok(names.into_iter().enumerate().map(one).collect())
    }
}

/// The table holds what `people.json` holds. It is missing in runs of earlier versions.
fn check_pairs(run: &Path, expected: &[OnePerson]) -> Result<(), ResultsError> {
    let path = run.join(PAIRS.file);
    if !path.exists() {
        return Ok(());
    }
    let lines: Vec<PairLine> = read_csv(run, &PAIRS)?;
    let ranked = lines.iter().map(|line| line.rank).eq(1..=lines.len() as u64);
    if !ranked || !lines.into_iter().map(PairLine::pair).eq(expected.iter().cloned()) {
        let reason = format!("its pairs are not those of {PEOPLE}");
        return Err(ResultsError::Damaged { path, reason });
    }
    Ok(())
}

/// The header stands even without rows.
pub(super) fn write_csv<Row: Serialize>(
    run: &Path,
    table: &Table,
    rows: impl IntoIterator<Item = Row>,
) -> Result<(), ResultsError> {
    let path = &run.join(table.file);
    commit(path, |out| {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(out);
        let failed = |error: csv::Error| FileError::new("write", path)(error.into());
        writer.write_record(table.header()).map_err(failed)?;
        for row in rows {
            writer.serialize(row).map_err(failed)?;
        }
        writer.flush().map_err(FileError::new("write", path))?;
        Ok(())
    })
}

fn read_csv<Row: DeserializeOwned>(run: &Path, table: &Table) -> Result<Vec<Row>, ResultsError> {
    let path = &run.join(table.file);
    let bytes = files::read(path)?;
    let damaged = |reason: String| ResultsError::Damaged { path: path.into(), reason };
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let columns = reader.headers().map_err(|error| damaged(error.to_string()))?;
    if !columns.iter().eq(table.header()) {
        return Err(damaged(format!("its columns are not {}", table.header().collect::<Vec<_>>().join(", "))));
    }
    reader.deserialize().collect::<Result<_, _>>().map_err(|error| damaged(error.to_string()))
}
