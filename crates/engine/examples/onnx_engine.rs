//! What the engine makes of the networks that `experiments/peers/onnx_graphs.py` exports: how far it is from ONNX Runtime, and
//! how fast.
//!
//! ```sh
//! cargo run --release -p facevault-engine --example onnx_engine -- FOLDER [NAME ...]            # parity
//! cargo run --release -p facevault-engine --example onnx_engine -- FOLDER NAME --layers BATCH [PRECISION]  # each step
//! cargo run --release -p facevault-engine --example onnx_engine -- FOLDER NAME --serve THREADS BATCH [PRECISION]
//! ```
//!
//! With `--serve`, it runs one batch for each line of its input and answers with the seconds: one side of
//! `experiments/peers/onnx_side_by_side.py`. The precision is f32, bf16 or int8, calibrated on made-up faces.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use facevault_engine::{Engine, Ranges};
use facevault_graph::onnx::{self, Onnx, Options};
use facevault_kernels::{Kernels, Precision, sets};

/// The bytes behind the head of a `.npy` file.
fn npy(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes[10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))..].to_vec()
}

fn unit(x: &[f32]) -> Vec<f64> {
    let norm = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    x.iter().map(|x| f64::from(*x) / norm).collect()
}

fn open(folder: &Path, name: &str, threads: usize, precision: Precision) -> Result<(Onnx, Engine), String> {
    let path = folder.join(format!("{name}.onnx"));
    let onnx = onnx::read(&path, &Options::default()).map_err(|error| error.to_string())?;
    let set = |precision| sets::choose(Kernels::Auto, precision).expect("kernels for every CPU");
    let engine = if precision == Precision::Int8 {
        let mut ranges = Ranges::new();
        Engine::observing(&onnx.graph, set(Precision::F32), 1)
            .map(|mut engine| engine.widen(&faces(engine.side(), 8), &values(&onnx), &mut ranges))
            .and_then(|()| Engine::in_wholes(&onnx.graph, set(precision), &ranges, threads))
    } else {
        Engine::new(&onnx.graph, set(precision), threads)
    };
    Ok((onnx, engine.map_err(|error| error.to_string())?))
}

/// Made-up faces.
fn faces((height, width): (usize, usize), count: usize) -> Vec<u8> {
    (0..count * height * width * 3).map(|i| (i * 7919 % 251) as u8).collect()
}

fn precision(name: Option<&String>) -> Precision {
    match name.map(String::as_str) {
        None | Some("f32") => Precision::F32,
        Some("bf16") => Precision::Bf16,
        Some("int8") => Precision::Int8,
        Some(other) => panic!("`{other}` is no precision of f32, bf16 and int8"),
    }
}

fn values(onnx: &Onnx) -> [f32; 256] {
    let raw = onnx.found.normalisation.as_ref().is_some_and(onnx::Normalisation::is_of_pixels);
    std::array::from_fn(|byte| if raw { byte as f32 } else { (byte as f32 - 127.5) / 127.5 })
}

fn parity(folder: &Path, name: &str) -> Result<String, String> {
    let (onnx, mut engine) = open(folder, name, 2, Precision::F32)?;
    let face = npy(&folder.join(format!("{name}.input.npy")));
    let mut out = vec![0f32; engine.dimension()];
    engine.run(&face, 1, &values(&onnx), &mut out);
    let expected = npy(&folder.join(format!("{name}.output.npy")));
    let expected: Vec<f32> = expected.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let off = unit(&out).iter().zip(unit(&expected)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    Ok(format!("{off:.1e}"))
}

fn layers(folder: &Path, name: &str, batch: usize, precision: Precision) {
    let (onnx, mut engine) = open(folder, name, 1, precision).unwrap_or_else(|error| panic!("{error}"));
    let pixels = faces(engine.side(), batch);
    let mut best = engine.layers(&pixels, &values(&onnx));
    for _ in 0..7 {
        for (best, layer) in best.iter_mut().zip(engine.layers(&pixels, &values(&onnx))) {
            best.seconds = best.seconds.min(layer.seconds);
        }
    }
    let total: f64 = best.iter().map(|layer| layer.seconds).sum();
    let mut kinds: Vec<(&str, f64, f64)> = Vec::new();
    for layer in &best {
        println!(
            "{:>9.1} us {:>7.1} GFLOP/s  {:<12} {}",
            layer.seconds / batch as f64 * 1e6,
            layer.flop * batch as f64 / layer.seconds / 1e9,
            layer.kind,
            layer.name
        );
        match kinds.iter_mut().find(|(kind, ..)| *kind == layer.kind) {
            Some(kind) => (kind.1, kind.2) = (kind.1 + layer.seconds, kind.2 + layer.flop),
            None => kinds.push((layer.kind, layer.seconds, layer.flop)),
        }
    }
    println!("{:.1} faces/s on one thread", batch as f64 / total);
    for (kind, seconds, flop) in kinds {
        println!("{kind:<12} {:>5.1}% {:>7.1} GFLOP/s", seconds / total * 100.0, flop * batch as f64 / seconds / 1e9);
    }
}

fn serve(folder: &Path, name: &str, threads: usize, batch: usize, precision: Precision) {
    let (onnx, mut engine) = open(folder, name, threads, precision).unwrap_or_else(|error| panic!("{error}"));
    let pixels = faces(engine.side(), batch);
    let mut out = vec![0f32; batch * engine.dimension()];
    let values = values(&onnx);
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let rounds: usize = line.trim().parse().unwrap_or(1);
        let started = Instant::now();
        (0..rounds).for_each(|_| engine.run(&pixels, batch, &values, &mut out));
        println!("{}", started.elapsed().as_secs_f64() / rounds as f64);
        std::io::stdout().flush().expect("stdout");
    }
}

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    assert!(!arguments.is_empty(), "a folder of what experiments/peers/onnx_graphs.py exports");
    let folder = arguments.remove(0);
    let folder = Path::new(&folder);
    let number = |at: usize, usual: usize| arguments.get(at).map_or(usual, |text| text.parse().expect("a number"));
    match arguments.get(1).map(String::as_str) {
        Some("--layers") => return layers(folder, &arguments[0], number(2, 8), precision(arguments.get(3))),
        Some("--serve") => {
            return serve(folder, &arguments[0], number(2, 2), number(3, 32), precision(arguments.get(4)));
        }
        _ => (),
    }
    if arguments.is_empty() {
        let files = folder.read_dir().expect("a folder").filter_map(Result::ok);
        arguments.extend(files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".onnx")?.to_owned())));
        arguments.sort();
    }
    for name in arguments {
        println!("{name:<36} {}", parity(folder, &name).unwrap_or_else(|error| error));
    }
}
