//! A [`Report`] is plain data; rendering it is pure: the same run gives the same bytes. One self-contained HTML file.
//!
//! `sections` and `comparison` say what is shown, `figures` what is drawn, `page` how both become HTML.

mod ablation;
mod axis;
mod base64;
mod binning;
mod breakdown;
mod comparison;
mod explorer;
mod figures;
mod page;
mod paired;
mod people;
mod plots;
mod protocols;
#[cfg(test)]
pub(crate) mod sample;
mod sections;
mod throughput;
mod waterfall;
mod words;

use std::collections::BTreeMap;

pub use people::SUSPECTS_SHOWN;

use crate::ablation::AblationResult;
use crate::agreement::PrecisionAgreement;
use crate::compare::RunComparison;
use crate::evaluate::Evaluation;
use crate::published::PublishedResult;
use crate::throughput::Throughput;

/// Everything the report of one run shows.
#[derive(Debug, Clone)]
pub struct Report {
    /// Name of the run directory.
    pub run_id: String,
    /// The config's description.
    pub description: String,
    /// A line that a person types to get this run again.
    pub command: String,
    /// The resolved plan, flattened: dotted key → value.
    pub plan: Vec<(String, String)>,
    /// Provenance, flattened: dotted key → value.
    pub provenance: Vec<(String, String)>,
    /// What a reader must know before any number.
    pub cautions: Vec<String>,
    /// The numbers.
    pub evaluation: Evaluation,
    /// Published values beside them.
    pub published: Vec<PublishedResult>,
    /// Embedding speed, chunk by chunk in row order.
    pub timeline: Vec<ChunkTiming>,
    /// How far the embeddings are from f32; `None` for a run in f32.
    pub agreement: Option<PrecisionAgreement>,
    /// Faces without an embedding, in row order.
    pub failures: Vec<FailureRow>,
    /// What the dataset's folders hold beside its faces, in words; empty when there is nothing.
    pub left_out: String,
    /// PNG bytes of faces by matrix row; empty unless the config asks for pictures.
    pub pictures: BTreeMap<u32, Vec<u8>>,
}

/// How long one chunk took.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkTiming {
    /// Chunk number.
    pub chunk: u32,
    /// Faces embedded in it.
    pub faces: u64,
    /// Wall-clock seconds from the chunk before it (or the session's start) to its commit.
    pub seconds: f64,
    /// Which session (start or resume, from 0) embedded it.
    pub session: u32,
}

/// One face without an embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRow {
    /// Row of the manifest.
    pub row: u64,
    /// Its id.
    pub face_id: String,
    /// Short class: `read`, `decode`, `changed`, …
    pub kind: String,
    /// The whole message.
    pub message: String,
}

/// Why a page could not be made. None of these is the fault of a run's numbers: any numbers can be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The font inside the program is damaged.
    #[error(
        "the font inside the program cannot be read, so no figure can be drawn: this build is damaged, build it again"
    )]
    Font,
    /// A figure could not be drawn.
    #[error("cannot draw the figure \"{figure}\": {message}")]
    Plot {
        /// Title of the figure.
        figure: String,
        /// What the plotting library says.
        message: String,
    },
    /// The page's template failed.
    #[error("cannot fill the page's template: {0:#}")]
    Template(#[from] minijinja::Error),
}

/// The report of one run as one HTML file.
///
/// # Errors
/// [`ReportError`] when this build's font or template is damaged; never because of the numbers.
pub fn render(report: &Report) -> Result<String, ReportError> {
    sections::page(report)?.html()
}

/// The comparison of several runs as one HTML file.
///
/// # Errors
/// As [`render`].
pub fn render_comparison(comparison: &RunComparison) -> Result<String, ReportError> {
    comparison::page(comparison)?.html()
}

/// A measurement of throughput as one HTML file.
///
/// # Errors
/// As [`render`].
pub fn render_throughput(measured: &Throughput) -> Result<String, ReportError> {
    throughput::page(measured)?.html()
}

/// What each choice of a config costs as one HTML file.
///
/// # Errors
/// As [`render`].
pub fn render_ablation(ablation: &AblationResult) -> Result<String, ReportError> {
    ablation::page(ablation)?.html()
}

#[cfg(test)]
mod tests;
