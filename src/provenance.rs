//! Where a run's numbers come from: source, compiler, machine, inputs and times. None of it changes a number, so none
//! of it is part of the run's identity.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dataset::{ContainerFile, LeftOut};
use crate::detect;
use crate::digest::Digest;
use crate::model::{Embedder, EmbedderInfo, Library, device};
use crate::text::counted;
use crate::weights::WeightsOrigin;

/// Where a run's numbers come from: source, compiler, machine, inputs and times. `provenance.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// The program.
    pub build: Build,
    /// The config file and the overrides of the command line.
    pub config: ConfigOrigin,
    /// The weights' file.
    pub weights: WeightsOrigin,
    /// The dataset.
    pub dataset: DatasetOrigin,
    /// What computes the embeddings; absent until the network is first opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arithmetic: Option<RunArithmetic>,
    /// Digests of what was measured before the first chunk: `calibration.json` and `agreement.json`, of a precision below f32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measured: BTreeMap<String, Digest>,
    /// One entry per start or resume.
    pub sessions: Vec<RunSession>,
    /// The run whose embeddings this run reused, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted_from: Option<Adopted>,
    /// The runs whose rows this run took instead of embedding their faces, and how many; absent if it took none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reused: Vec<ReusedRows>,
    /// The GPU that compared all pairs; absent if the CPU did. The numbers are the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_on: Option<String>,
    /// One entry for each time that faces were removed from the run. Nothing says whose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removals: Vec<Removal>,
}

/// Faces that were removed from a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Removal {
    /// When, seconds since the epoch (UTC).
    pub at: u64,
    /// How many.
    pub faces: u64,
    /// Digest over the manifest that was left.
    pub manifest: Digest,
}

/// What computes a run's embeddings: identified by its result for two built-in pictures, and described by the machine
/// that started the run. Only the same arithmetic may resume the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunArithmetic {
    /// Digest of the pictures' preprocessed pixels and their embeddings.
    pub fingerprint: Digest,
    /// Device the network ran on, in words.
    pub device: String,
    /// Host name.
    pub host: String,
    /// Processor model.
    pub cpu: String,
    /// Its vector instruction sets.
    pub instruction_sets: String,
    /// The library that computes, if it is not a part of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<ComputingLibrary>,
}

/// A library that computes embeddings and is not a part of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComputingLibrary {
    /// What it is called: `onnxruntime`.
    pub name: String,
    /// What it says its version is.
    pub version: String,
    /// Digest of its file; absent if the system's loader found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

impl ComputingLibrary {
    fn of(library: Library) -> Self {
        let Library { name, version, file } = library;
        let digest = |path: PathBuf| Digest::of_reader(File::open(path).ok()?).ok();
        Self { name: name.into(), version, sha256: file.and_then(digest) }
    }
}

impl RunArithmetic {
    /// The arithmetic of a network on this machine.
    #[must_use]
    pub fn here(fingerprint: Digest, network: &dyn Embedder) -> Self {
        let library = network.library().map(ComputingLibrary::of);
        Self { library, ..Self::of(fingerprint, network.info()) }
    }

    /// As [`Self::here`], of what needs no library.
    #[must_use]
    pub fn of(fingerprint: Digest, embedder: &EmbedderInfo) -> Self {
        let MachineInfo { host, cpu, instruction_sets, .. } = MachineInfo::current();
        Self { fingerprint, device: embedder.device_name.clone(), host, cpu, instruction_sets, library: None }
    }

    /// Device and machine, in words.
    #[must_use]
    pub fn machine(&self) -> String {
        let Self { device, host, cpu, instruction_sets, .. } = self;
        format!("{device} on {host}, {cpu} with {instruction_sets}")
    }
}

/// A run with the same embeddings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Adopted {
    /// Name of its directory.
    pub run: String,
    /// The sessions that computed its embeddings, there or in the run it reused.
    pub sessions: Vec<RunSession>,
}

/// Rows taken from a run that has some of the same faces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReusedRows {
    /// Name of its directory.
    pub run: String,
    /// How many.
    pub rows: u64,
    /// The sessions behind its embeddings, there or in the runs that it took them from.
    pub sessions: Vec<RunSession>,
}

impl Provenance {
    /// Adds rows of another run.
    pub(crate) fn reuses(&mut self, rows: ReusedRows) {
        self.reused.retain(|known| known.run != rows.run);
        self.reused.push(rows);
    }

    /// Sets how many rows were taken from each run to what the chunks say, and drops runs without any.
    pub(crate) fn count_reused(&mut self, rows: &BTreeMap<String, usize>) {
        for known in &mut self.reused {
            known.rows = rows.get(&known.run).map_or(0, |rows| *rows as u64);
        }
        self.reused.retain(|known| known.rows > 0);
    }

    /// The sessions behind its embeddings, here or in the runs that they were taken from.
    pub(crate) fn sessions_behind(&self) -> impl Iterator<Item = &RunSession> {
        self.embedding_sessions().chain(self.reused.iter().flat_map(|reused| &reused.sessions))
    }

    /// Cautions about weights that nothing pins, the network's and the detector's.
    #[must_use]
    pub fn unpinned(&self) -> Vec<String> {
        let network = self.weights.caution("the weights", "weights");
        let detector = self.dataset.detection.iter().flat_map(|detection| detect::unpinned(&detection.weights));
        network.into_iter().chain(detector).collect()
    }

    /// How many sessions there were, here or in the run whose chunks it adopted: no session of a chunk has a higher number.
    pub(crate) fn session_count(&self) -> u32 {
        let adopted = self.adopted_from.as_ref().map_or(0, |adopted| adopted.sessions.len());
        u32::try_from(adopted + self.sessions.len()).unwrap_or(u32::MAX)
    }

    /// The sessions whose times the chunks have: those that embedded something, here or in the run whose chunks it adopted.
    pub fn embedding_sessions(&self) -> impl Iterator<Item = &RunSession> {
        let adopted = self.adopted_from.iter().flat_map(|adopted| &adopted.sessions);
        adopted.chain(&self.sessions).filter(|session| session.embedded > 0)
    }
}

/// The program that computed the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// Version of the package.
    pub version: String,
    /// Git commit, with ` (dirty)` if tracked files had changes.
    pub revision: String,
    /// Compiler.
    pub rustc: String,
    /// Target triple.
    pub target: String,
    /// `release` or `debug`.
    pub profile: String,
    /// Digest of `Cargo.lock`: the exact versions of all dependencies.
    pub cargo_lock: Digest,
}

/// The config and its overrides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigOrigin {
    /// The config file, absolute.
    pub path: PathBuf,
    /// `--set` arguments, in order.
    pub overrides: Vec<String>,
    /// The current folder, where relative paths in `overrides` start.
    pub working_directory: PathBuf,
}

/// The dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetOrigin {
    /// The config's `dataset` with all paths resolved.
    pub source: serde_json::Value,
    /// Commit of the Hub repository, resolved from the config's name or short hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The folder that the manifest's paths start from, absolute: in the Hub's cache for a source on the Hub; empty for
    /// synthetic faces. Pictures for reports are read there.
    pub root: PathBuf,
    /// Digest over the manifest.
    pub manifest: Digest,
    /// Rows of the manifest.
    pub faces: u64,
    /// What found the faces in the photos, and how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<DetectionOrigin>,
    /// Warnings about how faces were cropped: without boxes, or ignoring them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cautions: Vec<String>,
    /// The container files that it was read from, if any: digest and Hub commit of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ContainerFile>,
    /// Files in the dataset's folders that are not faces, counted by reason.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
}

/// What found a dataset's faces in its photos.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DetectionOrigin {
    /// The detector, as configs spell it.
    pub detector: String,
    /// The files of its weights.
    pub weights: Vec<WeightsOrigin>,
    /// Photos of the dataset.
    pub photos: u64,
    /// Photos without a face to keep; each is a row of `failures.csv`.
    pub without_face: u64,
    /// Faces that were kept.
    pub faces: u64,
}

impl DetectionOrigin {
    /// What was found, in words.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { detector, photos, without_face, faces, .. } = self;
        let none = match without_face {
            0 => String::new(),
            1 => "; 1 photo has no face to keep and fails".into(),
            n => format!("; {n} photos have no face to keep and fail"),
        };
        format!("{detector}: {} kept in {}{none}", counted(*faces, "face"), counted(*photos, "photo"))
    }
}

/// One start or resume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunSession {
    /// Start, seconds since the epoch (UTC).
    pub started: u64,
    /// End; absent while running and after a crash.
    pub ended: Option<u64>,
    /// The machine.
    pub machine: MachineInfo,
    /// Device the network ran on, in words.
    pub device: String,
    /// Threads of the forward pass.
    pub threads: usize,
    /// Faces in one forward pass.
    pub batch_size: usize,
    /// Faces this session embedded.
    pub embedded: u64,
    /// Revision of the build, as in [`Build`], which is that of the last start; absent from runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The worker of a prepared run that it was; absent if one process embedded the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerOrigin>,
}

/// A worker of a prepared run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerOrigin {
    /// Its number, which is that of the session in the sidecars of its chunks.
    pub number: u32,
    /// Its shard, as `0/8`.
    pub shard: String,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MachineInfo {
    /// Host name.
    pub host: String,
    /// Operating system.
    pub os: String,
    /// Processor model.
    pub cpu: String,
    /// Its vector instruction sets.
    pub instruction_sets: String,
    /// Processors available.
    pub cores: usize,
    /// Memory, MiB.
    pub memory_mib: Option<u64>,
    /// NVIDIA driver, if loaded.
    pub gpu_driver: Option<String>,
}

/// The source the running program was built from. Only the binary knows it; otherwise every commit would recompile the
/// library.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// Git commit, with `(dirty)` behind it if the working tree differed.
    pub revision: &'static str,
    /// `rustc --version`.
    pub rustc: &'static str,
    /// Target triple.
    pub target: &'static str,
}

static SOURCE: OnceLock<Source> = OnceLock::new();

/// Sets the source that every run records. Later calls have no effect.
pub fn set_source(source: Source) {
    SOURCE.get_or_init(|| source);
}

impl Build {
    /// The running program.
    #[must_use]
    pub fn current() -> Self {
        let source = SOURCE.get().unwrap_or(&Source { revision: "unknown", rustc: "unknown", target: "unknown" });
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            revision: source.revision.into(),
            rustc: source.rustc.into(),
            target: source.target.into(),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.into(),
            cargo_lock: Digest::of(include_bytes!("../Cargo.lock")),
        }
    }
}

impl MachineInfo {
    /// This machine. Unavailable information is "unknown" or absent.
    #[must_use]
    pub fn current() -> Self {
        let line = |path: &str| std::fs::read_to_string(path).ok();
        let field = |path: &str, name: &str| {
            line(path)?
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':').map(|v| v.trim().to_owned()))
        };
        let unknown = || "unknown".to_owned();
        Self {
            host: line("/proc/sys/kernel/hostname").map_or_else(unknown, |name| name.trim().to_owned()),
            os: format!(
                "{} {}",
                std::env::consts::OS,
                line("/proc/sys/kernel/osrelease").map_or_else(String::new, |release| release.trim().to_owned())
            )
            .trim()
            .to_owned(),
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            instruction_sets: device::instruction_sets(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: field("/proc/meminfo", "MemTotal")
                .and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok())
                .map(|kib| kib / 1024),
            gpu_driver: line("/proc/driver/nvidia/version")
                .and_then(|text| text.lines().next().map(|line| line.trim().to_owned())),
        }
    }
}

/// Seconds since the epoch, UTC.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// `2026-11-23 23:45:00 UTC` from seconds since the epoch (Howard Hinnant's `civil_from_days`).
#[must_use]
pub fn utc(seconds: u64) -> String {
    let (days, rest) = ((seconds / 86_400) as i64, seconds % 86_400);
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", rest / 3600, rest % 3600 / 60, rest % 60)
}

/// Seconds since the epoch at the start of a day, `2026-11-23`, UTC (Howard Hinnant's `days_from_civil`).
///
/// # Errors
/// What is wrong with the text.
pub fn day(text: &str) -> Result<u64, String> {
    let numbers = || -> Option<[i64; 3]> {
        let numbers: Vec<i64> = text.split('-').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        numbers.try_into().ok()
    };
    let wrong = || "expected a day from 1970 on as YYYY-MM-DD".to_owned();
    let [year, month, day] = numbers().ok_or_else(wrong)?;
    if !((1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)) {
        return Err(wrong());
    }
    let shifted_year = year - i64::from(month <= 2);
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let seconds = ((era * 146_097 + day_of_era - 719_468) * 86_400) as u64;
    // 31 February is none.
    if utc(seconds).starts_with(&format!("{year:04}-{month:02}-{day:02} ")) { Ok(seconds) } else { Err(wrong()) }
}

/// Provenance for a table: times in words, the rest verbatim.
#[must_use]
pub fn readable(provenance: &Provenance) -> Vec<(String, String)> {
    let value = serde_json::to_value(provenance).unwrap_or_default();
    let own = provenance.sessions.iter().enumerate().map(|(i, session)| (format!("sessions.{i}"), session));
    let adopted = provenance.adopted_from.iter().flat_map(|adopted| adopted.sessions.iter().enumerate());
    let adopted = adopted.map(|(i, session)| (format!("adopted_from.sessions.{i}"), session));
    let reused = provenance.reused.iter().enumerate().flat_map(|(i, reused)| {
        let sessions = reused.sessions.iter().enumerate();
        sessions.map(move |(j, session)| (format!("reused.{i}.sessions.{j}"), session))
    });
    let removals = provenance.removals.iter().enumerate();
    let removals = removals.map(|(i, removal)| (format!("removals.{i}.at"), utc(removal.at)));
    let times: BTreeMap<String, String> = own
        .chain(adopted)
        .chain(reused)
        .flat_map(|(key, session)| {
            let at = |name: &str| format!("{key}.{name}");
            [(at("started"), utc(session.started)), (at("ended"), session.ended.map_or("never".into(), utc))]
        })
        .chain(removals)
        .collect();
    crate::plan::flatten(&value)
        .into_iter()
        .map(|(key, value)| {
            let value = times.get(&key).cloned().unwrap_or(value);
            (key, value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_across_leap_years() {
        // `date -u -d @N '+%F %T UTC'`.
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_795_477_500), "2026-11-23 23:45:00 UTC");
    }

    #[test]
    fn a_day_is_read_as_it_is_written() {
        for text in ["1970-01-01", "2000-02-29", "2024-12-31", "2026-11-23"] {
            assert_eq!(utc(day(text).unwrap()), format!("{text} 00:00:00 UTC"));
        }
        for text in ["", "today", "2026-11", "2026-02-29", "2026-13-01", "1969-12-31", "2026-11-23-1"] {
            assert!(day(text).is_err(), "{text}");
        }
    }

    #[test]
    fn this_machine_has_cores() {
        assert!(MachineInfo::current().cores >= 1);
    }
}
