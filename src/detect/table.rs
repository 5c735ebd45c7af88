//! Detected faces as Phase 1's table, with or without pictures of them.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::dataset::{self, Manifest};
use crate::files::{self, FileError};
use crate::preprocess::{self, Limits, PictureMemory, Preprocess};
use crate::progress::{Cancel, Progress};
use crate::table::{Kind, Table, TableColumn};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectionTable {
    /// `face_metadata.csv`.
    pub faces: PathBuf,
    /// `failures.csv`.
    pub failures: PathBuf,
    /// The folder of the crops, if they were asked for.
    pub crops: Option<PathBuf>,
    /// Photos without a face to keep, or that cannot be read.
    pub failed: u64,
}

pub(crate) const FAILURES: Table = Table {
    file: "failures.csv",
    about: "What `detect` found no face to keep in, and why. One row per photo, in the order of the dataset.",
    columns: &[&[
        TableColumn::new("face_id", Kind::Text, "The photo's id as a face"),
        TableColumn::new("image_id", Kind::Text, "The photo"),
        TableColumn::new("message", Kind::Text, "The reason, in words"),
    ]],
    others: None,
};

/// Writes the faces of a detected manifest into `folder`: `face_metadata.csv` in Phase 1's documented columns with the
/// landmarks, `failures.csv` with the photos that have no face, and with `crops` each face as a PNG in its photo's
/// resolution. The table is written last. `None` if cancelled.
///
/// # Errors
/// [`FileError`].
pub fn write(
    manifest: &Manifest,
    folder: &Path,
    crops: Option<&Preprocess>,
    memory: &PictureMemory,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Option<DetectionTable>, FileError> {
    files::create_dir(folder)?;
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for (row, face) in (0_u32..).zip(&manifest.faces) {
        match &face.fault {
            None if face.bbox.is_some() => rows.push(row),
            None => failures.push((face, "the file could not be read".to_owned())),
            Some(fault) => failures.push((face, fault.reason.clone())),
        }
    }
    let cut = match crops {
        None => None,
        Some(preprocess) => {
            let to = folder.join("crops");
            files::create_dir(&to)?;
            progress.start("cutting", "faces", Some(rows.len() as u64), 0);
            let written = rows.par_iter().try_for_each(|&row| {
                if cancel.requested() {
                    return Ok(());
                }
                progress.advance(1);
                crop(manifest, row, preprocess, memory, &to.join(crop_name(row)))
            });
            progress.finish();
            written?;
            if cancel.requested() {
                return Ok(None);
            }
            remove_others(&to, &rows);
            Some(to)
        }
    };
    let table = DetectionTable {
        faces: folder.join(dataset::METADATA.file),
        failures: folder.join(FAILURES.file),
        failed: failures.len() as u64,
        crops: cut,
    };
    files::commit(&table.failures, |out| {
        let mut writer = csv::Writer::from_writer(out);
        let failed = |error: std::io::Error| FileError::new("write", &table.failures)(error);
        let lines = failures.iter().map(|(face, reason)| [&face.face_id, &face.image_id, reason]);
        let written = writer.write_record(FAILURES.header());
        written
            .and_then(|()| lines.into_iter().try_for_each(|line| writer.write_record(line)))
            .map_err(|error| failed(error.into()))?;
        writer.flush().map_err(failed)
    })?;
    let crop_path = |row: u32| if table.crops.is_some() { format!("crops/{}", crop_name(row)) } else { String::new() };
    files::commit(&table.faces, |out| manifest.faces_csv(&rows, &crop_path, out))?;
    Ok(Some(table))
}

/// The file of a face's crop. Numbers instead of ids: ids are names of people and need not be names of files.
fn crop_name(row: u32) -> String {
    format!("{row:08}.png")
}

/// Removes the crops of an earlier detection: faces that no table names must not stay behind.
fn remove_others(folder: &Path, rows: &[u32]) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let row = name.to_str().and_then(|name| name.strip_suffix(".png")).filter(|stem| stem.len() == 8);
        let row = row.and_then(|stem| stem.parse::<u32>().ok());
        if row.is_some_and(|row| rows.binary_search(&row).is_err()) {
            // What cannot be removed now is tried again by the next detection.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn crop(
    manifest: &Manifest,
    row: u32,
    preprocess: &Preprocess,
    memory: &PictureMemory,
    path: &Path,
) -> Result<(), FileError> {
    let face = &manifest.faces[row as usize];
    // What can no longer be read or cut out has no crop, as it has no embedding.
    let Ok(bytes) = dataset::bytes(manifest, row as usize) else { return Ok(()) };
    let Ok(photo) = memory.decode(&bytes, &Limits::default()) else { return Ok(()) };
    let Ok(crop) = preprocess::cut(&photo, face.bbox.as_ref(), face.landmarks.as_ref(), preprocess) else {
        return Ok(());
    };
    let mut png = std::io::Cursor::new(Vec::new());
    match crop.write_to(&mut png, image::ImageFormat::Png) {
        // Not flushed one by one: the table that names them comes last, and lost crops are cut again.
        Ok(()) => std::fs::write(path, png.get_ref()).map_err(FileError::new("write", path)),
        Err(_) => Ok(()),
    }
}
