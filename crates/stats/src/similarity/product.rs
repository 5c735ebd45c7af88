//! Dot products of rows with all of a few hundred or thousand others.

use facevault_kernels::products::{Block, COLUMNS, Left, Products, Right};

/// Rows that many others are multiplied with.
#[derive(Debug)]
pub struct PackedRows {
    products: Products,
    right: Right,
    rows: usize,
}

impl PackedRows {
    /// Packs row-major `data` of `dimension` > 0 numbers a row.
    #[must_use]
    pub fn new(data: &[f32], dimension: usize) -> Self {
        Self::of(data.chunks_exact(dimension), dimension)
    }

    /// Packs rows of `dimension` > 0 numbers.
    #[must_use]
    pub fn of<'r>(rows: impl ExactSizeIterator<Item = &'r [f32]>, dimension: usize) -> Self {
        let (products, mut right) = (Products::best(dimension), Right::default());
        let count = rows.len();
        products.right(rows, &mut right);
        Self { products, right, rows: count }
    }

    /// Calls `visit` with the place of a left row, the place of a packed row and their product; for each left row, packed
    /// rows come in order.
    pub fn products(&self, left: &[&[f32]], mut visit: impl FnMut(usize, usize, f32)) {
        let (mut packed, mut block) = (Left::default(), Block::default());
        let height = self.products.strip();
        for (strip, rows) in left.chunks(height).enumerate() {
            self.products.left(rows.iter().copied(), &mut packed);
            for first in (0..self.rows).step_by(COLUMNS) {
                let columns = self.products.multiply(&packed, &self.right, first, &mut block);
                for place in 0..rows.len() {
                    for (column, &product) in block.row(place)[..columns].iter().enumerate() {
                        visit(strip * height + place, first + column, product);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::unit_rows;

    #[test]
    fn every_product_once_and_in_order() {
        const DIMENSION: usize = 19;
        let (left, right) = (unit_rows(101, DIMENSION, 1), unit_rows(1_100, DIMENSION, 2));
        let rows: Vec<&[f32]> = left.chunks_exact(DIMENSION).collect();
        let mut seen = vec![Vec::new(); rows.len()];
        PackedRows::new(&right, DIMENSION).products(&rows, |i, j, product| {
            let exact: f32 = rows[i].iter().zip(&right[j * DIMENSION..]).map(|(a, b)| a * b).sum();
            assert!((exact - product).abs() < 1e-6);
            seen[i].push(j);
        });
        assert!(seen.iter().all(|order| order.iter().copied().eq(0..1_100)));
    }
}
