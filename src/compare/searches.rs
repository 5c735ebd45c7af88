//! Rates of identification protocols whose gallery and probes are the same in all runs, compared probe by probe.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use schemars::JsonSchema;
use serde::Serialize;

use super::decided::{DecidedRate, DecidedRun};
use super::effect::Effect;
use crate::estimate::{Estimate, Unit};
use crate::evaluate::{Evaluation, SearchedProtocol};
use crate::identification::{IdentificationResult, Search, Searches};
use crate::protocol::uncertainty::{Decided, Decision};

/// A rate of an identification protocol in all runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PairedSearch {
    /// As configs name it.
    pub metric: String,
    /// Value in each run, with its own interval.
    pub values: Vec<Estimate>,
    /// Each run against the first, over the probes that both searched for; how far other probes would move the thresholds is
    /// part of the interval. `None` for the first itself.
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
    pub fn all(runs: &[&Evaluation], ids: &[Vec<String>]) -> Vec<Self> {
        let results = runs.iter().take(1).flat_map(|first| &first.metrics.identification);
        let rates = results.flat_map(|result| {
            let protocol = &result.protocol;
            let quantities = protocol.quantities().filter(|quantity| !quantity.starts_with("fnir"));
            quantities.filter_map(|quantity| searched_rate(&protocol.name, &quantity, runs, ids)).collect::<Vec<_>>()
        });
        let one = |rate: DecidedRate| Self { values: rate.values(), effects: rate.effects(), metric: rate.metric };
        rates.map(one).collect()
    }
}

/// A rate of an identification protocol that all runs ran on the same gallery, search by search. `ids` are the face ids of
/// each run's rows.
pub fn searched_rate(protocol: &str, quantity: &str, runs: &[&Evaluation], ids: &[Vec<String>]) -> Option<DecidedRate> {
    let all: Vec<Searched<'_>> =
        runs.iter().zip(ids).map(|(run, ids)| Searched::of(protocol, run, ids)).collect::<Option<_>>()?;
    let first = all.first()?;
    if !all.iter().all(|run| run.searches_as(first)) {
        return None;
    }
    let one = |run: &Searched<'_>| {
        let value = run.result.estimate(quantity).cloned()?;
        Some(DecidedRun { value, decided: run.decided(first, quantity)?, scores: run.scores() })
    };
    Some(DecidedRate {
        metric: format!("{protocol}.{quantity}"),
        trials: (Unit::Searches, "searches"),
        runs: all.iter().map(one).collect::<Option<_>>()?,
    })
}

impl<'a> Searched<'a> {
    fn of(protocol: &str, evaluation: &'a Evaluation, ids: &'a [String]) -> Option<Self> {
        let result = evaluation.metrics.identification.iter().find(|result| result.protocol.name == protocol)?;
        let searched = evaluation.searched.iter().find(|searched| searched.protocol == protocol)?;
        Some(Self { result, found: searched, ids })
    }

    /// Whether the protocol and the gallery are the same, as far as probes tell.
    fn searches_as(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.result, other.result);
        mine.protocol == theirs.protocol
            && mine.templates == theirs.templates
            && mine.rates.counts.gallery == theirs.rates.counts.gallery
            && self.agrees(other)
            && other.agrees(self)
    }

    /// Whether this run's probes are mated in both runs or in neither, and none of them is in the other's gallery: a face that
    /// the other has and does not search with is.
    fn agrees(&self, other: &Self) -> bool {
        let known: HashMap<&str, bool> = other.probes().map(|(id, search)| (id, search.mate.is_some())).collect();
        let (mut unknown, mut same) = (HashSet::new(), true);
        for (id, search) in self.probes() {
            match known.get(id) {
                Some(mated) => same &= *mated == search.mate.is_some(),
                None => drop(unknown.insert(id)),
            }
        }
        same && !other.ids.iter().any(|id| unknown.contains(id.as_str()))
    }

    /// Who was searched for, and what was found.
    fn scores(&self) -> Vec<u64> {
        let bits = |cosine: f32| u64::from(cosine.to_bits());
        let found = self.probes().flat_map(|(id, search)| {
            let mate = search.mate.map_or(0, |mate| u64::from(mate.rank) << 32 | bits(mate.cosine));
            let other = search.other.map_or(0, |other| u64::from(other.person) << 32 | bits(other.cosine));
            let mut hasher = DefaultHasher::new();
            id.hash(&mut hasher);
            [hasher.finish(), mate, other]
        });
        found.collect()
    }

    fn probes(&self) -> impl Iterator<Item = (&'a str, Search)> {
        let ids = self.ids;
        self.found.probes.iter().filter_map(move |probe| Some((ids.get(probe.row as usize)?.as_str(), probe.search)))
    }

    /// Whether each mated search succeeds, and which other searches its threshold is chosen by, in the order and with the
    /// people of the first run.
    fn decided(&self, first: &Self, quantity: &str) -> Option<Decided> {
        let keys: HashMap<&str, (u32, u32)> =
            (0..).zip(first.probes()).map(|(key, (id, search))| (id, (key, search.person))).collect();
        let (ids, searches): (Vec<&str>, Vec<Search>) = self.probes().unzip();
        if let Some(rank) = quantity.strip_prefix("rank") {
            let rank: u32 = rank.parse().ok()?;
            let decision = |(id, search): (&&str, &Search)| {
                let (&(key, person), mate) = (keys.get(id)?, search.mate?);
                Some(Decision { key, people: (person, person), right: mate.rank <= rank })
            };
            let decisions = ids.iter().zip(&searches).filter_map(decision).collect();
            return Some(Decided::at_fixed_threshold(decisions));
        }
        let (_, fpir) = quantity.split_once("@fpir=")?;
        let IdentificationResult { protocol, rates, .. } = self.result;
        let point = rates.open_set.iter().find(|point| format!("{:e}", point.target_fpir) == fpir)?;
        let level = point.tpir.as_ref()?.level;
        let searches = Searches::new(&searches, rates.counts.gallery, Some(protocol.candidates), level);
        Some(searches.decided(point.threshold?, |place| keys.get(ids[place]).copied()))
    }
}
