//! WebDataset tars as a dataset.

use std::fs;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::support::workspace::{Workspace, embeddings};

/// A picture of 96 pixels; each number has another one.
fn picture(number: u8) -> Vec<u8> {
    let pixels = (0..96 * 96 * 3)
        .map(|at: u32| number.wrapping_mul(37).wrapping_add((at * (1 + u32::from(number)) % 251) as u8));
    b"P6\n96 96\n255\n".iter().copied().chain(pixels).collect()
}

/// A tar of these members.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, content) in members {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Three people with two samples each, in two shards.
fn shards(workspace: &Workspace, folder: &str) {
    fs::create_dir_all(workspace.path(folder)).unwrap();
    for shard in 0..2u8 {
        let members: Vec<(String, Vec<u8>)> = (0..3u8)
            .flat_map(|n| {
                let number = shard * 3 + n;
                let json = format!(r#"{{"id": {number}, "label_name": "other"}}"#);
                [
                    (format!("{number:04}.ppm"), picture(number)),
                    (format!("{number:04}.cls"), format!("{}\n", number / 2).into_bytes()),
                    (format!("{number:04}.json"), json.into_bytes()),
                    (format!("{number:04}.mask.png"), b"another".to_vec()),
                ]
            })
            .collect();
        let members: Vec<(&str, &[u8])> = members.iter().map(|(path, content)| (&path[..], &content[..])).collect();
        fs::write(workspace.path(format!("{folder}/faces-{shard:03}.tar")), tar(&members)).unwrap();
    }
}

#[test]
fn faces_are_read_at_their_place_and_have_the_bytes_of_a_folders() {
    let workspace = Workspace::new();
    shards(&workspace, "shards");
    for number in 0..6u8 {
        let folder = workspace.path(format!("people/{}", number / 2));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{number:04}.ppm")), picture(number)).unwrap();
    }
    workspace.config("dataset: {source: folders, root: people}");
    let folders = workspace.json(0, &["experiment", "config.yaml", "--set", "name=folders"]);
    let run = |shards: &str, more: &[&str]| {
        workspace.config(&format!("dataset: {{source: webdataset, shards: {shards:?}}}"));
        workspace.json(0, &[&["experiment", "config.yaml"], more].concat())
    };
    // Without the other run's rows, then with them: the same bytes.
    let alone = run("shards/faces-{000..001}.tar", &["--no-reuse"]);
    let directory = |run: &serde_json::Value| workspace.path(run["directory"].as_str().unwrap());
    assert_eq!(embeddings(&directory(&alone)), embeddings(&directory(&folders)));
    let metrics = |run: &serde_json::Value| fs::read_to_string(directory(run).join("metrics.json")).unwrap();
    assert_eq!(metrics(&alone), metrics(&folders));
    // However the shards are named, it is the same run.
    for shards in ["shards", "shards/faces-{000,001}.tar"] {
        let again = run(shards, &[]);
        assert_eq!((&again["run"], &again["resumed"]), (&alone["run"], &6.into()));
    }
    // Without it, the rows of the folder's run are taken, which are the same bytes.
    let files = ["face_embeddings.npy", "face_embedding_index.csv", "identity_centroids.npy"];
    let bytes = |run: &serde_json::Value| files.map(|file| fs::read(directory(run).join(file)).unwrap());
    let computed = bytes(&alone);
    fs::remove_dir_all(directory(&alone)).unwrap();
    let reusing = run("shards", &[]);
    assert_eq!((&reusing["run"], &reusing["reused"][0]["rows"]), (&alone["run"], &6.into()), "{reusing:#}");
    assert!(bytes(&reusing) == computed);
    assert!(!workspace.path("experiments/.cache/unpacked").exists(), "nothing is unpacked");
    workspace.run(0, &["verify", alone["run"].as_str().unwrap()]);
    let index = fs::read_to_string(directory(&alone).join("face_embedding_index.csv")).unwrap();
    assert_eq!(index.lines().collect::<Vec<_>>(), ["face_id", "0000", "0001", "0002", "0003", "0004", "0005"]);
    // `check` counts without reading the pictures, and foresees what is reused.
    let checked = workspace.json(0, &["check", "config.yaml", "--set", "name=third"]);
    assert_eq!((&checked["faces"], &checked["reused"][0]["rows"]), (&6.into(), &6.into()), "{checked:#}");
    // Other pictures make another run.
    fs::write(workspace.path("shards/faces-001.tar"), tar(&[("9.ppm", &picture(9)), ("9.cls", b"0")])).unwrap();
    let other = run("shards", &[]);
    assert_ne!(other["run"], alone["run"]);
    assert_eq!(other["faces"], 4);
    // `init` finds the samples.
    let found = workspace.json(0, &["init", "shards", "--weights", "demo"]);
    assert_eq!((&found["found"]["pictures"], &found["found"]["identities"]), (&4.into(), &2.into()));
    let text = fs::read_to_string(workspace.path("shards.yaml")).unwrap();
    assert!(text.contains("source: webdataset") && text.contains("shards: shards #"), "{text}");
    workspace.run(0, &["check", "shards.yaml"]);
    workspace.run(0, &["init", "shards/faces-000.tar", "--out", "one.yaml", "--yes"]);
    workspace.run(0, &["check", "one.yaml"]);
}

#[test]
fn the_config_says_which_members_are_read() {
    let workspace = Workspace::new();
    let members: Vec<(&str, &[u8])> = vec![
        ("./a/1.jpg", b"no picture"),
        ("./a/1.Face.PPM", &[]),
        ("./a/1.json", br#"{"who": "Ada", "label": 3}"#),
        ("./a/1.txt", b"a caption"),
        ("./a/2.jpg", b"no picture"),
        ("./a/2.face.ppm", &[]),
        ("./a/2.json", br#"{"who": null, "label": 4}"#),
    ];
    let pictures = [picture(1), picture(2)];
    let mut members = members;
    (members[1].1, members[5].1) = (&pictures[0], &pictures[1]);
    fs::write(workspace.path("x.tar"), tar(&members)).unwrap();
    let manifest = |keys: &str| {
        workspace.config(&format!("dataset: {{source: webdataset, shards: x.tar, picture: face.ppm{keys}}}"));
        let run = workspace.json(0, &["embed", "config.yaml"]);
        let path = workspace.path(run["directory"].as_str().unwrap()).join("face_metadata.csv");
        let table = fs::read_to_string(path).unwrap();
        table.lines().skip(1).map(|line| line.split(',').take(3).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    // JSON before text: a text is a caption as often as a name.
    assert_eq!(manifest(""), ["a/1 a/1 3", "a/2 a/2 4"]);
    assert_eq!(manifest(", field: who"), ["a/1 a/1 Ada", "a/2 a/2 "]);
    assert_eq!(manifest(", identity: json, field: who"), ["a/1 a/1 Ada", "a/2 a/2 "]);
    assert_eq!(manifest(", identity: txt"), ["a/1 a/1 a caption"], "the other has no such member");
}

/// Fault (archives): a sample of a WebDataset tar without a picture, without the member that says who it shows, with one that
/// is too long, no JSON or no text → a failure of its face, with shard and sample
#[test]
fn a_bad_sample_fails_alone() {
    let workspace = Workspace::new();
    let long = vec![b'x'; 5000];
    let members: [(&str, &[u8]); 9] = [
        ("good.ppm", &picture(1)),
        ("good.cls", b"7"),
        ("only.cls", b"7"),
        ("nobody.ppm", &picture(2)),
        ("long.ppm", &picture(3)),
        ("long.cls", &long),
        ("binary.ppm", &picture(4)),
        ("binary.cls", b"\xff\xfe"),
        ("cut.jpg", b"\xff\xd8\xff"),
    ];
    fs::write(workspace.path("x.tar"), tar(&members)).unwrap();
    workspace.config("dataset: {source: webdataset, shards: x.tar}");
    let (_, said) = workspace.run(0, &["embed", "config.yaml"]);
    assert!(said.contains("5 faces have no embedding") || said.contains("5 of 6"), "{said}");
    let failures = fs::read_to_string(workspace.only_run().join("failures.csv")).unwrap();
    insta::assert_snapshot!(failures, @r#"
    row,face_id,kind,message
    1,only,row,x.tar: sample `only` has no picture; its members are `.cls`
    2,nobody,row,"x.tar: sample `nobody` has no member `.cls`, which says who it shows"
    3,long,row,"x.tar: sample `long` has an identity of 5000 bytes, and at most 4096 are accepted"
    4,binary,row,x.tar: sample `binary` has a `.cls` that is not UTF-8
    5,cut,row,"x.tar: sample `cut` has no member `.cls`, which says who it shows"
    "#);
}

/// Fault (archives): a WebDataset tar that is compressed, cut, has an entry whose header claims 4 GB, one that is a link, is
/// sparse or leads out → refused with the tar's name and the rule; nothing is allocated for what is claimed
/// Fault (archives): a sample that occurs twice, in one shard or in two, with two pictures or two members of one name →
/// refused with tar, sample and rule
/// Fault (config): a shard of a pattern that is not there → refused with its path
#[test]
fn what_is_no_webdataset_is_refused_with_tar_sample_and_rule() {
    let workspace = Workspace::new();
    let good = picture(1);
    let write = |name: &str, bytes: &[u8]| fs::write(workspace.path(name), bytes).unwrap();
    let refused = |keys: &str| {
        workspace.config(&format!("dataset: {{source: webdataset, shards: {keys}}}"));
        let mut said = None;
        // What `check` says, `embed` says.
        for verb in ["check", "embed"] {
            let output = workspace.command(&[verb, "config.yaml", "--quiet"]).output().unwrap();
            assert!(matches!(output.status.code(), Some(1 | 2)), "{verb}: {output:?}");
            let stderr = String::from_utf8(output.stderr).unwrap();
            let error = stderr[stderr.find("error: ").unwrap()..]
                .trim()
                .replace(workspace.path("").to_str().unwrap(), "")
                .replace(workspace.path("").to_str().unwrap().trim_end_matches('/'), "ROOT");
            assert_eq!(said.get_or_insert_with(|| error.clone()), &error);
        }
        said.unwrap()
    };
    let whole = tar(&[("a.ppm", &good), ("a.cls", b"1")]);
    write("cut.tar", &whole[..whole.len() - 1024]);
    write("text.tar", b"what");
    write("twice.tar", &tar(&[("a.ppm", &good), ("b.ppm", &good), ("a.cls", b"1")]));
    write("again.tar", &whole);
    write("whole.tar", &whole);
    write("both.tar", &[whole.clone(), tar(&[("b.ppm", &good), ("b.cls", b"2")])].concat());
    write("two.tar", &tar(&[("a.ppm", &good), ("a.jpg", &good)]));
    write("same.tar", &tar(&[("a.cls", b"1"), ("a.ppm", &good), ("a.ppm", &good)]));
    write("none.tar", &tar(&[("a.npy", &good), ("a.cls", b"1")]));
    write("empty.tar", &tar(&[]));
    write("nothing.tar", &[]);
    write("others.tar", &tar(&[("readme", b"1"), (".hidden/a.ppm", &good)]));
    let claims = |kind, size: u64, bytes: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_path("a.ppm").unwrap();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_cksum();
        [header.as_bytes(), bytes, &[0; 2048][..]].concat()
    };
    write("decoy.tar", &claims(EntryType::Regular, 4 << 30, &good));
    write("link.tar", &claims(EntryType::Symlink, 0, &[]));
    write("longname.tar", &claims(EntryType::GNULongName, 4 << 30, &[]));
    write("sparse.tar", &claims(EntryType::GNUSparse, 0, &[]));
    let mut outside = claims(EntryType::Regular, 0, &[]);
    outside[..8].copy_from_slice(b"../a.ppm");
    let mut header = Header::from_byte_slice(&outside[..512]).clone();
    header.set_cksum();
    outside[..512].copy_from_slice(header.as_bytes());
    write("outside.tar", &outside);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &whole).unwrap();
    write("gzip.tar", &gzip.finish().unwrap());
    fs::create_dir(workspace.path("folder")).unwrap();
    let all = [
        "cut.tar",
        "text.tar",
        "twice.tar",
        "\"{again,whole}.tar\"",
        "two.tar",
        "same.tar",
        "none.tar",
        "empty.tar",
        "nothing.tar",
        "others.tar",
        "decoy.tar",
        "link.tar",
        "longname.tar",
        "sparse.tar",
        "outside.tar",
        "gzip.tar",
        "folder",
        "both.tar",
    ];
    insta::assert_snapshot!(all.map(refused).join("\n"), @r"
    error: cut.tar: it ends after 29696 bytes, in the middle of the archive; download or copy it again
    error: text.tar: it is a file that begins with the bytes what, expected a tar archive
    error: twice.tar: sample `a` occurs twice: its members are not side by side, or two samples have this name
    error: whole.tar: sample `a` is in `again.tar`, too; samples are called by their names, which must be unique
    error: two.tar: sample `a` has two pictures, `.ppm` and `.jpg`; name the one to read with `dataset.picture: ppm`
    error: same.tar: sample `a` has two members `.ppm`
    error: none.tar: not even its only sample has a picture (`.jpg`, `.jpeg`, `.png`, `.webp` and other endings of pictures); the members of `a` are `.npy`, `.cls`; name the picture's ending in `dataset.picture`
    error: empty.tar: it is an archive without a file in it; pack the pictures again, or name the archive that holds them
    error: nothing.tar: it is empty, expected a tar archive
    error: others.tar: no member of it is part of a sample (1 file that is not a picture by name or content, 1 hidden entry); the members of a sample have one name and different endings, such as `000.jpg` and `000.cls`
    error: decoy.tar: it ends after 30221 bytes, in the middle of an entry; download or copy it again
    error: link.tar: invalid entry `a.ppm`: it is a link
    error: longname.tar: invalid entry `a.ppm`: it announces a name of more than 4,096 bytes
    error: sparse.tar: invalid entry `a.ppm`: it is not a regular file
    error: outside.tar: invalid entry `../a.ppm`: it leads out of the archive
    error: gzip.tar: it is compressed, and faces are read at their place in the archive; decompress it with `gunzip`, which makes it hardly larger: pictures are compressed already
    error: folder: it contains no `.tar` files; those in folders inside it are not read
    error: both.tar: it goes on behind the mark of its end, as archives do that were put together, and only the first would be read; unpack it with `tar --ignore-zeros`, and pack it again
    ");
    insta::assert_snapshot!(refused("\"{whole,missing}.tar\""), @r#"
    error: `dataset.shards`: no such file: missing.tar
     --> config.yaml:7:39
      |
    7 | dataset: {source: webdataset, shards: "{whole,missing}.tar"}
      |                                       ^^^^^^^^^^^^^^^^^^^^^
      = help: relative paths here start in ROOT
    "#);
    insta::assert_snapshot!(refused("\"whole-{9..1}.tar\""), @r#"
    error: `dataset.shards` cannot be used: `{9..1}` must go from a number to a larger one, over at most 100000 files
     --> config.yaml:7:39
      |
    7 | dataset: {source: webdataset, shards: "whole-{9..1}.tar"}
      |                                       ^^^^^^^^^^^^^^^^^^
      = help: for example `faces-{000000..000009}.tar` or `{train,val}.tar`
    "#);
    insta::assert_snapshot!(refused("whole.tar, identity: cls, field: who"), @r"
    error: `dataset.field` is a field of JSON, and `dataset.identity` names another kind of member
     --> config.yaml:7:65
      |
    7 | dataset: {source: webdataset, shards: whole.tar, identity: cls, field: who}
      |                                                                 ^^^^^
      = help: remove it, or set `identity: json`
    ");
    assert!(Path::new(&workspace.path("whole.tar")).exists());
}

/// Fault (pictures): a WebDataset tar is replaced while its faces are embedded → those faces fail as changed, whatever its size
/// and time
#[test]
fn a_tar_that_changes_is_noticed() {
    let workspace = Workspace::new();
    shards(&workspace, "shards");
    workspace.config("dataset: {source: webdataset, shards: shards}");
    let run = workspace.json(0, &["embed", "config.yaml"]);
    let name = run["run"].as_str().unwrap();
    // One byte of a picture, at the same size.
    let path = workspace.path("shards/faces-000.tar");
    let mut bytes = fs::read(&path).unwrap();
    bytes[512 + 4000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let other = workspace.json(0, &["embed", "config.yaml"]);
    assert_ne!(other["run"], name, "the content of each picture is part of the run's name");
    assert_eq!(other["reused"][0]["rows"], 5, "{other:#}");
}
