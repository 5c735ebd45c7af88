//! Two runs or more, side by side: what differs in what they computed comes before what differs in the numbers.

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
