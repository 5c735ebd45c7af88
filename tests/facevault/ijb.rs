//! IJB-B and IJB-C in insightface's layout, from drawn pictures to rates of templates.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};

use crate::support::workspace::{Workspace, embeddings};

/// insightface's points for a face of side 112.
const POINTS: &str = "38.3 51.7 73.5 51.5 56.0 71.7 41.5 92.4 70.7 92.2";

const SUBJECTS: u32 = 12;
const TEMPLATES: u32 = 4;

/// A face of the set: its picture's number, template, media and score.
#[derive(Clone, Copy)]
struct Drawn {
    number: u32,
    template: u32,
    media: u32,
    score: f32,
}

/// 12 subjects with 4 templates of 1 to 3 faces each; template `10 s + t` is of subject `s`. The first template of each
/// subject is in a gallery, the others are probes.
fn faces() -> Vec<Drawn> {
    let mut faces = Vec::new();
    for subject in 0..SUBJECTS {
        for t in 0..TEMPLATES {
            for k in 0..=(subject + t) % 3 {
                let number = faces.len() as u32 + 1;
                // The first two faces of a template are frames of one video.
                let media = 1000 + 10 * (10 * subject + t) + k / 2;
                faces.push(Drawn { number, template: 10 * subject + t, media, score: 0.9 - 0.2 * k as f32 });
            }
        }
    }
    faces
}

/// A picture of a subject: smooth waves of its own, under noise of the picture's own.
fn picture(face: Drawn) -> RgbImage {
    let subject = face.template / 10;
    RgbImage::from_fn(112, 112, |x, y| {
        let wave = |c: u32| {
            let (a, b) = (f64::from(subject * 3 + c + 1), f64::from((subject * 5 + c * 2) % 7));
            let noise = (f64::from(face.number * 7 + c) + f64::from(x * y) * 0.05).sin() * 60.0;
            ((f64::from(x) * a * 0.013 + b).sin() * (f64::from(y) * b * 0.011 + a).cos() * 60.0 + noise + 128.0) as u8
        };
        Rgb([wave(0), wave(1), wave(2)])
    })
}

/// Writes the layout below `root`; every pair of templates is listed.
fn write(root: &Path, set: &str, galleries: [&str; 2]) {
    let (crops, meta) = (root.join("loose_crop"), root.join("meta"));
    fs::create_dir_all(&crops).unwrap();
    fs::create_dir_all(&meta).unwrap();
    let (mut points, mut members) = (String::new(), String::new());
    for face in faces() {
        // Named as in the original, whose pictures are JPEG; the content decides the format.
        picture(face).save_with_format(crops.join(format!("{}.jpg", face.number)), image::ImageFormat::Png).unwrap();
        writeln!(points, "{}.jpg {POINTS} {}", face.number, face.score).unwrap();
        writeln!(members, "{}.jpg {} {}", face.number, face.template, face.media).unwrap();
    }
    let templates: Vec<u32> = (0..SUBJECTS).flat_map(|subject| (0..TEMPLATES).map(move |t| 10 * subject + t)).collect();
    let mut pairs = String::new();
    for (i, a) in templates.iter().enumerate() {
        for b in &templates[i + 1..] {
            writeln!(pairs, "{a} {b} {}", u32::from(a / 10 == b / 10)).unwrap();
        }
    }
    let mut searched = ["TEMPLATE_ID,SUBJECT_ID,FILENAME\n"; 3].map(str::to_owned);
    for template in &templates {
        let subject = template / 10;
        let table = if template % 10 == 0 { subject as usize % 2 } else { 2 };
        writeln!(searched[table], "{template},{},img/{template}.png", 500 + subject).unwrap();
    }
    let table = |end: &str, text: &str| fs::write(meta.join(format!("{set}_{end}")), text).unwrap();
    table("name_5pts_score.txt", &points);
    table("face_tid_mid.txt", &members);
    table("template_pair_label.txt", &pairs);
    table(&format!("1N_gallery_{}.csv", galleries[0]), &searched[0]);
    table(&format!("1N_gallery_{}.csv", galleries[1]), &searched[1]);
    table("1N_probe_mixed.csv", &searched[2]);
}

/// A workspace with IJB-C and a config whose faces are aligned.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    write(&workspace.path("IJBC"), "ijbc", ["G1", "G2"]);
    configure(&workspace, "");
    workspace
}

fn configure(workspace: &Workspace, more: &str) {
    workspace.config(&format!(
        "dataset: {{source: ijb, root: IJBC, set: ijbc}}\n\
         protocols: [{{name: ijbc, kind: templates}}, {{name: scored, kind: templates, detector_score: true, \
         aggregation: faces}}]\n{more}"
    ));
}

const ALIGN: [&str; 2] = ["--set", "preprocess.crop={mode: align}"];

fn experiment(workspace: &Workspace) -> (String, String) {
    workspace.run(0, &["experiment", "config.yaml", ALIGN[0], ALIGN[1]])
}

fn metrics(run: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(run.join("metrics.json")).unwrap()).unwrap()
}

/// Scores of all pairs of templates, computed here from the run's embeddings: of one subject, and of two.
fn scores(rows: &[Vec<f32>], by_media: bool, weighted: bool) -> [Vec<f64>; 2] {
    let mut templates: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    let faces = faces();
    for (face, row) in faces.iter().zip(rows) {
        let frames = faces.iter().filter(|other| (other.template, other.media) == (face.template, face.media)).count();
        let weight = if weighted { f64::from(face.score) } else { 1.0 } / if by_media { frames as f64 } else { 1.0 };
        let sum = templates.entry(face.template).or_insert_with(|| vec![0.0; row.len()]);
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value) * weight);
    }
    let unit = |row: &Vec<f64>| {
        let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        row.iter().map(|value| value / length).collect::<Vec<f64>>()
    };
    let templates: Vec<(u32, Vec<f64>)> = templates.iter().map(|(template, row)| (*template, unit(row))).collect();
    let mut scores = [Vec::new(), Vec::new()];
    for (i, (a, left)) in templates.iter().enumerate() {
        for (b, right) in &templates[i + 1..] {
            let score = left.iter().zip(right).map(|(a, b)| a * b).sum();
            scores[usize::from(a / 10 != b / 10)].push(score);
        }
    }
    scores
}

#[test]
fn templates_of_a_set_are_verified_from_its_files_to_the_report() {
    let workspace = workspace();
    configure(&workspace, "expect: {ijbc.eer: {max: 1}, 'ijbc.tar@fmr=1e-2': {min: 0}, ijbc.rank1: {min: 0}}\n");
    let (out, _) = experiment(&workspace);
    assert!(out.contains("ijbc TAR at FMR 1e-3") && out.contains("met     ijbc.eer"), "{out}");
    let run = workspace.only_run();
    let rows = embeddings(&run);
    assert_eq!(rows.len(), faces().len());
    let found = metrics(&run);
    for (at, (by_media, weighted)) in [(true, false), (false, true)].into_iter().enumerate() {
        let result = &found["templates"][at];
        let [genuine, impostor] = scores(&rows, by_media, weighted);
        let counts = &result["counts"];
        assert_eq!(counts["genuine"], genuine.len());
        assert_eq!(counts["impostor"], impostor.len());
        assert_eq!((counts["templates"].as_u64(), counts["subjects"].as_u64()), (Some(48), Some(12)));
        assert_eq!((counts["named_subjects"].as_bool(), counts["failed"].as_u64()), (Some(true), Some(0)));
        let above: f64 = genuine.iter().map(|g| impostor.iter().filter(|i| *i < g).count() as f64).sum();
        let area = above / (genuine.len() * impostor.len()) as f64;
        assert!((result["auc"]["point"].as_f64().unwrap() - area).abs() < 1e-9, "{} {area}", result["auc"]);
        let mut sorted = impostor.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        // The threshold that keeps an FMR of 1%: above the score of the first pair that must not match.
        let limit = sorted[(0.01 * impostor.len() as f64) as usize];
        let tar = genuine.iter().filter(|score| **score > limit).count() as f64 / genuine.len() as f64;
        let point = &result["operating_points"][1];
        assert_eq!(point["target_fmr"], 0.01);
        let searches = &result["searches"];
        let sizes = [6, 18, 18].map(Some);
        for gallery in searches["galleries"].as_array().unwrap() {
            let counts = ["gallery", "mated", "non_mated"].map(|key| gallery["counts"][key].as_u64());
            assert_eq!(counts, sizes, "12 subjects in two galleries, 3 probes of each");
        }
        let rank = |at: usize| searches["galleries"][at]["ranks"][0]["rate"]["point"].as_f64().unwrap();
        assert_eq!(searches["mean"]["ranks"][0]["rate"]["point"].as_f64(), Some(f64::midpoint(rank(0), rank(1))));
        assert!((point["tar"]["point"].as_f64().unwrap() - tar).abs() < 1e-9, "{point} {tar}");
    }
    let done = workspace.json(0, &["experiment", "config.yaml", ALIGN[0], ALIGN[1]]);
    let page = fs::read_to_string(workspace.path(done["report"].as_str().unwrap())).unwrap();
    assert!(page.contains("Verification of templates") && page.contains("48 templates of"), "a section of the report");

    let other = ["--set", "name=other", "--set", "preprocess.mirror=sum"];
    workspace.run(0, &[&["experiment", "config.yaml", ALIGN[0], ALIGN[1]], &other[..]].concat());
    let (out, _) = workspace.run(0, &["compare", "small", "other"]);
    assert!(out.contains("ijbc.tar@fmr=1e-3") && out.contains("ijbc.rank1"), "{out}");
    let compared = workspace.json(0, &["compare", "small", "other"]);
    let rates = compared["paired"]["templates"].as_array().unwrap();
    for name in ["ijbc", "scored"] {
        let row = |quantity: &str| {
            let metric = format!("{name}.{quantity}");
            rates.iter().find(|row| row["metric"] == metric.as_str()).unwrap_or_else(|| panic!("{metric}")).clone()
        };
        let tar = row("tar@fmr=1e-3");
        let difference = &tar["effects"][1]["difference"];
        let point = |run: usize| tar["values"][run]["point"].as_f64().unwrap();
        assert!((difference["point"].as_f64().unwrap() - (point(1) - point(0))).abs() < 1e-12, "{tar}");
        // Four templates of each subject make six genuine pairs.
        assert_eq!((&difference["n"], &tar["effects"][0]), (&(SUBJECTS * 6).into(), &serde_json::Value::Null), "{tar}");
        let method = difference["method"].as_str().unwrap();
        assert!(method.contains("genuine pairs") || method.contains("decisions differ"), "{method}");
        assert!(row("rank1")["effects"].is_null(), "1:N over templates is not compared search by search");
    }
    // What is in the list of pairs is what makes pairs comparable.
    let swapped = fs::read_to_string(workspace.path("IJBC/meta/ijbc_template_pair_label.txt")).unwrap();
    let lines: Vec<&str> = swapped.lines().collect();
    let turned = [&lines[1..], &lines[..1]].concat().join("\n") + "\n";
    fs::write(workspace.path("IJBC/meta/ijbc_template_pair_label.txt"), turned).unwrap();
    let third = ["--set", "name=turned"];
    workspace.run(0, &[&["experiment", "config.yaml", ALIGN[0], ALIGN[1]], &third[..]].concat());
    let compared = workspace.json(0, &["compare", "small", "turned"]);
    assert!(compared["paired"]["templates"].as_array().unwrap().iter().all(|row| row["effects"].is_null()));
    fs::write(workspace.path("IJBC/meta/ijbc_template_pair_label.txt"), swapped).unwrap();

    // The same change as an ablation.
    configure(
        &workspace,
        "ablation: {metric: ijbc.tar@fmr=1e-3, steps: [{name: mirrored, set: {preprocess.mirror: sum}}]}",
    );
    let ablated = workspace.json(0, &["ablate", "config.yaml", ALIGN[0], ALIGN[1], "--set", "name=ablated"]);
    let effect = &ablated["changes"][0]["effect"]["difference"];
    let row = rates.iter().find(|row| row["metric"] == "ijbc.tar@fmr=1e-3").unwrap();
    assert_eq!(*effect, row["effects"][1]["difference"], "{ablated}");
    assert_eq!(ablated["metric"]["name"], "TAR at FMR 1e-3 of ijbc");
    assert_eq!(ablated["shared"]["pairs"]["mode"], "templates");
    configure(&workspace, "");

    // The run holds all that the evaluation needs.
    fs::remove_dir_all(workspace.path("IJBC")).unwrap();
    fs::remove_file(run.join("metrics.json")).unwrap();
    workspace.run(0, &["evaluate", "small"]);
    assert_eq!(metrics(&run), found);
    workspace.run(0, &["verify", "small"]);
}

/// Fault (tables): the 1:N tables do not name one template → the subjects that they name are those of the others all the same
#[test]
fn what_the_tables_name_counts_where_they_do_not_name_all() {
    let workspace = workspace();
    let meta = |name: &str| workspace.path(format!("IJBC/meta/ijbc_{name}.txt"));
    // Galleries and probes are one subject by the tables only.
    let pairs = fs::read_to_string(meta("template_pair_label")).unwrap();
    let probe = |name: &str| !name.ends_with('0');
    let pairs = pairs
        .lines()
        .filter(|line| line.split(' ').take(2).all(probe))
        .fold(String::new(), |all, line| all + line + "\n");
    fs::write(meta("template_pair_label"), &pairs).unwrap();
    let mated = || {
        experiment(&workspace);
        let run = workspace.only_run();
        let result = metrics(&run)["templates"][0].clone();
        fs::remove_dir_all(run).unwrap();
        (result["counts"]["named_subjects"].clone(), result["searches"]["galleries"][0]["counts"]["mated"].clone())
    };
    let (_, searches) = mated();
    assert_eq!(searches, 18, "three probes of six subjects");
    fs::copy(workspace.path("IJBC/loose_crop/1.jpg"), workspace.path("IJBC/loose_crop/9999.jpg")).unwrap();
    for (name, line) in [
        ("face_tid_mid", "9999.jpg 9999 9999\n"),
        ("name_5pts_score", &format!("9999.jpg {POINTS} 0.9\n")),
        ("template_pair_label", "9999 1 0\n"),
    ] {
        fs::write(meta(name), fs::read_to_string(meta(name)).unwrap() + line).unwrap();
    }
    assert_eq!(mated(), (false.into(), searches));
}

#[test]
fn ijb_b_has_galleries_of_its_own_names_and_subjects_may_be_implied() {
    let workspace = Workspace::new();
    write(&workspace.path("IJBB"), "ijbb", ["S1", "S2"]);
    workspace.config("dataset: {source: ijb, root: IJBB, set: ijbb}\nprotocols: [{name: b, kind: templates}]\n");
    let (out, said) = workspace.run(0, &["check", "config.yaml"]);
    let said = out + &said;
    assert!(said.contains("are loose crops, whose landmarks `preprocess.crop` does not use"), "{said}");
    let (out, said) = experiment(&workspace);
    assert!(!format!("{out}{said}").contains("loose crops"), "{out}{said}");
    let named = metrics(&workspace.only_run())["templates"][0].clone();
    assert_eq!(named["counts"]["named_subjects"], true);
    fs::remove_file(workspace.path("IJBB/meta/ijbb_1N_gallery_S2.csv")).unwrap();
    let (out, said) = workspace.run(0, &["check", "config.yaml", ALIGN[0], ALIGN[1]]);
    assert!(format!("{out}{said}").contains("templates that they or the list of pairs call one person"), "{out}{said}");
    fs::remove_dir_all(workspace.path("experiments")).unwrap();
    experiment(&workspace);
    let implied = metrics(&workspace.only_run())["templates"][0].clone();
    assert_eq!((&implied["counts"]["named_subjects"], &implied["counts"]["subjects"]), (&false.into(), &12.into()));
    assert_eq!(
        (&implied["eer"], &implied["auc"]),
        (&named["eer"], &named["auc"]),
        "the list implies the same subjects"
    );
}

/// Fault (tables): a picture of a template that is missing → a row of `failures.csv`; its template does without it
/// Fault (tables): a template without any face that has an embedding → its pairs are left out, counted and said
/// Fault (tables): landmarks that are not numbers → their face fails with the line
#[test]
fn templates_without_a_face_are_left_out_and_counted() {
    let workspace = workspace();
    let root = workspace.path("IJBC");
    let alone = faces().into_iter().find(|face| face.template == 30).unwrap();
    let shared = faces().into_iter().find(|face| face.template == 2).unwrap();
    fs::remove_file(root.join(format!("loose_crop/{}.jpg", alone.number))).unwrap();
    let path = root.join("meta/ijbc_name_5pts_score.txt");
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("{}.jpg ", shared.number))).unwrap();
    fs::write(&path, text.replace(&format!("\n{line}\n"), &format!("\n{}\n", line.replace("38.3", "left")))).unwrap();
    experiment(&workspace);
    let run = workspace.only_run();
    let failures = fs::read_to_string(run.join("failures.csv")).unwrap();
    let reason = format!("line {}: `x1` is `left`", shared.number);
    assert!(failures.contains(&reason) && failures.lines().count() == 3, "{failures}");
    let counts = &metrics(&run)["templates"][0]["counts"];
    let number = |key: &str| counts[key].as_u64().unwrap();
    assert_eq!((number("failed"), number("empty"), number("missing"), number("listed")), (2, 1, 47, 1128));
    configure(&workspace, "");
    let strict = "protocols=[{name: ijbc, kind: templates, max_left_out: 0.01}]";
    let (_, said) = workspace.run(1, &["experiment", "config.yaml", ALIGN[0], ALIGN[1], "--set", strict]);
    assert!(said.contains("protocol `ijbc`: 47 of 1128 pairs would be left out"), "{said}");
}

/// Fault (tables): a pair of a template without a face in the set → refused with the line
/// Fault (tables): a label of a pair of templates other than 0 and 1 → refused with the line
/// Fault (tables): a template compared with itself → refused with the line
/// Fault (tables): a list whose pairs of templates are all of two people → refused
/// Fault (tables): a picture of a template outside `loose_crop` → refused with the line
/// Fault (tables): a picture in two templates → refused with both lines
/// Fault (tables): a template of two subjects in the tables of 1:N → refused with the line
/// Fault (tables): a line of templates with too few values → refused with the line
#[test]
fn tables_that_contradict_themselves_are_refused_with_the_line() {
    let workspace = workspace();
    let meta = workspace.path("IJBC/meta");
    for (table, text, said) in [
        (
            "template_pair_label.txt",
            "0 1 1\n0 99 0\n",
            "template_pair_label.txt, line 2: template 99 has no face: no line of `*_face_tid_mid.txt` names it",
        ),
        (
            "template_pair_label.txt",
            "0 1 1\n0 10 2\n",
            "line 2: `the label` is `2`, expected 1 for templates of one person, or 0",
        ),
        ("template_pair_label.txt", "0 1 1\n10 10 1\n", "line 2: the pair compares `10` with itself"),
        (
            "template_pair_label.txt",
            "0 10 0\n",
            "no pair is of one person; error rates need pairs of one person and of two",
        ),
        ("template_pair_label.txt", "0 1\n", "line 1: the line has 2 values, expected 3: two templates and 1 or 0"),
        ("template_pair_label.txt", "0 -1 1\n", "`the template` is `-1`, expected a number from 0 to 2147483647"),
        (
            "face_tid_mid.txt",
            "1.jpg 0 1\n../2.jpg 0 2\n",
            "line 2: `the picture` is `../2.jpg`, expected the name of a file",
        ),
        ("face_tid_mid.txt", "1.jpg 0 1\n1.jpg 1 2\n", "line 2: duplicate picture `1.jpg`, first used on line 1"),
        ("face_tid_mid.txt", "\n", "line 1: the table has a header but no rows"),
        (
            "1N_gallery_G2.csv",
            "TEMPLATE_ID,SUBJECT_ID\n1,1\n1,2\n",
            "line 3: template 1 is of subject 1 and of subject 2",
        ),
        ("1N_gallery_G2.csv", "TEMPLATE,SUBJECT_ID\n1,1\n", "missing column `TEMPLATE_ID`"),
        ("name_5pts_score.txt", "1.jpg 1 2 3\n", "line 1: the line has 4 values, expected 12: a picture, five points"),
    ] {
        let path = meta.join(format!("ijbc_{table}"));
        let sound = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let (_, found) = workspace.run(1, &["check", "config.yaml", ALIGN[0], ALIGN[1]]);
        assert!(found.contains(said), "{table}: {found}");
        fs::write(&path, sound).unwrap();
    }
    fs::remove_file(meta.join("ijbc_face_tid_mid.txt")).unwrap();
    let (_, found) = workspace.run(1, &["check", "config.yaml", ALIGN[0], ALIGN[1]]);
    assert!(found.contains("ijbc_face_tid_mid.txt"), "{found}");
}

/// Fault (config): `kind: templates` for a dataset without templates → refused with the remedy
/// Fault (config): a protocol of an unknown kind → refused with the kinds there are
#[test]
fn a_protocol_of_templates_needs_a_dataset_with_templates() {
    let workspace = Workspace::synthetic(8, 2, "protocols: [{name: t, kind: templates}]\n");
    let (_, said) = workspace.run(2, &["check", "config.yaml"]);
    assert!(said.contains("needs a dataset with templates") && said.contains("source: ijb"), "{said}");
    let (_, said) = workspace.run(2, &["check", "config.yaml", "--set", "protocols=[{name: t, kind: template}]"]);
    assert!(
        said.contains("`protocols.0.kind` must be `pairs`, `identification` or `templates`, got `template`"),
        "{said}"
    );
    let (_, said) =
        workspace.run(2, &["check", "config.yaml", "--set", "protocols=[{name: t, kind: templates, folds: 3}]"]);
    assert!(said.contains("unknown key `folds` in `protocols.0` with `kind: templates`"), "{said}");
}

#[test]
fn a_forgotten_template_leaves_the_run_with_its_pairs() {
    let workspace = workspace();
    experiment(&workspace);
    let run = workspace.only_run();
    let alone = faces().into_iter().find(|face| face.template == 30).unwrap();
    workspace.run(0, &["forget", "small", &format!("{}.jpg", alone.number)]);
    let counts = &metrics(&run)["templates"][0]["counts"];
    assert_eq!((counts["templates"].as_u64(), counts["listed"].as_u64()), (Some(47), Some(1128 - 47)));
    assert_eq!((counts["failed"].as_u64(), counts["missing"].as_u64()), (Some(0), Some(0)));
}
