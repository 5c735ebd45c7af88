//! Two runs or more, side by side: what differs in what they computed comes before what differs in the numbers.

//!
//! `differences` says what differs, `stored` sets the runs' own metrics side by side, `pairing` asks all runs the same
//! pairs of the faces they share, `gate` judges. Pure: matrices are handed in.

mod arithmetic;
mod common;
mod differences;
mod effect;
mod gate;
mod headline;
mod pairing;
mod same_space;
mod speed;
mod stored;
mod text;

use std::collections::BTreeSet;

pub use common::Common;
pub use differences::{Difference, Part};
pub use effect::{Effect, Verdict};
pub use gate::{Finding, Gate, Tolerance, Tolerances};
pub use headline::{Better, Headline};
pub use pairing::{
    Embeddings, Matrix, Measured, Paired, PairedFaces, PairedMetric, PairedPairs, Pairing, Ranked, Ranking,
};
pub use same_space::{FaceAgreement, Level, Moved, NearestFaces};
pub(crate) use same_space::{asked, nearest};
use serde::Serialize;
pub use speed::{Setting, Speed, Timing, speeds};
pub use stored::{MetricRow, MetricValue};
pub(crate) use text::aligned;

use crate::evaluate::Evaluation;

/// What a comparison knows of one run.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// Name of the run directory.
    pub run_id: String,
    /// The resolved plan, flattened: dotted key → value.
    pub plan: Vec<(String, String)>,
    /// Provenance, flattened: dotted key → value.
    pub provenance: Vec<(String, String)>,
    /// The numbers.
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
    #[error("the run {run_id} is named twice; a comparison needs different runs")]
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
        /// What was written.
        name: String,
        /// The key that may have been meant.
        near: Option<String>,
        /// All keys.
        all: String,
    },
    /// A tolerance that cannot be read.
    #[error(
        "`{text}` is no tolerance: NAME=VALUE is expected, VALUE a number from 0 in the metric's own unit (`eer=0.001`, \
         `tar@fmr=1e-3=0.01`), or the share of speed that may be lost, below 1 (`speed=0.2`)"
    )]
    Tolerance {
        /// What was written.
        text: String,
    },
}

/// Runs side by side. The first is what the others are compared with.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Names, in the order given.
    pub runs: Vec<String>,
    /// One line: whether the numbers can be held against each other, and if not, why.
    pub headline: String,
    /// Whether dataset, protocol and preprocessing are the same.
    pub comparable: bool,
    /// What differs in the plans.
    pub plan: Vec<Difference>,
    /// What differs in provenance. Times are left out, and of several sessions only the last one counts.
    pub provenance: Vec<Difference>,
    /// Whether all runs were computed by the same arithmetic; `None` where their fingerprints cannot tell: networks or
    /// preprocessing differ, or a run has none.
    pub same_arithmetic: Option<bool>,
    /// Headline metrics on the same pairs of the faces that all runs share; `None` until [`Pairing`] has measured them.
    pub paired: Option<Paired>,
    /// Why the runs share no pairs.
    pub not_paired: Option<String>,
    /// How fast each run was embedded; empty where it is not known.
    pub speed: Vec<Option<Speed>>,
    /// Whether the other runs may take the first one's place, when that was asked.
    pub gate: Option<Gate>,
    /// Headline metrics as each run stored them, on its own faces and pairs.
    pub metrics: Vec<MetricRow>,
    /// All that is known of each run.
    #[serde(skip)]
    pub summaries: Vec<RunSummary>,
}

/// Holds runs against each other.
///
/// # Errors
/// [`CompareError`] for fewer than two runs or one run twice.
pub fn compare(runs: Vec<RunSummary>) -> Result<Comparison, CompareError> {
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
        differences::differences(&pairs, |_| Part::Other)
    };
    let same_arithmetic = arithmetic::same(&runs, &plan);
    arithmetic::place(same_arithmetic, &mut plan, &mut provenance);
    let parts: BTreeSet<Part> = plan.iter().map(|difference| difference.part).collect();
    let comparable = !parts.iter().any(|part| part.forbids());
    Ok(Comparison {
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
