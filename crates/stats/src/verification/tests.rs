//! Against numbers of scikit-learn and `SciPy` (`tests/fixtures/verification/make_golden.py`), and coverage by simulation.

use std::path::Path;

use proptest::prelude::*;
use rayon::prelude::*;
use serde_json::Value;

use super::bootstrap::{Estimator, Resampling};
use super::cells::CosineCells;
use super::interval::{clopper_pearson, wilson};
use super::rates::RateEstimator;
use super::simulation::{METRICS, MODELS, ScoreModel};
use super::tally::{BINS, Tally};
use super::thresholds;

const HOW: Resampling = Resampling { replicates: 0, level: 0.95, seed: 1 };

fn tallies(genuine: &[f32], impostor: &[f32]) -> (Tally, Tally) {
    let (mut of_genuine, mut of_impostor) = (Tally::default(), Tally::default());
    of_genuine.extend(genuine.iter().copied());
    of_impostor.extend(impostor.iter().copied());
    (of_genuine, of_impostor)
}

fn estimator((genuine, impostor): &(Tally, Tally)) -> Estimator {
    Estimator::new(genuine, impostor, &CosineCells::default(), HOW, &|| false).unwrap()
}

#[track_caller]
fn close(what: &str, found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected} ± {tolerance}");
}

/// A bin is 1/32768 wide. Where no two scores share one, rates are equal; else those that share a bin with the threshold
/// may fall on the other side of it, and an area counts two of them as tied.
#[test]
fn numbers_are_those_of_scikit_learn_and_scipy() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/verification/golden.json");
    let sets: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    for set in sets.as_array().unwrap() {
        let name = set["name"].as_str().unwrap();
        let scores = |kind: &str| -> Vec<f32> {
            set[kind].as_array().unwrap().iter().map(|score| score.as_i64().unwrap() as f32 / 131_072.0).collect()
        };
        let (genuine, impostor) = (scores("genuine"), scores("impostor"));
        let (misses, matches, area) = match name {
            "fine" => (2.1 / genuine.len() as f64, 1.1 / impostor.len() as f64, 1e-5),
            _ => (1e-9, 1e-9, 1e-9),
        };
        let estimator = estimator(&tallies(&genuine, &impostor));
        let cells = CosineCells::default();
        let rates = RateEstimator { estimator: &estimator, cells: &cells };
        close(name, thresholds::auc(rates).point, &set["auc"], area);
        close(name, thresholds::d_prime(&estimator).point, &set["d_prime"], 1e-7);
        close(name, rates.eer().0.point, &set["eer"], misses);
        for (rate, expected) in [(1e-2, &set["fmr100"]), (1e-3, &set["fmr1000"]), (0.0, &set["zero_fmr"])] {
            let found = thresholds::fnmr_at(rates, rate);
            let resolved = rate == 0.0 || rate * impostor.len() as f64 >= 1.0;
            assert_eq!((found.bound && found.upper.is_none(), expected.is_null()), (!resolved, !resolved), "{name}");
            if resolved {
                close(name, found.point, expected, misses);
            }
        }
        for point in thresholds::operating_points(rates).0 {
            let expected = &set["tar"][format!("{}", point.target_fmr)];
            assert_eq!(point.tar.is_some(), !expected.is_null(), "{name} {}", point.target_fmr);
            let fmr = point.fmr.unwrap();
            if let Some(tar) = point.tar {
                close(name, fmr.point, &expected["fmr"], matches);
                close(name, tar.point, &expected["tar"], misses);
            } else {
                assert!(fmr.bound && fmr.n == impostor.len() as u64 && fmr.upper.unwrap() > point.target_fmr);
            }
        }
        let at = BINS * 5 / 8;
        for (rate, expected) in [(rates.fmr(at), &set["at_0.25"]["fmr"]), (rates.fnmr(at), &set["at_0.25"]["fnmr"])] {
            let (errors, n) = (expected["errors"].as_u64().unwrap(), expected["n"].as_u64().unwrap());
            close(name, rate.estimate.point, &Value::from(errors as f64 / n as f64), 1e-12);
            let wilson = wilson(errors as f64 / n as f64, n as f64, 1.959_963_984_540_054);
            for (found, expected) in [
                (rate.intervals.naive[0], &expected["clopper_pearson"][0]),
                (rate.intervals.naive[1], &expected["clopper_pearson"][1]),
                (wilson.0, &expected["wilson"][0]),
                (wilson.1, &expected["wilson"][1]),
            ] {
                close(name, found, expected, 1e-8);
            }
            assert_eq!(clopper_pearson(errors, n, 0.95), rate.intervals.naive.into());
        }
    }
}

/// Share of data sets in which each metric's interval holds the truth: the recommended one, the naive one, and the
/// recommended one as it would be if half of the variance were lost.
fn coverage(model: ScoreModel, trials: u32) -> [[f64; 3]; 6] {
    let trial = |number: u32| {
        model.trial(0, 1, number).map(|found| {
            let holds = |interval: Option<[f64; 2]>, narrower: f64| {
                let [lower, upper] = interval.unwrap_or([f64::NAN; 2]);
                let (middle, half) = (f64::midpoint(lower, upper), (upper - lower) / 2.0 / narrower);
                u32::from((found.truth - middle).abs() <= half)
            };
            let [recommended, _, naive, _] = found.intervals;
            [holds(recommended, 1.0), holds(naive, 1.0), holds(recommended, 2f64.sqrt())]
        })
    };
    let sum =
        |a: [[u32; 3]; 6], b: [[u32; 3]; 6]| [0, 1, 2, 3, 4, 5].map(|m| [0, 1, 2].map(|kind| a[m][kind] + b[m][kind]));
    let held = (0..trials).into_par_iter().map(trial).reduce(<[[u32; 3]; 6]>::default, sum);
    held.map(|metric| metric.map(|held| f64::from(held) / f64::from(trials)))
}

/// 93% to 97%, and three standard errors of the share on each side.
fn as_promised(coverage: f64, trials: u32) -> bool {
    let error = (0.95 * 0.05 / f64::from(trials)).sqrt();
    (0.93 - 3.0 * error..=0.97 + 3.0 * error).contains(&coverage)
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    const TRIALS: u32 = 150;
    let mut overall = [[0.0; 3]; 6];
    for model in MODELS {
        let found = coverage(model, TRIALS);
        for (metric, kinds) in found.into_iter().enumerate() {
            assert!(as_promised(kinds[0], TRIALS), "{}, {}: {}", model.name, METRICS[metric], kinds[0]);
            (0..3).for_each(|kind| overall[metric][kind] += kinds[kind] / MODELS.len() as f64);
        }
    }
    let all = TRIALS * MODELS.len() as u32;
    for (metric, [recommended, _, broken]) in METRICS.iter().zip(overall) {
        assert!(as_promised(recommended, all), "{metric}: {recommended}");
        assert!(!as_promised(broken, all), "{metric} with half of the variance: {broken}");
    }
    let naive = overall[1][1];
    assert!(naive < 0.6, "pairs taken as independent hold FMR in {naive}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_seen_twice_or_in_another_order_has_the_same_rates(
        genuine in prop::collection::vec(-1.0f32..1.0, 1..60),
        impostor in prop::collection::vec(-1.0f32..1.0, 1..60),
    ) {
        let once = tallies(&genuine, &impostor);
        let backwards = |scores: &[f32]| scores.iter().rev().copied().collect::<Vec<f32>>();
        prop_assert_eq!(&once, &tallies(&backwards(&genuine), &backwards(&impostor)));
        let mut twice = once.clone();
        twice.0.merge(&once.0);
        twice.1.merge(&once.1);
        let (once, twice) = (estimator(&once), estimator(&twice));
        let cells = CosineCells::default();
        let numbers = |estimator: &Estimator| {
            let rates = RateEstimator { estimator, cells: &cells };
            let rows = thresholds::ladder(rates);
            let mut numbers: Vec<f64> = rows.iter().flat_map(|row| [row.fmr.point, row.fnmr.point]).collect();
            numbers.extend([rates.eer().0.point, thresholds::auc(rates).point, thresholds::d_prime(estimator).point]);
            numbers.extend([thresholds::fnmr_at(rates, 0.0).point]);
            numbers
        };
        for (a, b) in numbers(&once).into_iter().zip(numbers(&twice)) {
            prop_assert!((a - b).abs() < 1e-9, "{} {}", a, b);
        }
    }

    #[test]
    fn a_stricter_threshold_never_matches_more(
        genuine in prop::collection::vec(-1.0f32..1.0, 1..60),
        impostor in prop::collection::vec(-1.0f32..1.0, 1..60),
    ) {
        let estimator = estimator(&tallies(&genuine, &impostor));
        let cells = CosineCells::default();
        let rates = RateEstimator { estimator: &estimator, cells: &cells };
        for rows in thresholds::ladder(rates).windows(2) {
            prop_assert!(rows[0].fmr.point >= rows[1].fmr.point && rows[0].fnmr.point <= rows[1].fnmr.point);
        }
        for (row, naive) in thresholds::ladder(rates).iter().map(|row| (row, row.fmr.point * impostor.len() as f64)) {
            let counted = impostor.iter().filter(|score| f64::from(**score) >= row.threshold).count() as f64;
            let near = impostor.iter().filter(|score| (f64::from(**score) - row.threshold).abs() < 4e-5).count() as f64;
            prop_assert!((naive - counted).abs() <= near + 1e-6);
        }
        let points = thresholds::operating_points(rates).0;
        prop_assert!(points.iter().all(|point| point.fmr.is_some()));
        for pair in points.windows(2) {
            if let (Some(laxer), Some(stricter)) = (&pair[0].tar, &pair[1].tar) {
                prop_assert!(laxer.point >= stricter.point && pair[0].threshold <= pair[1].threshold);
            }
        }
    }
}
