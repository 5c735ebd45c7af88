//! Verification protocols and the reproduction record, through the binary.

use std::fmt::Write;
use std::fs;
use std::io::Cursor;

use serde_json::Value;

use crate::support::formula;
use crate::support::workspace::Workspace;

/// 12 people of 4 samples, and a list of 40 pairs: half of one person, in turn.
fn listed(more: &str) -> Workspace {
    let workspace = Workspace::synthetic(12, 4, more);
    let face = |person: u32, sample: u32| format!("s5-i{:04}-{:03}", person % 12, sample % 4);
    let mut list = String::from("pair_id,same,face_a,face_b\n");
    for i in 0..20 {
        writeln!(list, "{},1,{},{}", 2 * i, face(i, i / 12), face(i, i / 12 + 1)).unwrap();
        writeln!(list, "{},0,{},{}", 2 * i + 1, face(i, 0), face(i + 1 + i / 12, 2)).unwrap();
    }
    fs::write(workspace.path("pairs.csv"), list).unwrap();
    workspace
}

const PROTOCOL: &str = "protocols: [{name: own, pairs: [pairs.csv], folds: 4, distance: arccos, subtract_mean: true}]\n\
                        expect: {own.accuracy: {min: 0.4}}\n\
                        published: [{metric: own.accuracy, value: 0.01, source: nobody, differs: [everything]}]\n";

#[test]
fn a_protocol_runs_beside_the_comparison_and_stands_beside_what_was_published() {
    let workspace = listed(PROTOCOL);
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    let protocol = &done["metrics"]["protocols"][0];
    assert_eq!(protocol["pairs"]["listed"], 40);
    assert_eq!((&protocol["pairs"]["genuine"], &protocol["pairs"]["impostor"]), (&20.into(), &20.into()));
    assert_eq!(protocol["folds"].as_array().unwrap().len(), 4);
    assert_eq!(done["metrics"]["pairs"]["mode"], "exhaustive", "all pairs are compared as well");
    assert_eq!(done["expectations"][0]["met"], true);
    assert_eq!(
        (&done["published"][0]["standing"], &done["published"][0]["differs"][0]),
        (&"above".into(), &"everything".into())
    );

    // The accuracy is the mean over folds of what the pairs' own table says.
    let run = workspace.only_run();
    let tested = facevault::results::read_tested(&run).unwrap();
    let right = |fold: u32| {
        let pairs: Vec<_> = tested[0].pairs.iter().filter(|pair| pair.fold == fold).collect();
        pairs.iter().filter(|pair| pair.right()).count() as f64 / pairs.len() as f64
    };
    let mean = (1..=4).map(right).sum::<f64>() / 4.0;
    assert!((protocol["accuracy"]["point"].as_f64().unwrap() - mean).abs() < 1e-12);

    let name = run.file_name().unwrap().to_str().unwrap().to_owned();
    workspace.run(0, &["verify", &name]);
    let report = fs::read_to_string(workspace.path("reports").join(format!("{name}.html"))).unwrap();
    assert!(report.contains("Verification protocols") && report.contains("Published values"));
    let again = workspace.json(0, &["experiment", "config.yaml"]);
    assert_eq!(again["status"], "already-complete");

    // Evaluated again, it is the same again; a list with one answer turned is another dataset, and another run.
    let before = fs::read(run.join("metrics.json")).unwrap();
    workspace.run(0, &["evaluate", &name]);
    assert_eq!(fs::read(run.join("metrics.json")).unwrap(), before);
    let list = fs::read_to_string(workspace.path("pairs.csv")).unwrap();
    fs::write(workspace.path("pairs.csv"), list.replacen("0,1,", "0,0,", 1)).unwrap();
    let (_, said) = workspace.run(0, &["experiment", "config.yaml"]);
    assert!(said.contains("1 of the 40 pairs in list `own` contradicts the faces' identities"), "{said}");
    assert_eq!(
        fs::read_dir(workspace.path("experiments"))
            .unwrap()
            .flatten()
            .filter(|entry| entry.path().join("plan.json").exists())
            .count(),
        2
    );
}

#[test]
fn a_list_that_a_protocol_cannot_use_is_told_before_or_after_embedding() {
    let workspace = listed("protocols: [{name: view-2}]\n");
    let (_, said) = workspace.run(1, &["experiment", "config.yaml"]);
    assert!(said.contains("protocol `view-2` needs a list of pairs, but the dataset has none"), "{said}");
    assert!(!workspace.has_run(), "nothing is embedded in vain");
    let (_, said) = workspace.run(2, &["check", "config.yaml", "--set", "protocols=[{name: own, pairs: [gone.csv]}]"]);
    assert!(said.contains("`protocols.0.pairs.0`: no such file"), "{said}");
    let set = "protocols=[{name: own, pairs: [pairs.csv], folds: 41}]";
    let (_, said) = workspace.run(1, &["experiment", "config.yaml", "--set", set]);
    assert!(said.contains("protocol `own`: 40 pairs cannot be cut into 41 folds"), "{said}");
}

/// insightface's `.bin` as Python's pickle writes it: ([bytes, …], [bool, …]).
fn pickled(pictures: &[Vec<u8>], same: &[bool]) -> Vec<u8> {
    let mut bytes = b"\x80\x03](".to_vec();
    for picture in pictures {
        bytes.push(b'B');
        bytes.extend((picture.len() as u32).to_le_bytes());
        bytes.extend(picture);
    }
    bytes.extend(b"e](");
    bytes.extend(same.iter().map(|same| if *same { 0x88 } else { 0x89 }));
    bytes.extend(b"e\x86.");
    bytes
}

fn png(name: &str) -> Vec<u8> {
    let picture = image::RgbImage::from_raw(96, 96, formula::picture(name, 96)).unwrap();
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
    bytes
}

#[test]
fn faces_without_names_are_compared_by_the_list_that_they_come_with() {
    let workspace = Workspace::new();
    let picture = |number: usize| png(&format!("smooth-{number}"));
    // 12 pairs of each kind in turn; a picture of a genuine pair is in an impostor pair too.
    let (mut pictures, mut same) = (Vec::new(), Vec::new());
    for i in 0..12 {
        pictures.extend([picture(2 * i), picture(2 * i + 1), picture(2 * i), picture((2 * i + 3) % 24)]);
        same.extend([true, false]);
    }
    fs::write(workspace.path("list.bin"), pickled(&pictures, &same)).unwrap();
    workspace.config("dataset: {source: insightface-bin, path: list.bin}\nprotocols: [{name: ten-folds, folds: 10}]\n");
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    let metrics = &done["metrics"];
    assert_eq!((&done["faces"], &metrics["faces"]["identities"]), (&24.into(), &0.into()));
    assert_eq!(
        (&metrics["pairs"]["mode"], &metrics["pairs"]["genuine"], &metrics["pairs"]["impostor"]),
        (&"listed".into(), &12.into(), &12.into())
    );
    assert!(metrics["eer"]["point"].is_number());
    let method = metrics["protocols"][0]["accuracy"]["method"].as_str().unwrap();
    assert!(method.contains("groups of pictures"), "{method}");
    let run = workspace.only_run();
    let name = run.file_name().unwrap().to_str().unwrap().to_owned();
    workspace.run(0, &["verify", &name]);
    let report = fs::read_to_string(workspace.path("reports").join(format!("{name}.html"))).unwrap();
    assert!(report.contains("only the pairs of the dataset&#x27;s own list were compared"), "the page says so");

    let other =
        workspace.json(0, &["experiment", "config.yaml", "--set", "name=other", "--set", "preprocess.channels=bgr"]);
    let compared = workspace.json(0, &["compare", &name, other["run"].as_str().unwrap()]);
    let paired = &compared["paired"];
    assert_eq!((&paired["pairs"]["mode"], &paired["pairs"]["genuine"]), (&"listed".into(), &12.into()));
    let [here, there] = [&paired["metrics"][0]["values"][0], &metrics["eer"]].map(|eer| eer["point"].as_f64().unwrap());
    assert!((here - there).abs() < 1e-12, "the same pairs as the run's own: {here} {there}");
    // Both ran the protocol on the same list: its accuracies are compared pair by pair.
    let protocol = &paired["protocols"][0];
    assert_eq!((&protocol["protocol"], protocol["effects"][0].is_null()), (&"ten-folds".into(), true));
    let stored = [&done, &other].map(|run| &run["metrics"]["protocols"][0]["accuracy"]);
    assert_eq!(protocol["accuracies"], serde_json::json!(stored));
    assert_eq!(protocol["effects"][1]["difference"]["n"], 24, "{protocol}");
    let (text, _) = workspace.run(0, &["compare", &name, other["run"].as_str().unwrap()]);
    assert!(text.contains("\naccuracy of ten-folds"), "{text}");
}

#[test]
fn the_record_has_what_was_run_and_says_what_was_not() {
    let workspace = listed(PROTOCOL);
    let offline = "name: far\n\
                   dataset: {source: hub-folders, repo: a/b, revision: a123456}\n\
                   weights: {source: embedded, name: demo}\nmodel: {width: 0.25}\n\
                   published: [{metric: eer, value: 0.004, source: somebody}]\n";
    fs::write(workspace.path("far.yaml"), offline).unwrap();
    let (_, said) = workspace.run(2, &["reproduce", "--into", "RECORD.md", "config.yaml"]);
    let wanted =
        "RECORD.md: no such file; make it with the lines `<!-- reproduce: begin -->` and `<!-- reproduce: end -->`";
    assert!(said.contains(wanted), "{said}");
    let document = "text\n<!-- reproduce: begin -->\n<!-- reproduce: end -->\nmore\n";
    fs::write(workspace.path("RECORD.md"), document).unwrap();
    let arguments = ["reproduce", "--into", "RECORD.md", "config.yaml", "far.yaml"];
    let done = workspace.json(0, &arguments);
    let metrics: Vec<_> = done["rows"].as_array().unwrap().iter().map(|row| row["metric"].as_str().unwrap()).collect();
    assert_eq!(metrics, ["own.accuracy", "own.val", "own.eer", "eer"], "a run has all of a protocol's figures");
    assert_eq!((done["rows"][0]["measured"].is_object(), &done["rows"][3]["measured"]), (true, &Value::Null));
    let record = fs::read_to_string(workspace.path("RECORD.md")).unwrap();
    let run = workspace.only_run();
    let name = run.file_name().unwrap().to_str().unwrap();
    let measured = record.lines().find(|line| line.contains("`config.yaml`")).unwrap();
    assert!(
        measured.contains(name) && measured.contains(" over folds ") && measured.contains("| above |"),
        "{measured}"
    );
    let missing = record.lines().find(|line| line.contains("`far.yaml`")).unwrap();
    assert!(missing.contains("not measured by this project") && missing.contains("0.40% (somebody)"), "{missing}");
    assert!(record.starts_with("text\n") && record.ends_with("more\n"));
    // A second time, nothing is computed and nothing changes.
    workspace.run(0, &arguments);
    assert_eq!(fs::read_to_string(workspace.path("RECORD.md")).unwrap(), record);
    // Where a config cannot be run any more, what it gave stays.
    fs::remove_file(workspace.path("weights.safetensors")).unwrap();
    fs::write(workspace.path("weights.safetensors"), "no weights").unwrap();
    let (_, said) = workspace.run(0, &arguments);
    assert!(said.contains("config.yaml, own.accuracy: not run here; keeping the row of an earlier run"), "{said}");
    assert_eq!(fs::read_to_string(workspace.path("RECORD.md")).unwrap(), record);
    fs::write(workspace.path("RECORD.md"), "no place").unwrap();
    let (_, said) = workspace.run(2, &arguments);
    assert!(said.contains("no place for the table"), "{said}");
}

#[test]
fn an_ablation_judges_by_a_protocol_pair_by_pair() {
    let steps = "ablation:\n  metric: own.accuracy\n  steps:\n    \
                 - {name: mean left in, set: {protocols: [{name: own, pairs: [pairs.csv], folds: 4, distance: arccos}]}}\n    \
                 - {name: blue first, set: {preprocess.channels: bgr}}\n";
    let workspace = listed(&format!("{PROTOCOL}{steps}").replace("expect: {own.accuracy: {min: 0.4}}\n", ""));
    let (table, said) = workspace.run(0, &["ablate", "config.yaml"]);
    assert!(table.contains("accuracy of own: higher is better"), "{table}");
    assert!(said.contains("reusing 48 of 48 embeddings"), "nothing is embedded twice: {said}");
    let found = workspace.json(0, &["ablate", "config.yaml"]);
    let runs = workspace.path("experiments");
    let tested = |variant: usize| {
        let run = runs.join(found["variants"][variant]["run"].as_str().unwrap());
        facevault::results::read_tested(&run).unwrap().remove(0).pairs
    };
    for change in 0..2 {
        let right = |variant: usize| tested(variant).iter().filter(|pair| pair.right()).count() as f64;
        let expected = (right(change + 1) - right(change)) / 40.0;
        let effect = &found["changes"][change]["effect"]["difference"];
        assert!((effect["point"].as_f64().unwrap() - expected).abs() < 1e-12, "{effect}");
        assert_eq!(effect["n"], 40);
    }
    // Another list in one step has other pairs: nothing to set against each other.
    let list = fs::read_to_string(workspace.path("pairs.csv")).unwrap();
    fs::write(workspace.path("other.csv"), list.lines().take(31).collect::<Vec<_>>().join("\n")).unwrap();
    let config = fs::read_to_string(workspace.path("config.yaml")).unwrap();
    let other = config.replacen(
        "mean left in, set: {protocols: [{name: own, pairs: [pairs.csv]",
        "other, set: {protocols: [{name: own, pairs: [other.csv]",
        1,
    );
    fs::write(workspace.path("config.yaml"), other).unwrap();
    let (_, said) = workspace.run(1, &["ablate", "config.yaml"]);
    assert!(said.contains("was tested by `own` on a different list of pairs"), "{said}");
}

/// Four groups of five people in RFW's layout, each with a list in LFW's form without the line of counts.
fn groups() -> Workspace {
    let workspace = Workspace::new();
    let mut protocols = String::from("protocols:\n");
    for (place, group) in (0u32..).zip(["African", "Asian", "Caucasian", "Indian"]) {
        let name = |person: u32| format!("m.{place}{person}");
        for (person, sample) in (0..5).flat_map(|person| (0..4).map(move |sample| (person, sample))) {
            let folder = workspace.path("data").join(group).join(name(person));
            fs::create_dir_all(&folder).unwrap();
            let picture = facevault::dataset::synthetic::render(5 + u64::from(place), person, sample, 96);
            picture.save(folder.join(format!("{}_{:04}.png", name(person), sample + 1))).unwrap();
        }
        let mut list = String::new();
        for fold in 0..2 {
            for person in 0..5 {
                writeln!(list, "{}\t{}\t{}", name(person), fold + 1, fold + 3).unwrap();
            }
            for person in 0..5 {
                writeln!(list, "{}\t{}\t{}\t{}", name(person), fold + 1, name((person + 1) % 5), 4 - fold).unwrap();
            }
        }
        fs::write(workspace.path(format!("{group}_pairs.txt")), list).unwrap();
        let lower = group.to_lowercase();
        writeln!(protocols, "  - {{name: {lower}, group: rfw, folds: 2, pairs: [{group}_pairs.txt]}}").unwrap();
    }
    let parts = "dataset: {source: folders, root: data, parts: [African, Asian, Caucasian, Indian]}\n";
    workspace.config(&format!(
        "{parts}{protocols}expect: {{rfw.spread: {{max: 1}}, rfw.mean: {{min: 0}}, rfw.std: {{max: 0}}}}"
    ));
    workspace
}

#[test]
fn groups_of_people_have_mean_and_spread() {
    let workspace = groups();
    let done = workspace.json(3, &["experiment", "config.yaml"]);
    let metrics = &done["metrics"];
    let accuracies: Vec<f64> =
        metrics["protocols"].as_array().unwrap().iter().map(|one| one["accuracy"]["point"].as_f64().unwrap()).collect();
    assert_eq!(accuracies.len(), 4);
    assert!(metrics["protocols"].as_array().unwrap().iter().all(|one| one["pairs"]["listed"] == 20));
    let group = &metrics["groups"][0];
    let mean = accuracies.iter().sum::<f64>() / 4.0;
    let (highest, lowest) =
        (accuracies.iter().copied().fold(0.0, f64::max), accuracies.iter().copied().fold(1.0, f64::min));
    assert!(highest > lowest, "groups that differ: {accuracies:?}");
    let std = (accuracies.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / 4.0).sqrt();
    for (quantity, expected) in [("mean", mean), ("spread", highest - lowest), ("std", std)] {
        let found = group[quantity]["point"].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-12, "{quantity} is {found}, not {expected}");
    }
    assert_eq!((&group["group"], &group["mean"]["n"]), (&"rfw".into(), &80.into()));
    let judged: Vec<bool> =
        done["expectations"].as_array().unwrap().iter().map(|judged| judged["met"].as_bool().unwrap()).collect();
    assert_eq!(judged.iter().filter(|met| **met).count(), 2, "{}", done["expectations"]);
    let run = workspace.only_run();
    let name = run.file_name().unwrap().to_str().unwrap();
    let report = fs::read_to_string(workspace.path(format!("reports/{name}.html"))).unwrap();
    assert!(report.contains("Accuracy over groups") && report.contains("highest less lowest"));
    let (said, _) = workspace.run(3, &["experiment", "config.yaml"]);
    assert!(said.contains("rfw accuracies") && said.contains("standard deviation"), "{said}");
    workspace.run(0, &["verify", name]);
}

/// Fault (config): a group of protocols with a single one, or with the name of a protocol or metric → refused with the key
#[test]
fn a_group_of_one_or_of_another_name_is_refused() {
    let workspace = Workspace::synthetic(3, 2, "");
    let refused = |protocols: &str| {
        let (_, error) = workspace.run(2, &["check", "config.yaml", "--set", &format!("protocols={protocols}")]);
        error
    };
    let single = refused("[{name: a, group: g}, {name: b}]");
    assert!(single.contains("the group `g` has a single protocol"), "{single}");
    let taken = refused("[{name: a, group: b}, {name: b, group: b}]");
    assert!(taken.contains("a protocol is called `b`, too"), "{taken}");
    let metric = refused("[{name: a, group: genuine}, {name: b, group: genuine}]");
    assert!(metric.contains("`genuine` is already the first part of other metrics' paths"), "{metric}");
}
