//! Variance of an error rate from the errors of each resampled unit: the plug-in variance of Fogliato, Patil & Perona
//! (2023), "Confidence Intervals for Error Rates in 1:1 Matching Tasks".
//!
//! Let e be the errors of a set of pairs minus those that the overall rate predicts. The variance of FNMR is the sum of e²
//! over units; that of FMR is the sum of e·e′ over all pairs of cells that share a unit, each cell once with itself. Both
//! are too small if a few units hold many of the pairs, because these pull the rate towards their own. So each unit counts
//! by how much leaving it out changes the rate (the jackknife of a ratio), which is the same for many small units. With
//! clusters of one size it equals the ratio estimator of a cluster sample (Cochran 1977, §6.3).

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::carriers::FEWEST;
use super::cells::{COARSE, CosineCell};
use super::counts::{Count, Membership, Total};
use super::roc::place;

/// Squared contributions of units below this are rounding. With 20 billion pairs, one error contributes 1e-21.
const ROUNDING: f64 = 1e-30;

/// How far each unit moves a rate.
#[derive(Debug, Clone, PartialEq)]
pub struct PlugIn {
    by_unit: Vec<f64>,
    /// The share of the squares that pairs of two units contribute to both units; it counts once.
    twice: f64,
    /// Units that have pairs.
    units: usize,
}

impl PlugIn {
    /// For the share of pairs that match at a threshold. `None` with pairs of too few units.
    #[must_use]
    pub fn of_matches(cells: &[CosineCell], units: usize, threshold: f64) -> Option<Self> {
        // Several cells may belong to one pair of units, in any order: sums of integers do not depend on it.
        let (bin, inside) = place(threshold, COARSE);
        let mut between = vec![[0_u64; 3]; units * units];
        for cell in cells {
            let (g, h) = (usize::from(cell.units.0), usize::from(cell.units.1));
            let (above, here) = cell.above_and_in(bin);
            let sums = between[g.min(h) * units + g.max(h)].iter_mut();
            sums.zip([above, here, cell.pairs()]).for_each(|(sum, count)| *sum += count);
        }
        let matches = |[above, here, pairs]: [u64; 3]| (above as f64 + here as f64 * (1.0 - inside), pairs as f64);
        let between: Vec<(f64, f64)> = between.into_iter().map(matches).collect();
        let between = between.into_iter().enumerate().filter(|(_, cell)| cell.1 > 0.0);
        let between: Vec<_> = between.map(|(place, (here, n))| ((place / units, place % units), here, n)).collect();
        Self::of_sums(&between, units)
    }

    /// For the mean of a quantity over pairs, from its sum and the number of pairs of each pair of units; each pair of
    /// units appears once, in either order. `None` with pairs of too few units.
    #[must_use]
    pub fn of_sums(between: &[((usize, usize), f64, f64)], units: usize) -> Option<Self> {
        let (sum, pairs) = between.iter().fold((0.0, 0.0), |sum, cell| (sum.0 + cell.1, sum.1 + cell.2));
        let rate = sum / pairs;
        let (mut by_unit, mut twice) = (vec![(0.0, 0.0); units], 0.0);
        for &((g, h), here, n) in between {
            let error = here - rate * n;
            by_unit[g] = (by_unit[g].0 + error, by_unit[g].1 + n);
            if g != h {
                by_unit[h] = (by_unit[h].0 + error, by_unit[h].1 + n);
                twice += (error / pairs).powi(2);
            }
        }
        let found = Self::of_errors(by_unit, pairs, twice);
        (found.units >= FEWEST).then_some(found)
    }

    /// For the share of hits among trials, from the counts of each unit. The caller refuses too few units.
    #[must_use]
    pub(crate) fn of_counts(counts: &[Count], membership: Membership) -> Self {
        let Total { hits, trials, .. } = Total::of(counts, membership);
        let (trials, rate) = (trials as f64, hits as f64 / trials as f64);
        let error = |count: &Count| (count.hits as f64 - rate * count.trials as f64, count.trials as f64);
        // Each trial of two units is a cell of its own.
        let twice = if membership == Membership::Two { rate * (1.0 - rate) / trials } else { 0.0 };
        Self::of_errors(counts.iter().map(error).collect(), trials, twice)
    }

    /// From each unit's excess of errors over what the rate predicts for its pairs, and its number of pairs.
    fn of_errors(by_unit: Vec<(f64, f64)>, pairs: f64, twice: f64) -> Self {
        let units = by_unit.iter().filter(|unit| unit.1 > 0.0).count();
        let others = |n: f64| if n < pairs { pairs - n } else { pairs };
        let by_unit = by_unit.into_iter().map(|(error, n)| error / others(n)).collect();
        Self { by_unit, twice, units }
    }

    /// For the rate `mine` · this + `theirs` · the other.
    #[must_use]
    pub fn mixed(&self, mine: f64, other: &Self, theirs: f64) -> Self {
        let by_unit = self.by_unit.iter().zip(&other.by_unit).map(|(a, b)| mine * a + theirs * b).collect();
        let twice = mine.powi(2) * self.twice + theirs.powi(2) * other.twice;
        Self { by_unit, twice, units: self.units.max(other.units) }
    }

    /// The same with this number of units that have pairs: after mixing rates of different people.
    #[must_use]
    pub fn over(self, units: usize) -> Self {
        Self { units, ..self }
    }

    /// The same with at least this variance.
    #[must_use]
    pub fn at_least(mut self, variance: f64) -> Self {
        self.twice -= (variance - self.variance()).max(0.0);
        self
    }

    /// Variance of the rate. It may be negative if all pairs are of two units.
    #[must_use]
    pub fn variance(&self) -> f64 {
        let units = self.units as f64;
        self.squares().sum::<f64>() * (units - 1.0) / units - self.twice
    }

    /// How many standard deviations an interval reaches to each side: Student's quantile, with as many degrees of freedom
    /// as the spread of the units' squares leaves (Satterthwaite 1946), at most one less than there are units. Where a few
    /// units make most of the errors, the variance itself is not well known.
    #[must_use]
    pub fn quantile(&self, level: f64) -> f64 {
        let units = self.units as f64;
        let most = (units - 1.0).max(1.0);
        let mean = self.squares().sum::<f64>() / units;
        let spread: f64 = self.squares().map(|square| (square - mean).powi(2)).sum();
        // Only units with pairs count.
        let spread = spread - (self.by_unit.len() - self.units) as f64 * mean.powi(2);
        // Units that all have the same rate differ by rounding only, whose spread says nothing.
        let freedom = if mean > ROUNDING && spread > 0.0 { 2.0 * (mean * units).powi(2) / spread } else { most };
        let student = StudentsT::new(0.0, 1.0, freedom.clamp(1.0, most));
        student.map_or(f64::NAN, |student| student.inverse_cdf(f64::midpoint(1.0, level)))
    }

    fn squares(&self) -> impl Iterator<Item = f64> {
        self.by_unit.iter().map(|unit| unit.powi(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many pairs at 1 and at −1 between two units.
    fn cell(units: (u16, u16), matches: usize, misses: usize) -> Option<CosineCell> {
        CosineCell::of(units, &[vec![1.0; matches], vec![-1.0; misses]].concat())
    }

    #[test]
    fn units_of_one_size_have_the_variance_of_their_mean() {
        let matches = [3, 5, 1, 9, 7, 7, 2, 0, 10, 6];
        let cells: Vec<CosineCell> = (0..).zip(matches).filter_map(|(unit, n)| cell((unit, unit), n, 10 - n)).collect();
        let rates = matches.map(|n| n as f64 / 10.0);
        let mean = rates.iter().sum::<f64>() / 10.0;
        let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / 9.0 / 10.0;
        let found = PlugIn::of_matches(&cells, 10, 0.0).unwrap();
        assert!((found.variance() / variance - 1.0).abs() < 1e-12, "{} {variance}", found.variance());
        assert!((2.0..2.4).contains(&found.quantile(0.95)), "{}", found.quantile(0.95));
        assert_eq!(PlugIn::of_matches(&cells[..7], 10, 0.0), None, "seven units are too few");
    }

    #[test]
    fn each_pair_of_cells_with_a_common_unit_counts_once() {
        const UNITS: usize = 12;
        let pairs: Vec<(u16, u16)> = (0..12).flat_map(|g| (g + 1..12).map(move |h| (g, h))).collect();
        let matches = |(g, h): (u16, u16)| usize::from((g * 7 + h * 5) % 11);
        let cells: Vec<CosineCell> =
            pairs.iter().filter_map(|&units| cell(units, matches(units), 20 - matches(units))).collect();
        let n = 20.0 * pairs.len() as f64;
        let rate = pairs.iter().map(|&units| matches(units)).sum::<usize>() as f64 / n;
        let error = |units| matches(units) as f64 - rate * 20.0;
        let common = |a: (u16, u16), b: (u16, u16)| a.0 == b.0 || a.0 == b.1 || a.1 == b.0 || a.1 == b.1;
        let sum: f64 = pairs
            .iter()
            .flat_map(|&a| pairs.iter().filter(move |&&b| common(a, b)).map(move |&b| error(a) * error(b)))
            .sum();
        let found = PlugIn::of_matches(&cells, UNITS, 0.0).unwrap();
        let undone = found.squares().sum::<f64>() * (1.0 - 1.0 / 6.0_f64).powi(2) - found.twice;
        assert!((undone / (sum / n / n) - 1.0).abs() < 1e-9, "{undone} {}", sum / n / n);
        // A cell in two pieces is one cell.
        let mut pieces: Vec<CosineCell> = cells[1..].to_vec();
        let first = matches(pairs[0]);
        pieces.extend(cell(pairs[0], first, 0).into_iter().chain(cell(pairs[0], 0, 20 - first)));
        let (whole, pieces) = (found.variance(), PlugIn::of_matches(&pieces, UNITS, 0.0).unwrap().variance());
        assert!((whole / pieces - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_variance_can_be_raised_and_is_never_lowered() {
        let cells: Vec<CosineCell> = (0..20).filter_map(|g| cell((g, g), usize::from(g), 40)).collect();
        let found = PlugIn::of_matches(&cells, 20, 0.0).unwrap();
        let variance = found.variance();
        assert_eq!(found.clone().at_least(variance / 2.0), found);
        assert!((found.at_least(variance * 2.0).variance() / variance - 2.0).abs() < 1e-12);
    }

    #[test]
    fn one_unit_with_all_the_errors_makes_the_variance_uncertain() {
        let cells: Vec<CosineCell> = (0..20).filter_map(|g| cell((g, g), 30 * usize::from(g == 3), 100)).collect();
        assert!(PlugIn::of_matches(&cells, 20, 0.0).unwrap().quantile(0.95) > 3.5);
    }
}
