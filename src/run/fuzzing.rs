//! The files of a run, from whoever hands it on.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::seal::{self, Depth, Watch};
use super::{RunDirectory, StoredCalibration};
use crate::breakdown::Breakdown;
use crate::metrics::Metrics;
use crate::plan::RunPlan;
use crate::progress::{Cancel, Silent};
use crate::provenance::Provenance;
use crate::results;

/// The first byte chooses the file. What is read of it is written so that the same is read again.
pub(crate) fn files(data: &[u8]) {
    let Some((file, content)) = data.split_first() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = RunDirectory::new(folder.path().join("fuzz-000000000000"));
    std::fs::create_dir(run.path()).expect("a folder for the run");
    let cancel = Cancel::default();
    let check = |run, depth| seal::check(run, depth, Watch { progress: &Silent, cancel: &cancel });
    let put = |name: &str| std::fs::write(run.file(name), content).expect("a file of the run");
    match file % 9 {
        0 => {
            put(RunDirectory::SEALED);
            if let Ok(differences) = check(&run, Depth::Every) {
                differences.iter().flatten().for_each(|difference| drop(difference.to_string()));
            }
        }
        1 => {
            put(".checked");
            std::fs::write(run.file(RunDirectory::SEALED), "").expect("a seal");
            let _ = check(&run, Depth::Changed);
        }
        2 => json::<RunPlan>(content),
        3 => json::<Provenance>(content),
        4 => json::<Metrics>(content),
        5 => json::<Option<Breakdown>>(content),
        6 => json::<StoredCalibration>(content),
        7 => {
            put("people.json");
            let _ = results::read(run.path());
        }
        _ => {
            put(RunDirectory::INDEX);
            let _ = super::inspect::index(&run);
        }
    }
}

fn json<T: Serialize + DeserializeOwned>(content: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(content) else { return };
    let Ok(written) = serde_json::to_vec(&value) else { return };
    let again: T = serde_json::from_slice(&written).expect("what was written is read");
    assert_eq!(serde_json::to_vec(&again).expect("a value that was written before"), written);
}
