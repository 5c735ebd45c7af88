//! How other tables call the faces of a manifest: by id, path, file name, or file name without its ending.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::normalisation::composed;
use super::paths::{normalise, unify};
use super::{CsvProblem, Face, PixelSource};

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
enum Named {
    One(u32),
    /// Two of several faces.
    Several(u32, u32),
}

/// The names of all faces.
pub(super) struct FaceNames<'a> {
    faces: &'a [Face],
    /// As they are written.
    written: Names<'a>,
    /// Names that are not ASCII, composed: the other table may write them in another Unicode normalisation.
    composed: Names<'a>,
}

/// Rows by name.
#[derive(Default)]
struct Names<'a> {
    ids: HashMap<Cow<'a, str>, Named>,
    /// Paths and, for tables that leave it out, paths without ending.
    paths: HashMap<Cow<'a, str>, Named>,
    /// File names, with and without ending.
    files: HashMap<Cow<'a, str>, Named>,
}

impl<'a> Names<'a> {
    fn add(&mut self, row: u32, face: &'a Face, form: impl Fn(&'a str) -> Option<Cow<'a, str>>) {
        add(&mut self.ids, form(&face.face_id), row);
        if let PixelSource::File { path, .. } = &face.pixels {
            for path in [path.as_str(), without_ending(path)] {
                add(&mut self.paths, form(path), row);
                add(&mut self.files, form(file_name(path)), row);
            }
        }
    }

    fn find(&self, value: &str) -> Option<Named> {
        let reference = normalise(&unify(value.trim())).unwrap_or_default();
        let below = |at: usize| &reference[at..];
        let parts = || std::iter::once(0).chain(reference.match_indices('/').map(|(at, _)| at + 1)).map(below);
        let by_path = |path: &str| self.paths.get(path).or_else(|| self.paths.get(without_ending(path)));
        let by_name = |name: &str| self.files.get(name).or_else(|| self.files.get(without_ending(name)));
        let named = self.ids.get(value.trim()).or_else(|| parts().find_map(by_path)).or_else(|| by_name(&reference));
        named.copied()
    }
}

impl<'a> FaceNames<'a> {
    pub fn of(faces: &'a [Face]) -> Self {
        let mut names = Self { faces, written: Names::default(), composed: Names::default() };
        for (row, face) in (0..).zip(faces) {
            names.written.add(row, face, |name| Some(name.into()));
            names.composed.add(row, face, |name| (!name.is_ascii()).then(|| composed(name).into()));
        }
        names
    }

    /// The row that a value of `column` means: the face of this id, else the only one at this path or, for a value that
    /// is no path, in a file of this name. A path may have folders in front that the manifest's root has already, and a
    /// file may have another ending than the table says: copies of a dataset differ in both. Where a path does not fit,
    /// its file name alone is not believed: `1.jpg` is somebody else's picture in each person's folder.
    pub fn find(&self, column: &str, value: &str) -> Result<u32, CsvProblem> {
        let composed = || (!value.is_ascii()).then(|| self.composed.find(&composed(value))).flatten();
        match self.written.find(value).or_else(composed) {
            Some(Named::One(row)) => Ok(row),
            Some(Named::Several(first, second)) => {
                let [first, second] = [first, second].map(|row| self.faces[row as usize].face_id.clone());
                Err(CsvProblem::AmbiguousFace { column: column.into(), value: value.into(), first, second })
            }
            None => Err(CsvProblem::UnknownFace { column: column.into(), value: value.into() }),
        }
    }
}

fn add<'a>(names: &mut HashMap<Cow<'a, str>, Named>, name: Option<Cow<'a, str>>, row: u32) {
    let Some(name) = name else { return };
    match names.entry(name) {
        Entry::Vacant(entry) => drop(entry.insert(Named::One(row))),
        Entry::Occupied(mut entry) => {
            if let Named::One(first) = *entry.get()
                && first != row
            {
                entry.insert(Named::Several(first, row));
            }
        }
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// A path without the ending of its file; a name that begins with its only dot has none.
fn without_ending(path: &str) -> &str {
    match path.rsplit_once('.') {
        Some((bare, ending)) if !bare.is_empty() && !bare.ends_with('/') && !ending.contains('/') => bare,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn faces(paths: &[&str]) -> Vec<Face> {
        let face = |path: &&str| Face {
            face_id: (*path).to_owned(),
            identity_id: None,
            image_id: (*path).to_owned(),
            pixels: PixelSource::File { path: (*path).to_owned(), size: 0, modified: 0 },
            bbox: None,
            detector_score: None,
            content: None,
            fault: None,
        };
        paths.iter().map(face).collect()
    }

    #[test]
    fn a_face_is_found_under_all_its_names() {
        let mut faces = faces(&["images/000/Ann_0001.jpg", "images/001/J.R._0001.jpg", "images/001/.hidden"]);
        faces[1].face_id = "the second".into();
        let names = FaceNames::of(&faces);
        for name in [
            "images/000/Ann_0001.jpg",
            "./images/000/Ann_0001.jpg",
            "images\\000\\Ann_0001.jpg",
            "train/images/000/Ann_0001.jpg",
            "images/000/Ann_0001.png",
            "images/000/Ann_0001",
            "Ann_0001.jpg",
            " Ann_0001 ",
        ] {
            assert_eq!(names.find("image_a", name), Ok(0), "{name}");
        }
        for name in ["the second", "images/001/J.R._0001", "J.R._0001", "J.R._0001.jpg"] {
            assert_eq!(names.find("image_a", name), Ok(1), "{name}");
        }
        for name in ["", "..", "../x", "Ann", "Ann_0002", "images/000", ".jpg", "Ann/Ann_0001.jpg"] {
            assert!(names.find("image_a", name).is_err(), "{name}");
        }
    }

    #[test]
    fn names_in_another_normalisation_are_found_unless_two_faces_differ_by_it() {
        let faces = faces(&["Rene\u{301}/1.jpg", "Rene\u{301}/e\u{301}.jpg", "Ren\u{e9}/\u{e9}.jpg"]);
        let names = FaceNames::of(&faces);
        assert_eq!(names.find("face_a", "Ren\u{e9}/1.jpg"), Ok(0));
        assert_eq!(names.find("face_a", "Ren\u{e9}/1"), Ok(0));
        assert_eq!(names.find("face_a", "Rene\u{301}/e\u{301}.jpg"), Ok(1), "as written");
        assert_eq!(names.find("face_a", "Ren\u{e9}/\u{e9}.jpg"), Ok(2), "as written");
        assert!(matches!(names.find("face_a", "Rene\u{301}/\u{e9}.jpg"), Err(CsvProblem::AmbiguousFace { .. })));
    }

    #[test]
    fn a_path_goes_before_a_file_name_and_two_faces_of_one_name_are_told() {
        let faces = faces(&["a/1.jpg", "b/1.jpg", "b/2.jpg", "b/2.png"]);
        let names = FaceNames::of(&faces);
        assert_eq!(names.find("face_a", "b/1.jpg"), Ok(1));
        assert_eq!(names.find("face_a", "b/2.png"), Ok(3), "the ending tells them apart");
        assert_snapshot!(names.find("face_a", "1.jpg").unwrap_err(), @"`face_a` is `1.jpg`, which may be `a/1.jpg` or `b/1.jpg`; write the path or the face_id");
        assert_snapshot!(names.find("face_a", "b/2").unwrap_err(), @"`face_a` is `b/2`, which may be `b/2.jpg` or `b/2.png`; write the path or the face_id");
        assert_snapshot!(names.find("face_a", "3.jpg").unwrap_err(), @"`face_a` is `3.jpg`, which no face of the dataset is called, by face_id, path, file name or file name without ending; correct the table, or let `dataset` name the folder that has it");
    }
}
