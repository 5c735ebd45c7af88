//! LFW's file layout, locally and on a fake Hub: every network fault ends with the right faces or with a remedy, and never
//! with wrong bytes in the cache.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use facevault::dataset::{self, DatasetSource, Manifest, Tables, contradictions, read_pair_list};
use facevault::digest::Digest;
use facevault::hub::{Hub, HubFile, HubSettings, RepoKind};
use facevault::progress::{Cancel, Silent};
use facevault::protocol::DATASET_PAIRS;

use crate::support::fake_hub::{COMMIT, FakeHub, Fault};
use crate::support::workspace::Workspace;

#[path = "../../examples/lfw_stand_in/stand_in/mod.rs"]
#[expect(dead_code, reason = "the example shows more of it")]
mod stand_in;

const DATASET: &str = "marcelohaps/lfw";
/// How the fake Hub stores it.
const STORED: &str = "datasets/marcelohaps/lfw";
/// A commit that `main` moves to.
const LATER: &str = "0123456789abcdef0123456789abcdef01234567";

/// Nothing is embedded, so the files need not be pictures.
fn small(hub: &FakeHub) {
    for name in ["Ann_0001", "Ann_0002", "Bob_0001", "Bob_0002"] {
        let path = format!("train/images/000/{name}.jpg").leak();
        hub.put(STORED, path, format!("picture {name}, some bytes long").repeat(40).as_bytes(), true);
    }
    let names = ["Ann,1", "Ann,2", "Bob,1", "Bob,2"].map(|line| line.split_once(',').unwrap());
    let lines = names.map(|(who, number)| format!("images/000/{who}_000{number}.jpg,0,{who},{who},{number},x\n"));
    let table = format!("file_name,label,label_name,identity,image_num,source_filename\n{}", lines.concat());
    hub.put(STORED, "train/metadata.csv", table.as_bytes(), false);
    let pairs = "pair_id,fold_id,fold_position,is_same,image_a,image_b,image_a_path,image_b_path\n\
                 1,1,1,1,Ann_0001.jpg,Ann_0002.jpg,train/images/000/Ann_0001.jpg,train/images/000/Ann_0002.jpg\n\
                 2,1,2,0,Ann_0001.jpg,Bob_0002.jpg,train/images/000/Ann_0001.jpg,train/images/000/Bob_0002.jpg\n";
    hub.put(STORED, "pairs.csv", pairs.as_bytes(), false);
}

/// A workspace whose dataset is the Hub's.
fn workspace(revision: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.config(&format!(
        "dataset: {{source: hub-folders, repo: {DATASET}, revision: {revision}, folder: train, pairs: pairs.csv}}"
    ));
    workspace
}

/// Complete files in the workspace's Hub cache: path below the snapshot → digest.
fn cached(workspace: &Workspace) -> BTreeMap<String, Digest> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<String, Digest>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, Digest::of(&fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = BTreeMap::new();
    let root = workspace.path("hub/hub/datasets--marcelohaps--lfw/snapshots").join(COMMIT);
    walk(&root, &root, &mut found);
    found
}

/// The files after a run without faults.
fn undisturbed() -> BTreeMap<String, Digest> {
    let (hub, workspace) = (FakeHub::new(), workspace(COMMIT));
    small(&hub);
    workspace.online(&hub, 0, "fetch");
    cached(&workspace)
}

/// Fetches with these faults: it succeeds, or fails with `says`; no wrong bytes are kept, and the next start succeeds.
#[track_caller]
fn disturbed(expected: &BTreeMap<String, Digest>, says: Option<&str>, faults: &[(&str, &[Fault])]) -> String {
    let (hub, workspace) = (FakeHub::new(), workspace(COMMIT));
    small(&hub);
    for (part, faults) in faults {
        hub.faults_at(part, faults);
    }
    let (_, said) = workspace.online(&hub, i32::from(says.is_some()), "fetch");
    assert!(said.contains(says.unwrap_or_default()), "{said}");
    let kept = cached(&workspace);
    assert!(kept.iter().all(|(name, digest)| expected.get(name) == Some(digest)), "wrong bytes after {said}");
    if says.is_some() {
        hub.forget_faults();
        workspace.online(&hub, 0, "fetch");
    }
    assert_eq!(&cached(&workspace), expected, "after {said}");
    said
}

const PICTURE: &str = "resolve/c42f4c2771b043bb5c461093664d016ff4298224/train/images/000/Bob_0001.jpg";

#[test]
fn transient_faults_are_survived() {
    let expected = undisturbed();
    let cases: [(&str, &[Fault]); 10] = [
        ("/tree/", &[Fault::Status(503, &[])]),
        ("/tree/", &[Fault::HangUp(10)]),
        ("metadata.csv", &[Fault::HangUp(7)]),
        ("pairs.csv", &[Fault::Status(429, &[("Retry-After", "1")])]),
        (PICTURE, &[Fault::Status(502, &[])]),
        ("cdn ", &[Fault::HangUp(100), Fault::IgnoreRange]),
        ("cdn ", &[Fault::HangUp(0)]),
        ("cdn ", &[Fault::Slow, Fault::Slow]),
        ("hub ", &[Fault::Slow, Fault::Slow, Fault::Slow]),
        ("cdn ", &[Fault::Status(500, &[])]),
    ];
    std::thread::scope(|scope| {
        for case in &cases {
            scope.spawn(|| disturbed(&expected, None, &[*case]));
        }
    });
}

#[test]
fn permanent_faults_are_explained_and_leave_no_wrong_bytes() {
    let expected = undisturbed();
    let cases: [(&str, &[Fault], &str); 14] = [
        ("/tree/", &[Fault::Status(401, &[])], "set HF_TOKEN to a token"),
        ("/tree/", &[Fault::Status(404, &[("X-Error-Code", "RepoNotFound")])], "check the spelling of `repo`"),
        ("/tree/", &[Fault::Status(404, &[("X-Error-Code", "RevisionNotFound")])], "lists its commits"),
        ("/tree/", &[Fault::Portal], "check HF_ENDPOINT and the proxy"),
        ("/tree/", &[Fault::Status(429, &[("Retry-After", "9000")])], "try again later, and set HF_TOKEN"),
        (PICTURE, &[Fault::Status(403, &[])], "accept its conditions at"),
        (PICTURE, &[Fault::Status(404, &[])], "lists the files"),
        (PICTURE, &[Fault::Status(418, &[])], "check HF_ENDPOINT and the proxy"),
        (PICTURE, &[Fault::Status(302, &[])], "check HF_ENDPOINT and the proxy"),
        ("cdn ", &[Fault::WrongByte], "it was discarded: start again"),
        ("cdn ", &[Fault::TooLong], "it was discarded: start again"),
        ("metadata.csv", &[Fault::WrongByte], "it was discarded: start again"),
        ("pairs.csv", &[Fault::WrongByte], "it was discarded: start again"),
        (
            "pairs.csv",
            &[Fault::Status(404, &[("X-Error-Code", "EntryNotFound")])],
            "`pairs.csv` (`dataset.pairs`) is neither in",
        ),
    ];
    std::thread::scope(|scope| {
        for (part, faults, says) in cases {
            let expected = &expected;
            scope.spawn(move || disturbed(expected, Some(says), &[(part, faults)]));
        }
    });
}

#[test]
fn a_rate_limit_without_retry_after_is_waited_for_by_one_command() {
    let limit = Fault::Status(
        429,
        &[("RateLimit", "\"resolvers\";r=0;t=1"), ("RateLimit-Policy", "\"fixed window\";\"resolvers\";q=3000;w=300")],
    );
    let said = disturbed(&undisturbed(), None, &[("/resolve/", &[limit.clone(), limit.clone(), limit])]);
    assert!(said.contains("continuing in 1s; set HF_TOKEN for a higher limit"), "{said}");
}

#[test]
fn a_silent_connection_is_given_up_and_resumed() {
    let hub = FakeHub::new();
    small(&hub);
    hub.faults_at("cdn ", &[Fault::Silence(100)]);
    let client = Hub::new(HubSettings { read_timeout: std::time::Duration::from_millis(300), ..hub.settings() });
    for file in client.list(RepoKind::Dataset, DATASET, COMMIT, "train", &Cancel::default()).unwrap() {
        let path = client.download(&file, &Silent, &Cancel::default()).unwrap();
        assert_eq!(file.sha256.unwrap_or(Digest::of(&fs::read(&path).unwrap())), Digest::of(&fs::read(&path).unwrap()));
    }
    assert!(hub.log().iter().any(|line| line.contains("bytes=100-")), "received bytes are not requested again");
}

#[test]
fn small_files_from_the_hubs_own_cache_are_verified_too() {
    let hub = FakeHub::new();
    small(&hub);
    hub.with_resolve_cache().faults_at("/api/resolve-cache/", &[Fault::WrongByte]);
    let file = HubFile::new(RepoKind::Dataset, DATASET, COMMIT, "pairs.csv");
    let get = || hub.client().download(&file, &Silent, &Cancel::default());
    insta::assert_snapshot!(hub.plain(&get().unwrap_err()), @"`pairs.csv` of marcelohaps/lfw@c42f4c2 is damaged: its git blob id is c8dd3b37f42d366f9511470976edef7675cdad0c, expected 7bdc4767589dfd7ac85203f22e956c42ef4c224a; it was discarded: start again; if it is damaged again, contact whoever runs the proxy or mirror, or, if the content is right, pin its sha256, which takes precedence");
    assert_eq!(hub.cached(), [""; 0]);
    assert!(fs::read_to_string(get().unwrap()).unwrap().starts_with("pair_id"));
}

#[test]
fn a_branch_is_resolved_once_reported_and_recorded() {
    let (hub, workspace) = (FakeHub::new(), Workspace::new());
    let folder = workspace.path("stand-in");
    stand_in::write(&folder, stand_in::FEWEST).unwrap();
    hub.put_folder(STORED, &folder, |path| path.contains("/images/"));
    workspace.config(&format!(
        "dataset: {{source: hub-folders, repo: {DATASET}, revision: main, folder: train, pairs: pairs.csv}}"
    ));
    let (_, said) = workspace.online(&hub, 0, "embed");
    assert!(
        said.contains(&format!("`main` of dataset `{DATASET}` is currently commit {COMMIT} and may move")),
        "{said}"
    );
    let provenance = fs::read(workspace.only_run().join("provenance.json")).unwrap();
    let provenance: serde_json::Value = serde_json::from_slice(&provenance).unwrap();
    assert_eq!(provenance["dataset"]["commit"], COMMIT);
    assert_eq!(provenance["dataset"]["source"]["revision"], "main");
    let asked = hub.log();
    assert_eq!(asked.iter().filter(|line| line.contains("/revision/main")).count(), 1, "{asked:?}");
    let of_main = |line: &&String| line.contains("/main") && !line.contains("/revision/");
    assert_eq!(asked.iter().find(of_main), None, "everything else is of the commit");

    // The same pictures at another commit: nothing large is downloaded again.
    hub.move_main(LATER);
    let (_, said) = workspace.online(&hub, 0, "fetch");
    assert!(said.contains(LATER), "{said}");
    let asked = hub.log();
    assert!(!asked.iter().any(|line| line.contains(".jpg") || line.starts_with("cdn")), "{asked:?}");
    // And without a network it is what it was.
    let (_, said) = workspace.run(0, &["fetch", "config.yaml"]);
    assert!(said.contains(LATER), "{said}");
}

fn open(root: &Path, tables: Tables) -> Manifest {
    let source = DatasetSource::Folders { root: root.into(), parts: Vec::new(), tables };
    dataset::open(&source, None, &Silent, &Cancel::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_stand_in_is_consistent_and_its_lists_agree() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lfw");
    let written = stand_in::write(&root, 300).unwrap();
    let tables = Tables { pairs: Some("pairs.csv".into()), boxes: Some("boxes.csv".into()) };
    let manifest = open(&root.join("train"), tables);
    assert_eq!((manifest.len(), manifest.identities().len()), (300, written.people));
    assert!(manifest.faces.iter().all(|face| face.bbox.is_some() && face.content.is_some()));

    let [list] = &manifest.lists[..] else { panic!("{:?}", manifest.lists) };
    assert_eq!((list.name.as_str(), list.pairs.len()), (DATASET_PAIRS, written.pairs));
    assert_eq!(contradictions(list, &manifest.faces), 0);
    let text = read_pair_list(DATASET_PAIRS, &root.join("pairs.txt"), &manifest).unwrap();
    assert_eq!(text.pairs, list.pairs, "LFW's text and the table are one list");
    let mut fold_of = BTreeMap::new();
    for pair in &list.pairs {
        for row in [pair.a, pair.b] {
            let who = manifest.faces[row as usize].identity_id.clone();
            assert_eq!(*fold_of.entry(who).or_insert(pair.fold), pair.fold, "a person belongs to one fold");
        }
    }
    for (name, fold) in [("pairsDevTrain.txt", Some(0)), ("pairsDevTest.txt", Some(1))] {
        let list = read_pair_list(name, &root.join(name), &manifest).unwrap();
        assert!(list.pairs.iter().all(|pair| pair.fold == fold));
        assert_eq!(contradictions(&list, &manifest.faces), 0);
    }

    // Only what is asked for is part of the dataset, and of its digest.
    let plain = open(&root.join("train"), Tables::default());
    assert!(plain.lists.is_empty() && plain.faces.iter().all(|face| face.bbox.is_none()));
    assert_ne!(plain.digest(), manifest.digest());
    let again = folder.path().join("again");
    stand_in::write(&again, 300).unwrap();
    assert_eq!(open(&again.join("train"), Tables::default()).digest(), plain.digest(), "the same bytes again");
}

#[test]
fn the_whole_stand_in_has_lfws_counts() {
    let people = stand_in::people::people(stand_in::FACES);
    let counts = || people.iter().map(|person| person.pictures);
    assert_eq!((people.len(), counts().sum::<u32>(), counts().max()), (5_749, 13_233, Some(530)));
    assert_eq!(counts().filter(|count| *count == 1).count(), 4_069);
    assert!(people.is_sorted_by(|a, b| a.name < b.name), "no name twice");
}
