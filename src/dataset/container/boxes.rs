//! VGGFace2's table of face boxes: `NAME_ID, X, Y, W, H`, as a CSV or inside of the `.tar.gz` that it is published in.

use std::collections::HashMap;
use std::io::{BufReader, Read};

use super::vggface2::Archive;
use super::{ContainerProblem, Located};
use crate::dataset::{DatasetError, Fault, FaultIn};
use crate::files;
use crate::pointer::PointerFile;
use crate::preprocess::BoundingBox;

/// Name of the table in an archive.
const TABLE: &str = "loose_bb_test.csv";

/// Bytes of a table at most; that of the test set has 6 MB.
const LARGEST: u64 = 1 << 30;

const COLUMNS: [&str; 5] = ["NAME_ID", "X", "Y", "W", "H"];

/// Boxes by the key of their picture.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    of: HashMap<String, Result<BoundingBox, Fault>>,
    /// The first key.
    pub first: String,
}

impl Boxes {
    /// The box of a picture, `<identity>/<photo>_<face>` with or without ending.
    pub fn get(&self, picture: &str) -> Result<Option<BoundingBox>, Fault> {
        key(picture).and_then(|key| self.of.get(&key)).cloned().transpose()
    }

    pub fn len(&self) -> usize {
        self.of.len()
    }
}

/// Identity and file without ending: the table may write `n000001/0001_01`, with `.jpg`, or below a folder.
fn key(name: &str) -> Option<String> {
    let mut parts = name.rsplit('/');
    let (file, identity) = (parts.next()?, parts.next()?);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    Some(format!("{identity}/{stem}"))
}

/// Reads the table.
pub(super) fn read(table: &Located) -> Result<Boxes, DatasetError> {
    let head = table.head()?;
    let problem = |problem| table.problem(problem);
    if head.starts_with(b"\x1f\x8b") {
        let mut boxes = None;
        Archive::new(table.open()?, table).each(|path, entry| {
            if path.rsplit('/').next() == Some(TABLE) {
                boxes = Some(parse(entry.take(LARGEST)).map_err(problem)?);
            }
            Ok(())
        })?;
        boxes.ok_or_else(|| problem(ContainerProblem::Archive(format!("there is no {TABLE} in it"))))
    } else if head.starts_with(b"<") || PointerFile::of(&head).is_some() {
        let found = files::looks_like(&head);
        Err(problem(ContainerProblem::OtherFormat { found, expected: "a CSV with the columns NAME_ID, X, Y, W, H" }))
    } else {
        parse(BufReader::new(table.open()?.take(LARGEST))).map_err(problem)
    }
}

fn parse(table: impl Read) -> Result<Boxes, ContainerProblem> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(table);
    let wrong = |line: u64, rule: String| ContainerProblem::Boxes { line, rule };
    let broken = |error: &csv::Error| wrong(error.position().map_or(1, csv::Position::line), csv_rule(error));
    let headers: Vec<String> = reader
        .headers()
        .map_err(|error| broken(&error))?
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').trim_matches('"').trim().to_ascii_uppercase())
        .collect();
    let column = |name: &str| {
        headers.iter().position(|header| header == name).ok_or_else(|| {
            let found: Vec<_> = headers.iter().map(|header| format!("`{}`", header.escape_debug())).collect();
            wrong(1, format!("there is no column `{name}`; the columns are {}", found.join(", ")))
        })
    };
    let [name, edges @ ..] = COLUMNS.map(column);
    let (name, [x, y, w, h]) = (name?, edges);
    let edges = [x?, y?, w?, h?];
    let mut boxes = Boxes::default();
    for record in reader.records() {
        let record = record.map_err(|error| broken(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let value = |column: usize| record.get(column).unwrap_or_default();
        let Some(key) = key(value(name)) else {
            let rule = format!("NAME_ID is `{}`, expected for example `n000001/0001_01`", value(name).escape_debug());
            return Err(wrong(line, rule));
        };
        let number = |column: usize| match value(column).parse::<f32>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("{} is `{}`, expected a number", headers[column], value(column).escape_debug())),
        };
        let bbox = || {
            let [x, y, w, h] = edges.map(number);
            let (x, y, w, h) = (x?, y?, w?, h?);
            if w <= 0.0 || h <= 0.0 {
                return Err(format!("a box of {w} × {h} pixels has no area"));
            }
            Ok(BoundingBox { x1: x, y1: y, x2: x + w, y2: y + h })
        };
        // A wrong box is a failure of its face alone.
        let bbox = bbox().map_err(|rule| Fault { part: FaultIn::Box, reason: format!("line {line}: {rule}") });
        if boxes.first.is_empty() {
            boxes.first.clone_from(&key);
        }
        match boxes.of.insert(key, bbox.clone()) {
            Some(other) if other != bbox => {
                return Err(wrong(line, format!("`{}` has another box further up", value(name).escape_debug())));
            }
            _ => {}
        }
    }
    if boxes.of.is_empty() { Err(wrong(1, "there is a header but no box below it".into())) } else { Ok(boxes) }
}

fn csv_rule(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the line has {len} values, the header has {expected_len} columns")
        }
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn boxes(table: &str) -> Boxes {
        parse(table.as_bytes()).unwrap()
    }

    fn message(table: &str) -> String {
        parse(table.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn names_are_found_however_they_are_written() {
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
    fn what_is_wrong_with_a_table_is_told_with_its_line() {
        assert_snapshot!(message("NAME,X,Y,W,H\n"), @"line 1: there is no column `NAME_ID`; the columns are `NAME`, `X`, `Y`, `W`, `H`");
        assert_snapshot!(message("NAME_ID,X,Y,W,H\n"), @"line 1: there is a header but no box below it");
        assert_snapshot!(message("NAME_ID,X,Y,W,H\n1_1,1,2,3,4\n"), @"line 2: NAME_ID is `1_1`, expected for example `n000001/0001_01`");
        assert_snapshot!(message("NAME_ID,X,Y,W,H\nn1/1_1,1,2,3\n"), @"line 2: the line has 4 values, the header has 5 columns");
        assert_snapshot!(message("NAME_ID,X,Y,W,H\nn1/1_1,1,2,3,4\nn1/1_1.jpg,1,2,3,5\n"), @"line 3: `n1/1_1.jpg` has another box further up");
    }

    #[test]
    fn a_wrong_box_is_a_fault_of_its_face_alone() {
        let table = "NAME_ID,X,Y,W,H\nn1/1_1,1,2,3,4\nn1/2_1,1,nan,3,4\nn1/3_1,1,2,0,4\n";
        let boxes = boxes(table);
        let said = |name: &str| boxes.get(name).map_err(|fault| (fault.part, fault.reason));
        assert!(said("n1/1_1").unwrap().is_some());
        assert_eq!(said("n1/2_1"), Err((FaultIn::Box, "line 3: Y is `nan`, expected a number".into())));
        assert_eq!(said("n1/3_1"), Err((FaultIn::Box, "line 4: a box of 0 × 4 pixels has no area".into())));
    }
}
