//! Networks other than FaceNet: each against PyTorch on identical weights (`crates/nn/tests/fixtures/model/{dinov2,clip,iresnet,arcface}.py`),
//! and as a user runs them.

use std::path::Path;

use facevault::digest::Digest;
use facevault::model::weights::{Checkpoint, Origin, Tensor, Tensors};
use facevault::model::{
    self, BatchSize, DeviceRequest, Execution, FaceBatch, Kernels, ModelSpec, Network, Precision, weights,
};
use facevault::weights::WeightsSource;
use facevault::{config, preprocess};

use crate::support::formula;
use crate::support::workspace::{WIDTH, Workspace, write_tensors};

/// The largest difference of a component from PyTorch that is rounding; rows are of unit length. Measured with candle and the
/// engine: 1.9e-7 and 2.4e-7 (DINOv2), 2.5e-7 (CLIP), 1.9e-6 (iResNet-100). The tanh approximation of GELU would be 4.2e-5 off in
/// DINOv2, a LayerNorm ε of 1e-5 5.5e-6, position embeddings of the nearest patch 0.04.
const TOLERANCES: [(Network, f32); 8] = [
    (Network::Dinov2Vits14, 2e-6),
    (Network::ClipVitB32, 2e-6),
    (Network::Iresnet50, 2e-5),
    (Network::Iresnet100, 2e-5),
    (Network::Mobilefacenet, 5e-6),
    (Network::AdafaceIr18, 5e-6),
    (Network::IrSe50, 2e-5),
    (Network::ArcfaceVitT, 5e-6),
];

/// Those that candle has too.
const WITH_CANDLE: [Network; 4] = [Network::Dinov2Vits14, Network::ClipVitB32, Network::Iresnet50, Network::Iresnet100];

fn spec(network: Network) -> ModelSpec {
    ModelSpec::of(network)
}

fn options(kernels: Kernels, precision: Precision) -> Execution {
    Execution { device: DeviceRequest::Cpu, precision, kernels, batch_size: BatchSize::Auto, threads: None }
}

fn formula_weights(network: Network) -> Tensors {
    formula::checkpoint(&model::parameters(&spec(network)))
}

/// Rows of faces, standardised as the network's profile does.
fn embed(network: Network, tensors: &Tensors, pictures: &[&str], kernels: Kernels) -> Vec<f32> {
    let profile = preprocess::profile(network.facts().profile.unwrap()).unwrap();
    let side = profile.resize.size as usize;
    let pixels: Vec<u8> = pictures.iter().flat_map(|kind| formula::picture(kind, side)).collect();
    let mut network =
        model::open(&spec(network), side, &options(kernels, Precision::F32), tensors, None, &|_| {}).unwrap();
    let mut rows = vec![f32::NAN; pictures.len() * network.dimension()];
    let batch = FaceBatch { pixels: &pixels, count: pictures.len(), side, standardise: profile.standardise };
    network.embed(batch, &mut rows).unwrap();
    rows
}

/// How far rows are from golden ones.
fn near(network: Network, rows: &[f32], golden: &[f32], by: &str) {
    let worst = rows.iter().zip(golden).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("{network:?}, {by}: max |difference| {worst:.1e}");
    let (_, tolerance) = TOLERANCES.into_iter().find(|(of, _)| *of == network).unwrap();
    assert!(worst <= tolerance, "{network:?}, {by}: max |difference| {worst:e}");
}

/// Two faces against the golden rows: on the engine, the second alone and in the batch, and with candle where it has the
/// network.
fn equals_pytorch(network: Network, golden: &[u8]) {
    let golden: Vec<f32> = npyz::NpyFile::new(golden).unwrap().into_vec().unwrap();
    let tensors = formula_weights(network);
    let rows = embed(network, &tensors, &["smooth-a", "smooth-b"], Kernels::Auto);
    let dimension = network.facts().dimension.unwrap();
    assert_eq!((rows.len(), golden.len()), (2 * dimension, 2 * dimension));
    near(network, &rows, &golden, "engine");
    let cosine: f32 = rows[..dimension].iter().zip(&rows[dimension..]).map(|(a, b)| a * b).sum();
    assert!(cosine < 0.95, "{network:?} hardly tells faces apart: {cosine}");
    let alone = embed(network, &tensors, &["smooth-b"], Kernels::Auto);
    assert!(rows.ends_with(&alone), "{network:?}: a row depends on its batch");
    if WITH_CANDLE.contains(&network) {
        let row = embed(network, &tensors, &["smooth-a"], Kernels::Candle);
        near(network, &row, &golden[..dimension], "candle");
    }
}

#[test]
fn dinov2_equals_transformers() {
    equals_pytorch(Network::Dinov2Vits14, include_bytes!("../../crates/nn/tests/fixtures/model/golden_dinov2.npy"));
}

#[test]
fn clip_equals_transformers() {
    equals_pytorch(Network::ClipVitB32, include_bytes!("../../crates/nn/tests/fixtures/model/golden_clip.npy"));
}

#[test]
fn iresnet50_equals_its_definition_in_pytorch() {
    equals_pytorch(Network::Iresnet50, include_bytes!("../../crates/nn/tests/fixtures/model/golden_iresnet50.npy"));
}

#[test]
fn iresnet100_equals_its_definition_in_pytorch() {
    equals_pytorch(Network::Iresnet100, include_bytes!("../../crates/nn/tests/fixtures/model/golden_iresnet100.npy"));
}

#[test]
fn mobilefacenet_equals_its_definition_in_pytorch() {
    equals_pytorch(
        Network::Mobilefacenet,
        include_bytes!("../../crates/nn/tests/fixtures/model/golden_mobilefacenet.npy"),
    );
}

#[test]
fn adaface_equals_its_definition_in_pytorch() {
    equals_pytorch(
        Network::AdafaceIr18,
        include_bytes!("../../crates/nn/tests/fixtures/model/golden_adaface-ir18.npy"),
    );
}

#[test]
fn ir_se50_equals_its_definition_in_pytorch() {
    equals_pytorch(Network::IrSe50, include_bytes!("../../crates/nn/tests/fixtures/model/golden_ir-se50.npy"));
}

#[test]
fn arcface_vit_equals_its_definition_in_pytorch() {
    equals_pytorch(
        Network::ArcfaceVitT,
        include_bytes!("../../crates/nn/tests/fixtures/model/golden_arcface-vit-t.npy"),
    );
}

#[test]
fn dinov2_in_its_original_layout_is_the_same_network() {
    // The keys of `dinov2_vits14_pretrain.pth`, and of timm's file.
    let published = formula_weights(Network::Dinov2Vits14);
    let mut original = Tensors::new();
    for (key, tensor) in &published {
        let key = key
            .replace("embeddings.cls_token", "cls_token")
            .replace("embeddings.position_embeddings", "pos_embed")
            .replace("embeddings.patch_embeddings.projection", "patch_embed.proj")
            .replace("encoder.layer.", "blocks.")
            .replace("attention.output.dense", "attn.proj")
            .replace("layer_scale1.lambda1", "ls1.gamma")
            .replace("layer_scale2.lambda1", "ls2.gamma")
            .replace("layernorm.", "norm.");
        original.insert(key, tensor.clone());
    }
    for block in 0..12 {
        for name in ["weight", "bias"] {
            let parts = ["query", "key", "value"]
                .map(|which| original.remove(&format!("blocks.{block}.attention.attention.{which}.{name}")).unwrap());
            let mut shape = parts[0].shape.clone();
            shape[0] *= 3;
            let data = parts.iter().flat_map(|part| part.data.iter().copied()).collect();
            original.insert(format!("blocks.{block}.attn.qkv.{name}"), Tensor { shape, data, dtype: "F32".into() });
        }
    }
    assert!(original.contains_key("pos_embed") && !original.keys().any(|key| key.contains("attention")));
    let adopted = model::adopt(&spec(Network::Dinov2Vits14), original);
    assert!(adopted == published, "{:?}", adopted.keys().collect::<Vec<_>>());
}

#[test]
fn every_published_key_is_consumed_or_known() {
    // What the published files hold beyond the parameters.
    for (network, extra) in [
        (Network::Dinov2Vits14, &["embeddings.mask_token"][..]),
        (Network::ClipVitB32, &["logit_scale", "text_projection.weight", "text_model.final_layer_norm.bias"]),
        (Network::ClipVitB32, &["text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"]),
        (Network::Iresnet50, &["bn1.num_batches_tracked", "layer3.13.bn2.num_batches_tracked"]),
        (Network::Iresnet100, &["layer3.29.bn2.num_batches_tracked", "features.num_batches_tracked"]),
    ] {
        let mut tensors: Tensors = model::parameters(&spec(network))
            .iter()
            .map(|p| (p.key.clone(), Tensor { shape: p.shape.clone(), data: zeros(&p.shape), dtype: "F32".into() }))
            .collect();
        for key in extra {
            tensors.insert((*key).into(), Tensor { shape: vec![1], data: vec![0.0], dtype: "F32".into() });
        }
        let all = require(network, tensors.clone());
        assert!(all.is_ok(), "{network:?}: {all:?}");
        // One key less is missed; one more that nobody knows is reported.
        let first = model::parameters(&spec(network))[0].key.clone();
        let taken = tensors.remove(&first).unwrap();
        assert!(require(network, tensors.clone()).unwrap_err().contains(&format!("{first} {:?}", taken.shape)));
        tensors.insert(first, taken);
        tensors.insert("head.weight".into(), Tensor { shape: vec![1], data: vec![0.0], dtype: "F32".into() });
        assert!(require(network, tensors).unwrap_err().contains("unexpected (1):\n    head.weight [1]"));
    }
}

fn zeros(shape: &[usize]) -> Vec<f32> {
    vec![0.0; shape.iter().product()]
}

fn require(network: Network, tensors: Tensors) -> Result<(), String> {
    let origin = Origin { source: "file".into(), location: "w".into(), revision: None, bytes: 0 };
    let checkpoint = Checkpoint { weights: tensors, digest: Digest::of(b""), origin };
    let spec = spec(network);
    let found = weights::require(&checkpoint, &model::parameters(&spec), model::unused_keys(&spec));
    found.map_err(|error| error.to_string())
}

#[test]
fn what_the_engine_cannot_do_is_an_error_that_names_the_network() {
    for (network, _) in TOLERANCES {
        let refused = options(Kernels::Auto, Precision::Tf32);
        let error = model::describe(&spec(network), &refused, &|_| {}).unwrap_err();
        assert!(error.to_string().contains(network.facts().name), "{error}");
        for (kernels, precision) in [
            (Kernels::Auto, Precision::F32),
            (Kernels::Portable, Precision::Bf16),
            (Kernels::Portable, Precision::Int8),
        ] {
            let info = model::describe(&spec(network), &options(kernels, precision), &|_| {}).unwrap();
            assert!(info.name.starts_with(&format!("{} (engine", network.facts().name)), "{}", info.name);
        }
        let candle = model::describe(&spec(network), &options(Kernels::Candle, Precision::F32), &|_| {});
        match candle {
            Ok(info) => assert_eq!(info.name, format!("{} (candle)", network.facts().name)),
            Err(error) => assert!(!WITH_CANDLE.contains(&network), "{error}"),
        }
    }
    let refused = options(Kernels::Auto, Precision::F16);
    let error = model::describe(&spec(Network::ClipVitB32), &refused, &|_| {}).unwrap_err();
    insta::assert_snapshot!(error, @"`embed.precision: f16` is not available with `model.network: clip-vit-b-32`, which runs on the CPU in f32, bf16x3, bf16 and int8; use `precision: f32`");
}

/// `configs/baselines.yaml` as it is, and with the `--set` lines of its comments that need no local file.
#[test]
fn the_baselines_are_configs_with_their_networks_own_preprocessing() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/baselines.yaml");
    let text = std::fs::read_to_string(&path).unwrap().replace("\n#", " ");
    let mut networks = vec![config::load(&path, &[]).unwrap().config];
    for command in text.split("facevault experiment configs/baselines.yaml").skip(1) {
        // `--set name=value` or `--set 'name={…}'`.
        let value = |set: &str| match set.strip_prefix('\'') {
            Some(quoted) => quoted.split('\'').next().unwrap().to_owned(),
            None => set.split_whitespace().next().unwrap().to_owned(),
        };
        let sets: Vec<String> = command.split("--set ").skip(1).map(value).collect();
        if sets.iter().any(|set| set.starts_with("weights={source: hub")) {
            networks.push(config::load(&path, &sets).unwrap().config);
        }
    }
    let found: Vec<_> =
        networks.iter().map(|config| (config.model.network, config.preprocess.profile.as_str())).collect();
    let expected = [
        (Network::Dinov2Vits14, "dinov2"),
        (Network::ClipVitB32, "clip"),
        (Network::InceptionResnetV1, "facenet-pytorch"),
    ];
    assert_eq!(found, expected);
    assert!(networks.iter().all(|config| matches!(config.weights, WeightsSource::Hub { sha256: Some(_), .. })));
}

/// The CASIA-WebFace checkpoint of facenet-pytorch is the same network with 10,575 classes; theirs has 8,631.
#[test]
fn facenet_loads_whatever_the_number_of_classes() {
    let workspace = Workspace::synthetic(2, 2, "");
    for classes in [10_575, 8_631] {
        let spec = ModelSpec { width: WIDTH, ..ModelSpec::of(Network::InceptionResnetV1) };
        let mut tensors = formula::checkpoint(&model::parameters(&spec));
        let shapes = [("logits.weight", vec![classes, 512]), ("logits.bias", vec![classes])];
        for (key, shape) in shapes {
            tensors.insert(key.into(), Tensor { data: zeros(&shape), shape, dtype: "F32".into() });
        }
        write_tensors(&workspace.path("weights.safetensors"), &tensors);
        let found = workspace.json(0, &["fetch", "config.yaml"]);
        assert_eq!(found["weights"]["tensors"], tensors.len());
        assert_eq!(workspace.json(0, &["embed", "config.yaml"])["embedded"], 4);
    }
}

/// Two networks with embeddings of different sizes, embedded, evaluated and compared.
#[test]
fn runs_of_two_networks_are_compared_face_by_face() {
    let workspace = Workspace::synthetic(3, 3, "");
    let written = formula_weights(Network::Dinov2Vits14);
    write_tensors(&workspace.path("dinov2.safetensors"), &written);
    let run = |sets: &[&str]| -> String {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let done = workspace.json(0, &[&["experiment", "config.yaml"], &sets[..]].concat());
        done["directory"].as_str().or(done["run"].as_str()).unwrap().rsplit('/').next().unwrap().to_owned()
    };
    let facenet = run(&[]);
    let dinov2 = run(&[
        "name=dinov2",
        "model={network: dinov2-vits14}",
        "preprocess={}",
        "weights.path=dinov2.safetensors",
        "embed.threads=2",
    ]);
    let plan = |run: &str| -> serde_json::Value {
        let path = workspace.path(format!("experiments/{run}/plan.json"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let planned = plan(&dinov2);
    assert_eq!(planned["model"]["embedder"], "dinov2-vits14 (engine)");
    assert_eq!(
        (&planned["preprocess"]["profile"], &planned["preprocess"]["resize"]["size"]),
        (&"dinov2".into(), &224.into())
    );
    let matrix = |run: &str| std::fs::read(workspace.path(format!("experiments/{run}/face_embeddings.npy"))).unwrap();
    assert_eq!((matrix(&facenet).len(), matrix(&dinov2).len()), (128 + 9 * 512 * 4, 128 + 9 * 384 * 4));

    let found = workspace.json(0, &["compare", &facenet, &dinov2]);
    let metrics = found["paired"]["metrics"].as_array().unwrap();
    let d_prime = metrics.iter().find(|row| row["metric"] == "d_prime").unwrap();
    assert!(d_prime["values"].as_array().unwrap().iter().all(|value| value["point"].is_number()), "{d_prime}");
    assert!(found["headline"].as_str().unwrap().starts_with("differs: "), "{}", found["headline"]);
    let (text, _) = workspace.run(0, &["compare", &facenet, &dinov2]);
    assert!(text.contains("dinov2"), "{text}");
    workspace.run(0, &["verify", &dinov2]);
}
