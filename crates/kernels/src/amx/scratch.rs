//! The gathered pixels of some tiles of a layer.

// Tested by: `products_of_gathered_pixels_equal_their_definition` in crates/kernels/src/amx/tests.rs

use std::cell::Cell;
use std::ops::Range;

use super::{BLOCK_BYTES, Gather, Gathering, MatrixUnit, PackedTile, ROW_WORDS, ROWS, Stretch};
use crate::tiles::Tiles;

/// Bytes of gathered pixels that a panel is swept over: a quarter of the second cache of CPUs with a matrix unit.
const MOST_BYTES: usize = 512 << 10;

/// What a thread keeps from layer to layer.
#[derive(Default)]
struct Room {
    /// Gathered pixels.
    blocks: Vec<[u64; 8]>,
    stretches: Vec<Stretch>,
    /// The first stretch of each tile, and the end.
    starts: Vec<usize>,
}

thread_local! {
    static ROOM: Cell<Room> = const { Cell::new(Room { blocks: Vec::new(), stretches: Vec::new(), starts: Vec::new() }) };
}

/// Some tiles of a layer, ready to be multiplied. The thread's unit is set up while this lives: keep one at a time on a thread.
pub(crate) struct Gathered {
    unit: &'static MatrixUnit,
    room: Room,
    tiles: Range<usize>,
    input: usize,
}

impl Gathered {
    pub fn new(unit: &'static MatrixUnit) -> Self {
        // SAFETY: a set is handed out only where the CPU has its unit.
        unsafe { (unit.set_up)() };
        Self { unit, room: ROOM.take(), tiles: 0..0, input: 0 }
    }

    /// Tiles of a layer that are gathered at once.
    pub fn tiles_at_once(&self, tiles: &Tiles<'_>) -> usize {
        let most = tiles.ends.windows(2).map(|ends| (ends[1] - ends[0]) as usize).max().unwrap_or(0);
        let blocks = match self.unit.gathering {
            Gathering::Words { joined: true } => (most * tiles.words).div_ceil(ROW_WORDS),
            Gathering::Words { joined: false } => most * tiles.words.div_ceil(ROW_WORDS),
            Gathering::Split => most * 2 * tiles.words.div_ceil(2 * ROW_WORDS),
        };
        (MOST_BYTES / (blocks * BLOCK_BYTES).max(1)).max(1)
    }

    /// Gathers some tiles, `input` bytes from where their offsets say, unless they are here.
    ///
    /// # Safety
    /// The offsets are of memory that is valid for the words of a run, `input` bytes further on too.
    pub unsafe fn gather(&mut self, tiles: &Tiles<'_>, which: Range<usize>, input: usize) {
        if self.tiles == which && self.input == input && !which.is_empty() {
            return;
        }
        (self.tiles, self.input) = (which.clone(), input);
        let Room { blocks, stretches, starts } = &mut self.room;
        stretches.clear();
        starts.clear();
        let mut end = 0;
        for tile in which.clone() {
            starts.push(stretches.len());
            lay_out(self.unit.gathering, tiles.runs(tile), tiles.words, &mut end, stretches);
        }
        starts.push(stretches.len());
        blocks.resize(blocks.len().max(end * BLOCK_BYTES / 64), [0; 8]);
        let mut first = 0;
        for tile in which {
            let runs = &tiles.taps[tiles.runs_of(tile)];
            for joined in joined(self.unit.gathering, runs) {
                // SAFETY: handed on from the caller; `lay_out` counted as many blocks for these runs.
                unsafe {
                    (self.unit.gather)(&Gather {
                        arena: tiles.arena.add(input),
                        offsets: tiles.offsets[(tiles.runs_of(tile).start + joined.start) * tiles.height..].as_ptr(),
                        height: tiles.height,
                        runs: joined.len(),
                        words: tiles.words,
                        pixels: tiles.rows(tile).next_multiple_of(ROWS),
                        to: blocks.as_mut_ptr().cast::<u8>().add(first * BLOCK_BYTES),
                    });
                }
                first += blocks_of(self.unit.gathering, joined.len(), tiles.words);
            }
        }
    }

    /// The sums of a gathered tile, `stride` words apart.
    ///
    /// # Safety
    /// `weights` are those of a panel of the layer, whole blocks of them; `out` is valid for a whole tile.
    pub unsafe fn multiply(
        &self,
        tile: usize,
        rows: usize,
        weights: *const u32,
        vectors: usize,
        out: *mut u32,
        stride: usize,
    ) {
        let number = tile - self.tiles.start;
        let stretches = &self.room.stretches[self.room.starts[number]..self.room.starts[number + 1]];
        if stretches.is_empty() {
            for row in 0..rows {
                // SAFETY: handed on from the caller.
                unsafe { out.add(row * stride).write_bytes(0, vectors * ROW_WORDS) };
            }
            return;
        }
        let job = PackedTile {
            pixels: self.room.blocks.as_ptr().cast(),
            weights,
            out,
            stride: stride * 4,
            stretches: stretches.as_ptr(),
            count: stretches.len(),
        };
        // SAFETY: handed on from the caller; `gather` filled the blocks that the stretches name.
        unsafe { (self.unit.multiply)(&job, rows.div_ceil(ROWS), vectors) }
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        // SAFETY: as in `new`.
        unsafe { (self.unit.release)() };
        ROOM.set(std::mem::take(&mut self.room));
    }
}

/// Which runs are gathered one behind the other: those whose weights follow each other, if any may be.
fn joined(gathering: Gathering, taps: &[u32]) -> impl Iterator<Item = Range<usize>> {
    let join = gathering == Gathering::Words { joined: true };
    let mut first = 0;
    std::iter::from_fn(move || {
        let start = first;
        if start == taps.len() {
            return None;
        }
        first += 1;
        while join && first < taps.len() && taps[first] == taps[first - 1] + 1 {
            first += 1;
        }
        Some(start..first)
    })
}

/// Blocks of [`BLOCK_BYTES`] that so many joined runs take.
fn blocks_of(gathering: Gathering, runs: usize, words: usize) -> usize {
    match gathering {
        Gathering::Words { .. } => (runs * words).div_ceil(ROW_WORDS),
        Gathering::Split => runs * 2 * words.div_ceil(2 * ROW_WORDS),
    }
}

/// Appends what a tile's products go through; `end` is the first free block.
fn lay_out(gathering: Gathering, taps: &[u32], words: usize, end: &mut usize, stretches: &mut Vec<Stretch>) {
    for runs in joined(gathering, taps) {
        let (tap, at) = (taps[runs.start] as usize, |block: usize| (block * BLOCK_BYTES) as u32);
        let blocks = blocks_of(gathering, runs.len(), words);
        match gathering {
            Gathering::Words { .. } => {
                stretches.push(Stretch { at: at(*end), row: (tap * words) as u32, blocks: blocks as u32 });
            }
            Gathering::Split => {
                // What the second parts of either side add comes before what the first parts do.
                let half = blocks / 2;
                let row = |part: usize| ((tap * blocks + part * half) * ROW_WORDS) as u32;
                let blocks = half as u32;
                stretches.push(Stretch { at: at(*end + half), row: row(0), blocks });
                stretches.push(Stretch { at: at(*end), row: row(1), blocks });
                stretches.push(Stretch { at: at(*end), row: row(0), blocks });
            }
        }
        *end += blocks;
    }
}
