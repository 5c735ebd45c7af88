//! An image folder as defined by the Hugging Face Hub: `metadata.csv` lists the pictures, relative to itself, with their
//! identities. Its order is the order of the faces.

use std::path::Path;

use super::columns::TableKind;
use super::csv_lines::{CsvError, CsvLines};
use super::fault::LineFault;
use super::paths::PathRules;
use super::phase1::FaceTableParser;
use super::scan::OpenContext;
use super::{CsvProblem, DatasetError, Face, FaultIn, SourceTable, objects};

/// The column with the paths.
const FILE: &str = "file_name";

/// The table's name.
pub(super) const METADATA: &str = "metadata.csv";

/// The faces in the table, and the table. A picture's path is the face's id. `holds` tells whether a path exists.
pub(super) fn faces(table: &Path, holds: impl Fn(&str) -> bool) -> Result<(Vec<Face>, SourceTable), DatasetError> {
    let bytes = objects::read(table)?;
    let root = table.parent().unwrap_or(Path::new(""));
    let parser = FaceTableParser { rules: PathRules::new(root, &[]), kind: TableKind::ImageFolder, columns: [None; 2] };
    let mut read = parser.parse(&bytes).map_err(|error| error.at(table, &bytes))?;
    let mut absent = Vec::new();
    for (row, face) in read.faces.iter_mut().enumerate().filter(|(_, face)| face.fault.is_none()) {
        if !holds(&face.face_id) {
            let mut fault = LineFault::of(read.lines[row]);
            fault.keep(FaultIn::Face, Err::<(), _>(CsvProblem::NotListed { value: face.face_id.clone() }));
            face.fault = fault.fault();
            absent.push(row);
        }
    }
    match absent.first() {
        // None exists: the table belongs to another folder or revision.
        Some(&row) if absent.len() == read.faces.len() => {
            let problem = Box::new(CsvProblem::NotListed { value: read.faces[row].face_id.clone() });
            Err(DatasetError::Csv { path: table.into(), line: read.lines[row], problem })
        }
        _ => Ok((read.faces, read.source)),
    }
}

/// Whether a `metadata.csv` is that of an image folder, i.e. has the column of the paths. Any other one is ignored with a
/// note.
pub(super) fn names_pictures(table: &Path, context: &OpenContext<'_>) -> Result<bool, DatasetError> {
    let bytes = objects::read(table)?;
    let names = match has_paths(&bytes) {
        Err(CsvError { problem: CsvProblem::EmptyFile, .. }) => false,
        names => names.map_err(|error| error.at(table, &bytes))?,
    };
    if !names {
        context.progress.say(&format!(
            "{} has no column `{FILE}` and is ignored; the folder names are the identities",
            table.display()
        ));
    }
    Ok(names)
}

fn has_paths(bytes: &[u8]) -> Result<bool, CsvError> {
    Ok(CsvLines::open(bytes)?.headers.iter().any(|header| header.trim() == FILE))
}

/// Refuses a folder with such a table where one with a person's pictures is expected: the folders of splits, each with its own
/// table, would all become people.
pub(super) fn refuse_as_person(table: &Path, folder: String, key: &'static str) -> Result<(), DatasetError> {
    let names = objects::read(table).is_ok_and(|bytes| has_paths(&bytes).unwrap_or(false));
    if names { Err(DatasetError::ImageFolderBelow { folder, key }) } else { Ok(()) }
}

/// If there are no faces either, the table was probably meant for an image folder: then its error is the better one.
pub(super) fn explain(error: DatasetError, table: &Path) -> DatasetError {
    match error {
        DatasetError::NoPictures { .. } if objects::is_file(table).unwrap_or(false) => {
            faces(table, |_| true).err().unwrap_or(error)
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::dataset::PixelSource;

    fn read(table: &str) -> Result<(Vec<Face>, SourceTable), DatasetError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(METADATA);
        std::fs::write(&path, table).unwrap();
        faces(&path, |picture| !picture.ends_with("gone.jpg"))
    }

    fn message(table: &str) -> String {
        let message = read(table).unwrap_err().to_string();
        message.split_once(METADATA).map(|(_, rest)| rest.to_owned()).unwrap_or(message)
    }

    #[test]
    fn the_columns_of_lfw_in_the_order_of_the_table() {
        let table = "file_name,label,label_name,identity,image_num,source_filename\n\
                     images/001/Z_0001.jpg,9,Z,Z,1,Z_0001.jpg\n\
                     ./images/000/A_0002.jpg,0,A,A,2,A_0002.jpg\n\
                     images/000/N.jpg,0,A,,2,N.jpg\n";
        let (faces, source) = read(table).unwrap();
        assert_eq!(source.headers[4], "image_num");
        assert_eq!(source.columns[4].iter().collect::<Vec<_>>(), ["1", "2", "2"]);
        let found: Vec<_> = faces
            .iter()
            .map(|face| {
                let PixelSource::File { path, .. } = &face.pixels else { panic!("{face:?}") };
                assert_eq!((&face.face_id, &face.image_id), (path, path));
                (path.as_str(), face.identity_id.as_deref())
            })
            .collect();
        let expected =
            [("images/001/Z_0001.jpg", Some("Z")), ("images/000/A_0002.jpg", Some("A")), ("images/000/N.jpg", None)];
        assert_eq!(found, expected);
    }

    #[test]
    fn names_are_preferred_to_numbers() {
        for (header, expected) in
            [("label,identity", "2"), ("label,label_name", "2"), ("name,label", "2"), ("name,person", "2")]
        {
            let (faces, _) = read(&format!("{header},file_name\n1,2,a.jpg\n")).unwrap();
            assert_eq!(faces[0].identity_id.as_deref(), Some(expected), "{header}");
        }
    }

    /// Fault (tables): a metadata.csv without a column it needs, with a duplicate, or with a path out of its folder → an error with the line
    #[test]
    fn errors_in_a_table_name_the_line() {
        assert_snapshot!(message("file_name,x\na.jpg,1\n"), @", line 1: missing column `identity_id` or `identity` or `label_name` or `person` or `person_id` or `subject` or `label` or `name` or `class`; the columns are `file_name`, `x` (it gives the identity of a face; of another column, `source: files` reads it, with `table` and `identity`)");
        assert_snapshot!(message("image,label\na.jpg,1\n"), @", line 1: missing column `file_name`; the columns are `image`, `label` (an image folder's metadata.csv gives the paths in it)");
        assert_snapshot!(message("file_name,label\na.jpg,1\nb/../a.jpg,1\n"), @", line 3: duplicate file_name `a.jpg`, first used on line 2; ids must be unique");
        assert_snapshot!(message("file_name,label\n../a.jpg,1\n"), @", line 2: `file_name` is `../a.jpg`, expected a relative path inside the folder of the table");
        assert_snapshot!(message("file_name,label\n/etc/passwd,1\n"), @", line 2: `file_name` is `/etc/passwd`, expected a relative path inside the folder of the table");
        assert_snapshot!(message("file_name,label\n\nb/gone.jpg,1\n"), @", line 3: file_name `b/gone.jpg` is not in the repository at this revision; correct the table, or pin another revision");
        assert_snapshot!(message("file_name,label\n,1\n"), @", line 2: `file_name` is empty");
        assert_snapshot!(message("file_name,label\n"), @", line 1: the table has a header but no rows");
    }
}
