//! Values of runs, and changes between them.

use crate::compare::{DecidedRate, Effect, HeadlineMetric, MeasuredRun, MetricDirection, accuracy_change};
use crate::estimate::Estimate;
use crate::protocol::PairOutcome;
use crate::verification::paired::{self, Replicated};

/// The values of several runs in one metric, on the pairs they share.
pub trait RunValues {
    /// A run's value with its own interval; `None` if its data cannot resolve it.
    fn value(&self, run: usize) -> Option<Estimate>;

    /// Mean change over pairs of runs (without, with), with its paired interval; `None` without pairs or if a value is
    /// missing.
    fn change(&self, pairs: &[(usize, usize)]) -> Option<Effect>;
}

/// A value of each run with its bootstrap replicates: replicate i resamples the same people in all runs.
pub struct Replicates {
    better: MetricDirection,
    runs: Vec<Option<Replicated>>,
    /// For each run, the first run with equal cosines.
    alike: Vec<usize>,
}

impl Replicates {
    /// A headline metric of runs evaluated on the same pairs.
    pub fn of(metric: HeadlineMetric, runs: &[MeasuredRun]) -> Self {
        let first_alike = |run: &MeasuredRun| runs.iter().position(|other| run.same(other)).unwrap_or_default();
        Self {
            better: metric.better(),
            runs: runs.iter().map(|run| run.metric(metric).cloned()).collect(),
            alike: runs.iter().map(first_alike).collect(),
        }
    }
}

impl RunValues for Replicates {
    fn value(&self, run: usize) -> Option<Estimate> {
        Some(self.runs[run].as_ref()?.estimate.clone())
    }

    fn change(&self, pairs: &[(usize, usize)]) -> Option<Effect> {
        let weight = 1.0 / pairs.len() as f64;
        let mut terms = Vec::new();
        for &(without, with) in pairs {
            terms.push((-weight, self.runs[without].as_ref()?));
            terms.push((weight, self.runs[with].as_ref()?));
        }
        let (first, others) = terms.split_first()?;
        let same = pairs.iter().all(|&(without, with)| self.alike[without] == self.alike[with]);
        Some(Effect::judged(self.better, paired::contrast(*first, others), same))
    }
}

/// The accuracy of a protocol over a published list of pairs, compared pair by pair.
pub struct Accuracies {
    /// For each run, its accuracy and its decision on each test pair.
    pub runs: Vec<(Estimate, Vec<PairOutcome>)>,
}

impl RunValues for Accuracies {
    fn value(&self, run: usize) -> Option<Estimate> {
        Some(self.runs[run].0.clone())
    }

    fn change(&self, pairs: &[(usize, usize)]) -> Option<Effect> {
        let of = |run: usize| self.runs[run].1.as_slice();
        let level = self.runs.first()?.0.level;
        let outcomes: Vec<_> = pairs.iter().map(|&(without, with)| (of(without), of(with))).collect();
        accuracy_change(&outcomes, level)
    }
}

/// A rate of searches or of pairs of templates, compared trial by trial.
impl RunValues for DecidedRate {
    fn value(&self, run: usize) -> Option<Estimate> {
        Some(self.runs[run].value.clone())
    }

    fn change(&self, pairs: &[(usize, usize)]) -> Option<Effect> {
        if pairs.is_empty() { None } else { Self::change(self, pairs) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ablation::design;
    use crate::compare::EffectVerdict;
    use crate::config::Design;
    use crate::verification::carriers::EffectiveTrials;

    fn replicated(point: f64, values: &[f64]) -> Replicated {
        let estimate =
            Estimate { point, lower: None, upper: None, bound: false, ..EffectiveTrials::independent(100).none(0.95) };
        Replicated { estimate, values: values.into() }
    }

    /// People whom a replicate draws more often move every run equally.
    fn people() -> Vec<f64> {
        (-50..=50).map(|i| f64::from(i) / 100.0).collect()
    }

    fn runs(values: &[f64], moves: impl Fn(usize, f64) -> f64) -> Replicates {
        let run = |(run, value): (usize, &f64)| {
            Some(replicated(*value, &people().iter().map(|m| value + moves(run, *m)).collect::<Vec<_>>()))
        };
        let alike = (0..values.len()).collect();
        Replicates { better: MetricDirection::Lower, runs: values.iter().enumerate().map(run).collect(), alike }
    }

    #[test]
    fn main_effects_of_an_additive_grid_are_its_parts() {
        // 0.5, and 0.1 and −0.03 for the two steps.
        let numbers = runs(&[0.5, 0.6, 0.47, 0.57], |_, shared| shared);
        for (step, expected, verdict) in [(0, 0.1, EffectVerdict::Worse), (1, -0.03, EffectVerdict::Better)] {
            let found = numbers.change(&design::pairs(Design::Grid, &[true; 4], step)).unwrap();
            let Estimate { point, lower, upper, .. } = found.difference;
            for value in [point, lower.unwrap(), upper.unwrap()] {
                assert!((value - expected).abs() < 1e-12, "what all runs share cancels: {value}");
            }
            assert_eq!(found.verdict, verdict);
        }
    }

    #[test]
    fn an_effect_that_turns_with_the_other_step_is_averaged_and_its_interval_is_of_the_mean() {
        // Alone the first step costs 0.2, with the second it gains 0.2; the noise of the two pairs is opposite.
        let noise = |run: usize, m: f64| [0.0, m, 0.0, -m][run];
        let numbers = runs(&[0.5, 0.7, 0.5, 0.3], noise);
        let found = numbers.change(&design::pairs(Design::Grid, &[true; 4], 0)).unwrap();
        assert!(found.difference.point.abs() < 1e-12 && found.difference.upper.unwrap().abs() < 1e-12, "{found:?}");
        assert_eq!(found.verdict, EffectVerdict::NotResolvable);
        let alone = numbers.change(&[(0, 1)]).unwrap();
        assert!(alone.difference.upper.unwrap() > 0.6, "{alone:?}");
    }

    #[test]
    fn a_missing_value_is_no_change_of_zero() {
        let mut numbers = runs(&[0.5, 0.6], |_, shared| shared);
        assert!(numbers.change(&[]).is_none());
        numbers.runs[1] = None;
        assert!(numbers.change(&[(0, 1)]).is_none() && numbers.value(1).is_none());
    }

    #[test]
    fn runs_with_the_same_cosines_are_the_same_and_not_merely_unresolvable() {
        let mut numbers = runs(&[0.5, 0.5], |_, shared| shared);
        assert_eq!(numbers.change(&[(0, 1)]).unwrap().verdict, EffectVerdict::NotResolvable);
        numbers.alike = vec![0, 0];
        assert_eq!(numbers.change(&[(0, 1)]).unwrap().verdict, EffectVerdict::Same);
    }
}
