//! Weights that are not MTCNN's.

use facevault_detect::{DetectorOptions, Networks};

use crate::detect;
use crate::formula::{Tensors, networks, noise, tensors, views};

/// The tensors of one network, without its prefix.
fn of(all: &Tensors, network: &str) -> Tensors {
    all.iter().filter_map(|(key, tensor)| Some((key.strip_prefix(network)?.to_owned(), tensor.clone()))).collect()
}

#[test]
fn three_checkpoints_are_the_same_as_one_file() {
    let all = tensors();
    let [pnet, rnet, onet] = ["pnet.", "rnet.", "onet."].map(|network| of(&all, network));
    let three = Networks::from_checkpoints(views(&pnet), views(&rnet), views(&onet)).unwrap();
    assert!(three == networks());
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let wrong = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = tensors();
        change(&mut tensors);
        Networks::from_tensors(views(&tensors)).unwrap_err().to_string()
    };
    insta::assert_snapshot!(wrong(&|tensors| drop(tensors.remove("rnet.conv2.bias"))), @"the weights of MTCNN lack rnet.conv2.bias; give the checkpoints pnet.pt, rnet.pt and onet.pt of facenet-pytorch");
    insta::assert_snapshot!(wrong(&|tensors| {
        let bias = tensors["rnet.conv2.bias"].clone();
        tensors.insert("qnet.conv2.bias".into(), bias);
    }), @"the weights of MTCNN have qnet.conv2.bias, which none of its networks uses; give the checkpoints pnet.pt, rnet.pt and onet.pt of facenet-pytorch");
    insta::assert_snapshot!(wrong(&|tensors| tensors.get_mut("onet.dense5.weight").unwrap().0.reverse()), @"`onet.dense5.weight` has the shape [1152, 256] where MTCNN has [256, 1152]; give the checkpoints of facenet-pytorch");
    insta::assert_snapshot!(wrong(&|tensors| tensors.get_mut("pnet.conv1.weight").unwrap().1[7] = f32::NAN), @"`pnet.conv1.weight` does not hold finite numbers for all of its shape; download or copy the weights again");
    let short = wrong(&|tensors| tensors.get_mut("pnet.conv1.weight").unwrap().1.truncate(7));
    assert!(short.contains("pnet.conv1.weight"), "{short}");
}

/// Weights so large that the networks overflow give no face, or faces of finite numbers.
#[test]
fn overflowing_weights_are_harmless() {
    for scale in [1e10f32, 1e30, -1e30] {
        let mut tensors = tensors();
        for (_, data) in tensors.values_mut() {
            for value in data {
                *value *= scale;
            }
        }
        let networks = Networks::from_tensors(views(&tensors)).unwrap();
        let options = DetectorOptions { thresholds: [0.0; 3], ..DetectorOptions::default() };
        for face in detect(&networks, options, &noise(60, 50)) {
            assert!(face.area().is_finite() && face.landmarks.as_flattened().iter().all(|value| value.is_finite()));
        }
    }
}
