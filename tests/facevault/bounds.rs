//! Files made to fill memory, to be read for ever, or to wait for: refused by kind and size; and Ctrl-C ends everything soon.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::support::formula;
use crate::support::workspace::Workspace;

/// More than any of these takes on a busy machine, and less than any of them would without its limit.
const SOON: Duration = Duration::from_secs(30);

/// Fault (weights): a checkpoint of a few bytes that claims to have 7 GB (a sparse file) → an error where they do not fit in
/// memory
#[test]
#[cfg(target_os = "linux")]
fn a_checkpoint_larger_than_memory_is_an_error() {
    let workspace = Workspace::synthetic(2, 2, "");
    File::options().append(true).open(workspace.path("weights.safetensors")).unwrap().set_len(7 << 30).unwrap();
    let command = workspace.command(&["experiment", "config.yaml", "-q"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 4000000; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    limited.current_dir(workspace.path(""));
    let (code, said) = ended(start(limited), SOON);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("its 7516192768 bytes do not fit in memory"), "{said}");
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Waits for a command that must not take long.
#[track_caller]
fn ended(mut child: Child, within: Duration) -> (Option<i32>, String) {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > within {
            child.kill().unwrap();
            panic!("not ended within {within:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a command says that must end soon with this code.
#[track_caller]
fn soon(workspace: &Workspace, code: i32, arguments: &[&str]) -> String {
    let (found, said) = ended(start(workspace.command(arguments)), SOON);
    assert_eq!(found, Some(code), "{arguments:?}: {said}");
    said
}

const FOLDERS: &str = "dataset: {source: folders, root: faces}";

/// Two pictures of each of two people.
fn faces(workspace: &Workspace) -> PathBuf {
    for person in ["ann", "bob"] {
        let folder = workspace.path("faces").join(person);
        fs::create_dir_all(&folder).unwrap();
        for face in 1..=2 {
            let pixels = formula::picture(&format!("smooth-{person}-{face}"), 96);
            fs::write(folder.join(format!("{face}.ppm")), [b"P6\n96 96\n255\n", &pixels[..]].concat()).unwrap();
        }
    }
    workspace.path("faces")
}

/// Fault (pictures): a sparse file of 8 TB named `x.jpg` → a failure by its size; nothing of it is read
/// Fault (pictures): a pipe named `y.jpg` → a failure by what it is; nothing waits for a writer
#[test]
fn a_picture_is_judged_by_kind_and_size_first() {
    let workspace = Workspace::new();
    workspace.config(FOLDERS);
    let folder = faces(&workspace);
    File::create(folder.join("ann/x.jpg")).unwrap().set_len(8 << 40).unwrap();
    pipe(&folder.join("bob/y.jpg"));
    soon(&workspace, 0, &["experiment", "config.yaml", "--quiet"]);
    let failures = fs::read_to_string(workspace.only_run().join("failures.csv")).unwrap();
    let failures = failures.replace(workspace.path("").to_str().unwrap(), "");
    insta::assert_snapshot!(failures, @r#"
    row,face_id,kind,message
    2,ann/x.jpg,read,"faces/ann/x.jpg has 8796093022208 bytes, more than the maximum of 512 MiB"
    5,bob/y.jpg,read,faces/bob/y.jpg is not a regular file
    "#);
}

/// Fault (config): a pipe, a device or a folder as config → refused by what it is
/// Fault (weights): a pipe or a sparse file of 8 TB as weights → refused by kind, or by its first bytes
/// Fault (tables): a pipe or a sparse file of 8 TB as a list of pairs or a table of boxes → refused by kind or size
#[test]
fn whatever_a_config_names_is_judged_by_kind_and_size_first() {
    let workspace = Workspace::new();
    faces(&workspace);
    pipe(&workspace.path("pipe.pth"));
    File::create(workspace.path("huge.pth")).unwrap().set_len(8 << 40).unwrap();
    for config in ["pipe.pth", "/dev/zero", "faces"] {
        let said = soon(&workspace, 2, &["check", config]);
        assert!(said.contains(", not a file"), "{config}: {said}");
    }
    workspace.config(FOLDERS);
    let with = |more: &str| {
        let arguments = ["embed", "config.yaml", "--quiet", "--set", more];
        let (code, said) = ended(start(workspace.command(&arguments)), SOON);
        assert!(matches!(code, Some(1 | 2)), "{said}");
        said
    };
    assert!(with("weights.path=pipe.pth").contains("pipe.pth is not one"));
    assert!(with("weights.path=huge.pth").contains("it is a file that begins with the bytes"));
    for table in ["pairs", "boxes"] {
        let said = with(&format!("dataset.{table}={}", workspace.path("huge.pth").display()));
        assert!(said.contains("huge.pth: it has 8796093022208 bytes, at most 4294967296 are read"), "{said}");
        let said = with(&format!("dataset.{table}={}", workspace.path("pipe.pth").display()));
        assert!(said.contains("pipe.pth"), "{said}");
    }
}

/// Fault (runs): a pipe or a device in place of any file of a finished run → every command ends, and names it
#[test]
fn a_pipe_inside_a_run_holds_nobody_up() {
    let workspace = Workspace::synthetic(2, 3, "");
    workspace.run(0, &["experiment", "config.yaml", "--quiet"]);
    let run = workspace.only_run();
    let name = run.file_name().unwrap().to_str().unwrap().to_owned();
    for file in [
        "chunks/00000.json",
        "chunks/00000.npy",
        "face_embeddings.npy",
        "manifest.parquet",
        "metrics.json",
        "plan.json",
        ".checked",
    ] {
        let (path, kept) = (run.join(file), run.join("kept"));
        fs::rename(&path, &kept).unwrap();
        pipe(&path);
        for arguments in [&["verify", &name][..], &["lookup", &name, "x"], &["embed", "config.yaml", "--quiet"]] {
            let (code, said) = ended(start(workspace.command(arguments)), SOON);
            assert!(code != Some(0) || file == ".checked", "{file} {arguments:?}: {said}");
        }
        fs::remove_file(&path).unwrap();
        fs::rename(&kept, &path).unwrap();
    }
}

/// A PNG of 16 bits with transparency, of one colour: 8 bytes a pixel.
fn png(side: u32) -> Vec<u8> {
    let mut data = ZlibEncoder::new(Vec::new(), Compression::fast());
    let row = vec![0; 1 + side as usize * 8];
    (0..side).for_each(|_| data.write_all(&row).unwrap());
    let header = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[16, 6, 0, 0, 0]].concat();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, content) in [(b"IHDR", header), (b"IDAT", data.finish().unwrap()), (b"IEND", Vec::new())] {
        let mut crc = flate2::Crc::new();
        crc.update(name);
        crc.update(&content);
        png.extend((content.len() as u32).to_be_bytes());
        png.extend(name);
        png.extend(&content);
        png.extend(crc.sum().to_be_bytes());
    }
    png
}

/// Fault (pictures): eight pictures of less than 1 MB that take 100 MB each, on eight threads → no more at once than `embed.picture_memory`
#[test]
fn pictures_take_no_more_memory_together_than_they_may() {
    let workspace = Workspace::new();
    let embed = "embed: {device: cpu, batch_size: 4, chunk_size: 8, threads: 8, picture_memory: 128}";
    workspace.config(&format!("{FOLDERS}\n{embed}"));
    let folder = faces(&workspace);
    let picture = png(3000);
    assert!(picture.len() < 1 << 20);
    for i in 0..8 {
        fs::write(folder.join(format!("ann/large-{i}.png")), &picture).unwrap();
    }
    // Without the limit these are 8 × 99 MB; the rest is the program with its threads.
    let mut shell = workspace.command(&[]);
    let program = shell.get_program().to_owned();
    let mut limited = Command::new("sh");
    limited.args([
        "-c",
        "\"$0\" embed config.yaml --quiet >/dev/null & peak=0; while kill -0 $! 2>/dev/null; do \
        now=$(awk '/VmHWM/ {print $2}' /proc/$!/status 2>/dev/null); peak=${now:-$peak}; sleep 0.02; done; wait $!; \
        code=$?; echo $peak; exit $code",
    ]);
    limited.arg(program).current_dir(workspace.path(""));
    for (name, value) in shell.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    shell.stdin(Stdio::null());
    let output = limited.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let kilobytes: u64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert!(kilobytes < 450_000, "{kilobytes} kB");
}

/// Interrupts a command once it has gone on for a while, and waits for its end.
#[track_caller]
fn interrupted(command: Command, after: Duration) -> String {
    let mut child = start(command);
    std::thread::sleep(after);
    assert_eq!(child.try_wait().unwrap(), None, "too fast to be interrupted");
    let asked = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let (code, said) = ended(child, Duration::from_secs(3));
    assert_eq!(code, Some(130), "{said}");
    println!("ended {:?} after Ctrl-C", asked.elapsed());
    said
}

/// Fault (processes): Ctrl-C while an archive is digested, or unpacked, or a table of gigabytes is read → exit code 130 at once; nothing stays in the cache
#[test]
fn ctrl_c_ends_the_reading_of_large_files() {
    let workspace = Workspace::new();
    // Sparse: takes no space, and a minute to digest.
    File::create(workspace.path("huge.tar")).unwrap().set_len(64 << 30).unwrap();
    workspace.config("dataset: {source: archive, path: huge.tar}");
    let said = interrupted(workspace.command(&["embed", "config.yaml"]), Duration::from_secs(1));
    assert!(said.contains("interrupted; "), "{said}");

    // A member of a megabyte of zeros again and again: a file in the archive that is no picture.
    let gz = |bytes: &[u8]| {
        let mut gz = GzEncoder::new(Vec::new(), Compression::default());
        gz.write_all(bytes).unwrap();
        gz.finish().unwrap()
    };
    let entry = |path: &str, size| {
        let mut header = tar::Header::new_gnu();
        header.set_path(path).unwrap();
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let noise: Vec<u8> = formula::fractions("noise", 1 << 20).map(|value| (value * 256.0) as u8).collect();
    let mut archive = File::create(workspace.path("slow.tar.gz")).unwrap();
    archive.write_all(&gz(&[entry("a/ann/1.jpg", 4), vec![0; 512], entry("a/readme.txt", 4 << 30)].concat())).unwrap();
    // The ratio allows a hundred times as much.
    archive.write_all(&gz(&noise).repeat(40)).unwrap();
    archive.write_all(&gz(&vec![0; 1 << 20]).repeat(4056)).unwrap();
    workspace.config("dataset: {source: archive, path: slow.tar.gz}");
    interrupted(workspace.command(&["embed", "config.yaml"]), Duration::from_secs(2));
    let left = fs::read_dir(workspace.path("experiments/.cache/unpacked")).into_iter().flatten().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).filter(|name| name.to_str() != Some(".lock")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Fault (processes): Ctrl-C while all files of a run are digested by `verify`, `evaluate` or `experiment` → exit code 130 at once; the run is as it was
#[test]
fn ctrl_c_ends_the_pass_over_all_files_of_a_run() {
    let workspace = Workspace::synthetic(2, 3, "");
    workspace.run(0, &["experiment", "config.yaml", "--quiet"]);
    let run = workspace.only_run();
    let name = run.file_name().unwrap().to_str().unwrap().to_owned();
    // As a large run whose seal is old, and whose sizes are not known.
    let file = run.join("large.bin");
    File::create(&file).unwrap().set_len(64 << 30).unwrap();
    let mut seal = fs::OpenOptions::new().append(true).open(run.join("SEALED")).unwrap();
    writeln!(seal, "{}  large.bin", "0".repeat(64)).unwrap();
    for command in [&["verify", &name][..], &["evaluate", &name], &["experiment", "config.yaml"]] {
        let said = interrupted(workspace.command(command), Duration::from_secs(1));
        assert!(said.contains("checking"), "it shows how far it is: {said}");
        assert!(said.contains("interrupted; "), "{said}");
        assert!(run.join("SEALED").exists() && run.join("metrics.json").exists());
    }
}
