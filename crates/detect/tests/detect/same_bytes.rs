//! Every instruction set gives the same bytes, in every photo.

use facevault_detect::{DetectBuffers, DetectorOptions, Keep, Mtcnn, Networks};
use facevault_kernels::Kernels;
use image::RgbImage;
use proptest::prelude::*;

use crate::{formula, numbers};

/// The detectors that this CPU can run.
fn detectors(networks: &Networks, options: DetectorOptions) -> Vec<Mtcnn> {
    let all = [Kernels::Portable, Kernels::Avx2, Kernels::Avx512, Kernels::Neon];
    all.into_iter().filter_map(|kernels| Mtcnn::new(networks, options, kernels).ok()).collect()
}

fn bits(mtcnn: &Mtcnn, photo: &RgbImage, buffers: &mut DetectBuffers) -> Vec<Vec<u32>> {
    let faces = mtcnn.detect(photo, buffers);
    faces.iter().map(|face| numbers(face).into_iter().map(f32::to_bits).collect()).collect()
}

#[test]
fn instruction_sets_give_the_same_bytes() {
    let photo = formula::drawn(320, 240);
    let low = DetectorOptions { thresholds: [0.4, 0.2, 0.05], ..DetectorOptions::default() };
    for options in [DetectorOptions::default(), low] {
        let detectors = detectors(&Networks::embedded(), options);
        let found: Vec<_> = detectors.iter().map(|mtcnn| bits(mtcnn, &photo, &mut DetectBuffers::default())).collect();
        assert!(found[0].len() >= 3);
        for (mtcnn, found) in detectors.iter().zip(&found).skip(1) {
            println!("{}: {} faces", mtcnn.instruction_set(), found.len());
        }
        assert!(found.iter().all(|other| *other == found[0]));
    }
}

/// FNV-1a of all numbers.
fn digest(faces: &[Vec<u32>]) -> u64 {
    let bytes = faces.iter().flatten().flat_map(|bits| bits.to_le_bytes());
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// The bytes are part of a run's identity: they change only with the version of the code that embeds.
#[test]
fn machines_give_the_same_bytes() {
    let low = DetectorOptions { thresholds: [0.6, 0.4, 0.5], ..DetectorOptions::default() };
    let of = |networks: &Networks, options, photo: &RgbImage| {
        let mtcnn = Mtcnn::new(networks, options, Kernels::Auto).unwrap();
        let found = bits(&mtcnn, photo, &mut DetectBuffers::default());
        format!("{} faces, {:016x}", found.len(), digest(&found))
    };
    let drawn = of(&Networks::embedded(), DetectorOptions::default(), &formula::drawn(320, 240));
    let waves = of(&formula::networks(), low, &formula::smooth(90, 141));
    insta::assert_snapshot!(format!("{drawn}\n{waves}"), @r"
    3 faces, 099b0bea98cfe178
    42 faces, 33e47b002800ebcf
    ");
}

#[test]
fn kernels_that_are_not_there_are_an_error() {
    let error = Mtcnn::new(&Networks::embedded(), DetectorOptions::default(), Kernels::Candle).unwrap_err();
    insta::assert_snapshot!(error, @"the detector has no kernels `candle` on this CPU; choose `auto`");
}

/// A photo wider than a strip of P-Net, so that strips meet inside it: a face there is found as anywhere.
#[test]
fn a_photo_wider_than_a_strip_is_seen_whole() {
    let mut wide = RgbImage::from_pixel(1_300, 130, image::Rgb([120, 130, 140]));
    let face = formula::drawn(320, 240);
    let face = image::imageops::crop_imm(&face, 30, 30, 120, 130).to_image();
    // The strip's edge is at cell 128.5 of 371, pixel 428 or 857 of the photo at the first scale.
    for x in [40, 380, 800, 1_100] {
        image::imageops::replace(&mut wide, &face, x, 0);
    }
    let found: Vec<_> = detectors(&Networks::embedded(), DetectorOptions::default())
        .iter()
        .map(|mtcnn| bits(mtcnn, &wide, &mut DetectBuffers::default()))
        .collect();
    assert!(found.iter().all(|other| *other == found[0]));
    assert_eq!(found[0].len(), 4);
}

fn photos() -> impl Strategy<Value = RgbImage> {
    // Blocks of one colour, so that there are edges of all sizes.
    (1u32..80, 1u32..80, 1u32..24, any::<u64>()).prop_map(|(width, height, block, seed)| {
        let colours: Vec<u8> = formula::fractions(&seed.to_string(), 3 * 80 * 80).map(|u| (u * 256.0) as u8).collect();
        RgbImage::from_fn(width, height, |x, y| {
            let at = ((y / block) * 80 + x / block) as usize * 3;
            image::Rgb([colours[at], colours[at + 1], colours[at + 2]])
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_photo_gives_the_same_bytes_finite_and_in_order(photo in photos(), min_size in 12u32..40, threshold in 0.1f32..0.9) {
        let options = DetectorOptions { min_size, thresholds: [0.6, threshold, threshold], factor: 0.6 };
        let detectors = detectors(&formula::networks(), options);
        let (first, others) = detectors.split_first().unwrap();
        let mut buffers = DetectBuffers::default();
        let found = bits(first, &photo, &mut buffers);
        for other in others {
            // Used buffers change nothing either.
            prop_assert_eq!(&bits(other, &photo, &mut buffers), &found, "{}", other.instruction_set());
        }
        let faces = first.detect(&photo, &mut buffers);
        for face in &faces {
            prop_assert!(numbers(face).iter().all(|number| number.is_finite()));
            prop_assert!(face.probability > threshold && face.probability <= 1.0);
        }
        prop_assert!(faces.is_sorted_by(|a, b| a.area() >= b.area()));
        prop_assert_eq!(Keep::All.select(&faces, 0.0, photo.dimensions()).unwrap(), faces);
    }
}
