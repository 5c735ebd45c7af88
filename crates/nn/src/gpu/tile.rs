//! The tiles of outputs that a block of the convolution kernel computes. A layer's tile changes its speed only: every output
//! is the same sum in the same order.

/// A tile: pixels × channels, and threads of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockTile {
    /// Pixels of the output.
    pub rows: usize,
    /// Channels of the output.
    pub channels: usize,
    /// Threads of a block.
    pub threads: usize,
}

const fn tile(rows: usize, channels: usize, threads: usize) -> BlockTile {
    BlockTile { rows, channels, threads }
}

/// Those of `CONVOLUTIONS` in `convolution.cuh`.
pub const TILES: [BlockTile; 6] = [
    tile(128, 128, 256),
    tile(128, 96, 128),
    tile(128, 64, 128),
    tile(128, 32, 128),
    tile(64, 64, 128),
    tile(64, 128, 128),
];

/// That of `convolution_head` in `head.cu`: a product of few rows.
pub const HEAD_TILE: BlockTile = tile(64, 64, 128);

/// Bytes of k of a step, and steps in shared memory: `STEP` and `STAGES` of `convolution.cuh`.
pub const STEP: usize = 64;
const STAGES: usize = 4;

/// Tiles to measure for a layer.
const CANDIDATES: usize = 3;

impl BlockTile {
    /// The kernel's name in a precision's module.
    #[must_use]
    pub fn kernel(self, precision: &str) -> String {
        format!("convolution_{precision}_{}x{}", self.rows, self.channels)
    }

    /// Dynamic shared memory of a block, bytes: the steps on their way, then the sums on their way out.
    #[must_use]
    pub fn shared(self) -> u32 {
        let (steps, sums) = (STAGES * (self.rows + self.channels) * STEP, self.rows * (self.channels + 8) * 4);
        steps.max(sums) as u32
    }

    /// Blocks for an output of `rows` × `channels`, in one line: a grid's other axes end at 65,535. Channels are fastest, so
    /// that blocks that run together read the same pixels.
    #[must_use]
    pub fn grid(self, rows: usize, channels: usize) -> [u32; 3] {
        [self.blocks(rows, channels) as u32, 1, 1]
    }

    fn blocks(self, rows: usize, channels: usize) -> usize {
        channels.div_ceil(self.channels) * rows.div_ceil(self.rows)
    }

    /// About how long an output takes, in the time of a multiprocessor for one multiply-add of every thread: whole waves
    /// of blocks, and what each reads for what it computes.
    fn cost(self, rows: usize, channels: usize, multiprocessors: usize) -> f64 {
        let at_once = multiprocessors * 256 / self.threads.max(1);
        let waves = self.blocks(rows, channels).div_ceil(at_once.max(1));
        let (m, n) = (self.rows as f64, self.channels as f64);
        waves as f64 * (m * n / self.threads as f64) * (1.0 + 16.0 * (m + n) / (m * n))
    }
}

/// The tiles that promise most for an output of `rows` × `channels`, best first.
#[must_use]
pub fn candidates(rows: usize, channels: usize, multiprocessors: usize) -> Vec<BlockTile> {
    let mut tiles = TILES.to_vec();
    tiles.sort_by(|a, b| a.cost(rows, channels, multiprocessors).total_cmp(&b.cost(rows, channels, multiprocessors)));
    tiles.truncate(CANDIDATES);
    tiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_outputs_get_large_tiles_and_narrow_ones_narrow_tiles() {
        assert_eq!(candidates(1_000_000, 256, 132)[0], tile(128, 128, 256));
        assert_eq!(candidates(1_000_000, 32, 132)[0].channels, 32);
        assert_eq!(candidates(2304, 192, 132)[0], tile(64, 64, 128), "a small output is for many blocks");
    }

    #[test]
    fn a_card_takes_the_blocks_of_the_largest_batch() {
        // The stem's first three layers at 160 × 160; those behind have less of both.
        for (side, channels) in [(79, 32), (77, 32), (77, 64)] {
            for tile in TILES {
                let [x, y, z] = tile.grid(crate::BatchSize::MOST * side * side, channels);
                assert!(i32::try_from(x).is_ok() && y <= 65_535 && z <= 65_535, "{tile:?}: {x}, {y}, {z}");
            }
        }
    }

    #[test]
    fn blocks_cover_their_output() {
        let blocks = TILES.map(|tile| tile.blocks(1001, 80));
        assert_eq!(blocks, [8, 8, 8 * 2, 8 * 3, 16 * 2, 16]);
        for tile in TILES {
            // What a block may have on every card from compute capability 8.0 on.
            assert!(tile.shared() <= 99 << 10, "{tile:?}");
        }
    }
}
