//! Phase-1's `face_metadata.csv`, as documented and as written. Its own columns are kept and returned in the
//! `face_metadata.csv` next to the embeddings. The same reader, with other columns, serves [`super::image_folder`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use super::columns::{FaceColumns, TableKind};
use super::csv_lines::{CsvError, CsvLines, CsvRow};
use super::fault::LineFault;
use super::paths::{PathRules, is_url};
use super::scan::{self, OpenContext, ScanError};
use super::{CsvProblem, DatasetError, Face, FaultIn, LONGEST_NAME, Manifest, PixelSource, SourceTable, objects};
use crate::dataset::{PathRewrite, Phase1Image};
use crate::files::FileError;
use crate::text::counted;

/// Reads the table, then its pictures.
pub(super) fn open(
    path: &Path,
    root: &Path,
    rewrite: &[PathRewrite],
    image: Phase1Image,
    context: &OpenContext<'_>,
) -> Result<Manifest, DatasetError> {
    let (mut manifest, line_of) = list(path, root, rewrite, image, context)?;
    if objects::is_remote(root) {
        scan::fill_folder(&mut manifest, context)?;
        return Ok(manifest);
    }
    scan::fill(&mut manifest.faces, root, true, context).map_err(|error| match error {
        ScanError::Interrupted => DatasetError::Interrupted,
        ScanError::Unread(error) => DatasetError::Unread(error),
        ScanError::Root(error) => FileError::new("read", root)(error).into(),
        ScanError::Escape { row, target } => {
            let PixelSource::File { path: picture, .. } = &manifest.faces[row].pixels else {
                return DatasetError::Interrupted;
            };
            let problem = CsvProblem::Escape { path: picture.clone(), target, root: root.into() };
            DatasetError::Csv { path: path.into(), line: line_of[row], problem: Box::new(problem) }
        }
    })?;
    Ok(manifest)
}

/// The faces in the table and the line of each, without reading the pictures.
pub(super) fn list(
    path: &Path,
    root: &Path,
    rewrite: &[PathRewrite],
    image: Phase1Image,
    context: &OpenContext<'_>,
) -> Result<(Manifest, Vec<u64>), DatasetError> {
    let bytes = objects::read(path)?;
    if !objects::is_remote(root) && !root.is_dir() {
        return Err(DatasetError::NoRoot { path: root.into(), holds: "contains all pictures" });
    }
    let parser =
        FaceTableParser { rules: PathRules::new(root, rewrite), kind: TableKind::Phase1(image), columns: [None; 2] };
    let table = parser.parse(&bytes).map_err(|error| error.at(path, &bytes))?;
    if table.ambiguous_photo_ids > 0 {
        context.progress.say(&format!(
            "{} to more than one photo_path; using photo_path to identify photos",
            match table.ambiguous_photo_ids {
                1 => "1 photo id refers".to_owned(),
                n => format!("{n} photo ids refer"),
            }
        ));
    }
    if table.no_scores > 0 && image == Phase1Image::Photo {
        context.progress.say(&format!(
            "the detector's score is not a number in {} of {}; leave it empty where it is not known",
            table.no_scores,
            counted(table.faces.len(), "line")
        ));
    }
    let manifest = Manifest { faces: table.faces, root: root.into(), table: table.source, ..Manifest::default() };
    Ok((manifest, table.lines))
}

/// What a path must be in a list or a table of pictures.
pub(super) const INSIDE: &str = "a path inside `dataset.root`";

/// The content of a table.
#[derive(Default)]
pub(super) struct FaceTable {
    pub faces: Vec<Face>,
    pub source: SourceTable,
    /// The line of each face, for messages.
    pub lines: Vec<u64>,
    ambiguous_photo_ids: usize,
    /// Lines whose detector's score is not empty, and no number.
    no_scores: usize,
}

/// Reads a table of faces.
pub(super) struct FaceTableParser<'a> {
    pub rules: PathRules,
    pub kind: TableKind,
    /// The columns of file and identity, where the config names them.
    pub columns: [Option<&'a str>; 2],
}

impl FaceTableParser<'_> {
    pub fn parse(&self, bytes: &[u8]) -> Result<FaceTable, CsvError> {
        let mut lines = CsvLines::open(bytes)?;
        let header_at = lines.offset;
        let headers = lines.headers.clone();
        let names: Vec<&str> = headers.iter().map(String::as_str).collect();
        let columns = FaceColumns::find(&names, self.kind, self.columns)
            .map_err(|problem| CsvError { offset: header_at, problem })?;

        let mut table = FaceTable { source: SourceTable::with_headers(headers), ..FaceTable::default() };
        let mut first_row = HashMap::<String, usize>::new();
        let (mut unusable, mut first_problem) = (0, None);
        let (mut urls, mut first_url) = (0, None);
        while lines.advance()? {
            let offset = lines.offset;
            let fail = |problem| CsvError { offset, problem };
            let row = lines.row();
            let mut fault = LineFault::of(lines.line);
            let face = self.face(&columns, &row, &mut fault);
            if let Some((FaultIn::Face, problem)) = fault.found {
                unusable += 1;
                first_problem.get_or_insert(fail(problem));
            }
            if let PixelSource::File { path, .. } = &face.pixels
                && is_url(path)
            {
                urls += 1;
                let value = || (row.column(columns.picture), row.record[columns.picture].to_owned());
                first_url.get_or_insert_with(|| (offset, value()));
            }
            if columns.score.is_some_and(|column| row.number(column).is_err()) {
                table.no_scores += 1;
            }
            match first_row.entry(face.face_id.clone()) {
                Entry::Occupied(first) => {
                    let first = table.lines[*first.get()];
                    return Err(fail(CsvProblem::Duplicate {
                        column: row.column(columns.face_id),
                        face_id: face.face_id,
                        first,
                    }));
                }
                Entry::Vacant(entry) => drop(entry.insert(table.faces.len())),
            }
            table.faces.push(face);
            table.lines.push(lines.line);
            for (column, value) in table.source.columns.iter_mut().zip(lines.row().record) {
                column.push(value);
            }
        }
        if table.faces.is_empty() {
            return Err(CsvError { offset: header_at, problem: CsvProblem::NoRows });
        }
        // Every line is invalid: the error is that of the table, or of the config.
        if let Some(first) = first_problem.filter(|_| unusable == table.faces.len()) {
            return Err(first);
        }
        // One alone may be a folder's name.
        if let Some((offset, (column, value))) = first_url.filter(|_| urls == table.faces.len()) {
            return Err(CsvError { offset, problem: CsvProblem::Url { column, value } });
        }
        if let Some(photo_path) = columns.photo_path {
            disambiguate_photos(&mut table, photo_path);
        }
        Ok(table)
    }

    /// An error of the line becomes the fault of its face.
    fn face(&self, columns: &FaceColumns, row: &CsvRow<'_>, fault: &mut LineFault) -> Face {
        let id = |column| match self.kind {
            TableKind::Phase1(_) => row.needed(column).map(str::to_owned),
            // Different spellings of a path refer to one picture.
            TableKind::ImageFolder | TableKind::Pictures => self.path(column, row),
        };
        // Of a line with too few or too many values only the id is used; the others may be in the wrong columns.
        let whole = fault.keep(FaultIn::Face, row.whole()).is_some();
        let face_id = fault.keep(FaultIn::Face, id(columns.face_id)).unwrap_or_else(|| format!("line {}", fault.line));
        let identity = columns.identity.filter(|_| whole);
        let identity = identity.and_then(|column| fault.keep(FaultIn::Face, row.text(column)));
        let image_id = fault.keep(FaultIn::Face, id(columns.image_id)).filter(|_| whole);
        let image_id = image_id.unwrap_or_else(|| face_id.clone());
        let path = fault.keep(FaultIn::Face, self.path(columns.picture, row)).unwrap_or_default();
        // The box refers to the photo; for a crop, the detector's output is ignored.
        let photo = self.kind == TableKind::Phase1(Phase1Image::Photo);
        let bbox = columns.bbox.filter(|_| photo).and_then(|columns| fault.keep(FaultIn::Box, row.full_bbox(columns)));
        let landmarks = columns.landmarks.filter(|_| photo && whole);
        let landmarks = landmarks.and_then(|columns| fault.keep(FaultIn::Landmarks, row.landmarks(columns)).flatten());
        let score = columns.score.map(|column| row.number(column));
        let score =
            if photo { score.and_then(|score| fault.keep(FaultIn::Box, score)) } else { score.and_then(Result::ok) };
        Face {
            face_id,
            identity_id: identity.filter(|identity| !identity.is_empty()).map(str::to_owned),
            image_id,
            pixels: PixelSource::File { path, size: 0, modified: 0 },
            bbox,
            landmarks,
            detector_score: score.flatten().map(|score| score as f32),
            content: None,
            fault: fault.fault(),
        }
    }

    fn path(&self, column: usize, row: &CsvRow<'_>) -> Result<String, CsvProblem> {
        let recorded = row.needed(column)?;
        let outside = || match self.kind {
            TableKind::Phase1(_) => {
                let (column, value) = (row.column(column), recorded.to_owned());
                match self.rules.rewritten(recorded) {
                    Some(rewritten) => CsvProblem::RewrittenOutside { column, value, rewritten },
                    None => CsvProblem::Outside { column, value },
                }
            }
            TableKind::Pictures => row.expected(column, INSIDE),
            TableKind::ImageFolder => row.expected(column, "a relative path inside the folder of the table"),
        };
        self.rules.relative(recorded).filter(|path| !path.is_empty()).ok_or_else(outside)
    }
}

/// Phase-1's code writes bare file names as photo ids, and `0001_01.jpg` is a different photo in each identity's folder.
/// Two faces of one photo are never compared, so photos must not be confused: if an id is ambiguous, the photo's path
/// replaces it in all rows.
fn disambiguate_photos(table: &mut FaceTable, photo_path: usize) {
    let paths = &table.source.columns[photo_path];
    let mut path_of = HashMap::<&str, (&str, bool)>::new();
    for (face, path) in table.faces.iter().zip(paths.iter()) {
        let (first, ambiguous) = path_of.entry(&face.image_id).or_insert((path, false));
        *ambiguous |= *first != path;
    }
    table.ambiguous_photo_ids = path_of.values().filter(|(_, ambiguous)| *ambiguous).count();
    if table.ambiguous_photo_ids > 0 {
        for (face, path) in
            table.faces.iter_mut().zip(paths.iter()).filter(|(_, path)| (1..=LONGEST_NAME).contains(&path.len()))
        {
            path.clone_into(&mut face.image_id);
        }
    }
}
