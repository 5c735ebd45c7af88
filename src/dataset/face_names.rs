//! Resolves the names that other tables use for the faces of a manifest: id, path, or file name, with or without
//! extension.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::normalisation::composed;
use super::paths::{normalise, unify};
use super::{CsvProblem, Face, PixelSource};

/// Most bytes of a path, as Linux has it.
const LONGEST_PATH: usize = 4096;

/// The rows that have a name.
#[derive(Debug, Clone, Copy)]
enum Match {
    One(u32),
    /// The first two of several.
    Several(u32, u32),
}

/// The names of all faces.
pub(super) struct FaceNames<'a> {
    faces: &'a [Face],
    /// As written.
    written: Names<'a>,
    /// Non-ASCII names in composed form: the other table may use a different Unicode normalisation.
    composed: Names<'a>,
}

/// Rows by name.
#[derive(Default)]
struct Names<'a> {
    ids: HashMap<Cow<'a, str>, Match>,
    /// Paths with and without extension.
    paths: HashMap<Cow<'a, str>, Match>,
    /// File names with and without extension.
    files: HashMap<Cow<'a, str>, Match>,
}

impl<'a> Names<'a> {
    fn add(&mut self, row: u32, face: &'a Face, form: impl Fn(&'a str) -> Option<Cow<'a, str>>) {
        add(&mut self.ids, form(&face.face_id), row);
        let path = match &face.pixels {
            PixelSource::File { path, .. } => Some(path),
            // An id is often the path of a picture that was elsewhere.
            PixelSource::Given { .. } | PixelSource::Part(_) => Some(&face.face_id),
            PixelSource::Synthetic { .. } => None,
        };
        if let Some(path) = path {
            for path in [path.as_str(), without_extension(path)] {
                add(&mut self.paths, form(path), row);
                add(&mut self.files, form(file_name(path)), row);
            }
        }
    }

    fn find(&self, value: &str) -> Option<Match> {
        // Longer ones are no path, and every part of one is looked up.
        if value.len() > LONGEST_PATH {
            return self.ids.get(value.trim()).copied();
        }
        let reference = normalise(&unify(value.trim())).unwrap_or_default();
        let below = |at: usize| &reference[at..];
        let parts = || std::iter::once(0).chain(reference.match_indices('/').map(|(at, _)| at + 1)).map(below);
        let by_path = |path: &str| self.paths.get(path).or_else(|| self.paths.get(without_extension(path)));
        let by_name = |name: &str| self.files.get(name).or_else(|| self.files.get(without_extension(name)));
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

    /// The row for a value of `column`: the face with this id, else the only one at this path or, if the value is not a
    /// path, the only one with this file name. Copies of a dataset differ in leading folders and in extensions, so both
    /// may deviate. A path is never reduced to its file name: `1.jpg` is a different picture in each person's folder.
    pub fn find(&self, column: &str, value: &str) -> Result<u32, CsvProblem> {
        let composed = || (!value.is_ascii()).then(|| self.composed.find(&composed(value))).flatten();
        match self.written.find(value).or_else(composed) {
            Some(Match::One(row)) => Ok(row),
            Some(Match::Several(first, second)) => {
                let [first, second] = [first, second].map(|row| self.faces[row as usize].face_id.clone());
                Err(CsvProblem::AmbiguousFace { column: column.into(), value: value.into(), first, second })
            }
            None => Err(CsvProblem::UnknownFace { column: column.into(), value: value.into() }),
        }
    }
}

fn add<'a>(names: &mut HashMap<Cow<'a, str>, Match>, name: Option<Cow<'a, str>>, row: u32) {
    let Some(name) = name else { return };
    match names.entry(name) {
        Entry::Vacant(entry) => drop(entry.insert(Match::One(row))),
        Entry::Occupied(mut entry) => {
            if let Match::One(first) = *entry.get()
                && first != row
            {
                entry.insert(Match::Several(first, row));
            }
        }
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// A path without the extension of its file; the dot of a hidden file starts no extension.
fn without_extension(path: &str) -> &str {
    match path.rsplit_once('.') {
        Some((bare, extension)) if !bare.is_empty() && !bare.ends_with('/') && !extension.contains('/') => bare,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn faces(paths: &[&str]) -> Vec<Face> {
        paths.iter().map(|path| Face::of_picture(*path)).collect()
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
    fn a_path_precedes_a_file_name_and_an_ambiguous_name_is_an_error() {
        let faces = faces(&["a/1.jpg", "b/1.jpg", "b/2.jpg", "b/2.png"]);
        let names = FaceNames::of(&faces);
        assert_eq!(names.find("face_a", "b/1.jpg"), Ok(1));
        assert_eq!(names.find("face_a", "b/2.png"), Ok(3), "the extension tells them apart");
        assert_snapshot!(names.find("face_a", "1.jpg").unwrap_err(), @"`face_a` is `1.jpg`, which matches `a/1.jpg` and `b/1.jpg`; use the path or the face_id");
        assert_snapshot!(names.find("face_a", "b/2").unwrap_err(), @"`face_a` is `b/2`, which matches `b/2.jpg` and `b/2.png`; use the path or the face_id");
        assert_snapshot!(names.find("face_a", "3.jpg").unwrap_err(), @"`face_a` is `3.jpg`, but no face of the dataset has this face_id, path or file name (with or without extension); correct the table, or set `dataset` to the folder that contains it");
    }
}
