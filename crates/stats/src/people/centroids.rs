//! Centroids of identities.

use crate::similarity::Population;
use crate::similarity::kernel::Rows;

/// A unit row for each identity, sorted as strings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Centroids {
    /// Row-major, `dimension` numbers a row.
    pub data: Vec<f32>,
    /// Numbers in a row.
    pub dimension: usize,
}

impl Centroids {
    /// The normalised mean of each identity's rows. If the rows cancel out, the identity's first row is used instead,
    /// because consumers put these into an index that needs unit rows.
    #[must_use]
    pub fn of(rows: Rows<'_>, population: &Population<'_>) -> Self {
        const MIN_LENGTH: f64 = 1e-6;
        let mut data = Vec::with_capacity(population.names.len() * rows.dimension);
        for faces in &population.identities {
            let faces = &population.members[faces.clone()];
            let mean = rows.sum(faces.iter().map(|face| face.row));
            let length = mean.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
            if length / faces.len() as f64 > MIN_LENGTH {
                data.extend(mean.iter().map(|sum| (sum / length) as f32));
            } else {
                data.extend(faces.first().map(|face| rows.row(face.row)).unwrap_or_default());
            }
        }
        Self { data, dimension: rows.dimension }
    }
}
