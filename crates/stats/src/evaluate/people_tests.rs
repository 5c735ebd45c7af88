//! Against numbers that numpy, scikit-learn and scipy computed (`tests/fixtures/people/make_golden.py`), and on faces
//! with planted faults.

use proptest::prelude::*;
use serde_json::Value;

use crate::people::audit::{Cause, Evidence, FIRST_BY_MEAN, Looks, OnePerson, WithAndWithout};
use crate::people::placement::tests::DIMENSION;
use facevault_base::digest::Digest;
use facevault_base::progress::{Cancel, Silent};

use crate::evaluate::Evaluation;
use crate::evaluate::tests::GoldenFaces;
use crate::people::{Audit, Centroids, Identities, People, placement, portraits, routing};
use crate::similarity::kernel::Rows;
use crate::similarity::population::tests::{Labels, labelled, labels, strings};
use crate::similarity::sampling::Quota;
use crate::similarity::{self, HardPair, Labelled, PairKind, PairMode, PairRequest, Population, SimilarityOptions};
use crate::testing::{evaluate_faces, unit_rows};

/// Everything at one threshold, all pairs compared.
fn looked_at(rows: Rows<'_>, faces: &[Labelled<'_>], threshold: f32, hardest: &[HardPair]) -> People {
    let population = Population::new(faces, 1);
    let (watched, cancel) = ([threshold], Cancel::default());
    let request = PairRequest { quota: Quota::all(&population.available), hardest: 0, watched: &watched, seed: 1 };
    let found = similarity::compare(rows, &population, &request, &Silent, &cancel).unwrap();
    let placed = placement::place(rows, &population, &Centroids::of(rows, &population).data, &cancel).unwrap();
    let evidence = Evidence {
        rows,
        population: &population,
        faces,
        placed: &placed,
        hardest,
        threshold: threshold.into(),
        margin: 0.1,
    };
    People {
        identities: Identities::new(&population, &found.faces, 0.95, (50, 1)),
        audit: Audit::new(&evidence, &cancel).unwrap(),
        routing: routing::routing(&population, &placed, 0.95),
        ..People::default()
    }
}

#[test]
fn numbers_are_those_of_numpy_scikit_learn_and_scipy() {
    let golden: Value = serde_json::from_slice(include_bytes!("../../tests/fixtures/people/golden.json")).unwrap();
    let faces = GoldenFaces::read();
    let labelled = faces.faces();
    let rows = Rows { data: &faces.matrix, dimension: faces.dimension };
    let People { identities, routing, .. } = looked_at(rows, &labelled, 0.5, &[]);
    let close = |found: f64, expected: &Value| {
        let expected = expected.as_f64().unwrap();
        assert!((found - expected).abs() < 2e-6, "{found}, expected {expected}");
    };
    let expected = golden["identities"].as_array().unwrap();
    assert_eq!(expected.len(), identities.errors.len());
    for (one, expected) in identities.errors.iter().zip(expected) {
        assert_eq!(one.identity_id, expected["name"].as_str().unwrap());
        let counts = [one.genuine, one.misses, one.impostor, one.false_matches];
        assert_eq!(
            counts.map(Value::from),
            ["genuine", "misses", "impostor", "false_matches"].map(|k| expected[k].clone())
        );
        for (interval, key) in [(one.fnmr_interval, "fnmr_interval"), (one.fmr_interval, "fmr_interval")] {
            let (interval, expected) = (interval.unwrap(), &expected[key]);
            close(interval.0, &expected[0]);
            close(interval.1, &expected[1]);
        }
    }
    let population = Population::new(&labelled, 1);
    let centroids = Centroids::of(rows, &population).data;
    let placed = placement::place(rows, &population, &centroids, &Cancel::default()).unwrap();
    let mut placed: Vec<_> = population.members.iter().map(|member| member.row).zip(placed).collect();
    placed.sort_by_key(|(row, _)| *row);
    let expected = golden["placed"].as_array().unwrap();
    assert_eq!(expected.len(), placed.len());
    for ((row, face), expected) in placed.iter().zip(expected) {
        let (other, cosine) = face.other.unwrap();
        assert_eq!(
            (*row, population.names[other as usize]),
            (expected[0].as_u64().unwrap() as u32, expected[2].as_str().unwrap())
        );
        close(face.own.unwrap().into(), &expected[1]);
        close(cosine.into(), &expected[3]);
    }
    assert_eq!(Value::from(routing.held_out), golden["mates"]);
    for (point, expected) in routing.ladder.iter().zip(golden["ladder"].as_array().unwrap()) {
        let hits = |found: &Option<crate::estimate::Estimate>| {
            found.as_ref().map(|found| (found.point * found.n as f64).round() as u64)
        };
        let found = [&point.dir, &point.wrong, &point.fpir].map(hits);
        assert_eq!(found.map(Value::from), [0, 1, 2].map(|i| expected[i].clone()), "{}", point.threshold);
    }
    let half = routing.ladder.iter().find(|point| point.threshold == 0.5).and_then(|point| point.fpir.clone()).unwrap();
    close(half.lower.unwrap(), &golden["fpir_at_half"][0]);
    close(half.upper.unwrap(), &golden["fpir_at_half"][1]);
}

/// `identities` people of ten faces around directions of their own; the faces of a person in a row.
struct Crowd {
    data: Vec<f32>,
    names: Vec<String>,
    labels: Vec<usize>,
}

const WIDE: usize = 64;

impl Crowd {
    fn new(identities: usize) -> Self {
        let centres = unit_rows(identities, WIDE, 1);
        let mut data = unit_rows(identities * 10, WIDE, 2);
        for (row, values) in data.chunks_exact_mut(WIDE).enumerate() {
            let centre = &centres[row / 10 * WIDE..][..WIDE];
            values.iter_mut().zip(centre).for_each(|(value, centre)| *value = centre + 0.6 * *value);
            let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
            for value in values {
                *value /= length;
            }
        }
        let names = (0..identities * 10).map(|i| format!("{i:04}")).collect();
        Self { data, names, labels: (0..identities * 10).map(|row| row / 10).collect() }
    }

    fn faces(&self) -> Vec<Labelled<'_>> {
        crate::testing::faces(&self.names, |i| self.labels[i], |i| i)
    }

    fn rows(&self) -> Rows<'_> {
        Rows { data: &self.data, dimension: WIDE }
    }

    fn evaluate(&self, pairs: PairMode, max_pairs: u64) -> Evaluation {
        let options = SimilarityOptions {
            pairs,
            max_pairs: Some(max_pairs),
            upstream: None,
            replicates: 40,
            hardest: 30,
            ..SimilarityOptions::DEFAULT
        };
        evaluate_faces(&self.data, WIDE, &self.faces(), &options, (0, 3)).unwrap()
    }
}

#[test]
fn planted_wrong_labels_are_found_with_the_right_identity() {
    let mut crowd = Crowd::new(30);
    // Two faces under another's name, and one that is nobody's.
    (crowd.labels[57], crowd.labels[203]) = (12, 3);
    let stray = unit_rows(1, WIDE, 77);
    crowd.data[140 * WIDE..141 * WIDE].copy_from_slice(&stray);
    let found = crowd.evaluate(PairMode::Exhaustive, 1);
    let audit = &found.people.audit;
    let told: Vec<_> = audit
        .suspects
        .iter()
        .map(|suspect| {
            (suspect.rank, suspect.row, suspect.labelled_as.as_str(), suspect.looks_like.as_str(), suspect.kind)
        })
        .collect();
    let mut another = told[..2].to_vec();
    another.sort_by_key(|suspect| suspect.1);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        matches!(another[..], [(_, 57, "0012", "0005", Looks::Another), (_, 203, "0003", "0020", Looks::Another)]),
        "{told:?}"
    );
    assert!(matches!(told[2], (3, 140, "0014", _, Looks::Nobody)), "{told:?}");
    assert!(audit.suspects[0].margin >= audit.suspects[1].margin);
    assert_eq!((audit.another, audit.nobody, audit.twice), (2, 1, 0));

    // The pairs that they spoil are explained by them.
    let causes = |cause: Cause| audit.wrong_pairs.iter().filter(|pair| pair.cause == cause).count();
    assert!(causes(Cause::WrongLabel) > 10 && causes(Cause::Nobody) > 0, "{:?}", audit.wrong_pairs);

    // Without them the numbers are better, of as many pairs less theirs.
    let WithAndWithout { exhaustive, with, without } = audit.metrics.as_ref().unwrap();
    assert!(exhaustive);
    assert_eq!(with.genuine_mean, found.metrics.genuine.mean, "labels as they are: the evaluation's own pairs");
    assert!(without.genuine_mean.point > with.genuine_mean.point && without.eer.point < with.eer.point);
    assert!(without.genuine_pairs < with.genuine_pairs && without.impostor_pairs < with.impostor_pairs);

    let sampled = crowd.evaluate(PairMode::Auto, 2_000).people.audit.metrics.unwrap();
    let pairs = [&sampled.with, &sampled.without].map(|of| (of.genuine_pairs, of.impostor_pairs));
    assert_eq!((sampled.exhaustive, pairs), (false, [(1_000, 1_000); 2]));
}

#[test]
fn a_threshold_that_most_faces_miss_does_not_make_them_suspects() {
    let mut crowd = Crowd::new(30);
    crowd.labels[57] = 12;
    let audit = looked_at(crowd.rows(), &crowd.faces(), 0.95, &[]).audit;
    assert!(audit.far < audit.near && audit.near < 0.95, "{} {}", audit.far, audit.near);
    let first = &audit.suspects[0];
    assert_eq!((first.row, first.looks_like.as_str(), first.kind), (57, "0005", Looks::Another));
    assert!(audit.suspects.len() < 15, "{} of 300", audit.suspects.len());
}

#[test]
fn right_labels_have_no_suspects() {
    let audit = Crowd::new(30).evaluate(PairMode::Exhaustive, 1).people.audit;
    assert_eq!((audit.suspects.len(), audit.twice, audit.metrics), (0, 0, None));
}

#[test]
fn one_person_under_two_names_is_told() {
    let mut crowd = Crowd::new(8);
    // Half of identity 6's faces are filed under a name of their own.
    crowd.labels[65..70].fill(79);
    let pair = |rank: u32, row_a: u32, row_b: u32| HardPair {
        kind: PairKind::Impostor,
        rank,
        row_a,
        row_b,
        face_a: String::new(),
        face_b: String::new(),
        identity_a: crowd.names[crowd.labels[row_a as usize]].clone(),
        identity_b: crowd.names[crowd.labels[row_b as usize]].clone(),
        cosine: 0.7,
    };
    let hardest = [pair(1, 60, 66), pair(2, 0, 20)];
    let found = looked_at(crowd.rows(), &crowd.faces(), 0.5, &hardest).audit;
    assert_eq!(found.twice, 1);
    let OnePerson { identity_a, identity_b, mean_cosine, highest_cosine, face_a, face_b, faces } = &found.one_person[0];
    assert_eq!((identity_a.as_str(), identity_b.as_str(), *faces), ("0006", "0079", [5, 5]));
    let pairs = (60..65_u32).flat_map(|a| (65..70_u32).map(move |b| (a, b)));
    let cosines: Vec<_> =
        pairs.map(|(a, b)| (similarity::kernel::cosine(crowd.rows().row(a), crowd.rows().row(b)), a, b)).collect();
    let sum: f32 = cosines.iter().map(|pair| pair.0).sum();
    assert!((mean_cosine - sum / 25.0).abs() < 1e-5, "it is the mean of all pairs");
    let (highest, a, b) = cosines.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    assert!((highest_cosine.unwrap() - highest).abs() < 1e-5, "it is the highest of all pairs");
    assert_eq!((face_a, face_b), (&crowd.names[a as usize], &crowd.names[b as usize]));
    // The other pair is listed for its cosine; that cosine is no reason to think that their faces match.
    assert_eq!((found.one_person.len(), found.one_person[1].identity_b.as_str()), (2, "0002"));
    let causes: Vec<_> = found.wrong_pairs.iter().map(|pair| (pair.rank, pair.cause)).collect();
    assert_eq!(causes, [(1, Cause::OnePersonTwice), (2, Cause::Unexplained)]);
}

#[test]
fn a_photo_of_two_identities_ranks_first_although_their_other_faces_differ() {
    let mut crowd = Crowd::new(30);
    // Half of identity 6's faces are filed under a name of their own, and identity 2 has a photo of identity 1's, a
    // little different.
    crowd.labels[65..70].fill(79);
    crowd.data.copy_within(13 * WIDE..14 * WIDE, 25 * WIDE);
    crowd.data[25 * WIDE..25 * WIDE + 2].iter_mut().for_each(|value| *value += 1e-3);
    let found = crowd.evaluate(PairMode::Exhaustive, 1);
    let People { audit, threshold, .. } = &found.people;
    assert_eq!(audit.twice, 1, "of the means, one reaches the threshold");
    let [shared, split, ..] = &audit.one_person[..] else { panic!("{:?}", audit.one_person) };
    assert_eq!((shared.identity_a.as_str(), shared.identity_b.as_str()), ("0001", "0002"));
    assert_eq!((shared.face_a.as_str(), shared.face_b.as_str()), ("0013", "0025"));
    assert_eq!((split.identity_a.as_str(), split.identity_b.as_str()), ("0006", "0079"));
    assert!(shared.highest_cosine > Some(0.99) && shared.highest_cosine > split.highest_cosine);
    assert!(f64::from(shared.mean_cosine) < *threshold && shared.mean_cosine < split.mean_cosine);
    // Its cosine is the comparison's, bit for bit.
    let hardest = found.hardest.iter().find(|pair| pair.kind == PairKind::Impostor).unwrap();
    assert_eq!((hardest.rank, Some(hardest.cosine)), (1, shared.highest_cosine));
}

#[test]
fn a_picture_of_two_identities_is_told_although_it_is_not_compared() {
    let mut crowd = Crowd::new(30);
    crowd.data.copy_within(13 * WIDE..14 * WIDE, 25 * WIDE);
    let mut faces = crowd.faces();
    let picture = Some((Digest::of(b"a picture"), None));
    (faces[13].content, faces[25].content) = (picture, picture);
    // Within an identity a picture may repeat.
    (faces[51].content, faces[52].content) =
        (Some((Digest::of(b"another"), None)), Some((Digest::of(b"another"), None)));
    let audit = looked_at(crowd.rows(), &faces, 0.5, &[]).audit;
    let [shared] = &audit.one_person[..] else { panic!("{:?}", audit.one_person) };
    assert_eq!((shared.face_a.as_str(), shared.face_b.as_str(), audit.twice), ("0013", "0025", 0));
    assert!(shared.highest_cosine > Some(0.999_99));
}

#[test]
fn of_two_faces_the_cosine_is_mean_and_highest_and_ties_are_in_the_order_of_names() {
    // Three identities with one face each, all the same, and a fourth that is unlike them.
    let data = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]].concat();
    let names = ["b", "c", "a", "d"].map(str::to_owned);
    let faces = crate::testing::faces(&names, |i| i, |i| i);
    let audit = looked_at(Rows { data: &data, dimension: 2 }, &faces, 0.5, &[]).audit;
    let found: Vec<_> = audit
        .one_person
        .iter()
        .map(|one| (one.face_a.as_str(), one.face_b.as_str(), one.mean_cosine, one.highest_cosine, one.faces))
        .collect();
    let pair = |a, b| (a, b, 1.0, Some(1.0), [1, 1]);
    assert_eq!((found, audit.twice), (vec![pair("a", "b"), pair("a", "c"), pair("b", "c")], 3));
}

#[test]
fn a_cancelled_audit_is_none() {
    let crowd = Crowd::new(4);
    let (faces, cancel) = (crowd.faces(), Cancel::default());
    let population = Population::new(&faces, 1);
    let centroids = Centroids::of(crowd.rows(), &population).data;
    let placed = placement::place(crowd.rows(), &population, &centroids, &cancel).unwrap();
    let evidence = Evidence {
        rows: crowd.rows(),
        population: &population,
        faces: &faces,
        placed: &placed,
        hardest: &[],
        threshold: -1.0,
        margin: 0.1,
    };
    assert_eq!(Audit::new(&evidence, &cancel).unwrap().one_person.len(), 6);
    cancel.request();
    assert_eq!(Audit::new(&evidence, &cancel), None);
}

#[test]
fn portraits_hold_every_pair_of_a_small_identity() {
    let mut crowd = Crowd::new(30);
    crowd.labels[57] = 12;
    let people = crowd.evaluate(PairMode::Exhaustive, 1).people;
    let portrait = people.portraits.iter().find(|portrait| portrait.identity_id == "0012").unwrap();
    assert!(portrait.missed && portrait.genuine.len() == portraits::BINS);
    assert_eq!(portrait.genuine.iter().sum::<u64>(), 11 * 10 / 2);
    assert_eq!(portrait.impostor.iter().sum::<u64>(), 11 * 289);
    assert!(people.identities.worst_missed()[0].identity_id == "0012");
}

/// What does not depend on the numbering of rows.
fn essence(people: &People, row: &dyn Fn(u32) -> u32) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut suspects: Vec<_> = people
        .audit
        .suspects
        .iter()
        .map(|suspect| (row(suspect.row), suspect.labelled_as.clone(), suspect.looks_like.clone(), suspect.kind))
        .collect();
    suspects.sort_by_key(|suspect| suspect.0);
    let errors = people.identities.errors.iter().map(|one| (one.genuine, one.misses, one.impostor, one.false_matches));
    let found = |point: &routing::RoutingPoint| {
        [&point.dir, &point.wrong, &point.fpir].map(|rate| rate.as_ref().map(|r| r.point))
    };
    let ladder: Vec<_> = people.routing.ladder.iter().map(found).collect();
    (suspects, errors.collect::<Vec<_>>(), ladder, people.routing.held_out)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn highest_cosines_are_those_of_looking_at_every_pair(labels in labels(40), seed in 0u64..100) {
        let data = unit_rows(labels.len(), DIMENSION, seed);
        let (strings, rows) = (strings(), Rows { data: &data, dimension: DIMENSION });
        let ids: Vec<String> = (0..labels.len()).map(|row| row.to_string()).collect();
        let mut faces = labelled(&labels, &strings);
        faces.iter_mut().zip(&ids).for_each(|(face, id)| face.face_id = id);
        let population = Population::new(&faces, 1);
        let audit = looked_at(rows, &faces, -1.0, &[]).audit;
        let identities = population.names.len();
        prop_assert_eq!(audit.one_person.len(), (identities * identities.saturating_sub(1) / 2).min(FIRST_BY_MEAN));
        let key = |one: &OnePerson| (one.highest_cosine, one.mean_cosine);
        let sorted = audit.one_person.is_sorted_by(|a, b| key(a) >= key(b));
        prop_assert!(sorted);
        for one in &audit.one_person {
            let rows_of = |name: &str| {
                (0..faces.len() as u32).filter(|&row| faces[row as usize].identity == Some(name)).collect::<Vec<_>>()
            };
            let (a, b) = (rows_of(&one.identity_a), rows_of(&one.identity_b));
            let cosines: Vec<f32> = a
                .iter()
                .flat_map(|&a| b.iter().map(move |&b| similarity::kernel::cosine(rows.row(a), rows.row(b))))
                .collect();
            let highest = cosines.iter().copied().fold(-1.0, f32::max);
            prop_assert!((one.highest_cosine.unwrap() - highest).abs() < 1e-6);
            let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
            prop_assert!((one.mean_cosine - mean).abs() < 1e-5);
            let row = |of: &[u32], id: &str| of.iter().copied().find(|&row| faces[row as usize].face_id == id);
            let (face_a, face_b) = (row(&a, &one.face_a), row(&b, &one.face_b));
            prop_assert!(face_a.is_some() && face_b.is_some(), "each face is of its identity");
            let cosine = similarity::kernel::cosine(rows.row(face_a.unwrap()), rows.row(face_b.unwrap()));
            prop_assert!((cosine - highest).abs() < 1e-6);
        }
    }

    #[test]
    fn the_order_of_faces_changes_nothing(labels in labels(40), seed in 0u64..100) {
        let data = unit_rows(labels.len(), DIMENSION, seed);
        let reversed: Labels = labels.iter().rev().copied().collect();
        let mirrored: Vec<f32> = data.chunks_exact(DIMENSION).rev().flatten().copied().collect();
        let strings = strings();
        let look = |data: &[f32], labels: &Labels| {
            looked_at(Rows { data, dimension: DIMENSION }, &labelled(labels, &strings), 0.4, &[])
        };
        let last = labels.len() as u32 - 1;
        let (found, mirrored) = (look(&data, &labels), look(&mirrored, &reversed));
        prop_assert_eq!(essence(&found, &|row| row), essence(&mirrored, &|row| last - row));
    }
}
