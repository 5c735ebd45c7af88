//! P-Net: which cells of 12×12 pixels of a scaled photo look like a face.
//!
//! A scale is walked in strips of columns, row by row, and each row goes through all layers as soon as the rows before it are
//! there. So a strip needs a few rows of each layer, whatever the photo's size, and they stay in the cache.

use facevault_kernels::shallow::{Layer, Patches, Shallow};
use image::RgbImage;

use crate::boxes::{Corners, Scored};
use crate::networks::Networks;
use crate::pyramid::{CELL, STRIDE, scaled};
use crate::resample::{Resampler, window};
use crate::softmax::second_share;

/// Columns of cells in a strip.
const STRIP: usize = 256;

/// Channels of the layers.
const CHANNELS: [usize; 3] = [10, 16, 32];

/// Numbers of a cell: two logits, four regressions.
const HEADS: usize = 6;

/// Pooled pixels of a cell's side less one: two 3×3 layers follow the pooling.
const HALO: usize = 4;

/// A cell that P-Net takes for a face.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    /// Row and column of the cell in its scale.
    pub at: [u32; 2],
    /// Where it is in the photo, and how probably it is a face.
    pub scored: Scored,
    /// How its corners move, in units of its sides.
    pub regression: [f32; 4],
}

/// The network, for one instruction set.
#[derive(Debug)]
pub(crate) struct PNet {
    shallow: Shallow,
    convolutions: [Layer; 3],
    heads: Layer,
}

/// Rows of a strip.
#[derive(Debug, Default)]
pub(crate) struct PNetBuffers {
    resampler: Resampler,
    /// 4 rows of the scaled photo.
    pixels: Vec<f32>,
    /// 3 rows each of what the first two layers give, in turns.
    pooled: Vec<f32>,
    second: Vec<f32>,
    third: Vec<f32>,
    heads: Vec<f32>,
    /// Where the patches of each layer start: fours for the pooled first layer, for rows and for an odd last row.
    fours: Vec<u32>,
    odd_fours: Vec<u32>,
    starts: [Vec<u32>; 3],
}

/// A scale of a photo.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Pixels of the scaled photo ÷ pixels of the photo.
    pub factor: f64,
    /// Width and height of the scaled photo.
    size: [usize; 2],
    /// Columns and rows of cells.
    cells: [usize; 2],
}

impl Scale {
    /// A photo of `[width, height]` at `factor`.
    pub(crate) fn new(photo: [usize; 2], factor: f64) -> Self {
        let size = photo.map(|side| scaled(side, factor));
        let cells = size.map(|side| side.saturating_sub(2).div_ceil(2).saturating_sub(HALO));
        Self { factor, size, cells }
    }

    /// The part of the photo that a cell covers.
    fn corners(self, row: usize, column: usize) -> Corners {
        let factor = self.factor as f32;
        let edge = |cell: usize, beyond: usize| ((STRIDE * cell + beyond) as f32 / factor).floor();
        [edge(column, 1), edge(row, 1), edge(column, CELL), edge(row, CELL)]
    }
}

impl PNet {
    pub(crate) fn new(networks: &Networks, shallow: Shallow) -> Self {
        let convolution = |index: usize, channels| {
            networks.convolution(shallow, &format!("pnet.conv{index}"), &format!("pnet.prelu{index}"), channels, 3)
        };
        Self {
            shallow,
            convolutions: [convolution(1, 3), convolution(2, CHANNELS[0]), convolution(3, CHANNELS[1])],
            heads: networks.heads(shallow, &["pnet.conv4_1", "pnet.conv4_2"], CHANNELS[2]),
        }
    }

    /// Calls `found` with each cell of the scale whose probability is at least `threshold`, strip by strip.
    pub(crate) fn scan(
        &self,
        photo: &RgbImage,
        scale: Scale,
        threshold: f32,
        buffers: &mut PNetBuffers,
        found: &mut dyn FnMut(Cell),
    ) {
        if scale.cells.contains(&0) {
            return;
        }
        // Strips of one width, so that none is a sliver.
        let strips = scale.cells[0].div_ceil(STRIP);
        for strip in 0..strips {
            let first = scale.cells[0] * strip / strips;
            let last = scale.cells[0] * (strip + 1) / strips;
            self.scan_strip(photo, scale, first..last, threshold, buffers, found);
        }
    }

    fn scan_strip(
        &self,
        photo: &RgbImage,
        scale: Scale,
        cells: std::ops::Range<usize>,
        threshold: f32,
        buffers: &mut PNetBuffers,
        found: &mut dyn FnMut(Cell),
    ) {
        let [width, height] = scale.size;
        let pooled_columns = cells.len() + HALO;
        let pixels = 2 * cells.start..(2 * (cells.end + HALO) + 2).min(width);
        let row = pixels.len() * 3;
        buffers.resampler.prepare(0..photo.width() as usize, width, pixels.clone());
        buffers.lay_out(row, pooled_columns);
        let pooled_row = pooled_columns * CHANNELS[0];
        let second_row = (pooled_columns - 2) * CHANNELS[1];
        let pooled_rows = (height - 2).div_ceil(2);
        // Below this difference of the logits a cell's probability is certainly below the threshold.
        let hopeless = match f64::from(threshold) {
            t if t > 0.0 && t < 0.999 => ((t / (1.0 - t)).ln() - 1e-3) as f32,
            _ => f32::NEG_INFINITY,
        };
        for y in 0..pooled_rows {
            let fresh = if y == 0 {
                0..4
            } else {
                buffers.pixels.copy_within(2 * row..4 * row, 0);
                2..4
            };
            for line in fresh {
                let y = 2 * y + line;
                if y < height {
                    let out = &mut buffers.pixels[line * row..(line + 1) * row];
                    buffers.resampler.row(self.shallow, photo, window(y, height, photo.height() as usize), out);
                }
            }
            let is_odd = 2 * y + 3 == height;
            let starts = if is_odd { &buffers.odd_fours } else { &buffers.fours };
            self.convolutions[0].apply_and_pool(
                Patches { input: &buffers.pixels, runs: &[0, row, 2 * row], starts },
                &mut buffers.pooled[y % 3 * pooled_row..][..pooled_row],
            );
            let runs = |stride: usize, y: usize| [y % 3 * stride, (y + 1) % 3 * stride, (y + 2) % 3 * stride];
            let Some(y) = y.checked_sub(2) else { continue };
            self.convolutions[1].apply(
                Patches { input: &buffers.pooled, runs: &runs(pooled_row, y), starts: &buffers.starts[0] },
                &mut buffers.second[y % 3 * second_row..][..second_row],
            );
            let Some(y) = y.checked_sub(2) else { continue };
            self.convolutions[2].apply(
                Patches { input: &buffers.second, runs: &runs(second_row, y), starts: &buffers.starts[1] },
                &mut buffers.third,
            );
            self.heads
                .apply(Patches { input: &buffers.third, runs: &[0], starts: &buffers.starts[2] }, &mut buffers.heads);
            for (heads, column) in buffers.heads.as_chunks::<HEADS>().0.iter().zip(cells.clone()) {
                let &[not, face, a, b, c, d] = heads;
                if face - not < hopeless {
                    continue;
                }
                let score = second_share(not, face);
                if score >= threshold {
                    let scored = Scored { corners: scale.corners(y, column), score };
                    found(Cell { at: [y as u32, column as u32], scored, regression: [a, b, c, d] });
                }
            }
        }
    }
}

impl PNetBuffers {
    /// Makes room for rows of `row` numbers of the scaled photo and of `pooled` pooled pixels.
    fn lay_out(&mut self, row: usize, pooled: usize) {
        self.pixels.resize(4 * row, 0.0);
        self.pooled.resize(3 * pooled * CHANNELS[0], 0.0);
        self.second.resize(3 * (pooled - 2) * CHANNELS[1], 0.0);
        self.third.resize((pooled - 4) * CHANNELS[2], 0.0);
        self.heads.resize((pooled - 4) * HEADS, 0.0);
        let last = row / 3 - 3;
        self.fours.clear();
        self.odd_fours.clear();
        for column in 0..pooled {
            // Where the width or height is odd, the last window has one column or row: the other repeats it.
            let [left, right] = [2 * column, (2 * column + 1).min(last)].map(|x| x as u32 * 3);
            self.fours.extend([left, right, left + row as u32, right + row as u32]);
            self.odd_fours.extend([left, right, left, right]);
        }
        for (starts, (count, channels)) in
            self.starts.iter_mut().zip([pooled - 2, pooled - 4, pooled - 4].into_iter().zip(CHANNELS))
        {
            starts.clear();
            starts.extend((0..count).map(|x| (x * channels) as u32));
        }
    }
}
