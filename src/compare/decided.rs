//! Rates of which every trial is known in every run: what makes a trial hard is in all of them, and cancels.

use super::effect::Effect;
use crate::estimate::{Estimate, Unit};
use crate::metrics;
use crate::protocol::uncertainty::{Decided, change};

/// A rate in several runs, trial by trial.
pub struct DecidedRate {
    /// As configs name it.
    pub metric: String,
    /// What the trials are.
    pub trials: (Unit, &'static str),
    /// Each run's.
    pub runs: Vec<DecidedRun>,
}

/// One run's part of it.
pub struct DecidedRun {
    /// Its value with its own interval.
    pub value: Estimate,
    /// How each trial ended, and what its threshold is chosen by.
    pub decided: Decided,
    /// What the decisions are made from: equal ones mean that nothing differs.
    pub scores: Vec<u64>,
}

impl DecidedRate {
    /// Each run against the first; `None` for the first itself and without trials in common.
    pub fn effects(&self) -> Vec<Option<Effect>> {
        (0..self.runs.len()).map(|run| if run == 0 { None } else { self.change(&[(0, run)]) }).collect()
    }

    /// The mean change over pairs of runs (without, with).
    pub fn change(&self, pairs: &[(usize, usize)]) -> Option<Effect> {
        let of = |run: usize| self.runs[run].decided.clone();
        let decisions: Vec<_> = pairs.iter().map(|&(without, with)| (of(without), of(with))).collect();
        let mut difference = change(&decisions, self.trials, self.runs.first()?.value.level)?;
        if self.metric.contains('@') && difference.lower.is_some() {
            let fixed = self.runs.iter().all(|run| run.decided.choices.is_empty());
            difference.method += if fixed {
                ", each run's threshold held fixed"
            } else {
                ", each run's threshold chosen by its searches"
            };
        }
        let same = pairs.iter().all(|&(without, with)| self.runs[without].scores == self.runs[with].scores);
        Some(Effect::judged(metrics::better(&self.metric), difference, same))
    }

    /// Each run's value.
    pub fn values(&self) -> Vec<Estimate> {
        self.runs.iter().map(|run| run.value.clone()).collect()
    }
}
