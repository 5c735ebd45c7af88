//! Intervals of a rate from its number of errors.

use statrs::distribution::{Beta, ContinuousCDF, Normal};

/// Wilson's interval (1927) of a rate over `n` independent trials, or over pairs with that effective number of trials,
/// `quantile` standard deviations to each side. It always contains the rate.
#[must_use]
pub fn wilson(rate: f64, n: f64, quantile: f64) -> (f64, f64) {
    let square = quantile.powi(2) / n;
    let centre = (rate + square / 2.0) / (1.0 + square);
    let reach = (square * (rate * (1.0 - rate) + square / 4.0)).sqrt() / (1.0 + square);
    ((centre - reach).clamp(0.0, rate), (centre + reach).clamp(rate, 1.0))
}

/// With more errors than this, and more of the others, [`clopper_pearson`] uses an approximation.
const MANY: u64 = 1_000;

/// The exact two-sided binomial interval (Clopper & Pearson 1934), which takes pairs as independent. With more than
/// 1,000 errors and as many others, Wilson's with continuity correction, whose ends differ from it by less than
/// a two-hundredth of its width.
#[must_use]
pub fn clopper_pearson(errors: u64, n: u64, level: f64) -> (f64, f64) {
    let tail = (1.0 - level) / 2.0;
    let passes = n - errors.min(n);
    if errors.min(passes) > MANY {
        let (rate, half, n) = (errors as f64 / n as f64, 0.5 / n as f64, n as f64);
        let quantile = Normal::standard().inverse_cdf(1.0 - tail);
        return (wilson(rate - half, n, quantile).0, wilson(rate + half, n, quantile).1);
    }
    (
        beta_quantile(errors, passes + 1, tail).unwrap_or(0.0),
        beta_quantile(errors + 1, passes, 1.0 - tail).unwrap_or(1.0),
    )
}

/// By bisection: statrs' own quantile search for this distribution does not terminate for some counts.
fn beta_quantile(a: u64, b: u64, level: f64) -> Option<f64> {
    let beta = Beta::new(a as f64, b as f64).ok()?;
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if beta.cdf(middle) < level { low = middle } else { high = middle }
    }
    Some(f64::midpoint(low, high))
}

/// One-sided Clopper–Pearson upper bound of a rate with no error in `n` trials: 1 − (1−level)^(1/n), about 3/n at 95%.
#[must_use]
pub fn upper_bound_of_none(n: f64, level: f64) -> f64 {
    if n <= 0.0 { 1.0 } else { -((1.0 - level).ln() / n).exp_m1() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{Binomial, DiscreteCDF};

    #[test]
    fn the_bound_is_where_no_error_has_the_probability_left_over() {
        for n in [1_u64, 10, 299, 100_000] {
            let upper = upper_bound_of_none(n as f64, 0.95);
            let none = Binomial::new(upper, n).unwrap().cdf(0);
            assert!((none - 0.05).abs() < 1e-9, "{n}: {none}");
        }
        assert!((upper_bound_of_none(1_000_000.0, 0.95) * 1e6 - 3.0).abs() < 0.01, "the rule of three");
        assert_eq!(upper_bound_of_none(0.0, 0.95), 1.0);
    }

    #[test]
    fn exact_intervals_leave_half_of_the_rest_on_each_side() {
        for (errors, n) in [(1, 10), (5, 9), (30, 1_000), (17, 1_000_000), (1_000, 1_000_000), (1_001, 1_000_000)] {
            let (lower, upper) = clopper_pearson(errors, n, 0.95);
            let at_most = |rate: f64, errors: u64| Binomial::new(rate, n).unwrap().cdf(errors);
            assert!((at_most(upper, errors) - 0.025).abs() < 1.2e-3, "{errors} of {n}: {upper}");
            assert!((1.0 - at_most(lower, errors - 1) - 0.025).abs() < 1.2e-3, "{errors} of {n}: {lower}");
        }
        assert_eq!((clopper_pearson(0, 10, 0.95).0, clopper_pearson(10, 10, 0.95).1), (0.0, 1.0));
    }

    #[test]
    fn large_counts_are_nearly_normal() {
        for (errors, n) in [(1_000_000, 10_000_000_000_u64), (17, 17_600_000_000), (17_600_000, 17_600_000_000)] {
            let (lower, upper) = clopper_pearson(errors, n, 0.95);
            let (rate, n) = (errors as f64 / n as f64, n as f64);
            let expected = wilson(rate, n, 1.96);
            let width = expected.1 - expected.0;
            assert!(
                (lower - expected.0).abs() < 0.1 * width && (upper - expected.1).abs() < 0.1 * width,
                "{lower} {upper}"
            );
        }
    }

    #[test]
    fn wilson_is_its_textbook_example() {
        // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20 and 1 of 29.
        for (errors, n, expected) in [
            (81, 263, (0.2553, 0.3662)),
            (15, 148, (0.0624, 0.1605)),
            (0, 20, (0.0, 0.1611)),
            (1, 29, (0.0061, 0.1718)),
        ] {
            let found = wilson(f64::from(errors) / f64::from(n), f64::from(n), 1.959_964);
            assert!((found.0 - expected.0).abs() < 5e-5 && (found.1 - expected.1).abs() < 5e-5, "{found:?}");
        }
    }
}
