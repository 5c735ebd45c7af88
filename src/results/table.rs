//! Parquet tables and JSON files, written whole and read column by column.

use std::path::Path;

use polars::prelude::*;
use serde::Serialize;

use super::ResultsError;
use crate::files::{self, FileError, commit, commit_bytes};
use crate::parquet;
use crate::table::{Table, unwritten};

pub(super) fn column<T, Kind: ?Sized>(name: &str, values: T) -> Column
where
    Series: NamedFrom<T, Kind>,
{
    Series::new(name.into(), values).into_column()
}

/// Writes a table into a run directory.
pub(super) fn write_table(run: &Path, table: &Table, columns: Vec<Column>) -> Result<(), ResultsError> {
    table.check(&columns);
    let path = &run.join(table.file);
    let failed = |error: PolarsError| FileError::new("write", path)(std::io::Error::other(unwritten(&error)));
    let mut table = DataFrame::new_infer_height(columns).map_err(failed)?;
    commit(path, |writer| {
        ParquetWriter::new(writer).finish(&mut table).map_err(failed)?;
        Ok(())
    })
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ResultsError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| ResultsError::Damaged { path: path.into(), reason: error.to_string() })?;
    text.push(b'\n');
    Ok(commit_bytes(path, &text)?)
}

/// A parquet file, column by column.
pub(super) struct ParquetTable<'a> {
    path: &'a Path,
    frame: DataFrame,
}

impl<'a> ParquetTable<'a> {
    pub(super) fn read(path: &'a Path) -> Result<Self, ResultsError> {
        let bytes = files::read(path)?;
        let frame = parquet::reader_of_bytes(&bytes)
            .and_then(|reader| parquet::guarded(|| reader.finish()))
            .map_err(|error| ResultsError::Damaged { path: path.into(), reason: error.to_string() })?;
        Ok(Self { path, frame })
    }

    pub(super) fn damaged(&self, reason: String) -> ResultsError {
        ResultsError::Damaged { path: self.path.into(), reason }
    }

    /// The values of a column, converted by `of`.
    pub(super) fn column<T>(
        &self,
        name: &str,
        of: impl FnOnce(&Column) -> PolarsResult<Vec<Option<T>>>,
    ) -> Result<Vec<Option<T>>, ResultsError> {
        self.frame.column(name).and_then(of).map_err(|error| self.damaged(error.to_string()))
    }

    /// A column without missing values.
    pub(super) fn full<T>(
        &self,
        name: &str,
        of: impl FnOnce(&Column) -> PolarsResult<Vec<Option<T>>>,
    ) -> Result<Vec<T>, ResultsError> {
        let values: Option<Vec<T>> = self.column(name, of)?.into_iter().collect();
        values.ok_or_else(|| self.damaged(format!("column `{name}` has missing values")))
    }
}

macro_rules! values {
    ($($name:ident: $of:ident),*) => {$(
        pub(super) fn $name(column: &Column) -> PolarsResult<Vec<Option<$of>>> {
            Ok(column.$of()?.iter().collect())
        }
    )*};
}

values!(u32s: u32, u64s: u64, f32s: f32, f64s: f64, bools: bool);

pub(super) fn strings(column: &Column) -> PolarsResult<Vec<Option<String>>> {
    Ok(column.str()?.iter().map(|text| text.map(str::to_owned)).collect())
}
