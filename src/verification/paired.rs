//! Differences between two sets of cosines of the same pairs of faces.
//!
//! What two runs share (hard photographs, people who look alike) moves both numbers at once; resampling the same people
//! for both lets it cancel, so that the interval of a difference is narrower than two intervals side by side suggest.

use super::bootstrap::percentile;
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

/// `other` less `reference`, with the percentile interval of the differences of replicates of the same number. The
/// interval contains the point, and is widened by the bound of a rate that has no error in either. Without replicates
/// there is no interval. `n` is the smaller of both.
#[must_use]
pub fn difference(reference: &Replicated, other: &Replicated) -> Estimate {
    let (a, b) = (&reference.estimate, &other.estimate);
    let point = b.point - a.point;
    let pairs = reference.values.iter().zip(&other.values);
    let mut values: Vec<f64> = pairs.map(|(a, b)| b - a).filter(|value| value.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - a.level) / 2.0;
    let interval = percentile(&values, tail).zip(percentile(&values, 1.0 - tail)).map(|(lower, upper)| {
        let ((a_below, a_above), (b_below, b_above)) = (reference.unseen(), other.unseen());
        (lower.min(point) - a_above - b_below, upper.max(point) + a_below + b_above)
    });
    let method = match interval {
        Some(_) => format!("paired double-or-nothing identity bootstrap, {} replicates", values.len()),
        None => a.method.clone(),
    };
    Estimate {
        point,
        lower: interval.map(|(lower, _)| lower),
        upper: interval.map(|(_, upper)| upper),
        n: a.n.min(b.n),
        method,
        bound: false,
        ..a.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::interval::{no_error, no_miss};

    fn replicated(point: f64, values: &[f64]) -> Replicated {
        let estimate = Estimate { point, lower: None, upper: None, bound: false, ..no_error(100, 0.95) };
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
        let none = || Replicated { estimate: no_error(300, 0.95), values: vec![0.0; 10] };
        let found = difference(&none(), &none());
        assert_eq!((found.point, found.n), (0.0, 300));
        assert!((found.upper.unwrap() - 0.0099).abs() < 1e-4 && (found.lower.unwrap() + 0.0099).abs() < 1e-4);
        let some = replicated(0.05, &[0.04, 0.06]);
        let lower = difference(&none(), &some).lower.unwrap();
        assert!((lower - (0.0405 - 0.00994)).abs() < 1e-4, "{lower}");
        // Every pair accepted: the rate may be lower, not higher.
        let all = Replicated { estimate: no_miss(300, 0.95), values: vec![1.0; 10] };
        let found = difference(&all, &all);
        assert!(found.lower.unwrap() < -0.009 && found.upper.unwrap() > 0.009);
        let fewer = difference(&all, &replicated(0.9, &[0.89, 0.91]));
        assert!(fewer.upper.unwrap() > -0.09 + 0.009 && fewer.lower.unwrap() > -0.111);
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
