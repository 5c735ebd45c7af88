//! A detector's boxes and landmarks for the pictures of an image folder: a table next to them.

use std::collections::HashMap;
use std::path::Path;

use super::columns::{self, BoxColumns};
use super::csv_lines::{CsvError, CsvLines, line_at};
use super::face_names::FaceNames;
use super::fault::LineFault;
use super::{CsvProblem, DatasetError, Face, Fault, FaultIn, objects};
use crate::preprocess::{BoundingBox, Landmarks};

/// Columns that name the face or its picture.
pub(super) const FACE: [&str; 12] = [
    "face_id",
    "file_name",
    "path",
    "image_path",
    "photo_path",
    "image",
    "file",
    "filename",
    "image_id",
    "photo_id",
    "name_id",
    "name",
];
const CORNERS: [[&str; 4]; 3] =
    [["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"], ["x1", "y1", "x2", "y2"], ["left", "top", "right", "bottom"]];
const SIZES: [[&str; 4]; 2] = [["x", "y", "w", "h"], ["x", "y", "width", "height"]];
const SCORE: [&str; 5] = ["detector_score", "confidence", "score", "probability", "prob"];

/// What a table of boxes leaves open.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Applied {
    /// Faces without a line that gives a box or landmarks.
    pub without: usize,
    /// Boxes of pictures that are not in the dataset.
    pub elsewhere: usize,
}

/// The columns that are read, by index.
struct BoxTableColumns {
    face: usize,
    /// A table without landmarks has it.
    bbox: Option<BoxColumns>,
    landmarks: Option<[usize; 10]>,
    score: Option<usize>,
}

impl BoxTableColumns {
    fn find(headers: &[String]) -> Result<Self, CsvProblem> {
        let headers = columns::lower_case(headers)?;
        let index = |name: &str| headers.iter().position(|header| header == name);
        let all = |names: &[&str; 4]| {
            let [a, b, c, d] = names.map(index);
            Some([a?, b?, c?, d?])
        };
        let missing = |names, reason| columns::missing(&headers, names, reason);
        let corners = CORNERS.iter().find_map(all).map(BoxColumns::Corners);
        let bbox = corners.or_else(|| SIZES.iter().find_map(all).map(BoxColumns::Size));
        let landmarks = columns::landmarks(&headers);
        Ok(Self {
            face: FACE.into_iter().find_map(index).ok_or_else(|| {
                missing("`face_id`, `file_name`, `path` or `image`", "it names the face or its picture")
            })?,
            bbox: match bbox {
                None if landmarks.is_none() => {
                    let names = "`x1`, `y1`, `x2` and `y2`, or `x`, `y`, `w` and `h`";
                    return Err(missing(names, "they give the box in the picture"));
                }
                bbox => bbox,
            },
            landmarks,
            score: SCORE.into_iter().find_map(index),
        })
    }
}

/// Assigns each face its box and landmarks from the table, in pixels of its picture; at most one.
pub(super) fn apply(faces: &mut [Face], file: &Path) -> Result<Applied, DatasetError> {
    let bytes = objects::read(file)?;
    let (boxes, elsewhere) = read(faces, &bytes).map_err(|error| error.at(file, &bytes))?;
    let without = faces.len() - boxes.len();
    for (row, found) in boxes {
        let face = &mut faces[row as usize];
        (face.bbox, face.landmarks, face.detector_score) = (found.bbox, found.landmarks, found.score);
        // A fault of the face itself takes precedence.
        face.fault = face.fault.take().or(found.fault);
    }
    Ok(Applied { without, elsewhere })
}

/// One line of the table.
struct FoundBox {
    /// `None`: the line is wrong, or gives only landmarks.
    bbox: Option<BoundingBox>,
    landmarks: Option<Landmarks>,
    score: Option<f32>,
    fault: Option<Fault>,
    /// Where the line begins.
    offset: usize,
}

/// Lines by manifest row.
type BoxesByRow = HashMap<u32, FoundBox>;

/// The boxes, and the number of boxes of pictures that are not in the dataset.
fn read(faces: &[Face], bytes: &[u8]) -> Result<(BoxesByRow, usize), CsvError> {
    let names = FaceNames::of(faces);
    let mut lines = CsvLines::open(bytes)?;
    let head = lines.offset;
    let columns = BoxTableColumns::find(&lines.headers).map_err(|problem| CsvError { offset: head, problem })?;
    let (mut boxes, mut elsewhere, mut unknown) = (BoxesByRow::new(), 0, None);
    while lines.advance()? {
        let (offset, row) = (lines.offset, lines.row());
        let fail = |problem| CsvError { offset, problem };
        let value = &row.record[columns.face];
        let face = match names.find(&row.column(columns.face), value) {
            Ok(face) => face,
            Err(problem @ CsvProblem::UnknownFace { .. }) => {
                elsewhere += 1;
                unknown.get_or_insert(fail(problem));
                continue;
            }
            Err(problem) => return Err(fail(problem)),
        };
        // Detectors leave the numbers empty where they find nothing.
        let mut fault = LineFault::of(lines.line);
        let whole = fault.keep(FaultIn::Box, row.whole());
        let bbox = columns.bbox.filter(|_| whole.is_some());
        let bbox = bbox.and_then(|columns| fault.keep(FaultIn::Box, row.bbox(columns)).flatten());
        let landmarks = columns.landmarks.filter(|_| whole.is_some());
        let landmarks = landmarks.and_then(|columns| fault.keep(FaultIn::Landmarks, row.landmarks(columns)).flatten());
        if bbox.is_none() && landmarks.is_none() && fault.found.is_none() {
            continue;
        }
        let score = columns.score.and_then(|column| fault.keep(FaultIn::Box, row.number(column))).flatten();
        let found = FoundBox { bbox, landmarks, score: score.map(|score| score as f32), fault: fault.fault(), offset };
        if let Some(first) = boxes.insert(face, found) {
            let first = line_at(bytes, first.offset);
            return Err(fail(CsvProblem::SecondBox { value: value.into(), first }));
        }
    }
    match unknown {
        // No line fits: the table belongs to another dataset, or names its faces in an unknown way.
        Some(error) if boxes.is_empty() => Err(error),
        _ if boxes.is_empty() => Err(CsvError { offset: head, problem: CsvProblem::NoRows }),
        _ => Ok((boxes, elsewhere)),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::preprocess::{Crop, MarginUnit};

    fn faces() -> Vec<Face> {
        ["a", "b", "c"].map(|name| Face::of_picture(format!("images/{name}.jpg"))).into()
    }

    fn applied(table: &str) -> Result<(Vec<Face>, Applied), DatasetError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("boxes.csv");
        std::fs::write(&path, table).unwrap();
        let mut faces = faces();
        apply(&mut faces, &path).map(|applied| (faces, applied))
    }

    fn message(table: &str) -> String {
        let message = applied(table).unwrap_err().to_string();
        message.split_once("boxes.csv").map(|(_, rest)| rest.to_owned()).unwrap_or(message)
    }

    #[test]
    fn boxes_come_under_many_names_and_in_any_order() {
        let expected = BoundingBox { x1: 10.0, y1: 20.5, x2: 40.0, y2: 60.5 };
        for table in [
            "file_name,x1,y1,x2,y2\nimages/b.jpg,10,20.5,40,60.5\n",
            "face_id,x,y,w,h\nimages/b.jpg,10,20.5,30,40\n",
            "NAME_ID,X,Y,W,H\nb,10,20.5,30,40\n",
            "image;left;top;right;bottom\nb.jpg;10;20.5;40;60.5\n",
            "bbox_x2,bbox_y2,bbox_x1,bbox_y1,path\n40,60.5,10,20.5,train/images/b.jpg\n",
        ] {
            let (faces, applied) = applied(table).unwrap();
            assert_eq!(faces.iter().map(|face| face.bbox).collect::<Vec<_>>(), [None, Some(expected), None], "{table}");
            assert_eq!(applied, Applied { without: 2, elsewhere: 0 });
        }
    }

    #[test]
    fn faces_without_a_box_and_boxes_without_a_face_are_counted() {
        let table = "path,x,y,w,h,confidence\nc,1,2,3,4,0.5\na,,,,,\nd,1,2,3,4,0.9\n";
        let (faces, applied) = applied(table).unwrap();
        assert_eq!(applied, Applied { without: 2, elsewhere: 1 });
        assert_eq!(faces.iter().map(|face| face.detector_score).collect::<Vec<_>>(), [None, None, Some(0.5)]);
    }

    #[test]
    fn an_invalid_box_is_a_fault_of_its_face_only() {
        for (line, reason) in [
            ("a,1,1,9,one,", "line 2: `y2` is `one`, expected a finite number such as 12 or 12.5"),
            ("a,9,1,1,9,", "line 2: the box from (9, 1) to (1, 9) has no area; expected x2 > x1 and y2 > y1"),
            ("a,1,1,,9,", "line 2: `x2` is empty"),
            (
                "a,1,1,9,9",
                "line 2: the line has 5 values, the header has 6 columns; look for a separator or quote too many or too few",
            ),
            ("a,1,1,9,9,nan", "line 2: `score` is `nan`, expected a finite number such as 12 or 12.5"),
        ] {
            let (faces, applied) = applied(&format!("path,x1,y1,x2,y2,score\n{line}\nb,1,2,3,4,0.5\n")).unwrap();
            let expected = Fault { part: FaultIn::Box, reason: reason.into() };
            assert_eq!((&faces[0].fault, &faces[1].fault), (&Some(expected), &None), "{line}");
            assert!(faces[1].bbox.is_some());
            assert_eq!(applied, Applied { without: 1, elsewhere: 0 });
        }
    }

    #[test]
    fn landmarks_come_with_boxes_or_alone() {
        let expected = Landmarks([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.5, 8.0], [9.0, 10.0]]);
        let points = "lx,ly,rx,ry,nx,ny,mlx,mly,mrx,mry";
        let table =
            format!("path,x1,y1,x2,y2,prob,{points}\nb,1,1,9,9,0.5,1,2,3,4,5,6,7.5,8,9,10\nc,1,1,9,9,0.5,,,,,,,,,,\n");
        let (faces, applied_to) = applied(&table).unwrap();
        assert_eq!(faces.iter().map(|face| face.landmarks).collect::<Vec<_>>(), [None, Some(expected), None]);
        assert_eq!(faces.iter().map(|face| face.bbox.is_some()).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(applied_to, Applied { without: 1, elsewhere: 0 });

        let (faces, applied_to) = applied(&format!("path,{points}\nb,1,2,3,4,5,6,7.5,8,9,10\nc,,,,,,,,,,\n")).unwrap();
        assert_eq!(faces.iter().map(|face| face.landmarks).collect::<Vec<_>>(), [None, Some(expected), None]);
        assert_eq!(applied_to, Applied { without: 2, elsewhere: 0 });
    }

    #[test]
    fn invalid_landmarks_are_a_fault_that_only_aligning_minds() {
        let boxed = Crop::Box { margin: 0.0, unit: MarginUnit::OriginalPixels };
        for (line, part, reason) in [
            (
                "1,1,9,9,1,2,3,4,5,six,7,8,9,10",
                FaultIn::Landmarks,
                "`ny` is `six`, expected a finite number such as 12 or 12.5",
            ),
            (
                "1,1,9,9,1,2,3,4,5,1e99,7,8,9,10",
                FaultIn::Landmarks,
                "`ny` is `1e99`, expected a finite number such as 12 or 12.5",
            ),
            ("1,1,9,9,1,2,3,4,,6,7,8,9,10", FaultIn::Landmarks, "`nx` is empty"),
            (
                "1,1,9,nan,1,2,3,4,,6,7,8,9,10",
                FaultIn::Box,
                "`y2` is `nan`, expected a finite number such as 12 or 12.5",
            ),
            (
                "1,1,9,nan,1,2,3,4,5,6,7,8,9,10",
                FaultIn::Box,
                "`y2` is `nan`, expected a finite number such as 12 or 12.5",
            ),
        ] {
            let table = format!(
                "path,x1,y1,x2,y2,lx,ly,rx,ry,nx,ny,mlx,mly,mrx,mry\na,{line}\nb,1,1,9,9,1,2,3,4,5,6,7,8,9,1\n"
            );
            let (faces, _) = applied(&table).unwrap();
            let fault = Fault { part, reason: format!("line 2: {reason}") };
            assert_eq!(faces[0].fault.as_ref(), Some(&fault), "{line}");
            let fails = |crop| faces[0].failing(crop).is_some();
            assert_eq!(fails(boxed), part == FaultIn::Box, "{line}");
            assert_eq!(fails(Crop::Align), faces[0].landmarks.is_none(), "{line}");
            assert!(!fails(Crop::Whole) && faces[1].fault.is_none());
        }
    }

    #[test]
    fn errors_in_a_table_of_boxes_name_the_line() {
        assert_snapshot!(message("path,x1,y1,x2,y2\na,1,1,9,9\na.jpg,2,2,9,9\n"), @", line 3: `a.jpg` already has a box on line 2; a picture has one face here: keep the box of the person it is filed under");
        assert_snapshot!(message("path,x1,y1,x2\na,1,1,9\n"), @", line 1: missing column `x1`, `y1`, `x2` and `y2`, or `x`, `y`, `w` and `h`; the columns are `path`, `x1`, `y1`, `x2` (they give the box in the picture)");
        assert_snapshot!(message("who,x1,y1,x2,y2\na,1,1,9,9\n"), @", line 1: missing column `face_id`, `file_name`, `path` or `image`; the columns are `who`, `x1`, `y1`, `x2`, `y2` (it names the face or its picture)");
        assert_snapshot!(message("path,x1,y1,x2,y2\nd,1,1,9,9\n"), @", line 2: `path` is `d`, but no face of the dataset has this face_id, path or file name (with or without extension); correct the table, or set `dataset` to the folder that contains it");
        assert_snapshot!(message("path,x1,y1,x2,y2\n"), @", line 1: the table has a header but no rows");
        assert_snapshot!(message(" \n"), @", line 1: the file is empty; expected a header and one line per face");
    }
}
