//! Datasets in object stores: whatever the network does, the rows, the run and its bytes are those of the same files in a
//! folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use facevault_objects::testing::{FakeStore, Fault};
use tar::{Builder, Header};

use crate::support::workspace::Workspace;

/// A folder, and the same in a store.
struct Twins {
    workspace: Workspace,
    store: FakeStore,
}

impl Twins {
    fn new() -> Self {
        Self { workspace: Workspace::new(), store: FakeStore::start() }
    }

    /// 15 faces of 3 people in `set`.
    fn of_people() -> Self {
        let twins = Self::new();
        for person in 0..3 {
            for number in 0..5 {
                twins.put(&format!("set/p{person}/{number}.pgm"), picture(person, number));
            }
        }
        twins
    }

    /// Puts a file into both.
    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.workspace.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &bytes).unwrap();
        self.store.put(name, bytes.as_ref());
    }

    /// Runs the binary with the store's variables.
    #[track_caller]
    fn run(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let mut command = self.workspace.command(arguments);
        let Output { status, stdout, stderr } = command.envs(self.store.environment()).output().unwrap();
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "{command:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        assert!(!(stdout.clone() + &stderr).contains("a-very-secret-key"));
        (stdout, stderr)
    }

    /// Runs the config with each text in place of `AT/`: a folder of this machine, then the store. Both have to be the same;
    /// gives the one of the store.
    #[track_caller]
    fn same(&self, dataset: &str) -> PathBuf {
        self.same_with(&|at| self.workspace.config(&format!("dataset: {}", dataset.replace("AT/", at))))
    }

    /// [`Self::same`] with what writes the config.
    #[track_caller]
    fn same_with(&self, config: &dyn Fn(&str)) -> PathBuf {
        let run = |at: &str, experiments: &str| {
            config(at);
            if self.workspace.path(experiments).exists() {
                fs::remove_dir_all(self.workspace.path(experiments)).unwrap();
            }
            self.run(0, &["experiment", "config.yaml", "--experiments", experiments, "--quiet"]);
            run_in(&self.workspace, experiments)
        };
        let (here, there) = (run("", "here"), run("s3://faces/", "there"));
        assert_eq!(here.file_name(), there.file_name(), "the same run");
        let (here, found) = (results(&here), results(&there));
        let names = here.keys().chain(found.keys());
        let differing: Vec<_> = names.filter(|name| here.get(*name) != found.get(*name)).collect();
        assert_eq!(differing, [""; 0]);
        self.run(0, &["verify", there.to_str().unwrap()]);
        there
    }

    /// How often an object with this text in its key was read.
    fn reads(&self, key: &str) -> usize {
        self.store.requests("GET", key)
    }
}

/// A picture of 64 pixels; each has another one.
fn picture(person: usize, number: usize) -> Vec<u8> {
    let value = |p: usize| ((p * 7 * (1 + number) + person * 31) % 256) as u8;
    b"P5 64 64 255\n".iter().copied().chain((0..64 * 64).map(value)).collect()
}

#[track_caller]
fn run_in(workspace: &Workspace, experiments: &str) -> PathBuf {
    let mut runs = fs::read_dir(workspace.path(experiments)).unwrap().map(|entry| entry.unwrap().path());
    runs.find(|path| path.join("plan.json").is_file()).unwrap()
}

/// Everything that does not say where the faces were, or when.
fn results(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(run).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        // The manifest has the times of the files, and failures their places.
        let differs = ["provenance.json", "SEALED", "config.yaml", "manifest.parquet", "failures.csv"];
        let differs = differs.contains(&&*name);
        if entry.path().is_file() && !name.starts_with('.') && !differs {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    files
}

fn tar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, content) in members {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, &content[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Fault (object stores): a second start → no picture is read again; a listing says that none has changed
#[test]
fn pictures_give_the_run_of_a_folder_and_are_not_read_twice_without_need() {
    let twins = Twins::of_people();
    // What is no face is counted alike, too; names may have any characters.
    for name in ["set/.hidden/1.pgm", "set/p0/deep/1.pgm", "set/above.pgm", "set/p1/empty"] {
        twins.put(name, if name.ends_with("empty") { Vec::new() } else { picture(7, 7) });
    }
    for name in ["set/a b/100% #1+&.pgm", "set/Zoë/ñ?.pgm", "set/p2/without_ending"] {
        twins.put(name, picture(8, name.len()));
    }
    // More than a page of a listing.
    for number in 0..100 {
        twins.put(&format!("set/p0/.hidden-{number}"), "x");
    }
    // Consoles make an empty object for a folder.
    twins.store.put("set/p0", "");
    let run = twins.same("{source: folders, root: AT/set}");
    let provenance = fs::read_to_string(run.join("provenance.json")).unwrap();
    assert!(provenance.contains(r#""root": "s3://faces/set""#) && !provenance.contains("secret"), "{provenance}");
    let left_out = provenance.split("left_out").nth(1).unwrap();
    for counted in [r#""in_root": 1"#, r#""too_deep": 1"#, r#""hidden": 101"#, r#""empty_file": 1"#] {
        assert!(left_out.contains(counted), "{counted} in {left_out}");
    }

    twins.store.clear_log();
    twins.run(0, &["fetch", "config.yaml", "--experiments", "there"]);
    assert_eq!((twins.reads(".pgm"), twins.reads("")), (0, 3), "two pages of a listing and one picture's first bytes");
    twins.store.put("set/p0/0.pgm", picture(9, 9));
    twins.run(0, &["fetch", "config.yaml", "--experiments", "there"]);
    assert_eq!(twins.reads(".pgm"), 1, "only what has changed");
}

/// Fault (object stores): a store asks for patience (503), hangs up, or breaks off in the middle of a picture → the picture is
/// asked for again, and the run is the same
#[test]
fn what_a_network_does_changes_nothing() {
    let twins = Twins::of_people();
    for (key, fault) in [
        ("p0/0", Fault::Status(503)),
        ("p0/0", Fault::Status(500)),
        ("p0/1", Fault::HangUp),
        ("p1/2", Fault::Cut),
        ("p2/4", Fault::LoseAnswer),
        ("p2/4", Fault::Cut),
    ] {
        // Once while it is scanned, and while it is embedded.
        twins.store.fail("GET", key, fault);
        twins.store.fail("GET", key, fault);
    }
    twins.store.delay(Duration::from_millis(20));
    twins.same("{source: folders, root: AT/set}");
}

/// Fault (object stores): an object changes, or goes, between `prepare` and a worker → its chunk is not committed, the error names
/// it, and the other chunks are
#[test]
fn workers_read_the_store_and_notice_what_has_changed() {
    let twins = Twins::of_people();
    let whole = results(&twins.same("{source: folders, root: AT/set}"));
    twins.run(0, &["prepare", "config.yaml", "--experiments", "shared"]);
    let run = run_in(&twins.workspace, "shared");
    let run = run.to_str().unwrap();
    let shard = |code, shard: &str| twins.run(code, &["embed", run, "--quiet", "--shard", shard]).1;
    twins.store.put("set/p0/1.pgm", picture(9, 9));
    twins.store.remove("set/p2/3.pgm");
    let changed = shard(1, "0/3");
    assert!(changed.contains("s3://faces/set/p0/1.pgm has changed"), "{changed}");
    let gone = shard(1, "2/3");
    assert!(gone.contains("cannot read s3://faces/set/p2/3.pgm"), "{gone}");
    shard(0, "1/3");
    assert_eq!(twins.run(0, &["missing", run, "--shards", "3"]).0.trim(), "0,2");
    // Put back, they are the pictures of the run again, whenever they were written.
    twins.store.put("set/p0/1.pgm", picture(0, 1));
    twins.store.put("set/p2/3.pgm", picture(2, 3));
    shard(0, "0/3");
    twins.store.clear_log();
    shard(0, "2/3");
    assert_eq!((twins.reads("set/p2"), twins.reads("")), (5, 5), "its own pictures, and nothing else");
    twins.run(0, &["finish", run, "--quiet"]);
    twins.run(0, &["evaluate", run, "--quiet"]);
    assert!(results(Path::new(run)) == whole);
    // A whole start sees what is there now.
    twins.store.remove("set/p2/3.pgm");
    twins.run(0, &["experiment", "config.yaml", "--experiments", "later", "--quiet"]);
    assert!(results(&run_in(&twins.workspace, "later")) != whole);
}

/// Fault (object stores): a table of the store names an object that is not there → that face fails, as for a folder
#[test]
fn tables_lists_and_pairs_are_read_where_they_are() {
    let twins = Twins::of_people();
    let line = |person, number| format!("p{person}/{number}.pgm,{person},f{person}{number}\n");
    let table: String = (0..3).flat_map(|p| (0..4).map(move |n| line(p, n))).collect();
    twins.put("tables/faces.csv", format!("file_name,person,note\n{table}p1/gone.pgm,1,gone\n"));
    let pairs = "p0/0.pgm,p0/1.pgm,1\np0/0.pgm,p1/1.pgm,0\np1/0.pgm,p1/1.pgm,1\np2/0.pgm,p1/1.pgm,0\n";
    // In the folder above the pictures.
    twins.put("pairs.csv", format!("face_a,face_b,same\n{pairs}"));
    let run = twins.same(
        "{source: files, root: AT/set, table: AT/tables/faces.csv, identity: person, pairs: pairs.csv}\n\
         protocols: [{name: verify, folds: 2}]",
    );
    assert!(fs::read_to_string(run.join("failures.csv")).unwrap().contains("gone"));
    twins.put("set/list.txt", "p1/3.pgm\np0/2.pgm\np0/1.pgm\np1/0.pgm\n");
    twins.same("{source: files, root: AT/set, list: AT/set/list.txt, pattern: \"{identity}/*\"}");
    let row = |person, number| format!("f{person}{number},{person},p{person}/{number}.pgm,p{person}/{number}.pgm\n");
    let rows: String = (0..3).flat_map(|p| (0..5).map(move |n| row(p, n))).collect();
    twins.put("set/face_metadata.csv", format!("face_id,identity_id,image_id,crop_path\n{rows}"));
    twins.same("{source: phase1, csv: AT/set/face_metadata.csv}");
}

/// Parts of a folder, an image folder, and embeddings that are given.
#[test]
fn other_layouts_are_those_of_a_folder() {
    let twins = Twins::new();
    for (at, part) in ["gallery", "probe"].into_iter().enumerate() {
        for number in 0..6 {
            twins.put(&format!("parts/{part}/p{}/{number}.pgm", number % 3), picture(at, number));
        }
    }
    twins.put("parts/probe/unknown.pgm", picture(3, 3));
    twins.same("{source: folders, root: AT/parts, parts: [probe, gallery]}");
    let line = |n: usize| format!("p{}/{n}.pgm,{}\n", n % 3, n % 3);
    let lines: String = (0..6).rev().map(line).collect();
    twins.put("parts/probe/metadata.csv", format!("file_name,label\n{lines}"));
    let run = twins.same("{source: folders, root: AT/parts/probe}");
    let matrix = fs::read(run.join("face_embeddings.npy")).unwrap();
    twins.put("given/rows.npy", &matrix);
    let line = |n: usize| format!("f{n},{}\n", n % 3);
    let lines: String = (0..6).map(line).collect();
    twins.put("given/faces.csv", format!("face_id,identity\n{lines}"));
    let config = |at: &str| {
        let dataset = "dataset: {source: embeddings, matrix: AT/given/rows.npy, faces: AT/given/faces.csv}";
        let text = format!("name: given\nsimilarity: {{replicates: 100}}\n{}\n", dataset.replace("AT/", at));
        fs::write(twins.workspace.path("config.yaml"), text).unwrap();
    };
    let run = twins.same_with(&config);
    assert!(fs::read(run.join("face_embeddings.npy")).unwrap() == matrix);
    assert!(fs::read_to_string(run.join("provenance.json")).unwrap().contains(r#""s3://faces/given/rows.npy""#));
    assert_eq!(files_in(&twins.workspace.path("there/.cache/objects")).len(), 1);
    // The same in parts.
    twins.run(0, &["embed", "config.yaml", "--experiments", "parts", "--set", "embed.part_rows=4", "--quiet"]);
    let run = run_in(&twins.workspace, "parts");
    for name in ["face_embeddings.json", "face_embeddings/00000.npy", "face_embeddings/00001.npy"] {
        twins.put(&format!("given/{name}"), fs::read(run.join(name)).unwrap());
    }
    let config = |at: &str| {
        let dataset = "dataset: {source: embeddings, matrix: AT/given/face_embeddings.json, faces: AT/given/faces.csv}";
        let text = format!("name: given\nsimilarity: {{replicates: 100}}\n{}\n", dataset.replace("AT/", at));
        fs::write(twins.workspace.path("config.yaml"), text).unwrap();
    };
    twins.same_with(&config);
}

/// Fault (object stores): an archive of the store changes → it is fetched again, once; who reads the older copy goes on
#[test]
fn archives_are_fetched_once() {
    let twins = Twins::new();
    let members = |more: usize| -> Vec<(String, Vec<u8>)> {
        (0..3)
            .flat_map(|person| (0..3 + more).map(move |n| (format!("set/p{person}/{n}.pgm"), picture(person, n))))
            .collect()
    };
    twins.put("faces.tar", tar(&members(0)));
    twins.same("{source: archive, path: AT/faces.tar}");
    let fetch = || twins.run(0, &["fetch", "config.yaml", "--experiments", "there"]).0;
    twins.store.clear_log();
    let first = fetch();
    assert_eq!(twins.reads("faces.tar"), 0);
    twins.store.put("faces.tar", tar(&members(1)));
    assert_ne!(fetch(), first);
    assert_eq!(twins.reads("faces.tar"), 1);
    let copies = files_in(&twins.workspace.path("there/.cache/objects"));
    assert_eq!(copies.len(), 2, "{copies:?}");
}

/// Fault (object stores): shards of a folder whose names have characters that mean something in an address → read, as in a folder
#[test]
fn shards_may_have_any_names() {
    let twins = Twins::new();
    for (shard, name) in ["a b", "c%20d", "e#1", "f?g=h", "i+j"].into_iter().enumerate() {
        let member =
            |n: usize| [(format!("{shard}{n}.pgm"), picture(shard, n)), (format!("{shard}{n}.cls"), b"x".to_vec())];
        twins.put(&format!("tars/{name}.tar"), tar(&(0..2).flat_map(member).collect::<Vec<_>>()));
    }
    twins.same("{source: webdataset, shards: AT/tars}");
}

/// Fault (object stores): a worker's machine has no copy of the archive that it reads faces in → it fetches its own
#[test]
fn faces_in_archives_are_read_in_a_copy_that_workers_make_for_themselves() {
    let twins = Twins::new();
    for shard in 0..2 {
        let sample = |n: usize| {
            let name = format!("{shard}{n}");
            [(format!("{name}.pgm"), picture(shard, n)), (format!("{name}.cls"), format!("{}", n % 3).into_bytes())]
        };
        let members: Vec<_> = (0..6).flat_map(sample).chain([(format!("{shard}x.cls"), b"1".to_vec())]).collect();
        twins.put(&format!("tars/faces-{shard:03}.tar"), tar(&members));
    }
    let whole = results(&twins.same("{source: webdataset, shards: \"AT/tars/faces-{000..001}.tar\"}"));
    twins.run(0, &["prepare", "config.yaml", "--experiments", "shared"]);
    let run = run_in(&twins.workspace, "shared");
    let run = run.to_str().unwrap();
    fs::remove_dir_all(twins.workspace.path("shared/.cache")).unwrap();
    for shard in ["0/2", "1/2"] {
        twins.run(0, &["embed", run, "--quiet", "--shard", shard]);
    }
    twins.run(0, &["finish", run, "--quiet"]);
    twins.run(0, &["evaluate", run, "--quiet"]);
    assert!(results(Path::new(run)) == whole);
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { files.extend(files_in(&entry)) } else { files.push(entry) }
    }
    files
}

/// Fault (object stores): no folder, a wrong address, credentials in one → an error that names the address and no credential
#[test]
fn what_is_not_there_is_named() {
    let twins = Twins::of_people();
    let refused = |code, dataset: &str| {
        twins.workspace.config(&format!("dataset: {dataset}"));
        twins.run(code, &["fetch", "config.yaml"]).1
    };
    let nothing = refused(1, "{source: folders, root: s3://faces/sets}");
    assert!(nothing.contains("s3://faces/sets is not a folder"), "{nothing}");
    let secret = refused(2, "{source: folders, root: \"s3://key:word@faces/set\"}");
    assert!(secret.contains("credentials belong into the environment") && !secret.contains("word@"), "{secret}");
    let gone = refused(1, "{source: archive, path: s3://faces/faces.tar}");
    assert!(gone.contains("s3://faces/faces.tar"), "{gone}");
    let local = refused(2, "{source: ijb, set: ijbc, root: s3://faces/ijb}");
    assert!(local.contains("must be the path of a folder on this machine"), "{local}");
    // Without the network.
    twins.workspace.config("dataset: {source: folders, root: s3://faces/sets}");
    let (checked, _) = twins.workspace.run(0, &["check", "config.yaml"]);
    assert!(checked.contains("s3://faces/sets; what is in an object store was not looked at"), "{checked}");
    // A folder of this machine has an address, too.
    let folder = twins.workspace.path("set");
    twins.workspace.config(&format!("dataset: {{source: folders, root: \"file://{}\"}}", folder.display()));
    assert_eq!(twins.workspace.json(0, &["check", "config.yaml"])["faces"], 15);
    let (_, looked) = twins.workspace.run(2, &["init", "s3://faces/set", "--yes"]);
    assert!(looked.contains("`facevault fetch` counts its faces"), "{looked}");
    twins.store.put("set/p0//2.pgm", picture(0, 2));
    let unnamed = refused(1, "{source: folders, root: s3://faces/set}");
    assert!(unnamed.contains("cannot list s3://faces/set") && unnamed.contains("set/p0//2.pgm"), "{unnamed}");
}

/// Fault (privacy): somebody is forgotten whose picture is in a copy of an archive of the store → the copy goes
#[test]
fn copies_go_with_whom_they_show() {
    let twins = Twins::new();
    let sample = |n: usize| {
        let name = format!("{n:02}");
        [(format!("{name}.pgm"), picture(0, n)), (format!("{name}.cls"), format!("{}", n % 3).into_bytes())]
    };
    twins.store.put("faces.tar", tar(&(0..6).flat_map(sample).collect::<Vec<_>>()));
    twins.workspace.config("dataset: {source: webdataset, shards: s3://faces/faces.tar}");
    twins.run(0, &["experiment", "config.yaml", "--quiet"]);
    let copies = || files_in(&twins.workspace.path("experiments/.cache/objects")).len();
    assert_eq!(copies(), 1);
    twins.run(0, &["forget", "small", "--identity", "1", "--dry-run"]);
    assert_eq!(copies(), 1);
    twins.run(0, &["forget", "small", "--identity", "1"]);
    assert_eq!(copies(), 0);
}

/// A worker with the demo's network where each answer takes 30 ms, and where it takes none; `--nocapture` shows faces per second.
#[test]
#[ignore = "measures"]
fn reading_ahead_hides_latency() {
    const FACES: usize = 1000;
    let twins = Twins::new();
    for number in 0..FACES {
        twins.store.put(&format!("set/p{}/{number}.pgm", number % 20), picture(number % 20, number));
    }
    let config = "name: far\ndataset: {source: folders, root: s3://faces/set}\n\
                  preprocess: {profile: facevault-notebook, resize: {size: 80}}\nmodel: {width: 0.25}\n\
                  weights: {source: embedded, name: demo}\nembed: {device: cpu, threads: 2, chunk_size: 1000}\n";
    fs::write(twins.workspace.path("config.yaml"), config).unwrap();
    for round in 0..6 {
        let delay = Duration::from_millis(if round % 2 == 0 { 30 } else { 0 });
        let experiments = format!("round-{round}");
        twins.run(0, &["prepare", "config.yaml", "--experiments", &experiments]);
        let run = run_in(&twins.workspace, &experiments);
        twins.store.delay(delay);
        let started = Instant::now();
        twins.run(0, &["embed", run.to_str().unwrap(), "--quiet", "--shard", "0/1"]);
        println!("{delay:?}: {:.0} faces/s", FACES as f64 / started.elapsed().as_secs_f64());
        twins.store.delay(Duration::ZERO);
    }
}
