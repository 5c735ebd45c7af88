//! Sums over the grey levels of a face and over their Laplacian. They are integers, so that they are the same on every CPU.

use crate::instructions::{Instructions, Kernel};

/// Count, sum and sum of squares of integers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PixelSums {
    n: i64,
    sum: i64,
    squares: i64,
}

impl PixelSums {
    /// Of a row: its sums fit into 32 bits, because faces are at most 1024 pixels wide.
    #[inline(always)]
    fn of(n: usize, value: impl Fn(usize) -> i16) -> Self {
        let (mut sum, mut squares) = (0, 0);
        for i in 0..n {
            let value = i32::from(value(i));
            sum += value;
            squares += value * value;
        }
        Self { n: n as i64, sum: sum.into(), squares: squares.into() }
    }

    fn plus(self, other: Self) -> Self {
        Self { n: self.n + other.n, sum: self.sum + other.sum, squares: self.squares + other.squares }
    }

    /// The mean; 0 of nothing.
    #[must_use]
    pub fn mean(self) -> f64 {
        if self.n == 0 { 0.0 } else { self.sum as f64 / self.n as f64 }
    }

    /// The population variance, not the sample estimate; 0 of nothing.
    #[must_use]
    pub fn variance(self) -> f64 {
        if self.n == 0 { 0.0 } else { (self.n * self.squares - self.sum * self.sum) as f64 / (self.n * self.n) as f64 }
    }
}

/// What the quality of a face is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaceSums {
    /// Of its grey levels.
    pub grey: PixelSums,
    /// Of the 4-neighbour Laplacian of its inner pixels.
    pub edges: PixelSums,
}

/// Luma of red, green and blue (ITU-R BT.601), times 2^16.
const WEIGHTS: [u16; 3] = [19_595, 38_470, 7_471];
/// Half of 2^16, for rounding.
pub(crate) const HALF: u32 = 1 << 15;

impl FaceSums {
    /// Those of a face of `side` pixels a row, three bytes each, red first or blue first. `grey` is a buffer; reuse one per
    /// thread.
    #[must_use]
    pub fn of(face: &[u8], side: usize, blue_first: bool, grey: &mut Vec<i16>) -> Self {
        Self::with(Instructions::best(), face, side, blue_first, grey)
    }

    pub(crate) fn with(
        instructions: Instructions,
        face: &[u8],
        side: usize,
        blue_first: bool,
        grey: &mut Vec<i16>,
    ) -> Self {
        grey.resize(face.len() / 3, 0);
        let [red, green, blue] = WEIGHTS;
        let weights = if blue_first { [blue, green, red] } else { WEIGHTS };
        instructions.run(Measuring { face, side: side.max(1), weights, grey })
    }
}

/// The grey levels of pixels.
#[inline(always)]
pub(crate) fn to_grey(pixels: &[u8], weights: [u16; 3], grey: &mut [i16]) {
    for (grey, pixel) in grey.iter_mut().zip(pixels.as_chunks::<3>().0) {
        let [a, b, c] = std::array::from_fn(|channel| u32::from(weights[channel]) * u32::from(pixel[channel]));
        *grey = ((a + b + c + HALF) >> 16) as i16;
    }
}

struct Measuring<'a> {
    face: &'a [u8],
    side: usize,
    weights: [u16; 3],
    grey: &'a mut [i16],
}

impl Kernel for Measuring<'_> {
    type Output = FaceSums;

    #[inline(always)]
    fn run(self, instructions: Instructions) -> FaceSums {
        let Self { face, side, weights, grey } = self;
        let done = match instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => avx2.to_grey(face, weights, grey),
            Instructions::Portable => 0,
        };
        to_grey(&face[done * 3..], weights, &mut grey[done..]);
        let rows = grey.chunks_exact(side);
        let mut sums = FaceSums::default();
        for row in rows.clone() {
            sums.grey = sums.grey.plus(PixelSums::of(row.len(), |x| row[x]));
        }
        for ((above, row), below) in rows.clone().zip(rows.clone().skip(1)).zip(rows.skip(2)) {
            sums.edges = sums.edges.plus(laplacian(above, row, below));
        }
        sums
    }
}

/// The Laplacian of a row's inner pixels.
#[inline(always)]
fn laplacian(above: &[i16], row: &[i16], below: &[i16]) -> PixelSums {
    let Some(inner) = row.len().checked_sub(2) else { return PixelSums::default() };
    let (up, down) = (&above[1..=inner], &below[1..=inner]);
    let (left, centre, right) = (&row[..inner], &row[1..=inner], &row[2..]);
    PixelSums::of(inner, |x| left[x] + right[x] + up[x] + down[x] - 4 * centre[x])
}
