//! Identity folders: `<root>/<identity>/<image>`, in byte order of the names; or an image folder, where
//! `<root>/metadata.csv` names the pictures.

use std::fs::{self, DirEntry};
use std::path::Path;

use super::image_folder;
use super::scan::{self, Context};
use super::{DatasetError, Face, Manifest, PixelSource, SourceTable, tables};
use crate::config::Tables;
use crate::files::FileError;

/// Endings of files that are read as pictures, in any case.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "bmp", "pgm", "ppm", "pnm"];

/// Whether a file name is a picture's. Hidden files are not: macOS leaves `._a.jpg` beside `a.jpg`.
pub(super) fn is_picture(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
    !name.starts_with('.')
        && ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// The endings for people.
pub(super) fn endings() -> String {
    ENDINGS.join(", ")
}

/// Reads a folder of identity folders, or an image folder.
pub(super) fn open(root: &Path, tables: &Tables, context: &Context<'_>) -> Result<Manifest, DatasetError> {
    let mut manifest = list(root, tables, context)?;
    scan::fill_folder(&mut manifest, context)?;
    Ok(manifest)
}

/// Its faces; their pictures are not read. A wrong table is told at once.
pub(super) fn list(root: &Path, tables: &Tables, context: &Context<'_>) -> Result<Manifest, DatasetError> {
    if !root.is_dir() {
        return Err(DatasetError::NoRoot { path: root.into(), holds: "holds one folder for each identity" });
    }
    let find = |key, table: &Option<_>| table.as_deref().map(|table| tables::find(key, table, root)).transpose();
    let files = tables::Files { pairs: find("pairs", &tables.pairs)?, boxes: find("boxes", &tables.boxes)? };
    let metadata = root.join(image_folder::METADATA);
    let (faces, table) = if metadata.is_file() {
        // A picture that is not there becomes a failure of its face, as in a Phase-1 table.
        image_folder::faces(&metadata, |_| true)?
    } else {
        (identities(root, context)?, SourceTable::default())
    };
    let mut manifest = Manifest { faces, root: root.into(), table, ..Manifest::default() };
    tables::attach(&mut manifest, &files, context)?;
    Ok(manifest)
}

fn identities(root: &Path, context: &Context<'_>) -> Result<Vec<Face>, DatasetError> {
    let mut ignored = Ignored::default();
    let mut pictures = Vec::new();
    for identity in entries(root)? {
        if context.cancel.requested() {
            return Err(DatasetError::Interrupted);
        }
        let name = name(&identity)?;
        if name.starts_with('.') {
            ignored.files += 1;
        } else if identity.path().is_dir() {
            one_identity(&identity.path(), &name, &mut pictures, &mut ignored)?;
        } else if is_picture(&name) {
            return Err(DatasetError::PicturesInRoot { root: root.into(), example: name });
        } else {
            ignored.files += 1;
        }
    }
    ignored.say(context);
    faces(pictures, &root.display().to_string())
}

fn one_identity(
    folder: &Path,
    identity: &str,
    pictures: &mut Vec<(String, String)>,
    ignored: &mut Ignored,
) -> Result<(), DatasetError> {
    for entry in entries(folder)? {
        let name = name(&entry)?;
        if is_picture(&name) && !entry.path().is_dir() {
            pictures.push((identity.to_owned(), name));
        } else if entry.path().is_dir() {
            ignored.folders += 1;
        } else {
            ignored.files += 1;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<DirEntry>, FileError> {
    fs::read_dir(folder).and_then(Iterator::collect).map_err(FileError::new("list", folder))
}

fn name(entry: &DirEntry) -> Result<String, DatasetError> {
    entry
        .file_name()
        .into_string()
        .map_err(|_| DatasetError::Name { path: entry.path().to_string_lossy().into_owned(), rule: "is not UTF-8" })
}

/// What is in the folders and is no face.
#[derive(Default)]
pub(super) struct Ignored {
    pub files: u64,
    pub folders: u64,
}

impl Ignored {
    /// Tells, when there is something to tell.
    pub fn say(&self, context: &Context<'_>) {
        let Self { files, folders } = self;
        if *files > 0 {
            context.progress.say(&format!(
                "{files} {} ending ({}) or hidden: ignored",
                if *files == 1 { "file is no picture by its" } else { "files are no pictures by their" },
                endings()
            ));
        }
        if *folders > 0 {
            context.progress.say(&format!(
                "{folders} {} deeper than <identity>/<image>: ignored with all that is inside",
                if *folders == 1 { "folder lies" } else { "folders lie" }
            ));
        }
    }
}

/// (identity, file name) → faces, sorted by the names' bytes. The id is the relative path: unique, stable, readable.
pub(super) fn faces(mut pictures: Vec<(String, String)>, place: &str) -> Result<Vec<Face>, DatasetError> {
    if pictures.is_empty() {
        return Err(DatasetError::NoPictures { place: place.into(), endings: endings() });
    }
    pictures.sort_unstable();
    pictures
        .into_iter()
        .map(|(identity, file)| {
            let path = format!("{identity}/{file}");
            if path.contains(char::is_control) {
                let path = path.escape_default().to_string();
                return Err(DatasetError::Name { path, rule: "contains a control character" });
            }
            Ok(Face {
                face_id: path.clone(),
                identity_id: Some(identity),
                image_id: path.clone(),
                pixels: PixelSource::File { path, size: 0, modified: 0 },
                bbox: None,
                detector_score: None,
                content: None,
                fault: None,
            })
        })
        .collect()
}
