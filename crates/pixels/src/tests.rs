//! Every choice of instructions gives the same bytes.

use proptest::prelude::*;

use crate::instructions::Instructions;
use crate::warp::Warp;
use crate::{FaceSums, FilterShape, OpencvResampler, PillowResampler, PixelView};

/// A picture, and a rectangle of it: left, top, width, height.
#[derive(Debug)]
struct Cut {
    pixels: Vec<u8>,
    width: usize,
    rectangle: [usize; 4],
}

impl Cut {
    fn view(&self) -> PixelView<'_> {
        let [left, top, width, height] = self.rectangle;
        PixelView::new(&self.pixels[(top * self.width + left) * 3..], self.width * 3, width, height)
    }
}

/// Noise of so many bytes, in which black and white are as frequent as all else: so that sums overshoot.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let bytes = (0..count).map(|_| {
        // Marsaglia's xorshift; a value a byte would be slow to draw.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match state >> 62 {
            0 => 0,
            1 => 255,
            _ => (state >> 20) as u8,
        }
    });
    bytes.collect()
}

fn any_cut(side: usize) -> impl Strategy<Value = Cut> {
    let span = move || (1..=side, any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (span(), span(), any::<u64>()).prop_map(|((width, left, across), (height, top, down), seed)| {
        let (left, top) = (left.index(width), top.index(height));
        let rectangle = [left, top, across.index(width - left) + 1, down.index(height - top) + 1];
        Cut { pixels: noise(seed, width * height * 3), width, rectangle }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn resizing_as_pillow_agrees(cut in any_cut(120), size in 1..70_usize) {
        for shape in [FilterShape::Triangle, FilterShape::Cubic] {
            let run = |instructions| {
                let mut out = vec![0; size * size * 3];
                PillowResampler::default().resize_with(instructions, cut.view(), shape, size, &mut out);
                out
            };
            prop_assert_eq!(run(Instructions::best()), run(Instructions::Portable), "{:?}", shape);
        }
    }

    #[test]
    fn resizing_as_opencv_agrees(cut in any_cut(120), size in 1..70_usize) {
        let run = |instructions| {
            let mut out = vec![0; size * size * 3];
            OpencvResampler::default().resize_with(instructions, cut.view(), size, &mut out);
            out
        };
        prop_assert_eq!(run(Instructions::best()), run(Instructions::Portable));
    }

    #[test]
    fn warping_agrees(
        cut in any_cut(60), side in 1..50_usize, numbers in prop::array::uniform4(-2.0..2.0_f64),
        shifts in prop::array::uniform2(-40.0..80.0_f64)
    ) {
        let [a, b, c, d] = numbers;
        let to_source = [[a, b, shifts[0]], [c, d, shifts[1]]];
        let run = |instructions: Instructions| {
            let mut out = vec![7; side * side * 3];
            let met = instructions.run(Warp { picture: cut.view(), to_source, side, out: &mut out });
            (met, out)
        };
        prop_assert_eq!(run(Instructions::best()), run(Instructions::Portable));
    }

    #[test]
    fn sums_agree(seed: u64, length in 0..3_000_usize, side in 1..40_usize, blue_first: bool) {
        let face = noise(seed, length);
        let run = |instructions| {
            let mut grey = vec![9; 5];
            let sums = FaceSums::with(instructions, &face, side, blue_first, &mut grey);
            (sums, grey)
        };
        prop_assert_eq!(run(Instructions::best()), run(Instructions::Portable));
    }
}
