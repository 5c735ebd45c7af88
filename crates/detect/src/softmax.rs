//! The softmax over two, in arithmetic that is the same on every machine.

/// The second share of the softmax over two numbers: `torch.softmax([a, b])[1]`.
pub(crate) fn second_share(a: f32, b: f32) -> f32 {
    let most = if a > b { a } else { b };
    let (a, b) = (exp(a - most), exp(b - most));
    b / (a + b)
}

/// eˣ for x ≤ 0, rounded to f32 from an error of some 1e-16. The C library's differs from machine to machine.
fn exp(x: f32) -> f32 {
    if x < -104.0 {
        return 0.0;
    }
    let x = f64::from(x);
    let power = (x * std::f64::consts::LOG2_E).round();
    let rest = x - power * std::f64::consts::LN_2;
    // Taylor's series: |rest| ≤ ln 2 ÷ 2, so the term after the last is below 1e-17.
    let mut sum = 1.0;
    for n in (1..=13).rev() {
        sum = 1.0 + sum * rest / f64::from(n);
    }
    let scale = f64::from_bits(((1023 + power as i64) as u64) << 52);
    (sum * scale) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_within_a_unit_of_the_libraries() {
        for i in 0..110_000 {
            let x = -(i as f32) * 1e-3;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) - expected).abs() <= expected * 6e-8 + 1e-45, "{x}");
        }
        assert_eq!((exp(0.0), exp(-200.0)), (1.0, 0.0));
    }

    #[test]
    fn shares_are_probabilities() {
        assert_eq!(second_share(1.0, 1.0), 0.5);
        assert_eq!(second_share(-90.0, 90.0), 1.0);
        assert_eq!(second_share(200.0, -200.0), 0.0);
        assert!((second_share(0.0, 0.405_465_1) - 0.6).abs() < 1e-7);
    }
}
