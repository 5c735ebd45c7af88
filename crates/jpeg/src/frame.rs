//! The frame header (SOF), and the sizes that follow from it (T.81 A.1, A.2; libjpeg's `jdinput.c`).

use std::ops::Range;

use crate::JpegError;

/// Samples along a block's side.
pub(crate) const SIDE: usize = 8;

/// Coefficients of a block, in rows.
pub(crate) type Block = [i16; 64];

/// Row-major place of each coefficient in zigzag order (T.81 figure A.6).
pub(crate) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// How coefficients are distributed over scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    /// Baseline or extended: each component is coded in one scan.
    Sequential,
    /// Bands and bits of coefficients are coded in separate scans.
    Progressive,
}

/// One colour channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Component {
    pub id: u8,
    /// Horizontal and vertical sampling factors, 1 to 4.
    pub h: usize,
    pub v: usize,
    /// Slot of its quantisation table.
    pub table: u8,
    /// Size in samples.
    pub width: usize,
    pub height: usize,
    /// Size in blocks that hold samples.
    pub blocks_wide: usize,
    pub blocks_high: usize,
    /// Blocks from one row to the next, filled up to whole MCUs.
    pub block_stride: usize,
}

/// A rectangle of a picture as stored, pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// From left to right.
    pub columns: Range<usize>,
    /// From top to bottom.
    pub rows: Range<usize>,
}

impl Part {
    /// The part of it that the picture has.
    pub(crate) fn within(&self, frame: &Frame) -> Self {
        let within = |range: &Range<usize>, length: usize| {
            let start = range.start.min(length);
            start..range.end.clamp(start, length)
        };
        Self { columns: within(&self.columns, frame.width), rows: within(&self.rows, frame.height) }
    }
}

/// The picture according to its frame header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub process: Process,
    pub width: usize,
    pub height: usize,
    pub components: Vec<Component>,
    /// Largest sampling factors.
    pub h_max: usize,
    pub v_max: usize,
    /// Size in fully interleaved MCUs.
    pub mcus_wide: usize,
    pub mcus_high: usize,
}

impl Frame {
    /// Reads the body of a SOF segment, which starts at byte `at` of the file.
    pub fn read(process: Process, body: &[u8], at: usize) -> Result<Self, JpegError> {
        let damaged = |what| JpegError::Damaged { at, what };
        let [precision, h1, h0, w1, w0, count, specs @ ..] = body else {
            return Err(damaged("the frame header is too short"));
        };
        match precision {
            8 => {}
            12 => return Err(JpegError::Unsupported { what: "it has 12 bits per sample" }),
            _ => return Err(JpegError::Unsupported { what: "it has neither 8 nor 12 bits per sample" }),
        }
        let (width, height) = (u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0]));
        if width == 0 || height == 0 {
            return Err(JpegError::Empty { width: width.into(), height: height.into() });
        }
        if width.max(height) > 65_500 {
            // libjpeg's JPEG_MAX_DIMENSION.
            return Err(JpegError::TooLarge { width: width.into(), height: height.into() });
        }
        if specs.len() != usize::from(*count) * 3 {
            return Err(damaged("the frame header's length does not fit its number of components"));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(JpegError::Unsupported { what: "it has neither 1, 3 nor 4 components" });
        }
        let specs = specs.as_chunks::<3>().0;
        let factors = || specs.iter().map(|[_, factors, _]| (usize::from(factors >> 4), usize::from(factors & 15)));
        if !factors().all(|(h, v)| (1..=4).contains(&h) && (1..=4).contains(&v)) {
            return Err(damaged("a sampling factor is not 1 to 4"));
        }
        let h_max = factors().map(|(h, _)| h).max().unwrap_or(1);
        let v_max = factors().map(|(_, v)| v).max().unwrap_or(1);
        if !factors().all(|(h, v)| h_max % h == 0 && v_max % v == 0) {
            return Err(JpegError::Unsupported { what: "its components' resolutions have no whole ratio" });
        }
        let (width, height) = (usize::from(width), usize::from(height));
        let (mcus_wide, mcus_high) = (width.div_ceil(h_max * SIDE), height.div_ceil(v_max * SIDE));
        let components = specs
            .iter()
            .zip(factors())
            .map(|([id, _, table], (h, v))| {
                let (width, height) = ((width * h).div_ceil(h_max), (height * v).div_ceil(v_max));
                Component {
                    id: *id,
                    h,
                    v,
                    table: *table,
                    width,
                    height,
                    blocks_wide: width.div_ceil(SIDE),
                    blocks_high: height.div_ceil(SIDE),
                    block_stride: mcus_wide * h,
                }
            })
            .collect();
        Ok(Self { process, width, height, components, h_max, v_max, mcus_wide, mcus_high })
    }

    /// Blocks of a component, filled up to whole MCUs.
    pub fn blocks(&self, component: usize) -> usize {
        let component = &self.components[component];
        component.block_stride * self.mcus_high * component.v
    }
}
