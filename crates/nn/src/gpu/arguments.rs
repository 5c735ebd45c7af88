//! Arguments of the kernels, laid out as in `crates/cuda/kernels`.

/// `Segment` of `convolution.cuh`: where a range of output channels goes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C)]
pub struct Segment {
    pub out: u64,
    pub residual: u64,
    pub end: i32,
    pub out_pixel: i32,
    pub residual_pixel: i32,
    pub wide: i32,
}

/// Segments of a convolution at most.
pub const SEGMENTS: usize = 4;

/// `Convolution` of `convolution.cuh`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct ConvolutionArguments {
    pub input: u64,
    pub weights: u64,
    pub bias: u64,
    pub taps: u64,
    pub segments: [Segment; SEGMENTS],
    pub rows: i32,
    pub channels: i32,
    pub steps: i32,
    pub input_height: i32,
    pub input_width: i32,
    pub input_pixel: i32,
    pub output_height: i32,
    pub output_width: i32,
    pub stride: i32,
    pub padding_y: i32,
    pub padding_x: i32,
    pub relu: i32,
}

/// `Standardise` of `pointwise.cuh`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct StandardiseArguments {
    pub pixels: u64,
    pub values: u64,
    pub out: u64,
    pub count: i64,
}

/// `Pool` of `pointwise.cuh`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct PoolArguments {
    pub input: u64,
    pub out: u64,
    pub input_height: i32,
    pub input_width: i32,
    pub input_pixel: i32,
    pub output_height: i32,
    pub output_width: i32,
    pub output_pixel: i32,
    pub chunks: i32,
    pub count: i64,
}

/// `Mean` of `head.cu`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct MeanArguments {
    pub input: u64,
    pub out: u64,
    pub pixels: i32,
    pub channels: i32,
    pub count: i64,
}

/// `Normalise` of `head.cu`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct NormaliseArguments {
    pub input: u64,
    pub out: u64,
    pub rows: i32,
    pub dimension: i32,
    pub stride: i32,
}
