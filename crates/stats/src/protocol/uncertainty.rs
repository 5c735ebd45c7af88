//! Intervals of a protocol's rates. Pairs share people, so the spread over folds is not an interval and a binomial one is
//! too narrow. These are Wilson's with the plug-in variance over people (`verification::clustered`), and for two runs on
//! the same pairs, that of the difference, pair by pair.
//!
//! Thresholds are held fixed: a protocol chooses them on training folds that are not what it is judged on, so how much
//! they would move with other training folds is not in the interval. Metrics over all pairs are judged on the pairs that
//! their threshold is chosen on, and theirs has it (`verification::rates`).

use std::collections::{BTreeMap, BTreeSet};

use super::{ABSENT, ListedPair, PairOutcome};
use crate::disjoint_sets::DisjointSets;
use crate::estimate::{Estimate, Unit};
use crate::verification::carriers::{EffectiveTrials, too_few};
use crate::verification::clustered::ClusteredRate;
use crate::verification::plug_in::PlugIn;
use crate::verification::{ScoredPair, ScoredPairs};

/// The people in a list's pairs, as far as they are known: many lists have no names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPeople {
    /// Number of each manifest row's person.
    of: Vec<u32>,
    count: usize,
    /// What is numbered, in the plural.
    pub unit: &'static str,
}

/// One decision about a pair.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// Who is in it.
    pub people: (u32, u32),
    /// Whether it counts.
    pub hit: bool,
}

impl ListedPeople {
    /// The person of a manifest row.
    #[must_use]
    pub fn of(&self, face: u32) -> u32 {
        self.of[face as usize]
    }

    /// Numbers the people of a manifest: its identities where every listed face has one. Otherwise pictures that the list
    /// calls one person form a group; two groups may be one person without the list saying so.
    #[must_use]
    pub fn new(identities: &[Option<&str>], pairs: &[ListedPair]) -> Self {
        let known = |face: u32| identities.get(face as usize).copied().flatten().is_some();
        let listed = |face: u32| face != ABSENT;
        if pairs.iter().flat_map(|pair| [pair.a, pair.b]).filter(|face| listed(*face)).all(known) {
            let mut numbers = BTreeMap::new();
            let of = identities.iter().map(|identity| {
                let next = numbers.len() as u32;
                identity.map_or(u32::MAX, |name| *numbers.entry(name).or_insert(next))
            });
            let of = of.collect();
            return Self { of, count: numbers.len(), unit: "identities" };
        }
        let mut groups = DisjointSets::new(identities.len());
        let same = |pair: &&ListedPair| pair.same && listed(pair.a) && listed(pair.b);
        pairs.iter().filter(same).for_each(|pair| groups.join(pair.a, pair.b));
        let of = groups.numbered();
        let count = of.iter().max().map_or(0, |last| *last as usize + 1);
        Self { of, count, unit: "groups of pictures" }
    }

    /// The estimate of a rate whose point, a mean over folds, is given.
    #[must_use]
    pub fn rate(&self, point: f64, trials: &mut dyn Iterator<Item = Trial>, level: f64) -> Estimate {
        let (mut cells, mut hits, mut n) = (BTreeMap::new(), 0_u64, 0_u64);
        let mut carriers = BTreeSet::new();
        for Trial { people, hit } in trials {
            add(&mut cells, people, f64::from(u8::from(hit)));
            carriers.extend([people.0, people.1]);
            (hits, n) = (hits + u64::from(hit), n + 1);
        }
        let plug_in = || match PlugIn::of_sums(&sums(cells.clone()), self.count) {
            Some(plug_in) => Ok((plug_in, format!("{} {}", carriers.len(), self.unit))),
            None => Err(too_few(carriers.len(), self.unit, "such pairs").unwrap_or_default()),
        };
        // Exactly 0 or 1 where all trials agree, however the mean over folds is rounded.
        let point = if hits == 0 || hits == n { (hits / n.max(1)) as f64 } else { point };
        let rate = ClusteredRate {
            point,
            n,
            unit: Unit::Pairs,
            level,
            independent: point * (1.0 - point) / n as f64,
            effective: &|| EffectiveTrials::new(n, "pairs", carriers.len(), self.unit, None),
            plug_in: &plug_in,
            given: ", thresholds of the folds held fixed",
        };
        rate.estimate()
    }
}

/// What is known of a rate of one run, trial by trial.
#[derive(Debug, Clone, Default)]
pub struct Decided {
    /// How each trial ended.
    pub decisions: Vec<Decision>,
    /// The trials that the threshold is chosen by; none if it is held fixed.
    pub choices: Vec<Choice>,
}

impl Decided {
    /// By a threshold that is held fixed.
    #[must_use]
    pub fn at_fixed_threshold(decisions: Vec<Decision>) -> Self {
        Self { decisions, choices: Vec::new() }
    }
}

/// One of the trials that a run's threshold is chosen by.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// The trial: the same in all runs.
    pub key: u32,
    /// Who is in it.
    pub person: u32,
    /// How far it moves the rate, times the number of such trials: −steepness if it passes the threshold, else 0.
    pub pull: f64,
}

/// Whether one trial of a run ended rightly.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// The trial: the same in all runs.
    pub key: u32,
    /// Who is in it.
    pub people: (u32, u32),
    /// Whether it ended rightly.
    pub right: bool,
}

/// Accuracy with less accuracy without, the mean over pairs of runs (without, with), over the test pairs that all of them
/// decided, pair by pair: what makes a pair hard is in both and cancels. `None` when they share none.
#[must_use]
pub fn difference(runs: &[(&[PairOutcome], &[PairOutcome])], level: f64) -> Option<Estimate> {
    let decisions = |outcomes: &[PairOutcome]| {
        let decision = |pair: &PairOutcome| Decision { key: pair.pair, people: pair.people, right: pair.right() };
        Decided::at_fixed_threshold(outcomes.iter().map(decision).collect())
    };
    let runs: Vec<_> = runs.iter().map(|(without, with)| (decisions(without), decisions(with))).collect();
    change(&runs, (Unit::Pairs, "pairs"), level)
}

/// The share of right decisions with less that without, the mean over pairs of runs (without, with), over the trials that
/// all of them decided. `trials` is what they are. `None` when they share none.
///
/// Where thresholds are chosen by trials of other people, how far these would move the difference is part of its interval
/// (`identification::rates` has the reason).
#[must_use]
pub fn change(runs: &[(Decided, Decided)], trials: (Unit, &'static str), level: f64) -> Option<Estimate> {
    let signed = || runs.iter().flat_map(|(without, with)| [(-1.0, without), (1.0, with)]);
    let decisions = signed().flat_map(|(sign, decided)| {
        decided.decisions.iter().map(move |one| (one.key, one.people, sign * f64::from(u8::from(one.right))))
    });
    let choices = signed().flat_map(|(sign, decided)| {
        decided.choices.iter().map(move |one| (one.key, (one.person, one.person), sign * one.pull))
    });
    let (steps, choices) = (Steps::of(runs.len(), decisions), Steps::of(runs.len(), choices));
    let fixed = signed().all(|(_, decided)| decided.choices.is_empty());
    let (n, people, point) = (steps.n, steps.people.len(), steps.mean());
    let last = steps.people.last()?.max(choices.people.last().unwrap_or(&0));
    let units = *last as usize + 1;
    let (unit, trials) = trials;
    let estimate = |interval, method| Estimate::new(point, interval, n, unit, level, method);
    let chosen = choices.plug_in(units);
    if chosen.is_none() && !fixed {
        let what = format!("{trials} that the thresholds are chosen by");
        return Some(estimate(None, too_few(choices.people.len(), "people", &what).unwrap_or_default()));
    }
    if steps.changed == 0 {
        let Estimate { upper, method, .. } = EffectiveTrials::new(n, trials, people, "people", None).none(level);
        let method = method.replacen("no error", "no decision differs", 1);
        let more = chosen.map_or(0.0, |(plug_in, variance)| plug_in.quantile(level) * variance.sqrt());
        return Some(estimate(upper.map(|most| (-most - more, most + more)), method));
    }
    let Some((plug_in, variance)) = steps.plug_in(units) else {
        let method = too_few(people, "people", &format!("such {trials}")).unwrap_or_default();
        return Some(estimate(None, method));
    };
    let (plug_in, variance) = match chosen {
        None => (plug_in, variance),
        // Who is in a gallery has no search that a threshold is chosen by: the two parts are of different people.
        Some((choice, more)) => (plug_in.mixed(1.0, &choice, 1.0).over(people + choices.people.len()), variance + more),
    };
    let reach = plug_in.quantile(level) * variance.sqrt();
    let method = format!("paired, plug-in variance over {people} people: {} of {n} decisions differ", steps.changed);
    Some(estimate(Some((point - reach, point + reach)), method))
}

/// By how much each trial that all runs have differs with and without, the mean over pairs of runs.
struct Steps {
    cells: Cells,
    sum: f64,
    squares: f64,
    changed: u64,
    n: u64,
    people: BTreeSet<u32>,
    /// Pairs of runs.
    pairs: f64,
}

impl Steps {
    /// From the number, the people and the value of each run's trials; negative without.
    fn of(pairs: usize, trials: impl Iterator<Item = (u32, (u32, u32), f64)>) -> Self {
        let mut of_trials: BTreeMap<u32, ((u32, u32), f64, usize)> = BTreeMap::new();
        for (key, people, value) in trials {
            let step = of_trials.entry(key).or_insert((people, 0.0, 0));
            (step.1, step.2) = (step.1 + value, step.2 + 1);
        }
        let (cells, people) = (Cells::new(), BTreeSet::new());
        let mut steps = Self { cells, sum: 0.0, squares: 0.0, changed: 0, n: 0, people, pairs: pairs as f64 };
        let weight = 1.0 / steps.pairs;
        for ((a, b), step, _) in of_trials.into_values().filter(|step| step.2 == 2 * pairs) {
            add(&mut steps.cells, (a, b), step * weight);
            steps.people.extend([a, b]);
            steps.sum += step;
            steps.squares += (step * weight).powi(2);
            (steps.changed, steps.n) = (steps.changed + u64::from(step != 0.0), steps.n + 1);
        }
        steps
    }

    fn mean(&self) -> f64 {
        self.sum * (1.0 / self.pairs) / self.n as f64
    }

    /// How far each person moves the mean, and its variance; `None` with too few people.
    fn plug_in(&self, units: usize) -> Option<(PlugIn, f64)> {
        let plug_in = PlugIn::of_sums(&sums(self.cells.clone()), units)?;
        // Trials that share people carry no more information than independent ones.
        let independent = (self.squares / self.n as f64 - self.mean().powi(2)) / self.n as f64;
        let variance = plug_in.variance().max(independent);
        Some((plug_in, variance))
    }
}

/// The interval of the equal error rate of all test pairs together, and how it was computed. Pairs whose people contradict
/// the list are left out. `None` where one kind of pair is missing or people are too few.
#[must_use]
pub fn equal_errors(outcomes: &[PairOutcome], level: f64) -> Option<((f64, f64), String)> {
    let farthest = outcomes.iter().map(|outcome| outcome.distance).fold(f64::MIN_POSITIVE, f64::max);
    let names: BTreeMap<u32, String> =
        outcomes.iter().flat_map(|outcome| [outcome.people.0, outcome.people.1]).map(|n| (n, n.to_string())).collect();
    let agree = outcomes.iter().filter(|outcome| outcome.same == (outcome.people.0 == outcome.people.1));
    let scored: Vec<ScoredPair<'_>> = agree
        .map(|outcome| ScoredPair {
            // A rate of errors depends on the order of the scores only.
            score: (1.0 - 2.0 * outcome.distance / farthest) as f32,
            identities: (&names[&outcome.people.0], &names[&outcome.people.1]),
        })
        .collect();
    let Estimate { lower, upper, method, .. } = ScoredPairs::new(&scored, level).ok()?.eer();
    Some(((lower?, upper?), format!("{method}, of all test pairs together")))
}

type Cells = BTreeMap<(u32, u32), (f64, f64)>;

fn add(cells: &mut Cells, (a, b): (u32, u32), value: f64) {
    let cell = cells.entry((a.min(b), a.max(b))).or_default();
    *cell = (cell.0 + value, cell.1 + 1.0);
}

fn sums(cells: Cells) -> Vec<((usize, usize), f64, f64)> {
    cells.into_iter().map(|((a, b), (sum, n))| ((a as usize, b as usize), sum, n)).collect()
}
