//! One picture: a procedural face, small, in the middle of a plain or noisy background.

use facevault::dataset::synthetic;
use image::{Rgb, RgbImage};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Side of LFW's pictures.
const SIDE: u32 = 250;

/// The universe of people: nobody that the demo's network was trained on.
const UNIVERSE: u64 = 2007;

/// The drawn square reaches this much beyond the face's box: a crop with the 32 pixels that `facenet-tf` adds to a box is
/// the whole drawing.
const AROUND: u32 = 16;

/// The picture, and the box of the face: left, top, right, bottom.
pub fn picture(person: u32, number: u32) -> (RgbImage, [u32; 4]) {
    let mut random = ChaCha8Rng::seed_from_u64(u64::from(person) << 32 | u64::from(number));
    let side = random.random_range(104..=136_u32);
    let mut place = || (SIDE - side) / 2 + random.random_range(0..=16) - 8;
    let (left, top) = (place(), place());
    let colour: [u8; 3] = random.random();
    let grain = if random.random_bool(0.5) { random.random_range(4..=24_u32) } else { 0 };
    let mut picture = RgbImage::from_fn(SIDE, SIDE, |_, _| {
        if grain == 0 {
            return Rgb(colour);
        }
        let noise = random.next_u32();
        let part = |i: u32| ((noise >> (8 * i) & 255) * grain / 255) as u8;
        Rgb([0, 1, 2].map(|i| colour[i].saturating_add(part(i as u32))))
    });
    let face = synthetic::render(UNIVERSE, person, number, side);
    image::imageops::replace(&mut picture, &face, i64::from(left), i64::from(top));
    (picture, [left + AROUND, top + AROUND, left + side - AROUND, top + side - AROUND])
}
