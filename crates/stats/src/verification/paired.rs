//! Differences between two sets of cosines of the same pairs of faces.
//!
//! What two runs share (hard photographs, people who look alike) moves both numbers at once; resampling the same people
//! for both lets it cancel, so that the interval of a difference is narrower than two intervals side by side suggest.

use super::bootstrap::percentiles;
use crate::estimate::Estimate;

/// One number of one run, and the same number in each bootstrap replicate, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Replicated {
    /// The number with its own interval.
    pub estimate: Estimate,
    /// Its value in replicate 0, 1, …; NaN where it has none. Empty without an interval.
    pub values: Vec<f64>,
}

impl Replicated {
    /// How far below and above its point the number may lie although replicates hardly say so: a rate without a single
    /// error (0, or 1 for an accept rate) stays there in them, and all that is known is the bound from its n.
    fn unseen(&self) -> (f64, f64) {
        match self.estimate {
            Estimate { bound: true, point, upper: Some(upper), .. } => (0.0, upper - point),
            Estimate { point: 1.0, lower: Some(lower), .. } => (1.0 - lower, 0.0),
            _ => (0.0, 0.0),
        }
    }
}

/// `other` less `reference`: their [`contrast`].
#[must_use]
pub fn difference(reference: &Replicated, other: &Replicated) -> Estimate {
    contrast((-1.0, reference), &[(1.0, other)])
}

/// A weighted sum of numbers of several runs (weights that add up to 0 make it a contrast), with the percentile interval
/// of the same sum in each replicate. The interval contains the point, and is widened by the bound of a rate that has no
/// error, times its weight. Without replicates there is no interval. Rates at a false match rate find their threshold in
/// each replicate, as their own intervals have it that it is chosen (`super::rates`). `n` is the smallest of all.
#[must_use]
pub fn contrast(first: (f64, &Replicated), others: &[(f64, &Replicated)]) -> Estimate {
    let terms = || std::iter::once(first).chain(others.iter().copied());
    // From the first term on and not from 0, so that a sum of one number is that number.
    let sum = |of: &dyn Fn(&Replicated) -> f64| {
        others.iter().fold(first.0 * of(first.1), |sum, (weight, term)| sum + weight * of(term))
    };
    let reference = &first.1.estimate;
    let point = sum(&|term| term.estimate.point);
    let replicates = terms().map(|(_, term)| term.values.len()).min().unwrap_or(0);
    let mut values: Vec<f64> = (0..replicates).map(|i| sum(&|term| term.values[i])).collect();
    values.retain(|value| value.is_finite());
    let interval = percentiles(&mut values, reference.level).map(|(lower, upper)| {
        let widened = (lower.min(point), upper.max(point));
        terms().fold(widened, |(lower, upper), (weight, term)| {
            let (below, above) = term.unseen();
            // What may lie above its point pulls a sum down that it is taken from.
            let (below, above) = if weight < 0.0 { (above, below) } else { (below, above) };
            (lower - below * weight.abs(), upper + above * weight.abs())
        })
    });
    let method = if interval.is_some() {
        format!("paired double-or-nothing identity bootstrap, {} replicates", values.len())
    } else {
        // Why the first that has none has none.
        let missing = terms().find(|(_, term)| term.values.is_empty()).unwrap_or(first);
        missing.1.estimate.method.clone()
    };
    let n = terms().map(|(_, term)| term.estimate.n).min().unwrap_or(reference.n);
    Estimate::new(point, interval, n, reference.unit, reference.level, method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::carriers::EffectiveTrials;

    fn replicated(point: f64, values: &[f64]) -> Replicated {
        let estimate =
            Estimate { point, lower: None, upper: None, bound: false, ..EffectiveTrials::independent(100).none(0.95) };
        Replicated { estimate, values: values.into() }
    }

    #[test]
    fn what_both_share_cancels() {
        // Both move by the same −0.1 … 0.1; the difference is always 0.01.
        let shared: Vec<f64> = (-50..=50).map(|i| f64::from(i) / 500.0).collect();
        let shifted: Vec<f64> = shared.iter().map(|value| value + 0.01).collect();
        let found = difference(&replicated(0.0, &shared), &replicated(0.01, &shifted));
        assert!((found.lower.unwrap() - 0.01).abs() < 1e-12 && (found.upper.unwrap() - 0.01).abs() < 1e-12);
        let reversed: Vec<f64> = shifted.into_iter().rev().collect();
        let unpaired = difference(&replicated(0.0, &shared), &replicated(0.01, &reversed));
        assert!(unpaired.upper.unwrap() - unpaired.lower.unwrap() > 0.3, "the order of replicates is what pairs them");
    }

    #[test]
    fn the_interval_holds_95_percent_of_the_differences_and_the_point() {
        let values: Vec<f64> = (0..=1000).map(f64::from).collect();
        let found = difference(&replicated(0.0, &[0.0; 1001]), &replicated(500.0, &values));
        assert!((found.lower.unwrap() - 25.0).abs() < 1e-9 && (found.upper.unwrap() - 975.0).abs() < 1e-9, "{found:?}");
        let outside = difference(&replicated(0.0, &[0.0; 1001]), &replicated(-3.0, &values));
        assert_eq!((outside.point, outside.lower), (-3.0, Some(-3.0)));
    }

    #[test]
    fn without_an_error_the_bound_is_what_is_known() {
        let none = || Replicated { estimate: EffectiveTrials::independent(300).none(0.95), values: vec![0.0; 10] };
        let found = difference(&none(), &none());
        assert_eq!((found.point, found.n), (0.0, 300));
        assert!((found.upper.unwrap() - 0.0099).abs() < 1e-4 && (found.lower.unwrap() + 0.0099).abs() < 1e-4);
        let some = replicated(0.05, &[0.04, 0.06]);
        let lower = difference(&none(), &some).lower.unwrap();
        assert!((lower - (0.0405 - 0.00994)).abs() < 1e-4, "{lower}");
        // Every pair accepted: the rate may be lower, not higher.
        let all = Replicated { estimate: EffectiveTrials::independent(300).all(0.95), values: vec![1.0; 10] };
        let found = difference(&all, &all);
        assert!(found.lower.unwrap() < -0.009 && found.upper.unwrap() > 0.009);
        let fewer = difference(&all, &replicated(0.9, &[0.89, 0.91]));
        assert!(fewer.upper.unwrap() > -0.09 + 0.009 && fewer.lower.unwrap() > -0.111);
    }

    #[test]
    fn a_mean_of_differences_is_resampled_as_a_whole() {
        // Two differences that move against each other: their mean always is 0.02, whatever each of them does.
        let moves: Vec<f64> = (-50..=50).map(|i| f64::from(i) / 500.0).collect();
        let [up, down] = [1.0, -1.0].map(|sign| moves.iter().map(|m| 0.02 + sign * m).collect::<Vec<_>>());
        let base = replicated(0.0, &[0.0; 101]);
        let (up, down) = (replicated(0.02, &up), replicated(0.02, &down));
        let found = contrast((-0.5, &base), &[(0.5, &up), (-0.5, &base), (0.5, &down)]);
        assert!(
            (found.lower.unwrap() - 0.02).abs() < 1e-12 && (found.upper.unwrap() - 0.02).abs() < 1e-12,
            "{found:?}"
        );
        // The bound of a rate without error counts by its weight, on the side that its sign says.
        let none = Replicated { estimate: EffectiveTrials::independent(300).none(0.95), values: vec![0.0; 101] };
        let found = contrast((-0.5, &none), &[(0.5, &base)]);
        assert!((found.lower.unwrap() + 0.5 * 0.0099).abs() < 1e-4 && found.upper == Some(0.0), "{found:?}");
    }

    #[test]
    fn no_replicates_no_interval() {
        let found = difference(&replicated(0.1, &[]), &replicated(0.3, &[]));
        assert_eq!((found.lower, found.upper), (None, None));
        assert!((found.point - 0.2).abs() < 1e-12);
        let broken = difference(&replicated(0.1, &[f64::NAN]), &replicated(0.3, &[1.0]));
        assert_eq!(broken.lower, None);
    }
}
