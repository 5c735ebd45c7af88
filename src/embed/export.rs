//! Exports chunks to the files that later phases read. Holds one chunk in memory at a time and checks each against its
//! digest. The files do not depend on the chunk size.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use polars::io::parquet::write::{ParquetCompression, ParquetWriter, StatisticsOptions};
use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, PolarsError, ReshapeDimension, Schema, Series};

use super::record::ChunkRecord;
use super::store::ChunkStore;
use super::store_error::StoreError;
use super::{FailedFace, FailureKind, matrix_files};
use crate::dataset::Face;
use crate::files::{self, FileError};
use crate::progress::Progress;
use crate::quality::Quality;
use crate::table::{Kind, Table, TableColumn, unwritten};
use crate::text::counted;

/// Rows per row group of `embeddings.parquet`: fixed, so that the file does not depend on the chunk size.
const ROW_GROUP: usize = 4096;

/// The tables that this writes.
pub(crate) const TABLES: [&Table; 4] = [&EMBEDDINGS, &QUALITY, &INDEX, &FAILURES];

pub(super) const EMBEDDINGS: Table = Table {
    file: "embeddings.parquet",
    about: "The embeddings with their ids. One row per embedded face, in the order of the matrix.",
    columns: &[&[
        TableColumn::new("face_id", Kind::Text, "The face"),
        TableColumn::new("identity_id", Kind::Text, "Its identity").missing("where it is unknown"),
        TableColumn::new("embedding", Kind::Embedding, "Its row of the matrix, of length 1"),
    ]],
    others: None,
};

pub(super) const QUALITY: Table = Table {
    file: "face_quality.parquet",
    about: "Picture quality of the faces as the network saw them. One row per embedded face, in the order of the matrix.",
    columns: &[&[
        TableColumn::new("face_id", Kind::Text, "The face"),
        TableColumn::new("sharpness", Kind::F32, "Variance of the Laplacian of luma; higher is sharper")
            .unit("grey levels²")
            .missing(NOT_MEASURED),
        TableColumn::new("exposure", Kind::F32, "Mean luma, from 0 to 255").unit("grey levels").missing(NOT_MEASURED),
        TableColumn::new("contrast", Kind::F32, "Standard deviation of luma").unit("grey levels").missing(NOT_MEASURED),
        TableColumn::new("size", Kind::U32, "Shorter side of the crop before it was resized")
            .unit("pixels")
            .missing(NOT_MEASURED),
    ]],
    others: None,
};

const NOT_MEASURED: &str = "where a chunk predates the measurement";

const INDEX: Table = Table {
    file: "face_embedding_index.csv",
    about: "Which face each row of the matrix is. One row per embedded face, in the order of the matrix.",
    columns: &[&[TableColumn::new("face_id", Kind::Text, "The face")]],
    others: None,
};

pub(super) const FAILURES: Table = Table {
    file: "failures.csv",
    about: "Every face without an embedding, and why. One row per face, in the order of the manifest; none if every face \
            has one.",
    columns: &[&[
        TableColumn::new("row", Kind::U64, "Row of the face in the manifest, from 0"),
        TableColumn::new("face_id", Kind::Text, "The face"),
        TableColumn::new("kind", Kind::Words(&FailureKind::NAMES), "Which step failed"),
        TableColumn::new("message", Kind::Text, "The reason, in words"),
    ]],
    others: None,
};

/// Writes the matrix, `embeddings.parquet`, `face_quality.parquet`, `face_embedding_index.csv` and `failures.csv` of a
/// complete store into the run directory. `faces` is the whole manifest; a matrix of more than `part_rows` rows is written
/// in parts. Fails with [`ExportError`]; each file is complete or absent.
pub fn export(
    run: &Path,
    store: &ChunkStore,
    faces: &[Face],
    part_rows: usize,
    progress: &dyn Progress,
) -> Result<(), ExportError> {
    let embedded = store.embedded_rows()?;
    if faces.len() != store.rows() {
        return Err(ExportError::Faces { faces: faces.len(), rows: store.rows() });
    }
    // Two of the files take a pass over all chunks each.
    progress.start("writing", "bytes", Some(2 * size(embedded.len(), store.dimension())), 0);
    let written = matrix_files::write(run, store, embedded.len(), part_rows, progress)
        .and_then(|()| table(&run.join(EMBEDDINGS.file), store, &embedded, faces, progress));
    progress.finish();
    written?;
    quality(&run.join(QUALITY.file), store, &embedded, faces)?;
    let path = &run.join(INDEX.file);
    let ids = embedded.iter().map(|&row| [faces[row].face_id.clone()]);
    files::commit(path, |out: &mut BufWriter<&File>| csv(path, &INDEX, ids, out))?;
    let path = &run.join(FAILURES.file);
    files::commit(path, |out: &mut BufWriter<&File>| failures(path, store.failures(), out))?;
    Ok(())
}

/// Bytes of `rows` rows.
pub(super) fn size(rows: usize, dimension: usize) -> u64 {
    (rows * dimension * size_of::<f32>()) as u64
}

fn table(
    path: &Path,
    store: &ChunkStore,
    embedded: &[usize],
    faces: &[Face],
    progress: &dyn Progress,
) -> Result<(), ExportError> {
    let wrong = |source| ExportError::Parquet { path: path.to_owned(), source };
    let dimension = store.dimension();
    let schema = Schema::from_iter([
        ("face_id".into(), DataType::String),
        ("identity_id".into(), DataType::String),
        ("embedding".into(), DataType::Array(Box::new(DataType::Float32), dimension)),
    ]);
    files::commit(path, |out: &mut BufWriter<&File>| {
        // Unit vectors do not compress, and without compression the bytes do not depend on a compressor's version.
        // Statistics of coordinates are useless.
        let mut writer = ParquetWriter::new(out)
            .with_compression(ParquetCompression::Uncompressed)
            .with_statistics(StatisticsOptions::empty())
            .set_parallel(false)
            .batched(&schema)
            .map_err(wrong)?;
        let faces = embedded.iter().map(|&row| &faces[row]);
        let mut groups = RowGroups::new(dimension, faces, |group: DataFrame| writer.write_batch(&group));
        for record in store.complete()?.values() {
            let chunk = record.matrix(store.folder())?;
            for i in 0..chunk.rows {
                groups.push(chunk.row(i)).map_err(wrong)?;
            }
            progress.advance(size(chunk.rows, store.dimension()));
        }
        groups.finish().map_err(wrong)?;
        writer.finish().map(|_| ()).map_err(wrong)
    })
}

/// Splits a stream of rows into the row groups of `embeddings.parquet`.
pub(super) struct RowGroups<F, S> {
    dimension: usize,
    faces: F,
    data: Vec<f32>,
    sink: S,
}

impl<'a, F: Iterator<Item = &'a Face>, S: FnMut(DataFrame) -> Result<(), PolarsError>> RowGroups<F, S> {
    /// Of rows of these faces, for `sink`.
    pub fn new(dimension: usize, faces: F, sink: S) -> Self {
        Self { dimension, faces, data: Vec::new(), sink }
    }

    pub fn push(&mut self, row: &[f32]) -> Result<(), PolarsError> {
        self.data.extend_from_slice(row);
        if self.data.len() == ROW_GROUP * self.dimension { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), PolarsError> {
        let rows = self.data.len() / self.dimension;
        let faces: Vec<&Face> = self.faces.by_ref().take(rows).collect();
        let ids: Vec<&str> = faces.iter().map(|face| face.face_id.as_str()).collect();
        let identities: Vec<Option<&str>> = faces.iter().map(|face| face.identity_id.as_deref()).collect();
        let embeddings = Series::new("embedding".into(), &self.data)
            .reshape_array(&[ReshapeDimension::Infer, ReshapeDimension::new_dimension(self.dimension as u64)])?;
        self.data.clear();
        let columns = vec![
            Series::new("face_id".into(), ids).into_column(),
            Series::new("identity_id".into(), identities).into_column(),
            embeddings.into_column(),
        ];
        EMBEDDINGS.check(&columns);
        (self.sink)(DataFrame::new(rows, columns)?)
    }

    pub fn finish(mut self) -> Result<(), PolarsError> {
        if self.data.is_empty() { Ok(()) } else { self.flush() }
    }
}

fn quality(path: &Path, store: &ChunkStore, embedded: &[usize], faces: &[Face]) -> Result<(), ExportError> {
    let wrong = |source| ExportError::Parquet { path: path.to_owned(), source };
    let mut table = quality_table(store.complete()?.values(), embedded, faces).map_err(wrong)?;
    files::commit(path, |out: &mut BufWriter<&File>| {
        ParquetWriter::new(out).finish(&mut table).map(|_| ()).map_err(wrong)
    })
}

/// One row per face, in matrix order, with missing values for chunks that predate quality measurements.
pub(super) fn quality_table<'a>(
    records: impl Iterator<Item = &'a ChunkRecord>,
    embedded: &[usize],
    faces: &[Face],
) -> Result<DataFrame, PolarsError> {
    let measured: Vec<Option<Quality>> = records.flat_map(ChunkRecord::qualities).collect();
    let number = |name: &str, of: fn(Quality) -> f32| {
        Series::new(name.into(), measured.iter().map(|face| face.map(of)).collect::<Vec<_>>()).into_column()
    };
    let ids: Vec<&str> = embedded.iter().map(|&row| faces[row].face_id.as_str()).collect();
    let size: Vec<Option<u32>> = measured.iter().map(|face| face.map(|face| face.size)).collect();
    let columns = vec![
        Series::new("face_id".into(), ids).into_column(),
        number("sharpness", |face| face.sharpness),
        number("exposure", |face| face.exposure),
        number("contrast", |face| face.contrast),
        Series::new("size".into(), size).into_column(),
    ];
    QUALITY.check(&columns);
    DataFrame::new(embedded.len(), columns)
}

pub(super) fn failures<'a>(
    path: &Path,
    failures: impl Iterator<Item = &'a FailedFace>,
    out: impl Write,
) -> Result<(), FileError> {
    let row = |failure: &FailedFace| {
        [failure.row.to_string(), failure.face_id.clone(), failure.kind.name().into(), failure.message.clone()]
    };
    csv(path, &FAILURES, failures.map(row), out)
}

fn csv<const COLUMNS: usize>(
    path: &Path,
    table: &Table,
    rows: impl Iterator<Item = [String; COLUMNS]>,
    out: impl Write,
) -> Result<(), FileError> {
    let wrong = |error: csv::Error| FileError::new("write", path)(error.into());
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(table.header()).map_err(wrong)?;
    for row in rows {
        writer.write_record(row).map_err(wrong)?;
    }
    writer.flush().map_err(FileError::new("write", path))
}

/// Why the exported files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot write {}: {}", path.display(), unwritten(source))]
    Parquet { path: PathBuf, source: PolarsError },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: PolarsError },
    #[error("the manifest has {}, but the chunks belong to one with {rows}", counted(*faces, "face"))]
    Faces { faces: usize, rows: usize },
}
