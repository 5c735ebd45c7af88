//! A table of runs: what each computed, what it found, and what sets runs of one config apart.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RunDirectory, RunError, forget, shards};
use crate::compare::speeds;
use crate::estimate::Estimate;
use crate::files::FileError;
use crate::headline::{HeadlineRate, headline};
use crate::metrics::Metrics;
use crate::numbers::as_json;
use crate::plan;
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
    /// The values that the list is sorted and selected by, by key; a key that this run has no value for is absent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, ListedValue>,
}

/// A value that runs are sorted and selected by.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ListedValue {
    Number(f64),
    Text(String),
}

/// A run of the list, with what it can be sorted and selected by.
#[derive(Debug, Clone)]
pub struct ListedRun {
    pub row: RunRow,
    pub directory: RunDirectory,
    pub facts: RunFacts,
}

/// What is known of a run beyond its row; empty for one that cannot be read.
#[derive(Debug, Clone, Default)]
pub struct RunFacts {
    /// Its plan, flattened.
    pub plan: Vec<(String, String)>,
    pub metrics: Option<Metrics>,
    /// Name of the file of weights, and its digest.
    pub weights: Option<String>,
}

impl ListedRun {
    pub fn of(run: &RunDirectory) -> Self {
        let (row, facts) = RunRow::read(run).unwrap_or_else(|error| {
            let state = match error {
                RunError::Forgetting { .. } => RunState::UnfinishedRemoval,
                _ => RunState::Damaged,
            };
            let damage = Some(text::reason(&error));
            (RunRow { run: run.name(), state, damage, ..RunRow::default() }, RunFacts::default())
        });
        Self { row, directory: run.clone(), facts }
    }

    /// Faces a second: the median of its chunks, as `compare` has it. Reads every sidecar.
    pub fn speed(&self) -> Option<f64> {
        let timing = super::compare::timing(&self.directory).ok()?;
        speeds(&[timing]).pop().flatten().map(|speed| speed.median)
    }

    /// Its value of a metric, by path: what it is ranked by, so that a rate without an error counts as the bound that is
    /// shown.
    pub fn metric(&self, path: &str) -> Option<f64> {
        let metrics = self.facts.metrics.as_ref()?;
        metrics.estimate(path).map(Estimate::point_or_bound).or_else(|| metrics.get(path))
    }
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

    fn read(run: &RunDirectory) -> Result<(Self, RunFacts), RunError> {
        forget::refuse_unfinished(run)?;
        let plan = run.plan()?;
        let mut provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
        shards::gather(run, &mut provenance)?;
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
        // Workers end in any order.
        let worked_on = provenance.sessions.iter().map(|session| session.ended.unwrap_or(session.started)).max();
        let keys = plan::flatten(&as_json(&plan));
        let value = |key: &str| plan::value(&keys, key).map(str::to_owned);
        let weights = &provenance.weights;
        let file = weights.origin.location.rsplit(['/', '\\']).next().unwrap_or_default();
        let named_weights = format!("{file} {}", weights.sha256);
        let row = Self {
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
                .as_ref()
                .filter(|metrics| !metrics.expectations.is_empty())
                .map(|metrics| metrics.expectations.iter().all(|judged| judged.met)),
            differs: BTreeMap::new(),
            values: BTreeMap::new(),
        };
        Ok((row, RunFacts { plan: keys, metrics, weights: Some(named_weights) }))
    }
}

/// All runs of a folder, the one worked on last first; those whose time is unknown come last. Fails with [`FileError`]
/// when the folder cannot be listed; a damaged run is a row that says so.
pub fn list(experiments: &Path) -> Result<Vec<ListedRun>, FileError> {
    let runs = RunDirectory::list_with_unreadable(experiments)?;
    let mut listed = newest_first(&runs.iter().collect::<Vec<_>>());
    set_apart(&mut listed);
    Ok(listed)
}

/// One line per run for a user who has to choose: name, state, last activity; most recent first.
pub(super) fn describe_candidates(runs: &[&RunDirectory]) -> Vec<String> {
    let rows = newest_first(runs).into_iter().map(|listed| listed.row);
    let when = |row: &RunRow| row.worked_on_utc.as_ref().map_or_else(String::new, |at| format!(", {at}"));
    let cells = rows.map(|row| [row.run.clone(), row.state_in_words() + &when(&row)]);
    TextTable::default().rows(cells).indented(2).lines()
}

/// Reads runs, several at a time: a folder on a network has a thousand of them to wait for.
fn newest_first(runs: &[&RunDirectory]) -> Vec<ListedRun> {
    let mut listed: Vec<ListedRun> = runs.par_iter().map(|run| ListedRun::of(run)).collect();
    listed.sort_by(|a, b| b.row.worked_on.cmp(&a.row.worked_on).then_with(|| a.row.run.cmp(&b.row.run)));
    listed
}

/// Fills in what runs of one config differ in.
fn set_apart(listed: &mut [ListedRun]) {
    let mut by_config: BTreeMap<String, Vec<&mut ListedRun>> = BTreeMap::new();
    for run in listed.iter_mut().filter(|run| run.row.damage.is_none()) {
        by_config.entry(super::directory::config_name(&run.row.run).to_owned()).or_default().push(run);
    }
    for mut runs in by_config.into_values().filter(|runs| runs.len() > 1) {
        let plans: Vec<_> = runs.iter().map(|run| &run.facts.plan).collect();
        for (key, values) in unlike(&plans) {
            for (run, value) in runs.iter_mut().zip(values) {
                run.row.differs.insert(key.clone(), value.unwrap_or_else(|| "none".into()));
            }
        }
    }
}

/// The keys in which flattened plans are not all alike, and each plan's value.
fn unlike(plans: &[&Vec<(String, String)>]) -> BTreeMap<String, Vec<Option<String>>> {
    let mut values: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for (number, plan) in plans.iter().enumerate() {
        for (key, value) in *plan {
            values.entry(key.clone()).or_insert_with(|| vec![None; plans.len()])[number] = Some(value.clone());
        }
    }
    values.retain(|_, values| values.iter().any(|value| *value != values[0]));
    values
}

/// The keys in which the plans of these runs are not all alike: each key's values, the most frequent first, and the number
/// of runs that have it.
pub fn differing(runs: &[ListedRun]) -> Vec<(String, Vec<(String, usize)>)> {
    let plans: Vec<_> = runs.iter().filter(|run| run.row.damage.is_none()).map(|run| &run.facts.plan).collect();
    let counted = unlike(&plans).into_iter().map(|(key, values)| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for value in values {
            *counts.entry(value.unwrap_or_else(|| "none".into())).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        (key, counts)
    });
    counted.collect()
}
