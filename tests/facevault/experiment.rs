//! The main job as a user runs it: one config in, a sealed run and a report out.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::support::workspace::Workspace;

/// Everything that a finished run directory holds.
const FILES: [&str; 24] = [
    "SEALED",
    "breakdown.json",
    "config.yaml",
    "curves.parquet",
    "embeddings.parquet",
    "face_embedding_index.csv",
    "face_embeddings.npy",
    "face_metadata.csv",
    "face_quality.parquet",
    "failures.csv",
    "histograms.parquet",
    "identities.parquet",
    "identity_centroids.npy",
    "identity_errors.parquet",
    "identity_ids.csv",
    "identity_ids.pkl",
    "identity_pairs.csv",
    "label_audit.csv",
    "manifest.parquet",
    "metrics.json",
    "pairs.parquet",
    "people.json",
    "plan.json",
    "provenance.json",
];

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

#[test]
fn a_config_becomes_a_sealed_run_and_a_report() {
    let workspace = Workspace::synthetic(5, 4, "");
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    assert_eq!(done["status"], "complete");
    assert_eq!(done["embedded"], 20);
    let run = workspace.only_run();
    assert_eq!(names(&run), FILES);

    // Rows are in input order, unit length, and the matrix is what numpy would have written.
    let index = fs::read_to_string(run.join("face_embedding_index.csv")).unwrap();
    let ids: Vec<_> = index.lines().collect();
    assert_eq!(ids.len(), 21);
    assert_eq!((ids[0], ids[1], ids[20]), ("face_id", "s5-i0000-000", "s5-i0004-003"));
    let npy = fs::read(run.join("face_embeddings.npy")).unwrap();
    let header = String::from_utf8_lossy(&npy[10..128]);
    assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (20, 512), }"), "{header}");
    let file = npyz::NpyFile::new(&npy[..]).unwrap();
    let values: Vec<f32> = file.into_vec().unwrap();
    for row in values.chunks(512) {
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!((norm - 1.0).abs() < 1e-5, "{norm}");
    }

    // The report stands beside it, complete and self-contained.
    let report = fs::read_to_string(done["report"].as_str().map(|path| workspace.path(path)).unwrap()).unwrap();
    assert!(report.contains("<svg") && report.trim_end().ends_with("</html>"));
    assert!(!report.contains("src=\"http") && !report.contains("href=\"http"));

    // Who fails, whose label to look at, and what a search names: in files and on the page.
    let people: serde_json::Value = serde_json::from_slice(&fs::read(run.join("people.json")).unwrap()).unwrap();
    assert_eq!((people["schema"].as_u64(), people["routing"]["gallery"].as_u64()), (Some(1), Some(5)));
    assert_eq!(people["routing"]["held_out"], 20);
    let audit = fs::read_to_string(run.join("label_audit.csv")).unwrap();
    assert!(
        audit.starts_with("rank,face_id,row,labelled_as,own_cosine,looks_like,its_cosine,margin,kind\n"),
        "{audit}"
    );
    let suspects = people["audit"]["another"].as_u64().unwrap() + people["audit"]["nobody"].as_u64().unwrap();
    assert_eq!(audit.lines().count() as u64, 1 + suspects);
    let pairs = fs::read_to_string(run.join("identity_pairs.csv")).unwrap();
    let header = "rank,identity_a,identity_b,faces_a,faces_b,mean_cosine,highest_cosine,face_a,face_b\n";
    assert!(pairs.starts_with(header), "{pairs}");
    assert_eq!(pairs.lines().count(), 1 + people["audit"]["one_person"].as_array().unwrap().len());
    for id in ["people", "labels", "routing"] {
        assert!(report.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
}

#[test]
fn starting_a_finished_experiment_again_changes_nothing_and_says_so() {
    let workspace = Workspace::synthetic(4, 3, "");
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    let seal = fs::read(run.join("SEALED")).unwrap();
    let (_, stderr) = workspace.run(0, &["experiment", "config.yaml"]);
    assert!(stderr.contains("nothing to do"), "{stderr}");
    assert_eq!(workspace.json(0, &["experiment", "config.yaml"])["status"], "already-complete");
    assert_eq!(fs::read(run.join("SEALED")).unwrap(), seal);
}

#[test]
fn what_cannot_change_a_number_changes_no_byte_of_the_result() {
    let reference = Workspace::synthetic(5, 5, "");
    reference.run(0, &["experiment", "config.yaml"]);
    let reference = reference.only_run();
    for set in ["embed.batch_size=7", "embed.chunk_size=3", "embed.threads=2"] {
        let other = Workspace::synthetic(5, 5, "");
        other.run(0, &["experiment", "config.yaml", "--set", set]);
        let other = other.only_run();
        assert_eq!(other.file_name(), reference.file_name(), "{set}");
        for file in [
            "face_embeddings.npy",
            "face_embedding_index.csv",
            "embeddings.parquet",
            "face_quality.parquet",
            "breakdown.json",
            "identity_errors.parquet",
            "identity_pairs.csv",
            "label_audit.csv",
            "metrics.json",
            "pairs.parquet",
            "people.json",
        ] {
            assert_eq!(fs::read(other.join(file)).unwrap(), fs::read(reference.join(file)).unwrap(), "{set}: {file}");
        }
    }
}

#[test]
fn what_can_change_a_number_is_another_run() {
    let workspace = Workspace::synthetic(3, 3, "");
    for set in ["seed=1", "dataset.samples=4", "preprocess.resize.filter=pillow-bicubic", "similarity.replicates=50"] {
        workspace.run(0, &["experiment", "config.yaml", "--set", set]);
    }
    let rows = workspace.json(0, &["runs"]);
    assert_eq!(rows.as_array().unwrap().len(), 4, "{rows}");
}

#[test]
fn an_unmet_expectation_is_exit_code_3_and_changing_it_does_not_embed_again() {
    let workspace = Workspace::synthetic(4, 3, "expect: {eer: {max: 0.0, source: nowhere}, genuine.mean: {min: -1}}");
    let failed = workspace.json(3, &["experiment", "config.yaml"]);
    assert_eq!(failed["expectations"][0]["metric"], "eer");
    assert_eq!(failed["expectations"][0]["met"], false);
    assert_eq!(failed["expectations"][1]["met"], true);
    let run = workspace.only_run();
    let npy = fs::metadata(run.join("face_embeddings.npy")).unwrap().modified().unwrap();

    let met = workspace.json(0, &["experiment", "config.yaml", "--set", "expect={eer: {max: 1.0}}"]);
    assert_eq!(met["expectations"][0]["met"], true);
    assert_eq!(workspace.only_run(), run, "an expectation does not change a number, so it is the same run");
    assert_eq!(fs::metadata(run.join("face_embeddings.npy")).unwrap().modified().unwrap(), npy);
    workspace.run(0, &["verify", "small"]);
}

#[test]
fn each_step_alone_gives_what_the_whole_gives() {
    let whole = Workspace::synthetic(4, 4, "");
    whole.run(0, &["experiment", "config.yaml"]);
    let steps = Workspace::synthetic(4, 4, "");
    steps.run(0, &["embed", "config.yaml"]);
    let (_, stderr) = steps.run(1, &["report", "small"]);
    assert!(stderr.contains("not evaluated yet; run `facevault evaluate small-"), "{stderr}");
    steps.run(0, &["evaluate", "small"]);
    steps.run(0, &["report", "small"]);
    for file in ["face_embeddings.npy", "metrics.json", "histograms.parquet", "identity_centroids.npy"] {
        let read = |run: &Path| fs::read(run.join(file)).unwrap();
        assert_eq!(read(&whole.only_run()), read(&steps.only_run()), "{file}");
    }
    steps.run(0, &["verify", "small"]);
}

#[test]
fn faces_without_identities_are_embedded_and_said_to_be_incomparable() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("faces")).unwrap();
    let mut csv = String::from("face_id,photo_id,photo_path,face_path,x,y,w,h,confidence\n");
    for i in 0..3 {
        let pixels: Vec<_> = (0..64).map(|p| ((p * 3 + i * 40) % 256).to_string()).collect();
        fs::write(workspace.path(format!("faces/{i}.pgm")), format!("P2 8 8 255\n{}", pixels.join(" "))).unwrap();
        writeln!(csv, "f{i},p{i}.jpg,photos/p{i}.jpg,faces/{i}.pgm,0,0,8,8,0.99").unwrap();
    }
    fs::write(workspace.path("face_metadata.csv"), csv).unwrap();
    workspace.config("dataset: {source: phase1, csv: face_metadata.csv}");
    let (stdout, _) = workspace.run(0, &["experiment", "config.yaml"]);
    assert!(stdout.contains("not evaluated: no face has an identity"), "{stdout}");
    let run = workspace.only_run();
    assert!(run.join("SEALED").is_file() && !run.join("metrics.json").exists());
    assert_eq!(fs::read_to_string(run.join("face_embedding_index.csv")).unwrap(), "face_id\nf0\nf1\nf2\n");
    workspace.run(0, &["verify", "small"]);
}

#[test]
fn the_demos_config_is_built_in() {
    let workspace = Workspace::empty();
    let name = |arguments: &[&str]| workspace.json(0, arguments)["run"].as_str().unwrap().to_owned();
    let built_in = name(&["embed", "demo", "--set", "dataset.identities=3"]);
    // A run of that name is found first, and a file of that name is the config.
    assert_eq!(name(&["embed", "demo"]), built_in);
    fs::write(workspace.path("demo"), include_str!("../../configs/demo.yaml").replace("seed: 0", "seed: 1")).unwrap();
    assert_ne!(name(&["embed", "demo", "--set", "dataset.identities=3"]), built_in);
    let stored = fs::read_to_string(workspace.path(format!("experiments/{built_in}/config.yaml"))).unwrap();
    assert_eq!(stored, include_str!("../../configs/demo.yaml"));

    let (_, missing) = workspace.run(2, &["experiment", "configs/demo.yaml"]);
    assert!(missing.contains("help: built in, without a file: `demo`"), "{missing}");
}
