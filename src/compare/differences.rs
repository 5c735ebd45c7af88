//! Differences in what runs computed, and whether their numbers are comparable.

use std::collections::BTreeSet;

use serde::Serialize;

use super::RunSummary;

/// One key with different values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub key: String,
    pub part: PlanPart,
    /// Value in each run; `None` where a run has no such key.
    pub values: Vec<Option<String>>,
}

/// The part of a plan that a difference belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanPart {
    Dataset,
    Protocol,
    Preprocessing,
    Weights,
    Code,
    Other,
}

impl PlanPart {
    pub fn name(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Protocol => "protocol",
            Self::Preprocessing => "preprocessing",
            Self::Weights => "weights",
            Self::Code => "code",
            Self::Other => "other",
        }
    }

    /// Whether a difference in this part makes numbers incomparable.
    pub(super) fn makes_incomparable(self) -> bool {
        matches!(self, Self::Dataset | Self::Protocol | Self::Preprocessing)
    }

    /// Which part of a plan a dotted key belongs to.
    fn of(key: &str) -> Self {
        let first = key.split('.').next().unwrap_or_default();
        let last = key.rsplit('.').next().unwrap_or_default();
        match (first, last) {
            // Resampling depth, listing depth and additional output do not change what is measured.
            ("similarity", "replicates" | "confidence" | "hardest") => Self::Other,
            ("similarity", _) if key.starts_with("similarity.upstream") => Self::Other,
            ("similarity" | "seed", _) => Self::Protocol,
            ("dataset", _) => Self::Dataset,
            ("preprocess", _) => Self::Preprocessing,
            ("code", _) | ("model", "embedder" | "device" | "precision" | "calibration") => Self::Code,
            ("model" | "weights", _) => Self::Weights,
            _ => Self::Other,
        }
    }
}

pub(super) fn headline(parts: &BTreeSet<PlanPart>) -> String {
    let list = |parts: Vec<&str>| match parts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last} differ", rest.join(", ")),
        Some((last, _)) => format!("{last} differs").replace("weights differs", "weights differ"),
        None => String::new(),
    };
    let names =
        |wanted: fn(PlanPart) -> bool| parts.iter().copied().filter(|p| wanted(*p)).map(PlanPart::name).collect();
    let forbidding = list(names(PlanPart::makes_incomparable));
    if !forbidding.is_empty() {
        return format!("not comparable: {forbidding}");
    }
    let others = list(names(|part| !part.makes_incomparable() && part != PlanPart::Other));
    let same = "same dataset, protocol and preprocessing";
    if others.is_empty() {
        "comparable: same dataset, protocol, preprocessing, weights and code".into()
    } else {
        format!("comparable: {same}; {others}")
    }
}

pub(super) fn plan_differences(runs: &[RunSummary]) -> Vec<Difference> {
    let modes: Vec<_> = runs.iter().map(|run| run.evaluation.metrics.pairs.mode.clone()).collect();
    let exhaustive = modes.iter().all(|mode| mode == "exhaustive");
    let part = |key: &str| match PlanPart::of(key) {
        // How pairs are drawn does not matter if all of them were compared.
        PlanPart::Protocol if exhaustive => PlanPart::Other,
        part => part,
    };
    let plans: Vec<_> = runs.iter().map(|run| run.plan.clone()).collect();
    let mut found = differences(&plans, part);
    // The same option, `auto`, compares all pairs of a small set and a sample of a large one.
    if modes.iter().any(|mode| *mode != modes[0]) {
        let values = modes.into_iter().map(Some).collect();
        found.push(Difference { key: "pairs compared".into(), part: PlanPart::Protocol, values });
    }
    found.sort_by_key(|difference| difference.part);
    found
}

/// Keys whose values are not the same in all runs, in order of first appearance.
pub(super) fn differences(runs: &[Vec<(String, String)>], part: impl Fn(&str) -> PlanPart) -> Vec<Difference> {
    let mut seen = BTreeSet::new();
    let keys = runs.iter().flatten().map(|(key, _)| key).filter(|key| seen.insert(key.as_str()));
    keys.filter_map(|key| {
        let values: Vec<_> = runs
            .iter()
            .map(|pairs| pairs.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone()))
            .collect();
        let same = values.iter().all(|value| *value == values[0]);
        (!same).then(|| Difference { key: key.clone(), part: part(key), values })
    })
    .collect()
}

/// Provenance without what always differs: times, and all sessions but the last.
pub(super) fn provenance_pairs(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let session = |key: &str| -> Option<(u64, String)> {
        let (number, field) = key.strip_prefix("sessions.")?.split_once('.')?;
        Some((number.parse().ok()?, field.to_owned()))
    };
    let last = pairs.iter().filter_map(|(key, _)| session(key)).map(|(number, _)| number).max();
    pairs
        .iter()
        // For adopted embeddings, the name of their run is enough.
        .filter(|(key, _)| !key.starts_with("adopted_from.sessions"))
        .filter_map(|(key, value)| match session(key) {
            None => Some((key.clone(), value.clone())),
            Some((number, field)) => {
                let kept = Some(number) == last && !["started", "ended", "embedded"].contains(&field.as_str());
                kept.then(|| (format!("session.{field}"), value.clone()))
            }
        })
        .collect()
}
