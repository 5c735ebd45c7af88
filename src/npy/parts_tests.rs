use std::fs;
use std::path::{Path, PathBuf};

use super::parts::{MatrixPart, PartIndex, SCHEMA};
use super::{AnyMatrix, EmbeddingMatrix, MatrixReader, StoredMatrix, write, write_part_header, write_rows};
use crate::digest::Digest;

/// `rows` rows of `dimension` numbers, each of another value.
fn numbers(rows: usize, dimension: usize) -> Vec<f32> {
    (0..rows * dimension).map(|number| number as f32 / 3.0).collect()
}

/// Writes a matrix in parts of `part_rows` rows, and its index.
fn in_parts(folder: &Path, data: &[f32], dimension: usize, part_rows: usize) -> PathBuf {
    fs::create_dir_all(folder.join("m")).unwrap();
    let parts = data.chunks(part_rows * dimension).enumerate().map(|(number, data)| {
        let (file, rows) = (format!("m/{number:05}.npy"), data.len() / dimension);
        let mut bytes = Vec::new();
        write_part_header(&mut bytes, rows, dimension).unwrap();
        assert_eq!(bytes.len(), 4096);
        write_rows(&mut bytes, data).unwrap();
        fs::write(folder.join(&file), &bytes).unwrap();
        MatrixPart { file, first_row: number * part_rows, rows, sha256: Digest::of(&bytes) }
    });
    let index =
        PartIndex { schema: SCHEMA, rows: data.len() / dimension, dimension, part_rows, parts: parts.collect() };
    let path = folder.join("m.json");
    fs::write(&path, serde_json::to_vec(&index).unwrap()).unwrap();
    path
}

/// Whether pages of this machine are such that 64 rows of 16 numbers fill one.
fn maps_parts() -> bool {
    cfg!(all(target_os = "linux", target_arch = "x86_64"))
}

#[test]
fn parts_are_read_and_mapped_as_one_matrix() {
    let folder = tempfile::tempdir().unwrap();
    // Parts that fill pages, parts that do not, a last one that is whole, and a single one.
    for (rows, dimension, part_rows, mapped) in
        [(300, 16, 64, true), (300, 16, 60, false), (128, 16, 64, true), (10, 3, 4, false), (5, 16, 64, true)]
    {
        let data = numbers(rows, dimension);
        let path = in_parts(folder.path(), &data, dimension, part_rows);
        assert_eq!(EmbeddingMatrix::open(&path).unwrap(), EmbeddingMatrix { rows, dimension, data: data.clone() });
        let stored = StoredMatrix::open(&path).unwrap();
        assert_eq!((stored.rows(), stored.dimension(), stored.data()), (rows, dimension, &data[..]));
        assert_eq!(stored.row(rows - 1), &data[(rows - 1) * dimension..]);
        assert_eq!(stored.is_mapped(), mapped && maps_parts(), "{rows}×{dimension} in parts of {part_rows}");
    }
}

#[test]
fn one_file_is_mapped_whatever_its_width() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.npy");
    for dimension in [1, 3, 512] {
        let data = numbers(70, dimension);
        let mut bytes = Vec::new();
        write(&mut bytes, &data, dimension).unwrap();
        fs::write(&path, bytes).unwrap();
        let stored = StoredMatrix::open(&path).unwrap();
        assert_eq!((stored.data(), stored.is_mapped()), (&data[..], cfg!(unix)));
        // Replaced, as every writer does it, it stays what it was.
        fs::write(folder.path().join("new"), b"other").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(stored.data(), data);
    }
}

#[test]
fn any_row_of_any_part_can_be_next() {
    let folder = tempfile::tempdir().unwrap();
    let data = numbers(23, 5);
    let path = in_parts(folder.path(), &data, 5, 7);
    let (mut reader, mut any) = (MatrixReader::open(&path).unwrap(), AnyMatrix::open(&path).unwrap());
    let (mut row, mut wide) = ([0.0; 5], [0.0; 5]);
    for to in [22, 0, 6, 7, 8, 21, 14, 13, 14, 0, 1, 2] {
        reader.seek(to).unwrap();
        reader.read(&mut row).unwrap();
        any.read(to, &mut wide).unwrap();
        assert_eq!(row, data[to * 5..to * 5 + 5]);
        assert_eq!(wide, row.map(f64::from));
    }
    reader.seek(23).unwrap();
    assert!(reader.read(&mut row).is_err());
    // Across all parts at once.
    let mut rest = vec![0.0; 20 * 5];
    reader.seek(2).unwrap();
    reader.read(&mut rest).unwrap();
    assert_eq!(rest, data[10..110]);
}

/// `npyz` parses the whole format.
#[test]
fn another_implementation_reads_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let data = numbers(9, 4);
    in_parts(folder.path(), &data, 4, 6);
    let bytes = fs::read(folder.path().join("m/00001.npy")).unwrap();
    let file = npyz::NpyFile::new(&bytes[..]).unwrap();
    assert_eq!(file.shape(), [3, 4]);
    assert_eq!(file.into_vec::<f32>().unwrap(), data[24..]);
}

/// Fault (runs): an index whose parts have gaps, lie elsewhere, or are other files than it says → refused with the rule
/// before anything of them is used
#[test]
fn an_index_that_does_not_fit_its_parts_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = in_parts(folder.path(), &numbers(10, 4), 4, 4);
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut index = whole.clone();
        change(&mut index);
        fs::write(&path, index.to_string()).unwrap();
        let error = MatrixReader::open(&path).unwrap_err().to_string();
        assert_eq!(StoredMatrix::open(&path).unwrap_err().to_string(), error);
        error.replace(folder.path().to_str().unwrap(), "DIR")
    };
    let errors = [
        refused(&|index| *index = serde_json::json!([])),
        refused(&|index| index["schema"] = 2.into()),
        refused(&|index| index["rows"] = 11.into()),
        refused(&|index| index["dimension"] = 0.into()),
        refused(&|index| index["dimension"] = 8.into()),
        refused(&|index| index["parts"][1]["first_row"] = 5.into()),
        refused(&|index| index["parts"][1]["rows"] = u64::MAX.into()),
        refused(&|index| index["parts"][1]["file"] = "../m/00001.npy".into()),
        refused(&|index| index["parts"][1]["file"] = "/m/00001.npy".into()),
        refused(&|index| index["parts"][2]["file"] = "m/00001.npy".into()),
    ];
    insta::assert_snapshot!(errors.join("\n"), @"
    DIR/m.json is not an embedding matrix: it is no index of parts: invalid length 0, expected struct PartIndex with 5 elements at line 1 column 2
    DIR/m.json is not an embedding matrix: it is an index of parts of version 2, this program reads version 1
    DIR/m.json is not an embedding matrix: it has 11 rows, and its parts 10
    DIR/m.json is not an embedding matrix: its rows have no numbers
    DIR/m/00000.npy is not an embedding matrix: it is 4×4, and DIR/m.json says 4×8
    DIR/m.json is not an embedding matrix: row 4 is in none of its parts
    DIR/m.json is not an embedding matrix: it has more rows than can be counted
    DIR/m.json is not an embedding matrix: its part `../m/00001.npy` is not inside the folder of the index
    DIR/m.json is not an embedding matrix: its part `/m/00001.npy` is not inside the folder of the index
    DIR/m/00001.npy is not an embedding matrix: it is 4×4, and DIR/m.json says 2×4
    ");
    fs::write(&path, whole.to_string()).unwrap();
    let part = folder.path().join("m/00001.npy");
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, &bytes[..bytes.len() - 1]).unwrap();
    let error = MatrixReader::open(&path).unwrap_err().to_string();
    assert!(error.contains("00001.npy") && error.contains("truncated or damaged"), "{error}");
    // A part that becomes shorter while the matrix is read.
    fs::write(&part, &bytes).unwrap();
    let mut reader = MatrixReader::open(&path).unwrap();
    fs::write(&part, &bytes[..4100]).unwrap();
    let error = reader.read(&mut [0.0; 40]).unwrap_err().to_string();
    assert!(error.contains("m.json: m/00001.npy: it has become shorter"), "{error}");
}
