//! The carriers of an estimate: the people who have a pair, a face or a search of its kind. Ten people, one of whom has a
//! second photo, say nothing about how other people's photos compare: the only genuine pair is of one person. The
//! rules for every estimate, however its interval is made:
//!
//! - With fewer than [`FEWEST`] carriers there is no interval, and the method says how many there are.
//! - A rate of 0 or 1 is a bound: the rule of three on the effective number of trials. That number follows from the design
//!   effect where one is known; with fewer than [`FEWEST`] carriers, each counts as one trial.
//! - An interval of width 0, because all replicates agree, is not reported.

use super::interval::upper_bound_of_none;
use crate::estimate::{Estimate, Unit};

/// Fewest carriers with an interval: with fewer there are too few resamples, and too few to estimate how they differ.
pub const FEWEST: usize = 8;

/// The reason for reporting no interval if fewer than [`FEWEST`] of `who` (plural) have `what` an estimate is made of.
#[must_use]
pub fn too_few(carriers: usize, who: &str, what: &str) -> Option<String> {
    (carriers < FEWEST)
        .then(|| format!("no interval: it takes {what} of at least {FEWEST} {who}, and these are of {carriers}"))
}

/// The reason for reporting no interval if all replicates agree.
pub const NO_SPREAD: &str = "no interval: every replicate has the same value";

/// Smallest width of an interval: equal cosines of 32-bit rows differ by less.
const ROUNDING: f64 = 1e-6;

/// The interval, if the replicates that it is made of differ by more than rounding.
#[must_use]
pub fn spread((lower, upper): (f64, f64)) -> Option<(f64, f64)> {
    (upper - lower > ROUNDING).then_some((lower, upper))
}

/// The effective number of trials behind a rate of 0 or 1.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveTrials {
    /// Trials.
    n: u64,
    /// What they are, in the plural.
    trials: &'static str,
    /// Number of independent trials with the same information.
    independent: f64,
    /// Why.
    reason: String,
}

impl EffectiveTrials {
    /// For `n` trials (named `trials`) of `carriers` of `who`. Fewer than [`FEWEST`] carriers count as one trial each.
    /// With more, there are `independent` effective trials if known, and otherwise all count as independent.
    #[must_use]
    pub fn new(n: u64, trials: &'static str, carriers: usize, who: &str, independent: Option<f64>) -> Self {
        let all = n as f64;
        let (independent, reason) = match independent {
            _ if carriers < FEWEST && (carriers as f64) < all => {
                (carriers as f64, format!("as if each of the {who} ({carriers}) were one trial"))
            }
            Some(independent) if carriers >= FEWEST && independent < all => {
                (independent, format!("equivalent to {} independent {trials}", independent.round()))
            }
            _ => (all, format!("as if {trials} were independent")),
        };
        Self { n, trials, independent, reason }
    }

    /// For `n` pairs that share neither faces nor people.
    #[must_use]
    pub fn independent(n: u64) -> Self {
        Self::new(n, "pairs", usize::MAX, "", None)
    }

    /// The one with fewer effective trials.
    #[must_use]
    pub fn or_less(self, other: Self) -> Self {
        if other.independent < self.independent { other } else { self }
    }

    /// The upper bound of a rate without an error.
    #[must_use]
    pub fn bound(&self, level: f64) -> f64 {
        upper_bound_of_none(self.independent, level)
    }

    /// The estimate without an error: 0, with its upper bound.
    #[must_use]
    pub fn none(&self, level: f64) -> Estimate {
        Estimate {
            point: 0.0,
            lower: Some(0.0),
            upper: Some(self.bound(level)),
            n: self.n,
            unit: Unit::Pairs,
            level,
            method: self.method("no error in"),
            bound: true,
        }
    }

    /// The estimate where all trials are errors: 1, with the mirrored lower bound.
    #[must_use]
    pub fn all(&self, level: f64) -> Estimate {
        Estimate {
            point: 1.0,
            lower: Some(1.0 - self.bound(level)),
            upper: Some(1.0),
            bound: false,
            method: self.method("all of"),
            ..self.none(level)
        }
    }

    fn method(&self, which: &str) -> String {
        let Self { n, trials, reason, .. } = self;
        match n {
            1 => format!("{which} one trial: exact binomial bound"),
            _ => format!("{which} {n} {trials}: exact binomial bound, {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_rate_is_bounded_from_below() {
        let estimate = EffectiveTrials::independent(300).all(0.95);
        assert!((estimate.lower.unwrap() - 0.99).abs() < 1e-4 && !estimate.bound);
        assert!(EffectiveTrials::independent(300).none(0.95).bound);
    }

    #[test]
    fn few_people_are_few_trials() {
        let bound = |n, carriers, independent| {
            EffectiveTrials::new(n, "pairs", carriers, "identities", independent).bound(0.95)
        };
        assert!((bound(1_000, 2, None) - (1.0 - 0.05_f64.sqrt())).abs() < 1e-12, "two people, whatever their pairs");
        assert!((bound(1_000, 2, Some(900.0)) - (1.0 - 0.05_f64.sqrt())).abs() < 1e-12);
        assert!((bound(1, 2, None) - 0.95).abs() < 1e-12, "one pair of two people is one trial");
        assert!((bound(3_000, 8, None) * 3_000.0 - 3.0).abs() < 0.01);
        assert!((bound(3_000, 8, Some(300.0)) * 300.0 - 3.0).abs() < 0.02);
        let method = EffectiveTrials::new(45, "pairs", 1, "identities", None).all(0.95).method;
        assert_eq!(method, "all of 45 pairs: exact binomial bound, as if each of the identities (1) were one trial");
        assert_eq!(EffectiveTrials::independent(1).none(0.95).method, "no error in one trial: exact binomial bound");
        assert_eq!(too_few(8, "identities", "pairs"), None);
    }
}
