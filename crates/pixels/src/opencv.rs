//! OpenCV's `cv2.resize` with `INTER_LINEAR` for 8-bit pixels: the four nearest pixels, whatever the scale.

use crate::PixelView;
use crate::widest::{Kernel, on_widest};

/// Fraction bits of a weight (`INTER_RESIZE_COEF_BITS`).
const PRECISION: u32 = 11;

/// Buffers and weights. Keep one per thread: pictures of one size share their weights.
#[derive(Debug, Default)]
pub struct OpencvResampler {
    across: AxisTaps,
    down: AxisTaps,
    /// Two source rows resized along x, not yet rounded; `held` says which.
    lines: [Vec<i32>; 2],
    held: [Option<usize>; 2],
}

impl OpencvResampler {
    /// Resizes to `size` × `size` pixels.
    pub fn resize(&mut self, source: PixelView, size: usize, out: &mut [u8]) {
        self.across.prepare(source.width, size, Edge::Pinned);
        self.down.prepare(source.height, size, Edge::Repeated);
        self.held = [None; 2];
        on_widest(Passes { of: self, source, size, out });
    }

    #[inline(always)]
    fn passes(&mut self, source: PixelView, size: usize, out: &mut [u8]) {
        for (target, to) in out.chunks_exact_mut(size * 3).enumerate() {
            let Taps { pixels: [upper, lower], weights: [above, below] } = self.down.taps[target];
            if self.held[1] == Some(upper) {
                self.held.swap(0, 1);
                self.lines.swap(0, 1);
            }
            self.hold(0, upper, source);
            self.hold(1, lower, source);
            for ((byte, &a), &b) in to.iter_mut().zip(&self.lines[0]).zip(&self.lines[1]) {
                // The order of shifts is that of `VResizeLinear`; at most 2¹¹·2¹⁵ before them.
                let sum = ((above * (a >> 4)) >> 16) + ((below * (b >> 4)) >> 16);
                *byte = ((sum + 2) >> 2).clamp(0, 255) as u8;
            }
        }
    }

    #[inline(always)]
    /// Makes `lines[slot]` source row `y`, resized along x.
    fn hold(&mut self, slot: usize, y: usize, source: PixelView) {
        if self.held[slot] == Some(y) {
            return;
        }
        self.held[slot] = Some(y);
        let row = source.row(y).as_chunks::<3>().0;
        let line = &mut self.lines[slot];
        line.clear();
        for &Taps { pixels: [left, right], weights } in &self.across.taps {
            let (left, right) = (row[left], row[right]);
            line.extend([0, 1, 2].map(|c| i32::from(left[c]) * weights[0] + i32::from(right[c]) * weights[1]));
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
    fn run(self) {
        self.of.passes(self.source, self.size, self.out);
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
    fn prepare(&mut self, from: usize, to: usize, edge: Edge) {
        if self.of == (from, to) {
            return;
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
    }
}

fn fixed(weight: f32) -> i32 {
    (weight * (1 << PRECISION) as f32).round_ties_even() as i32
}
