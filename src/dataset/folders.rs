//! Identity folders: `<root>/<identity>/<image>`, in byte order of the names; the same in several folders of the root, its
//! parts; or an image folder, where `<root>/metadata.csv` names the pictures.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::image_folder::{self, METADATA};
use super::left_out::{LeftOut, LeftOutReason};
use super::listing::{self, EntryKind, Tree, Walk, joined};
use super::normalisation::composed;
use super::scan::{self, OpenContext};
use super::{DatasetError, Face, Manifest, SourceTable, tables};
use crate::dataset::Tables;

/// Reads a folder of identity folders, or an image folder.
pub(super) fn open(
    root: &Path,
    parts: &[String],
    tables: &Tables,
    context: &OpenContext<'_>,
) -> Result<Manifest, DatasetError> {
    let tree = Tree::open(root, context)?;
    let mut manifest = faces_in(&tree, parts, tables, context)?;
    scan::fill_tree(&mut manifest, &tree, context)?;
    Ok(manifest)
}

/// Its faces, without reading the pictures. Errors of the tables come first.
pub(super) fn list(
    root: &Path,
    parts: &[String],
    tables: &Tables,
    context: &OpenContext<'_>,
) -> Result<Manifest, DatasetError> {
    faces_in(&Tree::open(root, context)?, parts, tables, context)
}

fn faces_in(
    tree: &Tree,
    parts: &[String],
    tables: &Tables,
    context: &OpenContext<'_>,
) -> Result<Manifest, DatasetError> {
    let root = tree.root();
    if !tree.is_folder("") {
        return Err(DatasetError::NoRoot { path: root.into(), holds: "has one folder per identity" });
    }
    let files = tables::Files::find(tables, root)?;
    let metadata = root.join(METADATA);
    // A dangling link is a missing table, not a folder without one.
    let named = parts.is_empty() && tree.is_file(METADATA) && image_folder::names_pictures(&metadata, context)?;
    let is_table = |name: &str| {
        let path = root.join(name);
        named && name == METADATA || [&files.pairs, &files.boxes].into_iter().flatten().any(|table| *table == path)
    };
    let mut left_out = LeftOut::default();
    let (faces, table) = if named {
        // A missing picture fails its face, as in a Phase-1 table.
        let (faces, table) = image_folder::faces(&metadata, |_| true)?;
        unnamed(tree, &faces, &is_table, &mut left_out, context)?;
        (faces, table)
    } else if !parts.is_empty() {
        (in_parts(tree, parts, &is_table, &mut left_out, context)?, SourceTable::default())
    } else {
        let faces = identities(tree, "", &is_table, &mut left_out, None, context)
            .and_then(|pictures| faces(pictures, &root.display().to_string(), &left_out))
            .map_err(|error| one_level_too_high(tree, image_folder::explain(error, &metadata)))?;
        (faces, SourceTable::default())
    };
    let mut manifest = Manifest { faces, root: root.into(), table, left_out, ..Manifest::default() };
    tables::attach(&mut manifest, &files, context)?;
    Ok(manifest)
}

/// Names the folders in the root that have identity folders, if that is why it has no pictures.
fn one_level_too_high(tree: &Tree, error: DatasetError) -> DatasetError {
    if !matches!(error, DatasetError::NoPictures { .. }) {
        return error;
    }
    let of_kind = |below: &str, wanted: fn(&EntryKind) -> bool| -> Vec<String> {
        let entries = tree.entries(below).unwrap_or_default();
        let found = entries.iter().filter(|entry| tree.look(entry).is_ok_and(|kind| wanted(&kind)));
        found.filter_map(|entry| Some(joined(below, &entry.name().ok()?))).collect()
    };
    let folders = |below: &str| of_kind(below, |kind| matches!(kind, EntryKind::Folder));
    let has_picture = |below: &String| !of_kind(below, |kind| matches!(kind, EntryKind::Picture)).is_empty();
    let inside: Vec<PathBuf> = folders("")
        .into_iter()
        .filter(|folder| folders(folder).iter().any(has_picture))
        .map(|folder| tree.root().join(folder))
        .collect();
    if inside.is_empty() { error } else { DatasetError::OneLevelTooHigh { root: tree.root().into(), inside } }
}

/// Counts what an image folder contains besides the pictures in its table.
fn unnamed(
    tree: &Tree,
    faces: &[Face],
    is_table: &dyn Fn(&str) -> bool,
    left_out: &mut LeftOut,
    context: &OpenContext<'_>,
) -> Result<(), DatasetError> {
    let named: HashSet<_> = faces.iter().map(|face| composed(&face.face_id)).collect();
    let mut found = |path: String, left: &mut LeftOut| {
        if !named.contains(&composed(&path)) {
            left.add(LeftOutReason::NotInTable);
        }
    };
    Walk::new(tree, [], is_table, context).pictures("", left_out, &mut found)
}

/// The faces of the root's parts, part by part.
fn in_parts(
    tree: &Tree,
    parts: &[String],
    is_table: &dyn Fn(&str) -> bool,
    left_out: &mut LeftOut,
    context: &OpenContext<'_>,
) -> Result<Vec<Face>, DatasetError> {
    let mut found = Vec::new();
    for part in parts {
        if !tree.is_folder(part) {
            return Err(DatasetError::NoPart { path: tree.root().join(part) });
        }
        let mut alone = Vec::new();
        let pictures = identities(tree, part, &|_| false, left_out, Some(&mut alone), context)?;
        let mut faces: Vec<(String, Option<String>)> =
            pictures.into_iter().map(|(who, file)| (format!("{part}/{who}/{file}"), Some(who))).collect();
        faces.extend(alone.into_iter().map(|file| (format!("{part}/{file}"), None)));
        faces.sort_unstable();
        found.extend(faces);
    }
    if found.is_empty() {
        let place = tree.root().display().to_string();
        return Err(DatasetError::NoPictures { place, left_out: left_out.clone() });
    }
    for (entry, name) in listing::with_names(tree.entries("")?, left_out, context) {
        match tree.look(&entry)? {
            _ if parts.contains(&name) || is_table(&name) => {}
            EntryKind::Picture => left_out.add(LeftOutReason::InRoot),
            EntryKind::Folder => {
                let mut count = |_, left: &mut LeftOut| left.add(LeftOutReason::OtherPart);
                Walk::new(tree, [], &|_| false, context).pictures(&name, left_out, &mut count)?;
            }
            EntryKind::Left(reason) => left_out.add(reason),
        }
    }
    found.into_iter().map(|(path, identity_id)| Ok(Face { identity_id, ..named(path)? })).collect()
}

/// (identity, file name) of the pictures in the identity folders of a folder; those next to them go to `alone`, if there is
/// one.
fn identities(
    tree: &Tree,
    below: &str,
    is_table: &dyn Fn(&str) -> bool,
    left_out: &mut LeftOut,
    mut alone: Option<&mut Vec<String>>,
    context: &OpenContext<'_>,
) -> Result<Vec<(String, String)>, DatasetError> {
    let (mut pictures, mut in_root, mut seen) = (Vec::new(), None, HashSet::new());
    let real_root = tree.real(below)?;
    for (entry, name) in listing::with_names(tree.entries(below)?, left_out, context) {
        if context.cancel.requested() {
            return Err(DatasetError::Interrupted);
        }
        match tree.look(&entry)? {
            EntryKind::Folder if entry.leads_up() => left_out.add(LeftOutReason::Repeated),
            EntryKind::Folder => {
                let folder = joined(below, &name);
                let real = tree.real(&folder)?;
                if seen.insert(real.clone()) {
                    let deeper = Walk::new(tree, [real_root.clone(), real], &|_| false, context);
                    one_identity(tree, &folder, &name, &mut pictures, left_out, deeper, context)?;
                } else {
                    left_out.add(LeftOutReason::Repeated);
                }
            }
            EntryKind::Picture if let Some(alone) = &mut alone => alone.push(name),
            EntryKind::Picture => {
                left_out.add(LeftOutReason::InRoot);
                in_root.get_or_insert(name);
            }
            EntryKind::Left(_) if is_table(&name) => {}
            EntryKind::Left(reason) => {
                if !below.is_empty() {
                    not_of_an_image_folder(tree, below, &name)?;
                }
                left_out.add(reason);
            }
        }
    }
    match in_root {
        Some(example) if pictures.is_empty() => Err(DatasetError::PicturesInRoot { root: tree.root().into(), example }),
        _ => Ok(pictures),
    }
}

/// Refuses the `metadata.csv` of an image folder inside a person's folder or a part.
fn not_of_an_image_folder(tree: &Tree, folder: &str, name: &str) -> Result<(), DatasetError> {
    if name != METADATA {
        return Ok(());
    }
    let folder = tree.root().join(folder);
    image_folder::refuse_as_person(&folder.join(METADATA), folder.display().to_string(), "root")
}

fn one_identity(
    tree: &Tree,
    folder: &str,
    identity: &str,
    pictures: &mut Vec<(String, String)>,
    left_out: &mut LeftOut,
    mut deeper: Walk<'_>,
    context: &OpenContext<'_>,
) -> Result<(), DatasetError> {
    let (before, mut too_deep) = (pictures.len(), 0);
    for (entry, name) in listing::with_names(tree.entries(folder)?, left_out, context) {
        deeper.go_on()?;
        match tree.look(&entry)? {
            EntryKind::Picture => pictures.push((identity.to_owned(), name)),
            EntryKind::Folder => deeper.pictures(&joined(folder, &name), left_out, &mut |_, left| {
                too_deep += 1;
                left.add(LeftOutReason::TooDeep);
            })?,
            EntryKind::Left(reason) => {
                not_of_an_image_folder(tree, folder, &name)?;
                left_out.add(reason);
            }
        }
    }
    if pictures.len() == before && too_deep == 0 {
        left_out.add(LeftOutReason::EmptyFolder);
    }
    Ok(())
}

/// The faces of (identity, file name), in byte order. The id is the relative path: unique, stable, readable.
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
            let face = named(format!("{identity}/{file}"))?;
            Ok(Face { identity_id: Some(identity), ..face })
        })
        .collect()
}

/// The face of a picture, whose path is its name.
pub(super) fn named(path: String) -> Result<Face, DatasetError> {
    if path.contains(char::is_control) {
        let path = path.escape_default().to_string();
        return Err(DatasetError::Name { path, rule: "contains a control character" });
    }
    Ok(Face::of_picture(path))
}
