//! Error rates of any scores with labels: exact at every score, whatever its scale, with intervals over the groups that pairs
//! share, or over single pairs where none are given.
//!
//! The intervals are those of [`RateEstimator`](super::rates::RateEstimator), from the scores themselves where those come
//! from bins of cosines.

use std::collections::BTreeMap;

use super::carriers::{EffectiveTrials, too_few};
use super::clustered::ClusteredRate;
use super::plug_in::PlugIn;
use super::rates::{SOME_ERRORS, at_chosen, binomial, steepness, widen};
use super::sorted::SortedScores;
use crate::estimate::{Estimate, Unit};

/// Why error rates cannot be computed from scores.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum LabelledScoresError {
    /// Not one label and one group for each score.
    #[error("{scores} scores and {others} {what}: one of each for every pair is needed")]
    Lengths { scores: usize, others: usize, what: &'static str },
    /// A score that cannot be ordered.
    #[error("the score of pair {pair} is NaN; leave the pair out, or find out why it has no score")]
    NotANumber { pair: usize },
    /// Only one kind of pair, or none.
    #[error("{genuine} genuine and {impostor} impostor pairs: error rates need both kinds")]
    OneKind { genuine: u64, impostor: u64 },
    /// A confidence level outside of 0 to 1.
    #[error("level: a number between 0 and 1 is needed, such as 0.95, this is {0}")]
    Level(f64),
}

/// Scores of pairs that are known to be genuine or impostor.
#[derive(Debug, Clone)]
pub struct LabelledScores {
    sorted: SortedScores,
    genuine: Kind,
    impostor: Kind,
    /// Number of groups; without groups, each pair is one.
    units: usize,
    grouped: bool,
    level: f64,
}

/// The pairs of one kind.
#[derive(Debug, Clone, Default)]
struct Kind {
    /// Score and cell of each.
    scores: Vec<(f64, u32)>,
    /// The groups that pairs of a cell are in.
    cells: Vec<(usize, usize)>,
    /// Groups that have a pair.
    carriers: usize,
}

impl Kind {
    /// How far each group moves the share of pairs that reach a threshold; `None` with pairs of too few groups.
    fn plug_in(&self, threshold: f64, units: usize) -> Option<PlugIn> {
        let mut sums = vec![(0.0, 0.0); self.cells.len()];
        for &(score, cell) in &self.scores {
            let sum = &mut sums[cell as usize];
            *sum = (sum.0 + f64::from(u8::from(score >= threshold)), sum.1 + 1.0);
        }
        let sums: Vec<_> = self.cells.iter().zip(sums).map(|(&cell, (hits, pairs))| (cell, hits, pairs)).collect();
        PlugIn::of_sums(&sums, units)
    }
}

/// Both error rates at one threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct RatesAt {
    /// A pair matches if its score is at least this.
    pub threshold: f64,
    /// False match rate.
    pub fmr: Estimate,
    /// True accept rate.
    pub tar: Estimate,
}

impl LabelledScores {
    /// Sorts the pairs. `same` says which are genuine. `groups` are the two that a pair is in, by number, such as the people
    /// on it, twice the same for a pair of one; without them, pairs are taken as independent, which pairs that share faces or
    /// people are not. `level` is the confidence level of all intervals.
    ///
    /// # Errors
    /// [`LabelledScoresError`].
    pub fn new(
        scores: &[f64],
        same: &[bool],
        groups: Option<&[[u32; 2]]>,
        level: f64,
    ) -> Result<Self, LabelledScoresError> {
        let lengths = [(Some(same.len()), "labels"), (groups.map(<[_]>::len), "groups")];
        for (others, what) in lengths {
            if let Some(others) = others.filter(|others| *others != scores.len()) {
                return Err(LabelledScoresError::Lengths { scores: scores.len(), others, what });
            }
        }
        if let Some(pair) = scores.iter().position(|score| score.is_nan()) {
            return Err(LabelledScoresError::NotANumber { pair });
        }
        if !(level > 0.0 && level < 1.0) {
            return Err(LabelledScoresError::Level(level));
        }
        let mut numbers = BTreeMap::new();
        let (mut genuine, mut impostor) = (Kind::default(), Kind::default());
        let mut cell_of = BTreeMap::new();
        for (pair, (&score, &same)) in scores.iter().zip(same).enumerate() {
            let kind = if same { &mut genuine } else { &mut impostor };
            let cell = match groups {
                None => {
                    kind.cells.push((pair, pair));
                    kind.cells.len() - 1
                }
                Some(groups) => {
                    let [a, b] = groups[pair].map(|group| {
                        let next = numbers.len();
                        *numbers.entry(group).or_insert(next)
                    });
                    let groups = (a.min(b), a.max(b));
                    *cell_of.entry((same, groups)).or_insert_with(|| {
                        kind.cells.push(groups);
                        kind.cells.len() - 1
                    })
                }
            };
            kind.scores.push((score, cell as u32));
        }
        let units = if groups.is_some() { numbers.len() } else { scores.len() };
        for kind in [&mut genuine, &mut impostor] {
            let mut has = vec![false; units];
            kind.cells.iter().for_each(|&(a, b)| (has[a], has[b]) = (true, true));
            kind.carriers = has.into_iter().filter(|has| *has).count();
        }
        let counts = [&genuine, &impostor].map(|kind| kind.scores.len() as u64);
        let scores = |kind: &Kind| kind.scores.iter().map(|(score, _)| *score).collect();
        let sorted = SortedScores::new(scores(&genuine), scores(&impostor));
        let sorted = sorted.ok_or(LabelledScoresError::OneKind { genuine: counts[0], impostor: counts[1] })?;
        Ok(Self { sorted, genuine, impostor, units, grouped: groups.is_some(), level })
    }

    /// Numbers of genuine and of impostor pairs.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        self.sorted.counts()
    }

    /// Both rates at a threshold, which the intervals hold fixed: it was chosen elsewhere.
    #[must_use]
    pub fn at(&self, threshold: f64) -> RatesAt {
        let point = self.sorted.at(threshold);
        let rate = |kind: &Kind, rate: f64| {
            let n = kind.scores.len() as u64;
            let plug_in = || kind.plug_in(threshold, self.units);
            self.rate(rate, n, binomial(rate, n), &plug_in, &[kind], "")
        };
        RatesAt { threshold, fmr: rate(&self.impostor, point.fmr), tar: rate(&self.genuine, point.tar) }
    }

    /// True accept rate at the lowest threshold whose observed FMR does not exceed `fmr`; the interval accounts for the
    /// choice of that threshold. `None` where the impostor pairs are too few to resolve the rate (`fmr` below 1 in their
    /// number), and where no threshold keeps it because more of them score +∞.
    #[must_use]
    pub fn tar(&self, fmr: f64) -> Option<RatesAt> {
        let point = self.sorted.at_fmr(fmr)?;
        let (genuine, impostor) = self.counts();
        let misses = self.genuine.plug_in(point.threshold, self.units);
        let matches = self.impostor.plug_in(point.threshold, self.units);
        let steepness = self.steepness(point.fmr, matches.as_ref());
        let fnmr = 1.0 - point.tar;
        let independent = binomial(fnmr, genuine) + steepness.powi(2) * binomial(point.fmr, impostor);
        let plug_in = || Some(at_chosen(misses.as_ref()?, matches.as_ref()?, steepness).over(self.units));
        let kinds = [&self.genuine, &self.impostor];
        let mut missed = self.rate(fnmr, genuine, independent, &plug_in, &kinds, ", the threshold chosen for this FMR");
        if let Some(matches) = &matches {
            widen(&mut missed, steepness, matches, binomial(point.fmr, impostor));
        }
        let RatesAt { fmr, .. } = self.at(point.threshold);
        Some(RatesAt { threshold: point.threshold, fmr, tar: missed.complement() })
    }

    /// The equal error rate and its threshold.
    #[must_use]
    pub fn eer(&self) -> (Estimate, f64) {
        let (rate, threshold) = self.sorted.eer();
        let (genuine, impostor) = self.counts();
        let matches = self.impostor.plug_in(threshold, self.units);
        // Each rate counts by the slope of the other where they cross.
        let share = 1.0 / (1.0 + self.steepness(self.sorted.at(threshold).fmr, matches.as_ref()));
        let plug_in = || {
            let misses = self.genuine.plug_in(threshold, self.units)?;
            Some(matches.as_ref()?.mixed(1.0 - share, &misses, -share).over(self.units))
        };
        let independent = share.powi(2) * binomial(rate, genuine) + (1.0 - share).powi(2) * binomial(rate, impostor);
        let kinds = [&self.genuine, &self.impostor];
        (self.rate(rate, genuine.min(impostor), independent, &plug_in, &kinds, ""), threshold)
    }

    fn steepness(&self, fmr: f64, matches: Option<&PlugIn>) -> f64 {
        let (_, impostor) = self.counts();
        let spread = matches.map_or(0.0, |matches| matches.variance().max(0.0).sqrt());
        let count = |fmr: f64| (fmr * impostor as f64).round() as u64;
        steepness(count(fmr), impostor, spread, |allowed| {
            let point = self.sorted.at_most(allowed);
            (count(point.fmr), point.tar)
        })
    }

    /// A rate over pairs of `kinds`, of which one without errors is a bound of the kind with fewer effective trials.
    fn rate(
        &self,
        point: f64,
        n: u64,
        independent: f64,
        plug_in: &dyn Fn() -> Option<PlugIn>,
        kinds: &[&Kind],
        chosen: &str,
    ) -> Estimate {
        let who = if self.grouped { "groups" } else { "pairs" };
        let what = if self.grouped { "pairs" } else { "scores" };
        let carriers = kinds.iter().map(|kind| kind.carriers).min().unwrap_or_default();
        let effective = || {
            let all = kinds.iter().map(|kind| self.effective(kind));
            all.reduce(EffectiveTrials::or_less).unwrap_or_else(|| EffectiveTrials::independent(n))
        };
        let plug_in = || match plug_in() {
            Some(plug_in) => Ok((plug_in, format!("{carriers} {who}"))),
            None => Err(too_few(carriers, who, what).unwrap_or_default()),
        };
        let taken = if self.grouped { "" } else { ", pairs taken as independent" };
        let given = format!("{chosen}{taken}");
        let (unit, level) = (Unit::Pairs, self.level);
        ClusteredRate { point, n, unit, level, independent, effective: &effective, plug_in: &plug_in, given: &given }
            .estimate()
    }

    /// The effective number of trials of a kind of pairs where none or all are errors: as at the nearest threshold with some
    /// errors.
    fn effective(&self, kind: &Kind) -> EffectiveTrials {
        let n = kind.scores.len() as u64;
        let independent = self.grouped.then(|| {
            let mut scores: Vec<f64> = kind.scores.iter().map(|(score, _)| *score).collect();
            scores.sort_unstable_by(f64::total_cmp);
            let some = SOME_ERRORS.min(n / 2) as usize;
            let errors_above = std::ptr::eq(kind, &raw const self.impostor);
            let threshold = *scores.get(if errors_above { scores.len() - some } else { some })?;
            let rate = scores.iter().filter(|score| **score >= threshold).count() as f64 / n as f64;
            let plug_in = kind.plug_in(threshold, self.units)?;
            (rate > 0.0 && rate < 1.0).then(|| rate * (1.0 - rate) / plug_in.variance().max(binomial(rate, n)))
        });
        let who = if self.grouped { "groups" } else { "pairs" };
        EffectiveTrials::new(n, "pairs", kind.carriers, who, independent.flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::random::Draw;

    /// Scores of `people` people, each with a face that is hard or easy: the person moves all scores that it is in.
    fn scored(people: u32, effect: f64, seed: u64) -> (Vec<f64>, Vec<bool>, Vec<[u32; 2]>) {
        let mut draw = Draw::genuine(seed, 0);
        let of: Vec<f64> = (0..people).flat_map(|_| draw.normals()).collect();
        let (mut scores, mut same, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        for a in 0..people {
            for k in 0..6 {
                scores.push(20.0 + 10.0 * (draw.normals()[k % 2] + effect * of[a as usize]));
                same.push(true);
                groups.push([a, a]);
            }
            for b in a + 1..people {
                scores.push(10.0 * (draw.normals()[0] + effect * (of[a as usize] + of[b as usize])));
                same.push(false);
                groups.push([a, b]);
            }
        }
        (scores, same, groups)
    }

    fn width(estimate: &Estimate) -> f64 {
        estimate.upper.unwrap() - estimate.lower.unwrap()
    }

    #[test]
    fn rates_are_counted_on_any_scale() {
        // Genuine 3, 5, 7; impostor 1, 2, 4, 6.
        let scores = [3.0, 5.0, 7.0, 1.0, 2.0, 4.0, 6.0];
        let same = [true, true, true, false, false, false, false];
        for scale in [1.0, 1e-6, 1e12] {
            let scores = scores.map(|score| score * scale);
            let found = LabelledScores::new(&scores, &same, None, 0.95).unwrap();
            let at = found.at(4.0 * scale);
            assert_eq!((at.fmr.point, at.tar.point), (0.5, 2.0 / 3.0));
            let tar = found.tar(0.25).unwrap();
            assert_eq!((tar.threshold, tar.fmr.point, tar.tar.point), (5.0 * scale, 0.25, 2.0 / 3.0));
            assert_eq!(found.tar(0.2), None, "four impostor pairs");
            assert!((found.eer().0.point - 1.0 / 3.0).abs() < 1e-12);
            assert_eq!(at.fmr.method, "no interval: it takes scores of at least 8 pairs, and these are of 4");
        }
    }

    #[test]
    fn infinite_scores_are_pairs_that_never_match_or_always_do() {
        let (scores, same, groups) = scored(30, 1.0, 5);
        let finite = LabelledScores::new(&scores, &same, Some(&groups), 0.95).unwrap();
        let (rate, threshold) = finite.eer();
        for (infinite, is_out) in [
            (f64::NEG_INFINITY, &(|score: f64| score < threshold - 1.0) as &dyn Fn(f64) -> bool),
            (f64::INFINITY, &|score: f64| score > threshold + 1.0),
        ] {
            // Only the scores beside the crossing stay finite.
            let clipped: Vec<f64> = scores.iter().map(|score| if is_out(*score) { infinite } else { *score }).collect();
            let found = LabelledScores::new(&clipped, &same, Some(&groups), 0.95).unwrap();
            assert_eq!(found.eer().1, threshold);
            assert_eq!(found.eer().0.point, rate.point);
        }
        // The rates cross between a finite score and an infinite one.
        for (scores, same, threshold) in [
            ([1.0, f64::NEG_INFINITY, f64::NEG_INFINITY], [true, true, false], 1.0),
            ([2.0, f64::INFINITY, 0.0], [true, false, false], 2.0),
        ] {
            assert_eq!(LabelledScores::new(&scores, &same, None, 0.95).unwrap().eer().1, threshold);
        }
        let none =
            LabelledScores::new(&[f64::INFINITY, f64::INFINITY, 0.0, 1.0], &[false, false, false, true], None, 0.95);
        assert_eq!(none.unwrap().tar(0.4), None, "two of three impostor pairs match at every threshold");
    }

    #[test]
    fn a_rate_of_nothing_but_misses_at_a_chosen_threshold_may_be_by_chance() {
        // A few mislabelled pairs above all genuine ones, about as many as the rate allows: one less, and nobody is missed.
        let scores = (0..6).map(|i| 11.0 + f64::from(i) / 10.0).chain((0..4994).map(|i| f64::from(i) / 2000.0));
        let scores: Vec<f64> = scores.chain((0..400).map(|i| 8.0 + f64::from(i) / 1000.0)).collect();
        let same: Vec<bool> = (0..5400).map(|pair| pair >= 5000).collect();
        let found = LabelledScores::new(&scores, &same, None, 0.95).unwrap().tar(1e-3).unwrap().tar;
        assert!(found.point == 0.0 && found.bound && found.upper.unwrap() > 0.6, "{found:?}");
    }

    #[test]
    fn without_groups_intervals_are_those_of_independent_pairs_and_say_so() {
        let (scores, same, groups) = scored(40, 0.5, 3);
        let apart = LabelledScores::new(&scores, &same, None, 0.95).unwrap();
        let together = LabelledScores::new(&scores, &same, Some(&groups), 0.95).unwrap();
        let (alone, shared) = (apart.at(12.0), together.at(12.0));
        // statsmodels.stats.proportion.proportion_confint(method="wilson") differs by Student's t only.
        let n = alone.fmr.n as f64;
        let normal = 2.0 * 1.96 * (alone.fmr.point * (1.0 - alone.fmr.point) / n).sqrt();
        assert!((width(&alone.fmr) / normal - 1.0).abs() < 0.02, "{:?}", alone.fmr);
        assert!(alone.fmr.method.ends_with("pairs taken as independent"), "{}", alone.fmr.method);
        assert!(!shared.fmr.method.contains("independent pairs,"), "{}", shared.fmr.method);
        assert_eq!(alone.fmr.point, shared.fmr.point);
        assert!(width(&shared.fmr) > 2.0 * width(&alone.fmr), "{:?}", shared.fmr);
        for both in [[apart.eer().0, together.eer().0], [apart.tar(0.01).unwrap().tar, together.tar(0.01).unwrap().tar]]
        {
            assert_eq!(both[0].point, both[1].point);
            assert!(width(&both[1]) > width(&both[0]), "{both:?}");
        }
    }

    #[test]
    fn intervals_over_groups_hold_the_truth_as_often_as_they_say() {
        const TRIALS: u64 = 300;
        // Scores and people are normal: the truth at a threshold is that of the sum's variance.
        let (effect, threshold) = (0.5, 12.0);
        let many = scored(700, effect, 1_000_003);
        let truth = LabelledScores::new(&many.0, &many.1, None, 0.95).unwrap();
        let (fmr, eer, tar) = (truth.at(threshold).fmr.point, truth.eer().0.point, truth.tar(0.05).unwrap().tar.point);
        let mut held = [0; 3];
        for seed in 0..TRIALS {
            let (scores, same, groups) = scored(40, effect, seed);
            let found = LabelledScores::new(&scores, &same, Some(&groups), 0.95).unwrap();
            let estimates = [(found.at(threshold).fmr, fmr), (found.eer().0, eer), (found.tar(0.05).unwrap().tar, tar)];
            for (held, (estimate, truth)) in held.iter_mut().zip(estimates) {
                *held += u64::from(estimate.lower.unwrap() <= truth && truth <= estimate.upper.unwrap());
            }
        }
        for held in held {
            assert!((TRIALS * 90 / 100..=TRIALS * 99 / 100).contains(&held), "{held} of {TRIALS}");
        }
    }

    #[test]
    fn a_rate_without_errors_is_a_bound() {
        let (scores, same, groups) = scored(40, 0.5, 3);
        let found = LabelledScores::new(&scores, &same, Some(&groups), 0.95).unwrap();
        let none = found.at(1e3).fmr;
        assert!(none.bound && none.lower == Some(0.0) && none.upper.unwrap() * none.n as f64 > 3.0, "{none:?}");
        let alone = LabelledScores::new(&scores, &same, None, 0.95).unwrap().at(1e3).fmr;
        assert!((alone.upper.unwrap() * alone.n as f64 - 3.0).abs() < 0.05, "the rule of three: {alone:?}");
    }

    #[test]
    fn infinite_scores_are_ordered_like_any_others() {
        let scores = [f64::INFINITY, 1.0, 0.5, f64::NEG_INFINITY].repeat(5);
        let mut same = vec![true; 20];
        same.extend([false; 20]);
        let scores = [scores, [0.0, 0.2, f64::NEG_INFINITY, 0.7].repeat(5)].concat();
        let found = LabelledScores::new(&scores, &same, None, 0.95).unwrap();
        assert_eq!((found.eer().0.point, found.at(f64::INFINITY).tar.point), (0.25, 0.25));
        assert_eq!(found.at(f64::NEG_INFINITY).fmr.point, 1.0);
        assert_eq!(found.tar(0.5).unwrap().tar.point, 0.75);
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let refused = |scores: &[f64], same: &[bool], groups: Option<&[[u32; 2]]>, level| {
            LabelledScores::new(scores, same, groups, level).unwrap_err().to_string()
        };
        insta::assert_snapshot!(refused(&[1.0], &[true, false], None, 0.95), @"1 scores and 2 labels: one of each for every pair is needed");
        insta::assert_snapshot!(refused(&[1.0, 2.0], &[true, false], Some(&[[0, 0]]), 0.95), @"2 scores and 1 groups: one of each for every pair is needed");
        insta::assert_snapshot!(refused(&[1.0, f64::NAN], &[true, false], None, 0.95), @"the score of pair 1 is NaN; leave the pair out, or find out why it has no score");
        insta::assert_snapshot!(refused(&[1.0], &[true], None, 0.95), @"1 genuine and 0 impostor pairs: error rates need both kinds");
        insta::assert_snapshot!(refused(&[1.0, 2.0], &[true, false], None, 1.0), @"level: a number between 0 and 1 is needed, such as 0.95, this is 1");
    }
}
