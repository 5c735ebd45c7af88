//! Every choice of instructions gives the same bytes.

use proptest::prelude::*;

use crate::colour::Colours;
use crate::frame::Block;
use crate::kernels::Instructions;
use crate::upsample::Upsampling;

/// Blocks as pictures have them, as damage leaves them, and the empty rows that some code paths look for.
fn any_block() -> impl Strategy<Value = (Block, u8)> {
    let size = prop::sample::select(vec![3_i16, 60, 1_024, i16::MAX]);
    (0..64_u8, size, any::<u64>()).prop_flat_map(|(extent, size, holes)| {
        proptest::collection::vec(-size..=size, 64).prop_map(move |values| {
            let mut block = [0; 64];
            for (k, &place) in crate::frame::ZIGZAG.iter().enumerate().take(usize::from(extent) + 1) {
                block[usize::from(place)] = if holes >> k & 1 == 1 || k == 0 { values[k] } else { 0 };
            }
            (block, extent)
        })
    })
}

fn any_quantisers() -> impl Strategy<Value = Block> {
    prop::sample::select(vec![1_i16, 16, 255, -1]).prop_flat_map(|most| {
        proptest::collection::vec(any::<i16>(), 64).prop_map(move |values| {
            std::array::from_fn(|k| if most < 0 { values[k] } else { values[k].rem_euclid(most) + 1 })
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn transforms_agree(blocks in proptest::collection::vec(any_block(), 1..6), quantisers in any_quantisers()) {
        let (blocks, extents): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
        let stride = blocks.len() * 8 + 8;
        let run = |kernels: Instructions| {
            let mut out = vec![0; stride * 8];
            kernels.inverse_row(&blocks, &extents, &quantisers, &mut out, stride);
            out
        };
        let (fast, plain) = (run(Instructions::best()), run(Instructions::Portable));
        for (fast, plain) in fast.chunks(stride).zip(plain.chunks(stride)) {
            prop_assert_eq!(&fast[..blocks.len() * 8], &plain[..blocks.len() * 8]);
        }
    }

    #[test]
    fn upsampling_agrees(
        near in proptest::collection::vec(any::<u8>(), 3..150),
        far in proptest::collection::vec(any::<u8>(), 150),
        is_lower in any::<bool>()
    ) {
        for upsampling in [
            Upsampling::Wide,
            Upsampling::High,
            Upsampling::WideAndHigh,
            Upsampling::Repeat { wide: 2, high: 2 },
            Upsampling::Repeat { wide: 3, high: 1 },
        ] {
            let run = |kernels: Instructions| {
                let (mut sums, mut out) = (vec![0; near.len() + 64], vec![0; near.len() * 3 + 64]);
                kernels.upsample_row(upsampling, &near, &far[..near.len()], is_lower, &mut sums, &mut out);
                out.truncate(near.len() * 2);
                out
            };
            prop_assert_eq!(run(Instructions::best()), run(Instructions::Portable), "{:?}", upsampling);
        }
    }
}

/// All of them: every brightness with every pair of colours.
#[test]
fn colours_agree() {
    let line: Vec<u8> = (0..=255).collect();
    let (mut fast, mut plain) = (vec![0; 256 * 3], vec![0; 256 * 3]);
    for y in (0..=255_u8).step_by(5) {
        for cr in 0..=255_u8 {
            let components = [&[y; 256][..], &line, &[cr; 256]];
            Instructions::best().to_rgb(Colours::YCbCr, &components, &mut fast);
            Instructions::Portable.to_rgb(Colours::YCbCr, &components, &mut plain);
            assert_eq!(fast, plain, "{y}, {cr}");
        }
    }
    // A row that is no multiple of a vector's length.
    let components = [&line[..], &line[..], &line[..]];
    let mut rows = [vec![0; 250 * 3], vec![0; 250 * 3]];
    Instructions::best().to_rgb(Colours::YCbCr, &components, &mut rows[0]);
    Instructions::Portable.to_rgb(Colours::YCbCr, &components, &mut rows[1]);
    assert_eq!(rows[0], rows[1]);
}
