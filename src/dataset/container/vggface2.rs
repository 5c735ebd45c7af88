//! The source `vggface2`: photos `<identity>/<photo>_<face>.jpg` in a `.tar.gz` or an unpacked folder, and the box of the
//! face in each.

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

use super::boxes::Boxes;
use super::tarball::{self, Tarball, read_picture};
use super::unpacked::{self, Index, PartialFolder, UnpackedFace};
use super::{ContainerProblem, Located, Task};
use crate::dataset::left_out::{LeftOut, LeftOutReason};
use crate::dataset::listing::{self, NameKind, Tree, Walk};
use crate::dataset::scan::{self, OpenContext};
use crate::dataset::{DatasetError, Face, Manifest, tables};
use crate::digest::Digest;
use crate::preprocess::HEAD;

/// Maximum number of parts of a path: `test/<identity>/<picture>` and one more.
const DEEPEST: usize = 4;

/// The parts of a picture's path.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PictureName {
    identity: String,
    file: String,
}

impl PictureName {
    /// The last two parts of a path, if they name a picture.
    fn of(path: &str) -> Option<Self> {
        let mut parts = path.rsplit('/');
        let (file, identity) = (parts.next()?, parts.next()?);
        let (photo, face) = file.rsplit_once('.')?.0.rsplit_once('_')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let fits =
            listing::named(file) == NameKind::Picture && digits(photo) && digits(face) && !identity.starts_with('.');
        (fits && !identity.is_empty()).then(|| Self { identity: identity.into(), file: file.into() })
    }

    fn id(&self) -> String {
        format!("{}/{}", self.identity, self.file)
    }

    /// The photo, shared by its faces.
    fn photo(&self) -> String {
        format!("{}/{}", self.identity, self.file.rsplit_once('_').map_or("", |(photo, _)| photo))
    }
}

/// Files that are not faces.
#[derive(Default)]
struct NotFaces {
    left_out: LeftOut,
    count: u64,
    example: Option<String>,
}

impl NotFaces {
    fn add(&mut self, path: &str, reason: LeftOutReason) {
        self.left_out.add(reason);
        self.count += 1;
        self.example.get_or_insert_with(|| path.escape_debug().to_string());
    }

    fn none(&self) -> ContainerProblem {
        ContainerProblem::NoPictures { example: self.example.clone(), count: self.count }
    }
}

/// Reads the archive.
pub(super) fn archive(
    archive: &Located,
    table: &Located,
    boxes: &Boxes,
    context: &OpenContext<'_>,
) -> Result<Manifest, DatasetError> {
    let files = std::slice::from_ref(archive);
    let manifest = unpacked::open("vggface2 2", files, context, unpack, |id| boxes.get(id))?;
    check_boxes(&manifest, table, boxes, context)?;
    Ok(manifest)
}

fn unpack(folder: &mut PartialFolder<'_>) -> Result<Index, DatasetError> {
    let container = folder.container;
    container.expect(b"\x1f\x8b", "VGGFace2's .tar.gz")?;
    let task = Task::start(folder.context, "unpacking", &container.path, "bytes", container.record.bytes);
    let advance = |n| task.advance(n);
    let (mut entries, mut others, mut known) = (Vec::new(), NotFaces::default(), HashSet::new());
    Tarball::open(container, &advance, folder.context.cancel)?.each(|path, entry| {
        let Some(name) = PictureName::of(path) else {
            others.add(path, reason(path, entry).map_err(|error| tarball::unreadable(error, container))?);
            return Ok(());
        };
        let id = name.id();
        if !known.insert(id.clone()) {
            return Err(tarball::refused(container, path, "is duplicated"));
        }
        let picture = read_picture(container, path, entry)?;
        folder.put(&id, &picture)?;
        let (identity, photo) = (Some(name.identity.clone()), Some(name.photo()));
        let sha256 = Some(Digest::of(&picture));
        entries.push((name, UnpackedFace { id: id.clone(), identity, photo, path: id, sha256, fault: None }));
        Ok(())
    })?;
    if entries.is_empty() {
        return Err(folder.container.problem(others.none()));
    }
    // The archive's order is that of some disk.
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let faces = entries.into_iter().map(|(_, entry)| entry).collect();
    Ok(Index { faces, left_out: others.left_out, ..Index::default() })
}

/// Why an entry that is not named like a face is left out.
fn reason(path: &str, entry: &mut dyn Read) -> std::io::Result<LeftOutReason> {
    if path.split('/').any(|part| part.starts_with('.')) {
        return Ok(LeftOutReason::Hidden);
    }
    let mut head = Vec::new();
    entry.take(HEAD as u64).read_to_end(&mut head)?;
    let by_name = listing::named(path.rsplit('/').next().unwrap_or(path)) == NameKind::Picture;
    Ok(listing::reason(&head).filter(|_| !by_name).unwrap_or(LeftOutReason::OtherName))
}

/// Reads the folder of an unpacked archive.
pub(super) fn folder(
    root: &Path,
    table: &Located,
    boxes: &Boxes,
    context: &OpenContext<'_>,
) -> Result<Manifest, DatasetError> {
    let (mut pictures, mut others) = (Vec::new(), NotFaces::default());
    let found = &mut |path: String, left_out: &mut LeftOut| match PictureName::of(&path) {
        Some(name) if path.split('/').count() <= DEEPEST && !path.contains(char::is_control) => {
            pictures.push((name, path));
        }
        _ => {
            left_out.add(LeftOutReason::OtherName);
            others.count += 1;
            others.example.get_or_insert_with(|| path.escape_debug().to_string());
        }
    };
    let mut left_out = LeftOut::default();
    let tree = Tree::open(root, context)?;
    Walk::new(&tree, [], &|_| false, context).pictures("", &mut left_out, found)?;
    pictures.sort();
    let wrong = |problem| DatasetError::Container { name: root.display().to_string(), problem: Box::new(problem) };
    if pictures.is_empty() {
        return Err(wrong(others.none()));
    }
    if let Some(twice) = pictures.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(wrong(ContainerProblem::Entry { name: twice[1].1.clone(), rule: "is duplicated" }));
    }
    let faces = pictures.into_iter().map(|(name, path)| {
        let (bbox, fault) = match boxes.get(&name.id()) {
            Ok(bbox) => (bbox, None),
            Err(fault) => (None, Some(fault)),
        };
        Face {
            bbox,
            face_id: name.id(),
            image_id: name.photo(),
            identity_id: Some(name.identity),
            fault,
            ..Face::of_picture(path)
        }
    });
    let mut manifest = Manifest { faces: faces.collect(), root: root.into(), left_out, ..Manifest::default() };
    scan::fill_folder(&mut manifest, context)?;
    check_boxes(&manifest, table, boxes, context)?;
    Ok(manifest)
}

/// Reports faces without a box, which are whole photos, and refuses a table of another set.
fn check_boxes(
    manifest: &Manifest,
    table: &Located,
    boxes: &Boxes,
    context: &OpenContext<'_>,
) -> Result<(), DatasetError> {
    let without = manifest.faces.iter().filter(|face| face.bbox.is_none() && face.fault.is_none()).count();
    if without == manifest.len() {
        let there = manifest.faces.first().map(|face| face.face_id.clone()).unwrap_or_default();
        let (boxes, named) = (boxes.len(), boxes.first.escape_debug().to_string());
        return Err(table.problem(ContainerProblem::OtherBoxes { boxes, named, there }));
    }
    if without > 0 {
        context.progress.say(&tables::without_box(without, manifest.len(), &table.name));
    }
    Ok(())
}
