//! Copies of runs in a store of the tests.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use super::claim::Claim;
use super::{FORGETTING, KEPT, Mirror, Needed};
use crate::files::{FileError, Stamp};
use crate::objects::testing::{FakeStore, Fault};

const RUN: &str = "demo-000000000000";

/// A machine with a copy of its own.
struct Machine {
    mirror: Mirror,
    _folder: tempfile::TempDir,
}

impl Machine {
    fn new(store: &FakeStore) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("copy");
        Self {
            mirror: Mirror { folder: store.folder("runs"), local, ours: Mutex::default(), ledgers: Mutex::default() },
            _folder: folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.mirror.local.join(RUN).join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    fn pull(&self) {
        assert!(self.mirror.pull(RUN, Needed::All).unwrap());
    }

    fn push(&self) -> Result<(), FileError> {
        self.mirror.push(RUN)
    }
}

/// A store with a sealed run, and a machine that made it.
fn sealed() -> (FakeStore, Machine) {
    let store = FakeStore::start();
    let maker = Machine::new(&store);
    for name in ["plan.json", "metrics.json", "chunks/00000.npy", ".lock", "SEALED"] {
        maker.write(name, name);
    }
    maker.push().unwrap();
    (store, maker)
}

fn of(name: &str) -> String {
    format!("runs/{RUN}/{name}")
}

#[test]
fn a_run_is_copied_there_and_back() {
    let (store, maker) = sealed();
    assert_eq!(store.keys(), ["SEALED", "chunks/00000.npy", "metrics.json", "plan.json"].map(of));
    let other = Machine::new(&store);
    other.pull();
    assert_eq!(other.read("chunks/00000.npy").unwrap(), "chunks/00000.npy");
    assert_eq!(other.read(".lock"), None);
    // What is the same is not copied again, in either direction.
    store.clear_log();
    other.pull();
    other.push().unwrap();
    maker.push().unwrap();
    assert_eq!((store.requests("GET", RUN), store.requests("PUT", "")), (0, 0));
}

/// Fault (object stores): a run is evaluated again while another machine reads it → it has no seal until all of it is there
#[test]
fn the_seal_goes_first_and_comes_last() {
    let (store, maker) = sealed();
    maker.write("metrics.json", "other metrics");
    maker.write("SEALED", "another seal");
    for _ in 0..4 {
        store.fail("PUT", "metrics.json", Fault::Status(403));
    }
    maker.push().unwrap_err();
    assert_eq!(store.get(&of("SEALED")), None);
    maker.push().unwrap_err();
}

/// Fault (object stores): a machine is cut off while it sends an evaluation → there are no metrics until all that they need is there
#[test]
fn metrics_come_after_what_they_are_read_with() {
    let (store, maker) = sealed();
    for name in ["metrics.json", "face_metadata.csv", "pairs.parquet", "SEALED"] {
        maker.write(name, "made again");
    }
    for _ in 0..4 {
        store.fail("PUT", "pairs.parquet", Fault::Status(403));
    }
    maker.push().unwrap_err();
    assert_eq!(store.keys(), ["chunks/00000.npy", "plan.json"].map(of), "and the old ones are gone");
    store.mend();
    maker.push().unwrap();
    assert_eq!(store.get(&of("metrics.json")).unwrap(), b"made again");
    assert!(store.keys().contains(&of("SEALED")));
}

/// Fault (object stores): `watch` or `runs` looks at a run that another process on the machine changes → nothing is copied over it
#[test]
fn what_a_process_works_on_is_not_touched_by_others() {
    let (_store, maker) = sealed();
    let reader = Mirror {
        folder: maker.mirror.folder.clone(),
        local: maker.mirror.local.clone(),
        ours: Mutex::default(),
        ledgers: Mutex::default(),
    };
    let claim = Claim::stake(&maker.mirror.local, RUN, false).unwrap().unwrap();
    maker.write("metrics.json", "not sent yet");
    assert!(reader.pull(RUN, Needed::All).unwrap());
    assert_eq!(maker.read("metrics.json").unwrap(), "not sent yet");
    assert!(Claim::stake(&maker.mirror.local, RUN, true).unwrap().is_err(), "one that is not shared");
    maker.push().unwrap();
    drop(claim);
    maker.write("metrics.json", "never sent");
    reader.pull(RUN, Needed::Summary).unwrap();
    assert_eq!(maker.read("metrics.json").unwrap(), "not sent yet", "the store's");
}

/// Fault (object stores): a machine that removes faces is killed before all of it is sent → what it has done is neither sent by
/// halves nor replaced by what is in the store; once another machine has ended it, it is over
#[test]
fn a_removal_of_faces_is_sent_as_a_whole() {
    let (store, maker) = sealed();
    store.put(&of(FORGETTING), "journal");
    maker.pull();
    fs::create_dir(maker.path(KEPT)).unwrap();
    maker.write(FORGETTING, "what is kept");
    maker.write("chunks/00000.npy", "without a face");
    maker.push().unwrap();
    assert_eq!(store.get(&of("chunks/00000.npy")).unwrap(), b"chunks/00000.npy");
    for _ in 0..4 {
        store.fail("PUT", "00000.npy", Fault::Status(403));
    }
    maker.mirror.push_forgotten(RUN).unwrap_err();
    assert_eq!(store.get(&of(FORGETTING)).unwrap(), b"what is kept", "others see it first of all");
    maker.pull();
    assert_eq!(maker.read("chunks/00000.npy").unwrap(), "without a face");
    store.mend();
    // The process is killed after a chunk is there and before it has noted that.
    store.put(&of("chunks/00000.npy"), "without a face");
    let next = Mirror {
        folder: maker.mirror.folder.clone(),
        local: maker.mirror.local.clone(),
        ours: Mutex::default(),
        ledgers: Mutex::default(),
    };
    next.push_forgotten(RUN).unwrap();
    assert_eq!(store.get(&of("chunks/00000.npy")).unwrap(), b"without a face");
    assert_eq!(store.get(&of(FORGETTING)), None);
    maker.pull();
    assert_eq!((maker.read(FORGETTING), maker.path(KEPT).exists()), (None, false), "ended in the store");
}

/// Fault (object stores): another machine evaluates a run while faces are removed from it → what it wrote is not replaced, and the
/// next removal begins with that
#[test]
fn a_removal_that_was_overtaken_begins_again() {
    let (store, maker) = sealed();
    let other = Machine::new(&store);
    other.pull();
    store.put(&of(FORGETTING), "journal");
    maker.pull();
    other.write("metrics.json", "of the other");
    other.push().unwrap();
    let remove = || {
        fs::create_dir(maker.path(KEPT)).unwrap();
        maker.write(FORGETTING, "what is kept");
        maker.write("chunks/00000.npy", "without a face");
        maker.mirror.push_forgotten(RUN)
    };
    assert!(remove().unwrap_err().to_string().contains("metrics.json: another process has written it meanwhile"));
    assert_eq!(store.get(&of("chunks/00000.npy")).unwrap(), b"chunks/00000.npy");
    maker.pull();
    let there = [FORGETTING, "chunks/00000.npy", "metrics.json"].map(|name| maker.read(name).unwrap());
    assert_eq!(there, ["journal", "chunks/00000.npy", "of the other"]);
    remove().unwrap();
    assert_eq!(store.get(&of("chunks/00000.npy")).unwrap(), b"without a face");
    assert_eq!(store.get(&of(FORGETTING)), None);
}

/// Fault (object stores): two machines change one run → the second is refused, and replaces nothing
#[test]
fn what_another_machine_wrote_meanwhile_is_not_replaced() {
    let (store, maker) = sealed();
    let other = Machine::new(&store);
    other.pull();
    other.write("metrics.json", "of the other");
    other.push().unwrap();
    maker.write("metrics.json", "of the maker");
    maker.write("plan.json", "of the maker");
    let error = maker.push().unwrap_err().to_string();
    insta::assert_snapshot!(error, @"cannot write s3://faces/runs/demo-000000000000/metrics.json: another process has written it meanwhile, and it was left alone; run the command again");
    assert_eq!(store.get(&of("metrics.json")).unwrap(), b"of the other");
    // And the next command begins with what is there.
    maker.pull();
    assert_eq!(maker.read("metrics.json").unwrap(), "of the other");
    assert_eq!(maker.read("plan.json").unwrap(), "plan.json");
}

/// Fault (object stores): a machine was killed before it copied its results back → the store's are taken, new files are kept
#[test]
fn what_is_not_in_the_store_gives_way_to_what_is() {
    let (_store, maker) = sealed();
    maker.write("metrics.json", "never sent");
    maker.write("chunks/00001.npy", "never sent");
    fs::remove_file(maker.path("SEALED")).unwrap();
    maker.pull();
    assert_eq!(maker.read("metrics.json").unwrap(), "metrics.json");
    assert_eq!(maker.read("SEALED").unwrap(), "SEALED");
    assert_eq!(maker.read("chunks/00001.npy").unwrap(), "never sent");
}

/// Fault (object stores): a person is removed from a run on one machine → the files that are gone there are removed from other
/// machines' copies
#[test]
fn what_is_removed_is_removed_everywhere() {
    let (store, maker) = sealed();
    let other = Machine::new(&store);
    other.pull();
    fs::remove_file(maker.path("metrics.json")).unwrap();
    maker.push().unwrap();
    assert!(!store.keys().contains(&of("metrics.json")));
    other.pull();
    assert_eq!(other.read("metrics.json"), None);
}

#[test]
fn a_file_that_changes_without_changing_its_size_is_noticed() {
    let (store, maker) = sealed();
    let stamp = || Stamp::of(&fs::metadata(maker.path("metrics.json")).unwrap());
    let before = stamp();
    while stamp() == before {
        maker.write("metrics.json", "METRICS.JSON");
    }
    maker.push().unwrap();
    assert_eq!(store.get(&of("metrics.json")).unwrap(), b"METRICS.JSON");
}

/// Fault (object stores): the connection ends in the middle of a file → it is fetched whole, or the error names it
#[test]
fn files_are_whole_or_absent() {
    let (store, _maker) = sealed();
    let other = Machine::new(&store);
    store.fail("GET", "chunks/00000.npy", Fault::Cut);
    other.pull();
    assert_eq!(other.read("chunks/00000.npy").unwrap(), "chunks/00000.npy");
    let third = Machine::new(&store);
    for _ in 0..40 {
        store.fail("GET", "chunks/00000.npy", Fault::HangUp);
    }
    let error = third.mirror.pull(RUN, Needed::All).unwrap_err().to_string();
    assert!(error.starts_with("cannot read s3://faces/runs/demo-000000000000/chunks/00000.npy: "), "{error}");
    assert_eq!(third.read("chunks/00000.npy"), None);
}
