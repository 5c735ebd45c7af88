//! Everything a report shows, from embeddings and identities: all of this crate in one call.

mod benchmarks;
mod error;
mod published;

use std::collections::BTreeMap;

pub use benchmarks::{Benchmarks, ByList, few_enough, list_of};
pub use error::EvaluateError;

use crate::breakdown::{self, Breakdown, Column};
use crate::metrics::{Expectation, FaceCounts, Judged, Metrics, PairCounts};
use crate::people::{self as who, Centroids, People};
use crate::protocol::PairOutcome;
use crate::similarity::SimilarityOptions;
use crate::similarity::engine::Engine;
use crate::similarity::kernel::Rows;
use crate::similarity::sampling::Quota;
use crate::similarity::{
    self, Cards, Checkpoint, ComparedPairs, HardPair, Histograms, IdentitySpread, NoCheckpoint, OperatingThreshold,
    PairKind, PairRequest, Population, hardest::Candidate,
};
use crate::verification::bootstrap::{Estimator, Resampling};
use crate::verification::rates::Rates;
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
    /// `people.json`, `identity_errors.parquet` and `label_audit.csv`.
    pub people: People,
    /// `breakdown.json`: which faces fail; `None` without an operating threshold.
    pub breakdown: Option<Breakdown>,
    /// `protocol_pairs.parquet`: the decision about each test pair, protocol by protocol.
    pub tested: Vec<Tested>,
}

/// The test pairs of one protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// The protocol's name.
    pub protocol: String,
    /// In the order of the list.
    pub pairs: Vec<PairOutcome>,
}

/// The input of an evaluation.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationInput<'a> {
    /// Row-major unit rows, one a face.
    pub matrix: &'a [f32],
    /// Numbers in a row.
    pub dimension: usize,
    /// The embedded faces in row order.
    pub faces: &'a [Labelled<'a>],
    /// Metadata and measures of the faces for the breakdown; each column in row order.
    pub columns: &'a [Column<'a>],
    /// Faces of the manifest.
    pub manifest_rows: u64,
    /// Faces without an embedding.
    pub failed: u64,
    /// Which pairs, and how uncertainty is estimated.
    pub options: &'a SimilarityOptions,
    /// Seed of samples and replicates.
    pub seed: u64,
    /// Ranges that metrics must fall in.
    pub expect: &'a BTreeMap<String, Expectation>,
    /// Published lists of pairs, and the protocols that are run on them.
    pub benchmarks: Benchmarks<'a>,
    /// Where the state of a long comparison is stored between two sessions.
    pub checkpoint: &'a dyn Checkpoint,
    /// Whether a card compares all pairs.
    pub cards: &'a Cards,
}

/// Compares faces and computes every statistic: a pure function of the input, bit for bit, whatever the number of
/// threads.
///
/// # Errors
/// [`EvaluateError::NotEvaluable`] when there is nothing to compare, [`EvaluateError::Matrix`] when rows are not what
/// they should be, [`EvaluateError::NoCard`], [`EvaluateError::Interrupted`].
pub fn evaluate(
    input: &EvaluationInput<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Evaluation, EvaluateError> {
    let rows = checked_rows(input)?;
    // Before the long work: a list that cannot be cut into a protocol's folds is an error.
    let (results, tested) = input.benchmarks.run(rows, input.options.confidence)?;
    let mut evaluation = match input.benchmarks.instead_of_names(input.faces) {
        Some(list) => by_list(input, rows, &list, cancel)?,
        None => by_names(input, rows, progress, cancel)?,
    };
    evaluation.metrics.protocols = results;
    evaluation.metrics.expectations = judge(&evaluation.metrics, input.expect);
    evaluation.tested = tested;
    Ok(evaluation)
}

/// Evaluates labelled faces: all pairs, or a sample of them.
fn by_names(
    input: &EvaluationInput<'_>,
    rows: Rows<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Evaluation, EvaluateError> {
    let population = Population::new(input.faces, input.seed);
    evaluable(input, &population)?;
    let quota = Quota::new(&population.available, input.options);
    let bracket = similarity::bracket(rows, &population, quota.impostor, input.seed, cancel);
    let bracket = bracket.ok_or(EvaluateError::Interrupted)?;
    let all = if quota.impostor == population.available.impostor { quota.impostor } else { 0 };
    let card = input.cards.load(rows, &population, all, progress);
    let card = card.map_err(|reason| EvaluateError::NoCard { reason })?;
    let engine = card.as_ref().map(|card| card as &dyn Engine);
    let compare = |watched: &[f32], checkpoint: &dyn Checkpoint| {
        let request = PairRequest { quota, hardest: input.options.hardest, watched, seed: input.seed };
        similarity::compare_resumably(rows, &population, &request, engine, checkpoint, progress, cancel)
            .ok_or(EvaluateError::Interrupted)
    };
    let (found, watched) = counted_at_operating(&bracket, input.checkpoint, compare)?;
    drop(card);
    if found.impostor.moments.count() == 0 {
        let reason = "the sample found no two faces of different people in different photos".into();
        return Err(EvaluateError::NotEvaluable { reason });
    }
    let estimator = estimator(input, &found, cancel)?;
    let breakdown = match watched {
        None => None,
        Some(OperatingThreshold { threshold }) => {
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
    let rates = Rates { estimator: &estimator, cells: &found.cells };
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
    })
}

/// Compares pairs, and counts the errors of each face at the operating threshold, which `bracket` should hold. Without one,
/// there are no errors by face.
fn counted_at_operating(
    bracket: &[f32],
    checkpoint: &dyn Checkpoint,
    compare: impl Fn(&[f32], &dyn Checkpoint) -> Result<ComparedPairs, EvaluateError>,
) -> Result<(ComparedPairs, Option<OperatingThreshold>), EvaluateError> {
    let mut found = compare(bracket, checkpoint)?;
    let watched = OperatingThreshold::operating(&found.impostor);
    let Some(OperatingThreshold { threshold }) = watched else { return Ok((found, None)) };
    let mut errors = std::mem::take(&mut found.faces).at(threshold, bracket);
    if errors.is_none() {
        // The sample's range missed the threshold, which is known now.
        let known = [bracket.first().map_or(threshold, |tail| tail.min(threshold)), threshold, threshold];
        found = compare(&known, &NoCheckpoint)?;
        errors = std::mem::take(&mut found.faces).at(threshold, &known);
    }
    found.faces = errors.unwrap_or_default();
    Ok((found, watched))
}

/// Evaluates unlabelled faces by a list of pairs: only these pairs are compared, and nothing is reported about people.
fn by_list(
    input: &EvaluationInput<'_>,
    rows: Rows<'_>,
    list: &ByList,
    cancel: &Cancel,
) -> Result<Evaluation, EvaluateError> {
    let faces = list.label(input.faces);
    let population = Population::new(&faces, input.seed);
    let Some(found) = similarity::listed::compare(rows, &population, &list.pairs, input.options.hardest) else {
        let reason = "no face has an identity, and the list's pairs that are embedded are all of one kind".into();
        return Err(EvaluateError::NotEvaluable { reason });
    };
    let estimator = estimator(input, &found, cancel)?;
    let rates = Rates { estimator: &estimator, cells: &found.cells };
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
    })
}

/// Judges each expectation. A metric that this run does not have meets none.
#[must_use]
pub fn judge(metrics: &Metrics, expect: &BTreeMap<String, Expectation>) -> Vec<Judged> {
    judge_with(expect, |metric| metrics.get(metric).ok_or_else(|| metrics.lacks(metric)))
}

/// Judges each expectation by the value that `value` returns for its metric, or its reason for having none.
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

/// Whether there is anything to compare, and if not, why.
fn evaluable(input: &EvaluationInput<'_>, population: &Population<'_>) -> Result<(), EvaluateError> {
    let (faces, identities) = (population.members.len(), population.names.len());
    let available = &population.available;
    let reason = if input.faces.len() < 2 {
        format!("{} embedded face(s): comparing takes two", input.faces.len())
    } else if faces == 0 {
        "no face has an identity, so no pair is known to be the same or different people".into()
    } else if faces < 2 {
        "only one face has an identity: comparing takes two".into()
    } else if identities < 2 {
        "all faces have one identity: there is no pair of different people".into()
    } else if available.genuine == 0 {
        format!("no two of the {faces} faces are one person in different photos: there is no same-identity pair")
    } else if available.impostor == 0 {
        format!(
            "no two of the {faces} faces are different people in different photos: there is no different-identity pair"
        )
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
