//! Computes everything that a report shows from embeddings and identities: all of this crate in one call.

mod benchmarks;
mod error;
mod published;

use std::collections::BTreeMap;

pub use benchmarks::{Benchmarks, ListedPairs, check_left_out, check_searches, left_out_within, list_of};
pub use error::EvaluateError;

use crate::breakdown::{self, Breakdown, FaceColumn};
use crate::identification::SearchedProbe;
use crate::metrics::{Expectation, FaceCounts, Judged, Metrics, PairCounts};
use crate::people::{self as who, Centroids, People};
use crate::protocol::{GroupResult, PairOutcome};
use crate::similarity::engine::PairEngine;
use crate::similarity::kernel::Rows;
use crate::similarity::sampling::Quota;
use crate::similarity::{
    self, Cards, ComparedPairs, HardPair, Histograms, IdentitySpread, NoCheckpoint, PairCheckpoint, PairKind,
    PairRequest, Population, Share, SharedPairs, SimilarityOptions, card::CardPairs, hardest::Candidate,
};
use crate::verification::bootstrap::{Estimator, Resampling};
use crate::verification::rates::RateEstimator;
use crate::verification::{Curve, thresholds};
use facevault_base::progress::{Cancel, Progress};

pub use crate::similarity::Labelled;

/// All results of one evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The numbers: `metrics.json`.
    pub metrics: Metrics,
    /// `histograms.parquet`.
    pub histograms: Histograms,
    /// `curves.parquet`.
    pub curve: Curve,
    /// `pairs.parquet`: the hardest pairs, genuine first, by rank.
    pub hardest: Vec<HardPair>,
    /// `identities.parquet`: sorted by identity as strings, the order of `identity_centroids.npy`.
    pub identities: Vec<IdentitySpread>,
    /// `identity_centroids.npy`: one unit row an identity, in the order of `identities`.
    pub centroids: Centroids,
    /// `people.json`, `identity_errors.parquet`, `label_audit.csv` and `identity_pairs.csv`.
    pub people: People,
    /// `breakdown.json`: which faces fail; `None` if no threshold could be determined.
    pub breakdown: Option<Breakdown>,
    /// `protocol_pairs.parquet`: the outcome of each test pair, protocol by protocol.
    pub tested: Vec<TestedProtocol>,
    /// `searches.parquet`: what was found for each probe, protocol by protocol.
    pub searched: Vec<SearchedProtocol>,
}

/// The probes of one identification protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchedProtocol {
    /// The protocol's name.
    pub protocol: String,
    /// In the order of the protocol.
    pub probes: Vec<SearchedProbe>,
}

/// The test pairs of one protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct TestedProtocol {
    /// The protocol's name.
    pub protocol: String,
    /// In the order of the list.
    pub pairs: Vec<PairOutcome>,
}

/// Input of an evaluation.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationInput<'a> {
    /// Row-major unit rows, one per face.
    pub matrix: &'a [f32],
    /// Numbers in a row.
    pub dimension: usize,
    /// The embedded faces in row order.
    pub faces: &'a [Labelled<'a>],
    /// Attributes of the faces for the breakdown; each column in row order.
    pub columns: &'a [FaceColumn<'a>],
    /// Faces of the manifest.
    pub manifest_rows: u64,
    /// Faces without an embedding.
    pub failed: u64,
    /// Which pairs to compare, and how to estimate uncertainty.
    pub options: &'a SimilarityOptions,
    /// Seed of samples and replicates.
    pub seed: u64,
    /// Ranges that metrics must fall in.
    pub expect: &'a BTreeMap<String, Expectation>,
    /// Published lists of pairs, and the protocols that use them.
    pub benchmarks: Benchmarks<'a>,
    /// Where the state of a long comparison is stored between two sessions.
    pub checkpoint: &'a dyn PairCheckpoint,
    /// The GPUs that may compare all pairs.
    pub cards: &'a Cards,
}

/// Compares faces and computes every statistic. A pure function of the input, bit for bit, for any number of threads.
///
/// # Errors
/// [`EvaluateError::NotEvaluable`] if there is nothing to compare, [`EvaluateError::Matrix`] for invalid rows,
/// [`EvaluateError::NoCard`], [`EvaluateError::Interrupted`].
pub fn evaluate(
    input: &EvaluationInput<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Evaluation, EvaluateError> {
    let rows = checked_rows(input)?;
    // Before the long work, so that a list that a protocol cannot split fails early.
    let (results, tested) = input.benchmarks.run(rows, input.options.confidence)?;
    let templates = input.benchmarks.verify_templates(rows, resampling(input), cancel)?;
    let (identification, searched) = input.benchmarks.search(rows, input.options.confidence, cancel)?;
    let mut evaluation = match input.benchmarks.list_in_place_of_names(input.faces) {
        Some(list) => by_list(input, rows, &list, cancel)?,
        None => by_names(input, rows, progress, cancel)?,
    };
    evaluation.metrics.groups = GroupResult::all(&results);
    evaluation.metrics.protocols = results;
    evaluation.metrics.templates = templates;
    evaluation.metrics.identification = identification;
    evaluation.metrics.expectations = judge(&evaluation.metrics, input.expect);
    evaluation.tested = tested;
    evaluation.searched = searched;
    Ok(evaluation)
}

/// Compares one of several equal parts of the pairs that [`evaluate`] compares, and saves its state in the checkpoint of the
/// input, where [`evaluate`] finds it: the numbers are those of one comparison, bit for bit.
///
/// # Errors
/// As [`evaluate`], and [`EvaluateError::NotEvaluable`] for faces without identities, whose pairs are listed: they are few.
pub fn evaluate_share(
    input: &EvaluationInput<'_>,
    share: Share,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<SharedPairs, EvaluateError> {
    let rows = checked_rows(input)?;
    if input.benchmarks.list_in_place_of_names(input.faces).is_some() {
        let reason =
            "no face has an identity, so only the pairs of its list are compared, which are not shared out".into();
        return Err(EvaluateError::NotEvaluable { reason });
    }
    let named = Named::new(input, rows, cancel)?;
    let card = named.card(input, rows, progress)?;
    let engine = card.as_ref().map(|card| card as &dyn PairEngine);
    let Named { population, bracket, .. } = &named;
    let request = named.request(input, bracket);
    similarity::compare_share(rows, population, &request, engine, share, input.checkpoint, progress, cancel)
        .ok_or(EvaluateError::Interrupted)
}

/// Faces with identities, and which of their pairs are compared.
struct Named<'a> {
    population: Population<'a>,
    quota: Quota,
    /// Thresholds that the operating threshold should be among.
    bracket: Vec<f32>,
}

impl<'a> Named<'a> {
    fn new(input: &EvaluationInput<'a>, rows: Rows<'_>, cancel: &Cancel) -> Result<Self, EvaluateError> {
        let population = Population::new(input.faces, input.seed);
        evaluable(input, &population)?;
        let quota = Quota::new(&population.available, input.options);
        let bracket = similarity::bracket(rows, &population, quota.impostor, input.seed, cancel);
        Ok(Self { population, quota, bracket: bracket.ok_or(EvaluateError::Interrupted)? })
    }

    /// The card that is to compare the pairs, if any.
    fn card<'b>(
        &'b self,
        input: &EvaluationInput<'_>,
        rows: Rows<'b>,
        progress: &dyn Progress,
    ) -> Result<Option<CardPairs<'b>>, EvaluateError> {
        let Self { population, quota, .. } = self;
        let all = if quota.impostor == population.available.impostor { quota.impostor } else { 0 };
        let card = input.cards.load(rows, population, all, progress);
        card.map_err(|reason| EvaluateError::NoCard { reason })
    }

    fn request<'b>(&self, input: &EvaluationInput<'_>, watched: &'b [f32]) -> PairRequest<'b> {
        PairRequest { quota: self.quota, hardest: input.options.hardest, watched, seed: input.seed }
    }
}

/// Evaluates faces with identities: all pairs, or a sample of them.
fn by_names(
    input: &EvaluationInput<'_>,
    rows: Rows<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Evaluation, EvaluateError> {
    let named = Named::new(input, rows, cancel)?;
    let card = named.card(input, rows, progress)?;
    let engine = card.as_ref().map(|card| card as &dyn PairEngine);
    let compare = |watched: &[f32], checkpoint: &dyn PairCheckpoint| {
        let request = named.request(input, watched);
        similarity::compare_resumably(rows, &named.population, &request, engine, checkpoint, progress, cancel)
            .ok_or(EvaluateError::Interrupted)
    };
    let (found, watched) = counted_at_operating(&named.bracket, input.checkpoint, compare)?;
    drop(card);
    let Named { population, quota, .. } = named;
    if found.impostor.moments.count() == 0 {
        let reason = "the sample holds no two faces of different people in different photos".into();
        return Err(EvaluateError::NotEvaluable { reason });
    }
    let estimator = estimator(input, &found, cancel)?;
    let breakdown = match watched {
        None => None,
        Some(threshold) => {
            let (errors, columns, how) = (&found.faces, input.columns, resampling(input));
            let input = breakdown::BreakdownInput { rows, population: &population, errors, threshold, columns, how };
            Some(Breakdown::new(&input, progress, cancel).ok_or(EvaluateError::Interrupted)?)
        }
    };
    let upstream = match &input.options.upstream {
        None => None,
        Some(sampling) => match similarity::upstream::compare(rows, &population, sampling, input.seed) {
            None => None,
            Some(found) => Some(published::compare(&found, &self::estimator(input, &found, cancel)?)),
        },
    };
    let rates = RateEstimator { estimator: &estimator, cells: &found.cells };
    let pairs = pair_counts(&population, quota, &found);
    let metrics = Metrics::of(rates, &found, face_counts(input, &population), pairs, upstream);
    let (hardest, centroids) = (hard_pairs(input.faces, &found), Centroids::of(rows, &population));
    let people = who::PeopleInput {
        rows,
        faces: input.faces,
        population: &population,
        centroids: &centroids.data,
        found: &found,
        watched,
        estimator: &estimator,
        hardest: &hardest,
        eer_threshold: metrics.eer_threshold,
        options: input.options,
        seed: input.seed,
    };
    let people = who::study(&people, cancel).ok_or(EvaluateError::Interrupted)?;
    Ok(Evaluation {
        metrics,
        curve: thresholds::curve(rates),
        hardest,
        identities: spreads(&population, &found),
        centroids,
        people,
        breakdown,
        histograms: Histograms { genuine: found.genuine.counts, impostor: found.impostor.counts },
        tested: Vec::new(),
        searched: Vec::new(),
    })
}

/// Compares pairs, and counts the errors of each face at the operating threshold, which `bracket` should contain.
/// Without a threshold there are no errors by face.
fn counted_at_operating(
    bracket: &[f32],
    checkpoint: &dyn PairCheckpoint,
    compare: impl Fn(&[f32], &dyn PairCheckpoint) -> Result<ComparedPairs, EvaluateError>,
) -> Result<(ComparedPairs, Option<f32>), EvaluateError> {
    let mut found = compare(bracket, checkpoint)?;
    let watched = similarity::operating_threshold(&found.impostor);
    let Some(threshold) = watched else { return Ok((found, None)) };
    let mut errors = std::mem::take(&mut found.faces).at(threshold, bracket);
    if errors.is_none() {
        // The sample was wrong about the threshold, which is known now.
        let known = [bracket.first().map_or(threshold, |tail| tail.min(threshold)), threshold, threshold];
        found = compare(&known, &NoCheckpoint)?;
        errors = std::mem::take(&mut found.faces).at(threshold, &known);
    }
    found.faces = errors.unwrap_or_default();
    Ok((found, watched))
}

/// Evaluates faces without identities by a labelled list of pairs: only these pairs are compared, and there are no
/// statistics of people.
fn by_list(
    input: &EvaluationInput<'_>,
    rows: Rows<'_>,
    list: &ListedPairs,
    cancel: &Cancel,
) -> Result<Evaluation, EvaluateError> {
    let faces = list.label(input.faces);
    let population = Population::new(&faces, input.seed);
    let Some(found) = similarity::listed::compare(rows, &population, &list.pairs, input.options.hardest) else {
        let reason =
            "no face has an identity, and the embedded pairs of the list are all genuine or all impostor".into();
        return Err(EvaluateError::NotEvaluable { reason });
    };
    let estimator = estimator(input, &found, cancel)?;
    let rates = RateEstimator { estimator: &estimator, cells: &found.cells };
    let pairs = PairCounts {
        mode: "listed".into(),
        genuine: found.genuine.moments.count(),
        impostor: found.impostor.moments.count(),
        genuine_available: found.genuine.moments.count(),
        impostor_available: found.impostor.moments.count(),
        excluded_same_image: 0,
        excluded_same_content: 0,
        unlabelled_faces: input.faces.len() as u64,
    };
    let named = FaceCounts { labelled: 0, identities: 0, singletons: 0, ..face_counts(input, &population) };
    Ok(Evaluation {
        metrics: Metrics::of(rates, &found, named, pairs, None),
        curve: thresholds::curve(rates),
        hardest: hard_pairs(input.faces, &found),
        identities: Vec::new(),
        centroids: Centroids { data: Vec::new(), dimension: rows.dimension },
        people: People { schema: who::SCHEMA, ..People::default() },
        breakdown: None,
        histograms: Histograms { genuine: found.genuine.counts, impostor: found.impostor.counts },
        tested: Vec::new(),
        searched: Vec::new(),
    })
}

/// Judges each expectation. An expectation of a metric that the run lacks is not met.
#[must_use]
pub fn judge(metrics: &Metrics, expect: &BTreeMap<String, Expectation>) -> Vec<Judged> {
    judge_with(expect, |metric| metrics.get(metric).ok_or_else(|| metrics.lacks(metric)))
}

/// Judges each expectation by `value`, which returns the metric or the reason why there is none.
pub fn judge_with(expect: &BTreeMap<String, Expectation>, value: impl Fn(&str) -> Result<f64, String>) -> Vec<Judged> {
    expect
        .iter()
        .map(|(metric, range)| {
            let (value, not_judged) = match value(metric) {
                Ok(value) => (Some(value), None),
                Err(reason) => (None, Some(reason)),
            };
            let met = value.is_some_and(|value| {
                range.min.is_none_or(|min| value >= min) && range.max.is_none_or(|max| value <= max)
            });
            let (metric, source) = (metric.clone(), range.source.clone());
            Judged { metric, value, min: range.min, max: range.max, source, met, not_judged }
        })
        .collect()
}

fn checked_rows<'a>(input: &EvaluationInput<'a>) -> Result<Rows<'a>, EvaluateError> {
    let (data, dimension) = (input.matrix, input.dimension);
    if dimension == 0 || data.len() != dimension * input.faces.len() {
        let (numbers, faces) = (data.len(), input.faces.len());
        let rule = format!("{faces} faces of {dimension} numbers need {} numbers, it has {numbers}", faces * dimension);
        return Err(EvaluateError::Matrix { rule });
    }
    match data.chunks_exact(dimension).position(|row| row.iter().any(|value| !value.is_finite())) {
        Some(row) => Err(EvaluateError::Matrix { rule: format!("row {row} holds a value that is not finite") }),
        None => Ok(Rows { data, dimension }),
    }
}

/// Checks that there is something to compare.
fn evaluable(input: &EvaluationInput<'_>, population: &Population<'_>) -> Result<(), EvaluateError> {
    let (faces, identities) = (population.members.len(), population.names.len());
    let available = &population.available;
    let reason = if input.faces.is_empty() {
        "no face is embedded, but a comparison needs two".into()
    } else if input.faces.len() == 1 {
        "only one face is embedded, but a comparison needs two".into()
    } else if faces == 0 {
        "no face has an identity, so no pair is known to be genuine or impostor".into()
    } else if faces < 2 {
        "only one face has an identity, but a comparison needs two".into()
    } else if identities < 2 {
        "all faces have the same identity, so there is no impostor pair".into()
    } else if available.genuine == 0 {
        format!("no two of the {faces} faces show one person in different photos, so there is no genuine pair")
    } else if available.impostor == 0 {
        format!("no two of the {faces} faces show different people in different photos, so there is no impostor pair")
    } else {
        return Ok(());
    };
    Err(EvaluateError::NotEvaluable { reason })
}

fn estimator(input: &EvaluationInput<'_>, found: &ComparedPairs, cancel: &Cancel) -> Result<Estimator, EvaluateError> {
    Estimator::new(&found.genuine, &found.impostor, &found.cells, resampling(input), &|| cancel.requested())
        .ok_or(EvaluateError::Interrupted)
}

fn resampling(input: &EvaluationInput<'_>) -> Resampling {
    Resampling { replicates: input.options.replicates, level: input.options.confidence, seed: input.seed }
}

fn face_counts(input: &EvaluationInput<'_>, population: &Population<'_>) -> FaceCounts {
    FaceCounts {
        manifest: input.manifest_rows,
        embedded: input.faces.len() as u64,
        failed: input.failed,
        labelled: population.members.len() as u64,
        identities: population.names.len() as u64,
        singletons: population.identities.iter().filter(|faces| faces.len() == 1).count() as u64,
    }
}

fn pair_counts(population: &Population<'_>, quota: Quota, found: &ComparedPairs) -> PairCounts {
    let available = &population.available;
    PairCounts {
        mode: if quota.is_all(available) { "exhaustive" } else { "sampled" }.into(),
        genuine: found.genuine.moments.count(),
        impostor: found.impostor.moments.count(),
        genuine_available: available.genuine,
        impostor_available: available.impostor,
        excluded_same_image: available.same_image,
        excluded_same_content: available.same_content,
        unlabelled_faces: population.unlabelled,
    }
}

fn hard_pairs(faces: &[Labelled<'_>], found: &ComparedPairs) -> Vec<HardPair> {
    let named = |kind: PairKind, sign: f32, pairs: &[Candidate]| {
        let named = pairs.iter().zip(1..).map(|(pair, rank)| {
            let (a, b) = (&faces[pair.row_a as usize], &faces[pair.row_b as usize]);
            HardPair {
                kind,
                rank,
                row_a: pair.row_a,
                row_b: pair.row_b,
                face_a: a.face_id.into(),
                face_b: b.face_id.into(),
                identity_a: a.identity.unwrap_or_default().into(),
                identity_b: b.identity.unwrap_or_default().into(),
                cosine: sign * pair.easiness,
            }
        });
        named.collect::<Vec<_>>()
    };
    let mut pairs = named(PairKind::Genuine, 1.0, &found.hardest_genuine);
    pairs.extend(named(PairKind::Impostor, -1.0, &found.hardest_impostor));
    pairs
}

fn spreads(population: &Population<'_>, found: &ComparedPairs) -> Vec<IdentitySpread> {
    let spread = population.names.iter().zip(&population.identities).zip(&found.spread);
    spread
        .map(|((name, faces), spread)| {
            let compared = spread.genuine.count() > 0;
            let nearest = population.names.get(spread.nearest as usize);
            IdentitySpread {
                identity_id: (*name).into(),
                faces: faces.len() as u64,
                genuine_mean: compared.then(|| spread.genuine.mean()),
                genuine_min: compared.then_some(spread.genuine_min),
                impostor_max: nearest.map(|_| spread.impostor_max),
                nearest_identity: nearest.map(|name| (*name).into()),
            }
        })
        .collect()
}

#[cfg(test)]
mod people_tests;
#[cfg(test)]
pub(crate) mod tests;
