//! Two million faces through the store while the process is killed and its system calls fail. Every row is checked at the
//! end. `docs/hardening.md` has the figures.
//!
//! ```text
//! FACEVAULT_BIN=target/release/facevault cargo test --test facevault -- --ignored --nocapture two_million
//! ```
//!
//! Takes an hour and 15 GB in the temporary folder; `FACEVAULT_FACES` and `FACEVAULT_MINUTES` make it smaller.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::faults::inject::{Fault, Inject};
use crate::faults::tracer::{self, Ending};
use crate::scale::{PICTURES, write_faces};
use crate::support::workspace::Workspace;

const ARGUMENTS: [&str; 3] = ["embed", "config.yaml", "--quiet"];

/// One start of the program, as a line of the log.
struct Session {
    what: String,
    seconds: f64,
    /// Processor seconds and peak memory, where the process was watched.
    used: Option<(f64, u64)>,
    done: bool,
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Committed chunks.
fn chunks(workspace: &Workspace) -> usize {
    if !workspace.path("experiments").is_dir() || !workspace.has_run() {
        return 0;
    }
    let sidecar = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "json");
    fs::read_dir(workspace.only_run().join("chunks")).map_or(0, |all| all.flatten().filter(sidecar).count())
}

/// Starts the program and kills it after `life`, unless it ends before.
fn killed(workspace: &Workspace, life: Duration) -> Session {
    let started = Instant::now();
    let mut child = workspace.command(&ARGUMENTS).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (mut used, mut killed) = (None, false);
    while child.try_wait().unwrap().is_none() {
        used = usage(child.id()).or(used);
        if started.elapsed() >= life && !killed {
            child.kill().unwrap(); // SIGKILL
            killed = true;
        }
        sleep(Duration::from_millis(50));
    }
    let status = child.wait().unwrap();
    let done = status.success();
    assert!(done || killed, "without a fault it failed: {status}");
    let what = if done { "to the end".into() } else { format!("killed after {:.1} s", life.as_secs_f64()) };
    Session { what, seconds: started.elapsed().as_secs_f64(), used, done }
}

/// Processor seconds and peak memory in MiB of a living process.
fn usage(process: u32) -> Option<(f64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
    Some((ticks / 100.0, peak.trim().parse::<u64>().ok()? / 1024))
}

/// Runs the program with a fault at one of its calls.
fn disturbed(workspace: &Workspace, fault: Fault, at: usize) -> Session {
    let started = Instant::now();
    let mut command = workspace.command(&ARGUMENTS);
    command.stdout(Stdio::null()).stderr(File::create(workspace.path("said")).unwrap());
    let mut inject = Inject::new(fault, at);
    let ending = tracer::run(command, tracer::Options { clock: false, patience: Duration::from_secs(90) }, &mut inject);
    let ending = ending.unwrap();
    let said = fs::read_to_string(workspace.path("said")).unwrap();
    assert!(!said.contains("panicked"), "{fault:?} at {:?}: {said}", inject.place);
    // Its patience is a kill like any other.
    assert!(
        matches!(ending, Ending::Exit(0..=4) | Ending::Hang),
        "{fault:?} at {:?}: {ending:?}: {said}",
        inject.place
    );
    let done = matches!(ending, Ending::Exit(0));
    let end = match ending {
        Ending::Hang => "killed after 90 s".into(),
        other => format!("{other:?}"),
    };
    let what = format!("{fault:?} at call {at}: {end}");
    Session { what, seconds: started.elapsed().as_secs_f64(), used: None, done }
}

/// Fault (processes): two million faces are embedded while the process is killed and its calls fail, for an hour → every row
/// is there, in its place, with its own bytes
#[test]
#[ignore = "an hour; prints what docs/hardening.md quotes"]
fn two_million_faces_survive_an_hour_of_faults() {
    let (faces, minutes) = (setting("FACEVAULT_FACES", 2_000_000), setting("FACEVAULT_MINUTES", 60));
    let workspace = Workspace::empty();
    write_faces(&workspace, faces);
    let mut random = SmallRng::seed_from_u64(18);
    let started = Instant::now();
    let hour = Duration::from_secs(60 * minutes as u64);
    println!("session,minute,what,seconds,cpu seconds,peak MiB,chunks before,chunks after");
    for session in 1.. {
        let before = chunks(&workspace);
        let faults = [Fault::Error, Fault::Full, Fault::Torn, Fault::NoFiles];
        let seen = match random.random_range(0..10) {
            _ if started.elapsed() > hour => killed(&workspace, Duration::MAX),
            0..6 => killed(&workspace, Duration::from_millis(random.random_range(500..60_000))),
            _ => disturbed(&workspace, faults[random.random_range(0..faults.len())], random.random_range(0..3_000)),
        };
        let after = chunks(&workspace);
        assert!(after >= before, "{before} chunks before, {after} after: {}", seen.what);
        let (cpu, peak) =
            seen.used.map_or((String::new(), String::new()), |(cpu, peak)| (format!("{cpu:.1}"), peak.to_string()));
        let minute = started.elapsed().as_secs_f64() / 60.0;
        println!("{session},{minute:.1},{},{:.1},{cpu},{peak},{before},{after}", seen.what, seen.seconds);
        if seen.done && started.elapsed() > hour {
            break;
        }
        if seen.done {
            // Once more, with what is left of the hour: a run in another folder.
            fs::rename(workspace.path("experiments"), workspace.path("done")).unwrap();
            check_rows(&workspace.path("done"), faces);
            fs::remove_dir_all(workspace.path("done")).unwrap();
            println!("all {faces} rows are right after {session} sessions; again");
        }
    }
    check_rows(&workspace.path("experiments"), faces);
    println!("all {faces} rows are right");
}

/// Each row is the embedding of its own picture, in the order of the table.
fn check_rows(experiments: &std::path::Path, faces: usize) {
    let run = fs::read_dir(experiments)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("plan.json").is_file());
    let run = run.unwrap();
    let index = BufReader::new(File::open(run.join("face_embedding_index.csv")).unwrap());
    let mut rows = 0;
    for (i, line) in index.lines().skip(1).enumerate() {
        let line = line.unwrap();
        assert!(line.contains(&format!("f{i:07}")), "row {i}: {line}");
        rows += 1;
    }
    assert_eq!(rows, faces);
    let mut matrix = BufReader::with_capacity(1 << 20, File::open(run.join("face_embeddings.npy")).unwrap());
    let mut start = [0; 10];
    matrix.read_exact(&mut start).unwrap();
    let mut header = vec![0; usize::from(u16::from_le_bytes([start[8], start[9]]))];
    matrix.read_exact(&mut header).unwrap();
    assert!(String::from_utf8_lossy(&header).contains(&format!("({faces}, 512)")));
    let mut first = Vec::new();
    let mut row = vec![0; 512 * 4];
    for i in 0..faces {
        matrix.read_exact(&mut row).unwrap();
        if i < PICTURES {
            assert!(!first.contains(&row), "pictures {i} and an earlier one look the same");
            first.push(row.clone());
        }
        assert!(row == first[i % PICTURES], "row {i} is not picture {}", i % PICTURES);
    }
}
