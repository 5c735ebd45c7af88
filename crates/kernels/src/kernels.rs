//! The inner loops, written once over `Simd`, `ProductArithmetic` and `ActivationStorage`; `sets` compiles them for each
//! instruction set.

// Tested by: `every_kernel_equals_the_definition` in crates/nn/src/cpu/tests.rs

use crate::arithmetic::{ActivationStorage, ProductArithmetic};
use crate::simd::Simd;

/// A product of some pixels with a panel of output channels.
#[derive(Clone, Copy)]
pub struct TileJob {
    /// Base of the offsets.
    pub arena: *const u8,
    /// Which taps of the kernel see more than padding: `runs` indices.
    pub taps: *const u32,
    /// For each of these, where each pixel's channels begin, bytes: `runs` × `height`.
    pub offsets: *const u32,
    /// Pixels between two taps of `offsets`.
    pub height: usize,
    /// Taps.
    pub runs: usize,
    /// Words of each tap.
    pub words: usize,
    /// taps × words × (vectors × LANES).
    pub weights: *const u32,
    /// pixels × (vectors × LANES) sums, `stride` words apart.
    pub out: *mut u32,
    /// Words between the sums of two pixels.
    pub stride: usize,
}

/// H pixels × V vectors of channels, in registers.
///
/// # Safety
/// The pointers of `tile` are valid for what it says, and the CPU has the set.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, A: ProductArithmetic<S>, const H: usize, const V: usize>(tile: &TileJob) {
    // SAFETY: handed on from the caller.
    unsafe {
        let mut sums = [[S::zero_words(); V]; H];
        for run in 0..tile.runs {
            let tap = *tile.taps.add(run) as usize;
            let offsets = tile.offsets.add(run * tile.height);
            let rows: [*const u32; H] = std::array::from_fn(|m| tile.arena.add(*offsets.add(m) as usize).cast());
            let mut weights = tile.weights.add(tap * tile.words * V * S::LANES);
            for k in (0..tile.words).step_by(A::ORDER.len()) {
                for &word in A::ORDER {
                    let column = weights.add(word * V * S::LANES);
                    let columns: [S::I; V] = std::array::from_fn(|v| S::load_words(column.add(v * S::LANES)));
                    for m in 0..H {
                        let activation = S::splat_word(rows[m].add(k + word));
                        for v in 0..V {
                            sums[m][v] = A::step(sums[m][v], activation, columns[v]);
                        }
                    }
                }
                weights = weights.add(A::ORDER.len() * V * S::LANES);
            }
        }
        for m in 0..H {
            for v in 0..V {
                S::store_words(tile.out.add(m * tile.stride + v * S::LANES), sums[m][v]);
            }
        }
    }
}

/// Turns the sums of a [`TileJob`] into activations: bias, residual, ReLU, and storing them.
pub struct Finish {
    /// pixels × `stride`.
    pub sums: *const u32,
    /// Words between the sums of two pixels.
    pub stride: usize,
    /// Pixels.
    pub rows: usize,
    /// Vectors of channels.
    pub vectors: usize,
    /// Of each channel; integer sums only.
    pub scale: *const f32,
    /// Of each channel.
    pub bias: *const f32,
    /// Index of each pixel in the output.
    pub pixels: *const u32,
    /// Added to the result, or null: first pixel, this panel's first channel.
    pub residual: *const u8,
    /// Bytes between two pixels of the residual.
    pub residual_stride: usize,
    /// Multiplies the residual.
    pub factor: f32,
    /// Whether negative results become 0.
    pub relu: bool,
    /// First pixel, this panel's first channel.
    pub out: *mut u8,
    /// Bytes between two pixels of the output.
    pub out_stride: usize,
}

/// out = relu(sums × scale + bias + residual × factor).
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(crate) unsafe fn finish<S: Simd, A: ProductArithmetic<S>, R: ActivationStorage<S>, O: ActivationStorage<S>>(
    job: &Finish,
) {
    // SAFETY: handed on from the caller.
    unsafe {
        let zero = S::splat(0.0);
        let factor = S::splat(job.factor);
        for v in 0..job.vectors {
            let lane = v * S::LANES;
            let bias = S::load(job.bias.add(lane));
            let scale = if A::INTEGER { S::load(job.scale.add(lane)) } else { zero };
            for row in 0..job.rows {
                let pixel = *job.pixels.add(row) as usize;
                let words = S::load_words(job.sums.add(row * job.stride + lane));
                let mut value =
                    if A::INTEGER { S::fma(S::to_f32(words), scale, bias) } else { S::add(S::as_f32(words), bias) };
                if !job.residual.is_null() {
                    let residual = R::load(job.residual.add(pixel * job.residual_stride + lane * R::BYTES));
                    value = S::fma(residual, factor, value);
                }
                if job.relu {
                    value = S::max(zero, value);
                }
                O::store(job.out.add(pixel * job.out_stride + lane * O::BYTES), value);
            }
        }
    }
}

/// Pixels of a [`DepthwiseTile`].
pub const DEPTHWISE_HEIGHT: usize = 6;

/// Most channels of a [`DepthwiseTile`], and a multiple of every set's two registers.
pub const DEPTHWISE_WIDTH: usize = 32;

/// A convolution whose channels see themselves, or themselves and the others of their group of two or four.
pub struct DepthwiseTile {
    /// Base of the offsets.
    pub arena: *const u8,
    /// Which taps of the kernel see more than padding: `runs` indices.
    pub taps: *const u32,
    /// For each of these, where each pixel's first channel begins, bytes: `runs` × [`DEPTHWISE_HEIGHT`].
    pub offsets: *const u32,
    /// Taps.
    pub runs: usize,
    /// First channel, a multiple of [`DEPTHWISE_WIDTH`].
    pub channel: usize,
    /// Channels that are there; others are read, and their sums mean nothing.
    pub width: usize,
    /// taps × members × `channels`: the weight of channel c for its group's member c xor i.
    pub weights: *const f32,
    /// Channels in `weights`, a multiple of [`DEPTHWISE_WIDTH`].
    pub channels: usize,
    /// Channels of a group: 1, 2 or 4.
    pub members: usize,
    /// [`DEPTHWISE_HEIGHT`] × [`DEPTHWISE_WIDTH`] sums.
    pub out: *mut f32,
}

/// # Safety
/// As [`tile`]. Numbers up to a whole register behind the last channel are read.
#[inline(always)]
pub(crate) unsafe fn depthwise<S: Simd, T: ActivationStorage<S>>(job: &DepthwiseTile) {
    // SAFETY: handed on from the caller.
    unsafe {
        for lane in (0..job.width).step_by(2 * S::LANES) {
            match job.members {
                1 => depthwise_pair::<S, T, 1>(job, lane),
                2 => depthwise_pair::<S, T, 2>(job, lane),
                _ => depthwise_pair::<S, T, 4>(job, lane),
            }
        }
    }
}

/// Two registers of channels.
#[inline(always)]
unsafe fn depthwise_pair<S: Simd, T: ActivationStorage<S>, const M: usize>(job: &DepthwiseTile, lane: usize) {
    const H: usize = DEPTHWISE_HEIGHT;
    // SAFETY: handed on from the caller.
    unsafe {
        let channel = job.channel + lane;
        let mut sums = [[S::splat(0.0); 2]; H];
        for run in 0..job.runs {
            let tap = *job.taps.add(run) as usize;
            let offsets = job.offsets.add(run * H);
            let weights = job.weights.add(tap * M * job.channels + channel);
            for m in 0..H {
                let from = job.arena.add(*offsets.add(m) as usize + channel * T::BYTES);
                for v in 0..2 {
                    let value = T::load(from.add(v * S::LANES * T::BYTES));
                    let weight = |member: usize| S::load(weights.add(member * job.channels + v * S::LANES));
                    sums[m][v] = S::fma(value, weight(0), sums[m][v]);
                    if M > 1 {
                        sums[m][v] = S::fma(S::turned::<1>(value), weight(1), sums[m][v]);
                    }
                    if M > 2 {
                        sums[m][v] = S::fma(S::turned::<2>(value), weight(2), sums[m][v]);
                        sums[m][v] = S::fma(S::turned::<3>(value), weight(3), sums[m][v]);
                    }
                }
            }
        }
        for m in 0..H {
            for v in 0..2 {
                S::store(job.out.add(m * DEPTHWISE_WIDTH + lane + v * S::LANES), sums[m][v]);
            }
        }
    }
}

/// A 3×3 maximum with stride 2, no padding, of one image's rows.
pub struct MaxPool {
    /// First pixel of the image.
    pub input: *const u8,
    /// Width of the input, pixels.
    pub width: usize,
    /// Bytes between two pixels.
    pub stride: usize,
    /// First pixel of the output, first channel of its slice.
    pub out: *mut u8,
    /// Width of the output, pixels.
    pub out_width: usize,
    /// Bytes between two pixels.
    pub out_stride: usize,
    /// Rows of the output.
    pub rows: std::ops::Range<usize>,
    /// Channels, a multiple of LANES.
    pub channels: usize,
}

/// # Safety
/// As [`tile`].
#[inline(always)]
pub(crate) unsafe fn max_pool<S: Simd, T: ActivationStorage<S>>(job: &MaxPool) {
    // SAFETY: handed on from the caller.
    unsafe {
        for y in job.rows.clone() {
            for x in 0..job.out_width {
                let corner = job.input.add((2 * y * job.width + 2 * x) * job.stride);
                let out = job.out.add((y * job.out_width + x) * job.out_stride);
                for channel in (0..job.channels).step_by(S::LANES) {
                    let at =
                        |i: usize| T::load(corner.add(((i / 3) * job.width + i % 3) * job.stride + channel * T::BYTES));
                    let mut most = at(0);
                    for i in 1..9 {
                        most = S::max(most, at(i));
                    }
                    T::store(out.add(channel * T::BYTES), most);
                }
            }
        }
    }
}

/// One tile of Winograd's F(4×4, 3×3) on its way in: 36 pixels → 36 numbers, for each channel.
pub struct WinogradIn {
    /// Each of the 6×6 pixels, padding included.
    pub pixels: [*const u8; 36],
    /// Channels, a multiple of LANES.
    pub channels: usize,
    /// Of the first of the 36.
    pub out: *mut f32,
    /// Numbers between two of the 36.
    pub stride: usize,
}

/// One tile on its way out: 36 numbers → 4×4 pixels with bias and, where wanted, ReLU.
pub struct WinogradOut {
    /// Of the first of the 36.
    pub sums: *const f32,
    /// Numbers between two of the 36.
    pub stride: usize,
    /// Channels, a multiple of LANES.
    pub channels: usize,
    /// Of each channel.
    pub bias: *const f32,
    /// What smaller results become: 0 for ReLU, −∞ for none.
    pub floor: f32,
    /// Pixels that lie inside the picture.
    pub rows: usize,
    /// Of the up to four.
    pub columns: usize,
    /// First pixel, first channel.
    pub out: *mut u8,
    /// Bytes between two pixels.
    pub out_stride: usize,
    /// Bytes between two rows.
    pub row_stride: usize,
}

/// Bᵀ of F(4, 3) (Lavin & Gray 2015, arXiv 1509.09308) with the points 0, ±1, ±2, ∞.
#[inline(always)]
unsafe fn into_winograd<S: Simd>(d: [S::F; 6]) -> [S::F; 6] {
    // SAFETY: handed on from the caller.
    unsafe {
        let (two, four, five) = (S::splat(2.0), S::splat(4.0), S::splat(-5.0));
        let minus = S::splat(-4.0);
        let a = S::fma(minus, d[2], d[4]);
        let b = S::fma(minus, d[1], d[3]);
        let c = S::sub(d[4], d[2]);
        let e = S::mul(two, S::sub(d[3], d[1]));
        [
            S::fma(four, d[0], S::fma(five, d[2], d[4])),
            S::add(a, b),
            S::sub(a, b),
            S::add(c, e),
            S::sub(c, e),
            S::fma(four, d[1], S::fma(five, d[3], d[5])),
        ]
    }
}

/// Aᵀ of F(4, 3).
#[inline(always)]
unsafe fn out_of_winograd<S: Simd>(m: [S::F; 6]) -> [S::F; 4] {
    // SAFETY: handed on from the caller.
    unsafe {
        let (a, b) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (c, d) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        let (two, four, eight) = (S::splat(2.0), S::splat(4.0), S::splat(8.0));
        [S::add(m[0], S::add(a, c)), S::fma(two, d, b), S::fma(four, c, a), S::add(S::fma(eight, d, b), m[5])]
    }
}

/// # Safety
/// As [`tile`].
#[inline(always)]
pub(crate) unsafe fn winograd_in<S: Simd, T: ActivationStorage<S>>(job: &WinogradIn) {
    // SAFETY: handed on from the caller.
    unsafe {
        for channel in (0..job.channels).step_by(S::LANES) {
            let mut half = [[S::splat(0.0); 6]; 6];
            for x in 0..6 {
                let column = std::array::from_fn(|y| T::load(job.pixels[y * 6 + x].add(channel * T::BYTES)));
                let column = into_winograd::<S>(column);
                for y in 0..6 {
                    half[y][x] = column[y];
                }
            }
            for y in 0..6 {
                let row = into_winograd::<S>(half[y]);
                for x in 0..6 {
                    S::store(job.out.add((y * 6 + x) * job.stride + channel), row[x]);
                }
            }
        }
    }
}

/// # Safety
/// As [`tile`].
#[inline(always)]
pub(crate) unsafe fn winograd_out<S: Simd, T: ActivationStorage<S>>(job: &WinogradOut) {
    // SAFETY: handed on from the caller.
    unsafe {
        let (zero, floor) = (S::splat(0.0), S::splat(job.floor));
        for channel in (0..job.channels).step_by(S::LANES) {
            let bias = S::load(job.bias.add(channel));
            let mut half = [[zero; 6]; 4];
            for x in 0..6 {
                let column = std::array::from_fn(|y| S::load(job.sums.add((y * 6 + x) * job.stride + channel)));
                let column = out_of_winograd::<S>(column);
                for y in 0..4 {
                    half[y][x] = column[y];
                }
            }
            for y in 0..job.rows {
                let row = out_of_winograd::<S>(half[y]);
                let out = job.out.add(y * job.row_stride + channel * T::BYTES);
                for (x, value) in row.into_iter().enumerate() {
                    if x < job.columns {
                        T::store(out.add(x * job.out_stride), S::max(floor, S::add(value, bias)));
                    }
                }
            }
        }
    }
}

/// Multiply-adds as fast as the set can: `rounds` × 8 × 10 registers, for the share of the peak that a layer reaches.
///
/// # Safety
/// As [`tile`]: the CPU has the set.
#[inline(always)]
pub(crate) unsafe fn peak<S: Simd, A: ProductArithmetic<S>>(rounds: usize, seed: &[u32]) -> u32 {
    // SAFETY: handed on from the caller; `seed` holds two vectors.
    unsafe {
        let (a, b) = (S::load_words(seed.as_ptr()), S::load_words(seed.as_ptr().add(S::LANES)));
        let mut sums = [a; PEAK_SUMS];
        for _ in 0..rounds {
            // Else the product of the same two registers is computed once, where the set has no fused step.
            let a = std::hint::black_box(a);
            for _ in 0..8 {
                for sum in &mut sums {
                    *sum = A::step(*sum, a, b);
                }
            }
        }
        let mut out = vec![0u32; S::LANES];
        let mut total = 0u32;
        for sum in sums {
            S::store_words(out.as_mut_ptr(), sum);
            total = out.iter().fold(total, |total, &word| total ^ word);
        }
        total
    }
}

/// Independent sums of [`peak`]: more than latency × units, fewer than registers.
pub(crate) const PEAK_SUMS: usize = 10;
