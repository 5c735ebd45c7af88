//! Compares the runs' arithmetic by their fingerprints.

use super::{Difference, PlanPart, RunComparison, RunSummary};

/// Prefix of its keys in provenance.
const KEY: &str = "arithmetic.";
const FINGERPRINT: &str = "arithmetic.fingerprint";

/// Whether all runs have the same fingerprint. Fingerprints depend on preprocessing, weights and precision: if those
/// differ, they say nothing about the arithmetic.
pub(super) fn same(runs: &[RunSummary], plan: &[Difference]) -> Option<bool> {
    use PlanPart::{Calibration, Precision, Preprocessing, Weights};
    if plan.iter().any(|difference| matches!(difference.part, Preprocessing | Weights | Precision | Calibration)) {
        return None;
    }
    let fingerprints = runs.iter().map(fingerprint).collect::<Option<Vec<_>>>()?;
    Some(fingerprints.iter().all(|fingerprint| *fingerprint == fingerprints[0]))
}

fn fingerprint(run: &RunSummary) -> Option<&str> {
    run.provenance.iter().find(|(key, _)| key == FINGERPRINT).map(|(_, value)| value.as_str())
}

/// Moves differing arithmetic, with the machines, to the differences in the plan; if it does not differ or is unknown, only
/// the machines stay in provenance.
pub(super) fn reclassify(same: Option<bool>, plan: &mut Vec<Difference>, provenance: &mut Vec<Difference>) {
    if same == Some(false) {
        let moved = provenance.extract_if(.., |difference| difference.key.starts_with(KEY));
        plan.extend(moved.map(|difference| Difference { part: PlanPart::Arithmetic, ..difference }));
        plan.sort_by_key(|difference| difference.part);
    } else {
        provenance.retain(|difference| difference.key != FINGERPRINT);
    }
}

impl RunComparison {
    /// States that all runs were computed by the same arithmetic, if they were.
    pub fn arithmetic_sentence(&self) -> Option<String> {
        let fingerprint = fingerprint(self.summaries.first()?)?;
        (self.same_arithmetic == Some(true)).then(|| {
            let short: String = fingerprint.chars().take(12).collect();
            format!("same arithmetic in all runs: fingerprint {short}")
        })
    }
}
