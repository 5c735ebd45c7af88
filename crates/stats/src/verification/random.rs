//! Seeded choices. `ChaCha8` with one stream for each purpose and place, so that what one part draws never depends on
//! what another did, or on the number of threads.

use std::sync::LazyLock;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

/// A sequence of seeded choices.
#[derive(Debug, Clone)]
pub struct Draw {
    source: ChaCha8Rng,
    /// Coins left in the last word, and how many.
    coins: (u64, u32),
}

impl Draw {
    fn new(seed: u64, stream: u64) -> Self {
        let mut source = ChaCha8Rng::seed_from_u64(seed);
        source.set_stream(stream);
        Self { source, coins: (0, 0) }
    }

    /// Genuine pairs of one unit.
    #[must_use]
    pub fn genuine(seed: u64, unit: u16) -> Self {
        Self::new(seed, u64::from(unit))
    }

    /// Impostor pairs between two units.
    #[must_use]
    pub fn impostor(seed: u64, units: (u16, u16)) -> Self {
        Self::new(seed, 1 << 32 | u64::from(units.0) << 16 | u64::from(units.1))
    }

    /// How many genuine pairs of a sample each unit gets.
    #[must_use]
    pub fn genuine_shares(seed: u64) -> Self {
        Self::new(seed, 8 << 32)
    }

    /// How many impostor pairs of a sample each pair of units gets.
    #[must_use]
    pub fn impostor_shares(seed: u64) -> Self {
        Self::new(seed, 8 << 32 | 1)
    }

    /// Impostor pairs of upstream's sampling.
    #[must_use]
    pub fn upstream(seed: u64) -> Self {
        Self::new(seed, 2 << 32)
    }

    /// Which identities are resampled together.
    #[must_use]
    pub fn units(seed: u64) -> Self {
        Self::new(seed, 3 << 32)
    }

    /// Which faces stand for all in error-versus-discard curves.
    #[must_use]
    pub fn discard(seed: u64) -> Self {
        Self::new(seed, 7 << 32)
    }

    /// One bootstrap replicate.
    #[must_use]
    pub fn replicate(seed: u64, number: u32) -> Self {
        Self::new(seed, 4 << 32 | u64::from(number))
    }

    /// One simulated data set.
    #[must_use]
    pub fn simulation(seed: u64, number: u32) -> Self {
        Self::new(seed, 5 << 32 | u64::from(number))
    }

    /// Four independent standard normal numbers, each one of the 65,536 quantiles in the middles of equal shares: quick,
    /// and as good as normal up to four standard deviations.
    pub fn normals(&mut self) -> [f64; 4] {
        static QUANTILES: LazyLock<Vec<f64>> = LazyLock::new(|| {
            let normal = Normal::standard();
            (0..65_536).map(|i| normal.inverse_cdf((f64::from(i) + 0.5) / 65_536.0)).collect()
        });
        let word = self.source.next_u64();
        [0, 16, 32, 48].map(|shift| QUANTILES[(word >> shift) as usize & 0xffff])
    }

    /// Which faces are asked for their nearest other face.
    #[must_use]
    pub fn queries(seed: u64) -> Self {
        Self::new(seed, 9 << 32)
    }

    /// Sixty-four bits.
    pub fn word(&mut self) -> u64 {
        self.source.next_u64()
    }

    /// Uniform in `0..n`, without bias (Lemire 2019); 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        let reject_below = n.wrapping_neg().checked_rem(n).unwrap_or(0);
        loop {
            let product = u128::from(self.source.next_u64()) * u128::from(n);
            if product as u64 >= reject_below {
                return (product >> 64) as u64;
            }
        }
    }

    /// True or false.
    pub fn coin(&mut self) -> bool {
        if self.coins.1 == 0 {
            self.coins = (self.source.next_u64(), 64);
        }
        let heads = self.coins.0 & 1 == 1;
        self.coins = (self.coins.0 >> 1, self.coins.1 - 1);
        heads
    }

    /// Random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_and_repeat() {
        let numbers = |mut draw: Draw| (0..8).map(|_| draw.below(1 << 40)).collect::<Vec<_>>();
        assert_eq!(numbers(Draw::genuine(7, 3)), numbers(Draw::genuine(7, 3)));
        assert_ne!(numbers(Draw::genuine(7, 3)), numbers(Draw::genuine(7, 4)));
        assert_ne!(numbers(Draw::genuine(7, 3)), numbers(Draw::genuine(8, 3)));
        assert_ne!(numbers(Draw::impostor(7, (0, 3))), numbers(Draw::genuine(7, 3)));
    }

    #[test]
    fn choices_are_even() {
        let mut draw = Draw::units(1);
        let (mut counts, mut heads) = ([0_u32; 5], 0_u32);
        for _ in 0..10_000 {
            counts[draw.below(5) as usize] += 1;
            heads += u32::from(draw.coin());
        }
        assert!(counts.iter().all(|&n| (1_800..2_200).contains(&n)), "{counts:?}");
        assert!((4_800..5_200).contains(&heads), "{heads}");
        let normals: Vec<f64> = (0..2_500).flat_map(|_| draw.normals()).collect();
        let moment = |power: i32| normals.iter().map(|x| x.powi(power)).sum::<f64>() / 10_000.0;
        assert!(moment(1).abs() < 0.04 && (moment(2) - 1.0).abs() < 0.06 && (moment(4) - 3.0).abs() < 0.4);
        let mut order: Vec<u32> = (0..100).collect();
        draw.shuffle(&mut order);
        assert!(!order.is_sorted());
        order.sort_unstable();
        assert!(order.into_iter().eq(0..100));
    }
}
