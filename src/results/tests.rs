//! Through the files and back.

use facevault_stats::testing::{evaluation, searched};
use insta::assert_snapshot;

use super::{ResultsError, read, write};
use crate::people::audit::OnePerson;

#[test]
fn files_give_back_what_was_written_and_are_the_same_each_time() {
    let found = evaluation();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for folder in &folders {
        write(&found, folder.path()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), found);
    }
    let mut names: Vec<_> =
        std::fs::read_dir(folders[0].path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let expected = [
        "breakdown.json",
        "curves.parquet",
        "histograms.parquet",
        "identities.parquet",
        "identity_centroids.npy",
        "identity_errors.parquet",
        "identity_ids.csv",
        "identity_ids.pkl",
        "identity_pairs.csv",
        "label_audit.csv",
        "metrics.json",
        "pairs.parquet",
        "people.json",
    ];
    assert_eq!(names, expected);
    for name in names {
        let bytes = |folder: &tempfile::TempDir| std::fs::read(folder.path().join(&name)).unwrap();
        assert_eq!(bytes(&folders[0]), bytes(&folders[1]), "{}", name.display());
    }
    let ids = std::fs::read_to_string(folders[0].path().join("identity_ids.csv")).unwrap();
    assert!(ids.starts_with("identity_id\nn000000\nn000001\n"));
}

#[test]
fn searches_and_their_curves_are_kept() {
    let (result, probes) = searched();
    let mut found = evaluation();
    found.metrics.identification = vec![result.clone()];
    found.searched = vec![probes.clone()];
    let folder = tempfile::tempdir().unwrap();
    write(&found, folder.path()).unwrap();
    assert_eq!(read(folder.path()).unwrap(), found);
    let table = std::fs::read_to_string(folder.path().join("identification.csv")).unwrap();
    let lines: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let (cmc, open_set) = result.curves(&probes.probes);
    assert_eq!(lines.len(), cmc.len() + open_set.len());
    assert!(lines.iter().all(|line| line.len() == 8 && line[0] == "search"));
    let number = |text: &str| text.parse::<f64>().unwrap();
    for (line, point) in lines.iter().zip(&cmc) {
        assert_eq!((line[1], line[2], number(line[5])), ("cmc", point.rank.to_string().as_str(), point.rate.point));
    }
    for (line, point) in lines[cmc.len()..].iter().zip(&open_set) {
        assert_eq!((line[1], number(line[3]), number(line[5])), ("tpir", point.fpir, point.tpir.point));
    }
    // The curve at a target has the rates that were asked for.
    let target = &result.rates.open_set[0];
    let point = open_set.iter().find(|point| Some(point.threshold) == target.threshold).unwrap();
    let (mine, asked) = (&point.tpir, target.tpir.as_ref().unwrap());
    assert_eq!((mine.point, mine.lower, mine.upper), (asked.point, asked.lower, asked.upper));
}

#[test]
fn an_evaluation_that_cannot_be_written_whole_has_no_metrics() {
    let found = evaluation();
    let folder = tempfile::tempdir().unwrap();
    write(&found, folder.path()).unwrap();
    std::fs::remove_file(folder.path().join("pairs.parquet")).unwrap();
    std::fs::create_dir(folder.path().join("pairs.parquet")).unwrap();
    assert!(matches!(write(&found, folder.path()), Err(ResultsError::File(_))));
    assert!(!folder.path().join("metrics.json").exists());
}

#[test]
fn damaged_files_are_named() {
    let found = evaluation();
    let folder = tempfile::tempdir().unwrap();
    let message = |name: &str, bytes: &[u8]| {
        write(&found, folder.path()).unwrap();
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let message = read(folder.path()).unwrap_err().to_string();
        message.replace(&folder.path().display().to_string(), "RUN")
    };
    assert_snapshot!(
        message("metrics.json", br#"{"schema": 99, "more": []}"#),
        @"RUN/metrics.json has schema 99, this version of facevault reads schema 2; `facevault evaluate` writes it again"
    );
    for name in [
        "metrics.json",
        "breakdown.json",
        "histograms.parquet",
        "curves.parquet",
        "pairs.parquet",
        "identities.parquet",
        "identity_centroids.npy",
        "people.json",
        "identity_errors.parquet",
        "label_audit.csv",
        "identity_pairs.csv",
    ] {
        for bytes in [&b""[..], b"{}", &[0xff; 100]] {
            let message = message(name, bytes);
            assert!(message.starts_with(&format!("RUN/{name} is not what")), "{message}");
        }
    }
}

#[test]
fn pairs_of_identities_are_a_table_too() {
    let mut found = evaluation();
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("identity_pairs.csv");
    let pair = |identity_b: &str, highest: f32| OnePerson {
        identity_a: "a, \"b\"".into(),
        identity_b: identity_b.into(),
        mean_cosine: 0.612_345_6,
        highest_cosine: Some(highest),
        face_a: "a/1".into(),
        face_b: "b/7".into(),
        faces: [3, 12],
    };
    found.people.audit.one_person = vec![pair("c", 0.987_654_3), pair("d", 0.1)];
    write(&found, folder.path()).unwrap();
    assert_eq!(read(folder.path()).unwrap(), found);
    let text = std::fs::read_to_string(&table).unwrap();
    assert_snapshot!(text, @r#"
    rank,identity_a,identity_b,faces_a,faces_b,mean_cosine,highest_cosine,face_a,face_b
    1,"a, ""b""",c,3,12,0.6123456,0.9876543,a/1,b/7
    2,"a, ""b""",d,3,12,0.6123456,0.1,a/1,b/7
    "#);

    // A table that says something else is no table of this run.
    for (from, to) in [("0.9876543", "0.9"), ("\n2,", "\n3,"), ("b/7\n", "b/8\n")] {
        std::fs::write(&table, text.replacen(from, to, 1)).unwrap();
        let message = read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("its pairs are not those of people.json"), "{message}");
    }

    found.people.audit.one_person.clear();
    write(&found, folder.path()).unwrap();
    assert_eq!(std::fs::read_to_string(&table).unwrap().lines().count(), 1, "the header stands without rows");
}

#[test]
fn a_run_from_before_the_table_is_read_without_it() {
    let mut found = evaluation();
    let folder = tempfile::tempdir().unwrap();
    found.people.audit.one_person = vec![OnePerson {
        identity_a: "a".into(),
        identity_b: "b".into(),
        mean_cosine: 0.6,
        highest_cosine: None,
        face_a: String::new(),
        face_b: String::new(),
        faces: [3, 12],
    }];
    write(&found, folder.path()).unwrap();
    std::fs::remove_file(folder.path().join("identity_pairs.csv")).unwrap();
    let people = folder.path().join("people.json");
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&people).unwrap()).unwrap();
    let pair = json["audit"]["one_person"][0].as_object_mut().unwrap();
    for field in ["highest_cosine", "face_a", "face_b"] {
        pair.remove(field).unwrap();
    }
    std::fs::write(&people, serde_json::to_vec(&json).unwrap()).unwrap();
    assert_eq!(read(folder.path()).unwrap(), found);
}
