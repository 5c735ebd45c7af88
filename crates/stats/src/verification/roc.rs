//! Error rates at every threshold, from counts in equal bins. A threshold is a bin's lower edge, where the counts are
//! exact; between edges they are taken as spread evenly.

use super::tally::edge;

/// How many cosines reach each bin edge. Only the edges from the lowest to the highest occupied bin are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survival {
    bins: usize,
    /// The lowest bin that is kept; below it nothing is lost.
    first: usize,
    /// `reach[i]`: cosines ≥ edge `first + i`; never increasing, the last is 0.
    reach: Vec<u64>,
}

impl Survival {
    /// From counts in equal bins over [−1, 1].
    #[must_use]
    pub fn new(counts: &[u64]) -> Self {
        let occupied = counts.iter().position(|&count| count > 0).unwrap_or(0);
        let end = counts.iter().rposition(|&count| count > 0).map_or(occupied, |last| last + 1);
        Self::of_range(counts.len(), occupied, &counts[occupied..end])
    }

    /// From the counts of some neighbouring bins of `bins` equal ones over [−1, 1]; the others are empty.
    #[must_use]
    pub fn of_range(bins: usize, first: usize, counts: &[u64]) -> Self {
        let mut reach = vec![0; counts.len() + 1];
        for bin in (0..counts.len()).rev() {
            reach[bin] = reach[bin + 1] + counts[bin];
        }
        Self { bins, first, reach }
    }

    /// Number of bins.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// All cosines.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.reach[0]
    }

    /// Cosines that reach edge `bin`.
    #[must_use]
    pub fn reach(&self, bin: usize) -> u64 {
        self.reach.get(bin.saturating_sub(self.first)).copied().unwrap_or(0)
    }

    /// Share of cosines that reach edge `bin`; 0 when there are none at all.
    #[must_use]
    pub fn rate(&self, bin: usize) -> f64 {
        if self.total() == 0 { 0.0 } else { self.reach(bin) as f64 / self.total() as f64 }
    }

    /// Share of cosines ≥ `cosine`.
    #[must_use]
    pub fn rate_at(&self, cosine: f64) -> f64 {
        let (bin, inside) = place(cosine, self.bins);
        self.rate(bin) + (self.rate(bin + 1) - self.rate(bin)) * inside
    }

    /// The cosine that a share `level` of all lies at or below, within one bin.
    #[must_use]
    pub fn quantile(&self, level: f64) -> f64 {
        let total = self.total();
        let wanted = (level * total as f64).clamp(f64::from(u8::from(total > 0)), total as f64);
        // The first bin whose upper edge has `wanted` cosines below it.
        let bin = self.reach[1..].partition_point(|&reach| ((total - reach) as f64) < wanted) + self.first;
        let bin = bin.min(self.bins - 1);
        let (below, inside) = (total - self.reach(bin), self.reach(bin) - self.reach(bin + 1));
        let share = if inside == 0 { 0.0 } else { (wanted - below as f64) / inside as f64 };
        edge(bin, self.bins) + share.clamp(0.0, 1.0) * (2.0 / self.bins as f64)
    }

    /// The lowest edge that at most `allowed` cosines reach.
    #[must_use]
    pub fn lowest_edge(&self, allowed: u64) -> usize {
        match self.reach.partition_point(|&reach| reach > allowed) {
            0 => 0,
            kept => self.first + kept,
        }
    }

    /// The highest edge that at least `reached` cosines reach, the first one where there is none.
    fn highest_edge(&self, reached: u64) -> usize {
        match self.reach.partition_point(|&reach| reach >= reached) {
            0 => 0,
            kept => self.first + kept - 1,
        }
    }
}

/// The bin of a threshold and how far inside it the threshold is, 0 at its lower edge.
pub(super) fn place(threshold: f64, bins: usize) -> (usize, f64) {
    let place = ((threshold + 1.0) * (bins as f64 / 2.0)).clamp(0.0, bins as f64);
    (place as usize, place.fract())
}

/// Genuine and impostor cosines, threshold by threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roc<'a> {
    /// Same identity.
    pub genuine: &'a Survival,
    /// Different identities; as many bins.
    pub impostor: &'a Survival,
}

impl Roc<'_> {
    /// Share of impostor pairs that match at edge `bin`.
    #[must_use]
    pub fn fmr(&self, bin: usize) -> f64 {
        self.impostor.rate(bin)
    }

    /// Share of genuine pairs that do not match at edge `bin`.
    #[must_use]
    pub fn fnmr(&self, bin: usize) -> f64 {
        1.0 - self.genuine.rate(bin)
    }

    /// Probability that a genuine pair scores above an impostor pair; two in one bin count half.
    #[must_use]
    pub fn auc(&self) -> f64 {
        let (genuine, impostor) = (self.genuine, self.impostor);
        let mut twice_above = 0_u128;
        for bin in impostor.first..impostor.first + impostor.reach.len() - 1 {
            let here = u128::from(impostor.reach(bin) - impostor.reach(bin + 1));
            twice_above += here * u128::from(genuine.reach(bin) + genuine.reach(bin + 1));
        }
        let pairs = u128::from(self.genuine.total()) * u128::from(self.impostor.total());
        if pairs == 0 { 0.5 } else { twice_above as f64 / 2.0 / pairs as f64 }
    }

    /// Equal error rate and its threshold. Where the rates cross between two neighbouring edges, both are interpolated
    /// linearly; where they agree over several edges, the threshold is the middle of them.
    #[must_use]
    pub fn eer(&self) -> (f64, f64) {
        let bins = self.genuine.bins();
        let gap = |bin: usize| self.fmr(bin) - self.fnmr(bin);
        // gap falls from 1 at the first edge to −1 at the last.
        let first_equal = first_edge(bins, |bin| gap(bin) <= 0.0);
        let first_below = first_edge(bins, |bin| gap(bin) < 0.0);
        if first_equal < first_below {
            let middle = f64::midpoint(edge(first_equal, bins), edge(first_below - 1, bins));
            return (self.fmr(first_equal), middle);
        }
        let (before, after) = (first_equal.saturating_sub(1), first_equal.min(bins));
        let (above, below) = (gap(before), gap(after));
        let share = if above > below { above / (above - below) } else { 0.0 };
        let between = |from: f64, to: f64| from + (to - from) * share;
        (between(self.fmr(before), self.fmr(after)), between(edge(before, bins), edge(after, bins)))
    }

    /// Edges worth plotting, strictest first: evenly spaced by the logarithm of each error rate, down to a single
    /// error. At most about 600.
    #[must_use]
    pub fn curve_edges(&self) -> Vec<usize> {
        const LEVELS: u32 = 300;
        let levels = |n: u64| {
            let decades = (n.max(2) as f64).log10();
            (0..LEVELS).map(move |i| 10f64.powf(-decades * f64::from(i) / f64::from(LEVELS - 1)))
        };
        let (impostor, genuine) = (self.impostor.total(), self.genuine.total());
        let mut edges = vec![self.impostor.lowest_edge(0), self.genuine.lowest_edge(0)];
        edges.extend(levels(impostor).map(|level| self.impostor.lowest_edge(allowed(level, impostor))));
        for missed in levels(genuine).map(|level| allowed(level, genuine)).chain([0]) {
            // The strictest edge that misses at most this many.
            edges.push(self.genuine.highest_edge((genuine - missed).max(1)));
        }
        edges.sort_unstable_by(|a, b| b.cmp(a));
        edges.dedup();
        edges
    }
}

/// The first edge of `0..=bins` that something holds for, if it holds for all after it; `bins + 1` when for none.
pub(super) fn first_edge(bins: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, bins + 1);
    while low < high {
        let middle = usize::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// How many of `n` a rate allows: ⌊rate·n⌋, with 1e-6 × 1,000,000 being 1 however it was rounded.
#[must_use]
pub fn allowed(rate: f64, n: u64) -> u64 {
    (rate * n as f64 * (1.0 + 1e-12)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn survivals(genuine: &[u64], impostor: &[u64]) -> (Survival, Survival) {
        (Survival::new(genuine), Survival::new(impostor))
    }

    #[test]
    fn crossing_rates_are_interpolated() {
        // FMR at the edges: 1, .5, .25, 0, 0; FNMR: 0, 0, .25, .5, 1. They meet at the third edge.
        let (genuine, impostor) = survivals(&[0, 1, 1, 2], &[2, 1, 1, 0]);
        let roc = Roc { genuine: &genuine, impostor: &impostor };
        assert_eq!(roc.eer(), (0.25, 0.0));
        // FMR 1, .6, 0; FNMR 0, .2, 1: gap 1, .4, −1 → 2/7 of the way.
        let (genuine, impostor) = survivals(&[1, 4], &[2, 3]);
        let (rate, threshold) = Roc { genuine: &genuine, impostor: &impostor }.eer();
        assert!((rate - (0.6 - 0.6 * 2.0 / 7.0)).abs() < 1e-12, "{rate}");
        assert!(threshold > 0.0);
    }

    #[test]
    fn separated_classes_have_no_error_and_a_threshold_in_the_gap() {
        let (genuine, impostor) = survivals(&[0, 0, 0, 5], &[5, 0, 0, 0]);
        let roc = Roc { genuine: &genuine, impostor: &impostor };
        assert_eq!(roc.eer(), (0.0, 0.0));
        assert_eq!(roc.auc(), 1.0);
    }

    #[test]
    fn quantiles_are_within_a_bin() {
        let mut counts = vec![0; 200];
        counts[100..].fill(1);
        let survival = Survival::new(&counts);
        for (level, expected) in [(0.01, 0.01), (0.5, 0.5), (1.0, 1.0), (0.0, 0.01)] {
            assert!((survival.quantile(level) - expected).abs() <= 0.01, "{level}: {}", survival.quantile(level));
        }
    }

    #[test]
    fn a_rate_that_is_a_whole_number_of_pairs_allows_them() {
        for exponent in 1..=6 {
            assert_eq!(allowed(10f64.powi(-exponent), 10u64.pow(exponent as u32)), 1);
        }
        assert_eq!(allowed(1e-3, 999), 0);
    }

    proptest! {
        #[test]
        fn curves_are_monotone_and_exact(
            genuine in prop::collection::vec(0u64..50, 64),
            impostor in prop::collection::vec(0u64..50, 64),
        ) {
            prop_assume!(genuine.iter().sum::<u64>() > 0 && impostor.iter().sum::<u64>() > 0);
            let (g, i) = survivals(&genuine, &impostor);
            let roc = Roc { genuine: &g, impostor: &i };
            let edges = roc.curve_edges();
            prop_assert!(edges.is_sorted_by(|a, b| a > b));
            for pair in edges.windows(2) {
                prop_assert!(roc.fmr(pair[0]) <= roc.fmr(pair[1]));
                prop_assert!(roc.fnmr(pair[0]) >= roc.fnmr(pair[1]));
            }
            prop_assert!(edges.iter().any(|&e| roc.fmr(e) == 0.0));
            prop_assert!(edges.iter().any(|&e| roc.fnmr(e) == 0.0));
            for &edge in &edges {
                let count: u64 = impostor[edge..].iter().sum();
                prop_assert_eq!(roc.fmr(edge), count as f64 / i.total() as f64);
            }
        }

        #[test]
        fn swapping_labels_and_signs_keeps_area_and_equal_error(
            genuine in prop::collection::vec(0u64..50, 32),
            impostor in prop::collection::vec(0u64..50, 32),
        ) {
            prop_assume!(genuine.iter().sum::<u64>() > 0 && impostor.iter().sum::<u64>() > 0);
            let reversed = |counts: &[u64]| Survival::new(&counts.iter().rev().copied().collect::<Vec<_>>());
            let (g, i) = survivals(&genuine, &impostor);
            let roc = Roc { genuine: &g, impostor: &i };
            let (swapped_g, swapped_i) = (reversed(&impostor), reversed(&genuine));
            let swapped = Roc { genuine: &swapped_g, impostor: &swapped_i };
            prop_assert!((roc.auc() - swapped.auc()).abs() < 1e-12);
            prop_assert!((roc.eer().0 - swapped.eer().0).abs() < 1e-9);
            let exchanged = Roc { genuine: &i, impostor: &g };
            prop_assert!((roc.auc() + exchanged.auc() - 1.0).abs() < 1e-12);
        }
    }
}
