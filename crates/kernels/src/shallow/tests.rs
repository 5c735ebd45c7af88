//! Every set that the CPU has against the definitions, to the last bit.

use super::{Patches, Shallow, pooled};
use crate::Kernels;

fn sets() -> Vec<Shallow> {
    let all = [Kernels::Portable, Kernels::Avx2, Kernels::Avx512, Kernels::Neon];
    all.into_iter().filter_map(Shallow::choose).collect()
}

/// Numbers between −1 and 1.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn prelu(value: f32, slopes: Option<&[f32]>, output: usize) -> f32 {
    slopes.map_or(value, |slopes| if value > 0.0 { value } else { value * slopes[output] })
}

#[test]
fn sums_are_one_chain_of_multiply_adds_on_every_set() {
    // Outputs that fill registers of every width, and that do not; patches of every height of a tile.
    for (outputs, patches) in [(1, 1), (6, 7), (10, 23), (16, 12), (28, 25), (32, 11), (48, 13), (130, 9)] {
        for has_slopes in [false, true] {
            let (runs, run) = (3, 7);
            let weights = numbers(outputs * runs * run, 1);
            let (bias, slopes) = (numbers(outputs, 2), numbers(outputs, 3));
            let slopes = has_slopes.then_some(&slopes[..]);
            let input = numbers(400, 4);
            let begins = [0, 40, 90];
            let starts: Vec<u32> = (0..patches).map(|i| (i * 5 % 300) as u32).collect();
            let mut expected = Vec::new();
            for &start in &starts {
                for output in 0..outputs {
                    let mut sum = bias[output];
                    for (r, begin) in begins.iter().enumerate() {
                        for k in 0..run {
                            let weight = weights[(output * runs + r) * run + k];
                            sum = input[start as usize + begin + k].mul_add(weight, sum);
                        }
                    }
                    expected.push(prelu(sum, slopes, output));
                }
            }
            for set in sets() {
                let layer = set.layer(runs, run, &weights, &bias, slopes);
                let mut out = vec![f32::NAN; expected.len() + 1];
                layer.apply(Patches { input: &input, runs: &begins, starts: &starts }, &mut out);
                assert!(out.pop().unwrap().is_nan(), "{}: writes beyond its outputs", set.name());
                assert_eq!(out, expected, "{}: {outputs} outputs of {patches} patches", set.name());
                let fours = &starts[..patches / 4 * 4];
                let mut most = vec![f32::NAN; fours.len() / 4 * outputs];
                layer.apply_and_pool(Patches { input: &input, runs: &begins, starts: fours }, &mut most);
                for (group, most) in most.chunks(outputs).enumerate() {
                    for (output, most) in most.iter().enumerate() {
                        let four = (0..4).map(|i| expected[(group * 4 + i) * outputs + output]);
                        assert_eq!(*most, four.fold(f32::NEG_INFINITY, f32::max), "{}", set.name());
                    }
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "a patch ends outside the input")]
fn a_patch_outside_the_input_is_refused() {
    let layer = Shallow::choose(Kernels::Auto).unwrap().layer(1, 4, &[0.0; 4], &[0.0], None);
    layer.apply(Patches { input: &[0.0; 8], runs: &[0], starts: &[0, 5] }, &mut [0.0; 2]);
}

#[test]
fn pooling_cuts_its_last_windows() {
    for (size, side, channels) in [(22, 3, 28), (9, 3, 48), (8, 2, 64), (7, 2, 3), (3, 3, 17), (2, 2, 16)] {
        let input = numbers(size * size * channels, 5);
        let outputs = pooled(size, side);
        let mut expected = Vec::new();
        for at in 0..outputs * outputs * channels {
            let (y, x, channel) = (at / channels / outputs, at / channels % outputs, at % channels);
            let rows = 2 * y..(2 * y + side).min(size);
            let window = rows.flat_map(|y| (2 * x..(2 * x + side).min(size)).map(move |x| (y * size + x) * channels));
            expected.push(window.map(|pixel| input[pixel + channel]).fold(f32::NEG_INFINITY, f32::max));
        }
        for set in sets() {
            let mut out = vec![f32::NAN; expected.len()];
            set.pool(&input, size, channels, side, &mut out);
            assert_eq!(out, expected, "{}: {size} × {size} by {side}", set.name());
        }
    }
}

#[test]
fn averages_are_sums_divided_by_height_and_width() {
    let (width, height) = (301, 600);
    let picture: Vec<u8> = numbers(width * height * 3, 6).iter().map(|v| (v * 127.5 + 127.5) as u8).collect();
    for (rows, first, columns) in
        [(0..1, 0, 301), (3..5, 7, 40), (10..600, 1, 300), (599..600, 300, 1), (2..259, 0, 22)]
    {
        let windows: Vec<_> = (0..columns as u32).step_by(3).map(|x| x..(x + 4).min(columns as u32)).collect();
        let mut expected = Vec::new();
        for window in &windows {
            for channel in 0..3 {
                let sum: u32 = rows
                    .clone()
                    .flat_map(|y| window.clone().map(move |x| (y * width + first + x as usize) * 3 + channel))
                    .map(|at| u32::from(picture[at]))
                    .sum();
                expected.push((sum as f32 / rows.len() as f32 / window.len() as f32 - 127.5) * 0.007_812_5);
            }
        }
        let widths: Vec<f32> = windows.iter().flat_map(|window| [window.len() as f32; 3]).collect();
        for set in sets() {
            let mut sums = vec![9; columns * 3 + 4];
            set.column_sums(&picture, width * 3, rows.clone(), first * 3, &mut sums[..columns * 3]);
            let mut out = vec![f32::NAN; expected.len()];
            set.averages(&mut sums, &windows, &widths, rows.len(), &mut out);
            assert_eq!(out, expected, "{}: rows {rows:?}", set.name());
        }
    }
}
