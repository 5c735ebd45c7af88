//! Runs with made-up matrices, paired.

use std::convert::Infallible;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::progress::{Cancel, Silent};
use crate::report::sample;
use crate::similarity::{Labelled, PairMode, SimilarityOptions};
use facevault_stats::testing::unit_rows;

const DIMENSION: usize = 8;
const IDENTITIES: usize = 24;
const SAMPLES: usize = 5;
const FACES: usize = IDENTITIES * SAMPLES;

const OPTIONS: SimilarityOptions = SimilarityOptions {
    pairs: PairMode::Exhaustive,
    max_pairs: Some(1),
    upstream: None,
    replicates: 100,
    hardest: 0,
    ..SimilarityOptions::DEFAULT
};

/// Made-up runs of the same faces: how far faces lie from their identity's centre, run by run.
struct World {
    ids: Vec<String>,
    names: Vec<String>,
}

impl World {
    fn new() -> Self {
        Self {
            ids: (0..FACES).map(|i| format!("face-{i:03}")).collect(),
            names: (0..FACES).map(|i| format!("identity-{:02}", i / SAMPLES)).collect(),
        }
    }

    fn faces(&self) -> Vec<Labelled<'_>> {
        let faces = self.ids.iter().zip(&self.names);
        faces.map(|(id, name)| Labelled { face_id: id, identity: Some(name), image_id: id, content: None }).collect()
    }
}

/// Faces around their identities' centres, with as much noise of each seed.
pub(crate) fn run(noises: &[(f32, u64)]) -> Vec<f32> {
    let centres = unit_rows(IDENTITIES, DIMENSION, 11);
    let mut rows: Vec<f32> = (0..FACES)
        .flat_map(|face| centres[face / SAMPLES * DIMENSION..(face / SAMPLES + 1) * DIMENSION].to_vec())
        .collect();
    for &(size, seed) in noises {
        let noise = unit_rows(FACES, DIMENSION, seed);
        rows.iter_mut().zip(noise).for_each(|(value, noise)| *value += size * noise);
    }
    for row in rows.chunks_exact_mut(DIMENSION) {
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        for value in row {
            *value /= length;
        }
    }
    rows
}

/// The reference: errors, but not many.
pub(crate) fn reference() -> Vec<f32> {
    run(&[(0.9, 1)])
}

fn named(count: usize) -> Vec<RunSummary> {
    (0..count).map(|i| sample::summary(&format!("run-{}", i + 1), 0.0)).collect()
}

fn paired_by(matrices: &[Vec<f32>], common: &SharedFaces, by: HeadlineMetric) -> Paired {
    let world = World::new();
    let faces = world.faces();
    let pairing = Pairing::new(&faces, common, &OPTIONS, 3).unwrap();
    let load = |run: usize| {
        let rows = common.rows[run].iter().map(|&row| row as usize * DIMENSION);
        let data = rows.flat_map(|start| matrices[run][start..start + DIMENSION].to_vec()).collect();
        Ok::<_, Infallible>(Matrix { data, dimension: DIMENSION })
    };
    let named = named(matrices.len());
    let found = pairing.measure(&named.iter().collect::<Vec<_>>(), by, load, &Silent, &Cancel::default());
    found.unwrap().unwrap()
}

fn paired(matrices: &[Vec<f32>]) -> Paired {
    let world = World::new();
    let mut common = SharedFaces::first(FACES);
    matrices[1..].iter().for_each(|_| common.intersect(&world.faces(), &world.faces()));
    paired_by(matrices, &common, HeadlineMetric::Eer)
}

fn verdict(paired: &Paired, metric: HeadlineMetric, run: usize) -> EffectVerdict {
    effect(paired, metric, run).verdict
}

fn effect(paired: &Paired, metric: HeadlineMetric, run: usize) -> &Effect {
    paired.metrics.iter().find(|row| row.metric == metric).unwrap().effects[run].as_ref().unwrap()
}

pub(crate) fn comparison(matrices: &[Vec<f32>]) -> RunComparison {
    compare(named(matrices.len())).unwrap().with_paired(paired(matrices), Vec::new())
}

#[test]
fn identical_runs_are_the_same_everywhere() {
    let found = paired(&[reference(), reference()]);
    let verdicts = found.metrics.iter().filter_map(|row| row.effects[1].as_ref()).map(|effect| effect.verdict);
    let verdicts: Vec<_> = verdicts.collect();
    assert!(verdicts.len() >= 9 && verdicts.iter().all(|verdict| *verdict == EffectVerdict::Same), "{verdicts:?}");
    let Some(Embeddings::Compared(faces)) = &found.embeddings[1] else { panic!("{:?}", found.embeddings) };
    assert_eq!((faces.identical, faces.min, faces.nearest.flipped), (FACES as u64, 1.0, 0));
    // Also where no pair is wrong: equal bounds of equal cosines are the same.
    let perfect = paired(&[run(&[]), run(&[])]);
    assert_eq!(verdict(&perfect, HeadlineMetric::Eer, 1), EffectVerdict::Same);
}

#[test]
fn noise_makes_a_run_worse_and_its_absence_better() {
    let noisy = run(&[(0.9, 1), (0.6, 2)]);
    let found = paired(&[reference(), noisy.clone()]);
    for metric in [HeadlineMetric::Eer, HeadlineMetric::Tar(1e-1), HeadlineMetric::Auc, HeadlineMetric::DPrime] {
        assert_eq!(verdict(&found, metric, 1), EffectVerdict::Worse, "{metric:?}");
    }
    assert_eq!(verdict(&found, HeadlineMetric::Mean(crate::similarity::PairKind::Genuine), 1), EffectVerdict::Lower);
    let found = paired(&[noisy, reference()]);
    for metric in [HeadlineMetric::Eer, HeadlineMetric::Tar(1e-1), HeadlineMetric::Auc, HeadlineMetric::DPrime] {
        assert_eq!(verdict(&found, metric, 1), EffectVerdict::Better, "{metric:?}");
    }
}

#[test]
fn noise_of_another_seed_cannot_be_told_from_chance() {
    let found = paired(&[reference(), run(&[(0.9, 2)])]);
    assert_eq!(verdict(&found, HeadlineMetric::Eer, 1), EffectVerdict::NotResolvable);
    assert_eq!(verdict(&found, HeadlineMetric::DPrime, 1), EffectVerdict::NotResolvable);
}

#[test]
fn two_bounds_are_not_resolvable_and_say_their_n() {
    let found = paired(&[run(&[(0.01, 1)]), run(&[(0.02, 2)])]);
    let Effect { difference, verdict } = effect(&found, HeadlineMetric::Eer, 1);
    let genuine = (IDENTITIES * SAMPLES * (SAMPLES - 1) / 2) as u64;
    assert_eq!((*verdict, difference.point, difference.n), (EffectVerdict::NotResolvable, 0.0, genuine));
    assert!(difference.upper.unwrap() > 0.01 && difference.lower.unwrap() < -0.01, "{difference:?}");
}

#[test]
fn paired_intervals_are_narrower_than_those_of_two_runs_side_by_side() {
    let found = paired(&[reference(), run(&[(0.9, 1), (0.1, 2)])]);
    // The threshold of a low false match rate rests on a handful of pairs, which two runs do not share.
    let steady = |metric: HeadlineMetric| !matches!(metric, HeadlineMetric::Tar(target) if target < 0.1);
    for row in found.metrics.iter().filter(|row| steady(row.metric)) {
        let (Some(effect), [Some(a), Some(b)]) = (&row.effects[1], &row.values[..]) else { continue };
        let width = |estimate: &crate::estimate::Estimate| estimate.upper.unwrap() - estimate.lower.unwrap();
        let unpaired = width(a).hypot(width(b));
        assert!(width(&effect.difference) < 0.8 * unpaired, "{}: {effect:?} {a:?} {b:?}", row.name);
    }
}

#[test]
fn intervals_of_differences_hold_0_as_often_as_they_say() {
    // Two runs that differ by noise of the same size and of no direction: the truth is no difference.
    const TRIALS: u64 = 12;
    let held = |seed: u64| {
        let found = paired(&[run(&[(0.9, 1), (0.5, 100 + seed)]), run(&[(0.9, 1), (0.5, 500 + seed)])]);
        u64::from(verdict(&found, HeadlineMetric::DPrime, 1) == EffectVerdict::NotResolvable)
    };
    let held: u64 = (0..TRIALS).map(held).sum();
    assert!(held >= TRIALS * 3 / 4, "{held} of {TRIALS}");
}

#[test]
fn only_faces_that_all_runs_share_count() {
    let world = World::new();
    let faces = world.faces();
    let mut common = SharedFaces::first(FACES);
    common.intersect(&faces, &faces[..FACES / 2]);
    let found = paired_by(&[reference(), reference()], &common, HeadlineMetric::Eer);
    assert_eq!((found.faces.common, found.faces.left_out.missing), (FACES as u64 / 2, FACES as u64 / 2));
    assert_eq!(found.faces.stored_on_other_faces, ["run-1", "run-2"]);
    assert_snapshot!([vec![found.sentence()], found.notes()].concat().join("\n"), @r"
    paired on the 60 faces of 12 identities that all runs share: the same 120 genuine and 1650 impostor pairs in each (exhaustive)
    left out of the 120 faces of [1]: 60 not in another run or not embedded there
    stored metrics cover other faces in run-1, run-2
    ");
    let mut none = common;
    none.intersect(&faces, &faces[FACES / 2..]);
    let reason = Pairing::new(&faces, &none, &OPTIONS, 1).err().unwrap();
    assert_snapshot!(reason, @"no face is shared: of the 120 faces of the first run, 120 not in another run or not embedded there");
    let mut strangers = SharedFaces::first(FACES);
    strangers.intersect(&faces, &[faces[0], faces[SAMPLES]]);
    let reason = Pairing::new(&faces, &strangers, &OPTIONS, 1).err().unwrap();
    assert_snapshot!(reason, @"there is no genuine pair among the 2 faces that all runs share");
}

#[test]
fn a_wish_to_stop_ends_it() {
    let (world, common, runs) = (World::new(), SharedFaces::all_of(FACES, 2), named(2));
    let faces = world.faces();
    let cancel = Cancel::default();
    cancel.request();
    let pairing = Pairing::new(&faces, &common, &OPTIONS, 1).unwrap();
    let load = |_| Ok::<_, Infallible>(Matrix { data: reference(), dimension: DIMENSION });
    assert!(pairing.measure(&[&runs[0], &runs[1]], HeadlineMetric::Eer, load, &Silent, &cancel).unwrap().is_none());
}

#[test]
fn runs_are_ranked_and_neighbours_told_apart_where_they_can_be() {
    let (good, bad) = (reference(), run(&[(0.9, 1), (0.6, 2)]));
    let found = paired(&[bad.clone(), good.clone(), run(&[(0.9, 1), (0.6, 6)])]);
    let order: Vec<_> = found.ranking.ranks.iter().map(|rank| rank.run).collect();
    assert_eq!(order[0], 1);
    let verdicts: Vec<_> = found.ranking.ranks.iter().map(|rank| rank.to_next.as_ref().map(|e| e.verdict)).collect();
    assert_eq!(verdicts, [Some(EffectVerdict::Better), Some(EffectVerdict::NotResolvable), None]);
    let world = World::new();
    let mut common = SharedFaces::first(FACES);
    common.intersect(&world.faces(), &world.faces());
    let by_d_prime = paired_by(&[bad, good], &common, HeadlineMetric::DPrime);
    assert_eq!(by_d_prime.ranking.ranks[0].run, 1, "higher is better");
}

#[test]
fn a_gate_fails_on_what_is_worse_beyond_tolerance() {
    let worse = comparison(&[reference(), run(&[(0.9, 1), (0.6, 2)])]);
    let judge = |comparison: &RunComparison, tolerances: &[&str]| {
        RegressionGate::judge(comparison, Tolerances::parse(tolerances).unwrap())
    };
    let gate = judge(&worse, &[]);
    assert!(!gate.passed && gate.regressions.iter().any(|finding| finding.what == "eer"));
    assert!(gate.regressions.iter().all(|finding| !finding.what.contains("mean")), "not judged unless named");
    let lenient =
        ["eer=0.5", "tar@fmr=1e-1=1", "tar@fmr=1e-2=1", "tar@fmr=1e-3=1", "tar@fmr=1e-4=1", "auc=1", "d_prime=9"];
    assert!(judge(&worse, &lenient).passed);
    let moved = judge(&worse, &[&lenient[..], &["genuine.mean=0.01"]].concat());
    assert_eq!(moved.regressions.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>(), ["genuine.mean"]);
    // The other way round it is better.
    assert!(judge(&comparison(&[run(&[(0.9, 1), (0.6, 2)]), reference()]), &[]).passed);
    assert!(judge(&comparison(&[reference(), reference()]), &[]).passed);
    // A lost face is in no pair.
    let mut fewer = comparison(&[reference(), reference()]);
    let lose = |comparison: &mut RunComparison, lost| comparison.paired.as_mut().unwrap().faces.lost[1] = lost;
    lose(&mut fewer, 2);
    assert_snapshot!(judge(&fewer, &[]).lines().join("\n"), @r"
    gate: failed
      [2] faces: 2 of the reference's 120 faces are not embedded, tolerated 0
    ");
    assert!(judge(&fewer, &["faces=0.5"]).passed && !judge(&fewer, &["faces=0.001"]).passed);
    // Nothing to judge by is no pass.
    let mut alone = comparison(&[reference(), reference()]);
    alone.left_out = vec![LeftOutRun { run: "gone".into(), reason: "no face is shared".into() }];
    let gate = judge(&alone, &[]).with_left_out(&alone);
    assert!(!gate.passed);
    assert_snapshot!(gate.lines().join("\n"), @r"
    gate: failed
      [3] pairs: cannot be judged: no face is shared
    ");
}

#[test]
fn a_gate_fails_on_speed_where_it_can_be_compared() {
    let mut same = comparison(&[reference(), reference()]);
    let timing = |rate: f64, threads| Timing {
        chunks: vec![(100, 100.0 / rate); 3],
        settings: vec![Setting { threads, ..Setting::default() }],
    };
    let mut judged = |other: Timing, tolerances: &[&str]| {
        same.speed = speeds(&[timing(100.0, 2), other]);
        let gate = RegressionGate::judge(&same, Tolerances::parse(tolerances).unwrap());
        gate.lines().join("\n")
    };
    assert_snapshot!(judged(timing(95.0, 2), &["speed=0.1"]), @"gate: passed");
    assert_snapshot!(judged(timing(85.0, 2), &["speed=0.1"]), @r"
    gate: failed
      [2] speed: 0.85 × the reference, tolerated 0.90
    ");
    assert_snapshot!(judged(timing(85.0, 2), &["speed=0.2"]), @"gate: passed");
    // A machine's other load is no regression unless it is asked for.
    assert_snapshot!(judged(timing(10.0, 2), &[]), @"gate: passed");
    assert_snapshot!(judged(timing(10.0, 2), &["speed=0.1", "speed=off"]), @"gate: passed");
    assert_snapshot!(judged(timing(10.0, 1), &["speed=0.1"]), @r"
    gate: passed
      [2] speed: not judged, not on the same threads as the reference
    ");
}

#[test]
fn tolerances_that_cannot_be_read_say_what_can() {
    let error = |text: &str| Tolerances::parse(&[text]).unwrap_err();
    assert_snapshot!(error("eer"), @"invalid tolerance `eer`: expected NAME=VALUE, where VALUE is at least 0 and in the metric's own unit (`eer=0.001`, `tar@fmr=1e-3=0.01`), or the share of faces or speed that may be lost, below 1 (`faces=0.01`, `speed=0.2`, or `speed=off`)");
    for text in ["eer=-1", "eer=x", "speed=1", "eer=inf"] {
        assert!(matches!(error(text), CompareError::Tolerance { .. }), "{text}");
    }
    assert_snapshot!(error("eerr=0.1"), @"unknown metric `eerr` (did you mean `eer`?); runs are compared by eer, tar@fmr=1e-1, tar@fmr=1e-2, tar@fmr=1e-3, tar@fmr=1e-4, tar@fmr=1e-5, tar@fmr=1e-6, auc, d_prime, genuine.mean, genuine.std, impostor.mean, impostor.std, faces, speed");
    let parsed = Tolerances::parse(&["tar@fmr=0.001=0.02", "speed=0", "eer=0.1", "eer=0.2"]).unwrap();
    assert_eq!(parsed.speed, Some(0.0));
    let metrics: Vec<_> = parsed.metrics.iter().map(|tolerance| (tolerance.metric, tolerance.value)).collect();
    assert_eq!(metrics, [(HeadlineMetric::Tar(1e-3), 0.02), (HeadlineMetric::Eer, 0.2)]);
}

/// The text with `[…]` for every interval, whose ends are another test's business, and without the padding that follows
/// from their widths.
pub(crate) fn without_intervals(text: &str) -> String {
    let mut parts = text.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| match part.split_once(']') {
        Some((inside, after)) if inside.contains(", ") => format!("[…]{after}"),
        _ => format!("[{part}"),
    });
    let found = first + &rest.collect::<String>();
    let cells =
        |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("  ");
    found.lines().map(cells).collect::<Vec<_>>().join("\n")
}

#[test]
fn text_and_json_say_what_was_found() {
    let mut comparison = comparison(&[reference(), run(&[(0.9, 1), (0.3, 2)]), reference()]);
    comparison.gate = Some(RegressionGate::judge(&comparison, Tolerances::default()));
    let text = comparison.to_text(400);
    let (_, numbers) = text.split_once("provenance: no difference\n").unwrap();
    let numbers = without_intervals(numbers);
    assert_snapshot!(numbers, @r"

    on the same pairs  [1]  [2]  [3]
    equal error rate  19.17% […]  22.64% […]  +3.47 pp […] not resolvable  19.17% […]  same
    TAR at FMR 1e-1  65.83% […]  56.67% […]  −9.17 pp […] worse  65.83% […]  same
    TAR at FMR 1e-2  13.75% […]  12.92% […]  −0.83 pp […] not resolvable  13.75% […]  same
    TAR at FMR 1e-3  1.25% […]  1.25% […]  0.00 pp […] not resolvable  1.25% […]  same
    area under the ROC curve  0.8909 […]  0.8681 […]  −0.0228 […] worse  0.8909 […]  same
    separation d′  1.784 […]  1.623 […]  −0.161 […] worse  1.784 […]  same
    genuine cosine, mean  0.5293 […]  0.4883 […]  −0.0410 […] lower  0.5293 […]  same
    genuine cosine, standard deviation  0.2194 […]  0.2307 […]  +0.0113 […] not resolvable  0.2194 […]  same
    impostor cosine, mean  0.0023 […]  0.0004 […]  −0.0019 […] not resolvable  0.0023 […]  same
    impostor cosine, standard deviation  0.3555 […]  0.3571 […]  +0.0015 […] not resolvable  0.3555 […]  same

    threshold for FMR  [1]  [2]  [3]
    1e-2  0.7577 […]  0.7528 […]  0.7577 […]
    1e-3  0.9000 […]  0.9013 […]  0.9000 […]
    [2]  keep 0.9000 and FMR may be unchanged (0.087% to 0.10% […]), FNMR may be unchanged (98.75% to 98.75% […]); use 0.9013 […] for an FMR of 1e-3
    [3]  keep 0.9000: every compared pair has the same cosine

    embeddings of the same faces, against [1]
    [2]  cosine at least 0.799255, mean 0.972108, 0 of 120 identical; nearest face changed for 57 of 120 faces
    [3]  cosine at least 1.000000, mean 1.000000, 120 of 120 identical; nearest face changed for 0 of 120 faces

    rank  run  by equal error rate  against the next
    1  [1]  19.17% […]  same
    2  [3]  19.17% […]  −3.47 pp […] not resolvable
    3  [2]  22.64% […]

    gate: failed
    [2] tar@fmr=1e-1: worse −9.17 pp […], tolerated 0
    [2] auc: worse −0.0228 […], tolerated 0
    [2] d_prime: worse −0.161 […], tolerated 0
    ");
    let json = serde_json::to_value(&comparison).unwrap();
    let eer = &json["paired"]["metrics"][0];
    assert_eq!((&eer["metric"], &eer["better"]), (&"eer".into(), &"lower".into()));
    assert!(eer["effects"][0].is_null() && eer["effects"][2]["verdict"] == "same");
    assert!(eer["effects"][1]["difference"]["lower"].is_number() && eer["values"][1]["n"].is_number());
    assert_eq!(json["paired"]["ranking"]["by"], "eer");
    assert_eq!(json["paired"]["embeddings"][1]["faces"], FACES as u64);
    assert!(json["gate"]["passed"].is_boolean() && json["gate"]["tolerances"]["speed"].is_null());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    #[test]
    fn the_order_of_a_runs_rows_changes_nothing(order in Just((0..FACES).collect::<Vec<_>>()).prop_shuffle()) {
        let world = World::new();
        let faces = world.faces();
        let other = run(&[(0.9, 1), (0.3, 2)]);
        let shuffled_faces: Vec<_> = order.iter().map(|&face| faces[face]).collect();
        let shuffled: Vec<f32> =
            order.iter().flat_map(|&face| other[face * DIMENSION..(face + 1) * DIMENSION].to_vec()).collect();
        let mut common = SharedFaces::first(FACES);
        common.intersect(&faces, &shuffled_faces);
        let permuted = paired_by(&[reference(), shuffled], &common, HeadlineMetric::Eer);
        let found = paired(&[reference(), other]);
        prop_assert_eq!(&permuted.metrics, &found.metrics);
        prop_assert_eq!(&permuted.embeddings, &found.embeddings);
    }
}
