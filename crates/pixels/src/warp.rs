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
        let pixel = |from_x: f32, from_y: f32, met: &mut bool| {
            // Written so that it also turns NaN away.
            if !(from_x >= -1.0 && from_y >= -1.0 && from_x < width as f32 && from_y < height as f32) {
                return [0; 3];
            }
            *met = true;
            let (left, top) = (floor(from_x), floor(from_y));
            let [upper, lower] = [top, top + 1].map(|y| [at(left, y), at(left + 1, y)]);
            blended(upper, lower, [from_x - left as f32, from_y - top as f32], instructions)
        };
        let rows = to_source.map(|row| row.map(|number| number as f32));
        let in_blocks = side / LANES * LANES;
        let mut met = false;
        // Where all four pixels to interpolate between are those of the picture.
        let [last_x, last_y] = [width - 1, height - 1].map(|last| last as f32);
        for (line, y) in out.chunks_exact_mut(side * 3).zip(0..) {
            let y = y as f32;
            let (blocks, rest) = line.as_chunks_mut::<{ LANES * 3 }>();
            for (block, first) in blocks.iter_mut().zip((0..).step_by(LANES)) {
                let [from_x, from_y] = [positions(rows[0], first, y), positions(rows[1], first, y)];
                let mut inside = true;
                for lane in 0..LANES {
                    inside &= from_x[lane] >= 0.0 && from_x[lane] < last_x;
                    inside &= from_y[lane] >= 0.0 && from_y[lane] < last_y;
                }
                if inside {
                    met = true;
                    block_inside(picture, &from_x, &from_y, block, instructions);
                } else {
                    for (lane, to) in block.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                        *to = pixel(from_x[lane], from_y[lane], &mut met);
                    }
                }
            }
            for (to, x) in rest.as_chunks_mut::<3>().0.iter_mut().zip(in_blocks..) {
                let position = |[a, b, c]: [f32; 3]| a.mul_add(x as f32, y * b) + c;
                *to = pixel(position(rows[0]), position(rows[1]), &mut met);
            }
        }
        met
    }
}

/// Where the pixels of a block lie along one axis of the picture.
#[inline(always)]
fn positions([a, b, c]: [f32; 3], first: usize, y: f32) -> [f32; LANES] {
    let mut positions = [0.0; LANES];
    for (position, x) in positions.iter_mut().zip(first..) {
        *position = a.mul_add(x as f32, y * b + c);
    }
    positions
}

/// Pixels that lie between four of the picture each.
#[inline(always)]
fn block_inside(
    picture: PixelView,
    from_x: &[f32; LANES],
    from_y: &[f32; LANES],
    to: &mut [u8; LANES * 3],
    instructions: Instructions,
) {
    // The pixels above and below, the left ones before the right ones, and how far between: a number for each byte.
    let mut pixels = [[0; LANES * 3]; 4];
    let mut parts = [[0.0; LANES * 3]; 2];
    for lane in 0..LANES {
        // What is not negative is rounded down.
        let [left, top] = [from_x[lane] as usize, from_y[lane] as usize];
        let at = lane * 3;
        for (pair, y) in pixels.as_chunks_mut::<2>().0.iter_mut().zip(top..) {
            let [left, right] = pair;
            let bytes = picture.pair(from_x[lane] as usize, y);
            left[at..at + 3].copy_from_slice(&bytes[..3]);
            right[at..at + 3].copy_from_slice(&bytes[3..]);
        }
        parts[0][at..at + 3].fill(from_x[lane] - left as f32);
        parts[1][at..at + 3].fill(from_y[lane] - top as f32);
    }
    let [a, b, c, d] = pixels;
    for (i, to) in to.iter_mut().enumerate() {
        let across = |left: u8, right: u8| between(f32::from(left), f32::from(right), parts[0][i], instructions);
        *to = rounded(between(across(a[i], b[i]), across(c[i], d[i]), parts[1][i], instructions));
    }
}

/// Two pixels of a row and the two below them → the one that lies so far to the right of the first, and below it.
#[inline(always)]
fn blended(upper: [[u8; 3]; 2], lower: [[u8; 3]; 2], [right, down]: [f32; 2], instructions: Instructions) -> [u8; 3] {
    let mut pixel = [0; 3];
    for (c, byte) in pixel.iter_mut().enumerate() {
        let across = |[a, b]: [[u8; 3]; 2]| between(f32::from(a[c]), f32::from(b[c]), right, instructions);
        *byte = rounded(between(across(upper), across(lower), down, instructions));
    }
    pixel
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
