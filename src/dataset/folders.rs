//! Identity folders: `<root>/<identity>/<image>`, in byte order of the names; or an image folder, where
//! `<root>/metadata.csv` names the pictures.

use std::collections::HashSet;
use std::path::Path;

use super::image_folder::{self, METADATA};
use super::left_out::{LeftOut, Reason};
use super::listing::{self, Entry, Walk};
use super::normalisation::composed;
use super::scan::{self, Context};
use super::{DatasetError, Face, Manifest, PixelSource, SourceTable, tables};
use crate::dataset::Tables;

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
    let metadata = root.join(METADATA);
    // A link that leads to nothing is a table that is missing, not a folder without one.
    let named = (metadata.is_file() || metadata.is_symlink()) && image_folder::names_pictures(&metadata, context)?;
    let is_table = |name: &str| {
        let path = root.join(name);
        named && name == METADATA || [&files.pairs, &files.boxes].into_iter().flatten().any(|table| *table == path)
    };
    let mut left_out = LeftOut::default();
    let (faces, table) = if named {
        // A picture that is not there becomes a failure of its face, as in a Phase-1 table.
        let (faces, table) = image_folder::faces(&metadata, |_| true)?;
        unnamed(root, &faces, &is_table, &mut left_out, context)?;
        (faces, table)
    } else {
        let faces = identities(root, &is_table, &mut left_out, context)
            .and_then(|pictures| faces(pictures, &root.display().to_string(), &left_out))
            .map_err(|error| image_folder::explain(error, &metadata))?;
        (faces, SourceTable::default())
    };
    let mut manifest = Manifest { faces, root: root.into(), table, left_out, ..Manifest::default() };
    tables::attach(&mut manifest, &files, context)?;
    Ok(manifest)
}

/// Counts what an image folder holds beside the pictures that its table names.
fn unnamed(
    root: &Path,
    faces: &[Face],
    is_table: &dyn Fn(&str) -> bool,
    left_out: &mut LeftOut,
    context: &Context<'_>,
) -> Result<(), DatasetError> {
    let named: HashSet<_> = faces.iter().map(|face| composed(&face.face_id)).collect();
    let mut found = |path: String, left: &mut LeftOut| {
        if !named.contains(&composed(&path)) {
            left.add(Reason::NotInTable);
        }
    };
    Walk::new([], is_table, context).pictures(root, "", left_out, &mut found)
}

/// (identity, file name) of the pictures in identity folders.
fn identities(
    root: &Path,
    is_table: &dyn Fn(&str) -> bool,
    left_out: &mut LeftOut,
    context: &Context<'_>,
) -> Result<Vec<(String, String)>, DatasetError> {
    let (mut pictures, mut in_root, mut seen) = (Vec::new(), None, HashSet::new());
    let real_root = listing::real(root)?;
    for entry in listing::sorted(root)? {
        if context.cancel.requested() {
            return Err(DatasetError::Interrupted);
        }
        let name = listing::name(&entry)?;
        match listing::look(&entry, &name)? {
            Entry::Folder if listing::leads_up(&entry) => left_out.add(Reason::Repeated),
            Entry::Folder => {
                let real = listing::real(&entry.path())?;
                if seen.insert(real.clone()) {
                    let deeper = Walk::new([real_root.clone(), real], &|_| false, context);
                    one_identity(root, &name, &mut pictures, left_out, deeper)?;
                } else {
                    left_out.add(Reason::Repeated);
                }
            }
            Entry::Picture => {
                left_out.add(Reason::InRoot);
                in_root.get_or_insert(name);
            }
            Entry::Left(_) if is_table(&name) => {}
            Entry::Left(reason) => left_out.add(reason),
        }
    }
    match in_root {
        Some(example) if pictures.is_empty() => Err(DatasetError::PicturesInRoot { root: root.into(), example }),
        _ => Ok(pictures),
    }
}

fn one_identity(
    root: &Path,
    identity: &str,
    pictures: &mut Vec<(String, String)>,
    left_out: &mut LeftOut,
    mut deeper: Walk<'_>,
) -> Result<(), DatasetError> {
    let (folder, before, mut too_deep) = (root.join(identity), pictures.len(), 0);
    for entry in listing::list(&folder)? {
        let name = listing::name(&entry)?;
        match listing::look(&entry, &name)? {
            Entry::Picture => pictures.push((identity.to_owned(), name)),
            Entry::Folder => deeper.pictures(&folder, &name, left_out, &mut |_, left| {
                too_deep += 1;
                left.add(Reason::TooDeep);
            })?,
            Entry::Left(reason) => left_out.add(reason),
        }
    }
    if pictures.len() == before && too_deep == 0 {
        left_out.add(Reason::EmptyFolder);
    }
    Ok(())
}

/// (identity, file name) → faces, sorted by the names' bytes. The id is the relative path: unique, stable, readable.
pub(super) fn faces(
    mut pictures: Vec<(String, String)>,
    place: &str,
    left_out: &LeftOut,
) -> Result<Vec<Face>, DatasetError> {
    if pictures.is_empty() {
        return Err(DatasetError::NoPictures { place: place.into(), left_out: left_out.clone() });
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
