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

/// The demo's network, fewer people.
fn config() -> String {
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/demo.yaml");
    let (config, _) =
        fs::read_to_string(demo).unwrap().split_once("\nexpect:").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let config = config.replace("identities: 60", "identities: 16");
    assert!(config.contains("identities: 16"), "{config}");
    config
}

/// A change for the worse: faces in the dark, for a network that was not trained for it.
fn worse(config: &str) -> String {
    let worse = config.replace("\npreprocess:\n", "\npreprocess:\n  standardise: {mean: 250, scale: 20}\n");
    assert_ne!(worse, config);
    worse
}

#[test]
#[cfg(unix)]
fn the_recipe_passes_what_is_as_good_and_fails_what_is_worse() {
    let workspace = Workspace::empty();
    let (page, _) = workspace.run(0, &["guide", "gate-in-ci"]);
    let [baseline, judge] = &blocks(&page, "sh")[..] else { panic!("{page}") };
    let config = config();
    fs::write(workspace.path("config.yaml"), &config).unwrap();

    let (code, told) = shell(&workspace, judge);
    assert_eq!(code, Some(2), "without a baseline: {told}");
    fs::remove_dir_all(workspace.path("gate")).unwrap();
    let (code, told) = shell(&workspace, baseline);
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = shell(&workspace, judge);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("\ngate: passed\n") && !told.contains("reusing"), "{told}");

    for entry in fs::read_dir(workspace.path("gate")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("candidate-") && path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        }
    }
    fs::write(workspace.path("config.yaml"), worse(&config)).unwrap();
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
    let [workflow, _] = &blocks(&page, "yaml")[..] else { panic!("{page}") };
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

/// The action's folder in the repository.
const ACTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../actions/gate");

/// Runs the action's script as a runner does, with these inputs: its exit code, what it printed, the summary and the outputs.
#[cfg(unix)]
fn act(workspace: &Workspace, inputs: &str) -> (Option<i32>, String, String, String) {
    let lines = format!(
        "rm -f summary output; : \"${{BASELINE=baseline}}\" \"${{CANDIDATE=candidate}}\"
         export BASELINE CANDIDATE EXPERIMENTS=gate REPORTS=gate GITHUB_STEP_SUMMARY=summary GITHUB_OUTPUT=output
         {inputs} bash '{ACTION}/gate'"
    );
    let (code, told) = shell(workspace, &lines);
    let read = |name| fs::read_to_string(workspace.path(name)).unwrap();
    (code, told, read("summary"), read("output"))
}

#[test]
#[cfg(unix)]
fn the_action_judges_and_writes_the_summary_of_its_job() {
    let workspace = Workspace::empty();
    fs::write(workspace.path("config.yaml"), config()).unwrap();
    fs::write(workspace.path("worse.yaml"), worse(&config())).unwrap();
    for (config, name) in [("config", "baseline"), ("worse", "worse")] {
        let made =
            format!("facevault experiment {config}.yaml --set name={name} --experiments gate --reports gate --quiet");
        assert_eq!(shell(&workspace, &made).0, Some(0));
    }

    // The candidate is made from its config, by this build, and is as good.
    let (code, told, summary, output) = act(&workspace, "CONFIG=config.yaml");
    assert_eq!(code, Some(0), "{told}");
    assert!(summary.starts_with("## facevault gate: passed\n\n<pre>gate: passed</pre>\n"), "{summary}");
    assert!(summary.contains("equal error rate") && told.contains("equal error rate"), "{summary}");
    let page = output.strip_prefix("report=").unwrap().trim_end();
    assert!(page.starts_with("gate/compare-baseline-") && workspace.path(page).is_file(), "{output}");

    // One that is there already, and worse.
    let (code, told, summary, output) = act(&workspace, "CANDIDATE=worse");
    assert_eq!(code, Some(5), "{told}");
    assert!(summary.starts_with("## facevault gate: failed\n\n<pre>gate: failed\n  [2] "), "{summary}");
    assert!(summary.contains(": worse −") && output.contains("report=gate/compare-"), "{summary}");
    // Every metric that is judged, tolerated.
    let (code, told, summary, _) = act(
        &workspace,
        "CANDIDATE=worse TOLERATE='eer=1 auc=1\nd_prime=100\ntar@fmr=1e-1=1 tar@fmr=1e-2=1 tar@fmr=1e-3=1 tar@fmr=1e-4=1'",
    );
    assert_eq!(code, Some(0), "{told}");
    assert!(summary.starts_with("## facevault gate: passed\n"), "{summary}");
}

/// Fault (config): an input of the GitHub Action that holds commands or markup → it is a name like any other; nothing of it is run, and the summary shows it as text
/// Fault (runs): the GitHub Action is given a baseline that is not there → it fails with the exit code 2 and the reason in the summary
#[test]
#[cfg(unix)]
fn the_action_fails_where_it_has_no_answer_and_says_why() {
    let workspace = Workspace::synthetic(4, 2, "");
    let (code, told, summary, output) = act(&workspace, "");
    assert_eq!(code, Some(2), "{told}");
    assert!(
        summary.starts_with("## facevault gate: no answer (exit code 2)\n\n<pre>error: no run `baseline`"),
        "{summary}"
    );
    assert_eq!(output, "report=\n");

    let hostile = "$(touch run)`touch run`</pre><b>";
    for (inputs, shown) in [
        (format!("BASELINE='{hostile}'"), "no run `$(touch run)`touch run`&lt;/pre>&lt;b>`"),
        (format!("TOLERATE='eer={hostile}'"), "eer=$(touch"),
        (format!("CONFIG='{hostile}'"), "touch run`&lt;/pre>&lt;b>"),
    ] {
        let (code, told, summary, _) = act(&workspace, &inputs);
        assert_eq!(code, Some(2), "{told}");
        assert!(summary.contains(shown) && summary.matches("</pre>").count() == 2, "{summary}");
        assert!(!workspace.path("run").exists());
    }

    // A candidate that cannot be made is not compared.
    let (code, told, summary, _) = act(&workspace, "CONFIG=nowhere.yaml");
    assert_eq!(code, Some(2), "{told}");
    assert!(summary.contains("cannot read the config") && !told.contains("no run"), "{summary}");
}

#[test]
fn the_action_is_one_step_whose_inputs_are_variables() {
    let yaml = |text: &str| -> serde_json::Value { serde_yaml::from_str(text).unwrap() };
    let action = yaml(&fs::read_to_string(format!("{ACTION}/action.yml")).unwrap());
    assert_eq!(action["runs"]["using"], "composite");
    let [step] = &action["runs"]["steps"].as_array().unwrap()[..] else { panic!("{action}") };
    assert_eq!((&step["shell"], &step["run"]), (&"bash".into(), &"\"$GITHUB_ACTION_PATH/gate\"".into()));
    assert_eq!(
        action["outputs"]["report"]["value"],
        format!("${{{{ steps.{}.outputs.report }}}}", step["id"].as_str().unwrap())
    );
    let inputs = action["inputs"].as_object().unwrap();
    let environment = step["env"].as_object().unwrap();
    assert_eq!(inputs.len(), environment.len());
    let script = fs::read_to_string(format!("{ACTION}/gate")).unwrap();
    for (name, input) in inputs {
        let variable = name.to_uppercase();
        assert_eq!(environment[&variable], format!("${{{{ inputs.{name} }}}}"));
        assert!(script.contains(&format!("${{{variable}:")), "{variable}");
        assert!(input["description"].is_string() && input["default"].is_string(), "{name}");
    }

    // The page's workflow gives it inputs that it has.
    let (page, _) = Workspace::empty().run(0, &["guide", "gate-in-ci"]);
    let workflow = yaml(&blocks(&page, "yaml")[1]);
    let used = workflow.as_array().unwrap().iter().find(|step| step["id"] == "gate").unwrap();
    assert!(used["with"].as_object().unwrap().keys().all(|name| inputs.contains_key(name)), "{used}");
}
