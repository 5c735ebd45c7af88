//! `face_metadata.csv` next to the embeddings: the source's own columns of the embedded rows, in row order.

use std::io::Write;

use super::{DatasetError, Face, Manifest, PixelSource, SourceTable};
use crate::files::FileError;
use crate::preprocess::Landmarks;

/// Phase-1's documented columns, which later phases read.
const DOCUMENTED: [&str; 9] =
    ["face_id", "image_id", "identity_id", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "detector_score", "crop_path"];

impl Manifest {
    /// Writes `face_metadata.csv` for `rows`, in their order: the columns and values of a Phase-1 table unchanged; for
    /// other sources Phase-1's documented columns, the landmarks if any face has them, then the source's own columns
    /// (`meta.<name>` where the name is taken).
    /// Faces without an embedding are left out.
    pub(crate) fn metadata_csv(&self, rows: &[u32], out: &mut impl Write) -> Result<(), DatasetError> {
        let mut writer = csv::Writer::from_writer(out);
        self.write_rows(rows, &mut writer).map_err(|error| {
            DatasetError::from(FileError::new("write", "face_metadata.csv")(std::io::Error::from(error)))
        })
    }

    fn write_rows(&self, rows: &[u32], writer: &mut csv::Writer<impl Write>) -> csv::Result<()> {
        let SourceTable { headers, columns } = &self.table;
        let own = |row: u32| columns.iter().map(move |column| column.get(row as usize).unwrap_or_default());
        if self.is_phase_1(rows) {
            writer.write_record(headers)?;
            for &row in rows {
                writer.write_record(own(row))?;
            }
        } else {
            let some = self.faces.iter().any(|face| face.landmarks.is_some());
            let points: &[&str] = if some { &Landmarks::COLUMNS } else { &[] };
            let taken = |header: &str| DOCUMENTED.iter().chain(points).any(|name| *name == header.trim());
            let headers = headers.iter().map(|name| if taken(name) { format!("meta.{name}") } else { name.clone() });
            let first = DOCUMENTED.iter().chain(points).map(|name| (*name).to_owned());
            writer.write_record(first.chain(headers))?;
            for &row in rows {
                let face = &self.faces[row as usize];
                let of =
                    |at: usize| face.landmarks.map(|landmarks| landmarks.numbers()[at].to_string()).unwrap_or_default();
                let own = own(row).map(str::to_owned);
                writer.write_record(documented(face).into_iter().chain((0..points.len()).map(of)).chain(own))?;
            }
        }
        Ok(writer.flush()?)
    }

    /// Whether later phases can read the source's table: its `face_id`s are those of the faces.
    fn is_phase_1(&self, rows: &[u32]) -> bool {
        let SourceTable { headers, columns } = &self.table;
        let at = |name: &str| headers.iter().position(|header| header.trim() == name);
        let Some(ids) = at("face_id").filter(|_| at("image_id").or_else(|| at("photo_id")).is_some()) else {
            return false;
        };
        rows.iter().all(|&row| columns[ids].get(row as usize) == Some(&self.faces[row as usize].face_id))
    }
}

fn documented(face: &Face) -> [String; 9] {
    let number = |value: Option<f32>| value.map(|value| value.to_string()).unwrap_or_default();
    let edge = |edge: fn(&crate::preprocess::BoundingBox) -> f32| number(face.bbox.as_ref().map(edge));
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
