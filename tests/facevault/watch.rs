//! `facevault watch`: how far a run is that another process works on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::workspace::Workspace;

/// Chunks of few faces, so that there is something to see.
const CONFIG: &str = "embed: {device: cpu, batch_size: 2, chunk_size: 4, threads: 1}";

/// A workspace of 240 faces and an experiment at work in it, which has committed `chunks`.
fn at_work(chunks: usize) -> (Workspace, Child, PathBuf) {
    let workspace = Workspace::synthetic(30, 8, CONFIG);
    let mut command = workspace.command(&["experiment", "config.yaml", "--quiet"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    let committed = |run: &Path| {
        let sidecar = |entry: &std::io::Result<fs::DirEntry>| {
            entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(".json"))
        };
        fs::read_dir(run.join("chunks")).map_or(0, |chunks| chunks.filter(sidecar).count())
    };
    while !workspace.has_run() || committed(&workspace.only_run()) < chunks {
        assert!(Instant::now() < deadline, "no run has come to be");
        sleep(Duration::from_millis(2));
    }
    let run = workspace.only_run();
    (workspace, child, run)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
}

#[test]
fn a_run_is_watched_from_another_process_until_it_is_complete() {
    let (workspace, mut child, run) = at_work(1);
    let (text, _) = workspace.run(0, &["watch", "small", "--json", "--every", "0.02"]);
    assert!(child.wait().unwrap().success(), "watching disturbs nobody");
    let seen = lines(&text);
    let (first, last) = (&seen[0], seen.last().unwrap());
    assert_eq!((&first["state"], &first["faces"]), (&"working".into(), &240.into()), "{first}");
    assert_eq!(first["process"], format!("process {}", child.id()));
    assert_eq!(first["chunks"], 60);
    assert!(first["faces_per_second"].as_f64().unwrap() > 0.0 && first["seconds_left"].as_f64().unwrap() > 0.0);
    let done: Vec<u64> = seen.iter().map(|line| line["done"].as_u64().unwrap()).collect();
    assert!(done.is_sorted() && done.len() > 2, "{done:?}");
    assert!(seen.windows(2).all(|two| two[0] != two[1]), "a line for each change");
    assert_eq!((&last["state"], &last["stage"], &last["done"]), (&"complete".into(), &"done".into(), &240.into()));
    assert_eq!(last["resume"], Value::Null);
    let (text, _) = workspace.run(0, &["watch", run.to_str().unwrap(), "--once"]);
    assert_eq!(text.trim_end(), "complete  240/240 faces (100%)  60/60 chunks  0 failures");
}

#[test]
fn another_run_of_the_config_does_not_end_the_watch() {
    let (workspace, mut child, run) = at_work(1);
    let mut command = workspace.command(&["watch", "small", "--json", "--every", "0.02"]);
    let mut watch = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let other = run.with_file_name("small-000000000000");
    fs::create_dir(&other).unwrap();
    fs::copy(run.join("plan.json"), other.join("plan.json")).unwrap();
    let last = lines.last().unwrap().unwrap();
    assert!(last.contains(r#""state":"complete""#), "{last}");
    assert!(watch.wait().unwrap().success());
    assert!(child.wait().unwrap().success());
}

/// Fault (processes): the process of a run that is watched is killed → exit code 1, what happened and the command that
/// continues; the lock is left as it is
#[test]
fn a_process_that_was_killed_is_said_to_have_ended() {
    let (workspace, mut child, run) = at_work(3);
    child.kill().unwrap();
    child.wait().unwrap();
    let lock = fs::read_to_string(run.join(".lock")).unwrap();
    let (text, error) = workspace.run(1, &["watch", "small"]);
    assert!(text.starts_with("died while embedding  "), "{text}");
    let name = run.file_name().unwrap().to_str().unwrap();
    let told = format!(
        "error: {name} is not done, and process {} has ended: it was stopped or killed; to continue it: facevault \
         experiment config.yaml",
        child.id()
    );
    assert_eq!(error.trim_end(), told);
    assert_eq!(fs::read_to_string(run.join(".lock")).unwrap(), lock);
    workspace.run(0, &["experiment", "config.yaml", "-q"]);
    workspace.run(0, &["watch", "small", "--once"]);
}

/// Fault (processes): the process of a run that is watched is stopped with Ctrl-C → exit code 1 and the command that
/// continues
#[test]
fn a_process_that_was_stopped_is_said_to_be() {
    let (workspace, mut child, _) = at_work(3);
    let watching =
        workspace.command(&["watch", "small", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let output = watching.unwrap().wait_with_output().unwrap();
    let (text, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1), "{text}{error}");
    assert_eq!(lines(&text).last().unwrap()["state"], "stopped", "{text}");
    let resume = "; to continue it: facevault experiment config.yaml";
    assert!(error.contains("was stopped") && error.contains(resume), "{error}");
}

/// Fault (processes): Ctrl-C in a step that does not end by itself → its process ends nevertheless, and who watches sees
/// that it was stopped
#[test]
fn a_process_that_was_stopped_in_a_long_step_did_not_die() {
    let config = "embed: {device: cpu, batch_size: 480, chunk_size: 480, threads: 1}";
    let workspace = Workspace::synthetic(60, 8, config);
    let mut command = workspace.command(&["experiment", "config.yaml", "--quiet"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    let begun =
        |run: &Path| fs::read_to_string(run.join("provenance.json")).is_ok_and(|text| text.contains("batch_size"));
    while !workspace.has_run() || !begun(&workspace.only_run()) {
        assert!(Instant::now() < deadline, "nothing is embedded");
        sleep(Duration::from_millis(2));
    }
    // In the only forward pass.
    sleep(Duration::from_millis(300));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let (text, error) = workspace.run(1, &["watch", "small"]);
    assert!(text.starts_with("stopped while "), "{text}");
    assert!(
        error.contains(" was stopped or failed before it was done; to continue it: facevault experiment"),
        "{error}"
    );
}

/// Fault (processes): a process of another machine has a run, and nothing changes → said after the given patience, with
/// exit code 1; `--once` says what is known
#[test]
fn a_process_elsewhere_counts_as_dead_only_after_a_while() {
    let workspace = Workspace::synthetic(3, 3, "");
    workspace.run(0, &["embed", "config.yaml", "-q"]);
    let run = workspace.only_run();
    let owner = r#"{"host": "node7", "process": 7, "started": null, "boot": "a", "machine": null, "namespace": null, "nonce": 1}"#;
    fs::write(run.join(".lock.held"), owner).unwrap();
    fs::remove_file(run.join("face_metadata.csv")).unwrap();
    let (text, _) = workspace.run(0, &["watch", "small", "--once"]);
    assert!(text.starts_with("exporting  9/9 faces (100%)") && text.contains("process 7 on node7"), "{text}");
    let (_, error) = workspace.run(1, &["watch", "small", "--every", "0.05", "--patience", "0.2"]);
    assert!(error.contains("process 7 on node7 cannot be seen from here; look there first"), "{error}");
    fs::remove_file(run.join(".lock.held")).unwrap();
    workspace.run(0, &["embed", "config.yaml", "-q"]);
    let (text, _) = workspace.run(0, &["watch", "small"]);
    assert!(text.starts_with("embedded  9/9 faces (100%)"), "{text}");
}

/// Fault (runs): a sidecar of a run that is watched is damaged → its chunk counts as not done yet
#[test]
fn a_damaged_sidecar_is_not_counted() {
    let (workspace, mut child, run) = at_work(3);
    child.kill().unwrap();
    child.wait().unwrap();
    let before = lines(&workspace.run(1, &["watch", "small", "--json"]).0);
    fs::write(run.join("chunks/00001.json"), "{").unwrap();
    let after = lines(&workspace.run(1, &["watch", "small", "--json"]).0);
    let done = |lines: &[Value]| lines[0]["done"].as_u64().unwrap();
    assert_eq!(done(&before) - done(&after), 4);
}

/// Fault (processes): a command needs what another process is about to make → the remedy is to watch that process, not a command
/// that would be refused as long as it works
#[test]
fn what_another_process_is_making_is_watched_and_not_made_again() {
    let (workspace, mut child, run) = at_work(1);
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
    };
    signal("-STOP");
    let name = run.file_name().unwrap().to_str().unwrap();
    let commands: [&[&str]; 5] = [
        &["evaluate", "small"],
        &["verify", "small"],
        &["report", "small"],
        &["lookup", "small", "s5-i0000-000"],
        &["export", "small", "--to", "webdataset"],
    ];
    for command in commands {
        let (_, error) = workspace.run(1, command);
        let wanted = format!(
            "error: {name} is not embedded yet; process {} works on it: `facevault watch {name}` shows how far it is",
            child.id()
        );
        assert_eq!(error.trim_end(), wanted, "{command:?}");
    }
    signal("-CONT");
    assert!(child.wait().unwrap().success());
    workspace.run(0, &["verify", "small"]);
}
