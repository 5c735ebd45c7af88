//! The plain columns beside the vectors of a parquet file, as the CSV that they would be: so that one reader has all rules of
//! tables. Its line 2 is row 0.

use std::path::Path;

use polars::prelude::*;

use super::DatasetError;
use super::container::plain_columns;
use crate::files;
use crate::parquet;

/// Rows that are decoded at a time.
const SLICE: usize = 65_536;

/// Most bytes of the texts of a small file; those of a larger one have at most its size.
const TEXTS: usize = 256 << 20;

/// The column of a file that has vectors only.
const ROW: &str = "row";

/// The columns of texts, numbers and booleans.
pub(super) fn as_csv(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let failed = |source| DatasetError::Parquet { action: "read", path: path.into(), source };
    let open = || files::open(path);
    let read = || {
        let size = open()?.metadata()?.len();
        let mut reader = parquet::reader(path)?;
        let schema = reader.schema()?;
        let (columns, rows) = (plain_columns(&schema), reader.num_rows()?);
        let most = usize::try_from(size).unwrap_or(usize::MAX).max(TEXTS);
        let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        let csv = |error: csv::Error| polars_err!(ComputeError: "{error}");
        // Something has to stand in a line.
        let names = if columns.is_empty() { vec![ROW.to_owned()] } else { columns.clone() };
        writer.write_record(&names).map_err(csv)?;
        let mut written = 0usize;
        for start in (0..rows).step_by(SLICE) {
            let wanted = SLICE.min(rows - start);
            if columns.is_empty() {
                (start..start + wanted).try_for_each(|row| writer.write_record([row.to_string()])).map_err(csv)?;
                continue;
            }
            let reader = ParquetReader::new(parquet::map(&open()?)?).with_columns(Some(columns.clone()));
            let frame = reader.with_slice(Some((start, wanted))).set_rechunk(true).finish()?;
            let texts = columns.iter().map(|name| frame.column(name)?.cast(&DataType::String));
            let texts = texts.collect::<PolarsResult<Vec<_>>>()?;
            let texts = texts.iter().map(Column::str).collect::<PolarsResult<Vec<_>>>()?;
            for row in 0..frame.height() {
                let values = || texts.iter().map(|column| column.get(row).unwrap_or_default());
                written = values().fold(written, |sum, value| sum.saturating_add(value.len() + 3));
                polars_ensure!(
                    written <= most,
                    ComputeError: "its texts have more than {most} bytes; leave out columns with long texts"
                );
                writer.write_record(values()).map_err(csv)?;
            }
        }
        writer.into_inner().map_err(|error| polars_err!(ComputeError: "{error}"))
    };
    parquet::guarded(read).map_err(failed)
}
