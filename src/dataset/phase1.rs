//! Phase-1's `face_metadata.csv`, as documented and as written (REFERENCE §4). Its own columns are kept as they are:
//! they come back in the `face_metadata.csv` that stands beside the embeddings. The same reader, with other columns,
//! serves [`super::image_folder`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use csv::StringRecord;

use super::columns::{BoxColumns, Columns, TableKind};
use super::paths::PathRules;
use super::scan::{self, Context, ScanError};
use super::{BoundingBox, CsvProblem, DatasetError, Face, Manifest, PixelSource, SourceTable};
use crate::config::{PathRewrite, Phase1Image};
use crate::files::{self, FileError};

/// Reads the table, then the pictures it names.
pub(super) fn open(
    path: &Path,
    root: &Path,
    rewrite: &[PathRewrite],
    image: Phase1Image,
    context: &Context<'_>,
) -> Result<Manifest, DatasetError> {
    let bytes = files::read(path)?;
    if !root.is_dir() {
        return Err(DatasetError::NoRoot { path: root.into(), holds: "all pictures are in" });
    }
    let wrong = |error: CsvError| error.at(path, &bytes);
    let parser = Parser { rules: PathRules::new(root, rewrite), root, kind: TableKind::Phase1(image) };
    let table = parser.parse(&bytes).map_err(wrong)?;
    if table.ambiguous_photo_ids > 0 {
        context.progress.say(&format!(
            "{} for more than one photo_path: photos are told apart by photo_path",
            match table.ambiguous_photo_ids {
                1 => "1 photo id stands".to_owned(),
                n => format!("{n} photo ids stand"),
            }
        ));
    }
    let offsets = table.offsets;
    let mut manifest = Manifest { faces: table.faces, root: root.into(), table: table.source, ..Manifest::default() };
    scan::fill(&mut manifest.faces, root, true, context).map_err(|error| match error {
        ScanError::Interrupted => DatasetError::Interrupted,
        ScanError::Root(error) => FileError::new("read", root)(error).into(),
        ScanError::Escape { row, target } => {
            let PixelSource::File { path, .. } = &manifest.faces[row].pixels else { return DatasetError::Interrupted };
            let problem = CsvProblem::Escape { path: path.clone(), target, root: root.into() };
            wrong(CsvError { offset: offsets[row], problem })
        }
    })?;
    Ok(manifest)
}

/// A broken rule and the byte where its line begins.
pub(super) struct CsvError {
    pub offset: usize,
    pub problem: CsvProblem,
}

impl CsvError {
    /// Tells it with the table's path and the line.
    pub fn at(self, path: &Path, bytes: &[u8]) -> DatasetError {
        let (path, line) = (path.into(), line_at(bytes, self.offset));
        DatasetError::Csv { path, line, problem: Box::new(self.problem) }
    }
}

/// 1 + line breaks before a byte.
fn line_at(bytes: &[u8], offset: usize) -> u64 {
    bytes[..offset.min(bytes.len())].split(|byte| *byte == b'\n').count() as u64
}

/// What a table says.
#[derive(Default)]
pub(super) struct Table {
    pub faces: Vec<Face>,
    source: SourceTable,
    /// Where each face's line begins, for messages.
    pub offsets: Vec<usize>,
    ambiguous_photo_ids: usize,
}

/// Reads a table of faces.
pub(super) struct Parser<'a> {
    pub rules: PathRules,
    pub root: &'a Path,
    pub kind: TableKind,
}

impl Parser<'_> {
    pub fn parse(&self, bytes: &[u8]) -> Result<Table, CsvError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let offset = error.valid_up_to();
            let column = offset - bytes[..offset].iter().rposition(|byte| *byte == b'\n').map_or(0, |i| i + 1) + 1;
            CsvError { offset, problem: CsvProblem::NotUtf8 { column } }
        })?;
        let body = text.strip_prefix('\u{feff}').unwrap_or(text);
        let bom = text.len() - body.len();
        if body.trim().is_empty() {
            return Err(CsvError { offset: 0, problem: CsvProblem::EmptyFile });
        }
        // A line break that the reader has skipped before a record belongs to the lines above.
        let start = |record: &StringRecord| {
            let at = record.position().map_or(0, |position| position.byte() as usize);
            bom + at + body.as_bytes()[at..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
        };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter(body))
            .has_headers(false)
            .flexible(true)
            .from_reader(body.as_bytes());
        let mut record = StringRecord::new();
        // Text in memory that is UTF-8 under a flexible reader: there is nothing left that `csv` could fail at.
        let mut next = |record: &mut StringRecord| reader.read_record(record).unwrap_or(false);
        next(&mut record);
        let headers: Vec<String> = record.iter().map(str::to_owned).collect();
        let names: Vec<&str> = headers.iter().map(String::as_str).collect();
        let header_at = start(&record);
        let columns = Columns::find(&names, self.kind).map_err(|problem| CsvError { offset: header_at, problem })?;

        let mut table = Table { source: SourceTable::with_headers(headers.clone()), ..Table::default() };
        let mut first_row = HashMap::<String, usize>::new();
        while next(&mut record) {
            let offset = start(&record);
            let fail = |problem| CsvError { offset, problem };
            if record.len() != headers.len() {
                return Err(fail(CsvProblem::Ragged { found: record.len(), expected: headers.len() }));
            }
            let row = Row { headers: &headers, record: &record };
            let face = self.face(&columns, &row).map_err(fail)?;
            match first_row.entry(face.face_id.clone()) {
                Entry::Occupied(first) => {
                    let first = line_at(bytes, table.offsets[*first.get()]);
                    return Err(fail(CsvProblem::Duplicate {
                        column: row.column(columns.face_id),
                        face_id: face.face_id,
                        first,
                    }));
                }
                Entry::Vacant(entry) => drop(entry.insert(table.faces.len())),
            }
            table.faces.push(face);
            table.offsets.push(offset);
            for (column, value) in table.source.columns.iter_mut().zip(&record) {
                column.push(value);
            }
        }
        if table.faces.is_empty() {
            return Err(CsvError { offset: header_at, problem: CsvProblem::NoRows });
        }
        if let Some(photo_path) = columns.photo_path {
            tell_photos_apart(&mut table, photo_path);
        }
        Ok(table)
    }

    fn face(&self, columns: &Columns, row: &Row<'_>) -> Result<Face, CsvProblem> {
        let bbox = columns.bbox.map(|columns| row.bbox(columns)).transpose()?.flatten();
        let photo = self.kind == TableKind::Phase1(Phase1Image::Photo);
        if photo && bbox.is_none() {
            let Some(BoxColumns::Corners([column, ..]) | BoxColumns::Size([column, ..])) = columns.bbox else {
                return Err(CsvProblem::Empty { column: "bbox".into() });
            };
            return Err(CsvProblem::Empty { column: row.headers[column].clone() });
        }
        let identity = columns.identity.map(|column| row.text(column)).transpose()?;
        let id = |column| match self.kind {
            TableKind::Phase1(_) => row.needed(column).map(str::to_owned),
            // Two spellings of a path are one picture.
            TableKind::ImageFolder => self.path(column, row),
        };
        Ok(Face {
            face_id: id(columns.face_id)?,
            identity_id: identity.filter(|identity| !identity.trim().is_empty()).map(str::to_owned),
            image_id: id(columns.image_id)?,
            pixels: PixelSource::File { path: self.path(columns.picture, row)?, size: 0, modified: 0 },
            // The box is one in the photo; a crop is already cut.
            bbox: bbox.filter(|_| photo),
            detector_score: columns.score.map(|column| row.number(column)).transpose()?.flatten().map(|x| x as f32),
            content: None,
        })
    }

    fn path(&self, column: usize, row: &Row<'_>) -> Result<String, CsvProblem> {
        let recorded = row.needed(column)?;
        let outside = || {
            let (column, value) = (row.column(column), recorded.to_owned());
            match self.kind {
                TableKind::Phase1(_) => CsvProblem::Outside { column, value, root: self.root.into() },
                TableKind::ImageFolder => CsvProblem::OutsideFolder { column, value },
            }
        };
        self.rules.relative(recorded).filter(|path| !path.is_empty()).ok_or_else(outside)
    }
}

/// One line below the header.
struct Row<'a> {
    headers: &'a [String],
    record: &'a StringRecord,
}

impl<'a> Row<'a> {
    fn column(&self, column: usize) -> String {
        self.headers[column].trim().to_owned()
    }

    /// As it is; ids must come out of here as other readers of the table see them.
    fn text(&self, column: usize) -> Result<&'a str, CsvProblem> {
        let value = &self.record[column];
        if value.contains(char::is_control) {
            return Err(CsvProblem::Control { column: self.headers[column].clone() });
        }
        Ok(value)
    }

    fn needed(&self, column: usize) -> Result<&'a str, CsvProblem> {
        let value = self.text(column)?;
        if value.trim().is_empty() {
            return Err(CsvProblem::Empty { column: self.headers[column].clone() });
        }
        Ok(value)
    }

    fn number(&self, column: usize) -> Result<Option<f64>, CsvProblem> {
        let value = self.record[column].trim();
        if value.is_empty() {
            return Ok(None);
        }
        // Finite as the f32 that is kept, too.
        let number = value.parse::<f64>().ok().filter(|number| (*number as f32).is_finite());
        number
            .map(Some)
            .ok_or_else(|| CsvProblem::Number { column: self.headers[column].clone(), value: value.to_owned() })
    }

    /// The box; `None` when all of it is empty.
    fn bbox(&self, columns: BoxColumns) -> Result<Option<BoundingBox>, CsvProblem> {
        let (BoxColumns::Corners(indices) | BoxColumns::Size(indices)) = columns;
        let mut numbers = [None; 4];
        for (number, index) in numbers.iter_mut().zip(indices) {
            *number = self.number(index)?;
        }
        if numbers.iter().all(Option::is_none) {
            return Ok(None);
        }
        if let Some(i) = numbers.iter().position(Option::is_none) {
            return Err(CsvProblem::Empty { column: self.headers[indices[i]].clone() });
        }
        let [x, y, a, b] = numbers.map(Option::unwrap_or_default);
        let (x2, y2, names): (_, _, &[_; 4]) = match columns {
            BoxColumns::Corners(_) => (a, b, &["x1", "y1", "x2", "y2"]),
            BoxColumns::Size(_) => (x + a, y + b, &["x", "y", "x + w", "y + h"]),
        };
        let [x1, y1, x2, y2] = [x, y, x2, y2].map(|edge| edge as f32);
        if !(x2 > x1 && y2 > y1 && x2.is_finite() && y2.is_finite()) {
            return Err(CsvProblem::NoArea { x1, y1, x2, y2, names });
        }
        Ok(Some(BoundingBox { x1, y1, x2, y2 }))
    }
}

/// Phase-1's code writes bare file names as photo ids, and `0001_01.jpg` is somebody else's photo in each identity's
/// folder. Two faces of one photo are never compared, so photos must not be mixed up: where an id is ambiguous, the
/// photo's path takes its place in all rows.
fn tell_photos_apart(table: &mut Table, photo_path: usize) {
    let paths = &table.source.columns[photo_path];
    let mut path_of = HashMap::<&str, (&str, bool)>::new();
    for (face, path) in table.faces.iter().zip(paths.iter()) {
        let (first, ambiguous) = path_of.entry(&face.image_id).or_insert((path, false));
        *ambiguous |= *first != path;
    }
    table.ambiguous_photo_ids = path_of.values().filter(|(_, ambiguous)| *ambiguous).count();
    if table.ambiguous_photo_ids > 0 {
        for (face, path) in table.faces.iter_mut().zip(paths.iter()).filter(|(_, path)| !path.is_empty()) {
            path.clone_into(&mut face.image_id);
        }
    }
}

/// The separator that splits the header into most columns; a comma where none does.
fn delimiter(text: &str) -> u8 {
    let columns = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let mut header = StringRecord::new();
        reader.read_record(&mut header).map_or(0, |_| header.len())
    };
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| columns(*delimiter)).unwrap_or(b',')
}
