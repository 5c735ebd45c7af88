//! `facevault forget`: afterwards nothing of the faces is left, and the run is one that never had them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use facevault::dataset::synthetic;
use serde_json::Value;

use crate::support::workspace::{Workspace, embeddings, sealed};

/// Everybody; the one to forget in most tests has a name that nothing else contains.
const PEOPLE: [&str; 4] = ["Ann", "Quirinella_Zettlebrand", "Ben", "Cem"];
const GONE: &str = "Quirinella_Zettlebrand";

/// Draws `samples` faces of everybody but `without`, and for each person a file that is no picture, as identity folders.
fn draw(workspace: &Workspace, folder: &str, samples: u32, without: &[&str]) {
    for (person, name) in (0..).zip(PEOPLE) {
        for sample in 0..=samples {
            let path = workspace.path(format!("{folder}/{name}/{name}_{sample}.png"));
            if without.iter().any(|gone| path.display().to_string().contains(gone)) {
                continue;
            }
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if sample == samples {
                fs::write(path, format!("no picture of {name}")).unwrap();
            } else {
                synthetic::render(5, person, sample, 96).save(path).unwrap();
            }
        }
    }
}

/// An evaluated run over these folders: 4 people of 3 faces and one that fails, in chunks of 5.
fn finished(lines: &str) -> (Workspace, PathBuf) {
    let workspace = Workspace::new();
    draw(&workspace, "faces", 3, &[]);
    workspace.config(&format!("dataset: {{source: folders, root: faces}}\n{lines}"));
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    (workspace, run)
}

/// All files below these folders, hidden ones too.
fn files(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { found.extend(files(&[path])) } else { found.push(path) }
        }
    }
    found
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Asserts that no byte below the folders is about a face: neither its names nor its embedding.
#[track_caller]
fn nothing_is_left(workspace: &Workspace, names: &[&str], rows: &[Vec<f32>]) {
    for path in files(&[workspace.path("experiments"), workspace.path("reports")]) {
        let bytes = fs::read(&path).unwrap();
        for name in names {
            assert!(!path.display().to_string().contains(name), "{}", path.display());
            assert!(!contains(&bytes, name.as_bytes()), "{name} in {}", path.display());
        }
        for row in rows {
            let bits: Vec<u8> = row[..8].iter().flat_map(|number| number.to_le_bytes()).collect();
            assert!(!contains(&bytes, &bits), "an embedding in {}", path.display());
        }
    }
}

/// The matrix rows of faces whose id contains a text.
fn rows_of(run: &Path, part: &str) -> Vec<Vec<f32>> {
    let index = fs::read_to_string(run.join("face_embedding_index.csv")).unwrap();
    let ids = index.lines().skip(1);
    embeddings(run).into_iter().zip(ids).filter(|(_, id)| id.contains(part)).map(|(row, _)| row).collect()
}

/// Digests of what depends on the faces alone: neither on times nor on how the run came to be.
fn results(run: &Path) -> BTreeMap<String, String> {
    let mut digests = sealed(run);
    digests.retain(|name, _| {
        let timed = name.starts_with("chunks/") && Path::new(name).extension() == Some("json".as_ref());
        !timed && !["plan.json", "provenance.json", "config.yaml", "manifest.parquet"].contains(&name.as_str())
    });
    digests
}

#[track_caller]
fn assert_same_results(a: &Path, b: &Path) {
    assert_eq!(results(a), results(b));
}

fn name(run: &Path) -> &str {
    run.file_name().unwrap().to_str().unwrap()
}

/// Fault (privacy): a person is forgotten → no byte of run, reports and caches has a name, a path or an embedding of theirs,
/// unless the config or another face's columns say the name; every result is that of a run that never had them
#[test]
fn a_person_is_gone_and_the_rest_is_a_run_that_never_had_them() {
    let (workspace, run) = finished("");
    workspace.run(0, &["experiment", "config.yaml", "--set", "seed=3"]);
    let others: Vec<_> = fs::read_dir(workspace.path("experiments")).unwrap().flatten().map(|one| one.path()).collect();
    let other = others.iter().find(|path| **path != run && path.join("plan.json").is_file()).unwrap();
    workspace.run(0, &["compare", name(&run), name(other)]);
    let rows = rows_of(&run, GONE);
    assert_eq!(rows.len(), 3);

    let listed = workspace.json(0, &["forget", name(&run), "--identity", GONE, "--dry-run"]);
    assert_eq!((&listed["faces"], &listed["left"]), (&4.into(), &12.into()));
    assert_eq!(listed["other_runs"], serde_json::json!([format!("experiments/{}", name(other))]));
    assert_eq!(listed["pages"].as_array().unwrap().len(), 3, "its own, the other's and that of both: {listed}");
    workspace.run(0, &["verify", name(&run)]);

    let (said, _) = workspace.run(0, &["forget", name(&run), "--identity", GONE]);
    assert!(said.starts_with(&format!("removed 4 faces from {}; 12 are left", name(&run))), "{said}");
    assert!(said.contains("left alone") && said.contains("not reached: the dataset itself; copies"), "{said}");
    // The other run has been told of; with it the name is gone everywhere.
    fs::remove_dir_all(other).unwrap();
    nothing_is_left(&workspace, &[GONE], &rows);
    workspace.run(0, &["verify", name(&run)]);
    let provenance: Value = serde_json::from_slice(&fs::read(run.join("provenance.json")).unwrap()).unwrap();
    assert_eq!(provenance["removals"][0]["faces"], 4);
    let page = fs::read_to_string(workspace.path("reports").join(name(&run)).with_extension("html")).unwrap();
    assert!(page.contains("4 faces were removed from this run on 20"), "its page is made again");
    assert!(
        !page.contains("a second, with reading") && !page.contains("facevault experiment"),
        "neither is true any more"
    );

    let without = Workspace::new();
    draw(&without, "faces", 3, &[GONE]);
    without.config("dataset: {source: folders, root: faces}");
    without.run(0, &["experiment", "config.yaml"]);
    assert_same_results(&run, &without.only_run());
    workspace.run(0, &["evaluate", name(&run)]);
    assert_same_results(&run, &without.only_run());
}

/// Fault (privacy): single faces are forgotten, some without an embedding, some in two calls → they are gone, and the other
/// faces of their person stay
#[test]
fn single_faces_are_gone_and_their_person_is_not() {
    let (workspace, run) = finished("");
    let [first, failed, last] =
        ["Ann/Ann_0.png".to_owned(), format!("{GONE}/{GONE}_3.png"), "Cem/Cem_2.png".to_owned()];
    let rows = [rows_of(&run, &first), rows_of(&run, &last)].concat();
    workspace.run(0, &["forget", "small", &first, &failed]);
    let done = workspace.json(0, &["forget", "small", &last]);
    assert_eq!((&done["faces"], &done["left"]), (&1.into(), &13.into()));
    nothing_is_left(&workspace, &[&first, &failed, &last, "Ann_0", "Cem_2"], &rows);
    workspace.run(0, &["verify", "small"]);
    let without = Workspace::new();
    draw(&without, "faces", 3, &["Ann_0", &format!("{GONE}_3"), "Cem_2"]);
    without.config("dataset: {source: folders, root: faces}");
    without.run(0, &["experiment", "config.yaml"]);
    assert_same_results(&run, &without.only_run());
    let looked = workspace.json(0, &["lookup", "small", "Cem/Cem_1.png"]);
    assert_eq!(looked["row"], 6);
    let (_, error) = workspace.run(2, &["lookup", "small", &last]);
    assert!(error.contains("has no face `Cem/Cem_2.png`"), "{error}");
}

#[test]
fn a_run_that_is_not_evaluated_or_has_nothing_to_compare_forgets_too() {
    let workspace = Workspace::new();
    draw(&workspace, "faces", 2, &["Cem", GONE]);
    workspace.config("dataset: {source: folders, root: faces}");
    workspace.run(0, &["embed", "config.yaml"]);
    let done = workspace.json(0, &["forget", "small", "Ben/Ben_0.png", "Ben/Ben_2.png"]);
    assert_eq!((&done["left"], &done["not_evaluated"], &done["report"]), (&4.into(), &Value::Null, &Value::Null));
    workspace.run(0, &["evaluate", "small"]);
    workspace.run(0, &["verify", "small"]);
    // A single person is left: there is nothing to compare any more.
    let done = workspace.json(0, &["forget", "small", "--identity", "Ben"]);
    assert!(done["not_evaluated"].is_string(), "{done}");
    workspace.run(0, &["verify", "small"]);
    let run = workspace.only_run();
    assert!(!run.join("metrics.json").exists() && !run.join("identities.parquet").exists());
    nothing_is_left(&workspace, &["Ben/Ben", "Ben_"], &[]);
}

/// Fault (privacy): a name that the run does not have is to be forgotten → exit code 2 with the nearest; nothing changes
/// Fault (privacy): all faces of a run are to be forgotten → exit code 2, and the folder to delete is named
#[test]
fn what_cannot_be_forgotten_changes_nothing() {
    let (workspace, run) = finished("");
    let before = sealed(&run);
    for (arguments, said) in [
        (&["Ann/Ann_O.png"][..], "has no face `Ann/Ann_O.png`; did you mean `Ann/Ann_"),
        (&["Ann/Ann_0.png", "Dan/1.png"], "has no face `Dan/1.png`"),
        (
            &["--identity", "Quirinella_Zettelbrand"],
            "has no identity `Quirinella_Zettelbrand`; did you mean `Quirinella_Z",
        ),
        (&[GONE], "has no face `Quirinella_Zettlebrand`; it is an identity: `--identity Quirinella_Zettlebrand`"),
        (
            &["--identity", "Ann/Ann_0.png"],
            "has no identity `Ann/Ann_0.png`; it is a face: name it without `--identity`",
        ),
        (&["--identity", "QUIRINELLA_ZETTLEBRAND"], "did you mean `Quirinella_Zettlebrand`?"),
        (&[], "name the faces to forget"),
        (
            &["--identity", "Ann", "--identity", "Ben", "--identity", "Cem", "--identity", GONE],
            "delete experiments/small-",
        ),
    ] {
        let (_, error) = workspace.run(2, &[&["forget", "small"], arguments].concat());
        assert!(error.contains(said), "{arguments:?}: {error}");
    }
    assert_eq!(sealed(&run), before);
    workspace.run(0, &["verify", "small"]);
    // Damage is not sealed as good.
    fs::write(run.join("face_metadata.csv"), "no table").unwrap();
    let (_, error) = workspace.run(1, &["forget", "small", "Ann/Ann_0.png"]);
    assert!(error.contains("is damaged: face_metadata.csv"), "{error}");
}

/// Fault (privacy): the dataset still has a forgotten person when the same experiment starts → it refuses the run with exit
/// code 2, and embeds none of the removed faces again
#[test]
fn a_later_experiment_brings_nobody_back() {
    let (workspace, run) = finished("");
    let rows = rows_of(&run, GONE);
    workspace.run(0, &["forget", "small", "--identity", GONE]);
    for command in [&["experiment", "config.yaml"][..], &["embed", "config.yaml"], &["embed", "small"]] {
        let (_, error) = workspace.run(2, command);
        assert!(error.contains("4 faces were removed from small-") && error.contains("--set name="), "{error}");
    }
    // Even if the record is lost: the manifest is not the one of the plan.
    let provenance = fs::read(run.join("provenance.json")).unwrap();
    fs::write(run.join("provenance.json"), "{}").unwrap();
    workspace.run(2, &["experiment", "config.yaml"]);
    fs::write(run.join("provenance.json"), provenance).unwrap();
    // Starting has read the dataset; what came into the cache again is gone as well.
    nothing_is_left(&workspace, &[GONE], &rows);
    // Another name is another run, which embeds its own.
    let done = workspace.json(0, &["experiment", "config.yaml", "--set", "name=anew"]);
    assert_eq!(done["faces"], 16);
    // Without them, the config stands for another run.
    fs::remove_dir_all(workspace.path("faces").join(GONE)).unwrap();
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    assert_eq!(done["faces"], 12);
    assert_ne!(done["run"], name(&run));
    workspace.run(0, &["verify", name(&run)]);
}

/// Fault (privacy): a forgotten face of a Phase-1 table with published pairs → its line, its columns and its pairs are gone
#[test]
fn a_table_with_pairs_loses_lines_and_pairs() {
    let workspace = Workspace::new();
    draw(&workspace, "crops", 3, &[]);
    let mut table = String::from("face_id,image_id,identity_id,crop_path,note\n");
    for person in PEOPLE {
        for sample in 0..3 {
            writeln!(table, "{person}-{sample},photo-{person}-{sample},{person},{person}/{person}_{sample}.png,seen {person}-{sample}")
                .unwrap();
        }
    }
    fs::write(workspace.path("faces.csv"), &table).unwrap();
    let mut pairs = String::from("pair_id,same,face_a,face_b\n");
    for (number, [a, b]) in [[0, 1], [2, 3], [0, 2], [3, 1]].into_iter().enumerate() {
        for sample in 0..2 {
            writeln!(pairs, "{0}a{sample},1,{1}-{sample},{1}-{2}", number, PEOPLE[a], sample + 1).unwrap();
            writeln!(pairs, "{0}b{sample},0,{1}-{sample},{2}-{sample}", number, PEOPLE[a], PEOPLE[b]).unwrap();
        }
    }
    fs::write(workspace.path("pairs.csv"), &pairs).unwrap();
    let config = "dataset: {source: phase1, csv: faces.csv, root: crops}\n\
                  protocols: [{name: own, pairs: [pairs.csv], folds: 2}]";
    workspace.config(config);
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    let rows = rows_of(&run, GONE);
    assert_eq!(rows.len(), 3);
    workspace.run(0, &["forget", "small", "--identity", GONE]);
    nothing_is_left(&workspace, &[GONE], &rows);
    workspace.run(0, &["verify", "small"]);

    let without = Workspace::new();
    draw(&without, "crops", 3, &[GONE]);
    let kept = |text: &str| text.lines().filter(|line| !line.contains(GONE)).collect::<Vec<_>>().join("\n");
    fs::write(without.path("faces.csv"), kept(&table)).unwrap();
    fs::write(without.path("pairs.csv"), kept(&pairs)).unwrap();
    without.config(config);
    without.run(0, &["experiment", "config.yaml"]);
    assert_same_results(&run, &without.only_run());
}

/// Fault (privacy): a forgotten person of an archive that is unpacked in the cache → the unpacked pictures go
#[test]
fn pictures_of_an_archive_leave_the_cache() {
    let workspace = Workspace::new();
    draw(&workspace, "faces", 2, &[]);
    let mut archive = tar::Builder::new(fs::File::create(workspace.path("faces.tar")).unwrap());
    archive.append_dir_all(".", workspace.path("faces")).unwrap();
    archive.finish().unwrap();
    workspace
        .config(&format!("description: Without {GONE} it is empty.\ndataset: {{source: archive, path: faces.tar}}"));
    workspace.run(0, &["experiment", "config.yaml"]);
    let picture = fs::read(workspace.path("faces").join(GONE).join(format!("{GONE}_0.png"))).unwrap();
    let holding = |part: &[u8]| {
        let all = files(&[workspace.path("experiments"), workspace.path("reports")]);
        all.into_iter().filter(|path| contains(&fs::read(path).unwrap(), part)).collect::<Vec<_>>()
    };
    assert_eq!(holding(&picture).len(), 1);
    let done = workspace.json(0, &["forget", "small", "--identity", GONE]);
    assert_eq!(holding(&picture).len(), 0);
    let run = workspace.only_run();
    let page = workspace.path("reports").join(name(&run)).with_extension("html");
    let still = serde_json::json!(["config.yaml", format!("reports/{}.html", name(&run))]);
    assert_eq!(done["still_named_in"], still, "which is the user's own text");
    assert_eq!(holding(GONE.as_bytes()), [run.join("config.yaml"), page], "the page shows the description");
    workspace.run(0, &["verify", "small"]);
}

/// Fault (privacy): a forgotten photo of a run with a detector → what was found in it leaves the cache of detections
#[test]
fn what_was_found_in_a_photo_leaves_the_cache() {
    let workspace = Workspace::new();
    for (person, name) in (0..).zip(PEOPLE) {
        let path = workspace.path(format!("photos/{name}/1.png"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_fn(80, 60, |x, _| image::Rgb([x as u8, person, 7])).save(path).unwrap();
    }
    workspace.config("dataset: {source: folders, root: photos}\ndetect: {detector: mtcnn, keep: one}");
    workspace.run(1, &["experiment", "config.yaml"]);
    let bytes = fs::read(workspace.path("photos").join(GONE).join("1.png")).unwrap();
    let digest = facevault::digest::Digest::of(&bytes).to_string();
    let holds = |part: &str| {
        let all = files(&[workspace.path("experiments")]);
        all.into_iter().filter(|path| contains(&fs::read(path).unwrap(), part.as_bytes())).count()
    };
    assert!(holds(&digest) >= 2 && holds(GONE) >= 2);
    workspace.run(0, &["forget", "small", "--identity", GONE]);
    assert_eq!((holds(&digest), holds(GONE)), (0, 0));
    assert!(fs::read_to_string(workspace.only_run().join("failures.csv")).unwrap().contains("2,Cem/1.png,detect"));
}

/// Fault (privacy): `forget` is killed at any moment → every other command refuses the run with the command that finishes;
/// then nothing is left of the person, unless the config or another face's columns say the name
#[test]
fn killed_at_any_moment_it_is_finished_by_the_next_call() {
    let (workspace, run) = finished("");
    let rows = rows_of(&run, GONE);
    let copy = workspace.path("copy");
    copy_folder(&workspace.path("experiments"), &copy);
    let started = Instant::now();
    workspace.run(0, &["forget", "small", "--identity", GONE]);
    let (whole, wanted) = (started.elapsed(), results(&run));
    let (mut begun, mut turns) = (0, 0);
    while turns < 10 {
        fs::remove_dir_all(workspace.path("experiments")).unwrap();
        copy_folder(&copy, &workspace.path("experiments"));
        let mut child = workspace
            .command(&["forget", "small", "--identity", GONE, "--quiet"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        sleep(whole.mul_f64(f64::from(turns) / 10.0) + Duration::from_millis(1));
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        turns += 1;
        if run.join(".forgetting").is_file() {
            begun += 1;
            let refused = [
                &["verify", "small"][..],
                &["evaluate", "small"],
                &["report", "small"],
                &["experiment", "config.yaml"],
                &["lookup", "small", "Ann/Ann_0.png"],
            ];
            // All of them once, then one by one.
            let asked = if begun == 1 { &refused[..] } else { &refused[begun % refused.len()..][..1] };
            for command in asked {
                let (_, error) = workspace.run(2, command);
                assert!(error.contains(&format!("finish it with `facevault forget {}`", name(&run))), "{error}");
            }
            assert_eq!(workspace.json(0, &["runs"])[0]["state"], "unfinished-removal");
            let again: &[&str] =
                if begun % 2 == 0 { &["forget", "small"] } else { &["forget", "small", "--identity", GONE] };
            let done = workspace.command(again).output().unwrap();
            let said = String::from_utf8(done.stderr).unwrap();
            // Once the manifest is replaced, nobody knows whose rows they were.
            let unknown = said.contains("the interrupted removal is finished; ") && said.contains(GONE);
            assert!(done.status.success() || (begun % 2 == 1 && unknown && done.status.code() == Some(2)), "{said}");
        } else if !contains(&fs::read(run.join("face_embedding_index.csv")).unwrap(), GONE.as_bytes()) {
            workspace.run(0, &["verify", "small"]);
        } else {
            workspace.run(0, &["verify", "small"]);
            workspace.run(0, &["forget", "small", "--identity", GONE]);
        }
        fs::remove_dir_all(workspace.path("experiments/.cache")).unwrap();
        nothing_is_left(&workspace, &[GONE], &rows);
        assert_eq!(results(&run), wanted);
    }
    println!("{turns} kills, {begun} of them after it had begun");
    assert!(begun > 2);
}

/// Puts a run into the state of a removal that was killed once it had written down what goes.
fn begin_to_forget(run: &Path, rows: &[usize], of: usize) {
    let journal = serde_json::json!({
        "rows": rows, "of": of, "at": 1_800_000_000, "evaluate": true, "page": true, "other_runs": [], "kept": null
    });
    fs::write(run.join(".forgetting"), journal.to_string()).unwrap();
}

/// Fault (privacy): a killed `forget` is taken up with a name that it did not have → it is finished, and exit code 2 with the
/// name; a name that it had is no error
#[test]
fn who_names_somebody_else_than_the_interrupted_call_is_told() {
    let (workspace, run) = finished("");
    let rows = rows_of(&run, GONE);
    begin_to_forget(&run, &[12, 13, 14, 15], 16);
    let (table, _) = workspace.run(0, &["runs"]);
    let told = format!("\nremoving faces from {0} was interrupted: finish it with `facevault forget {0}`", name(&run));
    assert!(table.contains("unfinished removal") && table.contains(&told), "{table}");
    let (_, error) = workspace.run(2, &["forget", "small", "--identity", "Quirinella_Z"]);
    let said = format!("the interrupted removal is finished; {} has no identity `Quirinella_Z` now", name(&run));
    assert!(error.contains(&said), "{error}");
    let page = fs::read_to_string(workspace.path("reports").join(name(&run)).with_extension("html")).unwrap();
    assert!(page.contains("4 faces were removed from this run"), "its page is made again all the same");
    nothing_is_left(&workspace, &[GONE], &rows);
    workspace.run(0, &["verify", "small"]);
    begin_to_forget(&run, &[4, 5, 6, 7], 12);
    let done = workspace.json(0, &["forget", "small", "--identity", "Ben", "Cem/Cem_0.png"]);
    assert_eq!((&done["faces"], &done["left"], &done["resumed"]), (&5.into(), &7.into(), &true.into()), "{done}");
    assert_eq!(done["pages"], serde_json::json!([]), "its own is made again");
    assert!(done["report"].is_string() && done["no_page"] == false, "{done}");
    nothing_is_left(&workspace, &["Ben", "Cem_0"], &[]);
}

/// Fault (privacy): columns of other faces, one of which has no embedding, and the config's description name a forgotten
/// person → every file of the run that still does is listed, and its page; `--dry-run` lists the same
#[test]
fn what_still_names_them_is_listed() {
    let table = |friends: &[(&str, &str)]| {
        let mut table = String::from("file_name,identity,friend\n");
        for person in PEOPLE {
            for sample in 0..=2 {
                let face = format!("{person}/{person}_{sample}.png");
                let friend = friends.iter().find(|(of, _)| face.contains(of)).map_or("nobody", |(_, friend)| friend);
                writeln!(table, "{face},{person},{friend}").unwrap();
            }
        }
        table
    };
    let told = format!("beside {GONE}, who waves");
    for (description, friends, wanted) in [
        (
            "",
            vec![("Ann", GONE), ("Ben_0", GONE)],
            vec!["breakdown.json", "face_metadata.csv", "manifest.parquet", "PAGE"],
        ),
        ("", vec![("Ann_2", told.as_str())], vec!["manifest.parquet"]),
        ("description: Without Quirinella_Zettlebrand it is empty.\n", vec![], vec!["config.yaml", "PAGE"]),
        ("# Without Quirinella_Zettlebrand it is empty.\n", vec![], vec!["config.yaml"]),
        ("", vec![], vec![]),
    ] {
        let workspace = Workspace::new();
        draw(&workspace, "faces", 2, &[]);
        fs::write(workspace.path("faces/metadata.csv"), table(&friends)).unwrap();
        workspace.config(&format!("{description}dataset: {{source: folders, root: faces}}"));
        workspace.run(0, &["experiment", "config.yaml"]);
        let run = workspace.only_run();
        let page = format!("reports/{}.html", name(&run));
        let wanted: Vec<_> = wanted.into_iter().map(|name| if name == "PAGE" { page.as_str() } else { name }).collect();
        let listed = workspace.json(0, &["forget", "small", "--identity", GONE, "--dry-run"]);
        assert_eq!(listed["still_named_in"], serde_json::json!(wanted), "{friends:?} {description}");
        let (said, _) = workspace.run(0, &["forget", "small", "--identity", GONE]);
        assert_eq!(said.contains("edit the config or the source's columns"), !wanted.is_empty(), "{said}");
        let lines: Vec<_> = said.lines().skip_while(|line| !line.starts_with("still naming")).skip(1).collect();
        let lines: Vec<_> = lines.iter().take_while(|line| line.starts_with("  ")).map(|line| line.trim()).collect();
        assert_eq!(&lines[..lines.len().saturating_sub(1)], wanted, "{said}");
        let holding = |path: &PathBuf| contains(&fs::read(path).unwrap(), GONE.as_bytes());
        for path in files(&[run.clone(), workspace.path("reports")]).iter().filter(|path| holding(path)) {
            assert!(wanted.iter().any(|name| path.ends_with(name)), "{}", path.display());
        }
    }
}

/// Fault (privacy): `forget` with a folder of reports that is not there, or that has no page of the run → refused with exit
/// code 2; told, and the run's faces go all the same
#[test]
fn a_wrong_folder_of_reports_is_told() {
    let (workspace, run) = finished("");
    let (_, error) = workspace.run(2, &["forget", "small", "Ann/Ann_0.png", "--reports", "nowhere"]);
    assert!(error.contains("there is no folder nowhere"), "{error}");
    fs::create_dir(workspace.path("other")).unwrap();
    let told = "no page of this run in other; if it has pages elsewhere, name their folder with --reports";
    for more in [&["--dry-run"][..], &[]] {
        let arguments = [&["forget", "small", "Ann/Ann_0.png", "--reports", "other"], more].concat();
        let (said, _) = workspace.run(0, &arguments);
        assert!(said.contains(told), "{said}");
    }
    let (said, _) = workspace.run(0, &["forget", "small", "Ann/Ann_1.png"]);
    assert!(!said.contains("no page of this run"), "{said}");
    assert!(said.contains(&format!("page, made again: reports/{}.html", name(&run))), "{said}");
    assert!(!said.contains("pages, removed"), "{said}");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
