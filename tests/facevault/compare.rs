//! `facevault compare` as a user runs it: runs of the same faces by another precision, by other preprocessing, and twice
//! the same.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::schemas;
use crate::support::workspace::{Workspace, seal_as_good};

/// The demo's config, absolute.
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/demo.yaml");

/// Embeds and evaluates the demo with fewer people under a name.
pub fn demo(workspace: &Workspace, name: &str, sets: &[&str]) -> String {
    let name = format!("name={name}");
    let small = [
        "dataset.identities=12",
        "dataset.samples=5",
        "similarity.replicates=100",
        "expect={}",
        "embed.chunk_size=20",
        &name,
    ];
    let sets: Vec<&str> = small.iter().chain(sets).flat_map(|set| ["--set", set]).collect();
    let done = workspace.json(0, &[&["experiment", DEMO, "--fresh", "--quiet"], &sets[..]].concat());
    let run = PathBuf::from(done["directory"].as_str().or(done["run"].as_str()).unwrap());
    run.file_name().unwrap().to_str().unwrap().to_owned()
}

pub fn metric<'a>(found: &'a Value, key: &str) -> &'a Value {
    let metrics = found["paired"]["metrics"].as_array().unwrap();
    metrics.iter().find(|row| row["metric"] == key).unwrap()
}

#[test]
fn runs_are_paired_by_face_and_a_regression_has_an_exit_code() {
    let workspace = Workspace::empty();
    let base = demo(&workspace, "base", &[]);
    let again = demo(&workspace, "again", &[]);
    let int8 = demo(&workspace, "int8", &["embed.precision=int8"]);
    // A face in the dark, for a network that was not trained for it.
    let dark = demo(&workspace, "dark", &["preprocess.standardise={mean: 250, scale: 20}"]);

    // The same plan, embedded again: the same everywhere, and no gate fails on it, however busy the machine is.
    let gate = ["--fail-on-regression", "--tolerate", "speed=0.999", "--quiet"];
    let found = workspace.json(0, &[&["compare", &base, &again], &gate[..]].concat());
    schemas::printed("compare", &found);
    let verdicts: Vec<_> = found["paired"]["metrics"].as_array().unwrap().iter().collect();
    let known = verdicts.iter().filter(|row| !row["values"][1].is_null());
    assert!(known.clone().count() > 8);
    known.for_each(|row| assert_eq!(row["effects"][1]["verdict"], "same", "{row}"));
    assert_eq!(found["paired"]["embeddings"][1]["identical"], 60);
    assert_eq!(found["gate"]["passed"], true);
    assert!(found["speed"][1]["ratio"].as_f64().unwrap() > 0.0, "{}", found["speed"]);
    // On the same faces by the same options, the values are the stored ones.
    let stored: Value =
        serde_json::from_slice(&fs::read(workspace.path(format!("experiments/{base}/metrics.json"))).unwrap()).unwrap();
    for (key, of) in [("eer", &stored["eer"]), ("auc", &stored["auc"]), ("genuine.mean", &stored["genuine"]["mean"])] {
        let (paired, stored) = (&metric(&found, key)["values"][0], of);
        for field in ["point", "lower", "upper"] {
            let (paired, stored) = (paired[field].as_f64().unwrap(), stored[field].as_f64().unwrap());
            assert!((paired - stored).abs() < 1e-12, "{key} {field}: {paired} {stored}");
        }
    }

    // Three runs: int8 moves faces a little, the dark ones a lot.
    let found = workspace.json(5, &[&["compare", &base, &int8, &dark], &gate[..]].concat());
    schemas::printed("compare", &found);
    let embeddings = &found["paired"]["embeddings"];
    let lowest = |run: usize| embeddings[run]["min"].as_f64().unwrap();
    assert!(lowest(1) > 0.95 && lowest(1) < 1.0 && lowest(2) < lowest(1), "{embeddings}");
    assert_eq!(embeddings[1]["nearest"]["asked"], 60);
    assert_eq!(metric(&found, "d_prime")["effects"][2]["verdict"], "worse");
    let regressions = found["gate"]["regressions"].as_array().unwrap();
    assert!(
        regressions.iter().any(|finding| finding["number"] == 3 && finding["what"] == "d_prime"),
        "{regressions:?}"
    );
    assert_eq!(found["headline"], "differs: preprocessing (standardise mean, standardise scale), precision");
    assert_eq!(found["comparable"], true);
    let verdicts: Vec<_> = found["verdict"]["runs"].as_array().unwrap().iter().map(|run| &run["number"]).collect();
    assert_eq!(verdicts, [2, 3]);
    assert_eq!(found["paired"]["ranking"]["ranks"].as_array().unwrap().last().unwrap()["run"], 2);

    // The page stands alone and shows what the JSON says; the text too, without ids of faces.
    let page = fs::read_to_string(workspace.path(format!("reports/compare-{base}-vs-{int8}-vs-{dark}.html"))).unwrap();
    let sections = ["gate", "effects", "embeddings", "ranking", "speed", "metrics"];
    assert!(sections.iter().all(|id| page.contains(&format!("<section id=\"{id}\""))) && !page.contains("://"));
    let face = embeddings[2]["worst"][0]["face_id"].as_str().unwrap();
    assert!(page.contains(face) && page.contains("This page contains ids of faces: personal data."));
    let (text, errors) = workspace.run(0, &["compare", &base, &dark]);
    assert!(text.contains(" worse\n") && text.contains("nearest face changed for"), "{text}");
    assert!(!text.contains(face) && !errors.contains(face));
}

#[test]
fn runs_on_other_faces_are_compared_on_what_they_share() {
    let workspace = Workspace::empty();
    let base = demo(&workspace, "base", &[]);
    let fewer = demo(&workspace, "fewer", &["dataset.identities=9"]);
    let others = demo(&workspace, "others", &["dataset.seed=77", "dataset.identities=6"]);

    let found = workspace.json(0, &["compare", &base, &fewer, "--quiet"]);
    schemas::printed("compare", &found);
    let faces = &found["paired"]["faces"];
    assert_eq!((&faces["common"], &faces["left_out"]["missing"]), (&45.into(), &15.into()));
    assert_eq!(faces["stored_on_other_faces"], serde_json::json!([base]));
    assert_eq!(metric(&found, "auc")["effects"][1]["verdict"], "same");

    // With nobody in common there is no comparison, and a gate cannot pass on that.
    let (_, said) = workspace.run(2, &["compare", &base, &others, "--quiet"]);
    let reason = "no face is shared: of the 60 faces of the first run, 60 not in another run or not embedded there";
    let said_of = |what: &str| format!("{what}: fewer than two runs can be compared; left out: {others}: {reason}\n");
    assert_eq!(said, said_of("error"));
    let (_, said) = workspace.run(5, &["compare", &base, &others, "--fail-on-regression", "--quiet"]);
    assert_eq!(said, said_of("gate: failed"));
}

#[test]
fn a_gate_does_not_pass_on_embeddings_that_another_build_computed() {
    let workspace = Workspace::synthetic(4, 4, "");
    let run = |code, more: &[&str]| workspace.run(code, &[&["experiment", "config.yaml", "-q"], more].concat());
    let gate = |candidate: &str| {
        let found = workspace.command(&["compare", "small", candidate, "--fail-on-regression", "-q"]).output().unwrap();
        (found.status.code(), String::from_utf8(found.stdout).unwrap())
    };
    run(0, &[]);
    // Under another name, the embeddings are those of the first run.
    run(0, &["--set", "name=candidate"]);
    let (code, told) = gate("candidate");
    assert_eq!(code, Some(5), "{told}");
    assert!(
        told.contains("[2] build: it has the reference's own embeddings, so this compares one build with itself"),
        "{told}"
    );
    // A run that reused embeddings is not taken for this build's, and is left alone.
    let (_, error) = run(2, &["--set", "name=candidate", "--fresh"]);
    assert!(error.starts_with("error: `--fresh` replaces no run: candidate-"), "{error}");
    assert!(error.contains(" has the embeddings of small-"), "{error}");
    assert!(
        error.contains(
            "(`--set name=…`) or a folder (`--experiments DIR`) of its own, or delete experiments/candidate-"
        )
    );
    workspace.run(0, &["verify", "candidate"]);
    // Embedded again, it passes.
    run(0, &["--set", "name=own", "--fresh"]);
    let (code, told) = gate("own");
    assert_eq!(code, Some(0), "{told}");

    // A run of another build: said when it is found complete, refused when this build is asked for.
    let own = workspace.path("experiments");
    let own = fs::read_dir(own).unwrap().map(|entry| entry.unwrap().path());
    let own = own.into_iter().find(|path| path.to_str().unwrap().contains("/own-")).unwrap();
    let file = own.join("provenance.json");
    let mut provenance: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let here = provenance["build"]["revision"].as_str().unwrap().to_owned();
    assert_eq!(provenance["sessions"][0]["revision"], here.as_str());
    // Asked for again, it is this build's if that is a known commit; a changed working tree could have been another.
    run(if here.len() == 40 { 0 } else { 2 }, &["--set", "name=own", "--fresh"]);
    provenance["sessions"][0]["revision"] = "a".repeat(40).into();
    fs::write(&file, serde_json::to_vec_pretty(&provenance).unwrap()).unwrap();
    seal_as_good(&own);
    let (_, told) = workspace.run(0, &["experiment", "config.yaml", "--set", "name=own"]);
    assert!(
        told.contains("already complete: nothing to do (embedded by build aaaaaaaaaaaa; with `--fresh`,"),
        "{told}"
    );
    let (_, error) = run(2, &["--set", "name=own", "--fresh"]);
    assert!(error.contains(" was embedded by aaaaaaaaaaaa, and this build is "), "{error}");
}

#[test]
fn a_command_line_that_is_wrong_says_what_would_be_right() {
    let workspace = Workspace::empty();
    let line = |arguments: &[&str]| workspace.run(2, &[&["compare", "a", "b"], arguments].concat()).1;
    insta::assert_snapshot!(line(&["--by", "err"]).trim_end(), @"error: unknown metric `err`; runs are compared by eer, tar@fmr=1e-1, tar@fmr=1e-2, tar@fmr=1e-3, tar@fmr=1e-4, tar@fmr=1e-5, tar@fmr=1e-6, auc, d_prime, genuine.mean, genuine.std, impostor.mean, impostor.std");
    let gate = ["--fail-on-regression", "--tolerate"];
    insta::assert_snapshot!(line(&[&gate[..], &["spead=0.2"]].concat()).trim_end(), @"error: unknown metric `spead` (did you mean `speed`?); runs are compared by eer, tar@fmr=1e-1, tar@fmr=1e-2, tar@fmr=1e-3, tar@fmr=1e-4, tar@fmr=1e-5, tar@fmr=1e-6, auc, d_prime, genuine.mean, genuine.std, impostor.mean, impostor.std, faces, speed");
    insta::assert_snapshot!(line(&["--tolerate", "eer=0.1"]).trim_end(), @"error: `--tolerate` has no effect without `--fail-on-regression`: add that option, or leave out `--tolerate`");
}
