//! Verification of templates, the protocol of IJB-B and IJB-C: faces are aggregated to one embedding a template, and
//! listed pairs of templates are compared.
//!
//! `aggregate` makes templates, `score` compares the listed pairs, `verification::sorted` computes exact rates from their scores. The
//! intervals are those of all pairs (`verification::rates`), over subjects. `searches` looks for the probe templates in the
//! galleries, as `identification` does for faces.

mod aggregate;
mod options;
mod score;
mod searches;
mod set;

use facevault_base::progress::Cancel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::verification::sorted::{RocPoint, SortedScores};
pub use aggregate::{TemplateFace, Templates};
pub use options::{Aggregation, TemplateProtocol};
pub use score::{GenuineScore, ScoredTemplates};
pub use searches::{Interrupted, MeanRank, MeanRates, MeanTpir, TemplateSearches};
pub use set::{MOST_TEMPLATES, TemplatePair, TemplateSet, implied_subjects};

use crate::estimate::{Estimate, Unit};
use crate::verification::bootstrap::{Estimator, Resampling};
use crate::verification::rates::RateEstimator;
use crate::verification::roc::allowed;
use crate::verification::thresholds;

/// False match rates at which the true accept rate is reported.
pub const TARGETS: [f64; 6] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/// What the metric paths of a template protocol end in. All of them are rates. `tar` is exact, `nearest` is read from the
/// curve as insightface does; `rank1` and so on are means over the galleries of 1:N.
pub const QUANTITIES: [&str; 19] = [
    "eer",
    "auc",
    "tar@fmr=1e-1",
    "tar@fmr=1e-2",
    "tar@fmr=1e-3",
    "tar@fmr=1e-4",
    "tar@fmr=1e-5",
    "tar@fmr=1e-6",
    "nearest@fmr=1e-1",
    "nearest@fmr=1e-2",
    "nearest@fmr=1e-3",
    "nearest@fmr=1e-4",
    "nearest@fmr=1e-5",
    "nearest@fmr=1e-6",
    "rank1",
    "rank5",
    "rank10",
    "tpir@fpir=1e-2",
    "tpir@fpir=1e-1",
];

/// The result of a template protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TemplatesResult {
    /// The protocol as configured.
    pub protocol: TemplateProtocol,
    /// Faces, templates and pairs.
    pub counts: TemplateCounts,
    /// Equal error rate.
    pub eer: Estimate,
    /// Its threshold, a cosine of templates.
    pub eer_threshold: f64,
    /// Area under the ROC curve.
    pub auc: Estimate,
    /// At false match rates 1e-1 … 1e-6.
    pub operating_points: Vec<TemplatePoint>,
    /// The ROC curve, strictest threshold first, thinned for plotting; each point is exact.
    pub curve: Vec<TemplateCurvePoint>,
    /// 1:N, if the dataset has galleries and probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searches: Option<TemplateSearches>,
}

/// What a template protocol compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateCounts {
    /// Faces of the templates.
    pub faces: u64,
    /// Of these, faces without an embedding, or without the score that they would count by: their templates do without
    /// them.
    pub failed: u64,
    /// Templates.
    pub templates: u64,
    /// Templates without any face that has an embedding.
    pub empty: u64,
    /// Subjects: as the dataset names them, else as its genuine pairs imply them.
    pub subjects: u64,
    /// Whether the dataset names the subjects.
    pub named_subjects: bool,
    /// Pairs in the list.
    pub listed: u64,
    /// Compared pairs of one subject.
    pub genuine: u64,
    /// Compared pairs of two subjects.
    pub impostor: u64,
    /// Pairs left out: one of their templates has no face with an embedding.
    pub missing: u64,
}

/// Rates at a false match rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TemplatePoint {
    /// The target FMR.
    pub target_fmr: f64,
    /// The lowest score that matches at the lowest threshold whose observed FMR does not exceed the target; `None` if the
    /// impostor pairs cannot resolve the target.
    pub threshold: Option<f64>,
    /// The observed FMR there; without a threshold, the bound that no false match in all pairs implies.
    pub fmr: Estimate,
    /// The observed true accept rate there.
    pub tar: Option<Estimate>,
    /// The FMR of the point that insightface reports: the nearest to the target among those that scikit-learn's `roc_curve`
    /// keeps. It may exceed the target.
    pub nearest_fmr: f64,
    /// The true accept rate at that point.
    pub nearest_tar: Estimate,
}

/// A point of the ROC curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateCurvePoint {
    /// A pair matches if its cosine is at least this.
    pub threshold: f64,
    /// False match rate.
    pub fmr: f64,
    /// True accept rate.
    pub tar: f64,
}

impl TemplatesResult {
    /// One of [`QUANTITIES`].
    #[must_use]
    pub fn estimate(&self, quantity: &str) -> Option<&Estimate> {
        let (kind, rate) = match quantity.split_once("@fmr=") {
            None if quantity == "eer" => return Some(&self.eer),
            None if quantity == "auc" => return Some(&self.auc),
            None => return self.searches.as_ref()?.estimate(quantity),
            Some((kind, rate)) => (kind, rate.parse::<f64>().ok()?),
        };
        let point = self.operating_points.iter().find(|point| (point.target_fmr / rate - 1.0).abs() < 1e-9)?;
        match kind {
            "tar" => point.tar.as_ref(),
            "nearest" => Some(&point.nearest_tar),
            _ => None,
        }
    }
}

/// The faces of a dataset's templates, and how uncertainty is estimated.
#[derive(Debug, Clone, Copy)]
pub struct TemplateInput<'a> {
    /// Which faces make up which template, and which templates are compared.
    pub set: &'a TemplateSet,
    /// Matrix row of each manifest row; `None` without an embedding.
    pub row_of: &'a [Option<u32>],
    /// The detector's score of each manifest row.
    pub scores: &'a [Option<f32>],
    /// Replicates and level of the intervals.
    pub resampling: Resampling,
}

impl TemplateInput<'_> {
    /// Aggregates the faces to templates.
    #[must_use]
    pub fn templates(&self, protocol: &TemplateProtocol, rows: crate::similarity::kernel::Rows<'_>) -> Templates {
        let of = self.set.template_of.iter().zip(&self.set.media_of).zip(self.row_of).zip(self.scores);
        let faces = of.filter_map(|(((&template, &media), &row), &score)| {
            let weight = if protocol.detector_score { score? } else { 1.0 };
            Some(TemplateFace { row: row?, template, media, weight })
        });
        Templates::new(rows, faces.collect(), self.set.names.len(), protocol.aggregation)
    }

    /// The scores of a protocol's genuine pairs: those that its rates are counted from.
    #[must_use]
    pub fn genuine(&self, protocol: &TemplateProtocol, rows: crate::similarity::kernel::Rows<'_>) -> Vec<GenuineScore> {
        GenuineScore::all(self.set, &self.templates(protocol, rows))
    }

    /// Compares the listed pairs, and searches the galleries. `Ok(None)` unless there are pairs of both kinds.
    ///
    /// # Errors
    /// [`Interrupted`] when cancelled.
    pub fn verify(
        &self,
        protocol: &TemplateProtocol,
        templates: &Templates,
        cancel: &Cancel,
    ) -> Result<Option<TemplatesResult>, Interrupted> {
        let Some(pairs) = self.pairs(protocol, templates) else { return Ok(None) };
        if cancel.requested() {
            return Err(Interrupted);
        }
        let searches = TemplateSearches::of(self.set, templates, self.resampling.level, cancel)?;
        Ok(Some(TemplatesResult { searches, ..pairs }))
    }

    /// The result without 1:N.
    fn pairs(&self, protocol: &TemplateProtocol, templates: &Templates) -> Option<TemplatesResult> {
        let scored = ScoredTemplates::new(self.set, templates)?;
        let estimator = Estimator::new(&scored.genuine, &scored.impostor, &scored.cells, self.resampling, &|| false)?;
        let rates = RateEstimator { estimator: &estimator, cells: &scored.cells };
        let sorted = &scored.sorted;
        let (genuine, impostor) = sorted.counts();
        let listed = self.set.pairs.len() as u64;
        let (equal, eer_threshold) = sorted.eer();
        let nearest = sorted.nearest(&TARGETS);
        let lowest_edge = |matches: u64| estimator.observed.roc().impostor.lowest_edge(matches);
        let tar = |point: RocPoint, fmr: f64, matches: u64| {
            if matches == 0 {
                let method = "no interval: no impostor pair matches at this point".into();
                return Estimate::new(point.tar, None, genuine, Unit::Pairs, self.resampling.level, method);
            }
            exactly(point.tar, rates.fnmr_at_fmr(lowest_edge(matches), fmr).complement().estimate)
        };
        let operating_points = TARGETS
            .into_iter()
            .zip(nearest)
            .map(|(target_fmr, nearest)| {
                let at = sorted.at_fmr(target_fmr);
                let matches = allowed(target_fmr, impostor);
                let nearest_matches = (nearest.fmr * impostor as f64).round() as u64;
                TemplatePoint {
                    target_fmr,
                    threshold: at.map(|at| at.threshold),
                    fmr: match at {
                        Some(at) => exactly(at.fmr, rates.fmr(lowest_edge(matches)).estimate),
                        None => rates.no_match(),
                    },
                    tar: at.map(|at| tar(at, target_fmr, matches)),
                    nearest_fmr: nearest.fmr,
                    nearest_tar: tar(nearest, nearest.fmr, nearest_matches),
                }
            })
            .collect();
        let count = |of: &[u32]| of.iter().copied().max().map_or(0, |last| u64::from(last) + 1);
        Some(TemplatesResult {
            protocol: protocol.clone(),
            counts: TemplateCounts {
                faces: self.set.template_of.len() as u64,
                failed: (self.set.template_of.len() - templates.faces()) as u64,
                templates: templates.len() as u64,
                empty: (0..templates.len() as u32).filter(|&template| !templates.has_face(template)).count() as u64,
                subjects: count(&self.set.subject_of),
                named_subjects: self.set.named_subjects,
                listed,
                genuine,
                impostor,
                missing: listed - genuine - impostor,
            },
            eer: exactly(equal, rates.eer().0),
            eer_threshold,
            auc: exactly(sorted.auc(), thresholds::auc(rates)),
            operating_points,
            curve: sorted.curve(CURVE).into_iter().map(TemplateCurvePoint::from).collect(),
            searches: None,
        })
    }
}

/// Points of the stored curve.
const CURVE: u32 = 120;

impl From<RocPoint> for TemplateCurvePoint {
    fn from(RocPoint { threshold, fmr, tar }: RocPoint) -> Self {
        Self { threshold, fmr, tar }
    }
}

/// The interval of a rate counted in bins, around the exact rate: they differ by the pairs of one bin.
fn exactly(point: f64, binned: Estimate) -> Estimate {
    Estimate {
        point,
        lower: binned.lower.map(|lower| lower.min(point)),
        upper: binned.upper.map(|upper| upper.max(point)),
        bound: binned.bound && binned.point == point,
        ..binned
    }
}

#[cfg(test)]
mod tests;
