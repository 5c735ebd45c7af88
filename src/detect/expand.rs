//! Photos and what was found in them → faces.

use std::collections::HashMap;

use facevault_detect::{Detection, Keep, NotOne};

use super::find::Findings;
use super::{Detect, DetectError};
use crate::dataset::{Face, Fault, FaultIn, Manifest, PixelSource, SourceTable, landmark_columns};
use crate::preprocess::Landmarks;
use crate::protocol::{ListedPair, PairList};

/// Columns of a Phase-1 table that say which face of which photo a row is: the new rows have their own.
const REPLACED: [&str; 19] = [
    "face_id",
    "image_id",
    "photo_id",
    "identity_id",
    "photo_path",
    "crop_path",
    "face_path",
    "bbox_x1",
    "bbox_y1",
    "bbox_x2",
    "bbox_y2",
    "detector_score",
    "confidence",
    "x",
    "y",
    "w",
    "h",
    "width",
    "height",
];

/// A manifest of faces, and how many there were.
#[derive(Debug, Clone, PartialEq)]
pub struct Expanded {
    /// The faces, in the order of their photos.
    pub manifest: Manifest,
    /// Photos of the dataset.
    pub photos: u64,
    /// Photos without a row that has a face.
    pub without_face: u64,
    /// Faces that were kept.
    pub faces: u64,
    /// Photos whose rows have different identities: their faces have none.
    pub mixed: u64,
}

/// Turns photos into faces. A photo without a face to keep, or that could not be looked at, stays as one row that fails
/// with the reason: it must never be embedded whole. With [`Keep::All`] the ids are those of the photos with `#1`, `#2`,
/// … in the order of the detector, largest first.
///
/// # Errors
/// [`DetectError::AmbiguousPair`].
pub fn expand(photos: Manifest, found: &Findings, detect: &Detect) -> Result<Expanded, DetectError> {
    // Templates are of faces that are located already.
    let Manifest { faces: rows, root, table, lists, templates: _, commit, containers, left_out, roles } = photos;
    let groups = photos_of(&rows);
    let mut faces = Vec::with_capacity(groups.len());
    // The rows of each face's photo; and the first face and number of faces of each old row.
    let mut source_rows = Vec::with_capacity(groups.len());
    let mut faces_of = vec![(0_u32, 0_usize); rows.len()];
    let (mut without_face, mut kept, mut mixed) = (0, 0, 0);
    for group in &groups {
        let before = faces.len();
        let photo = photo_row(&rows, group);
        mixed += u64::from(photo.identity_id.is_none() && group.iter().any(|&row| rows[row].identity_id.is_some()));
        let usable = photo.fault.is_none().then_some(photo.content).flatten();
        let selected = match usable.map(|content| found.get(&content)) {
            // Embedding reports why its file cannot be read, or the fault of its row.
            None => None,
            Some(None) => Some(Err("faces were not looked for in this photo".to_owned())),
            Some(Some(Err(reason))) => Some(Err(reason.clone())),
            Some(Some(Ok(found))) => {
                let selected = select(detect, &found.faces, found.size);
                without_face += u64::from(selected.is_err());
                Some(selected)
            }
        };
        match selected {
            None => faces.push(photo),
            Some(Ok(selected)) => faces.extend(with_boxes(&photo, &selected, detect)),
            Some(Err(reason)) => {
                faces.push(Face { fault: Some(Fault { part: FaultIn::Detection, reason }), ..photo });
            }
        }
        kept += faces[before..].iter().filter(|face| face.bbox.is_some()).count();
        source_rows.extend(std::iter::repeat_n(group, faces.len() - before));
        for &row in group {
            faces_of[row] = (before as u32, faces.len() - before);
        }
    }
    let lists = lists.into_iter().map(|list| follow(list, &rows, &faces_of)).collect::<Result<_, _>>()?;
    let table = carried_over(&table, &source_rows);
    let manifest = Manifest { faces, root, table, lists, templates: None, commit, containers, left_out, roles };
    Ok(Expanded { manifest, photos: groups.len() as u64, without_face, faces: kept as u64, mixed })
}

/// How many photos a manifest has rows of.
pub(crate) fn photos(manifest: &Manifest) -> usize {
    photos_of(&manifest.faces).len()
}

/// The rows of each photo, in order of first appearance: a table may have several rows for one photo.
fn photos_of(rows: &[Face]) -> Vec<Vec<usize>> {
    let (mut groups, mut known) = (Vec::<Vec<usize>>::new(), HashMap::new());
    for (row, face) in rows.iter().enumerate() {
        let path = match &face.pixels {
            // A row without a usable photo is its own.
            PixelSource::File { path, .. } if !path.is_empty() => path.as_str(),
            _ => {
                groups.push(vec![row]);
                continue;
            }
        };
        let group = *known.entry(path).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(row);
    }
    groups
}

/// The photo as a row without a box: the first row's id, and the identity if all rows have the same one.
fn photo_row(rows: &[Face], group: &[usize]) -> Face {
    let first = &rows[group[0]];
    let same = group.iter().all(|&row| rows[row].identity_id == first.identity_id);
    let fault = group.iter().filter_map(|&row| rows[row].fault.clone()).find(|fault| fault.part == FaultIn::Face);
    Face {
        identity_id: first.identity_id.clone().filter(|_| same),
        bbox: None,
        detector_score: None,
        fault,
        landmarks: None,
        ..first.clone()
    }
}

/// The faces to keep, or why there is none.
fn select(detect: &Detect, found: &[Detection], size: [u32; 2]) -> Result<Vec<Detection>, String> {
    let least = detect.min_probability;
    let probable = if least > 0.0 { format!(" with a probability of at least {least}") } else { String::new() };
    match detect.keep.select(found, least, (size[0], size[1])) {
        Ok(faces) if !faces.is_empty() => Ok(faces),
        Ok(_) | Err(NotOne { found: 0 }) => Err(format!("no face{probable} was found")),
        Err(NotOne { found }) => {
            Err(format!("{found} faces{probable} were found, and `detect.keep: one` takes exactly one"))
        }
    }
}

fn with_boxes(photo: &Face, selected: &[Detection], detect: &Detect) -> Vec<Face> {
    let numbered = detect.keep == Keep::All;
    let face = |(number, found): (usize, &Detection)| Face {
        face_id: if numbered { format!("{}#{}", photo.face_id, number + 1) } else { photo.face_id.clone() },
        bbox: Some(found.bbox),
        detector_score: Some(found.probability),
        landmarks: Some(Landmarks(found.landmarks)),
        ..photo.clone()
    };
    selected.iter().enumerate().map(face).collect()
}

/// A list of pairs of photos as a list of pairs of faces.
fn follow(mut list: PairList, rows: &[Face], faces_of: &[(u32, usize)]) -> Result<PairList, DetectError> {
    let name = list.name.clone();
    let face = |row: u32| match faces_of.get(row as usize) {
        // The list names a photo that the dataset does not have.
        None => Ok(row),
        Some(&(face, 1)) => Ok(face),
        Some(&(_, faces)) => {
            Err(DetectError::AmbiguousPair { list: name.clone(), photo: rows[row as usize].face_id.clone(), faces })
        }
    };
    for ListedPair { a, b, .. } in &mut list.pairs {
        (*a, *b) = (face(*a)?, face(*b)?);
    }
    Ok(list)
}

/// The columns of the source's table that still hold, with the value that all rows of a face's photo have.
fn carried_over(table: &SourceTable, source_rows: &[&Vec<usize>]) -> SourceTable {
    let landmarks = landmark_columns(&table.headers);
    let described = |at: usize, header: &str| {
        REPLACED.contains(&header.trim().to_lowercase().as_str())
            || landmarks.is_some_and(|columns| columns.contains(&at))
    };
    let kept = table.headers.iter().zip(&table.columns).enumerate();
    let kept = kept.filter(|(at, (header, _))| !described(*at, header));
    let (headers, columns) = kept
        .map(|(_, (header, column))| {
            let value = |rows: &&Vec<usize>| {
                let first = column.get(rows[0]).unwrap_or_default();
                let agree = rows.iter().all(|&row| column.get(row) == Some(first));
                if agree { first } else { "" }
            };
            (header.clone(), source_rows.iter().map(value).collect())
        })
        .unzip();
    SourceTable { headers, columns }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::cache::PhotoFaces;
    use crate::digest::Digest;
    use crate::preprocess::BoundingBox;
    use crate::protocol::DATASET_PAIRS;

    fn detection(x1: f32, probability: f32) -> Detection {
        let bbox = BoundingBox { x1, y1: 0.0, x2: 100.0, y2: 100.0 };
        Detection { bbox, probability, landmarks: [[x1; 2]; 5] }
    }

    fn photo(id: &str, path: &str, identity: &str) -> Face {
        let face = Face::of_picture(path);
        let identity_id = (!identity.is_empty()).then(|| identity.to_owned());
        Face { face_id: id.into(), identity_id, content: Some(Digest::of(path.as_bytes())), ..face }
    }

    /// A manifest of the photos `two`, `none`, `unread` and `two` again, where two, no and one face were found; `unread`
    /// could not be decoded.
    fn photos() -> (Manifest, Findings) {
        let faces = vec![
            photo("a", "two", "Ann"),
            photo("b", "none", "Ben"),
            photo("c", "unread", "Cid"),
            photo("d", "two", "Dan"),
            photo("e", "one", "Eve"),
        ];
        let column = |values: [&str; 5]| values.into_iter().collect();
        let table = SourceTable {
            headers: ["face_id", "Confidence", "camera"].map(str::to_owned).into(),
            columns: vec![column(["a", "b", "c", "d", "e"]), column(["1"; 5]), column(["1", "2", "3", "4", "5"])],
        };
        let found = [
            ("two", vec![detection(0.0, 0.8), detection(50.0, 0.99)]),
            ("none", vec![]),
            ("one", vec![detection(10.0, 0.9)]),
        ];
        let found = found.map(|(path, faces)| (path, Ok(PhotoFaces { size: [200, 100], faces })));
        let unread = ("unread", Err("the picture is damaged".to_owned()));
        let found = found.into_iter().chain([unread]).map(|(path, found)| (Digest::of(path.as_bytes()), found));
        (Manifest { faces, table, ..Manifest::default() }, found.collect())
    }

    fn detect(keep: Keep, min_probability: f32) -> Detect {
        Detect { keep, min_probability, ..Detect::default() }
    }

    fn rows(expanded: &Expanded) -> Vec<String> {
        let row = |face: &Face| {
            let bbox = face.bbox.map_or_else(|| "-".to_owned(), |bbox| bbox.x1.to_string());
            let fault = face.fault.as_ref().map(|fault| format!(" {}", fault.reason)).unwrap_or_default();
            format!("{} {} {bbox}{fault}", face.face_id, face.identity_id.as_deref().unwrap_or("?"))
        };
        expanded.manifest.faces.iter().map(row).collect()
    }

    #[test]
    fn each_photo_is_one_row_and_the_identity_of_a_photo_of_two_people_is_unknown() {
        let (photos, found) = photos();
        let expanded = expand(photos, &found, &detect(Keep::Largest, 0.0)).unwrap();
        assert_eq!(
            rows(&expanded),
            ["a ? 0", "b Ben - no face was found", "c Cid - the picture is damaged", "e Eve 10"]
        );
        assert_eq!((expanded.photos, expanded.without_face, expanded.faces), (4, 1, 2));
        let table = &expanded.manifest.table;
        assert_eq!(table.headers, ["camera"], "what described the replaced faces is gone");
        assert_eq!(
            table.columns[0].iter().collect::<Vec<_>>(),
            ["", "2", "3", "5"],
            "rows 1 and 4 are one photo and disagree"
        );
        assert_eq!(expanded.mixed, 1);
        assert_eq!(expanded.manifest.faces[0].detector_score, Some(0.8));
    }

    #[test]
    fn all_faces_of_a_photo_are_rows_with_numbered_ids() {
        let (photos, found) = photos();
        let expanded = expand(photos, &found, &detect(Keep::All, 0.0)).unwrap();
        assert_eq!(
            rows(&expanded),
            ["a#1 ? 0", "a#2 ? 50", "b Ben - no face was found", "c Cid - the picture is damaged", "e#1 Eve 10"]
        );
        let images: Vec<_> = expanded.manifest.faces.iter().map(|face| face.image_id.as_str()).collect();
        assert_eq!(images, ["two", "two", "none", "unread", "one"], "faces of one photo share it");
    }

    #[test]
    fn the_reason_names_the_rule_that_left_no_face() {
        let (photos, found) = photos();
        let expanded = expand(photos.clone(), &found, &detect(Keep::One, 0.0)).unwrap();
        assert_eq!(rows(&expanded)[0], "a ? - 2 faces were found, and `detect.keep: one` takes exactly one");
        let expanded = expand(photos, &found, &detect(Keep::One, 0.95)).unwrap();
        assert_eq!(rows(&expanded)[0], "a ? 50");
        assert_eq!(rows(&expanded)[3], "e Eve - no face with a probability of at least 0.95 was found");
    }

    #[test]
    fn pairs_of_photos_become_pairs_of_their_faces() {
        let (mut photos, found) = photos();
        let pair = |a, b| ListedPair { a, b, same: false, fold: None };
        let pairs = vec![pair(1, 4), pair(3, u32::MAX)];
        photos.lists = vec![PairList { name: DATASET_PAIRS.into(), pairs, absent: Vec::new() }];
        let expanded = expand(photos.clone(), &found, &detect(Keep::Largest, 0.0)).unwrap();
        assert_eq!(expanded.manifest.lists[0].pairs, [pair(1, 3), pair(0, u32::MAX)]);
        let error = expand(photos, &found, &detect(Keep::All, 0.0)).unwrap_err();
        insta::assert_snapshot!(error, @"the dataset's list of pairs names the photo `d`, in which 2 faces were found; set `detect.keep` to `largest`, `center-weighted`, `most-probable` or `one`, so that each photo is one face, or name the faces (`photo#1`) in `protocols[].pairs`");
    }
}
