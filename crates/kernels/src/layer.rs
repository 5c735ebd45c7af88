//! A layer's products: tiles of pixels with panels of output channels, by the tile kernel of a set or by its matrix unit.

// Tested by: `every_kernel_equals_the_definition` in crates/nn/src/cpu/tests.rs
// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use crate::amx::Gathered;
use crate::kernels::TileJob;
use crate::sets::{Set, TileKernel};
pub use crate::tiles::Tiles;

/// Sums of the tallest and widest tile of any set.
pub const MOST_SUMS: usize = MOST_HEIGHT * 2 * 16;

/// Pixels of the tallest tile of any set.
pub const MOST_HEIGHT: usize = 32;

/// A layer's products on one thread.
pub struct Products<'a> {
    tiles: Tiles<'a>,
    tile: TileKernel,
    lanes: usize,
    input: usize,
    /// Of two tiles.
    sums: [u32; 2 * MOST_SUMS],
    #[cfg(target_arch = "x86_64")]
    gathered: Option<Gathered>,
}

impl<'a> Products<'a> {
    /// Of the set's precision, or of f32 whatever that is.
    #[must_use]
    pub fn new(set: &'static Set, float: bool, tiles: Tiles<'a>) -> Self {
        Self {
            tiles,
            tile: if float { set.tile_f32 } else { set.tile },
            lanes: set.lanes,
            input: 0,
            sums: [0; 2 * MOST_SUMS],
            #[cfg(target_arch = "x86_64")]
            gathered: set.unit.filter(|_| !float).map(Gathered::new),
        }
    }

    /// Tiles to gather, and to sweep panels over, at a time: so many, or what a unit's blocks have room for.
    #[must_use]
    pub fn block(&self, wanted: usize) -> usize {
        #[cfg(target_arch = "x86_64")]
        if let Some(gathered) = &self.gathered {
            return gathered.tiles_at_once(&self.tiles);
        }
        wanted
    }

    /// Before some tiles are multiplied: their words are `input` bytes from where the offsets say.
    ///
    /// # Safety
    /// The offsets are of memory that is valid for the words of a run, `input` bytes further on too, and nobody writes
    /// there before the tiles are multiplied.
    pub unsafe fn gather(&mut self, which: Range<usize>, input: usize) {
        self.input = input;
        #[cfg(target_arch = "x86_64")]
        if let Some(gathered) = &mut self.gathered {
            // SAFETY: handed on from the caller.
            unsafe { gathered.gather(&self.tiles, which, input) };
            return;
        }
        let _ = which;
    }

    /// The sums of these tiles and of `vectors` registers of channels: calls `finish` with each tile, its pixels and their sums,
    /// `vectors` registers from pixel to pixel.
    ///
    /// A unit computes a tile while the one before is finished: that work waits for no product, and follows the tile's in the
    /// program, so that a CPU which looks far enough ahead does both at once.
    ///
    /// # Safety
    /// `which` were gathered; `weights` are those of a panel of a layer with these taps, as [`crate::pack`] writes them for the
    /// set, and [`Set::words_behind`] zeros behind them.
    pub unsafe fn sweep(
        &mut self,
        which: Range<usize>,
        weights: *const u32,
        vectors: usize,
        mut finish: impl FnMut(usize, usize, *mut u32),
    ) {
        let both = self.sums.as_mut_ptr();
        let stride = vectors * self.lanes;
        let mut before = None;
        for tile in which {
            let rows = self.tiles.rows(tile);
            // SAFETY: there is room for the sums of two tiles.
            let sums = unsafe { both.add(tile % 2 * MOST_SUMS) };
            // SAFETY: handed on from the caller.
            unsafe { self.multiply(tile, rows, weights, vectors, sums, stride) };
            let ready = if self.has_unit() { before.replace((tile, rows, sums)) } else { Some((tile, rows, sums)) };
            if let Some((tile, rows, sums)) = ready {
                finish(tile, rows, sums);
            }
        }
        if let Some((tile, rows, sums)) = before {
            finish(tile, rows, sums);
        }
    }

    fn has_unit(&self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self.gathered.is_some();
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// # Safety
    /// As [`Self::sweep`]; `out` is valid for [`MOST_SUMS`].
    unsafe fn multiply(
        &self,
        tile: usize,
        rows: usize,
        weights: *const u32,
        vectors: usize,
        out: *mut u32,
        stride: usize,
    ) {
        #[cfg(target_arch = "x86_64")]
        if let Some(gathered) = &self.gathered {
            // SAFETY: handed on from the caller.
            return unsafe { gathered.multiply(tile, rows, weights, vectors, out, stride) };
        }
        let runs = self.tiles.runs_of(tile);
        // SAFETY: handed on from the caller; a set is handed out only where the CPU has it.
        unsafe {
            let job = TileJob {
                arena: self.tiles.arena.add(self.input),
                taps: self.tiles.taps.as_ptr().add(runs.start),
                offsets: self.tiles.offsets.as_ptr().add(runs.start * self.tiles.height),
                height: self.tiles.height,
                runs: runs.len(),
                words: self.tiles.words,
                weights,
                out,
                stride,
            };
            (self.tile)(&job, rows, vectors);
        }
    }
}
