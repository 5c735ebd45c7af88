//! `facevault init`: a config for faces that somebody has.

use std::fs;
use std::io::Write;
use std::path::Path;

use polars::prelude::{Column, DataFrame, ParquetWriter};
use serde_json::Value;

use crate::schemas;
use crate::support::workspace::Workspace;

/// The name of a person's picture in a folder.
type Name = fn(&str, u8) -> String;

/// A picture; each value has another one.
fn picture(path: &Path, side: usize, value: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixels: Vec<u8> =
        (0..side * side * 3).map(|at| value.wrapping_mul(41).wrapping_add((at % 251) as u8)).collect();
    fs::write(path, [format!("P6\n{side} {side}\n255\n").as_bytes(), &pixels].concat()).unwrap();
}

/// Two people with two pictures each, under the names that `name` gives them.
fn pictures(workspace: &Workspace, folder: &str, side: usize, name: impl Fn(&str, u8) -> String) {
    for (at, who) in ["ada", "bo"].into_iter().enumerate() {
        for n in 0..2 {
            picture(&workspace.path(folder).join(name(who, n)), side, at as u8 * 2 + n);
        }
    }
}

/// A `.npy` of f32 rows.
fn matrix(path: &Path, rows: usize) {
    let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 2), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((dictionary.len() as u16).to_le_bytes());
    bytes.extend(dictionary.bytes());
    bytes.extend((0..rows * 2).flat_map(|at| (1.0 + at as f32).to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

/// Runs `init`, then `check` on what it wrote: what `init` prints, and the config.
#[track_caller]
fn init(workspace: &Workspace, arguments: &[&str]) -> (Value, String) {
    let found = workspace.json(0, &[&["init"], arguments].concat());
    schemas::printed("init", &found);
    let config = found["config"].as_str().unwrap().to_owned();
    let checked = workspace.json(0, &["check", &config]);
    assert_eq!(checked["problem"], Value::Null, "{checked:#}");
    if let (Value::Number(n), Value::Number(faces)) = (&found["found"]["pictures"], &checked["faces"]) {
        assert_eq!(n, faces, "`init` and `check` count the same");
    }
    (found, fs::read_to_string(workspace.path(config)).unwrap())
}

/// The section `dataset` of a config, without its comments.
fn dataset(text: &str) -> String {
    let section = text.lines().skip_while(|line| !line.starts_with("dataset:")).skip(1);
    let lines = section.take_while(|line| line.starts_with("  "));
    lines.map(|line| line.split(" # ").next().unwrap_or(line).trim()).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_line_of_a_config_says_what_it_does() {
    let workspace = Workspace::empty();
    pictures(&workspace, "My Faces", 112, |who, n| format!("{who}/{n}.ppm"));
    let (found, text) = init(&workspace, &["My Faces"]);
    assert_eq!(
        found["next"],
        serde_json::json!(["facevault check my-faces.yaml", "facevault experiment my-faces.yaml"])
    );
    insta::assert_snapshot!(text, @r#"
    # Written by `facevault init`. Identity folders: 4 pictures of 2 people; shorter side 112 pixels (median).
    # `facevault check` shows what it would do, `facevault guide config-keys` lists every key.
    
    name: my-faces # runs are called by it
    seed: 0 # of everything that is drawn at random; the same seed gives the same numbers
    
    dataset: # where the faces come from; relative paths start in this file's folder
      source: folders # identity folders: `facevault guide config-keys`
      root: "My Faces" # <identity>/<picture> inside
    
    preprocess: # from a picture to the pixels that the network takes
      profile: facenet-pytorch # 160 pixels, standardised as FaceNet's checkpoints take them; the others: `facevault guide config-keys`
      crop: { mode: whole } # the pictures are crops: nothing is cut off; `box` cuts by a detector's box
    
    weights: # the network's numbers
      source: hub # FaceNet trained on VGGFace2: 112 MB, downloaded once from the Hugging Face Hub
      repo: py-feat/facenet # owner and name of the repository
      revision: 8dd79278b755ee24ee9922619122df8a2b80b787 # a commit, so that it never changes
      file: model.safetensors # the file in it
      sha256: 060b24840d57519af854efb1c1d86f110842a1312220afbde4aebb0df1448c9d # checked before anything is read
    
    # All pairs of all faces are compared. A list of pairs of your own: `dataset.pairs` and `protocols`,
    # `facevault guide evaluate-a-benchmark`.
    "#);
    let keys = text.lines().filter(|line| line.contains(": ") && !line.starts_with('#'));
    for line in keys {
        assert!(line.contains(" # "), "no comment: {line}");
    }
}

#[test]
fn each_kind_of_folder_becomes_a_config_that_check_takes() {
    let workspace = Workspace::empty();
    let names: [(&str, Name, &str); 6] = [
        ("people", |who, n| format!("{who}/{n}.ppm"), "source: folders, root: people"),
        (
            "nested",
            |who, n| format!("{who}/session-{n}/x.ppm"),
            "source: files, root: nested, pattern: \"{identity}/*/*\"",
        ),
        (
            "parts",
            |who, n| format!("{}/{who}/{n}.ppm", ["train", "test"][usize::from(n)]),
            "source: files, root: parts, pattern: \"{part}/{identity}/*\"",
        ),
        (
            "mixed",
            |who, n| format!("{who}/{}{n}.ppm", ["", "a/b/"][usize::from(n)]),
            "source: files, root: mixed, pattern: \"{identity}/**/*\"",
        ),
        ("flat", |who, n| format!("{who}_x_{n}.ppm"), "source: files, root: flat, pattern: \"{identity}_{n}.*\""),
        ("dashes", |who, n| format!("{who}-{n}.ppm"), "source: files, root: dashes, pattern: \"{identity}-{n}.*\""),
    ];
    for (folder, name, keys) in names {
        pictures(&workspace, folder, 100, name);
        let (found, text) = init(&workspace, &[folder]);
        assert_eq!(dataset(&text), keys);
        assert_eq!(found["found"]["pictures"], 4, "{folder}");
        assert_eq!(found["found"]["identities"], 2, "{folder}");
        assert_eq!((&found["found"]["side"], &found["pictures"]), (&100.into(), &"crops".into()), "{folder}");
    }
    // Photos are larger than what the network takes; a list of pairs is found beside the folders.
    pictures(&workspace, "photos", 250, |who, n| format!("{who}/{n}.ppm"));
    fs::write(workspace.path("photos/pairs.txt"), "ada/0.ppm ada/1.ppm 1\nada/0.ppm bo/0.ppm 0\n").unwrap();
    let (found, text) = init(&workspace, &["photos"]);
    assert_eq!(found["pictures"], "photos");
    assert!(text.contains("\ndetect:") && !text.contains("crop:") && text.contains("- name: listed"), "{text}");
    assert_eq!(dataset(&text), "source: folders, root: photos, pairs: pairs.txt");
    // Whatever the weights, what is found is cut out.
    for weights in ["demo", "network.onnx", "network.pth"] {
        fs::write(workspace.path(weights), "").unwrap();
        let arguments = ["init", "photos", "--weights", weights, "--out", "w.yaml", "--force"];
        workspace.run(0, &arguments);
        let checked = workspace.command(&["check", "w.yaml", "--json"]).output().unwrap();
        let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert_ne!(checked["config"]["preprocess"]["crop"]["mode"], "whole", "{weights}: {checked:#}");
    }
    let (found, text) = init(&workspace, &["photos", "--pictures", "crops", "--for", "search", "--out", "s.yaml"]);
    assert_eq!((&found["pictures"], &found["reason"]), (&"crops".into(), &"you said so".into()));
    assert!(
        !text.contains("\ndetect:") && text.contains("kind: identification") && !text.contains("pairs.txt"),
        "{text}"
    );
}

/// Fault (config): `init` on a folder around that of the people, with the list of pairs outside → the people's is the root, and
/// the list is found
/// Fault (config): `init` on people's folders with a picture beside them and one too deep → both are left out and counted
#[test]
fn a_folder_around_the_people_is_no_person() {
    let workspace = Workspace::empty();
    let list = "ada/0.ppm ada/1.ppm 1\nada/0.ppm bo/0.ppm 0\n";
    for (folder, inside, keys) in [
        ("data", "lfw", "source: folders, root: data/lfw, pairs: pairs.txt"),
        ("deep", "a/lfw", "source: folders, root: deep/a/lfw, pairs: ./deep/pairs.txt"),
    ] {
        pictures(&workspace, &format!("{folder}/{inside}"), 100, |who, n| format!("{who}/{n}.ppm"));
        fs::write(workspace.path(format!("{folder}/pairs.txt")), list).unwrap();
        let (found, text) = init(&workspace, &[folder]);
        assert_eq!(dataset(&text), keys);
        assert_eq!((&found["found"]["identities"], &found["found"]["note"]), (&2.into(), &Value::Null), "{found:#}");
        workspace.run(0, &["init", folder, "--yes", "--out", "elsewhere/x.yaml", "--force"]);
        let text = fs::read_to_string(workspace.path("elsewhere/x.yaml")).unwrap();
        assert!(text.contains("pairs: "), "{text}");
        workspace.run(0, &["check", "elsewhere/x.yaml"]);
    }
    pictures(&workspace, "messy", 100, |who, n| format!("{who}/{n}.ppm"));
    pictures(&workspace, "messy/bo/deeper", 100, |who, _| format!("{who}.ppm"));
    picture(&workspace.path("messy/stray.ppm"), 100, 7);
    let (found, text) = init(&workspace, &["messy"]);
    assert_eq!(dataset(&text), "source: folders, root: messy");
    assert_eq!(
        found["found"]["note"],
        "left out: 1 picture next to the identity folders, 2 pictures deeper than <identity>/<image>"
    );
    pictures(&workspace, "stray", 100, |who, n| format!("{who}/deeper/{n}.ppm"));
    picture(&workspace.path("stray/logo.ppm"), 100, 7);
    let (_, said) = workspace.run(2, &["init", "stray"]);
    assert!(said.contains("stray: `logo.ppm` lies beside folders whose pictures are deeper"), "{said}");
}

#[test]
fn tables_archives_and_arrays_become_configs() {
    let workspace = Workspace::empty();
    pictures(&workspace, "p1/crops", 160, |who, n| format!("{who}{n}.ppm"));
    let lines = "face_id,image_id,identity_id,crop_path\n".to_owned()
        + "f0,i0,ada,/kaggle/working/crops/ada0.ppm\nf1,i1,ada,/kaggle/working/crops/ada1.ppm\n"
        + "f2,i2,bo,/kaggle/working/crops/bo0.ppm\n";
    fs::write(workspace.path("p1/face_metadata.csv"), lines).unwrap();
    // The folder is known by its table, whose paths are of the machine that wrote it.
    let (found, text) = init(&workspace, &["p1", "--out", "p1.yaml"]);
    assert_eq!(
        dataset(&text),
        "source: phase1, csv: p1/face_metadata.csv, image: crop, rewrite: [{ from: /kaggle/working/crops/, to: crops/ }]"
    );
    assert_eq!((&found["profile"], &found["found"]["side"]), (&"facevault-notebook".into(), &160.into()));

    pictures(&workspace, "celeba", 100, |who, n| format!("{who}{n}.ppm"));
    fs::write(workspace.path("celeba/list.csv"), "n,pic,celeb_id\n1,ada0.ppm,7\n2,ada1.ppm,7\n3,bo0.ppm,8\n").unwrap();
    let keys = "table: celeba/list.csv, file: pic, identity: celeb_id";
    let (found, text) = init(&workspace, &["celeba/list.csv"]);
    assert_eq!((&found["config"], &found["found"]["identities"]), (&"list.yaml".into(), &2.into()));
    assert_eq!(dataset(&text), format!("source: files, root: celeba, {keys}"));
    let (_, text) = init(&workspace, &["celeba", "--table", "celeba/list.csv"]);
    assert_eq!(dataset(&text), format!("source: files, root: celeba, {keys}"));

    matrix(&workspace.path("rows.npy"), 3);
    fs::write(workspace.path("rows.csv"), "file,celeb_id\na,7\nb,7\nc,8\n").unwrap();
    let (found, text) = init(&workspace, &["rows.npy"]);
    assert_eq!(dataset(&text), "source: embeddings, matrix: rows.npy, faces: rows.csv, identity: celeb_id");
    assert_eq!((&found["found"]["pictures"], &found["weights"]), (&3.into(), &Value::Null));
    assert!(!text.contains("weights:") && !text.contains("preprocess:"), "{text}");
    // What `init` writes, `experiment` takes.
    workspace.run(0, &["experiment", "rows.yaml"]);

    let pictures = [&b"P6 1 1 255 abc"[..], b"P6 1 1 255 abd"];
    let columns = [Column::new("image".into(), pictures), Column::new("label".into(), [7i64, 8])];
    let mut frame = DataFrame::new(2, columns.into()).unwrap();
    ParquetWriter::new(fs::File::create(workspace.path("pictures.parquet")).unwrap()).finish(&mut frame).unwrap();
    let (_, text) = init(&workspace, &["pictures.parquet"]);
    assert_eq!(dataset(&text), "source: parquet, path: pictures.parquet");

    let mut tar = tar::Builder::new(fs::File::create(workspace.path("people.tar")).unwrap());
    tar.append_dir_all("people", workspace.path("celeba")).unwrap();
    tar.finish().unwrap();
    let (found, text) = init(&workspace, &["people.tar"]);
    assert_eq!(dataset(&text), "source: archive, path: people.tar");
    assert_eq!((&found["found"]["pictures"], &found["found"]["side"]), (&Value::Null, &100.into()));
    assert!(text.contains("crop: { mode: whole }") && !text.contains("\ndetect:"), "{text}");
}

/// Fault (config): `init` on an archive or parquet of photos → their sizes are read, and the faces will be searched for; where no
/// header tells, the config does not call them crops, so that the run refuses whole photos
#[test]
fn photos_in_one_file_are_no_crops() {
    let workspace = Workspace::empty();
    let parquet = |path: &str, pictures: [&[u8]; 2]| {
        let columns = [Column::new("image".into(), pictures), Column::new("label".into(), [7i64, 8])];
        let mut frame = DataFrame::new(2, columns.into()).unwrap();
        fs::create_dir_all(workspace.path(path).parent().unwrap()).unwrap();
        ParquetWriter::new(fs::File::create(workspace.path(path)).unwrap()).finish(&mut frame).unwrap();
    };
    pictures(&workspace, "people", 250, |who, n| format!("{who}/{n}.ppm"));
    let archive = |file: Box<dyn Write>| {
        let mut tar = tar::Builder::new(file);
        tar.append_dir_all("lfw", workspace.path("people")).unwrap();
        tar.into_inner().unwrap().flush().unwrap();
    };
    let file = |path: &str| fs::File::create(workspace.path(path)).unwrap();
    archive(Box::new(file("photos.tar")));
    archive(Box::new(flate2::write::GzEncoder::new(file("packed.tgz"), flate2::Compression::fast())));
    let [one, other] = [0, 1].map(|n| fs::read(workspace.path(format!("people/ada/{n}.ppm"))).unwrap());
    parquet("photos.parquet", [&one, &other]);
    parquet("shards/0.parquet", [&one, &other]);
    parquet("shards/1.parquet", [&other, &one]);
    for path in ["photos.tar", "packed.tgz", "photos.parquet", "shards"] {
        let (found, text) = init(&workspace, &[path, "--force"]);
        assert_eq!((&found["found"]["side"], &found["pictures"]), (&250.into(), &"photos".into()), "{path}: {found:#}");
        assert!(text.contains("\ndetect:") && !text.contains("crop:"), "{path}: {text}");
    }
    parquet("unknown.parquet", [b"no picture", b"nor this"]);
    for (weights, crop) in [("vggface2", None), ("demo", Some("crop: { mode: box,"))] {
        let (found, text) = init(&workspace, &["unknown.parquet", "--force", "--weights", weights]);
        assert_eq!((&found["found"]["side"], &found["pictures"]), (&Value::Null, &Value::Null), "{found:#}");
        assert_eq!(found["reason"], "the size of the pictures is not known");
        assert!(!text.contains("mode: whole") && !text.contains("\ndetect:"), "{text}");
        assert_eq!(text.contains("crop:"), crop.is_some_and(|crop| text.contains(crop)), "{text}");
    }
    let (found, text) = init(&workspace, &["unknown.parquet", "--force", "--pictures", "crops"]);
    assert_eq!((&found["pictures"], text.contains("crop: { mode: whole }")), (&"crops".into(), true));
}

#[test]
fn a_config_elsewhere_has_absolute_paths() {
    let workspace = Workspace::new();
    pictures(&workspace, "faces", 96, |who, n| format!("{who}/{n}.ppm"));
    fs::create_dir(workspace.path("configs")).unwrap();
    let (found, text) = init(
        &workspace,
        &["faces", "--out", "configs/mine.yaml", "--weights", "weights.safetensors", "--experiments", "runs"],
    );
    assert!(dataset(&text).ends_with(&workspace.path("faces").display().to_string()), "{text}");
    assert!(text.contains(&workspace.path("weights.safetensors").display().to_string()), "{text}");
    assert_eq!(found["next"][1], "facevault experiment configs/mine.yaml --experiments runs");
    let (found, _) = init(&workspace, &["faces", "--weights", "demo", "--for", "embeddings"]);
    assert_eq!(found["next"][1], "facevault embed faces.yaml");
    workspace.run(0, &["embed", "faces.yaml"]);
}

/// Fault (config): `init` on parquet without pictures and embeddings → refused with its columns and what they would have to be
/// Fault (config): `init` on a table with paths of another machine, or of folders that have nothing in common → refused with
/// the paths
/// Fault (config): a `pairs.txt` that is something else lies in the folder that `init` looks at → left out, with the reason
#[test]
fn what_is_something_else_is_told_from_faces() {
    let workspace = Workspace::empty();
    let refused = |arguments: &[&str]| {
        let (_, said) = workspace.run(2, &[&["init"], arguments].concat());
        said.trim().replace("error: ", "").replace(&format!("{}/", workspace.path("").display()).replace("//", "/"), "")
    };
    let parquet = |path: &str| {
        let mut frame =
            DataFrame::new(2, vec![Column::new("a".into(), [7i64, 8]), Column::new("b".into(), ["x", "y"])]).unwrap();
        ParquetWriter::new(fs::File::create(workspace.path(path)).unwrap()).finish(&mut frame).unwrap();
    };
    parquet("other.parquet");
    fs::create_dir(workspace.path("tables")).unwrap();
    parquet("tables/1.parquet");
    parquet("tables/2.parquet");
    let rest = "its columns are `a` (i64), `b` (str); expected pairs (pictures `img_0`, `img_1` and `pair`, or pictures \
                `image1`, `image2` and `target`) or faces (one picture column and one of `identity_id`, `identity`, \
                `label_name`, `person`, `person_id`, `subject`, `label`, `name`, `class`); a picture is a binary column or a \
                struct with a binary `bytes`; or embeddings: a column of lists of f32 or f64";
    assert_eq!(refused(&["other.parquet"]), format!("other.parquet: {rest}"));
    assert_eq!(refused(&["tables"]), format!("tables/1.parquet: {rest}"));

    // The pictures of the table are elsewhere on this machine, under absolute paths.
    pictures(&workspace, "store/crops", 100, |who, n| format!("{who}/{n}.ppm"));
    fs::create_dir(workspace.path("lists")).unwrap();
    let store = workspace.path("store/crops").canonicalize().unwrap();
    let line = |who: &str, n: u8| format!("{who},{}/{who}/{n}.ppm\n", store.display());
    let table = |lines: &str| fs::write(workspace.path("lists/faces.csv"), format!("who,label,path\n{lines}")).unwrap();
    let lines: String = [("ada", 0), ("ada", 1), ("bo", 0)].map(|(who, n)| "x,".to_owned() + &line(who, n)).concat();
    table(&lines);
    let (found, text) = init(&workspace, &["lists/faces.csv"]);
    let wanted =
        format!("source: files, root: {}, table: lists/faces.csv, file: path, identity: label", store.display());
    assert_eq!((dataset(&text), &found["found"]["identities"]), (wanted, &2.into()));
    table("x,ada,/kaggle/input/ada/1.jpg\nx,bo,/kaggle/input/bo/1.jpg\n");
    insta::assert_snapshot!(refused(&["lists/faces.csv", "--force"]), @"lists/faces.csv: no picture is where the table says, such as `/kaggle/input/ada/1.jpg`; write the paths as they are here, or relative to the table's folder");
    table(&(lines + "x,bo,/kaggle/1.jpg\n"));
    let apart = refused(&["lists/faces.csv", "--force"]);
    assert!(
        apart.contains("`ada/0.ppm`") || apart.contains("0.ppm` and `/kaggle/1.jpg`, have no folder in common"),
        "{apart}"
    );

    // A list of something else beside the pictures.
    pictures(&workspace, "photos", 100, |who, n| format!("{who}/{n}.ppm"));
    fs::write(workspace.path("photos/pairs.txt"), "shoes, left and right: 12 pairs\nsocks: 7\n").unwrap();
    let (found, text) = init(&workspace, &["photos"]);
    assert_eq!(dataset(&text), "source: folders, root: photos");
    assert!(!text.contains("- name: listed"), "{text}");
    let note = found["found"]["note"].as_str().unwrap();
    assert!(note.starts_with("pairs.txt is left out, because it is no list of pairs of these pictures: "), "{note}");
    let (_, said) = workspace.run(0, &["init", "photos", "--yes", "--force"]);
    assert!(said.starts_with(&format!("note    {note}")), "{said}");
}

/// Fault (config): `init` on a path that is not UTF-8 → refused, because a config cannot hold it
#[cfg(target_os = "linux")]
#[test]
fn a_path_that_no_config_can_hold_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let workspace = Workspace::empty();
    let name = std::ffi::OsStr::from_bytes(b"n\xff");
    fs::create_dir(workspace.path(name)).unwrap();
    let mut command = workspace.command(&["init"]);
    let output = command.arg(name).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with(r#"error: "n\xFF": its name is not UTF-8, and a config is; "#), "{said}");
}

/// Fault (config): `init` finds a config of that name → it stays as it is, and the error names the flags
/// Fault (processes): `init` without a terminal → nothing is asked, and the defaults are named
/// Fault (config): `init` on something that is not there, a folder without pictures, or names that do not say who is who →
/// refused with what would help
#[test]
fn nothing_is_overwritten_and_nothing_is_guessed_in_silence() {
    let workspace = Workspace::empty();
    pictures(&workspace, "faces", 100, |who, n| format!("{who}/{n}.ppm"));
    let (_, said) = workspace.run(0, &["init", "faces"]);
    assert_eq!(said.trim(), "nothing was asked; by default: --weights vggface2 --for verification --pictures crops");
    fs::write(workspace.path("faces.yaml"), "mine").unwrap();
    let refused = |arguments: &[&str]| {
        let (_, said) = workspace.run(2, &[&["init"], arguments].concat());
        said.trim().replace("error: ", "").replace(&format!("{}/", workspace.path("").display()).replace("//", "/"), "")
    };
    insta::assert_snapshot!(refused(&["faces", "--yes"]), @"faces.yaml exists; `--force` replaces it, `--out FILE` writes another one");
    assert_eq!(fs::read(workspace.path("faces.yaml")).unwrap(), b"mine");
    workspace.run(0, &["init", "faces", "--yes", "--force"]);
    assert_ne!(fs::read(workspace.path("faces.yaml")).unwrap(), b"mine");

    fs::create_dir(workspace.path("empty")).unwrap();
    pictures(&workspace, "unnamed", 100, |who, n| format!("IMG{who}{n}.ppm"));
    fs::write(workspace.path("two.csv"), "a,b\n1,2\n").unwrap();
    fs::write(workspace.path("alone.npy"), "").unwrap();
    insta::assert_snapshot!(refused(&["nowhere"]), @"nowhere: no such file or folder; name the folder, table, archive or array that your faces are in");
    insta::assert_snapshot!(refused(&["empty"]), @"empty: a folder without pictures; expected a folder of pictures, a CSV that names them, a `.parquet`, a `.tar` or an `.npy` with a CSV beside it (`facevault guide datasets`)");
    insta::assert_snapshot!(refused(&["unnamed"]), @"the names of the 4 pictures in unnamed, such as `IMGada0.ppm`, do not say who is in them: give the pattern with `--pattern '{identity}_{n}.*'`, or a CSV of their names and identities with `--table FILE`");
    insta::assert_snapshot!(refused(&["two.csv"]), @"two.csv has no column of paths of pictures; its columns are `a`, `b`; rename one, for example to `file_name`, or write a config with `source: files`, whose `table`, `file` and `identity` name the table and its columns");
    for (split, n) in [("train", 0), ("test", 1)] {
        pictures(&workspace, &format!("splits/{split}"), 100, |who, m| format!("{who}{n}{m}.ppm"));
        fs::write(workspace.path(format!("splits/{split}/metadata.csv")), "file_name,label\nx.ppm,1\n").unwrap();
    }
    insta::assert_snapshot!(refused(&["splits"]), @"splits holds image folders, each with its own metadata.csv: `test`, `train`; name the one that is meant: `facevault init PATH`");
    pictures(&workspace, "odd", 100, |who, m| format!("{who}{m}.ppm"));
    fs::write(workspace.path("odd/metadata.csv"), "file_name,person name\nada0.ppm,Ada\n").unwrap();
    insta::assert_snapshot!(refused(&["odd"]), @"odd/metadata.csv has no column of identities; its columns are `file_name`, `person name`; rename one, for example to `identity`, or write a config with `source: files`, whose `table`, `file` and `identity` name the table and its columns");
    fs::write(workspace.path("odd/metadata.csv"), "file_name,celeb_id\nada0.ppm,1\nada1.ppm,1\nbo0.ppm,2\nbo1.ppm,2\n")
        .unwrap();
    let (_, text) = init(&workspace, &["odd"]);
    assert!(dataset(&text).ends_with("file: file_name, identity: celeb_id"), "{text}");
    insta::assert_snapshot!(refused(&["alone.npy"]), @"no table says whose the rows of alone.npy are: put a CSV with a line for each row beside it, or name it with `--table FILE`");
    insta::assert_snapshot!(refused(&["faces", "--weights", "vgface2"]), @"--weights: expected `vggface2`, `demo` or the path of a checkpoint, and `vgface2` is no file; did you mean `vggface2`?");
    insta::assert_snapshot!(refused(&["faces", "--pattern", "{identity}/*/*"]), @"in faces: `ada/0.ppm` does not fit `dataset.pattern` `{identity}/*/*`: <identity>, `/`, any text, `/`, any text; 4 of 4 pictures do not fit; correct the pattern (`*` is any text of a name, `**/` any folders), or name the pictures that fit in `dataset.list`");
    insta::assert_snapshot!(refused(&["faces", "--pattern", "{who}/*"]), @"--pattern cannot be used: it has no `{identity}`, so nobody would be known; for example `{identity}/*/{n}.jpg` or `{identity}_{n}.*`");
}
