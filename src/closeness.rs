//! Distance between two sets of embeddings of the same faces. Pure.

use schemars::JsonSchema;
use serde::Serialize;

/// Embeddings compared with reference embeddings of the same faces.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Closeness {
    /// Smallest cosine between a face's two embeddings.
    pub min_cosine: f64,
    /// Mean of these cosines.
    pub mean_cosine: f64,
    /// Largest difference of two numbers.
    pub max_difference: f64,
}

impl Closeness {
    /// Compares two matrices of the same shape with at least one row of `dimension` numbers.
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

/// The minimum; NaN if any value is NaN, which `f64::min` would hide.
fn least(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::INFINITY, |least, value| if value.is_nan() || value < least { value } else { least })
}

/// Exactly 1 for equal rows: the root of a square is exact.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_embeddings_agree_exactly() {
        let rows = [0.6f32, 0.8, 0.28, 0.96];
        let exact = Closeness { min_cosine: 1.0, mean_cosine: 1.0, max_difference: 0.0 };
        assert_eq!(Closeness::of(&rows, &rows, 2), exact);
    }

    #[test]
    fn the_worst_face_decides() {
        let found = Closeness::of(&[1.0, 0.0, 0.0, 1.0], &[1.0, 0.0, 1.0, 0.0], 2);
        assert_eq!(found, Closeness { min_cosine: 0.0, mean_cosine: 0.5, max_difference: 1.0 });
        let broken = Closeness::of(&[f32::NAN, 0.0, 0.0, 1.0], &[1.0, 0.0, 0.0, 1.0], 2);
        assert!(broken.mean_cosine.is_nan() && broken.min_cosine.is_nan() && broken.max_difference.is_nan());
    }
}
