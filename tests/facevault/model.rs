//! The network against facenet-pytorch on identical weights (`crates/nn/tests/fixtures/model/make_goldens.py`).

use facevault::model::{
    self, BatchSize, DeviceRequest, Embedder, Execution, FaceBatch, Kernels, ModelSpec, Network, Precision,
};
use facevault::preprocess::Standardise;

use crate::support::formula;

const KINDS: [&str; 6] = ["constant-0", "constant-127", "constant-255", "noise", "smooth-a", "smooth-b"];
/// Side of the faces that networks are opened for; others are made ready for.
const SIDE: usize = 112;

const STANDARDISE: Standardise = Standardise { mean: 127.5, scale: 128.0 };

fn options(device: DeviceRequest) -> Execution {
    Execution { device, precision: Precision::F32, kernels: Kernels::Auto, batch_size: BatchSize::Auto, threads: None }
}

fn network(width: f64) -> Box<dyn Embedder> {
    let spec = ModelSpec { width, ..ModelSpec::of(Network::InceptionResnetV1) };
    let tensors = formula::checkpoint(&model::parameters(&spec));
    model::open(&spec, SIDE, &options(DeviceRequest::Cpu), &tensors, None, &|_| {}).unwrap()
}

fn embed(network: &mut dyn Embedder, pixels: &[u8], side: usize) -> Vec<f32> {
    let count = pixels.len() / (side * side * 3);
    let mut out = vec![f32::NAN; count * 512];
    network.embed(FaceBatch { pixels, count, side, standardise: STANDARDISE }, &mut out).unwrap();
    out
}

#[test]
fn equals_facenet_pytorch() {
    let mut network = network(1.0);
    for (side, golden) in [
        (160, &include_bytes!("../../crates/nn/tests/fixtures/model/golden_160.npy")[..]),
        (112, &include_bytes!("../../crates/nn/tests/fixtures/model/golden_112.npy")[..]),
    ] {
        let golden: Vec<f32> = npyz::NpyFile::new(golden).unwrap().into_vec().unwrap();
        let pixels: Vec<u8> = KINDS.iter().flat_map(|kind| formula::picture(kind, side)).collect();
        let embeddings = embed(network.as_mut(), &pixels, side);
        for ((kind, ours), theirs) in KINDS.iter().zip(embeddings.chunks(512)).zip(golden.chunks(512)) {
            let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{kind} at {side}: max |difference| {worst:.1e}");
            assert!(worst <= 1e-5, "{kind} at {side}: max |difference| {worst:e}");
            let norm: f32 = ours.iter().map(|v| v * v).sum::<f32>().sqrt();
            assert!((norm - 1.0).abs() < 1e-5, "{kind} at {side}: norm {norm}");
        }
    }
}

#[test]
fn every_kernel_of_this_cpu_equals_facenet_pytorch() {
    let spec = ModelSpec::of(Network::InceptionResnetV1);
    let tensors = formula::checkpoint(&model::parameters(&spec));
    let golden =
        npyz::NpyFile::new(&include_bytes!("../../crates/nn/tests/fixtures/model/golden_112.npy")[..]).unwrap();
    let golden: Vec<f32> = golden.into_vec().unwrap();
    let pixels: Vec<u8> = KINDS.iter().flat_map(|kind| formula::picture(kind, 112)).collect();
    for kernels in [Kernels::Candle, Kernels::Portable, Kernels::Neon, Kernels::Avx2, Kernels::Avx512] {
        let options = Execution { kernels, ..options(DeviceRequest::Cpu) };
        let mut network = match model::open(&spec, SIDE, &options, &tensors, None, &|_| {}) {
            Ok(network) => network,
            Err(error @ model::ModelError::NoKernels { .. }) => {
                println!("SKIPPED: {error}");
                continue;
            }
            Err(error) => panic!("{kernels:?}: {error}"),
        };
        let embeddings = embed(network.as_mut(), &pixels, 112);
        let worst = embeddings.iter().zip(&golden).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{kernels:?}: max |difference| {worst:.1e}");
        assert!(worst <= 1e-5, "{kernels:?}: max |difference| {worst:e}");
    }
}

#[test]
fn kernels_of_another_cpu_are_an_error() {
    let foreign = if cfg!(target_arch = "aarch64") { Kernels::Avx2 } else { Kernels::Neon };
    let spec = ModelSpec { width: 0.125, ..ModelSpec::of(Network::InceptionResnetV1) };
    let options = Execution { kernels: foreign, ..options(DeviceRequest::Cpu) };
    let error = model::open(&spec, SIDE, &options, &formula::checkpoint(&model::parameters(&spec)), None, &|_| {});
    let error = error.err().unwrap().to_string();
    assert!(error.contains(&format!("`embed.kernels: {}` cannot run on this CPU", foreign.name())), "{error}");
    assert!(error.contains("use `auto`"), "{error}");
}

#[test]
fn a_face_in_a_batch_equals_the_same_face_alone_to_the_bit() {
    let side = 96;
    let mut network = network(0.25);
    let faces: Vec<Vec<u8>> = KINDS.iter().map(|kind| formula::picture(kind, side)).collect();
    let together = embed(network.as_mut(), &faces.concat(), side);
    for (face, row) in faces.iter().zip(together.chunks(512)) {
        assert_eq!(embed(network.as_mut(), face, side), row);
    }
}

#[test]
fn a_batch_of_the_wrong_length_is_an_error() {
    let batch = FaceBatch { pixels: &[0; 10], count: 1, side: 96, standardise: STANDARDISE };
    let error = network(0.125).embed(batch, &mut [0.0; 512]).unwrap_err().to_string();
    insta::assert_snapshot!(error, @"the batch holds 10 values, expected 27648");
}

#[test]
#[cfg(not(feature = "cuda"))]
fn candle_needs_the_feature_on_a_gpu_and_auto_says_what_it_chose() {
    let spec = ModelSpec::of(Network::InceptionResnetV1);
    let describe = |device, say: &dyn Fn(&str)| {
        let options = Execution { kernels: Kernels::Candle, ..options(device) };
        model::describe(&spec, &options, say).map_err(|error| error.to_string())
    };
    let error = describe(DeviceRequest::Cuda, &|_| {}).unwrap_err();
    insta::assert_snapshot!(error, @"device `cuda` is not available: this binary was built without the feature `cuda`, which `kernels: candle` needs on a GPU; use `device: cpu`, or `auto` to fall back to the CPU");
    let said = std::cell::RefCell::new(String::new());
    let info = describe(DeviceRequest::Auto, &|line| said.borrow_mut().push_str(line)).unwrap();
    assert_eq!(info.device, facevault::model::DeviceKind::Cpu);
    insta::assert_snapshot!(said.borrow(), @"device auto: running on the CPU (this binary was built without the feature `cuda`, which `kernels: candle` needs on a GPU)");
    let dino = ModelSpec::of(Network::Dinov2Vits14);
    let error = model::describe(&dino, &options(DeviceRequest::Cuda), &|_| {}).unwrap_err().to_string();
    insta::assert_snapshot!(error, @"device `cuda` is not available: this binary was built without the feature `cuda`, which `dinov2-vits14` needs on a GPU; use `device: cpu`, or `auto` to fall back to the CPU");
}

#[test]
fn what_the_graph_cannot_compute_in_is_an_error() {
    let spec = ModelSpec { width: 0.125, ..ModelSpec::of(Network::InceptionResnetV1) };
    let tensors = formula::checkpoint(&model::parameters(&spec));
    for precision in [Precision::Tf32, Precision::F16, Precision::Bf16, Precision::Int8] {
        let options = Execution { precision, kernels: Kernels::Candle, ..options(DeviceRequest::Cpu) };
        let error = model::open(&spec, SIDE, &options, &tensors, None, &|_| {}).err().unwrap();
        assert!(matches!(error, model::ModelError::Precision { precision: p, .. } if p == precision), "{error}");
        assert!(error.to_string().contains("`f32` runs everywhere"), "{error}");
    }
}

#[test]
fn a_graph_without_stages_embeds_all_the_same() {
    let side = 96;
    let spec = ModelSpec { width: 0.125, ..ModelSpec::of(Network::InceptionResnetV1) };
    let tensors = formula::checkpoint(&model::parameters(&spec));
    let options = Execution { kernels: Kernels::Candle, ..options(DeviceRequest::Cpu) };
    let mut network = model::open(&spec, SIDE, &options, &tensors, None, &|_| {}).unwrap();
    let pixels = formula::picture("smooth-a", side);
    let batch = FaceBatch { pixels: &pixels, count: 1, side, standardise: STANDARDISE };
    let mut out = [0.0; 512];
    assert_eq!(network.stages(batch, &mut out).unwrap(), []);
    assert_eq!(embed(network.as_mut(), &pixels, side), out);
}

#[test]
fn what_is_described_is_what_opens() {
    let spec = ModelSpec { width: 0.125, ..ModelSpec::of(Network::InceptionResnetV1) };
    let tensors = formula::checkpoint(&model::parameters(&spec));
    let pixels = formula::picture("smooth-a", SIDE);
    let face = FaceBatch { pixels: &pixels, count: 1, side: SIDE, standardise: STANDARDISE };
    let calibration = model::calibrate(&spec, &options(DeviceRequest::Cpu), &tensors, [face]).unwrap();
    for (precision, kernels, threads) in [
        (Precision::F32, Kernels::Candle, None),
        (Precision::F32, Kernels::Auto, None),
        (Precision::Bf16, Kernels::Portable, Some(1)),
        (Precision::Int8, Kernels::Auto, Some(2)),
    ] {
        let options = Execution { precision, kernels, threads, ..options(DeviceRequest::Cpu) };
        let described = model::describe(&spec, &options, &|_| {}).unwrap();
        let opened = model::open(&spec, SIDE, &options, &tensors, Some(&calibration), &|_| {}).unwrap();
        assert_eq!(&described, opened.info());
        assert_eq!((described.precision, opened.dimension()), (precision, 512));
    }
    let impossible = Execution { precision: Precision::Bf16, kernels: Kernels::Candle, ..options(DeviceRequest::Cpu) };
    let described = model::describe(&spec, &impossible, &|_| {}).unwrap_err().to_string();
    let opened = model::open(&spec, SIDE, &impossible, &tensors, None, &|_| {}).map(|_| ()).unwrap_err().to_string();
    assert_eq!(described, opened);
}
