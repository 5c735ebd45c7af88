//! Compares two embeddings of the same faces in one space: how far each face moved, and whether its nearest face
//! changed.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use super::RunSummary;
use crate::closeness::cosine as exact_cosine;
use crate::progress::{Cancel, Progress};
use crate::similarity::kernel::{Rows, cosine};
use crate::verification::random::Draw;

/// Up to this many faces, every face is a nearest-face query.
pub const QUERY_ALL_UP_TO: usize = 4096;
/// Number of queries sampled from more faces.
pub const QUERY_SAMPLE: usize = 1024;
/// Most faces that are listed.
const WORST_LISTED: usize = 20;
/// Quantile levels, starting at the faces that moved most.
const LEVELS: [f64; 5] = [0.001, 0.01, 0.05, 0.25, 0.5];

/// One run's embeddings compared with the reference's, face by face.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FaceAgreement {
    /// Faces compared.
    pub faces: u64,
    /// Faces whose two embeddings are bit-identical.
    pub identical: u64,
    /// Lowest cosine of a face's two embeddings.
    pub min: f64,
    /// Mean cosine of a face's two embeddings.
    pub mean: f64,
    /// Their lower quantiles.
    pub quantiles: Vec<Level>,
    /// The faces that moved most, lowest cosine first, without faces that did not move.
    pub worst: Vec<Moved>,
    /// Changes of the nearest other face.
    pub nearest: NearestFaces,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Level {
    /// Share of faces at or below.
    pub level: f64,
    /// The cosine.
    pub cosine: f64,
}

/// A face that moved.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Moved {
    /// The face.
    pub face_id: String,
    /// Cosine of its two embeddings.
    pub cosine: f64,
}

/// Changes of the nearest other face (rank 1 by cosine among all common faces).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NearestFaces {
    /// Faces whose nearest other face was looked up.
    pub asked: u64,
    /// Faces whose nearest other face differs from the reference.
    pub flipped: u64,
    /// Whether all faces were queried, rather than a seeded sample.
    pub all: bool,
}

impl NearestFaces {
    /// The nearest rows of the queried among `faces` faces, in the reference and in the run.
    pub(crate) fn of(before: &[u32], after: &[u32], faces: usize) -> Self {
        let flipped = before.iter().zip(after).filter(|(before, after)| before != after).count();
        Self { asked: before.len() as u64, flipped: flipped as u64, all: before.len() == faces }
    }
}

/// Why two runs do not embed into one space: the plan keys that differ. `None` if they do.
pub fn other_space(reference: &RunSummary, run: &RunSummary) -> Option<String> {
    const ARITHMETIC: [&str; 4] = ["model.embedder", "model.device", "model.precision", "model.calibration"];
    let decisive = |run: &RunSummary| -> Vec<(String, String)> {
        let decides = |key: &str| {
            key == "preprocess.mirror" || key.starts_with("model.") && !ARITHMETIC.iter().any(|a| key.starts_with(a))
        };
        run.plan.iter().filter(|(key, _)| decides(key)).cloned().collect()
    };
    let (a, b) = (decisive(reference), decisive(run));
    let mut keys: Vec<&str> = a
        .iter()
        .filter(|pair| !b.contains(pair))
        .chain(b.iter().filter(|pair| !a.contains(pair)))
        .map(|p| p.0.as_str())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    (!keys.is_empty()).then(|| format!("{} differs", keys.join(", ")))
}

/// The faces queried for their nearest other face: all, or a seeded sample of many; ascending.
pub fn asked(faces: usize, seed: u64) -> Vec<u32> {
    let mut all: Vec<u32> = (0..faces as u32).collect();
    if faces > QUERY_ALL_UP_TO {
        Draw::queries(seed).shuffle(&mut all);
        all.truncate(QUERY_SAMPLE);
        all.sort_unstable();
    }
    all
}

/// The nearest other row of each query, the first of ties. `None` if cancelled or if there is no other row.
pub fn nearest(rows: Rows<'_>, asked: &[u32], progress: &dyn Progress, cancel: &Cancel) -> Option<Vec<u32>> {
    // Blocks small enough to stay in the cache.
    const BLOCK: usize = 64;
    const QUERIES: usize = 16;
    if rows.data.len() < 2 * rows.dimension {
        return None;
    }
    progress.start("nearest faces", "faces", Some(asked.len() as u64), 0);
    let found: Option<Vec<Vec<u32>>> = asked
        .par_chunks(QUERIES)
        .map(|asked| {
            let mut best = vec![(f32::NEG_INFINITY, 0_u32); asked.len()];
            for (block, candidates) in rows.data.chunks(BLOCK * rows.dimension).enumerate() {
                if cancel.requested() {
                    return None;
                }
                for (&row, best) in asked.iter().zip(&mut best) {
                    let query = rows.row(row);
                    for (candidate, other) in ((block * BLOCK) as u32..).zip(candidates.chunks_exact(rows.dimension)) {
                        let likeness = cosine(query, other);
                        if likeness > best.0 && candidate != row {
                            *best = (likeness, candidate);
                        }
                    }
                }
            }
            progress.advance(asked.len() as u64);
            Some(best.into_iter().map(|(_, row)| row).collect())
        })
        .collect();
    progress.finish();
    Some(found?.concat())
}

impl FaceAgreement {
    /// Compares two matrices with one row for each of `ids`. `nearest` are the nearest rows of the queried faces in the
    /// reference and in the run. `None` without faces.
    pub fn of(ids: &[&str], reference: Rows<'_>, run: Rows<'_>, nearest: [&[u32]; 2]) -> Option<Self> {
        let faces = ids.len();
        let row = |row: usize| (reference.row(row as u32), run.row(row as u32));
        let mut cosines: Vec<(f64, usize)> = (0..faces)
            .into_par_iter()
            .map(|i| {
                let (a, b) = row(i);
                (exact_cosine(a, b), i)
            })
            .collect();
        let identical = (0..faces).filter(|&i| row(i).0 == row(i).1).count();
        let mean = cosines.iter().map(|(cosine, _)| cosine).sum::<f64>() / faces as f64;
        cosines.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let &(min, _) = cosines.first()?;
        let quantile = |level: f64| Level { level, cosine: cosines[(level * (faces - 1) as f64) as usize].0 };
        let moved = cosines.iter().filter(|(_, i)| row(*i).0 != row(*i).1).take(WORST_LISTED);
        let worst = moved.map(|&(cosine, i)| Moved { face_id: ids[i].into(), cosine }).collect();
        let [before, after] = nearest;
        Some(Self {
            faces: faces as u64,
            identical: identical as u64,
            min,
            mean,
            quantiles: LEVELS.map(quantile).into(),
            worst,
            nearest: NearestFaces::of(before, after, faces),
        })
    }

    /// The most by which the cosine of any two of the faces can differ: each of them moved by √(2 − 2·cosine) at most, and
    /// both are unit vectors, to within the rounding of f32.
    pub fn most_change_of_a_pair(&self) -> f64 {
        2.0 * (2.0 * (1.0 - self.min)).max(0.0).sqrt() + f64::from(f32::EPSILON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::report::sample;
    use crate::similarity::nearest as one_nearest;
    use facevault_stats::testing::unit_rows;

    const DIMENSION: usize = 8;

    fn rows(data: &[f32]) -> Rows<'_> {
        Rows { data, dimension: DIMENSION }
    }

    fn nearest_of(data: &[f32], asked: &[u32]) -> Vec<u32> {
        nearest(rows(data), asked, &Silent, &Cancel::default()).unwrap()
    }

    #[test]
    fn the_nearest_face_is_the_one_that_lookup_finds() {
        let mut data = unit_rows(200, DIMENSION, 3);
        data.extend_from_within(..4 * DIMENSION);
        let all = asked(204, 0);
        let expected: Vec<u32> =
            all.iter().map(|&row| one_nearest(&data, DIMENSION, row as usize, 1)[0].0 as u32).collect();
        assert_eq!(nearest_of(&data, &all), expected);
        assert!(nearest(rows(&data[..DIMENSION]), &[0], &Silent, &Cancel::default()).is_none(), "there is no other");
    }

    #[test]
    fn many_faces_are_sampled_by_the_seed() {
        let sample = asked(QUERY_ALL_UP_TO + 1, 7);
        assert_eq!(sample.len(), QUERY_SAMPLE);
        assert!(sample.is_sorted_by(|a, b| a < b));
        assert_ne!(sample, asked(QUERY_ALL_UP_TO + 1, 8));
        assert_eq!(asked(QUERY_ALL_UP_TO, 7).len(), QUERY_ALL_UP_TO);
    }

    #[test]
    fn a_face_that_moved_is_named_and_its_nearest_face_may_change() {
        let ids: Vec<String> = (0..100).map(|i| format!("f{i}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let reference = unit_rows(100, DIMENSION, 1);
        let mut run = reference.clone();
        for value in &mut run[40 * DIMENSION..41 * DIMENSION] {
            *value = -*value;
        }
        let all = asked(100, 0);
        let (before, after) = (nearest_of(&reference, &all), nearest_of(&run, &all));
        let found = FaceAgreement::of(&ids, rows(&reference), rows(&run), [&before, &after]).unwrap();
        assert_eq!((found.faces, found.identical, found.min), (100, 99, -1.0));
        assert!((found.mean - 0.98).abs() < 1e-12);
        assert_eq!(found.worst, [Moved { face_id: "f40".into(), cosine: -1.0 }]);
        assert_eq!(found.quantiles[1], Level { level: 0.01, cosine: -1.0 });
        assert!(found.nearest.flipped >= 1 && found.nearest.all, "{found:?}");
        let same = FaceAgreement::of(&ids, rows(&reference), rows(&reference), [&before, &before]).unwrap();
        assert_eq!((same.min, same.identical, same.nearest.flipped, same.worst.len()), (1.0, 100, 0, 0));
    }

    #[test]
    fn precision_and_preprocessing_keep_the_space_and_weights_and_mirror_leave_it() {
        let other = |key: &str| {
            let mut run = sample::summary("b", 0.0);
            run.plan.retain(|(k, _)| k != key);
            run.plan.push((key.into(), "77".into()));
            other_space(&sample::summary("a", 0.0), &run)
        };
        for key in ["model.precision", "model.device", "model.calibration", "preprocess.profile", "seed"] {
            assert_eq!(other(key), None, "{key}");
        }
        assert_eq!(other("model.weights").as_deref(), Some("model.weights differs"));
        assert_eq!(other("preprocess.mirror").as_deref(), Some("preprocess.mirror differs"));
    }
}
