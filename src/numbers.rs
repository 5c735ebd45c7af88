//! Formats numbers for people, in one place so that terminal, tables and figures agree.

use serde::Serialize;

use crate::estimate::Estimate;
use crate::metrics::{self, Judged, MetricKind};

/// A kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// A cosine, −1 … 1: four decimals.
    Cosine,
    /// A rate, 0 … 1: in percent, with as many digits as small rates need.
    Rate,
    /// A number without unit (d′): three decimals.
    Plain,
    /// A whole number.
    Count,
}

/// A value as JSON. Via text rather than `to_value`, which writes an f32 with the digits of its f64: 0.6 as
/// 0.6000000238418579. What is plain data with text keys and finite numbers always has one.
#[must_use]
pub fn as_json(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_string(value).and_then(|text| serde_json::from_str(&text)).unwrap_or_default()
}

impl Quantity {
    /// The kind of number at a metric path.
    #[must_use]
    pub fn of_metric(path: &str) -> Self {
        match metrics::kind(path) {
            Some(MetricKind::Rate) => Self::Rate,
            Some(MetricKind::Plain) => Self::Plain,
            Some(MetricKind::Count) => Self::Count,
            Some(MetricKind::Area | MetricKind::Cosine) | None => Self::Cosine,
        }
    }

    /// One value.
    #[must_use]
    pub fn value(self, value: f64) -> String {
        match self {
            Self::Cosine => minus(&format!("{value:.4}")),
            Self::Plain => minus(&format!("{value:.3}")),
            Self::Rate => percent(value),
            // Bounds of an expectation may have a fraction.
            Self::Count => minus(&value.to_string()),
        }
    }

    /// The point estimate; a bound as "≤ upper", or "≥ lower" if only that is known.
    #[must_use]
    pub fn point(self, estimate: &Estimate) -> String {
        match (estimate.bound, estimate.lower, estimate.upper) {
            (true, _, Some(upper)) => format!("≤ {}", self.value(upper)),
            (true, Some(lower), None) => format!("≥ {}", self.value(lower)),
            (true, None, None) => "not resolved".into(),
            (false, ..) => self.value(estimate.point),
        }
    }

    /// The interval, `[lower, upper]`; empty if there is none or the point is a bound.
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
            _ => self.signed(difference) + self.unit(),
        }
    }

    /// What follows a difference, in percentage points if it is one of rates.
    fn unit(self) -> &'static str {
        if self == Self::Rate { " pp" } else { "" }
    }

    /// A difference and its interval: `+0.22 pp [−0.01, +0.45]`.
    #[must_use]
    pub fn effect(self, difference: &Estimate) -> String {
        let &Estimate { point, lower: Some(lower), upper: Some(upper), .. } = difference else {
            return self.difference(difference.point);
        };
        let [point, lower, upper] = [point, lower, upper].map(|value| self.signed(value));
        format!("{point}{} [{lower}, {upper}]", self.unit())
    }

    fn signed(self, value: f64) -> String {
        let sign = match value {
            _ if value < 0.0 => "−",
            _ if value > 0.0 => "+",
            _ => "",
        };
        let text = self.magnitude(value.abs());
        format!("{sign}{}", text.trim_end_matches('%'))
    }

    /// How large a difference may be: `0.10 pp`, `0`.
    #[must_use]
    pub fn tolerance(self, size: f64) -> String {
        match self {
            _ if size == 0.0 => "0".into(),
            Self::Rate => format!("{} pp", self.magnitude(size).trim_end_matches('%')),
            _ => self.magnitude(size),
        }
    }

    /// The size of a difference, with two significant digits if it is small.
    fn magnitude(self, size: f64) -> String {
        let decimals = if self == Self::Cosine { 4.0 } else { 3.0 };
        let needed = (1.0 - size.log10().floor()).min(12.0);
        match self {
            Self::Cosine | Self::Plain if size > 0.0 && needed > decimals => format!("{size:.0$}", needed as usize),
            _ => self.value(size),
        }
    }
}

/// Value and expected range of a judged expectation, formatted by the metric's kind; the value has more digits where rounding
/// would hide which side of a bound it is on. Without a value, says so with the reason.
pub fn judged(judged: &Judged) -> (Result<String, String>, String) {
    let kind = Quantity::of_metric(&judged.metric);
    let range = match (judged.min, judged.max) {
        (Some(min), Some(max)) => format!("{} to {}", kind.value(min), kind.value(max)),
        (Some(min), None) => format!("at least {}", kind.value(min)),
        (None, Some(max)) => format!("at most {}", kind.value(max)),
        (None, None) => "any value".into(),
    };
    let Some(value) = judged.value else {
        return (Err(judged.not_judged.clone().unwrap_or_default()), range);
    };
    let bounds = [judged.min, judged.max].into_iter().flatten();
    let hidden = bounds.into_iter().any(|bound| bound != value && kind.value(bound) == kind.value(value));
    (Ok(if hidden { value.to_string() } else { kind.value(value) }), range)
}

/// A minus sign as wide as a plus sign.
pub(crate) fn minus(text: &str) -> String {
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
        assert_eq!(Quantity::Count.value(0.0), "0");
    }

    #[test]
    fn an_expectation_is_written_like_its_metric() {
        let expected = |metric: &str, value: f64, max: f64| {
            let (metric, value, max) = (metric.into(), Some(value), Some(max));
            let (value, range) =
                judged(&Judged { metric, value, min: None, max, source: None, met: true, not_judged: None });
            format!("{}, {range}", value.unwrap())
        };
        assert_eq!(expected("eer", 0.0015, 0.01), "0.15%, at most 1.00%");
        assert_eq!(expected("eer", 0.010_000_1, 0.01), "0.0100001, at most 1.00%");
        assert_eq!(expected("faces.failed", 0.0, 3.0), "0, at most 3");
        assert_eq!(expected("genuine.mean", 0.75, 0.8), "0.7500, at most 0.8000");
        let missing = Judged {
            metric: "tar@fmr=1e-6".into(),
            value: None,
            min: Some(0.5),
            max: Some(1.0),
            source: None,
            met: false,
            not_judged: Some("too few pairs".into()),
        };
        assert_eq!(judged(&missing), (Err("too few pairs".into()), "50.00% to 100.00%".into()));
    }

    #[test]
    fn a_tolerance_has_the_unit_of_a_difference() {
        assert_eq!(Quantity::Rate.tolerance(0.001), "0.10 pp");
        assert_eq!(Quantity::Rate.tolerance(0.0), "0");
        assert_eq!(Quantity::Plain.tolerance(0.05), "0.050");
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
        assert_eq!(Quantity::Rate.effect(&estimate(0.0, false)), "0.00 pp [−1.00, +1.00]", "the interval's unit");
    }
}
