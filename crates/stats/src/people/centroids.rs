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
        let mut data = Vec::with_capacity(population.names.len() * rows.dimension);
        for faces in &population.identities {
            let faces: Vec<u32> = population.members[faces.clone()].iter().map(|face| face.row).collect();
            data.extend(rows.unit_mean(&faces));
        }
        Self { data, dimension: rows.dimension }
    }
}
