//! Numbers and verdicts in words.

use super::page::Verdict;
use crate::estimate::{Estimate, Unit};
use crate::metrics::{Judged, Metrics};
use crate::numbers::{self, Quantity};

/// What stands where there is no number.
pub(super) const NONE: &str = "–";

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

/// A value, or a dash where there is none.
pub(super) fn maybe(value: Option<f64>, quantity: Quantity) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| NONE.into(), |value| quantity.value(value))
}

/// An estimate's point, `≤` for bounds, or a dash where it is no number.
pub(super) fn point(quantity: Quantity, estimate: &Estimate) -> String {
    let known = match estimate.upper.or(estimate.lower) {
        end if estimate.bound => end.is_none_or(f64::is_finite),
        _ => estimate.point.is_finite(),
    };
    if known { quantity.point(estimate) } else { NONE.into() }
}

/// A target rate as people say it: `0.1%`.
pub(super) fn target(rate: f64) -> String {
    let percent = rate * 100.0;
    let text = format!("{percent:.12}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The operating threshold in a sentence: `0.5175, the lowest at which at most 0.1% of different-identity pairs match`.
pub(super) fn operating(threshold: f64, metrics: &Metrics) -> String {
    let value = Quantity::Cosine.value(threshold);
    match metrics.operating() {
        Some(point) => {
            format!(
                "{value}, the lowest at which at most {} of different-identity pairs match",
                target(point.target_fmr)
            )
        }
        None => value,
    }
}

/// What an estimate's interval is and how it was made.
pub(super) fn interval_name(estimate: &Estimate) -> String {
    format!("{:.0}% interval", estimate.level * 100.0)
}

/// How its interval was made, or why there is none.
pub(super) fn made(estimate: &Estimate) -> String {
    match estimate.lower.or(estimate.upper) {
        Some(_) => format!("{}, {}", interval_name(estimate), estimate.method),
        None => estimate.method.clone(),
    }
}

/// What an estimate's n counts.
pub(super) fn unit(unit: Unit) -> (&'static str, &'static str) {
    match unit {
        Unit::Pairs => ("pair", "pairs"),
        Unit::Faces => ("face", "faces"),
        Unit::Identities => ("identity", "identities"),
    }
}

/// Value and range of a judged expectation, with more digits where rounding would hide which side the value is on.
pub(super) fn judged(judged: &Judged) -> (String, String) {
    let (value, range) = numbers::judged(judged);
    let missing = |reason: String| if reason.is_empty() { reason } else { format!(": {reason}") };
    (value.unwrap_or_else(|reason| format!("not available{}", missing(reason))), range)
}

/// Whether the run did what its config expects.
pub(super) fn verdict(metrics: &Metrics) -> Verdict {
    let all = metrics.expectations.len();
    let missed: Vec<_> = metrics.expectations.iter().filter(|e| !e.met).map(|e| e.metric.as_str()).collect();
    match (all, missed.len()) {
        (0, _) => {
            Verdict { tone: "neutral", sign: "○", text: "No expectations set: numbers without a judgement.".into() }
        }
        (1, 0) => Verdict { tone: "good", sign: "✓", text: "The one expectation is met.".into() },
        (_, 0) => Verdict { tone: "good", sign: "✓", text: format!("All {all} expectations are met.") },
        (_, bad) => Verdict {
            tone: "bad",
            sign: "✗",
            text: format!("{bad} of {all} expectations not met: {}.", missed.join(", ")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use insta::assert_snapshot;

    fn expectation(metric: &str, value: Option<f64>, max: f64) -> Judged {
        let met = value.is_some_and(|value| value <= max);
        let not_judged = value.is_none().then(|| "nothing was compared".into());
        Judged { metric: metric.into(), value, min: None, max: Some(max), source: None, met, not_judged }
    }

    #[test]
    fn the_verdict_says_what_was_missed() {
        let mut metrics = sample::report().evaluation.metrics;
        let mut say = |expectations: Vec<Judged>| {
            metrics.expectations = expectations;
            let Verdict { tone, sign, text } = verdict(&metrics);
            format!("{tone} {sign} {text}")
        };
        let (met, missed) = (expectation("auc", Some(0.5), 1.0), expectation("eer", Some(0.5), 0.1));
        assert_snapshot!(say(vec![]), @"neutral ○ No expectations set: numbers without a judgement.");
        assert_snapshot!(say(vec![met.clone()]), @"good ✓ The one expectation is met.");
        assert_snapshot!(say(vec![met.clone(), met.clone()]), @"good ✓ All 2 expectations are met.");
        assert_snapshot!(say(vec![met, missed]), @"bad ✗ 1 of 2 expectations not met: eer.");
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
