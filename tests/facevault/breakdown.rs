//! Which faces fail: measured while embedding, so that it can be said when the pictures are gone.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use facevault::dataset::synthetic;
use polars::prelude::{ParquetReader, SerReader};
use serde_json::Value;

use crate::support::workspace::Workspace;

const PEOPLE: u32 = 12;
const PICTURES: u32 = 6;

/// Phase-1 faces of 12 people; those of the night camera are dark.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("crops")).unwrap();
    let mut csv = String::from("face_id,image_id,identity_id,detector_score,crop_path,camera,note,age\n");
    for (person, picture) in (0..PEOPLE).flat_map(|person| (0..PICTURES).map(move |picture| (person, picture))) {
        let mut face = synthetic::render(5, person, picture, 96 + picture);
        let night = picture % 3 == 0;
        if night {
            face.iter_mut().for_each(|level| *level /= 4);
        }
        let name = format!("{person:02}-{picture}");
        face.save(workspace.path(format!("crops/{name}.png"))).unwrap();
        let (camera, age) = (if night { "night" } else { "day" }, 18 + person * 3);
        let score = 0.9 + f64::from(picture) / 100.0;
        writeln!(csv, "{name},{name}.jpg,n{person},{score},crops/{name}.png,{camera},remark {name},{age}").unwrap();
    }
    fs::write(workspace.path("face_metadata.csv"), csv).unwrap();
    workspace.config("dataset: {source: phase1, csv: face_metadata.csv}");
    workspace
}

fn breakdown(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("breakdown.json")).unwrap()).unwrap()
}

fn n(slice: &Value, rate: &str) -> u64 {
    slice[rate]["n"].as_u64().unwrap()
}

#[test]
fn an_experiment_says_which_faces_fail() {
    let workspace = workspace();
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    let table = ParquetReader::new(fs::File::open(run.join("face_quality.parquet")).unwrap()).finish().unwrap();
    let ids: Vec<_> = table.column("face_id").unwrap().str().unwrap().iter().map(Option::unwrap).collect();
    let index = fs::read_to_string(run.join("face_embedding_index.csv")).unwrap();
    assert!(index.lines().skip(1).eq(ids.iter().copied()));
    let sizes = table.column("size").unwrap().u32().unwrap();
    assert!(sizes.iter().zip(&ids).all(|(size, id)| size == id[3..].parse::<u32>().ok().map(|picture| 96 + picture)));
    let exposure: Vec<f32> = table.column("exposure").unwrap().f32().unwrap().iter().flatten().collect();
    let mean = |night: bool| {
        let of_kind = exposure.chunks(PICTURES as usize).flat_map(|person| person.iter().enumerate());
        let levels: Vec<f32> = of_kind.filter(|(i, _)| (i % 3 == 0) == night).map(|(_, level)| *level).collect();
        levels.iter().sum::<f32>() / levels.len() as f32
    };
    assert!(mean(true) * 3.5 < mean(false) && mean(false) < mean(true) * 4.5, "{} {}", mean(true), mean(false));

    let found = breakdown(&run);
    let metrics: Value = serde_json::from_slice(&fs::read(run.join("metrics.json")).unwrap()).unwrap();
    let pairs = |kind: &str| metrics["pairs"][kind].as_u64().unwrap();
    let all = &found["all"];
    assert_eq!((n(all, "fnmr"), n(all, "fmr")), (2 * pairs("genuine"), 2 * pairs("impostor")));
    let columns: BTreeMap<&str, &Vec<Value>> = found["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| (column["column"].as_str().unwrap(), column["slices"].as_array().unwrap()))
        .collect();
    let expected = ["contrast", "detector score", "exposure", "meta.age", "meta.camera", "sharpness", "size"];
    assert!(columns.keys().eq(&expected), "{:?}", columns.keys());
    for (column, slices) in &columns {
        let sum = |rate: &str| slices.iter().map(|slice| n(slice, rate)).sum::<u64>();
        assert_eq!((sum("fnmr"), sum("fmr")), (n(all, "fnmr"), n(all, "fmr")), "{column}");
    }
    let names: Vec<&str> = columns["meta.camera"].iter().map(|slice| slice["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["day", "night"]);
    assert_eq!(found["left_out"][0]["column"], "meta.note");
    assert_eq!(found["discard"]["pairs"], pairs("genuine"));
    let report = fs::read_to_string(workspace.path("reports").join(run.file_name().unwrap()).with_extension("html"));
    assert!(report.unwrap().contains("72 different texts are neither few nor numbers"));
}

#[test]
fn measured_once_it_is_known_when_the_pictures_are_gone_and_the_same_after_a_resume() {
    let workspace = workspace();
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    let bytes = || ["face_quality.parquet", "breakdown.json"].map(|name| fs::read(run.join(name)).unwrap());
    let undisturbed = bytes();
    // As after a kill in the middle: some chunks, no hand-over files, no numbers.
    for name in ["chunks/00002.json", "chunks/00003.npy", "face_metadata.csv", "metrics.json", "SEALED"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    for name in ["face_quality.parquet", "breakdown.json"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    workspace.run(0, &["experiment", "config.yaml"]);
    assert!(bytes() == undisturbed, "resumed");
    fs::remove_dir_all(workspace.path("crops")).unwrap();
    for name in ["metrics.json", "breakdown.json", "SEALED"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    workspace.run(0, &["evaluate", "small"]);
    assert!(bytes() == undisturbed, "without the pictures");
    workspace.run(0, &["verify", "small"]);
}

/// Fault (runs): columns of the dataset that no embedding depends on have changed since the run was evaluated → the same run,
/// evaluated again, has the results of a new one
#[test]
fn an_experiment_follows_changed_columns() {
    let workspace = workspace();
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    let table = fs::read_to_string(workspace.path("face_metadata.csv")).unwrap();
    fs::write(workspace.path("face_metadata.csv"), table.replace("night,", "dusk,").replace(",0.91,", ",0.25,"))
        .unwrap();
    let (_, stderr) = workspace.run(0, &["experiment", "config.yaml"]);
    assert!(stderr.contains("the columns of the dataset have changed"), "{stderr}");
    assert_eq!(workspace.only_run(), run, "its embeddings are the same");
    workspace.run(0, &["verify", run.to_str().unwrap()]);
    workspace.run(0, &["experiment", "config.yaml", "--experiments", "new"]);
    let new = workspace.path("new").join(run.file_name().unwrap());
    for name in ["manifest.parquet", "face_metadata.csv", "breakdown.json", "metrics.json", "embeddings.parquet"] {
        assert!(fs::read(run.join(name)).unwrap() == fs::read(new.join(name)).unwrap(), "{name} differs");
    }
    assert!(fs::read_to_string(run.join("breakdown.json")).unwrap().contains("\"dusk\""));
    let (_, stderr) = workspace.run(0, &["experiment", "config.yaml"]);
    assert!(stderr.contains("already complete"), "{stderr}");
}
