//! Estimates of coefficients that a progressive picture leaves open, as libjpeg's `jdcoefct.c` makes them (after T.81 K.8):
//! the first nine AC coefficients of a block from the DC coefficients of the blocks around it, so that a picture that ends
//! after its first scans shows gradients instead of squares.

use crate::frame::{Block, Component};

/// Coefficients, in zigzag order, whose state matters.
const ESTIMATED: usize = 10;

/// Row-major places of the first ten coefficients in zigzag order.
const PLACES: [usize; ESTIMATED] = [0, 1, 8, 16, 9, 2, 3, 10, 17, 24];

/// Weights of the 5 × 5 blocks' DC coefficients, in 256ths of the DC quantiser.
type Weights = [[i32; 5]; 5];

/// Where no AC coefficient at all is known: the first nine and a smoothed DC coefficient.
const BLIND: [Weights; ESTIMATED] = [
    [[-2, -6, -8, -6, -2], [-6, 6, 42, 6, -6], [-8, 42, 152, 42, -8], [-6, 6, 42, 6, -6], [-2, -6, -8, -6, -2]],
    [[-1, -1, 0, 1, 1], [-3, 13, 0, -13, 3], [-3, 38, 0, -38, 3], [-3, 13, 0, -13, 3], [-1, -1, 0, 1, 1]],
    [[-1, -3, -3, -3, -1], [-1, 13, 38, 13, -1], [0; 5], [1, -13, -38, -13, 1], [1, 3, 3, 3, 1]],
    [[0, 0, 1, 0, 0], [0, 2, 7, 2, 0], [0, -5, -14, -5, 0], [0, 2, 7, 2, 0], [0, 0, 1, 0, 0]],
    [[-1, 0, 0, 0, 1], [0, 9, 0, -9, 0], [0; 5], [0, -9, 0, 9, 0], [1, 0, 0, 0, -1]],
    [[0; 5], [0, 2, -5, 2, 0], [1, 7, -14, 7, 1], [0, 2, -5, 2, 0], [0; 5]],
    [[0; 5], [0, 1, 0, -1, 0], [0, 2, 0, -2, 0], [0, 1, 0, -1, 0], [0; 5]],
    [[0; 5], [0, 1, -3, 1, 0], [0; 5], [0, -1, 3, -1, 0], [0; 5]],
    [[0; 5], [0, 1, 0, -1, 0], [0, -3, 0, 3, 0], [0, 1, 0, -1, 0], [0; 5]],
    [[0; 5], [0, 1, 2, 1, 0], [0; 5], [0, -1, -2, -1, 0], [0; 5]],
];

/// Where some are known: the first five, after the standard's formulas, widened.
const INFORMED: [Weights; 6] = [
    [[0; 5]; 5],
    [[0; 5], [0; 5], [-7, 50, 0, -50, 7], [0; 5], [0; 5]],
    [[0, 0, -7, 0, 0], [0, 0, 50, 0, 0], [0; 5], [0, 0, -50, 0, 0], [0, 0, 7, 0, 0]],
    [[0, 0, -1, 0, 0], [0, 0, 13, 0, 0], [0, 0, -24, 0, 0], [0, 0, 13, 0, 0], [0, 0, -1, 0, 0]],
    [[0, -1, 0, 1, 0], [-1, 10, 0, -10, 1], [0; 5], [1, -10, 0, 10, -1], [0, 1, 0, -1, 0]],
    [[0; 5], [0; 5], [-1, 13, -24, 13, -1], [0; 5], [0; 5]],
];

/// Whether a picture's coefficients leave something to estimate, and all that the estimates need is known. `precision` has
/// for each component the lowest bit known of each coefficient in zigzag order, or −1.
pub(crate) fn is_useful(precision: &[[i8; 64]], quantisers: &[Block]) -> bool {
    precision.iter().all(|bits| bits[0] >= 0)
        && quantisers.iter().all(|table| PLACES.iter().all(|&place| table[place] != 0))
        && precision.iter().any(|bits| bits[1..ESTIMATED].iter().any(|&bit| bit != 0))
}

/// A component's blocks, and how well they are known.
pub(crate) struct Smoother<'c> {
    pub component: &'c Component,
    pub blocks: &'c [Block],
    pub precision: &'c [i8; 64],
    pub quantisers: &'c Block,
    pub mcus_high: usize,
}

impl Smoother<'_> {
    /// The blocks of row `y` of an MCU row, completed.
    pub fn row(&self, mcu_row: usize, y: usize, out: &mut Vec<Block>) {
        let Component { v, blocks_wide, blocks_high, block_stride, .. } = *self.component;
        let is_last = mcu_row + 1 == self.mcus_high;
        let rows = if is_last { (blocks_high - 1) % v + 1 } else { v };
        // As libjpeg counts them: the last MCU row's own height counts for all of them, so that blocks which only fill up the
        // picture's lower edge may take part. In the array, `row` is the row at hand.
        let (counted, count) = (mcu_row * rows + y, self.mcus_high * rows);
        let row = mcu_row * v + y;
        let above = row - usize::from(counted > 0);
        let two_above = if counted > 1 { row - 2 } else { above };
        let below = row + usize::from(counted + 1 < count);
        let two_below = if counted + 2 < count { row + 2 } else { below };
        let rows =
            [two_above, above, row, below, two_below].map(|row| &self.blocks[row * block_stride..][..blocks_wide]);

        out.clear();
        for column in 0..blocks_wide {
            let columns = [-2, -1, 0, 1, 2].map(|step| column.saturating_add_signed(step).min(blocks_wide - 1));
            let around = rows.map(|row| columns.map(|column| i64::from(row[column][0])));
            out.push(self.completed(&rows[2][column], &around));
        }
    }

    fn completed(&self, block: &Block, around: &[[i64; 5]; 5]) -> Block {
        let is_blind = self.precision[1..ESTIMATED].iter().all(|&bit| bit == -1);
        let weights = if is_blind { &BLIND[..] } else { &INFORMED[..] };
        let quantiser = |place: usize| i64::from(self.quantisers[place] as u16);
        let mut out = *block;
        for (k, weights) in weights.iter().enumerate() {
            let (place, bit) = (PLACES[k], self.precision[k]);
            if k == 0 && !is_blind || k > 0 && (bit == 0 || block[place] != 0) {
                continue;
            }
            let sum: i64 =
                weights.iter().zip(around).flat_map(|(w, d)| w.iter().zip(d)).map(|(&w, &d)| i64::from(w) * d).sum();
            let (own, numerator) = (quantiser(place), sum * quantiser(0));
            let mut size = ((own << 7) + numerator.abs()) / (own << 8);
            if k > 0 && bit > 0 {
                // What is known of the coefficient says that it is smaller.
                size = size.min((1 << bit) - 1);
            }
            out[place] = (size * numerator.signum()) as i16;
        }
        out
    }
}
