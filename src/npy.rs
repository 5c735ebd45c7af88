//! numpy's file format, version 1.0: matrices of little-endian floats and arrays of crops, in C order.

pub mod parts;
#[cfg(test)]
mod parts_tests;
mod source;
mod stored;

pub use source::MatrixSource;
pub use stored::StoredMatrix;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::files::{self, FileError};
use crate::text;

const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";

/// Bytes of the longest header of version 1.0.
pub const LONGEST_HEADER: u64 = 10 + u16::MAX as u64;

/// Bytes of one value.
const F32: usize = size_of::<f32>();

/// Values that are converted at a time.
const STEP: usize = 64 * 1024;

/// Bytes that are read at a time.
const BUFFER: usize = 256 * 1024;

/// Where numpy aligns the data of an array.
const ALIGNMENT: usize = 64;

/// Writes the header, byte for byte as numpy does: the data behind it start at a multiple of 64.
///
/// # Errors
/// Those of writing.
pub fn write_header(out: &mut impl Write, rows: usize, dimension: usize) -> io::Result<()> {
    write_dictionary(out, &shape(rows, dimension), ALIGNMENT)
}

/// Writes the header of a part, which numpy reads as well: the data behind it start at [`parts::FIRST_BYTE`].
///
/// # Errors
/// Those of writing.
pub fn write_part_header(out: &mut impl Write, rows: usize, dimension: usize) -> io::Result<()> {
    write_dictionary(out, &shape(rows, dimension), parts::FIRST_BYTE)
}

/// What a header says of a matrix.
fn shape(rows: usize, dimension: usize) -> String {
    format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dimension}), }}")
}

fn write_dictionary(out: &mut impl Write, dictionary: &str, alignment: usize) -> io::Result<()> {
    let length = (MAGIC.len() + 2 + dictionary.len() + 1).next_multiple_of(alignment) - MAGIC.len() - 2;
    out.write_all(MAGIC)?;
    out.write_all(&(length as u16).to_le_bytes())?;
    writeln!(out, "{dictionary:<width$}", width = length - 1)
}

/// Writes rows behind the header.
///
/// # Errors
/// Those of writing.
pub fn write_rows(out: &mut impl Write, rows: &[f32]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(rows.len().min(STEP) * F32);
    rows.chunks(STEP).try_for_each(|part| {
        bytes.clear();
        bytes.extend(part.iter().flat_map(|value| value.to_le_bytes()));
        out.write_all(&bytes)
    })
}

/// Writes a whole matrix; `data` is row-major.
///
/// # Errors
/// Those of writing.
pub fn write(out: &mut impl Write, data: &[f32], dimension: usize) -> io::Result<()> {
    write_header(out, data.len().checked_div(dimension).unwrap_or(0), dimension)?;
    write_rows(out, data)
}

/// Writes one row as an array of one dimension.
///
/// # Errors
/// Those of writing.
pub fn write_vector(out: &mut impl Write, row: &[f32]) -> io::Result<()> {
    let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", row.len());
    write_dictionary(out, &dictionary, ALIGNMENT)?;
    write_rows(out, row)
}

fn decode(bytes: &[u8], out: &mut [f32]) {
    for (value, bytes) in out.iter_mut().zip(bytes.as_chunks::<F32>().0) {
        *value = f32::from_le_bytes(*bytes);
    }
}

/// A rows × dimension matrix of f32, read row by row.
#[derive(Debug)]
pub struct MatrixReader<R = MatrixSource> {
    path: PathBuf,
    source: R,
    /// Byte of the source where the data start.
    first: u64,
    rows: usize,
    dimension: usize,
    next: usize,
    bytes: Vec<u8>,
}

impl MatrixReader {
    /// Opens a `.npy` file, or the index of a matrix in parts, and checks lengths against headers.
    ///
    /// # Errors
    /// [`NpyError`]; nothing is allocated based on an unchecked header.
    pub fn open(path: &Path) -> Result<Self, NpyError> {
        if parts::is_index(path) {
            let (joined, rows, dimension) = parts::open(path)?;
            let source = MatrixSource::Parts(joined);
            return Ok(Self { path: path.to_owned(), source, first: 0, rows, dimension, next: 0, bytes: Vec::new() });
        }
        let (source, length) = source(path)?;
        Self::new(path, MatrixSource::File(source), length)
    }

    /// Where its numbers are.
    fn source(&self) -> &MatrixSource {
        &self.source
    }

    /// Byte of the first.
    fn first(&self) -> u64 {
        self.first
    }
}

impl<R: Read + Seek> MatrixReader<R> {
    /// Makes `row` the next row to read.
    ///
    /// # Errors
    /// [`NpyError`] when there is no such row, or it cannot be reached.
    pub fn seek(&mut self, row: usize) -> Result<(), NpyError> {
        if row > self.rows {
            let rule = std::format!("row {row} was requested, but it has {}", self.rows);
            return Err(format(&self.path, rule));
        }
        let rows = row as i64 - self.next as i64;
        let distance = rows * (self.dimension * F32) as i64;
        self.source.seek_relative(distance).map_err(FileError::new("read", &self.path))?;
        self.next = row;
        Ok(())
    }
}

impl<R: Read> MatrixReader<R> {
    /// [`MatrixReader::open`] for a source of `length` bytes; `path` is for messages.
    ///
    /// # Errors
    /// [`NpyError`]; nothing is allocated on a header's word.
    pub fn new(path: &Path, source: R, length: u64) -> Result<Self, NpyError> {
        let (source, header) = opened(path, source, length, &[Kind::F32])?;
        let Header { first, rows, dimension, .. } = header;
        Ok(Self { path: path.to_owned(), source, first, rows, dimension, next: 0, bytes: Vec::new() })
    }
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Values in a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Reads the next rows, filling `out`.
    ///
    /// # Errors
    /// [`NpyError`] when `out` is not a whole number of rows, when fewer are left, or when reading fails.
    pub fn read(&mut self, out: &mut [f32]) -> Result<(), NpyError> {
        let rows = out.len() / self.dimension;
        if rows * self.dimension != out.len() || rows > self.rows - self.next {
            let rule = format!(
                "{} values were requested, but {} rows of {} are left",
                out.len(),
                self.rows - self.next,
                self.dimension
            );
            return Err(format(&self.path, rule));
        }
        // In steps, so that a whole matrix read at once is not in memory twice.
        for out in out.chunks_mut(STEP) {
            self.bytes.resize(out.len() * F32, 0);
            self.source.read_exact(&mut self.bytes).map_err(FileError::new("read", &self.path))?;
            decode(&self.bytes, out);
        }
        self.next += rows;
        Ok(())
    }
}

/// A rows × dimension matrix of f32 in memory, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingMatrix {
    /// Number of rows.
    pub rows: usize,
    /// Values in a row.
    pub dimension: usize,
    /// `rows × dimension` values.
    pub data: Vec<f32>,
}

impl EmbeddingMatrix {
    /// Reads a whole matrix.
    ///
    /// # Errors
    /// [`NpyError`].
    pub fn open(path: &Path) -> Result<Self, NpyError> {
        Self::of(MatrixReader::open(path)?)
    }

    /// Reads the rows that are left.
    ///
    /// # Errors
    /// [`NpyError`].
    pub fn of<R: Read>(mut reader: MatrixReader<R>) -> Result<Self, NpyError> {
        let (rows, dimension) = (reader.rows, reader.dimension);
        let mut data = vec![0.0; rows * dimension];
        reader.read(&mut data)?;
        Ok(Self { rows, dimension, data })
    }

    /// Row `i`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.dimension..(i + 1) * self.dimension]
    }
}

/// The type of a matrix's values; all little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F16,
    F32,
    F64,
}

impl Kind {
    const ALL: [Self; 3] = [Self::F16, Self::F32, Self::F64];

    /// As numpy spells it.
    fn name(self) -> &'static str {
        match self {
            Self::F16 => "'<f2'",
            Self::F32 => "'<f4'",
            Self::F64 => "'<f8'",
        }
    }

    /// Bytes of a value.
    fn size(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// What a header says.
struct Header {
    kind: Kind,
    /// Byte where the data start.
    first: u64,
    rows: usize,
    dimension: usize,
}

/// A file to read, and its length.
fn source(path: &Path) -> Result<(BufReader<File>, u64), NpyError> {
    let file = files::open(path).map_err(FileError::new("read", path))?;
    let length = file.metadata().map_err(FileError::new("read", path))?.len();
    Ok((BufReader::with_capacity(BUFFER, file), length))
}

/// What the dictionary of a header says.
struct Dictionary {
    /// The type as numpy spells it, such as `'<f4'`.
    descr: String,
    fortran: bool,
    /// `None`: nothing that is a shape; then `written` is what stands there.
    shape: Option<Vec<usize>>,
    written: String,
    /// Bytes of the header.
    length: u64,
}

/// Reads the header of a file; gives the source at its first value. The error is the rule that it breaks.
fn dictionary<R: Read>(path: &Path, mut source: R) -> Result<(R, Dictionary), NpyError> {
    let mut start = [0; 10];
    let mut read = |bytes: &mut [u8]| match source.read_exact(bytes) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(format(path, "it ends inside its header"))
        }
        Err(error) => Err(FileError::new("read", path)(error).into()),
    };
    read(&mut start)?;
    if start[..6] != MAGIC[..6] {
        return Err(format(path, "it does not start with numpy's magic bytes"));
    }
    if start[..8] != MAGIC[..] {
        let (major, minor) = (start[6], start[7]);
        let remedy = "save it with `numpy.lib.format.write_array(open(path, 'wb'), array, (1, 0))`";
        return Err(format(path, format!("its format version is {major}.{minor}, and 1.0 is read; {remedy}")));
    }
    let mut text = vec![0; usize::from(u16::from_le_bytes([start[8], start[9]]))];
    read(&mut text)?;
    let length = (start.len() + text.len()) as u64;
    let text = std::str::from_utf8(&text).map_err(|_| format(path, "its header is not text"))?.trim();
    let value = |key: &str| {
        let (_, rest) =
            text.split_once(&format!("'{key}':")).ok_or_else(|| format(path, format!("its header has no '{key}'")))?;
        Ok::<_, NpyError>(rest.trim_start())
    };
    let descr = value("descr")?.split(',').next().unwrap_or_default().to_owned();
    let fortran = !value("fortran_order")?.starts_with("False");
    let written = value("shape")?.split_inclusive(')').next().unwrap_or_default().to_owned();
    let shape = written.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).and_then(|inner| {
        let numbers = inner.trim_end().trim_end_matches(',').split(',');
        // Python 2 writes `12L`.
        let number = |text: &str| text.strip_suffix('L').unwrap_or(text).parse().ok();
        numbers.map(|text| number(text.trim())).collect::<Option<Vec<usize>>>()
    });
    Ok((source, Dictionary { descr, fortran, shape, written, length }))
}

/// Reads the header of a file of `length` bytes, which must be that of a matrix of one of these kinds; gives the source at
/// its first value.
fn opened<R: Read>(path: &Path, source: R, length: u64, kinds: &[Kind]) -> Result<(R, Header), NpyError> {
    let (source, found) = dictionary(path, source)?;
    let header = header(&found, kinds).map_err(|rule| format(path, rule))?;
    let Header { kind, rows, dimension, .. } = header;
    let expected = (rows as u64)
        .checked_mul(dimension as u64)
        .and_then(|count| count.checked_mul(kind.size() as u64)?.checked_add(found.length));
    if expected != Some(length) {
        let rule =
            format!("a {rows}×{dimension} matrix does not have {length} bytes; the file is truncated or damaged");
        return Err(format(path, rule));
    }
    Ok((source, header))
}

/// The matrix that a header's dictionary describes, or the rule that it violates.
fn header(found: &Dictionary, kinds: &[Kind]) -> Result<Header, String> {
    let descr = &found.descr;
    let Some(kind) = kinds.iter().copied().find(|kind| descr.starts_with(kind.name())) else {
        let expected = match kinds {
            [_] => "'<f4' (little-endian f32)".into(),
            several => {
                let names = several.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or ");
                // Objects are pickles: they are rows of their own, perhaps of different lengths.
                let remedy = if descr.contains('O') {
                    "put the rows into one matrix with `numpy.stack(list(matrix)).astype('<f4')`"
                } else {
                    "convert it with `.astype('<f4')`"
                };
                format!("{names}; {remedy}")
            }
        };
        return Err(format!("its values are {}, expected {expected}", text::quoted(descr)));
    };
    if found.fortran {
        return Err(FORTRAN.replace("ARRAY", "matrix"));
    }
    match found.shape.as_deref() {
        // The length of the file does not bound the number of empty rows.
        Some(&[rows, dimension]) if dimension > 0 => Ok(Header { kind, first: found.length, rows, dimension }),
        _ => Err(format!("its shape is {}, expected (rows, dimension)", text::quoted(&found.written))),
    }
}

/// How many dimensions an array has, of whatever type its values are.
///
/// # Errors
/// [`NpyError`] if the file is none of numpy's.
pub(crate) fn dimensions(path: &Path) -> Result<usize, NpyError> {
    let (source, _) = source(path)?;
    let (_, found) = dictionary(path, source)?;
    Ok(found.shape.map_or(0, |shape| shape.len()))
}

/// What is wrong with an array of numpy's other order.
const FORTRAN: &str = "it is in Fortran order; save it with `numpy.save(path, numpy.ascontiguousarray(ARRAY))`";

/// Largest side of a picture, as of encoded ones.
const LARGEST_SIDE: usize = 20_000;

/// An array of crops: uint8, (faces, height, width, 3) in C order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureArray {
    /// Number of faces.
    pub rows: usize,
    /// Height and width.
    pub sides: [u32; 2],
    /// First byte of the first face.
    pub first: u64,
}

impl PictureArray {
    /// Opens a `.npy` file and checks its length against its header. A row has at most `most` bytes.
    ///
    /// # Errors
    /// [`NpyError`], with what would make it such an array.
    pub fn open(path: &Path, most: u64) -> Result<Self, NpyError> {
        let (source, length) = source(path)?;
        Self::new(path, source, length, most)
    }

    fn new(path: &Path, source: impl Read, length: u64, most: u64) -> Result<Self, NpyError> {
        let wrong = |rule: String| NpyError::Pictures { path: path.to_owned(), rule };
        let (_, found) = dictionary(path, source).map_err(|error| match error {
            NpyError::Format { rule, .. } => wrong(rule),
            other => other,
        })?;
        let shape = text::quoted(&found.written).into_owned();
        let expected = "expected (faces, height, width, 3)";
        if !["'|u1'", "'<u1'", "'>u1'"].contains(&found.descr.trim()) {
            let descr = text::quoted(&found.descr).into_owned();
            let remedy = match () {
                () if found.descr.contains('f') => {
                    "floats may be 0 to 1, 0 to 255 or standardised already, and nothing says which, so they are not taken: \
                     save the pixels as they were before, or undo what was done to them, with `.astype('uint8')`"
                }
                () if found.descr.contains('O') => "crops of one size are one array: `numpy.stack(list(faces))`",
                () => "pixels are 0 to 255: save them with `.astype('uint8')`",
            };
            return Err(wrong(format!("its values are {descr}, expected '|u1' (uint8); {remedy}")));
        }
        let (rows, sides) = match found.shape.as_deref() {
            Some(&[rows, height, width, 3]) => (rows, [height, width]),
            Some(&[_, 3, _, _]) => {
                let remedy = "save `numpy.ascontiguousarray(faces.transpose(0, 2, 3, 1))`";
                return Err(wrong(format!("its shape is {shape}, {expected}: channels come last; {remedy}")));
            }
            Some(&[_, _, 3]) => {
                let remedy = "one crop is an array of one face: save `crop[numpy.newaxis]`";
                return Err(wrong(format!("its shape is {shape}, {expected}; {remedy}")));
            }
            Some(&[_, _, _] | &[_, _, _, 1]) => {
                let remedy = "repeat grey values for the three channels: `numpy.repeat(faces.reshape(*faces.shape[:3], 1), 3, 3)`";
                return Err(wrong(format!("its shape is {shape}, {expected}; {remedy}")));
            }
            Some(&[_, _, _, 4]) => {
                return Err(wrong(format!(
                    "its shape is {shape}, {expected}; leave out the alpha channel: `faces[..., :3]`"
                )));
            }
            _ => return Err(wrong(format!("its shape is {shape}, {expected}"))),
        };
        if found.fortran {
            return Err(wrong(FORTRAN.replace("ARRAY", "faces")));
        }
        let [height, width] =
            sides.map(|side| u32::try_from(side).ok().filter(|side| (1..=LARGEST_SIDE).contains(&(*side as usize))));
        let (Some(height), Some(width)) = (height, width) else {
            return Err(wrong(format!("its shape is {shape}; a side of a picture has 1 to {LARGEST_SIDE} pixels")));
        };
        let size = u64::from(height) * u64::from(width) * 3;
        if size > most {
            return Err(wrong(format!("a picture of it has {size} bytes, and at most {most}")));
        }
        if (rows as u64).checked_mul(size).and_then(|bytes| bytes.checked_add(found.length)) != Some(length) {
            return Err(wrong(format!(
                "an array of shape {shape} does not have {length} bytes; the file is truncated or damaged"
            )));
        }
        Ok(Self { rows, sides: [height, width], first: found.length })
    }
}

/// A rows × dimension matrix of f16, f32 or f64 that anybody may have written; any row can be read.
#[derive(Debug)]
pub struct AnyMatrix<R = MatrixSource> {
    path: PathBuf,
    source: R,
    kind: Kind,
    rows: usize,
    dimension: usize,
    next: usize,
    bytes: Vec<u8>,
}

impl AnyMatrix {
    /// Opens a `.npy` file, or the index of a matrix in parts, and checks lengths against headers.
    ///
    /// # Errors
    /// [`NpyError`]; nothing is allocated based on an unchecked header.
    pub fn open(path: &Path) -> Result<Self, NpyError> {
        if parts::is_index(path) {
            let (joined, rows, dimension) = parts::open(path)?;
            let source = MatrixSource::Parts(joined);
            let path = path.to_owned();
            return Ok(Self { path, source, kind: Kind::F32, rows, dimension, next: 0, bytes: Vec::new() });
        }
        let (source, length) = source(path)?;
        Self::new(path, MatrixSource::File(source), length)
    }
}

impl<R: Read + Seek> AnyMatrix<R> {
    /// [`AnyMatrix::open`] for a source of `length` bytes; `path` is for messages.
    ///
    /// # Errors
    /// [`NpyError`].
    pub fn new(path: &Path, source: R, length: u64) -> Result<Self, NpyError> {
        let (source, header) = opened(path, source, length, &Kind::ALL)?;
        let Header { kind, rows, dimension, .. } = header;
        Ok(Self { path: path.to_owned(), source, kind, rows, dimension, next: 0, bytes: Vec::new() })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Values in a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Reads row `row` into `out`, which takes [`Self::dimension`] values.
    ///
    /// # Errors
    /// [`NpyError`] when there is no such row, or when reading fails.
    pub fn read(&mut self, row: usize, out: &mut [f64]) -> Result<(), NpyError> {
        if row >= self.rows || out.len() != self.dimension {
            let rule = format!("row {row} of {} values was requested", out.len());
            return Err(format(&self.path, rule));
        }
        let failed = |error| FileError::new("read", &self.path)(error);
        let width = self.dimension * self.kind.size();
        let distance = (row as i64 - self.next as i64) * width as i64;
        self.source.seek_relative(distance).map_err(failed)?;
        self.bytes.resize(width, 0);
        self.source.read_exact(&mut self.bytes).map_err(failed)?;
        self.next = row + 1;
        match self.kind {
            Kind::F16 => convert(&self.bytes, out, |bytes| half::f16::from_le_bytes(bytes).to_f64()),
            Kind::F32 => convert(&self.bytes, out, |bytes| f32::from_le_bytes(bytes).into()),
            Kind::F64 => convert(&self.bytes, out, f64::from_le_bytes),
        }
        Ok(())
    }
}

fn convert<const N: usize>(bytes: &[u8], out: &mut [f64], value: impl Fn([u8; N]) -> f64) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *out = value(*bytes);
    }
}

fn format(path: &Path, rule: impl Into<String>) -> NpyError {
    NpyError::Format { path: path.to_owned(), rule: rule.into() }
}

/// Why a file is not an embedding matrix.
#[derive(Debug, thiserror::Error)]
pub enum NpyError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is no array of crops.
    #[error("{} is not an array of crops: {rule}", path.display())]
    Pictures {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        rule: String,
    },
    /// It is something else, or damaged.
    #[error("{} is not an embedding matrix: {rule}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        rule: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<EmbeddingMatrix, NpyError> {
        EmbeddingMatrix::of(MatrixReader::new(Path::new("m.npy"), bytes, bytes.len() as u64)?)
    }

    fn with_dictionary(dictionary: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((dictionary.len() as u16).to_le_bytes());
        bytes.extend(dictionary.bytes());
        bytes.extend(data);
        bytes
    }

    fn small() -> Vec<u8> {
        written(&[1.0, -2.5, 3.0, 0.0, f32::MIN_POSITIVE, 1e30], 3)
    }

    fn header(rows: usize, dimension: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_header(&mut bytes, rows, dimension).unwrap();
        bytes
    }

    fn written(data: &[f32], dimension: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, data, dimension).unwrap();
        bytes
    }

    #[test]
    fn the_header_is_numpys() {
        let text = header(20, 512);
        assert_eq!(text.len(), 128);
        assert_eq!(&text[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let text = std::str::from_utf8(&text[10..]).unwrap();
        assert_eq!(text.trim_end(), "{'descr': '<f4', 'fortran_order': False, 'shape': (20, 512), }");
        assert!(text.ends_with(" \n"));
        assert_eq!(header(usize::MAX, 1024).len() % 64, 0);
    }

    /// `npyz` parses the whole format.
    #[test]
    fn another_implementation_reads_it() {
        for (rows, dimension) in [(0, 512), (1, 1), (300, 256)] {
            let data: Vec<f32> = (0..rows * dimension).map(|i| i as f32 / 7.0).collect();
            let bytes = written(&data, dimension);
            let file = npyz::NpyFile::new(&bytes[..]).unwrap();
            assert_eq!(file.shape(), [rows as u64, dimension as u64]);
            assert_eq!(file.into_vec::<f32>().unwrap(), data);
        }
    }

    #[test]
    fn what_was_written_is_read_whole_or_by_rows() {
        let matrix = read(&small()).unwrap();
        assert_eq!((matrix.rows, matrix.dimension), (2, 3));
        assert_eq!(matrix.row(1), [0.0, f32::MIN_POSITIVE, 1e30]);
        let bytes = small();
        let mut reader = MatrixReader::new(Path::new("m.npy"), &bytes[..], bytes.len() as u64).unwrap();
        let mut row = [0.0; 3];
        for i in 0..reader.rows() {
            reader.read(&mut row).unwrap();
            assert_eq!(row, matrix.row(i));
        }
        insta::assert_snapshot!(reader.read(&mut row).unwrap_err(), @"m.npy is not an embedding matrix: 3 values were requested, but 0 rows of 3 are left");
    }

    #[test]
    fn any_row_can_be_next() {
        let bytes = small();
        let source = io::Cursor::new(&bytes);
        let mut reader = MatrixReader::new(Path::new("m.npy"), source, bytes.len() as u64).unwrap();
        let mut row = [0.0; 3];
        for (to, first) in [(1, 0.0), (0, 1.0), (0, 1.0), (1, 0.0)] {
            reader.seek(to).unwrap();
            reader.read(&mut row).unwrap();
            assert_eq!(row[0], first);
        }
        reader.seek(2).unwrap();
        assert!(reader.read(&mut row).is_err());
        insta::assert_snapshot!(reader.seek(3).unwrap_err(), @"m.npy is not an embedding matrix: row 3 was requested, but it has 2");
    }

    #[test]
    fn an_empty_matrix_is_one() {
        let matrix = read(&header(0, 512)).unwrap();
        assert_eq!((matrix.rows, matrix.dimension, matrix.data.len()), (0, 512, 0));
    }

    /// Fault (runs): a matrix with another magic, version, type, order or shape, or of another length than its header
    /// says → refused with the rule before anything is allocated
    #[test]
    fn each_wrong_file_is_refused_with_its_rule() {
        let dictionary = |descr: &str, order: &str, shape: &str| {
            with_dictionary(&format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"), &[0; 16])
        };
        let error = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        let whole = small();
        let mut longer = whole.clone();
        longer.push(0);
        let mut version = whole.clone();
        version[6] = 2;
        let all = [
            error(b"PK\x03\x04 a zip, as .npz is"),
            error(&whole[..50]),
            error(&version),
            error(&whole[..whole.len() - 1]),
            error(&longer),
            error(&dictionary("'<f8'", "False", "(1, 2)")),
            error(&dictionary("'>f4'", "False", "(2, 2)")),
            error(&dictionary("'<f4'", "True", "(2, 2)")),
            error(&dictionary("'<f4'", "False", "(4,)")),
            error(&dictionary("'<f4'", "False", "(-1, 4)")),
            error(&dictionary("'<f4'", "False", "(1000000000, 0)")),
            error(&dictionary("'<f4'", "False", "(9223372036854775807, 9223372036854775807)")),
            error(&dictionary("'<f4'", "False", "(1000000000, 512)")),
            error(&with_dictionary("{}", &[])),
            error(&with_dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (1", &[])),
        ];
        insta::assert_snapshot!(all.join("\n").replace("m.npy is not an embedding matrix: ", ""), @"
        it does not start with numpy's magic bytes
        it ends inside its header
        its format version is 2.0, and 1.0 is read; save it with `numpy.lib.format.write_array(open(path, 'wb'), array, (1, 0))`
        a 2×3 matrix does not have 151 bytes; the file is truncated or damaged
        a 2×3 matrix does not have 153 bytes; the file is truncated or damaged
        its values are '<f8', expected '<f4' (little-endian f32)
        its values are '>f4', expected '<f4' (little-endian f32)
        it is in Fortran order; save it with `numpy.save(path, numpy.ascontiguousarray(matrix))`
        its shape is (4,), expected (rows, dimension)
        its shape is (-1, 4), expected (rows, dimension)
        its shape is (1000000000, 0), expected (rows, dimension)
        a 9223372036854775807×9223372036854775807 matrix does not have 122 bytes; the file is truncated or damaged
        a 1000000000×512 matrix does not have 97 bytes; the file is truncated or damaged
        its header has no 'descr'
        its shape is (1, expected (rows, dimension)
        ");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = EmbeddingMatrix::open(Path::new("/nowhere/m.npy")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /nowhere/m.npy: "), "{error}");
    }

    proptest::proptest! {
        /// Fault (runs): a matrix with random bytes changed or cut → read or refused, without a panic
        #[test]
        fn no_bytes_panic(flips in proptest::collection::vec((0usize..152, proptest::num::u8::ANY), 0..8), cut in 0usize..153) {
            let mut bytes = small();
            for (at, value) in flips {
                bytes[at] = value;
            }
            let _ = read(&bytes[..cut.min(bytes.len())]);
        }

        #[test]
        fn every_bit_pattern_survives(bits in proptest::collection::vec(proptest::num::u32::ANY, 6)) {
            let values: Vec<f32> = bits.iter().copied().map(f32::from_bits).collect();
            let back: Vec<u32> = read(&written(&values, 2)).unwrap().data.iter().map(|value| value.to_bits()).collect();
            proptest::prop_assert_eq!(back, bits);
        }
    }
}
