//! OpenCV's `cv2.resize` with `INTER_LINEAR` for 8-bit pixels: the four nearest pixels, whatever the scale.

use crate::PixelView;
use crate::instructions::{Instructions, Kernel};
use crate::quads::Quads;

/// Fraction bits of a weight (`INTER_RESIZE_COEF_BITS`).
const PRECISION: u32 = 11;

/// Buffers and weights. Keep one per thread: pictures of one size share their weights.
#[derive(Debug, Default)]
pub struct OpencvResampler {
    across: AxisTaps,
    quads: Quads,
    down: AxisTaps,
    /// Two source rows resized along x, less four of their fraction bits; `held` says which.
    lines: [Vec<i16>; 2],
    held: [Option<usize>; 2],
    /// A source row, where the picture ends before what is read.
    line: Vec<u8>,
}

impl OpencvResampler {
    /// Resizes to `size` × `size` pixels.
    pub fn resize(&mut self, source: PixelView, size: usize, out: &mut [u8]) {
        self.resize_with(Instructions::best(), source, size, out);
    }

    pub(crate) fn resize_with(&mut self, instructions: Instructions, source: PixelView, size: usize, out: &mut [u8]) {
        if self.across.prepare(source.width, size, Edge::Pinned) {
            let firsts: Vec<usize> = self.across.taps.iter().map(|taps| taps.pixels[0]).collect();
            self.quads.prepare(&firsts, 2, |target, tap| self.across.taps[target].weights[tap] as i16);
        }
        self.down.prepare(source.height, size, Edge::Repeated);
        self.held = [None; 2];
        // Vector code writes a little beyond the last value.
        self.lines.iter_mut().for_each(|line| line.resize(size.next_multiple_of(4) * 3 + 2, 0));
        instructions.run(Passes { of: self, source, size, out });
    }

    /// Makes `lines[slot]` source row `y`, resized along x.
    #[inline(always)]
    fn hold(&mut self, instructions: Instructions, slot: usize, y: usize, source: PixelView) {
        if self.held[slot] == Some(y) {
            return;
        }
        self.held[slot] = Some(y);
        let line = &mut self.lines[slot];
        match instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => {
                avx2.shifted_row(&self.quads, source.row_and_more(y, self.quads.reach(), &mut self.line), line);
            }
            Instructions::Portable => {
                let row = source.row(y).as_chunks::<3>().0;
                for (to, &Taps { pixels, weights }) in line.as_chunks_mut::<3>().0.iter_mut().zip(&self.across.taps) {
                    let [left, right] = pixels.map(|pixel| row[pixel].map(i32::from));
                    *to = std::array::from_fn(|c| ((left[c] * weights[0] + right[c] * weights[1]) >> 4) as i16);
                }
            }
        }
    }
}

/// Both passes, once the weights are there.
struct Passes<'a> {
    of: &'a mut OpencvResampler,
    source: PixelView<'a>,
    size: usize,
    out: &'a mut [u8],
}

impl Kernel for Passes<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, instructions: Instructions) {
        let Self { of, source, size, out } = self;
        for (target, to) in out.chunks_exact_mut(size * 3).enumerate() {
            let Taps { pixels: [upper, lower], weights: [above, below] } = of.down.taps[target];
            if of.held[1] == Some(upper) {
                of.held.swap(0, 1);
                of.lines.swap(0, 1);
            }
            of.hold(instructions, 0, upper, source);
            of.hold(instructions, 1, lower, source);
            // Known to fit 16 bits, of which there is an instruction for the upper half of a product.
            let [above, below] = [above, below].map(|weight| i32::from(weight as i16));
            for ((byte, &a), &b) in to.iter_mut().zip(&of.lines[0]).zip(&of.lines[1]) {
                // The order of shifts is that of `VResizeLinear`.
                let part = |value: i16, weight: i32| ((i32::from(value) * weight) >> 16) as i16;
                *byte = ((part(a, above) + part(b, below) + 2) >> 2).clamp(0, 255) as u8;
            }
        }
    }
}

/// The two source pixels of a target pixel along one axis.
#[derive(Debug, Clone, Copy)]
struct Taps {
    pixels: [usize; 2],
    /// Sum to 1 in fixed point.
    weights: [i32; 2],
}

/// Treatment of source pixels outside the picture. OpenCV treats columns and rows differently, which shows in the last bit.
#[derive(Debug, Clone, Copy)]
enum Edge {
    /// The edge pixel takes all the weight (columns).
    Pinned,
    /// The edge pixel is used twice, with both weights (rows).
    Repeated,
}

/// One axis of a resize.
#[derive(Debug, Default)]
struct AxisTaps {
    of: (usize, usize),
    taps: Vec<Taps>,
}

impl AxisTaps {
    /// Returns whether the taps are other ones than before.
    fn prepare(&mut self, from: usize, to: usize, edge: Edge) -> bool {
        if self.of == (from, to) {
            return false;
        }
        self.of = (from, to);
        let last = from - 1;
        // The reciprocal of the reciprocal, as OpenCV has it, and 32-bit positions.
        let scale = 1.0 / (to as f64 / from as f64);
        self.taps.clear();
        self.taps.extend((0..to).map(|target| {
            let position = ((target as f64 + 0.5) * scale - 0.5) as f32;
            let near = position.floor();
            let mut fraction = position - near;
            if matches!(edge, Edge::Pinned) && (near < 0.0 || near as usize >= last) {
                fraction = 0.0;
            }
            let inside = |pixel: f32| (pixel.max(0.0) as usize).min(last);
            Taps { pixels: [near, near + 1.0].map(inside), weights: [1.0 - fraction, fraction].map(fixed) }
        }));
        true
    }
}

fn fixed(weight: f32) -> i32 {
    (weight * (1 << PRECISION) as f32).round_ties_even() as i32
}
