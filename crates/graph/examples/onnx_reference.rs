//! How far the reference is from ONNX Runtime, on what `experiments/peers/onnx_graphs.py` makes:
//!
//! ```sh
//! cargo run --release -p facevault-graph --example onnx_reference -- FOLDER [NAME ...]
//! ```

use std::path::Path;
use std::time::Instant;

use facevault_graph::onnx::{self, Layout, Options};
use facevault_graph::reference;

/// The bytes behind the head of a `.npy` file.
fn npy(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes[10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))..].to_vec()
}

fn unit(x: &[f32]) -> Vec<f64> {
    let norm = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    x.iter().map(|x| f64::from(*x) / norm).collect()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("a folder");
    let folder = Path::new(&folder);
    let mut names: Vec<String> = arguments.collect();
    if names.is_empty() {
        let files = folder.read_dir().expect("a folder").filter_map(Result::ok);
        names.extend(files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".onnx")?.to_owned())));
        names.sort();
    }
    println!("| file | opset | numbers | embedding | nodes | read | computed | off ONNX Runtime |");
    println!("|---|---:|---|---:|---:|---:|---:|---:|");
    for name in names {
        let started = Instant::now();
        let onnx = match onnx::read(&folder.join(format!("{name}.onnx")), &Options::default()) {
            Ok(onnx) => onnx,
            Err(error) => {
                println!("| {name} | {error} |");
                continue;
            }
        };
        let (read, found) = (started.elapsed(), onnx.found);
        let pixels = npy(&folder.join(format!("{name}.input.npy")));
        let raw = found.normalisation.as_ref().is_some_and(onnx::Normalisation::is_of_pixels);
        let number = |pixel: u8| if raw { pixel.into() } else { (f32::from(pixel) - 127.5) / 127.5 };
        let face: Vec<f32> = match found.layout {
            Layout::Interleaved => pixels.iter().map(|pixel| number(*pixel)).collect(),
            Layout::Planar => {
                (0..3).flat_map(|c| pixels.iter().skip(c).step_by(3)).map(|pixel| number(*pixel)).collect()
            }
        };
        let started = Instant::now();
        let embedding = unit(&reference::run(&onnx.graph, &face));
        let expected = npy(&folder.join(format!("{name}.output.npy")));
        let expected: Vec<f32> = expected.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let off = embedding.iter().zip(unit(&expected)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!(
            "| {name} | {} | {:.1} M {} | {} | {} | {:.2} s | {:.1} s | {off:.1e} |",
            found.opset,
            found.parameters as f64 / 1e6,
            found.format,
            found.dimension,
            onnx.graph.nodes.len(),
            read.as_secs_f64(),
            started.elapsed().as_secs_f64(),
        );
    }
}
