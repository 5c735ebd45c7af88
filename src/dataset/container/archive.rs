//! The source `archive`: pictures `<identity>/<picture>` in a tar archive, below any folders, unpacked once.

use std::collections::HashMap;

use super::tarball::{Tarball, read_picture};
use super::unpacked::{self, Index, PartialFolder, UnpackedFace};
use super::{ContainerProblem, Located, Place, Task, shorter_side};
use crate::dataset::image_folder::METADATA;
use crate::dataset::left_out::{LeftOut, LeftOutReason};
use crate::dataset::listing::{self, NameKind};
use crate::dataset::scan::OpenContext;
use crate::dataset::{DatasetError, Manifest};
use crate::digest::Digest;
use crate::progress::Cancel;

/// Reads the archive.
pub(super) fn open(archive: &Located, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    unpacked::open("archive 1", std::slice::from_ref(archive), context, unpack, |_| Ok(None))
}

fn unpack(folder: &mut PartialFolder<'_>) -> Result<Index, DatasetError> {
    let container = folder.container;
    let task = Task::start(folder.context, "unpacking", &container.path, "bytes", container.record.bytes);
    let advance = |n| task.advance(n);
    let (mut faces, mut left_out, mut known) = (Vec::new(), LeftOut::default(), HashMap::new());
    let (mut others, mut example) = (0, None);
    Tarball::open(container, &advance, folder.context.cancel)?.each(|path, entry| {
        if path.rsplit('/').next() == Some(METADATA) {
            return Err(container.problem(ContainerProblem::ImageFolder { name: path.to_owned() }));
        }
        let (identity, id) = match named(path) {
            Ok(picture) => picture,
            Err(reason) => {
                left_out.add(reason);
                others += 1;
                example.get_or_insert_with(|| path.escape_debug().to_string());
                return Ok(());
            }
        };
        if let Some(first) = known.insert(id.clone(), path.to_owned()) {
            return Err(container.problem(ContainerProblem::TwoPictures { id, first, second: path.to_owned() }));
        }
        let picture = read_picture(container, path, entry)?;
        folder.put(&id, &picture)?;
        let sha256 = Some(Digest::of(&picture));
        faces.push(UnpackedFace {
            id: id.clone(),
            identity: Some(identity),
            photo: None,
            path: id,
            sha256,
            fault: None,
        });
        Ok(())
    })?;
    if faces.is_empty() {
        return Err(container.problem(match example {
            None => ContainerProblem::NoMembers,
            Some(example) => ContainerProblem::NoIdentities { example, count: others },
        }));
    }
    // The archive's order is that of some disk.
    faces.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Index { faces, left_out, ..Index::default() })
}

/// The shorter sides of the first pictures, at most `most`, in pixels, where their headers tell.
pub(super) fn first_sides(archive: &Place, most: usize) -> Result<Vec<u32>, DatasetError> {
    let (mut seen, mut sides) = (0, Vec::new());
    let read = Tarball::open(archive, &|_| {}, &Cancel::default())?.each(|path, entry| {
        if named(path).is_ok() {
            seen += 1;
            sides.extend(shorter_side(&read_picture(archive, path, entry)?));
        }
        // What was seen is enough.
        if seen == most { Err(DatasetError::Interrupted) } else { Ok(()) }
    });
    match read {
        Err(DatasetError::Interrupted) | Ok(()) => Ok(sides),
        Err(error) => Err(error),
    }
}

/// Identity and id, `<identity>/<picture>`, of a picture's path; else why it is none.
fn named(path: &str) -> Result<(String, String), LeftOutReason> {
    let mut parts = path.rsplit('/').filter(|part| *part != ".");
    let file = parts.next().unwrap_or_default();
    if path.split('/').any(|part| part.starts_with('.') && part != ".") {
        return Err(LeftOutReason::Hidden);
    }
    if listing::named(file) != NameKind::Picture {
        return Err(LeftOutReason::NoPicture);
    }
    let identity = parts.find(|part| !part.is_empty()).ok_or(LeftOutReason::InRoot)?;
    Ok((identity.to_owned(), format!("{identity}/{file}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_parts_of_a_path_name_the_picture() {
        for (path, expected) in [
            ("lfw/Ann/Ann_0001.jpg", Ok("Ann/Ann_0001.jpg")),
            ("./Ann/1.png", Ok("Ann/1.png")),
            ("a/b/c/Ann/1.png", Ok("Ann/1.png")),
            ("lfw//Ann//1.png", Ok("Ann/1.png")),
            ("1.png", Err(LeftOutReason::InRoot)),
            ("./1.png", Err(LeftOutReason::InRoot)),
            ("lfw/Ann/readme.txt", Err(LeftOutReason::NoPicture)),
            ("lfw/.cache/1.png", Err(LeftOutReason::Hidden)),
        ] {
            assert_eq!(named(path).map(|(_, id)| id), expected.map(str::to_owned), "{path}");
        }
    }
}
