//! How close two sets of embeddings of the same faces are, and whether they tell people apart equally well. Pure.

use serde::Serialize;

use crate::progress::{Cancel, Silent};
use crate::similarity::sampling::Quota;
use crate::similarity::{self, kernel::Rows, population::Population};
use crate::verification::interval::upper_bound_of_none;
use crate::verification::roc::{Roc, Survival, allowed};
use crate::verification::thresholds::TARGETS;

/// Confidence level of the bound that stands for an error rate without errors.
const LEVEL: f64 = 0.95;

/// Embeddings against those of the reference, face by face.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Smallest cosine between a face's two embeddings.
    pub min_cosine: f64,
    /// Mean of these cosines.
    pub mean_cosine: f64,
    /// Largest difference of two numbers.
    pub max_difference: f64,
}

impl Agreement {
    /// Of two matrices of the same shape with at least one row of `dimension` numbers.
    #[must_use]
    pub fn of(found: &[f32], reference: &[f32], dimension: usize) -> Self {
        let cosines: Vec<f64> =
            found.chunks_exact(dimension).zip(reference.chunks_exact(dimension)).map(|(a, b)| cosine(a, b)).collect();
        let differences = found.iter().zip(reference).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
        Self {
            min_cosine: least(cosines.iter().copied()),
            mean_cosine: cosines.iter().sum::<f64>() / cosines.len() as f64,
            max_difference: -least(differences.map(|difference| -difference)),
        }
    }
}

/// The least number; NaN when one is NaN, which `f64::min` would hide.
fn least(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::INFINITY, |least, value| if value.is_nan() || value < least { value } else { least })
}

/// Exactly 1 for equal rows: the root of a square is exact.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// How well embeddings of a sample tell people apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Separation {
    /// Same-identity pairs.
    pub genuine: u64,
    /// Different-identity pairs.
    pub impostor: u64,
    /// Equal error rate, 0 … 1.
    pub eer: f64,
    /// Where no error was seen: the rate that 95% of such samples would have shown one at.
    pub eer_bound: Option<f64>,
    /// True accept rates at the false accept rates that this many pairs can resolve.
    pub tar: Vec<Tar>,
}

/// True accept rate at one false accept rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tar {
    /// False accept rate that is not exceeded.
    pub far: f64,
    /// True accept rate.
    pub tar: f64,
}

/// Compares all pairs. `None` without pairs of both kinds.
#[must_use]
pub fn separation(data: &[f32], dimension: usize, population: &Population<'_>) -> Option<Separation> {
    let quota = Quota { genuine: population.available.genuine, impostor: population.available.impostor };
    if quota.genuine == 0 || quota.impostor == 0 {
        return None;
    }
    let rows = Rows { data, dimension };
    let found = similarity::compare(rows, population, quota, 0, 0, &Silent, &Cancel::default())?;
    let (genuine, impostor) = (Survival::new(&found.genuine.counts), Survival::new(&found.impostor.counts));
    let (eer, _) = Roc { genuine: &genuine, impostor: &impostor }.eer();
    let tar = TARGETS
        .into_iter()
        .map(|far| (far, allowed(far, quota.impostor)))
        .filter(|(_, matches)| *matches > 0)
        .map(|(far, matches)| Tar { far, tar: genuine.rate(impostor.lowest_edge(matches)) })
        .collect();
    let eer_bound = (eer == 0.0).then(|| upper_bound_of_none(quota.genuine.min(quota.impostor), LEVEL));
    Some(Separation { genuine: quota.genuine, impostor: quota.impostor, eer, eer_bound, tar })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::population::Labelled;

    #[test]
    fn equal_embeddings_agree_exactly() {
        let rows = [0.6f32, 0.8, 0.28, 0.96];
        let exact = Agreement { min_cosine: 1.0, mean_cosine: 1.0, max_difference: 0.0 };
        assert_eq!(Agreement::of(&rows, &rows, 2), exact);
    }

    #[test]
    fn the_worst_face_decides() {
        let found = Agreement::of(&[1.0, 0.0, 0.0, 1.0], &[1.0, 0.0, 1.0, 0.0], 2);
        assert_eq!(found, Agreement { min_cosine: 0.0, mean_cosine: 0.5, max_difference: 1.0 });
        let broken = Agreement::of(&[f32::NAN, 0.0, 0.0, 1.0], &[1.0, 0.0, 0.0, 1.0], 2);
        assert!(broken.mean_cosine.is_nan() && broken.min_cosine.is_nan() && broken.max_difference.is_nan());
    }

    fn judged(data: &[f32], who: &[&str]) -> Option<Separation> {
        let ids: Vec<String> = (0..who.len()).map(|i| i.to_string()).collect();
        let faces: Vec<_> = who
            .iter()
            .zip(&ids)
            .map(|(who, id)| Labelled { face_id: id, identity: Some(who), image_id: id, content: None })
            .collect();
        separation(data, 2, &Population::new(&faces, 0))
    }

    #[test]
    fn people_who_are_apart_have_no_errors_and_a_bound() {
        let found = judged(&[1.0, 0.0, 0.8, 0.6, -1.0, 0.0, -0.8, 0.6], &["a", "a", "b", "b"]).unwrap();
        assert_eq!((found.genuine, found.impostor, found.eer), (2, 4, 0.0));
        assert!(found.eer_bound.is_some() && found.tar.is_empty(), "four pairs resolve no false accept rate");
    }

    #[test]
    fn people_who_are_mixed_up_have_errors() {
        let found = judged(&[1.0, 0.0, -1.0, 0.0, 1.0, 0.0, -1.0, 0.0], &["a", "a", "b", "b"]).unwrap();
        assert!(found.eer > 0.3 && found.eer_bound.is_none(), "{found:?}");
    }

    #[test]
    fn without_pairs_of_both_kinds_there_is_nothing_to_say() {
        assert_eq!(judged(&[1.0, 0.0, 0.8, 0.6], &["a", "a"]), None);
        assert_eq!(judged(&[1.0, 0.0, 0.8, 0.6], &["a", "b"]), None);
    }
}
