//! A first look at files that somebody has, before a config says what they are.

use std::path::Path;

use super::csv_lines::CsvLines;
use super::left_out::LeftOut;
use super::listing::{Tree, Walk};
use super::scan::OpenContext;
use super::{DatasetError, DatasetSource, container};
use crate::progress::{Cancel, Silent};
use crate::{files, matrix, npy, parquet};

/// The beginning of a table.
pub(crate) struct FirstLines {
    /// Without the spaces around them.
    pub headers: Vec<String>,
    /// The values of each line, as many as there are headers.
    pub lines: Vec<Vec<String>>,
}

/// The columns of a table and its first lines, at most `most`.
pub(crate) fn first_lines(table: &Path, most: usize) -> Result<FirstLines, DatasetError> {
    let bytes = files::read(table)?;
    let read = || {
        let mut lines = CsvLines::open(&bytes)?;
        let headers = lines.headers.iter().map(|name| name.trim().to_owned()).collect();
        let mut found = FirstLines { headers, lines: Vec::new() };
        while found.lines.len() < most && lines.advance()? {
            found.lines.push(lines.row().record.iter().map(str::to_owned).collect());
        }
        Ok(found)
    };
    read().map_err(|error: super::csv_lines::CsvError| error.at(table, &bytes))
}

/// Whether a `.npy` holds crops rather than embeddings: it has four dimensions. The error is that of what it seems to be.
pub(crate) fn holds_crops(array: &Path) -> Result<bool, DatasetError> {
    Ok(npy::dimensions(array)? > 2)
}

/// The columns of a parquet file.
pub(crate) struct ParquetColumns {
    /// Those with lists of floats.
    pub vectors: Vec<String>,
    /// Those with plain values.
    pub plain: Vec<String>,
    /// What they lack to be those of pictures, in words.
    pub no_pictures: Option<String>,
}

/// Looks at the columns of a parquet file.
pub(crate) fn parquet_columns(path: &Path) -> Result<ParquetColumns, DatasetError> {
    let failed = |source| DatasetError::Parquet { action: "read", path: path.into(), source };
    let read = || parquet::reader(path)?.schema();
    let schema = parquet::guarded(read).map_err(failed)?;
    Ok(ParquetColumns {
        vectors: matrix::vectors(&schema),
        plain: container::plain_columns(&schema),
        no_pictures: container::lacks_pictures(&schema).map(|problem| problem.to_string()),
    })
}

/// Whether an archive holds WebDataset's samples rather than pictures in folders of people.
pub(crate) fn has_samples(archive: &Path) -> Result<bool, DatasetError> {
    let context = OpenContext { cache: None, progress: &Silent, cancel: &Cancel::default() };
    container::webdataset::has_samples(archive, &context)
}

/// The shorter sides of the first pictures, at most `most`, in pixels, of a dataset that has to be unpacked before it is listed;
/// where their headers tell.
pub(crate) fn first_sides(source: &DatasetSource, most: usize) -> Result<Vec<u32>, DatasetError> {
    container::first_sides(source, most)
}

/// The paths of all pictures below a folder, in byte order.
pub(crate) fn pictures(folder: &Path) -> Result<Vec<String>, DatasetError> {
    let context = OpenContext { cache: None, progress: &Silent, cancel: &Cancel::default() };
    let mut paths = Vec::new();
    let tree = Tree::open(folder, &context)?;
    let mut left_out = LeftOut::default();
    Walk::new(&tree, [], &|_| false, &context).pictures("", &mut left_out, &mut |path, _| paths.push(path))?;
    paths.sort_unstable();
    Ok(paths)
}
