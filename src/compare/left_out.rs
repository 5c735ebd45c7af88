//! Runs that cannot be compared with the others, and why.

use schemars::JsonSchema;
use serde::Serialize;

use super::RunComparison;
use super::gate::{Finding, RegressionGate};

/// A run that is left out of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeftOutRun {
    /// The run's name.
    pub run: String,
    /// Why, in words.
    pub reason: String,
}

impl LeftOutRun {
    /// Name and reason; many reasons begin with the name.
    pub fn sentence(&self) -> String {
        let Self { run, reason } = self;
        if reason.starts_with(run.as_str()) { reason.clone() } else { format!("{run}: {reason}") }
    }
}

/// All of them in one line.
pub(super) fn sentences(left_out: &[LeftOutRun]) -> String {
    left_out.iter().map(LeftOutRun::sentence).collect::<Vec<_>>().join("; ")
}

impl RunComparison {
    /// One line per run that is left out.
    pub fn left_out_lines(&self) -> impl Iterator<Item = String> + '_ {
        self.left_out.iter().map(|run| format!("left out: {}", run.sentence()))
    }
}

impl RegressionGate {
    /// Fails for every run that is left out: it cannot be judged. They are numbered after the compared runs.
    pub fn with_left_out(mut self, comparison: &RunComparison) -> Self {
        for (number, LeftOutRun { run, reason }) in (comparison.runs.len() + 1..).zip(&comparison.left_out) {
            let text = format!("cannot be judged: {reason}");
            self.regressions.push(Finding { run: run.clone(), number, what: "pairs".into(), text });
        }
        self.passed = self.regressions.is_empty();
        self
    }
}
