//! Photos of Labeled Faces in the Wild against facenet-pytorch's boxes. They are read where they stand and are not part of the
//! repository: `$FACEVAULT_SHARED/data/lfw`, else `shared` next to the repository. Skipped with a message where they are not.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use facevault_detect::{DetectBuffers, DetectorOptions, Keep, Mtcnn, Networks};
use facevault_kernels::Kernels;
use facevault_preprocess::{Limits, decode};

use crate::numbers;

#[path = "../../../../tests/support/shared.rs"]
mod shared;

/// One photo in so many.
const EACH: usize = 75;

fn folder() -> Option<PathBuf> {
    shared::shared("data/lfw", &["mtcnn_boxes.csv", "lfw-deepfunneled.tar"], "the photos of LFW")
}

/// The wanted members of a tar archive, by the end of their path; it is walked by its headers.
fn members(archive: &Path, wanted: &HashMap<String, Vec<f32>>) -> Vec<(String, Vec<u8>)> {
    let mut file = std::fs::File::open(archive).unwrap();
    let mut found = Vec::new();
    let mut header = [0; 512];
    while file.read_exact(&mut header).is_ok() && header[0] != 0 {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_matches(['\0', ' ']).to_owned();
        let size = u64::from_str_radix(&text(&header[124..136]), 8).unwrap();
        let padded = size.next_multiple_of(512);
        let name = text(&header[..100]);
        let key = name.split('/').rev().take(2).collect::<Vec<_>>();
        let key = key.iter().rev().copied().collect::<Vec<_>>().join("/");
        if wanted.contains_key(&key) && header[156] != b'5' {
            let mut bytes = vec![0; size as usize];
            file.read_exact(&mut bytes).unwrap();
            file.seek(SeekFrom::Current((padded - size) as i64)).unwrap();
            found.push((key, bytes));
        } else {
            file.seek(SeekFrom::Current(padded as i64)).unwrap();
        }
    }
    found
}

#[test]
fn a_hundred_photographs_give_the_boxes_of_facenet_pytorch() {
    let Some(folder) = folder() else { return };
    let mut table = csv::Reader::from_path(folder.join("mtcnn_boxes.csv")).unwrap();
    let wanted: HashMap<String, Vec<f32>> = table
        .records()
        .map(Result::unwrap)
        .step_by(EACH)
        .map(|row| (row[0].to_owned(), row.iter().skip(1).map(|number| number.parse().unwrap()).collect()))
        .collect();
    let photos = members(&folder.join("lfw-deepfunneled.tar"), &wanted);
    assert_eq!(photos.len(), wanted.len());
    let mtcnn = Mtcnn::new(&Networks::embedded(), DetectorOptions::default(), Kernels::Auto).unwrap();
    let mut buffers = DetectBuffers::default();
    let (mut equal, mut worst) = (0, [0f32; 3]);
    for (key, bytes) in &photos {
        let photo = decode(bytes, &Limits::default()).unwrap();
        let faces = mtcnn.detect(&photo, &mut buffers);
        let chosen = Keep::CenterWeighted.select(&faces, 0.0, photo.dimensions()).unwrap();
        let mut differences = [0f32; 3];
        for (index, (found, expected)) in numbers(&chosen[0]).iter().zip(&wanted[key]).enumerate() {
            let kind = usize::from(index == 4) + 2 * usize::from(index > 4);
            differences[kind] = differences[kind].max((found - expected).abs());
        }
        let [boxes, probability, landmarks] = differences;
        if boxes <= 0.05 && probability <= 1e-4 && landmarks <= 0.1 {
            equal += 1;
            worst = std::array::from_fn(|kind| worst[kind].max(differences[kind]));
        }
    }
    println!("{equal} of {} photos, differences at most {worst:?}", photos.len());
    // Of all 7,700, 6 differ: candidates of the same probability, whose order NumPy leaves open.
    assert!(equal + 1 >= photos.len(), "{equal} of {}", photos.len());
}
