//! What the tests share.

use std::path::{Path, PathBuf};

/// A file of the tests.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The face of `experiments/peers/onnx_operators.py`.
#[allow(dead_code, reason = "not every test has one")]
pub fn face(numbers: usize) -> Vec<f32> {
    (0..numbers).map(|i| ((((7919 * i + 13) % 101) as f64 - 50.3) / 20.0) as f32).collect()
}

/// The `f32`s of a `.npy` file.
#[allow(dead_code, reason = "not every test has one")]
pub fn npy(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[start..].as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// The names, without their ends, of the ONNX files of a folder of fixtures.
#[allow(dead_code, reason = "not every test has one")]
pub fn names(folder: &str) -> Vec<String> {
    let files = fixture(folder).read_dir().expect("a folder of fixtures").map(Result::unwrap);
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".onnx")?.to_owned())).collect();
    names.sort();
    names
}
