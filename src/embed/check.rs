//! Checks the chunks of a run without changing them.

use std::path::Path;

use polars::prelude::{DataFrame, ParquetReader, PolarsError, SerReader};
use rayon::prelude::*;

use super::export::{self, ExportError, RowGroups};
use super::record::{self, CHUNKS, ChunkRecord, read_records};
use super::store_error::StoreError;
use crate::dataset::Face;
use crate::digest::Digest;
use crate::files;
use crate::npy::MatrixReader;
use crate::parquet;
use crate::text::counted;

/// Problems with the chunks of a complete run, one line each.
pub fn damaged_chunks(run: &Path) -> Result<Vec<String>, StoreError> {
    let chunks = run.join(CHUNKS);
    let found = record::scan(&chunks)?;
    let Some(first) = found.iter().find_map(|(_, record)| record.as_ref().ok()) else {
        return Ok(vec!["no chunk can be read".into()]);
    };
    let (layout, expected) = (first.layout(), first.manifest_rows.div_ceil(first.chunk_size));
    let mut lines: Vec<(usize, String)> = found
        .par_iter()
        .map(|(chunk, record)| {
            let rule = match record {
                Ok(record) if record.layout() != layout => Some(record::OTHER_LAYOUT.into()),
                Ok(record) => record.damage(&chunks)?,
                Err(rule) => Some(rule.clone()),
            };
            Ok(rule.map(|rule| (*chunk, format!("chunk {chunk:05}: {rule}"))))
        })
        .filter_map(Result::transpose)
        .collect::<Result<_, StoreError>>()?;
    let mut next = 0;
    for chunk in found.iter().map(|(chunk, _)| *chunk).chain([expected]) {
        match chunk.saturating_sub(next) {
            0 => {}
            1 => lines.push((next, format!("chunk {next:05}: missing"))),
            _ => lines.push((next, format!("chunks {next:05} to {:05}: missing", chunk - 1))),
        }
        next = chunk.saturating_add(1);
    }
    lines.sort();
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

/// Chunks of a run that workers computed from other faces than those of the manifest, one line each.
pub fn chunks_of_other_faces(run: &Path, faces: &[Face]) -> Result<Vec<String>, StoreError> {
    let others = read_records(run)?.into_iter().filter(|record| !record.is_of(faces));
    let line =
        |record: ChunkRecord| format!("chunk {:05}: computed from other faces than the manifest's", record.chunk);
    Ok(others.map(line).collect())
}

/// Chunks of a complete run that were not computed by `arithmetic`, one line each.
pub fn chunks_of_other_arithmetic(run: &Path, arithmetic: Digest) -> Result<Vec<String>, StoreError> {
    let others = read_records(run)?.into_iter().filter(|record| record.arithmetic != Some(arithmetic));
    let line = |record: ChunkRecord| {
        let by =
            record.arithmetic.map_or_else(|| "by unrecorded arithmetic".into(), |by| format!("by {}", by.short(12)));
        format!("chunk {:05}: computed {by}, but the run by {}", record.chunk, arithmetic.short(12))
    };
    Ok(others.map(line).collect())
}

/// The first difference between the exported matrix and the chunks in order; `None` if they are bit-identical.
pub fn differs_from_chunks(run: &Path, matrix: &Path) -> Result<Option<String>, StoreError> {
    let records = read_records(run)?;
    let mut exported = MatrixReader::open(matrix)?;
    let rows: usize = records.iter().map(|record| record.embedded).sum();
    if rows != exported.rows() {
        return Ok(Some(format!("the matrix has {}, the chunks have {rows}", counted(exported.rows(), "row"))));
    }
    let mut block = Vec::new();
    let mut first = 0;
    for record in records {
        if record.dimension != exported.dimension() {
            let (matrix, chunk) = (exported.dimension(), record.dimension);
            let line = format!(
                "a row of the matrix has {}, one of chunk {:05} has {chunk}",
                counted(matrix, "number"),
                record.chunk
            );
            return Ok(Some(line));
        }
        let chunk = record.matrix(&run.join(CHUNKS))?;
        block.resize(chunk.data.len(), 0.0f32);
        exported.read(&mut block)?;
        let differs = block.iter().zip(&chunk.data).position(|(a, b)| a.to_bits() != b.to_bits());
        if let Some(row) = differs.map(|at| at / record.dimension) {
            let line = format!("row {} of the matrix differs from row {row} of chunk {:05}", first + row, record.chunk);
            return Ok(Some(line));
        }
        first += chunk.rows;
    }
    Ok(None)
}

/// The exported tables that differ from the chunks in order, one line each. `faces` is the whole manifest; tables that
/// `skip` accepts are not read, because a damaged one can make its reader ask for any amount of memory.
pub fn tables_differ(run: &Path, faces: &[Face], skip: impl Fn(&str) -> bool) -> Result<Vec<String>, ExportError> {
    let records = read_records(run)?;
    let failed = || records.iter().flat_map(|record| &record.failures);
    let mut rows = failed().map(|failure| failure.row).peekable();
    let embedded: Vec<usize> = (0..faces.len()).filter(|row| rows.next_if_eq(row).is_none()).collect();
    let mut lines = Vec::new();
    if !skip(export::EMBEDDINGS.file) {
        lines.extend(embeddings_differ(run, &records, &embedded, faces)?);
    }
    let differs = |name: &str| format!("{name} differs from the chunks");
    let name = export::QUALITY.file;
    if !skip(name) {
        let path = run.join(name);
        let wrong = |source| ExportError::Read { path: path.clone(), source };
        let expected = export::quality_table(records.iter(), &embedded, faces).map_err(wrong)?;
        let reader = parquet::reader(&path).map_err(wrong)?;
        let found = parquet::guarded(|| reader.finish()).map_err(wrong)?;
        lines.extend((!found.equals_missing(&expected)).then(|| differs(name)));
    }
    let name = export::FAILURES.file;
    let (path, mut expected) = (run.join(name), Vec::new());
    export::failures(&path, failed(), &mut expected)?;
    lines.extend((files::read(&path)? != expected).then(|| differs(name)));
    Ok(lines)
}

/// How `embeddings.parquet` differs from the chunks. Holds one of its row groups at a time.
fn embeddings_differ(
    run: &Path,
    records: &[ChunkRecord],
    embedded: &[usize],
    faces: &[Face],
) -> Result<Option<String>, ExportError> {
    let name = export::EMBEDDINGS.file;
    let path = run.join(name);
    let wrong = |source| ExportError::Read { path: path.clone(), source };
    let Some(dimension) = records.first().map(|record| record.dimension) else { return Ok(None) };
    let mut reader = parquet::reader(&path).map_err(wrong)?;
    let rows = parquet::guarded(|| reader.num_rows()).map_err(wrong)?;
    if rows != embedded.len() {
        return Ok(Some(format!("{name} has {}, the chunks have {}", counted(rows, "row"), embedded.len())));
    }
    let (mut first, mut differs) = (0, None);
    let compare = |expected: DataFrame| {
        let slice = Some((first, expected.height()));
        let file = files::open(&path).map_err(PolarsError::from)?;
        let found = parquet::guarded(|| ParquetReader::new(parquet::map(&file)?).with_slice(slice).finish())?;
        if differs.is_none() && !found.equals_missing(&expected) {
            let last = first + expected.height() - 1;
            differs = Some(format!("{name} differs from the chunks in rows {first} to {last}"));
        }
        first += expected.height();
        Ok(())
    };
    let mut groups = RowGroups::new(dimension, embedded.iter().map(|&row| &faces[row]), compare);
    for record in records {
        let chunk = record.matrix(&run.join(CHUNKS))?;
        for i in 0..chunk.rows {
            groups.push(chunk.row(i)).map_err(wrong)?;
        }
    }
    groups.finish().map_err(wrong)?;
    Ok(differs)
}
