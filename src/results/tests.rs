//! Through the files and back.

use facevault_stats::testing::evaluation;
use insta::assert_snapshot;

use super::{ResultsError, read, write};

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
    ] {
        for bytes in [&b""[..], b"{}", &[0xff; 100]] {
            let message = message(name, bytes);
            assert!(message.starts_with(&format!("RUN/{name} is not what")), "{message}");
        }
    }
}
