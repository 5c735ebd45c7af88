//! The kernels of `kernels/*.cu` as PTX of compute capability 8.0, which the driver compiles for its card; made by
//! `ptx/make.py`.

/// The network in 32-bit floats.
pub const NETWORK_F32: &str = include_str!("../ptx/network_f32.ptx");
/// The network with factors rounded to TF32.
pub const NETWORK_TF32: &str = include_str!("../ptx/network_tf32.ptx");
/// The network in 16-bit floats.
pub const NETWORK_F16: &str = include_str!("../ptx/network_f16.ptx");
/// The network in bfloat16.
pub const NETWORK_BF16: &str = include_str!("../ptx/network_bf16.ptx");
/// Pooling, the last layer and normalisation.
pub const HEAD: &str = include_str!("../ptx/head.ptx");
/// All pairs of unit rows.
pub const PAIRS: &str = include_str!("../ptx/pairs.ptx");
