//! The source `embeddings`: whose the rows of a given matrix are. The rows are read when the run is embedded.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::csv_lines::{CsvError, CsvLines, CsvRow};
use super::fault::LineFault;
use super::scan::OpenContext;
use super::{
    CsvProblem, DatasetError, DatasetSource, Face, FaultIn, Manifest, PixelSource, RowTable, SourceTable, Tables,
    columns, given_columns, objects, tables,
};
use crate::matrix::{Matrix, WIDEST};

/// Columns that are looked for where the config names none.
const FACE: [&str; 4] = ["face_id", "file_name", "path", "image"];
const PHOTO: [&str; 2] = ["image_id", "photo_id"];

/// Reads the table, and the header of the matrix.
pub(super) fn open(source: &DatasetSource, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let DatasetSource::Embeddings { matrix, column, table, .. } = source else { return Ok(Manifest::default()) };
    let here = objects::matrix(matrix, context)?;
    let opened = Matrix::open(&here, column.as_deref())?;
    let (rows, width) = (opened.rows(), opened.dimension());
    if width > WIDEST {
        return Err(DatasetError::Wide { matrix: matrix.clone(), width, most: WIDEST });
    }
    of_rows(
        table,
        &Rows {
            file: matrix,
            here: &here,
            count: rows,
            what: "matrix",
            holds: "embedding",
            a_row: "a row of the matrix, counted from 0",
        },
        context,
    )
}

/// The file that the lines of a table are about.
pub(super) struct Rows<'a> {
    pub file: &'a Path,
    /// Where it is on this machine.
    pub here: &'a Path,
    /// How many there are.
    pub count: usize,
    /// "matrix" or "array".
    pub what: &'static str,
    /// What a row is: "embedding" or "picture".
    pub holds: &'static str,
    /// What a line must name. Part of the manifest's digest, as every fault.
    pub a_row: &'static str,
}

/// The faces of a table, each with its row as [`PixelSource::Given`].
pub(super) fn of_rows(table: &RowTable, of: &Rows<'_>, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let RowTable { faces: path, row, pairs, .. } = table;
    let Rows { file, count: rows, what, holds, .. } = of;
    // Parquet may say itself whose its rows are.
    let own = path.as_os_str().is_empty();
    let path = if own { *file } else { path };
    let bytes = if own { given_columns::as_csv(of.here)? } else { objects::read(path)? };
    let read = parse(&bytes, table, *rows, of.a_row).map_err(|error| error.at(path, &bytes))?;
    if row.is_none() && read.faces.len() != *rows {
        let (matrix, rows, path, lines) = (file.to_path_buf(), *rows, path.to_owned(), read.faces.len());
        return Err(DatasetError::OtherLength { matrix, rows, path, lines });
    }
    if read.unnamed > 0 {
        let are = if read.unnamed == 1 { "is" } else { "are" };
        context.progress.say(&format!("{} of the {what}'s {rows} rows {are} in no line of the table", read.unnamed));
    }
    if read.again > 0 {
        let (name, faces) = if read.again == 1 { ("names", "this face has") } else { ("name", "these faces have") };
        context.progress.warn(&format!(
            "{} of the table's lines {name} a row of the {what} that another line names, too: {faces} the same {holds}",
            read.again
        ));
    }
    let mut manifest = Manifest { faces: read.faces, table: read.source, ..Manifest::default() };
    let folder = path.parent().unwrap_or(Path::new(""));
    let files = tables::Files::find(&Tables { pairs: pairs.clone(), boxes: None }, folder)?;
    tables::attach(&mut manifest, &files, context)?;
    Ok(manifest)
}

struct GivenTable {
    faces: Vec<Face>,
    source: SourceTable,
    /// Rows of the matrix that are of no face.
    unnamed: usize,
    /// Lines whose row another line has named before.
    again: usize,
}

fn parse(bytes: &[u8], named: &RowTable, rows: usize, a_row: &'static str) -> Result<GivenTable, CsvError> {
    let mut lines = CsvLines::open(bytes)?;
    let (header_at, headers) = (lines.offset, lines.headers.clone());
    let at_header = |problem| CsvError { offset: header_at, problem };
    let names: Vec<&str> = headers.iter().map(|name| name.trim()).collect();
    columns::each_once(&names).map_err(at_header)?;
    let index = |name: &str| names.iter().position(|known| *known == name);
    let column = |named: &Option<String>, usual: &[&str]| match named {
        Some(name) => match index(name.trim()) {
            Some(at) => Ok(Some(at)),
            None => Err(at_header(columns::missing(&headers, &format!("`{name}`"), "the config names it"))),
        },
        None => Ok(usual.iter().find_map(|name| index(name))),
    };
    let (row, face) = (column(&named.row, &[])?, column(&named.face, &FACE)?);
    let (identity, photo) = (column(&named.identity, &columns::IDENTITIES)?, column(&named.photo, &PHOTO)?);

    let (mut faces, mut source) = (Vec::new(), SourceTable::with_headers(headers.clone()));
    let (mut line_of, mut used) = (HashMap::<String, u64>::new(), HashSet::new());
    let (mut unusable, mut first_problem, mut again) = (0, None, 0);
    while lines.advance()? {
        let fail = |problem| CsvError { offset: lines.offset, problem };
        let line = lines.row();
        let mut fault = LineFault::of(lines.line);
        let whole = fault.keep(FaultIn::Face, line.whole()).is_some();
        let place = faces.len();
        let given = match row {
            Some(column) => fault.keep(FaultIn::Face, named_row(&line, column, rows, a_row)),
            None => Some(place),
        };
        let face_id = match face {
            Some(column) => fault.keep(FaultIn::Face, line.needed(column).map(str::to_owned)),
            None => Some(format!("{place:08}")),
        };
        let face_id = face_id.unwrap_or_else(|| format!("line {}", fault.line));
        let identity = identity.filter(|_| whole);
        let identity = identity.and_then(|column| fault.keep(FaultIn::Face, line.text(column)));
        let photo = photo.filter(|_| whole);
        let photo = photo.and_then(|column| fault.keep(FaultIn::Face, line.needed(column)));
        again += usize::from(given.is_some_and(|given| row.is_some() && !used.insert(given)));
        if let Some(first) = line_of.insert(face_id.clone(), fault.line) {
            let column = face.map_or_else(|| "line".into(), |column| line.column(column));
            return Err(fail(CsvProblem::Duplicate { column, face_id, first }));
        }
        faces.push(Face {
            identity_id: identity.filter(|identity| !identity.is_empty()).map(str::to_owned),
            image_id: photo.map_or_else(|| face_id.clone(), str::to_owned),
            pixels: PixelSource::Given { row: given.unwrap_or_default() as u32 },
            fault: fault.fault(),
            ..Face::of_picture(face_id)
        });
        if let Some((_, problem)) = fault.found {
            unusable += 1;
            first_problem.get_or_insert(fail(problem));
        }
        for (column, value) in source.columns.iter_mut().zip(lines.row().record) {
            column.push(value);
        }
    }
    if faces.is_empty() {
        return Err(at_header(CsvProblem::NoRows));
    }
    match first_problem {
        Some(first) if unusable == faces.len() => Err(first),
        _ => {
            let unnamed = if row.is_some() { rows - used.len() } else { 0 };
            Ok(GivenTable { faces, source, unnamed, again })
        }
    }
}

/// The row that a line names.
fn named_row(line: &CsvRow<'_>, column: usize, rows: usize, a_row: &'static str) -> Result<usize, CsvProblem> {
    let text = line.needed(column)?;
    let row = text.parse().ok().filter(|row| *row < rows);
    row.ok_or_else(|| line.expected(column, a_row))
}

/// A table of given embeddings: every face has an id of its own and a row of the matrix.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzz(text: &[u8], rows: usize) {
    let row = (rows % 2 == 1).then(|| "x".to_owned());
    let named = RowTable { row, ..RowTable::default() };
    let Ok(table) = parse(text, &named, rows, "a row") else { return };
    let ids: HashSet<_> = table.faces.iter().map(|face| &face.face_id).collect();
    assert_eq!(ids.len(), table.faces.len());
    for face in &table.faces {
        let PixelSource::Given { row: at } = face.pixels else { panic!("a table of rows has no pictures") };
        assert!(named.row.is_none() || face.fault.is_some() || (at as usize) < rows);
    }
    assert!(table.source.columns.iter().all(|column| column.len() == table.faces.len()));
}
