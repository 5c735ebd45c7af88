//! Matrices of embeddings that anybody may have written: a `.npy`, or a column of lists in parquet.

use std::path::{Path, PathBuf};

use polars::io::parquet::read::FileMetadata;
use polars::prelude::*;

use crate::files::{self, FileError};
use crate::npy::{AnyMatrix, NpyError};
use crate::{parquet, text};

/// Most numbers in a row: none that is known has a tenth of them, and each takes memory.
pub(crate) const WIDEST: usize = 65_536;

/// Numbers that are decoded at a time.
const SLICE: usize = 4 << 20;

/// Rows that are looked at together for the first that is not null.
const FIRST_ROWS: usize = 64;

/// Numbers that any file may have, and the most for each of its bytes beyond them: floats hardly compress, and what a file
/// claims takes memory.
const NUMBERS: u64 = 16 << 20;
const NUMBERS_OF_BYTE: u64 = 4;

/// Endings of parquet files.
const PARQUET: &str = "parquet";

/// Whether a matrix is parquet, by its name.
pub(crate) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(PARQUET))
}

/// A rows × dimension matrix; any row can be read.
#[derive(Debug)]
pub enum Matrix {
    /// numpy's.
    Npy(AnyMatrix),
    /// A column of parquet.
    Parquet(Box<ParquetMatrix>),
}

impl Matrix {
    /// Opens a file by its ending; `column` is the column of a parquet file, if it is named.
    ///
    /// # Errors
    /// [`NpyError`]; what a file claims is checked before memory is taken for it.
    pub fn open(path: &Path, column: Option<&str>) -> Result<Self, NpyError> {
        if is_parquet(path) {
            return ParquetMatrix::open(path, column).map(|matrix| Self::Parquet(Box::new(matrix)));
        }
        AnyMatrix::open(path).map(Self::Npy)
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Npy(matrix) => matrix.rows(),
            Self::Parquet(matrix) => matrix.rows,
        }
    }

    /// Values in a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        match self {
            Self::Npy(matrix) => matrix.dimension(),
            Self::Parquet(matrix) => matrix.dimension,
        }
    }

    /// Reads row `row` into `out`, which takes [`Self::dimension`] values. A value that is null is a NaN, a row that is null
    /// has nothing else.
    ///
    /// # Errors
    /// [`NpyError`] when there is no such row, or when reading fails.
    pub fn read(&mut self, row: usize, out: &mut [f64]) -> Result<(), NpyError> {
        match self {
            Self::Npy(matrix) => matrix.read(row, out),
            Self::Parquet(matrix) => matrix.read(row, out),
        }
    }

    /// Whether the row that was read last, this one, is null.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Npy(_) => false,
            Self::Parquet(matrix) => matrix.decoded(row).is_some_and(Option::is_none),
        }
    }

    /// What messages call its rows and a place in a row: "row 7 of the matrix has the value NaN in column 1".
    pub(crate) fn called(&self) -> [String; 2] {
        match self {
            Self::Npy(_) => ["the matrix".into(), "column".into()],
            Self::Parquet(matrix) => [format!("the column `{}`", text::quoted(&matrix.column)), "place".into()],
        }
    }
}

/// A column of lists of floats, all of one length.
#[derive(Debug)]
pub struct ParquetMatrix {
    path: PathBuf,
    column: String,
    rows: usize,
    dimension: usize,
    /// The first row that is not null, which says how many numbers a row has.
    first: usize,
    /// The first row that is decoded, and the decoded ones; `None` for one that is null.
    from: usize,
    decoded: Vec<Option<Vec<f64>>>,
}

impl ParquetMatrix {
    fn open(path: &Path, named: Option<&str>) -> Result<Self, NpyError> {
        let bytes = files::open(path).and_then(|file| file.metadata()).map_err(FileError::new("read", path))?.len();
        let wrong = |rule: String| NpyError::Format { path: path.to_owned(), rule };
        let of_polars = |error: PolarsError| wrong(format!("polars cannot read it: {error}"));
        let mut reader = parquet::reader(path).map_err(of_polars)?;
        let (schema, metadata) =
            parquet::guarded(|| Ok((reader.schema()?, reader.get_metadata()?.clone()))).map_err(of_polars)?;
        let column = column(&schema, named).map_err(wrong)?;
        let (rows, numbers) = sizes(&metadata, &column, bytes).map_err(wrong)?;
        let mut matrix =
            Self { path: path.to_owned(), column, rows, dimension: 0, first: 0, from: 0, decoded: Vec::new() };
        let mut from = 0;
        while matrix.dimension == 0 && from < rows {
            let lists = matrix.lists(from, FIRST_ROWS.min(rows - from))?;
            let first = lists.iter().position(Option::is_some);
            if let Some((at, list)) = first.and_then(|at| Some((at, lists[at].as_ref()?))) {
                (matrix.first, matrix.dimension) = (from + at, list.len());
                break;
            }
            from += lists.len();
        }
        if matrix.dimension == 0 {
            let column = text::quoted(&matrix.column);
            return Err(wrong(if from == rows {
                format!("no row of its column `{column}` has a list")
            } else {
                format!("row {} of its column `{column}` has no numbers", matrix.first)
            }));
        }
        // Rows of several lengths, or some that are null: said before anything is made of them.
        if numbers != (rows as u64).saturating_mul(matrix.dimension as u64) {
            let mut row = 0;
            while row < rows {
                matrix.decode(row)?;
                row += matrix.decoded.len();
            }
        }
        Ok(matrix)
    }

    /// These rows; `None` for one that is null.
    fn lists(&self, start: usize, rows: usize) -> Result<Vec<Option<Vec<f64>>>, NpyError> {
        let file = files::open(&self.path).map_err(FileError::new("read", &self.path))?;
        let read = || {
            let reader = ParquetReader::new(parquet::map(&file)?);
            let reader = reader.with_columns(Some(vec![self.column.clone()])).with_slice(Some((start, rows)));
            let frame = reader.set_rechunk(true).finish()?;
            polars_ensure!(frame.height() == rows, ComputeError: "{} rows instead of {rows}", frame.height());
            let series = frame.column(&self.column)?.as_materialized_series().clone();
            let list = |row: usize| match series.dtype() {
                DataType::Array(..) => series.array().map(|lists| lists.get_as_series(row)),
                _ => series.list().map(|lists| lists.get_as_series(row)),
            };
            let numbers = |list: Series| -> PolarsResult<Vec<f64>> {
                let numbers = list.cast(&DataType::Float64)?;
                Ok(numbers.f64()?.iter().map(|number| number.unwrap_or(f64::NAN)).collect())
            };
            (0..rows).map(|row| list(row)?.map(numbers).transpose()).collect::<PolarsResult<Vec<_>>>()
        };
        parquet::guarded(read).map_err(|error| NpyError::Format {
            path: self.path.clone(),
            rule: format!("polars cannot read it: {error}"),
        })
    }

    /// A row, if it is among those that are decoded.
    fn decoded(&self, row: usize) -> Option<&Option<Vec<f64>>> {
        self.decoded.get(row.checked_sub(self.from)?)
    }

    /// Decodes rows from this one on.
    fn decode(&mut self, row: usize) -> Result<(), NpyError> {
        let rows = (SLICE / self.dimension).max(1).min(self.rows - row);
        let lists = self.lists(row, rows)?;
        let other = lists.iter().position(|list| list.as_ref().is_some_and(|list| list.len() != self.dimension));
        if let Some(at) = other {
            let found = lists[at].as_ref().map_or(0, Vec::len);
            let rule = format!(
                "row {} of its column `{}` has {}, and row {} has {}; all rows of a matrix have the same",
                row + at,
                text::quoted(&self.column),
                text::counted(found, "number"),
                self.first,
                self.dimension
            );
            return Err(NpyError::Format { path: self.path.clone(), rule });
        }
        self.decoded = lists;
        self.from = row;
        Ok(())
    }

    fn read(&mut self, row: usize, out: &mut [f64]) -> Result<(), NpyError> {
        let wrong = |rule: String| NpyError::Format { path: self.path.clone(), rule };
        if row >= self.rows || out.len() != self.dimension {
            return Err(wrong(format!("row {row} of {} values was requested", out.len())));
        }
        if self.decoded(row).is_none() {
            self.decode(row)?;
        }
        match self.decoded(row).and_then(Option::as_ref) {
            Some(list) => out.copy_from_slice(list),
            None => out.fill(f64::NAN),
        }
        Ok(())
    }
}

/// Whether a column holds lists of floats.
fn is_vectors(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as T;
    match dtype {
        T::List(of) | T::LargeList(of) | T::FixedSizeList(of, _) => matches!(of.dtype, T::Float32 | T::Float64),
        _ => false,
    }
}

/// Whether a column holds lists of f16, which are not read.
fn is_half(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as T;
    matches!(dtype, T::List(of) | T::LargeList(of) | T::FixedSizeList(of, _) if of.dtype == T::Float16)
}

/// The columns with lists of floats.
pub(crate) fn vectors(schema: &ArrowSchema) -> Vec<String> {
    schema.iter_values().filter(|field| is_vectors(&field.dtype)).map(|field| field.name.to_string()).collect()
}

/// The column with the rows: the named one, or the only one that holds lists of floats.
fn column(schema: &ArrowSchema, named: Option<&str>) -> Result<String, String> {
    let quoted = |names: &[String]| names.iter().map(|name| format!("`{}`", text::quoted(name))).collect::<Vec<_>>();
    let all: Vec<String> = schema.iter_values().map(|field| field.name.to_string()).collect();
    let vectors = vectors(schema);
    let half = |name: &str| schema.get(name).is_some_and(|field| is_half(&field.dtype));
    if let Some(name) = named.or_else(|| all.iter().map(String::as_str).find(|name| half(name)))
        && half(name)
        && (named.is_some() || vectors.is_empty())
    {
        let name = text::quoted(name);
        return Err(format!("its column `{name}` holds lists of f16, which are not read; write them as f32"));
    }
    let there = if vectors.is_empty() {
        format!("its columns are {}, and none holds lists of floats", quoted(&all).join(", "))
    } else {
        format!("its columns of lists of floats are {}", quoted(&vectors).join(", "))
    };
    match (named, &vectors[..]) {
        (Some(named), _) if vectors.iter().any(|name| name == named) => Ok(named.to_owned()),
        (Some(named), _) if all.iter().any(|name| name == named) => {
            Err(format!("its column `{}` does not hold lists of f32 or f64; {there}", text::quoted(named)))
        }
        (Some(named), _) => Err(format!("it has no column `{}`; {there}", text::quoted(named))),
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(format!("{there}; write the embeddings as lists of f32")),
        (None, _) => Err(format!("{there}; name one with `dataset.column`")),
    }
}

/// The rows and the numbers in a column, if it claims no more than a matrix of this size has.
fn sizes(metadata: &FileMetadata, column: &str, bytes: u64) -> Result<(usize, u64), String> {
    let (mut rows, mut numbers) = (0usize, 0u64);
    for group in &metadata.row_groups {
        let leaves = group.columns_under_root_iter(column).into_iter().flatten();
        let claimed: u64 =
            leaves.map(|leaf| u64::try_from(leaf.num_values()).unwrap_or(u64::MAX)).fold(0, u64::saturating_add);
        if claimed > (group.num_rows() as u64).saturating_mul(WIDEST as u64) {
            return Err(format!(
                "its column `{}` claims {claimed} numbers in {} rows, and a row has at most {WIDEST}; is it a matrix of \
                 embeddings?",
                text::quoted(column),
                group.num_rows()
            ));
        }
        rows = rows.saturating_add(group.num_rows());
        numbers = numbers.saturating_add(claimed);
    }
    parquet::check_rows(rows as u64, bytes)?;
    let most = bytes.saturating_mul(NUMBERS_OF_BYTE).max(NUMBERS);
    if numbers > most {
        return Err(format!("it claims {numbers} numbers in {bytes} bytes, so it is damaged; write it again"));
    }
    Ok((rows, numbers))
}
