//! Against numbers that numpy and scikit-learn computed (`tests/fixtures/evaluate/golden.py`).

use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use serde_json::Value;

use super::*;
use crate::similarity::{PairMode, UpstreamSampling};
use crate::testing::{evaluate_faces, names, unit_rows};
use crate::verification::tally::BINS;
use facevault_base::digest::Digest;
use facevault_base::progress::Silent;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/evaluate").join(name)
}

/// The golden faces.
pub(crate) struct GoldenFaces {
    pub matrix: Vec<f32>,
    pub dimension: usize,
    records: Vec<[String; 3]>,
    numbers: Value,
}

impl GoldenFaces {
    pub fn read() -> Self {
        let bytes = std::fs::read(fixture("embeddings.npy")).unwrap();
        let file = npyz::NpyFile::new(bytes.as_slice()).unwrap();
        let dimension = file.shape()[1] as usize;
        let text = std::fs::read_to_string(fixture("faces.csv")).unwrap();
        let records = text.lines().skip(1).map(|line| {
            let fields: Vec<String> = line.split(',').map(str::to_owned).collect();
            fields.try_into().unwrap()
        });
        let numbers = serde_json::from_slice(&std::fs::read(fixture("golden.json")).unwrap()).unwrap();
        Self { matrix: file.into_vec().unwrap(), dimension, records: records.collect(), numbers }
    }

    pub fn faces(&self) -> Vec<Labelled<'_>> {
        self.records
            .iter()
            .map(|[face_id, identity, image_id]| Labelled {
                face_id,
                identity: Some(identity.as_str()).filter(|identity| !identity.is_empty()),
                image_id,
                content: None,
            })
            .collect()
    }

    fn evaluate(&self, options: &SimilarityOptions) -> Evaluation {
        run(&self.matrix, self.dimension, &self.faces(), options).unwrap()
    }

    fn number(&self, path: &str) -> f64 {
        self.numbers.pointer(path).and_then(Value::as_f64).unwrap()
    }
}

fn options() -> SimilarityOptions {
    SimilarityOptions {
        pairs: PairMode::Exhaustive,
        max_pairs: Some(1_000),
        upstream: Some(UpstreamSampling { faces_per_identity: 4, impostor_pairs: 500 }),
        replicates: 100,
        hardest: 7,
        ..SimilarityOptions::DEFAULT
    }
}

fn run(
    matrix: &[f32],
    dimension: usize,
    faces: &[Labelled<'_>],
    options: &SimilarityOptions,
) -> Result<Evaluation, EvaluateError> {
    evaluate_faces(matrix, dimension, faces, options, (2, 11))
}

#[track_caller]
fn close(what: &str, found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected} ± {tolerance}");
}

/// Faces with random rows, four per identity.
fn crowd(names: &[String]) -> (Vec<f32>, Vec<Labelled<'_>>) {
    (unit_rows(names.len(), 8, 3), crate::testing::faces(names, |i| i / 4, |i| i))
}

#[test]
fn there_is_one_operating_threshold() {
    for (faces, pairs, max_pairs, target) in [
        (200, PairMode::Exhaustive, 1, 1e-3),
        (200, PairMode::Sampled, 6_000, 1e-3),
        (200, PairMode::Sampled, 900, 1e-2),
        (24, PairMode::Exhaustive, 1, 1e-2),
        (12, PairMode::Exhaustive, 1, 1e-1),
    ] {
        let names = names(faces);
        let (matrix, faces) = crowd(&names);
        let found =
            run(&matrix, 8, &faces, &SimilarityOptions { pairs, max_pairs: Some(max_pairs), ..options() }).unwrap();
        let operating = found.metrics.operating().unwrap();
        assert_eq!(operating.target_fmr, target);
        let threshold = operating.threshold.unwrap();
        let breakdown = found.breakdown.unwrap();
        assert_eq!((found.people.threshold, breakdown.threshold), (threshold, threshold));
        // Errors counted by face must add up to those counted over all pairs.
        let (fmr, tar) = (operating.fmr.as_ref().unwrap().point, operating.tar.as_ref().unwrap().point);
        let people = &found.people.identities;
        close("FMR by identity", people.fmr.as_ref().unwrap().point, fmr, 1e-12);
        close("FNMR by identity", people.fnmr.as_ref().unwrap().point, 1.0 - tar, 1e-12);
        close("FMR by face", breakdown.all.fmr.unwrap().point, fmr, 1e-12);
        close("FNMR by face", breakdown.all.fnmr.unwrap().point, 1.0 - tar, 1e-12);
        // The audit's value with suspects is the run's own.
        if let Some(audited) = &found.people.audit.metrics {
            assert_eq!(audited.with.eer, found.metrics.eer);
        }
    }
    // Too few pairs to resolve any rate: no errors by face, and labels are judged at the equal error rate.
    let names = names(8);
    let (matrix, mut faces) = crowd(&names);
    faces.remove(7);
    faces.drain(4..6);
    let found = run(&[&matrix[..32], &matrix[48..56]].concat(), 8, &faces, &options()).unwrap();
    assert_eq!((found.metrics.pairs.impostor, found.metrics.operating(), found.breakdown), (4, None, None));
    assert_eq!(found.people.threshold, found.metrics.eer_threshold);
}

#[test]
fn a_sample_that_misled_costs_time_and_changes_nothing() {
    let names = names(120);
    let (data, faces) = crowd(&names);
    let population = Population::new(&faces, 1);
    let quota = Quota::all(&population.available);
    let rows = Rows { data: &data, dimension: 8 };
    let counted = |bracket: &[f32]| {
        let times = std::cell::Cell::new(0);
        let compare = |watched: &[f32], _: &dyn PairCheckpoint| {
            times.set(times.get() + 1);
            let request = PairRequest { quota, hardest: 3, watched, seed: 1 };
            Ok(similarity::compare(rows, &population, &request, &Silent, &Cancel::default()).unwrap())
        };
        let (found, watched) = counted_at_operating(bracket, &NoCheckpoint, compare).unwrap();
        (found.faces, watched.unwrap(), times.get())
    };
    let bracket = similarity::bracket(rows, &population, quota.impostor, 1, &Cancel::default()).unwrap();
    let (errors, threshold, 1) = counted(&bracket) else { panic!("{bracket:?} does not hold the threshold") };
    assert_eq!((errors.misses.len(), errors.false_matches.len(), errors.between.len()), (1, 1, 0));
    assert!(errors.false_matches[0].iter().any(|matches| *matches > 0));
    for misled in [vec![], vec![0.1, 0.2, threshold - 0.01], vec![0.1, threshold + 0.01, 1.0]] {
        assert_eq!(counted(&misled), (errors.clone(), threshold, 2), "{misled:?}");
    }
}

#[test]
fn numbers_are_those_of_numpy_and_scikit_learn() {
    let golden = GoldenFaces::read();
    let found = golden.evaluate(&options()).metrics;
    let bin = 2.0 / BINS as f64;
    let upstream = found.upstream.as_ref().unwrap();
    let sides = [("genuine", &found.genuine), ("impostor", &found.impostor), ("upstream_genuine", &upstream.genuine)];
    for (kind, side) in sides {
        let number = |name: &str| golden.number(&format!("/{kind}/{name}"));
        assert_eq!(side.mean.n as f64, number("n"));
        close("mean", side.mean.point, number("mean"), 1e-7);
        close("std", side.std.point, number("std"), 1e-7);
        close("mean_abs", side.mean_abs.point, number("mean_abs"), 1e-7);
        close("min", side.min, number("min"), 1e-6);
        close("max", side.max, number("max"), 1e-6);
    }
    for (kind, side) in [("genuine", &found.genuine), ("impostor", &found.impostor)] {
        for (i, quantile) in side.quantiles.iter().enumerate() {
            assert_eq!(quantile.level, golden.number(&format!("/{kind}_quantiles/{i}/0")));
            close("quantile", quantile.value.point, golden.number(&format!("/{kind}_quantiles/{i}/1")), bin);
        }
    }
    close("d′", found.d_prime.point, golden.number("/d_prime"), 1e-6);
    close("AUC", found.auc.point, golden.number("/auc"), 1e-5);
    // One genuine pair more or less at a step of the curve.
    let step = 1.0 / golden.number("/genuine/n");
    close("EER", found.eer.point, golden.number("/eer"), step);
    for (target, point) in ["1e-1", "1e-2", "1e-3"].into_iter().zip(&found.operating_points) {
        assert_eq!(point.target_fmr, target.parse::<f64>().unwrap());
        close("FMR", point.fmr.as_ref().unwrap().point, golden.number(&format!("/tar/{target}/0")), 1e-4);
        close("TAR", point.tar.as_ref().unwrap().point, golden.number(&format!("/tar/{target}/1")), step);
    }
    assert_eq!(found.pairs.excluded_same_image as f64, golden.number("/same_image"));
    assert_eq!(found.pairs.unlabelled_faces as f64, golden.number("/unlabelled"));
    assert_eq!(
        (found.pairs.genuine, found.pairs.impostor),
        (found.pairs.genuine_available, found.pairs.impostor_available)
    );
}

#[test]
fn what_belongs_together_agrees() {
    let golden = GoldenFaces::read();
    let found = golden.evaluate(&options());
    let Evaluation { metrics, histograms, curve, hardest, identities, centroids, people, breakdown, tested, searched } =
        &found;
    assert!(tested.is_empty() && searched.is_empty());
    assert_eq!(histograms.genuine.iter().sum::<u64>(), metrics.pairs.genuine);
    assert_eq!(histograms.impostor.iter().sum::<u64>(), metrics.pairs.impostor);
    assert!(curve.fmr.is_sorted() && curve.fnmr.iter().rev().is_sorted() && curve.threshold.iter().rev().is_sorted());
    assert!(curve.threshold.len() <= 603, "{}", curve.threshold.len());
    for (i, fnmr) in curve.fnmr.iter().enumerate() {
        assert!(curve.fnmr_lower[i] <= *fnmr && *fnmr <= curve.fnmr_upper[i]);
    }
    let breakdown = breakdown.as_ref().unwrap();
    let rate = |estimate: &Option<crate::estimate::Estimate>| estimate.as_ref().unwrap().clone();
    let (fnmr, fmr) = (rate(&breakdown.all.fnmr), rate(&breakdown.all.fmr));
    assert_eq!((fnmr.n, fmr.n), (2 * metrics.pairs.genuine, 2 * metrics.pairs.impostor), "each pair has two faces");
    // The curve has a point at each edge of a bin; the threshold is one.
    let at = curve.threshold.iter().rposition(|threshold| *threshold >= breakdown.threshold - 1e-6).unwrap();
    close("false non-matches", fnmr.point, curve.fnmr[at], 1e-9);
    close("false matches", fmr.point, curve.fmr[at], 1e-9);
    assert_eq!(hardest.len(), 14);
    close("hardest", hardest[0].cosine.into(), metrics.genuine.min, 1e-15);
    close("hardest", hardest[7].cosine.into(), metrics.impostor.max, 1e-15);
    assert!(hardest[..7].is_sorted_by_key(|pair| pair.rank) && hardest.iter().all(|pair| pair.row_a < pair.row_b));
    assert!(hardest[..7].iter().all(|pair| pair.identity_a == pair.identity_b && pair.kind == PairKind::Genuine));
    assert!(hardest[7..].iter().all(|pair| pair.identity_a != pair.identity_b && pair.kind == PairKind::Impostor));
    assert!(identities.is_sorted_by(|a, b| a.identity_id < b.identity_id));
    let errors = &people.identities.errors;
    assert!(errors.iter().zip(identities).all(|(a, b)| (&a.identity_id, a.faces) == (&b.identity_id, b.faces)));
    assert_eq!(errors.iter().map(|one| one.genuine).sum::<u64>(), metrics.pairs.genuine);
    assert_eq!(errors.iter().map(|one| one.impostor).sum::<u64>(), 2 * metrics.pairs.impostor);
    assert_eq!(people.routing.held_out + people.routing.alone, metrics.faces.labelled);
    let highest = identities.iter().filter_map(|identity| identity.impostor_max).fold(-1.0, f32::max);
    close("highest", highest.into(), metrics.impostor.max, 1e-15);
    for (i, value) in centroids.data[..centroids.dimension].iter().enumerate() {
        close("centroid", (*value).into(), golden.number(&format!("/first_centroid/{i}")), 1e-6);
    }
}

#[test]
fn every_path_of_an_expectation_has_a_number() {
    let metrics = GoldenFaces::read().evaluate(&options()).metrics;
    for path in crate::metrics::PATHS {
        // 12,744 impostor pairs do not resolve a false match rate of 1e-5.
        let resolved = !["tar@fmr=1e-5", "tar@fmr=1e-6"].contains(path);
        assert_eq!(metrics.get(path).is_some(), resolved, "{path}");
    }
    assert_eq!(metrics.get("genuine.mean"), Some(metrics.genuine.mean.point));
    assert_eq!(metrics.get("upstream.impostor.max"), Some(metrics.upstream.as_ref().unwrap().impostor.max));
    assert_eq!(metrics.get("tar@fmr=0.1"), None, "only the listed spelling");
    assert_eq!(metrics.get("faces.failed"), Some(2.0));
}

#[test]
fn metrics_read_back_bit_for_bit() {
    let found = GoldenFaces::read().evaluate(&options());
    let text = serde_json::to_string_pretty(&found.metrics).unwrap();
    let read = Metrics::from_json(text.as_bytes()).unwrap();
    assert_eq!(read, found.metrics);
    assert_eq!(serde_json::to_string_pretty(&read).unwrap(), text);
}

#[test]
fn a_metric_has_one_row_and_headlines_come_first() {
    let paths: std::collections::BTreeSet<_> = crate::metrics::PATHS.iter().collect();
    assert_eq!(paths.len(), crate::metrics::PATHS.len());
    let headlines = crate::metrics::METRICS.iter().filter(|metric| metric.headline).map(|metric| &metric.path);
    assert!(headlines.eq(crate::metrics::HEADLINES));
}

#[test]
fn an_expectation_without_a_number_is_not_met() {
    let metrics = GoldenFaces::read().evaluate(&options()).metrics;
    let range = |min, max| Expectation { min, max, source: None };
    let expect = BTreeMap::from([
        ("auc".to_owned(), range(Some(0.8), Some(0.9))),
        ("eer".to_owned(), range(None, Some(0.05))),
        ("tar@fmr=1e-6".to_owned(), range(Some(0.0), None)),
    ]);
    let judged: Vec<_> = judge(&metrics, &expect).into_iter().map(|j| (j.metric, j.value.is_some(), j.met)).collect();
    let expected = [("auc", true, true), ("eer", true, false), ("tar@fmr=1e-6", false, false)];
    assert_eq!(judged, expected.map(|(metric, value, met)| (metric.to_owned(), value, met)));
}

#[test]
fn a_sample_estimates_what_all_pairs_say() {
    let golden = GoldenFaces::read();
    let sampled = SimilarityOptions { pairs: PairMode::Auto, max_pairs: Some(4_000), ..options() };
    let found = golden.evaluate(&sampled).metrics;
    assert_eq!((found.pairs.mode.as_str(), found.pairs.genuine, found.pairs.impostor), ("sampled", 592, 3_408));
    close("impostor mean", found.impostor.mean.point, golden.number("/impostor/mean"), 0.02);
    close("AUC", found.auc.point, golden.number("/auc"), 0.02);
    assert_eq!(found, golden.evaluate(&sampled).metrics, "seeded");
}

/// Faces of two numbers: (identity, image, content, angle in degrees).
fn flat(faces: &[(&'static str, &'static str, u8, f32)]) -> (Vec<f32>, Vec<Labelled<'static>>) {
    let rows = faces.iter().flat_map(|face| [face.3.to_radians().cos(), face.3.to_radians().sin()]).collect();
    let labelled = faces.iter().map(|&(identity, image_id, content, _)| Labelled {
        face_id: image_id,
        identity: Some(identity).filter(|identity| !identity.is_empty()),
        image_id,
        content: Some((Digest::of(&[content]), None)),
    });
    (rows, labelled.collect())
}

/// Every object with both ends of an interval, and its place.
fn intervals(value: &Value, path: &str, found: &mut Vec<(String, f64, f64)>) {
    if let (Some(lower), Some(upper)) = (value["lower"].as_f64(), value["upper"].as_f64()) {
        found.push((format!("{path} {}", value["method"]), lower, upper));
    }
    match value {
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(i, value)| intervals(value, &format!("{path}/{i}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| intervals(value, &format!("{path}/{key}"), found));
        }
        _ => {}
    }
}

#[test]
fn too_few_people_are_never_certain() {
    const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let person = |i: usize, face: usize, angle: f32| -> (&'static str, &'static str, u8, f32) {
        (NAMES[i], format!("{i}-{face}").leak(), (i * 4 + face) as u8, angle)
    };
    let ten_with_one_pair =
        (0..10).map(|i| person(i, 0, 31.0 * i as f32)).chain([person(0, 1, 64.0)]).collect::<Vec<_>>();
    let two_of_each = |people: usize, apart: f32| -> Vec<_> {
        (0..people).flat_map(|i| [person(i, 0, 29.0 * i as f32), person(i, 1, 29.0 * i as f32 + apart)]).collect()
    };
    let all_alike: Vec<_> = (0..12).flat_map(|i| [person(i, 0, 0.0), person(i, 1, 0.0)]).collect();
    let sets = [ten_with_one_pair, two_of_each(2, 40.0), two_of_each(7, 40.0), two_of_each(12, 0.0), all_alike];
    for (set, faces) in sets.iter().enumerate() {
        let (matrix, labelled) = flat(faces);
        let found = run(&matrix, 2, &labelled, &options()).unwrap();
        let mut all = Vec::new();
        for value in [
            serde_json::to_value(&found.metrics).unwrap(),
            serde_json::to_value(&found.people).unwrap(),
            serde_json::to_value(&found.breakdown).unwrap(),
        ] {
            intervals(&value, "", &mut all);
        }
        for (what, lower, upper) in &all {
            assert!(lower < upper, "set {set}: {what} [{lower}, {upper}] is certain");
        }
        let genuine = &found.metrics.genuine.mean;
        assert_eq!(genuine.lower, None, "set {set}: {}", genuine.method);
        // Rates without an error are bounds by people, not by their pairs.
        if set < 3 {
            let fnmr = &found.metrics.thresholds[0].fnmr;
            let bounds = fnmr.lower.zip(fnmr.upper);
            assert!(bounds.is_none_or(|(lower, upper)| upper - lower > 0.3), "set {set}: {fnmr:?}");
        }
    }
    let (matrix, labelled) = flat(&sets[0]);
    let found = run(&matrix, 2, &labelled, &options()).unwrap().metrics;
    let one = "no interval: it takes genuine pairs of at least 8 identities, and these are of 1";
    for estimate in [&found.genuine.mean, &found.genuine.std, &found.d_prime, &found.auc] {
        assert_eq!((estimate.lower, estimate.method.as_str()), (None, one));
    }
    assert!(found.impostor.mean.lower.unwrap() < found.impostor.mean.upper.unwrap(), "ten people carry this");
}

#[test]
fn nothing_to_compare_says_what_is_missing() {
    let reason = |faces: &[(&'static str, &'static str, u8, f32)]| {
        let (matrix, labelled) = flat(faces);
        run(&matrix, 2, &labelled, &options()).unwrap_err().to_string()
    };
    assert_snapshot!(reason(&[("a", "1", 1, 0.0)]), @"nothing to evaluate: only one face is embedded, but a comparison needs two");
    assert_snapshot!(
        reason(&[("", "1", 1, 0.0), ("", "2", 2, 0.0)]),
        @"nothing to evaluate: no face has an identity, so no pair is known to be genuine or impostor"
    );
    assert_snapshot!(
        reason(&[("a", "1", 1, 0.0), ("", "2", 2, 0.0)]),
        @"nothing to evaluate: only one face has an identity, but a comparison needs two"
    );
    assert_snapshot!(
        reason(&[("a", "1", 1, 0.0), ("a", "2", 2, 0.0)]),
        @"nothing to evaluate: all faces have the same identity, so there is no impostor pair"
    );
    assert_snapshot!(
        reason(&[("a", "1", 1, 0.0), ("b", "2", 2, 0.0)]),
        @"nothing to evaluate: no two of the 2 faces show one person in different photos, so there is no genuine pair"
    );
    assert_snapshot!(
        reason(&[("a", "1", 1, 0.0), ("a", "2", 2, 0.0), ("b", "1", 2, 0.0)]),
        @"nothing to evaluate: no two of the 3 faces show different people in different photos, so there is no impostor pair"
    );
}

#[test]
fn a_matrix_of_another_shape_or_with_poison_is_refused() {
    let (mut matrix, faces) = flat(&[("a", "1", 1, 0.0), ("a", "2", 2, 9.0), ("b", "3", 3, 90.0)]);
    let error = run(&matrix[..4], 2, &faces, &options()).unwrap_err().to_string();
    assert_snapshot!(error, @"cannot evaluate the embedding matrix: 3 faces of 2 numbers need 6 numbers, it has 4; `facevault verify` checks the rest of the run");
    matrix[3] = f32::NAN;
    let error = run(&matrix, 2, &faces, &options()).unwrap_err().to_string();
    assert_snapshot!(error, @"cannot evaluate the embedding matrix: row 1 holds a value that is not finite; `facevault verify` checks the rest of the run");
}

#[test]
fn the_smallest_evaluation_has_finite_numbers_only() {
    let (matrix, faces) = flat(&[("a", "1", 1, 0.0), ("a", "2", 2, 180.0), ("b", "3", 3, 90.0)]);
    let found = run(&matrix, 2, &faces, &options()).unwrap();
    let text = serde_json::to_string(&found.metrics).unwrap();
    assert_eq!(Metrics::from_json(text.as_bytes()).unwrap(), found.metrics, "JSON has no infinities");
    assert_eq!(&found.centroids.data[..2], [1.0, 0.0], "rows that cancel out leave the first one");
    assert_eq!((found.identities[1].genuine_mean, found.identities[1].faces), (None, 1));
    assert_eq!(found.identities[1].nearest_identity.as_deref(), Some("a"));
}

#[test]
fn separated_people_get_bounds_instead_of_zeros() {
    let (matrix, faces) = flat(&[("a", "1", 1, 0.0), ("a", "2", 2, 5.0), ("b", "3", 3, 90.0), ("b", "4", 4, 95.0)]);
    let metrics = run(&matrix, 2, &faces, &options()).unwrap().metrics;
    assert!(metrics.eer.bound && metrics.eer.point == 0.0 && metrics.eer.upper.unwrap() > 0.7);
    assert_eq!(metrics.operating_points[0].threshold, None, "4 impostor pairs resolve no rate of 10%");
}
