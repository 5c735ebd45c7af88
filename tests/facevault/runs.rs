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
    assert_eq!((count(&["s*l"]), count(&["*"]), count(&["s*ler-"])), (2, 2, 0));
    // The time of the damaged one is unknown.
    assert_eq!(count(&["--since", "9999-01-01"]), 1);
    let (none, _) = workspace.run(0, &["runs", "smaller"]);
    assert_eq!(none.trim_end(), "no such runs in experiments; without filters, `facevault runs` lists all");
    let (_, error) = workspace.run(2, &["runs", "--since", "yesterday"]);
    assert!(error.contains("expected a day from 1970 on as YYYY-MM-DD"), "{error}");
}

/// Three runs of one config: the second differs in its seed and is only embedded, the third in its name.
fn three_runs() -> Workspace {
    let workspace = Workspace::synthetic(4, 3, "expect: {eer: {max: 1.0}}");
    workspace.run(0, &["experiment", "config.yaml", "-q"]);
    workspace.run(0, &["embed", "config.yaml", "-q", "--set", "seed=7"]);
    workspace.run(0, &["experiment", "config.yaml", "-q", "--set", "name=other", "--set", "dataset.identities=6"]);
    workspace
}

fn names(rows: &Value) -> Vec<String> {
    let row = |row: &Value| row["run"].as_str().unwrap().to_owned();
    rows.as_array().unwrap().iter().map(row).collect()
}

/// Runs without an error are sorted by the bounds that are shown, and a rate that the pairs cannot resolve is no value.
#[test]
fn runs_are_sorted_by_bounds() {
    let workspace = Workspace::empty();
    // The demo's network, which makes no error in so few pairs.
    let config = "name: few\ndataset: {source: synthetic, seed: 5, identities: 4, samples: 3, size: 80}\n\
                  weights: {source: embedded, name: demo}\nmodel: {width: 0.25}\nembed: {device: cpu, threads: 1}\n\
                  preprocess: {profile: facevault-notebook, resize: {size: 80}}\nsimilarity: {replicates: 100}\n";
    fs::write(workspace.path("config.yaml"), config).unwrap();
    workspace.run(0, &["experiment", "config.yaml", "-q", "--set", "name=more", "--set", "dataset.identities=12"]);
    workspace.run(0, &["experiment", "config.yaml", "-q"]);
    for (way, first) in [(&["--sort", "eer"][..], "more-"), (&["--sort", "eer", "-r"], "few-")] {
        let rows = workspace.json(0, &[&["runs"], way].concat());
        for (row, eer) in rows.as_array().unwrap().iter().map(|row| (row, &row["headline"][0])) {
            assert_eq!((eer["point"].as_f64(), &eer["bound"]), (Some(0.0), &true.into()), "{row}");
            assert_eq!(row["values"]["eer"], eer["upper"], "{row}");
        }
        assert!(names(&rows)[0].starts_with(first), "{way:?}: {rows}");
    }
    let rows = workspace.json(0, &["runs", "--sort", "fmr100"]);
    assert!(names(&rows)[0].starts_with("more-") && rows[1]["values"].is_null(), "{rows}");
    assert_eq!(workspace.json(0, &["runs", "--where", "fmr1000<1"]).as_array().unwrap().len(), 0);
}

/// Fault (config): `runs` is asked to sort or select by something that runs do not have, or by a value of the wrong kind →
/// refused with the nearest name, or with the kind that is meant
#[test]
fn runs_are_sorted_and_selected_by_name_plan_and_metric() {
    let workspace = three_runs();
    let listed = |arguments: &[&str]| names(&workspace.json(0, &[&["runs"], arguments].concat()));
    let by_name = listed(&["--sort", "name"]);
    assert!(by_name.is_sorted() && by_name.len() == 3, "{by_name:?}");
    let reversed: Vec<_> = by_name.iter().rev().cloned().collect();
    assert_eq!(listed(&["--sort", "name", "--reverse"]), reversed);
    assert_eq!(listed(&["--sort", "-name"]), reversed);
    assert_eq!(listed(&["--sort=-name", "-r"]), by_name);
    assert_eq!(listed(&["--sort", "name", "--limit", "1"]), by_name[..1]);
    assert!(listed(&["--sort", "faces"])[0].starts_with("other-"));

    // What has no value comes last, whichever way.
    let embedded = listed(&["--state", "embedded"]).remove(0);
    for key in ["eer", "auc", "tar@far=0.1"] {
        for way in [&["--sort", key][..], &["--sort", key, "-r"]] {
            assert_eq!(listed(way).last(), Some(&embedded), "{way:?}");
        }
    }
    let rows = workspace.json(0, &["runs", "--sort", "eer", "--where", "state!=embedded"]);
    let values: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["values"]["eer"].as_f64().unwrap()).collect();
    assert!(values.len() == 2 && values.is_sorted(), "{values:?}");
    let fastest = workspace.json(0, &["runs", "--sort", "faces-per-second"]);
    let speeds: Vec<_> = fastest.as_array().unwrap().iter().map(|row| row["values"]["speed"].as_f64()).collect();
    assert!(speeds.iter().all(Option::is_some) && speeds.is_sorted_by(|a, b| a >= b), "{speeds:?}");

    for (condition, count) in [
        ("dataset=synthetic", 3),
        ("dataset=4×3", 2),
        ("precision=f32", 3),
        ("precision!=f32", 0),
        ("weights=weights.safetensors", 3),
        ("state=incomplete", 1),
        ("name=o*r-*", 1),
        ("name~mall", 2),
        ("faces>12", 1),
        ("seed=7", 1),
        ("eer<=100%", 2),
        ("eer>1", 0),
        ("date>=2020-01-01", 3),
        ("date<2020-01-01", 0),
        ("speed>0", 3),
    ] {
        assert_eq!(listed(&["--where", condition]).len(), count, "{condition}");
    }
    assert_eq!(listed(&["--state", "incomplete"]), [embedded]);
    assert!(listed(&["--where", "name=other-*", "--where", "seed=7"]).is_empty());

    let (table, _) = workspace.run(0, &["runs", "--sort", "speed"]);
    let heading = table.lines().next().unwrap();
    assert!(heading.ends_with("speed") && table.lines().nth(1).unwrap().ends_with("/s"), "{table}");
    let refused = |arguments: &[&str]| workspace.run(2, &[&["runs"], arguments].concat()).1;
    assert!(refused(&["--sort", "eerr"]).contains("runs have no `eerr`; did you mean `eer`?"));
    assert!(refused(&["--where", "preciison=f32"]).contains("did you mean `precision`?"));
    assert!(refused(&["--where", "eer=small"]).contains("`eer` is compared with a number, this is `small`"));
    assert!(refused(&["--where", "eer"]).contains("expected KEY=VALUE"));
}

/// Fault (runs): a folder of runs that was named is not there → an error with the remedy; the default folder may not be
/// there yet
#[test]
fn a_folder_that_was_named_has_to_be_there() {
    let workspace = Workspace::empty();
    let (_, error) = workspace.run(2, &["runs", "--experiments", "experimens"]);
    let told = "error: there is no folder experimens; name the folder of runs with --experiments, or create a run with \
                `facevault experiment CONFIG --experiments experimens`";
    assert_eq!(error.trim_end(), told);
    assert_eq!(workspace.json(0, &["runs"]), Value::Array(Vec::new()));
    let (none, _) = workspace.run(0, &["runs"]);
    assert_eq!(none.trim_end(), "no runs in experiments; create one with `facevault experiment CONFIG`");
}

/// Fault (runs): a run may not be looked into → it is a line with the reason, not left out
#[test]
#[cfg(unix)]
fn a_run_that_may_not_be_read_is_a_line() {
    let workspace = Workspace::empty();
    // Not to be resolved by anybody, also by root.
    let [run, no_run] = ["demo-0123456789ab", "lost"].map(|name| workspace.path(format!("experiments/{name}")));
    for folder in [&run, &no_run] {
        fs::create_dir_all(folder).unwrap();
        std::os::unix::fs::symlink("plan.json", folder.join("plan.json")).unwrap();
    }
    let rows = workspace.json(0, &["runs"]);
    assert_eq!(names(&rows), ["demo-0123456789ab"]);
    assert_eq!(rows[0]["state"], "damaged");
    let reason = rows[0]["damage"].as_str().unwrap();
    assert!(reason.contains("cannot read experiments/demo-0123456789ab/plan.json"), "{reason}");
    // Nor by a page.
    workspace.run(0, &["runs", "--html"]);
}

/// Fault (runs): a page of runs is written while one run is damaged and another one unfinished → both are rows, the damaged
/// one with its reason, and nothing in the folder of runs changes
#[test]
fn the_page_of_runs_links_to_what_is_there() {
    let workspace = three_runs();
    let other = names(&workspace.json(0, &["runs", "other"])).remove(0);
    let complete = names(&workspace.json(0, &["runs", "small", "--state", "complete"])).remove(0);
    workspace.run(0, &["compare", &complete, &other, "-q"]);
    let embedded = names(&workspace.json(0, &["runs", "--state", "embedded"])).remove(0);
    fs::write(workspace.path(format!("experiments/{embedded}/plan.json")), "{").unwrap();
    let files = || {
        let mut found: Vec<_> = walk(&workspace.path("experiments"));
        found.sort();
        found
    };
    let before = files();
    let (text, _) = workspace.run(0, &["runs", "--sort", "eer", "--html"]);
    assert!(text.trim_end().ends_with("\n\npage  reports/index.html"), "{text}");
    assert_eq!(files(), before);
    let page = fs::read_to_string(workspace.path("reports/index.html")).unwrap();
    let page = page.replace("&#x2f;", "/");
    for wanted in [
        format!("<a href=\"{other}.html\">"),
        format!("<a href=\"../experiments/{complete}/\">folder</a>"),
        format!("<a href=\"compare-{complete}-vs-{other}.html\">"),
        format!("data-run=\"{complete}\""),
        "<polyline class=\"line genuine\"".into(),
        "eer, best first".into(),
        "damaged: ".into(),
        "facevault compare ".into(),
        "dataset.faces".into(),
    ] {
        assert!(page.contains(&wanted), "{wanted}");
    }
    assert!(!page.contains(&format!("data-run=\"{embedded}\"")));
    // A page elsewhere leads to the same files.
    workspace.run(0, &["runs", "--html=pages/all.html", "--json"]);
    let elsewhere = fs::read_to_string(workspace.path("pages/all.html")).unwrap().replace("&#x2f;", "/");
    assert!(elsewhere.contains(&format!("<a href=\"../reports/{other}.html\">")));
    // No link leads nowhere.
    for link in elsewhere.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(link.starts_with('#') || workspace.path("pages").join(link).exists(), "{link}");
    }
}

/// Paths, sizes and times of all files below a folder.
fn walk(folder: &std::path::Path) -> Vec<(std::path::PathBuf, u64, std::time::SystemTime)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: std::path::PathBuf| {
        let about = fs::metadata(&path).unwrap();
        if about.is_dir() { walk(&path) } else { vec![(path, about.len(), about.modified().unwrap())] }
    };
    entries.flat_map(below).collect()
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

/// The page of runs is written over a page only.
#[test]
fn a_page_of_runs_replaces_no_other_file() {
    let workspace = Workspace::empty();
    let config = workspace.path("mine.yaml");
    fs::write(&config, "name: mine\n").unwrap();
    let (_, stderr) = workspace.run(2, &["runs", "--html=mine.yaml"]);
    assert!(stderr.contains("mine.yaml is there and no page"), "{stderr}");
    assert_eq!(fs::read_to_string(&config).unwrap(), "name: mine\n");
    workspace.run(0, &["runs", "--html"]);
    workspace.run(0, &["runs", "--html"]);
}
