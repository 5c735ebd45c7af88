//! The faces most like one face.

use super::kernel::{Rows, cosine};

/// The `k` rows with the highest cosine to `row`, without `row` itself; among equals, the smaller row first. `data` is
/// row-major with unit rows of `dimension` numbers. Empty when there is no such row.
#[must_use]
pub fn nearest(data: &[f32], dimension: usize, row: usize, k: usize) -> Vec<(usize, f32)> {
    if dimension == 0 || row >= data.len() / dimension || k == 0 {
        return Vec::new();
    }
    let query = Rows { data, dimension }.row(row as u32);
    let mut others: Vec<(usize, f32)> = data
        .chunks_exact(dimension)
        .enumerate()
        .filter(|(other, _)| *other != row)
        .map(|(other, values)| (other, cosine(query, values)))
        .collect();
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
}
