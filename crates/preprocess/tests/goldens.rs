//! Pictures through the library against what Pillow, OpenCV and facenet-pytorch made of them
//! (`fixtures/preprocess/make_goldens.py`).

use std::fs;
use std::path::{Path, PathBuf};

use facevault_preprocess::{
    BoundingBox, Crop, Filter, Limits, MarginUnit, Preprocess, RenderBuffers, Resize, decode, profile, render,
};
use image::RgbImage;
use serde_json::Value;

const FILTERS: [(&str, Filter); 3] = [
    ("pillow-bilinear", Filter::PillowBilinear),
    ("pillow-bicubic", Filter::PillowBicubic),
    ("opencv-linear", Filter::OpencvLinear),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/preprocess")
}

fn picture(path: impl AsRef<Path>) -> RgbImage {
    let path = path.as_ref();
    decode(&fs::read(path).unwrap(), &Limits::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn preprocess(crop: Crop, size: u32, filter: Filter) -> Preprocess {
    Preprocess { crop, resize: Resize { size, filter }, ..profile("facenet-pytorch").unwrap() }
}

fn face(picture: &RgbImage, bbox: Option<&BoundingBox>, preprocess: &Preprocess) -> Vec<u8> {
    let mut out = vec![0; (preprocess.resize.size.pow(2) * 3) as usize];
    render(picture, bbox, None, preprocess, &mut RenderBuffers::default(), &mut out).unwrap();
    out
}

#[path = "../../../tests/support/shared.rs"]
mod shared;

/// Largest and mean difference, grey levels.
fn difference(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let sum: f64 = differences.clone().map(f64::from).sum();
    (differences.max().unwrap_or(0), sum / a.len() as f64)
}

/// The encoded pictures of `decode/`, each with Pillow's result.
fn encoded() -> impl Iterator<Item = (String, RgbImage, RgbImage)> {
    let folder = fixtures().join("decode");
    let mut names: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.into_iter().filter_map(move |name| {
        let expected = folder.join(format!("{name}.png"));
        expected.exists().then(|| (name.clone(), picture(folder.join(&name)), picture(expected)))
    })
}

/// The one format whose decoder is not Pillow's to the last bit.
const LOSSY: &str = "lossy.webp";

#[test]
fn pictures_decode_as_pillow_decodes_them() {
    let mut compared = 0;
    for (name, ours, pillow) in encoded().filter(|(name, ..)| name != LOSSY) {
        assert_eq!(ours.dimensions(), pillow.dimensions(), "{name}");
        assert!(ours == pillow, "{name}: {:?}", difference(&ours, &pillow));
        compared += 1;
    }
    assert_eq!(compared, 48);
}

#[test]
fn a_lossy_webp_decodes_within_a_few_grey_levels_of_pillow() {
    for (name, ours, pillow) in encoded().filter(|(name, ..)| name == LOSSY) {
        assert_eq!(ours.dimensions(), pillow.dimensions(), "{name}");
        let (max, mean) = difference(&ours, &pillow);
        println!("{name}: at most {max}, mean {mean:.4}");
        assert!(max <= 4 && mean <= 0.4, "{name}: at most {max}, mean {mean:.4}");
    }
}

#[test]
fn pictures_resize_to_the_bytes_of_pillow_and_opencv() {
    let mut compared = 0;
    for name in ["photo", "tall", "square", "pixel", "six"] {
        let source = picture(fixtures().join(format!("resize/{name}.png")));
        for (filter_name, filter) in FILTERS {
            for size in [16, 40, 64, 112] {
                let golden = fixtures().join(format!("resize/{name}-{filter_name}-{size}.png"));
                if golden.exists() {
                    let ours = face(&source, None, &preprocess(Crop::Whole, size, filter));
                    assert_eq!(difference(&ours, &picture(golden)), (0, 0.0), "{name} {filter_name} {size}");
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, 3 * (4 + 4 * 2));
}

#[test]
fn faces_are_cut_out_as_facenet_pytorch_cuts_them_out() {
    let photo = picture(fixtures().join("resize/photo.png"));
    let faces = json(fixtures().join("crop/faces.json"));
    for expected in faces.as_array().unwrap() {
        let [x1, y1, x2, y2] = [0, 1, 2, 3].map(|i| expected["box"][i].as_f64().unwrap() as f32);
        let crop = Crop::Box { margin: expected["margin"].as_f64().unwrap(), unit: MarginUnit::OutputPixels };
        let size = expected["size"].as_u64().unwrap() as u32;
        let ours = face(&photo, Some(&BoundingBox { x1, y1, x2, y2 }), &preprocess(crop, size, Filter::PillowBilinear));
        let golden = picture(fixtures().join("crop").join(expected["face"].as_str().unwrap()));
        assert_eq!(difference(&ours, &golden), (0, 0.0), "{expected}");
    }
}

/// Real photographs: the ORL faces are not part of the repository, only 64 pixels of each of ten results are.
#[test]
fn photographs_resize_to_the_bytes_of_pillow_and_opencv() {
    let Some(orl) = shared::shared("data/orl_faces", &["s1/1.pgm"], "the ORL faces") else { return };
    let goldens = json(fixtures().join("orl.json"));
    let places: Vec<_> = goldens["places"].as_array().unwrap().iter().collect();
    let pictures = goldens["pictures"].as_object().unwrap();
    assert_eq!((places.len(), pictures.len()), (64, 10));
    for (name, expected) in pictures {
        let source = picture(orl.join(name));
        for (filter_name, filter) in FILTERS {
            let ours = face(&source, None, &preprocess(Crop::Whole, 160, filter));
            for (place, value) in places.iter().zip(expected[filter_name].as_array().unwrap()) {
                let [y, x] = [0, 1].map(|i| place[i].as_u64().unwrap() as usize);
                assert_eq!(ours[(y * 160 + x) * 3..][..3], [value.as_u64().unwrap() as u8; 3], "{name} {filter_name}");
            }
        }
    }
}
