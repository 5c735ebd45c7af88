//! Two or more runs, side by side: what they come to, what they computed differently, and the numbers.
//!
//! `differences` lists what differs, `common` finds the faces that all runs share, `pairing` evaluates all runs on the same
//! pairs of them, `migration` keeps one run's threshold for all, `protocols` compares accuracies, `stored` sets the runs' own metrics side by side, `verdict`
//! and `gate` judge the result. Pure: the caller loads the matrices.

mod arithmetic;
mod common;
mod decided;
mod differences;
mod effect;
mod gate;
mod headline;
mod labels;
mod left_out;
mod migration;
mod pairing;
mod protocols;
mod same_build;
mod same_space;
mod searches;
mod speed;
mod stored;
mod templates;
mod text;
mod verdict;

use std::path::PathBuf;

pub(crate) use common::SharedFaces;
pub(crate) use decided::DecidedRate;
pub(crate) use differences::{Difference, PlanPart};
pub(crate) use effect::{Effect, EffectVerdict};
pub(crate) use gate::{RegressionGate, Tolerances};
pub(crate) use headline::{HeadlineMetric, MetricDirection};
pub(crate) use labels::labels;
pub(crate) use left_out::LeftOutRun;
pub(crate) use migration::{KeptRate, KeptThreshold, Thresholds};
pub(crate) use pairing::{
    Embeddings, Matrix, MeasuredRun, Paired, PairedFaces, PairedMetric, PairedPairs, PairedRow, Pairing, RankedRun,
    Ranking,
};
pub(crate) use protocols::{PairedProtocol, accuracy_change};
pub(crate) use same_build::{EmbeddedBy, is_commit, short};
pub(crate) use same_space::{FaceAgreement, NearestFaces};
pub(crate) use same_space::{asked, nearest};
use schemars::JsonSchema;
pub(crate) use searches::{PairedSearch, searched_rate};
use serde::Serialize;
pub(crate) use speed::{Setting, Speed, Timing, speeds};
pub(crate) use stored::MetricRow;
pub(crate) use templates::{TemplateRates, TemplateScores, template_rate};
pub(crate) use verdict::{ComparisonVerdict, Tone};

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
    #[error("run {run_id} is named twice: both are one directory; a comparison needs different runs")]
    Twice {
        /// Which.
        run_id: String,
    },
    /// Fewer than two runs that can be compared.
    #[error("fewer than two runs can be compared; left out: {}", left_out::sentences(left_out))]
    TooFewLeft {
        /// Which cannot, and why.
        left_out: Vec<LeftOutRun>,
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
         (`eer=0.001`, `tar@fmr=1e-3=0.01`), or the share of faces or speed that may be lost, below 1 (`faces=0.01`, `speed=0.2`, or `speed=off`)"
    )]
    Tolerance {
        /// The given text.
        text: String,
    },
}

/// Runs side by side. The first is the reference.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct RunComparison {
    /// Names, in the order given; of several runs of one name, with the folder that tells them apart.
    pub runs: Vec<String>,
    /// What the comparison comes to; `None` until the runs are measured on the same pairs.
    pub verdict: Option<ComparisonVerdict>,
    /// One line: what differs in what the runs computed.
    pub headline: String,
    /// Whether all runs could be evaluated on the same pairs.
    pub comparable: bool,
    /// Runs that could not, and why.
    pub left_out: Vec<LeftOutRun>,
    /// What differs in the plans.
    pub plan: Vec<Difference>,
    /// What differs in provenance, without times and all sessions but the last.
    pub provenance: Vec<Difference>,
    /// Whether all runs were computed by the same arithmetic; `None` if networks or preprocessing differ or a run has
    /// no fingerprint.
    pub same_arithmetic: Option<bool>,
    /// What was measured on the same pairs of shared faces; `None` if the runs share none.
    pub paired: Option<Paired>,
    /// Embedding speed of each run; empty if unknown.
    pub speed: Vec<Option<Speed>>,
    /// Whether the other runs may replace the first, if requested.
    pub gate: Option<RegressionGate>,
    /// Headline metrics as each run stored them, on its own faces and pairs.
    pub metrics: Vec<MetricRow>,
    #[serde(skip)]
    pub summaries: Vec<RunSummary>,
    /// Where the runs are, canonical; empty if unknown.
    #[serde(skip)]
    pub directories: Vec<PathBuf>,
}

/// Sets runs side by side. Fails with [`CompareError::TooFew`] for fewer than two.
pub(crate) fn compare(runs: Vec<RunSummary>) -> Result<RunComparison, CompareError> {
    if runs.len() < 2 {
        return Err(CompareError::TooFew { given: runs.len() });
    }
    let mut plan = differences::plan_differences(&runs);
    let mut provenance = {
        let pairs: Vec<_> = runs.iter().map(|run| differences::provenance_pairs(&run.provenance)).collect();
        differences::differences(&pairs, |_| PlanPart::Other)
    };
    let same_arithmetic = arithmetic::same(&runs, &plan);
    arithmetic::reclassify(same_arithmetic, &mut plan, &mut provenance);
    Ok(RunComparison {
        runs: runs.iter().map(|run| run.run_id.clone()).collect(),
        verdict: None,
        headline: differences::headline(&plan),
        comparable: false,
        left_out: Vec::new(),
        plan,
        provenance,
        same_arithmetic,
        paired: None,
        speed: Vec::new(),
        gate: None,
        metrics: stored::metric_rows(&runs),
        summaries: runs,
        directories: Vec::new(),
    })
}

impl RunComparison {
    /// Takes in what was measured on the same pairs, and judges it.
    pub fn with_paired(mut self, paired: Paired, speed: Vec<Option<Speed>>) -> Self {
        self.verdict = Some(ComparisonVerdict::of(&self.runs, &paired, &speed));
        (self.comparable, self.paired, self.speed) = (true, Some(paired), speed);
        self
    }
}

#[cfg(test)]
pub(crate) mod paired_tests;
#[cfg(test)]
mod tests;
