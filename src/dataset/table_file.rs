//! A table of a run's manifest in a Parquet file of its own: pairs, roles, templates.

use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::DatasetError;
use crate::table::Table;
use crate::{files, parquet};

/// Writes a table atomically. Equal columns give equal bytes.
pub(super) fn write(path: &Path, table: &Table, columns: Vec<Column>) -> Result<(), DatasetError> {
    table.check(&columns);
    let failed = |source| DatasetError::Parquet { action: "write", path: path.into(), source };
    let mut frame = DataFrame::new_infer_height(columns).map_err(failed)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).map_err(failed)?;
    Ok(files::commit_bytes(path, &bytes)?)
}

/// A table that was read.
pub(super) struct TableFile {
    path: PathBuf,
    frame: DataFrame,
}

impl TableFile {
    /// Reads a table; `None` if there is no file.
    pub fn read(path: &Path) -> Result<Option<Self>, DatasetError> {
        if !path.exists() {
            return Ok(None);
        }
        let bytes = files::read(path)?;
        let frame = parquet::reader_of_bytes(&bytes)
            .and_then(|reader| parquet::guarded(|| reader.set_rechunk(true).finish()))
            .map_err(|source| DatasetError::Parquet { action: "read", path: path.into(), source })?;
        Ok(Some(Self { path: path.into(), frame }))
    }

    /// What is wrong with it.
    pub fn wrong(&self, rule: String) -> DatasetError {
        DatasetError::Manifest { path: self.path.clone(), rule }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.frame.height()
    }

    /// Whether it has a column.
    pub fn has(&self, column: &str) -> bool {
        self.frame.column(column).is_ok()
    }

    /// A column of texts.
    pub fn texts(&self, column: &str) -> Result<&StringChunked, DatasetError> {
        self.column(column)?.str().map_err(|_| self.of_another_type(column))
    }

    /// A column of whole numbers.
    pub fn numbers(&self, column: &str) -> Result<&UInt32Chunked, DatasetError> {
        self.column(column)?.u32().map_err(|_| self.of_another_type(column))
    }

    /// A column of truth values.
    pub fn flags(&self, column: &str) -> Result<&BooleanChunked, DatasetError> {
        self.column(column)?.bool().map_err(|_| self.of_another_type(column))
    }

    /// A column without missing values.
    pub fn whole<T>(&self, column: &str, values: impl IntoIterator<Item = Option<T>>) -> Result<Vec<T>, DatasetError> {
        let whole = values.into_iter().collect::<Option<Vec<T>>>();
        whole.ok_or_else(|| self.wrong(format!("its column `{column}` has a missing value")))
    }

    fn column(&self, column: &str) -> Result<&Column, DatasetError> {
        self.frame.column(column).map_err(|_| self.wrong(format!("it has no column `{column}`")))
    }

    fn of_another_type(&self, column: &str) -> DatasetError {
        self.wrong(format!("its column `{column}` has the wrong type"))
    }
}
