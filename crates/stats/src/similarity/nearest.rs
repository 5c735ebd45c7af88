//! The faces most like one face.

use super::kernel::Rows;
use super::product::PackedRows;

/// Rows that are packed at a time.
const BLOCK: usize = 1024;

/// The `k` rows with the highest cosine to `row`, without `row` itself; among equals, the smaller row first. `data` is
/// row-major with unit rows of `dimension` numbers. Empty when there is no such row.
#[must_use]
pub fn nearest(data: &[f32], dimension: usize, row: usize, k: usize) -> Vec<(usize, f32)> {
    if dimension == 0 || row >= data.len() / dimension || k == 0 {
        return Vec::new();
    }
    let query = Rows { data, dimension }.row(row as u32);
    let mut others = Vec::with_capacity(data.len() / dimension);
    for (block, rows) in data.chunks(BLOCK * dimension).enumerate() {
        // The products that the run's pairs are counted by, to the last bit.
        PackedRows::new(rows, dimension).products(&[query], |_, place, product| {
            others.push((block * BLOCK + place, product.clamp(-1.0, 1.0)));
        });
    }
    others.swap_remove(row);
    let order = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if k < others.len() {
        others.select_nth_unstable_by(k, order);
        others.truncate(k);
    }
    others.sort_unstable_by(order);
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_first_and_ties_by_row() {
        let data = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.6, 0.8, 1.0, 0.0];
        assert_eq!(nearest(&data, 2, 0, 3), [(2, 1.0), (4, 1.0), (3, 0.6)]);
        assert_eq!(nearest(&data, 2, 1, 99).len(), 4);
        assert_eq!(nearest(&data, 2, 0, 0), []);
        assert_eq!(nearest(&data, 2, 5, 3), [], "no such row");
        assert_eq!(nearest(&[], 0, 0, 3), []);
    }

    #[test]
    fn cosines_are_those_that_pairs_are_counted_by() {
        const DIMENSION: usize = 512;
        let signs = crate::testing::unit_rows(BLOCK + 300, DIMENSION, 7);
        let data: Vec<f32> = signs.iter().map(|value| value.signum() / (DIMENSION as f32).sqrt()).collect();
        let found = nearest(&data, DIMENSION, BLOCK + 1, usize::MAX);
        assert_eq!(found.len(), BLOCK + 299);
        let row = |row: usize| &data[row * DIMENSION..][..DIMENSION];
        for (other, cosine) in found {
            let chain = row(BLOCK + 1).iter().zip(row(other)).fold(0.0_f32, |sum, (a, b)| a.mul_add(*b, sum));
            assert_eq!(cosine.to_bits(), chain.to_bits(), "row {other}");
        }
    }
}
