//! Stopped at any instant, a run goes on where it was and ends with the same bytes.

use std::fs;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::formula;
use crate::support::workspace::Workspace;

const CONFIG: &str = "embed: {device: cpu, batch_size: 2, chunk_size: 6, threads: 1}";

/// Starts an embedding that says nothing.
fn embedding(workspace: &Workspace) -> Child {
    let mut command = workspace.command(&["embed", "config.yaml", "--quiet"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits up to a minute.
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(5));
    }
}

/// Fault (processes): `SIGKILL` at 20 random moments of an embedding → the next start ends with the same bytes
#[test]
fn killed_at_20_random_moments_the_result_is_byte_identical() {
    let undisturbed = Workspace::synthetic(15, 8, CONFIG);
    let started = Instant::now();
    undisturbed.run(0, &["embed", "config.yaml"]);
    let whole = started.elapsed();

    let disturbed = Workspace::synthetic(15, 8, CONFIG);
    let mut moments = formula::fractions("moments of the 20 kills", 20);
    let mut kills = 0;
    while kills < 20 {
        let mut child = embedding(&disturbed);
        // From the very start to a little past what is left of the work.
        sleep(whole.mul_f64(moments.next().unwrap() * 0.35));
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        kills += 1;
    }
    disturbed.run(0, &["embed", "config.yaml"]);
    for file in [
        "face_embeddings.npy",
        "face_embedding_index.csv",
        "embeddings.parquet",
        "face_quality.parquet",
        "failures.csv",
        "face_metadata.csv",
    ] {
        let read = |workspace: &Workspace| fs::read(workspace.only_run().join(file)).unwrap();
        assert!(read(&undisturbed) == read(&disturbed), "{file} differs after 20 kills");
    }
    let provenance = fs::read_to_string(disturbed.only_run().join("provenance.json")).unwrap();
    let sessions = provenance.matches("\"started\"").count();
    println!("20 kills, {sessions} of them after the run directory existed");
    assert!(sessions > 3, "the kills came too early to test anything: {provenance}");
    let leftovers: Vec<_> = walk(&disturbed.only_run()).into_iter().filter(|name| name.contains(".partial")).collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path) } else { vec![path.display().to_string()] }
        })
        .collect()
}

/// Fault (processes): Ctrl-C while faces are embedded → exit code 130 and the command that resumes; committed chunks stay
#[test]
#[cfg(unix)]
fn ctrl_c_ends_cleanly_with_a_line_that_says_how_to_resume() {
    let workspace = Workspace::synthetic(40, 10, CONFIG);
    let child = workspace
        .command(&["experiment", "config.yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let chunks = || {
        let Ok(runs) = fs::read_dir(workspace.path("experiments")) else { return 0 };
        runs.filter_map(|run| fs::read_dir(run.ok()?.path().join("chunks")).ok()).map(Iterator::count).sum()
    };
    wait_until("no chunk was written within a minute", || chunks() >= 6);
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("to resume: facevault experiment config.yaml"), "{stderr}");
    assert!(!workspace.only_run().join("face_embeddings.npy").exists());

    let done = workspace.json(0, &["experiment", "config.yaml"]);
    assert_eq!(done["embedded"], 400);
    assert!(done["resumed"].as_u64().unwrap() >= 6, "{done}");
}

/// Fault (processes): a second process on a run → refused with the first one's number
#[test]
fn two_processes_on_one_run_never_mix() {
    let workspace = Workspace::synthetic(20, 8, CONFIG);
    let mut first = embedding(&workspace);
    let runs = || {
        fs::read_dir(workspace.path("experiments"))
            .map_or(0, |runs| runs.filter_map(Result::ok).filter(|run| run.path().join("chunks").is_dir()).count())
    };
    wait_until("no run directory within a minute", || runs() > 0);
    let (_, stderr) = workspace.run(1, &["embed", "config.yaml"]);
    assert!(stderr.contains(&format!("process {}", first.id())), "{stderr}");
    assert!(first.wait().unwrap().success());
    workspace.run(0, &["evaluate", "small"]);
    workspace.run(0, &["verify", "small"]);
}
