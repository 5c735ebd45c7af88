//! A finished run whose files change: nothing damaged is sealed as good or read as good, and what can be made again is.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use facevault::digest::Digest;

use crate::support::workspace::{Workspace, seal_as_good, sealed};

/// Chunks of 5, 5 and 2 faces.
fn finished() -> (Workspace, PathBuf) {
    let workspace = Workspace::synthetic(4, 3, "");
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    (workspace, run)
}

/// Changes one character of a file that stays readable as text, or one bit of its middle; size and times stay.
fn damage(file: &Path) {
    let before = fs::metadata(file).unwrap().modified().unwrap();
    let mut bytes = fs::read(file).unwrap();
    let text = std::str::from_utf8(&bytes).is_ok();
    let digit = |byte: &u8| byte.is_ascii_digit() && *byte != b'1';
    let at = bytes.iter().rposition(digit).filter(|_| text).unwrap_or(bytes.len() / 2);
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
    File::options().append(true).open(file).unwrap().set_modified(before).unwrap();
}

/// Fault (runs): a bit flips in any file of a finished run → `verify` names the file, exit code 4; `experiment` makes
/// it again with the same bytes
#[test]
fn every_damaged_file_is_named_and_made_again() {
    let (workspace, run) = finished();
    let before = sealed(&run);
    // Times are in these.
    let is_sidecar = |name: &str| name.starts_with("chunks/") && Path::new(name).extension() == Some("json".as_ref());
    let timed = |name: &str| name == "provenance.json" || is_sidecar(name);
    for (turn, name) in before.keys().enumerate() {
        damage(&run.join(name));
        let (stdout, _) = workspace.run(4, &["verify", "small"]);
        assert!(stdout.contains(&format!("\n        {name}: sealed as ")), "{name}: {stdout}");
        let remedy = stdout.lines().last().unwrap();
        assert!(remedy.starts_with("to mend it, run `facevault e"), "{name}: {stdout}");
        // A changed expectation opens the seal.
        let expect = format!("expect={{eer: {{max: 0.{}}}}}", 50 + turn);
        let (_, stderr) = workspace.run(0, &["experiment", "config.yaml", "--set", &expect]);
        assert!(
            stderr.contains(&format!("{name}: sealed as ")) && stderr.contains("making it again"),
            "{name}: {stderr}"
        );
        workspace.run(0, &["verify", "small"]);
        let after = sealed(&run);
        assert!(after.keys().eq(before.keys()), "{name}");
        for (file, digest) in &before {
            // The expectation is part of the metrics.
            assert!(timed(file) || file == "metrics.json" || after[file] == *digest, "{name}: {file} changed");
        }
    }
}

/// Fault (runs): a result, an export or a sidecar of a finished run is deleted → `verify` names the commands that mend
/// the run, and they do
#[test]
fn what_verify_proposes_mends_the_run() {
    let (workspace, run) = finished();
    let before = sealed(&run);
    for (name, commands) in [
        ("people.json", &["evaluate"][..]),
        ("face_quality.parquet", &["embed", "evaluate"]),
        ("chunks/00001.json", &["embed", "evaluate"]),
    ] {
        fs::remove_file(run.join(name)).unwrap();
        let (stdout, _) = workspace.run(4, &["verify", "small"]);
        let id = run.file_name().unwrap().to_str().unwrap();
        let proposed = commands.iter().map(|command| format!("`facevault {command} {id}`")).collect::<Vec<_>>();
        assert_eq!(stdout.lines().last().unwrap(), format!("to mend it, run {}", proposed.join(", then ")));
        for command in commands {
            workspace.run(0, &[command, "small"]);
        }
        workspace.run(0, &["verify", "small"]);
        assert_eq!(sealed(&run)["face_embeddings.npy"], before["face_embeddings.npy"], "{name}");
    }
}

/// Fault (runs): a chunk of a finished run is deleted → `experiment` embeds its faces again, with the same bytes
#[test]
fn a_deleted_chunk_is_embedded_again() {
    let (workspace, run) = finished();
    let before = sealed(&run);
    for extension in ["npy", "json"] {
        fs::remove_file(run.join("chunks/00002").with_extension(extension)).unwrap();
    }
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    assert_eq!((&done["status"], &done["resumed"]), (&"complete".into(), &10.into()), "{done}");
    workspace.run(0, &["verify", "small"]);
    assert_eq!(sealed(&run)["chunks/00002.npy"], before["chunks/00002.npy"]);
}

/// Fault (runs): a damaged run is looked up, reported or compared → refused with the run, the file and the command that
/// mends it
#[test]
fn a_damaged_run_is_refused_by_name() {
    let (workspace, run) = finished();
    workspace.run(0, &["experiment", "config.yaml", "--set", "name=other"]);
    for (name, mending) in [("face_embeddings.npy", "embed"), ("histograms.parquet", "evaluate")] {
        damage(&run.join(name));
        let seal = sealed(&run);
        let face = "s5-i0000-000";
        for (code, command) in
            [(1, &["lookup", "small", face][..]), (1, &["report", "small"]), (2, &["compare", "other", "small"])]
        {
            let (_, stderr) = workspace.run(code, command);
            let id = run.file_name().unwrap().to_str().unwrap();
            let said = format!("is damaged: {name}: sealed as {}…", &seal[name][..12]);
            assert!(stderr.contains(id) && stderr.contains(&said), "{command:?}: {stderr}");
            assert!(stderr.contains(&format!("to mend it, run `facevault {mending} {id}`")), "{command:?}: {stderr}");
        }
        // An evaluation makes its own files again, and nothing else.
        workspace.run(i32::from(mending == "embed"), &["evaluate", "small"]);
        workspace.run(0, &["embed", "small"]);
        workspace.run(0, &["evaluate", "small"]);
        workspace.run(0, &["lookup", "small", face]);
        workspace.run(0, &["verify", "small"]);
    }
}

/// Fault (runs): a matrix or sidecar changes between embedding and evaluation → `evaluate` refuses it by name
#[test]
fn what_is_damaged_between_embedding_and_evaluation_is_refused_too() {
    let workspace = Workspace::synthetic(4, 3, "");
    workspace.run(0, &["embed", "config.yaml"]);
    let run = workspace.only_run();
    for name in ["face_embeddings.npy", "chunks/00000.json"] {
        damage(&run.join(name));
        let (_, stderr) = workspace.run(1, &["evaluate", "small"]);
        assert!(stderr.contains(&format!("is damaged: {name}: sealed as ")), "{stderr}");
        workspace.run(0, &["embed", "small"]);
    }
    // As an older version left it, without digests: the chunks have theirs.
    fs::remove_file(run.join(".unsealed")).unwrap();
    damage(&run.join("face_embeddings.npy"));
    let (_, stderr) = workspace.run(1, &["evaluate", "small"]);
    assert!(stderr.contains("is damaged: row 5 of the matrix differs from row 0 of chunk 00001"), "{stderr}");
    workspace.run(0, &["embed", "small"]);
    workspace.run(0, &["evaluate", "small"]);
    workspace.run(0, &["verify", "small"]);
}

/// Fault (runs): a file is added to a finished run → `verify` names it, and it is never sealed
#[test]
fn a_file_that_was_added_is_never_sealed() {
    let (workspace, run) = finished();
    fs::write(run.join("notes.txt"), "mine").unwrap();
    assert_eq!(workspace.json(0, &["experiment", "config.yaml"])["status"], "already-complete");
    let change = ["experiment", "config.yaml", "--set", "expect={eer: {max: 1}}"];
    for command in [&["evaluate", "small"][..], &change] {
        let (_, stderr) = workspace.run(1, command);
        assert!(stderr.contains("notes.txt: added after the run was sealed; move notes.txt out of"), "{stderr}");
    }
    let (stdout, _) = workspace.run(4, &["verify", "small"]);
    assert_eq!(stdout.lines().last().unwrap(), "move notes.txt out of the run's directory");
    fs::remove_file(run.join("notes.txt")).unwrap();
    workspace.run(0, &change);
    workspace.run(0, &["verify", "small"]);
}

/// Fault (runs): a table was damaged before it was sealed → `verify` finds that it differs from the chunks
#[test]
fn damage_that_an_older_version_sealed_differs_from_the_chunks() {
    let (workspace, run) = finished();
    let other = Workspace::synthetic(4, 3, "");
    other.run(0, &["experiment", "config.yaml", "--set", "dataset.seed=6"]);
    let other = other.only_run();
    for (name, said) in [
        ("embeddings.parquet", "embeddings.parquet differs from the chunks in rows 0 to 11"),
        ("face_quality.parquet", "face_quality.parquet differs from the chunks"),
        ("face_metadata.csv", "face_metadata.csv differs from the manifest"),
        ("failures.csv", "failures.csv differs from the chunks"),
    ] {
        let whole = fs::read(run.join(name)).unwrap();
        fs::copy(other.join(name), run.join(name)).unwrap();
        if name == "failures.csv" {
            fs::write(run.join(name), "row,face_id,kind,message\n0,s5-i0000-000,read,gone\n").unwrap();
        }
        seal_as_good(&run);
        let (stdout, _) = workspace.run(4, &["verify", "small"]);
        let rule = format!("BROKEN  the exported tables equal the chunks and the manifest\n        {said}\n");
        assert!(stdout.contains(&rule), "{stdout}");
        assert!(stdout.contains("ok      every file has the digest it was sealed with"), "{stdout}");
        // As the last line says.
        fs::remove_file(run.join("face_metadata.csv")).unwrap();
        let _ = fs::remove_file(run.join(name));
        workspace.run(0, &["embed", "small"]);
        workspace.run(0, &["evaluate", "small"]);
        workspace.run(0, &["verify", "small"]);
        assert_eq!(fs::read(run.join(name)).unwrap(), whole, "{name}");
    }
}

/// Fault (runs): `SEALED` is not a seal → named with its line; everything but the chunks is made again
#[test]
fn a_seal_that_is_none_is_made_again() {
    let (workspace, run) = finished();
    let before = sealed(&run);
    fs::write(run.join("SEALED"), "nothing").unwrap();
    let (stdout, _) = workspace.run(4, &["verify", "small"]);
    assert!(stdout.contains("SEALED line 1: expected `<sha256>  <file>`"), "{stdout}");
    workspace.run(1, &["lookup", "small", "s5-i0000-000"]);
    workspace.run(0, &["experiment", "config.yaml"]);
    assert_eq!(sealed(&run)["metrics.json"], before["metrics.json"]);
    workspace.run(0, &["verify", "small"]);
}

/// Fault (runs): a seal from somebody else names a file outside of the run → that file is left alone
#[test]
fn a_seal_from_elsewhere_cannot_name_what_to_remove() {
    let (workspace, run) = finished();
    let mine = workspace.path("mine.txt");
    fs::write(&mine, "mine").unwrap();
    let seal = fs::read_to_string(run.join("SEALED")).unwrap();
    fs::write(run.join("SEALED"), format!("{seal}{}  ../../mine.txt\n", Digest::of(b"other"))).unwrap();
    workspace.run(0, &["experiment", "config.yaml"]);
    assert_eq!(fs::read_to_string(mine).unwrap(), "mine");
}

/// Fault (runs): a finished run is renamed, or copied under another name → `verify` and `embed` say which name is its own, and
/// the command that gives it back; nothing is removed
#[test]
fn a_renamed_run_is_told_its_own_name() {
    let (workspace, run) = finished();
    let own = run.file_name().unwrap().to_str().unwrap();
    let copy = run.with_file_name("mine");
    fs::rename(&run, &copy).unwrap();
    let (stdout, _) = workspace.run(4, &["verify", "mine"]);
    let remedy = format!("mine was renamed or copied: rename it back, with `mv experiments/mine experiments/{own}`");
    assert_eq!(stdout.lines().last(), Some(&*remedy));
    let (_, error) = workspace.run(1, &["embed", "mine", "-q"]);
    assert!(error.starts_with(&format!("error: mine is {own}, renamed or copied, ")), "{error}");
    assert!(error.contains("own name: rename it back, with `mv "), "{error}");
    fs::rename(&copy, &run).unwrap();
    workspace.run(0, &["verify", "small"]);
}

/// Fault (runs): a command that makes files is started in a finished run, or names a folder in it → refused with exit code 2 and
/// the option, and the run stays as it was sealed
#[test]
fn no_command_leaves_files_in_a_run() {
    let (workspace, run) = finished();
    let commands: [&[&str]; 6] = [
        &["report", "."],
        &["export", ".", "--to", "webdataset"],
        &["runs", "--html"],
        &["embed", "."],
        &["experiment", "config.yaml"],
        &["prepare", "demo"],
    ];
    for command in commands {
        let output = workspace.command(command).current_dir(&run).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command:?}: {error}");
        assert!(
            error.contains("where every file counts: start the command in another folder, or name one with --"),
            "{error}"
        );
    }
    let pages = run.join("pages");
    let (_, error) = workspace.run(2, &["report", "small", "--reports", pages.to_str().unwrap()]);
    assert!(error.contains("name one with --reports"), "{error}");
    // What only reads may be started there.
    let output = workspace.command(&["verify", "."]).current_dir(&run).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}
