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

const PEOPLE: &str = "people.json";
const ERRORS: &str = "identity_errors.parquet";
const AUDIT: &str = "label_audit.csv";
/// The columns of the audit, written even without rows.
const AUDIT_COLUMNS: [&str; 9] =
    ["rank", "face_id", "row", "labelled_as", "own_cosine", "looks_like", "its_cosine", "margin", "kind"];
const PAIRS: &str = "identity_pairs.csv";
/// The columns of the pairs of identities, written even without rows.
const PAIR_COLUMNS: [&str; 9] =
    ["rank", "identity_a", "identity_b", "faces_a", "faces_b", "mean_cosine", "highest_cosine", "face_a", "face_b"];

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
    write_table(&run.join(ERRORS), error_columns(&people.identities.errors))?;
    write_csv(&run.join(AUDIT), AUDIT_COLUMNS, &people.audit.suspects)?;
    write_csv(&run.join(PAIRS), PAIR_COLUMNS, (1..).zip(&people.audit.one_person).map(PairLine::of))?;
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
    people.identities.errors = ParquetTable::read(&run.join(ERRORS))?.identity_errors()?;
    people.audit.suspects = read_csv(&run.join(AUDIT), AUDIT_COLUMNS)?;
    check_pairs(&run.join(PAIRS), &people.audit.one_person)?;
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
fn check_pairs(path: &Path, expected: &[OnePerson]) -> Result<(), ResultsError> {
    if !path.exists() {
        return Ok(());
    }
    let lines: Vec<PairLine> = read_csv(path, PAIR_COLUMNS)?;
    let ranked = lines.iter().map(|line| line.rank).eq(1..=lines.len() as u64);
    if !ranked || !lines.into_iter().map(PairLine::pair).eq(expected.iter().cloned()) {
        let reason = format!("its pairs are not those of {PEOPLE}");
        return Err(ResultsError::Damaged { path: path.into(), reason });
    }
    Ok(())
}

fn write_csv<Row: Serialize, const N: usize>(
    path: &Path,
    columns: [&str; N],
    rows: impl IntoIterator<Item = Row>,
) -> Result<(), ResultsError> {
    commit(path, |out| {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(out);
        let failed = |error: csv::Error| FileError::new("write", path)(error.into());
        writer.write_record(columns).map_err(failed)?;
        for row in rows {
            writer.serialize(row).map_err(failed)?;
        }
        writer.flush().map_err(FileError::new("write", path))?;
        Ok(())
    })
}

fn read_csv<Row: DeserializeOwned, const N: usize>(path: &Path, expected: [&str; N]) -> Result<Vec<Row>, ResultsError> {
    let bytes = files::read(path)?;
    let damaged = |reason: String| ResultsError::Damaged { path: path.into(), reason };
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let columns = reader.headers().map_err(|error| damaged(error.to_string()))?;
    if columns != expected.as_slice() {
        return Err(damaged(format!("its columns are not {}", expected.join(", "))));
    }
    reader.deserialize().collect::<Result<_, _>>().map_err(|error| damaged(error.to_string()))
}
