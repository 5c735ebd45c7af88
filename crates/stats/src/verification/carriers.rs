//! Who carries an estimate: the people that have a pair, a face or a search of the kind that it is made of. Ten people of
//! whom one has a second photo say nothing of how other people's photos compare: their one same-identity pair is one
//! person's. The rule of every estimate, whatever makes its interval:
//!
//! - With fewer than [`FEWEST`] that carry it there is no interval, and the method says how many there are.
//! - A rate without an error, or with nothing else, is a bound: the rule of three on as many trials as its own are worth.
//!   What they are worth follows from the design effect where one is known; of fewer than [`FEWEST`], each is one trial.
//! - An interval without width, where every replicate says the same, is none.

use super::interval::upper_bound_of_none;
use crate::estimate::{Estimate, Unit};

/// Fewer than this give no interval: there are too few ways to choose among them, and too few to tell how they differ.
pub const FEWEST: usize = 8;

/// Why there is no interval, when so few of `who` (in the plural) have `what` an estimate is made of.
#[must_use]
pub fn too_few(carriers: usize, who: &str, what: &str) -> Option<String> {
    (carriers < FEWEST)
        .then(|| format!("no interval: it takes {what} of at least {FEWEST} {who}, and these are of {carriers}"))
}

/// Why there is no interval where every replicate says the same.
pub const NO_SPREAD: &str = "no interval: every replicate has the same value";

/// How far the ends of an interval are apart at least: cosines of 32-bit rows that ought to be equal differ by less.
const ROUNDING: f64 = 1e-6;

/// The interval, if the replicates that it is made of differ by more than rounding.
#[must_use]
pub fn spread((lower, upper): (f64, f64)) -> Option<(f64, f64)> {
    (upper - lower > ROUNDING).then_some((lower, upper))
}

/// What some trials are worth where all of them ended in the same way.
#[derive(Debug, Clone, PartialEq)]
pub struct Worth {
    /// Trials.
    n: u64,
    /// What they are, in the plural.
    trials: &'static str,
    /// As many independent ones tell as much.
    independent: f64,
    /// Why.
    reason: String,
}

impl Worth {
    /// Of `n` trials (`trials` in words) that `carriers` of `who` have. Of few, each is one trial, whatever the number of
    /// its own. Of more, the trials are worth `independent` ones where that is known, and else count as independent.
    #[must_use]
    pub fn new(n: u64, trials: &'static str, carriers: usize, who: &str, independent: Option<f64>) -> Self {
        let all = n as f64;
        let (independent, reason) = match independent {
            _ if carriers < FEWEST && (carriers as f64) < all => {
                (carriers as f64, format!("as if each of the {who} ({carriers}) were one trial"))
            }
            Some(independent) if carriers >= FEWEST && independent < all => {
                (independent, format!("worth {} independent ones", independent.round()))
            }
            _ => (all, format!("as if {trials} were independent")),
        };
        Self { n, trials, independent, reason }
    }

    /// Of `n` pairs that have nothing in common.
    #[must_use]
    pub fn independent(n: u64) -> Self {
        Self::new(n, "pairs", usize::MAX, "", None)
    }

    /// The one that says less.
    #[must_use]
    pub fn or_less(self, other: Self) -> Self {
        if other.independent < self.independent { other } else { self }
    }

    /// The upper bound of a rate of which nothing was seen.
    #[must_use]
    pub fn bound(&self, level: f64) -> f64 {
        upper_bound_of_none(self.independent, level)
    }

    /// No error was seen.
    #[must_use]
    pub fn none(&self, level: f64) -> Estimate {
        let Self { n, trials, reason, .. } = self;
        Estimate {
            point: 0.0,
            lower: Some(0.0),
            upper: Some(self.bound(level)),
            n: *n,
            unit: Unit::Pairs,
            level,
            method: format!("no error in {n} {trials}: exact binomial bound, {reason}"),
            bound: true,
        }
    }

    /// Nothing else was seen: 1, with the same bound from below.
    #[must_use]
    pub fn all(&self, level: f64) -> Estimate {
        let Self { n, trials, reason, .. } = self;
        Estimate {
            point: 1.0,
            lower: Some(1.0 - self.bound(level)),
            upper: Some(1.0),
            bound: false,
            method: format!("all of {n} {trials}: exact binomial bound, {reason}"),
            ..self.none(level)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_rate_is_bounded_from_below() {
        let estimate = Worth::independent(300).all(0.95);
        assert!((estimate.lower.unwrap() - 0.99).abs() < 1e-4 && !estimate.bound);
        assert!(Worth::independent(300).none(0.95).bound);
    }

    #[test]
    fn few_people_are_few_trials() {
        let bound = |n, carriers, independent| Worth::new(n, "pairs", carriers, "identities", independent).bound(0.95);
        assert!((bound(1_000, 2, None) - (1.0 - 0.05_f64.sqrt())).abs() < 1e-12, "two people, whatever their pairs");
        assert!((bound(1_000, 2, Some(900.0)) - (1.0 - 0.05_f64.sqrt())).abs() < 1e-12);
        assert!((bound(1, 2, None) - 0.95).abs() < 1e-12, "one pair of two people is one trial");
        assert!((bound(3_000, 8, None) * 3_000.0 - 3.0).abs() < 0.01);
        assert!((bound(3_000, 8, Some(300.0)) * 300.0 - 3.0).abs() < 0.02);
        let method = Worth::new(45, "pairs", 1, "identities", None).all(0.95).method;
        assert_eq!(method, "all of 45 pairs: exact binomial bound, as if each of the identities (1) were one trial");
        assert_eq!(too_few(8, "identities", "pairs"), None);
    }
}
