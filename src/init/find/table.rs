//! A table: Phase 1's, one whose columns name pictures, or one that says whose the rows of an array are.

use std::path::{Path, PathBuf};

use super::{Content, Found, Hints, Paths};
use crate::dataset::IDENTITY_COLUMNS;
use crate::dataset::look::{self, FirstLines, ParquetColumns};
use crate::init::InitError;
use crate::init::scalar::scalar;

/// Lines that are looked at.
const LINES: usize = 64;

/// Columns that hold the path of a picture.
const FILES: [&str; 12] = [
    "file_name",
    "filename",
    "file",
    "path",
    "image",
    "image_path",
    "img",
    "img_path",
    "picture",
    "photo",
    "crop_path",
    "image_id",
];

/// Columns that hold an identity; names before numbers.
const IDENTITIES: [&str; 14] = [
    "identity",
    "identity_id",
    "label_name",
    "person",
    "person_id",
    "subject",
    "subject_id",
    "celeb_id",
    "label",
    "name",
    "class",
    "class_id",
    "id",
    "target",
];

/// Names of a table beside an array.
const BESIDE: [&str; 5] = ["faces.csv", "labels.csv", "metadata.csv", "face_metadata.csv", "identities.csv"];

/// A table with a line for each picture; `root` is the folder that its paths start in, if that is not the table's.
pub(super) fn pictures(table: &Path, root: Option<&Path>, paths: Paths) -> Result<Found, InitError> {
    let first = look::first_lines(table, LINES)?;
    let has = |name: &str| first.headers.iter().any(|header| header == name);
    if has("face_id") && (has("image_id") || has("photo_id")) && root.is_none() {
        return Ok(phase1(table, &first, paths));
    }
    let beside = table.parent().unwrap_or(Path::new(""));
    let folder = root.unwrap_or(if beside.as_os_str().is_empty() { Path::new(".") } else { beside });
    let missing = |what, example| {
        let found = first.headers.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        InitError::NoColumn { path: table.into(), what, found, example }
    };
    // What a column holds says more than its name.
    let holds_files =
        |at: usize| first.lines.iter().any(|line| !line[at].is_empty() && folder.join(&line[at]).is_file());
    let by_content = (0..first.headers.len()).find(|&at| holds_files(at));
    let file = by_content.or_else(|| named(&first, &FILES)).ok_or_else(|| missing("paths of pictures", "file_name"))?;
    let identity = named(&first, &IDENTITIES).filter(|at| *at != file);
    let identity = identity.ok_or_else(|| missing("identities", "identity"))?;
    let (folder, about) = match absolute(table, file)? {
        // Whoever names the folder knows better.
        Some(common) if root.is_none() => (common, "the folder that all the table's paths are in"),
        _ => (folder.to_owned(), "the folder that the table's paths start in"),
    };
    Ok(Found::new("a table of pictures", Content::Pictures, "files")
        .with("root", paths.yaml(&folder), about)
        .with("table", paths.yaml(table), "a line for each picture")
        .with("file", scalar(&first.headers[file]), "its column with the path of the picture")
        .with("identity", scalar(&first.headers[identity]), "its column with the identity"))
}

/// The deepest folder that all pictures of a table are in whose paths are all absolute; `None` for one with another path.
fn absolute(table: &Path, file: usize) -> Result<Option<PathBuf>, InitError> {
    let all = look::first_lines(table, usize::MAX)?.lines;
    let paths: Vec<&Path> = all.iter().map(|line| Path::new(&line[file])).collect();
    let [first, ..] = &paths[..] else { return Ok(None) };
    if !paths.iter().all(|path| path.is_absolute()) {
        return Ok(None);
    }
    if !paths.iter().any(|path| path.is_file()) {
        return Err(InitError::Elsewhere { path: table.into(), example: first.display().to_string() });
    }
    let mut folder = first.parent().unwrap_or(first);
    while let Some(outside) = paths.iter().find(|path| !path.starts_with(folder)) {
        folder = folder.parent().filter(|above| above.parent().is_some()).ok_or_else(|| InitError::Apart {
            path: table.into(),
            pictures: [first, outside].map(|path| path.display().to_string()),
        })?;
    }
    Ok(Some(folder.to_owned()))
}

/// The first of these columns that there is, in any case.
fn named(table: &FirstLines, names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| table.headers.iter().position(|header| header.eq_ignore_ascii_case(name)))
}

/// Phase 1's table, and where its pictures are on this machine.
fn phase1(table: &Path, first: &FirstLines, paths: Paths) -> Found {
    let crop = named(first, &["crop_path", "face_path"]);
    let (image, content) = if crop.is_some() { ("crop", Content::Crops) } else { ("photo", Content::Boxes) };
    let about = if crop.is_some() { "the crops as they are" } else { "each face is cut out of its photo by its box" };
    let found = Found::new("a Phase-1 table", content, "phase1")
        .with("csv", paths.yaml(table), "in the documented form, or as Phase 1's code writes it")
        .with("image", image.into(), about);
    let picture = crop.or_else(|| named(first, &["photo_path", "image_id", "photo_id"]));
    let folder = table.parent().unwrap_or(Path::new(""));
    let moved = picture.and_then(|at| first.lines.iter().find_map(|line| moved(&line[at], folder)));
    match moved {
        Some((from, to)) => found.with(
            "rewrite",
            format!("[{{ from: {}, to: {} }}]", scalar(&from), scalar(&to)),
            "the table's paths are of another machine; here the pictures lie beside it",
        ),
        None => found,
    }
}

/// A recorded path of another machine: its beginning, and what is here instead.
fn moved(recorded: &str, folder: &Path) -> Option<(String, String)> {
    if recorded.is_empty() || folder.join(recorded).is_file() {
        return None;
    }
    let starts = recorded.match_indices('/').map(|(at, _)| at + 1);
    let here = starts.into_iter().find(|&at| !recorded[at..].is_empty() && folder.join(&recorded[at..]).is_file())?;
    // With the folder itself on both sides, so that the line can be read.
    let inner = recorded[here..].find('/').map_or(here, |end| here + end + 1);
    Some((recorded[..inner].to_owned(), recorded[here..inner].to_owned()))
}

/// An array of embeddings, and its table.
pub(super) fn array(array: &Path, hints: &Hints, paths: Paths) -> Result<Found, InitError> {
    let faces = match &hints.table {
        Some(table) => table.clone(),
        None => beside(array).ok_or_else(|| InitError::NoTable { path: array.into() })?,
    };
    if look::holds_crops(array)? {
        let found = Found::new("crops in an array", Content::Crops, "array").with(
            "array",
            paths.yaml(array),
            "uint8, (faces, height, width, 3), RGB",
        );
        return with_columns(found, &faces, paths);
    }
    let found = Found::new("embeddings that another program computed", Content::Embeddings, "embeddings").with(
        "matrix",
        paths.yaml(array),
        "a row each face; f16, f32 or f64",
    );
    with_columns(found, &faces, paths)
}

/// Pictures in parquet, or embeddings, which are lists of floats.
pub(super) fn parquet(path: &Path, hints: &Hints, paths: Paths) -> Result<Found, InitError> {
    let ParquetColumns { vectors, plain, no_pictures } = look::parquet_columns(path)?;
    let Some(first) = vectors.first() else {
        return match no_pictures {
            None => Ok(pictures_in_parquet(path, paths)),
            Some(problem) => Err(InitError::NoColumns { path: path.into(), problem }),
        };
    };
    let found = Found::new("embeddings that another program computed", Content::Embeddings, "embeddings")
        .with("matrix", paths.yaml(path), "a row each face; a column of lists of f32 or f64")
        .with("column", scalar(first), "the column with the embeddings");
    match &hints.table {
        Some(table) => with_columns(found, table, paths),
        None => Ok(with_identity(found, &FirstLines { headers: plain, lines: Vec::new() })),
    }
}

/// One file of pictures, or a folder of them.
pub(super) fn pictures_in_parquet(path: &Path, paths: Paths) -> Found {
    let comment = "a file, or a folder whose `*.parquet` are read by name";
    Found::new("pictures in parquet", Content::Pictures, "parquet").with("path", paths.yaml(path), comment)
}

/// Adds the table of an array's rows and its columns.
fn with_columns(found: Found, faces: &Path, paths: Paths) -> Result<Found, InitError> {
    let first = look::first_lines(faces, 0)?;
    let found = found.with("faces", paths.yaml(faces), "a line for each row, in order");
    Ok(with_identity(found, &first))
}

/// Whether the identity is in one of the columns that are looked for.
pub(super) fn has_usual_identity(table: &Path) -> Result<bool, InitError> {
    Ok(look::first_lines(table, 0)?.headers.iter().any(|name| IDENTITY_COLUMNS.contains(&name.as_str())))
}

/// Adds the column of the identity, where it is not one of those that are looked for.
fn with_identity(found: Found, table: &FirstLines) -> Found {
    match named(table, &IDENTITIES) {
        Some(at) if !IDENTITY_COLUMNS.contains(&table.headers[at].as_str()) => {
            found.with("identity", scalar(&table.headers[at]), "the column with the identity")
        }
        _ => found,
    }
}

/// The table beside an array.
fn beside(array: &Path) -> Option<PathBuf> {
    let same = array.with_extension("csv");
    let others = BESIDE.iter().map(|name| array.with_file_name(name));
    std::iter::once(same).chain(others).find(|path| path.is_file())
}
