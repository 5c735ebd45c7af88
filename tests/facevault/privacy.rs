//! Who can read what the program writes, where its writing can be led, and what a killed process leaves.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use facevault::dataset::synthetic;

use crate::support::workspace::{Workspace, sealed};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Everything below a folder, itself too.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    found.push(folder.to_owned());
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() { walk(&entry.path(), found) } else { found.push(entry.path()) }
    }
}

/// The binary under a umask.
fn under(workspace: &Workspace, umask: &str, arguments: &[&str]) -> Command {
    let binary = workspace.command(&[]).get_program().to_owned();
    let command = workspace.command(arguments);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("umask {umask}; exec \"$0\" \"$@\"")).arg(binary).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.env_remove("FACEVAULT_PERMISSIONS").current_dir(command.get_current_dir().unwrap());
    shell
}

#[track_caller]
fn succeeds(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a run, a detection and a report leave: folders with pictures that are cached too.
fn photos() -> Workspace {
    let workspace = Workspace::new();
    for person in 0..2 {
        for sample in 0..2 {
            let path = workspace.path(format!("photos/p{person}/{sample}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            synthetic::render(5, person, sample, 96).save(path).unwrap();
        }
    }
    workspace.config("dataset: {source: folders, root: photos}");
    workspace
}

/// Fault (privacy): a umask that lets everybody read, or nobody → runs, reports, caches and tables are their owner's, and the
/// owner's alone
#[test]
fn what_is_created_is_its_owners_alone_whatever_the_umask() {
    for umask in ["0", "022", "777"] {
        let workspace = photos();
        succeeds(under(&workspace, umask, &["experiment", "config.yaml"]));
        succeeds(under(&workspace, umask, &["forget", "small", "p0/0.png"]));
        let detect = ["detect", "config.yaml", "--set", "detect.detector=mtcnn", "--out", "tables", "--crops"];
        // No face is found in them; the tables are written all the same.
        under(&workspace, umask, &detect).output().unwrap();
        let mut found = Vec::new();
        for folder in ["experiments", "reports", "tables"] {
            walk(&workspace.path(folder), &mut found);
        }
        assert!(found.iter().any(|path| path.ends_with("face_embeddings.npy")), "{found:?}");
        assert!(
            found.iter().any(|path| path.ends_with(".lock")) && found.iter().any(|path| path.ends_with("failures.csv"))
        );
        for path in found {
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&path), expected, "umask {umask}: {}", path.display());
        }
    }
}

#[test]
fn with_umask_the_umask_decides_and_what_exists_keeps_its_permissions() {
    let [private, shared] = [photos(), photos()];
    succeeds(under(&private, "002", &["experiment", "config.yaml"]));
    succeeds(under(&shared, "002", &["experiment", "config.yaml", "--permissions", "umask"]));
    let run = shared.only_run();
    assert_eq!(private.only_run().file_name(), run.file_name(), "it is no part of what a run is");
    assert_eq!(sealed(&private.only_run())["metrics.json"], sealed(&run)["metrics.json"]);
    assert_eq!((mode(&run), mode(&run.join("metrics.json")), mode(&shared.path("reports"))), (0o775, 0o664, 0o775));
    // Replaced by a command that is private again.
    fs::set_permissions(run.join("people.json"), fs::Permissions::from_mode(0o640)).unwrap();
    succeeds(under(&shared, "002", &["evaluate", "small"]));
    assert_eq!((mode(&run), mode(&run.join("people.json")), mode(&run.join("pairs.parquet"))), (0o775, 0o640, 0o664));
    assert_eq!(
        mode(&run.join("metrics.json")),
        0o644,
        "removed first, and so a new file: the folder's readers may read it"
    );
    // The variable is for every command, and the option goes before it.
    let mut command =
        under(&shared, "002", &["experiment", "config.yaml", "--set", "name=third", "--experiments", "more"]);
    succeeds({
        command.env("FACEVAULT_PERMISSIONS", "umask");
        command
    });
    assert_eq!(mode(&shared.path("more")), 0o775);
    let mut command = shared.command(&["runs"]);
    let output = command.env("FACEVAULT_PERMISSIONS", "everybody").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("FACEVAULT_PERMISSIONS: expected `private` or `umask`, this is `everybody`"), "{said}");
}

/// Fault (privacy): a run is opened to a group, or closed, and then files of it are removed and made again → the group can read
/// them still, or nobody else whatever the umask
#[test]
fn what_is_made_again_in_a_run_is_for_those_that_its_folder_is_for() {
    for (opened, umask, expected) in [(0o750, "private", 0o640), (0o755, "private", 0o644), (0o700, "umask", 0o600)] {
        let workspace = photos();
        succeeds(under(&workspace, "022", &["experiment", "config.yaml"]));
        let run = workspace.only_run();
        let mut before = Vec::new();
        walk(&run, &mut before);
        for path in &before {
            let bits = if path.is_dir() { opened } else { opened & 0o666 };
            fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
        }
        fs::set_permissions(&run, fs::Permissions::from_mode(opened)).unwrap();
        for command in [&["forget", "small", "p0/0.png"][..], &["evaluate", "small"]] {
            succeeds(under(&workspace, "022", &[command, &["--permissions", umask]].concat()));
            let mut found = Vec::new();
            walk(&run, &mut found);
            assert!(found.iter().any(|path| path.ends_with("SEALED")), "{found:?}");
            for path in found.iter().filter(|path| path.is_file() && !path.ends_with(".lock")) {
                assert_eq!(mode(path), expected, "{command:?}: {}", path.display());
            }
        }
    }
}

/// Fault (privacy): `.lock` or another file of a run is a link to a file elsewhere → refused with the link's name; the file
/// elsewhere is as it was
/// Fault (privacy): `chunks` of a run is a link to a folder elsewhere → refused with the link's name; nothing is written there
#[test]
fn no_link_in_a_run_leads_writing_elsewhere() {
    let workspace = Workspace::synthetic(4, 3, "");
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    let victim = workspace.path("victim");
    let face = "s5-i0000-000";
    for link in [".lock", ".unsealed", ".checked", ".forgetting", ".kept", "metrics.json", "chunks/00000.npy", "chunks"]
    {
        let aside = workspace.path("aside");
        let (path, existed) = (run.join(link), run.join(link).exists());
        if existed {
            fs::rename(&path, &aside).unwrap();
        }
        if link == "chunks" || link == ".kept" {
            fs::create_dir(&victim).unwrap();
        } else {
            fs::write(&victim, "mine").unwrap();
        }
        symlink(&victim, &path).unwrap();
        for command in [&["evaluate", "small"][..], &["experiment", "config.yaml"], &["forget", "small", face]] {
            let output = workspace.command(command).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success(), "{link} {command:?}: {said}");
            assert!(said.contains(&format!("{link}: it is a link to ")), "{link} {command:?}: {said}");
        }
        // Reading commands may fail, too; they write nothing.
        for command in [&["verify", "small"][..], &["lookup", "small", face], &["report", "small"], &["runs"]] {
            workspace.command(command).output().unwrap();
        }
        if victim.is_dir() {
            assert_eq!(fs::read_dir(&victim).unwrap().count(), 0, "{link}");
            fs::remove_dir(&victim).unwrap();
        } else {
            assert_eq!(fs::read_to_string(&victim).unwrap(), "mine", "{link}");
            fs::remove_file(&victim).unwrap();
        }
        fs::remove_file(&path).unwrap_or_else(|error| assert_eq!(link, ".checked", "{error}"));
        if existed {
            fs::rename(&aside, &path).unwrap();
        }
    }
    workspace.run(0, &["verify", "small"]);
    workspace.run(0, &["evaluate", "small"]);
}

/// Fault (privacy): a page in the reports folder is a link to a file elsewhere → the link is replaced; the file is as it was
/// Fault (privacy): the cache or a folder in it is a link → refused with the link's name; nothing is written there
#[test]
fn no_link_in_reports_or_cache_leads_writing_elsewhere() {
    let workspace = photos();
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    let page = workspace.path("reports").join(run.file_name().unwrap()).with_extension("html");
    let victim = workspace.path("victim");
    fs::write(&victim, "mine").unwrap();
    fs::remove_file(&page).unwrap();
    symlink(&victim, &page).unwrap();
    workspace.run(0, &["report", "small"]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    assert!(fs::symlink_metadata(&page).unwrap().is_file());

    let elsewhere = workspace.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let cache = workspace.path("experiments/.cache");
    let mtcnn = &["experiment", "config.yaml", "--set", "detect.detector=mtcnn"][..];
    fs::remove_dir_all(&cache).unwrap();
    symlink(&elsewhere, &cache).unwrap();
    let (_, said) = workspace.run(1, &["experiment", "config.yaml", "--set", "name=other"]);
    assert!(said.contains("experiments/.cache: it is a link to "), "{said}");
    fs::remove_file(&cache).unwrap();
    fs::create_dir(&cache).unwrap();
    symlink(&elsewhere, cache.join("detections")).unwrap();
    let output = workspace.command(mtcnn).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("detections: it is a link to "), "{said}");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    // Removal does not follow it either.
    fs::write(elsewhere.join("kept"), "mine").unwrap();
    workspace.run(0, &["forget", run.to_str().unwrap(), "p0/0.png"]);
    assert_eq!(fs::read_to_string(elsewhere.join("kept")).unwrap(), "mine");
}

#[test]
fn folders_that_the_user_names_may_be_links() {
    let workspace = photos();
    for folder in ["experiments", "reports"] {
        fs::create_dir(workspace.path(format!("disk-{folder}"))).unwrap();
        symlink(workspace.path(format!("disk-{folder}")), workspace.path(folder)).unwrap();
    }
    workspace.run(0, &["experiment", "config.yaml"]);
    // A run on another disk.
    let (run, moved) = (workspace.only_run(), workspace.path("moved"));
    fs::rename(&run, &moved).unwrap();
    symlink(&moved, &run).unwrap();
    workspace.run(0, &["evaluate", "small"]);
    workspace.run(0, &["verify", "small"]);
    assert_eq!(fs::read_dir(workspace.path("disk-reports")).unwrap().count(), 1);
    let done = workspace.json(0, &["forget", "small", "p0/0.png"]);
    assert_eq!(done["pages"].as_array().unwrap().len(), 1, "removed, and made again: {done}");
    assert_eq!(fs::read_dir(workspace.path("disk-reports")).unwrap().count(), 1);
}

/// Fault (disk): a finished run that cannot be written → it is read as usual, and nothing in it is created or changed
#[test]
fn a_finished_run_is_read_without_writing() {
    let workspace = Workspace::synthetic(4, 3, "");
    workspace.run(0, &["experiment", "config.yaml"]);
    workspace.run(0, &["experiment", "config.yaml", "--set", "seed=3", "--experiments", "others"]);
    let run = workspace.only_run();
    let other = fs::read_dir(workspace.path("others")).unwrap().flatten().map(|one| one.path());
    let other = other.filter(|path| path.join("plan.json").is_file()).last().unwrap();
    // Root may write anywhere, but puts no file in the place of a folder.
    fs::remove_file(run.join(".lock")).unwrap();
    fs::remove_file(run.join(".checked")).unwrap();
    fs::create_dir(run.join(".checked")).unwrap();
    let state = || {
        let mut all = Vec::new();
        walk(&run, &mut all);
        let seen = |path: PathBuf| {
            let found = fs::symlink_metadata(&path).unwrap();
            // A folder's own times change with a temporary file in it.
            (path, found.ino(), if found.is_dir() { (0, 0) } else { (found.mtime(), found.mtime_nsec()) })
        };
        let mut all: Vec<_> = all.into_iter().map(seen).collect();
        all.sort();
        all
    };
    let before = state();
    for command in [
        &["verify", "small"][..],
        &["lookup", "small", "s5-i0000-000"],
        &["report", "small", "--reports", "pages"],
        &["compare", run.to_str().unwrap(), other.to_str().unwrap()],
        &["runs"],
        &["forget", "small", "s5-i0000-000", "--dry-run"],
    ] {
        workspace.run(0, command);
        assert_eq!(state(), before, "{command:?}");
    }
}

/// Fault (disk): a process is killed while it writes a page, a cache or a document → the next start removes what it left
#[test]
fn what_killed_processes_left_is_removed_by_the_next_start() {
    let workspace = photos();
    workspace.run(0, &["experiment", "config.yaml"]);
    let document = "# Results\n<!-- reproduce: begin -->\n<!-- reproduce: end -->\n";
    fs::create_dir(workspace.path("docs")).unwrap();
    fs::write(workspace.path("docs/results.md"), document).unwrap();
    let left: Vec<_> =
        ["reports", "experiments/.cache", "docs"].map(|folder| workspace.path(folder).join(".partial-abc")).into();
    for path in &left {
        fs::write(path, "half").unwrap();
    }
    let unpacking = workspace.path("experiments/.cache/unpacked/.partial-0123456789abcdef");
    fs::create_dir_all(&unpacking).unwrap();
    fs::write(unpacking.join("000000.png"), "half").unwrap();
    workspace.run(0, &["reproduce", "config.yaml", "--into", "docs/results.md"]);
    for path in left.into_iter().chain([unpacking]) {
        assert!(!path.exists(), "{}", path.display());
    }
    assert_eq!(mode(&workspace.path("docs/results.md")), 0o644, "a document keeps its permissions");
}
