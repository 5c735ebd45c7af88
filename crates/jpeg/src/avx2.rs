//! The inner loops with 256-bit integer vectors.

use crate::frame::{Block, SIDE};
use crate::upsample::Upsampling;

/// Proof that this CPU has AVX2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// `None` where the CPU lacks it.
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// [`crate::dct::inverse_row`].
    pub fn inverse_row(self, blocks: &[Block], extents: &[u8], quantisers: &Block, out: &mut [u8], stride: usize) {
        let _ = extents;
        for (index, block) in blocks.iter().enumerate() {
            let samples = crate::dct::inverse(block, quantisers);
            for (y, row) in samples.as_chunks::<SIDE>().0.iter().enumerate() {
                out[y * stride + index * SIDE..][..SIDE].copy_from_slice(row);
            }
        }
    }

    /// [`Upsampling::row`].
    pub fn upsampled_row(
        self,
        upsampling: Upsampling,
        near: &[u8],
        far: &[u8],
        is_lower: bool,
        sums: &mut [i16],
        out: &mut [u8],
    ) {
        upsampling.row_here(near, far, is_lower, sums, out);
    }

    /// [`crate::colour::ycc_to_rgb`].
    pub fn ycc_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        crate::colour::ycc_to_rgb(y, cb, cr, out);
    }
}
