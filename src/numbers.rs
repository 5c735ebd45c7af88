//! How an [`Estimate`] is written for people: one place, so that terminal, tables and figures agree.

use crate::estimate::Estimate;
use crate::metrics::{self, Kind};

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
    /// What kind of number is behind a metric path; `None` for counts.
    #[must_use]
    pub fn of_metric(path: &str) -> Option<Self> {
        match metrics::kind(path) {
            Some(Kind::Rate) => Some(Self::Rate),
            Some(Kind::Plain) => Some(Self::Plain),
            Some(Kind::Count) => None,
            Some(Kind::Area | Kind::Cosine) | None => Some(Self::Cosine),
        }
    }

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

    /// A difference of two values with its sign, of rates in percentage points: `+0.22 pp`; `=` for none.
    #[must_use]
    pub fn difference(self, difference: f64) -> String {
        match self {
            _ if difference == 0.0 => "=".into(),
            Self::Rate => format!("{} pp", self.signed(difference)),
            _ => self.signed(difference),
        }
    }

    /// A difference and its interval: `+0.22 pp [−0.01, +0.45]`.
    #[must_use]
    pub fn effect(self, difference: &Estimate) -> String {
        let interval = match (difference.lower, difference.upper) {
            (Some(lower), Some(upper)) => format!(" [{}, {}]", self.signed(lower), self.signed(upper)),
            _ => String::new(),
        };
        self.difference(difference.point) + &interval
    }

    fn signed(self, value: f64) -> String {
        let sign = match value {
            _ if value < 0.0 => "−",
            _ if value > 0.0 => "+",
            _ => "",
        };
        let (size, decimals) = (value.abs(), if self == Self::Cosine { 4.0 } else { 3.0 });
        // Two digits of a small difference, too.
        let needed = (1.0 - size.log10().floor()).min(12.0);
        let text = match self {
            Self::Cosine | Self::Plain if size > 0.0 && needed > decimals => format!("{size:.0$}", needed as usize),
            _ => self.value(size),
        };
        format!("{sign}{}", text.trim_end_matches('%'))
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

    #[test]
    fn differences_have_a_sign_and_rates_are_in_points() {
        assert_eq!(Quantity::Rate.difference(-0.0022), "−0.22 pp");
        assert_eq!(Quantity::Cosine.difference(0.1), "+0.1000");
        assert_eq!(Quantity::Cosine.difference(-0.000_012_3), "−0.000012");
        assert_eq!(Quantity::Plain.difference(0.014), "+0.014");
        assert_eq!(Quantity::Plain.difference(0.0), "=");
        assert_eq!(Quantity::Rate.effect(&estimate(0.002, false)), "+0.20 pp [−0.80, +1.20]");
        assert_eq!(Quantity::Cosine.effect(&Estimate { lower: None, ..estimate(0.5, false) }), "+0.5000");
    }
}
