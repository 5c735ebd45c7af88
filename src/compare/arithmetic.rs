//! Whether runs were computed by the same arithmetic, as their fingerprints tell.

use super::{Difference, PlanPart, RunComparison, RunSummary};

/// Where provenance tells of it.
const KEY: &str = "arithmetic.";
const FINGERPRINT: &str = "arithmetic.fingerprint";

/// Whether the fingerprints of all runs are one. They are of pictures that went through preprocessing and network: where
/// those differ, they tell nothing of the arithmetic.
pub(super) fn same(runs: &[RunSummary], plan: &[Difference]) -> Option<bool> {
    if plan.iter().any(|difference| matches!(difference.part, PlanPart::Preprocessing | PlanPart::Weights)) {
        return None;
    }
    let fingerprints = runs.iter().map(fingerprint).collect::<Option<Vec<_>>>()?;
    Some(fingerprints.iter().all(|fingerprint| *fingerprint == fingerprints[0]))
}

fn fingerprint(run: &RunSummary) -> Option<&str> {
    run.provenance.iter().find(|(key, _)| key == FINGERPRINT).map(|(_, value)| value.as_str())
}

/// Arithmetic that differs is a difference in what was computed, with the machines; where that is not known, provenance
/// keeps no more than the machines.
pub(super) fn place(same: Option<bool>, plan: &mut Vec<Difference>, provenance: &mut Vec<Difference>) {
    if same == Some(false) {
        let moved = provenance.extract_if(.., |difference| difference.key.starts_with(KEY));
        plan.extend(moved.map(|difference| Difference { part: PlanPart::Code, ..difference }));
        plan.sort_by_key(|difference| difference.part);
    } else {
        provenance.retain(|difference| difference.key != FINGERPRINT);
    }
}

impl RunComparison {
    /// That all runs were computed by the same arithmetic, where they were.
    #[must_use]
    pub fn arithmetic_sentence(&self) -> Option<String> {
        let fingerprint = fingerprint(self.summaries.first()?)?;
        (self.same_arithmetic == Some(true)).then(|| {
            let short: String = fingerprint.chars().take(12).collect();
            format!("the same arithmetic in all: fingerprint {short}")
        })
    }
}
