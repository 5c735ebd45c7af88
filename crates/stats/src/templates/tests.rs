use std::collections::BTreeMap;

use facevault_base::progress::Cancel;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::similarity::kernel::Rows;

/// What `tests/fixtures/templates/make_golden.py` wrote.
#[derive(Deserialize)]
struct Golden {
    case: Case,
    found: Found,
}

#[derive(Deserialize)]
struct Case {
    seed: u64,
    subjects: u32,
    templates: u32,
    faces: u32,
    dimension: usize,
    noise: f64,
    copies: bool,
    aggregation: Aggregation,
    detector_score: bool,
}

#[derive(Deserialize)]
struct Found {
    scores: Vec<(usize, f64)>,
    eer: f64,
    auc: f64,
    exact: [Option<[f64; 3]>; 6],
    nearest: [[f64; 2]; 6],
    galleries: [FoundGallery; 2],
}

#[derive(Deserialize)]
struct FoundGallery {
    ranks: [Option<f64>; 3],
    tpir: [Option<f64>; 2],
}

struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Faces and what is compared of them.
#[derive(Clone)]
struct Made {
    data: Vec<f32>,
    dimension: usize,
    scores: Vec<Option<f32>>,
    set: TemplateSet,
}

impl Made {
    fn of(case: &Case) -> Self {
        let (mut lcg, mut faces, mut subject_of) = (Lcg(case.seed), Vec::new(), Vec::new());
        for subject in 0..case.subjects {
            let centre: Vec<f64> = (0..case.dimension).map(|_| lcg.next() - 0.4).collect();
            for _ in 0..case.templates {
                let (template, start) = (subject_of.len() as u32, faces.len());
                subject_of.push(subject);
                for _ in 0..=(lcg.next() * f64::from(case.faces)) as u32 {
                    let media = (lcg.next() * 3.0) as u32;
                    let score = (0.5 + lcg.next() / 2.0) as f32;
                    let row: Vec<f64> = centre.iter().map(|value| value + case.noise * (lcg.next() - 0.5)).collect();
                    let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
                    let row: Vec<f32> = row.iter().map(|value| (value / length) as f32).collect();
                    faces.push((template, media, score, row));
                }
                if case.copies && template % 5 == 4 {
                    let before = faces[..start].iter().filter(|face| face.0 == template - 1).cloned();
                    let copies: Vec<_> = before.map(|face| (template, face.1, face.2, face.3)).collect();
                    faces.splice(start.., copies);
                }
            }
        }
        let templates = subject_of.len() as u32;
        let pair = |a: u32, b: u32| TemplatePair::new(a, b, subject_of[a as usize] == subject_of[b as usize]);
        let pairs = (0..templates).flat_map(|a| (a + 1..templates).map(move |b| (a, b)));
        let copy = |a: u32, b: u32| case.copies && b % 5 == 4 && a + 1 == b;
        let pairs = pairs.filter(|(a, b)| !copy(*a, *b)).map(|(a, b)| pair(a, b));
        // The first template of each subject is in the gallery of the even or the odd ones.
        let enrolled = |template: u32| template.is_multiple_of(case.templates);
        Self {
            data: faces.iter().flat_map(|face| face.3.iter().copied()).collect(),
            dimension: case.dimension,
            scores: faces.iter().map(|face| Some(face.2)).collect(),
            set: TemplateSet {
                template_of: faces.iter().map(|face| face.0).collect(),
                media_of: faces.iter().map(|face| face.1).collect(),
                names: (0..templates).collect(),
                pairs: pairs.collect(),
                galleries: (0..2)
                    .map(|parity| {
                        (0..templates).filter(|&t| enrolled(t) && subject_of[t as usize] % 2 == parity).collect()
                    })
                    .collect(),
                probes: (0..templates).filter(|&t| !enrolled(t)).collect(),
                subject_of,
                named_subjects: true,
            },
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows { data: &self.data, dimension: self.dimension }
    }

    fn run(&self, protocol: &TemplateProtocol, row_of: &[Option<u32>]) -> (Templates, Option<TemplatesResult>) {
        let resampling = Resampling { replicates: 50, level: 0.95, seed: 1 };
        let input = TemplateInput { set: &self.set, row_of, scores: &self.scores, resampling };
        let templates = input.templates(protocol, self.rows());
        let result = input.verify(protocol, &templates, &Cancel::default()).unwrap();
        (templates, result)
    }

    fn all(&self) -> Vec<Option<u32>> {
        (0..self.scores.len() as u32).map(Some).collect()
    }
}

fn protocol(aggregation: Aggregation, detector_score: bool) -> TemplateProtocol {
    TemplateProtocol { name: "ijb".into(), aggregation, detector_score, max_left_out: 0.05 }
}

fn golden() -> BTreeMap<String, Golden> {
    serde_json::from_str(include_str!("../../tests/fixtures/templates/golden.json")).unwrap()
}

#[track_caller]
fn close(name: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9, "{name}: {found} is not {expected}");
}

#[test]
fn every_number_is_that_of_the_independent_implementation() {
    let golden = golden();
    assert_eq!(golden.len(), 8);
    for (name, Golden { case, found }) in golden {
        let made = Made::of(&case);
        let (templates, result) = made.run(&protocol(case.aggregation, case.detector_score), &made.all());
        let result = result.unwrap();
        for (pair, score) in found.scores {
            let pair = made.set.pairs[pair];
            close(&name, templates.cosine(pair.a(), pair.b()), score);
        }
        close(&name, result.eer.point, found.eer);
        close(&name, result.auc.point, found.auc);
        for ((point, exact), nearest) in result.operating_points.iter().zip(found.exact).zip(found.nearest) {
            let here = point.threshold.zip(point.tar.as_ref()).map(|(at, tar)| [at, point.fmr.point, tar.point]);
            assert_eq!(here.is_some(), exact.is_some(), "{name}: {point:?}");
            for (here, exact) in here.iter().flatten().zip(exact.iter().flatten()) {
                close(&format!("{name} at {}", point.target_fmr), *here, *exact);
            }
            close(&name, point.nearest_fmr, nearest[0]);
            close(&name, point.nearest_tar.point, nearest[1]);
        }
        let searches = result.searches.as_ref().unwrap();
        for (found, here) in found.galleries.iter().zip(&searches.galleries) {
            let ranks = here.ranks.iter().map(|rank| rank.rate.as_ref());
            let tpirs = here.open_set.iter().map(|open| open.tpir.as_ref());
            for (here, found) in ranks.chain(tpirs).zip(found.ranks.iter().chain(&found.tpir)) {
                assert_eq!(here.is_some(), found.is_some(), "{name}: {here:?}");
                here.iter().zip(found).for_each(|(here, found)| close(&name, here.point, *found));
            }
        }
        let [first, second] = found.galleries.map(|gallery| gallery.ranks[0]);
        if let (Some(first), Some(second)) = (first, second) {
            close(&name, result.estimate("rank1").unwrap().point, f64::midpoint(first, second));
        }
    }
}

#[test]
fn insightface_s_rule_differs_from_the_definition_where_the_curve_is_thin() {
    let golden = golden();
    let differ = |golden: &Golden| {
        let tar = |exact: Option<[f64; 3]>| exact.map(|exact| exact[2]);
        golden.found.exact.iter().zip(golden.found.nearest).any(|(exact, nearest)| tar(*exact) != Some(nearest[1]))
    };
    assert!(golden.values().all(differ));
}

#[test]
fn intervals_hold_their_rates_and_are_over_subjects() {
    let case = &golden()["media"].case;
    let made = Made::of(case);
    let result = made.run(&protocol(Aggregation::Media, false), &made.all()).1.unwrap();
    let resolved = result.operating_points.iter().filter_map(|point| point.tar.as_ref());
    let estimates: Vec<&Estimate> = resolved.chain([&result.eer, &result.auc]).collect();
    assert!(estimates.len() >= 6);
    for estimate in estimates {
        let (lower, upper) = (estimate.lower.unwrap(), estimate.upper.unwrap());
        assert!(lower <= estimate.point && estimate.point <= upper && lower < upper, "{estimate:?}");
        assert!(estimate.method.contains("60 identities") || estimate.method.contains("bootstrap"), "{estimate:?}");
    }
    let unresolved = result.operating_points.last().unwrap();
    assert!(unresolved.tar.is_none() && unresolved.fmr.bound, "28,320 impostor pairs cannot show 1e-6");
    for quantity in QUANTITIES {
        let unresolved = ["tar@fmr=1e-5", "tar@fmr=1e-6", "tpir@fpir=1e-2"].contains(&quantity);
        assert_eq!(result.estimate(quantity).is_none(), unresolved, "{quantity}");
    }
    assert!(result.estimate("tar@fmr=3e-1").is_none() && result.estimate("accuracy").is_none());
    assert!(result.curve.is_sorted_by(|a, b| a.threshold > b.threshold && a.fmr <= b.fmr && a.tar <= b.tar));
    assert_eq!(result.curve.last().map(|last| (last.fmr, last.tar)), Some((1.0, 1.0)));
}

#[test]
fn templates_do_without_faces_that_have_no_embedding() {
    let case = &golden()["media"].case;
    let made = Made::of(case);
    // Without all faces of template 3, and the first of the next that has several.
    let first = made.set.template_of.windows(2).position(|two| two[0] == two[1] && two[0] > 3).unwrap() as u32;
    let gone = |face: u32| made.set.template_of[face as usize] == 3 || face == first;
    let row_of: Vec<_> = made.all().into_iter().map(|row| row.filter(|&row| !gone(row))).collect();
    let failed = row_of.iter().filter(|row| row.is_none()).count() as u64;
    let protocol = protocol(Aggregation::Media, false);
    let (templates, result) = made.run(&protocol, &row_of);
    let counts = result.unwrap().counts;
    assert!(!templates.has_face(3) && templates.has_face(4));
    assert_eq!((counts.failed, counts.empty, counts.missing, counts.listed), (failed, 1, 239, 28_680));
    assert_eq!(counts.genuine + counts.impostor + counts.missing, counts.listed);
    let whole = made.run(&protocol, &made.all()).0;
    let changed = made.set.template_of[first as usize];
    assert_ne!(templates.row(changed), whole.row(changed));
    assert_eq!(templates.row(changed + 1), whole.row(changed + 1));
}

#[test]
fn one_kind_of_pair_gives_no_rates() {
    let mut made = Made::of(&golden()["few"].case);
    made.set.pairs.retain(|pair| pair.same());
    assert!(made.run(&protocol(Aggregation::Media, false), &made.all()).1.is_none());
}

#[test]
fn faces_that_cancel_out_are_compared_as_nothing() {
    let rows = Rows { data: &[1.0, 0.0, -1.0, 0.0, 0.0, 1.0], dimension: 2 };
    let face = |row, template| TemplateFace { row, template, media: row, weight: 1.0 };
    let templates = Templates::new(rows, vec![face(1, 0), face(0, 0), face(2, 2)], 3, Aggregation::Media);
    assert_eq!((templates.row(0), templates.row(1), templates.row(2)), (&[0.0; 2][..], &[0.0; 2][..], &[0.0, 1.0][..]));
    assert_eq!((templates.has_face(0), templates.has_face(1), templates.cosine(0, 2)), (true, false, 0.0));
}

#[test]
fn names_and_genuine_pairs_imply_subjects() {
    let pair = TemplatePair::new;
    let pairs = [pair(4, 1, true), pair(0, 1, false), pair(1, 3, true), pair(5, 2, false)];
    assert_eq!(implied_subjects(&[None; 6], &pairs), [0, 1, 2, 1, 1, 3]);
    let named = [Some(8), None, Some(9), None, None, Some(8)];
    assert_eq!(implied_subjects(&named, &pairs), [0, 1, 2, 1, 1, 0], "what the tables name counts, if only for some");
    let largest = pair(7, u32::MAX >> 1, true);
    assert_eq!((largest.a(), largest.b(), largest.same()), (7, u32::MAX >> 1, true));
}

proptest! {
    /// Another way to the same numbers: look at every pair at every threshold.
    #[test]
    fn rates_from_sorted_scores_are_counted_one_by_one(
        pairs in prop::collection::vec((0u8..30, any::<bool>()), 2..60), rate in 1e-3f64..1.0,
    ) {
        let of = |kind: bool| pairs.iter().filter(move |pair| pair.1 == kind).map(|pair| f64::from(pair.0) / 30.0);
        let (genuine, impostor): (Vec<f64>, Vec<f64>) = (of(true).collect(), of(false).collect());
        prop_assume!(!genuine.is_empty() && !impostor.is_empty());
        let sorted = SortedScores::new(genuine.clone(), impostor.clone()).unwrap();
        let share = |scores: &[f64], at: f64| scores.iter().filter(|score| **score >= at).count() as f64 / scores.len() as f64;
        let mut thresholds: Vec<f64> = genuine.iter().chain(&impostor).copied().collect();
        thresholds.push(2.0);
        let lax = thresholds.iter().copied().filter(|&at| share(&impostor, at) <= rate).fold(2.0, f64::min);
        match sorted.at_fmr(rate) {
            None => prop_assert!(rate * (impostor.len() as f64) < 1.0),
            Some(point) => {
                prop_assert_eq!(point.fmr, share(&impostor, point.threshold));
                prop_assert_eq!(point.tar, share(&genuine, point.threshold));
                prop_assert_eq!((point.fmr, point.tar), (share(&impostor, lax), share(&genuine, lax)));
            }
        }
        let above: f64 = genuine.iter().flat_map(|g| impostor.iter().map(move |i| {
            if g > i { 1.0 } else if g == i { 0.5 } else { 0.0 }
        })).sum();
        prop_assert!((sorted.auc() - above / (genuine.len() * impostor.len()) as f64).abs() < 1e-12);
    }
}

#[test]
fn a_template_without_its_last_face_leaves_the_set_with_its_pairs() {
    let pair = TemplatePair::new;
    let set = TemplateSet {
        template_of: vec![0, 1, 1, 2, 3],
        media_of: vec![7, 8, 8, 9, 7],
        names: vec![10, 20, 30, 40],
        subject_of: vec![0, 1, 2, 1],
        named_subjects: true,
        pairs: vec![pair(0, 1, false), pair(1, 3, true), pair(2, 3, false)],
        galleries: vec![vec![0, 1], vec![2]],
        probes: vec![3],
    };
    let expected = TemplateSet {
        template_of: vec![0, 1, 2],
        media_of: vec![8, 9, 7],
        names: vec![20, 30, 40],
        subject_of: vec![0, 1, 0],
        named_subjects: true,
        pairs: vec![pair(0, 2, true), pair(1, 2, false)],
        galleries: vec![vec![0], vec![1]],
        probes: vec![2],
    };
    assert_eq!(set.without(&[true, true, false, false, false]), expected);
    assert_eq!(set.without(&[false; 5]), set);
    assert_eq!(set.without(&[false, false, false, true, false]).galleries, [[0, 1]], "no gallery is empty");
}
