//! Against facenet-pytorch, with formula weights and with its own: `tests/fixtures/make_goldens.py`.

use facevault_detect::{DetectorOptions, Networks};
use facevault_preprocess::{Limits, decode};
use serde::Deserialize;

use crate::{detect, formula, numbers};

#[derive(Deserialize)]
struct Golden {
    name: String,
    weights: String,
    picture: String,
    size: [u32; 2],
    options: DetectorOptions,
    faces: Vec<Vec<f32>>,
}

#[test]
fn formula_pictures_give_what_facenet_pytorch_finds() {
    let goldens: Vec<Golden> = serde_json::from_str(include_str!("../fixtures/goldens.json")).unwrap();
    let (embedded, formula) = (Networks::embedded(), formula::networks());
    assert_eq!(goldens.len(), 8);
    for golden in goldens {
        let [width, height] = golden.size;
        let photo = match golden.picture.as_str() {
            "noise" => formula::noise(width, height),
            "smooth" => formula::smooth(width, height),
            "drawn" => formula::drawn(width, height),
            path => {
                let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
                decode(&std::fs::read(path).unwrap(), &Limits::default()).unwrap()
            }
        };
        let networks = if golden.weights == "embedded" { &embedded } else { &formula };
        let found = detect(networks, golden.options, &photo);
        assert_eq!(found.len(), golden.faces.len(), "{}", golden.name);
        let mut worst = [0f32; 3];
        for (found, expected) in found.iter().zip(&golden.faces) {
            for (index, (found, expected)) in numbers(found).iter().zip(expected).enumerate() {
                let kind = usize::from(index == 4) + 2 * usize::from(index > 4);
                worst[kind] = worst[kind].max((found - expected).abs());
            }
        }
        println!("{}: {} faces, differences at most {worst:?}", golden.name, found.len());
        let [boxes, probabilities, landmarks] = worst;
        assert!(boxes < 1e-3 && probabilities < 1e-5 && landmarks < 1e-3, "{}: {worst:?}", golden.name);
    }
}
