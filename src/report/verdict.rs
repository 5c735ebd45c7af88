//! The verdict at the top of a run's report.

use super::page::Banner;
use crate::metrics::Metrics;

/// Whether the run meets its config's expectations.
pub(super) fn verdict(metrics: &Metrics) -> Banner {
    let all = metrics.expectations.len();
    let missed: Vec<_> = metrics.expectations.iter().filter(|e| !e.met).map(|e| e.metric.as_str()).collect();
    match (all, missed.len()) {
        // Nothing was expected, so there is nothing to say.
        (0, _) => Banner::default(),
        (1, 0) => Banner::good("The only expectation is met."),
        (_, 0) => Banner::good(format!("All {all} expectations are met.")),
        (_, bad) => Banner::bad(format!("{bad} of {all} expectations not met: {}.", missed.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::metrics::Judged;
    use crate::report::sample;

    fn expectation(metric: &str, met: bool) -> Judged {
        Judged { metric: metric.into(), value: Some(0.5), min: None, max: None, source: None, met, not_judged: None }
    }

    #[test]
    fn the_verdict_says_what_was_missed() {
        let mut metrics = sample::report().evaluation.metrics;
        let mut say = |expectations: Vec<Judged>| {
            metrics.expectations = expectations;
            let Banner { tone, sign, text } = verdict(&metrics);
            format!("{tone} {sign} {text}")
        };
        let (met, missed) = (expectation("auc", true), expectation("eer", false));
        assert_snapshot!(say(vec![]), @"");
        assert_snapshot!(say(vec![met.clone()]), @"good ✓ The only expectation is met.");
        assert_snapshot!(say(vec![met.clone(), met.clone()]), @"good ✓ All 2 expectations are met.");
        assert_snapshot!(say(vec![met, missed]), @"bad ✗ 1 of 2 expectations not met: eer.");
    }
}
