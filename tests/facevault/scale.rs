//! What 200,000 faces cost beside the network: start-up, resume, finalisation, memory. Printed, not asserted: the
//! machine is shared. `docs/measurements.md` has the figures.
//!
//! ```text
//! FACEVAULT_BIN=target/release/facevault cargo test --test facevault -- --ignored --nocapture two_hundred_thousand
//! ```

use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::workspace::{Workspace, write_weights};

const FACES: usize = 200_000;
const IDENTITIES: usize = 500;
pub const PICTURES: usize = 64;

/// What was seen of one process.
struct Seen {
    /// Each line of standard error with the second it came.
    lines: Vec<(f64, String)>,
    seconds: f64,
    peak_mib: u64,
}

impl Seen {
    /// When the first line came that starts so.
    fn at(&self, start: &str) -> f64 {
        self.lines.iter().find(|(_, line)| line.starts_with(start)).map_or(f64::NAN, |(second, _)| *second)
    }
}

/// Runs a command; `stop` kills it (SIGKILL) once that many chunks are there.
fn watch(workspace: &Workspace, arguments: &[&str], stop: Option<usize>) -> Seen {
    let started = Instant::now();
    let mut child = workspace.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        BufReader::new(stderr)
            .lines()
            .map_while(Result::ok)
            .map(|line| (started.elapsed().as_secs_f64(), line))
            .collect()
    });
    let status = format!("/proc/{}/status", child.id());
    let mut peak_mib = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak_mib = peak.and_then(|kib| kib.trim().parse::<u64>().ok()).map_or(peak_mib, |kib| kib / 1024);
        let chunks = || fs::read_dir(workspace.only_run().join("chunks")).map_or(0, |chunks| chunks.count() / 2);
        if stop.is_some_and(|stop| workspace.path("experiments").is_dir() && workspace.has_run() && chunks() >= stop) {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let seconds = started.elapsed().as_secs_f64();
    Seen { lines: reader.join().unwrap(), seconds, peak_mib }
}

/// A config and this many rows of a table over 64 tiny pictures; row `i` is picture `i % PICTURES`.
pub fn write_faces(workspace: &Workspace, faces: usize) {
    // The narrowest network there is (4 channels a layer): what remains is everything around it.
    write_weights(&workspace.path("weights.safetensors"), 0.0625);
    fs::create_dir(workspace.path("faces")).unwrap();
    for i in 0..PICTURES {
        let pixels: Vec<u8> = (0..256).map(|p| ((p * (i + 3)) ^ (p >> 2)) as u8).collect();
        fs::write(workspace.path(format!("faces/{i}.pgm")), [b"P5 16 16 255\n", &pixels[..]].concat()).unwrap();
    }
    let mut csv =
        String::from("face_id,image_id,identity_id,bbox_x1,bbox_y1,bbox_x2,bbox_y2,detector_score,crop_path\n");
    for i in 0..faces {
        let (identity, picture) = (i % IDENTITIES, i % PICTURES);
        writeln!(csv, "f{i:07},p{i}.jpg,n{identity:06},0,0,16,16,0.99,faces/{picture}.pgm").unwrap();
    }
    fs::write(workspace.path("face_metadata.csv"), csv).unwrap();
    fs::write(
        workspace.path("config.yaml"),
        "name: scale\nmodel: {width: 0.0625}\nweights: {source: file, path: weights.safetensors}\n\
         preprocess: {profile: facevault-notebook, resize: {size: 75}}\nembed: {device: cpu}\n\
         dataset: {source: phase1, csv: face_metadata.csv}\n",
    )
    .unwrap();
}

#[test]
#[ignore = "minutes; prints what docs/measurements.md quotes"]
fn two_hundred_thousand_faces() {
    let workspace = Workspace::empty();
    write_faces(&workspace, FACES);
    let first = watch(&workspace, &["embed", "config.yaml"], Some(98));
    println!(
        "start-up {:.2} s; killed after 98 chunks at {:.1} s, peak {} MiB",
        first.at("embedding:"),
        first.seconds,
        first.peak_mib
    );
    let resumed = watch(&workspace, &["embed", "config.yaml"], None);
    let embedded = resumed.lines.iter().filter(|(_, line)| line.starts_with("embedding:")).nth(1);
    let embedded = embedded.map_or(f64::NAN, |(second, _)| *second);
    println!(
        "resume {:.2} s to the first face; finalisation {:.2} s; whole {:.1} s, peak {} MiB",
        resumed.at("embedding:"),
        resumed.seconds - embedded,
        resumed.seconds,
        resumed.peak_mib
    );
    for (what, arguments) in [
        ("evaluate and report", &["experiment", "config.yaml"][..]),
        ("start again when complete", &["experiment", "config.yaml"]),
        ("verify", &["verify", "scale"]),
        ("lookup", &["lookup", "scale", "f0123456"]),
    ] {
        let seen = watch(&workspace, arguments, None);
        println!("{what} {:.2} s, peak {} MiB", seen.seconds, seen.peak_mib);
    }
    assert_eq!(
        fs::read_to_string(workspace.only_run().join("face_embedding_index.csv")).unwrap().lines().count(),
        FACES + 1
    );
}
