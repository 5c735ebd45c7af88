//! Test data shared by several packages.

use std::collections::BTreeMap;

use facevault_base::progress::{Cancel, Silent};
use facevault_cuda::DeviceRequest;

use crate::evaluate::{Benchmarks, EvaluateError, Evaluation, EvaluationInput, SearchedProtocol, evaluate};
use crate::identification::{
    self, Enrolled, Enrolment, GalleryRule, IdentificationProtocol, IdentificationResult, Roles,
};
use crate::similarity::kernel::Rows;
use crate::similarity::{Cards, Labelled, NoCheckpoint, PairMode, SimilarityOptions};

/// An evaluation of 240 random faces, four of each identity; the same on every machine.
///
/// # Panics
/// Never: these faces can be evaluated.
#[must_use]
pub fn evaluation() -> Evaluation {
    const DIMENSION: usize = 8;
    let names: Vec<String> = (0..240).map(|face| format!("{face:06}")).collect();
    let people: Vec<String> = (0..60).map(|person| format!("n{person:06}")).collect();
    let face =
        |i: usize| Labelled { face_id: &names[i], identity: Some(&people[i / 4]), image_id: &names[i], content: None };
    let faces: Vec<Labelled<'_>> = (0..names.len()).map(face).collect();
    let options = SimilarityOptions {
        pairs: PairMode::Exhaustive,
        max_pairs: None,
        upstream: None,
        replicates: 50,
        confidence: 0.95,
        hardest: 5,
    };
    let matrix = unit_rows(names.len(), DIMENSION, 3);
    evaluate_faces(&matrix, DIMENSION, &faces, &options, (0, 11)).expect("faces that can be evaluated")
}

/// Evaluates faces on the CPU, with no more than these options; `failed` faces have no row.
///
/// # Errors
/// [`EvaluateError`].
pub fn evaluate_faces(
    matrix: &[f32],
    dimension: usize,
    faces: &[Labelled<'_>],
    options: &SimilarityOptions,
    (failed, seed): (u64, u64),
) -> Result<Evaluation, EvaluateError> {
    let input = EvaluationInput {
        matrix,
        dimension,
        faces,
        columns: &[],
        manifest_rows: faces.len() as u64 + failed,
        failed,
        options,
        seed,
        expect: &BTreeMap::new(),
        benchmarks: Benchmarks::default(),
        checkpoint: &NoCheckpoint,
        cards: &Cards::new(DeviceRequest::Cpu),
    };
    evaluate(&input, &Silent, &Cancel::default())
}

/// A search of a gallery of 12 people for three probes of each of them and of 12 others; the same on every machine.
///
/// # Panics
/// Never: nothing cancels it.
#[must_use]
pub fn searched() -> (IdentificationResult, SearchedProtocol) {
    const DIMENSION: usize = 8;
    let centres = unit_rows(24, DIMENSION, 5);
    let mut data = unit_rows(96, DIMENSION, 6);
    for (row, values) in data.chunks_exact_mut(DIMENSION).enumerate() {
        let centre = &centres[row / 4 * DIMENSION..][..DIMENSION];
        values.iter_mut().zip(centre).for_each(|(value, centre)| *value = 0.7 * *value + centre);
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        for value in values {
            *value /= length;
        }
    }
    let face = |row: u32| Enrolled { row: Some(row), person: row / 4 };
    let gallery = (0..48).step_by(4).map(face).collect();
    let probes = (0..96).filter(|row| row % 4 > 0).map(face).collect();
    let protocol = IdentificationProtocol {
        distractors: Vec::new(),
        name: "search".into(),
        roles: Roles::First { faces: 1, unknown_share: 0.5 },
        gallery_rule: GalleryRule::Max,
        candidates: 1,
        ranks: vec![1, 5, 50],
        fpir: vec![0.1, 0.001],
        max_left_out: 0.05,
    };
    let (rows, row_of): (_, Vec<_>) = (Rows { data: &data, dimension: DIMENSION }, (0..96).map(Some).collect());
    let enrolment = Enrolment { gallery, probes, distractors: 0, repeated: 0 };
    let found = identification::run(&protocol, &enrolment, rows, &row_of, 0.95, &Cancel::default());
    let (result, probes) = found.expect("nobody cancels it");
    (result, SearchedProtocol { protocol: "search".into(), probes })
}

/// `count` names that sort as they are numbered.
#[must_use]
pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{i:05}")).collect()
}

/// A face of each name, with the names of these numbers for its identity and its photo.
pub fn faces<'a>(
    names: &'a [String],
    identity: impl Fn(usize) -> usize,
    image: impl Fn(usize) -> usize,
) -> Vec<Labelled<'a>> {
    let face = |(i, face_id): (usize, &'a String)| Labelled {
        face_id,
        identity: Some(names[identity(i)].as_str()),
        image_id: &names[image(i)],
        content: None,
    };
    names.iter().enumerate().map(face).collect()
}

/// Unit rows from a multiplicative generator: the same numbers on every machine.
#[must_use]
pub fn unit_rows(rows: usize, dimension: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2) + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut data: Vec<f32> = (0..rows * dimension).map(|_| next()).collect();
    for row in data.chunks_exact_mut(dimension) {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        for value in row {
            *value /= length;
        }
    }
    data
}
