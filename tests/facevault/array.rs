//! Arrays of crops as a dataset.

use std::fs;
use std::path::Path;

use crate::support::workspace::{Workspace, embeddings};

const SIDE: usize = 96;

/// The pixels of a face; each number has another one.
fn pixels(number: usize) -> Vec<u8> {
    (0..SIDE * SIDE * 3).map(|at| (number * 37 + at * (number + 1) % 251) as u8).collect()
}

/// A `.npy` of this type, order and shape.
fn npy(path: &Path, descr: &str, fortran: bool, shape: &str, data: &[u8]) {
    let order = if fortran { "True" } else { "False" };
    let dictionary = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((dictionary.len() as u16).to_le_bytes());
    bytes.extend(dictionary.bytes());
    bytes.extend(data);
    fs::write(path, bytes).unwrap();
}

/// Three people with two crops each.
fn crops(workspace: &Workspace) {
    let data: Vec<u8> = (0..6).flat_map(pixels).collect();
    npy(&workspace.path("crops.npy"), "|u1", false, "6, 96, 96, 3", &data);
    let lines: Vec<_> = (0..6).map(|n| format!("f{n},p{},{}", n / 2, 30 + n)).collect();
    fs::write(workspace.path("crops.csv"), format!("face_id,identity,age\n{}\n", lines.join("\n"))).unwrap();
}

#[test]
fn rows_are_the_pictures_that_they_would_be_in_files() {
    let workspace = Workspace::new();
    crops(&workspace);
    for n in 0..6 {
        fs::create_dir_all(workspace.path(format!("people/p{}", n / 2))).unwrap();
        let picture = [b"P6\n96 96\n255\n", &pixels(n)[..]].concat();
        fs::write(workspace.path(format!("people/p{}/f{n}.ppm", n / 2)), picture).unwrap();
    }
    workspace.config("dataset: {source: folders, root: people}");
    let folders = workspace.json(0, &["experiment", "config.yaml", "--set", "name=folders"]);
    workspace.config("dataset: {source: array, array: crops.npy, faces: crops.csv}");
    let checked = workspace.json(0, &["check", "config.yaml"]);
    assert_eq!(checked["faces"], 6);
    let alone = workspace.json(0, &["experiment", "config.yaml", "--no-reuse"]);
    let directory = |run: &serde_json::Value| workspace.path(run["directory"].as_str().unwrap());
    assert_eq!(embeddings(&directory(&alone)), embeddings(&directory(&folders)));
    let metrics = |run: &serde_json::Value| -> serde_json::Value {
        let metrics = fs::read(directory(run).join("metrics.json")).unwrap();
        serde_json::from_slice(&metrics).unwrap()
    };
    assert_eq!(metrics(&alone)["eer"], metrics(&folders)["eer"]);
    let again = workspace.json(0, &["experiment", "config.yaml", "--no-reuse"]);
    assert_eq!((&again["run"], &again["status"]), (&alone["run"], &"already-complete".into()));
    workspace.run(0, &["verify", alone["run"].as_str().unwrap()]);
    // A row's digest is that of the picture, so that the folder's rows are taken.
    let computed = fs::read(directory(&alone).join("face_embeddings.npy")).unwrap();
    fs::remove_dir_all(directory(&alone)).unwrap();
    let reusing = workspace.json(0, &["experiment", "config.yaml"]);
    assert_eq!((&reusing["run"], &reusing["reused"][0]["rows"]), (&alone["run"], &6.into()), "{reusing:#}");
    assert!(fs::read(directory(&reusing).join("face_embeddings.npy")).unwrap() == computed);
    // Lines in another order, naming their rows, some of them, one twice.
    fs::write(workspace.path("crops.csv"), "who,at,id\na,5,x\nb,0,y\na,5,z\nb,6,w\n").unwrap();
    workspace.config(
        "dataset: {source: array, array: crops.npy, faces: crops.csv, row: at, identity: who, face: id}\nreport: {pictures: true}",
    );
    let (_, said) = workspace.run(0, &["embed", "config.yaml", "--set", "name=some"]);
    assert!(said.contains("4 of the array's 6 rows are in no line of the table"), "{said}");
    assert!(said.contains("1 of the table's lines names a row of the array that another line names, too"), "{said}");
    assert!(said.contains("line 5: `at` is `6`, expected a row of the array, counted from 0"), "{said}");
    // `init` knows crops by their shape.
    crops(&workspace);
    let found = workspace.json(0, &["init", "crops.npy", "--weights", "demo"]);
    assert_eq!((&found["found"]["side"], &found["pictures"]), (&96.into(), &"crops".into()), "{found:#}");
    workspace.run(0, &["check", "crops.yaml"]);
}

/// Fault (tables): an array of crops is of floats, objects or other integers, in Fortran order, grey, with alpha or channels
/// first, cut, or of a shape that its bytes do not have → refused with what would make it an array of crops
/// Fault (config): `detect` with an array of crops → refused at the key
#[test]
fn what_is_no_array_of_crops_is_refused_with_the_remedy() {
    let workspace = Workspace::new();
    crops(&workspace);
    let refused = |descr: &str, fortran: bool, shape: &str, bytes: usize| {
        npy(&workspace.path("x.npy"), descr, fortran, shape, &vec![0; bytes]);
        workspace.config("dataset: {source: array, array: x.npy, faces: crops.csv}");
        let (_, said) = workspace.run(1, &["check", "config.yaml", "--quiet"]);
        let error = said[said.find("error: ").unwrap()..].trim();
        error
            .replace(workspace.path("x.npy").to_str().unwrap(), "x.npy")
            .replace("error: x.npy is not an array of crops: ", "")
    };
    let all = [
        refused("<f4", false, "6, 96, 96, 3", 9),
        refused("<f8", false, "6, 3, 96, 96", 9),
        refused("|O", false, "6,", 9),
        refused("<i8", false, "6, 96, 96, 3", 9),
        refused("|u1", true, "6, 96, 96, 3", 9),
        refused("|u1", false, "6, 3, 96, 96", 9),
        refused("|u1", false, "6, 96, 96", 9),
        refused("|u1", false, "96, 96, 3", 9),
        refused("|u1", false, "6, 96, 96, 4", 9),
        refused("|u1", false, "6, 27648", 9),
        refused("|u1", false, "6, 0, 96, 3", 9),
        refused("|u1", false, "6, 20000, 20000, 3", 9),
        refused("|u1", false, "6, 96, 96, 3", 6 * 96 * 96 * 3 - 1),
        refused("|u1", false, "18446744073709551615, 96, 96, 3", 9),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
    its values are '<f4', expected '|u1' (uint8); floats may be 0 to 1, 0 to 255 or standardised already, and nothing says which, so they are not taken: save the pixels as they were before, or undo what was done to them, with `.astype('uint8')`
    its values are '<f8', expected '|u1' (uint8); floats may be 0 to 1, 0 to 255 or standardised already, and nothing says which, so they are not taken: save the pixels as they were before, or undo what was done to them, with `.astype('uint8')`
    its values are '|O', expected '|u1' (uint8); crops of one size are one array: `numpy.stack(list(faces))`
    its values are '<i8', expected '|u1' (uint8); pixels are 0 to 255: save them with `.astype('uint8')`
    it is in Fortran order; save it with `numpy.save(path, numpy.ascontiguousarray(faces))`
    its shape is (6, 3, 96, 96), expected (faces, height, width, 3): channels come last; save `numpy.ascontiguousarray(faces.transpose(0, 2, 3, 1))`
    its shape is (6, 96, 96), expected (faces, height, width, 3); repeat grey values for the three channels: `numpy.repeat(faces.reshape(*faces.shape[:3], 1), 3, 3)`
    its shape is (96, 96, 3), expected (faces, height, width, 3); one crop is an array of one face: save `crop[numpy.newaxis]`
    its shape is (6, 96, 96, 4), expected (faces, height, width, 3); leave out the alpha channel: `faces[..., :3]`
    its shape is (6, 27648), expected (faces, height, width, 3)
    its shape is (6, 0, 96, 3); a side of a picture has 1 to 20000 pixels
    a picture of it has 1200000000 bytes, and at most 536870912
    an array of shape (6, 96, 96, 3) does not have 165965 bytes; the file is truncated or damaged
    an array of shape (18446744073709551615, 96, 96, 3) does not have 106 bytes; the file is truncated or damaged
    ");
    let config = |keys: &str| {
        workspace.config(&format!("dataset: {{source: array, array: crops.npy, faces: crops.csv}}\n{keys}"));
        workspace.run(2, &["check", "config.yaml"]).1
    };
    assert!(config("detect: {detector: mtcnn}").contains("`detect` needs photos"));
}

/// Fault (pictures): a row of an array of crops changes after the dataset was read → another digest, so another run
#[test]
fn a_row_that_changes_is_another_face() {
    let workspace = Workspace::new();
    crops(&workspace);
    workspace.config("dataset: {source: array, array: crops.npy, faces: crops.csv}");
    let first = workspace.json(0, &["embed", "config.yaml"]);
    let mut bytes = fs::read(workspace.path("crops.npy")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(workspace.path("crops.npy"), bytes).unwrap();
    let second = workspace.json(0, &["embed", "config.yaml"]);
    assert_ne!(first["run"], second["run"]);
    assert_eq!(second["reused"][0]["rows"], 5);
}
