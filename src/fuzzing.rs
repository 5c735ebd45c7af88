//! What `fuzz/` drives: one function per kind of input that comes from outside. None may panic, whatever the bytes; each
//! says what else must hold. The tests run them on every file of `fuzz/corpus` and `fuzz/regressions`.

use std::io::Write as _;
use std::path::Path;

use facevault_graph::{onnx, reference};
use zip::write::SimpleFileOptions;

use crate::model::weights;
use crate::npy::{self, MatrixReader};
use crate::preprocess::{
    self, BoundingBox, ChannelOrder, Crop, Filter, Landmarks, Limits, MarginUnit, PROFILES, PictureKind, RenderBuffers,
    Resize,
};
use crate::quality;
use crate::{config as configs, dataset, embed, hub as hubs, run as runs};

/// A target: its name, which is that of its corpus, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 20] = [
    ("boxes", boxes),
    ("config", config),
    ("csv", csv),
    ("hub", hub),
    ("insightface", insightface),
    ("jpeg", jpeg),
    ("manifest", manifest),
    ("npy", npy),
    ("onnx", onnx),
    ("pairs", pairs),
    ("parts", parts),
    ("parquet", parquet),
    ("pickle", pickle),
    ("picture", picture),
    ("run", run),
    ("safetensors", safetensors),
    ("set", set),
    ("sidecar", sidecar),
    ("tar", tar),
    ("templates", templates),
];

/// A config file.
pub fn config(data: &[u8]) {
    configs::fuzzing::config(data);
}

/// `--set` arguments, one a line.
pub fn set(data: &[u8]) {
    configs::fuzzing::overrides(data);
}

/// Phase-1's `face_metadata.csv`.
pub fn csv(data: &[u8]) {
    dataset::fuzzing::phase1(data);
}

/// A list of pairs.
pub fn pairs(data: &[u8]) {
    dataset::fuzzing::pairs(data);
}

/// A table of boxes, or of roles.
pub fn boxes(data: &[u8]) {
    dataset::fuzzing::boxes(data);
}

/// insightface's `.bin`.
pub fn insightface(data: &[u8]) {
    dataset::fuzzing::insightface(data);
}

/// Pictures in parquet.
pub fn parquet(data: &[u8]) {
    dataset::fuzzing::parquet(data);
}

/// The tables of IJB-B and IJB-C, a NUL between them.
pub fn templates(data: &[u8]) {
    dataset::fuzzing::templates(data);
}

/// A tar archive of identity folders.
pub fn tar(data: &[u8]) {
    dataset::fuzzing::tar(data);
}

/// `manifest.parquet` and `pair_lists.parquet` of a run.
pub fn manifest(data: &[u8]) {
    dataset::fuzzing::manifest(data);
}

/// The sidecar of a chunk.
pub fn sidecar(data: &[u8]) {
    embed::fuzzing::sidecars(data);
}

/// The other files of a run.
pub fn run(data: &[u8]) {
    runs::fuzzing::files(data);
}

/// Answers of the Hub.
pub fn hub(data: &[u8]) {
    hubs::fuzzing::answers(data);
}

/// A checkpoint of PyTorch. The first byte chooses: the file itself; a pickle in the zip archive of `torch.save`, whose
/// checksums no fuzzer finds; a pickle behind the head of the earlier format.
pub fn pickle(data: &[u8]) {
    let Some((format, pickled)) = data.split_first() else { return };
    match format % 3 {
        0 => checkpoint(pickled),
        1 => checkpoint(&zipped(pickled)),
        _ => checkpoint(&[HEAD_OF_LEGACY, pickled].concat()),
    }
}

/// Magic number, version and system of `torch.save` before its 1.6.
const HEAD_OF_LEGACY: &[u8] = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}q\x00.";

fn zipped(pickled: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in [("a/data.pkl", pickled), ("a/data/0", &[0; 64]), ("a/data/1", &[1; 64])] {
        archive.start_file(name, stored).and_then(|()| Ok(archive.write_all(content)?)).expect("a stored entry");
    }
    archive.finish().expect("an archive").into_inner()
}

/// A checkpoint in safetensors.
pub fn safetensors(data: &[u8]) {
    if data.get(8) == Some(&b'{') {
        checkpoint(data);
    }
}

/// Tensors have the values that their shapes ask for, and no more than the file can hold.
fn checkpoint(bytes: &[u8]) {
    let tensors = match weights::parse(bytes, &|_| {}) {
        Ok(tensors) => tensors,
        Err(error) => return drop(error.to_string()),
    };
    let values: usize = tensors.values().map(|tensor| tensor.data.len()).sum();
    assert!(values <= 4 * bytes.len(), "{values} values from {} bytes", bytes.len());
    for tensor in tensors.values().filter(|tensor| !tensor.data.is_empty()) {
        assert_eq!(tensor.shape.iter().product::<usize>(), tensor.data.len());
    }
}

/// A network in ONNX. What is read has the shapes that it says, and can be computed. What another reader gets refers to no
/// other file, and is read as before.
pub fn onnx(data: &[u8]) {
    let limits = onnx::Limits { nodes: 64, tensor: 1 << 14, computed: 1 << 10, folded: 1 << 12, ..Default::default() };
    let options = onnx::Options { limits, side: data.first().map(|first| usize::from(*first) % 16 + 1), output: None };
    if let Err(error) = onnx::outline(data.to_vec(), &options) {
        drop(error.to_string());
    }
    match onnx::whole(data.to_vec().into(), None, &options.limits) {
        Ok((whole, files)) => {
            assert!(files.is_empty(), "there is no folder");
            let read = |bytes: Vec<u8>| onnx::parse(bytes, &options).map(|read| read.found).map_err(|e| e.to_string());
            assert_eq!(read(whole.to_vec()), read(data.to_vec()));
        }
        Err(error) => drop(error.to_string()),
    }
    // With and without a side.
    for options in [onnx::Options { side: None, ..options.clone() }, options] {
        let network = match onnx::parse(data.to_vec(), &options) {
            Ok(network) => network,
            Err(error) => {
                drop(error.to_string());
                continue;
            }
        };
        let face = vec![0.5; network.graph.values[network.graph.input].len()];
        assert_eq!(reference::run(&network.graph, &face).len(), network.found.dimension);
    }
}

/// The values that the reader of anybody's matrices reads, the last row first; none of what it refuses.
fn any_matrix(data: &[u8]) -> Vec<f64> {
    let source = std::io::Cursor::new(data);
    let Ok(mut matrix) = npy::AnyMatrix::new(Path::new("matrix.npy"), source, data.len() as u64) else {
        return Vec::new();
    };
    let (rows, width) = (matrix.rows(), matrix.dimension());
    let mut values = vec![0.0; rows * width];
    for row in (0..rows).rev() {
        matrix.read(row, &mut values[row * width..(row + 1) * width]).expect("a row of the matrix");
    }
    values
}

/// A matrix in numpy's format: what was read is written so that the same is read again.
pub fn npy(data: &[u8]) {
    let read = |bytes: &[u8]| {
        let path = Path::new("matrix.npy");
        MatrixReader::new(path, bytes, bytes.len() as u64).and_then(npy::EmbeddingMatrix::of)
    };
    let any = any_matrix(data);
    let matrix = match read(data) {
        Ok(matrix) => matrix,
        Err(error) => return drop(error.to_string()),
    };
    assert_eq!(matrix.data.len(), matrix.rows * matrix.dimension);
    let same = |(value, any): (&f32, f64)| f64::from(*value).to_bits() == any.to_bits();
    assert!(
        any.len() == matrix.data.len() && matrix.data.iter().zip(any).all(same),
        "the other reader reads otherwise"
    );
    let mut written = Vec::new();
    npy::write(&mut written, &matrix.data, matrix.dimension).expect("memory does not fail to be written");
    let again = read(&written).expect("what was written is read");
    let bits = |data: &[f32]| data.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&again.data), bits(&matrix.data));
}

/// The index of a matrix in parts, a NUL, and the bytes of its parts `a` and `b`: what is mapped is what is read.
pub fn parts(data: &[u8]) {
    let Some(end) = data.iter().position(|byte| *byte == 0) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["a", "b"] {
        std::fs::write(folder.path().join(name), &data[end + 1..]).expect("a part");
    }
    let index = folder.path().join("index.json");
    std::fs::write(&index, &data[..end]).expect("an index");
    let (mapped, read) = (npy::StoredMatrix::open(&index), npy::EmbeddingMatrix::open(&index));
    match (mapped, read) {
        (Ok(mapped), Ok(read)) => {
            assert_eq!((mapped.rows(), mapped.dimension()), (read.rows, read.dimension));
            assert!(
                mapped.data().iter().map(|value| value.to_bits()).eq(read.data.iter().map(|value| value.to_bits()))
            );
        }
        (Err(mapped), Err(read)) => drop((mapped.to_string(), read.to_string())),
        (mapped, read) => panic!("mapped: {:?}, read: {:?}", mapped.err(), read.err()),
    }
}

/// Small enough that an input takes a fraction of a second, large enough for every kind of sampling.
const LIMITS: Limits = Limits { side: 2048, pixels: 1 << 18, bytes: 8 << 20 };

/// A JPEG.
pub fn jpeg(data: &[u8]) {
    if PictureKind::of(data) == Some(PictureKind::Jpeg) {
        decoded(data, &Crop::Whole, Filter::PillowBilinear, None, None);
    }
}

/// A picture of any format, with its crop: the first bytes choose box, landmarks, crop and filter.
pub fn picture(data: &[u8]) {
    const OPTIONS: usize = 16;
    let Some((options, bytes)) = data.split_first_chunk::<OPTIONS>() else { return };
    let number = |at: usize| f32::from(i16::from_le_bytes([options[at], options[at + 1]])) / 16.0;
    let [x1, y1, width, height] = [2, 4, 6, 8].map(number);
    let bbox = BoundingBox { x1, y1, x2: x1 + width.abs() + 0.25, y2: y1 + height.abs() + 0.25 };
    let landmarks = Landmarks::from_numbers(std::array::from_fn(|at| number(2 + at)));
    let crop = match options[0] % 5 {
        0 => Crop::Whole,
        1 => Crop::Box { margin: f64::from(options[10]), unit: MarginUnit::OriginalPixels },
        2 => Crop::Box { margin: f64::from(options[10]) / 2.0, unit: MarginUnit::OutputPixels },
        3 => Crop::Centre { fraction: (f64::from(options[10]) + 1.0) / 256.0 },
        _ => Crop::Align,
    };
    let filters = [Filter::PillowBilinear, Filter::PillowBicubic, Filter::OpencvLinear];
    let filter = filters[usize::from(options[1]) % filters.len()];
    decoded(bytes, &crop, filter, Some(&bbox), Some(&landmarks));
}

/// A picture has the size in its header, upright or turned, and within the limits; a face is cut out of it or there is a
/// reason.
fn decoded(bytes: &[u8], crop: &Crop, filter: Filter, bbox: Option<&BoundingBox>, landmarks: Option<&Landmarks>) {
    let announced = preprocess::size(std::io::Cursor::new(bytes));
    let picture = match preprocess::decode(bytes, &LIMITS) {
        Ok(picture) => picture,
        Err(error) => return drop(error.to_string()),
    };
    let (width, height) = picture.dimensions();
    assert!(width.max(height) <= LIMITS.side && u64::from(width) * u64::from(height) <= LIMITS.pixels);
    // A GIF's frame may be larger than the screen that its header announces.
    if let Some(announced) = announced.filter(|_| PictureKind::of(bytes) != Some(PictureKind::Gif)) {
        assert!(announced == [width, height] || announced == [height, width], "{announced:?} became {width}×{height}");
    }
    let profile = preprocess::profile(PROFILES[0]).expect("the first profile");
    let size = 80;
    let settings = preprocess::Preprocess { crop: *crop, resize: Resize { size, filter }, ..profile };
    let side = size as usize;
    let mut face = vec![0; side * side * 3];
    match preprocess::render(&picture, bbox, landmarks, &settings, &mut RenderBuffers::default(), &mut face) {
        Ok(source) => drop(quality::measure(&face, side, ChannelOrder::Rgb, source, &mut Vec::new())),
        Err(error) => drop(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::PathBuf;

    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
    }

    /// Runs a target on its corpus and on what was found with it before.
    fn replay(name: &str) {
        let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
        let mut inputs = 0;
        for kind in ["corpus", "regressions"] {
            for entry in folder().join(kind).join(name).read_dir().into_iter().flatten() {
                let path = entry.unwrap().path();
                let data = std::fs::read(&path).unwrap();
                let outcome = catch_unwind(AssertUnwindSafe(|| target(&data)));
                assert!(outcome.is_ok(), "{name} panics on {}", path.display());
                inputs += 1;
            }
        }
        assert!(inputs > 2, "fuzz/corpus/{name} has only {inputs} inputs");
    }

    #[test]
    fn every_target_can_be_fuzzed() {
        let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let files = |below: &str| -> BTreeSet<String> {
            let entries = folder().join(below).read_dir().unwrap();
            entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(files("corpus"), names, "fuzz/run takes the names of the targets from there");
        assert!(files("regressions").is_subset(&names));
    }

    /// Fault (tables): any bytes as the tables of templates → refused with the line, or every face, pair and search is of a
    /// template of the set, and the run's tables read back the same
    #[test]
    fn no_templates_input_panics() {
        replay("templates");
    }

    /// Fault (runs): any bytes as the index of a matrix in parts and as its parts → refused with the file, or the same numbers read
    /// and mapped
    #[test]
    fn no_parts_input_panics() {
        replay("parts");
    }

    /// Fault (tables): any bytes as a table of boxes or of roles → refused with the line, or every box has an area and finite edges, and
    /// every face one role
    #[test]
    fn no_boxes_input_panics() {
        replay("boxes");
    }

    /// Fault (config): any bytes as a config → refused with the line, or accepted and the same again as `check` prints
    /// it
    #[test]
    fn no_config_input_panics() {
        replay("config");
    }

    /// Fault (tables): any bytes as `face_metadata.csv` → refused with the line, or ids are unique and paths stay in
    /// the root
    #[test]
    fn no_csv_input_panics() {
        replay("csv");
    }

    /// Fault (hub): any bytes as the answers of a Hub or a file server → an error or the pinned content; nothing is
    /// written outside the cache, the token goes to the endpoint alone
    #[test]
    fn no_hub_input_panics() {
        replay("hub");
    }

    /// Fault (archives): any bytes as an insightface `.bin` → refused by name, or each face has its picture or a reason
    #[test]
    fn no_insightface_input_panics() {
        replay("insightface");
    }

    /// Fault (pictures): any bytes as a JPEG → refused, or a picture of the size in its header within the limits
    #[test]
    fn no_jpeg_input_panics() {
        replay("jpeg");
    }

    /// Fault (runs): any bytes as `manifest.parquet` or `pair_lists.parquet`, with a right digest → refused by name, or
    /// every row is in the dataset
    #[test]
    fn no_manifest_input_panics() {
        replay("manifest");
    }

    /// Fault (runs): any bytes as a matrix → refused with the rule, or the same again when written
    #[test]
    fn no_npy_input_panics() {
        replay("npy");
    }

    /// Fault (weights): any bytes as an ONNX file → refused, or a network of the shapes that it says, which can be computed
    #[test]
    fn no_onnx_input_panics() {
        replay("onnx");
    }

    /// Fault (tables): any bytes as a list of pairs → refused with the line, or pairs of faces of the dataset that read
    /// back from a table
    #[test]
    fn no_pairs_input_panics() {
        replay("pairs");
    }

    /// Fault (archives): any bytes as a parquet shard → refused by name, or each face has its picture or a reason
    #[test]
    fn no_parquet_input_panics() {
        replay("parquet");
    }

    /// Fault (weights): any bytes as a PyTorch checkpoint, and any pickle inside one → refused, or tensors of the
    /// shapes they have and no more values than the file can hold
    #[test]
    fn no_pickle_input_panics() {
        replay("pickle");
    }

    /// Fault (pictures): any bytes as a picture with any box, landmarks and crop → refused, or a face of the asked size
    #[test]
    fn no_picture_input_panics() {
        replay("picture");
    }

    /// Fault (runs): any bytes as `SEALED`, `.checked`, `plan.json`, `provenance.json`, `metrics.json` and other files
    /// of a run → refused by name, or the same again when written
    #[test]
    fn no_run_input_panics() {
        replay("run");
    }

    /// Fault (weights): any bytes as safetensors → refused, or tensors of the shapes they have and no more values than
    /// the file can hold
    #[test]
    fn no_safetensors_input_panics() {
        replay("safetensors");
    }

    /// Fault (config): any text as `--set` arguments → refused with the place, or accepted and the same again as
    /// `check` prints it
    #[test]
    fn no_set_input_panics() {
        replay("set");
    }

    /// Fault (runs): any bytes as the sidecar of a chunk → refused, or the same again when written, and a change of any
    /// byte of that is noticed
    #[test]
    fn no_sidecar_input_panics() {
        replay("sidecar");
    }

    /// Fault (archives): any bytes as a tar archive, compressed or not → refused with the entry, or each face has its
    /// picture and nothing is written outside the cache
    #[test]
    fn no_tar_input_panics() {
        replay("tar");
    }
}
