//! Distances of listed pairs, in f64 from the stored f32 rows.

use crate::protocol::Distance;
use crate::similarity::kernel::Rows;

/// How two faces are compared.
#[derive(Clone, Copy)]
pub(super) struct Measure<'a> {
    pub rows: Rows<'a>,
    pub distance: Distance,
    /// Whether a row is two halves, of face and mirrored face, that were brought to length 1 together.
    pub halves: bool,
}

impl Measure<'_> {
    /// Mean row over both faces of some pairs; a face counts as often as it is in one.
    pub fn mean(&self, pairs: impl Iterator<Item = (u32, u32)>) -> Vec<f64> {
        let mut count = 0.0;
        let sum = self.rows.sum(pairs.flat_map(|(a, b)| [a, b]).inspect(|_| count += 1.0));
        sum.into_iter().map(|sum| sum / count).collect()
    }

    /// Distance of each pair, after `mean` was subtracted from both faces.
    pub fn all(&self, pairs: &[(u32, u32)], mean: Option<&[f64]>) -> Vec<f64> {
        let zero = vec![0.0; self.rows.dimension];
        let mean = mean.unwrap_or(&zero);
        pairs.iter().map(|&(a, b)| self.one(self.rows.row(a), self.rows.row(b), mean)).collect()
    }

    fn one(&self, a: &[f32], b: &[f32], mean: &[f64]) -> f64 {
        let values = || a.iter().zip(b).zip(mean).map(|((a, b), mean)| (f64::from(*a) - mean, f64::from(*b) - mean));
        match self.distance {
            Distance::SquaredL2 => {
                let square: f64 = values().map(|(a, b)| (a - b).powi(2)).sum();
                // The published evaluation concatenates two unit vectors and leaves the length at √2.
                if self.halves { 2.0 * square } else { square }
            }
            Distance::Arccos => {
                let (mut dot, mut left, mut right) = (0.0, 0.0, 0.0);
                for (a, b) in values() {
                    (dot, left, right) = (dot + a * b, left + a * a, right + b * b);
                }
                // Rounding may leave a cosine just outside; NaN, where a face is the mean itself, stays.
                (dot / (left.sqrt() * right.sqrt())).clamp(-1.0, 1.0).acos() / std::f64::consts::PI
            }
        }
    }
}
