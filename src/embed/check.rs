//! Looking at the chunks of a run without changing them.

use std::path::Path;

use rayon::prelude::*;

use super::npy::MatrixReader;
use super::record::{self, read_records};
use super::store::{CHUNKS, StoreError};

/// What is wrong with the chunks of a complete run: one line each, empty when nothing is.
///
/// # Errors
/// [`StoreError`] when the folder or a file cannot be read.
pub fn damaged_chunks(run: &Path) -> Result<Vec<String>, StoreError> {
    let chunks = run.join(CHUNKS);
    let found = record::scan(&chunks)?;
    let Some(first) = found.iter().find_map(|(_, record)| record.as_ref().ok()) else {
        return Ok(vec!["no chunk can be read".into()]);
    };
    let of_run = (first.manifest_rows, first.dimension, first.chunk_size);
    let expected = first.manifest_rows.div_ceil(first.chunk_size);
    let mut lines: Vec<String> = found
        .par_iter()
        .map(|(chunk, record)| {
            let rule = match record {
                Ok(record) if (record.manifest_rows, record.dimension, record.chunk_size) != of_run => {
                    Some("it is of another manifest, network or chunk size than the first".into())
                }
                Ok(record) => record.damage(&chunks)?,
                Err(rule) => Some(rule.clone()),
            };
            Ok(rule.map(|rule| format!("chunk {chunk:05}: {rule}")))
        })
        .filter_map(Result::transpose)
        .collect::<Result<_, StoreError>>()?;
    let missing = (0..expected).filter(|number| found.binary_search_by_key(number, |(chunk, _)| *chunk).is_err());
    lines.extend(missing.map(|chunk| format!("chunk {chunk:05}: it is gone")));
    lines.sort();
    Ok(lines)
}

/// Where the exported matrix first differs from the chunks in order; `None`: it is them, bit for bit.
///
/// # Errors
/// [`StoreError`] when a chunk or the matrix cannot be read, or a chunk is damaged.
pub fn differs_from_chunks(run: &Path, matrix: &Path) -> Result<Option<String>, StoreError> {
    let records = read_records(run)?;
    let mut exported = MatrixReader::open(matrix)?;
    let rows: usize = records.iter().map(|record| record.embedded).sum();
    if rows != exported.rows() {
        return Ok(Some(format!("the matrix has {} rows, the chunks have {rows}", exported.rows())));
    }
    let mut row = vec![0.0; exported.dimension()];
    let mut number = 0;
    for record in records {
        if record.dimension != exported.dimension() {
            let (matrix, chunk) = (exported.dimension(), record.dimension);
            return Ok(Some(format!("a row of the matrix has {matrix} numbers, one of chunk {:05} {chunk}", record.chunk)));
        }
        let chunk = record.matrix(&run.join(CHUNKS))?;
        for i in 0..chunk.rows {
            exported.read(&mut row)?;
            if !row.iter().zip(chunk.row(i)).all(|(a, b)| a.to_bits() == b.to_bits()) {
                return Ok(Some(format!("row {number} of the matrix is not row {i} of chunk {:05}", record.chunk)));
            }
            number += 1;
        }
    }
    Ok(None)
}
