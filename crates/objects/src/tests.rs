//! Against the store of the tests, or against another's if `FACEVAULT_S3` is its address (`.ci/objects`).

use std::time::Duration;

use crate::testing::{FakeStore, Fault, folder_at};
use crate::{Ahead, Condition, Folder, Wanted};

const LIMIT: u64 = 1 << 20;

/// A folder in the store.
fn folder_of(store: &FakeStore) -> Folder {
    match std::env::var("FACEVAULT_S3") {
        Ok(endpoint) => folder_at(&endpoint, &unique()),
        Err(_) => store.folder(&unique()),
    }
}

/// A folder that no other test has.
fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn what_is_put_is_listed_read_fetched_and_removed() {
    let folder = folder_of(&FakeStore::start());
    for name in ["b/2", "a", "b/1", "c d#é+%.txt"] {
        folder.put(name, name.as_bytes(), Condition::Always).unwrap().unwrap();
    }
    let names = |folder: &Folder| folder.list().unwrap().into_iter().map(|object| object.name).collect::<Vec<_>>();
    assert_eq!(names(&folder), ["a", "b/1", "b/2", "c d#é+%.txt"]);
    let (here, folders) = folder.entries().unwrap();
    assert_eq!((here.len(), folders), (2, vec!["b".to_owned()]));
    assert_eq!(names(&folder.join("b").unwrap()), ["1", "2"]);
    assert_eq!(folder.read("c d#é+%.txt", None, LIMIT).unwrap(), "c d#é+%.txt".as_bytes());
    assert_eq!(folder.read("b/1", Some(1..3), LIMIT).unwrap(), b"/1");
    assert_eq!(folder.look("b/1").unwrap().unwrap().size, 3);
    assert!(folder.look("b").unwrap().is_none());
    let there = tempfile::tempdir().unwrap();
    let object = folder.fetch("b/2", &there.path().join("x")).unwrap();
    assert_eq!((object.size, std::fs::read(there.path().join("x")).unwrap()), (3, b"b/2".to_vec()));
    folder.remove("b/2").unwrap();
    folder.remove("b/2").unwrap();
    assert_eq!(names(&folder), ["a", "b/1", "c d#é+%.txt"]);
    assert!(folder.read("b/2", None, LIMIT).unwrap_err().is_missing());
}

#[test]
fn a_listing_of_many_pages_is_whole_and_one_between_two_names_is_not() {
    let folder = folder_of(&FakeStore::start());
    let names: Vec<String> = (0..230).map(|number| format!("chunks/{number:05}.json")).collect();
    for name in &names {
        folder.put(name, b"", Condition::Always).unwrap();
    }
    let of = |found: Vec<crate::Object>| found.into_iter().map(|object| object.name).collect::<Vec<_>>();
    assert_eq!(of(folder.list().unwrap()), names);
    assert_eq!(of(folder.list_between(&names[120], &names[130]).unwrap()), names[120..=130]);
    assert_eq!(of(folder.list_between(&names[0], &names[0]).unwrap()), names[..1]);
}

/// Fault (object stores): several workers put one object at once → one of them writes it, in 40 of 40 races
#[test]
fn a_race_for_an_object_has_one_winner() {
    let folder = folder_of(&FakeStore::start());
    for race in 0..40 {
        let name = format!("chunk-{race}");
        let winners: Vec<bool> = std::thread::scope(|scope| {
            let racers = (0..4_u8).map(|racer| {
                let (folder, name) = (&folder, &name);
                scope.spawn(move || folder.put(name, &[racer; 100], Condition::Absent).unwrap().is_some())
            });
            racers.collect::<Vec<_>>().into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(winners.iter().filter(|won| **won).count(), 1, "{name}");
        let winner = winners.iter().position(|won| *won).unwrap() as u8;
        assert_eq!(folder.read(&name, None, LIMIT).unwrap(), [winner; 100]);
    }
}

#[test]
fn an_object_that_has_changed_is_not_replaced() {
    replaces_only_what_is_unchanged(&folder_of(&FakeStore::start()));
}

#[test]
fn googles_conditions_are_versions() {
    let store = FakeStore::start();
    let folder = store.google_folder(&unique());
    replaces_only_what_is_unchanged(&folder);
    folder.put("b/1", b"x", Condition::Absent).unwrap().unwrap();
    assert_eq!(folder.put("b/1", b"y", Condition::Absent).unwrap(), None);
    assert_eq!(folder.list().unwrap().len(), 1);
    assert_eq!(folder.entries().unwrap().1, ["b"]);
}

fn replaces_only_what_is_unchanged(folder: &Folder) {
    let first = folder.put("SEALED", b"one", Condition::Absent).unwrap().unwrap();
    let second = folder.put("SEALED", b"two", Condition::Unchanged(&first)).unwrap().unwrap();
    assert_eq!(folder.put("SEALED", b"three", Condition::Unchanged(&first)).unwrap(), None);
    assert_eq!(folder.read("SEALED", None, LIMIT).unwrap(), b"two");
    folder.remove("SEALED").unwrap();
    assert_eq!(folder.put("SEALED", b"three", Condition::Unchanged(&second)).unwrap(), None, "it is gone");
}

/// Fault (object stores): 500, 503, a connection that ends before, in and after a request → tried again, and written once
#[test]
fn what_passes_is_tried_again() {
    let store = FakeStore::start();
    let folder = folder_of(&store);
    for fault in [Fault::Status(500), Fault::Status(503), Fault::HangUp, Fault::LoseAnswer] {
        for condition in [Condition::Absent, Condition::Always] {
            let name = format!("{fault:?}-{condition:?}");
            store.fail("PUT", &name, fault);
            // An answer that was lost: what is there is this one's.
            assert!(folder.put(&name, b"mine", condition).unwrap().is_some(), "{name}");
            store.fail("GET", &name, fault);
            assert_eq!(folder.read(&name, None, LIMIT).unwrap(), b"mine", "{name}");
        }
    }
    for fault in [Fault::Cut, Fault::LoseAnswer, Fault::Status(500)] {
        // The key of a listing is empty, and no other request is left.
        store.fail("GET", "", fault);
        assert_eq!(folder.list().unwrap().len(), 8, "{fault:?}");
        store.fail("GET", "", fault);
        assert_eq!(folder.entries().unwrap().0.len(), 8, "{fault:?}");
        store.fail("GET", "", fault);
        assert_eq!(folder.list_between("L", "M").unwrap().len(), 2, "{fault:?}");
    }
    store.fail("GET", "LoseAnswer-Absent", Fault::Cut);
    assert_eq!(folder.read("LoseAnswer-Absent", None, LIMIT).unwrap(), b"mine");
    // Somebody else's, after the answer to an earlier try was lost.
    folder.put("taken", b"theirs", Condition::Absent).unwrap();
    store.fail("PUT", "taken", Fault::Status(503));
    assert_eq!(folder.put("taken", b"mine", Condition::Absent).unwrap(), None);
}

/// Fault (object stores): a store that stays down, refuses, or has no such object → an error that names the object
#[test]
fn what_does_not_pass_is_an_error_with_the_object() {
    let store = FakeStore::start();
    let folder = folder_of(&store);
    for status in [403, 404, 503] {
        for _ in 0..20 {
            store.fail("GET", &format!("{status}"), Fault::Status(status));
        }
    }
    let text = |name: &str| {
        let text = folder.read(name, None, LIMIT).unwrap_err().to_string();
        text.replace(&folder.address().to_string(), "s3://faces/DIR")
    };
    folder.put("large", &[0; 100], Condition::Always).unwrap();
    let large = folder.read("large", None, 99).unwrap_err().to_string();
    let texts = ["x-403", "x-404", "x-503"].map(text).join("\n")
        + "\n"
        + &large.replace(&folder.address().to_string(), "s3://faces/DIR");
    // Addresses, ports and times are of this run.
    let kept: Vec<&str> = texts.lines().map(|line| line.split(": Error performing").next().unwrap_or(line)).collect();
    insta::assert_snapshot!(kept.join("\n"), @r"
        cannot read s3://faces/DIR/x-403: 403 Forbidden: SlowDown; set the credentials of the store (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; GOOGLE_APPLICATION_CREDENTIALS; AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY), or AWS_SKIP_SIGNATURE=true for a public bucket
        cannot read s3://faces/DIR/x-404: 404 Not Found: SlowDown
        cannot read s3://faces/DIR/x-503: 503 Service Unavailable: SlowDown
        cannot read s3://faces/DIR/large: it has 100 bytes, at most 99 are read
        ");
    assert!(!texts.contains("secret"), "{texts}");
}

#[test]
fn a_large_file_is_written_in_parts() {
    let folder = folder_of(&FakeStore::start());
    let there = tempfile::tempdir().unwrap();
    let bytes = [vec![1; 32 << 20], vec![2; 100], vec![3; 8 << 20]].concat();
    std::fs::write(there.path().join("large"), &bytes).unwrap();
    folder.put_file("large", &there.path().join("large")).unwrap();
    folder.fetch("large", &there.path().join("back")).unwrap();
    assert!(std::fs::read(there.path().join("back")).unwrap() == bytes);
}

#[test]
fn objects_are_read_before_they_are_asked_for() {
    let store = FakeStore::start();
    let folder = folder_of(&store);
    let names: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    for name in &names {
        folder.put(name, name.as_bytes(), Condition::Always).unwrap();
    }
    let wanted = |name: &String| Wanted { name: name.clone(), range: None, size: name.len() as u64 };
    let ahead = Ahead::new(folder, names.iter().map(wanted).collect(), LIMIT);
    store.delay(Duration::from_millis(20));
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        for of_two in 0..2 {
            let (ahead, names) = (&ahead, &names);
            scope.spawn(move || {
                for index in (of_two..names.len()).step_by(2) {
                    assert_eq!(ahead.take(index).unwrap(), names[index].as_bytes());
                }
            });
        }
    });
    // One after the other they take two seconds for each of the two.
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    assert_eq!(ahead.take(7).unwrap(), b"7", "again");
}
