//! `OpenCV`'s `cv2.warpAffine` with `INTER_LINEAR` and a border of zeros, for 8-bit pixels of three channels.
//!
//! It equals `OpenCV` 5.0.0 on CPUs with fused multiply-add, to the bit: positions and weights are 32-bit floats. `OpenCV`
//! 4 (tried: 4.10 and 4.14) rounds positions to 1/32 pixel instead; its faces differ by a few grey levels where the picture
//! is steep.

use crate::PixelView;
use crate::instructions::{Instructions, Kernel};

/// Columns that `OpenCV` computes at once; the rest of a row is rounded in another order.
const LANES: usize = 16;

/// Fills `out`, `side` × `side` × 3 bytes: the pixel (x, y) is that of the picture at `to_source`·(x, y, 1), interpolated
/// between the four next to it. Outside the picture is black. Returns whether anything of the picture was met.
#[must_use]
pub fn warp(picture: PixelView, to_source: [[f64; 3]; 2], side: usize, out: &mut [u8]) -> bool {
    Instructions::best().run(Warp { picture, to_source, side, out })
}

pub(crate) struct Warp<'a> {
    pub picture: PixelView<'a>,
    pub to_source: [[f64; 3]; 2],
    pub side: usize,
    pub out: &'a mut [u8],
}

impl Kernel for Warp<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self, instructions: Instructions) -> bool {
        let Self { picture, to_source, side, out } = self;
        let (width, height) = (picture.width as i32, picture.height as i32);
        let at = |x: i32, y: i32| {
            let inside = (0..width).contains(&x) && (0..height).contains(&y);
            if inside { picture.row(y as usize).as_chunks::<3>().0[x as usize] } else { [0; 3] }
        };
        let rows = to_source.map(|row| row.map(|number| number as f32));
        let in_blocks = side / LANES * LANES;
        let mut met = false;
        for (line, y) in out.chunks_exact_mut(side * 3).zip(0..) {
            let y = y as f32;
            for (x, to) in line.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let position = |[a, b, c]: [f32; 3]| {
                    if x < in_blocks { a.mul_add(x as f32, y * b + c) } else { a.mul_add(x as f32, y * b) + c }
                };
                let [from_x, from_y] = [position(rows[0]), position(rows[1])];
                // Written so that it also turns NaN away.
                if !(from_x >= -1.0 && from_y >= -1.0 && from_x < width as f32 && from_y < height as f32) {
                    *to = [0; 3];
                    continue;
                }
                met = true;
                let (left, top) = (floor(from_x), floor(from_y));
                let parts = [from_x - left as f32, from_y - top as f32];
                let inside = left >= 0 && top >= 0 && left + 1 < width && top + 1 < height;
                let pair = |y: i32| {
                    let [[a, b, c], [d, e, f]] = [at(left, y), at(left + 1, y)];
                    [a, b, c, d, e, f]
                };
                *to = if inside {
                    let [upper, lower] = [top, top + 1].map(|y| picture.pair(left as usize, y as usize));
                    blended(upper, lower, parts, instructions)
                } else {
                    blended(&pair(top), &pair(top + 1), parts, instructions)
                };
            }
        }
        met
    }
}

/// Two pixels of a row and the two below them → the one that lies so far to the right of the first, and below it.
#[inline(always)]
fn blended(upper: &[u8; 6], lower: &[u8; 6], [right, down]: [f32; 2], instructions: Instructions) -> [u8; 3] {
    let channel = |c: usize| {
        let across = |row: &[u8; 6]| between(f32::from(row[c]), f32::from(row[c + 3]), right, instructions);
        rounded(between(across(upper), across(lower), down, instructions))
    };
    [channel(0), channel(1), channel(2)]
}

/// With one rounding to 32 bits, as a fused multiply-add has it. Where not every CPU has the instruction, that would be a
/// call: the product is exact in 64 bits, and what the sum loses there is too little to be seen in a byte.
#[inline(always)]
fn between(a: f32, b: f32, part: f32, instructions: Instructions) -> f32 {
    match instructions {
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2(_) => part.mul_add(b - a, a),
        Instructions::Portable => (f64::from(part) * f64::from(b - a) + f64::from(a)) as f32,
    }
}

#[inline(always)]
fn floor(value: f32) -> i32 {
    let whole = value as i32;
    if (whole as f32) > value { whole - 1 } else { whole }
}

/// The whole number next to one in 0 … 255, an even one from the middle: what the sum with 1.5·2²³ is rounded to.
#[inline(always)]
fn rounded(value: f32) -> u8 {
    (value + 12_582_912.0).to_bits() as u8
}
