//! How an [`Estimate`] is written for people: one place, so that terminal, tables and figures agree.

use crate::estimate::Estimate;

/// What kind of number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// A cosine, −1 … 1: four decimals.
    Cosine,
    /// A rate, 0 … 1: in percent, with as many digits as small rates need.
    Rate,
    /// A number without unit (d′): three decimals.
    Plain,
}

impl Quantity {
    /// One value.
    #[must_use]
    pub fn value(self, value: f64) -> String {
        match self {
            Self::Cosine => minus(&format!("{value:.4}")),
            Self::Plain => minus(&format!("{value:.3}")),
            Self::Rate => percent(value),
        }
    }

    /// The point estimate; a bound as "≤ upper", or "≥ lower" where no more is known.
    #[must_use]
    pub fn point(self, estimate: &Estimate) -> String {
        match (estimate.bound, estimate.lower, estimate.upper) {
            (true, _, Some(upper)) => format!("≤ {}", self.value(upper)),
            (true, Some(lower), None) => format!("≥ {}", self.value(lower)),
            (true, None, None) => "not resolved".into(),
            (false, ..) => self.value(estimate.point),
        }
    }

    /// The interval, `[lower, upper]`; empty when there is none or the point is a bound.
    #[must_use]
    pub fn interval(self, estimate: &Estimate) -> String {
        match (estimate.bound, estimate.lower, estimate.upper) {
            (false, Some(lower), Some(upper)) => format!("[{}, {}]", self.value(lower), self.value(upper)),
            _ => String::new(),
        }
    }

    /// Point and interval: `0.7421 [0.7310, 0.7533]`.
    #[must_use]
    pub fn sentence(self, estimate: &Estimate) -> String {
        format!("{} {}", self.point(estimate), self.interval(estimate)).trim_end().to_owned()
    }
}

/// A minus sign as wide as a plus.
fn minus(text: &str) -> String {
    text.replace('-', "−")
}

/// Percent with two decimals, or two significant digits below 0.1%.
fn percent(rate: f64) -> String {
    let percent = rate * 100.0;
    if percent == 0.0 || percent.abs() >= 0.1 || !percent.is_finite() {
        return minus(&format!("{percent:.2}%"));
    }
    let decimals = (1.0 - percent.abs().log10().floor()) as usize;
    minus(&format!("{percent:.decimals$}%"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::Unit;

    fn estimate(point: f64, bound: bool) -> Estimate {
        let (lower, upper) = (Some(point - 0.01), Some(point + 0.01));
        Estimate { point, lower, upper, n: 10, unit: Unit::Pairs, level: 0.95, method: "test".into(), bound }
    }

    #[test]
    fn each_kind_has_its_form() {
        assert_eq!(Quantity::Cosine.sentence(&estimate(-0.25, false)), "−0.2500 [−0.2600, −0.2400]");
        assert_eq!(Quantity::Rate.sentence(&estimate(0.5, false)), "50.00% [49.00%, 51.00%]");
        assert_eq!(Quantity::Rate.sentence(&estimate(0.0, true)), "≤ 1.00%");
        let unseen = |lower| Estimate { lower, upper: None, ..estimate(0.2, true) };
        assert_eq!(Quantity::Rate.sentence(&unseen(Some(0.15))), "≥ 15.00%");
        assert_eq!(Quantity::Rate.sentence(&unseen(None)), "not resolved");
        assert_eq!(Quantity::Rate.value(1.5e-5), "0.0015%");
        assert_eq!(Quantity::Rate.value(0.0), "0.00%");
        assert_eq!(Quantity::Plain.value(3.24981), "3.250");
    }
}
