//! Products by a matrix unit: Intel's AMX, which multiplies tiles of 16 rows of 64 bytes, and a replica of it in AVX-512 that
//! gives the same bits on CPUs without one.
//!
//! What a layer reads is gathered first, tile after tile, so that its products are one regular loop whatever the layer's
//! kernel, stride and padding are. Sums of bf16 are taken as `TDPBF16PS` takes them (Intel's manual, volume 2): of 16 pairs, the
//! even and the odd numbers in a chain of fused multiply-adds each, from 0; then both chains are added, and their sum to what
//! was there. Numbers below 1.2·10⁻³⁸ count as 0.

// Tested by: `products_of_gathered_pixels_equal_their_definition` in crates/kernels/src/amx/tests.rs

mod gather;
mod hardware;
mod replica;
mod scratch;
#[cfg(test)]
mod tests;
#[cfg(all(test, target_os = "linux"))]
mod trap;

pub(crate) use gather::{gather, gather_split};
pub(crate) use hardware::{multiply_bf16, multiply_int8, peak_bf16, peak_int8, release, set_up};
pub(crate) use replica::{replica_bf16, replica_int8, replica_peak_bf16, replica_peak_int8};
pub(crate) use scratch::Gathered;

/// Rows of a tile.
pub(crate) const ROWS: usize = 16;

/// Bytes of a tile's row.
pub(crate) const ROW_BYTES: usize = 64;

/// 32-bit words of a tile's row.
pub(crate) const ROW_WORDS: usize = ROW_BYTES / 4;

/// Pixels that are multiplied at once: two tiles.
pub(crate) const HEIGHT: usize = 2 * ROWS;

/// Bytes of so many pixels' words: what lies between two blocks of a stretch.
pub(crate) const BLOCK_BYTES: usize = HEIGHT * ROW_BYTES;

/// Blocks that follow each other on both sides of a product.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Where the first block of the pixels is, bytes from [`PackedTile::pixels`].
    pub at: u32,
    /// The first row of the weights.
    pub row: u32,
    /// Blocks, each of [`ROW_WORDS`] rows of weights: 1 or more.
    pub blocks: u32,
}

/// A product of up to [`HEIGHT`] gathered pixels with a panel of 16 or 32 output channels.
#[repr(C)]
pub(crate) struct PackedTile {
    /// Blocks of [`HEIGHT`] rows of [`ROW_BYTES`].
    pub pixels: *const u8,
    /// Rows of `vectors` × 16 words.
    pub weights: *const u32,
    /// Sums: a row of `vectors` × 16 words for each pixel, `stride` bytes apart.
    pub out: *mut u32,
    /// Bytes between the sums of two pixels.
    pub stride: usize,
    /// What is multiplied with what.
    pub stretches: *const Stretch,
    /// Of them: 1 or more.
    pub count: usize,
}

/// The product: the job, its tiles of pixels (1 or 2) and its vectors of channels (1 or 2).
pub(crate) type MultiplyKernel = unsafe fn(&PackedTile, usize, usize);

/// Words of some runs of each pixel, which are put one behind the other.
pub(crate) struct Gather {
    /// Base of the offsets.
    pub arena: *const u8,
    /// Where each pixel's words begin, bytes, run after run, `height` apart.
    pub offsets: *const u32,
    /// Offsets of a run.
    pub height: usize,
    /// Runs.
    pub runs: usize,
    /// Words of a run.
    pub words: usize,
    /// Pixels, a multiple of [`ROWS`].
    pub pixels: usize,
    /// Blocks of [`BLOCK_BYTES`]; what the words do not fill of the last becomes 0.
    pub to: *mut u8,
}

/// How activations are gathered, and what follows for the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gathering {
    /// Words as they are. Runs whose weights follow each other are joined where sums are integers: a block has one order then,
    /// whatever is in it.
    Words { joined: bool },
    /// f32 as two bf16s, of which the second is what the first leaves: blocks of 32 first parts, then as many second ones.
    Split,
}

/// A matrix unit at one precision.
pub(crate) struct MatrixUnit {
    pub gathering: Gathering,
    pub gather: unsafe fn(&Gather),
    pub multiply: MultiplyKernel,
    /// Before the first product on a thread.
    pub set_up: unsafe fn(),
    /// After the last.
    pub release: unsafe fn(),
    /// Products from registers: so many rounds of 16 tiles.
    pub peak: unsafe fn(usize),
    /// Operations of one of these rounds.
    pub peak_operations: f64,
}
