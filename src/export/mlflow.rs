//! A run in MLflow's store of files (`mlruns`), as MLflow's `FileStore` reads it: plain YAML and text. Checked with MLflow
//! 3.17.2.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{ExportRequest, Exported, copy, default_folder, is_there};
use crate::cli::ExportFormat;
use crate::digest::Digest;
use crate::error::Error;
use crate::files::{self, FileError};
use crate::metrics::{self, Metrics};
use crate::pages;
use crate::provenance::Provenance;
use crate::run::{self, ListedRun, RunDirectory};

/// MLflow's `RunStatus.FINISHED`.
const FINISHED: u8 = 3;
/// MLflow's `SourceType.LOCAL`.
const LOCAL: u8 = 4;
/// Longest value of a parameter that MLflow accepts.
const LONGEST: usize = 6000;

/// Adds an evaluated run to a store, which is made if need be. It is written under a hidden name and renamed: MLflow sees
/// all of it or nothing.
pub(super) fn write(request: &ExportRequest<'_>) -> Result<Exported, Error> {
    let ExportRequest { run, out, pictures, .. } = *request;
    let summary = run::summary(run)?;
    let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
    let store = out.map_or_else(|| PathBuf::from(default_folder(ExportFormat::MlFlow)), PathBuf::from);
    let name = run.name();
    let config = name.rsplit_once('-').map_or(&*name, |(config, _)| config);
    files::create_dir(&store).map_err(FileError::or_set("--out"))?;
    let store = store.canonicalize().map_err(FileError::new("find", &store))?;
    let at = |seconds: u64| seconds.saturating_mul(1000);
    let started = provenance.sessions.first().map_or(0, |session| at(session.started));
    let ended = provenance.sessions.last().map_or(0, |session| at(session.ended.unwrap_or(session.started)));
    let experiment = experiment(&store, config, started)?;
    // The same run has the same id wherever it is exported.
    let id = Digest::of(name.as_bytes()).short(32);
    let folder = store.join(&experiment).join(&id);
    if is_there(&folder) {
        let shown = folder.display();
        return Err(Error::Usage(format!("{name} is in this store already; remove {shown} to export it again")));
    }
    let work = store.join(&experiment).join(format!(".facevault-{id}"));
    // What an interrupted export left.
    files::remove_all(&work)?;
    let mut files = Vec::new();
    let mut put = |path: String, text: &[u8]| -> Result<(), Error> {
        files::commit_below(&work.join(&path), text, "--out")?;
        files.push(PathBuf::from(path));
        Ok(())
    };
    for (key, value) in &summary.plan {
        put(format!("params/{}", key_of(key)), shortened(value).as_bytes())?;
    }
    let mut values = values(&summary.evaluation.metrics);
    values.extend(ListedRun::of(run).speed().map(|speed| ("faces_per_second".into(), speed)));
    for (key, value) in values {
        put(format!("metrics/{}", key_of(&key)), format!("{ended} {value} 0\n").as_bytes())?;
    }
    let tags = [
        ("mlflow.runName", name.clone()),
        ("mlflow.source.type", "LOCAL".into()),
        ("mlflow.source.name", "facevault".into()),
        ("mlflow.source.git.commit", provenance.build.revision.clone()),
        ("facevault.version", provenance.build.version.clone()),
        ("facevault.weights.sha256", provenance.weights.sha256.to_string()),
        ("facevault.command", run::command(&provenance.config)),
    ];
    for (key, value) in tags {
        put(format!("tags/{key}"), value.as_bytes())?;
    }
    put("artifacts/report.html".into(), pages::html(run, pictures)?.as_bytes())?;
    for file in [RunDirectory::CONFIG, RunDirectory::PLAN, RunDirectory::METRICS, RunDirectory::PROVENANCE] {
        copy(&run.file(file), &work.join("artifacts").join(file))?;
    }
    let meta = [
        ("artifact_uri", text(&format!("{}/artifacts", uri(&folder)))),
        ("end_time", ended.to_string()),
        ("entry_point_name", text("")),
        ("experiment_id", text(&experiment)),
        ("lifecycle_stage", "active".into()),
        ("run_id", text(&id)),
        ("run_name", text(&name)),
        ("run_uuid", text(&id)),
        ("source_name", text("facevault")),
        ("source_type", LOCAL.to_string()),
        ("source_version", text(&provenance.build.revision)),
        ("start_time", started.to_string()),
        ("status", FINISHED.to_string()),
        ("tags", "[]".into()),
        ("user_id", text("facevault")),
    ];
    put("meta.yaml".into(), yaml(&meta).as_bytes())?;
    files.extend(
        [RunDirectory::CONFIG, RunDirectory::PLAN, RunDirectory::METRICS, RunDirectory::PROVENANCE]
            .map(|file| PathBuf::from("artifacts").join(file)),
    );
    fs::rename(&work, &folder).map_err(FileError::new("rename into place", &folder))?;
    let run = run.name();
    Ok(Exported { run, to: ExportFormat::MlFlow, folder, files, faces: None, without_picture: 0 })
}

/// The id of the experiment of this name in a store; it is made if there is none.
fn experiment(store: &Path, name: &str, created: u64) -> Result<String, Error> {
    for entry in files::list(store)? {
        let meta = entry.path().join("meta.yaml");
        if !meta.is_file() {
            continue;
        }
        let bytes = files::read_at_most(&meta, 1 << 20)?;
        let known: Option<BTreeMap<String, Option<String>>> = serde_yaml::from_slice(&bytes).ok();
        if known.and_then(|known| known.get("name").cloned().flatten()).as_deref() == Some(name) {
            return Ok(entry.file_name().to_string_lossy().into_owned());
        }
    }
    // Eighteen digits, as MLflow makes them.
    let number = u64::from_str_radix(&Digest::of(name.as_bytes()).short(15), 16).unwrap_or_default();
    let id = format!("{:018}", number % 1_000_000_000_000_000_000);
    let meta = [
        ("artifact_location", text(&uri(&store.join(&id)))),
        ("creation_time", created.to_string()),
        ("experiment_id", text(&id)),
        ("last_update_time", created.to_string()),
        ("lifecycle_stage", "active".into()),
        ("name", text(name)),
    ];
    files::commit_below(&store.join(&id).join("meta.yaml"), yaml(&meta).as_bytes(), "--out")?;
    Ok(id)
}

/// Every metric that the run has, and the ends of its interval as metrics of their own.
fn values(found: &Metrics) -> BTreeMap<String, f64> {
    let protocols = found.protocols.iter().flat_map(|one| metrics::protocol_paths(&one.protocol.name));
    let groups = found.groups.iter().flat_map(|one| metrics::group_paths(&one.group));
    let templates = found.templates.iter().flat_map(|one| metrics::template_paths(&one.protocol.name));
    let searches = found.identification.iter().flat_map(|one| metrics::identification_paths(&one.protocol));
    let paths = metrics::PATHS.iter().map(|path| (*path).to_owned());
    let mut values = BTreeMap::new();
    for path in paths.chain(protocols).chain(groups).chain(templates).chain(searches) {
        let estimate = found.estimate(&path);
        // A bound is no value: its known end is.
        if estimate.is_none_or(|estimate| !estimate.bound) {
            values.extend(found.get(&path).map(|value| (path.clone(), value)));
        }
        if let Some(estimate) = estimate {
            values.extend(estimate.lower.map(|lower| (format!("{path}.lower"), lower)));
            values.extend(estimate.upper.map(|upper| (format!("{path}.upper"), upper)));
        }
    }
    values.retain(|_, value| value.is_finite());
    values
}

/// A key as MLflow accepts it, and as a file of its own: `tar@fmr=1e-3` is `tar_fmr_1e-3`.
pub(super) fn key_of(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '_' };
    key.chars().map(plain).collect()
}

/// A value of a parameter.
fn shortened(value: &str) -> String {
    value.chars().take(LONGEST).collect()
}

/// A text of YAML: JSON's are.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn yaml(entries: &[(&str, String)]) -> String {
    entries.iter().flat_map(|(key, value)| [key, ": ", value, "\n"]).collect()
}

/// The address of a folder.
fn uri(folder: &Path) -> String {
    format!("file://{}", pages::escaped_path(folder))
}
