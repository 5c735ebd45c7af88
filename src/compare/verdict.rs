//! What a comparison comes to, in one sentence per run that claims no more than the intervals.

use schemars::JsonSchema;
use serde::Serialize;

use super::effect::{Effect, EffectVerdict};
use super::headline::HeadlineMetric;
use super::pairing::{Embeddings, Paired, PairedMetric};
use super::speed::Speed;
use crate::numbers::Quantity::Rate;
use crate::verification::carriers::NO_SPREAD;
use crate::verification::thresholds::operating_rate;

/// Cosines that differ by no more differ by rounding: other kernels and other devices in f32 stay two orders below it.
const ROUNDING: f64 = 1e-4;

/// What a comparison comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ComparisonVerdict {
    /// Whether that is good news.
    pub tone: Tone,
    /// One line; of several runs, what each one comes to in few words.
    pub text: String,
    /// Each run but the first.
    pub runs: Vec<RunVerdict>,
}

/// What a run comes to, against the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunVerdict {
    /// Its number, from 1.
    pub number: usize,
    /// The decision.
    pub decision: Decision,
    /// The same in words, with the numbers that it rests on.
    pub text: String,
}

/// Whether a run can take the first one's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Every compared pair has the same cosine.
    Same,
    /// At least one metric is better, none is worse.
    Better,
    /// No metric is measurably worse, and none may be worse by more than half of the errors there are.
    NoLoss,
    /// At least one metric is worse, none is better.
    Worse,
    /// One metric is better, the other worse.
    Mixed,
    /// No interval, or it leaves room for half as many errors again.
    CannotTell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    Good,
    Neutral,
    Bad,
}

impl Decision {
    fn name(self) -> &'static str {
        match self {
            Self::Same => "the same",
            Self::Better => "better",
            Self::NoLoss => "no measurable loss",
            Self::Worse => "worse",
            Self::Mixed => "better and worse",
            Self::CannotTell => "cannot tell",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Same | Self::Better | Self::NoLoss => Tone::Good,
            Self::Worse => Tone::Bad,
            Self::Mixed | Self::CannotTell => Tone::Neutral,
        }
    }
}

/// One of the two metrics that decide.
struct Deciding<'a> {
    name: String,
    effect: &'a Effect,
    /// Errors of the first run, or their bound.
    errors: f64,
    /// Whether the runs' cosines differ by no more than [`ROUNDING`].
    rounding: bool,
}

impl<'a> Deciding<'a> {
    fn of(row: &'a PairedMetric, run: usize, rounding: bool) -> Option<Self> {
        let reference = row.values[0].as_ref()?;
        let (name, errors) = match row.metric {
            HeadlineMetric::Eer => ("EER".into(), if reference.bound { reference.upper? } else { reference.point }),
            _ => (row.name.clone(), 1.0 - if reference.point == 1.0 { reference.lower? } else { reference.point }),
        };
        Some(Self { name, effect: row.effects[run].as_ref()?, errors, rounding })
    }

    /// Whether every replicate has the same value in both runs, and all pairs have the same cosine but for rounding.
    fn unmoved(&self) -> bool {
        let difference = &self.effect.difference;
        self.rounding && difference.point == 0.0 && difference.method == NO_SPREAD
    }

    /// The most that the run may be worse by; `None` without an interval, unless it is unmoved.
    fn most_loss(&self) -> Option<f64> {
        if self.unmoved() {
            return Some(0.0);
        }
        let difference = &self.effect.difference;
        let (lower, upper) = difference.lower.zip(difference.upper)?;
        Some(if self.name == "EER" { upper } else { -lower }.max(0.0))
    }

    fn sentence(&self) -> String {
        format!("{} {}", self.name, Rate.effect(&self.effect.difference))
    }

    fn is(&self, verdict: EffectVerdict) -> bool {
        self.effect.verdict == verdict
    }
}

impl ComparisonVerdict {
    /// Judges every run by its equal error rate and its true accept rate at the operating FMR; `speed` is empty or has an
    /// entry for each run.
    pub fn of(runs: &[String], paired: &Paired, speed: &[Option<Speed>]) -> Self {
        let found = (1..runs.len()).map(|run| {
            let (decision, mut text) = decide(paired, run);
            text.extend(speed_phrase(speed, run));
            RunVerdict { number: run + 1, decision, text: format!("[{}] {}: {}", run + 1, runs[run], text.concat()) }
        });
        let found: Vec<RunVerdict> = found.collect();
        let tones = || found.iter().map(|run| run.decision.tone());
        let tone = [Tone::Bad, Tone::Neutral].into_iter().find(|tone| tones().any(|other| other == *tone));
        let text = match &found[..] {
            [only] => only.text.clone(),
            several => {
                let words = several.iter().map(|run| format!("[{}] {}", run.number, run.decision.name()));
                format!("against [1]: {}", words.collect::<Vec<_>>().join(", "))
            }
        };
        Self { tone: tone.unwrap_or(Tone::Good), text, runs: found }
    }
}

fn decide(paired: &Paired, run: usize) -> (Decision, Vec<String>) {
    let target = operating_rate(paired.pairs.impostor);
    let decides = |metric: HeadlineMetric| match metric {
        HeadlineMetric::Eer => true,
        HeadlineMetric::Tar(rate) => Some(rate) == target,
        _ => false,
    };
    let most_change = most_change(paired, run).filter(|change| *change <= ROUNDING);
    let rows = paired.metrics.iter().filter(|row| decides(row.metric));
    let deciding = rows.filter_map(|row| Deciding::of(row, run, most_change.is_some()));
    let deciding: Vec<Deciding<'_>> = deciding.collect();
    let list = |verdict: EffectVerdict| {
        let found = deciding.iter().filter(|one| one.is(verdict)).map(Deciding::sentence);
        found.collect::<Vec<_>>().join(", ")
    };
    let any = |verdict: EffectVerdict| deciding.iter().any(|one| one.is(verdict));
    let names = |word: &str| deciding.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(word);
    let open: Vec<&Deciding<'_>> = deciding.iter().filter(|one| one.is(EffectVerdict::NotResolvable)).collect();
    match (any(EffectVerdict::Better), any(EffectVerdict::Worse)) {
        _ if any(EffectVerdict::Same) => (Decision::Same, vec!["every compared pair has the same cosine".into()]),
        (true, true) => {
            let (better, worse) = (list(EffectVerdict::Better), list(EffectVerdict::Worse));
            (Decision::Mixed, vec![format!("better in one, worse in the other: {better}; {worse}")])
        }
        (false, true) => (Decision::Worse, vec![format!("worse: {}", list(EffectVerdict::Worse))]),
        (true, false) => {
            let rest = open.iter().map(|one| match one.most_loss() {
                Some(most) => format!(", any loss in {} is below {}", one.name, points(&[most])),
                None => format!(", {} cannot be judged", one.name),
            });
            let first = format!("better: {}", list(EffectVerdict::Better));
            (Decision::Better, std::iter::once(first).chain(rest).collect())
        }
        (false, false) => {
            if let Some(unknown) = open.iter().find(|one| one.most_loss().is_none()) {
                return (Decision::CannotTell, vec![format!("cannot tell: {}", unknown.effect.difference.method)]);
            }
            let most: Vec<f64> = open.iter().filter_map(|one| one.most_loss()).collect();
            if most.is_empty() {
                return (Decision::CannotTell, vec!["cannot tell: these pairs resolve no error rate".into()]);
            }
            if open.iter().zip(&most).any(|(one, most)| *most > one.errors / 2.0) {
                let text = format!("cannot tell: {} may be worse by up to {}", names(" and "), points(&most));
                return (Decision::CannotTell, vec![text]);
            }
            let unmoved = most_change.filter(|_| open.iter().any(|one| one.unmoved()));
            let cosines = unmoved.map(|change| format!("; no cosine differs by more than {}", rounded_up(change)));
            let (names, most, cosines) = (names(" or "), points(&most), cosines.unwrap_or_default());
            (Decision::NoLoss, vec![format!("no measurable loss in {names} (any loss is below {most}{cosines})")])
        }
    }
}

/// The most by which the cosine of a pair can differ from that in the first run; `None` where the runs embed into other
/// spaces.
fn most_change(paired: &Paired, run: usize) -> Option<f64> {
    match paired.embeddings.get(run)?.as_ref()? {
        Embeddings::Compared(agreement) => Some(agreement.most_change_of_a_pair()),
        Embeddings::NotComparable { .. } => None,
    }
}

/// A small number by its first digit, rounded up: `3e-6`.
fn rounded_up(number: f64) -> String {
    let unit = 10f64.powf(number.log10().floor());
    format!("{:.0e}", (number / unit).ceil() * unit)
}

/// Rates in percentage points, rounded up: `0.12 and 0.90 percentage points`.
fn points(rates: &[f64]) -> String {
    let one = |rate: &f64| format!("{:.2}", (rate * 1e4).ceil().max(1.0) / 100.0);
    rates.iter().map(one).collect::<Vec<_>>().join(" and ") + " percentage points"
}

/// How much faster a run was, if it can be told: both speeds were measured alike, over several chunks whose middle halves
/// do not overlap.
fn speed_phrase(speed: &[Option<Speed>], run: usize) -> Option<String> {
    let (first, speed) = (speed.first()?.as_ref()?, speed.get(run)?.as_ref()?);
    let apart = speed.lower > first.upper || speed.upper < first.lower;
    let told = apart && first.chunks > 1 && speed.chunks > 1;
    speed.ratio.filter(|_| told).map(|ratio| format!(", {ratio:.2} × as fast on the same machine"))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::compare::paired_tests::{comparison, reference};
    use crate::compare::{MetricDirection, Setting, Timing, speeds};
    use crate::estimate::Estimate;

    /// A metric's errors in the first run, and the difference of the second with its interval.
    type Change = (f64, [f64; 3]);

    /// Two runs with an EER of 2% and a TAR of 90% (errors: 10%) that differ as given.
    fn judged(eer: [f64; 3], tar: [f64; 3]) -> (Tone, String) {
        let paired = changed(&[(HeadlineMetric::Eer, (0.02, eer)), (HeadlineMetric::Tar(1e-3), (0.9, tar))]);
        let found = ComparisonVerdict::of(&["a".into(), "b".into()], &paired, &[]);
        assert_eq!(found.runs.len(), 1);
        (found.tone, found.text)
    }

    fn changed(changes: &[(HeadlineMetric, Change)]) -> Paired {
        let mut paired = comparison(&[reference(), reference()]).paired.unwrap();
        for (metric, (value, [lower, point, upper])) in changes {
            let row = paired.metrics.iter_mut().find(|row| row.metric == *metric).unwrap();
            let estimate = row.values[0].clone().unwrap();
            row.values[0] = Some(Estimate { point: *value, bound: false, ..estimate.clone() });
            let interval = (!lower.is_nan()).then_some((*lower, *upper));
            let reason = "no interval: too few".into();
            let difference = Estimate::new(*point, interval, estimate.n, estimate.unit, 0.95, reason);
            let better = if *metric == HeadlineMetric::Eer { MetricDirection::Lower } else { MetricDirection::Higher };
            row.effects[1] = Some(Effect::judged(better, difference, false));
        }
        paired
    }

    const NOTHING: [f64; 3] = [-0.001, 0.0, 0.001];

    #[test]
    fn a_verdict_decides_as_far_as_the_intervals_do() {
        let say = |eer, tar| {
            let (tone, text) = judged(eer, tar);
            format!("{tone:?} {text}")
        };
        assert_snapshot!(say(NOTHING, [-0.008_91, 0.0, 0.002]), @"Good [2] b: no measurable loss in EER or TAR at FMR 1e-3 (any loss is below 0.10 and 0.90 percentage points)");
        assert_snapshot!(say([0.004, 0.008, 0.012], NOTHING), @"Bad [2] b: worse: EER +0.80 pp [+0.40, +1.20]");
        assert_snapshot!(say([0.004, 0.008, 0.012], [-0.05, -0.03, -0.01]), @"Bad [2] b: worse: EER +0.80 pp [+0.40, +1.20], TAR at FMR 1e-3 −3.00 pp [−5.00, −1.00]");
        assert_snapshot!(say([-0.012, -0.008, -0.004], NOTHING), @"Good [2] b: better: EER −0.80 pp [−1.20, −0.40], any loss in TAR at FMR 1e-3 is below 0.10 percentage points");
        assert_snapshot!(say([-0.012, -0.008, -0.004], [0.01, 0.02, 0.03]), @"Good [2] b: better: EER −0.80 pp [−1.20, −0.40], TAR at FMR 1e-3 +2.00 pp [+1.00, +3.00]");
        assert_snapshot!(say([-0.012, -0.008, -0.004], [-0.05, -0.03, -0.01]), @"Neutral [2] b: better in one, worse in the other: EER −0.80 pp [−1.20, −0.40]; TAR at FMR 1e-3 −3.00 pp [−5.00, −1.00]");
        // More than half of the errors there are.
        assert_snapshot!(say([-0.01, 0.0, 0.011], NOTHING), @"Neutral [2] b: cannot tell: EER and TAR at FMR 1e-3 may be worse by up to 1.10 and 0.10 percentage points");
        assert_snapshot!(say(NOTHING, [-0.051, 0.0, 0.02]), @"Neutral [2] b: cannot tell: EER and TAR at FMR 1e-3 may be worse by up to 0.10 and 5.10 percentage points");
        assert_snapshot!(say([f64::NAN, 0.0, f64::NAN], NOTHING), @"Neutral [2] b: cannot tell: no interval: too few");
        assert_snapshot!(say([-0.002, -0.001, 0.0], [0.0, 0.0, 0.001]), @"Good [2] b: no measurable loss in EER or TAR at FMR 1e-3 (any loss is below 0.01 and 0.01 percentage points)");
    }

    #[test]
    fn rates_that_no_replicate_tells_apart_are_no_loss_where_all_cosines_are_the_same_but_for_rounding() {
        let nothing = (0.02, [0.0; 3]);
        let say = |moved: f32| {
            let mut paired = changed(&[(HeadlineMetric::Eer, nothing), (HeadlineMetric::Tar(1e-3), nothing)]);
            let run =
                reference().iter().zip([moved, -moved].iter().cycle()).map(|(value, moved)| value + moved).collect();
            paired.embeddings = comparison(&[reference(), run]).paired.unwrap().embeddings;
            ComparisonVerdict::of(&["a".into(), "b".into()], &paired, &[]).text
        };
        assert_snapshot!(say(1e-6), @"[2] b: no measurable loss in EER or TAR at FMR 1e-3 (any loss is below 0.01 and 0.01 percentage points; no cosine differs by more than 6e-6)");
        assert_snapshot!(say(1e-3), @"[2] b: cannot tell: no interval: every replicate has the same value");
        assert_eq!([3.1e-6, 9.5e-6, 4e-5].map(rounded_up), ["4e-6", "1e-5", "4e-5"]);
    }

    #[test]
    fn a_speed_is_in_the_verdict_only_where_chunks_tell_it() {
        let timing = |rates: &[f64], threads| Timing {
            chunks: rates.iter().map(|rate| (100, 100.0 / rate)).collect(),
            settings: vec![Setting { threads, ..Setting::default() }],
        };
        let paired = changed(&[(HeadlineMetric::Eer, (0.02, NOTHING)), (HeadlineMetric::Tar(1e-3), (0.9, NOTHING))]);
        let say = |first: &[f64], second: &[f64], threads| {
            let speed = speeds(&[timing(first, 2), timing(second, threads)]);
            let text = ComparisonVerdict::of(&["a".into(), "b".into()], &paired, &speed).text;
            text.split_once("points)").unwrap().1.to_owned()
        };
        assert_eq!(say(&[100.0; 3], &[320.0; 3], 2), ", 3.20 × as fast on the same machine");
        for (first, second, threads) in [
            (&[100.0, 101.0][..], &[320.0, 321.0][..], 4),
            (&[100.0], &[320.0], 2),
            (&[100.0, 200.0, 300.0], &[120.0, 210.0, 330.0], 2),
        ] {
            assert_eq!(say(first, second, threads), "", "{first:?} {second:?} {threads}");
        }
    }

    #[test]
    fn several_runs_have_a_line_each_and_the_worst_one_s_tone() {
        use crate::compare::paired_tests::run;
        let found = comparison(&[reference(), run(&[(0.9, 1), (0.9, 2)]), reference()]).verdict.unwrap();
        assert_eq!(found.tone, Tone::Bad);
        assert_snapshot!(found.text, @"against [1]: [2] worse, [3] the same");
        let lines = found.lines();
        assert!(lines[1].starts_with("[2] run-2: worse: EER +"), "{lines:?}");
        assert_eq!(lines[2], "[3] run-3: every compared pair has the same cosine");
    }
}
