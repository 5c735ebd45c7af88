//! Datasets and weights from a fake Hub, through the binary: fetched once, then used offline.

use std::fs;

use facevault::digest::Digest;

use crate::support::fake_hub::{COMMIT, FakeHub};
use crate::support::formula;
use crate::support::workspace::{WIDTH, Workspace, write_weights};

const WEIGHTS: &str = "py-feat/facenet";
const DATASET: &str = "somebody/faces";
/// How the fake Hub stores it.
const STORED: &str = "datasets/somebody/faces";

fn picture(name: &str) -> Vec<u8> {
    [b"P6\n96 96\n255\n", &formula::picture(&format!("smooth-{name}"), 96)[..]].concat()
}

/// A Hub with weights and these pictures, and a config for both.
fn place(pictures: &[&'static str], folder: &str) -> (FakeHub, Workspace) {
    let (hub, workspace) = (FakeHub::new(), Workspace::empty());
    let file = workspace.path("weights");
    write_weights(&file, WIDTH);
    let weights = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    hub.put(WEIGHTS, "model.safetensors", &weights, true);
    for (i, path) in pictures.iter().enumerate() {
        hub.put(STORED, path, &picture(path), i == 0);
    }
    let (sha256, short) = (Digest::of(&weights), &COMMIT[..7]);
    let config = format!(
        "name: small\n\
         preprocess: {{profile: facevault-notebook, resize: {{size: 96}}}}\n\
         model: {{width: {WIDTH}}}\n\
         weights: {{source: hub, repo: {WEIGHTS}, revision: {COMMIT}, file: model.safetensors, sha256: {sha256}}}\n\
         dataset: {{source: hub-folders, repo: {DATASET}, revision: {short}, folder: {folder:?}}}\n\
         embed: {{device: cpu, batch_size: 4, chunk_size: 5, threads: 1}}\n\
         similarity: {{replicates: 100}}\n\
         report: {{pictures: true}}\n"
    );
    fs::write(workspace.path("config.yaml"), config).unwrap();
    (hub, workspace)
}

/// `check` downloads nothing, `fetch` everything; then the whole experiment runs offline. Returns face ids and identities
/// in the order of `face_metadata.csv`, and the requests to the Hub.
fn fetched_once(hub: &FakeHub, workspace: &Workspace) -> (Vec<(String, String)>, Vec<String>) {
    let (said, _) = workspace.online(hub, 0, "check");
    assert!(said.contains(DATASET) && said.contains(WEIGHTS), "{said}");
    assert_eq!(hub.log(), [""; 0], "check downloads nothing");
    assert!(!workspace.path("hub").exists());

    workspace.online(hub, 0, "fetch");
    let asked = hub.log();
    for verb in ["embed", "experiment"] {
        workspace.run(0, &[verb, "config.yaml"]);
    }
    workspace.online(hub, 0, "experiment");
    assert_eq!(hub.log(), [""; 0], "what is cached is not asked for again");

    let run = workspace.only_run();
    let mut reader = csv::Reader::from_path(run.join("face_metadata.csv")).unwrap();
    assert_eq!(reader.headers().unwrap().iter().take(3).collect::<Vec<_>>(), ["face_id", "image_id", "identity_id"]);
    let rows = reader.records().map(|row| row.map(|row| (row[0].to_owned(), row[2].to_owned())).unwrap()).collect();
    let name = run.file_name().unwrap().to_str().unwrap().to_owned();
    let report = fs::read_to_string(workspace.path("reports").join(format!("{name}.html"))).unwrap();
    assert!(report.contains("<img src=\"data:image&#x2f;png;base64,"), "pictures come from the Hub's cache");
    (rows, asked)
}

fn owned(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn an_image_folder_has_the_order_of_its_table() {
    let pictures = [
        "train/images/000/Ann_0001.ppm",
        "train/images/000/Ann_0002.ppm",
        "train/images/001/Bob_0001.ppm",
        "train/images/001/Bob_0002.ppm",
        "train/images/001/unnamed.ppm",
        "test/images/000/Ann_0003.ppm",
    ];
    let (hub, workspace) = place(&pictures, "train");
    // As in marcelohaps/lfw, by its dataset card.
    let table = "file_name,label,label_name,identity,image_num,source_filename\n\
                 images/001/Bob_0002.ppm,1,Bob,Bob,2,Bob_0002.ppm\n\
                 images/000/Ann_0001.ppm,0,Ann,Ann,1,Ann_0001.ppm\n\
                 images/001/Bob_0001.ppm,1,Bob,Bob,1,Bob_0001.ppm\n\
                 images/000/Ann_0002.ppm,0,Ann,Ann,2,Ann_0002.ppm\n";
    hub.put(STORED, "train/metadata.csv", table.as_bytes(), false);
    let (rows, asked) = fetched_once(&hub, &workspace);
    let expected = [
        ("images/001/Bob_0002.ppm", "Bob"),
        ("images/000/Ann_0001.ppm", "Ann"),
        ("images/001/Bob_0001.ppm", "Bob"),
        ("images/000/Ann_0002.ppm", "Ann"),
    ];
    assert_eq!(rows, owned(&expected));
    assert!(asked.iter().any(|line| line.contains("Ann_0002")), "{asked:?}");
    assert!(!asked.iter().any(|line| line.contains("unnamed") || line.contains("Ann_0003")), "{asked:?}");
}

#[test]
fn identity_folders_have_the_order_of_their_paths() {
    let pictures = ["zoe/1.ppm", "ann/2.ppm", "ann/1.ppm", "zoe/2.ppm", "notes/readme.md"];
    let (hub, workspace) = place(&pictures, "");
    let (rows, asked) = fetched_once(&hub, &workspace);
    assert_eq!(rows, owned(&[("ann/1.ppm", "ann"), ("ann/2.ppm", "ann"), ("zoe/1.ppm", "zoe"), ("zoe/2.ppm", "zoe")]));
    assert!(!asked.iter().any(|line| line.contains("readme")), "{asked:?}");
}

/// Fault (tables): a repository's folder of splits, each with its own metadata.csv → an error with the folder to set
#[test]
fn the_splits_of_an_image_folder_are_no_people() {
    let (hub, workspace) = place(&["data/train/1.ppm", "data/test/2.ppm"], "data");
    for (path, file) in [("data/train/metadata.csv", "1.ppm"), ("data/test/metadata.csv", "2.ppm")] {
        hub.put(STORED, path, format!("file_name,label\n{file},Ann\n").as_bytes(), false);
    }
    let (_, said) = workspace.online(&hub, 1, "fetch");
    assert!(said.contains("so `dataset.folder` is one level too high; set it to `data/test`"), "{said}");
    assert!(hub.log().iter().all(|line| !line.contains(".ppm")), "no picture was downloaded");
}

/// Fault (hub): a table whose pictures are not in the repository → an error with its line before a picture is downloaded
#[test]
fn a_table_with_missing_pictures_is_reported_before_the_download() {
    let (hub, workspace) = place(&["train/images/a.ppm"], "train");
    hub.put(STORED, "train/metadata.csv", b"file_name,label\n\nimages/b.ppm,0\n", false);
    let (_, said) = workspace.online(&hub, 1, "fetch");
    assert!(said.contains("train/metadata.csv, line 3: file_name `images/b.ppm` is not in the repository"), "{said}");
    assert!(!hub.log().iter().any(|line| line.contains("a.ppm")));
}

/// Fault (hub): files in a dataset that are not pictures, by name or by content → left out and counted
#[test]
fn on_the_hub_names_decide_on_downloads_and_content_on_faces() {
    let pictures =
        ["faces/Ann/1.ppm", "faces/Ann/photo_2", "faces/Bob/1.ppm", "faces/Bob/2.ppm", "faces/Bob/more/3.ppm"];
    let (hub, workspace) = place(&pictures, "faces");
    hub.put(STORED, "faces/Ann/notes", b"tall", false);
    hub.put(STORED, "faces/Ann/labels.csv", b"a,b", false);
    hub.put(STORED, "faces/Bob/4.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", false);
    hub.put(STORED, "faces/.gitattributes", b"", false);
    hub.put(STORED, "faces/stray.ppm", b"P6", false);
    workspace.online(&hub, 0, "fetch");
    let asked = hub.log().join("\n");
    assert!(asked.contains("notes") && !asked.contains("labels.csv") && !asked.contains("stray"), "{asked}");
    let done = workspace.json(0, &["embed", "config.yaml"]);
    let left_out = serde_json::json!({"in_root": 1, "too_deep": 1, "no_picture": 1, "other_ending": 1, "hidden": 1});
    assert_eq!((&done["embedded"], &done["failed"], &done["left_out"]), (&4.into(), &1.into(), &left_out));
    let failures = fs::read_to_string(workspace.only_run().join("failures.csv")).unwrap();
    assert!(failures.contains("Bob/4.heic,decode,HEIC is not supported"), "{failures}");
}

/// Fault (hub): a table one of whose pictures is not in the repository → its face fails, the others go on
#[test]
fn a_missing_picture_fails_its_face() {
    let (hub, workspace) = place(&["train/images/a.ppm"], "train");
    hub.put(STORED, "train/metadata.csv", b"file_name,label\nimages/a.ppm,0\nimages/b.ppm,0\n", false);
    let (_, said) = workspace.online(&hub, 0, "fetch");
    assert!(said.contains("1 of 2 faces has an invalid row and fails"), "{said}");
}
