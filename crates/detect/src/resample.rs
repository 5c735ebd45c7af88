//! Resampling by area, `torch.nn.functional.interpolate(mode="area")`: the average over a window of whole pixels, windows
//! overlapping where the sizes do not divide. The result is standardised: (average − 127.5) ÷ 128.

use std::ops::Range;

use facevault_kernels::shallow::Shallow;
use image::RgbImage;

/// The pixels that output `index` of `outputs` averages, of `inputs`.
pub(crate) fn window(index: usize, outputs: usize, inputs: usize) -> Range<usize> {
    index * inputs / outputs..((index + 1) * inputs).div_ceil(outputs)
}

/// A rectangle of a photo, its columns grouped into the windows of some output columns.
#[derive(Debug, Default)]
pub(crate) struct Resampler {
    /// Windows of the output columns, from the first of `columns`.
    windows: Vec<Range<u32>>,
    /// Their widths, three times each.
    widths: Vec<f32>,
    /// Columns of the photo.
    columns: Range<usize>,
    /// Sums of the photo's columns over a window's rows.
    sums: Vec<u32>,
}

impl Resampler {
    /// Prepares for the output columns `outputs` of `width`, which the columns `source` of the photo are resampled to.
    pub(crate) fn prepare(&mut self, source: Range<usize>, width: usize, outputs: Range<usize>) {
        let first = window(outputs.start, width, source.len()).start;
        self.windows.clear();
        self.windows.extend(outputs.map(|x| {
            let window = window(x, width, source.len());
            (window.start - first) as u32..(window.end - first) as u32
        }));
        self.widths.clear();
        self.widths.extend(self.windows.iter().flat_map(|window| [(window.end - window.start) as f32; 3]));
        let length = self.windows.last().map_or(0, |window| window.end as usize);
        self.columns = source.start + first..source.start + first + length;
        self.sums.clear();
        // Four numbers beyond the last column, for `averages`.
        self.sums.resize(length * 3 + 4, 0);
    }

    /// The output row that averages the photo's `rows`, three numbers for each column.
    pub(crate) fn row(&mut self, shallow: Shallow, photo: &RgbImage, rows: Range<usize>, out: &mut [f32]) {
        let height = rows.len();
        let columns = &mut self.sums[..self.columns.len() * 3];
        shallow.column_sums(photo.as_raw(), photo.width() as usize * 3, rows, self.columns.start * 3, columns);
        shallow.averages(&mut self.sums, &self.windows, &self.widths, height, out);
    }
}
