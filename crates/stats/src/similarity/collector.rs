//! What one thread keeps of the pairs it compared. All of it adds up to the same in any order.

use super::PairKind;
use super::faces::FaceErrors;
use super::hardest::Hardest;
use super::kernel::{Rows, cosine};
use super::member::Member;
use super::population::Population;
use crate::verification::cells::CosineCell;
use crate::verification::tally::{Moments, Tally};
use facevault_kernels::products::Sums;

/// Cells of a kind that are kept before those of one pair of units become one: more than there are pairs of units.
const CELLS: usize = 8192;

/// A pair's units, its two positions, and whether it counts as a genuine pair.
pub(super) type PlacedPair = ((u16, u16), usize, usize, bool);

/// Sums over pairs.
#[derive(Debug)]
pub struct Collector {
    /// All genuine pairs of closed cells.
    pub genuine: Tally,
    /// All impostor pairs of closed cells.
    pub impostor: Tally,
    /// Genuine pairs by unit.
    pub genuine_cells: Vec<CosineCell>,
    /// Impostor pairs by pair of units.
    pub impostor_cells: Vec<CosineCell>,
    /// By identity.
    pub spread: Vec<IdentityCosines>,
    /// Genuine pairs with the lowest cosines.
    pub hardest_genuine: Hardest,
    /// Impostor pairs with the highest cosines.
    pub hardest_impostor: Hardest,
    /// Errors by face at the watched thresholds.
    pub faces: FaceErrors,
    watched: Vec<f32>,
    open_genuine: Tally,
    open_impostor: Tally,
}

/// One identity's cosines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IdentityCosines {
    /// Number of genuine pairs, and their moments.
    pub genuine: Moments,
    /// Lowest of them; +∞ without any.
    pub genuine_min: f32,
    /// Highest cosine to another identity; −∞ without any.
    pub impostor_max: f32,
    /// Which identity that is; among equals, the first in string order.
    pub nearest: u32,
}

impl Default for IdentityCosines {
    fn default() -> Self {
        Self {
            genuine: Moments::default(),
            genuine_min: f32::INFINITY,
            impostor_max: f32::NEG_INFINITY,
            nearest: u32::MAX,
        }
    }
}

impl IdentityCosines {
    /// Records a cosine to another identity.
    pub fn meet(&mut self, other: u32, cosine: f32) {
        if cosine > self.impostor_max || (cosine == self.impostor_max && other < self.nearest) {
            (self.impostor_max, self.nearest) = (cosine, other);
        }
    }
}

impl Collector {
    /// An empty collector. `watched` are the thresholds, ascending, at which errors are counted face by face; without
    /// any, nothing is kept by face.
    #[must_use]
    pub fn new(population: &Population<'_>, hardest: usize, watched: &[f32]) -> Self {
        let rows = if watched.is_empty() { 0 } else { population.rows };
        Self {
            faces: FaceErrors::new(rows, watched.len()),
            watched: watched.into(),
            genuine: Tally::default(),
            impostor: Tally::default(),
            genuine_cells: Vec::new(),
            impostor_cells: Vec::new(),
            spread: vec![IdentityCosines::default(); population.names.len()],
            hardest_genuine: Hardest::new(hardest),
            hardest_impostor: Hardest::new(hardest),
            open_genuine: Tally::default(),
            open_impostor: Tally::default(),
        }
    }

    /// Adds a pair to the open cell.
    pub fn add(&mut self, kind: PairKind, a: &Member, b: &Member, cosine: f32) {
        if !self.watched.is_empty() {
            self.faces.add(kind, [a.row, b.row], cosine, &self.watched);
        }
        match kind {
            PairKind::Genuine => {
                self.open_genuine.add(cosine);
                let spread = &mut self.spread[a.identity as usize];
                spread.genuine.add(cosine);
                spread.genuine_min = spread.genuine_min.min(cosine);
                self.hardest_genuine.offer(cosine, a.row, b.row);
            }
            PairKind::Impostor => {
                self.open_impostor.add(cosine);
                self.spread[a.identity as usize].meet(b.identity, cosine);
                self.spread[b.identity as usize].meet(a.identity, cosine);
                self.hardest_impostor.offer(-cosine, a.row, b.row);
            }
        }
    }

    /// Adds one of the open cell's impostor pairs that is in the tail and already counted.
    pub fn add_to_tail(&mut self, a: &Member, b: &Member, cosine: f32) {
        self.faces.add_false_match([a.row, b.row], cosine, &self.watched);
        self.spread[a.identity as usize].meet(b.identity, cosine);
        self.spread[b.identity as usize].meet(a.identity, cosine);
        self.hardest_impostor.offer(-cosine, a.row, b.row);
    }

    /// Where impostor pairs of the open cell are counted; [`Self::add_sums`] is the other half.
    pub fn impostor_counts(&mut self) -> &mut [u64] {
        &mut self.open_impostor.counts
    }

    /// Adds the sums over pairs that are already counted.
    pub fn add_sums(&mut self, sums: &Sums) {
        let open = &mut self.open_impostor;
        open.moments.merge(&sums.moments());
        (open.min, open.max) = (open.min.min(sums.min), open.max.max(sums.max));
    }

    /// Closes the open cell: files what was added since the last call under this pair of units. Returns the number of
    /// pairs. However often it is called, cells take memory in proportion to pairs of units.
    pub fn close(&mut self, units: (u16, u16)) -> u64 {
        let parts = [
            (&mut self.open_genuine, &mut self.genuine, &mut self.genuine_cells),
            (&mut self.open_impostor, &mut self.impostor, &mut self.impostor_cells),
        ];
        let mut pairs = 0;
        for (open, total, cells) in parts {
            pairs += open.moments.count();
            cells.extend(CosineCell::new(units, open));
            if cells.len() > CELLS {
                CosineCell::coalesce(cells);
            }
            total.merge(open);
            open.clear();
        }
        pairs
    }

    /// Compares these pairs of positions and files each under its pair of units.
    pub fn compare(&mut self, rows: Rows<'_>, population: &Population<'_>, mut pairs: Vec<PlacedPair>) {
        pairs.sort_unstable();
        for cell in pairs.chunk_by(|a, b| a.0 == b.0) {
            for &(_, a, b, same) in cell {
                let (a, b) = (&population.members[a], &population.members[b]);
                let kind = if same { PairKind::Genuine } else { PairKind::Impostor };
                self.add(kind, a, b, cosine(rows.row(a.row), rows.row(b.row)));
            }
            self.close(cell[0].0);
        }
    }

    /// Makes one cell of those of one pair of units.
    pub fn coalesce(&mut self) {
        CosineCell::coalesce(&mut self.genuine_cells);
        CosineCell::coalesce(&mut self.impostor_cells);
    }

    /// Adds another collector's closed cells.
    pub fn merge(&mut self, other: Self) {
        self.genuine.merge(&other.genuine);
        self.impostor.merge(&other.impostor);
        self.genuine_cells.extend(other.genuine_cells);
        self.impostor_cells.extend(other.impostor_cells);
        self.faces.merge(&other.faces);
        self.hardest_genuine.merge(other.hardest_genuine);
        self.hardest_impostor.merge(other.hardest_impostor);
        for (mine, theirs) in self.spread.iter_mut().zip(other.spread) {
            mine.genuine.merge(&theirs.genuine);
            mine.genuine_min = mine.genuine_min.min(theirs.genuine_min);
            mine.meet(theirs.nearest, theirs.impostor_max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{faces, names};
    use crate::verification::cells::MAX_UNITS;

    #[test]
    fn a_million_closed_cells_are_as_many_as_there_are_pairs_of_units() {
        const _: () = assert!(CELLS > MAX_UNITS * (MAX_UNITS + 1) / 2, "or every call would look at all of them");
        let names = names(4);
        let population = Population::new(&faces(&names, |i| i / 2, |i| i), 1);
        let mut collector = Collector::new(&population, 0, &[]);
        let [a, b, ..] = population.members[..] else { panic!("four faces") };
        let units = MAX_UNITS as u32;
        let (mut most, mut pairs) = (0, 0);
        for cell in 0..1_000_000_u32 {
            let (g, h) = (cell % units, cell / units % units);
            collector.add(PairKind::Genuine, &a, &b, (cell % 17) as f32 / 17.0);
            pairs += collector.close((g.min(h) as u16, g.max(h) as u16));
            most = most.max(collector.genuine_cells.len());
        }
        assert!(most <= CELLS + 1, "{most}");
        collector.coalesce();
        assert_eq!(collector.genuine_cells.len(), MAX_UNITS * (MAX_UNITS + 1) / 2);
        let sum: u64 = collector.genuine_cells.iter().map(CosineCell::pairs).sum();
        assert_eq!((sum, pairs, collector.genuine.moments.count()), (1_000_000, 1_000_000, 1_000_000));
    }
}
