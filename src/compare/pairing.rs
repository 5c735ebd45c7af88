//! Evaluates runs on the faces they share. All runs use the same pairs, so their numbers differ by the embeddings
//! alone, and differences are more precise than the numbers themselves.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::RunSummary;
use super::common::{ChangedFaces, LeftOutFaces, SharedFaces};
use super::effect::Effect;
use super::headline::{HeadlineMetric, MetricDirection};
use super::migration::{Keep, MeasuredThresholds, Thresholds};
use super::protocols::PairedProtocol;
use super::same_space::{self, FaceAgreement};
use super::searches::PairedSearch;
use super::templates::TemplateRates;
use crate::estimate::Estimate;
use crate::numbers::Quantity;
use crate::progress::{Cancel, Progress};
use crate::similarity::kernel::Rows;
use crate::similarity::listed::{self, RowPair};
use crate::similarity::sampling::Quota;
use crate::similarity::{self, Histograms, Labelled, PairRequest, Population, SimilarityOptions};
use crate::text::counted;
use crate::verification::bootstrap::{Estimator, Resampling};
use crate::verification::paired::Replicated;
use crate::verification::rates::RateEstimator;
use crate::verification::tally::Tally;
use crate::verification::{Curve, thresholds};

/// The pairs that all runs are evaluated on.
pub struct Pairing<'a> {
    faces: Vec<Labelled<'a>>,
    population: Population<'a>,
    options: &'a SimilarityOptions,
    seed: u64,
    common: &'a SharedFaces,
    /// A published list instead of all pairs, if the faces have no identities; rows among the common faces.
    list: Option<Vec<RowPair>>,
}

/// Several runs on the same pairs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Paired {
    /// The faces that all runs share.
    pub faces: PairedFaces,
    /// Their pairs.
    pub pairs: PairedPairs,
    /// Headline metrics.
    pub metrics: Vec<PairedMetric>,
    /// Protocols that all runs ran on the same list.
    pub protocols: Vec<PairedProtocol>,
    /// Rates of identification protocols with the same gallery and probes in all runs.
    pub searches: Vec<PairedSearch>,
    /// Rates of template protocols of the same templates in all runs.
    pub templates: Vec<TemplateRates>,
    /// Each run's threshold at its equal error rate, a cosine.
    pub eer_thresholds: Vec<f64>,
    /// Each run's thresholds, and what keeping the first run's would do.
    pub thresholds: Thresholds,
    /// Each run's embeddings compared with the reference's; `None` for the reference itself.
    pub embeddings: Vec<Option<Embeddings>>,
    /// All runs, best first.
    pub ranking: Ranking,
    #[serde(skip)]
    pub curves: Vec<Curve>,
    #[serde(skip)]
    pub histograms: Vec<Histograms>,
}

/// A metric or an accuracy in all runs, as tables show it.
pub struct PairedRow<'a> {
    pub name: String,
    pub quantity: Quantity,
    pub values: Vec<Option<&'a Estimate>>,
    pub effects: &'a [Option<Effect>],
}

impl Paired {
    /// The metrics that any run has, the accuracies, and the rates of searches and of templates.
    pub fn rows(&self) -> Vec<PairedRow<'_>> {
        let metrics = self.metrics.iter().filter(|row| row.values.iter().any(Option::is_some)).map(|row| PairedRow {
            name: row.name.clone(),
            quantity: row.metric.quantity(),
            values: row.values.iter().map(Option::as_ref).collect(),
            effects: &row.effects,
        });
        let protocols = self.protocols.iter().map(|row| PairedRow {
            name: row.name(),
            quantity: Quantity::Rate,
            values: row.accuracies.iter().map(Some).collect(),
            effects: &row.effects,
        });
        let searches = self.searches.iter().map(|row| PairedRow {
            name: row.metric.clone(),
            quantity: Quantity::of_metric(&row.metric),
            values: row.values.iter().map(Some).collect(),
            effects: &row.effects,
        });
        let templates = self.templates.iter().map(|row| PairedRow {
            name: row.metric.clone(),
            quantity: Quantity::of_metric(&row.metric),
            values: row.values.iter().map(Some).collect(),
            effects: &row.effects,
        });
        metrics.chain(protocols).chain(searches).chain(templates).collect()
    }
}

/// The faces that all runs share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PairedFaces {
    /// How many there are.
    pub common: u64,
    /// Their identities.
    pub identities: u64,
    /// Embedded faces of each run.
    pub embedded: Vec<u64>,
    /// For each run, the faces of the first that it has not embedded.
    pub lost: Vec<u64>,
    /// Faces of the first run that are left out because of another.
    pub left_out: LeftOutFaces,
    /// For each run, the shared faces that it has from another picture or box than the first.
    pub changed: Vec<ChangedFaces>,
    /// Runs whose stored metrics cover other faces than these.
    pub stored_on_other_faces: Vec<String>,
}

/// The pairs that every run was evaluated on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PairedPairs {
    /// `exhaustive` or `sampled`, by the first run's options and seed; `listed` for the dataset's list. In an ablation by a
    /// protocol also `templates`, and `searches`: mated ones are the genuine, non-mated ones the impostor pairs.
    pub mode: &'static str,
    /// Genuine pairs.
    pub genuine: u64,
    /// Impostor pairs.
    pub impostor: u64,
}

/// One metric in all runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PairedMetric {
    /// As configs name it.
    #[schemars(with = "String")]
    pub metric: HeadlineMetric,
    /// In words.
    pub name: String,
    /// Which way is better.
    pub better: MetricDirection,
    /// Value in each run, with its own interval; `None` if the run has none.
    pub values: Vec<Option<Estimate>>,
    /// Each run compared with the first; `None` for the first itself and for missing values.
    pub effects: Vec<Option<Effect>>,
}

/// A run's embeddings compared with the reference's.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", untagged)]
pub enum Embeddings {
    /// Both runs embed into the same space.
    Compared(Box<FaceAgreement>),
    /// They do not, or there is only one face.
    NotComparable {
        /// Why, in words.
        reason: String,
    },
}

/// All runs by one metric.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Ranking {
    /// The metric, as configs name it.
    #[schemars(with = "String")]
    pub by: HeadlineMetric,
    /// Best first (highest first for a metric without a better direction); runs without a value last.
    pub ranks: Vec<RankedRun>,
}

/// One place of the ranking.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RankedRun {
    /// Which run, counted from 0 in the order they were given.
    pub run: usize,
    /// Its value.
    pub value: Option<Estimate>,
    /// This run compared with the next one.
    pub to_next: Option<Effect>,
}

/// Row-major unit rows of the common faces.
pub struct Matrix {
    pub data: Vec<f32>,
    /// Numbers in a row.
    pub dimension: usize,
}

impl Matrix {
    fn rows(&self) -> Rows<'_> {
        Rows { data: &self.data, dimension: self.dimension }
    }
}

/// What is kept of a run after its matrix is dropped. Any two of one pairing are comparable: they use the same pairs
/// and resample the same people.
pub struct MeasuredRun {
    metrics: Vec<Option<Replicated>>,
    eer_threshold: f64,
    thresholds: MeasuredThresholds,
    curve: Curve,
    genuine: Tally,
    impostor: Tally,
}

impl MeasuredRun {
    /// Whether all compared pairs have equal cosines.
    pub fn same(&self, other: &Self) -> bool {
        let values = |run: &Self| run.metrics.iter().flatten().map(|m| m.values.clone()).collect::<Vec<_>>();
        self.genuine == other.genuine && self.impostor == other.impostor && values(self) == values(other)
    }

    /// One metric with its replicates; `None` where the pairs cannot resolve it.
    pub fn metric(&self, metric: HeadlineMetric) -> Option<&Replicated> {
        let place = HeadlineMetric::all().iter().position(|other| *other == metric)?;
        self.metrics[place].as_ref()
    }

    fn effect(&self, reference: &Self, place: usize, metric: HeadlineMetric) -> Option<Effect> {
        let (a, b) = (reference.metrics[place].as_ref()?, self.metrics[place].as_ref()?);
        Some(Effect::of(metric, a, b, self.same(reference)))
    }
}

impl<'a> Pairing<'a> {
    /// The pairs among the common faces. `first` are all embedded faces of the first run; its `options` and `seed`
    /// choose the same pairs for all runs. Fails with the reason why there is nothing to compare.
    pub fn new(
        first: &[Labelled<'a>],
        common: &'a SharedFaces,
        options: &'a SimilarityOptions,
        seed: u64,
    ) -> Result<Self, String> {
        if common.is_empty() {
            let (faces, reasons) = (common.embedded[0], common.left_out.reasons());
            return Err(format!("no face is shared: of the {} of the first run, {reasons}", counted(faces, "face")));
        }
        let faces: Vec<_> = common.rows[0].iter().map(|&row| first[row as usize]).collect();
        let population = Population::new(&faces, seed);
        let among = counted(faces.len(), "face");
        match (population.available.genuine, population.available.impostor) {
            (0, _) => Err(format!("there is no genuine pair among the {among} that all runs share")),
            (_, 0) => Err(format!("there is no impostor pair among the {among} that all runs share")),
            _ => Ok(Self { faces, population, options, seed, common, list: None }),
        }
    }

    /// The pairs of a published list, for faces without identities. `first` are all embedded faces of the first run,
    /// labelled by the groups that the list treats as one person; `list` refers to its rows. Fails with the reason why
    /// there is nothing to compare.
    pub fn of_list(
        first: &[Labelled<'a>],
        list: &[RowPair],
        common: &'a SharedFaces,
        options: &'a SimilarityOptions,
        seed: u64,
    ) -> Result<Self, String> {
        let faces: Vec<_> = common.rows[0].iter().map(|&row| first[row as usize]).collect();
        let place: HashMap<u32, u32> = common.rows[0].iter().copied().zip(0..).collect();
        let there =
            |pair: &RowPair| Some(RowPair { a: *place.get(&pair.a)?, b: *place.get(&pair.b)?, same: pair.same });
        let list: Vec<RowPair> = list.iter().filter_map(there).collect();
        let genuine = list.iter().filter(|pair| pair.same).count();
        if genuine == 0 || genuine == list.len() {
            let (among, different) = (faces.len(), list.len() - genuine);
            return Err(format!(
                "the list has {genuine} genuine and {} among the {} that all runs share; a comparison needs both",
                counted(different, "impostor pair"),
                counted(among, "face")
            ));
        }
        let population = Population::new(&faces, seed);
        Ok(Self { faces, population, options, seed, common, list: Some(list) })
    }

    /// Evaluates every run. `load` reads the common faces' rows of one run, in the order of [`SharedFaces::rows`]; at
    /// most two matrices are held at a time, and the reference's only while another run embeds into the same space.
    /// `Ok(None)` if cancelled.
    pub fn measure<E>(
        &self,
        runs: &[&RunSummary],
        by: HeadlineMetric,
        mut load: impl FnMut(usize) -> Result<Matrix, E>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Option<Paired>, E> {
        let ids: Vec<&str> = self.faces.iter().map(|face| face.face_id).collect();
        let asked = same_space::asked(ids.len(), self.seed);
        let spaces: Vec<_> = runs[1..].iter().map(|run| same_space::other_space(runs[0], run)).collect();
        let mut reference: Option<(Matrix, Vec<u32>)> = None;
        let (mut measured, mut embeddings) = (Vec::new(), Vec::new());
        for run in 0..runs.len() {
            let matrix = load(run)?;
            let keep = measured.first().and_then(|first: &MeasuredRun| first.thresholds.keep());
            let Some(found) = self.measure_one(matrix.rows(), keep, progress, cancel) else { return Ok(None) };
            measured.push(found);
            let nearest = |matrix: &Matrix| same_space::nearest(matrix.rows(), &asked, progress, cancel);
            let Some(number) = run.checked_sub(1) else {
                if spaces.iter().any(Option::is_none) {
                    reference = nearest(&matrix).map(|nearest| (matrix, nearest));
                }
                embeddings.push(None);
                continue;
            };
            embeddings.push(Some(match (&spaces[number], &reference) {
                (None, Some((before, _))) if before.dimension != matrix.dimension => {
                    let reason = format!("{} per face, not {}", counted(matrix.dimension, "number"), before.dimension);
                    Embeddings::NotComparable { reason }
                }
                (None, Some((before, nearest_before))) => {
                    let agreement = nearest(&matrix).and_then(|nearest_after| {
                        FaceAgreement::of(&ids, before.rows(), matrix.rows(), [nearest_before, &nearest_after])
                    });
                    match agreement {
                        Some(agreement) => Embeddings::Compared(Box::new(agreement)),
                        None => return Ok(None),
                    }
                }
                (Some(reason), _) => Embeddings::NotComparable { reason: reason.clone() },
                // With at least two faces, the reference is missing only if cancelled.
                (None, None) => return Ok(None),
            }));
        }
        Ok(Some(self.paired(runs, measured, embeddings, by)))
    }

    /// Evaluates every run, loading one matrix of common faces at a time. `Ok(None)` if cancelled.
    pub fn measure_each<E>(
        &self,
        mut load: impl FnMut(usize) -> Result<Matrix, E>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Option<Vec<MeasuredRun>>, E> {
        let runs = 0..self.common.rows.len();
        runs.map(|run| Ok(self.measure_one(load(run)?.rows(), None, progress, cancel))).collect()
    }

    pub fn common(&self) -> &SharedFaces {
        self.common
    }

    /// People among the faces that all runs share.
    pub fn identities(&self) -> u64 {
        if self.list.is_some() { 0 } else { self.population.names.len() as u64 }
    }

    /// The pairs that all runs are evaluated on.
    pub fn asked(&self, measured: &MeasuredRun) -> PairedPairs {
        let quota = Quota::new(&self.population.available, self.options);
        PairedPairs {
            mode: match &self.list {
                Some(_) => "listed",
                None if quota.is_all(&self.population.available) => "exhaustive",
                None => "sampled",
            },
            genuine: measured.genuine.moments.count(),
            impostor: measured.impostor.moments.count(),
        }
    }

    /// Evaluates one run, and what a threshold that is kept does there; `None` if cancelled.
    fn measure_one(
        &self,
        rows: Rows<'_>,
        keep: Option<Keep>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Option<MeasuredRun> {
        let found = if let Some(list) = &self.list {
            listed::compare(rows, &self.population, list, 0)?
        } else {
            let quota = Quota::new(&self.population.available, self.options);
            let request = PairRequest { quota, hardest: 0, watched: &[], seed: self.seed };
            similarity::compare(rows, &self.population, &request, progress, cancel)?
        };
        let how = Resampling { replicates: self.options.replicates, level: self.options.confidence, seed: self.seed };
        let (genuine, impostor) = (found.genuine, found.impostor);
        let estimator = Estimator::new(&genuine, &impostor, &found.cells, how, &|| cancel.requested())?;
        let rates = RateEstimator { estimator: &estimator, cells: &found.cells };
        let (metrics, curve) = (HeadlineMetric::measure(rates), thresholds::curve(rates));
        let (_, eer_threshold) = rates.eer();
        let thresholds = MeasuredThresholds::of(rates, keep);
        Some(MeasuredRun { metrics, eer_threshold, thresholds, curve, genuine, impostor })
    }

    fn paired(
        &self,
        runs: &[&RunSummary],
        measured: Vec<MeasuredRun>,
        embeddings: Vec<Option<Embeddings>>,
        by: HeadlineMetric,
    ) -> Paired {
        let common = self.common;
        let metrics = HeadlineMetric::all().into_iter().enumerate().map(|(place, metric)| PairedMetric {
            metric,
            name: metric.name(),
            better: metric.better(),
            values: measured.iter().map(|run| Some(run.metrics[place].as_ref()?.estimate.clone())).collect(),
            effects: (0..measured.len())
                .map(|run| (run > 0).then(|| measured[run].effect(&measured[0], place, metric)).flatten())
                .collect(),
        });
        let faces = common.len() as u64;
        let others = runs.iter().filter(|run| run.evaluation.metrics.faces.embedded != faces);
        Paired {
            faces: PairedFaces {
                common: faces,
                identities: self.identities(),
                embedded: common.embedded.clone(),
                lost: common.lost.clone(),
                left_out: common.left_out,
                changed: common.changed(),
                stored_on_other_faces: others.map(|run| run.run_id.clone()).collect(),
            },
            pairs: self.asked(&measured[0]),
            metrics: metrics.collect(),
            protocols: Vec::new(),
            searches: Vec::new(),
            templates: Vec::new(),
            eer_thresholds: measured.iter().map(|run| run.eer_threshold).collect(),
            thresholds: {
                let found = measured.iter().map(|run| (&run.thresholds, run.same(&measured[0])));
                Thresholds::of(&found.collect::<Vec<_>>())
            },
            embeddings,
            ranking: rank(&measured, by),
            curves: measured.iter().map(|run| run.curve.clone()).collect(),
            histograms: measured
                .into_iter()
                .map(|run| Histograms { genuine: run.genuine.counts, impostor: run.impostor.counts })
                .collect(),
        }
    }
}

fn rank(measured: &[MeasuredRun], by: HeadlineMetric) -> Ranking {
    let place = HeadlineMetric::all().iter().position(|metric| *metric == by).unwrap_or_default();
    let value = |run: usize| Some(measured[run].metrics[place].as_ref()?.estimate.clone());
    let mut order: Vec<usize> = (0..measured.len()).collect();
    order.sort_by(|&a, &b| match (value(a), value(b)) {
        (Some(a), Some(b)) if by.better() == MetricDirection::Lower => a.point.total_cmp(&b.point),
        (Some(a), Some(b)) => b.point.total_cmp(&a.point),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    let ranks = order.iter().enumerate().map(|(i, &run)| RankedRun {
        run,
        value: value(run),
        to_next: order.get(i + 1).and_then(|&next| measured[run].effect(&measured[next], place, by)),
    });
    Ranking { by, ranks: ranks.collect() }
}
