//! Cosines of unit rows: one pair, or all pairs of two ranges of faces as a blocked matrix product.
//!
//! A tile is 64×64 faces. Its rows are packed so that the innermost loop reads both operands in order: four faces of one
//! side against eight of the other, 32 sums held in registers. Every cosine is the same chain of additions whichever
//! tile it is in, so it does not depend on the blocking, the order of the faces or the number of threads.

use std::ops::Range;

use super::population::Member;

/// Faces along one side of a tile.
const TILE: usize = 64;
/// Rows of the register block.
const LEFT: usize = 4;
/// Columns of the register block.
const RIGHT: usize = 8;

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
}

/// Cosine of two unit rows, kept in [−1, 1] where rounding would leave it.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<RIGHT>(), b.as_chunks::<RIGHT>());
    let mut sums = [0.0; RIGHT];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    (sums.iter().sum::<f32>() + rest).clamp(-1.0, 1.0)
}

/// Calls `visit` with every pair of positions (i, j), i in `left`, j in `right`, i < j, and their cosine. Before each
/// tile `go_on` is asked; false ends it.
pub fn for_each_pair(
    rows: Rows<'_>,
    members: &[Member],
    left: Range<usize>,
    right: Range<usize>,
    mut go_on: impl FnMut() -> bool,
    mut visit: impl FnMut(usize, usize, f32),
) {
    let (mut packed_left, mut packed_right) = (Vec::new(), Vec::new());
    for top in left.clone().step_by(TILE) {
        let tall = top..(top + TILE).min(left.end);
        pack::<LEFT>(rows, &members[tall.clone()], &mut packed_left);
        // Pairs are i < j: nothing starts before this tile's own faces.
        for start in (right.start.max(top)..right.end).step_by(TILE) {
            let wide = start..(start + TILE).min(right.end);
            if !go_on() {
                return;
            }
            pack::<RIGHT>(rows, &members[wide.clone()], &mut packed_right);
            for (columns, b) in packed_right.chunks_exact(RIGHT * rows.dimension).enumerate() {
                for (lines, a) in packed_left.chunks_exact(LEFT * rows.dimension).enumerate() {
                    let cosines = block(a, b);
                    for (i, line) in (tall.start + lines * LEFT..tall.end).zip(&cosines) {
                        for (j, &cosine) in (wide.start + columns * RIGHT..wide.end).zip(line) {
                            if i < j {
                                visit(i, j, cosine.clamp(-1.0, 1.0));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Dot products of `LEFT` packed rows with `RIGHT` packed rows.
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

/// Groups of `WIDTH` faces, component by component: component 0 of each, component 1 of each, …; zeros fill the last.
fn pack<const WIDTH: usize>(rows: Rows<'_>, members: &[Member], packed: &mut Vec<f32>) {
    packed.clear();
    packed.resize(members.len().div_ceil(WIDTH) * WIDTH * rows.dimension, 0.0);
    for (group, out) in members.chunks(WIDTH).zip(packed.chunks_exact_mut(WIDTH * rows.dimension)) {
        for (lane, member) in group.iter().enumerate() {
            for (slot, &value) in out.iter_mut().skip(lane).step_by(WIDTH).zip(rows.row(member.row)) {
                *slot = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::Population;
    use crate::similarity::population::Labelled;

    #[test]
    fn every_pair_is_visited_once_with_its_cosine() {
        const DIMENSION: usize = 19;
        let names: Vec<String> = (0..150).map(|i| format!("{i:03}")).collect();
        let faces: Vec<Labelled<'_>> = names
            .iter()
            .map(|name| Labelled { face_id: name, identity: Some("one"), image_id: name, content: None })
            .collect();
        let members = Population::new(&faces, 0).members;
        let data = crate::similarity::tests::unit_rows(150, DIMENSION, 5);
        let rows = Rows { data: &data, dimension: DIMENSION };
        for (left, right) in [(0..150, 0..150), (3..70, 70..150), (10..80, 10..150)] {
            let mut seen = std::collections::BTreeSet::new();
            for_each_pair(
                rows,
                &members,
                left.clone(),
                right.clone(),
                || true,
                |i, j, found| {
                    assert!(left.contains(&i) && right.contains(&j) && i < j && seen.insert((i, j)));
                    let (a, b) = (rows.row(members[i].row), rows.row(members[j].row));
                    let exact: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    assert!((f64::from(found) - exact).abs() < 1e-6);
                    assert!((cosine(a, b) - found).abs() < 1e-6);
                },
            );
            let expected = left.flat_map(|i| right.clone().map(move |j| (i, j))).filter(|(i, j)| i < j).count();
            assert_eq!(seen.len(), expected);
        }
        let mut tiles = 0;
        for_each_pair(
            rows,
            &members,
            0..150,
            0..150,
            || {
                tiles += 1;
                tiles < 3
            },
            |_, _, _| (),
        );
        assert_eq!(tiles, 3, "a refusal ends it");
    }
}
