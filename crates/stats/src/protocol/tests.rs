use std::collections::BTreeMap;

use insta::assert_snapshot;
use serde::Deserialize;

use super::*;
use crate::protocol::{Distance, FarTarget, Grid, PairsSource, Split};

/// What `tests/fixtures/protocol/make_golden.py` wrote.
#[derive(Deserialize)]
struct Golden {
    case: Case,
    found: Found,
}

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the switches of a Python script")]
struct Case {
    seed: u64,
    pairs: usize,
    block: usize,
    #[serde(default)]
    genuine: [f64; 2],
    #[serde(default)]
    impostor: [f64; 2],
    #[serde(default)]
    on_grid: bool,
    dimension: Option<usize>,
    #[serde(default)]
    noise: f64,
    metric: Option<Distance>,
    #[serde(default)]
    halves: bool,
    #[serde(default)]
    subtract_mean: bool,
    folds: u32,
    own_folds: Option<u32>,
    #[serde(default)]
    train_test: bool,
    grid: [f64; 3],
    far: f64,
    far_step: f64,
}

#[derive(Deserialize)]
struct Found {
    folds: Vec<[f64; 5]>,
    accuracy: [f64; 2],
    val: [f64; 2],
    far: f64,
    auc: f64,
    eer: Option<f64>,
}

struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Case {
    fn same(&self) -> Vec<bool> {
        (0..self.pairs).map(|i| i % (2 * self.block) < self.block).collect()
    }

    fn distances(&self) -> Vec<f64> {
        let mut lcg = Lcg(self.seed);
        let draw = |genuine: bool| {
            let [low, width] = if genuine { self.genuine } else { self.impostor };
            let distance = low + lcg.next() * width;
            if self.on_grid { (distance * 100.0).floor() * 0.01 } else { distance }
        };
        self.same().into_iter().map(draw).collect()
    }

    fn rows(&self, dimension: usize) -> Vec<f32> {
        let (mut lcg, mut rows) = (Lcg(self.seed), Vec::new());
        for genuine in self.same() {
            let base: Vec<f64> = (0..dimension).map(|_| lcg.next() - 0.3).collect();
            let other = if genuine { base.clone() } else { (0..dimension).map(|_| lcg.next() - 0.3).collect() };
            for centre in [base, other] {
                let values: Vec<f64> = centre.iter().map(|v| v + self.noise * (lcg.next() - 0.5)).collect();
                let length = values.iter().map(|v| v * v).sum::<f64>().sqrt();
                rows.extend(values.iter().map(|v| (v / length) as f32));
            }
        }
        rows
    }

    fn fold(&self, i: usize) -> Option<u32> {
        match (self.own_folds, self.train_test) {
            (Some(folds), _) => Some(1 + (i as u32 * 7 % 11) % folds),
            (None, true) => Some(u32::from(i.is_multiple_of(3))),
            (None, false) => None,
        }
    }

    fn protocol(&self) -> Protocol {
        let [from, to, step] = self.grid;
        Protocol {
            group: None,
            name: "golden".into(),
            pairs: PairsSource::Dataset,
            split: match (self.own_folds, self.train_test) {
                (_, true) => Split::TrainTest,
                (Some(_), false) => Split::Folds { count: None },
                (None, false) => Split::Folds { count: Some(self.folds) },
            },
            distance: self.metric.unwrap_or(Distance::SquaredL2),
            subtract_mean: self.subtract_mean,
            thresholds: Grid { from, to, step },
            far: FarTarget { target: self.far, step: self.far_step },
            max_left_out: 0.05,
        }
    }

    fn list(&self) -> Vec<ListedPair> {
        let pair = |(i, same)| ListedPair { a: 2 * i as u32, b: 2 * i as u32 + 1, same, fold: self.fold(i) };
        self.same().into_iter().enumerate().map(pair).collect()
    }
}

fn golden() -> BTreeMap<String, Golden> {
    serde_json::from_str(include_str!("../../tests/fixtures/protocol/golden.json")).unwrap()
}

#[track_caller]
fn close(name: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12, "{name}: {found} is not {expected}");
}

fn everyone(list: &[ListedPair]) -> (ListedPeople, Vec<Option<u32>>) {
    let faces = list.iter().map(|pair| pair.a.max(pair.b) + 1).max().unwrap_or(0);
    (ListedPeople::new(&vec![None; faces as usize], list), (0..faces).map(Some).collect())
}

/// The whole protocol on rows, and the algorithm alone on distances.
#[test]
fn folds_agree_with_the_published_evaluation() {
    for (name, Golden { case, found }) in golden() {
        let protocol = case.protocol();
        let list = case.list();
        if let Some(dimension) = case.dimension {
            let data = case.rows(dimension);
            let (people, row_of) = everyone(&list);
            let listed = Listed { pairs: &list, row_of: &row_of, people: &people };
            let (result, outcomes) =
                run(&protocol, listed, Rows { data: &data, dimension }, case.halves, 0.95).unwrap();
            assert_eq!(outcomes.len(), case.pairs);
            assert_eq!(result.folds.len(), found.folds.len());
            for (fold, expected) in result.folds.iter().zip(&found.folds) {
                let values = [fold.threshold, fold.accuracy, fold.val_threshold, fold.val.unwrap(), fold.far.unwrap()];
                values.iter().zip(expected).for_each(|(a, b)| close(&name, *a, *b));
            }
            let (val, far) = (result.val.unwrap(), result.far.unwrap());
            let here = [result.accuracy.point, result.accuracy_std, val.point, result.val_std.unwrap(), far.point];
            let there = [found.accuracy[0], found.accuracy[1], found.val[0], found.val[1], found.far];
            here.iter().zip(there).for_each(|(a, b)| close(&name, *a, b));
            close(&name, result.auc.point, found.auc);
            assert_eq!(result.eer.is_some(), found.eer.is_some(), "{name}");
            close(&name, result.eer.map_or(0.0, |eer| eer.point), found.eer.unwrap_or(0.0));
        } else {
            let (same, distances) = (case.same(), case.distances());
            let numbers = partition::numbers(&list, protocol.split).unwrap();
            let folds = partition::folds(&numbers, &same, protocol.split).unwrap();
            assert_eq!(folds.len(), found.folds.len(), "{name}");
            let mut judged = Vec::new();
            for (fold, expected) in folds.iter().zip(&found.folds) {
                let fold = folds::judge(&distances, &same, fold, &protocol.thresholds, &protocol.far);
                let values = [fold.threshold, fold.accuracy, fold.val_threshold, fold.val.unwrap(), fold.far.unwrap()];
                values.iter().zip(expected).for_each(|(a, b)| close(&name, *a, *b));
                judged.push(fold);
            }
            let [fpr, tpr] =
                [folds::mean_curve(&judged, |fold| &fold.fpr), folds::mean_curve(&judged, |fold| &fold.tpr)];
            close(&name, folds::auc(&fpr, &tpr), found.auc);
            let eer = folds::eer(&fpr, &tpr);
            assert_eq!(eer.is_some(), found.eer.is_some(), "{name}");
            close(&name, eer.unwrap_or(0.0), found.eer.unwrap_or(0.0));
        }
    }
}

#[test]
fn blocks_are_those_of_scikit_learn() {
    let list = |n: u32| -> Vec<ListedPair> {
        (0..n).map(|i| ListedPair { a: 2 * i, b: 2 * i + 1, same: i % 2 == 0, fold: None }).collect()
    };
    let numbers = |n, folds| partition::numbers(&list(n), Split::Folds { count: Some(folds) });
    assert_eq!(numbers(7, 3).unwrap(), [1, 1, 1, 2, 2, 3, 3]);
    assert_snapshot!(numbers(2, 3).unwrap_err(), @"2 pairs cannot be cut into 3 folds; give the protocol fewer `folds`, or a longer list");
    assert_snapshot!(partition::numbers(&list(4), Split::TrainTest).unwrap_err(), @"`split: train-test` needs a list whose pairs are in fold 0 (training) or 1 (test); this list has no folds; use `split: folds`, or a list with a column `fold` or `split`");
    let mut mixed = list(4);
    mixed[1].fold = Some(2);
    assert_snapshot!(partition::numbers(&mixed, Split::Folds { count: None }).unwrap_err(), @"3 of the list's 4 pairs have no fold and the others have one; give `folds` to cut blocks");
    let one_kind = partition::folds(&[1, 1, 2], &[true, true, false], Split::Folds { count: None });
    assert_snapshot!(one_kind.unwrap_err(), @"the training pairs of fold 1 are 0 of one person and 1 of two; a threshold needs both kinds: give another list, or other `folds`");
    let one = partition::folds(&[1, 1], &[true, false], Split::Folds { count: None });
    assert_snapshot!(one.unwrap_err(), @"all pairs are in one fold, so no threshold can be taken from another; give `folds` to cut blocks");
}

#[test]
fn a_face_without_embedding_leaves_its_pairs_out_and_the_folds_where_they_are() {
    let case = &golden()["rows"].case;
    let list = case.list();
    let data = case.rows(case.dimension.unwrap());
    let (people, mut row_of) = everyone(&list);
    // The first face is missing: every other one has the row before.
    row_of[0] = None;
    row_of[1..].iter_mut().for_each(|row| *row = row.map(|row| row - 1));
    let rows = Rows { data: &data[case.dimension.unwrap()..], dimension: case.dimension.unwrap() };
    let listed = Listed { pairs: &list, row_of: &row_of, people: &people };
    let (result, outcomes) = run(&case.protocol(), listed, rows, false, 0.95).unwrap();
    assert_eq!((result.pairs.listed, result.pairs.missing, outcomes.len()), (400, 1, 399));
    assert_eq!(
        result.folds.iter().map(|fold| fold.pairs).collect::<Vec<_>>(),
        [39, 40, 40, 40, 40, 40, 40, 40, 40, 40]
    );
    assert_eq!(outcomes[0].pair, 1);
}

/// 20 people, three pictures each; every picture is in several pairs.
fn crowd() -> (Vec<ListedPair>, ListedPeople) {
    let face = |person: u32, picture: u32| 3 * person + picture;
    let mut list = Vec::new();
    for person in 0..20 {
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            list.push(ListedPair { a: face(person, a), b: face(person, b), same: true, fold: None });
            let other = (person + 1 + a + b) % 20;
            list.push(ListedPair { a: face(person, a), b: face(other, b), same: false, fold: None });
        }
    }
    let names: Vec<String> = (0..60).map(|face| format!("person {}", face / 3)).collect();
    let names: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
    let people = ListedPeople::new(&names, &list);
    (list, people)
}

fn outcomes(list: &[ListedPair], people: &ListedPeople, wrong: impl Fn(usize) -> bool) -> Vec<PairOutcome> {
    let outcome = |(i, pair): (usize, &ListedPair)| PairOutcome {
        pair: i as u32,
        rows: (pair.a, pair.b),
        people: (people.of(pair.a), people.of(pair.b)),
        same: pair.same,
        fold: 1,
        distance: if pair.same == wrong(i) { 2.0 } else { 0.0 },
        threshold: 1.0,
        accepted_for_val: false,
    };
    list.iter().enumerate().map(outcome).collect()
}

#[test]
fn errors_of_few_people_make_a_wider_interval_than_errors_of_many() {
    let (list, people) = crowd();
    let width = |wrong: &dyn Fn(usize) -> bool| {
        let outcomes = outcomes(&list, &people, wrong);
        let trials = &mut outcomes.iter().map(|outcome| Trial { people: outcome.people, hit: outcome.right() });
        let rate = people.rate(108.0 / 120.0, trials, 0.95);
        assert_eq!((rate.n, rate.point), (120, 0.9));
        assert!(rate.lower.unwrap() < 0.9 && rate.upper.unwrap() > 0.9);
        rate.upper.unwrap() - rate.lower.unwrap()
    };
    // Twelve wrong pairs each: spread over people, and all pairs of two people.
    let (many, few) = (width(&|i| i % 10 == 0), width(&|i| i < 12));
    assert!(few > 1.5 * many, "{few} {many}");
}

#[test]
fn a_paired_difference_is_sharper_than_two_intervals() {
    let (list, people) = crowd();
    let of = |wrong: &dyn Fn(usize) -> bool| outcomes(&list, &people, wrong);
    let (before, after) = (of(&|i| i % 3 == 0), of(&|i| i % 3 == 0 && i % 5 != 0));
    let difference = uncertainty::difference(&[(&before, &after)], 0.95).unwrap();
    assert_eq!((difference.n, difference.point), (120, 8.0 / 120.0));
    let trials = &mut before.iter().map(|outcome| Trial { people: outcome.people, hit: outcome.right() });
    let alone = people.rate(80.0 / 120.0, trials, 0.95);
    let width = |estimate: &Estimate| estimate.upper.unwrap() - estimate.lower.unwrap();
    assert!(width(&difference) < 0.7 * width(&alone), "{difference:?} {alone:?}");
    assert!(difference.lower.unwrap() > 0.0);
    let back = uncertainty::difference(&[(&after, &before)], 0.95).unwrap();
    assert_eq!(
        (back.point, back.lower, back.upper),
        (-difference.point, difference.upper.map(|u| -u), difference.lower.map(|l| -l))
    );
    // The mean of a change and of none is half the change, and half as wide.
    let half = uncertainty::difference(&[(&before, &after), (&before, &before)], 0.95).unwrap();
    assert_eq!((half.point, half.n), (difference.point / 2.0, 120));
    assert!((width(&half) / width(&difference) - 0.5).abs() < 1e-12);
    let none = uncertainty::difference(&[(&before, &before)], 0.95).unwrap();
    assert_snapshot!(none.method, @"no decision differs in 120 pairs: exact binomial bound, as if pairs were independent");
    assert!(none.upper.unwrap() > 0.01 && none.lower == none.upper.map(|upper| -upper));
    assert!(uncertainty::difference(&[(&before[..10], &before[20..])], 0.95).is_none());
}

#[test]
fn pictures_of_one_person_are_one_group_where_no_names_are_known() {
    let pair = |a, b, same| ListedPair { a, b, same, fold: None };
    let list = [pair(4, 1, true), pair(2, 3, false), pair(1, 2, true)];
    let people = ListedPeople::new(&[None; 6], &list);
    let numbers: Vec<u32> = (0..6).map(|face| people.of(face)).collect();
    assert_eq!(numbers, [0, 1, 1, 2, 1, 3]);
    assert_eq!(people.unit, "groups of pictures");
    // A single listed face without a name is enough; one that no pair has is not.
    let named = [None, Some("b"), Some("b"), Some("a"), Some("b"), None];
    let people = ListedPeople::new(&named, &list);
    assert_eq!((people.unit, people.of(1), people.of(3)), ("identities", 0, 1));
    assert_eq!(ListedPeople::new(&[None, Some("b"), None, Some("a"), Some("b")], &list).unit, "groups of pictures");
}

#[test]
fn the_equal_error_rate_has_an_interval_over_people_that_widens_where_few_make_the_errors() {
    // 40 people with ten genuine pairs each and ten impostor pairs with the next person. A tenth of either kind is in
    // error: one pair of each person, or with `few` all pairs of four people.
    let outcomes = |few: bool| {
        let outcome = |pair: u32, people: (u32, u32), distance: f64| PairOutcome {
            pair,
            rows: people,
            people,
            same: people.0 == people.1,
            fold: 1,
            distance,
            threshold: 1.0,
            accepted_for_val: false,
        };
        (0..400_u32)
            .flat_map(|i| {
                let person = i % 40;
                let wrong = if few { person < 4 } else { person % 10 == i / 40 };
                [
                    outcome(2 * i, (person, person), if wrong { 1.5 } else { 0.5 } + f64::from(i) * 1e-4),
                    outcome(
                        2 * i + 1,
                        (person, (person + 1) % 40),
                        if wrong { 0.52 } else { 1.48 } + f64::from(i) * 1e-4,
                    ),
                ]
            })
            .collect::<Vec<_>>()
    };
    let width = |few| {
        let ((lower, upper), method) = uncertainty::equal_errors(&outcomes(few), 0.95).unwrap();
        assert!(lower < 0.1 && upper > 0.1, "{lower} {upper}");
        assert!(method.contains("plug-in"), "{method}");
        upper - lower
    };
    assert!(width(true) > 1.5 * width(false), "{} {}", width(true), width(false));
    let one_kind: Vec<_> = outcomes(false).into_iter().filter(|outcome| outcome.same).collect();
    assert_eq!(uncertainty::equal_errors(&one_kind, 0.95), None);
}
