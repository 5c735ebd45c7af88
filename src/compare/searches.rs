//! Rates of identification protocols whose gallery and probes are the same in all runs, compared probe by probe.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::RunSummary;
use super::effect::Effect;
use crate::estimate::{Estimate, Unit};
use crate::evaluate::SearchedProtocol;
use crate::identification::{IdentificationResult, Search};
use crate::metrics;
use crate::protocol::uncertainty::{Decision, change};

/// A rate of an identification protocol in all runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PairedSearch {
    /// As configs name it.
    pub metric: String,
    /// Value in each run, with its own interval.
    pub values: Vec<Estimate>,
    /// Each run against the first, over the probes that both searched for, with each run's threshold held fixed; `None` for
    /// the first itself.
    pub effects: Vec<Option<Effect>>,
}

/// One run's part of it.
struct Searched<'a> {
    result: &'a IdentificationResult,
    found: &'a SearchedProtocol,
    /// Face ids by row.
    ids: &'a [String],
}

impl PairedSearch {
    /// The rates of the first run's protocols that all others have of the same gallery. `ids` are the face ids of each run's
    /// rows.
    pub fn all(runs: &[&RunSummary], ids: &[Vec<String>]) -> Vec<Self> {
        let results = runs.iter().take(1).flat_map(|first| &first.evaluation.metrics.identification);
        results.flat_map(|result| Self::of(&result.protocol.name, runs, ids).unwrap_or_default()).collect()
    }

    fn of(protocol: &str, runs: &[&RunSummary], ids: &[Vec<String>]) -> Option<Vec<Self>> {
        let all: Vec<Searched<'_>> =
            runs.iter().zip(ids).map(|(run, ids)| Searched::of(protocol, run, ids)).collect::<Option<_>>()?;
        let first = all.first()?;
        if !all.iter().all(|run| run.searches_as(first)) {
            return None;
        }
        let one = |quantity: String| {
            let values: Vec<Estimate> =
                all.iter().map(|run| run.result.estimate(&quantity).cloned()).collect::<Option<_>>()?;
            let metric = format!("{protocol}.{quantity}");
            let before = first.decisions(first, &quantity)?;
            let effect = |run: &Searched<'_>| {
                let after = run.decisions(first, &quantity)?;
                let mut difference =
                    change(&[(before.clone(), after)], (Unit::Searches, "searches"), first.result.confidence)?;
                if quantity.contains('@') && difference.lower.is_some() {
                    difference.method += ", each run's threshold held fixed";
                }
                Some(Effect::judged(metrics::better(&metric), difference, run.finds_as(first)))
            };
            let effects = all.iter().enumerate().map(|(place, run)| effect(run).filter(|_| place > 0)).collect();
            Some(Self { metric, values, effects })
        };
        let quantities = first.result.protocol.quantities().filter(|quantity| !quantity.starts_with("fnir"));
        Some(quantities.filter_map(one).collect())
    }
}

impl<'a> Searched<'a> {
    fn of(protocol: &str, run: &'a RunSummary, ids: &'a [String]) -> Option<Self> {
        let evaluation = &run.evaluation;
        let result = evaluation.metrics.identification.iter().find(|result| result.protocol.name == protocol)?;
        let searched = evaluation.searched.iter().find(|searched| searched.protocol == protocol)?;
        Some(Self { result, found: searched, ids })
    }

    /// Whether the protocol, the size of its gallery and who is in it are the same, as far as probes of both tell.
    fn searches_as(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.result, other.result);
        let known: HashMap<&str, bool> = other.probes().map(|(id, search)| (id, search.mate.is_some())).collect();
        mine.protocol == theirs.protocol
            && mine.templates == theirs.templates
            && mine.rates.counts.gallery == theirs.rates.counts.gallery
            && self.probes().all(|(id, search)| known.get(id).is_none_or(|mated| *mated == search.mate.is_some()))
    }

    /// Whether every search found the same.
    fn finds_as(&self, other: &Self) -> bool {
        let found =
            |of: &Self| of.found.probes.iter().map(|probe| (probe.search.mate, probe.search.other)).collect::<Vec<_>>();
        self.ids == other.ids && found(self) == found(other)
    }

    fn probes(&self) -> impl Iterator<Item = (&'a str, Search)> {
        let ids = self.ids;
        self.found.probes.iter().filter_map(move |probe| Some((ids.get(probe.row as usize)?.as_str(), probe.search)))
    }

    /// Whether each mated search succeeds, in the order and with the people of the first run.
    fn decisions(&self, first: &Self, quantity: &str) -> Option<Vec<Decision>> {
        let keys: HashMap<&str, (u32, u32)> =
            (0..).zip(first.probes()).map(|(key, (id, search))| (id, (key, search.person))).collect();
        let (candidates, threshold) = if let Some(rank) = quantity.strip_prefix("rank") {
            (rank.parse().ok()?, f32::NEG_INFINITY)
        } else {
            let (_, fpir) = quantity.split_once("@fpir=")?;
            let mut points = self.result.rates.open_set.iter();
            let point = points.find(|point| format!("{:e}", point.target_fpir) == fpir)?;
            (self.result.protocol.candidates, point.threshold?)
        };
        let decision = |(id, search): (&str, Search)| {
            let (&(key, person), mate) = (keys.get(id)?, search.mate?);
            let right = mate.rank <= candidates && mate.cosine >= threshold;
            Some(Decision { key, people: (person, person), right })
        };
        Some(self.probes().filter_map(decision).collect())
    }
}
