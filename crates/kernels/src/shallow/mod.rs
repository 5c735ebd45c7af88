//! Shallow convolutions, as face detectors run them: few channels, no padding, PReLU, maximum pooling, and the averages of
//! pixels that their input is made of.
//!
//! Every sum is one chain of multiply-adds from the bias over the patch, first to last, each rounded once on every instruction
//! set, so all sets give the same bytes. Lanes run over output channels.

// Tested by: `sums_are_one_chain_of_multiply_adds_on_every_set` in crates/kernels/src/shallow/tests.rs
// Tested by: `instruction_sets_give_the_same_bytes` in crates/detect/tests/detect/same_bytes.rs

mod area;
mod layer;
mod pool;
mod sets;
#[cfg(test)]
mod tests;
mod tile;

pub use layer::{Layer, Patches};

use sets::Entry;

use crate::Kernels;

/// The kernels of one instruction set.
#[derive(Clone, Copy)]
pub struct Shallow(&'static Entry);

impl std::fmt::Debug for Shallow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shallow").field(&self.name()).finish()
    }
}

impl Shallow {
    /// The requested kernels, or the fastest for `auto`; `None` if this CPU lacks them.
    #[must_use]
    pub fn choose(kernels: Kernels) -> Option<Self> {
        sets::able(kernels).map(Self)
    }

    /// Name of the instruction set.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// A layer for these kernels: see [`Layer`] for `runs` and `run`.
    ///
    /// # Panics
    /// If `weights` are not outputs × runs × run numbers, `bias` and `slopes` not one for each output.
    #[must_use]
    pub fn layer(self, runs: usize, run: usize, weights: &[f32], bias: &[f32], slopes: Option<&[f32]>) -> Layer {
        Layer::new(self.0, runs, run, weights, bias, slopes)
    }

    /// `out[i]` = Σ over `rows` of `picture[row × stride + first + i]`: the sums of a picture's columns, for each channel.
    ///
    /// # Panics
    /// If the picture has not all of these bytes.
    pub fn column_sums(
        self,
        picture: &[u8],
        stride: usize,
        rows: std::ops::Range<usize>,
        first: usize,
        out: &mut [u32],
    ) {
        // SAFETY: an `Entry` is handed out only where the CPU has its set.
        unsafe { (self.0.column_sums)(picture, stride, rows, first, out) }
    }

    /// (Σ of a window's columns ÷ height ÷ width − 127.5) ÷ 128 for three interleaved channels, each step rounded: the average
    /// over windows of `height` rows, standardised. `sums` are three for each column and four that are not looked at, and are
    /// overwritten. `widths` and `out` have three numbers for each window, the same three in `widths`.
    ///
    /// # Panics
    /// If a window is empty or ends outside `sums`, or `widths` and `out` are not as long.
    pub fn averages(
        self,
        sums: &mut [u32],
        windows: &[std::ops::Range<u32>],
        widths: &[f32],
        height: usize,
        out: &mut [f32],
    ) {
        // SAFETY: as above.
        unsafe { (self.0.averages)(sums, windows, widths, height as f32, out) }
    }

    /// Maximum over `side` × `side` pixels with stride 2, the last windows cut at the edge (`ceil_mode`), of `size` × `size`
    /// pixels. `out` takes [`pooled`] pixels each way. Side: 2 or 3.
    ///
    /// # Panics
    /// If `input` or `out` are too short.
    pub fn pool(self, input: &[f32], size: usize, channels: usize, side: usize, out: &mut [f32]) {
        let outputs = pooled(size, side);
        assert!(matches!(side, 2 | 3), "windows of {side} pixels");
        assert!(input.len() >= size * size * channels, "{size} × {size} pixels");
        assert!(out.len() >= outputs * outputs * channels, "room for {outputs} × {outputs} pixels");
        // SAFETY: as above; windows are inside the input and their maxima inside `out`, as asserted.
        unsafe { (self.0.pool)(input, size, channels, side, out) }
    }
}

/// How many windows of `side` with stride 2 a row of `size` ≥ `side` pixels has, the last cut at the edge.
#[must_use]
pub const fn pooled(size: usize, side: usize) -> usize {
    (size - side).div_ceil(2) + 1
}
