//! A table of runs: what each computed, what it found, and what sets runs of one config apart.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RunDirectory, RunError, forget};
use crate::files::FileError;
use crate::headline::{HeadlineRate, headline};
use crate::metrics::Metrics;
use crate::numbers::as_json;
use crate::plan::{self, RunPlan};
use crate::provenance::{self, Provenance};
use crate::text_table::TextTable;
use crate::{dataset, embed, text};

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Embedding,
    Embedded,
    Complete,
    /// Removing faces from it was interrupted; `forget` finishes it.
    UnfinishedRemoval,
    /// One of its files cannot be read; `verify` has the details.
    #[default]
    Damaged,
}

/// One run in the table of all runs. One that cannot be read has its name, and the reason.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
pub struct RunRow {
    /// The run's name.
    pub run: String,
    /// How far it is.
    pub state: RunState,
    /// Why a run cannot be read that is damaged, or whose removal is unfinished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Time of its last session, seconds since the epoch.
    pub worked_on: Option<u64>,
    /// The same in words, UTC.
    pub worked_on_utc: Option<String>,
    /// Source of its faces, in a few words.
    pub dataset: Option<String>,
    /// Faces of the manifest.
    pub faces: u64,
    /// Faces with an embedding so far.
    pub embedded: u64,
    /// `model.network` of its plan.
    pub network: Option<String>,
    /// `model.precision` of its plan.
    pub precision: Option<String>,
    /// `preprocess.profile` of its plan.
    pub profile: Option<String>,
    /// Mode of its crop.
    pub crop: Option<String>,
    /// Empty until it is evaluated.
    pub headline: Vec<HeadlineRate>,
    /// Whether every expectation of its config was met; null where it has none.
    pub expectations_met: Option<bool>,
    /// Its values of those keys of the plan in which runs of the same config differ.
    pub differs: BTreeMap<String, String>,
    #[serde(skip)]
    plan: Vec<(String, String)>,
}

impl RunRow {
    pub fn state_in_words(&self) -> String {
        match self.state {
            RunState::Embedding => format!("embedding {}/{}", self.embedded, self.faces),
            RunState::Embedded => "embedded".into(),
            RunState::Complete => "complete".into(),
            RunState::UnfinishedRemoval => "unfinished removal".into(),
            RunState::Damaged => "damaged".into(),
        }
    }

    fn of(run: &RunDirectory) -> Self {
        Self::read(run).unwrap_or_else(|error| Self {
            run: run.name(),
            state: match error {
                RunError::Forgetting { .. } => RunState::UnfinishedRemoval,
                _ => RunState::Damaged,
            },
            damage: Some(text::reason(&error)),
            ..Self::default()
        })
    }

    fn read(run: &RunDirectory) -> Result<Self, RunError> {
        forget::refuse_unfinished(run)?;
        let plan: RunPlan = run.json(RunDirectory::PLAN)?;
        let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
        let metrics: Option<Metrics> =
            if run.has(RunDirectory::METRICS) { Some(run.json(RunDirectory::METRICS)?) } else { None };
        let state = match (run.has(RunDirectory::SEALED), run.has(RunDirectory::METADATA)) {
            (true, _) => RunState::Complete,
            (false, true) => RunState::Embedded,
            (false, false) => RunState::Embedding,
        };
        // Metrics are one file, chunks are many.
        let embedded = match &metrics {
            Some(metrics) => metrics.faces.embedded,
            None if run.file("chunks").is_dir() => {
                embed::read_records(run.path())?.iter().map(|record| record.embedded as u64).sum()
            }
            None => 0,
        };
        let worked_on = provenance.sessions.last().map(|session| session.ended.unwrap_or(session.started));
        let keys = plan::flatten(&as_json(&plan));
        let value = |key: &str| plan::value(&keys, key).map(str::to_owned);
        Ok(Self {
            run: run.name(),
            state,
            damage: None,
            worked_on,
            worked_on_utc: worked_on.map(provenance::utc),
            dataset: Some(dataset::short_name(&provenance.dataset.source)),
            faces: provenance.dataset.faces,
            embedded,
            network: value("model.network"),
            precision: value("model.precision"),
            profile: value("preprocess.profile"),
            crop: value("preprocess.crop.mode"),
            headline: metrics.as_ref().map(headline).unwrap_or_default(),
            expectations_met: metrics
                .filter(|metrics| !metrics.expectations.is_empty())
                .map(|metrics| metrics.expectations.iter().all(|judged| judged.met)),
            differs: BTreeMap::new(),
            plan: keys,
        })
    }
}

/// All runs of a folder, the one worked on last first; those whose time is unknown come last. Fails with [`FileError`]
/// when the folder cannot be listed; a damaged run is a row that says so.
pub fn list(experiments: &Path) -> Result<Vec<RunRow>, FileError> {
    let runs = RunDirectory::list(experiments)?;
    let mut rows = newest_first(&mut runs.iter());
    set_apart(&mut rows);
    Ok(rows)
}

/// One line per run for a user who has to choose: name, state, last activity; most recent first.
pub(super) fn describe_candidates(runs: &[&RunDirectory]) -> Vec<String> {
    let rows = newest_first(&mut runs.iter().copied());
    let when = |row: &RunRow| row.worked_on_utc.as_ref().map_or_else(String::new, |at| format!(", {at}"));
    let cells = rows.iter().map(|row| [row.run.clone(), row.state_in_words() + &when(row)]);
    TextTable::default().rows(cells).indented(2).lines()
}

fn newest_first(runs: &mut dyn Iterator<Item = &RunDirectory>) -> Vec<RunRow> {
    let mut rows: Vec<RunRow> = runs.map(RunRow::of).collect();
    rows.sort_by(|a, b| b.worked_on.cmp(&a.worked_on).then_with(|| a.run.cmp(&b.run)));
    rows
}

/// Fills in what runs of one config differ in.
fn set_apart(rows: &mut [RunRow]) {
    let mut by_config: BTreeMap<String, Vec<&mut RunRow>> = BTreeMap::new();
    for row in rows.iter_mut().filter(|row| row.damage.is_none()) {
        by_config.entry(super::directory::config_name(&row.run).to_owned()).or_default().push(row);
    }
    for mut runs in by_config.into_values().filter(|runs| runs.len() > 1) {
        let mut values: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
        for (number, run) in runs.iter().enumerate() {
            for (key, value) in &run.plan {
                values.entry(key.clone()).or_insert_with(|| vec![None; runs.len()])[number] = Some(value.clone());
            }
        }
        for (key, values) in values {
            if values.iter().all(|value| *value == values[0]) {
                continue;
            }
            for (run, value) in runs.iter_mut().zip(values) {
                run.differs.insert(key.clone(), value.unwrap_or_else(|| "none".into()));
            }
        }
    }
}
