//! `facevault runs`: one line for each run, whatever its state.

use std::fs;

use serde_json::Value;

use crate::support::workspace::Workspace;

#[test]
fn runs_are_listed_last_first_with_what_sets_them_apart() {
    let workspace = Workspace::synthetic(4, 3, "expect: {eer: {max: 1.0}}");
    workspace.run(0, &["experiment", "config.yaml", "-q"]);
    workspace.run(0, &["embed", "config.yaml", "-q", "--set", "seed=7"]);
    workspace.run(0, &["experiment", "config.yaml", "-q", "--set", "name=other", "--set", "expect={}"]);
    let rows = workspace.json(0, &["runs"]);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 3, "{rows:?}");
    let times: Vec<_> = rows.iter().map(|row| row["worked_on"].as_u64().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let named = |prefix: &str, state: &str| {
        let found = workspace.json(0, &["runs", prefix, "--state", state]);
        let [row] = &found.as_array().unwrap()[..] else { panic!("{found}") };
        row.clone()
    };
    let (complete, embedded, other) = (named("small", "complete"), named("small", "embedded"), named("o", "complete"));
    assert_eq!(complete["dataset"], "synthetic 4×3");
    assert_eq!((complete["faces"].as_u64(), complete["embedded"].as_u64()), (Some(12), Some(12)));
    assert_eq!((&complete["network"], &complete["precision"]), (&"inception-resnet-v1".into(), &"f32".into()));
    assert_eq!((&complete["profile"], &complete["crop"]), (&"custom".into(), &"whole".into()));
    let rates =
        |row: &Value| row["headline"].as_array().unwrap().iter().map(|one| one["metric"].clone()).collect::<Vec<_>>();
    assert_eq!(rates(&complete), ["eer", "tar@fmr=1e-3"]);
    assert!(rates(&embedded).is_empty());
    assert_eq!((&complete["expectations_met"], &other["expectations_met"]), (&true.into(), &Value::Null));
    assert_eq!((&complete["differs"]["seed"], &embedded["differs"]["seed"]), (&"0".into(), &"7".into()));
    assert_eq!((complete["differs"].as_object().unwrap().len(), other["differs"].as_object().unwrap().len()), (1, 0));

    let (table, _) = workspace.run(0, &["runs", "small"]);
    let row = |name: &Value| table.lines().find(|line| line.contains(name.as_str().unwrap())).unwrap().to_owned();
    // 54 impostor pairs are too few for one false match in 1000: a bound, not another rate.
    let complete = row(&complete["run"]);
    assert!(complete.contains("  ≤ ") || complete.contains("  not resolved"), "{complete}");
    assert!(complete.contains("  met  ") && complete.ends_with("  seed=0"), "{complete}");
    let embedded = row(&embedded["run"]);
    assert!(embedded.split_whitespace().collect::<Vec<_>>().ends_with(&["–", "–", "–", "seed=7"]), "{embedded}");
}

/// Fault (runs): a run whose provenance cannot be read is listed → it is a line with the reason, and the others are
/// listed
#[test]
fn a_damaged_run_is_a_line_with_its_reason_and_filters_leave_the_rest() {
    let workspace = Workspace::synthetic(3, 3, "");
    workspace.run(0, &["embed", "config.yaml", "-q"]);
    let run = workspace.only_run();
    workspace.run(0, &["embed", "config.yaml", "-q", "--set", "seed=7"]);
    fs::write(run.join("provenance.json"), "{").unwrap();
    let (table, _) = workspace.run(0, &["runs"]);
    let name = run.file_name().unwrap().to_str().unwrap();
    let told = format!("{name} is damaged: experiments/{name}/provenance.json is not in the format of");
    assert!(table.lines().last().unwrap().starts_with(&told), "{table}");

    let count = |filter: &[&str]| workspace.json(0, &[&["runs"], filter].concat()).as_array().unwrap().len();
    assert_eq!((count(&[]), count(&["--state", "damaged"]), count(&["--last", "1"])), (2, 1, 1));
    assert_eq!((count(&["small"]), count(&["smaller"]), count(&["--since", "2020-01-01"])), (2, 0, 2));
    // The time of the damaged one is unknown.
    assert_eq!(count(&["--since", "9999-01-01"]), 1);
    let (none, _) = workspace.run(0, &["runs", "smaller"]);
    assert_eq!(none.trim_end(), "no such runs in experiments; without filters, `facevault runs` lists all");
    let (_, error) = workspace.run(2, &["runs", "--since", "yesterday"]);
    assert!(error.contains("expected a day from 1970 on as YYYY-MM-DD"), "{error}");
}

/// Fault (config): `--experiments` or `--reports` names a file, or a folder in one → refused before anything is read
#[test]
fn a_file_is_no_folder_of_runs() {
    let workspace = Workspace::empty();
    std::fs::write(workspace.path("file"), "").unwrap();
    for (arguments, named) in [
        (["runs", "--experiments", "file"], "file is a file; name a folder"),
        (["runs", "--reports", "file/inside"], "file is a file; name a folder"),
        (["runs", "--experiments", ""], "name a folder"),
    ] {
        let (_, stderr) = workspace.run(2, &arguments);
        assert!(stderr.contains(named), "{stderr}");
    }
}
