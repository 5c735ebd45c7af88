//! Numbers that Python and Rust compute alike. Included by the tests of several packages.

/// `count` numbers in [0, 1), multiples of 2⁻²⁴: splitmix64 from the FNV-1a hash of a name.
pub fn fractions(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let mut state = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
    })
    .take(count)
}
