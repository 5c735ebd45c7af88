//! `face_metadata.csv` next to the embeddings: the source's own columns of the embedded rows, in row order.

use std::io::Write;

use super::table_columns::{LANDMARKS, SCORE, X1, X2, Y1, Y2};
use super::{Face, Manifest, PixelSource, SourceTable};
use crate::files::FileError;
use crate::preprocess::Landmarks;
use crate::table::{Kind, Table, TableColumn};

pub(crate) const METADATA: Table = Table {
    file: "face_metadata.csv",
    about: "What is known of the embedded faces, in Phase 1's documented columns. One row per embedded face, in the order \
            of the matrix. A Phase-1 table keeps its own columns instead, unchanged.",
    columns: &[
        &[
            TableColumn::new("face_id", Kind::Text, "The face"),
            TableColumn::new("image_id", Kind::Text, "The photo that it comes from").only(OWN),
            TableColumn::new("identity_id", Kind::Text, "Its identity").missing("where it is unknown").only(OWN),
        ],
        &[X1.only(OWN), Y1.only(OWN), X2.only(OWN), Y2.only(OWN), SCORE.only(OWN)],
        &[TableColumn::new("crop_path", Kind::Text, "The picture that the face is read from, from the dataset's root")
            .missing("for faces without a file of their own")
            .only(OWN)],
        &LANDMARKS,
    ],
    others: Some("The source's own columns; `meta.<name>` where the name is taken."),
};

const OWN: &str = "if the source is no Phase-1 table, or has it";

/// Whether a column is one of the nine that Phase 1 documents, rather than a landmark's.
fn documented_columns() -> impl Iterator<Item = &'static str> + Clone {
    METADATA.header().filter(|name| !Landmarks::COLUMNS.contains(name))
}

impl Manifest {
    /// Writes `face_metadata.csv` for `rows`, in their order: the columns and values of a Phase-1 table unchanged; for
    /// other sources Phase-1's documented columns, the landmarks if any face has them, then the source's own columns
    /// (`meta.<name>` where the name is taken).
    /// Faces without an embedding are left out.
    pub(crate) fn metadata_csv(&self, rows: &[u32], out: &mut impl Write) -> Result<(), FileError> {
        if !self.is_phase_1(rows) {
            return self.faces_csv(rows, &|row| picture(&self.faces[row as usize]).to_owned(), out);
        }
        let mut writer = csv::Writer::from_writer(out);
        let written = writer.write_record(&self.table.headers);
        let written = written.and_then(|()| rows.iter().try_for_each(|&row| writer.write_record(self.own(row))));
        written.map_err(csv_failed)?;
        writer.flush().map_err(failed)
    }

    /// Writes `rows` in Phase-1's documented columns, the landmarks if any face has them, and the source's own columns.
    /// `crop_path` is that column's value.
    pub(crate) fn faces_csv(
        &self,
        rows: &[u32],
        crop_path: &dyn Fn(u32) -> String,
        out: &mut impl Write,
    ) -> Result<(), FileError> {
        let mut writer = csv::Writer::from_writer(out);
        let some = self.faces.iter().any(|face| face.landmarks.is_some());
        let points: &[&str] = if some { &Landmarks::COLUMNS } else { &[] };
        let taken = |header: &str| documented_columns().chain(points.iter().copied()).any(|name| name == header.trim());
        let own = self.table.headers.iter();
        let own = own.map(|name| if taken(name) { format!("meta.{name}") } else { name.clone() });
        let first = documented_columns().chain(points.iter().copied()).map(str::to_owned);
        let written = writer.write_record(first.chain(own));
        let line = |&row: &u32| {
            let face = &self.faces[row as usize];
            let of =
                |at: usize| face.landmarks.map(|landmarks| landmarks.numbers()[at].to_string()).unwrap_or_default();
            let own = self.own(row).map(str::to_owned);
            let first = documented(face, crop_path(row)).into_iter().chain((0..points.len()).map(of));
            writer.write_record(first.chain(own))
        };
        written.and_then(|()| rows.iter().try_for_each(line)).map_err(csv_failed)?;
        writer.flush().map_err(failed)
    }

    /// The source's own values of a row.
    fn own(&self, row: u32) -> impl Iterator<Item = &str> {
        self.table.columns.iter().map(move |column| column.get(row as usize).unwrap_or_default())
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

fn failed(error: std::io::Error) -> FileError {
    FileError::new("write", "face_metadata.csv")(error)
}

#[allow(clippy::needless_pass_by_value)] // What `map_err` hands over.
fn csv_failed(error: csv::Error) -> FileError {
    failed(error.into())
}

/// Path of the picture that a face is read from; empty for one that has no file of its own.
fn picture(face: &Face) -> &str {
    match &face.pixels {
        PixelSource::File { path, .. } => path,
        PixelSource::Part(_) | PixelSource::Synthetic { .. } | PixelSource::Given { .. } => "",
    }
}

fn documented(face: &Face, crop_path: String) -> [String; 9] {
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
        crop_path,
    ]
}
