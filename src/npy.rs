//! numpy's file format, version 1.0, for one kind of array: a matrix of little-endian f32 in C order.

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

/// Writes the header, byte for byte as numpy does: the data behind it start at a multiple of 64.
///
/// # Errors
/// Those of writing.
pub fn write_header(out: &mut impl Write, rows: usize, dimension: usize) -> io::Result<()> {
    write_dictionary(out, &format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dimension}), }}"))
}

fn write_dictionary(out: &mut impl Write, dictionary: &str) -> io::Result<()> {
    let length = (MAGIC.len() + 2 + dictionary.len() + 1).next_multiple_of(64) - MAGIC.len() - 2;
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
    write_dictionary(out, &format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", row.len()))?;
    write_rows(out, row)
}

fn decode(bytes: &[u8], out: &mut [f32]) {
    for (value, bytes) in out.iter_mut().zip(bytes.as_chunks::<F32>().0) {
        *value = f32::from_le_bytes(*bytes);
    }
}

/// A rows × dimension matrix of f32, read row by row.
#[derive(Debug)]
pub struct MatrixReader<R = BufReader<File>> {
    path: PathBuf,
    source: R,
    rows: usize,
    dimension: usize,
    next: usize,
    bytes: Vec<u8>,
}

impl MatrixReader {
    /// Opens a `.npy` file and checks its length against its header.
    ///
    /// # Errors
    /// [`NpyError`]; nothing is allocated based on an unchecked header.
    pub fn open(path: &Path) -> Result<Self, NpyError> {
        let (source, length) = source(path)?;
        Self::new(path, source, length)
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
        let Header { rows, dimension, .. } = header;
        Ok(Self { path: path.to_owned(), source, rows, dimension, next: 0, bytes: Vec::new() })
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
    /// Reads a whole `.npy` file.
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
    rows: usize,
    dimension: usize,
}

/// A file to read, and its length.
fn source(path: &Path) -> Result<(BufReader<File>, u64), NpyError> {
    let file = files::open(path).map_err(FileError::new("read", path))?;
    let length = file.metadata().map_err(FileError::new("read", path))?.len();
    Ok((BufReader::with_capacity(256 * 1024, file), length))
}

/// Reads the header of a file of `length` bytes, which must be those of a matrix of one of these kinds; gives the source at
/// its first value.
fn opened<R: Read>(path: &Path, mut source: R, length: u64, kinds: &[Kind]) -> Result<(R, Header), NpyError> {
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
        return Err(format(path, "its format version is not 1.0"));
    }
    let mut text = vec![0; usize::from(u16::from_le_bytes([start[8], start[9]]))];
    read(&mut text)?;
    let header_length = (start.len() + text.len()) as u64;
    let header = header(&text, kinds).map_err(|rule| format(path, rule))?;
    let Header { kind, rows, dimension } = header;
    let expected = (rows as u64)
        .checked_mul(dimension as u64)
        .and_then(|count| count.checked_mul(kind.size() as u64)?.checked_add(header_length));
    if expected != Some(length) {
        let rule =
            format!("a {rows}×{dimension} matrix does not have {length} bytes; the file is truncated or damaged");
        return Err(format(path, rule));
    }
    Ok((source, header))
}

/// What a header's dictionary says, or the rule that it violates.
fn header(header: &[u8], kinds: &[Kind]) -> Result<Header, String> {
    let text = std::str::from_utf8(header).map_err(|_| "its header is not text")?.trim();
    let value = |key: &str| {
        let (_, rest) = text.split_once(&format!("'{key}':")).ok_or_else(|| format!("its header has no '{key}'"))?;
        Ok::<_, String>(rest.trim_start())
    };
    let descr = value("descr")?;
    let Some(kind) = kinds.iter().copied().find(|kind| descr.starts_with(kind.name())) else {
        let found = descr.split(',').next().unwrap_or_default();
        let expected = match kinds {
            [_] => "'<f4' (little-endian f32)".into(),
            several => {
                several.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or ")
                    + "; convert it with `.astype('<f4')`"
            }
        };
        return Err(format!("its values are {}, expected {expected}", text::quoted(found)));
    };
    if !value("fortran_order")?.starts_with("False") {
        return Err("it is in Fortran order; save it with `numpy.save(path, numpy.ascontiguousarray(matrix))`".into());
    }
    let found = value("shape")?.split_inclusive(')').next().unwrap_or_default();
    let numbers = found.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).and_then(|inner| {
        let numbers = inner.trim_end().trim_end_matches(',').split(',');
        numbers.map(|number| number.trim().parse().ok()).collect::<Option<Vec<usize>>>()
    });
    match numbers.as_deref() {
        // The length of the file does not bound the number of empty rows.
        Some(&[rows, dimension]) if dimension > 0 => Ok(Header { kind, rows, dimension }),
        _ => Err(format!("its shape is {}, expected (rows, dimension)", text::quoted(found))),
    }
}

/// A rows × dimension matrix of f16, f32 or f64 that anybody may have written; any row can be read.
#[derive(Debug)]
pub struct AnyMatrix<R = BufReader<File>> {
    path: PathBuf,
    source: R,
    kind: Kind,
    rows: usize,
    dimension: usize,
    next: usize,
    bytes: Vec<u8>,
}

impl AnyMatrix {
    /// Opens a `.npy` file and checks its length against its header.
    ///
    /// # Errors
    /// [`NpyError`]; nothing is allocated based on an unchecked header.
    pub fn open(path: &Path) -> Result<Self, NpyError> {
        let (source, length) = source(path)?;
        Self::new(path, source, length)
    }
}

impl<R: Read + Seek> AnyMatrix<R> {
    /// [`AnyMatrix::open`] for a source of `length` bytes; `path` is for messages.
    ///
    /// # Errors
    /// [`NpyError`].
    pub fn new(path: &Path, source: R, length: u64) -> Result<Self, NpyError> {
        let (source, header) = opened(path, source, length, &Kind::ALL)?;
        let Header { kind, rows, dimension } = header;
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
        its format version is not 1.0
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
