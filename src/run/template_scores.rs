//! The genuine scores of a run's template protocols, computed again from its embeddings: a run keeps rates, not scores.

use super::inspect::EmbeddedFaces;
use super::{RunDirectory, RunError};
use crate::compare::TemplateScores;
use crate::digest::Hasher;
use crate::embed::StoredMatrix;
use crate::files;
use crate::metrics::Metrics;
use crate::similarity::kernel::Rows;
use crate::templates::TemplateInput;
use crate::verification::bootstrap::Resampling;

/// Of a run without templates there are none, and nothing is read.
pub(super) fn read(run: &RunDirectory, metrics: &Metrics) -> Result<TemplateScores, RunError> {
    if metrics.templates.is_empty() {
        return Ok(TemplateScores::default());
    }
    let faces = EmbeddedFaces::open(run)?;
    let Some(set) = &faces.manifest.templates else { return Ok(TemplateScores::default()) };
    let matrix = StoredMatrix::open(&run.matrix())?;
    faces.check_rows(run, matrix.rows())?;
    let mut hasher = Hasher::default();
    for file in [RunDirectory::TEMPLATES, RunDirectory::TEMPLATE_PAIRS] {
        hasher.field(&files::read(&run.file(file))?);
    }
    let (row_of, scores) = (faces.row_of(), faces.scores());
    // Scores need no replicates.
    let resampling = Resampling { replicates: 0, level: 0.95, seed: 0 };
    let input = TemplateInput { set, row_of: &row_of, scores: &scores, resampling };
    let rows = Rows { data: matrix.data(), dimension: matrix.dimension() };
    let one =
        |found: &crate::templates::TemplatesResult| (found.protocol.name.clone(), input.genuine(&found.protocol, rows));
    Ok(TemplateScores { set: Some(hasher.finish()), genuine: metrics.templates.iter().map(one).collect() })
}
