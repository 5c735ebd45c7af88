//! Runs that several processes embed: whatever the split, the order and the accidents, the result has the bytes of one
//! process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use facevault::digest::Digest;
use serde_json::Value;

use crate::support::formula;
use crate::support::workspace::Workspace;

/// 42 faces in 9 chunks.
fn workspace() -> Workspace {
    Workspace::synthetic(6, 7, "")
}

/// 16 faces in 4 chunks, in int8.
fn int8() -> Workspace {
    let workspace = Workspace::new();
    workspace.config(
        "dataset: {source: synthetic, seed: 5, identities: 4, samples: 4, size: 96}\n\
         embed: {device: cpu, precision: int8, batch_size: 4, chunk_size: 5, threads: 1}",
    );
    workspace
}

/// 15 faces in folders of pictures.
fn pictures() -> Workspace {
    let workspace = Workspace::new();
    for person in 0..3 {
        fs::create_dir_all(workspace.path(format!("faces/p{person}"))).unwrap();
        for picture in 0..5 {
            let value = |p: usize| ((p * 7 * (1 + picture) + person * 31) % 256).to_string();
            let pixels: Vec<_> = (0..64 * 64).map(value).collect();
            let path = workspace.path(format!("faces/p{person}/{picture}.pgm"));
            fs::write(path, format!("P2 64 64 255\n{}", pixels.join(" "))).unwrap();
        }
    }
    workspace.config("dataset: {source: folders, root: faces}");
    workspace
}

/// Everything that is the same whoever embedded: not times, machines and digests of those.
fn results(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(run).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_file() && !name.starts_with('.') && !["provenance.json", "SEALED"].contains(&&*name) {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    files
}

/// What one process makes of the config.
fn whole(workspace: &Workspace) -> BTreeMap<String, Vec<u8>> {
    workspace.run(0, &["experiment", "config.yaml", "--experiments", "whole", "--quiet"]);
    results(&run_in(workspace, "whole"))
}

#[track_caller]
fn run_in(workspace: &Workspace, experiments: &str) -> PathBuf {
    let mut runs = fs::read_dir(workspace.path(experiments)).unwrap().map(|entry| entry.unwrap().path());
    runs.find(|path| path.join("plan.json").is_file()).unwrap()
}

/// Prepares the config in a folder of runs.
#[track_caller]
fn prepare(workspace: &Workspace, experiments: &str, more: &[&str]) -> PathBuf {
    workspace.run(0, &[&["prepare", "config.yaml", "--experiments", experiments], more].concat());
    run_in(workspace, experiments)
}

fn shard(workspace: &Workspace, run: &Path, index: usize, count: usize) {
    workspace.run(0, &["embed", run.to_str().unwrap(), "--quiet", "--shard", &format!("{index}/{count}")]);
}

fn missing(workspace: &Workspace, run: &Path, count: usize) -> String {
    workspace.run(0, &["missing", run.to_str().unwrap(), "--shards", &count.to_string()]).0.trim().to_owned()
}

fn finish(workspace: &Workspace, run: &Path) {
    let run = run.to_str().unwrap();
    workspace.run(0, &["finish", run, "--quiet"]);
    workspace.run(0, &["evaluate", run, "--quiet"]);
    workspace.run(0, &["verify", run]);
}

fn differing(run: &Path, whole: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let found = results(run);
    let names = whole.keys().chain(found.keys());
    names.filter(|name| found.get(*name) != whole.get(*name)).cloned().collect()
}

/// Fault (processes): shards run in any order and twice, with another split in between → the bytes of one process
#[test]
fn any_split_in_any_order_gives_the_bytes_of_one_process() {
    let workspace = workspace();
    let whole = whole(&workspace);
    for (count, all) in [(1, "0"), (2, "0,1"), (7, "0-6")] {
        let run = prepare(&workspace, &format!("split-{count}"), &[]);
        assert_eq!(missing(&workspace, &run, count), all);
        for index in (0..count).rev() {
            shard(&workspace, &run, index, count);
            // Engines may start a task again; and the number of shards may change.
            shard(&workspace, &run, index, count);
            shard(&workspace, &run, 1, 3);
        }
        assert_eq!(missing(&workspace, &run, count), "");
        finish(&workspace, &run);
        assert_eq!(differing(&run, &whole), [""; 0]);
        assert!(!run.join("workers").exists());
        let provenance: Value = serde_json::from_slice(&fs::read(run.join("provenance.json")).unwrap()).unwrap();
        let sessions = provenance["sessions"].as_array().unwrap();
        assert_eq!(sessions.iter().map(|session| session["embedded"].as_u64().unwrap()).sum::<u64>(), 42);
        assert_eq!(sessions.len(), 3 * count, "each start is a session");
        // A task that comes late has nothing to do.
        shard(&workspace, &run, 0, count);
    }
}

/// Fault (processes): workers are killed at random moments, and the split changes from one attempt to the next → nothing
/// but the chunks in flight is lost, and the bytes are those of one process
#[test]
fn killed_workers_cost_only_their_chunk_in_flight() {
    let workspace = workspace();
    let whole = whole(&workspace);
    let run = prepare(&workspace, "killed", &[]);
    let mut moments = formula::fractions("moments of the kills of workers", 8);
    for count in [1, 2, 3, 2] {
        let workers: Vec<_> = (0..count)
            .map(|index| {
                let shard = format!("{index}/{count}");
                let mut command = workspace.command(&["embed", run.to_str().unwrap(), "--quiet", "--shard", &shard]);
                command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
            })
            .collect();
        for mut worker in workers {
            std::thread::sleep(Duration::from_secs_f64(0.1 + 0.6 * moments.next().unwrap()));
            worker.kill().unwrap(); // SIGKILL
            worker.wait().unwrap();
        }
    }
    let left = missing(&workspace, &run, 9);
    println!("shards of 9 left after the kills: {left:?}");
    for index in 0..2 {
        shard(&workspace, &run, index, 2);
    }
    finish(&workspace, &run);
    assert_eq!(differing(&run, &whole), [""; 0]);
    let partial = |folder: PathBuf| {
        fs::read_dir(folder)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".partial"))
            .count()
    };
    assert_eq!(partial(run.clone()) + partial(run.join("chunks")), 0);
}

/// Fault (processes): two workers compute the same chunks at once → both succeed, and each chunk is committed once
#[test]
fn two_workers_on_the_same_chunks_agree() {
    let workspace = workspace();
    let whole = whole(&workspace);
    let run = prepare(&workspace, "twice", &[]);
    let start = || {
        workspace.command(&["embed", run.to_str().unwrap(), "--quiet", "--shard", "0/1"]).stderr(Stdio::null()).spawn()
    };
    let workers = [start().unwrap(), start().unwrap(), start().unwrap()];
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    finish(&workspace, &run);
    assert_eq!(differing(&run, &whole), [""; 0]);
}

/// Fault (processes): a prepared run is finished before all shards are done → refused with the number of missing chunks; one
/// process may embed the rest
#[test]
fn one_process_continues_what_workers_began() {
    let workspace = workspace();
    let whole = whole(&workspace);
    let run = prepare(&workspace, "experiments", &[]);
    shard(&workspace, &run, 1, 4);
    let (_, stderr) = workspace.run(1, &["finish", "small"]);
    assert!(stderr.contains(" lacks 7 of 9 chunks: `facevault missing "), "{stderr}");
    workspace.run(0, &["experiment", "config.yaml", "--quiet"]);
    assert_eq!(differing(&run, &whole), [""; 0]);
    assert!(!run.join("workers").exists());
}

/// Fault (processes): a command needs the embeddings of a run whose workers are at it, or whose workers are done → it says
/// that chunks are missing, or that `finish` is
#[test]
fn what_needs_embeddings_says_what_a_prepared_run_lacks() {
    let workspace = workspace();
    let run = prepare(&workspace, "experiments", &[]);
    let whole = ["experiment", "config.yaml", "--quiet", "--set", "name=whole"];
    workspace.run(0, &whole);
    let name = run.file_name().unwrap().to_str().unwrap();
    let commands = [
        &["evaluate", name][..],
        &["evaluate", name, "--shard", "0/2"],
        &["report", name],
        &["lookup", name, "a"],
        &["forget", name, "a"],
        &["forget", name, "a", "--dry-run"],
        &["export", name, "--to", "webdataset"],
        &["export", name, "--to", "mlflow"],
        &["verify", name],
    ];
    let said = |text: String| {
        for command in commands {
            let (_, stderr) = workspace.run(1, command);
            assert_eq!(stderr.lines().last(), Some(&*format!("error: {text}")), "{command:?}");
        }
        let (_, stderr) = workspace.run(2, &["compare", "whole", name]);
        assert!(stderr.contains(&text), "{stderr}");
    };
    shard(&workspace, &run, 0, 2);
    said(format!(
        "{name} is not embedded yet; it lacks 5 of 9 chunks: `facevault missing {name} --shards N` prints which of N \
         shards to start, and `facevault finish {name}` gathers them"
    ));
    shard(&workspace, &run, 1, 2);
    said(format!("{name} is not embedded yet; run `facevault finish {name}`"));
    workspace.run(0, &["finish", name, "--quiet"]);
    let (_, stderr) = workspace.run(1, &["verify", name]);
    assert_eq!(stderr, format!("error: {name} is not sealed yet; run `facevault evaluate {name}`\n"));
}

/// Fault (config): a command that takes a config is given a run → refused with the command for the run's own config
#[test]
fn a_run_in_place_of_a_config_is_named() {
    let workspace = workspace();
    workspace.run(0, &["embed", "config.yaml", "--quiet", "--set", "seed=3", "--experiments", "my runs"]);
    let run = run_in(&workspace, "my runs");
    let name = run.file_name().unwrap().to_str().unwrap();
    for verb in ["prepare", "experiment", "check", "fetch", "detect", "ablate", "throughput", "reproduce"] {
        for given in ["small", name, run.to_str().unwrap()] {
            let (_, stderr) = workspace.run(2, &[verb, given, "--experiments", "my runs"]);
            let own = format!("facevault {verb} config.yaml --set seed=3 --experiments 'my runs'");
            let text = format!("{name} is a run, and `facevault {verb}` takes a config; with that of the run: `{own}`");
            assert_eq!(stderr, format!("error: {text}\n"), "{given}");
        }
    }
    let (_, stderr) = workspace.run(2, &["prepare", "nothing"]);
    assert!(stderr.contains("cannot read the config"), "{stderr}");
}

/// A run is listed with the time of the worker that ended last, before its workers are gathered.
#[test]
fn a_run_of_workers_has_a_date() {
    let workspace = workspace();
    let run = prepare(&workspace, "experiments", &[]);
    for index in 0..2 {
        shard(&workspace, &run, index, 2);
    }
    let ended = |number: u32| {
        let record = fs::read(run.join(format!("workers/{number:05}.json"))).unwrap();
        serde_json::from_slice::<Value>(&record).unwrap()["session"]["ended"].as_u64().unwrap()
    };
    let rows = workspace.json(0, &["runs"]);
    assert_eq!(rows[0]["worked_on"].as_u64(), Some(ended(1).max(ended(2))), "{rows}");
}

/// Fault (runs): the file of a worker is lost, or those of all → no later worker has its number, which its chunks carry
#[test]
fn the_number_of_a_lost_worker_is_not_used_again() {
    let workspace = workspace();
    let run = prepare(&workspace, "experiments", &[]);
    let session = |index: usize| {
        let shard = format!("{index}/3");
        let done = workspace.json(0, &["embed", run.to_str().unwrap(), "--quiet", "--shard", &shard]);
        done["session"].as_u64().unwrap()
    };
    assert_eq!(session(0), 1);
    fs::remove_file(run.join("workers/00001.json")).unwrap();
    assert_eq!(session(1), 2);
    fs::remove_dir_all(run.join("workers")).unwrap();
    prepare(&workspace, "experiments", &[]);
    assert_eq!(session(2), 3);
    finish(&workspace, &run);
    let provenance: Value = serde_json::from_slice(&fs::read(run.join("provenance.json")).unwrap()).unwrap();
    let sessions = provenance["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!((&sessions[0]["worker"]["number"], &sessions[0]["embedded"]), (&3.into(), &12.into()));
}

/// Fault (processes): `experiment --fresh` on a run that workers of an unknown build have begun → refused
#[test]
fn what_workers_embedded_is_not_fresh() {
    let workspace = workspace();
    let run = prepare(&workspace, "experiments", &[]);
    shard(&workspace, &run, 0, 4);
    let worker = run.join("workers/00001.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&worker).unwrap()).unwrap();
    record["session"]["revision"] = "0123456789abcdef0123456789abcdef01234567".into();
    fs::write(&worker, serde_json::to_vec(&record).unwrap()).unwrap();
    let (_, stderr) = workspace.run(2, &["experiment", "config.yaml", "--fresh", "--quiet"]);
    assert!(stderr.contains("was embedded by 0123456789ab"), "{stderr}");
}

/// Fault (processes): a worker has other arithmetic than the machine that prepared the run, other weights, or no pictures →
/// refused with what differs; nothing is committed
#[test]
fn a_worker_that_would_compute_something_else_is_refused() {
    let workspace = workspace();
    let run = prepare(&workspace, "experiments", &[]);
    let refused = |code| {
        let (_, stderr) = workspace.run(code, &["embed", run.to_str().unwrap(), "--shard", "0/2"]);
        stderr.lines().last().unwrap().to_owned()
    };
    let edit = |name: &str, edit: &dyn Fn(&mut Value)| {
        let before = fs::read(run.join(name)).unwrap();
        let mut value = serde_json::from_slice(&before).unwrap();
        edit(&mut value);
        fs::write(run.join(name), serde_json::to_vec(&value).unwrap()).unwrap();
        before
    };
    let before = edit("provenance.json", &|provenance| {
        provenance["arithmetic"]["fingerprint"] = "0".repeat(64).into();
    });
    assert!(refused(1).contains("was started with"), "{}", refused(1));
    fs::write(run.join("provenance.json"), before).unwrap();

    let before = edit("provenance.json", &|provenance| provenance["dataset"]["root"] = "/nowhere/faces".into());
    let said = refused(1);
    assert!(said.contains("its pictures are in /nowhere/faces, which is no folder on "), "{said}");
    fs::write(run.join("provenance.json"), before).unwrap();

    let weights = fs::read(workspace.path("weights.safetensors")).unwrap();
    let mut others = weights.clone();
    *others.last_mut().unwrap() ^= 1;
    fs::write(workspace.path("weights.safetensors"), others).unwrap();
    let said = refused(1);
    assert!(
        said.contains("was prepared as another run than its config gives on this machine: `model.weights` was `"),
        "{said}"
    );
    fs::write(workspace.path("weights.safetensors"), weights).unwrap();

    assert_eq!(fs::read_dir(run.join("chunks")).unwrap().count(), 0);
    shard(&workspace, &run, 0, 2);
}

/// Fault (processes): a shard that is not there, a run that is not prepared, embeddings that are given → refused with the
/// remedy
#[test]
fn wrong_calls_say_what_to_do() {
    let workspace = workspace();
    workspace.run(0, &["embed", "config.yaml", "--quiet"]);
    let said = |code, arguments: &[&str]| {
        let (_, stderr) = workspace.run(code, arguments);
        stderr.lines().filter(|line| line.starts_with("error")).collect::<String>()
    };
    let other = ["prepare", "config.yaml", "--set", "seed=9", "--quiet"];
    workspace.run(0, &other);
    let run = fs::read_dir(workspace.path("experiments")).unwrap().map(|entry| entry.unwrap());
    let fresh = run.filter(|run| run.path().join("workers").exists()).map(|run| run.file_name()).next().unwrap();
    let fresh = fresh.to_str().unwrap();
    fs::remove_file(workspace.path("experiments").join(fresh).join("workers/prepared.json")).unwrap();
    let text = [
        said(2, &["embed", fresh, "--shard", "8/8"]),
        said(2, &["embed", fresh, "--shard", "auto"]),
        said(2, &["embed", fresh, "--shard", "0/2", "--no-reuse"]),
        said(1, &["embed", fresh, "--shard", "0/2"]),
        said(1, &["missing", fresh, "--shards", "2"]),
        said(2, &["missing", fresh, "--shards", "0"]),
    ]
    .join("\n")
    .replace(fresh, "RUN");
    insta::assert_snapshot!(text, @r"
    error: invalid value '8/8' for '--shard <I/N|auto>': shard 8 of 8: they are numbered from 0 to 7
    error: no task of an array is running here: none of SLURM_ARRAY_TASK_ID, AWS_BATCH_JOB_ARRAY_INDEX and JOB_COMPLETION_INDEX is set; give the shard as `--shard 0/8`
    error: the argument '--shard <I/N|auto>' cannot be used with '--no-reuse'
    error: RUN is not prepared for workers: run `facevault prepare` with its config first, on one machine
    error: RUN is not prepared for workers: run `facevault prepare` with its config first, on one machine
    error: invalid value '0' for '--shards <N>': 0 is not in 1..=4294967295
    ");
}

/// Fault (pictures): a picture that could be read when the run was prepared is missing for a worker → its chunk is not
/// committed, and the error names it; other chunks are
#[test]
fn a_picture_that_a_worker_lacks_is_no_failure_of_the_face() {
    let workspace = pictures();
    let whole = whole(&workspace);
    let run = prepare(&workspace, "experiments", &["--no-reuse"]);
    let (picture, aside) = (workspace.path("faces/p1/2.pgm"), workspace.path("aside.pgm"));
    fs::rename(&picture, &aside).unwrap();
    let (_, stderr) = workspace.run(1, &["embed", run.to_str().unwrap(), "--shard", "0/1"]);
    assert!(stderr.contains("1 face could not be read, the first is `p1/2.pgm` (row 7)"), "{stderr}");
    assert_eq!(missing(&workspace, &run, 3), "1");
    fs::rename(&aside, &picture).unwrap();
    shard(&workspace, &run, 1, 3);
    finish(&workspace, &run);
    assert_eq!(differing(&run, &whole), [""; 0]);
}

/// Fault (runs): workers read a damaged manifest, which is whole again later → their chunks are computed again, whichever
/// command goes on, and other runs take nothing of them
#[test]
fn what_was_computed_from_a_damaged_manifest_is_computed_again() {
    let workspace = workspace();
    let whole = whole(&workspace);
    for way in ["finish", "embed", "prepare"] {
        let run = prepare(&workspace, way, &[]);
        shard(&workspace, &run, 0, 2);
        // As a worker writes it that read other rows.
        let path = run.join("chunks/00001.json");
        let text = fs::read_to_string(&path).unwrap();
        let mut sidecar: Value = serde_json::from_str(&text).unwrap();
        let seen = sidecar["faces_sha256"].as_str().unwrap().to_owned();
        let other = Digest::of(b"other rows").to_string();
        let own = sidecar["sidecar_sha256"].as_str().unwrap().to_owned();
        let zeros = text.replace(&seen, &other).replace(&own, &"0".repeat(64));
        sidecar["faces_sha256"] = other.into();
        fs::write(&path, zeros.replace(&"0".repeat(64), &Digest::of(zeros.as_bytes()).to_string())).unwrap();

        let taken = ["embed", "config.yaml", "--experiments", way, "--set", "name=other", "--json", "--quiet"];
        let (stdout, _) = workspace.run(0, &taken);
        let taken: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(taken["reused"][0]["rows"], 15, "20 of the shard but for 5 of that chunk");

        let name = run.to_str().unwrap();
        let removed = "chunk 00001 was computed from other rows of the manifest than those that are there: removed";
        let (_, said) = match way {
            "finish" => workspace.run(1, &["finish", name]),
            "embed" => workspace.run(0, &["embed", name, "--no-reuse"]),
            _ => workspace.run(0, &["prepare", "config.yaml", "--experiments", way, "--no-reuse"]),
        };
        assert!(said.contains(removed), "{way}: {said}");
        if way != "embed" {
            shard(&workspace, &run, 0, 1);
        }
        finish(&workspace, &run);
        assert_eq!(differing(&run, &whole), [""; 0], "{way}");
    }
}

/// Fault (pictures): a worker's copy of a picture is not whole → its chunk is not committed, and the error names the picture
#[test]
fn a_copy_that_is_not_whole_is_no_failure_of_the_face() {
    let workspace = pictures();
    let whole = whole(&workspace);
    let run = prepare(&workspace, "experiments", &["--no-reuse"]);
    let picture = workspace.path("faces/p1/2.pgm");
    let good = fs::read(&picture).unwrap();
    fs::write(&picture, &good[..good.len() / 2]).unwrap();
    let (_, stderr) = workspace.run(1, &["embed", run.to_str().unwrap(), "--shard", "0/1"]);
    assert!(stderr.contains("1 face could not be read, the first is `p1/2.pgm` (row 7)"), "{stderr}");
    fs::write(&picture, good).unwrap();
    shard(&workspace, &run, 1, 3);
    finish(&workspace, &run);
    assert_eq!(differing(&run, &whole), [""; 0]);
}

/// Commands that go on with a prepared run, or look how far it is.
const OPENING: [&[&str]; 3] =
    [&["embed", "small", "--shard", "0/1"], &["finish", "small"], &["missing", "small", "--shards", "2"]];

/// Fault (runs): a number in `plan.json` is another one, while workers are at the run → every command that opens it refuses
/// it, `runs` lists it as damaged, and preparing it again writes the file anew
#[test]
fn a_plan_that_has_changed_is_noticed_by_every_command() {
    let workspace = workspace();
    let whole = whole(&workspace);
    let run = prepare(&workspace, "experiments", &[]);
    shard(&workspace, &run, 0, 2);
    let plan = run.join("plan.json");
    let good = fs::read_to_string(&plan).unwrap();
    for bad in [good.replace("\"faces\": 42", "\"faces\": 43"), good.replace("\"seed\": 0", "\"seed\": 1")] {
        assert_ne!(good, bad, "{good}");
        fs::write(&plan, bad).unwrap();
        for arguments in OPENING.into_iter().chain([&["verify", "small"][..], &["evaluate", "small"]]) {
            let (_, stderr) = workspace.run(1, arguments);
            assert!(stderr.contains("plan.json has changed: it is the plan of small-"), "{arguments:?}: {stderr}");
        }
        assert_eq!(workspace.json(0, &["runs"])[0]["state"], "damaged");
        prepare(&workspace, "experiments", &[]);
        assert_eq!(fs::read_to_string(&plan).unwrap(), good);
    }
    shard(&workspace, &run, 1, 2);
    finish(&workspace, &run);
    assert_eq!(differing(&run, &whole), [""; 0]);
}

/// Fault (runs): a number in `calibration.json` or `agreement.json` of a run that is not finished is another one, by a ten
/// millionth → refused by every command that goes on with it, with the file
#[test]
fn measurements_that_have_changed_are_noticed() {
    let workspace = int8();
    let run = prepare(&workspace, "experiments", &[]);
    let go_on: [&[&str]; 4] = [
        &["embed", "small", "--shard", "1/2"],
        &["finish", "small"],
        &["prepare", "config.yaml"],
        &["embed", "config.yaml"],
    ];
    shard(&workspace, &run, 0, 2);
    for name in ["calibration.json", "agreement.json"] {
        let path = run.join(name);
        let good = fs::read_to_string(&path).unwrap();
        let number = good.split([' ', ',', '\n']).find(|word| word.contains('.') && word.parse::<f64>().is_ok());
        let number = number.unwrap_or_else(|| panic!("no number in {good}"));
        let other = number.parse::<f64>().unwrap() * (1.0 + 2e-7);
        fs::write(&path, good.replacen(number, &other.to_string(), 1)).unwrap();
        for arguments in go_on {
            let (_, stderr) = workspace.run(1, arguments);
            assert!(
                stderr.contains(&format!("{name}: it has changed since it was measured; ")),
                "{arguments:?}: {stderr}"
            );
        }
        fs::write(&path, good).unwrap();
    }
    fs::remove_file(run.join("agreement.json")).unwrap();
    workspace.run(0, &["embed", "config.yaml", "--quiet"]);
    assert!(run.join("agreement.json").is_file());
}

/// Fault (runs): what workers need to know is damaged, or says other sizes than the plan; a worker's file is none → refused
/// with the command that writes it again; what others made is left out
#[test]
fn damage_among_the_workers_is_named_with_the_remedy() {
    let workspace = workspace();
    let run = prepare(&workspace, "experiments", &[]);
    let prepared = run.join("workers/prepared.json");
    let good = fs::read_to_string(&prepared).unwrap();
    for bad in
        [good.replace("42", "40"), good.replace("42", "18446744073709551615"), good.replace('5', "0"), "{".into()]
    {
        fs::write(&prepared, bad).unwrap();
        for arguments in OPENING {
            let (_, stderr) = workspace.run(1, arguments);
            assert!(stderr.contains("run `facevault prepare` with the run's config again"), "{stderr}");
        }
    }
    let elsewhere = workspace.path("prepared.json");
    fs::write(&elsewhere, &good).unwrap();
    fs::remove_file(&prepared).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&elsewhere, &prepared).unwrap();
        let (_, stderr) = workspace.run(1, &["embed", "small", "--shard", "0/1"]);
        assert!(stderr.contains("it is a link to"), "{stderr}");
        fs::remove_file(&prepared).unwrap();
    }
    fs::write(&prepared, good).unwrap();
    shard(&workspace, &run, 0, 2);
    fs::copy(run.join("workers/00001.json"), run.join("workers/4294967295.json")).unwrap();
    fs::create_dir(run.join("workers/00007.json")).unwrap();
    shard(&workspace, &run, 1, 2);
    finish(&workspace, &run);
}

/// Fault (disk): a shard's part of the pairs cannot be kept → the command fails, because there is nothing else it does
#[test]
fn a_part_of_the_pairs_that_cannot_be_kept_is_an_error() {
    let workspace = workspace();
    let run = prepare(&workspace, "experiments", &[]);
    shard(&workspace, &run, 0, 1);
    workspace.run(0, &["finish", "small", "--quiet"]);
    fs::create_dir(run.join(".pairs.partial.1-of-2")).unwrap();
    let (_, stderr) = workspace.run(1, &["evaluate", "small", "--shard", "1/2", "--quiet"]);
    assert!(stderr.contains(".pairs.partial.1-of-2"), "{stderr}");
}

/// Fault (runs): a part of the pairs was computed from a matrix that was damaged then → it is not used once the matrix is
/// mended
#[test]
fn pairs_of_a_damaged_matrix_are_compared_again() {
    let workspace = workspace();
    let whole = whole(&workspace);
    let run = prepare(&workspace, "experiments", &[]);
    shard(&workspace, &run, 0, 1);
    workspace.run(0, &["finish", "small", "--quiet"]);
    let matrix = run.join("face_embeddings.npy");
    let good = fs::read(&matrix).unwrap();
    let mut bad = good.clone();
    let end = bad.len();
    bad[end - 512 * 4..].iter_mut().skip(3).step_by(4).for_each(|byte| *byte ^= 0x80);
    // The digest in force is that of the damaged one, as of a disk that returns other bytes for a while.
    fs::write(&matrix, &bad).unwrap();
    let unsealed = fs::read_to_string(run.join(".unsealed")).unwrap();
    let known = unsealed.replace(&Digest::of(&good).to_string(), &Digest::of(&bad).to_string());
    fs::write(run.join(".unsealed"), known).unwrap();
    fs::remove_file(run.join(".checked")).unwrap();
    workspace.run(0, &["evaluate", "small", "--shard", "0/2", "--quiet"]);
    fs::write(&matrix, &good).unwrap();
    fs::write(run.join(".unsealed"), unsealed).unwrap();
    workspace.run(0, &["evaluate", "small", "--quiet"]);
    assert_eq!(differing(&run, &whole), [""; 0]);
}

/// Fault (disk): a committed chunk is damaged before the run is finished → found, removed, and missing again
#[test]
fn a_damaged_chunk_is_missing_again() {
    let workspace = workspace();
    let whole = whole(&workspace);
    let run = prepare(&workspace, "experiments", &[]);
    for index in 0..3 {
        shard(&workspace, &run, index, 3);
    }
    let path = run.join("chunks/00004.npy");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    // A worker of another shard does not look at it, and one of its own repairs it.
    shard(&workspace, &run, 0, 3);
    let (_, stderr) = workspace.run(1, &["finish", run.to_str().unwrap()]);
    assert!(stderr.contains("chunk 00004 is damaged") && stderr.contains("lacks 1 of 9 chunks"), "{stderr}");
    assert_eq!(missing(&workspace, &run, 9), "4");
    shard(&workspace, &run, 4, 9);
    // The manifest that a worker reads in part is checked as a whole at the end.
    let sidecar = run.join("chunks/00002.json");
    let text = fs::read_to_string(&sidecar).unwrap();
    assert!(text.contains("faces_sha256"), "{text}");
    finish(&workspace, &run);
    assert_eq!(differing(&run, &whole), [""; 0]);
}

/// Somebody who watches sees the workers of a prepared run, which share its lock.
#[test]
fn a_prepared_run_can_be_watched() {
    let workspace = workspace();
    let run = prepare(&workspace, "experiments", &[]);
    let look = |code| workspace.json(code, &["watch", run.to_str().unwrap(), "--once"]);
    let state = |found: &Value| {
        ["state", "stage", "process", "resume"].map(|key| found[key].as_str().unwrap_or("-").to_owned())
    };
    let command = |verb: &str| format!("facevault {verb}").replace("RUN", &run.display().to_string());
    assert_eq!(state(&look(0)), ["workers", "opening", "no worker", &command("missing RUN --shards N")]);
    shard(&workspace, &run, 0, 3);
    let found = look(0);
    assert_eq!(state(&found), ["workers", "embedding", "no worker", &command("missing RUN --shards N")]);
    assert_eq!([&found["done"], &found["chunks_done"], &found["chunks"]].map(|n| n.as_u64().unwrap()), [15, 3, 9]);
    // A worker that is at it, or was killed.
    let worker = run.join("workers/00001.json");
    let text = fs::read_to_string(&worker).unwrap();
    let mut record: Value = serde_json::from_str(&text).unwrap();
    record["session"]["ended"] = Value::Null;
    record["session"]["machine"]["host"] = "node7".into();
    fs::write(&worker, serde_json::to_vec(&record).unwrap()).unwrap();
    assert_eq!(state(&look(0))[2], "workers: 1 on node7");
    shard(&workspace, &run, 0, 1);
    assert_eq!(state(&look(0))[3], command("finish RUN"), "nothing is left to wait for");
    // Without `--once`, too: it ends, and a shell goes on with what it says.
    let (text, _) = workspace.run(0, &["watch", run.to_str().unwrap()]);
    let said = format!(
        "embedded, not finished  42/42 faces (100%)  9/9 chunks  0 failures\nnext      {}\n",
        command("finish RUN")
    );
    assert_eq!(text, said);
    finish(&workspace, &run);
    assert_eq!(state(&look(0))[0], "complete");
}

/// Workers share the ranges of int8 that preparing measured.
#[test]
fn int8_is_shared_out_with_its_ranges() {
    let workspace = int8();
    let whole = whole(&workspace);
    let run = prepare(&workspace, "shared", &[]);
    for index in 0..2 {
        shard(&workspace, &run, index, 2);
    }
    finish(&workspace, &run);
    assert_eq!(differing(&run, &whole), [""; 0]);
}

/// Fault (processes): pairs are compared by shards, some of them twice, some of another split, some not at all → the numbers
/// of one process
#[test]
fn pairs_are_shared_out_too() {
    let workspace = workspace();
    let whole = whole(&workspace);
    let run = prepare(&workspace, "shared", &[]);
    shard(&workspace, &run, 0, 1);
    let name = run.to_str().unwrap();
    let (_, stderr) = workspace.run(1, &["evaluate", name, "--shard", "0/3"]);
    assert!(stderr.contains("is not embedded yet"), "{stderr}");
    workspace.run(0, &["finish", name, "--quiet"]);
    let mut pairs = 0;
    for part in ["0/3", "2/3", "2/3", "0/2"] {
        let done = workspace.json(0, &["evaluate", name, "--quiet", "--shard", part]);
        pairs += if part == "0/2" { 0 } else { done["pairs"].as_u64().unwrap() };
    }
    assert!(pairs > 0, "{pairs}");
    workspace.run(0, &["evaluate", name, "--quiet"]);
    workspace.run(0, &["verify", name]);
    assert_eq!(differing(&run, &whole), [""; 0]);
    let partial = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(".pairs");
    assert_eq!(fs::read_dir(&run).unwrap().map(Result::unwrap).filter(partial).count(), 0);
}

/// Also where the config that is built in has a run of its name.
#[test]
fn what_is_wrong_with_the_built_in_config_is_said() {
    let workspace = Workspace::empty();
    let prepare = |code, set: &str| workspace.run(code, &["prepare", "demo", "--quiet", "--set", set]).1;
    prepare(0, "dataset.identities=4");
    let said = prepare(2, "embed.chunk_sise=3");
    assert!(said.contains("chunk_sise") && !said.contains("is a run"), "{said}");
}
