//! Runs of more faces, or of fewer, take the rows that other runs have: what is embedded, and that the bytes are those of a
//! run that embeds everything.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::schemas;
use crate::support::workspace::Workspace;

/// People with two grey pictures each, and a run of them.
fn workspace(people: &[&str]) -> Workspace {
    let workspace = Workspace::new();
    for person in people {
        add(&workspace, person);
    }
    workspace.config("dataset: {source: folders, root: faces}");
    workspace
}

fn add(workspace: &Workspace, person: &str) {
    fs::create_dir_all(workspace.path(format!("faces/{person}"))).unwrap();
    (0..2).for_each(|picture| draw(workspace, person, picture, 1));
}

fn draw(workspace: &Workspace, person: &str, picture: usize, seed: usize) {
    let value = |p: usize| ((p * 7 * (seed + picture) + usize::from(person.as_bytes()[0])) % 256).to_string();
    let pixels: Vec<_> = (0..64 * 64).map(value).collect();
    let path = workspace.path(format!("faces/{person}/{picture}.pgm"));
    fs::write(path, format!("P2 64 64 255\n{}", pixels.join(" "))).unwrap();
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Runs the experiment; gives its directory and standard error.
#[track_caller]
fn experiment(workspace: &Workspace, more: &[&str]) -> (PathBuf, String) {
    let (stdout, stderr) = workspace.run(0, &[&["experiment", "config.yaml"], more].concat());
    let run = stdout.lines().find_map(|line| line.strip_prefix("run ")).unwrap().trim();
    (workspace.path(run), stderr)
}

fn name(run: &Path) -> String {
    run.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Faces that the sessions of a run embedded, and the rows it took from others.
fn counts(run: &Path) -> (u64, BTreeMap<String, u64>) {
    let provenance = json(&run.join("provenance.json"));
    let embedded =
        provenance["sessions"].as_array().unwrap().iter().map(|session| session["embedded"].as_u64().unwrap());
    let reused = provenance.get("reused").and_then(Value::as_array).into_iter().flatten();
    let reused = reused.map(|of| (of["run"].as_str().unwrap().to_owned(), of["rows"].as_u64().unwrap()));
    (embedded.sum(), reused.collect())
}

/// Every file of a run but where it comes from; of sidecars, what is not about times.
fn results(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in ["", "chunks"] {
        for entry in fs::read_dir(run.join(folder)).unwrap().map(Result::unwrap) {
            let file = entry.file_name().into_string().unwrap();
            if entry.path().is_dir() || file.starts_with('.') || ["provenance.json", "SEALED"].contains(&&*file) {
                continue;
            }
            let mut bytes = fs::read(entry.path()).unwrap();
            if entry.path().extension().is_some_and(|ending| ending == "json") && folder == "chunks" {
                let mut sidecar: Value = serde_json::from_slice(&bytes).unwrap();
                let sidecar = sidecar.as_object_mut().unwrap();
                for key in ["timings", "reused", "sidecar_sha256"] {
                    sidecar.remove(key);
                }
                bytes = serde_json::to_vec(sidecar).unwrap();
            }
            files.insert(format!("{folder}/{file}"), bytes);
        }
    }
    files
}

/// Asserts that a run has the bytes of one that embeds everything, and is sound.
#[track_caller]
fn as_if_embedded(workspace: &Workspace, run: &Path, more: &[&str]) {
    let (whole, stderr) = experiment(workspace, &[&["--no-reuse", "--experiments", "alone"], more].concat());
    assert!(!stderr.contains("reusing"), "{stderr}");
    assert_eq!((name(&whole), counts(&whole).1), (name(run), BTreeMap::new()));
    let (ours, theirs) = (results(run), results(&whole));
    assert!(ours.len() > 15 && ours.keys().eq(theirs.keys()), "{:?}\n{:?}", ours.keys(), theirs.keys());
    for (file, bytes) in ours {
        assert!(bytes == theirs[&file], "{file} differs");
    }
    workspace.run(0, &["verify", &name(run)]);
}

#[test]
fn only_new_faces_are_embedded() {
    let workspace = workspace(&["bob", "eve", "kim"]);
    let (before, _) = experiment(&workspace, &[]);
    // One before all others, one between them: no row stays where it was, nor in the chunk of its neighbours.
    add(&workspace, "ada");
    add(&workspace, "fay");
    let (stdout, _) = workspace.run(0, &["check", "config.yaml"]);
    let line = format!("6 of 10 embeddings from {}; 4 to embed", name(&before));
    assert!(stdout.contains(&line), "{stdout}");
    let checked = workspace.json(0, &["check", "config.yaml"]);
    assert_eq!(checked["reused"], serde_json::json!([{"run": name(&before), "rows": 6}]));

    let (run, stderr) = experiment(&workspace, &[]);
    assert!(stderr.contains(&format!("reusing {line}")), "{stderr}");
    assert_eq!(counts(&run), (4, [(name(&before), 6)].into()));
    let sidecars = (0..2).map(|chunk| json(&run.join(format!("chunks/0000{chunk}.json"))));
    let taken: u64 = sidecars.map(|sidecar| sidecar["reused"][&name(&before)].as_u64().unwrap()).sum();
    assert_eq!(taken, 6);
    as_if_embedded(&workspace, &run, &[]);

    let done = workspace.json(0, &["experiment", "config.yaml"]);
    schemas::printed("experiment", &done);
    assert_eq!(done["reused"], checked["reused"]);
    let page = fs::read_to_string(workspace.path(format!("reports/{}.html", name(&run)))).unwrap();
    assert!(page.contains(&format!("6 embeddings were taken from {}", name(&before))));
    assert!(page.contains("4 faces were embedded in"), "the speed is that of what was embedded");
}

#[test]
fn nothing_is_embedded_when_faces_go_or_get_other_names() {
    let workspace = workspace(&["ada", "bob", "eve", "kim"]);
    let (before, _) = experiment(&workspace, &[]);
    fs::remove_dir_all(workspace.path("faces/bob")).unwrap();
    // Another order, another label.
    fs::rename(workspace.path("faces/kim"), workspace.path("faces/abe")).unwrap();
    let sizes = ["--set", "embed.chunk_size=4", "--set", "embed.batch_size=1"];
    let (run, stderr) = experiment(&workspace, &sizes);
    assert!(stderr.contains("reusing 6 of 6 embeddings") && stderr.contains("; 0 to embed"), "{stderr}");
    assert_eq!(counts(&run), (0, [(name(&before), 6)].into()));
    as_if_embedded(&workspace, &run, &sizes);
    // Who embedded what it compares is known.
    workspace.run(0, &["compare", &name(&before), &name(&run)]);
}

#[test]
fn what_differs_in_anything_else_is_embedded() {
    let workspace = workspace(&["ada", "bob"]);
    experiment(&workspace, &[]);
    add(&workspace, "eve");
    for (i, sets) in [
        &["preprocess.mirror=sum"][..],
        &["preprocess.channels=bgr"],
        &["preprocess.resize.size=112"],
        &["embed.precision=bf16"],
        &["embed.kernels=candle"],
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("name=other{i}");
        let sets: Vec<_> = sets.iter().chain([&*name].iter()).flat_map(|set| ["--set", *set]).collect();
        let (run, stderr) = experiment(&workspace, &sets);
        assert!(!stderr.contains("reus"), "{stderr}");
        assert_eq!(counts(&run), (6, BTreeMap::new()), "{sets:?}");
    }
    // int8: the ranges of the layers come from all faces.
    fs::remove_dir_all(workspace.path("faces/eve")).unwrap();
    experiment(&workspace, &["--set", "embed.precision=int8"]);
    add(&workspace, "eve");
    let (run, stderr) = experiment(&workspace, &["--set", "embed.precision=int8"]);
    assert_eq!(counts(&run), (6, BTreeMap::new()));
    assert!(!stderr.contains("reusing"), "{stderr}");
}

#[test]
fn a_picture_that_changed_in_place_is_embedded_again() {
    let workspace = workspace(&["ada", "bob", "eve"]);
    let (before, _) = experiment(&workspace, &[]);
    draw(&workspace, "bob", 1, 5);
    let (run, stderr) = experiment(&workspace, &[]);
    assert!(stderr.contains("reusing 5 of 6 embeddings") && stderr.contains("; 1 to embed"), "{stderr}");
    assert_eq!(counts(&run), (1, [(name(&before), 5)].into()));
    as_if_embedded(&workspace, &run, &[]);
}

#[test]
fn another_box_is_another_row() {
    let workspace = workspace(&["ada", "bob"]);
    let boxes = |first: u32| {
        let rows = ["ada/0", "ada/1", "bob/0", "bob/1"].iter().enumerate();
        let rows = rows.map(|(i, face)| format!("{face}.pgm,{},8,50,50\n", if i == 0 { first } else { 8 }));
        fs::write(workspace.path("boxes.csv"), format!("path,x,y,w,h\n{}", rows.collect::<String>())).unwrap();
    };
    workspace.config("dataset: {source: folders, root: faces, boxes: boxes.csv}");
    boxes(8);
    let crop = ["--set", "preprocess.profile=facenet-pytorch"];
    experiment(&workspace, &crop);
    boxes(9);
    let (run, stderr) = experiment(&workspace, &crop);
    assert!(stderr.contains("reusing 3 of 4 embeddings"), "{stderr}");
    as_if_embedded(&workspace, &run, &crop);
}

/// Fault (runs): a byte of a chunk, a sidecar or the manifest of a run whose embeddings could be reused has changed → it
/// gives nothing, a warning names it, and every face is embedded
#[test]
fn a_damaged_donor_gives_nothing() {
    for (file, said) in [
        ("chunks/00001.npy", "its chunk 00001: its matrix does not match the digest in its sidecar"),
        ("chunks/00000.json", "its chunks/00000.json has changed since the run was sealed"),
        ("manifest.parquet", "its digest does not match"),
        ("provenance.json", "provenance.json"),
    ] {
        let workspace = workspace(&["ada", "bob", "eve"]);
        let (before, _) = experiment(&workspace, &[]);
        let mut bytes = fs::read(before.join(file)).unwrap();
        let at =
            if file.ends_with("json") { bytes.iter().position(|byte| *byte == b':').unwrap() } else { bytes.len() / 2 };
        bytes[at] ^= 1;
        fs::write(before.join(file), bytes).unwrap();
        add(&workspace, "kim");
        let (run, stderr) = experiment(&workspace, &["--quiet"]);
        let warned = format!("cannot reuse the embeddings of {}: ", name(&before));
        assert!(stderr.contains(&warned) && stderr.contains(said), "{file}: {stderr}");
        assert_eq!(counts(&run), (8, BTreeMap::new()), "{file}");
    }
}

/// Fault (runs): an interrupted run has embeddings of the same faces → what it has committed is reused
#[test]
fn an_unfinished_run_gives_what_it_has() {
    let workspace = workspace(&["ada", "bob", "eve"]);
    let (before, _) = experiment(&workspace, &[]);
    for file in ["SEALED", "face_metadata.csv", "metrics.json", "chunks/00001.json"] {
        fs::remove_file(before.join(file)).unwrap();
    }
    add(&workspace, "kim");
    let (run, stderr) = experiment(&workspace, &[]);
    assert!(stderr.contains("reusing 5 of 8 embeddings"), "{stderr}");
    assert_eq!(counts(&run), (3, [(name(&before), 5)].into()));
    as_if_embedded(&workspace, &run, &[]);
}

#[test]
fn several_runs_give_what_each_has() {
    let workspace = workspace(&["ada", "bob", "eve"]);
    let (first, _) = experiment(&workspace, &[]);
    fs::remove_dir_all(workspace.path("faces/ada")).unwrap();
    fs::remove_dir_all(workspace.path("faces/bob")).unwrap();
    add(&workspace, "kim");
    let (second, _) = experiment(&workspace, &["--set", "name=second", "--no-reuse"]);
    assert_eq!(counts(&second), (4, BTreeMap::new()));
    for person in ["ada", "bob", "zoe"] {
        add(&workspace, person);
    }
    let (run, stderr) = experiment(&workspace, &[]);
    let said = format!("reusing 8 of 10 embeddings: 6 from {}, 2 from {}; 2 to embed", name(&first), name(&second));
    assert!(stderr.contains(&said), "{stderr}");
    assert_eq!(counts(&run), (2, [(name(&first), 6), (name(&second), 2)].into()));
    as_if_embedded(&workspace, &run, &[]);

    // What was taken is given on, and its sessions with it.
    fs::remove_dir_all(&first).unwrap();
    fs::remove_dir_all(workspace.path("faces/eve")).unwrap();
    let (last, _) = experiment(&workspace, &[]);
    assert_eq!(counts(&last), (0, [(name(&run), 8)].into()));
    let sessions = json(&last.join("provenance.json"))["reused"][0]["sessions"].as_array().unwrap().len();
    assert_eq!(sessions, 3, "of the runs that embedded its faces");
}

#[test]
fn failures_are_tried_again() {
    let workspace = workspace(&["ada", "bob", "eve"]);
    fs::write(workspace.path("faces/bob/1.pgm"), "no picture").unwrap();
    experiment(&workspace, &[]);
    add(&workspace, "kim");
    let (run, stderr) = experiment(&workspace, &[]);
    assert!(stderr.contains("reusing 5 of 8 embeddings") && stderr.contains("; 3 to embed"), "{stderr}");
    assert_eq!(counts(&run).0, 2);
    as_if_embedded(&workspace, &run, &[]);
}

/// Fault (processes): killed while it takes embeddings from another run → the next start takes the rest, and counts them
#[test]
fn taking_rows_goes_on_where_it_was_killed() {
    let workspace = workspace(&["ada", "bob", "eve", "kim"]);
    let (before, _) = experiment(&workspace, &[]);
    add(&workspace, "zoe");
    let (run, _) = experiment(&workspace, &[]);
    let whole = results(&run);
    // As if killed: a chunk without its sidecar, and nothing that comes after.
    for file in ["SEALED", "face_metadata.csv", "metrics.json", "chunks/00000.json"] {
        fs::remove_file(run.join(file)).unwrap();
    }
    let (again, stderr) = experiment(&workspace, &[]);
    assert_eq!(again, run);
    assert!(stderr.contains("reusing 5 of 10 embeddings") && stderr.contains("; 0 to embed"), "{stderr}");
    assert_eq!(counts(&run).1, [(name(&before), 8)].into());
    assert!(results(&run) == whole);

    // Without its donor, the rest is embedded, and the counts are those of what is left.
    for file in ["SEALED", "face_metadata.csv", "metrics.json", "chunks/00000.json"] {
        fs::remove_file(run.join(file)).unwrap();
    }
    fs::remove_dir_all(&before).unwrap();
    experiment(&workspace, &[]);
    assert_eq!(counts(&run).1, [(name(&before), 3)].into());
    assert!(results(&run) == whole);
}

/// Fault (privacy): a face was removed from a run whose other embeddings are reused → the removed one is not taken from
/// it; what is left of the run is
#[test]
fn a_forgotten_face_does_not_come_back_from_the_run_that_forgot_it() {
    let workspace = workspace(&["ada", "bob", "eve"]);
    let (before, _) = experiment(&workspace, &[]);
    workspace.run(0, &["forget", &name(&before), "--identity", "bob"]);
    // The dataset still has the person: they are embedded from their pictures, as the guide says.
    add(&workspace, "kim");
    let (run, stderr) = experiment(&workspace, &[]);
    assert!(stderr.contains("reusing 4 of 8 embeddings") && stderr.contains("; 4 to embed"), "{stderr}");
    assert_eq!(counts(&run), (4, [(name(&before), 4)].into()));
    as_if_embedded(&workspace, &run, &[]);
    // And the other way round: a run with taken rows forgets as any other.
    workspace.run(0, &["forget", &name(&run), "--identity", "eve"]);
    workspace.run(0, &["verify", &name(&run)]);

    // While faces are being removed, nobody knows which.
    fs::write(before.join(".forgetting"), "{}").unwrap();
    fs::remove_dir_all(run).unwrap();
    add(&workspace, "zoe");
    let (run, stderr) = experiment(&workspace, &[]);
    assert!(stderr.contains(": faces are being removed from it"), "{stderr}");
    assert_eq!(counts(&run).0, 10);
}

#[test]
fn a_fresh_run_takes_nothing() {
    let workspace = workspace(&["ada", "bob"]);
    experiment(&workspace, &[]);
    add(&workspace, "eve");
    let (_, stderr) = workspace.run(0, &["embed", "config.yaml", "--no-reuse", "--experiments", "experiments"]);
    assert!(!stderr.contains("reusing"), "{stderr}");
    add(&workspace, "kim");
    let (run, _) = experiment(&workspace, &[]);
    assert_eq!(counts(&run).0, 2);
    let (_, stderr) = workspace.run(2, &["experiment", "config.yaml", "--fresh"]);
    assert!(stderr.contains(" has embeddings of small-"), "{stderr}");
}

#[test]
fn the_same_picture_twice_is_taken_twice() {
    let workspace = workspace(&["ada", "bob"]);
    experiment(&workspace, &[]);
    fs::create_dir(workspace.path("faces/ann")).unwrap();
    fs::copy(workspace.path("faces/ada/0.pgm"), workspace.path("faces/ann/0.pgm")).unwrap();
    let (run, stderr) = experiment(&workspace, &[]);
    assert!(stderr.contains("reusing 5 of 5 embeddings"), "{stderr}");
    as_if_embedded(&workspace, &run, &[]);
}

#[test]
fn the_same_pictures_in_another_layout_are_not_embedded_again() {
    let workspace = workspace(&["ada", "bob", "eve"]);
    let (nested, _) = experiment(&workspace, &[]);
    // One folder, the identity in the file name; and a pattern of the nested folders.
    for person in ["ada", "bob", "eve"] {
        for picture in 0..2 {
            fs::create_dir_all(workspace.path("flat")).unwrap();
            let from = workspace.path(format!("faces/{person}/{picture}.pgm"));
            fs::copy(from, workspace.path(format!("flat/{person}_{picture}.pgm"))).unwrap();
        }
    }
    let metrics = |run: &Path| json(&run.join("metrics.json"));
    let rows = |run: &Path| fs::read(run.join("face_embeddings.npy")).unwrap();
    for (name, dataset) in [
        ("by-name", "{source: files, root: flat, pattern: '{identity}_{n}.*'}"),
        ("by-folder", "{source: files, root: ., pattern: 'faces/{identity}/*'}"),
    ] {
        if name == "by-folder" {
            fs::remove_dir_all(workspace.path("flat")).unwrap();
            fs::write(workspace.path("faces/list.txt"), "").unwrap();
        }
        let sets = ["--set", &format!("dataset={dataset}"), "--set", &format!("name={name}")];
        let (run, stderr) = experiment(&workspace, &sets);
        assert!(stderr.contains("reusing 6 of 6 embeddings"), "{stderr}");
        assert!(rows(&run) == rows(&nested) && metrics(&run)["eer"] == metrics(&nested)["eer"]);
        workspace.run(0, &["verify", run.to_str().unwrap()]);
    }
    let table =
        "pic,celeb_id,age\nfaces/eve/1.pgm,E,4\nfaces/ada/0.pgm,A,5\nfaces/eve/0.pgm,E,6\nfaces/ada/gone.pgm,A,7\n";
    fs::write(workspace.path("labels.csv"), table).unwrap();
    let dataset = "dataset={source: files, root: ., table: labels.csv, file: pic, identity: celeb_id}";
    let (run, stderr) = experiment(&workspace, &["--set", dataset, "--set", "name=by-table"]);
    assert!(stderr.contains("reusing 3 of 4 embeddings"), "{stderr}");
    let index = fs::read_to_string(run.join("face_embedding_index.csv")).unwrap();
    assert_eq!(index.lines().skip(1).collect::<Vec<_>>(), ["faces/eve/1.pgm", "faces/ada/0.pgm", "faces/eve/0.pgm"]);

    let (_, stderr) = workspace
        .run(1, &["check", "config.yaml", "--set", "dataset={source: files, root: faces, pattern: '{identity}_{n}'}"]);
    assert!(stderr.contains("`ada/0.pgm` in ") && stderr.contains("6 of 6 pictures"), "{stderr}");
    for (dataset, said) in [
        ("{source: files, root: faces}", "`dataset` needs `pattern`, `list` or `table`"),
        ("{source: files, root: faces, pattern: '{who}/*'}", "it has no `{identity}`"),
        ("{source: files, root: faces, identity: x, pattern: '{identity}/*'}", "names a column of `dataset.table`"),
        ("{source: files, root: ., table: labels.csv, list: labels.csv}", "`dataset.list` is not used"),
    ] {
        let (_, stderr) = workspace.run(2, &["check", "config.yaml", "--set", &format!("dataset={dataset}")]);
        assert!(stderr.contains(said), "{stderr}");
    }
}

/// Fault (runs): `--reuse-from` names no run, a run whose rows are of other preprocessing, or the run itself → refused before
/// anything is read, or nothing is reused from it, and why
#[test]
fn rows_are_taken_from_the_run_that_is_named() {
    let workspace = workspace(&["a", "b"]);
    let (few, _) = experiment(&workspace, &[]);
    add(&workspace, "c");
    let (more, _) = experiment(&workspace, &["--no-reuse"]);
    let (other, _) = experiment(&workspace, &["--set", "preprocess.crop={mode: centre, fraction: 0.5}"]);
    add(&workspace, "d");
    // Without it, the run of most faces gives; with it, the named one alone.
    let (run, stderr) = experiment(&workspace, &["--reuse-from", &name(&few)]);
    assert_eq!(counts(&run), (4, [(name(&few), 4)].into()), "{stderr}");
    let bytes = fs::read(run.join("face_embeddings.npy")).unwrap();
    // The runs of another folder, of which the first does not fit.
    fs::create_dir(workspace.path("old")).unwrap();
    for run in [&more, &other] {
        fs::rename(run, workspace.path("old").join(name(run))).unwrap();
    }
    fs::remove_dir_all(&run).unwrap();
    let (run, stderr) = experiment(&workspace, &["--reuse-from", "old"]);
    assert_eq!(counts(&run), (2, [(name(&more), 6)].into()), "{stderr}");
    let said =
        format!("nothing is reused from {}: its rows are of other weights, preprocessing or precision", name(&other));
    assert!(stderr.contains(&said), "{stderr}");
    assert!(fs::read(run.join("face_embeddings.npy")).unwrap() == bytes);
    workspace.run(0, &["verify", run.to_str().unwrap()]);
    let (_, stderr) = workspace.run(2, &["embed", "config.yaml", "--reuse-from", "nobody"]);
    assert!(stderr.contains("nobody"), "{stderr}");
    let (_, stderr) = workspace.run(2, &["experiment", "config.yaml", "--reuse-from", "old", "--no-reuse"]);
    assert!(stderr.contains("cannot be used with"), "{stderr}");
}
