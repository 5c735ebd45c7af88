//! Two or more runs, side by side: differences in what they computed come before differences in the numbers.
//!
//! `differences` lists what differs, `stored` sets the runs' own metrics side by side, `pairing` evaluates all runs on the
//! same pairs of the faces they share, `gate` judges the result. Pure: the caller loads the matrices.

mod arithmetic;
mod common;
mod differences;
mod effect;
mod gate;
mod headline;
mod pairing;
mod same_build;
mod same_space;
mod speed;
mod stored;
mod text;

use std::collections::BTreeSet;

pub(crate) use common::SharedFaces;
pub(crate) use differences::{Difference, PlanPart};
pub(crate) use effect::{Effect, EffectVerdict};
pub(crate) use gate::{RegressionGate, Tolerances};
pub(crate) use headline::{HeadlineMetric, MetricDirection};
pub(crate) use pairing::{
    Embeddings, Matrix, MeasuredRun, Paired, PairedFaces, PairedMetric, PairedPairs, Pairing, RankedRun, Ranking,
};
pub(crate) use same_build::{EmbeddedBy, is_commit, short};
pub(crate) use same_space::{FaceAgreement, NearestFaces};
pub(crate) use same_space::{asked, nearest};
use serde::Serialize;
pub(crate) use speed::{Setting, Speed, Timing, speeds};
pub(crate) use stored::MetricRow;

use crate::evaluate::Evaluation;

/// The data of one run that a comparison uses.
#[derive(Debug, Clone)]
pub(crate) struct RunSummary {
    pub run_id: String,
    /// The resolved plan, flattened: dotted key → value.
    pub plan: Vec<(String, String)>,
    pub provenance: Vec<(String, String)>,
    pub evaluation: Evaluation,
}

/// Why runs could not be compared.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// Not enough runs.
    #[error("a comparison needs at least two runs, got {given}; `facevault runs` lists them")]
    TooFew {
        /// How many there were.
        given: usize,
    },
    /// The same run twice.
    #[error("run {run_id} is named twice; a comparison needs different runs")]
    Twice {
        /// Which.
        run_id: String,
    },
    /// A metric that runs are not compared by.
    #[error("unknown metric `{name}`{}; runs are compared by {all}", match near {
        Some(near) => format!(" (did you mean `{near}`?)"),
        None => String::new(),
    })]
    UnknownMetric {
        /// The given text.
        name: String,
        /// The key that may have been meant.
        near: Option<String>,
        /// All keys.
        all: String,
    },
    /// An invalid tolerance.
    #[error(
        "invalid tolerance `{text}`: expected NAME=VALUE, where VALUE is at least 0 and in the metric's own unit \
         (`eer=0.001`, `tar@fmr=1e-3=0.01`), or the share of speed that may be lost, below 1 (`speed=0.2`, or `speed=off`)"
    )]
    Tolerance {
        /// The given text.
        text: String,
    },
}

/// Runs side by side. The first is the reference.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunComparison {
    /// Names, in the order given.
    pub runs: Vec<String>,
    /// One line: whether the numbers are comparable, and if not, why.
    pub headline: String,
    /// Whether dataset, protocol and preprocessing are the same.
    pub comparable: bool,
    pub plan: Vec<Difference>,
    /// What differs in provenance, without times and all sessions but the last.
    pub provenance: Vec<Difference>,
    /// Whether all runs were computed by the same arithmetic; `None` if networks or preprocessing differ or a run has
    /// no fingerprint.
    pub same_arithmetic: Option<bool>,
    /// Headline metrics on the same pairs of shared faces; `None` until [`Pairing`] has measured them.
    pub paired: Option<Paired>,
    /// Why the runs share no pairs, if so.
    pub not_paired: Option<String>,
    /// Embedding speed of each run; empty if unknown.
    pub speed: Vec<Option<Speed>>,
    /// Whether the other runs may replace the first, if requested.
    pub gate: Option<RegressionGate>,
    /// Headline metrics as each run stored them, on its own faces and pairs.
    pub metrics: Vec<MetricRow>,
    #[serde(skip)]
    pub summaries: Vec<RunSummary>,
}

/// Compares runs. Fails with [`CompareError`] for fewer than two runs or one run twice.
pub(crate) fn compare(runs: Vec<RunSummary>) -> Result<RunComparison, CompareError> {
    if runs.len() < 2 {
        return Err(CompareError::TooFew { given: runs.len() });
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = runs.iter().find(|run| !names.insert(&run.run_id)) {
        return Err(CompareError::Twice { run_id: twice.run_id.clone() });
    }
    let mut plan = differences::plan_differences(&runs);
    let mut provenance = {
        let pairs: Vec<_> = runs.iter().map(|run| differences::provenance_pairs(&run.provenance)).collect();
        differences::differences(&pairs, |_| PlanPart::Other)
    };
    let same_arithmetic = arithmetic::same(&runs, &plan);
    arithmetic::reclassify(same_arithmetic, &mut plan, &mut provenance);
    let parts: BTreeSet<PlanPart> = plan.iter().map(|difference| difference.part).collect();
    let comparable = !parts.iter().any(|part| part.makes_incomparable());
    Ok(RunComparison {
        runs: runs.iter().map(|run| run.run_id.clone()).collect(),
        headline: differences::headline(&parts),
        comparable,
        plan,
        provenance,
        same_arithmetic,
        paired: None,
        not_paired: None,
        speed: Vec::new(),
        gate: None,
        metrics: stored::metric_rows(&runs),
        summaries: runs,
    })
}

#[cfg(test)]
pub(crate) mod paired_tests;
#[cfg(test)]
mod tests;
