//! The unit, if this CPU has one, and its replica against what the manual says of them.

use proptest::prelude::*;

use super::{HEIGHT, ROW_WORDS};
use crate::layer::Products;
use crate::sets::{self, Set, WeightFormat};
use crate::tiles::Tiles;
use crate::{Kernels, Precision};

#[derive(Debug, Clone)]
struct Case {
    /// Taps of each tile.
    taps: Vec<Vec<u32>>,
    pixels: usize,
    words: usize,
    vectors: usize,
    input: usize,
    /// What pixels and weights are multiplied with.
    scales: [f32; 2],
    seed: u64,
}

/// Of a layer's kernel.
const TAPS: u32 = 6;

fn cases() -> impl Strategy<Value = Case> {
    let taps = prop::collection::vec(any::<[bool; TAPS as usize]>(), 1..4);
    // Small enough that products, or the numbers themselves, count as 0.
    let scale = || prop::sample::select(vec![1.0, 1.0, 1e-20, 3e-39, 1e10]);
    (taps, 1..=HEIGHT, 1..70usize, 1..=2usize, 1..3usize, [scale(), scale()], any::<u64>()).prop_map(
        |(taps, last, words, vectors, input, scales, seed)| {
            let pixels = (taps.len() - 1) * HEIGHT + last;
            let seen = |taps: &[bool; TAPS as usize]| (0..TAPS).filter(|&tap| taps[tap as usize]).collect();
            Case { taps: taps.iter().map(seen).collect(), pixels, words, vectors, input: 4 * input, scales, seed }
        },
    )
}

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    /// From −`scale` to `scale`.
    fn float(&mut self, scale: f32) -> f32 {
        ((self.next() as f32 / 2f32.powi(31)) - 1.0) * scale
    }

    fn word(&mut self, weights: WeightFormat, scale: f32) -> u32 {
        match weights {
            WeightFormat::SplitBf16 => self.float(scale).to_bits(),
            WeightFormat::Bf16 => {
                let [low, high] = [(); 2].map(|()| u32::from(half::bf16::from_f32(self.float(scale)).to_bits()));
                high << 16 | low
            }
            _ => self.next(),
        }
    }
}

/// Numbers below the smallest normal one count as 0.
fn flushed(value: f32) -> f32 {
    if value.is_subnormal() { 0f32.copysign(value) } else { value }
}

fn halves(word: u32) -> [f32; 2] {
    [word << 16, word & 0xffff_0000].map(|bits| flushed(f32::from_bits(bits)))
}

/// What `TDPBF16PS` adds to a sum for a block of words.
pub(super) fn block_of_pairs(sum: f32, pixels: &[u32], weights: &[u32]) -> f32 {
    let mut chains = [0f32; 2];
    for (&pixel, &weight) in pixels.iter().zip(weights) {
        for (chain, (a, b)) in chains.iter_mut().zip(halves(pixel).into_iter().zip(halves(weight))) {
            *chain = flushed(a.mul_add(b, *chain));
        }
    }
    flushed(sum + flushed(chains[0] + chains[1]))
}

pub(super) fn bytes(pixels: &[u32], weights: &[u32]) -> i32 {
    let of = |(&pixel, &weight): (&u32, &u32)| {
        let pairs = pixel.to_le_bytes().into_iter().zip(weight.to_le_bytes());
        pairs.map(|(a, b)| i32::from(a) * i32::from(b as i8)).sum::<i32>()
    };
    pixels.iter().zip(weights).map(of).fold(0, i32::wrapping_add)
}

/// The sum of a pixel and a channel; `runs` are the words of the pixel, `weight` gives a row of the panel.
fn defined(set: &Set, runs: &[(u32, &[u32])], words: usize, weight: impl Fn(usize) -> u32) -> u32 {
    let rows = set.weights.rows(words);
    if set.weights == WeightFormat::I8 {
        let of = |(tap, pixels): &(u32, &[u32])| {
            let weights: Vec<u32> = (0..words).map(|k| weight(*tap as usize * rows + k)).collect();
            bytes(pixels, &weights)
        };
        return runs.iter().map(of).fold(0, i32::wrapping_add) as u32;
    }
    let mut sum = 0f32;
    let mut add = |pixels: &[u32], first: usize| {
        for (block, pixels) in pixels.chunks(ROW_WORDS).enumerate() {
            let weights: Vec<u32> = (0..pixels.len()).map(|k| weight(first + block * ROW_WORDS + k)).collect();
            sum = block_of_pairs(sum, pixels, &weights);
        }
    };
    for (tap, pixels) in runs {
        let first = *tap as usize * rows;
        if set.weights == WeightFormat::Bf16 {
            add(pixels, first);
            continue;
        }
        let parts: Vec<[half::bf16; 2]> = pixels
            .iter()
            .map(|&bits| {
                let nearest = half::bf16::from_f32(f32::from_bits(bits));
                [nearest, half::bf16::from_f32(f32::from_bits(bits) - nearest.to_f32())]
            })
            .collect();
        let [nearest, left] = [0, 1].map(|part| {
            let pair = |pair: &[[half::bf16; 2]]| {
                let upper = pair.get(1).map_or(0, |both| both[part].to_bits());
                u32::from(upper) << 16 | u32::from(pair[0][part].to_bits())
            };
            parts.chunks(2).map(pair).collect::<Vec<u32>>()
        });
        add(&left, first);
        add(&nearest, first + rows / 2);
        add(&nearest, first);
    }
    sum.to_bits()
}

fn check(set: &'static Set, case: &Case) -> Result<(), TestCaseError> {
    let Case { taps, pixels, words, vectors, input, scales, seed } = case;
    let mut numbers = Numbers(*seed);
    let arena: Vec<u32> = (0..512 + words).map(|_| numbers.word(set.weights, scales[0])).collect();
    let width = vectors * set.lanes;
    let rows = TAPS as usize * set.weights.rows(*words);
    let mut weights: Vec<u32> = (0..rows * width)
        .map(|_| {
            let weights = if set.weights == WeightFormat::SplitBf16 { WeightFormat::Bf16 } else { set.weights };
            numbers.word(weights, scales[1])
        })
        .collect();
    // What is read there is multiplied with 0.
    weights.resize(rows * width + set.words_behind(), 0x3f80_4049);
    let all: Vec<u32> = taps.concat();
    let offsets: Vec<u32> = (0..all.len() * HEIGHT).map(|_| numbers.next() % 500 * 4).collect();
    let mut ends = vec![0];
    for taps in taps {
        ends.push(ends.last().unwrap() + taps.len() as u32);
    }
    let tiles = Tiles {
        arena: arena.as_ptr().cast(),
        taps: &all,
        offsets: &offsets,
        ends: &ends,
        pixels: *pixels,
        height: HEIGHT,
        words: *words,
    };
    let mut products = Products::new(set, false, tiles);
    let last = taps.len() - 1..taps.len();
    for (which, input) in [(0..taps.len(), *input), (last.clone(), *input), (last, 0)] {
        // SAFETY: offsets, the input's and the words of a run lie inside the arena.
        unsafe { products.gather(which.clone(), input) };
        let mut found = Vec::new();
        let mut keep = |tile, rows, sums: *mut u32| {
            // SAFETY: the tile has so many rows of sums.
            found.push((tile, unsafe { std::slice::from_raw_parts(sums, rows * width) }.to_vec()));
        };
        // SAFETY: the panel has `rows` rows and the words behind it.
        unsafe { products.sweep(which.clone(), weights.as_ptr(), *vectors, &mut keep) };
        prop_assert!(found.iter().map(|(tile, _)| *tile).eq(which));
        for (tile, sums) in found {
            prop_assert_eq!(sums.len(), (pixels - tile * HEIGHT).min(HEIGHT) * width);
            for (pixel, sums) in sums.chunks(width).enumerate() {
                let runs: Vec<(u32, &[u32])> = (ends[tile] as usize..ends[tile + 1] as usize)
                    .map(|run| {
                        let at = (offsets[run * HEIGHT + pixel] as usize + input) / 4;
                        (all[run], &arena[at..at + words])
                    })
                    .collect();
                for (channel, &sum) in sums.iter().enumerate() {
                    let expected = defined(set, &runs, *words, |row| weights[row * width + channel]);
                    prop_assert_eq!(
                        sum,
                        expected,
                        "{} {:?}, pixel {} of tile {}, channel {}",
                        set.name,
                        set.weights,
                        pixel,
                        tile,
                        channel
                    );
                }
            }
        }
    }
    Ok(())
}

/// The unit's set and its replica's. Where the CPU has no unit, the unit's instructions are trapped.
fn units(precision: Precision) -> Vec<&'static Set> {
    let able = sets::able(Kernels::Amx, precision);
    #[cfg(target_os = "linux")]
    if !crate::cpu::has_amx() && !able.is_empty() {
        super::trap::install();
        return std::iter::once(sets::with_amx(precision)).chain(able).collect();
    }
    if able.is_empty() {
        println!("skipped: this CPU has neither AMX nor AVX-512 with VNNI");
    }
    able
}

#[test]
fn products_of_gathered_pixels_equal_their_definition() {
    for precision in [Precision::Bf16, Precision::Bf16x3, Precision::Int8] {
        for set in units(precision) {
            println!("{}, {}", set.name, precision.name());
            let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
            proptest!(config, |(case in cases())| check(set, &case)?);
        }
    }
}

#[test]
fn a_matrix_unit_is_measured_in_its_own_operations() {
    for precision in [Precision::Bf16, Precision::Bf16x3, Precision::Int8] {
        for set in units(precision) {
            // bf16x3 takes three products for one.
            let numbers = match precision {
                Precision::Int8 => 64.0,
                Precision::Bf16 => 32.0,
                _ => 32.0 / 3.0,
            };
            let expected: f64 = 3.0 * 16.0 * 2.0 * 16.0 * 16.0 * numbers;
            assert!((set.run_peak(3) - expected).abs() < 1.0, "{}: {}", set.name, set.run_peak(3));
        }
    }
}
