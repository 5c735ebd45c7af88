//! Embeddings that another program has computed: a matrix and a table.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::schemas;
use crate::support::workspace::Workspace;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/demo.yaml");

/// Runs `given.yaml`; its directory and both outputs.
#[track_caller]
fn experiment(workspace: &Workspace, more: &[&str]) -> (PathBuf, String) {
    let (stdout, stderr) = workspace.run(0, &[&["experiment", "given.yaml"], more].concat());
    let run = stdout.lines().find_map(|line| line.strip_prefix("run ")).unwrap().trim();
    (workspace.path(run), stdout.clone() + &stderr)
}

fn config(workspace: &Workspace, lines: &str) {
    let head = "name: given\nsimilarity: {replicates: 50}\nembed: {chunk_size: 5}\n";
    fs::write(workspace.path("given.yaml"), format!("{head}{lines}\n")).unwrap();
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A `.npy` of these bytes, in rows of `dimension` values of a type.
fn npy(path: &Path, descr: &str, rows: usize, dimension: usize, data: &[u8]) {
    let dictionary = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {dimension}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((dictionary.len() as u16).to_le_bytes());
    bytes.extend(dictionary.bytes());
    bytes.extend(data);
    fs::write(path, bytes).unwrap();
}

/// A matrix of `rows` in f64, each stretched by `by`.
fn npy_f64(path: &Path, rows: &[Vec<f64>], by: f64) {
    let data: Vec<u8> = rows.iter().flatten().flat_map(|value| (value * by).to_le_bytes()).collect();
    npy(path, "<f8", rows.len(), rows[0].len(), &data);
}

/// Three directions for each of four people, in `width` numbers, and their table.
fn made_up(workspace: &Workspace, width: usize) -> Vec<Vec<f64>> {
    let rows: Vec<Vec<f64>> = (0..12)
        .map(|i| {
            let value = |at: usize| f64::from(u8::from(at == i / 3)) + 0.1 * ((at * 7 + i * 5) % 11) as f64 / 11.0;
            (0..width).map(value).collect()
        })
        .collect();
    npy_f64(&workspace.path("m.npy"), &rows, 1.0);
    let lines = (0..12).fold(String::from("face_id,identity_id\n"), |mut table, i| {
        writeln!(table, "f{i:02},p{}", i / 3).unwrap();
        table
    });
    fs::write(workspace.path("faces.csv"), lines).unwrap();
    rows
}

#[test]
fn a_runs_own_embeddings_have_its_metrics() {
    let workspace = Workspace::empty();
    let face = |person: usize, sample: usize| format!("s2026-i{:04}-{sample:03}", person % 20);
    let pairs = (0..20).map(|person| {
        let (a, b, other) = (face(person, 0), face(person, 1 + person % 9), face(person + 1, 3));
        format!("{a} {b} 1\n{a} {other} 0\n")
    });
    fs::write(workspace.path("pairs.txt"), pairs.collect::<String>()).unwrap();
    let protocols = "protocols=[{name: listed, pairs: [pairs.txt], folds: 4}]";
    let demo = workspace.json(0, &["experiment", DEMO, "--set", "dataset.identities=20", "--set", protocols]);
    let demo = workspace.path(demo["directory"].as_str().unwrap());
    let lines = format!(
        "seed: 0\ndataset:\n  source: embeddings\n  matrix: {0}/face_embeddings.npy\n  faces: {0}/face_metadata.csv\n",
        demo.display()
    );
    fs::write(workspace.path("given.yaml"), format!("name: given\n{lines}")).unwrap();
    let seed = json(demo.join("plan.json"))["seed"].to_string();
    let sets = ["--set", &format!("seed={seed}"), "--set", protocols];
    let (run, said) = experiment(&workspace, &sets);
    assert!(said.contains("200 of 200 faces embedded") && !said.contains("normalised"), "{said}");
    assert!(!said.contains("not pinned"), "{said}");
    for file in ["face_embeddings.npy", "face_embedding_index.csv", "identity_centroids.npy"] {
        assert!(fs::read(run.join(file)).unwrap() == fs::read(demo.join(file)).unwrap(), "{file}");
    }
    let metrics = |run: &Path| {
        let mut metrics = json(run.join("metrics.json"));
        // What the demo's config expects, and this one does not.
        metrics.as_object_mut().unwrap().remove("expectations");
        metrics
    };
    assert_eq!(metrics(&run), metrics(&demo));
    assert!(metrics(&run)["protocols"][0]["eer"]["point"].is_number(), "{}", metrics(&run)["protocols"]);
    workspace.run(0, &["verify", "given"]);
    workspace.run(0, &["lookup", "given", "s2026-i0000-000"]);
    let (compared, _) = workspace.run(0, &["compare", demo.to_str().unwrap(), "given"]);
    assert!(compared.contains("paired on the 200 faces"), "{compared}");
    assert!(!compared.contains("another picture"), "nobody knows of which picture a given embedding is: {compared}");
    let page =
        fs::read_to_string(workspace.path(format!("reports/{}.html", run.file_name().unwrap().display()))).unwrap();
    assert!(page.contains(">Matrix<") && page.contains("embeddings.npy, sha256"), "the page names the matrix");

    let plan = json(run.join("plan.json"));
    assert_eq!((&plan["model"]["network"], &plan["model"]["embedder"]), (&"given".into(), &"given".into()));
    assert!(plan.get("preprocess").is_none());
    let again = workspace.json(0, &[&["experiment", "given.yaml"], &sets[..]].concat());
    assert_eq!(again["status"], "already-complete");
    schemas::printed("experiment", &again);
}

#[test]
fn any_width_type_length_and_order_of_rows_is_taken() {
    let workspace = Workspace::empty();
    let rows = made_up(&workspace, 7);
    config(&workspace, "dataset: {source: embeddings, matrix: m.npy, faces: faces.csv}");
    let (run, said) = experiment(&workspace, &[]);
    assert!(said.contains("12 rows were not of length 1, and normalised"), "{said}");
    let whole = fs::read(run.join("face_embeddings.npy")).unwrap();

    // Longer rows are the same directions; so are unit rows, in f32 and f64, up to rounding.
    let (mut other, mut names) = (Vec::new(), vec![run]);
    for by in [1000.0, 1e-200, 1e200] {
        npy_f64(&workspace.path("m.npy"), &rows, by);
        names.push(experiment(&workspace, &[]).0);
        other.push(fs::read(names.last().unwrap().join("face_embeddings.npy")).unwrap());
    }
    let close = |bytes: &[u8]| {
        let values = |bytes: &[u8]| -> Vec<f32> {
            let data = &bytes[10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))..];
            data.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
        };
        values(bytes).iter().zip(values(&whole)).all(|(a, b)| (a - b).abs() < 1e-6)
    };
    assert!(other.iter().all(|bytes| close(bytes)));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4, "the content of the matrix is part of the name");

    // f16, lines in another order, columns called otherwise, and two rows that nobody asks for.
    let half = |value: &f64| {
        // Powers of two are exact.
        let exponent = (*value).log2() as i32;
        (((exponent + 15) as u16) << 10).to_le_bytes()
    };
    let values: Vec<f64> =
        (0..6).flat_map(|row| (0..4).map(move |at| if at == row / 2 { 4.0 } else { 0.25 })).collect();
    npy(&workspace.path("m.npy"), "<f2", 6, 4, &values.iter().flat_map(half).collect::<Vec<_>>());
    let table = "celeb_id,file,index,age\nb,b/2.jpg,3,7\na,a/1.jpg,0,8\na,a/2.jpg,1,9\nb,b/1.jpg,2,10\n";
    fs::write(workspace.path("faces.csv"), table).unwrap();
    fs::write(
        workspace.path("pairs.txt"),
        "a/1.jpg a/2.jpg 1\na/1.jpg b/1.jpg 0\nb/1.jpg b/2.jpg 1\na/2.jpg b/2.jpg 0\n",
    )
    .unwrap();
    config(
        &workspace,
        "dataset: {source: embeddings, matrix: m.npy, faces: faces.csv, row: index, face: file, identity: celeb_id, \
         pairs: pairs.txt}\nprotocols: [{name: mine, folds: 2}]",
    );
    let (run, said) = experiment(&workspace, &[]);
    assert!(said.contains("2 of the matrix's 6 rows are in no line of the table"), "{said}");
    assert!(said.contains("mine accuracy"), "{said}");
    let index = fs::read_to_string(run.join("face_embedding_index.csv")).unwrap();
    assert_eq!(index.lines().collect::<Vec<_>>(), ["face_id", "b/2.jpg", "a/1.jpg", "a/2.jpg", "b/1.jpg"]);
    let bytes = fs::read(run.join("face_embeddings.npy")).unwrap();
    let first: Vec<f32> =
        bytes[bytes.len() - 64..].as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
    assert!(first[1] > 0.9 && first[4] > 0.9 && first[8] > 0.9 && first[13] > 0.9, "{first:?}");
    let manifest = fs::read_to_string(run.join("face_metadata.csv")).unwrap();
    assert!(manifest.lines().next().unwrap().contains("age"), "{manifest}");
    workspace.run(0, &["verify", run.to_str().unwrap()]);
}

/// Fault (tables): a given embedding that is zero, or has a value that is not finite → a failure of its face, with row and
/// column
/// Fault (tables): a line names a row that the matrix does not have → a failure of its face, with the line
#[test]
fn rows_that_are_no_directions_fail_their_faces() {
    let workspace = Workspace::empty();
    let mut rows = made_up(&workspace, 4);
    rows[1] = vec![0.0; 4];
    rows[4][2] = f64::NAN;
    rows[7][0] = f64::INFINITY;
    npy_f64(&workspace.path("m.npy"), &rows, 1.0);
    config(&workspace, "dataset: {source: embeddings, matrix: m.npy, faces: faces.csv}");
    let (run, said) = experiment(&workspace, &[]);
    assert!(said.contains("9 of 12 faces embedded, 3 failed"), "{said}");
    let failures = fs::read_to_string(run.join("failures.csv")).unwrap();
    for line in [
        "1,f01,row,\"row 1 of the matrix is zero, so it has no direction\"",
        "4,f04,row,row 4 of the matrix has the value NaN in column 2",
        "7,f07,row,row 7 of the matrix has the value inf in column 0",
    ] {
        assert!(failures.contains(line), "{failures}");
    }
    workspace.run(0, &["verify", run.to_str().unwrap()]);
    let (_, stderr) =
        workspace.run(1, &["experiment", "given.yaml", "--set", "name=strict", "--set", "embed.on_error=fail"]);
    assert!(stderr.contains("face `f01` (row 1) has no embedding"), "{stderr}");

    let table = fs::read_to_string(workspace.path("faces.csv")).unwrap();
    let numbered = |(i, line): (usize, &str)| match i {
        0 => format!("{line},at\n"),
        3 => format!("{line},12\n"),
        _ => format!("{line},{}\n", i - 1),
    };
    fs::write(workspace.path("faces.csv"), table.lines().enumerate().map(numbered).collect::<String>()).unwrap();
    config(&workspace, "dataset: {source: embeddings, matrix: m.npy, faces: faces.csv, row: at}");
    let (run, _) = experiment(&workspace, &[]);
    let failures = fs::read_to_string(run.join("failures.csv")).unwrap();
    assert!(failures.contains("line 4: `at` is `12`, expected a row of the matrix, counted from 0"), "{failures}");
}

/// Fault (tables): a table of given embeddings has more or fewer lines than the matrix rows, or lacks a column that the
/// config names → refused with both numbers, or with the columns that there are
/// Fault (tables): a matrix of given embeddings is cut, of integers or of Fortran order → refused with the rule and the
/// remedy
/// Fault (config): a key that says how embeddings are computed, beside given ones → refused at the key
#[test]
fn what_does_not_fit_is_refused_with_the_remedy() {
    let workspace = Workspace::empty();
    let rows = made_up(&workspace, 4);
    let source = "dataset: {source: embeddings, matrix: m.npy, faces: faces.csv";
    let error = |lines: &str, code| {
        config(&workspace, lines);
        let (_, stderr) = workspace.run(code, &["experiment", "given.yaml", "--quiet"]);
        stderr.replace(workspace.path("").to_str().unwrap(), "")
    };
    let whole = format!("{source}}}");
    let said = error(&format!("{source}, identity: celeb}}"), 1);
    assert!(
        said.contains("faces.csv, line 1: missing column `celeb`; the columns are `face_id`, `identity_id`"),
        "{said}"
    );
    npy_f64(&workspace.path("m.npy"), &rows[..11], 1.0);
    let said = error(&whole, 1);
    assert!(said.contains("m.npy has 11 rows and faces.csv has 12 lines; each line is a row, in order"), "{said}");
    npy(&workspace.path("m.npy"), "<i8", 12, 4, &[0; 384]);
    assert!(error(&whole, 1).contains("its values are '<i8', expected '<f2' or '<f4' or '<f8'; convert it with"));
    npy(&workspace.path("m.npy"), "|O", 12, 4, &[0; 384]);
    let said = error(&whole, 1);
    assert!(said.contains("'|O'") && said.contains("`numpy.stack(list(matrix)).astype('<f4')`"), "{said}");
    npy(&workspace.path("m.npy"), "<f8", 12, 4, &[0; 383]);
    assert!(error(&whole, 1).contains("the file is truncated or damaged"));
    fs::write(workspace.path("m.npy"), "").unwrap();
    assert!(error(&whole, 1).contains("it ends inside its header"));
    npy_f64(&workspace.path("m.npy"), &rows, 1.0);
    for (key, said) in [
        ("weights: {source: embedded, name: demo}", "`weights` says how embeddings are computed"),
        ("model: {network: iresnet50}", "`model` says how embeddings are computed"),
        ("preprocess: {profile: insightface}", "`preprocess` says how embeddings are computed"),
        ("detect: {}", "`detect` says how embeddings are computed"),
    ] {
        let found = error(&format!("{whole}\n{key}"), 2);
        assert!(found.contains(said) && found.contains("remove it, or choose another"), "{found}");
    }
    config(&workspace, &whole);
    let digest = "0".repeat(64);
    let (_, stderr) =
        workspace.run(1, &["experiment", "given.yaml", "--set", &format!("dataset.sha256='{digest}'"), "--quiet"]);
    assert!(stderr.contains("m.npy") && stderr.contains(&digest), "{stderr}");
    let (_, stderr) = workspace.run(2, &["detect", "given.yaml", "--quiet"]);
    assert!(
        stderr.contains("given.yaml detects no faces: `detect` needs photos") && !stderr.contains("--set"),
        "no key helps here: {stderr}"
    );
    let (_, stderr) = workspace.run(2, &["throughput", "given.yaml", "--quiet"]);
    assert!(stderr.contains("the embeddings are given: no network computes them"), "{stderr}");
    let (stdout, _) = workspace.run(0, &["check", "given.yaml"]);
    assert!(stdout.contains("given embeddings") && !stdout.contains("preprocess"), "{stdout}");
}

#[test]
fn a_given_run_is_continued_forgotten_from_and_reused_by_nobody() {
    let workspace = Workspace::empty();
    made_up(&workspace, 4);
    config(&workspace, "dataset: {source: embeddings, matrix: m.npy, faces: faces.csv}");
    let (run, _) = experiment(&workspace, &[]);
    let whole = fs::read(run.join("face_embeddings.npy")).unwrap();
    for file in ["SEALED", "face_metadata.csv", "metrics.json", "chunks/00001.json"] {
        fs::remove_file(run.join(file)).unwrap();
    }
    let (again, said) = experiment(&workspace, &[]);
    assert!(again == run && !said.contains("reusing"), "{said}");
    assert!(fs::read(run.join("face_embeddings.npy")).unwrap() == whole);
    workspace.run(0, &["forget", "given", "--identity", "p1"]);
    workspace.run(0, &["verify", "given"]);
    assert_eq!(embeddings_of(&run), 9);
}

fn embeddings_of(run: &Path) -> usize {
    fs::read_to_string(run.join("face_embedding_index.csv")).unwrap().lines().count() - 1
}

/// Fault (runs): two runs whose galleries are of other faces, though as large → their searches are not compared
#[test]
fn searches_of_other_galleries_are_not_compared() {
    let workspace = Workspace::empty();
    let mut rows = made_up(&workspace, 7);
    config(
        &workspace,
        "dataset: {source: embeddings, matrix: m.npy, faces: faces.csv}\n\
         protocols: [{name: one, kind: identification, gallery: {first: 1}}]",
    );
    let run = |experiments: &str| {
        workspace.run(0, &["experiment", "given.yaml", "--experiments", experiments]);
        let mut runs = fs::read_dir(workspace.path(experiments)).unwrap().map(|run| run.unwrap().path());
        runs.find(|run| run.join("plan.json").is_file()).unwrap().to_str().unwrap().to_owned()
    };
    let first = run("first");
    let same = run("same");
    // The first face of each person is another one now.
    rows.reverse();
    npy_f64(&workspace.path("m.npy"), &rows, 1.0);
    let table = fs::read_to_string(workspace.path("faces.csv")).unwrap();
    let (header, lines) = table.split_once('\n').unwrap();
    let lines: Vec<&str> = lines.lines().rev().collect();
    fs::write(workspace.path("faces.csv"), format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    let other = run("other");
    let searches = |one: &str| {
        let compared = workspace.json(0, &["compare", &first, one]);
        compared["paired"]["searches"].as_array().unwrap().len()
    };
    assert!(searches(&same) > 0 && searches(&other) == 0, "{} {}", searches(&same), searches(&other));
}
