//! Runs that can only be read: what is suggested can be run as it stands.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::workspace::Workspace;

/// Makes the folder `$1` read-only for the command behind it.
const READ_ONLY: &str = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && cd "$2" && shift 2 && exec "$@""#;

/// Whether a user may have mounts of its own here.
fn can_mount() -> bool {
    Command::new("unshare").args(["-rm", "true"]).output().is_ok_and(|done| done.status.success())
}

/// What the command says on standard error, in `folder`, while the folder `runs` can only be read.
#[track_caller]
fn refused(workspace: &Workspace, folder: &str, arguments: &[&str]) -> String {
    let inner = workspace.command(arguments);
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", READ_ONLY, "sh"]).arg(workspace.path("runs")).arg(workspace.path(folder));
    command.arg(inner.get_program()).args(arguments);
    let Output { status, stderr, stdout } = command.output().unwrap();
    let (text, said) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(1), "{arguments:?}: {text}{said}");
    said.lines().last().unwrap().to_owned()
}

/// Runs a suggested command in a shell.
#[track_caller]
fn follow(workspace: &Workspace, folder: &Path, line: &str) {
    let binary = workspace.command(&[]);
    let beside = Path::new(binary.get_program()).parent().unwrap();
    let path = format!("{}:{}", beside.display(), std::env::var("PATH").unwrap());
    let done = Command::new("sh").args(["-c", line]).current_dir(folder).env("PATH", path).output().unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The command in the last pair of backquotes.
fn suggested(said: &str) -> &str {
    said.rsplit('`').nth(1).unwrap_or_else(|| panic!("nothing is suggested: {said}"))
}

/// Fault (disk): a run on a read-only file system is not evaluated, or not finished → the suggested command copies it first;
/// who writes nevertheless is told so
#[test]
fn what_is_suggested_for_a_run_that_can_only_be_read_works() {
    if !can_mount() {
        println!("skipped: no mounts of its own for a user here");
        return;
    }
    let workspace = Workspace::synthetic(4, 3, "");
    workspace.run(0, &["embed", "config.yaml", "-q", "--experiments", "runs"]);
    let run = std::fs::read_dir(workspace.path("runs")).unwrap().map(|entry| entry.unwrap().file_name());
    let run = run.map(|name| name.into_string().unwrap()).find(|name| name.starts_with("small-")).unwrap();
    let path = format!("runs/{run}");
    for arguments in [["report", &path], ["verify", &path]] {
        let said = refused(&workspace, "", &arguments);
        let copied = format!("mkdir -p copies && cp -r {path} copies && facevault evaluate copies/{run}");
        assert_eq!(suggested(&said), copied, "{said}");
    }
    for arguments in [&["evaluate", &path][..], &["evaluate", &run, "--experiments", "runs"], &["forget", &path, "a"]] {
        let said = refused(&workspace, "", arguments);
        let copy = format!(
            "the run can only be read: copy it with `mkdir -p copies && cp -r {path} copies`, and name the \
                            copy, copies/{run}"
        );
        assert!(said.contains("Read-only file system") && said.ends_with(&copy), "{said}");
    }
    let said = refused(&workspace, "", &["embed", "config.yaml", "--set", "seed=4", "--experiments", "runs"]);
    assert!(said.ends_with("choose a writable folder with --experiments"), "{said}");
    let said = refused(&workspace, "", &["report", &path]);
    follow(&workspace, &workspace.path(""), suggested(&said));
    assert!(workspace.path(format!("copies/{run}/SEALED")).is_file());
}

/// A run that is named by a path, in whatever folder, is named in suggested commands so that they work there.
#[test]
fn a_run_that_is_named_by_a_path_is_suggested_by_it() {
    let workspace = Workspace::synthetic(3, 3, "");
    workspace.run(0, &["embed", "config.yaml", "-q", "--experiments", "my runs"]);
    let folder = workspace.path("my runs");
    let run = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let run = run.into_iter().find(|path| path.join("plan.json").is_file()).unwrap();
    let name = run.file_name().unwrap().to_str().unwrap();
    let relative = format!("my runs/{name}");
    for (folder, given) in [(&workspace.path(""), &*relative), (&folder, name), (&run, ".")] {
        let mut command = workspace.command(&["verify", given]);
        let said = String::from_utf8(command.current_dir(folder).output().unwrap().stderr).unwrap();
        follow(&workspace, folder, suggested(&said));
        assert!(run.join("SEALED").is_file(), "{said}");
        // As it was before.
        std::fs::remove_dir_all(&run).unwrap();
        workspace.run(0, &["embed", "config.yaml", "-q", "--experiments", "my runs"]);
    }
    // What continues a run finds its config and its folder from here.
    for (from, given) in [(&folder, name), (&run, ".")] {
        std::fs::remove_file(run.join("face_metadata.csv")).unwrap();
        let _ = std::fs::remove_file(run.join("SEALED"));
        let mut command = workspace.command(&["watch", given, "--once"]);
        let said = String::from_utf8(command.current_dir(from).output().unwrap().stderr).unwrap();
        let (_, line) = said.trim_end().rsplit_once("; to continue it: ").unwrap_or_else(|| panic!("{said}"));
        assert!(line.starts_with("facevault experiment /") && line.contains("/config.yaml --experiments "), "{line}");
        // Its report would go into the run, if it was followed there.
        follow(&workspace, &folder, line);
        assert!(run.join("SEALED").is_file(), "{line}");
    }
}
