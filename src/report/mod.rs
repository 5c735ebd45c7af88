//! Renders results as self-contained HTML files. Rendering is pure: it reads no files, and the same input gives the same
//! bytes.
//!
//! There is one kind of page, [`page::Page`]: plain data and one template. `sections`, `comparison`, `ablation` and
//! `throughput` each build one; `figures`, `waterfall` and `plots` draw.

mod ablation;
mod axis;
mod base64;
mod binning;
mod breakdown;
mod comparison;
mod explorer;
mod figures;
mod findings;
mod front;
mod identification;
mod markup;
mod page;
mod paired;
mod people;
mod plots;
mod protocols;
mod rows;
mod runs;
#[cfg(test)]
pub(crate) mod sample;
mod sections;
mod slice_names;
mod templates;
mod thresholds;
mod throughput;
mod verdict;
mod waterfall;
mod words;

use std::collections::BTreeMap;

pub(crate) use people::SUSPECTS;
pub(crate) use runs::{IndexedRun, RunsIndex, render as render_runs, thumbnail};

use crate::ablation::AblationResult;
use crate::agreement::PrecisionAgreement;
use crate::compare::RunComparison;
use crate::evaluate::Evaluation;
use crate::published::PublishedResult;
use crate::throughput::Throughput;

/// The content of a run report.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub run_id: String,
    pub description: String,
    /// What was run on what, for the head of the page: dataset, network, weights, crop, precision, device, date.
    pub facts: Vec<(&'static str, String)>,
    /// The command that repeats the run; `None` if faces were removed from it.
    pub command: Option<String>,
    /// What was removed from the run and when, a sentence each.
    pub removals: Vec<String>,
    /// Runs that embeddings were taken from, and how many.
    pub reused: Vec<(String, u64)>,
    /// The resolved plan, flattened: dotted key → value.
    pub plan: Vec<(String, String)>,
    pub provenance: Vec<(String, String)>,
    /// Says that the weights are not pinned, if so.
    pub unpinned: Vec<String>,
    pub cautions: Vec<String>,
    pub evaluation: Evaluation,
    pub published: Vec<PublishedResult>,
    /// Embedding speed, chunk by chunk in row order; empty if faces were removed, whose time is part of the chunks'.
    pub timeline: Vec<ChunkTiming>,
    /// Agreement of the embeddings with f32; `None` for a run in f32.
    pub agreement: Option<PrecisionAgreement>,
    /// Faces without an embedding, in row order.
    pub failures: Vec<FailureRow>,
    /// What the dataset's folders contain besides faces, as text; empty if nothing.
    pub left_out: String,
    /// PNG bytes of faces by matrix row; empty unless the config enables pictures.
    pub pictures: BTreeMap<u32, Vec<u8>>,
    /// The row of an identity's most typical face, for the identities of suspects; empty without pictures.
    pub exemplars: BTreeMap<String, u32>,
}

/// The time of one chunk.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChunkTiming {
    pub chunk: u32,
    pub faces: u64,
    /// Wall-clock seconds from the previous chunk's commit (or the session's start) to its own.
    pub seconds: f64,
    /// Which session (start or resume, from 0) embedded it.
    pub session: u32,
}

/// One face without an embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailureRow {
    pub row: u64,
    pub face_id: String,
    /// Short class: `read`, `decode`, `changed`, …
    pub kind: String,
    pub message: String,
}

/// Why a page could not be rendered. The numbers of a run are never the cause: any numbers can be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The embedded font is damaged.
    #[error("cannot draw figures: the embedded font is damaged; rebuild facevault")]
    Font,
    /// A figure could not be drawn.
    #[error("cannot draw the figure \"{figure}\": {message}")]
    Plot {
        /// Title of the figure.
        figure: String,
        /// The plotting library's message.
        message: String,
    },
    /// The page template failed.
    #[error("cannot render the page template: {0:#}")]
    Template(#[from] minijinja::Error),
}

/// Renders the report of one run. Fails with [`ReportError`] when this build's font or template is damaged; never
/// because of the numbers.
pub(crate) fn render(report: &Report) -> Result<String, ReportError> {
    sections::page(report)?.html()
}

/// The drawings of the figures of a run's report: title and SVG.
pub(crate) fn drawings(report: &Report) -> Result<Vec<(String, String)>, ReportError> {
    Ok(sections::page(report)?.drawings())
}

/// Renders the comparison of several runs.
pub(crate) fn render_comparison(comparison: &RunComparison) -> Result<String, ReportError> {
    comparison::page(comparison)?.html()
}

/// Renders a throughput measurement.
pub(crate) fn render_throughput(measured: &Throughput) -> Result<String, ReportError> {
    throughput::page(measured)?.html()
}

/// Renders an ablation.
pub(crate) fn render_ablation(ablation: &AblationResult) -> Result<String, ReportError> {
    ablation::page(ablation)?.html()
}

#[cfg(test)]
mod tests;
