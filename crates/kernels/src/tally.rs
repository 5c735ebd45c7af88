//! Statistics of a stream of cosines: counts in equal bins, exact moments and the extremes.
//!
//! Moments are sums of fixed-point integers (steps of 2⁻³⁰, below the rounding of most 32-bit cosines). Integer sums do not
//! depend on the order of their terms, so any number of threads gives the same bits.

use std::fmt;

/// Bins over [−1, 1]; one bin is 3.1e-5 wide.
pub const BINS: usize = 65_536;

/// Fixed-point one of a cosine.
pub(crate) const FIXED_POINT: f32 = (1_u32 << 30) as f32;

/// Fixed-point one of a square.
const SQUARE_ONE: f64 = (1_u64 << 40) as f64;

/// The bin that a cosine falls in, of `bins` (a power of two) equal ones over [−1, 1]. A bin contains its lower edge; 1
/// is in the last.
#[must_use]
pub fn bin(cosine: f32, bins: usize) -> usize {
    // Multiplied before it is shifted: shifted first, a cosine just below zero would become zero.
    ((f64::from(cosine) * (bins as f64 / 2.0)).floor() + bins as f64 / 2.0).clamp(0.0, bins as f64 - 1.0) as usize
}

/// Lower edge of a bin. The edge after the last bin is one bin above 1, where nothing is.
#[must_use]
pub fn edge(bin: usize, bins: usize) -> f64 {
    let step = if bin == bins { bin + 1 } else { bin };
    step as f64 * (2.0 / bins as f64) - 1.0
}

/// Number, sum, sum of squares and sum of magnitudes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moments {
    count: u64,
    sum: i128,
    squares: i128,
    magnitudes: i128,
}

impl Moments {
    /// Adds a cosine.
    pub fn add(&mut self, cosine: f32) {
        let steps = (cosine * FIXED_POINT) as i32;
        let magnitude = u64::from(steps.unsigned_abs());
        let square = (magnitude * magnitude) >> Self::SQUARE_SHIFT;
        self.merge(&Self::from_sums(1, steps.into(), square, magnitude));
    }

    /// Bits of a product of two fixed-point cosines that a sum of squares does without.
    pub(crate) const SQUARE_SHIFT: u32 = 20;

    /// From sums over `count` cosines: of their steps, of the squares of these less [`Self::SQUARE_SHIFT`] bits, and of
    /// their magnitudes.
    #[must_use]
    pub(crate) fn from_sums(count: u64, sum: i64, squares: u64, magnitudes: u64) -> Self {
        Self { count, sum: sum.into(), squares: squares.into(), magnitudes: magnitudes.into() }
    }

    /// All of it as words, for [`Self::from_words`].
    #[must_use]
    pub fn to_words(self) -> [u64; 7] {
        let halves = |sum: i128| [sum as u64, (sum >> 64) as u64];
        let ([a, b], [c, d], [e, f]) = (halves(self.sum), halves(self.squares), halves(self.magnitudes));
        [self.count, a, b, c, d, e, f]
    }

    /// The inverse of [`Self::to_words`].
    #[must_use]
    pub fn from_words([count, a, b, c, d, e, f]: [u64; 7]) -> Self {
        let whole = |low: u64, high: u64| (u128::from(high) << 64 | u128::from(low)) as i128;
        Self { count, sum: whole(a, b), squares: whole(c, d), magnitudes: whole(e, f) }
    }

    /// Adds another's cosines.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
        self.magnitudes += other.magnitudes;
    }

    /// How many cosines.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; 0 when there are none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.share(self.sum, f64::from(FIXED_POINT))
    }

    /// Their population standard deviation.
    #[must_use]
    pub fn std(&self) -> f64 {
        (self.share(self.squares, SQUARE_ONE) - self.mean().powi(2)).max(0.0).sqrt()
    }

    /// Mean of their magnitudes.
    #[must_use]
    pub fn mean_abs(&self) -> f64 {
        self.share(self.magnitudes, f64::from(FIXED_POINT))
    }

    fn share(&self, sum: i128, one: f64) -> f64 {
        if self.count == 0 { 0.0 } else { sum as f64 / one / self.count as f64 }
    }
}

/// A stream of cosines, summed up.
#[derive(Clone, PartialEq)]
pub struct Tally {
    /// Exact moments.
    pub moments: Moments,
    /// Smallest cosine; +∞ before the first.
    pub min: f32,
    /// Largest cosine; −∞ before the first.
    pub max: f32,
    /// Counts in [`BINS`] equal bins over [−1, 1].
    pub counts: Vec<u64>,
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let occupied: Vec<_> = self.counts.iter().enumerate().filter(|(_, count)| **count > 0).collect();
        let mut tally = f.debug_struct("Tally");
        tally.field("moments", &self.moments).field("min", &self.min).field("max", &self.max);
        tally.field("counts", &occupied).finish()
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self { moments: Moments::default(), min: f32::INFINITY, max: f32::NEG_INFINITY, counts: vec![0; BINS] }
    }
}

impl Tally {
    /// Adds a cosine in [−1, 1].
    pub fn add(&mut self, cosine: f32) {
        self.moments.add(cosine);
        self.min = self.min.min(cosine);
        self.max = self.max.max(cosine);
        self.counts[bin(cosine, BINS)] += 1;
    }

    /// Adds another's cosines.
    pub fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        for bin in other.occupied() {
            self.counts[bin] += other.counts[bin];
        }
    }

    /// Clears it, in time that depends on the spread of its cosines and not on the number of bins.
    pub fn clear(&mut self) {
        let occupied = self.occupied();
        self.counts[occupied].fill(0);
        self.moments = Moments::default();
        (self.min, self.max) = (f32::INFINITY, f32::NEG_INFINITY);
    }

    /// The bins from the smallest to the largest cosine.
    #[must_use]
    pub fn occupied(&self) -> std::ops::Range<usize> {
        if self.moments.count == 0 { 0..0 } else { bin(self.min, BINS)..bin(self.max, BINS) + 1 }
    }
}

impl Extend<f32> for Tally {
    fn extend<I: IntoIterator<Item = f32>>(&mut self, cosines: I) {
        cosines.into_iter().for_each(|cosine| self.add(cosine));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_contains_its_lower_edge() {
        assert_eq!(bin(-1.0, BINS), 0);
        assert_eq!(bin(1.0, BINS), BINS - 1);
        assert_eq!(bin(0.0, BINS), BINS / 2);
        for index in [0, 1, 777, 32_768, 65_535] {
            assert_eq!(bin(edge(index, BINS) as f32, BINS), index);
        }
        assert!(edge(BINS, BINS) > 1.0, "nothing reaches the edge after the last bin");
    }

    #[test]
    fn moments_are_those_of_the_numbers() {
        let mut tally = Tally::default();
        tally.extend([0.5, -0.25, 0.75, -1.0]);
        assert_eq!(tally.moments.mean(), 0.0);
        assert_eq!(tally.moments.mean_abs(), 0.625);
        assert!((tally.moments.std() - (1.875f64 / 4.0).sqrt()).abs() < 1e-12);
        assert_eq!((tally.min, tally.max), (-1.0, 0.75));
    }

    #[test]
    fn order_and_partition_change_no_bit() {
        let cosines: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin()).collect();
        let (mut whole, mut left, mut right) = (Tally::default(), Tally::default(), Tally::default());
        whole.extend(cosines.iter().copied());
        left.extend(cosines[..300].iter().rev().copied());
        right.extend(cosines[300..].iter().copied());
        right.merge(&left);
        assert_eq!(right, whole);
        right.clear();
        assert_eq!(right, Tally::default());
    }
}
