//! Differences in what runs computed: key by key, and in one line.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::RunSummary;
use crate::preprocess::Preprocess;

/// Longest value that the one line shows, in characters.
const SHORT: usize = 24;
const PROFILE: &str = "preprocess.profile";
/// Words of the key that says how faces are found.
const DETECTOR: &str = "detector";
/// Most keys of one part that the one line names.
const NAMED: usize = 4;

/// One key with different values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// The key, dotted.
    pub key: String,
    /// What it belongs to.
    pub part: PlanPart,
    /// Value in each run; `None` where a run has no such key.
    pub values: Vec<Option<String>>,
}

/// The part of a plan that a difference belongs to, in the order in which a face passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlanPart {
    /// Which faces, photos and identities there are.
    Dataset,
    /// How faces are found in photos.
    Detection,
    Preprocessing,
    /// The network and its weights.
    Weights,
    Precision,
    Calibration,
    Device,
    /// The implementation of the network, and what it rounds to on a machine.
    Arithmetic,
    /// The version of the code between a picture and its embedding.
    Code,
    /// Which pairs are compared.
    Protocol,
    /// What changes no number that is compared.
    Other,
}

impl PlanPart {
    pub fn name(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Detection => "detection",
            Self::Preprocessing => "preprocessing",
            Self::Weights => "weights",
            Self::Precision => "precision",
            Self::Calibration => "calibration",
            Self::Device => "device",
            Self::Arithmetic => "arithmetic",
            Self::Code => "code",
            Self::Protocol => "protocol",
            Self::Other => "other",
        }
    }

    /// The part of a plan that a dotted key belongs to.
    fn of(key: &str) -> Self {
        let mut words = key.split('.');
        match (words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
            // Resampling depth, listing depth and additional output do not change what is measured.
            ("similarity", "replicates" | "confidence" | "hardest" | "upstream") => Self::Other,
            ("similarity" | "seed", _) => Self::Protocol,
            ("dataset", "detect") => Self::Detection,
            ("dataset", _) => Self::Dataset,
            ("preprocess", _) => Self::Preprocessing,
            ("code", _) => Self::Code,
            ("model", "precision") => Self::Precision,
            ("model", "calibration") => Self::Calibration,
            ("model", "device") => Self::Device,
            ("model", "embedder") => Self::Arithmetic,
            ("model" | "weights", _) => Self::Weights,
            _ => Self::Other,
        }
    }
}

impl Difference {
    /// The key within its part, as words: `crop margin`.
    fn words(&self) -> String {
        let inside = ["dataset.detect.", "dataset.", "preprocess.", "model.", "similarity.", "arithmetic."];
        let key = inside.iter().find_map(|prefix| self.key.strip_prefix(prefix)).unwrap_or(&self.key);
        key.replace(['.', '_'], " ")
    }

    /// The values of two runs, if both are short enough for a line: `14 → 32`.
    fn step(&self) -> Option<String> {
        let [from, to] = &self.values[..] else { return None };
        let short = |value: &Option<String>| {
            let value = value.as_deref().unwrap_or("none");
            let whole = value.strip_suffix(".0").unwrap_or(value);
            (whole.chars().count() <= SHORT && !whole.contains(char::is_control)).then(|| whole.to_owned())
        };
        Some(format!("{} → {}", short(from)?, short(to)?))
    }

    /// Whether it does more than follow from another key: runs that have it have different values, or it is the one that
    /// brings others along.
    fn decides(&self) -> bool {
        let mut values = self.values.iter().flatten();
        let first = values.next();
        values.any(|value| Some(value) != first) || self.words() == DETECTOR
    }

    /// The runs whose value is not the first one's.
    fn changed(&self) -> impl Iterator<Item = usize> + '_ {
        (1..self.values.len()).filter(|&run| self.values[run] != self.values[0])
    }

    /// Each value with the runs that have it, in order of first appearance.
    pub fn by_value(&self) -> Vec<(Vec<usize>, Option<&str>)> {
        let mut found: Vec<(Vec<usize>, Option<&str>)> = Vec::new();
        for (run, value) in self.values.iter().map(Option::as_deref).enumerate() {
            match found.iter_mut().find(|(_, other)| *other == value) {
                Some((runs, _)) => runs.push(run),
                None => found.push((vec![run], value)),
            }
        }
        found
    }
}

/// What differs, in one line: `differs: detection (keep largest → center-weighted), precision f32 → int8`.
pub(super) fn headline(plan: &[Difference]) -> String {
    let parts: BTreeSet<PlanPart> = plan.iter().map(|difference| difference.part).collect();
    let changed = |of: &dyn Fn(&Difference) -> bool| -> BTreeSet<usize> {
        plan.iter().filter(|found| of(found)).flat_map(Difference::changed).collect()
    };
    let all_changed =
        |part: PlanPart, by: &dyn Fn(&Difference) -> bool| changed(&|found| found.part == part).is_subset(&changed(by));
    let follows = |part: PlanPart| match part {
        // The boxes are part of the manifest, and each network and precision has its own implementation.
        PlanPart::Dataset => all_changed(part, &|found| found.part == PlanPart::Detection),
        PlanPart::Arithmetic => {
            all_changed(part, &|found| found.part == PlanPart::Precision || found.key == "model.network")
        }
        PlanPart::Calibration => all_changed(part, &|found| found.part == PlanPart::Precision),
        PlanPart::Other => true,
        _ => false,
    };
    let named = parts.iter().filter(|part| !follows(**part)).map(|part| phrase(*part, plan));
    let named: Vec<_> = named.collect();
    if named.is_empty() { "the runs compute the same".into() } else { format!("differs: {}", named.join(", ")) }
}

/// One part of the headline.
fn phrase(part: PlanPart, plan: &[Difference]) -> String {
    let mut of_part: Vec<&Difference> = plan.iter().filter(|difference| difference.part == part).collect();
    if let Some(profile) = of_part.iter().position(|difference| difference.key == PROFILE) {
        // The names of two profiles say what differs, unless one has none.
        let named = !of_part[profile].values.iter().flatten().any(|name| name == Preprocess::CUSTOM);
        let profile = of_part.remove(profile);
        if named {
            of_part = vec![profile];
        }
    }
    let decisive: Vec<&Difference> = match of_part.iter().copied().filter(|found| found.decides()).collect() {
        found if Vec::is_empty(&found) => of_part.into_iter().take(1).collect(),
        found => found,
    };
    let mut named: Vec<String> = Vec::new();
    for difference in &decisive {
        let (words, step) = (difference.words(), difference.step());
        named.push(match step {
            // `precision f32 → int8`, and `detection none → mtcnn`.
            Some(step) if words == part.name() || words == DETECTOR => {
                return format!("{} {step}", part.name());
            }
            Some(step) => format!("{words} {step}"),
            // A digest, or a text too long for a line: the table has it.
            None if words == part.name() => return words,
            None => words,
        });
    }
    let more = named.len().saturating_sub(NAMED);
    named.truncate(NAMED);
    named.extend((more > 0).then(|| format!("{more} more")));
    format!("{} ({})", part.name(), named.join(", "))
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
    // A profile is a name for what differs beside it, and alone it changes no pixel.
    let preprocessing = found.iter().filter(|difference| difference.part == PlanPart::Preprocessing).count();
    if let (1, Some(profile)) = (preprocessing, found.iter_mut().find(|difference| difference.key == PROFILE)) {
        profile.part = PlanPart::Other;
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
                let kept =
                    Some(number) == last && !["started", "ended", "embedded", "revision"].contains(&field.as_str());
                kept.then(|| (format!("session.{field}"), value.clone()))
            }
        })
        .collect()
}
