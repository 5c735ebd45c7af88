//! `face_metadata.csv` beside the embeddings: the source's own columns, embedded rows only, in row order.

use std::io::Write;

use super::{DatasetError, Face, Manifest, PixelSource};
use crate::files::FileError;

/// Phase-1's documented columns, for sources that have none of their own.
const DOCUMENTED: [&str; 9] =
    ["face_id", "image_id", "identity_id", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "detector_score", "crop_path"];

impl Manifest {
    /// Writes `face_metadata.csv` for `rows`, in their order: the source's own columns and values (Phase-1), or
    /// Phase-1's documented columns. No reader of the embedding index can meet a face here that has no embedding.
    ///
    /// # Errors
    /// [`DatasetError::File`] when `out` cannot be written.
    pub fn metadata_csv(&self, rows: &[u32], out: &mut impl Write) -> Result<(), DatasetError> {
        let mut writer = csv::Writer::from_writer(out);
        self.write_rows(rows, &mut writer).map_err(|error| {
            DatasetError::from(FileError::new("write", "face_metadata.csv")(std::io::Error::from(error)))
        })
    }

    fn write_rows(&self, rows: &[u32], writer: &mut csv::Writer<impl Write>) -> csv::Result<()> {
        let table = &self.table;
        if table.headers.is_empty() {
            writer.write_record(DOCUMENTED)?;
            for &row in rows {
                writer.write_record(documented(&self.faces[row as usize]))?;
            }
        } else {
            writer.write_record(&table.headers)?;
            for &row in rows {
                writer.write_record(table.columns.iter().map(|column| column.get(row as usize).unwrap_or_default()))?;
            }
        }
        Ok(writer.flush()?)
    }
}

fn documented(face: &Face) -> [String; 9] {
    let number = |value: Option<f32>| value.map(|value| value.to_string()).unwrap_or_default();
    let edge = |edge: fn(&super::BoundingBox) -> f32| number(face.bbox.as_ref().map(edge));
    [
        face.face_id.clone(),
        face.image_id.clone(),
        face.identity_id.clone().unwrap_or_default(),
        edge(|bbox| bbox.x1),
        edge(|bbox| bbox.y1),
        edge(|bbox| bbox.x2),
        edge(|bbox| bbox.y2),
        number(face.detector_score),
        match &face.pixels {
            PixelSource::File { path, .. } => path.clone(),
            PixelSource::Synthetic { .. } => String::new(),
        },
    ]
}
