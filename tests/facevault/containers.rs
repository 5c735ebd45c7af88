//! Datasets in container files, through the binary: from a fake Hub with injected faults, and from a local copy.

use std::fs;
use std::path::{Path, PathBuf};

use facevault::digest::Digest;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::support::fake_hub::{COMMIT, FakeHub, Fault};
use crate::support::workspace::Workspace;

const REPO: &str = "somebody/benchmarks";
/// How the fake Hub stores it.
const STORED: &str = "datasets/somebody/benchmarks";

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/dataset").join(name)).unwrap()
}

/// A `.tar.gz` of files.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *bytes).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// Photos of two people.
fn photos() -> Vec<u8> {
    let picture = |shade: u8| [b"P6\n24 24\n255\n", &[shade; 24 * 24 * 3][..]].concat();
    let names = ["n000002/0001_01.ppm", "n000002/0007_01.ppm", "n000001/0001_01.ppm", "n000001/0002_01.ppm"];
    let pictures = [40u8, 90, 140, 200].map(picture);
    let files: Vec<_> = names.iter().map(|name| format!("test/{name}")).zip(&pictures).collect();
    archive(&files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect::<Vec<_>>())
}

const BOXES: &[u8] = b"NAME_ID,X,Y,W,H\n\"n000001/0001_01\",2,2,20,20\n\"n000001/0002_01\",2,2,20,20\n\"n000002/0001_01\",2,2,20,20\n\"n000002/0007_01\",-3,2,20,20\n";

/// One source: its files by their path in the repository, and its config for the Hub and for local files.
struct Source {
    files: Vec<(&'static str, Vec<u8>)>,
    hub: String,
    local: String,
    faces: u64,
}

fn at(what: &str) -> String {
    format!("{{repo: {REPO}, revision: {}, {what}}}", &COMMIT[..7])
}

fn insightface() -> Source {
    Source {
        files: vec![("agedb_30.bin", fixture("protocol4.bin"))],
        hub: format!("{{source: insightface-bin, hub: {}}}", at("file: agedb_30.bin")),
        local: "{source: insightface-bin, path: copy/agedb_30.bin}".into(),
        faces: 4,
    }
}

fn shards(name: &'static str) -> Source {
    Source {
        files: vec![(name, fixture(name.rsplit('/').next().unwrap()))],
        hub: format!("{{source: parquet, hub: {}}}", at("folder: data")),
        local: "{source: parquet, path: copy/data}".into(),
        faces: 4,
    }
}

fn vggface2() -> Source {
    let (archive, boxes) = ("data/vggface2_test.tar.gz", "meta/loose_bb_test.csv");
    let [hub_archive, hub_boxes] = [archive, boxes].map(|file| at(&format!("file: {file}")));
    Source {
        files: vec![(archive, photos()), (boxes, BOXES.to_vec())],
        hub: format!("{{source: vggface2, archive: {{hub: {hub_archive}}}, boxes: {{hub: {hub_boxes}}}}}"),
        local: format!("{{source: vggface2, archive: {{path: copy/{archive}}}, boxes: {{path: copy/{boxes}}}}}"),
        faces: 4,
    }
}

fn sources() -> [Source; 5] {
    [
        insightface(),
        shards("data/pair.parquet"),
        shards("data/target.parquet"),
        shards("data/faces.parquet"),
        vggface2(),
    ]
}

/// A Hub with the source's files, and a workspace whose `config.yaml` reads them there.
fn place(source: &Source) -> (FakeHub, Workspace) {
    let (hub, workspace) = (FakeHub::new(), Workspace::new());
    for (path, bytes) in &source.files {
        // A small text file is no LFS file.
        hub.put(STORED, path, bytes, bytes != BOXES);
    }
    workspace.config(&format!("dataset: {}", source.hub));
    (hub, workspace)
}

/// Runs the binary against this Hub; returns standard error.
#[track_caller]
fn online(hub: &FakeHub, workspace: &Workspace, code: i32, verb: &str) -> String {
    workspace.online(hub, code, verb).1.replace(workspace.path("").to_str().unwrap(), "<dir>/")
}

fn provenance(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("provenance.json")).unwrap()).unwrap()
}

/// Complete files in the Hub cache and among the unpacked containers.
fn whole(workspace: &Workspace) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            let kept = !name.ends_with(".incomplete") && !name.starts_with('.') && name != "listings" && name != "refs";
            match path.is_dir() && !path.is_symlink() {
                true if kept => walk(&path, found),
                false if kept => found.push(path),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(&workspace.path("hub/hub"), &mut found);
    walk(&workspace.path("experiments/.cache/unpacked"), &mut found);
    found
}

#[test]
fn every_layout_is_fetched_once_and_gives_the_run_of_a_local_copy() {
    for source in sources() {
        let (hub, workspace) = place(&source);
        let said = workspace.run(0, &["check", "config.yaml"]).0;
        assert!(said.contains(REPO), "{said}");
        assert_eq!(hub.log(), [""; 0], "check downloads nothing");

        online(&hub, &workspace, 0, "fetch");
        assert!(!hub.log().is_empty());
        workspace.run(0, &["embed", "config.yaml"]);
        online(&hub, &workspace, 0, "embed");
        assert_eq!(hub.log(), [""; 0], "{}: what is cached is not asked for again", source.hub);

        let run = workspace.only_run();
        let origin = &provenance(&run)["dataset"];
        assert_eq!(origin["faces"], source.faces, "{}", source.hub);
        for (file, (path, bytes)) in origin["files"].as_array().unwrap().iter().zip(&source.files) {
            let sha256 = Digest::of(bytes).to_string();
            let expected = serde_json::json!({"path": path, "commit": COMMIT, "bytes": bytes.len(), "sha256": sha256});
            assert_eq!(file, &expected, "{}", source.hub);
        }

        for (path, bytes) in &source.files {
            let copy = workspace.path("copy").join(path);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::write(copy, bytes).unwrap();
        }
        workspace.config(&format!("dataset: {}", source.local));
        workspace.run(0, &["embed", "config.yaml"]);
        assert_eq!(workspace.only_run(), run, "{}", source.hub);
    }
}

#[test]
fn a_folder_of_shards_is_read_without_the_folders_in_it_on_the_hub_as_here() {
    let (hub, workspace) = (FakeHub::new(), Workspace::new());
    let bytes = fixture("faces.parquet");
    for path in ["lfw/a.parquet", "lfw/partial/b.parquet", "lfw/.c.parquet", "lfw/readme.md"] {
        hub.put(STORED, path, &bytes, true);
        let copy = workspace.path("copy").join(path);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::write(copy, &bytes).unwrap();
    }
    workspace.config(&format!("dataset: {{source: parquet, hub: {}}}", at("folder: lfw")));
    online(&hub, &workspace, 0, "embed");
    let run = workspace.only_run();
    let files = &provenance(&run)["dataset"]["files"];
    assert_eq!(files.as_array().unwrap().len(), 1, "{files}");
    workspace.config("dataset: {source: parquet, path: copy/lfw}");
    workspace.run(0, &["embed", "config.yaml"]);
    assert_eq!(workspace.only_run(), run);
    workspace.config(&format!("dataset: {{source: parquet, hub: {}}}", at("folder: \"\"")));
    let said = online(&hub, &workspace, 1, "fetch");
    assert!(said.contains("contains no `.parquet` files; those in folders inside it are not read"), "{said}");
}

#[test]
fn a_branch_is_resolved_and_the_commit_is_recorded() {
    let source = insightface();
    let (hub, workspace) = place(&source);
    workspace.config(&format!("dataset: {}", source.hub.replace(&COMMIT[..7], "main")));
    let said = online(&hub, &workspace, 0, "embed");
    let expected = format!("`main` of {REPO} is currently commit {COMMIT}; set `revision` to that");
    assert!(said.contains(&expected), "{said}");
    assert_eq!(provenance(&workspace.only_run())["dataset"]["files"][0]["commit"], COMMIT);
    workspace.run(0, &["embed", "config.yaml"]);
}

#[test]
fn shards_are_read_in_the_order_of_the_config() {
    let (hub, workspace) = (FakeHub::new(), Workspace::new());
    for path in ["lfw/b.parquet", "lfw/a.parquet", "other/faces.parquet"] {
        hub.put(STORED, path, &fixture(if path.starts_with("lfw") { "pair.parquet" } else { "faces.parquet" }), true);
    }
    let parquet = |what: &str| workspace.config(&format!("dataset: {{source: parquet, hub: {}}}", at(what)));
    parquet("folder: lfw");
    let said = online(&hub, &workspace, 0, "embed");
    assert!(said.contains("6 pairs (4 genuine, 2 impostor) of 4 distinct pictures"), "{said}");
    let files = provenance(&workspace.only_run())["dataset"]["files"].clone();
    assert_eq!((&files[0]["path"], &files[1]["path"]), (&"lfw/a.parquet".into(), &"lfw/b.parquet".into()));
    parquet("files: [lfw/b.parquet, other/faces.parquet]");
    let said = online(&hub, &workspace, 1, "fetch");
    assert!(said.contains("choose files of one split with `files` or `folder`"), "{said}");
    parquet("folder: meta");
    let said = online(&hub, &workspace, 1, "fetch");
    assert!(said.contains("(404)"), "{said}");
}

/// For each source: (faults of the Hub, of the CDN, exit code, expected message).
#[test]
fn every_network_fault_is_reported_or_survived_and_never_enters_the_cache() {
    type Case = (&'static [Fault], &'static [Fault], i32, &'static str);
    const UNAUTHORIZED: Fault = Fault::Status(401, &[]);
    const NO_REPO: Fault = Fault::Status(404, &[("X-Error-Code", "RepoNotFound")]);
    const NO_REVISION: Fault = Fault::Status(404, &[("X-Error-Code", "RevisionNotFound")]);
    const NO_ENTRY: Fault = Fault::Status(404, &[("X-Error-Code", "EntryNotFound")]);
    const TOO_MANY: Fault = Fault::Status(429, &[("Retry-After", "0")]);
    const TOO_LONG: Fault = Fault::Status(429, &[("Retry-After", "9999")]);
    const SERVER: Fault = Fault::Status(503, &[]);
    let cases: [Case; 9] = [
        (&[UNAUTHORIZED], &[], 1, "set HF_TOKEN to a token"),
        (&[NO_REPO], &[], 1, "has no dataset repository somebody/benchmarks (404)"),
        (&[NO_REVISION], &[], 1, "has no revision `c42f4c2` (404)"),
        (&[Fault::None, NO_ENTRY], &[], 1, "(404)"),
        (&[TOO_LONG], &[], 1, "asks to wait 9999 s"),
        (&[Fault::None, SERVER, TOO_MANY], &[], 0, "retrying"),
        (&[], &[Fault::HangUp(100), TOO_MANY], 0, "stopped after 100 of"),
        (&[], &[Fault::HangUp(50), Fault::IgnoreRange], 0, "retrying"),
        (&[], &[Fault::WrongByte], 1, "is damaged"),
    ];
    let survive = |source: &Source| {
        for (hub_faults, cdn_faults, code, expected) in &cases {
            let (hub, workspace) = place(source);
            hub.hub_faults(hub_faults).cdn_faults(cdn_faults);
            let said = online(&hub, &workspace, *code, "fetch");
            assert!(said.contains(expected), "{}\n{said}\nlacks {expected}", source.hub);
            if *code == 0 {
                let resumed = hub.log().iter().any(|line| line.contains("bytes="));
                assert_eq!(resumed, !cdn_faults.is_empty(), "{}", source.hub);
                workspace.run(0, &["fetch", "config.yaml"]);
            } else {
                // VGGFace2's table of boxes came before the archive failed.
                let kept = whole(&workspace);
                assert!(kept.iter().all(|path| fs::read(path).unwrap() == BOXES), "{kept:?}");
                // Nothing is left that keeps the next start from working.
                online(&hub, &workspace, 0, "fetch");
            }
        }
    };
    let survive = &survive;
    // The pauses before another attempt add up.
    std::thread::scope(|scope| {
        for source in [insightface(), shards("data/pair.parquet"), vggface2()] {
            scope.spawn(move || survive(&source));
        }
    });
}

#[test]
fn a_silent_connection_is_given_up_and_resumed() {
    let source = insightface();
    let (hub, workspace) = place(&source);
    hub.cdn_faults(&[Fault::Silence(700)]);
    online(&hub, &workspace, 0, "fetch");
    assert!(hub.log().iter().any(|line| line.contains("bytes=700-")));
}

#[test]
fn a_pinned_digest_is_checked_on_the_hub_and_locally() {
    let source = insightface();
    let (hub, workspace) = place(&source);
    let (found, expected) = (Digest::of(&source.files[0].1), Digest::of(b"another"));
    let pinned = |sha256: Digest| at(&format!("file: agedb_30.bin, sha256: {sha256}"));
    workspace.config(&format!("dataset: {{source: insightface-bin, hub: {}}}", pinned(expected)));
    let said = online(&hub, &workspace, 1, "fetch");
    assert!(said.contains(&format!("has sha256 {found} on the Hub, but {expected} is pinned")), "{said}");
    assert!(!hub.log().iter().any(|line| line.starts_with("cdn")), "nothing of it is transferred");
    workspace.config(&format!("dataset: {{source: insightface-bin, hub: {}}}", pinned(found)));
    online(&hub, &workspace, 0, "fetch");

    fs::write(workspace.path("x.bin"), &source.files[0].1).unwrap();
    workspace.config(&format!("dataset: {{source: insightface-bin, path: x.bin, sha256: {expected}}}"));
    let said = online(&hub, &workspace, 1, "fetch");
    assert!(said.contains(&format!("<dir>/x.bin: its sha256 is {found}, but {expected} is pinned")), "{said}");
}

/// Fault (archives): an archive on the Hub with a path that leads out → refused; nothing of it stays
#[test]
fn an_archive_that_would_write_elsewhere_is_refused_and_leaves_nothing() {
    let mut source = vggface2();
    let evil = archive(&[("n000001/0001_01.jpg", b"x"), ("n000001/0001_02.jpg", b"y")]);
    // The name is patched behind tar's back, with its checksum.
    let mut tar = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&evil[..]), &mut tar).unwrap();
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes().copy_from_slice(&tar[1024..1536]);
    header.as_old_mut().name[..10].copy_from_slice(b"../../0001");
    header.set_cksum();
    tar[1024..1536].copy_from_slice(header.as_bytes());
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut gz, &tar).unwrap();
    source.files[0].1 = gz.finish().unwrap();
    let (hub, workspace) = place(&source);
    let said = online(&hub, &workspace, 1, "fetch");
    assert!(said.contains("leads out of the archive"), "{said}");
    let unpacked = fs::read_dir(workspace.path("experiments/.cache/unpacked")).unwrap();
    let names: Vec<_> = unpacked.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [".lock"]);
}
