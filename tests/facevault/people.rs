//! Wrong labels found by the demo's network: planted among 400 photographs (skipped where the ORL faces are not at hand)
//! and among procedural faces.

use std::collections::BTreeSet;
use std::fs;

use facevault::dataset::synthetic;

use crate::orl::orl_faces;
use crate::support::workspace::{Workspace, seal_as_good};

#[test]
fn two_photographs_under_another_name_are_told_with_their_own() {
    let Some(faces) = orl_faces() else { return };
    let workspace = Workspace::empty();
    // Whose photograph, which, and the name it is filed under.
    let planted = [(1, 1, 2), (10, 5, 20)];
    for person in 1..=40 {
        for photo in 1..=10 {
            let wrong = planted.iter().find(|(of, number, _)| (*of, *number) == (person, photo));
            let name =
                wrong.map_or_else(|| format!("s{person}/{photo}.pgm"), |wrong| format!("s{}/planted.pgm", wrong.2));
            let target = workspace.path("faces").join(name);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(faces.join(format!("s{person}/{photo}.pgm")), target).unwrap();
        }
    }
    let config = "name: orl\nweights: {source: embedded, name: demo}\nmodel: {width: 0.25}\n\
                  preprocess: {profile: facevault-notebook, resize: {size: 80}}\nembed: {device: cpu}\n\
                  similarity: {replicates: 100}\ndataset: {source: folders, root: faces}\n";
    fs::write(workspace.path("config.yaml"), config).unwrap();
    workspace.run(0, &["experiment", "config.yaml"]);
    let audit = fs::read_to_string(workspace.only_run().join("label_audit.csv")).unwrap();
    let lines: Vec<Vec<&str>> = audit.lines().map(|line| line.split(',').collect()).collect();
    for (planted, own) in [("s2/planted.pgm", "s1"), ("s20/planted.pgm", "s10")] {
        let found = lines.iter().find(|line| line[1] == planted).unwrap_or_else(|| panic!("{planted}: {audit}"));
        assert_eq!((found[5], found[8]), (own, "another"), "{found:?}");
    }
    assert!(lines.len() < 40, "few of 400 faces are suspects, not most of them: {audit}");
}

#[test]
fn two_identities_that_share_a_photo_and_two_that_are_one_person_are_a_table() {
    let workspace = Workspace::empty();
    let file = |name: &str, person: u32, sample: u32| {
        let path = workspace.path("faces").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut face = synthetic::render(2026, person, sample, 80);
        if name.ends_with("borrowed.png") {
            // Not the same bytes: pairs of one picture are not compared at all.
            face.put_pixel(0, 0, image::Rgb([1, 2, 3]));
        }
        face.save(path).unwrap();
    };
    for person in 0..20 {
        for sample in 0..6 {
            // Half of person 9's photos are under a name of their own.
            let name = if person == 9 && sample >= 3 { "p09-again".to_owned() } else { format!("p{person:02}") };
            file(&format!("{name}/{sample}.png"), person, sample);
        }
    }
    file("p07/borrowed.png", 3, 0);
    let config = "name: pairs\nweights: {source: embedded, name: demo}\nmodel: {width: 0.25}\n\
                  preprocess: {profile: facevault-notebook, resize: {size: 80}}\nembed: {device: cpu}\n\
                  similarity: {replicates: 100}\nreport: {pictures: true}\ndataset: {source: folders, root: faces}\n";
    fs::write(workspace.path("config.yaml"), config).unwrap();
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    let table = run.join("identity_pairs.csv");
    let text = fs::read_to_string(&table).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(
        lines[0].join(","),
        "rank,identity_a,identity_b,faces_a,faces_b,mean_cosine,highest_cosine,face_a,face_b"
    );
    let number = |line: &[&str], column: usize| line[column].parse::<f64>().unwrap();
    let (shared, rest) = lines[1..].split_first().unwrap();
    assert_eq!(
        (&shared[..5], &shared[7..]),
        (&["1", "p03", "p07", "6", "7"][..], &["p03/0.png", "p07/borrowed.png"][..])
    );
    let again = rest.iter().find(|line| line[1..3] == ["p09", "p09-again"]).unwrap_or_else(|| panic!("{text}"));
    assert!(number(again, 5) > number(shared, 5), "its other faces differ, so the mean says little: {text}");
    assert!(lines[1..].is_sorted_by(|a, b| number(a, 6) >= number(b, 6)), "{text}");
    assert!(lines[1..].iter().zip(1..).all(|(line, rank)| line[0] == rank.to_string()), "{text}");

    // The report says what to do, and the same is in people.json.
    let report = fs::read_to_string(workspace.path(done["report"].as_str().unwrap())).unwrap();
    assert!(report.contains("Open the two faces") && report.contains("p07&#x2f;<wbr>borrowed.png"));
    // The suspect stands beside a typical face of each identity in question, which is not the suspect itself.
    let row = report.split("<tr").find(|row| row.contains("alt=\"face p07&#x2f;borrowed.png\"")).unwrap();
    let row = row.split("</tr>").next().unwrap();
    assert!(row.contains("alt=\"face p07\"") && row.contains("alt=\"face p03\""), "{} bytes", row.len());
    let pictures: BTreeSet<&str> = row.split("<img src=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(pictures.len(), 3);
    let people: serde_json::Value = serde_json::from_slice(&fs::read(run.join("people.json")).unwrap()).unwrap();
    assert_eq!(people["audit"]["one_person"].as_array().unwrap().len(), lines.len() - 1);
    assert_eq!(people["audit"]["one_person"][0]["face_b"], "p07/borrowed.png");

    // It is sealed, and read back.
    assert!(fs::read_to_string(run.join("SEALED")).unwrap().contains("  identity_pairs.csv\n"));
    workspace.run(0, &["verify", "pairs"]);
    fs::write(&table, text.replacen("p07/borrowed.png", "p07/1.png", 1)).unwrap();
    let (out, err) = workspace.run(4, &["verify", "pairs"]);
    assert!(format!("{out}{err}").contains("identity_pairs.csv"), "{out}{err}");
    let (_, err) = workspace.run(1, &["report", "pairs"]);
    assert!(err.contains(" is damaged: identity_pairs.csv: sealed as "), "{err}");
    seal_as_good(&run);
    let (_, err) = workspace.run(1, &["report", "pairs"]);
    assert!(err.contains("its pairs are not those of people.json"), "{err}");
    workspace.run(0, &["evaluate", "pairs"]);
    assert_eq!(fs::read_to_string(&table).unwrap(), text, "`evaluate` writes it again");
    workspace.run(0, &["verify", "pairs"]);
}
