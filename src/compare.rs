//! Two runs or more, side by side: what differs in what they computed comes before what differs in the numbers.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::estimate::Estimate;
use crate::evaluate::Evaluation;
use crate::metrics::Metrics;
use crate::numbers::Quantity;

/// What a comparison knows of one run.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// Name of the run directory.
    pub run_id: String,
    /// The resolved plan, flattened: dotted key → value.
    pub plan: Vec<(String, String)>,
    /// Provenance, flattened: dotted key → value.
    pub provenance: Vec<(String, String)>,
    /// The numbers.
    pub evaluation: Evaluation,
}

/// Why runs could not be compared.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// Not enough runs.
    #[error("a comparison needs at least two runs, got {given}; `facevault runs` lists them")]
    TooFew {
        /// How many there were.
        given: usize,
    },
    /// The same run twice.
    #[error("the run {run_id} is named twice; a comparison needs different runs")]
    Twice {
        /// Which.
        run_id: String,
    },
}

/// Runs side by side. The first is what the others are compared with.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Names, in the order given.
    pub runs: Vec<String>,
    /// One line: whether the numbers can be held against each other, and if not, why.
    pub headline: String,
    /// Whether dataset, protocol and preprocessing are the same.
    pub comparable: bool,
    /// What differs in the plans.
    pub plan: Vec<Difference>,
    /// What differs in provenance. Times are left out, and of several sessions only the last one counts.
    pub provenance: Vec<Difference>,
    /// Headline metrics.
    pub metrics: Vec<MetricRow>,
    /// All that is known of each run.
    #[serde(skip)]
    pub summaries: Vec<RunSummary>,
}

/// One key with different values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Dotted key.
    pub key: String,
    /// What it is part of.
    pub part: Part,
    /// Value in each run; `None` where a run has no such key.
    pub values: Vec<Option<String>>,
}

/// What a difference is a difference in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Which faces.
    Dataset,
    /// Which pairs.
    Protocol,
    /// What the network sees of a face.
    Preprocessing,
    /// The network and its parameters.
    Weights,
    /// The program and its arithmetic.
    Code,
    /// Anything else: names, intervals, machines.
    Other,
}

impl Part {
    /// In words.
    #[must_use]
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

    /// Numbers that differ in this are numbers of different things.
    fn forbids(self) -> bool {
        matches!(self, Self::Dataset | Self::Protocol | Self::Preprocessing)
    }

    /// Which part of a plan a dotted key belongs to.
    fn of(key: &str) -> Self {
        let first = key.split('.').next().unwrap_or_default();
        let last = key.rsplit('.').next().unwrap_or_default();
        match (first, last) {
            // How deep to resample and to list, and what stands beside the metrics: not what is measured.
            ("similarity", "replicates" | "confidence" | "hardest") => Self::Other,
            ("similarity", _) if key.starts_with("similarity.upstream") => Self::Other,
            ("similarity" | "seed", _) => Self::Protocol,
            ("dataset", _) => Self::Dataset,
            ("preprocess", _) => Self::Preprocessing,
            ("code", _) | ("model", "embedder" | "device" | "precision") => Self::Code,
            ("model" | "weights", _) => Self::Weights,
            _ => Self::Other,
        }
    }
}

/// One metric in all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricRow {
    /// In words.
    pub name: String,
    /// Value in each run.
    pub values: Vec<MetricValue>,
    /// How the numbers are written.
    #[serde(skip)]
    pub quantity: Option<Quantity>,
}

/// One metric in one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricValue {
    /// With its interval, where the metric is an estimate and the run has it.
    pub estimate: Option<Estimate>,
    /// Without, where it is a count.
    pub count: Option<u64>,
    /// Less the first run's; `None` in the first run, for bounds and where one of the two is missing.
    pub difference: Option<f64>,
    /// Whether its interval shares no value with the first run's. Intervals that overlap do not show that runs are equal.
    pub apart: Option<bool>,
}

/// Holds runs against each other.
///
/// # Errors
/// [`CompareError`] for fewer than two runs or one run twice.
pub fn compare(runs: Vec<RunSummary>) -> Result<Comparison, CompareError> {
    if runs.len() < 2 {
        return Err(CompareError::TooFew { given: runs.len() });
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = runs.iter().find(|run| !names.insert(&run.run_id)) {
        return Err(CompareError::Twice { run_id: twice.run_id.clone() });
    }
    let plan = plan_differences(&runs);
    let provenance = {
        let pairs: Vec<_> = runs.iter().map(|run| provenance_pairs(&run.provenance)).collect();
        differences(&pairs, |_| Part::Other)
    };
    let parts: BTreeSet<Part> = plan.iter().map(|difference| difference.part).collect();
    let comparable = !parts.iter().any(|part| part.forbids());
    Ok(Comparison {
        runs: runs.iter().map(|run| run.run_id.clone()).collect(),
        headline: headline(&parts),
        comparable,
        plan,
        provenance,
        metrics: metric_rows(&runs),
        summaries: runs,
    })
}

fn headline(parts: &BTreeSet<Part>) -> String {
    let list = |parts: Vec<&str>| match parts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last} differ", rest.join(", ")),
        Some((last, _)) => format!("{last} differs").replace("weights differs", "weights differ"),
        None => String::new(),
    };
    let names = |wanted: fn(Part) -> bool| parts.iter().copied().filter(|p| wanted(*p)).map(Part::name).collect();
    let forbidding = list(names(Part::forbids));
    if !forbidding.is_empty() {
        return format!("not comparable: {forbidding}");
    }
    let others = list(names(|part| !part.forbids() && part != Part::Other));
    let same = "same dataset, protocol and preprocessing";
    if others.is_empty() {
        "comparable: same dataset, protocol, preprocessing, weights and code".into()
    } else {
        format!("comparable: {same}; {others}")
    }
}

fn plan_differences(runs: &[RunSummary]) -> Vec<Difference> {
    let modes: Vec<_> = runs.iter().map(|run| run.evaluation.metrics.pairs.mode.clone()).collect();
    let exhaustive = modes.iter().all(|mode| mode == "exhaustive");
    let part = |key: &str| match Part::of(key) {
        // How pairs would be drawn does not matter where all of them were compared.
        Part::Protocol if exhaustive => Part::Other,
        part => part,
    };
    let plans: Vec<_> = runs.iter().map(|run| run.plan.clone()).collect();
    let mut found = differences(&plans, part);
    // One option, `auto`, compares all pairs of a small set and a sample of a large one.
    if modes.iter().any(|mode| *mode != modes[0]) {
        let values = modes.into_iter().map(Some).collect();
        found.push(Difference { key: "pairs compared".into(), part: Part::Protocol, values });
    }
    found.sort_by_key(|difference| difference.part);
    found
}

/// Keys whose values are not the same in all runs, in order of first appearance.
fn differences(runs: &[Vec<(String, String)>], part: impl Fn(&str) -> Part) -> Vec<Difference> {
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

/// Provenance without what always differs: times, and sessions before the last.
fn provenance_pairs(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let session = |key: &str| -> Option<(u64, String)> {
        let (number, field) = key.strip_prefix("sessions.")?.split_once('.')?;
        Some((number.parse().ok()?, field.to_owned()))
    };
    let last = pairs.iter().filter_map(|(key, _)| session(key)).map(|(number, _)| number).max();
    pairs
        .iter()
        .filter_map(|(key, value)| match session(key) {
            None => Some((key.clone(), value.clone())),
            Some((number, field)) => {
                let kept = Some(number) == last && !["started", "ended", "embedded"].contains(&field.as_str());
                kept.then(|| (format!("session.{field}"), value.clone()))
            }
        })
        .collect()
}

fn metric_rows(runs: &[RunSummary]) -> Vec<MetricRow> {
    type Get<'a> = &'a dyn Fn(&Metrics) -> Option<&Estimate>;
    let estimates = |name: &str, quantity: Quantity, get: Get<'_>| {
        let found: Vec<_> = runs.iter().map(|run| get(&run.evaluation.metrics).cloned()).collect();
        let first = found[0].clone();
        let values = found.into_iter().enumerate().map(|(i, estimate)| {
            let pair = first.as_ref().filter(|_| i > 0).zip(estimate.as_ref()).filter(|(a, b)| !a.bound && !b.bound);
            let difference = pair.map(|(a, b)| b.point - a.point).filter(|difference| difference.is_finite());
            let apart = pair.and_then(|(a, b)| Some(a.lower? > b.upper? || b.lower? > a.upper?));
            MetricValue { estimate, count: None, difference, apart }
        });
        MetricRow { name: name.into(), values: values.collect(), quantity: Some(quantity) }
    };
    let counts = |name: &str, get: &dyn Fn(&Metrics) -> u64| {
        let found: Vec<_> = runs.iter().map(|run| get(&run.evaluation.metrics)).collect();
        let values = found.iter().enumerate().map(|(i, &count)| MetricValue {
            estimate: None,
            count: Some(count),
            difference: (i > 0).then(|| count as f64 - found[0] as f64),
            apart: None,
        });
        MetricRow { name: name.into(), values: values.collect(), quantity: None }
    };
    let mut targets: Vec<f64> = runs
        .iter()
        .flat_map(|run| &run.evaluation.metrics.operating_points)
        .filter(|point| point.tar.is_some())
        .map(|point| point.target_fmr)
        .collect();
    targets.sort_by(|a, b| b.total_cmp(a));
    targets.dedup_by(|a, b| same_rate(*a, *b));
    let mut rows = vec![estimates("equal error rate", Quantity::Rate, &|m| Some(&m.eer))];
    rows.extend(targets.into_iter().map(|target| {
        estimates(&format!("TAR at FMR {target:e}"), Quantity::Rate, &move |m| {
            m.operating_points.iter().find(|point| same_rate(point.target_fmr, target))?.tar.as_ref()
        })
    }));
    rows.extend([
        estimates("area under the ROC curve", Quantity::Cosine, &|m| Some(&m.auc)),
        estimates("separation d′", Quantity::Plain, &|m| Some(&m.d_prime)),
        estimates("same identity, mean cosine", Quantity::Cosine, &|m| Some(&m.genuine.mean)),
        estimates("same identity, standard deviation", Quantity::Cosine, &|m| Some(&m.genuine.std)),
        estimates("different identities, mean cosine", Quantity::Cosine, &|m| Some(&m.impostor.mean)),
        estimates("different identities, standard deviation", Quantity::Cosine, &|m| Some(&m.impostor.std)),
        counts("faces embedded", &|m| m.faces.embedded),
        counts("faces failed", &|m| m.faces.failed),
        counts("identities", &|m| m.faces.identities),
        counts("same-identity pairs", &|m| m.pairs.genuine),
        counts("different-identity pairs", &|m| m.pairs.impostor),
    ]);
    rows
}

fn same_rate(a: f64, b: f64) -> bool {
    a == b || (a / b - 1.0).abs() < 1e-6
}

impl MetricRow {
    /// Point and interval of one run in words; a dash where the run has no such number.
    #[must_use]
    pub fn value(&self, run: usize) -> String {
        let Some(value) = self.values.get(run) else { return String::new() };
        match (&value.estimate, value.count, self.quantity) {
            (Some(estimate), _, Some(quantity)) => quantity.sentence(estimate),
            (_, Some(count), _) => count.to_string(),
            _ => "–".into(),
        }
    }

    /// Difference to the first run in words, percentage points for rates, `=` for the same value; empty where it is not known.
    #[must_use]
    pub fn difference(&self, run: usize) -> String {
        let Some(difference) = self.values.get(run).and_then(|value| value.difference) else { return String::new() };
        let text = match self.quantity {
            _ if difference == 0.0 => "=".into(),
            Some(Quantity::Rate) => {
                let sign = if difference < 0.0 { '-' } else { '+' };
                format!("{sign}{} pp", Quantity::Rate.value(difference.abs()).trim_end_matches('%'))
            }
            Some(Quantity::Cosine) => format!("{difference:+.4}"),
            Some(Quantity::Plain) => format!("{difference:+.3}"),
            None => format!("{difference:+}"),
        };
        text.replace('-', "−")
    }
}

/// Characters of a value in a terminal table.
const WIDTH: usize = 30;

impl Comparison {
    /// The comparison as text for a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = vec![self.headline.clone(), String::new()];
        lines.extend(self.runs.iter().enumerate().map(|(i, run)| format!("[{}]  {run}", i + 1)));
        let numbers = (1..=self.runs.len()).map(|i| format!("[{i}]"));
        for (title, found) in [("plan", &self.plan), ("provenance", &self.provenance)] {
            if found.is_empty() {
                lines.extend([String::new(), format!("{title}: no difference")]);
                continue;
            }
            let head = ["differs in".to_owned(), title.to_owned()].into_iter().chain(numbers.clone()).collect();
            let rows = found.iter().map(|difference| {
                let values =
                    difference.values.iter().map(|value| value.as_deref().map_or_else(|| "–".into(), shortened));
                [difference.part.name().to_owned(), difference.key.clone()]
                    .into_iter()
                    .chain(values)
                    .collect::<Vec<_>>()
            });
            let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
            // Provenance has no parts worth a column.
            let skip = usize::from(title == "provenance");
            lines.extend([String::new(), aligned(&rows, skip)]);
        }
        let head = std::iter::once("metric".to_owned()).chain(numbers).collect();
        let rows = self.metrics.iter().map(|row| {
            let values = (0..self.runs.len()).map(|run| {
                let clear = if row.values[run].apart == Some(true) { " *" } else { "" };
                format!("{}  {}{clear}", row.value(run), row.difference(run)).trim_end().to_owned()
            });
            std::iter::once(row.name.clone()).chain(values).collect()
        });
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        lines.extend([String::new(), aligned(&rows, 0), String::new()]);
        lines.push("differences are to [1]; * the intervals do not overlap".into());
        lines.join("\n") + "\n"
    }
}

/// A long value without its middle: the beginning of a digest and the end of a path tell them apart.
fn shortened(value: &str) -> String {
    let characters: Vec<char> = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if characters.len() <= WIDTH {
        return characters.into_iter().collect();
    }
    let (head, tail) = (&characters[..WIDTH / 2], &characters[characters.len() - (WIDTH / 2 - 1)..]);
    head.iter().chain(&['…']).chain(tail).collect()
}

/// Columns padded to their widest cell, from column `skip` on.
fn aligned(rows: &[Vec<String>], skip: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).skip(skip).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
