//! Photos in, faces out: detection as a user runs it, with facenet-pytorch's weights from the binary.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};

use crate::schemas;
use crate::support::shared::shared;
use crate::support::workspace::Workspace;

/// A photo without a face.
fn landscape(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let sky = |_, y: u32| Rgb([120, 160, 255 - y as u8]);
    RgbImage::from_fn(160, 120, sky).save(path).unwrap();
}

/// LFW's photos, where they are at hand: `<shared>/data/lfw/lfw-deepfunneled.tar`.
fn lfw() -> Option<PathBuf> {
    shared("data/lfw", &["lfw-deepfunneled.tar"], "the photos of LFW")
}

/// The first `people` with at least two photos, as identity folders.
fn unpack(lfw: &Path, people: usize, to: &Path) {
    let open = || tar::Archive::new(fs::File::open(lfw.join("lfw-deepfunneled.tar")).unwrap());
    let mut photos = std::collections::BTreeMap::<String, usize>::new();
    for entry in open().entries().unwrap() {
        let path = entry.unwrap().path().unwrap().into_owned();
        if path.extension().is_some_and(|end| end == "jpg") {
            *photos.entry(path.parent().unwrap().to_string_lossy().into_owned()).or_default() += 1;
        }
    }
    let taken: Vec<_> =
        photos.into_iter().filter(|(_, photos)| *photos > 1).take(people).map(|(folder, _)| folder).collect();
    for entry in open().entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let folder = path.parent().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
        if taken.contains(&folder) && path.extension().is_some_and(|end| end == "jpg") {
            let target = to.join(path.parent().unwrap().file_name().unwrap());
            fs::create_dir_all(&target).unwrap();
            entry.unpack(target.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// Fault (pictures): a photo without a face → a failure with its reason
#[test]
fn a_photo_without_a_face_fails_with_the_reason_and_a_run_of_none_says_so() {
    let workspace = Workspace::new();
    landscape(&workspace.path("photos/Ann/1.png"));
    landscape(&workspace.path("photos/Ben/1.png"));
    fs::write(workspace.path("photos/Ben/2.png"), "no picture").unwrap();
    workspace.config("dataset: {source: folders, root: photos}\ndetect: {detector: mtcnn, keep: one}");
    let (stdout, _) = workspace.run(0, &["check", "config.yaml"]);
    assert!(stdout.contains("detector  mtcnn, facenet-pytorch's weights, embedded"), "{stdout}");
    assert!(stdout.lines().any(|line| line.starts_with("photos") && line.ends_with('3')), "{stdout}");
    assert!(stdout.contains(" [0.6, 0.7, 0.7]\n"), "as written, not as wider numbers: {stdout}");
    let (_, stderr) = workspace.run(1, &["experiment", "config.yaml"]);
    assert!(stderr.contains("mtcnn: 0 faces kept in 3 photos; 2 photos have no face to keep and fail"), "{stderr}");
    let failures = fs::read_to_string(workspace.only_run().join("failures.csv")).unwrap();
    let lines: Vec<_> = failures.lines().collect();
    assert_eq!(
        lines[..3],
        ["row,face_id,kind,message", "0,Ann/1.png,detect,no face was found", "1,Ben/1.png,detect,no face was found",]
    );
    assert!(lines[3].starts_with("2,Ben/2.png,detect,"), "{failures}");
    assert!(!lines[3].contains("no face"), "the decoder's reason: {failures}");
    let (_, stderr) = workspace.run(1, &["detect", "config.yaml", "--out", "none"]);
    assert!(stderr.contains("no face to keep was found in any photo (of 3)"), "{stderr}");
    assert_eq!(fs::read_to_string(workspace.path("none/failures.csv")).unwrap().lines().count(), 4);
    schemas::check_table(&workspace.path("none/failures.csv"), "detections/failures.csv");
    // As many failures as `experiment` accepts.
    for (set, accepted) in
        [("embed.max_failures=2", "2 (`embed.max_failures`)"), ("embed.on_error=fail", "none (`embed.on_error: fail`)")]
    {
        let (_, stderr) = workspace.run(1, &["detect", "config.yaml", "--out", "none", "-q", "--set", set]);
        let told = format!("3 of 3 photos have no face to keep, and the config accepts {accepted}; the reasons are in");
        assert!(stderr.contains(&told), "{stderr}");
    }
    let (_, stderr) = workspace.run(1, &["detect", "config.yaml", "--out", "none", "--set", "embed.max_failures=3"]);
    assert!(stderr.contains("no face to keep was found in any photo (of 3)"), "{stderr}");
}

#[test]
fn detect_needs_photos_and_a_config_that_asks_for_it() {
    let workspace = Workspace::synthetic(2, 2, "detect: {}");
    let (_, stderr) = workspace.run(2, &["check", "config.yaml"]);
    assert!(stderr.contains("`detect` needs photos"), "{stderr}");
    let workspace = Workspace::synthetic(2, 2, "");
    let (_, stderr) = workspace.run(2, &["detect", "config.yaml"]);
    assert!(stderr.contains("config.yaml detects no faces; add `detect: {detector: mtcnn}`"), "{stderr}");
}

#[test]
fn photos_of_people_are_detected_once_and_become_phase_1s_table() {
    let Some(lfw) = lfw() else { return };
    let workspace = Workspace::new();
    unpack(&lfw, 12, &workspace.path("photos"));
    let photos = walk(&workspace.path("photos"));
    workspace.config("dataset: {source: folders, root: photos}\ndetect: {keep: center-weighted}\npreprocess: {profile: facenet-pytorch, resize: {size: 96}}");
    let config = fs::read_to_string(workspace.path("config.yaml")).unwrap();
    // `config` writes a profile of its own first.
    let config = config.replacen("preprocess: {profile: facevault-notebook, resize: {size: 96}}\n", "", 1);
    fs::write(workspace.path("config.yaml"), &config).unwrap();
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    assert_eq!((done["faces"].as_u64(), done["failed"].as_u64()), (Some(photos as u64), Some(0)));
    let run = workspace.only_run();
    schemas::check_run(&run);
    let metadata = fs::read_to_string(run.join("face_metadata.csv")).unwrap();
    assert!(metadata.lines().next().unwrap().contains("left_eye_x"), "landmarks are handed over");
    let provenance: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("provenance.json")).unwrap()).unwrap();
    assert_eq!(provenance["dataset"]["detection"]["faces"], photos);

    // The table alone, with crops: from the cache, and the same boxes.
    let table = workspace.json(0, &["detect", "config.yaml", "--out", "faces", "--crops"]);
    assert_eq!(table["faces"], photos);
    let written = fs::read_to_string(workspace.path("faces/face_metadata.csv")).unwrap();
    schemas::check_table(&workspace.path("faces/face_metadata.csv"), "face_metadata.csv");
    let boxes = |text: &str| {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        reader
            .records()
            .map(|line| line.unwrap().iter().skip(3).take(5).collect::<Vec<_>>().join(","))
            .collect::<Vec<_>>()
    };
    assert_eq!(boxes(&written), boxes(&metadata));
    assert_eq!(walk(&workspace.path("faces/crops")), photos);

    // Phase 1's table reads as photos with boxes: the same embeddings.
    let again = config.replacen(
        "dataset: {source: folders, root: photos}\ndetect: {keep: center-weighted}",
        "dataset: {source: phase1, csv: faces/face_metadata.csv, root: photos, image: photo}",
        1,
    );
    fs::write(workspace.path("again.yaml"), again.replacen("name: small", "name: again", 1)).unwrap();
    let other = workspace.json(0, &["embed", "again.yaml"]);
    let matrix = |run: &Path| fs::read(run.join("face_embeddings.npy")).unwrap();
    assert!(matrix(&run) == matrix(&workspace.path(other["directory"].as_str().unwrap())), "the same embeddings");
}

/// Number of files below a folder.
fn walk(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}

#[test]
fn all_faces_of_a_group_photo_are_rows_and_are_never_compared_with_each_other() {
    let Some(lfw) = lfw() else { return };
    let workspace = Workspace::new();
    unpack(&lfw, 2, &workspace.path("people"));
    let mut photos: Vec<PathBuf> = fs::read_dir(workspace.path("people"))
        .unwrap()
        .flat_map(|person| fs::read_dir(person.unwrap().path()).unwrap().take(1))
        .map(|photo| photo.unwrap().path())
        .collect();
    photos.sort();
    let [left, right] = [0, 1].map(|i| image::open(&photos[i]).unwrap().to_rgb8());
    let mut group = RgbImage::new(left.width() + right.width(), left.height());
    image::imageops::replace(&mut group, &left, 0, 0);
    image::imageops::replace(&mut group, &right, i64::from(left.width()), 0);
    fs::create_dir_all(workspace.path("photos/group")).unwrap();
    group.save(workspace.path("photos/group/1.png")).unwrap();
    left.save(workspace.path("photos/group/2.png")).unwrap();
    workspace.config("dataset: {source: folders, root: photos}\ndetect: {keep: all}");
    let done = workspace.json(0, &["embed", "config.yaml"]);
    let ids = fs::read_to_string(workspace.only_run().join("face_embedding_index.csv")).unwrap();
    assert_eq!(ids, "face_id\ngroup/1.png#1\ngroup/1.png#2\ngroup/2.png#1\n");
    assert_eq!(done["embedded"], 3);
    let metadata = fs::read_to_string(workspace.only_run().join("face_metadata.csv")).unwrap();
    let images: Vec<_> = metadata.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(images, ["group/1.png", "group/1.png", "group/2.png"]);
    // One person's folder: the two pairs of different photos are genuine, that of one photo is none.
    let evaluated = workspace.json(0, &["experiment", "config.yaml"]);
    assert!(evaluated["not_evaluated"].is_string() || evaluated["metrics"]["pairs"]["genuine"] == 2, "{evaluated}");
}
