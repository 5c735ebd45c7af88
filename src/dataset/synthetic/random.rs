//! A counter-based stream of random numbers: the same on every platform.

/// `SplitMix64`, keyed.
pub(super) struct Random(u64);

impl Random {
    /// A stream that differs in every bit of every key.
    pub(super) fn new(keys: &[u64]) -> Self {
        Self(
            keys.iter().fold(0x005E_ED0F_FACE, |state, &key| mix(state ^ mix(key.wrapping_add(0x9E37_79B9_7F4A_7C15)))),
        )
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Uniform in 0..1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 16_777_216.0
    }

    /// Uniform in `low..high`.
    pub(super) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Symmetric around zero, bell-shaped, never beyond ±`limit` (the sum of three uniforms).
    pub(super) fn bell(&mut self, limit: f32) -> f32 {
        (self.unit() + self.unit() + self.unit() - 1.5) / 1.5 * limit
    }

    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// One of `0..count`.
    pub(super) fn below(&mut self, count: u32) -> u32 {
        (((self.next() >> 32) * u64::from(count)) >> 32) as u32
    }
}

/// The finaliser of `SplitMix64`.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number in 0..1 for each lattice point of a seed.
pub(super) fn lattice(seed: u32, x: i32, y: i32) -> f32 {
    let mut h = seed ^ (x as u32).wrapping_mul(0x85EB_CA6B) ^ (y as u32).wrapping_mul(0xC2B2_AE35);
    h = (h ^ (h >> 16)).wrapping_mul(0x7FEB_352D);
    h = (h ^ (h >> 15)).wrapping_mul(0x846C_A68B);
    (h >> 8) as f32 / 16_777_216.0
}

/// Smooth noise in 0..1 with a bump a unit.
pub(super) fn noise(seed: u32, x: f32, y: f32) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (ease(x - x0), ease(y - y0));
    let (x0, y0) = (x0 as i32, y0 as i32);
    let row = |y| {
        let (left, right) = (lattice(seed, x0, y), lattice(seed, x0 + 1, y));
        left + (right - left) * fx
    };
    let (top, bottom) = (row(y0), row(y0 + 1));
    top + (bottom - top) * fy
}

fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}
