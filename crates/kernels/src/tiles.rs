//! The pixels of a layer, in tiles.

use std::ops::Range;

/// Where the pixels of each tile find their words.
#[derive(Clone, Copy)]
pub struct Tiles<'a> {
    /// Base of the offsets.
    pub arena: *const u8,
    /// Which taps of the kernel see more than padding, tile after tile.
    pub taps: &'a [u32],
    /// For each of `taps`, the place of each pixel's words in the arena, bytes: `height` of them.
    pub offsets: &'a [u32],
    /// First of `taps` of each tile, and the end.
    pub ends: &'a [u32],
    /// Pixels in all tiles.
    pub pixels: usize,
    /// Of a tile, the last excepted: the set's.
    pub height: usize,
    /// Words of each tap.
    pub words: usize,
}

impl Tiles<'_> {
    /// Pixels of a tile.
    #[must_use]
    pub fn rows(&self, tile: usize) -> usize {
        (self.pixels - tile * self.height).min(self.height)
    }

    /// Which of `taps` are a tile's.
    pub(crate) fn runs_of(&self, tile: usize) -> Range<usize> {
        self.ends[tile] as usize..self.ends[tile + 1] as usize
    }

    /// A tile's taps.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn runs(&self, tile: usize) -> &[u32] {
        &self.taps[self.runs_of(tile)]
    }
}
