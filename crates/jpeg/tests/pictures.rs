//! The corpus of `corpus/make.py`: JPEGs of every kind, each with the digest of Pillow's pixels or the error that it must give.

use facevault_jpeg::{DecodedPicture, JpegError, Limits, Part, decode, decode_part};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const LIMITS: Limits = Limits { side: 4_000, pixels: 1 << 22, bytes: 1 << 26 };

enum Expected {
    Pixels { width: u32, height: u32, sha256: &'static str },
    Error { says: &'static str },
}

struct Case {
    name: &'static str,
    file: &'static [u8],
    expected: Expected,
}

fn corpus() -> impl Iterator<Item = Case> {
    include_str!("corpus/corpus.tsv").lines().map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let number = |index: usize| fields[index].parse::<usize>().unwrap();
        let file = &include_bytes!("corpus/corpus.bin")[number(1)..][..number(2)];
        let expected = match fields[3] {
            "error" => Expected::Error { says: fields[4] },
            _ => Expected::Pixels { width: number(3) as u32, height: number(4) as u32, sha256: fields[5] },
        };
        Case { name: fields[0], file, expected }
    })
}

fn whole() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    corpus().filter(|case| matches!(case.expected, Expected::Pixels { .. })).map(|case| (case.name, case.file))
}

fn named(name: &str) -> &'static [u8] {
    corpus().find(|case| case.name == name).unwrap().file
}

#[test]
fn a_picture_may_have_any_number_of_restart_intervals() {
    // A row of grey blocks, each an interval of its own, by the standard's Huffman tables, which may be left out.
    let blocks = 300_u16;
    let [high, low] = (8 * blocks).to_be_bytes();
    let mut file = b"\xff\xd8\xff\xdb\0\x43\0".to_vec();
    file.extend([1; 64]);
    file.extend([0xff, 0xc0, 0, 11, 8, 0, 8, high, low, 1, 1, 0x11, 0]);
    file.extend([0xff, 0xdd, 0, 4, 0, 1, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]);
    for block in 0..blocks {
        if block > 0 {
            file.extend([0xff, 0xd0 + ((block - 1) % 8) as u8]);
        }
        // No difference from the last block, no other coefficient, ones to the end of the byte.
        file.push(0b0010_1011);
    }
    file.extend(b"\xff\xd9");
    let picture = decode(&file, &LIMITS).unwrap();
    assert_eq!((picture.width, picture.height), (2400, 8));
    assert!(picture.rgb.iter().all(|&value| value == 128));
}

fn read(file: &[u8]) -> Result<DecodedPicture, JpegError> {
    decode(file, &LIMITS)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Fault (pictures): damaged JPEGs that Pillow refuses or fills up → refused with the reason and the byte
#[test]
fn every_picture_has_pillows_pixels_and_every_damage_its_error() {
    let (mut pictures, mut errors, mut wrong) = (0, 0, Vec::new());
    for Case { name, file, expected } in corpus() {
        match (read(file), expected) {
            (Ok(picture), Expected::Pixels { width, height, sha256: digest }) => {
                pictures += 1;
                assert_eq!(picture.rgb.len(), (picture.width * picture.height * 3) as usize, "{name}");
                if (picture.width, picture.height) != (width, height) || sha256(&picture.rgb) != digest {
                    wrong.push(format!("{name}: other pixels"));
                }
            }
            (Err(error), Expected::Error { says }) => {
                errors += 1;
                if !error.to_string().contains(says) {
                    wrong.push(format!("{name}: {error}, not {says}"));
                }
            }
            (Ok(_), Expected::Error { says }) => wrong.push(format!("{name}: read, not {says}")),
            (Err(error), Expected::Pixels { .. }) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(pictures >= 270 && errors >= 70, "{pictures} pictures, {errors} errors");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_part_has_the_pixels_of_the_whole_picture(corners in any::<[prop::sample::Index; 4]>()) {
        for (name, file) in whole() {
            let picture = read(file).unwrap();
            let (width, height) = (picture.width as usize, picture.height as usize);
            // Empty ones too, and some that reach beyond the picture.
            let range = |a: usize, b: usize| a.min(b)..a.max(b);
            let [left, right, top, bottom] = corners;
            let part = Part {
                columns: range(left.index(width + 1), right.index(width + 3)),
                rows: range(top.index(height + 1), bottom.index(height + 3)),
            };
            let cut = decode_part(file, &LIMITS, &mut |_, _| true, &|announced| {
                assert_eq!((announced.width, announced.height), (picture.width, picture.height));
                assert_eq!((announced.exif, announced.xmp), (picture.exif.as_deref(), picture.xmp.as_deref()));
                Some(part.clone())
            });
            let mut expected = picture.rgb.clone();
            for (at, pixel) in expected.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                if !(part.columns.contains(&(at % width)) && part.rows.contains(&(at / width))) {
                    *pixel = [0; 3];
                }
            }
            let cut = cut.unwrap();
            prop_assert!(cut.rgb == expected, "{name} {part:?}");
        }
    }
}

/// However little is missing.
///
/// Fault (pictures): a JPEG cut at any byte → refused, unless nothing of the picture is missing
#[test]
fn a_picture_cut_short_anywhere_is_an_error_or_whole() {
    for (name, file) in whole() {
        let picture = read(file).unwrap();
        for kept in (0..file.len()).rev().step_by(13) {
            match read(&file[..kept]) {
                Ok(cut) => assert!(cut == picture, "{name}, {kept} of {} bytes", file.len()),
                Err(JpegError::CutShort | JpegError::NotJpeg | JpegError::Damaged { .. }) => {}
                Err(error) => panic!("{name}, {kept} of {} bytes: {error}", file.len()),
            }
        }
    }
}

/// An end marker behind the cut makes nothing whole, also between two scans.
///
/// Fault (pictures): a JPEG cut anywhere, with an end marker behind the cut → refused
#[test]
fn a_cut_picture_is_an_error_with_an_end_marker_too() {
    let several =
        ["2x2_apart_2B_17x23", "2x2_bits_7B_40x40", "2x2_bands_1_5x64", "grey-progressive", "cmyk-progressive"];
    let one = ["1x1_one_0_40x40", "2x2_one_1_33x47", "grey", "own-huffman", "exif", "cmyk"];
    for name in one.into_iter().chain(several) {
        let file = named(name);
        let data = file.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 20;
        for kept in (data..file.len() - 4).step_by(3) {
            let cut = [&file[..kept], &[0xff, 0xd9]].concat();
            if let Ok(picture) = read(&cut) {
                assert!(picture.rgb == read(file).unwrap().rgb, "{name}, {kept} of {} bytes", file.len());
            }
        }
    }
}

/// Fault (pictures): a JPEG header that announces more pixels or bytes than allowed → refused before anything is
/// allocated
#[test]
fn limits_are_checked_before_anything_is_allocated() {
    let file = named("trailing");
    let frame = file.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let mut huge = file.to_vec();
    huge[frame + 5..frame + 9].copy_from_slice(&[0xf0, 0, 0xf0, 0]);
    assert_eq!(read(&huge), Err(JpegError::TooLarge { width: 0xf000, height: 0xf000 }));
    let limits = Limits { pixels: 48 * 40 - 1, ..LIMITS };
    assert_eq!(decode(file, &limits), Err(JpegError::TooLarge { width: 48, height: 40 }));
    let limits = Limits { side: 47, ..LIMITS };
    assert_eq!(decode(file, &limits), Err(JpegError::TooLarge { width: 48, height: 40 }));
    let progressive = named("cmyk-progressive");
    let limits = Limits { bytes: 4 * 48 * 40 * 2 - 1, ..LIMITS };
    assert_eq!(
        decode(progressive, &limits),
        Err(JpegError::TooMuchMemory { needed: 4 * 48 * 40 * 2, limit: limits.bytes })
    );
    assert!(decode(progressive, &Limits { bytes: 4 * 48 * 40 * 2, ..LIMITS }).is_ok());
    // A picture in one scan keeps no coefficients.
    assert!(decode(file, &Limits { bytes: 0, ..LIMITS }).is_ok());
}

/// A file of some kilobytes that would keep a decoder busy for hours.
///
/// Fault (pictures): a JPEG of some kilobytes with thousands of scans → refused by the number of scans
#[test]
fn scans_without_end_are_refused() {
    // Grey, progressive, 2000 × 2000 pixels: 62,500 blocks.
    let mut file = b"\xff\xd8\xff\xdb\0\x43\0".to_vec();
    file.extend([1; 64]);
    file.extend(b"\xff\xc2\0\x0b\x08\x07\xd0\x07\xd0\x01\x01\x11\0");
    // One code, a single zero bit: for DC no difference, for AC a run of 16384 and more blocks without coefficients.
    for (slot, symbol) in [(0x00, 0x00), (0x10, 0xe0)] {
        file.extend([0xff, 0xc4, 0, 20, slot, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, symbol]);
    }
    file.extend(b"\xff\xda\0\x08\x01\x01\0\0\0\0");
    file.extend(vec![0; 62_500 / 8]);
    file.push(0x0f);
    // The same first scan of all other coefficients, again and again: libjpeg takes that. Two runs hold all blocks.
    let scan = {
        let mut scan = b"\xff\xda\0\x08\x01\x01\0\x01\x3f\0".to_vec();
        // A run's code and fourteen bits: how many blocks it has beyond 16384.
        let runs = [16_384 * 2 - 1, 62_500 - (16_384 * 2 - 1)];
        let bits = runs.map(|run| format!("0{:014b}", run - 16_384)).concat() + "11";
        let bytes =
            bits.as_bytes().chunks(8).map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap());
        for byte in bytes {
            scan.push(byte);
            if byte == 0xff {
                scan.push(0);
            }
        }
        scan
    };
    let with = |count: usize| [&file[..], &scan.repeat(count), b"\xff\xd9"].concat();
    let picture = read(&with(20)).unwrap();
    assert!(picture.rgb.iter().all(|&byte| byte == 128));
    assert_eq!(read(&with(5_000)), Err(JpegError::TooManyScans));
}

#[test]
fn metadata_come_as_they_stand() {
    let file = read(named("exif")).unwrap();
    let exif = file.exif.unwrap();
    assert!(exif.starts_with(b"MM\0*") || exif.starts_with(b"II*\0"), "{exif:?}");
    assert_eq!(file.xmp, None);
    assert_eq!((file.width, file.height), (48, 40));

    let plain = named("comment");
    let xmp = b"\xff\xe1\0\x23http://ns.adobe.com/xap/1.0/\0<x/>\xff\xe1\0\x0bExif\0\0abc\xff\xe1\0\x0bExif\0\0def";
    let file = read(&[&plain[..2], xmp, &plain[2..]].concat()).unwrap();
    assert_eq!(file.xmp.as_deref(), Some(&b"<x/>"[..]));
    assert_eq!(file.exif.as_deref(), Some(&b"abcdef"[..]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Fault (pictures): random bytes behind a JPEG head → refused, without a panic
    #[test]
    fn random_bytes_do_not_panic(tail in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&[b"\xff\xd8\xff", &tail[..]].concat());
    }

    /// Fault (pictures): a JPEG with random bytes changed → read or refused, without a panic
    #[test]
    fn a_damaged_picture_does_not_panic(
        case in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        dropped in 0..40_usize
    ) {
        let cases: Vec<_> = corpus().filter(|case| case.file.len() > 100).collect();
        let mut file = case.get(&cases).file.to_vec();
        for (place, value) in damage {
            let place = place.index(file.len());
            file[place] = value;
        }
        let cut = cut.index(file.len());
        file.drain(cut..(cut + dropped).min(file.len()));
        if let Ok(picture) = read(&file) {
            prop_assert_eq!(picture.rgb.len(), picture.width as usize * picture.height as usize * 3);
        }
    }
}
