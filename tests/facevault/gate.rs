//! The recipe of `facevault guide gate-in-ci`, run as its page shows it.

use std::fs;
use std::process::{Command, Output};

use crate::support::workspace::Workspace;

/// The blocks of a language on the page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split_once("```").unwrap().0.to_owned()).collect()
}

/// Runs lines in a shell in the workspace, with the tested binary first on the path.
fn shell(workspace: &Workspace, lines: &str) -> (Option<i32>, String) {
    let facevault = workspace.command(&[]);
    let bin = workspace.path("bin");
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(facevault.get_program(), bin.join("facevault")).unwrap();
    }
    let mut sh = Command::new("sh");
    sh.args(["-c", lines]).current_dir(workspace.path(""));
    for (name, value) in facevault.get_envs() {
        match value {
            Some(value) => sh.env(name, value),
            None => sh.env_remove(name),
        };
    }
    sh.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    let Output { status, stdout, stderr } = sh.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

#[test]
#[cfg(unix)]
fn the_recipe_passes_what_is_as_good_and_fails_what_is_worse() {
    let workspace = Workspace::empty();
    let (page, _) = workspace.run(0, &["guide", "gate-in-ci"]);
    let [baseline, judge] = &blocks(&page, "sh")[..] else { panic!("{page}") };
    // The demo's network, fewer people.
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/demo.yaml");
    let (config, _) =
        fs::read_to_string(demo).unwrap().split_once("\nexpect:").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let config = config.replace("identities: 60", "identities: 16");
    assert!(config.contains("identities: 16"), "{config}");
    fs::write(workspace.path("config.yaml"), &config).unwrap();

    let (code, told) = shell(&workspace, judge);
    assert_eq!(code, Some(2), "without a baseline: {told}");
    fs::remove_dir_all(workspace.path("gate")).unwrap();
    let (code, told) = shell(&workspace, baseline);
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = shell(&workspace, judge);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("\ngate: passed\n") && !told.contains("reusing"), "{told}");

    // A change for the worse: faces in the dark, for a network that was not trained for it.
    for entry in fs::read_dir(workspace.path("gate")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("candidate-") && path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        }
    }
    let worse = config.replace("\npreprocess:\n", "\npreprocess:\n  standardise: {mean: 250, scale: 20}\n");
    assert_ne!(worse, config);
    fs::write(workspace.path("config.yaml"), worse).unwrap();
    let (code, told) = shell(&workspace, judge);
    assert_eq!(code, Some(5), "{told}");
    assert!(told.contains("\ngate: failed\n") && told.contains("d_prime: worse"), "{told}");
    let page = fs::read_dir(workspace.path("gate")).unwrap().filter_map(Result::ok).map(|entry| entry.file_name());
    assert!(page.into_iter().any(|name| name.to_str().unwrap().starts_with("compare-")));
}

#[test]
fn the_workflow_runs_the_commands_of_the_shell() {
    let workspace = Workspace::empty();
    let (page, _) = workspace.run(0, &["guide", "gate-in-ci"]);
    let [workflow] = &blocks(&page, "yaml")[..] else { panic!("{page}") };
    let steps: Vec<&str> = workflow.lines().map(str::trim).collect();
    for command in blocks(&page, "sh").iter().flat_map(|block| block.lines()) {
        assert!(steps.contains(&command), "{command}");
    }
}

#[test]
fn guides_are_listed_and_a_misspelt_one_is_told() {
    let workspace = Workspace::empty();
    let (list, _) = workspace.run(0, &["guide"]);
    let named = |name: &str, title: &str| list.lines().any(|line| line.starts_with(name) && line.ends_with(title));
    assert!(named("gate-in-ci ", "  A gate in CI") && named("find-your-threshold ", "  Find your threshold"), "{list}");
    let (_, error) = workspace.run(2, &["guide", "gate-in-cl"]);
    assert_eq!(
        error.trim_end(),
        "error: no guide `gate-in-cl`; did you mean `gate-in-ci`?; `facevault guide` lists them"
    );
    let page = workspace.json(0, &["guide", "config-keys"]);
    assert!(page["text"].as_str().unwrap().starts_with("# Configs\n"));
}
