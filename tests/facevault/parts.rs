//! A run whose matrix is in parts: every number is that of one file, and every command takes both.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use facevault::digest::Digest;
use serde_json::Value;

use crate::schemas;
use crate::support::workspace::{self, Workspace};

/// 48 faces in five chunks of ten.
fn workspace() -> Workspace {
    let workspace = Workspace::synthetic(8, 6, "embed: {device: cpu, batch_size: 4, chunk_size: 10, threads: 1}");
    workspace.run(0, &["experiment", "config.yaml", "--set", "name=whole"]);
    workspace
}

const PARTS: [&str; 3] = ["face_embeddings/00000.npy", "face_embeddings/00001.npy", "face_embeddings/00002.npy"];

fn run_of(workspace: &Workspace, name: &str) -> PathBuf {
    let runs = fs::read_dir(workspace.path("experiments")).unwrap().map(|entry| entry.unwrap().path());
    let mut found = runs.filter(|path| {
        path.file_name().is_some_and(|found| found.to_string_lossy().rsplit_once('-').is_some_and(|(it, _)| it == name))
    });
    found.next().unwrap_or_else(|| panic!("no run of {name}"))
}

/// The same faces in parts of 20 rows, embedded and evaluated anew.
fn in_parts(workspace: &Workspace) -> PathBuf {
    workspace
        .run(0, &["experiment", "config.yaml", "--set", "name=parts", "--set", "embed.part_rows=20", "--no-reuse"]);
    run_of(workspace, "parts")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What is computed from the embeddings.
fn results(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let others = ["config.yaml", "plan.json", "provenance.json", "SEALED"];
    let computed = names.filter(|name| {
        !name.starts_with('.') && !others.contains(&name.as_str()) && !name.starts_with("face_embeddings")
    });
    computed
        .filter(|name| run.join(name).is_file())
        .map(|name| (name.clone(), fs::read(run.join(name)).unwrap()))
        .collect()
}

/// The numbers behind the header of a `.npy`.
fn numbers(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    bytes[10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))..].to_vec()
}

fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_matrix_in_parts_gives_the_bytes_of_one_file() {
    let workspace = workspace();
    let (whole, parts) = (run_of(&workspace, "whole"), in_parts(&workspace));
    assert!(!parts.join("face_embeddings.npy").exists() && !whole.join("face_embeddings.json").exists());
    let joined: Vec<u8> = PARTS.iter().flat_map(|part| numbers(&parts.join(part))).collect();
    assert!(joined == numbers(&whole.join("face_embeddings.npy")));
    let index = json(&parts.join("face_embeddings.json"));
    assert_eq!((&index["rows"], &index["part_rows"], &index["dimension"]), (&48.into(), &20.into(), &512.into()));
    for (part, (file, rows)) in index["parts"].as_array().unwrap().iter().zip(PARTS.iter().zip([20, 20, 8])) {
        let sha256 = Digest::of(&fs::read(parts.join(file)).unwrap()).to_string();
        assert_eq!((&part["file"], &part["rows"], &part["sha256"]), (&(*file).into(), &rows.into(), &sha256.into()));
        assert_eq!(workspace::sealed(&parts)[*file], part["sha256"].as_str().unwrap());
    }
    let (expected, found) = (results(&whole), results(&parts));
    assert!(expected.len() > 15 && expected.contains_key("metrics.json"), "{:?}", expected.keys());
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{name} is another with parts");
    }
    assert!(schemas::check_run(&parts).contains(&"face_embeddings.json".into()));

    // Everything that reads the matrix.
    workspace.run(0, &["verify", "parts"]);
    let looked_up = |run: &str| {
        let mut found = workspace.json(0, &["lookup", run, "s5-i0003-002"]);
        found.as_object_mut().unwrap().remove("run");
        found
    };
    assert_eq!(looked_up("parts"), looked_up("whole"));
    let (compared, _) = workspace.run(0, &["compare", "whole", "parts"]);
    assert!(compared.contains("paired on the 48 faces"), "{compared}");
    workspace.run(0, &["report", "parts"]);
    for run in ["whole", "parts"] {
        workspace.run(0, &["export", run, "--to", "webdataset", "--out", &format!("tar-{run}")]);
    }
    let rows_of = |run: &str| {
        let mut tars = fs::read_dir(workspace.path(format!("tar-{run}"))).unwrap().map(|entry| entry.unwrap().path());
        let mut tar = tar::Archive::new(fs::File::open(tars.next().unwrap()).unwrap());
        let entries = tar.entries().unwrap().map(Result::unwrap);
        let npy = entries.filter(|entry| entry.path().unwrap().extension().is_some_and(|ending| ending == "npy"));
        npy.map(|mut entry| {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            bytes
        })
        .collect::<Vec<_>>()
    };
    assert!(rows_of("parts").len() == 48 && rows_of("parts") == rows_of("whole"));

    // Its pairs, shared out.
    for name in ["SEALED", ".unsealed"] {
        let _ = fs::remove_file(parts.join(name));
    }
    workspace.run(0, &["embed", "parts"]);
    fs::remove_file(parts.join("metrics.json")).unwrap();
    workspace.run(0, &["evaluate", "parts", "--shard", "0/2"]);
    workspace.run(0, &["evaluate", "parts"]);
    assert!(results(&parts) == expected);

    // And as embeddings that somebody has computed.
    let lines = format!(
        "name: given\nseed: 0\nsimilarity: {{replicates: 100}}\ndataset:\n  source: embeddings\n  \
         matrix: {0}/face_embeddings.json\n  faces: {0}/face_metadata.csv\n",
        parts.display()
    );
    fs::write(workspace.path("given.yaml"), lines).unwrap();
    workspace.run(0, &["experiment", "given.yaml"]);
    let given = run_of(&workspace, "given");
    assert!(numbers(&given.join("face_embeddings.npy")) == joined);
    damage(&parts.join(PARTS[1]));
    let (_, stderr) = workspace.run(1, &["experiment", "given.yaml", "--set", "name=other"]);
    assert!(stderr.contains("00001.npy") && stderr.contains("damaged or of another matrix"), "{stderr}");
}

/// A file of a run, and what happens to it.
type Way<'a> = (&'a str, &'a dyn Fn(&Path));

/// Fault (runs): a part of a matrix is damaged, cut short or missing, or its index is → `verify` names it, no command takes
/// its rows, and `embed` makes it again from the chunks, with the same bytes
#[test]
fn a_damaged_part_is_named_and_made_again() {
    let workspace = workspace();
    let run = in_parts(&workspace);
    let before = workspace::sealed(&run);
    let cut = |path: &Path| fs::File::options().write(true).open(path).unwrap().set_len(5000).unwrap();
    let removed = |path: &Path| fs::remove_file(path).unwrap();
    let ways: [Way<'_>; 5] = [
        (PARTS[1], &damage),
        (PARTS[0], &cut),
        (PARTS[2], &removed),
        ("face_embeddings.json", &damage),
        ("face_embeddings.json", &removed),
    ];
    for (name, harm) in ways {
        harm(&run.join(name));
        let (said, _) = workspace.run(4, &["verify", "parts"]);
        assert!(said.contains(&format!("{name}: sealed")), "{said}");
        let (_, stderr) = workspace.run(1, &["lookup", "parts", "s5-i0003-002"]);
        assert!(stderr.contains(&format!("is damaged: {name}: sealed")), "{stderr}");
        workspace.run(1, &["evaluate", "parts"]);
        workspace.run(0, &["embed", "parts"]);
        workspace.run(0, &["evaluate", "parts"]);
        workspace.run(0, &["verify", "parts"]);
        for file in PARTS.iter().chain(&["face_embeddings.json", "metrics.json"]) {
            assert_eq!(workspace::sealed(&run)[*file], before[*file], "{name}: {file}");
        }
    }
}

/// Fault (processes): a process is killed while it writes the parts of a matrix → the next one writes them anew, and what
/// was left behind is gone
#[test]
fn an_export_that_was_killed_between_parts_is_made_again() {
    let workspace = workspace();
    let run = in_parts(&workspace);
    let before = workspace::sealed(&run);
    // What it had written by then: no index, a part too few, and one that is half written.
    for name in ["SEALED", "face_metadata.csv", "metrics.json", "face_embeddings.json", PARTS[2]] {
        fs::remove_file(run.join(name)).unwrap();
    }
    fs::write(run.join("face_embeddings/.partial-1a2b3c"), "half").unwrap();
    fs::write(run.join("face_embeddings/00007.npy"), "of a smaller number of rows").unwrap();
    workspace.run(0, &["experiment", "config.yaml", "--set", "name=parts", "--set", "embed.part_rows=20"]);
    let mut left: Vec<_> =
        fs::read_dir(run.join("face_embeddings")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["00000.npy", "00001.npy", "00002.npy"]);
    for file in PARTS.iter().chain(&["face_embeddings.json", "metrics.json"]) {
        assert_eq!(workspace::sealed(&run)[*file], before[*file], "{file}");
    }
    workspace.run(0, &["verify", "parts"]);
}

#[test]
fn who_is_forgotten_is_in_no_part() {
    let workspace = workspace();
    let run = in_parts(&workspace);
    let rows = |run: &Path| -> Vec<u8> {
        PARTS.iter().filter(|part| run.join(part).exists()).flat_map(|part| numbers(&run.join(part))).collect()
    };
    let (before, row) = (rows(&run), 512 * 4);
    workspace.run(0, &["forget", "parts", "--identity", "s5-i0001"]);
    workspace.run(0, &["verify", "parts"]);
    // Rows 6 to 11 were theirs; 42 are left.
    let kept = [&before[..6 * row], &before[12 * row..]].concat();
    assert!(rows(&run) == kept);
    assert_eq!(json(&run.join("face_embeddings.json"))["rows"], 42);
    // Few enough for one file.
    for identity in ["s5-i0000", "s5-i0002", "s5-i0003", "s5-i0004"] {
        workspace.run(0, &["forget", "parts", "--identity", identity]);
    }
    assert!(numbers(&run.join("face_embeddings.npy")) == kept[24 * row..]);
    assert!(!run.join("face_embeddings.json").exists() && !run.join("face_embeddings").exists());
    workspace.run(0, &["verify", "parts"]);
}

/// Fault (runs): a link in the folder of parts → refused by name
#[test]
#[cfg(unix)]
fn a_link_among_the_parts_is_refused() {
    let workspace = workspace();
    let run = in_parts(&workspace);
    let part = run.join(PARTS[1]);
    fs::rename(&part, workspace.path("elsewhere.npy")).unwrap();
    std::os::unix::fs::symlink(workspace.path("elsewhere.npy"), &part).unwrap();
    let (_, stderr) = workspace.run(1, &["evaluate", "parts"]);
    assert!(stderr.contains("00001.npy: it is a link to "), "{stderr}");
}
