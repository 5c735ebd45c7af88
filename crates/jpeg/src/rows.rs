//! Coefficients → rows of RGB, one MCU row at a time, keeping only the samples that the next rows need.

use std::ops::Range;

use crate::colour::Colours;
use crate::frame::{Block, Component, Frame, Part, SIDE};
use crate::kernels::Instructions;
use crate::upsample::Upsampling;

/// Rows of samples that are kept from the MCU row before, in units of a component's vertical sampling factor. The last of
/// them is not yet used, because the triangle filter mixes it with the next; the one before is what it is mixed with.
const KEPT: usize = 2;

/// The samples of a component's current MCU row and of the end of the last.
struct ComponentStrip {
    upsampling: Upsampling,
    quantisers: Block,
    samples: Vec<u8>,
    stride: usize,
    /// The component's current row at the picture's width.
    line: Vec<u8>,
}

/// Builds a picture from its rows of blocks.
pub(crate) struct RowWriter<'f> {
    frame: &'f Frame,
    kernels: Instructions,
    colours: Colours,
    strips: Vec<ComponentStrip>,
    sums: Vec<i16>,
    /// The pixels that are needed.
    part: Part,
    /// The MCUs whose samples they take.
    mcu_columns: Range<usize>,
    mcu_rows: Range<usize>,
    /// All rows so far.
    rgb: Vec<u8>,
    rgb_line: Vec<u8>,
}

impl<'f> RowWriter<'f> {
    /// `quantisers` has each component's table in rows. Outside `part` the picture is black.
    pub fn new(frame: &'f Frame, quantisers: &[Block], colours: Colours, kernels: Instructions, part: &Part) -> Self {
        // Vector code may write a little beyond the last sample.
        const SPARE: usize = 64;
        let full_width = frame.mcus_wide * frame.h_max * SIDE;
        let strip = |(component, &quantisers): (&Component, &Block)| {
            let stride = component.block_stride * SIDE + SIDE;
            ComponentStrip {
                upsampling: Upsampling::of(component, frame),
                quantisers,
                samples: vec![0; (KEPT + SIDE) * component.v * stride + SPARE],
                stride,
                line: vec![0; full_width + SPARE],
            }
        };
        let part = part.within(frame);
        // A sample is mixed with its neighbours, and a row of MCUs is written with the next one.
        let mcus = |range: &Range<usize>, factor: usize, count: usize| {
            let first = range.start.saturating_sub(factor) / (SIDE * factor);
            first..(range.end + factor).div_ceil(SIDE * factor).min(count)
        };
        Self {
            frame,
            kernels,
            colours,
            mcu_columns: mcus(&part.columns, frame.h_max, frame.mcus_wide),
            mcu_rows: mcus(&part.rows, frame.v_max, frame.mcus_high),
            part,
            strips: frame.components.iter().zip(quantisers).map(strip).collect(),
            sums: vec![0; full_width + SPARE],
            rgb: Vec::with_capacity(frame.width * frame.height * 3),
            rgb_line: vec![0; full_width * 3 + SPARE],
        }
    }

    /// Whether the blocks of an MCU row are needed; [`Self::finish`] is not called for one that is not.
    pub fn needs(&self, mcu_row: usize) -> bool {
        self.mcu_rows.contains(&mcu_row)
    }

    /// Takes a component's row of blocks; `row` counts within the MCU row.
    pub fn blocks(&mut self, component: usize, row: usize, blocks: &[Block], extents: &[u8]) {
        let Component { h, v, .. } = self.frame.components[component];
        let needed = self.mcu_columns.start * h..(self.mcu_columns.end * h).min(blocks.len());
        let strip = &mut self.strips[component];
        let first = (KEPT * v + row * SIDE) * strip.stride + needed.start * SIDE;
        let out = &mut strip.samples[first..];
        self.kernels.inverse_row(&blocks[needed.clone()], &extents[needed], &strip.quantisers, out, strip.stride);
    }

    /// Writes the rows that an MCU row completes, once all its blocks are in.
    pub fn finish(&mut self, mcu_row: usize) {
        let is_last = mcu_row + 1 == self.frame.mcus_high;
        // In units of the sampling factors: rows of these stand side by side.
        let first = (mcu_row * SIDE).saturating_sub(1);
        let end = if is_last { self.frame.mcus_high * SIDE } else { mcu_row * SIDE + SIDE - 1 };
        let (first, end) = (first * self.frame.v_max, end * self.frame.v_max);
        for y in first.max(self.part.rows.start)..end.min(self.part.rows.end) {
            self.row(mcu_row, y);
        }
        if !is_last {
            for (strip, component) in self.strips.iter_mut().zip(&self.frame.components) {
                let kept = SIDE * component.v * strip.stride..(KEPT + SIDE) * component.v * strip.stride;
                strip.samples.copy_within(kept, 0);
            }
        }
    }

    fn row(&mut self, mcu_row: usize, y: usize) {
        let Self { frame, part, mcu_columns, .. } = self;
        // From the first MCU that is needed on.
        let left = mcu_columns.start * SIDE * frame.h_max;
        // Whole vectors; the excess is cut off below.
        let (width, count) = ((part.columns.end - left).next_multiple_of(16), self.strips.len());
        let mut lines: [&[u8]; 4] = [&[]; 4];
        for ((strip, component), line) in self.strips.iter_mut().zip(&frame.components).zip(&mut lines) {
            let ComponentStrip { upsampling, samples, stride, .. } = strip;
            let columns =
                mcu_columns.start * SIDE * component.h..(mcu_columns.end * SIDE * component.h).min(component.width);
            let of = |row: usize| {
                let first = (row + KEPT * component.v - mcu_row * SIDE * component.v) * *stride;
                &samples[first + columns.start..]
            };
            let (near, far) = upsampling.rows(y, component.height);
            *line = if *upsampling == Upsampling::None {
                of(near)
            } else {
                let (near, far) = (&of(near)[..columns.len()], &of(far)[..columns.len()]);
                self.kernels.upsample_row(*upsampling, near, far, y % 2 == 1, &mut self.sums, &mut strip.line);
                &strip.line
            };
        }
        let line = &mut self.rgb_line[..width * 3];
        self.kernels.to_rgb(self.colours, &lines[..count], line);
        self.rgb.resize((y * frame.width + part.columns.start) * 3, 0);
        self.rgb.extend_from_slice(&line[(part.columns.start - left) * 3..(part.columns.end - left) * 3]);
    }

    /// The picture, once all its MCU rows are finished.
    pub fn into_rgb(mut self) -> Vec<u8> {
        self.rgb.resize(self.frame.width * self.frame.height * 3, 0);
        self.rgb
    }
}
