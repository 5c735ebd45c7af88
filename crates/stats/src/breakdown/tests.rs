//! Against looking at every pair, one by one.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::slices::PAIRS;
use super::*;
use crate::estimate::Estimate;
use crate::similarity::kernel::cosine;
use crate::similarity::population::Labelled;
use crate::similarity::population::tests::{labelled, labels, strings};
use crate::similarity::sampling::Quota;
use crate::similarity::{PairRequest, compare};
use crate::testing::{names, unit_rows};
use crate::verification::clustered::rate;
use crate::verification::counts::Count;
use facevault_base::progress::Silent;

const DIMENSION: usize = 6;
const THRESHOLD: f32 = 0.3;
const HOW: Resampling = Resampling { replicates: 40, level: 0.95, seed: 3 };

/// The breakdown of faces with random rows at [`THRESHOLD`].
fn broken_down(faces: &[Labelled<'_>], columns: &[FaceColumn<'_>], most: u64, seed: u64) -> (Vec<f32>, Breakdown) {
    let data = unit_rows(faces.len(), DIMENSION, seed);
    let rows = Rows { data: &data, dimension: DIMENSION };
    let population = Population::new(faces, 1);
    let request = PairRequest { quota: Quota::all(&population.available), hardest: 0, watched: &[THRESHOLD], seed: 1 };
    let found = compare(rows, &population, &request, &Silent, &Cancel::default()).unwrap();
    let input =
        BreakdownInput { rows, population: &population, errors: &found.faces, threshold: THRESHOLD, columns, how: HOW };
    let mut breakdown = Breakdown::new(&input, &Silent, &Cancel::default()).unwrap();
    breakdown.discard = Discard::new(&input, most, &Silent, &Cancel::default()).unwrap();
    (data, breakdown)
}

/// Comparable pairs of labelled faces: rows, whether they are one identity, whether the threshold is wrong about them.
fn all_pairs(faces: &[Labelled<'_>], data: &[f32]) -> Vec<([usize; 2], bool, bool)> {
    let row = |row: usize| &data[row * DIMENSION..(row + 1) * DIMENSION];
    let mut pairs = Vec::new();
    for (i, a) in faces.iter().enumerate() {
        for (j, b) in faces.iter().enumerate().skip(i + 1) {
            let twice = a.content.is_some() && a.content == b.content;
            if a.identity.is_some() && b.identity.is_some() && a.image_id != b.image_id && !twice {
                let same = a.identity == b.identity;
                pairs.push(([i, j], same, (cosine(row(i), row(j)) >= THRESHOLD) != same));
            }
        }
    }
    pairs
}

fn value(i: usize, salt: usize) -> f64 {
    ((i * 7919 + salt * 104_729) % 23) as f64
}

/// What the pairs of one slice come to: pairs and errors.
fn expected(pairs: &[([usize; 2], bool, bool)], same: bool, slice: impl Fn(usize) -> bool) -> (u64, u64) {
    let mut sums = (0, 0);
    for (faces, _, wrong) in pairs.iter().filter(|pair| pair.1 == same) {
        let sides = faces.iter().filter(|face| slice(**face)).count() as u64;
        sums = (sums.0 + sides, sums.1 + sides * u64::from(*wrong));
    }
    sums
}

fn counted(rate: Option<&Estimate>) -> (u64, u64) {
    rate.map_or((0, 0), |rate| (rate.n, (rate.point * rate.n as f64).round() as u64))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn slices_are_what_looking_at_every_pair_gives(labels in labels(50), seed in 0u64..1000) {
        let strings = strings();
        let faces = labelled(&labels, &strings);
        let numbers: Vec<Option<f64>> = (0..faces.len()).map(|i| (i % 9 != 4).then(|| value(i, 1))).collect();
        let colours = ["red", "green", " ", "blue"];
        let texts: Vec<Option<&str>> = (0..faces.len()).map(|i| Some(colours[i * 31 % 7 % 4])).collect();
        let columns = [FaceColumn::numbers("number", numbers.clone()), FaceColumn::texts("colour", texts.clone())];
        let (data, found) = broken_down(&faces, &columns, u64::MAX, seed);
        let pairs = all_pairs(&faces, &data);
        let known = |i: usize| faces[i].identity.is_some();
        prop_assert_eq!(counted(found.all.fnmr.as_ref()), expected(&pairs, true, known));
        for Slices { column, unknown, slices } in &found.columns {
            let mut seen = *unknown;
            for slice in slices {
                let inside = |i: usize| known(i) && match slice.range {
                    Some([least, most]) => numbers[i].is_some_and(|value| least <= value && value <= most),
                    None => texts[i] == Some(slice.name.as_str()),
                };
                let members: Vec<usize> = (0..faces.len()).filter(|i| inside(*i)).collect();
                let people: BTreeSet<_> = members.iter().map(|i| faces[*i].identity).collect();
                prop_assert_eq!((slice.faces, slice.identities), (members.len() as u64, people.len() as u64));
                prop_assert_eq!(counted(slice.fnmr.as_ref()), expected(&pairs, true, inside), "{} {}", column, slice.name);
                prop_assert_eq!(counted(slice.fmr.as_ref()), expected(&pairs, false, inside), "{} {}", column, slice.name);
                seen += slice.faces;
            }
            prop_assert_eq!(seen, found.all.faces, "every face is in one slice, or unknown");
        }
    }

    #[test]
    fn curves_are_what_sorting_all_pairs_gives(labels in labels(60), seed in 0u64..1000) {
        let strings = strings();
        let faces = labelled(&labels, &strings);
        let numbers: Vec<Option<f64>> = (0..faces.len()).map(|i| (i % 11 != 4).then(|| value(i, 2))).collect();
        let columns = [
            FaceColumn::numbers("higher", numbers.clone()).judged(GoodValues::Higher),
            FaceColumn::numbers("near", numbers.clone()).judged(GoodValues::Near(10.0)),
            FaceColumn::numbers("constant", vec![Some(1.0); faces.len()]).judged(GoodValues::Higher),
        ];
        let (data, Breakdown { discard, .. }) = broken_down(&faces, &columns, u64::MAX, seed);
        let pairs: Vec<_> = all_pairs(&faces, &data).into_iter().filter(|pair| pair.1).collect();
        let scores: [fn(f64) -> f64; 2] = [|value| value, |value| -(value - 10.0).abs()];
        if !discard.curves.is_empty() {
            prop_assert_eq!(discard.pairs, pairs.len() as u64);
            prop_assert_eq!(discard.misses, pairs.iter().filter(|pair| pair.2).count() as u64);
        }
        for curve in &discard.curves {
            let score = scores[usize::from(curve.measure == "near")];
            let mut known: Vec<(f64, f64)> = pairs
                .iter()
                .filter_map(|([a, b], _, wrong)| Some((score(numbers[*a]?).min(score(numbers[*b]?)), f64::from(*wrong))))
                .collect();
            known.sort_by(|a, b| a.0.total_cmp(&b.0));
            prop_assert_eq!(curve.pairs, known.len() as u64);
            for (share, rate) in discard.shares.iter().zip(&curve.fnmr) {
                // Of pairs with equal quality, an equal part of each goes.
                let gone = share * known.len() as f64;
                let (mut left, mut before) = (0.0, 0.0);
                for equal in known.chunk_by(|a, b| a.0 == b.0) {
                    let n = equal.len() as f64;
                    let stays = 1.0 - ((gone - before) / n).clamp(0.0, 1.0);
                    left += stays * equal.iter().map(|pair| pair.1).sum::<f64>();
                    before += n;
                }
                let expected = left / (known.len() as f64 - gone);
                prop_assert!((rate.point - expected).abs() < 1e-9, "{} at {}: {} {}", curve.measure, share, rate.point, expected);
            }
        }
    }
}

/// 60 people with 12 faces each.
fn crowd(names: &[String]) -> Vec<Labelled<'_>> {
    crate::testing::faces(names, |i| i / 12, |i| i)
}

#[test]
fn a_seeded_part_of_the_faces_stands_for_too_many_pairs() {
    let names = names(720);
    let faces = crowd(&names);
    let column = || FaceColumn::numbers("x", (0..720).map(|i| Some(value(i, 3))).collect()).judged(GoodValues::Higher);
    let of = |most| broken_down(&faces, &[column()], most, 1).1.discard;
    let (all, part) = (of(u64::MAX), of(1000));
    assert_eq!((all.pairs, all.available, part.available), (3960, 3960, 3960));
    assert!((700..1300).contains(&part.pairs), "{}", part.pairs);
    assert_eq!(part, of(1000), "seeded");
    let rate = |discard: &Discard| discard.misses as f64 / discard.pairs as f64;
    assert!((rate(&all) - rate(&part)).abs() < 0.05);
    let curve = &part.curves[0];
    assert!(curve.area.lower.unwrap() < curve.area.point && curve.area.point < curve.area.upper.unwrap());
    assert_eq!(curve.area.method, "double-or-nothing identity bootstrap");
}

#[test]
fn a_measure_that_knows_the_misses_lowers_the_curve_and_chance_does_not() {
    let names = names(720);
    let faces = crowd(&names);
    let data = unit_rows(720, DIMENSION, 1);
    // The mean cosine of a face to its own: what a perfect measure of its picture would foretell.
    let row = |row: usize| &data[row * DIMENSION..(row + 1) * DIMENSION];
    let own = |i: usize| (i / 12 * 12..i / 12 * 12 + 12).map(|j| f64::from(cosine(row(i), row(j)))).sum::<f64>();
    let columns = [
        FaceColumn::numbers("knows", (0..720).map(|i| Some(own(i))).collect()).judged(GoodValues::Higher),
        FaceColumn::numbers("chance", (0..720).map(|i| Some(value(i, 3))).collect()).judged(GoodValues::Higher),
    ];
    let found = broken_down(&faces, &columns, u64::MAX, 1).1.discard;
    let areas: Vec<&Estimate> = found.curves.iter().map(|curve| &curve.area).collect();
    assert!(areas[0].upper.unwrap() < 0.95, "{:?}", areas[0]);
    assert!(areas[1].lower.unwrap() < 1.0 && areas[1].upper.unwrap() > 1.0, "{:?}", areas[1]);
    assert!(found.ideal.iter().zip(&found.curves[0].fnmr).all(|(ideal, rate)| *ideal <= rate.point + 1e-12));
}

#[test]
fn a_slice_that_says_little_says_so() {
    let names = names(720);
    let faces = crowd(&names);
    let texts = (0..720).map(|i| Some(if i < 72 { "few" } else { "many" })).collect();
    let (_, found) = broken_down(&faces, &[FaceColumn::texts("where", texts)], u64::MAX, 1);
    let [few, many] = &found.columns[0].slices[..] else { panic!("{:?}", found.columns) };
    assert_eq!((few.identities, few.warnings.as_slice()), (6, &[Warning::FewIdentities][..]));
    assert_eq!(
        few.fnmr.as_ref().unwrap().method,
        "no interval: it takes pairs of at least 8 identities, and these are of 6"
    );
    assert_eq!(many.warnings, []);
    assert!(many.fnmr.as_ref().unwrap().lower.is_some());
    let (_, found) = broken_down(&faces[..120], &[], u64::MAX, 1);
    assert_eq!(found.discard.pairs, 0, "without a measure nothing is compared again");
}

#[test]
fn columns_divide_by_few_texts_or_by_quarters() {
    let names = |column: &FaceColumn<'_>, rows: usize| {
        let rows: Vec<u32> = (0..rows as u32).collect();
        match column.groups(&rows) {
            Ok(groups) => groups.names.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" | "),
            Err(reason) => reason,
        }
    };
    let numbers =
        |values: Vec<f64>| names(&FaceColumn::numbers("x", values.iter().map(|v| Some(*v)).collect()), values.len());
    let texts = |values: &[String]| {
        names(&FaceColumn::texts("x", values.iter().map(|v| Some(v.as_str())).collect()), values.len())
    };
    let text = |values: &[&str]| texts(&values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>());
    assert_snapshot!(numbers((0..100).map(|i| f64::from(i) / 10.0).collect()), @"0 to 2.4 | 2.5 to 4.9 | 5 to 7.4 | 7.5 to 9.9");
    assert_snapshot!(numbers(vec![1.0, 1.0, 1.0, 1.0, 1.0, 7.0, 12_345.678, f64::NAN]), @"1 | 7 to 12346");
    let mostly_none = (0..100).map(|i| f64::from((i - 80).max(0)) / 10.0).collect();
    assert_snapshot!(numbers(mostly_none), @"0 | 0.1 to 1.9");
    assert_snapshot!(numbers(vec![4.0; 9]), @"all faces have one value");
    assert_snapshot!(numbers(vec![f64::NAN; 3]), @"no face has a value");
    assert_snapshot!(text(&["b", "a", "", "a "]), @"a | b");
    assert_snapshot!(text(&["10", "9", "9"]), @"9 | 10");
    assert_snapshot!(text(&["", " "]), @"no face has a value");
    let many: Vec<String> = (0..40).map(|i| format!("{i}")).collect();
    assert_snapshot!(texts(&many), @"0 to 9 | 10 to 19 | 20 to 29 | 30 to 39");
    let words: Vec<String> = (0..40).map(|i| format!("n{i}")).collect();
    assert_snapshot!(texts(&words), @"40 different texts are neither few nor numbers");
}

#[test]
fn the_interval_of_a_rate_knows_that_a_person_s_pairs_go_together() {
    let clusters = |errors: &dyn Fn(u64) -> u64| -> Vec<Count> {
        (0..50).map(|i| Count { hits: errors(i), trials: 100 }).collect()
    };
    let width = |clusters: &[Count]| {
        let rate = rate(clusters, PAIRS, 0.95).unwrap();
        rate.upper.unwrap() - rate.lower.unwrap()
    };
    let (together, apart) = (clusters(&|i| if i < 5 { 100 } else { 0 }), clusters(&|_| 10));
    assert_eq!(rate(&together, PAIRS, 0.95).unwrap().point, rate(&apart, PAIRS, 0.95).unwrap().point);
    // 50 people of whom 5 fail are 50 trials: Wilson's interval of 5 in 49, with the 14 degrees of freedom of 5 in 50.
    assert!((width(&together) - 0.18863).abs() < 1e-5, "{}", width(&together));
    // However alike the people, no more than half of the pairs are independent trials.
    assert!((width(&apart) - 0.02413).abs() < 1e-5, "{}", width(&apart));
    assert_eq!(rate(&[], PAIRS, 0.95), None);
    let none = rate(&clusters(&|_| 0), PAIRS, 0.95).unwrap();
    assert!(none.bound && none.n == 5000 && (none.upper.unwrap() * 2500.0 - 3.0).abs() < 0.01);
    let all = rate(&clusters(&|_| 100), PAIRS, 0.95).unwrap();
    assert!(all.point == 1.0 && !all.bound && all.lower.unwrap() > 0.99);
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    use crate::verification::random::Draw;
    const TRIALS: u64 = 400;
    let mut held = 0;
    for seed in 0..TRIALS {
        let mut draw = Draw::genuine(seed, 0);
        let clusters: Vec<Count> = (0..60)
            .map(|_| {
                // People differ: 2%, 5% or 14% of their pairs are missed, 7% on the whole.
                let percent = [2, 5, 14][draw.below(3) as usize];
                let errors = (0..45).filter(|_| draw.below(100) < percent).count() as u64;
                Count { hits: 2 * errors, trials: 90 }
            })
            .collect();
        let rate = rate(&clusters, PAIRS, 0.95).unwrap();
        held += u64::from(rate.lower.unwrap() <= 0.07 && 0.07 <= rate.upper.unwrap());
    }
    assert!((TRIALS * 92 / 100..=TRIALS * 98 / 100).contains(&held), "{held} of {TRIALS}");
}

#[test]
fn stopping_ends_it() {
    let names = names(720);
    let faces = crowd(&names[..24]);
    let data = unit_rows(24, DIMENSION, 1);
    let population = Population::new(&faces, 1);
    let cancel = Cancel::default();
    cancel.request();
    let errors = FaceErrors::new(24, 1);
    let columns = [FaceColumn::numbers("x", (0..24).map(|i| Some(f64::from(i))).collect()).judged(GoodValues::Higher)];
    let rows = Rows { data: &data, dimension: DIMENSION };
    let input = BreakdownInput {
        rows,
        population: &population,
        errors: &errors,
        threshold: THRESHOLD,
        columns: &columns,
        how: HOW,
    };
    assert_eq!(Breakdown::new(&input, &Silent, &cancel), None);
}
