//! A real-world folder of faces: other formats, damaged files, files that are not pictures. Every file is a face, a row of
//! `failures.csv` or counted.

use std::fs;

use serde_json::Value;

use crate::support::formula;
use crate::support::workspace::Workspace;

/// A GIF, a TIFF and a PNG of `make_kinds.py`.
fn kind(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../../crates/preprocess/tests/fixtures/preprocess/kinds/{name}", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
}

/// Fault (pictures): empty, cut, unsupported or fetched-by-pointer pictures in a folder → rows of failures.csv with their reasons
/// Fault (pictures): hidden files, texts and deeper folders among pictures → counted as left out
#[test]
fn every_file_is_a_face_a_failure_or_counted() {
    let workspace = Workspace::empty();
    let picture = |name: &str| [b"P6\n96 96\n255\n", &formula::picture(name, 96)[..]].concat();
    let put = |path: &str, bytes: &[u8]| {
        let target = workspace.path("faces").join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    };
    for person in ["ann", "bob"] {
        for face in 1..=2 {
            put(&format!("{person}/{face}.ppm"), &picture(&format!("smooth-{person}-{face}")));
        }
    }
    put("cat/1.gif", &kind("pillow-large.gif"));
    put("cat/2.tif", &kind("large-lzw.tif"));
    put("cat/no_ending", &kind("exif-ii-long.png"));
    put("dan/1.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    put("dan/2.jpg", b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf");
    put("dan/3.jpg", b"");
    put("dan/4.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n");
    put("dan/5.jfif", b"\xff\xd8\xff");
    put("dan/6.tif", &kind("group4.tif"));
    put("dan/.DS_Store", b"Bud1");
    put("dan/notes.txt", b"tall");
    put("dan/more/1.ppm", &picture("smooth-deep"));
    put("stray.png", &kind("exif-ii-long.png"));
    let config = "name: odd\nweights: {source: embedded, name: demo}\nmodel: {width: 0.25}\n\
                  preprocess: {profile: facevault-notebook, resize: {size: 80}}\nembed: {device: cpu, threads: 1}\n\
                  similarity: {replicates: 100}\ndataset: {source: folders, root: faces}\n";
    fs::write(workspace.path("config.yaml"), config).unwrap();

    let (json, _) = workspace.run(0, &["experiment", "config.yaml", "--json"]);
    let done: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&done["faces"], &done["embedded"], &done["failed"]), (&13.into(), &7.into(), &6.into()), "{json}");
    let left_out = serde_json::json!({"in_root": 1, "too_deep": 1, "no_picture": 1, "hidden": 1});
    assert_eq!(done["left_out"], left_out);
    let run = workspace.only_run();
    let provenance: Value = serde_json::from_slice(&fs::read(run.join("provenance.json")).unwrap()).unwrap();
    assert_eq!(provenance["dataset"]["left_out"], left_out);
    let words = "1 picture next to the identity folders, 1 picture deeper than <identity>/<image>, \
                 1 file that is not a picture by name or content, 1 hidden entry";
    let report = fs::read_to_string(workspace.path("reports").join(run.file_name().unwrap()).with_extension("html"));
    assert!(report.unwrap().contains("1 file that is not a picture by name or content, 1 hidden entry"));

    let (text, said) = workspace.run(0, &["experiment", "config.yaml"]);
    assert!(text.contains(&format!("left out: {words}\n")), "{text}");
    assert!(said.contains(&format!("left out: {words}\n")), "{said}");
    assert_eq!(workspace.only_run(), run, "failures are the same again: the same run");
    insta::assert_snapshot!(fs::read_to_string(run.join("failures.csv")).unwrap(), @"
    row,face_id,kind,message
    7,dan/1.heic,decode,HEIC is not supported; convert to PNG or JPEG
    8,dan/2.jpg,decode,AVIF is not supported; convert to PNG or JPEG
    9,dan/3.jpg,decode,the file is empty; copy or download it again
    10,dan/4.jpg,decode,a Git LFS pointer instead of the picture; fetch the picture with `git lfs pull`
    11,dan/5.jfif,decode,the JPEG picture is cut short: the end of the file is missing; copy or download it again
    12,dan/6.tif,decode,TIFF with fax compression is not supported; convert to PNG or JPEG
    ");
}

/// Fault (config): the current folder, the config's path or another argument is not UTF-8 → refused with exit code 2, and which
/// it is, before anything is written
#[cfg(target_os = "linux")]
#[test]
fn what_is_not_utf_8_is_named_before_anything_is_written() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let workspace = Workspace::synthetic(2, 2, "");
    let odd = OsStr::from_bytes(b"x\xff");
    let folder = workspace.path(odd);
    fs::create_dir(&folder).unwrap();
    let refused = |mut command: std::process::Command| {
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        error
    };
    for command in [["experiment", "demo"], ["prepare", "demo"], ["embed", "demo"], ["reproduce", "demo"]] {
        let mut command = workspace.command(&command);
        command.current_dir(&folder);
        let error = refused(command);
        assert!(
            error.starts_with("error: the current folder, \"/") && error.contains(r#"/x\xFF", is not valid UTF-8"#),
            "{error}"
        );
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    fs::copy(workspace.path("config.yaml"), folder.with_extension("yaml")).unwrap();
    let mut command = workspace.command(&["experiment"]);
    command.arg(folder.with_extension("yaml"));
    let error = refused(command);
    assert!(error.starts_with("error: the config's path, \"/") && error.contains(r#"/x\xFF.yaml", is not"#), "{error}");
    let mut command = workspace.command(&["experiment", "config.yaml", "--experiments"]);
    command.arg(odd);
    let error = refused(command);
    assert!(error.starts_with(r#"error: argument 4, "x\xFF", is not valid UTF-8; "#), "{error}");
    assert!(!workspace.path("experiments").exists());
}
