//! Finds the faces of a folder's photos on all cores and prints how fast.
//!
//! ```text
//! cargo run --release -p facevault-detect --example detect -- FOLDER [OPTION=VALUE]...
//! ```
//!
//! Options: `list=FILE` reads paths below the folder from a file, one a line, instead of walking it; `out=FILE.csv` writes what
//! was found, one line a face, in the order of the photos (`-1` faces: the photo was not read); `threads=N`; `kernels=avx2`;
//! `rounds=N` looks at each photo that often; `thresholds=0` sets all three.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use facevault_detect::{DetectBuffers, Detection, DetectorOptions, Mtcnn, Networks};
use facevault_kernels::Kernels;
use facevault_preprocess::{Limits, decode};

const ENDINGS: [&str; 7] = ["jpg", "jpeg", "png", "webp", "bmp", "ppm", "pgm"];

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else if path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending)) {
            found.push(path);
        }
    }
    Ok(())
}

fn lines(name: &str, faces: Option<&[Detection]>) -> String {
    let mut text = String::new();
    let Some(faces) = faces else { return format!("{name},-1\n") };
    if faces.is_empty() {
        return format!("{name},0\n");
    }
    for face in faces {
        let bbox = face.bbox;
        let numbers = [bbox.x1, bbox.y1, bbox.x2, bbox.y2, face.probability];
        write!(text, "{name},{}", faces.len()).expect("text");
        for number in numbers.iter().chain(face.landmarks.as_flattened()) {
            write!(text, ",{number}").expect("text");
        }
        text.push('\n');
    }
    text
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        arguments.iter().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    };
    let folder = PathBuf::from(arguments.first().ok_or("which folder?")?);
    let mut paths = Vec::new();
    if let Some(list) = option("list") {
        paths.extend(std::fs::read_to_string(list)?.lines().map(|line| folder.join(line)));
    } else {
        walk(&folder, &mut paths)?;
        paths.sort();
    }
    let threads = match option("threads") {
        Some(threads) => threads.parse()?,
        None => std::thread::available_parallelism()?.get(),
    };
    let rounds: u32 = option("rounds").map_or(Ok(1), |rounds| rounds.parse())?;
    let kernels: Kernels =
        serde_json::from_str(&format!("{:?}", option("kernels").unwrap_or_else(|| "auto".to_owned())))?;
    let mut options = DetectorOptions::default();
    if let Some(threshold) = option("thresholds") {
        options.thresholds = [threshold.parse()?; 3];
    }
    let mtcnn = Mtcnn::new(&Networks::embedded(), options, kernels)?;
    // As wide as a photo may be here; the caller bounds them in earnest.
    let limits = Limits { side: 65_535, pixels: 1 << 28, bytes: 1 << 30 };
    let (next, detecting, faces) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicUsize::new(0));
    let results = Mutex::new(vec![String::new(); paths.len()]);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut buffers = DetectBuffers::default();
                loop {
                    let index = next.fetch_add(1, Relaxed);
                    let Some(path) = paths.get(index) else { return };
                    let photo = std::fs::read(path).ok().and_then(|bytes| decode(&bytes, &limits).ok());
                    let found = photo.map(|photo| {
                        let started = Instant::now();
                        let mut found = Vec::new();
                        for _ in 0..rounds {
                            found = mtcnn.detect(&photo, &mut buffers);
                        }
                        detecting.fetch_add(started.elapsed().as_nanos() as u64, Relaxed);
                        found
                    });
                    faces.fetch_add(found.as_ref().map_or(0, Vec::len), Relaxed);
                    let name = path.strip_prefix(&folder).unwrap_or(path).display().to_string();
                    results.lock().expect("no panic")[index] = lines(&name, found.as_deref());
                }
            });
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} photos, {} faces, {}, {threads} threads: {:.3} s with decoding, {:.1} photos/s; {:.3} ms a photo and core \
         without; {} MB at most",
        paths.len(),
        faces.into_inner(),
        mtcnn.instruction_set(),
        seconds,
        paths.len() as f64 / seconds,
        detecting.into_inner() as f64 / 1e6 / paths.len() as f64 / f64::from(rounds),
        peak_megabytes()
    );
    if let Some(out) = option("out") {
        std::fs::write(out, results.into_inner()?.concat())?;
    }
    Ok(())
}

/// The largest resident set of the process, where the system says.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) / 1024
}
