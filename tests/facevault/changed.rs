//! `embed RUN` after its faces have changed.

use std::fs;

use crate::support::workspace::Workspace;

/// Three people with two grey pictures each.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    for person in ["ada", "bob", "eve"] {
        fs::create_dir_all(workspace.path(format!("faces/{person}"))).unwrap();
        for picture in 0..2 {
            draw(&workspace, person, picture, 1);
        }
    }
    workspace.config("dataset: {source: folders, root: faces}");
    workspace
}

fn draw(workspace: &Workspace, person: &str, picture: usize, seed: usize) {
    let value = |p: usize| ((p * 7 * (seed + picture) + usize::from(person.as_bytes()[0])) % 256).to_string();
    let pixels: Vec<_> = (0..64 * 64).map(value).collect();
    let path = workspace.path(format!("faces/{person}/{picture}.pgm"));
    fs::write(path, format!("P2 64 64 255\n{}", pixels.join(" "))).unwrap();
}

/// Fault (runs): the dataset has changed since a run began → the run is not resumed with other faces; what changed and
/// the other run are named
#[test]
fn embed_run_reports_which_faces_changed_and_the_run_they_make() {
    let workspace = workspace();
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    let name = run.file_name().unwrap().to_str().unwrap();
    let seal = fs::read(run.join("SEALED")).unwrap();
    workspace.run(0, &["embed", name]);

    draw(&workspace, "bob", 1, 5);
    let (_, stderr) = workspace.run(1, &["embed", name, "--quiet"]);
    let other = stderr.split_once("now stands for ").unwrap().1.split(':').next().unwrap();
    let said = stderr.trim_end().replace(name, "RUN").replace(other, "OTHER");
    insta::assert_snapshot!(said, @"error: RUN no longer matches its config: 1 of 6 faces has a different picture (`bob/1.pgm`). The config now stands for OTHER: make it with `facevault experiment config.yaml`; to resume RUN, undo these changes");
    assert_eq!(fs::read(run.join("SEALED")).unwrap(), seal, "the run was touched");
    assert_eq!(workspace.only_run(), run, "another run was made without a word");

    // Both ways out.
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    assert_eq!(done["run"], other);
    draw(&workspace, "bob", 1, 1);
    workspace.run(0, &["embed", name]);

    fs::remove_file(workspace.path("faces/ada/0.pgm")).unwrap();
    draw(&workspace, "eve", 0, 3);
    draw(&workspace, "eve", 2, 1);
    let (_, stderr) = workspace.run(1, &["embed", name, "--quiet"]);
    let said = stderr.split_once("its config: ").unwrap().1.split_once(". The config").unwrap().0.to_owned();
    insta::assert_snapshot!(said, @"1 of 6 faces has a different picture (`eve/0.pgm`), 1 of 6 faces is missing (`ada/0.pgm`), 1 face is new (`eve/2.pgm`)");
}

#[test]
fn a_run_is_continued_in_its_own_folder() {
    let workspace = workspace();
    workspace.run(0, &["embed", "config.yaml", "--experiments", "elsewhere"]);
    let run = fs::read_dir(workspace.path("elsewhere"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("plan.json").is_file())
        .unwrap();
    fs::remove_file(run.join("face_metadata.csv")).unwrap();
    let done = workspace.json(0, &["embed", run.to_str().unwrap()]);
    assert_eq!(done["directory"], run.to_str().unwrap());
    assert!(run.join("face_metadata.csv").is_file() && !workspace.has_run());
}
