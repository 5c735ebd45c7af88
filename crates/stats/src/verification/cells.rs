//! The cosines of each resampled unit, and between each two: what every replicate and every plug-in variance is a sum of.

use super::carriers::too_few;
use super::tally::{BINS, Moments, Tally, bin};

/// Identities (or groups of them) that are resampled.
pub const MAX_UNITS: usize = 100;

/// Bins of a replicate; inside a bin, counts are taken as spread evenly.
pub const COARSE: usize = 2048;

/// The cosines of one resampled unit, or between two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosineCell {
    pub(super) units: (u16, u16),
    pub(super) moments: Moments,
    /// The lowest occupied bin of [`COARSE`].
    pub(super) first: usize,
    /// From there to the highest.
    pub(super) counts: Vec<u64>,
}

impl CosineCell {
    /// Keeps a tally at the resolution of a replicate; `None` when it is empty.
    #[must_use]
    pub fn new(units: (u16, u16), tally: &Tally) -> Option<Self> {
        const FINE: usize = BINS / COARSE;
        let occupied = tally.occupied();
        if occupied.is_empty() {
            return None;
        }
        let (first, last) = (occupied.start / FINE, (occupied.end - 1) / FINE);
        let counts = (first..=last).map(|bin| tally.counts[bin * FINE..(bin + 1) * FINE].iter().sum()).collect();
        Some(Self { units, moments: tally.moments, first, counts })
    }

    /// Units, moments, first bin and counts from there on.
    #[must_use]
    pub fn parts(&self) -> ((u16, u16), Moments, usize, &[u64]) {
        (self.units, self.moments, self.first, &self.counts)
    }

    /// What [`Self::parts`] gave; `None` where the counts go past the last bin.
    #[must_use]
    pub fn from_parts(units: (u16, u16), moments: Moments, first: usize, counts: Vec<u64>) -> Option<Self> {
        (first + counts.len() <= COARSE).then_some(Self { units, moments, first, counts })
    }

    /// Of these cosines; `None` without any.
    #[must_use]
    pub fn of(units: (u16, u16), cosines: &[f32]) -> Option<Self> {
        let bins = || cosines.iter().map(|&cosine| bin(cosine, COARSE));
        let (first, last) = (bins().min()?, bins().max()?);
        let (mut moments, mut counts) = (Moments::default(), vec![0; last - first + 1]);
        for &cosine in cosines {
            moments.add(cosine);
            counts[bin(cosine, COARSE) - first] += 1;
        }
        Some(Self { units, moments, first, counts })
    }

    /// Makes one cell of all that belong to one pair of units: every statistic is of sums of integers over them.
    pub fn coalesce(cells: &mut Vec<Self>) {
        cells.sort_by_key(|cell| cell.units);
        cells.dedup_by(|next, cell| {
            let same = next.units == cell.units;
            if same {
                cell.merge(next);
            }
            same
        });
    }

    fn merge(&mut self, other: &Self) {
        let (first, end) = (self.first.min(other.first), self.end().max(other.end()));
        let mut counts = vec![0; end - first];
        self.add_to(&mut counts, first);
        other.add_to(&mut counts, first);
        self.moments.merge(&other.moments);
        (self.first, self.counts) = (first, counts);
    }

    fn end(&self) -> usize {
        self.first + self.counts.len()
    }

    /// Pairs in it.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        self.moments.count()
    }

    /// How many of its pairs are in bins above `bin` of [`COARSE`], and how many in it.
    pub(super) fn above_and_in(&self, bin: usize) -> (u64, u64) {
        let Some(bin) = bin.checked_sub(self.first) else { return (self.pairs(), 0) };
        (self.counts.iter().skip(bin + 1).sum(), self.counts.get(bin).copied().unwrap_or(0))
    }

    /// Adds the counts of the bins from `start` on to `sums`, a bin each.
    pub(super) fn add_to(&self, sums: &mut [u64], start: usize) {
        let (skipped, empty) = (start.saturating_sub(self.first), self.first.saturating_sub(start));
        for (sum, count) in sums.iter_mut().skip(empty).zip(self.counts.iter().skip(skipped)) {
            *sum += count;
        }
    }
}

/// Everything that replicates are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CosineCells {
    /// Number of resampled units.
    pub units: usize,
    /// Number of identities behind them.
    pub identities: usize,
    /// Genuine pairs by unit.
    pub genuine: Vec<CosineCell>,
    /// Impostor pairs by pair of units; several cells may share one.
    pub impostor: Vec<CosineCell>,
}

/// Which pairs a statistic is made of: who has none of them does not carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Genuine pairs.
    Genuine,
    /// Impostor pairs.
    Impostor,
    /// Both.
    Both,
}

impl CosineCells {
    /// How many units have pairs of this kind: for both, the fewer.
    #[must_use]
    pub fn carriers(&self, of: Of) -> usize {
        let count = |cells: &[CosineCell]| {
            let mut has = vec![false; self.units];
            for unit in cells.iter().flat_map(|cell| [cell.units.0, cell.units.1]) {
                has[usize::from(unit)] = true;
            }
            has.into_iter().filter(|has| *has).count()
        };
        match of {
            Of::Genuine => count(&self.genuine),
            Of::Impostor => count(&self.impostor),
            Of::Both => count(&self.genuine).min(count(&self.impostor)),
        }
    }

    /// What a unit is, in the plural.
    #[must_use]
    pub fn who(&self) -> &'static str {
        if self.units < self.identities { "groups of identities" } else { "identities" }
    }

    /// Why an estimate of these pairs has no interval, if too few units have them.
    #[must_use]
    pub fn too_few(&self, of: Of) -> Option<String> {
        let (genuine, impostor) = ((Of::Genuine, "genuine pairs"), (Of::Impostor, "impostor pairs"));
        let kinds = match of {
            Of::Genuine => vec![genuine],
            Of::Impostor => vec![impostor],
            Of::Both => vec![genuine, impostor],
        };
        kinds.into_iter().find_map(|(of, what)| too_few(self.carriers(of), self.who(), what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_one_pair_of_units_become_one() {
        let cosines = [0.25, -0.5, 0.2501, 1.0, 0.7, 0.1];
        let (mut cells, other) = (Vec::new(), CosineCell::of((0, 2), &[0.5]).unwrap());
        for part in [&cosines[..2], &cosines[2..3], &cosines[3..]] {
            cells.extend(CosineCell::of((1, 2), part));
            cells.push(other.clone());
        }
        CosineCell::coalesce(&mut cells);
        assert_eq!(cells, [CosineCell::of((0, 2), &[0.5; 3]).unwrap(), CosineCell::of((1, 2), &cosines).unwrap()]);
    }

    #[test]
    fn cells_of_cosines_are_those_of_their_tally() {
        let cosines = [0.25, -0.5, 0.2501, 1.0, 0.7];
        let mut tally = Tally::default();
        tally.extend(cosines);
        let cell = CosineCell::of((0, 1), &cosines).unwrap();
        assert_eq!(CosineCell::new((0, 1), &tally), Some(cell.clone()));
        assert_eq!(CosineCell::of((0, 1), &[]), None);
        assert_eq!(
            [0, 512, 1279, 1280, 2047].map(|bin| cell.above_and_in(bin)),
            [(5, 0), (4, 1), (4, 0), (2, 2), (0, 1)]
        );
    }
}
