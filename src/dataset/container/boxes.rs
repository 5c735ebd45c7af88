//! VGGFace2's table of face boxes: `NAME_ID, X, Y, W, H`, as a CSV or in the `.tar.gz` in which it is published.

use std::collections::HashMap;
use std::io::Read;

use super::tarball::{GZIP, Tarball, unreadable};
use super::{ContainerProblem, Located};
use crate::dataset::columns::{self, BoxColumns};
use crate::dataset::csv_lines::{CsvError, CsvLines, line_at};
use crate::dataset::fault::LineFault;
use crate::dataset::{CsvProblem, DatasetError, Fault, FaultIn};
use crate::files::{self, FileError};
use crate::pointer::PointerFile;
use crate::preprocess::BoundingBox;
use crate::progress::Cancel;

/// Name of the table in an archive.
const TABLE: &str = "loose_bb_test.csv";

/// Maximum size of a table in bytes; that of the test set has 6 MB.
const LARGEST: u64 = 1 << 30;

const COLUMNS: [&str; 5] = ["NAME_ID", "X", "Y", "W", "H"];

/// Boxes by the key of their picture.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    of: HashMap<String, Result<Option<BoundingBox>, Fault>>,
    /// The first key.
    pub first: String,
}

impl Boxes {
    /// The box of a picture, `<identity>/<photo>_<face>` with or without extension.
    pub fn get(&self, picture: &str) -> Result<Option<BoundingBox>, Fault> {
        key(picture).and_then(|key| self.of.get(&key)).cloned().unwrap_or(Ok(None))
    }

    pub fn len(&self) -> usize {
        self.of.len()
    }
}

/// Identity and file without extension: the table may contain `n000001/0001_01`, with `.jpg`, or below a folder.
fn key(name: &str) -> Option<String> {
    let mut parts = name.rsplit('/');
    let (file, identity) = (parts.next()?, parts.next()?);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    Some(format!("{identity}/{stem}"))
}

/// Reads the table.
pub(super) fn read(table: &Located, cancel: &Cancel) -> Result<Boxes, DatasetError> {
    let head = table.head()?;
    let mut bytes = Vec::new();
    let read = |from: &mut dyn Read, bytes: &mut Vec<u8>| from.take(LARGEST + 1).read_to_end(bytes).map(drop);
    if head.starts_with(GZIP) {
        let mut found = false;
        Tarball::open(table, &|_| {}, cancel)?.each(|path, entry| {
            if path.rsplit('/').next() == Some(TABLE) {
                found = true;
                bytes.clear();
                read(entry, &mut bytes).map_err(|error| unreadable(error, table))?;
            }
            Ok(())
        })?;
        if !found {
            return Err(table.problem(ContainerProblem::Archive(format!("it has no {TABLE}"))));
        }
    } else if head.starts_with(b"<") || PointerFile::of(&head).is_some() {
        let (found, expected) = (files::looks_like(&head), "a CSV with the columns NAME_ID, X, Y, W, H");
        return Err(table.problem(ContainerProblem::OtherFormat { found, expected }));
    } else {
        read(&mut cancel.guard(table.open()?), &mut bytes).map_err(FileError::new("read", &table.path))?;
    }
    if bytes.len() as u64 > LARGEST {
        return Err(table.problem(ContainerProblem::LargeTable { most: LARGEST }));
    }
    parse(&bytes).map_err(|CsvError { offset, problem }| {
        table.problem(ContainerProblem::Boxes { line: line_at(&bytes, offset), problem: Box::new(problem) })
    })
}

fn parse(bytes: &[u8]) -> Result<Boxes, CsvError> {
    let mut lines = CsvLines::open(bytes)?;
    let head = lines.offset;
    let [name, x, y, w, h] = find_columns(&lines.headers).map_err(|problem| CsvError { offset: head, problem })?;
    let mut boxes = Boxes::default();
    let mut first_line = HashMap::new();
    while lines.advance()? {
        let (offset, row) = (lines.offset, lines.row());
        let fail = |problem| CsvError { offset, problem };
        let value = &row.record[name];
        let Some(key) = key(value) else {
            return Err(fail(row.expected(name, "for example `n000001/0001_01`")));
        };
        // An invalid box fails its face only.
        let bbox = row.whole().and_then(|()| row.full_bbox(BoxColumns::Size([x, y, w, h])));
        let mut fault = LineFault::of(lines.line);
        let bbox =
            fault.keep(FaultIn::Box, bbox).map_or_else(|| fault.fault().map_or(Ok(None), Err), |bbox| Ok(Some(bbox)));
        if boxes.first.is_empty() {
            boxes.first.clone_from(&key);
        }
        let first = *first_line.entry(key.clone()).or_insert(lines.line);
        if boxes.of.insert(key, bbox.clone()).is_some_and(|other| other != bbox) {
            return Err(fail(CsvProblem::SecondBox { value: value.into(), first }));
        }
    }
    if boxes.of.is_empty() { Err(CsvError { offset: head, problem: CsvProblem::NoRows }) } else { Ok(boxes) }
}

fn find_columns(headers: &[String]) -> Result<[usize; 5], CsvProblem> {
    let headers = columns::lower_case(headers)?;
    let column = |name: &str| {
        let found = headers.iter().position(|header| *header == name.to_lowercase());
        found.ok_or_else(|| columns::missing(&headers, &format!("`{name}`"), "VGGFace2's table has it"))
    };
    let [name, x, y, w, h] = COLUMNS.map(column);
    Ok([name?, x?, y?, w?, h?])
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn boxes(table: &str) -> Boxes {
        parse(table.as_bytes()).unwrap_or_else(|error| panic!("{}", error.problem))
    }

    fn message(table: &str) -> String {
        let Err(CsvError { offset, problem }) = parse(table.as_bytes()) else { panic!("{table}") };
        format!("line {}: {problem}", line_at(table.as_bytes(), offset))
    }

    #[test]
    fn all_spellings_of_a_name_are_found() {
        let expected = Some(BoundingBox { x1: 161.0, y1: -14.0, x2: 361.0, y2: 286.0 });
        for table in [
            "NAME_ID,X,Y,W,H\n\"n000001/0001_01\",161,-14,200,300\n",
            "\u{feff}name_id, x, y, w, h\r\nn000001/0001_01.jpg, 161, -14, 200, 300\r\n",
            "\"H\",\"W\",\"Y\",\"X\",\"NAME_ID\"\n300,200,-14,161,test/n000001/0001_01\n",
        ] {
            let boxes = boxes(table);
            assert_eq!(boxes.get("n000001/0001_01.jpg"), Ok(expected), "{table}");
            assert_eq!(boxes.get("n000002/0001_01.jpg"), Ok(None));
            assert_eq!((boxes.len(), boxes.first.as_str()), (1, "n000001/0001_01"));
        }
    }

    #[test]
    fn errors_in_a_table_name_the_line() {
        assert_snapshot!(message("NAME,X,Y,W,H\n"), @"line 1: missing column `NAME_ID`; the columns are `name`, `x`, `y`, `w`, `h` (VGGFace2's table has it)");
        assert_snapshot!(message("NAME_ID,X,Y,W,H\n"), @"line 1: the table has a header but no rows");
        assert_snapshot!(message("NAME_ID,X,Y,W,H\n1_1,1,2,3,4\n"), @"line 2: `NAME_ID` is `1_1`, expected for example `n000001/0001_01`");
        assert_snapshot!(message("NAME_ID,X,Y,W,H\nn1/1_1,1,2,3,4\nn1/1_1.jpg,1,2,3,5\n"), @"line 3: `n1/1_1.jpg` already has a box on line 2; a picture has one face here: keep the box of the person it is filed under");
    }

    #[test]
    fn an_invalid_box_is_a_fault_of_its_face_only() {
        let table = "NAME_ID,X,Y,W,H\nn1/1_1,1,2,3,4\nn1/2_1,1,nan,3,4\nn1/3_1,1,2,0,4\nn1/4_1,1,2,3\n";
        let boxes = boxes(table);
        let said = |name: &str| boxes.get(name).map_err(|fault| (fault.part, fault.reason));
        assert!(said("n1/1_1").unwrap().is_some());
        let reason = |name: &str| match said(name) {
            Err((FaultIn::Box, reason)) => reason,
            other => panic!("{name}: {other:?}"),
        };
        assert_snapshot!(reason("n1/2_1"), @"line 3: `Y` is `nan`, expected a finite number such as 12 or 12.5");
        assert_snapshot!(reason("n1/3_1"), @"line 4: the box from (1, 2) to (1, 6) has no area; expected x + w > x and y + h > y");
        assert_snapshot!(reason("n1/4_1"), @"line 5: the line has 4 values, the header has 5 columns; look for a separator or quote too many or too few");
    }
}
