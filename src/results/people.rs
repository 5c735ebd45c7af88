//! The files of [`People`]: numbers in JSON, identities in a table, suspects in a CSV for people to open.

use std::path::Path;

use polars::prelude::Column;
use serde::Deserialize;

use super::ResultsError;
use super::table::{ParquetTable, bools, column, f64s, strings, u64s, write_json, write_table};
use crate::files::{self, FileError, commit};
use crate::people::{IdentityErrors, People, SCHEMA, Suspect};

const PEOPLE: &str = "people.json";
const ERRORS: &str = "identity_errors.parquet";
const AUDIT: &str = "label_audit.csv";
/// The columns of the audit, written even without rows.
const AUDIT_COLUMNS: [&str; 9] =
    ["rank", "face_id", "row", "labelled_as", "own_cosine", "looks_like", "its_cosine", "margin", "kind"];

/// Writes the three files.
pub(super) fn write(people: &People, run: &Path) -> Result<(), ResultsError> {
    write_table(&run.join(ERRORS), error_columns(&people.identities.errors))?;
    write_audit(&run.join(AUDIT), &people.audit.suspects)?;
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
    people.audit.suspects = read_audit(&run.join(AUDIT))?;
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

fn write_audit(path: &Path, suspects: &[Suspect]) -> Result<(), ResultsError> {
    commit(path, |out| {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(out);
        let failed = |error: csv::Error| FileError::new("write", path)(error.into());
        writer.write_record(AUDIT_COLUMNS).map_err(failed)?;
        for suspect in suspects {
            writer.serialize(suspect).map_err(failed)?;
        }
        writer.flush().map_err(FileError::new("write", path))?;
        Ok(())
    })
}

fn read_audit(path: &Path) -> Result<Vec<Suspect>, ResultsError> {
    let bytes = files::read(path)?;
    let damaged = |reason: String| ResultsError::Damaged { path: path.into(), reason };
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let columns = reader.headers().map_err(|error| damaged(error.to_string()))?;
    if columns != AUDIT_COLUMNS.as_slice() {
        return Err(damaged(format!("its columns are not {}", AUDIT_COLUMNS.join(", "))));
    }
    reader.deserialize().collect::<Result<_, _>>().map_err(|error| damaged(error.to_string()))
}
