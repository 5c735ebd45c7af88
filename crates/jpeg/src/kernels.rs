//! The choice between the portable loops and AVX2. Either gives the same bytes.

#[cfg(target_arch = "x86_64")]
use crate::avx2::HasAvx2;
use crate::colour::{self, Colours};
use crate::dct;
use crate::frame::{Block, SIDE};
use crate::upsample::Upsampling;

/// Which instructions the inner loops use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Instructions {
    /// Those that every CPU of the target has.
    Portable,
    /// 256-bit integer vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2(HasAvx2),
}

impl Instructions {
    /// The fastest that this CPU has.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = HasAvx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Portable
    }

    /// A row of blocks → eight rows of samples, the first at `out[0]`, `stride` bytes apart. `extents` has the zigzag index
    /// of each block's last coefficient that is not zero, or more. `out` may be written up to eight bytes beyond the last
    /// block.
    ///
    /// # Panics
    ///
    /// When `out` is too short for that.
    pub fn inverse_row(self, blocks: &[Block], extents: &[u8], quantisers: &Block, out: &mut [u8], stride: usize) {
        assert!(out.len() >= 7 * stride + blocks.len().next_multiple_of(2) * SIDE && blocks.len() == extents.len());
        match self {
            Self::Portable => dct::inverse_row(blocks, quantisers, out, stride),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.inverse_row(blocks, extents, quantisers, out, stride),
        }
    }

    /// [`Upsampling::row`].
    pub fn upsample_row(
        self,
        upsampling: Upsampling,
        near: &[u8],
        far: &[u8],
        is_lower: bool,
        sums: &mut [i16],
        out: &mut [u8],
    ) {
        match self {
            Self::Portable => upsampling.row(near, far, is_lower, sums, out),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.upsample_row(upsampling, near, far, is_lower, sums, out),
        }
    }

    /// [`colour::to_rgb`]; AVX2 has a loop for YCbCr only.
    pub fn to_rgb(self, colours: Colours, components: &[&[u8]], out: &mut [u8]) {
        match (self, colours, components) {
            #[cfg(target_arch = "x86_64")]
            (Self::Avx2(avx2), Colours::YCbCr, &[y, cb, cr]) => avx2.ycc_to_rgb(y, cb, cr, out),
            _ => colour::to_rgb(colours, components, out),
        }
    }
}
