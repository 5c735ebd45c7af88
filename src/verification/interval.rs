//! Rates without a single error: resampling says nothing about them, so they get an exact binomial bound.

use crate::estimate::{Estimate, Unit};

/// One-sided Clopper–Pearson upper bound of a rate with no error in `n` trials: 1 − (1−level)^(1/n), about 3/n at 95%.
#[must_use]
pub fn upper_bound_of_none(n: u64, level: f64) -> f64 {
    if n == 0 { 1.0 } else { -((1.0 - level).ln() / n as f64).exp_m1() }
}

/// No error among `n` pairs: the rate is a bound.
#[must_use]
pub fn no_error(n: u64, level: f64) -> Estimate {
    Estimate {
        point: 0.0,
        lower: Some(0.0),
        upper: Some(upper_bound_of_none(n, level)),
        n,
        unit: Unit::Pairs,
        level,
        method: format!("no error in {n} pairs: exact binomial bound, as if pairs were independent"),
        bound: true,
    }
}

/// Every one of `n` pairs: 1, with the same bound from below.
#[must_use]
pub fn no_miss(n: u64, level: f64) -> Estimate {
    Estimate {
        point: 1.0,
        lower: Some(1.0 - upper_bound_of_none(n, level)),
        upper: Some(1.0),
        bound: false,
        ..no_error(n, level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{Binomial, DiscreteCDF};

    #[test]
    fn the_bound_is_where_no_error_has_the_probability_left_over() {
        for n in [1, 10, 299, 100_000] {
            let upper = upper_bound_of_none(n, 0.95);
            let none = Binomial::new(upper, n).unwrap().cdf(0);
            assert!((none - 0.05).abs() < 1e-9, "{n}: {none}");
        }
        assert!((upper_bound_of_none(1_000_000, 0.95) * 1e6 - 3.0).abs() < 0.01, "the rule of three");
        assert_eq!(upper_bound_of_none(0, 0.95), 1.0);
    }

    #[test]
    fn a_perfect_rate_is_bounded_from_below() {
        let estimate = no_miss(300, 0.95);
        assert!((estimate.lower.unwrap() - 0.99).abs() < 1e-4 && !estimate.bound);
        assert!(no_error(300, 0.95).bound);
    }
}
