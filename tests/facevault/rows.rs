//! Datasets with tables: an invalid row is one failure, pairs of missing faces are left out, and whole pictures under a crop
//! by box are reported.

use std::fmt::Write as _;
use std::fs;
use std::io::Cursor;

use crate::schemas;
use crate::support::formula;
use crate::support::workspace::Workspace;

fn picture(name: &str, side: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_raw(side, side, formula::picture(name, side as usize)).unwrap();
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
    bytes
}

/// `people` × 2 pictures, `<who>/<number>.png`.
fn folder(workspace: &Workspace, people: usize, side: u32) {
    for who in 0..people {
        fs::create_dir_all(workspace.path(format!("faces/p{who}"))).unwrap();
        for number in 1..=2 {
            let name = format!("smooth-{who}-{number}");
            fs::write(workspace.path(format!("faces/p{who}/{number}.png")), picture(&name, side)).unwrap();
        }
    }
}

/// Fault (tables): a row with an invalid box or path → one failure with its reason; the rest is embedded
#[test]
fn an_invalid_row_is_one_failure_also_after_an_interruption() {
    let workspace = Workspace::new();
    folder(&workspace, 2, 96);
    let mut table = String::from("face_id, photo_id, identity_id, photo_path, x, y, w, h, confidence\n");
    for (id, path, rest) in [
        ("a", "p0/1.png", "10, 10, 60, 60, 0.9"),
        ("b", "p0/2.png", "nan, 10, 60, 60, 0.9"),
        ("c", "p1/1.png", "10, 10, 0, 60, 0.9"),
        ("d", "p1/2.png", "10, 10, 60, 60, nan"),
        ("e", "p1/2.png", "200, 10, 60, 60, 0.9"),
        ("f", "p9/9.png", "10, 10, 60, 60, 0.9"),
        ("g", "../g.png", "10, 10, 60, 60, 0.9"),
        ("h", "p1/1.png", "10, 10, 60, 60, 0.9"),
    ] {
        writeln!(table, "{id}, {id}, {}, {path}, {rest}", &path[..2]).unwrap();
    }
    fs::write(workspace.path("faces/face_metadata.csv"), table).unwrap();
    workspace.config("dataset: {source: phase1, csv: faces/face_metadata.csv, image: photo}");
    let crop = "preprocess.crop={mode: box, margin: 0, unit: original-pixels}";
    let done = workspace.json(0, &["embed", "config.yaml", "--set", crop]);
    assert_eq!((&done["faces"], &done["embedded"], &done["failed"]), (&8.into(), &2.into(), &6.into()), "{done}");
    let run = workspace.only_run();
    let failures = fs::read_to_string(run.join("failures.csv")).unwrap();
    let kinds: Vec<&str> = failures.lines().skip(1).filter_map(|line| line.split(',').nth(2)).collect();
    assert_eq!(kinds, ["row", "row", "row", "crop", "read", "row"], "{failures}");
    assert!(failures.contains("line 3: `x` is `nan`, expected a finite number"), "{failures}");
    let index = fs::read_to_string(run.join("face_embedding_index.csv")).unwrap();
    assert_eq!(index, "face_id\na\nh\n");
    let metadata = fs::read_to_string(run.join("face_metadata.csv")).unwrap();
    assert!(metadata.lines().nth(1).unwrap().starts_with("a,a,p0,p0/1.png,10,"), "{metadata}");
    // Computed again, it is the same again.
    for file in ["failures.csv", "face_metadata.csv"] {
        fs::remove_file(run.join(file)).unwrap();
    }
    fs::remove_file(run.join("chunks/00000.json")).unwrap();
    let name = run.file_name().unwrap().to_str().unwrap();
    workspace.run(0, &["embed", name]);
    assert_eq!(fs::read_to_string(run.join("failures.csv")).unwrap(), failures);
    // A crop that looks at no box does not look at what is wrong with it.
    let done = workspace.json(0, &["embed", "config.yaml"]);
    assert_eq!((&done["embedded"], &done["failed"]), (&6.into(), &2.into()), "{done}");
}

/// Fault (tables): a pair list names pictures that are missing or failed → those pairs are left out and listed
/// Fault (runs): more pairs are left out than `max_left_out` → refused with the first of them; `pairs_left_out.csv` lists all
#[test]
fn pairs_of_missing_and_failed_faces_are_left_out_and_listed() {
    let workspace = Workspace::new();
    folder(&workspace, 12, 96);
    fs::write(workspace.path("faces/p3/2.png"), "no picture").unwrap();
    let mut list = String::new();
    for who in 0..12 {
        writeln!(list, "p{who}/1.png p{who}/{}.png 1", if who == 7 { 9 } else { 2 }).unwrap();
        writeln!(list, "p{who}/1.png p{}/2.png 0\t", (who + 1) % 12).unwrap();
    }
    fs::write(workspace.path("faces/list.txt"), &list).unwrap();
    workspace.config(
        "dataset: {source: folders, root: faces, pairs: list.txt}\nprotocols: [{name: own, folds: 4, max_left_out: \
         0.2}]\n",
    );
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    let found = &done["metrics"]["protocols"][0];
    let counts =
        ["listed", "genuine", "impostor", "missing", "absent"].map(|key| found["pairs"][key].as_u64().unwrap());
    assert_eq!(counts, [24, 10, 11, 3, 1]);
    let folds: Vec<u64> =
        found["folds"].as_array().unwrap().iter().map(|fold| fold["pairs"].as_u64().unwrap()).collect();
    assert_eq!(folds, [5, 5, 5, 6], "blocks are cut from the whole list");
    assert_eq!(found["accuracy"]["n"], 21);
    let run = workspace.only_run();
    schemas::check_run(&run);
    let left_out = fs::read_to_string(run.join("pairs_left_out.csv")).unwrap();
    let lines: Vec<&str> = left_out.lines().collect();
    assert_eq!(lines.len(), 4, "{left_out}");
    assert_eq!(lines[0], "list,pair,same,fold,face_a,face_b,reason");
    assert!(
        lines[1].starts_with("dataset,6,0,,p2/1.png,p3/2.png,\"`p3/2.png` has no embedding (decode: "),
        "{left_out}"
    );
    assert!(lines[2].starts_with("dataset,7,1,,p3/1.png,p3/2.png,"), "{left_out}");
    assert_eq!(lines[3], "dataset,15,1,,p7/1.png,p7/9.png,the dataset has no face `p7/9.png`");
    let name = run.file_name().unwrap().to_str().unwrap();
    workspace.run(0, &["verify", name]);
    let report = fs::read_to_string(workspace.path("reports").join(format!("{name}.html"))).unwrap();
    assert!(
        report
            .contains("3 pairs were left out (1 with a face that the dataset does not contain, 2 with a face without")
    );
    // How many are too many is no part of the run's name.
    let set = "protocols=[{name: own, folds: 4, max_left_out: 0.1}]";
    let (_, said) = workspace.run(1, &["experiment", "config.yaml", "--set", set]);
    assert!(said.contains("1 of the 24 pairs in list `dataset` names a face that the dataset does not have"), "{said}");
    assert!(said.contains("protocol `own`: 3 of 24 pairs would be left out"), "{said}");
    let first = "the first is pair 6 of the list, `p2/1.png` and `p3/2.png`; ";
    assert!(said.contains(first) && said.contains("pairs_left_out.csv lists all of them, and why"), "{said}");
    workspace.run(0, &["experiment", "config.yaml"]);
    // They are listed where that ends the evaluation, too, and the run is whole once more of them are allowed.
    fs::remove_dir_all(workspace.path("experiments")).unwrap();
    let (_, said) = workspace.run(1, &["experiment", "config.yaml", "--set", set]);
    assert!(said.contains(first), "{said}");
    assert_eq!(fs::read_to_string(run.join("pairs_left_out.csv")).unwrap(), left_out);
    workspace.run(0, &["experiment", "config.yaml"]);
    workspace.run(0, &["verify", name]);
    // Missing pictures alone are known before anything is embedded.
    fs::remove_dir_all(workspace.path("experiments")).unwrap();
    fs::write(workspace.path("faces/list.txt"), list.replace("p1/2.png", "p1/3.png")).unwrap();
    let (_, said) = workspace.run(1, &["experiment", "config.yaml", "--set", "protocols=[{name: own, folds: 4}]"]);
    assert!(said.contains("protocol `own`: 3 of 24 pairs would be left out"), "{said}");
    assert!(said.contains("the first is pair 2 of the list, `p0/1.png` and `p1/3.png`"), "{said}");
    assert!(!workspace.has_run());
}

/// Fault (tables): rows without boxes under a crop by box → reported, or refused for whole photos
#[test]
fn whole_pictures_under_a_crop_by_box_are_reported_and_whole_photos_refused() {
    let workspace = Workspace::new();
    folder(&workspace, 3, 120);
    workspace.config("dataset: {source: folders, root: faces}");
    let crop = ["--set", "preprocess.crop={mode: box, margin: 14, unit: output-pixels}"];
    let told = "6 of 6 faces have no box, so the crop by box takes the whole picture; let `detect: {detector: mtcnn}` find \
                the faces, provide boxes with `dataset.boxes`";
    let with = |verb, more: &[&'static str]| [&[verb, "config.yaml"], &crop[..], more].concat();
    let (out, _) = workspace.run(0, &with("check", &[]));
    assert!(out.contains(told) && out.contains("faces    6"), "{out}");
    assert_eq!(workspace.json(0, &with("check", &[]))["without_box"], 6);
    let (out, said) = workspace.run(0, &with("experiment", &[]));
    assert!(out.contains(told) && said.contains(told), "{out}{said}");
    assert_eq!(workspace.json(0, &with("experiment", &[]))["without_box"], 6);
    let name = workspace.only_run().file_name().unwrap().to_str().unwrap().to_owned();
    let report = fs::read_to_string(workspace.path("reports").join(format!("{name}.html"))).unwrap();
    let caution = report.find("6 of 6 faces have no box").unwrap();
    assert!(caution < report.find("<dl class=\"tiles\">").unwrap());
    // Pictures much larger than the network's input are photos.
    let small = ["--set", "preprocess.resize.size=79"];
    for verb in ["check", "experiment"] {
        let (_, said) = workspace.run(1, &with(verb, &small));
        assert!(said.contains("no face has a box (of 6)") && said.contains("is 120 pixels"), "{said}");
    }
    // The config says which; a box for one of them says that the others are meant.
    let (out, said) =
        workspace.run(0, &["check", "config.yaml", "--set", "preprocess.crop={mode: whole}", small[0], small[1]]);
    assert!(!out.contains("no box") && !said.contains("no box"), "{out}{said}");
    fs::write(workspace.path("faces/boxes.csv"), "path,x,y,w,h\np0/1.png,10,10,60,60\n").unwrap();
    let boxes = ["--set", "dataset.boxes=boxes.csv"];
    let (out, _) = workspace.run(0, &with("check", &[&small[..], &boxes].concat()));
    assert!(out.contains("5 of 6 faces have no box"), "{out}");
}

#[test]
fn columns_of_an_image_folder_become_metadata_and_slices() {
    let workspace = Workspace::new();
    folder(&workspace, 4, 96);
    let mut table = String::from("file_name,label,glasses\n");
    for who in 0..4 {
        for number in 1..=2 {
            writeln!(table, "p{who}/{number}.png,NA{who},{}", if number == 1 { "yes" } else { "no" }).unwrap();
        }
    }
    fs::write(workspace.path("faces/metadata.csv"), table).unwrap();
    workspace.config("dataset: {source: folders, root: faces}");
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    let metadata = fs::read_to_string(run.join("face_metadata.csv")).unwrap();
    assert!(metadata.starts_with("face_id,image_id,identity_id,"), "{metadata}");
    assert!(metadata.lines().nth(1).unwrap().ends_with(",p0/1.png,p0/1.png,NA0,yes"), "{metadata}");
    assert!(fs::read_to_string(run.join("breakdown.json")).unwrap().contains("meta.glasses"));
}
