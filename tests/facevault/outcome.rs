//! How a command ends: what it says when faces fail, when nothing can be judged, when nobody listens, and with which code.

use std::fs::{self, File};
use std::process::{Output, Stdio};

use crate::support::workspace::Workspace;

/// A folder of people, two pictures each: `good` readable ones and `bad` files that are none. `more` goes into the config.
fn folders(good: u32, bad: u32, more: &str) -> Workspace {
    let workspace = Workspace::new();
    for i in 0..good + bad {
        let person = workspace.path(format!("faces/p{}", i / 2));
        fs::create_dir_all(&person).unwrap();
        let pixels: Vec<_> = (0..32 * 32).map(|p| ((p * 7 + i * 40 + p / 32 * i) % 256).to_string()).collect();
        let picture = format!("P2 32 32 255\n{}", pixels.join(" "));
        let bytes = if i < good { picture } else { "P2 32 32 255\n1 2 3".into() };
        fs::write(person.join(format!("{i}.pgm")), bytes).unwrap();
    }
    workspace.config(&format!("dataset: {{source: folders, root: faces}}\n{more}"));
    workspace
}

/// What is said of failures, without what a decoder's words and a run's name are.
fn complaint(stderr: &str) -> String {
    let lines = stderr.lines().skip_while(|line| !line.contains("no embedding"));
    let plain = |line: &str| {
        let line = line.split_once("decode: ").map_or(line.to_owned(), |(before, _)| format!("{before}decode: WHY"));
        let line = line.split_once("(row 4): ").map_or(line.clone(), |(before, _)| format!("{before}(row 4): WHY"));
        let (before, after) = line.split_once("experiments/small-").unwrap_or((&line, ""));
        if after.is_empty() { line } else { format!("{before}experiments/small-HEX{}", &after[12..]) }
    };
    lines.map(plain).collect::<Vec<_>>().join("\n")
}

#[test]
fn faces_that_fail_are_said_with_reasons_also_to_the_quiet_and_in_json() {
    let workspace = folders(6, 3, "");
    let (stdout, stderr) = workspace.run(0, &["experiment", "config.yaml", "--quiet", "--json"]);
    insta::assert_snapshot!(complaint(&stderr), @r"
    3 of 9 faces have no embedding:
          3  decode: WHY
    see experiments/small-HEX/failures.csv for the reason of each face
    ");
    let done: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((done["status"].as_str(), done["failed"].as_u64()), (Some("complete"), Some(3)));
    let failures = &done["failures"];
    assert_eq!((failures["faces"].as_u64(), failures["others"].as_u64()), (Some(3), Some(0)));
    assert_eq!(failures["reasons"][0]["kind"], "decode");
    assert_eq!(failures["reasons"][0]["faces"], 3);
    assert!(workspace.path(failures["file"].as_str().unwrap()).is_file());
    // Started again, nothing is left to do, and it is said again.
    let (_, again) = workspace.run(0, &["experiment", "config.yaml", "--quiet"]);
    assert_eq!(complaint(&again), complaint(&stderr));
}

/// Fault (pictures): no picture of a dataset can be decoded → the run fails with the reasons
#[test]
fn a_run_without_one_embedding_has_failed() {
    let workspace = folders(0, 4, "expect: {eer: {max: 0.1}}");
    for verb in ["embed", "experiment", "experiment"] {
        let (stdout, stderr) = workspace.run(1, &[verb, "config.yaml", "-q"]);
        assert!(stdout.starts_with("0 of 4 faces embedded, 4 failed\n"), "{stdout}");
        assert_eq!(complaint(&stderr).lines().count(), 4, "{stderr}");
        assert!(
            stderr.ends_with("failures.csv\n") && stderr.contains("\nerror: no face could be embedded (of 4)"),
            "{stderr}"
        );
    }
    let done = workspace.json(1, &["experiment", "config.yaml", "-q"]);
    assert_eq!(done["status"], "nothing-embedded");
    assert_eq!(done["failures"]["reasons"][0]["faces"], 4);
}

#[test]
fn what_cannot_be_evaluated_is_said_by_every_verb_and_none_sends_back() {
    let workspace = folders(0, 4, "");
    workspace.run(1, &["experiment", "config.yaml", "-q"]);
    let (stdout, stderr) = workspace.run(1, &["evaluate", "small", "-q"]);
    assert_eq!(stdout, "not evaluated: no face is embedded, but a comparison needs two\n");
    assert!(stderr.starts_with("error: no face could be embedded (of 4); the reason of each is in "), "{stderr}");

    // Embedded, but of one person: done, with the reason, also with `--quiet`.
    let workspace = Workspace::synthetic(1, 3, "");
    let elsewhere = ["--experiments", "my runs", "--reports", "pages", "-q"];
    let (stdout, _) = workspace.run(0, &[&["experiment", "config.yaml"], &elsewhere[..]].concat());
    assert!(stdout.contains("\nnot evaluated: all faces have the same identity"), "{stdout}");
    let (stdout, _) = workspace.run(0, &[&["evaluate", "small"], &elsewhere[..]].concat());
    assert!(stdout.starts_with("not evaluated: all faces have the same identity"), "{stdout}");
    let (_, stderr) = workspace.run(1, &[&["report", "small"], &elsewhere[..]].concat());
    assert!(
        stderr.contains("has no metrics, because nothing in it could be compared; `facevault evaluate 'my runs/small-"),
        "{stderr}"
    );
}

#[test]
fn suggested_commands_keep_the_folder_of_the_runs() {
    let workspace = Workspace::synthetic(3, 3, "");
    let elsewhere = ["--experiments", "elsewhere", "-q"];
    workspace.run(0, &[&["embed", "config.yaml"], &elsewhere[..]].concat());
    let told = |code, command: &[&str]| workspace.run(code, &[command, &elsewhere].concat()).1;
    let error = told(1, &["report", "small"]);
    let (_, command) = error.split_once("run `facevault ").unwrap();
    let command: Vec<&str> = command.trim_end().trim_end_matches('`').split(' ').collect();
    assert!(command[0] == "evaluate" && command[1].starts_with("elsewhere/small-"), "{error}");
    workspace.run(0, &command);
    assert!(told(2, &["verify", "other"]).contains("`facevault runs --experiments elsewhere` lists all runs"));
    assert!(workspace.run(2, &["verify", "other"]).1.contains("`facevault experiment CONFIG`"), "the usual folder");
}

#[test]
fn lookup_says_which_neighbours_the_run_would_accept() {
    let workspace = Workspace::synthetic(40, 2, "");
    workspace.run(0, &["embed", "config.yaml", "-q"]);
    let face = "s5-i0000-000";
    let before = workspace.json(0, &["lookup", "small", face]);
    assert!(before["threshold"].is_null() && before["neighbours"][0]["accepted"].is_null(), "{before}");
    workspace.run(0, &["evaluate", "small", "-q"]);
    let found = workspace.json(0, &["lookup", "small", face, "-k", "79"]);
    // 3,120 impostor pairs resolve an FMR of 1e-3.
    assert_eq!(found["threshold"]["target_fmr"], 1e-3);
    let cosine = found["threshold"]["cosine"].as_f64().unwrap();
    let neighbours = found["neighbours"].as_array().unwrap();
    for near in neighbours {
        assert_eq!(near["accepted"].as_bool().unwrap(), near["cosine"].as_f64().unwrap() >= cosine, "{near}");
    }
    let accepted = neighbours.iter().filter(|near| near["accepted"] == true).count();
    let (text, _) = workspace.run(0, &["lookup", "small", face, "-k", "79"]);
    assert_eq!(text.matches('✓').count(), accepted + 1, "and the line that explains it: {text}");
    assert!(text.contains(", this run's threshold at FMR 1e-3; = has the same identity"), "{text}");
}

/// Fault (pictures): more pictures fail than `embed.max_failures` allows → the run stops and says why each failed
#[test]
fn more_failures_than_are_accepted_are_said_with_their_reasons() {
    let workspace = folders(2, 4, "");
    let (_, stderr) = workspace.run(1, &["embed", "config.yaml", "-q", "--set", "embed.max_failures=2"]);
    insta::assert_snapshot!(complaint(&stderr), @r"
    3 of 6 faces have no embedding:
          3  decode: WHY
    error: more than 2 faces have no embedding (`embed.max_failures`); the last is `p2/4.pgm` (row 4): WHY
    ");
}

#[test]
fn a_finished_run_is_held_to_what_its_failures_may_be_as_well() {
    let workspace = folders(6, 2, "");
    workspace.run(0, &["embed", "config.yaml", "-q"]);
    for (limit, said) in [("embed.max_failures=1", "more than 1 face"), ("embed.on_error=fail", "has no embedding")] {
        let (_, stderr) = workspace.run(1, &["embed", "config.yaml", "-q", "--set", limit]);
        assert!(stderr.contains(said) && stderr.contains(limit.split_once('=').unwrap().0), "{stderr}");
    }
    workspace.run(0, &["embed", "config.yaml", "-q", "--set", "embed.max_failures=2"]);
}

/// Fault (config): `lookup` of a face that has no embedding → refused like a face that is not there, with the reason and the
/// table that lists all such faces
#[test]
fn a_face_without_an_embedding_cannot_be_looked_up() {
    let workspace = folders(4, 1, "");
    workspace.run(0, &["embed", "config.yaml", "-q"]);
    let (_, stderr) = workspace.run(2, &["lookup", "small", "p2/4.pgm"]);
    assert!(
        stderr.starts_with("error: face `p2/4.pgm` of small-") && stderr.contains(" has no embedding: "),
        "{stderr}"
    );
    assert!(stderr.trim_end().ends_with("; failures.csv of the run lists all such faces"), "{stderr}");
}

#[test]
fn boxes_that_no_crop_uses_are_said() {
    let workspace = folders(4, 0, "");
    fs::write(workspace.path("faces/boxes.csv"), "path,x,y,w,h\np0/0.pgm,1,1,20,20\n").unwrap();
    workspace.config("dataset: {source: folders, root: faces, boxes: boxes.csv}");
    let told = "`dataset.boxes` is not used: `preprocess.crop` takes the whole picture";
    let (out, _) = workspace.run(0, &["check", "config.yaml"]);
    assert!(out.contains(told), "{out}");
    let (_, said) = workspace.run(0, &["experiment", "config.yaml", "-q"]);
    assert!(said.contains(told), "{said}");
    let name = workspace.only_run().file_name().unwrap().to_str().unwrap().to_owned();
    let report = fs::read_to_string(workspace.path(format!("reports/{name}.html"))).unwrap();
    assert!(report.contains("is not used"), "the report does not say it");
    let cut = "preprocess.crop={mode: box, margin: 0, unit: original-pixels}";
    let (out, _) = workspace.run(0, &["check", "config.yaml", "--set", cut]);
    assert!(!out.contains("is not used"), "{out}");
}

#[test]
fn a_run_without_expectations_has_met_none() {
    let workspace = folders(8, 0, "");
    workspace.run(0, &["experiment", "config.yaml", "-q"]);
    assert!(workspace.json(0, &["runs"]).to_string().contains("\"expectations_met\":null"));
    // A variable that is not set names no run.
    workspace.run(2, &["verify", ""]);
}

#[test]
fn what_cannot_be_judged_is_listed_with_the_reason_and_is_not_met() {
    let workspace = Workspace::synthetic(1, 3, "expect: {eer: {max: 0.5}, faces.failed: {max: 0}, auc: {min: 0.5}}");
    let done = workspace.json(3, &["experiment", "config.yaml"]);
    let reason = "all faces have the same identity, so there is no impostor pair";
    assert_eq!(done["not_evaluated"], reason);
    let found: Vec<_> = done["expectations"].as_array().unwrap().iter().collect();
    let shard = workspace.json(0, &["evaluate", "small", "--shard", "0/2"]);
    assert_eq!((&shard["not_evaluated"], &shard["pairs"]), (&reason.into(), &0.into()), "{shard}");
    crate::schemas::printed("evaluate-shard", &shard);
    let told = |name: &str| *found.iter().find(|one| one["metric"] == name).unwrap();
    for name in ["eer", "auc"] {
        assert_eq!((told(name)["met"].as_bool(), told(name)["not_judged"].as_str()), (Some(false), Some(reason)));
        assert!(told(name)["value"].is_null());
    }
    assert_eq!(
        (told("faces.failed")["met"].as_bool(), told("faces.failed")["value"].as_f64()),
        (Some(true), Some(0.0))
    );
    let (stdout, _) = workspace.run(3, &["experiment", "config.yaml", "-q"]);
    let (stdout, _) = stdout.split_once("run  ").unwrap();
    insta::assert_snapshot!(stdout.trim_end(), @r"
    3 of 3 faces embedded, 0 failed
    not evaluated: all faces have the same identity, so there is no impostor pair
    NOT JUDGED auc, expected at least 0.5000
    NOT JUDGED eer, expected at most 50.00%
    met     faces.failed is 0, expected at most 0
    ");
    assert_eq!(workspace.json(3, &["evaluate", "small"])["expectations"], done["expectations"]);
    // What needs no comparison is met without one.
    workspace.run(0, &["experiment", "config.yaml", "--set", "expect={faces.failed: {max: 0}}"]);
}

#[test]
fn a_metric_that_a_run_lacks_is_not_judged_and_the_report_says_why() {
    let workspace = Workspace::synthetic(3, 3, "expect: {tar@fmr=1e-6: {min: 0.5}, fmr1000: {max: 0.1}}");
    let done = workspace.json(3, &["experiment", "config.yaml"]);
    let why: Vec<_> = (0..2).map(|i| done["expectations"][i]["not_judged"].as_str().unwrap()).collect();
    insta::assert_snapshot!(why.join("\n"), @r"
    27 impostor pairs are too few to observe such a rate
    27 impostor pairs are too few to observe such a rate
    ");
    let report = fs::read_to_string(workspace.path(done["report"].as_str().unwrap())).unwrap();
    assert!(report.contains("✗ not judged") && report.contains(why[0]), "the report does not say it");
}

/// Runs the binary with these for its standard output and error.
fn run(workspace: &Workspace, arguments: &[&str], out: impl Into<Stdio>, err: impl Into<Stdio>) -> Output {
    workspace.command(arguments).stdout(out).stderr(err).spawn().unwrap().wait_with_output().unwrap()
}

/// A pipe whose reader has left.
fn dead() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A device that is always full.
#[cfg(target_os = "linux")]
fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// Fault (processes): nobody reads the progress any more → the work goes on without it
#[test]
fn progress_that_nobody_can_read_is_dropped_and_the_work_goes_on() {
    // The codes of the work itself: done, an expectation not met.
    for (expect, code) in [("", 0), ("expect: {eer: {max: -1}}", 3)] {
        let workspace = Workspace::synthetic(3, 3, expect);
        let Output { status, stdout, .. } =
            run(&workspace, &["experiment", "config.yaml", "--json"], Stdio::piped(), dead());
        assert_eq!(status.code(), Some(code));
        let done: serde_json::Value = serde_json::from_slice(&stdout).unwrap();
        assert_eq!(done["embedded"], 9);
        assert!(workspace.only_run().join("SEALED").is_file());
    }
}

/// Fault (disk): the disk that progress is redirected to is full → the work goes on
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_under_progress_changes_nothing() {
    let workspace = Workspace::synthetic(3, 3, "");
    let Output { status, stdout, .. } = run(&workspace, &["experiment", "config.yaml"], Stdio::piped(), full());
    assert_eq!(status.code(), Some(0));
    assert!(String::from_utf8(stdout).unwrap().starts_with("9 of 9 faces embedded"));
    // Nor does it change how a failure ends.
    for (arguments, code) in [(&["embed", "gone.yaml"][..], 2), (&["no-such-verb"], 2), (&["report", "small"], 0)] {
        assert_eq!(run(&workspace, arguments, Stdio::null(), full()).status.code(), Some(code), "{arguments:?}");
    }
}

/// Fault (processes): the reader of a pipe leaves → the command ends without an error
#[test]
fn progress_and_result_in_one_pipe_whose_reader_leaves_end_quietly() {
    // As `facevault experiment config.yaml 2>&1 | head -2`.
    let workspace = Workspace::synthetic(6, 4, "embed: {device: cpu, batch_size: 1, chunk_size: 1, threads: 1}");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = workspace
        .command(&["experiment", "config.yaml"])
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(reader));
    lines.next().unwrap().unwrap();
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(workspace.only_run().join("SEALED").is_file());
    workspace.run(0, &["verify", "small"]);
}

#[test]
fn check_says_what_a_key_that_was_left_out_means() {
    let workspace = Workspace::synthetic(3, 3, "embed: {device: cpu}\nexpect: {eer: {max: 0.5}}");
    let (out, _) = workspace.run(0, &["check", "config.yaml"]);
    assert!(out.starts_with("config.yaml is valid; with its defaults:\n  name "), "{out}");
    let value = |key: &str| {
        let line = out.lines().find_map(|line| line.trim_start().strip_prefix(key));
        line.unwrap_or_else(|| panic!("{key}: {out}")).trim()
    };
    assert_eq!(value("embed.threads"), "all cores");
    assert_eq!(value("embed.max_failures"), "no limit");
    assert_eq!(value("similarity.upstream"), "not computed");
    assert_eq!(value("expect.eer.min"), "no bound");
    assert!(!out.contains("expect.eer.source"), "{out}");
    assert!(value("device").starts_with("CPU ("), "{out}");
    // What is printed can be written.
    let keys = ["--set", "protocols=[{name: a, folds: 7}]", "--set", "detect={thresholds: [0.5, 0.6, 0.7]}"];
    fs::create_dir_all(workspace.path("photos/a")).unwrap();
    fs::write(workspace.path("photos/a/1.pgm"), "P2 1 1 255\n0").unwrap();
    let photos = ["--set", "dataset={source: folders, root: photos}"];
    let (out, _) = workspace.run(0, &[&["check", "config.yaml"][..], &keys, &photos].concat());
    let line = |start: &str| out.lines().any(|line| line.trim_start().replace("  ", "").starts_with(start));
    assert!(line("protocols.0.folds 7") && line("detect.thresholds [0.5, 0.6, 0.7]"), "{out}");
    assert!(!out.contains("split.folds"), "{out}");
    let (out, _) = workspace.run(1, &["check", "config.yaml", "--set", "embed.precision=f16"]);
    assert!(out.contains("\ndevice   this machine cannot run it; the error says why\n"), "{out}");
    assert!(workspace.json(0, &["check", "config.yaml"])["config"]["embed"]["threads"].is_null());
}

/// Fault (processes): the reader of any command's output leaves → it is no error
#[test]
fn a_reader_that_left_is_no_error_of_any_command() {
    let workspace = Workspace::synthetic(3, 3, "");
    workspace.run(0, &["experiment", "config.yaml"]);
    let commands: [&[&str]; 6] = [
        &["runs"],
        &["verify", "small"],
        &["check", "config.yaml"],
        &["experiment", "config.yaml", "--json"],
        &["--help"],
        &["--version"],
    ];
    for arguments in commands {
        let Output { status, stderr, .. } = run(&workspace, arguments, dead(), Stdio::piped());
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("error") && !said.contains("panicked"), "{arguments:?}: {said}");
    }
}

/// Fault (disk): a result cannot be written to its redirection → an error and its exit code
#[test]
#[cfg(target_os = "linux")]
fn a_result_that_cannot_be_written_is_an_error() {
    let workspace = Workspace::synthetic(3, 3, "");
    workspace.run(0, &["experiment", "config.yaml"]);
    let commands: [&[&str]; 4] =
        [&["runs"], &["experiment", "config.yaml", "--json"], &["--help"], &["compare", "--help"]];
    for arguments in commands {
        let Output { status, stderr, .. } = run(&workspace, arguments, full(), Stdio::piped());
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{arguments:?}: {said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: cannot write the result to standard output: No space left"), "{said}");
    }
}

#[test]
fn a_run_is_named_by_its_config_though_others_begin_with_it() {
    let workspace = Workspace::synthetic(3, 3, "");
    for sets in [&["name=small"][..], &["name=small-box"], &["name=small-box-aligned"]] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        workspace.run(0, &[&["experiment", "config.yaml", "--quiet"], &sets[..]].concat());
    }
    let face = "s5-i0000-000";
    let commands: [&[&str]; 6] = [
        &["verify", "small"],
        &["evaluate", "small-box"],
        &["report", "small"],
        &["lookup", "small-box", face],
        &["embed", "small"],
        &["compare", "small", "small-box"],
    ];
    for arguments in commands {
        workspace.run(0, arguments);
    }
    assert_eq!(
        workspace.json(0, &["lookup", "small-box", face])["run"].as_str().unwrap().len(),
        "small-box-".len() + 12
    );

    // Two runs of one config: which they are, and how one is named.
    workspace.run(0, &["embed", "config.yaml", "--quiet", "--set", "seed=7"]);
    let names: Vec<_> = workspace
        .json(0, &["runs"])
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["run"].as_str().unwrap().to_owned())
        .filter(|name| !name.contains("box"))
        .collect();
    for command in [&["verify", "small"][..], &["compare", "small", "small-box"], &["lookup", "small", face]] {
        let (_, stderr) = workspace.run(2, command);
        let mut lines = stderr.lines();
        let first = "error: `small` is the config of several runs; give the full name of one, or a unique prefix:";
        assert_eq!(lines.next(), Some(first));
        let told: Vec<&str> = lines.collect();
        assert_eq!(told.len(), 2, "{stderr}");
        for name in &names {
            let line = told.iter().find(|line| line.contains(name.as_str())).unwrap();
            assert!(line.contains(" UTC") && (line.contains("complete, ") || line.contains("embedded, ")), "{line}");
            workspace.run(0, &["lookup", name, face]);
        }
    }
}

/// Fault (config): the same mistake in different commands → the same exit code
#[test]
fn one_mistake_has_one_code_whichever_command_meets_it() {
    let workspace = Workspace::synthetic(2, 2, "");
    // What this machine lacks, or what does not go together here: 1.
    for set in ["embed.precision=f16", "embed.kernels=neon"] {
        if cfg!(target_arch = "aarch64") {
            continue;
        }
        for verb in ["check", "embed", "experiment"] {
            let (_, stderr) = workspace.run(1, &[verb, "config.yaml", "-q", "--set", set]);
            assert!(stderr.starts_with("error: `embed."), "{stderr}");
        }
    }
    // A driver that is no driver.
    fs::write(workspace.path("libcuda.so.1"), "no library").unwrap();
    for verb in ["check", "embed", "experiment"] {
        let mut command = workspace.command(&[verb, "config.yaml", "-q", "--set", "embed.device=cuda"]);
        let output = command.env("FACEVAULT_CUDA_LIBS", workspace.path("")).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{verb}: {stderr}");
        assert!(stderr.starts_with("error: device `cuda` is not available: "), "{stderr}");
    }
    let on_gpu = ["throughput", "config.yaml", "-q", "--devices", "cuda", "--batches", "1", "--no-report"];
    let output = workspace.command(&on_gpu).env("FACEVAULT_CUDA_LIBS", workspace.path("")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.starts_with("error: cannot measure `cuda f32 batch 1`: device `cuda` is not available: "),
        "{stderr}"
    );
    // What has to be typed differently: 2.
    for verb in ["check", "fetch", "embed", "experiment", "ablate", "throughput"] {
        workspace.run(2, &[verb, "gone.yaml"]);
        workspace.run(2, &[verb, "config.yaml", "--set", "embed.bathc_size=3"]);
    }
    for command in [
        &["verify", "gone"][..],
        &["evaluate", "gone"],
        &["report", "gone"],
        &["embed", "gone"],
        &["lookup", "gone", "face"],
        &["compare", "gone", "gone-too"],
    ] {
        workspace.run(2, command);
    }
}
