//! The source `array`: crops as the rows of a `.npy`, read row by row at their place in the file.

use std::path::Path;

use super::given::{self, Rows};
use super::scan::{self, OpenContext};
use super::{DatasetError, LARGEST_PICTURE, Manifest, Part, PixelSource, RowTable, objects};
use crate::npy::PictureArray;

/// Reads the table, then the rows for their digests.
pub(super) fn open(array: &Path, table: &RowTable, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let mut manifest = list(array, table, context)?;
    scan::fill_folder(&mut manifest, context)?;
    Ok(manifest)
}

/// The faces, without reading the rows.
pub(super) fn list(array: &Path, table: &RowTable, context: &OpenContext<'_>) -> Result<Manifest, DatasetError> {
    let here = objects::here(array, context)?;
    let PictureArray { rows, sides, first } = PictureArray::open(&here, LARGEST_PICTURE)?;
    let a_row = "a row of the array, counted from 0";
    let of = Rows { file: array, here: &here, count: rows, what: "array", holds: "picture", a_row };
    let mut manifest = given::of_rows(table, &of, context)?;
    here.parent().unwrap_or(Path::new("")).clone_into(&mut manifest.root);
    let path = here.file_name().unwrap_or_default().to_string_lossy();
    let size = u64::from(sides[0]) * u64::from(sides[1]) * 3;
    for face in &mut manifest.faces {
        if let PixelSource::Given { row } = face.pixels {
            let offset = first + u64::from(row) * size;
            let part = Part { path: path.clone().into_owned(), offset, size, modified: 0, pixels: Some(sides) };
            face.pixels = PixelSource::Part(part);
        }
    }
    Ok(manifest)
}
