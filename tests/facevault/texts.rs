//! What is quoted in a message, a file or a page is short, on its line, and drives no terminal.

use std::collections::BTreeMap;
use std::fs;

use facevault::model::weights::Tensor;
use facevault::text::drives_a_terminal;

use crate::support::workspace::{Workspace, write_tensors};

/// Terminal escapes, a carriage return, a bidirectional override and C1.
const HOSTILE: &str = "\x1b]0;owned\x07\x1b[2J\r\u{202e}\u{9b}31m";

/// Requires that a text drives no terminal and is no longer than this.
#[track_caller]
fn harmless(said: &str, most: usize) {
    assert!(said.len() <= most, "{} bytes: {}", said.len(), &said[..300]);
    let drives = said.chars().find(|&c| drives_a_terminal(c) && !matches!(c, '\n' | '\t'));
    assert_eq!(drives, None, "{said:?}");
}

/// Fault (texts): a checkpoint with terminal escapes and a megabyte in its keys → the keys are shown escaped and cut
#[test]
fn the_keys_of_a_checkpoint_are_quoted_safely() {
    let workspace = Workspace::synthetic(2, 2, "");
    let tensor = || Tensor { shape: vec![1], data: vec![0.5], dtype: "F32".into() };
    let keys = [HOSTILE.to_owned(), format!("{HOSTILE}{}", "k".repeat(1 << 20))];
    let tensors: BTreeMap<_, _> = keys.into_iter().map(|key| (key, tensor())).collect();
    write_tensors(&workspace.path("weights.safetensors"), &tensors);
    let (out, said) = workspace.run(1, &["experiment", "config.yaml"]);
    harmless(&out, 100);
    harmless(&said, 4_000);
    assert!(said.contains("\\u001b]0;owned\\u0007\\u001b[2J\\r\\u202e\\u009b31m [1]"), "{said}");
    assert!(said.contains("kkk… (1048599 bytes) [1]"), "{said}");
}

/// Fault (texts): an argument with terminal escapes → shown as escapes, without our colours
#[test]
fn an_argument_is_quoted_safely() {
    let workspace = Workspace::empty();
    for arguments in [&[HOSTILE][..], &["verify", HOSTILE], &["check", HOSTILE], &["runs", "--json", HOSTILE, HOSTILE]]
    {
        let (out, said) = workspace.run(2, arguments);
        harmless(&out, 0);
        harmless(&said, 2_000);
        assert!(said.contains("\\u202e\\u009b31m"), "{said}");
    }
}

/// Fault (config): a value of hundreds of kilobytes, with terminal escapes → one short message with its line
#[test]
fn the_values_of_a_config_are_quoted_safely() {
    let workspace = Workspace::synthetic(2, 2, "");
    let config = fs::read_to_string(workspace.path("config.yaml")).unwrap();
    let long = "x".repeat(500_000);
    for line in [
        format!("seed: \"\\e[2J\u{202e}{long}\""),
        format!("\"\\e[2J{long}\": 1"),
        format!("description: [{long}"),
        format!("embed: {{device: \"\\e]0;{long}\"}}"),
    ] {
        fs::write(workspace.path("config.yaml"), format!("{config}{line}\n")).unwrap();
        let (_, said) = workspace.run(2, &["check", "config.yaml"]);
        harmless(&said, 4_000);
    }
}

/// Pictures and a table of these lines.
fn table(lines: &str) -> Workspace {
    let workspace = Workspace::new();
    fs::create_dir_all(workspace.path("faces")).unwrap();
    for name in ["a.ppm", "b.ppm"] {
        fs::write(workspace.path("faces").join(name), [&b"P6\n96 96\n255\n"[..], &vec![90; 96 * 96 * 3]].concat())
            .unwrap();
    }
    fs::write(workspace.path("faces/face_metadata.csv"), lines).unwrap();
    workspace.config("dataset: {source: phase1, csv: faces/face_metadata.csv, image: crop}");
    workspace
}

const HEADER: &str = "face_id,photo_id,identity_id,crop_path,note\na,a,p,a.ppm,x\n";

/// Fault (tables): an id, an identity or a path of more than 4,096 bytes → the row fails with its line and the beginning of the value
#[test]
fn a_long_id_identity_or_path_fails_its_row() {
    let long = "é".repeat(2_049);
    for (column, row) in [
        ("face_id", format!("{long},b,p,b.ppm,x")),
        ("photo_id", format!("b,{long},p,b.ppm,x")),
        ("identity_id", format!("b,b,{long},b.ppm,x")),
        ("crop_path", format!("b,b,p,{long},x")),
    ] {
        let workspace = table(&format!("{HEADER}{row}\n"));
        let done = workspace.json(0, &["embed", "config.yaml"]);
        assert_eq!((&done["embedded"], &done["failed"]), (&1.into(), &1.into()), "{column}");
        let failures = fs::read_to_string(workspace.only_run().join("failures.csv")).unwrap();
        let shown =
            format!("line 3: `{column}` is `{}… (4098 bytes)`, and at most 4096 bytes are accepted", "é".repeat(40));
        assert!(failures.contains(&shown), "{failures}");
        harmless(&failures, 1_000);
    }
    let just = "é".repeat(2_048);
    let workspace = table(&format!("{HEADER}{just},b,{just},b.ppm,x\n"));
    assert_eq!(workspace.json(0, &["embed", "config.yaml"])["embedded"], 2);
}

/// Fault (tables): any value of more than a megabyte → the table is refused with the line and the column
/// Fault (tables): the name of a column of more than 4,096 bytes → the table is refused with the column's number
#[test]
fn a_huge_value_or_header_refuses_the_table() {
    let huge = "n".repeat((1 << 20) + 1);
    let (_, said) = table(&format!("{HEADER}b,b,p,b.ppm,{huge}\n")).run(1, &["embed", "config.yaml"]);
    let line = said.lines().find(|line| line.starts_with("error")).unwrap();
    assert!(
        line.contains(", line 3: `note` is `nnnn") && line.contains("… (1048577 bytes)`, and at most 1048576"),
        "{said}"
    );
    harmless(&said, 2_000);
    let (_, said) = table(&format!("face_id,{}\na,b\n", "n".repeat(4_097))).run(1, &["embed", "config.yaml"]);
    assert!(said.contains(", line 1: `column 2` is `nnnn"), "{said}");
    harmless(&said, 2_000);
}

/// Fault (tables): a pair list whose names are huge and drive a terminal → refused with the line and the beginning of the name
#[test]
fn the_names_of_a_pair_list_are_quoted_safely() {
    let workspace = table(HEADER);
    let name = format!("\u{202e}{}", "n".repeat(100_000));
    for list in [format!("file1,file2,same\na.ppm,{name},1\n"), format!("a.ppm {name} 1\n"), format!("{name} 1 2\n")] {
        fs::write(workspace.path("pairs.txt"), list).unwrap();
        let set = "protocols=[{name: p, pairs: [pairs.txt], folds: 2}]";
        let output = workspace.command(&["experiment", "config.yaml", "--set", set]).output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        harmless(&said, 4_000);
    }
}
