//! Tar files as WebDataset reads them: the files of a sample have one name and stand together.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde_json::json;

use super::{ExportRequest, Exported, START_OVER, default_folder, empty_folder};
use crate::cli::ExportFormat;
use crate::embed::{FaceReader, MatrixReader};
use crate::error::Error;
use crate::files::{self, FileError};
use crate::run::{self, EmbeddedFaces, RunError};

/// Writes the embedded faces of a run in the order of its matrix. The same run gives the same bytes. What is stopped or fails
/// leaves nothing behind, so that the same command starts anew.
pub(super) fn write(request: &ExportRequest<'_>) -> Result<Exported, Error> {
    let ExportRequest { run, out, progress, cancel, .. } = *request;
    // The process does not end before what was written is removed.
    let _keeping = cancel.keeping();
    run::embedded_and_intact(run)?;
    let faces = EmbeddedFaces::open(run)?;
    let folder = out
        .map_or_else(|| PathBuf::from(default_folder(request.to)).join(run.name()).join("webdataset"), PathBuf::from);
    empty_folder(&folder)?;
    let mut exported = Exported {
        run: run.name(),
        to: ExportFormat::WebDataset,
        folder: folder.clone(),
        files: Vec::new(),
        faces: Some(faces.rows.len() as u64),
        without_picture: 0,
    };
    progress.start("exporting", "faces", exported.faces, 0);
    let written = write_tars(request, &faces, &mut exported);
    progress.finish();
    if written.is_err() {
        for file in &exported.files {
            files::remove_all(&folder.join(file))?;
        }
        // It stays if somebody else has put something there meanwhile.
        let _ = fs::remove_dir(&folder);
    }
    written.map(|()| exported)
}

/// Writes the tar files into the folder, and adds each to the list once it is there.
fn write_tars(request: &ExportRequest<'_>, faces: &EmbeddedFaces, exported: &mut Exported) -> Result<(), Error> {
    let ExportRequest { run, pictures, shard, progress, cancel, .. } = *request;
    let mut matrix = MatrixReader::open(&run.matrix()).map_err(RunError::from)?;
    faces.check_rows(run, matrix.rows())?;
    let config = run::stored(run)?.1.config;
    let reader = FaceReader::new(&faces.manifest, &config.preprocess, &config.dataset);
    let (name, mut row) = (run.name(), vec![0.0; matrix.dimension()]);
    for (number, rows) in faces.rows.chunks(shard).enumerate() {
        let file = PathBuf::from(format!("{name}-{number:06}.tar"));
        let path = exported.folder.join(&file);
        let failed = |error: io::Error| Error::from(FileError::new("write", &path)(error));
        files::commit(&path, |out| {
            let mut tar = tar::Builder::new(out);
            for (at, &manifest_row) in rows.iter().enumerate() {
                if cancel.requested() {
                    return Err(RunError::Interrupted { resume: START_OVER.into() }.into());
                }
                let (place, face) = (number * shard + at, &faces.manifest.faces[manifest_row]);
                matrix.read(&mut row).map_err(RunError::from)?;
                let mut npy = Vec::new();
                crate::npy::write_vector(&mut npy, &row).map_err(failed)?;
                let about = json!({
                    "run": name, "row": place, "face_id": face.face_id, "identity_id": face.identity_id,
                });
                let picture = if pictures { reader.png(manifest_row) } else { None };
                exported.without_picture += u64::from(pictures && picture.is_none());
                let parts = [("json", Some(serde_json::to_vec(&about)?)), ("npy", Some(npy)), ("png", picture)];
                for (ending, bytes) in parts {
                    let Some(bytes) = bytes else { continue };
                    // A row's number: an id may hold what a key may not, a dot or a slash.
                    append(&mut tar, &format!("{place:09}.{ending}"), &bytes).map_err(failed)?;
                }
                progress.advance(1);
            }
            tar.finish().map_err(failed)
        })?;
        exported.files.push(file);
    }
    Ok(())
}

fn append(tar: &mut tar::Builder<impl io::Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o600);
    header.set_mtime(0);
    tar.append_data(&mut header, name, bytes)
}
