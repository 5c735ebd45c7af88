//! `facevault ablate` as a user runs it, and embeddings that one run takes over from another.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::arithmetic::json;
use crate::schemas;
use crate::support::workspace::Workspace;

/// The demo's config, absolute.
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/ablation-demo.yaml");

/// The tests' network with an ablation of these steps.
fn workspace(steps: &str) -> Workspace {
    Workspace::synthetic(6, 4, &format!("ablation: {{steps: [{steps}]}}"))
}

/// The run of a name.
fn run(workspace: &Workspace, name: &str) -> PathBuf {
    let runs = fs::read_dir(workspace.path("experiments")).unwrap().map(|entry| entry.unwrap().path());
    let mut runs = runs.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{name}-")));
    runs.next().unwrap_or_else(|| panic!("no run {name}"))
}

fn twin(workspace: &Workspace) -> (PathBuf, String) {
    let sets = ["--set", "name=twin", "--set", "seed=9", "--set", "similarity.replicates=50"];
    let (_, stderr) = workspace.run(0, &[&["experiment", "config.yaml"], &sets[..]].concat());
    (run(workspace, "twin"), stderr)
}

fn provenance(run: &Path) -> Value {
    json(&run.join("provenance.json"))
}

#[test]
fn the_demo_says_what_each_choice_costs_and_a_second_start_computes_nothing() {
    let workspace = Workspace::empty();
    let small = ["--set", "dataset.identities=8", "--set", "dataset.samples=3", "--set", "similarity.replicates=50"];
    let line = [&["ablate", DEMO], &small[..]].concat();
    let found = workspace.json(0, &line);
    schemas::printed("ablate", &found);
    let variants = found["variants"].as_array().unwrap();
    assert_eq!((variants.len(), found["changes"].as_array().unwrap().len()), (6, 5));
    for change in found["changes"].as_array().unwrap() {
        let difference = &change["effect"]["difference"];
        let [lower, point, upper] = ["lower", "point", "upper"].map(|end| difference[end].as_f64().unwrap());
        assert!(lower <= point && point <= upper, "{change}");
    }
    assert_eq!(found["total"]["pairs"], serde_json::json!([[0, 5]]));
    let pages: Vec<_> = fs::read_dir(workspace.path("reports")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(pages.len(), 1);
    let page = fs::read(&pages[0]).unwrap();
    assert!(String::from_utf8_lossy(&page).contains("blue first, as OpenCV reads"));

    let seals = || {
        let runs = variants.iter().map(|variant| workspace.path("experiments").join(variant["run"].as_str().unwrap()));
        runs.map(|run| fs::metadata(run.join("SEALED")).unwrap().modified().unwrap()).collect::<Vec<_>>()
    };
    let before = seals();
    let (_, stderr) = workspace.run(0, &line);
    assert!(!stderr.contains("embedding:") && stderr.contains("[6/6] blue first"), "{stderr}");
    assert_eq!(seals(), before, "no run was touched");
    assert_eq!(fs::read(&pages[0]).unwrap(), page, "the same runs give the same page");
}

#[test]
fn what_differs_only_in_its_evaluation_takes_embeddings_over() {
    let workspace = Workspace::synthetic(6, 4, "");
    workspace.run(0, &["experiment", "config.yaml"]);
    let source = run(&workspace, "small");
    let (twin, stderr) = twin(&workspace);
    assert!(stderr.contains("reusing 24 of 24 embeddings from small-"), "{stderr}");
    let adopted = &provenance(&twin)["adopted_from"];
    assert_eq!(adopted["run"], source.file_name().unwrap().to_str().unwrap());
    assert_eq!(adopted["sessions"][0]["embedded"], 24);
    for file in
        ["face_embeddings.npy", "embeddings.parquet", "face_quality.parquet", "failures.csv", "manifest.parquet"]
    {
        assert!(fs::read(twin.join(file)).unwrap() == fs::read(source.join(file)).unwrap(), "{file}");
    }
    workspace.run(0, &["verify", "twin"]);
    workspace.run(0, &["verify", "small"]);
}

#[test]
fn a_run_that_is_not_as_it_was_sealed_gives_nothing() {
    let workspace = Workspace::synthetic(6, 4, "");
    workspace.run(0, &["experiment", "config.yaml"]);
    let source = run(&workspace, "small");
    let whole = fs::read(source.join("face_embeddings.npy")).unwrap();
    let chunk = source.join("chunks/00001.npy");
    let mut bytes = fs::read(&chunk).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&chunk, bytes).unwrap();
    let (twin, stderr) = twin(&workspace);
    assert!(stderr.contains("its chunks/00001.npy has changed since the run was sealed"), "{stderr}");
    assert!(provenance(&twin).get("adopted_from").is_none());
    assert!(fs::read(twin.join("face_embeddings.npy")).unwrap() == whole, "computed again, as it was");
}

#[test]
fn taking_over_goes_on_where_it_was_killed() {
    let workspace = Workspace::synthetic(6, 4, "");
    workspace.run(0, &["experiment", "config.yaml"]);
    let source = run(&workspace, "small");
    let (twin, _) = twin(&workspace);
    // As if killed: a chunk whose sidecar was not written yet, one that was not begun, and nothing that comes after.
    for file in ["chunks/00002.json", "chunks/00003.json", "chunks/00003.npy", "face_metadata.csv", "SEALED"] {
        fs::remove_file(twin.join(file)).unwrap();
    }
    let (_, stderr) = workspace.run(0, &["embed", "twin"]);
    assert!(
        stderr.contains("reusing 9 of 24 embeddings") || stderr.contains("reusing 10 of 24 embeddings"),
        "{stderr}"
    );
    let read = |run: &PathBuf| fs::read(run.join("face_embeddings.npy")).unwrap();
    assert!(read(&twin) == read(&source));
    assert_eq!(provenance(&twin)["adopted_from"]["run"], source.file_name().unwrap().to_str().unwrap());
}

#[test]
fn int8_takes_its_ranges_along() {
    let workspace = Workspace::synthetic(6, 4, "");
    workspace.run(0, &["experiment", "config.yaml", "--set", "embed.precision=int8"]);
    let source = run(&workspace, "small");
    workspace.run(0, &["experiment", "config.yaml", "--set", "embed.precision=int8", "--set", "name=again"]);
    let again = run(&workspace, "again");
    for file in ["calibration.json", "agreement.json", "face_embeddings.npy"] {
        assert!(fs::read(again.join(file)).unwrap() == fs::read(source.join(file)).unwrap(), "{file}");
    }
    workspace.run(0, &["verify", "again"]);
}

#[test]
fn a_step_that_cannot_be_had_here_is_told_and_the_others_are_measured() {
    let workspace = workspace(
        "{name: sum, set: {preprocess.mirror: sum}}, \
         {name: reference graph in int8, set: {embed.kernels: candle, embed.precision: int8}}, \
         {name: back, set: {embed.kernels: auto, embed.precision: f32, preprocess.mirror: none}}",
    );
    let found = workspace.json(0, &["ablate", "config.yaml"]);
    schemas::printed("ablate", &found);
    let variants = found["variants"].as_array().unwrap();
    assert!(
        variants[2]["err"].as_str().unwrap().contains("`embed.precision: int8` is not available"),
        "{}",
        variants[2]
    );
    // The last one is the config itself again: the same run, and the change spans the step that is missing.
    assert_eq!(variants[3]["run"], variants[0]["run"]);
    assert_eq!(found["total"]["effect"]["verdict"], "same");
    assert_eq!(found["changes"][2]["step"], "reference graph in int8 + back");

    let nothing = Workspace::synthetic(6, 4, "");
    let (_, stderr) = nothing.run(2, &["ablate", "config.yaml"]);
    assert!(stderr.contains("config.yaml has no `ablation` section"), "{stderr}");
    let (_, stderr) = nothing.run(
        1,
        &[
            "ablate",
            "config.yaml",
            "--set",
            "ablation={steps: [{name: a, set: {embed: {kernels: candle, precision: int8}}}]}",
        ],
    );
    assert!(stderr.contains("no step could be measured"), "{stderr}");
}

#[test]
fn a_wrong_key_in_a_step_is_told_before_anything_is_computed() {
    let workspace = workspace("{name: sum, set: {preprocess.miror: sum}}");
    let (_, stderr) = workspace.run(2, &["ablate", "config.yaml"]);
    assert!(
        stderr.contains("unknown key `miror` in `preprocess`") && stderr.contains("did you mean `mirror`?"),
        "{stderr}"
    );
    assert!(stderr.contains("in step `sum`, config.yaml:"), "{stderr}");
    assert!(!workspace.has_run());
}
