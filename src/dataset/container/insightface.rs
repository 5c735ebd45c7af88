//! The source `insightface-bin`: pairs of pictures in a pickle.

use std::io;

use super::pickle::{self, Input};
use super::unpacked::{self, Distinct, Folder, Index};
use super::{ContainerProblem, Located, Task, say_pairs};
use crate::dataset::scan::Context;
use crate::dataset::{DatasetError, Manifest};
use crate::files::FileError;

/// Reads a file of pairs.
pub(super) fn open(file: &Located, context: &Context<'_>) -> Result<Manifest, DatasetError> {
    let manifest = unpacked::open("insightface-bin", std::slice::from_ref(file), context, unpack, |_| Ok(None))?;
    say_pairs(&manifest, context);
    Ok(manifest)
}

fn unpack(folder: &mut Folder<'_>) -> Result<Index, DatasetError> {
    let Located { path, .. } = folder.container;
    let failed = |error| FileError::new("read", path)(error);
    let mut input = Input::new(folder.container.open()?).map_err(failed)?;
    let pairs = pickle::read(&mut input).map_err(|problem| folder.container.problem(problem))?;
    let task = Task::start(folder.context, "unpacking", path, "pictures", pairs.pictures.len() as u64);
    let mut faces = Distinct::default();
    let mut rows = Vec::with_capacity(pairs.pictures.len());
    for (number, blob) in pairs.pictures.iter().enumerate() {
        let blob = match blob {
            Ok(blob) => blob,
            Err(fault) => {
                rows.push(faces.absent(number, fault.clone()));
                continue;
            }
        };
        let picture = input.picture(blob).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => folder
                .container
                .problem(ContainerProblem::Pickle { at: blob.at, rule: "a byte string is no Latin-1 text" }),
            _ => failed(error).into(),
        })?;
        rows.push(faces.row(number, &picture, folder)?);
        task.advance(1);
    }
    let pairs = rows.chunks_exact(2).zip(&pairs.same).map(|(pair, &same)| (pair[0], pair[1], same)).collect();
    Ok(faces.with(pairs))
}
