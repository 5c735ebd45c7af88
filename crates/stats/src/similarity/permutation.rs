//! A seeded random order of 0..n that is never stored: each place is computed from its number alone, so drawing without
//! repeats takes no memory, however many are drawn.
//!
//! A Feistel network (Luby & Rackoff 1988) permutes the numbers with an even number of bits. A result outside 0..n is
//! permuted again until it falls inside (cycle walking: Black & Rogaway 2002), which makes it a permutation of 0..n.

use crate::verification::random::Draw;

/// Rounds of the network; four would be enough with perfect round functions.
const ROUNDS: usize = 8;

/// A permutation of 0..n.
#[derive(Debug, Clone)]
pub struct Permutation {
    n: u64,
    /// Bits of half a number.
    half: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// The permutation chosen by the draw's next numbers.
    #[must_use]
    pub fn new(n: u64, draw: &mut Draw) -> Self {
        // Few bits allow few permutations, so take some more than needed; the walk stays short.
        let bits = (u64::BITS - n.saturating_sub(1).leading_zeros()).max(8);
        Self { n, half: bits.div_ceil(2), keys: std::array::from_fn(|_| draw.word()) }
    }

    /// The number at a place; `None` from place n on.
    #[must_use]
    pub fn at(&self, place: u64) -> Option<u64> {
        if place >= self.n {
            return None;
        }
        let mut number = self.once(place);
        while number >= self.n {
            number = self.once(number);
        }
        Some(number)
    }

    fn once(&self, number: u64) -> u64 {
        let mask = (1 << self.half) - 1;
        let (mut left, mut right) = (number >> self.half, number & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mixed(right ^ key) & mask));
        }
        left << self.half | right
    }
}

/// All bits of the result depend on all bits of the number (the finaliser of `SplitMix64`: Steele, Lea & Flood 2014).
fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_has_one_place(n in 0u64..3_000, seed: u64) {
            let order = Permutation::new(n, &mut Draw::units(seed));
            let mut all: Vec<u64> = (0..n).map(|place| order.at(place).unwrap()).collect();
            prop_assert_eq!(order.at(n), None);
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..n));
        }
    }

    /// χ² of counts that should be equal, in standard deviations from its expected value.
    fn off(counts: &[u32]) -> f64 {
        let (cells, all) = (counts.len() as f64, f64::from(counts.iter().sum::<u32>()));
        let expected = all / cells;
        let chi: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        (chi - (cells - 1.0)) / (2.0 * (cells - 1.0)).sqrt()
    }

    #[test]
    fn every_number_and_every_two_are_as_likely_at_each_place() {
        for n in [2, 3, 7, 20, 100] {
            let (mut first, mut third) = (vec![0; n as usize], vec![0; n as usize]);
            let mut two = vec![0; (n * n) as usize];
            for seed in 0..40_000 {
                let order = Permutation::new(n, &mut Draw::units(seed));
                let [a, b] = [0, 1].map(|place| order.at(place).unwrap());
                first[a as usize] += 1;
                two[(a * n + b) as usize] += 1;
                if let Some(number) = order.at(2) {
                    third[number as usize] += 1;
                }
            }
            // Two are never the same number.
            let two: Vec<u32> =
                two.into_iter().enumerate().filter(|(i, _)| i / n as usize != i % n as usize).map(|(_, c)| c).collect();
            assert!(off(&first).abs() < 4.0, "{n}: {}", off(&first));
            assert!(off(&two).abs() < 4.0, "{n}: {}", off(&two));
            assert!(n < 3 || off(&third).abs() < 4.0, "{n}: {}", off(&third));
        }
    }

    #[test]
    fn large_ranges_are_covered_evenly() {
        for n in [1 << 20, 1_000_003, 50_000_000_000, u64::from(u32::MAX) * 3] {
            let order = Permutation::new(n, &mut Draw::units(n));
            let mut counts = vec![0; 64];
            for place in 0..64_000 {
                counts[(u128::from(order.at(place).unwrap()) * 64 / u128::from(n)) as usize] += 1;
            }
            assert!(off(&counts).abs() < 4.0, "{n}: {}", off(&counts));
        }
    }
}
