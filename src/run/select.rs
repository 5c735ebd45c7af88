//! Sorts and selects runs of a list by their names, plans, metrics and speed.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::list::{ListedRun, ListedValue};
use super::{RunError, RunState};
use crate::metrics::{self, MetricDirection};
use crate::{provenance, spelling};

/// What runs can be sorted and selected by, apart from metrics and keys of the plan.
const KEYS: [&str; 12] = [
    "name",
    "date",
    "state",
    "dataset",
    "network",
    "precision",
    "profile",
    "crop",
    "weights",
    "faces",
    "embedded",
    "speed",
];

/// Other words for some of them.
const ALIASES: [(&str, &str); 9] = [
    ("run", "name"),
    ("time", "date"),
    ("when", "date"),
    ("worked_on", "date"),
    ("model", "network"),
    ("faces/s", "speed"),
    ("faces-per-second", "speed"),
    ("faces_per_second", "speed"),
    ("d'", "d_prime"),
];

/// State of every run that is neither finished nor damaged.
const INCOMPLETE: &str = "incomplete";

/// Something that runs have a value of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunKey(String);

impl RunKey {
    /// The key of this name: one of [`KEYS`], a metric that some run may have, or a key of a plan. Fails with
    /// [`RunError::UnknownKey`].
    pub fn of(text: &str, runs: &[ListedRun]) -> Result<Self, RunError> {
        let lower = text.to_lowercase();
        let lower = ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(&*lower, |(_, key)| key);
        let metric = metric_path(lower);
        let in_a_plan = || runs.iter().any(|run| run.facts.plan.iter().any(|(key, _)| key == text));
        if KEYS.contains(&lower) || metrics::find(&metric).is_some() {
            return Ok(Self(metric));
        }
        if in_a_plan() || runs.iter().any(|run| run.metric(text).is_some()) {
            return Ok(Self(text.into()));
        }
        let plans = runs.iter().flat_map(|run| run.facts.plan.iter().map(|(key, _)| key.as_str()));
        let near = spelling::nearest(text, KEYS.into_iter().chain(metrics::PATHS.iter().copied()).chain(plans));
        Err(RunError::UnknownKey { key: text.into(), near: near.map(str::to_owned) })
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    /// A run's value.
    pub fn value(&self, run: &ListedRun) -> Option<ListedValue> {
        let (row, text) = (&run.row, |text: &Option<String>| text.clone().map(ListedValue::Text));
        let known = row.damage.is_none();
        match &*self.0 {
            "name" => Some(ListedValue::Text(row.run.clone())),
            "date" => row.worked_on.map(|at| ListedValue::Number(at as f64)),
            "state" => Some(ListedValue::Text(state_name(row.state))),
            "dataset" => text(&row.dataset),
            "network" => text(&row.network),
            "precision" => text(&row.precision),
            "profile" => text(&row.profile),
            "crop" => text(&row.crop),
            "weights" => text(&run.facts.weights),
            "faces" => known.then_some(ListedValue::Number(row.faces as f64)),
            "embedded" => known.then_some(ListedValue::Number(row.embedded as f64)),
            "speed" => run.speed().map(ListedValue::Number),
            path => run.metric(path).map(ListedValue::Number).or_else(|| {
                let (_, value) = run.facts.plan.iter().find(|(key, _)| key == path)?;
                Some(value.parse().map_or_else(|_| ListedValue::Text(value.clone()), ListedValue::Number))
            }),
        }
    }

    /// Whether larger numbers come first: later days, more faces, better metrics.
    fn largest_first(&self) -> bool {
        match &*self.0 {
            "date" | "faces" | "embedded" | "speed" => true,
            path => metrics::kind(path).is_some() && metrics::better(path) != MetricDirection::Lower,
        }
    }

    /// In words, for a page: what comes first.
    pub fn order_in_words(&self, reverse: bool) -> String {
        let first = match (&*self.0, metrics::kind(&self.0).map(|_| metrics::better(&self.0))) {
            (_, Some(MetricDirection::Lower | MetricDirection::Higher)) | ("speed", _) => ["best", "worst"],
            ("date", _) => ["latest", "earliest"],
            ("faces" | "embedded", _) | (_, Some(MetricDirection::Neither)) => ["largest", "smallest"],
            _ => ["first", "last"],
        };
        format!("{}, {} first", self.0, first[usize::from(reverse)])
    }
}

/// A metric's path in the spelling of `expect`: `tar@far=0.001` is `tar@fmr=1e-3`.
fn metric_path(text: &str) -> String {
    let rate = text.strip_prefix("tar@fmr=").or_else(|| text.strip_prefix("tar@far="));
    let rate = rate.and_then(|rate| rate.parse::<f64>().ok());
    rate.map_or_else(|| text.to_owned(), |rate| format!("tar@fmr={rate:e}"))
}

fn state_name(state: RunState) -> String {
    serde_json::to_value(state).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Sorts runs by a key: texts from A, what is later, larger or better first. Runs without a value come last, also in
/// reverse. Those that are equal keep their order.
pub fn sort(runs: &mut [ListedRun], key: &RunKey, reverse: bool) {
    let turned = key.largest_first() != reverse;
    let mut keyed: Vec<_> = runs.par_iter().map(|run| (key.value(run), run.clone())).collect();
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        (Some(a), Some(b)) => {
            if turned {
                compare(b, a)
            } else {
                compare(a, b)
            }
        }
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    for (run, (_, sorted)) in runs.iter_mut().zip(keyed) {
        *run = sorted;
    }
}

/// Numbers before texts.
fn compare(a: &ListedValue, b: &ListedValue) -> Ordering {
    match (a, b) {
        (ListedValue::Number(a), ListedValue::Number(b)) => a.total_cmp(b),
        (ListedValue::Text(a), ListedValue::Text(b)) => a.to_lowercase().cmp(&b.to_lowercase()).then_with(|| a.cmp(b)),
        (ListedValue::Number(_), ListedValue::Text(_)) => Ordering::Less,
        (ListedValue::Text(_), ListedValue::Number(_)) => Ordering::Greater,
    }
}

/// How a condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unlike,
    Contains,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// Spellings, those first that begin with another.
const COMPARISONS: [(&str, Comparison); 9] = [
    ("!=", Comparison::Unlike),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("=~", Comparison::Contains),
    ("=", Comparison::Equal),
    ("~", Comparison::Contains),
    ("<", Comparison::Less),
    (">", Comparison::More),
];

/// A condition on runs as written, e.g. `eer<0.01`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCondition {
    key: String,
    comparison: Comparison,
    value: String,
}

impl RunCondition {
    /// Parses `KEY=VALUE`, or another comparison. Fails with what is wrong, for the command line.
    pub fn parse(text: &str) -> Result<Self, String> {
        // The rate is part of the name: `tar@fmr=1e-3>0.9`.
        let after = text.find('@').map_or(0, |at| text[at..].find('=').map_or(0, |equals| at + equals + 1));
        let found = text[after..].char_indices().find_map(|(at, _)| {
            let rest = &text[after + at..];
            let (sign, comparison) = COMPARISONS.iter().find(|(sign, _)| rest.starts_with(sign))?;
            Some((text[..after + at].trim(), *comparison, rest[sign.len()..].trim()))
        });
        match found {
            Some((key, comparison, value)) if !key.is_empty() && !value.is_empty() => {
                Ok(Self { key: key.into(), comparison, value: value.into() })
            }
            _ => Err("expected KEY=VALUE, or !=, ~ (contains), <, <=, > or >= in place of =".into()),
        }
    }

    /// The key it is about.
    pub fn key(&self, runs: &[ListedRun]) -> Result<RunKey, RunError> {
        RunKey::of(&self.key, runs)
    }

    /// Checks that the value can be compared with those of its key. Fails with [`RunError::NotComparable`].
    pub fn check(&self, key: &RunKey) -> Result<(), RunError> {
        let number = metrics::kind(&key.0).is_some() || ["date", "faces", "embedded", "speed"].contains(&&*key.0);
        if number && (self.comparison == Comparison::Contains || self.number().is_none()) {
            let wanted = if key.0 == "date" { "a day as YYYY-MM-DD" } else { "a number" };
            return Err(RunError::NotComparable { key: key.0.clone(), value: self.value.clone(), wanted });
        }
        Ok(())
    }

    /// The value as a number: also a percentage, or a day.
    fn number(&self) -> Option<f64> {
        let percent = || Some(self.value.strip_suffix('%')?.trim().parse::<f64>().ok()? / 100.0);
        let day = || provenance::day(&self.value).ok().map(|day| day as f64);
        self.value.parse().ok().filter(|value: &f64| !value.is_nan()).or_else(percent).or_else(day)
    }

    /// Whether a value fits. None does not, whatever the comparison.
    pub fn fits(&self, value: Option<&ListedValue>) -> bool {
        match (value, self.number()) {
            (None, _) => false,
            (Some(ListedValue::Number(found)), Some(wanted)) => match self.comparison {
                // As far as it was written: 0.1 + 0.2 is 0.3.
                Comparison::Equal => (found - wanted).abs() <= 1e-9 * wanted.abs(),
                Comparison::Unlike => (found - wanted).abs() > 1e-9 * wanted.abs(),
                Comparison::Contains => found.to_string().contains(&self.value),
                Comparison::Less => *found < wanted,
                Comparison::AtMost => *found <= wanted,
                Comparison::More => *found > wanted,
                Comparison::AtLeast => *found >= wanted,
            },
            (Some(ListedValue::Number(found)), None) => self.fits_text(&found.to_string()),
            (Some(ListedValue::Text(found)), _) => self.fits_text(found),
        }
    }

    fn fits_text(&self, found: &str) -> bool {
        let (found, wanted) = (found.to_lowercase(), self.value.to_lowercase());
        let incomplete = wanted == INCOMPLETE
            && [RunState::Embedding, RunState::Embedded, RunState::UnfinishedRemoval].map(state_name).contains(&found);
        // A dataset is a kind and a place, weights are a file and a digest: one of the words will do.
        let equal =
            || incomplete || matches(&wanted, &found) || found.split_whitespace().any(|word| matches(&wanted, word));
        match self.comparison {
            Comparison::Equal => equal(),
            Comparison::Unlike => !equal(),
            Comparison::Contains => found.contains(&wanted),
            Comparison::Less => found < wanted,
            Comparison::AtMost => found <= wanted,
            Comparison::More => found > wanted,
            Comparison::AtLeast => found >= wanted,
        }
    }
}

/// Whether a text has the form of a pattern, in which `*` stands for any characters.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(condition: &str, value: impl Into<ListedValue>) -> bool {
        RunCondition::parse(condition).unwrap().fits(Some(&value.into()))
    }

    impl From<f64> for ListedValue {
        fn from(value: f64) -> Self {
            Self::Number(value)
        }
    }

    impl From<&str> for ListedValue {
        fn from(value: &str) -> Self {
            Self::Text(value.into())
        }
    }

    #[test]
    fn conditions_are_read_as_people_write_them() {
        for (text, key, comparison, value) in [
            ("precision=f32", "precision", Comparison::Equal, "f32"),
            ("eer < 0.01", "eer", Comparison::Less, "0.01"),
            ("tar@fmr=1e-3>=0.9", "tar@fmr=1e-3", Comparison::AtLeast, "0.9"),
            ("who.tpir@fpir=1e-2!=1", "who.tpir@fpir=1e-2", Comparison::Unlike, "1"),
            ("name~a=b", "name", Comparison::Contains, "a=b"),
            ("state==complete", "state", Comparison::Equal, "complete"),
        ] {
            let parsed = RunCondition::parse(text).unwrap();
            assert_eq!((&*parsed.key, parsed.comparison, &*parsed.value), (key, comparison, value), "{text}");
        }
        for text in ["", "precision", "=f32", "precision=", "tar@fmr=1e-3", "@", "ä"] {
            assert!(RunCondition::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_fit_as_a_whole_by_word_and_by_pattern() {
        assert!(fits("dataset=lfw", "folders lfw") && fits("dataset=Folders LFW", "folders lfw"));
        assert!(fits("weights=deadbeef*", "a.pt deadbeefcafe") && !fits("weights=dead", "a.pt deadbeefcafe"));
        assert!(fits("name=a*-b*", "a1-b2") && fits("name=*", "x") && !fits("name=a*b", "ab1"));
        assert!(fits("name~b", "abc") && fits("name!=abc", "abd") && !fits("name!=ab*", "abd"));
        assert!(fits("state=incomplete", "embedding") && !fits("state=incomplete", "damaged"));
    }

    #[test]
    fn numbers_are_compared_as_numbers_also_percentages_and_days() {
        assert!(fits("eer<1%", 0.009) && !fits("eer<1%", 0.011) && fits("faces=12", 12.0) && fits("seed!=7", 8.0));
        assert!(fits("eer=0.3", 0.1 + 0.2));
        assert!(fits("date>=2026-11-01", 1_795_477_500.0) && !fits("date<2026-11-01", 1_795_477_500.0));
        // No value fits nothing.
        assert!(!RunCondition::parse("eer!=1").unwrap().fits(None));
    }

    #[test]
    fn the_rate_of_a_metric_may_be_spelt_in_any_way() {
        for text in ["tar@fmr=1e-3", "tar@far=0.001", "TAR@FAR=1e-03"] {
            assert_eq!(RunKey::of(text, &[]).unwrap().name(), "tar@fmr=1e-3");
        }
        assert_eq!(RunKey::of("faces-per-second", &[]).unwrap().name(), "speed");
        insta::assert_snapshot!(RunKey::of("err", &[]).unwrap_err(), @"runs have no `err`; they are sorted and selected by name, date, state, dataset, network, precision, profile, crop, weights, faces, embedded, speed, any metric that `expect` names, such as eer or tar@fmr=1e-3, and any key of plan.json");
        insta::assert_snapshot!(RunKey::of("nothing.like.it", &[]).unwrap_err(), @"runs have no `nothing.like.it`; they are sorted and selected by name, date, state, dataset, network, precision, profile, crop, weights, faces, embedded, speed, any metric that `expect` names, such as eer or tar@fmr=1e-3, and any key of plan.json");
    }
}
