//! `facevault export`: a run in the formats of other tools.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::workspace::{Workspace, embeddings};

/// The files of a tar file by name, in order.
fn entries(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut tar = tar::Archive::new(File::open(path).unwrap());
    let read = |entry: std::io::Result<tar::Entry<'_, File>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    };
    tar.entries().unwrap().map(read).collect()
}

/// Fault (privacy): a run is exported without `--pictures` → no picture is in it, and the command says what the rest is
#[test]
fn a_web_dataset_has_each_row_with_its_identity_and_pictures_only_if_asked() {
    let workspace = Workspace::synthetic(4, 3, "");
    workspace.run(0, &["embed", "config.yaml", "-q"]);
    let run = workspace.only_run();
    let name = run.file_name().unwrap().to_str().unwrap().to_owned();
    let (text, _) = workspace.run(0, &["export", "small", "--to", "webdataset", "--shard", "5"]);
    assert!(text.starts_with(&format!("12 faces in 3 files: exports/{name}/webdataset")), "{text}");
    assert!(text.contains("personal data"), "{text}");
    let shard = |folder: &str, number: u32| workspace.path(format!("{folder}/{name}-{number:06}.tar"));
    let folder = format!("exports/{name}/webdataset");
    let all: Vec<_> = (0..3).flat_map(|number| entries(&shard(&folder, number))).collect();
    assert_eq!(all.len(), 24);
    let rows = embeddings(&run);
    for (place, sample) in all.chunks(2).enumerate() {
        let [(about_name, about), (npy_name, npy)] = sample else { panic!("{sample:?}") };
        assert_eq!([about_name, npy_name], [&format!("{place:09}.json"), &format!("{place:09}.npy")]);
        let about: Value = serde_json::from_slice(about).unwrap();
        assert_eq!((&about["run"], &about["row"]), (&json!(name), &json!(place)));
        assert!(about["face_id"].as_str().unwrap().starts_with(about["identity_id"].as_str().unwrap()), "{about}");
        let header = String::from_utf8_lossy(&npy[10..128]);
        assert!(header.contains("'shape': (512,), }"), "{header}");
        let numbers: Vec<f32> = npy[128..].as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
        assert_eq!(numbers, rows[place]);
    }

    // The same run gives the same bytes, and nothing is mixed with what is there.
    let (_, error) = workspace.run(2, &["export", "small", "--to", "webdataset"]);
    assert_eq!(error.trim_end(), format!("error: {folder} is not empty; remove it, or name another folder with --out"));
    workspace.run(0, &["export", "small", "--to", "webdataset", "--shard", "5", "--out", "again"]);
    assert_eq!(fs::read(shard("again", 1)).unwrap(), fs::read(shard(&folder, 1)).unwrap());

    let exported = workspace.json(0, &["export", "small", "--to", "webdataset", "--pictures", "--out", "seen"]);
    assert_eq!((&exported["faces"], &exported["without_picture"]), (&json!(12), &json!(0)));
    assert_eq!(exported["to"], "webdataset", "the option's word");
    let seen = entries(&shard("seen", 0));
    let pictures: Vec<_> =
        seen.iter().filter(|(name, _)| Path::new(name).extension().is_some_and(|ending| ending == "png")).collect();
    assert_eq!(pictures.len(), 12);
    assert!(pictures.iter().all(|(_, png)| png.starts_with(b"\x89PNG")));
}

/// Fault (runs): a run that is damaged, not embedded, or not evaluated is exported → refused with the remedy, and no folder
/// is made
#[test]
fn what_is_not_there_is_not_exported() {
    let workspace = Workspace::synthetic(3, 3, "");
    workspace.run(0, &["embed", "config.yaml", "-q"]);
    let (_, error) = workspace.run(1, &["export", "small", "--to", "mlflow"]);
    assert!(error.contains("is not evaluated yet; run `facevault evaluate"), "{error}");
    workspace.run(0, &["experiment", "config.yaml", "-q"]);
    let run = workspace.only_run();
    let matrix = run.join("face_embeddings.npy");
    let mut bytes = fs::read(&matrix).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&matrix, bytes).unwrap();
    let (_, error) = workspace.run(1, &["export", "small", "--to", "webdataset"]);
    assert!(error.contains("is damaged: face_embeddings.npy"), "{error}");
    assert!(!workspace.path("exports").exists() && !workspace.path("mlruns").exists());
    for (to, package) in [("faiss", "faiss-cpu"), ("lance", "pylance")] {
        let (_, error) = workspace.run(2, &["export", "small", "--to", to]);
        for wanted in
            [&format!("`pip install ./facevault_bench-*.whl {package}`"), "then `python -m facevault_bench.export"]
        {
            assert!(error.contains(wanted), "{error}");
        }
    }
    let (_, error) = workspace.run(2, &["export", "small", "--to", "milvus"]);
    assert!(error.contains("invalid value 'milvus'"), "{error}");
}

/// All files below a folder and what is in them.
fn texts(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        if entry.is_dir() {
            found.extend(texts(&entry).into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
        } else {
            found.insert(name, fs::read_to_string(&entry).unwrap());
        }
    }
    found
}

#[test]
fn mlflow_finds_parameters_metrics_with_their_intervals_and_the_report() {
    let workspace = Workspace::synthetic(12, 3, "");
    workspace.run(0, &["experiment", "config.yaml", "-q"]);
    workspace.run(0, &["experiment", "config.yaml", "-q", "--set", "seed=7"]);
    let names = workspace.json(0, &["runs", "--where", "seed=0"]);
    let name = names[0]["run"].as_str().unwrap();
    let exported = workspace.json(0, &["export", name, "--to", "mlflow"]);
    let folder = Path::new(exported["folder"].as_str().unwrap());
    let files = texts(folder);
    for listed in exported["files"].as_array().unwrap() {
        assert!(files.contains_key(listed.as_str().unwrap()), "{listed}");
    }
    assert_eq!(files["params/model.precision"], "f32");
    assert_eq!(files["params/seed"], "0");
    assert_eq!(files["tags/mlflow.runName"], name);
    let metrics: Value = serde_json::from_str(&files["artifacts/metrics.json"]).unwrap();
    let value = |key: &str| {
        let file = files.get(&format!("metrics/{key}")).unwrap_or_else(|| panic!("{key} of {:?}", files.keys()));
        let words: Vec<&str> = file.split_whitespace().collect();
        let [time, value, "0"] = words[..] else { panic!("{words:?}") };
        assert_eq!(time.len(), 13, "milliseconds");
        value.parse::<f64>().unwrap()
    };
    for (key, of) in [("auc", "point"), ("auc.lower", "lower"), ("auc.upper", "upper")] {
        assert_eq!(Some(value(key)), metrics["auc"][of].as_f64(), "{key}");
    }
    assert!(value("tar_fmr_1e-1") >= 0.0 && value("faces_per_second") > 0.0 && value("faces.embedded") == 36.0);
    // 594 impostor pairs cannot resolve one in 1,000.
    assert!(!files.contains_key("metrics/tar_fmr_1e-3") && !files.contains_key("metrics/fmr1000"));
    assert!(files["artifacts/report.html"].contains(" – FaceVault</title>"));
    assert!(files["meta.yaml"].contains("status: 3\n"), "{}", files["meta.yaml"]);

    // Another run of the config is in the same experiment; the same run is not there twice.
    let other = workspace.json(0, &["runs", "--where", "seed=7"])[0]["run"].as_str().unwrap().to_owned();
    let second = workspace.json(0, &["export", &other, "--to", "mlflow"]);
    assert_eq!(folder.parent(), Path::new(second["folder"].as_str().unwrap()).parent());
    let (_, error) = workspace.run(2, &["export", name, "--to", "mlflow"]);
    assert!(error.contains("is in this store already; remove "), "{error}");
    // As MLflow itself names an experiment.
    fs::create_dir_all(workspace.path("theirs/42")).unwrap();
    fs::write(workspace.path("theirs/42/meta.yaml"), "experiment_id: '42'\nlifecycle_stage: active\nname: small\n")
        .unwrap();
    let there = workspace.json(0, &["export", name, "--to", "mlflow", "--out", "theirs"]);
    assert!(there["folder"].as_str().unwrap().contains("/theirs/42/"), "{there}");
}

#[test]
fn what_was_exported_is_said_so_that_it_can_be_used() {
    let workspace = Workspace::synthetic(4, 3, "");
    workspace.run(0, &["experiment", "config.yaml", "-q"]);
    let (text, _) = workspace.run(0, &["export", "small", "--to", "webdataset"]);
    assert!(text.starts_with("12 faces in 1 file: "), "{text}");
    let (text, _) = workspace.run(0, &["export", "small", "--to", "mlflow", "--out", "my runs"]);
    let store = workspace.path("my runs").canonicalize().unwrap();
    let hint = format!("mlflow ui --backend-store-uri '{}'\n", store.display());
    assert!(text.contains(&hint), "{text}");
    workspace.run(
        0,
        &[
            "embed",
            "config.yaml",
            "-q",
            "--set",
            "name=one",
            "--set",
            "dataset={source: synthetic, seed: 5, identities: 1, samples: 1, size: 96}",
        ],
    );
    let (text, _) = workspace.run(0, &["export", "one", "--to", "webdataset"]);
    assert!(text.starts_with("1 face in 1 file: "), "{text}");
}

/// In a run every file counts, so that nothing else is written there.
#[test]
fn no_export_is_written_into_a_run() {
    let workspace = Workspace::synthetic(2, 3, "");
    workspace.run(0, &["embed", "config.yaml", "-q"]);
    let run = workspace.only_run();
    for out in [run.clone(), run.join("tars")] {
        let (_, stderr) = workspace.run(2, &["export", "small", "--to", "webdataset", "--out", out.to_str().unwrap()]);
        assert!(stderr.contains("is inside the run"), "{stderr}");
        assert!(!run.join("tars").exists());
    }
}

/// Fault (processes): an export is stopped with Ctrl-C → the tar files that it has written are removed, so that the same command
/// starts it again
#[cfg(unix)]
#[test]
fn an_export_that_is_stopped_leaves_nothing() {
    let workspace = Workspace::synthetic(40, 20, "embed: {device: cpu, batch_size: 40, chunk_size: 400}");
    workspace.run(0, &["embed", "config.yaml", "-q"]);
    // Pictures take a while, each.
    let arguments = ["export", "small", "--to", "webdataset", "--out", "out", "--shard", "2", "--pictures"];
    let mut command = workspace.command(&arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let written = || fs::read_dir(workspace.path("out")).map_or(0, Iterator::count);
    let deadline = Instant::now() + Duration::from_mins(1);
    while written() < 4 {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "it ended with {} files", written());
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{error}");
    assert!(error.ends_with("interrupted; nothing of it is left; run the same command again\n"), "{error}");
    assert!(!workspace.path("out").exists());
}
