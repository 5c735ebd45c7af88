//! Judges whether a variant's embeddings are close enough to f32 on the CPU; otherwise its speed is invalid. Pure.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::Serialize;

use crate::agreement::required_cosine;
use crate::closeness::Closeness;
use crate::compare::{Effect, HeadlineMetric, Matrix, NearestFaces, Pairing, SharedFaces, Tolerances, asked, nearest};
use crate::config::ExperimentConfig;
use crate::evaluate::Labelled;
use crate::model::Precision;
use crate::progress::{Cancel, Silent};
use crate::similarity::kernel::Rows;
use crate::similarity::{PairMode, SimilarityOptions};

/// Most bootstrap replicates for the difference of error rates, which is computed for every variant.
const REPLICATES: u32 = 200;

/// A variant's embeddings compared with the reference's, face by face and pair by pair.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ReferenceAgreement {
    #[serde(flatten)]
    pub closeness: Closeness,
    /// Faces whose nearest face differs from the reference; absent with a single face.
    pub nearest: Option<NearestFaces>,
    /// The variant's equal error rate minus the reference's on the same pairs; absent without pairs of both kinds.
    pub eer_difference: Option<Effect>,
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AccuracyGate {
    /// Whether the speed is valid.
    pub passed: bool,
    /// Reasons why not.
    pub because: Vec<String>,
    /// Lowest cosine between a face's embeddings, here and in the reference, that its precision may have.
    pub least_cosine: f64,
}

impl AccuracyGate {
    /// Judges by the precision's minimum cosine and by the equal error rate with the tolerance of `compare
    /// --fail-on-regression`: the whole interval of the difference must not be worse. Unresolvable differences pass.
    pub fn of(precision: Precision, agreement: &ReferenceAgreement) -> Self {
        let (least, found) = (required_cosine(precision), agreement.closeness.min_cosine);
        let mut because = Vec::new();
        // NaN fails.
        if found.is_nan() || found < least {
            because.push(format!("lowest cosine {found:.6}, but {} requires {least}", precision.name()));
        }
        let worse = |effect: &Effect| Tolerances::default().breach(HeadlineMetric::Eer, effect);
        if let Some(text) = agreement.eer_difference.as_ref().and_then(worse) {
            because.push(format!("equal error rate {text}"));
        }
        Self { passed: because.is_empty(), because, least_cosine: least }
    }
}

/// The agreement of each matrix of `found` with `reference`; both hold unit rows of `faces`. `None` if cancelled.
pub(super) fn agreements(
    config: &ExperimentConfig,
    faces: &[Labelled<'_>],
    reference: &[f32],
    found: &[&[f32]],
    cancel: &Cancel,
) -> Option<Vec<ReferenceAgreement>> {
    let dimension = reference.len() / faces.len().max(1);
    // On the CPU a row does not depend on its batch, so most matrices occur several times.
    let first_like: Vec<usize> =
        found.iter().map(|matrix| found.iter().position(|other| other == matrix).unwrap_or_default()).collect();
    let differences = eer_differences(config, faces, reference, found, &first_like, cancel)?;
    let rows = asked(faces.len(), config.seed);
    let neighbours = |data| nearest(Rows { data, dimension }, &rows, &Silent, cancel);
    let expected = neighbours(reference);
    let mut agreements: Vec<ReferenceAgreement> = Vec::new();
    for (i, matrix) in found.iter().enumerate() {
        if first_like[i] < i {
            agreements.push(agreements[first_like[i]].clone());
            continue;
        }
        let flips = |(before, after): (&Vec<u32>, Vec<u32>)| NearestFaces::of(before, &after, faces.len());
        agreements.push(ReferenceAgreement {
            closeness: Closeness::of(matrix, reference, dimension),
            nearest: expected.as_ref().zip(neighbours(matrix)).map(flips),
            eer_difference: differences[i].clone(),
        });
    }
    (!cancel.requested()).then_some(agreements)
}

/// Differences for the first occurrence of each matrix; inner `None` without pairs of both kinds.
fn eer_differences(
    config: &ExperimentConfig,
    faces: &[Labelled<'_>],
    reference: &[f32],
    found: &[&[f32]],
    first_like: &[usize],
    cancel: &Cancel,
) -> Option<Vec<Option<Effect>>> {
    let mut differences = vec![None; found.len()];
    let dimension = reference.len() / faces.len().max(1);
    let new: Vec<usize> = (0..found.len()).filter(|&i| first_like[i] == i).collect();
    let common = SharedFaces::all_of(faces.len(), new.len() + 1);
    let options = SimilarityOptions {
        pairs: PairMode::Exhaustive,
        upstream: None,
        hardest: 0,
        replicates: config.similarity.replicates.min(REPLICATES),
        ..config.similarity.clone()
    };
    let Ok(pairing) = Pairing::new(faces, &common, &options, config.seed) else { return Some(differences) };
    let load = |run: usize| {
        let data = if run == 0 { reference } else { found[new[run - 1]] };
        Ok::<_, Infallible>(Matrix { data: data.to_vec(), dimension })
    };
    let Ok(measured) = pairing.measure_each(load, &Silent, cancel);
    let measured = measured?;
    let (before, after) = measured.split_first()?;
    for (&i, one) in new.iter().zip(after) {
        let both = before.metric(HeadlineMetric::Eer).zip(one.metric(HeadlineMetric::Eer));
        differences[i] = both.map(|(a, b)| Effect::of(HeadlineMetric::Eer, a, b, one.same(before)));
    }
    Some(differences)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::EffectVerdict;
    use crate::estimate::Estimate;

    fn agreement(min_cosine: f64, eer: Option<(f64, f64)>) -> ReferenceAgreement {
        let effect = |(lower, upper): (f64, f64)| Effect {
            difference: Estimate {
                point: f64::midpoint(lower, upper),
                lower: Some(lower),
                upper: Some(upper),
                ..Estimate::default()
            },
            verdict: if lower > 0.0 { EffectVerdict::Worse } else { EffectVerdict::NotResolvable },
        };
        let closeness = Closeness { min_cosine, mean_cosine: min_cosine, max_difference: 0.0 };
        ReferenceAgreement { closeness, nearest: None, eer_difference: eer.map(effect) }
    }

    #[test]
    fn a_precision_is_judged_by_its_own_cosine() {
        let passes = |precision, cosine| AccuracyGate::of(precision, &agreement(cosine, None)).passed;
        assert!(passes(Precision::Int8, 0.995) && !passes(Precision::Bf16, 0.995) && !passes(Precision::F32, 0.9999));
        assert!(passes(Precision::F32, 1.0) && passes(Precision::F16, 0.99995));
        assert!(!passes(Precision::Int8, f64::NAN), "no number passes nothing");
    }

    #[test]
    fn an_error_rate_that_is_surely_worse_fails_and_one_that_may_be_does_not() {
        let gate = |range| AccuracyGate::of(Precision::Int8, &agreement(0.999, Some(range)));
        assert!(gate((-0.01, 0.05)).passed && gate((-0.05, -0.01)).passed);
        let failed = gate((0.01, 0.05));
        insta::assert_snapshot!(failed.because.join("\n"), @"equal error rate worse +3.00 pp [+1.00, +5.00], tolerated 0");
        assert!(!failed.passed);
    }

    fn config() -> ExperimentConfig {
        crate::config::load(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/configs/demo.yaml")), &[])
            .unwrap()
            .config
    }

    #[test]
    fn nearest_faces_that_change_are_counted_and_equal_matrices_are_asked_once() {
        let reference = [1.0, 0.0, 0.8, 0.6, 0.0, 1.0, -0.6, 0.8];
        // The second face moves over to the third one: 1 loses its neighbour 2 to nobody, 2 finds 3, 4 still has 3.
        let moved = [1.0, 0.0, 0.28, 0.96, 0.0, 1.0, -0.6, 0.8];
        let names = ["f0", "f1", "f2", "f3"];
        let people = [Some("a"), Some("a"), Some("b"), Some("b")];
        let faces: Vec<_> = names
            .iter()
            .zip(people)
            .map(|(id, identity)| Labelled { face_id: id, identity, image_id: id, content: None })
            .collect();
        let found = agreements(&config(), &faces, &reference, &[&reference, &moved, &moved], &Cancel::default());
        let found = found.unwrap();
        let flips: Vec<_> = found.iter().map(|one| one.nearest.unwrap()).map(|n| (n.flipped, n.asked)).collect();
        assert_eq!(flips[0], (0, 4));
        assert_eq!(flips[1], (2, 4));
        assert_eq!(found[1], found[2]);
        assert_eq!(found[0].eer_difference.as_ref().unwrap().verdict, EffectVerdict::Same);
        assert_eq!(found[0].eer_difference.as_ref().unwrap().difference.point, 0.0);
        assert!((found[1].closeness.min_cosine - 0.8).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn without_pairs_there_is_no_error_rate_to_differ_in() {
        let faces = [Labelled { face_id: "f", identity: None, image_id: "f", content: None }];
        let found = agreements(&config(), &faces, &[1.0, 0.0], &[&[1.0, 0.0]], &Cancel::default()).unwrap();
        assert_eq!((found[0].nearest, &found[0].eer_difference), (None, &None));
    }
}
