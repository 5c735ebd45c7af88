//! `facevault compare` on what users compare: other boxes, other pictures, runs that are not ready, two releases, and a
//! threshold that is kept.

use std::fs;

use serde_json::{Value, json};

use crate::compare::{demo, metric};
use crate::schemas;
use crate::support::formula;
use crate::support::workspace::{Workspace, embeddings, seal_as_good};

const PEOPLE: usize = 10;
const PHOTOS: usize = 4;
const FACES: usize = PEOPLE * PHOTOS;
/// Thresholds are this far apart.
const BIN: f64 = 2.0 / 65_536.0;

/// A photo of each face in a folder, brighter by so much.
fn photos(workspace: &Workspace, folder: &str, brighter: u8) {
    for person in 0..PEOPLE {
        fs::create_dir_all(workspace.path(format!("{folder}/p{person}"))).unwrap();
        for photo in 0..PHOTOS {
            let [mut pixels, other] = [format!("smooth-{person}"), format!("smooth-{person}-{photo}")]
                .map(|name| formula::picture(&name, 96));
            pixels.iter_mut().zip(other).for_each(|(a, b)| *a = (*a / 2 + b / 4).saturating_add(brighter));
            let picture = image::RgbImage::from_raw(96, 96, pixels).unwrap();
            picture.save(workspace.path(format!("{folder}/p{person}/{photo}.png"))).unwrap();
        }
    }
}

/// A table of boxes: those of the first `moved` faces lie elsewhere.
fn boxes(workspace: &Workspace, file: &str, moved: usize) {
    let line = |face: usize| {
        let left = if face < moved { 12 } else { 8 };
        format!("p{}/{}.png,{left},8,70,72\n", face / PHOTOS, face % PHOTOS)
    };
    let lines: String = (0..FACES).map(line).collect();
    fs::write(workspace.path(file), format!("path,x,y,w,h\n{lines}")).unwrap();
}

/// Embeds and evaluates photos with boxes.
fn boxed(workspace: &Workspace, name: &str, folder: &str, boxes: &str) -> String {
    workspace.config(&format!("dataset: {{source: folders, root: {folder}, boxes: ./{boxes}}}"));
    let name = format!("name={name}");
    let crop = "preprocess={profile: facenet-pytorch, resize: {size: 96}}";
    let done = workspace.json(0, &["experiment", "config.yaml", "--set", &name, "--set", crop, "--quiet"]);
    done["run"].as_str().unwrap().to_owned()
}

#[test]
fn other_boxes_and_other_pictures_of_the_same_faces_are_compared_and_counted() {
    let workspace = Workspace::new();
    photos(&workspace, "old", 0);
    photos(&workspace, "new", 1);
    boxes(&workspace, "one.csv", 0);
    boxes(&workspace, "two.csv", FACES / 2);
    let one = boxed(&workspace, "one", "old", "one.csv");
    let two = boxed(&workspace, "two", "old", "two.csv");
    let brighter = boxed(&workspace, "brighter", "new", "one.csv");

    let found = workspace.json(0, &["compare", &one, &two, &brighter, "--quiet"]);
    schemas::printed("compare", &found);
    assert_eq!(found["paired"]["faces"]["common"], FACES);
    let changed =
        [json!({"picture": 0, "bbox": 0}), json!({"picture": 0, "bbox": 20}), json!({"picture": 40, "bbox": 0})];
    assert_eq!(found["paired"]["faces"]["changed"], json!(changed));
    assert_eq!((&found["comparable"], &found["headline"]), (&true.into(), &"differs: dataset (manifest)".into()));
    let (text, _) = workspace.run(0, &["compare", &one, &two, "--quiet"]);
    assert!(text.contains("\n[2]: 20 of the 40 faces have another box or none, 0 another picture\n"), "{text}");

    // The strict question leaves them out, and says so; where nothing is left there is no comparison.
    let found = workspace.json(0, &["compare", &one, &two, "--same-pictures", "--quiet"]);
    schemas::printed("compare", &found);
    let faces = &found["paired"]["faces"];
    assert_eq!((&faces["common"], &faces["left_out"]["bbox"]), (&20.into(), &20.into()), "{faces}");
    let (_, said) = workspace.run(2, &["compare", &one, &brighter, "--same-pictures", "--quiet"]);
    let reason = "no face is shared: of the 40 faces of the first run, 40 from another picture there";
    assert_eq!(said, format!("error: fewer than two runs can be compared; left out: {brighter}: {reason}\n"));
}

#[test]
fn a_run_that_cannot_be_compared_is_left_out_and_fails_a_gate() {
    let workspace = Workspace::empty();
    let [base, again, torn, gone] = ["base", "again", "torn", "gone"].map(|name| demo(&workspace, name, &[]));
    let strangers = demo(&workspace, "strangers", &["dataset.seed=77"]);
    // Embedded, and no more.
    for file in ["metrics.json", "SEALED"] {
        fs::remove_file(workspace.path(format!("experiments/{gone}/{file}"))).unwrap();
    }
    let matrix = workspace.path(format!("experiments/{torn}/face_embeddings.npy"));
    let mut bytes = fs::read(&matrix).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(matrix, bytes).unwrap();
    seal_as_good(&workspace.path(format!("experiments/{torn}")));

    let all = ["compare", &gone, &base, &torn, &strangers, &again, "--quiet"];
    let (text, said) = workspace.run(0, &all);
    let lines: Vec<_> = said.lines().collect();
    let reasons = [
        format!("left out: {gone} is not evaluated yet; run `facevault evaluate {gone}`"),
        format!(
            "left out: {strangers}: no face is shared: of the 60 faces of the first run, 60 not in another run or not embedded there"
        ),
        format!(
            "left out: {torn}: cannot evaluate the embedding matrix: row 59 of {torn} holds a value that is not finite"
        ),
    ];
    assert_eq!(lines.len(), 3, "{said}");
    for (line, reason) in lines.iter().zip(&reasons) {
        assert!(line.starts_with(reason), "{line}\n{reason}");
        assert!(text.contains(line), "{text}");
    }
    let page = fs::read_to_string(workspace.path(format!("reports/compare-{base}-vs-{again}.html"))).unwrap();
    assert!(page.contains(&format!("Left out: {gone} is not evaluated yet")));

    let found = workspace.json(5, &[&all[..], &["--fail-on-regression", "--tolerate", "speed=0.999"]].concat());
    schemas::printed("compare", &found);
    assert_eq!(found["runs"], json!([base, again]));
    let left_out: Vec<_> = found["left_out"].as_array().unwrap().iter().map(|run| run["run"].clone()).collect();
    assert_eq!(left_out, [&gone, &strangers, &torn].map(|run| Value::from(run.as_str())));
    let findings = found["gate"]["regressions"].as_array().unwrap();
    let numbers: Vec<_> = findings.iter().map(|finding| (&finding["number"], &finding["run"])).collect();
    let expected = [(3, &gone), (4, &strangers), (5, &torn)].map(|(number, run)| (json!(number), json!(run)));
    assert!(numbers.into_iter().eq(expected.iter().map(|(number, run)| (number, run))), "{findings:?}");
}

#[test]
fn runs_of_one_name_in_two_folders_are_compared_and_have_a_page_of_their_own() {
    let workspace = Workspace::empty();
    let made = |moved_to: &str| {
        let run = demo(&workspace, "base", &[]);
        fs::create_dir_all(workspace.path(moved_to).parent().unwrap()).unwrap();
        fs::rename(workspace.path("experiments"), workspace.path(moved_to)).unwrap();
        format!("{moved_to}/{run}")
    };
    let [old, new] = ["old/experiments", "new"].map(made);
    let [run, other] = ["base", "other"].map(|name| demo(&workspace, name, &[]));

    let found = workspace.json(0, &["compare", &old, &new, "--quiet"]);
    schemas::printed("compare", &found);
    assert_eq!(found["runs"], json!([format!("{run} (experiments)"), format!("{run} (new)")]));
    assert_eq!(metric(&found, "eer")["effects"][1]["verdict"], "same");
    let page = |arguments: &[&str]| {
        let (text, _) = workspace.run(0, &[&["compare", "--quiet"], arguments].concat());
        text.lines().last().unwrap().strip_prefix("report  ").unwrap().to_owned()
    };
    let first = page(&[&old, &new]);
    assert!(first.starts_with(&format!("reports/compare-{run}-vs-{run}-")), "{first}");
    assert_eq!(page(&[&old, &new]), first, "the same runs have the same page");
    assert_ne!(page(&[&new, &old]), first);
    assert_eq!(page(&[&run, &other]), format!("reports/compare-{run}-vs-{other}.html"));
    assert_ne!(page(&[&old, &other]), page(&[&run, &other]), "namesakes of other folders");

    // Twice is the same directory, however it is written.
    let (_, said) = workspace.run(2, &["compare", &old, &format!("./new/../{old}")]);
    assert!(said.contains(&format!("run {run} is named twice: both are one directory")), "{said}");
}

/// Cosines of genuine and impostor pairs.
fn cosines(workspace: &Workspace, run: &str) -> [Vec<f64>; 2] {
    let directory = workspace.path(format!("experiments/{run}"));
    let rows = embeddings(&directory);
    let table = fs::read_to_string(directory.join("face_metadata.csv")).unwrap();
    let place = table.lines().next().unwrap().split(',').position(|name| name == "identity_id").unwrap();
    let people: Vec<_> = table.lines().skip(1).map(|line| line.split(',').nth(place).unwrap()).collect();
    let mut found = [Vec::new(), Vec::new()];
    for i in 0..rows.len() {
        for j in 0..i {
            let cosine: f64 = rows[i].iter().zip(&rows[j]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            found[usize::from(people[i] != people[j])].push(cosine);
        }
    }
    found
}

#[test]
fn a_kept_threshold_does_what_counting_pairs_says() {
    let workspace = Workspace::empty();
    let base = demo(&workspace, "base", &[]);
    let dark = demo(&workspace, "dark", &["preprocess.standardise={mean: 200, scale: 60}"]);
    let found = workspace.json(0, &["compare", &base, &dark, "--quiet"]);
    schemas::printed("compare", &found);
    let thresholds = &found["paired"]["thresholds"];
    let kept = &thresholds["kept"];
    let number = |value: &Value| value.as_f64().unwrap();
    let threshold = number(&kept["threshold"]);
    assert_eq!(number(&kept["target_fmr"]), 1e-3);
    for (place, run) in [&base, &dark].into_iter().enumerate() {
        let [genuine, impostor] = cosines(&workspace, run);
        let reach = |cosines: &[f64], threshold: f64| cosines.iter().filter(|cosine| **cosine >= threshold).count();
        let share = |cosines: &[f64], threshold: f64| reach(cosines, threshold) as f64 / cosines.len() as f64;
        let rates = &kept["runs"][place];
        for (key, expected) in [("fmr", share(&impostor, threshold)), ("fnmr", 1.0 - share(&genuine, threshold))] {
            let rate = &rates[key]["rate"];
            assert!((number(&rate["point"]) - expected).abs() < 1e-9, "{run} {key}: {rate} {expected}");
            let ends = [&rate["lower"], &rate["upper"]].map(Value::as_f64);
            assert!(ends[0].is_none_or(|end| end <= expected) && ends[1].unwrap() >= expected, "{rate}");
        }
        // 1,650 impostor pairs allow one false match at 1e-3, and 16 at 1e-2; a step lower there are more.
        let own =
            [(number(&rates["own_threshold"]["point"]), 1), (number(&thresholds["at"][0]["runs"][place]["point"]), 16)];
        for (own, allowed) in own {
            assert!(reach(&impostor, own) <= allowed && reach(&impostor, own - 1.01 * BIN) > allowed, "{run} {own}");
        }
    }
    assert_eq!(number(&kept["runs"][0]["own_threshold"]["point"]), threshold);
    assert!(thresholds["at"].as_array().unwrap().len() == 2, "1e-4 takes 10,000 pairs: {thresholds}");
    let (text, _) = workspace.run(0, &["compare", &base, &dark, "--quiet"]);
    assert!(text.contains(&format!("[2]  keep {threshold:.4} and FMR ")), "{text}");
    let page = fs::read_to_string(workspace.path(format!("reports/compare-{base}-vs-{dark}.html"))).unwrap();
    assert!(page.contains("<section id=\"thresholds\"") && page.contains(&format!("keep {threshold:.4} and ")));
}
