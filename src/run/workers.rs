//! The workers of a prepared run: each takes a number, which is that of its session, with the file that describes it.
//! They know nothing of each other; when the run is finished, its provenance takes them over.
//!
//! ```text
//! <run>/workers/prepared.json    what they need to know
//! <run>/workers/00002.taken      nobody else has this number, whatever becomes of the next file
//! <run>/workers/00002.json       a worker: its shard, its chunks, its session
//! ```

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::embed::{RunLock, WORKERS};
use crate::files::{self, FileError};
use crate::mirror;
use crate::provenance::RunSession;

/// No run has more workers.
const MOST: u32 = 1 << 30;

/// Ending of the files that describe workers.
const RECORD: &str = "json";

/// Ending of the files that say that a number is taken.
const TAKEN: &str = "taken";

/// What a worker does, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerRecord {
    /// The shard, as `0/8`.
    pub shard: String,
    /// Its chunks.
    pub chunks: Range<usize>,
    /// The start of the program.
    pub session: RunSession,
}

/// A worker with a number.
#[derive(Debug)]
pub struct Worker {
    path: PathBuf,
    /// Number of its session.
    pub number: u32,
    pub record: WorkerRecord,
}

impl Worker {
    /// Takes the first number after `earlier`, the sessions of the run before there were workers, that no other has or had:
    /// chunks carry it.
    pub fn register(lock: &RunLock, earlier: u32, record: WorkerRecord) -> Result<Self, FileError> {
        let folder = files::create_dir_inside(lock.run(), WORKERS)?;
        let text = json(&record);
        let files = mirror::names(&folder)?;
        let known = [RECORD, TAKEN].map(|ending| numbers(&folder, &files, ending)).concat();
        let mut number = known.into_iter().max().map_or(earlier, |last| earlier.max(last)) + 1;
        loop {
            let path = path_of(&folder, number, RECORD);
            if mirror::commit_new(&path_of(&folder, number, TAKEN), &text)? && mirror::commit_new(&path, &text)? {
                mirror::refuse_unconditional(&path)?;
                return Ok(Self { path, number, record });
            }
            number += 1;
        }
    }

    /// Records how it ended.
    pub fn end(mut self, ended: u64, embedded: u64) -> Result<(), FileError> {
        (self.record.session.ended, self.record.session.embedded) = (Some(ended), embedded);
        mirror::replace(&self.path, &json(&self.record))
    }
}

fn json(record: &WorkerRecord) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(record).unwrap_or_default();
    text.push(b'\n');
    text
}

fn path_of(folder: &Path, number: u32, ending: &str) -> PathBuf {
    folder.join(format!("{number:05}.{ending}"))
}

/// Numbers in the names of those files that have this ending, ascending.
fn numbers(folder: &Path, files: &[PathBuf], ending: &str) -> Vec<u32> {
    let number = |path: &PathBuf| {
        let number = path.file_stem()?.to_str()?.parse().ok()?;
        // What has another name, nobody here has made.
        (number < MOST && *path == path_of(folder, number, ending)).then_some(number)
    };
    let mut numbers: Vec<u32> = files.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// The workers of a run by number. A file that cannot be understood is left out: nothing but the provenance depends on it.
pub fn all(run: &Path) -> Result<Vec<(u32, WorkerRecord)>, FileError> {
    let folder = run.join(WORKERS);
    let mut workers = Vec::new();
    for number in numbers(&folder, &files::names(&folder)?, RECORD) {
        let record = serde_json::from_slice(&files::read(&path_of(&folder, number, RECORD))?).ok();
        workers.extend(record.map(|record| (number, record)));
    }
    Ok(workers)
}

/// Removes the files of all workers, which have ended.
pub fn remove(run: &Path) -> Result<(), FileError> {
    let folder = run.join(WORKERS);
    let files = files::names(&folder)?;
    for ending in [RECORD, TAKEN] {
        for number in numbers(&folder, &files, ending) {
            let path = path_of(&folder, number, ending);
            fs::remove_file(&path).map_err(FileError::new("remove", path))?;
        }
    }
    // What else is in it is not ours.
    let _ = fs::remove_dir(folder);
    Ok(())
}
