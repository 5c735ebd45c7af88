//! Numbers and verdicts as text.

use crate::estimate::{Estimate, Unit};
use crate::metrics::{Judged, Metrics};
use crate::numbers::{self, Quantity};

/// Stands in for a missing value.
pub(super) const NONE: &str = "–";

/// Introduces the two kinds of pair.
pub(super) const GENUINE_AND_IMPOSTOR: &str =
    "A genuine pair is two faces of the same identity, an impostor pair two faces of different identities.";

/// The note at the end of every page that names faces. `what` is what the page contains.
pub(super) fn personal_data(what: &str) -> String {
    format!("This page contains {what}: personal data. Handle it like the dataset itself.")
}

/// A count with thousands separators.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 pair`, `2 pairs`.
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A value; a dash for `None` and for values that are not finite.
pub(super) fn maybe(value: impl Into<Option<f64>>, quantity: Quantity) -> String {
    value.into().filter(|value| value.is_finite()).map_or_else(|| NONE.into(), |value| quantity.value(value))
}

/// A text; a dash for `None`.
pub(super) fn or_dash(text: impl Into<Option<String>>) -> String {
    text.into().unwrap_or_else(|| NONE.into())
}

/// An estimate's point, or its bound with `≤` or `≥`; a dash where it is not finite.
pub(super) fn point(quantity: Quantity, estimate: &Estimate) -> String {
    let known = match estimate.upper.or(estimate.lower) {
        end if estimate.bound => end.is_none_or(f64::is_finite),
        _ => estimate.point.is_finite(),
    };
    if known { quantity.point(estimate) } else { NONE.into() }
}

/// An estimate's point and its interval; a dash and nothing for `None`.
pub(super) fn value_and_interval<'a>(quantity: Quantity, estimate: impl Into<Option<&'a Estimate>>) -> [String; 2] {
    match estimate.into() {
        Some(estimate) => [point(quantity, estimate), quantity.interval(estimate)],
        None => [NONE.into(), String::new()],
    }
}

/// `[1]`, `[2]`, …: how a comparison refers to its runs.
pub(super) fn run_number(run: usize) -> String {
    format!("[{}]", run + 1)
}

/// The text with a capital first letter.
pub(super) fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// The text as a sentence: a capital first letter and a full stop.
pub(super) fn sentence(text: &str) -> String {
    capitalised(text) + "."
}

/// A target rate in percent without trailing zeros: `0.1%`.
pub(super) fn target(rate: f64) -> String {
    let percent = rate * 100.0;
    let text = format!("{percent:.12}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The n in "one in n": `1,000` for 0.001.
pub(super) fn one_in(rate: f64) -> String {
    count((1.0 / rate).round() as u64)
}

/// The operating threshold as part of a sentence: `0.5175, the lowest with an FMR of at most 0.1%`.
pub(super) fn operating(threshold: f64, metrics: &Metrics) -> String {
    let value = Quantity::Cosine.value(threshold);
    match metrics.operating() {
        Some(point) => format!("{value}, the lowest with an FMR of at most {}", target(point.target_fmr)),
        None => value,
    }
}

/// The name of an estimate's interval: `95% interval`.
pub(super) fn interval_name(estimate: &Estimate) -> String {
    format!("{:.0}% interval", estimate.level * 100.0)
}

/// The method behind an estimate's interval, or the reason why there is none.
pub(super) fn made(estimate: &Estimate) -> String {
    match estimate.lower.or(estimate.upper) {
        Some(_) => format!("{}, {}", interval_name(estimate), estimate.method),
        None => estimate.method.clone(),
    }
}

/// The unit of an estimate's n, singular and plural.
pub(super) fn unit(unit: Unit) -> (&'static str, &'static str) {
    match unit {
        Unit::Pairs => ("pair", "pairs"),
        Unit::Faces => ("face", "faces"),
        Unit::Identities => ("identity", "identities"),
        Unit::Searches => ("search", "searches"),
    }
}

/// Value and range of a judged expectation, with all digits where rounding would hide a value just outside the range.
pub(super) fn judged(judged: &Judged) -> (String, String) {
    let (value, range) = numbers::judged(judged);
    let missing = |reason: String| if reason.is_empty() { reason } else { format!(": {reason}") };
    (value.unwrap_or_else(|reason| format!("not available{}", missing(reason))), range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectation(metric: &str, value: Option<f64>, max: f64) -> Judged {
        let met = value.is_some_and(|value| value <= max);
        let not_judged = value.is_none().then(|| "nothing was compared".into());
        Judged { metric: metric.into(), value, min: None, max: Some(max), source: None, met, not_judged }
    }

    #[test]
    fn rounding_does_not_hide_a_miss() {
        assert_eq!(judged(&expectation("eer", Some(0.05), 0.05)).0, "5.00%");
        assert_eq!(judged(&expectation("eer", Some(0.050_001), 0.05)), ("0.050001".into(), "at most 5.00%".into()));
        assert_eq!(judged(&expectation("faces.failed", Some(3.0), 0.0)), ("3".into(), "at most 0".into()));
        assert_eq!(judged(&expectation("tar@fmr=1e-6", None, 1.0)).0, "not available: nothing was compared");
    }

    #[test]
    fn counts_and_targets_are_plain() {
        assert_eq!(
            [0, 12, 999, 1000, 12_345, 1_234_567].map(count),
            ["0", "12", "999", "1,000", "12,345", "1,234,567"]
        );
        assert_eq!([0.1, 1e-3, 1e-6, 1e-10].map(target), ["10%", "0.1%", "0.0001%", "0.00000001%"]);
    }
}
