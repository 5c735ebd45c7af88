//! Unit rows, and the cosine of two of them. `blocks` handles all pairs of many rows.

/// Numbers that are summed in parallel.
const LANES: usize = 8;

/// Row-major unit rows.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// All of them.
    pub data: &'a [f32],
    /// Numbers in a row; > 0.
    pub dimension: usize,
}

impl<'a> Rows<'a> {
    /// One row.
    #[must_use]
    pub fn row(&self, row: u32) -> &'a [f32] {
        let start = row as usize * self.dimension;
        &self.data[start..start + self.dimension]
    }

    /// The sum of some rows.
    #[must_use]
    pub fn sum(&self, rows: impl Iterator<Item = u32>) -> Vec<f64> {
        let mut sum = vec![0.0; self.dimension];
        for row in rows {
            sum.iter_mut().zip(self.row(row)).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        sum
    }

    /// The normalised mean of some rows. Where they cancel out, the first of them, so that it is a unit row in any case.
    #[must_use]
    pub fn unit_mean(&self, rows: &[u32]) -> Vec<f32> {
        const MIN_LENGTH: f64 = 1e-6;
        let sum = self.sum(rows.iter().copied());
        let length = sum.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
        if length / rows.len() as f64 > MIN_LENGTH {
            sum.iter().map(|sum| (sum / length) as f32).collect()
        } else {
            rows.first().map(|row| self.row(*row).to_vec()).unwrap_or_default()
        }
    }
}

/// Cosine of two unit rows, clamped to [−1, 1] against rounding.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    (sums.iter().sum::<f32>() + rest).clamp(-1.0, 1.0)
}
