//! Dot products of rows with all of a few hundred or thousand others, blocked so that sums stay in registers. Each
//! product is one chain of additions, whatever stands beside it.

/// Rows on the left that share a pass.
const LEFT: usize = 4;
/// Packed rows that share a pass.
const RIGHT: usize = 8;

/// Rows that many others are multiplied with.
#[derive(Debug, Clone)]
pub struct Packed {
    /// Groups of [`RIGHT`] rows, component by component; zeros fill the last.
    groups: Vec<f32>,
    rows: usize,
    dimension: usize,
}

impl Packed {
    /// Packs row-major `data` of `dimension` > 0 numbers a row.
    #[must_use]
    pub fn new(data: &[f32], dimension: usize) -> Self {
        let rows: Vec<&[f32]> = data.chunks_exact(dimension).collect();
        let mut groups = Vec::new();
        pack::<RIGHT>(&rows, dimension, &mut groups);
        Self { groups, rows: rows.len(), dimension }
    }

    /// Calls `visit` with the place of a left row, the place of a packed row and their product; for each left row, packed
    /// rows come in order.
    pub fn products(&self, left: &[&[f32]], mut visit: impl FnMut(usize, usize, f32)) {
        let mut packed = Vec::new();
        pack::<LEFT>(left, self.dimension, &mut packed);
        for (right, group) in self.groups.chunks_exact(RIGHT * self.dimension).enumerate() {
            for (lines, faces) in packed.chunks_exact(LEFT * self.dimension).enumerate() {
                let sums = block(faces, group);
                for (i, line) in (lines * LEFT..left.len()).zip(&sums) {
                    for (j, &sum) in (right * RIGHT..self.rows).zip(line) {
                        visit(i, j, sum);
                    }
                }
            }
        }
    }
}

fn block(a: &[f32], b: &[f32]) -> [[f32; RIGHT]; LEFT] {
    let mut sums = [[0.0; RIGHT]; LEFT];
    for (a, b) in a.as_chunks::<LEFT>().0.iter().zip(b.as_chunks::<RIGHT>().0) {
        for (line, a) in sums.iter_mut().zip(a) {
            for (sum, b) in line.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    sums
}

fn pack<const WIDTH: usize>(rows: &[&[f32]], dimension: usize, packed: &mut Vec<f32>) {
    packed.resize(rows.len().div_ceil(WIDTH) * WIDTH * dimension, 0.0);
    for (group, out) in rows.chunks(WIDTH).zip(packed.chunks_exact_mut(WIDTH * dimension)) {
        for (lane, row) in group.iter().enumerate() {
            for (slot, &value) in out.iter_mut().skip(lane).step_by(WIDTH).zip(*row) {
                *slot = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::tests::unit_rows;

    #[test]
    fn every_product_once_and_in_order() {
        const DIMENSION: usize = 19;
        let (left, right) = (unit_rows(13, DIMENSION, 1), unit_rows(21, DIMENSION, 2));
        let rows: Vec<&[f32]> = left.chunks_exact(DIMENSION).collect();
        let mut seen = vec![Vec::new(); rows.len()];
        Packed::new(&right, DIMENSION).products(&rows, |i, j, product| {
            let exact: f32 = rows[i].iter().zip(&right[j * DIMENSION..]).map(|(a, b)| a * b).sum();
            assert!((exact - product).abs() < 1e-6);
            seen[i].push(j);
        });
        assert!(seen.iter().all(|order| order.iter().copied().eq(0..21)));
    }
}
