//! Judges whether a run may replace the reference, for use in continuous integration.

use schemars::JsonSchema;
use serde::Serialize;

use super::effect::Effect;
use super::headline::{HeadlineMetric, MetricDirection};
use super::pairing::{Paired, PairedMetric};
use super::same_build::{EmbeddedBy, SameBuild};
use super::speed::Speed;
use super::{CompareError, RunComparison};
use crate::text::counted;

/// How much worse a run may be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Tolerances {
    /// By metric, in its own unit. Other metrics have tolerance 0; those without a better direction are judged only if
    /// listed, in both directions.
    pub metrics: Vec<Tolerance>,
    /// Share of the reference's speed; speed is judged only where it is given, because a machine's other load changes it.
    pub speed: Option<f64>,
    /// Share of the reference's faces that a run may have lost.
    pub faces: f64,
}

/// How much worse a run may be in one metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Tolerance {
    /// The metric, as configs name it.
    #[schemars(with = "String")]
    pub metric: HeadlineMetric,
    /// How much, in its own unit.
    pub value: f64,
}

impl Tolerances {
    /// Parses `NAME=VALUE` texts, e.g. `eer=0.001`, `tar@fmr=1e-3=0.01`, `faces=0.01`, `speed=0.2`, `speed=off`; the last of a
    /// name wins.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, CompareError> {
        let mut tolerances = Self::default();
        for text in texts.iter().map(AsRef::as_ref) {
            let wrong = || CompareError::Tolerance { text: text.into() };
            // Split from the right: names of true accept rates contain an equals sign.
            let (name, value) = text.rsplit_once('=').ok_or_else(wrong)?;
            let number = value.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
            let share = || number.filter(|number| *number < 1.0).ok_or_else(wrong);
            if name == "faces" {
                tolerances.faces = share()?;
                continue;
            }
            if name == "speed" {
                tolerances.speed = if value == "off" { None } else { Some(share()?) };
                continue;
            }
            let metric = HeadlineMetric::parse(name, &["faces", "speed"])?;
            let value = number.ok_or_else(wrong)?;
            tolerances.metrics.retain(|tolerance| tolerance.metric != metric);
            tolerances.metrics.push(Tolerance { metric, value });
        }
        Ok(tolerances)
    }

    /// Describes an effect that is worse than tolerated.
    pub(crate) fn breach(&self, metric: HeadlineMetric, effect: &Effect) -> Option<String> {
        let tolerance = self.of(metric).filter(|tolerance| effect.exceeds(metric, *tolerance))?;
        let found = metric.quantity().effect(&effect.difference);
        Some(format!("{} {found}, tolerated {}", effect.verdict.name(), metric.quantity().tolerance(tolerance)))
    }

    /// The tolerance of a metric; `None` if it is not judged.
    fn of(&self, metric: HeadlineMetric) -> Option<f64> {
        let named = self.metrics.iter().find(|tolerance| tolerance.metric == metric).map(|tolerance| tolerance.value);
        named.or_else(|| (metric.better() != MetricDirection::Neither).then_some(0.0))
    }
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RegressionGate {
    /// Whether no run is worse than the tolerances allow.
    pub passed: bool,
    /// What was tolerated.
    pub tolerances: Tolerances,
    /// Regressions beyond that.
    pub regressions: Vec<Finding>,
    /// Findings that could not be judged and therefore do not fail the gate.
    pub not_judged: Vec<Finding>,
}

/// One finding about one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The run's name.
    pub run: String,
    /// Its number in the comparison, from 1.
    pub number: usize,
    /// `faces`, `speed`, `pairs`, `build`, or the key of a metric.
    pub what: String,
    /// What was found, in words.
    pub text: String,
}

impl RegressionGate {
    /// Judges every run but the first. Runs that share no pairs fail, because they cannot be judged.
    pub fn judge(comparison: &RunComparison, tolerances: Tolerances) -> Self {
        let (mut regressions, mut not_judged) = (Vec::new(), Vec::new());
        for run in 1..comparison.runs.len() {
            let finding =
                |what: String, text: String| Finding { run: comparison.runs[run].clone(), number: run + 1, what, text };
            match &comparison.paired {
                Some(paired) => {
                    regressions.extend(lost(paired, run, &tolerances).map(|text| finding("faces".into(), text)));
                    for (what, text) in quality(paired, run, &tolerances) {
                        regressions.push(finding(what, text));
                    }
                    for (what, text) in unjudged(paired, run, &tolerances) {
                        not_judged.push(finding(what, text));
                    }
                }
                None => regressions.push(finding("pairs".into(), "cannot be judged: the runs were not paired".into())),
            }
            let Some(tolerance) = tolerances.speed else { continue };
            match speed(comparison.speed.get(run).and_then(Option::as_ref), tolerance) {
                Ok(None) => {}
                Ok(Some(text)) => regressions.push(finding("speed".into(), text)),
                Err(text) => not_judged.push(finding("speed".into(), text)),
            }
        }
        Self { passed: regressions.is_empty(), tolerances, regressions, not_judged }
    }

    /// Judges whether each run shows what its build does; `embedded` is of every run, `here` the revision of this build. A
    /// run with the reference's own embeddings fails, because it cannot be worse.
    pub fn judge_builds(&mut self, runs: &[String], embedded: &[EmbeddedBy], here: &str) {
        for (run, by) in embedded.iter().enumerate().skip(1) {
            let finding = |text| Finding { run: runs[run].clone(), number: run + 1, what: "build".into(), text };
            match by.same_build(&embedded[0], here) {
                None => {}
                Some(SameBuild::Embeddings(text)) => self.regressions.push(finding(text)),
                Some(SameBuild::Build(text)) => self.not_judged.push(finding(text)),
            }
        }
        self.passed = self.regressions.is_empty();
    }

    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("gate: {}", if self.passed { "passed" } else { "failed" })];
        let line =
            |finding: &Finding, how: &str| format!("  [{}] {}: {how}{}", finding.number, finding.what, finding.text);
        lines.extend(self.regressions.iter().map(|finding| line(finding, "")));
        lines.extend(self.not_judged.iter().map(|finding| line(finding, "not judged, ")));
        lines
    }
}

/// Faces that have no embedding any more: no metric over pairs shows them.
fn lost(paired: &Paired, run: usize, tolerances: &Tolerances) -> Option<String> {
    let (lost, all) = (*paired.faces.lost.get(run)?, *paired.faces.embedded.first()?);
    let tolerated = tolerances.faces * all as f64;
    let text = || {
        let faces = counted(all as usize, "face");
        format!("{lost} of the reference's {faces} are not embedded, tolerated {}", tolerated.floor())
    };
    (lost as f64 > tolerated).then(text)
}

fn quality(paired: &Paired, run: usize, tolerances: &Tolerances) -> Vec<(String, String)> {
    let worse =
        |row: &PairedMetric| Some((row.metric.key(), tolerances.breach(row.metric, row.effects[run].as_ref()?)?));
    paired.metrics.iter().filter_map(worse).collect()
}

/// Judged metrics without an interval.
fn unjudged(paired: &Paired, run: usize, tolerances: &Tolerances) -> Vec<(String, String)> {
    let judged = paired.metrics.iter().filter(|row| tolerances.of(row.metric).is_some());
    judged
        .filter_map(|row| {
            let named = tolerances.metrics.iter().any(|tolerance| tolerance.metric == row.metric);
            match &row.effects[run] {
                // Report rates that these pairs cannot resolve only if a tolerance names them.
                None if named => Some((row.metric.key(), "not resolvable with these pairs".into())),
                Some(effect) if effect.difference.lower.is_none() => {
                    Some((row.metric.key(), effect.difference.method.clone()))
                }
                _ => None,
            }
        })
        .collect()
}

/// The failure, if any, or why the speed cannot be judged.
fn speed(speed: Option<&Speed>, tolerance: f64) -> Result<Option<String>, String> {
    let speed = speed.ok_or("it has no timed chunk")?;
    match (speed.ratio, &speed.not_comparable) {
        (Some(ratio), _) if ratio < 1.0 - tolerance => {
            Ok(Some(format!("{ratio:.2} × the reference, tolerated {:.2}", 1.0 - tolerance)))
        }
        (Some(_), _) => Ok(None),
        (None, reason) => Err(reason.clone().unwrap_or_default()),
    }
}
