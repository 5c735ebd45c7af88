//! Cosines of face pairs, streamed: histograms, exact moments and the hardest pairs, without N² memory.

mod blocks;
pub(crate) mod card;
mod cards;
mod collector;
pub(crate) mod compare;
mod done;
pub mod engine;
pub(crate) mod exclusions;
pub(crate) mod faces;
pub(crate) mod hardest;
pub mod kernel;
pub mod listed;
pub mod member;
mod nearest;
mod options;
mod panels;
mod permutation;
pub mod population;
pub mod product;
pub mod sampling;
mod state;
pub(crate) mod upstream;
pub mod watched;

pub use cards::Cards;
pub use collector::{Collector, IdentityCosines};
pub use compare::{
    ComparedPairs, NoCheckpoint, PairCheckpoint, PairRequest, Share, SharedPairs, compare, compare_resumably,
    compare_share,
};
pub use faces::FaceErrors;
pub use nearest::nearest;
pub use options::{PairMode, SimilarityOptions, UpstreamSampling};
pub use population::{Labelled, Population};
pub use watched::{bracket, operating_threshold};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Histograms of genuine and impostor cosines over [−1, 1], with equal bins and 64-bit counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histograms {
    /// Counts of genuine pairs; the number of bins is the length.
    pub genuine: Vec<u64>,
    /// Counts of impostor pairs; same length.
    pub impostor: Vec<u64>,
}

/// Same or different identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PairKind {
    /// Same identity.
    Genuine,
    /// Different identities.
    Impostor,
}

/// One of the hardest pairs: a genuine pair with a low cosine or an impostor pair with a high one.
#[derive(Debug, Clone, PartialEq)]
pub struct HardPair {
    /// Genuine or impostor.
    pub kind: PairKind,
    /// 1 is the hardest of its kind.
    pub rank: u32,
    /// Row of the embedding matrix.
    pub row_a: u32,
    /// Row of the embedding matrix, > `row_a`.
    pub row_b: u32,
    /// Face of `row_a`.
    pub face_a: String,
    /// Face of `row_b`.
    pub face_b: String,
    /// Identity of `row_a`.
    pub identity_a: String,
    /// Identity of `row_b`.
    pub identity_b: String,
    /// Their cosine.
    pub cosine: f32,
}

/// How close one identity's faces are to each other, and to other identities.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentitySpread {
    /// Who.
    pub identity_id: String,
    /// Embedded faces.
    pub faces: u64,
    /// Mean cosine among them; `None` with a single face.
    pub genuine_mean: Option<f64>,
    /// Lowest cosine among them.
    pub genuine_min: Option<f32>,
    /// Highest cosine to a face of another identity among the compared pairs.
    pub impostor_max: Option<f32>,
    /// Whose face that is.
    pub nearest_identity: Option<String>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::kernel::Rows;
    use super::population::tests::{Labels, labelled, labels, strings};
    use super::sampling::Quota;
    use super::*;
    use crate::similarity::{PairMode, SimilarityOptions};
    use crate::testing::{faces, names, unit_rows};
    use crate::verification::tally::Tally;
    use facevault_base::progress::{Cancel, Silent};
    use facevault_kernels::products::Products;
    use proptest::prelude::*;

    const DIMENSION: usize = 6;

    fn options(pairs: PairMode, max_pairs: u64) -> SimilarityOptions {
        SimilarityOptions {
            pairs,
            max_pairs: Some(max_pairs),
            upstream: None,
            replicates: 0,
            hardest: 0,
            ..SimilarityOptions::DEFAULT
        }
    }

    fn run(data: &[f32], labels: &Labels, options: &SimilarityOptions, threads: usize) -> ComparedPairs {
        let strings = strings();
        let population = Population::new(&labelled(labels, &strings), 1);
        let quota = Quota::new(&population.available, options);
        let rows = Rows { data, dimension: DIMENSION };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let request = PairRequest { quota, hardest: 5, watched: &[0.2, 0.5], seed: 1 };
        pool.install(|| compare(rows, &population, &request, &Silent, &Cancel::default())).unwrap().with_sorted_cells()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn exhaustive_is_looking_at_every_pair(labels in labels(60)) {
            let data = unit_rows(labels.len(), DIMENSION, 3);
            let found = run(&data, &labels, &options(PairMode::Exhaustive, 1), 2);
            let (mut genuine, mut impostor) = (Tally::default(), Tally::default());
            let fused = Products::best(DIMENSION).rounding() == "rounded once";
            for i in 0..labels.len() {
                for j in i + 1..labels.len() {
                    let ((a, image_a, content_a), (b, image_b, content_b)) = (labels[i], labels[j]);
                    let twice = content_a.is_some() && content_a == content_b;
                    if a.is_none() || b.is_none() || image_a == image_b || twice {
                        continue;
                    }
                    let row = |row: usize| &data[row * DIMENSION..(row + 1) * DIMENSION];
                    let step = |sum: f32, (a, b): (&f32, &f32)| if fused { a.mul_add(*b, sum) } else { sum + a * b };
                    let cosine = row(i).iter().zip(row(j)).fold(0.0, step).clamp(-1.0, 1.0);
                    if a == b { genuine.add(cosine) } else { impostor.add(cosine) }
                }
            }
            prop_assert_eq!(&found.genuine, &genuine);
            prop_assert_eq!(&found.impostor, &impostor);
        }

        #[test]
        fn order_of_faces_and_number_of_threads_change_nothing(labels in labels(60), seed in 0u64..100) {
            let data = unit_rows(labels.len(), DIMENSION, seed);
            let all = options(PairMode::Exhaustive, 1);
            let found = run(&data, &labels, &all, 2);
            prop_assert_eq!(&found, &run(&data, &labels, &all, 1));
            let reversed: Labels = labels.iter().rev().copied().collect();
            let rows: Vec<f32> = data.chunks_exact(DIMENSION).rev().flatten().copied().collect();
            let mirrored = run(&rows, &reversed, &all, 2);
            prop_assert_eq!(found.genuine, mirrored.genuine);
            prop_assert_eq!(found.impostor, mirrored.impostor);
            prop_assert_eq!(found.spread, mirrored.spread);
        }

        #[test]
        fn a_sample_depends_on_faces_and_seed_alone(labels in labels(60), budget in 2u64..200) {
            let data = unit_rows(labels.len(), DIMENSION, 4);
            let sampled = options(PairMode::Sampled, budget);
            let found = run(&data, &labels, &sampled, 2);
            prop_assert_eq!(&found, &run(&data, &labels, &sampled, 1));
            let strings = strings();
            let population = Population::new(&labelled(&labels, &strings), 1);
            let quota = Quota::new(&population.available, &sampled);
            prop_assert_eq!(found.genuine.moments.count(), quota.genuine);
            prop_assert!(found.impostor.moments.count() <= quota.impostor);
        }
    }

    #[test]
    fn no_pair_is_in_a_sample_twice() {
        let names = names(60);
        let faces = faces(&names, |i| i % 5, |i| i);
        let data = unit_rows(60, DIMENSION, 9);
        let population = Population::new(&faces, 1);
        let (genuine, impostor) = (population.available.genuine, population.available.impostor);
        // A few of them, and nearly all.
        for share in [10, 2, 1] {
            let quota = Quota { genuine: genuine / share - 1, impostor: impostor / share - 1 };
            let request = PairRequest { quota, hardest: 5_000, watched: &[], seed: 3 };
            let rows = Rows { data: &data, dimension: DIMENSION };
            let found = compare(rows, &population, &request, &Silent, &Cancel::default()).unwrap();
            for (pairs, wanted) in [(&found.hardest_genuine, quota.genuine), (&found.hardest_impostor, quota.impostor)]
            {
                let rows: std::collections::BTreeSet<_> = pairs.iter().map(|pair| (pair.row_a, pair.row_b)).collect();
                assert_eq!((rows.len() as u64, pairs.len() as u64), (wanted, wanted), "1/{share}");
            }
        }
    }

    #[test]
    fn a_large_sample_has_the_mean_of_all_pairs() {
        let names = names(200);
        let faces = faces(&names, |i| i % 5, |i| i);
        let data = unit_rows(200, DIMENSION, 9);
        let population = Population::new(&faces, 1);
        let rows = Rows { data: &data, dimension: DIMENSION };
        let found = |pairs, seed| {
            let quota = Quota::new(&population.available, &options(pairs, 6_000));
            let request = PairRequest { quota, hardest: 0, watched: &[], seed };
            compare(rows, &population, &request, &Silent, &Cancel::default()).unwrap()
        };
        let (all, sample, other) =
            (found(PairMode::Exhaustive, 1), found(PairMode::Sampled, 1), found(PairMode::Sampled, 2));
        assert_eq!((sample.genuine.moments.count(), sample.impostor.moments.count()), (3_000, 3_000));
        for (all, sample) in [(&all.genuine, &sample.genuine), (&all.impostor, &sample.impostor)] {
            let error = all.moments.std() / (sample.moments.count() as f64).sqrt();
            assert!((all.moments.mean() - sample.moments.mean()).abs() < 4.0 * error);
        }
        assert_ne!(sample.genuine, other.genuine, "the seed chooses");
    }

    #[test]
    fn cancelling_ends_it() {
        let labels: Labels = vec![(Some(0), 0, None), (Some(0), 1, None), (Some(1), 2, None)];
        let strings = strings();
        let population = Population::new(&labelled(&labels, &strings), 1);
        let cancel = Cancel::default();
        cancel.request();
        let data = unit_rows(3, DIMENSION, 1);
        let rows = Rows { data: &data, dimension: DIMENSION };
        let quota = Quota { genuine: 1, impostor: 2 };
        let request = PairRequest { quota, hardest: 5, watched: &[], seed: 1 };
        assert!(compare(rows, &population, &request, &Silent, &cancel).is_none());
    }
}
