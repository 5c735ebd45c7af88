//! `manifest.parquet`: one row per face, the source's own columns as `meta.<name>`. Encoded and decoded in slices, so that
//! a large dataset is never in memory twice.

use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::paths::normalise;
use super::table_columns::{LANDMARKS, SCORE, X1, X2, Y1, Y2};
use super::{DatasetError, Face, Fault, FaultIn, Manifest, Part, PixelSource, SourceTable, self_digest};
use crate::files;
use crate::parquet;
use crate::preprocess::{BoundingBox, Landmarks};
use crate::table::{Kind, Table, TableColumn};

/// Rows of one slice, which is one row group of the file.
const SLICE: usize = 65_536;

/// Prefix of the source's own columns.
const META: &str = "meta.";

pub(crate) const MANIFEST: Table = Table {
    file: "manifest.parquet",
    about: "What the run embeds. One row per face, in input order; the rows of all other files refer to this order or to \
            that of the matrix, which leaves out faces without an embedding.",
    columns: &[
        &[
            TableColumn::new("row", Kind::U32, "Number of the row, from 0"),
            TableColumn::new("face_id", Kind::Text, "The face, unique in the manifest"),
            TableColumn::new("identity_id", Kind::Text, "Its identity").missing("where it is unknown"),
            TableColumn::new(
                "image_id",
                Kind::Text,
                "The photo that it comes from; two faces of one photo are not compared",
            ),
            TableColumn::new("path", Kind::Text, "The picture, or the file that it lies in, from the dataset's root")
                .missing("for drawn faces"),
            TableColumn::new("synthetic_identity", Kind::U32, "Number of the drawn identity").missing(READ),
            TableColumn::new("synthetic_sample", Kind::U32, "Number of the drawn sample of that identity")
                .missing(READ),
            TableColumn::new("content_sha256", Kind::Text, "SHA-256 of the picture's bytes, 64 hexadecimal digits")
                .missing("where it could not be read"),
        ],
        &[X1, Y1, X2, Y2, SCORE],
        &[
            TableColumn::new("size", Kind::U64, "Size of the picture").unit("bytes").missing("for drawn faces"),
            TableColumn::new("modified_ns", Kind::I64, "When its file was last changed, from 1970-01-01 UTC")
                .unit("ns")
                .missing("for drawn faces"),
        ],
        &LANDMARKS,
        &[
            TableColumn::new(OFFSET, Kind::U64, "First byte of the picture in its file")
                .unit("bytes")
                .missing("for other faces")
                .only("if pictures lie in an archive or an array"),
            TableColumn::new(HEIGHT, Kind::U32, "Height of the picture").unit("pixels").missing(ENCODED).only(ARRAY),
            TableColumn::new(WIDTH, Kind::U32, "Its width").unit("pixels").missing(ENCODED).only(ARRAY),
        ],
        &[TableColumn::new(MATRIX_ROW, Kind::U32, "Row of the given matrix, from 0")
            .only("if the dataset's embeddings are given")],
        &[
            TableColumn::new("fault", Kind::Text, "What is wrong with the source's row, or that no face was found")
                .missing("for a sound row")
                .only("if a row is faulty"),
            TableColumn::new("fault_in", Kind::Words(&FaultIn::NAMES), "Which part of the row is wrong")
                .missing("for a sound row")
                .only("if a row is faulty"),
        ],
    ],
    others: Some("`meta.<name>`: the source's own columns, as text."),
};

const MATRIX_ROW: &str = "matrix_row";

const OFFSET: &str = "offset";
const HEIGHT: &str = "height";
const WIDTH: &str = "width";

const ARRAY: &str = "if faces are rows of an array";
const ENCODED: &str = "for encoded pictures";

const READ: &str = "for faces that are read from pictures";

/// The path of the file that a face's picture is in.
fn picture(face: &Face) -> Option<&str> {
    match &face.pixels {
        PixelSource::File { path, .. } | PixelSource::Part(Part { path, .. }) => Some(path),
        PixelSource::Given { .. } | PixelSource::Synthetic { .. } => None,
    }
}

impl Manifest {
    /// Writes the manifest atomically. Equal manifests give equal bytes.
    pub(crate) fn write_parquet(&self, path: &Path) -> Result<(), DatasetError> {
        let failed = |source| DatasetError::Parquet { action: "write", path: path.into(), source };
        Ok(files::commit_bytes(path, &self.encode().map_err(failed)?)?)
    }

    fn encode(&self) -> PolarsResult<Vec<u8>> {
        let mut bytes = Vec::new();
        let empty = self.frame(0..0)?;
        let writer = ParquetWriter::new(&mut bytes).with_key_value_metadata(Some(self_digest::placeholder()));
        let mut writer = writer.batched(empty.schema())?;
        for start in (0..self.len()).step_by(SLICE) {
            writer.write_batch(&self.frame(start..self.len().min(start + SLICE))?)?;
        }
        writer.finish()?;
        drop(writer);
        polars_ensure!(self_digest::seal(&mut bytes), ComputeError: "the file has no room for its digest");
        Ok(bytes)
    }

    fn frame(&self, rows: Range<usize>) -> PolarsResult<DataFrame> {
        let faces = &self.faces[rows.clone()];
        let text = |name: &str, of: &dyn Fn(&Face) -> Option<String>| {
            faces.iter().map(of).collect::<StringChunked>().with_name(name.into()).into_column()
        };
        let borrowed = |name: &str, of: fn(&Face) -> Option<&str>| {
            faces.iter().map(of).collect::<StringChunked>().with_name(name.into()).into_column()
        };
        let edge = |name: &str, of: fn(&BoundingBox) -> f32| {
            Column::new(name.into(), faces.iter().map(|face| face.bbox.as_ref().map(of)).collect::<Vec<_>>())
        };
        let drawn = |name: &str, of: fn(u32, u32) -> u32| {
            let value = |face: &Face| match face.pixels {
                PixelSource::Synthetic { identity, sample } => Some(of(identity, sample)),
                PixelSource::File { .. } | PixelSource::Part(_) | PixelSource::Given { .. } => None,
            };
            Column::new(name.into(), faces.iter().map(value).collect::<Vec<_>>())
        };
        let file = |face: &Face| match face.pixels {
            PixelSource::File { size, modified, .. } | PixelSource::Part(Part { size, modified, .. }) => {
                Some((size, modified))
            }
            PixelSource::Synthetic { .. } | PixelSource::Given { .. } => None,
        };
        let mut columns = vec![
            Column::new("row".into(), rows.clone().map(|row| row as u32).collect::<Vec<_>>()),
            borrowed("face_id", |face| Some(&face.face_id)),
            borrowed("identity_id", |face| face.identity_id.as_deref()),
            borrowed("image_id", |face| Some(&face.image_id)),
            borrowed("path", |face| match &face.pixels {
                PixelSource::File { path, .. } | PixelSource::Part(Part { path, .. }) => Some(path),
                PixelSource::Synthetic { .. } | PixelSource::Given { .. } => None,
            }),
            drawn("synthetic_identity", |identity, _| identity),
            drawn("synthetic_sample", |_, sample| sample),
            text("content_sha256", &|face| face.content.map(|digest| digest.to_string())),
            edge("bbox_x1", |bbox| bbox.x1),
            edge("bbox_y1", |bbox| bbox.y1),
            edge("bbox_x2", |bbox| bbox.x2),
            edge("bbox_y2", |bbox| bbox.y2),
            Column::new("detector_score".into(), faces.iter().map(|face| face.detector_score).collect::<Vec<_>>()),
            Column::new("size".into(), faces.iter().map(|face| file(face).map(|(size, _)| size)).collect::<Vec<_>>()),
            Column::new(
                "modified_ns".into(),
                faces.iter().map(|face| file(face).map(|(_, modified)| modified)).collect::<Vec<_>>(),
            ),
        ];
        if self.faces.iter().any(|face| face.landmarks.is_some()) {
            for (at, name) in Landmarks::COLUMNS.into_iter().enumerate() {
                let number = |face: &Face| face.landmarks.map(|landmarks| landmarks.numbers()[at]);
                columns.push(Column::new(name.into(), faces.iter().map(number).collect::<Vec<_>>()));
            }
        }
        let part = |face: &Face| {
            if let PixelSource::Part(part) = &face.pixels { Some((part.offset, part.pixels)) } else { None }
        };
        if self.faces.iter().any(|face| part(face).is_some()) {
            let offsets = faces.iter().map(|face| part(face).map(|(offset, _)| offset)).collect::<Vec<_>>();
            columns.push(Column::new(OFFSET.into(), offsets));
        }
        let sides = |face: &Face| part(face).and_then(|(_, sides)| sides);
        if self.faces.iter().any(|face| sides(face).is_some()) {
            for (at, name) in [HEIGHT, WIDTH].into_iter().enumerate() {
                let side = faces.iter().map(|face| sides(face).map(|sides| sides[at])).collect::<Vec<_>>();
                columns.push(Column::new(name.into(), side));
            }
        }
        let given = |face: &Face| if let PixelSource::Given { row } = face.pixels { Some(row) } else { None };
        if self.faces.iter().any(|face| given(face).is_some()) {
            columns.push(Column::new(MATRIX_ROW.into(), faces.iter().map(given).collect::<Vec<_>>()));
        }
        if self.faces.iter().any(|face| face.fault.is_some()) {
            columns.push(borrowed("fault", |face| face.fault.as_ref().map(|fault| fault.reason.as_str())));
            columns.push(borrowed("fault_in", |face| face.fault.as_ref().map(|fault| fault.part.name())));
        }
        for (header, column) in self.table.headers.iter().zip(&self.table.columns) {
            let values = rows.clone().map(|row| column.get(row)).collect::<StringChunked>();
            columns.push(values.with_name(format!("{META}{header}").into()).into_column());
        }
        MANIFEST.check(&columns);
        DataFrame::new(faces.len(), columns)
    }

    /// Reads a manifest; its paths are relative to `root`.
    pub(crate) fn read_parquet(path: &Path, root: PathBuf) -> Result<Self, DatasetError> {
        let polars = |source| DatasetError::Parquet { action: "read", path: path.into(), source };
        let wrong = |rule| DatasetError::Manifest { path: path.into(), rule };
        let mut bytes = files::read(path)?;
        if !self_digest::is_whole(&mut bytes) {
            return Err(wrong("its digest does not match, or it has none".into()));
        }
        let mut reader = parquet::reader_of_bytes(&bytes).map_err(polars)?;
        let rows = parquet::guarded(|| reader.num_rows()).map_err(polars)?;
        // Its pages are checked.
        let open = || ParquetReader::new(Cursor::new(&bytes[..]));
        let mut manifest = Self { root, ..Self::default() };
        for start in (0..rows).step_by(SLICE) {
            let frame = parquet::guarded(|| open().with_slice(Some((start, SLICE))).set_rechunk(true).finish())
                .map_err(polars)?;
            manifest.append(&frame).map_err(wrong)?;
        }
        Ok(manifest)
    }

    /// Reads these rows alone, which become the faces from 0 on: what a worker of a large run needs. The file's digest is not
    /// checked; who has all rows compares [`digest_of_faces`](super::digest_of_faces).
    pub(crate) fn read_rows(path: &Path, root: PathBuf, rows: Range<usize>) -> Result<Self, DatasetError> {
        let polars = |source| DatasetError::Parquet { action: "read", path: path.into(), source };
        let wrong = |rule| DatasetError::Manifest { path: path.into(), rule };
        let reader = parquet::reader_of_rows(path, rows.clone()).map_err(polars)?;
        let frame = parquet::guarded(|| reader.set_rechunk(true).finish()).map_err(polars)?;
        let mut manifest = Self { root, ..Self::default() };
        manifest.append_from(&frame, rows.start).map_err(wrong)?;
        if manifest.len() == rows.len() { Ok(manifest) } else { Err(wrong(format!("it has no row {}", rows.end - 1))) }
    }

    /// Whether a stored manifest of the same faces has other columns, or other paths of their pictures. They do not name a run,
    /// because no embedding depends on them, but the breakdown, `face_metadata.csv` and the pictures of a report do. Holds
    /// some rows of the file at a time.
    pub(crate) fn has_other_columns_than(&self, path: &Path) -> Result<bool, DatasetError> {
        let scores =
            |faces: &[Face]| faces.iter().map(|face| face.detector_score.map(f32::to_bits)).collect::<Vec<_>>();
        for start in (0..self.len()).step_by(SLICE) {
            let rows = start..self.len().min(start + SLICE);
            let stored = Self::read_rows(path, PathBuf::new(), rows.clone())?;
            let columns = stored.table.columns.iter().zip(&self.table.columns);
            let same = stored.table.headers == self.table.headers
                && columns.clone().all(|(there, here)| rows.clone().all(|row| there.get(row - start) == here.get(row)))
                && scores(&stored.faces) == scores(&self.faces[rows.clone()])
                && stored.faces.iter().map(picture).eq(self.faces[rows.clone()].iter().map(picture));
            if !same {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn append(&mut self, frame: &DataFrame) -> Result<(), String> {
        self.append_from(frame, 0)
    }

    /// Appends rows; face 0 is row `first` of the file.
    fn append_from(&mut self, frame: &DataFrame, first: usize) -> Result<(), String> {
        let names: Vec<String> = frame
            .get_column_names()
            .into_iter()
            .filter_map(|name| name.strip_prefix(META).map(str::to_owned))
            .collect();
        if self.faces.is_empty() {
            self.table = SourceTable::with_headers(names);
        }
        let column = |name: &str| frame.column(name).map_err(|_| format!("it has no column `{name}`"));
        let other = |name: &'static str| move |_| format!("its column `{name}` has the wrong type");
        let text = |name: &'static str| column(name)?.str().map_err(other(name));
        let small = |name: &'static str| column(name)?.u32().map_err(other(name));
        let float = |name: &'static str| column(name)?.f32().map_err(other(name));
        let row_number = small("row")?;
        let (face_id, identity_id, image_id) = (text("face_id")?, text("identity_id")?, text("image_id")?);
        let (path, content) = (text("path")?, text("content_sha256")?);
        let (identity, sample) = (small("synthetic_identity")?, small("synthetic_sample")?);
        let edges = [float("bbox_x1")?, float("bbox_y1")?, float("bbox_x2")?, float("bbox_y2")?];
        let score = float("detector_score")?;
        let size = column("size")?.u64().map_err(other("size"))?;
        let modified = column("modified_ns")?.i64().map_err(other("modified_ns"))?;
        // The columns exist only if there are landmarks.
        let points = match column(Landmarks::COLUMNS[0]) {
            Ok(_) => Landmarks::COLUMNS.into_iter().map(float).collect::<Result<Vec<_>, _>>()?,
            Err(_) => Vec::new(),
        };
        // The columns exist only if pictures lie in other files.
        let offset = column(OFFSET).ok().map(|offset| offset.u64().map_err(other(OFFSET))).transpose()?;
        let sides = match column(HEIGHT) {
            Ok(_) => Some((small(HEIGHT)?, small(WIDTH)?)),
            Err(_) => None,
        };
        // The column exists only if the embeddings are given.
        let given = column(MATRIX_ROW).ok().map(|given| given.u32().map_err(other(MATRIX_ROW))).transpose()?;
        // The columns exist only if there are faults.
        let faults = match column("fault") {
            Ok(_) => Some((text("fault")?, text("fault_in")?)),
            Err(_) => None,
        };

        self.faces.reserve(frame.height());
        for i in 0..frame.height() {
            let row = first + self.faces.len();
            let wrong = |what: &str| format!("row {row} has {what}");
            if row_number.get(i) != Some(row as u32) {
                return Err(wrong("the wrong number"));
            }
            let pixels = match (path.get(i), identity.get(i), sample.get(i)) {
                (Some(path), None, None) if normalise(path).as_deref() == Some(path) => {
                    let (path, size) = (path.to_owned(), size.get(i).ok_or_else(|| wrong("no size"))?);
                    let modified = modified.get(i).ok_or_else(|| wrong("no modification time"))?;
                    let pixels = sides.map(|(height, width)| [height.get(i), width.get(i)]);
                    match (offset.and_then(|offset| offset.get(i)), pixels.unwrap_or_default()) {
                        (None, [None, None]) => PixelSource::File { path, size, modified },
                        (Some(offset), [None, None]) => {
                            PixelSource::Part(Part { path, offset, size, modified, pixels: None })
                        }
                        (Some(offset), [Some(height), Some(width)]) => {
                            // What is read of the file, and what it becomes.
                            if (u64::from(height) * u64::from(width)).checked_mul(3) != Some(size) {
                                return Err(wrong("a height and a width that are not those of its bytes"));
                            }
                            PixelSource::Part(Part { path, offset, size, modified, pixels: Some([height, width]) })
                        }
                        _ => return Err(wrong("an incomplete place in its file")),
                    }
                }
                (Some(_), None, None) => return Err(wrong("a path outside the dataset's root")),
                (None, Some(identity), Some(sample)) => PixelSource::Synthetic { identity, sample },
                (None, None, None) if let Some(row) = given.and_then(|given| given.get(i)) => {
                    PixelSource::Given { row }
                }
                _ => return Err(wrong("neither a path nor a synthetic face, or both")),
            };
            let bbox = match edges.map(|edge| edge.get(i)) {
                [Some(x1), Some(y1), Some(x2), Some(y2)] => Some(BoundingBox { x1, y1, x2, y2 }),
                [None, None, None, None] => None,
                _ => return Err(wrong("an incomplete box")),
            };
            let numbers: Vec<f32> = points.iter().filter_map(|point| point.get(i)).collect();
            let landmarks = match <[f32; 10]>::try_from(&numbers[..]) {
                Ok(numbers) => Some(Landmarks::from_numbers(numbers)),
                Err(_) if numbers.is_empty() => None,
                Err(_) => return Err(wrong("incomplete landmarks")),
            };
            let fault = |(reason, part): (&StringChunked, &StringChunked)| match (reason.get(i), part.get(i)) {
                (None, None) => Ok(None),
                (Some(reason), Some(part)) => match FaultIn::named(part) {
                    Some(part) => Ok(Some(Fault { part, reason: reason.to_owned() })),
                    None => Err(wrong("a fault of an unknown kind")),
                },
                _ => Err(wrong("an incomplete fault")),
            };
            self.faces.push(Face {
                face_id: face_id.get(i).ok_or_else(|| wrong("no face_id"))?.to_owned(),
                identity_id: identity_id.get(i).map(str::to_owned),
                image_id: image_id.get(i).ok_or_else(|| wrong("no image_id"))?.to_owned(),
                pixels,
                bbox,
                landmarks,
                detector_score: score.get(i),
                content: content.get(i).map(str::parse).transpose().map_err(|_| wrong("a damaged digest"))?,
                fault: faults.map(fault).transpose()?.flatten(),
            });
        }
        for (header, kept) in self.table.headers.iter().zip(&mut self.table.columns) {
            let name = format!("{META}{header}");
            let values = column(&name)?.str().map_err(|_| format!("its column `{name}` has the wrong type"))?;
            values.iter().for_each(|value| kept.push(value.unwrap_or_default()));
        }
        Ok(())
    }
}
