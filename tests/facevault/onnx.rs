//! `model.network: onnx`: small recognisers of `crates/graph/tests/fixtures/networks`, run by the binary, against ONNX
//! Runtime's answers.

use std::fs;
use std::path::{Path, PathBuf};

use facevault::digest::Digest;

use crate::onnx_runtime::known_network;
use crate::schemas;
use crate::support::fake_hub::{COMMIT, FakeHub};
use crate::support::workspace::Workspace;

/// Height and width of the networks' faces.
const SIDE: u32 = 32;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/graph/tests/fixtures/networks").join(name)
}

/// The bytes behind the head of a `.npy` file.
fn npy(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    bytes[10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))..].to_vec()
}

fn numbers(path: &Path) -> Vec<f32> {
    npy(path).as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn unit(x: &[f32]) -> Vec<f32> {
    let norm = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    x.iter().map(|&x| (f64::from(x) / norm) as f32).collect()
}

/// A config for crops of the networks' size.
fn config(weights: &str, more: &str) -> String {
    format!(
        "name: small\ndataset: {{source: synthetic, seed: 5, identities: 4, samples: 3, size: 64}}\n\
         preprocess: {{profile: insightface, crop: {{mode: whole}}, resize: {{size: {SIDE}}}}}\n\
         model: {{network: onnx}}\nweights: {{source: file, path: {weights}}}\nsimilarity: {{replicates: 100}}\n\
         embed: {{device: cpu, batch_size: 4, chunk_size: 5, threads: 1}}\n{more}"
    )
}

/// A workspace with a network and a config over synthetic faces.
fn workspace(network: &str) -> Workspace {
    let workspace = Workspace::empty();
    fs::copy(fixture(network), workspace.path(network)).unwrap();
    fs::write(workspace.path("config.yaml"), config(network, "")).unwrap();
    workspace
}

#[test]
fn an_experiment_gives_the_embeddings_of_onnx_runtime() {
    for name in [
        "iresnet",
        "iresnet_dynamo",
        "iresnet_fp16",
        "iresnet_external",
        "ir_se_normalising",
        "mobilefacenet_interleaved",
    ] {
        let file = format!("{name}.onnx");
        let workspace = workspace(&file);
        if name == "iresnet_external" {
            fs::copy(fixture("iresnet_external.bin"), workspace.path("iresnet_external.bin")).unwrap();
        }
        // The face of the golden is the first of the first identity.
        let pixels = npy(&fixture(&format!("{name}.input.npy")));
        for (place, pixels) in [
            ("a/0.png", pixels.clone()),
            ("a/1.png", pixels.iter().rev().copied().collect()),
            ("b/0.png", pixels.iter().map(|&pixel| 255 - pixel).collect()),
            ("b/1.png", pixels.iter().map(|&pixel| pixel / 2).collect()),
        ] {
            let path = workspace.path("faces").join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            image::RgbImage::from_raw(SIDE, SIDE, pixels).unwrap().save(path).unwrap();
        }
        let raw = if name == "ir_se_normalising" { "{mean: 0, scale: 1}" } else { "{mean: 127.5, scale: 127.5}" };
        let (faces, standardise) = ("dataset={source: folders, root: faces}", format!("preprocess.standardise={raw}"));
        let expected = unit(&numbers(&fixture(&format!("{name}.output.npy"))));
        for kernels in ["auto", "portable"] {
            let kernels = format!("embed.kernels={kernels}");
            workspace.run(0, &["experiment", "config.yaml", "--set", faces, "--set", &standardise, "--set", &kernels]);
        }
        // Kernels with and without fused multiply-adds are two arithmetics, and two runs.
        let runs: Vec<_> =
            fs::read_dir(workspace.path("experiments")).unwrap().map(|run| run.unwrap().path()).collect();
        for run in runs.iter().filter(|run| run.join("plan.json").is_file()) {
            let found = numbers(&run.join("face_embeddings.npy"));
            assert_eq!(found.len(), 4 * expected.len(), "{name}");
            let off = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off <= 1e-5, "{name} is off by {off}");
        }
    }
}

#[test]
fn int8_takes_its_ranges_from_the_faces_and_says_how_it_agrees_with_f32() {
    for name in ["iresnet", "mobilefacenet_interleaved"] {
        let workspace = workspace(&format!("{name}.onnx"));
        workspace.run(0, &["experiment", "config.yaml", "--set", "embed.precision=int8"]);
        let run = workspace.only_run();
        schemas::check_run(&run);
        let json =
            |name: &str| -> serde_json::Value { serde_json::from_slice(&fs::read(run.join(name)).unwrap()).unwrap() };
        let calibration = json("calibration.json");
        let spans = calibration["spans"].as_object().unwrap();
        assert!(spans.len() > 5 && calibration["faces"] == 12, "{calibration}");
        // ReLU or not, 0 lies in each.
        assert!(spans.values().any(|span| span[0].as_f64() < Some(0.0)), "{calibration}");
        let agreement = json("agreement.json");
        let cosine = agreement["cosine_min"].as_f64().unwrap();
        assert!((0.98..1.0).contains(&cosine), "{agreement}");
        workspace.run(0, &["verify", "small"]);

        // The ranges are a run's own: kept when it goes on, and not replaced by others when they are lost.
        let embeddings = fs::read(run.join("face_embeddings.npy")).unwrap();
        for name in ["SEALED", "face_metadata.csv", "chunks/00002.json", "chunks/00002.npy"] {
            fs::remove_file(run.join(name)).unwrap();
        }
        workspace.run(0, &["experiment", "config.yaml", "--set", "embed.precision=int8"]);
        assert!(fs::read(run.join("face_embeddings.npy")).unwrap() == embeddings, "{name}");
        assert_eq!(json("calibration.json"), calibration);
        let mut stray = calibration.clone();
        stray["spans"]["elsewhere"] = serde_json::json!([-1.0, 1.0]);
        for name in ["SEALED", ".unsealed", "face_metadata.csv", "chunks/00002.json", "chunks/00002.npy"] {
            let _ = fs::remove_file(run.join(name));
        }
        fs::write(run.join("calibration.json"), stray.to_string()).unwrap();
        let (_, refused) = workspace.run(1, &["embed", run.to_str().unwrap()]);
        assert!(refused.contains("calibration.json: it has changed since it was measured"), "{refused}");
        // Of a run from before its digest was recorded.
        let mut provenance = json("provenance.json");
        provenance.as_object_mut().unwrap().remove("measured").unwrap();
        fs::write(run.join("provenance.json"), provenance.to_string()).unwrap();
        let (_, refused) = workspace.run(1, &["embed", run.to_str().unwrap()]);
        assert!(
            refused.contains("int8: there is a range of `elsewhere`, which this network does not have"),
            "{refused}"
        );
    }
}

/// Fault (config): int8 for an ONNX file without a product that takes inputs in fours → refused before ranges are stored
#[test]
fn a_network_with_nothing_to_compute_in_int8_is_refused() {
    let workspace = workspace("iresnet.onnx");
    fs::write(workspace.path("iresnet.onnx"), known_network()).unwrap();
    let error = refused(&workspace, 1, "experiment", &["embed.precision=int8"]);
    insta::assert_snapshot!(error, @"error: `embed.precision: int8`: no product of this network can be computed in int8, which takes inputs in fours; use `precision: f32` or `bf16`");
    assert!(!workspace.only_run().join("calibration.json").exists());
    workspace.run(0, &["experiment", "config.yaml", "--set", "embed.precision=bf16"]);
}

#[test]
fn batches_threads_and_interruptions_change_no_byte() {
    let workspace = workspace("iresnet.onnx");
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    let read = |name: &str| fs::read(run.join(name)).unwrap();
    let (embeddings, metrics) = (read("face_embeddings.npy"), read("metrics.json"));
    assert!(fs::read_to_string(run.join("plan.json")).unwrap().contains("\"network\": \"onnx\""));
    let more = ["--set", "embed.batch_size=7", "--set", "embed.threads=2", "--experiments", "others"];
    workspace.run(0, &[&["embed", "config.yaml"], &more[..]].concat());
    let other = workspace.path("others").join(run.file_name().unwrap());
    assert!(fs::read(other.join("face_embeddings.npy")).unwrap() == embeddings, "another batch size, other bytes");

    // As an interruption leaves it: the last chunk and what is exported from all of them are missing.
    let chunks = |folder: &Path| -> Vec<PathBuf> {
        let mut found: Vec<_> = fs::read_dir(folder.join("chunks")).unwrap().map(|file| file.unwrap().path()).collect();
        found.sort();
        found
    };
    let last = chunks(&run).pop().unwrap();
    let stem = last.file_stem().unwrap().to_owned();
    chunks(&run).iter().filter(|path| path.file_stem() == Some(&stem)).for_each(|path| fs::remove_file(path).unwrap());
    for name in ["SEALED", "face_metadata.csv", "face_embeddings.npy", "metrics.json"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    workspace.run(0, &["experiment", "config.yaml"]);
    assert!(read("face_embeddings.npy") == embeddings && read("metrics.json") == metrics, "resumed, other bytes");
    let sessions: serde_json::Value = serde_json::from_slice(&read("provenance.json")).unwrap();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 2, "nothing was resumed");
}

#[test]
fn what_a_file_is_is_shown_before_anything_is_computed() {
    let workspace = workspace("mobilefacenet_interleaved.onnx");
    let (shown, _) = workspace.run(0, &["check", "config.yaml"]);
    let network = shown.lines().find(|line| line.starts_with("network")).unwrap();
    let (head, producer) = network.split_once(" by ").unwrap();
    insta::assert_snapshot!(head, @"network  `input` 32×32 (interleaved) → `embedding`, 16 numbers; 2092 parameters in f32, operator set 12");
    assert!(producer.starts_with("pytorch "), "{producer}");
    let value = workspace.json(0, &["check", "config.yaml"]);
    let facts = &value["network"];
    assert_eq!((&facts["dimension"], &facts["side"][0]), (&16.into(), &SIDE.into()), "{facts}");
    assert_eq!((&facts["layout"], &facts["format"]), (&"interleaved".into(), &"f32".into()), "{facts}");
    let fetched = workspace.json(0, &["fetch", "config.yaml"]);
    assert_eq!(fetched["weights"]["network"], *facts);
    let digest = Digest::of(&fs::read(fixture("mobilefacenet_interleaved.onnx")).unwrap());
    assert_eq!(fetched["weights"]["sha256"], digest.to_string());
}

#[test]
fn external_data_is_part_of_the_digest() {
    let workspace = workspace("iresnet_external.onnx");
    let data = workspace.path("iresnet_external.bin");
    fs::copy(fixture("iresnet_external.bin"), &data).unwrap();
    let both = [fs::read(workspace.path("iresnet_external.onnx")).unwrap(), fs::read(&data).unwrap()].concat();
    let pinned = format!("weights.sha256={}", Digest::of(&both));
    workspace.run(0, &["embed", "config.yaml", "--set", &pinned]);
    let provenance: serde_json::Value =
        serde_json::from_slice(&fs::read(workspace.only_run().join("provenance.json")).unwrap()).unwrap();
    assert_eq!(provenance["weights"]["bytes"], both.len());

    let mut changed = fs::read(&data).unwrap();
    changed[0] ^= 1;
    fs::write(&data, changed).unwrap();
    let (_, error) = workspace.run(1, &["embed", "config.yaml", "--set", &pinned]);
    assert!(error.contains("is pinned: it is damaged or a different file"), "{error}");
}

#[test]
fn its_speed_is_measured_against_portable_kernels() {
    let workspace = workspace("iresnet.onnx");
    let arguments = [
        "throughput",
        "config.yaml",
        "--seconds",
        "0.01",
        "--rounds",
        "1",
        "--faces",
        "9",
        "--network-only",
        "--no-report",
    ];
    let measured = workspace.json(0, &arguments);
    assert_eq!(measured["reference"], "portable");
    let variant = &measured["variants"][0];
    assert_eq!(variant["embedder"], "onnx (engine)", "{variant}");
    assert!(variant["agreement"]["min_cosine"].as_f64().is_some_and(|cosine| cosine > 0.999_999), "{variant}");
    assert!(measured["floor"]["flop"].as_f64().is_some_and(|flop| flop > 1e5), "{}", measured["floor"]);
}

/// What a command says on standard error, without the places of this test.
#[track_caller]
fn refused(workspace: &Workspace, code: i32, command: &str, overrides: &[&str]) -> String {
    let overrides = overrides.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = [command, "config.yaml", "--quiet"].into_iter().chain(overrides).collect();
    let (_, error) = workspace.run(code, &arguments);
    let folder = workspace.path("");
    error
        .trim()
        .replace(&*folder.canonicalize().unwrap().to_string_lossy(), "HERE")
        .replace(&*folder.to_string_lossy(), "HERE/")
}

/// Fault (weights): an ONNX file with operators that are not known → refused with all of them, their nodes and what helps
/// Fault (weights): an ONNX file that is cut off → refused as not whole
/// Fault (weights): another file in the place of an ONNX file → refused with what it looks like
/// Fault (weights): an ONNX file whose external data is missing → refused with the tensor and the file
/// Fault (weights): an ONNX file whose numbers are not all numbers → refused with the tensor and the place
#[test]
fn a_file_that_is_no_network_is_refused() {
    let workspace = workspace("iresnet.onnx");
    let bytes = fs::read(fixture("iresnet.onnx")).unwrap();
    let with = |bytes: &[u8]| {
        fs::write(workspace.path("iresnet.onnx"), bytes).unwrap();
        assert_eq!(refused(&workspace, 1, "check", &[]), refused(&workspace, 1, "experiment", &[]));
        refused(&workspace, 1, "experiment", &[])
    };
    // The field `op_type` of a node, with the operator's name.
    let known = b"\x22\x05PRelu";
    let at: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(known)).collect();
    let mut unknown = bytes.clone();
    for at in at {
        unknown[at + 2..at + 7].copy_from_slice(b"Swosh");
    }
    insta::assert_snapshot!(with(&unknown), @"error: cannot load HERE/iresnet.onnx: the ONNX file uses what is not supported: the operator `Swosh` (opset 11) of node `/stem/stem.2/PRelu` and 5 more; export the network with other operators: `facevault guide onnx` lists those that are, or let ONNX Runtime run it: `embed.kernels: onnxruntime`");
    insta::assert_snapshot!(with(&bytes[..bytes.len() - 1]), @"error: cannot load HERE/iresnet.onnx: this is no whole ONNX file: it is cut off; download or export it again");
    insta::assert_snapshot!(with(b"<!doctype html>"), @"error: cannot load HERE/iresnet.onnx: it is a web page, expected an ONNX file; download the file itself, or export the network to ONNX");
    insta::assert_snapshot!(with(b"PK\x03\x04"), @"error: cannot load HERE/iresnet.onnx: it is a file saved by torch, expected an ONNX file; download the file itself, or export the network to ONNX");
    insta::assert_snapshot!(with(b""), @"error: cannot load HERE/iresnet.onnx: it is empty; download or copy it again");
    insta::assert_snapshot!(with(&fs::read(fixture("iresnet_external.onnx")).unwrap()), @"error: cannot load HERE/iresnet.onnx: the tensor `onnx::Conv_165` of the ONNX file: its external data `iresnet_external.bin`: No such file or directory (os error 2); put that file beside the ONNX file");
    let mut numbers = fs::read(fixture("iresnet_external.bin")).unwrap();
    numbers[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(workspace.path("iresnet_external.bin"), numbers).unwrap();
    insta::assert_snapshot!(with(&fs::read(fixture("iresnet_external.onnx")).unwrap()), @"error: cannot load HERE/iresnet.onnx: its tensor `/layers/layers.3/bn1/BatchNormalization` has NaN at index 2; export the network again");
    assert!(!workspace.has_run());
}

/// Fault (weights): an ONNX file for faces of another size → refused with both sizes and the key
/// Fault (config): an ONNX file that standardises pixels itself, with a config that does it, too → refused with the values
/// to set
/// Fault (config): a precision, device or kernels that ONNX files do not run with → refused with the value to set
#[test]
fn what_does_not_fit_the_network_is_refused() {
    let workspace = workspace("iresnet.onnx");
    let refused = |set: &str| refused(&workspace, 1, "experiment", &[set]);
    insta::assert_snapshot!(refused("preprocess.resize.size=48"), @"error: HERE/iresnet.onnx takes faces of 32×32 pixels, got 48×48; set `preprocess.resize.size` to 32, or take a profile of that size");
    insta::assert_snapshot!(refused("embed.precision=tf32"), @"error: `embed.precision: tf32` is not available with `model.network: onnx`, which runs on the CPU in f32, bf16x3, bf16 and int8; use `precision: f32`");
    insta::assert_snapshot!(refused("embed.device=cuda"), @"error: `embed.device: cuda` is not available with `model.network: onnx`, which runs on the CPU in f32, bf16x3, bf16 and int8; use `device: cpu`");
    insta::assert_snapshot!(refused("embed.kernels=candle"), @"error: `embed.kernels: candle` is not available with `model.network: onnx`, which runs on the CPU in f32, bf16x3, bf16 and int8; use `kernels: auto`");
    insta::assert_snapshot!(refused("model.output=features"), @"error: cannot load HERE/iresnet.onnx: the output of the ONNX file: there is no `features`; there are `embedding` (?, 16)");
    insta::assert_snapshot!(refused(&format!("weights.sha256={}", "ab".repeat(32))), @"error: the sha256 of HERE/iresnet.onnx is 7e93f06777df96c8a3cabb28361a238cf15a69284cbcd021464d8bd8698c4c18, but abababababababababababababababababababababababababababababababab is pinned: it is damaged or a different file; replace it, or correct `weights.sha256`");
    fs::copy(fixture("ir_se_normalising.onnx"), workspace.path("iresnet.onnx")).unwrap();
    insta::assert_snapshot!(refused("seed=1"), @"error: HERE/iresnet.onnx begins by standardising pixels of 0 to 255, and `preprocess.standardise` (mean 127.5, scale 127.5) would do it twice; set `preprocess.standardise: {mean: 0, scale: 1}`");
    assert!(!workspace.has_run());
}

/// Fault (config): an ONNX file without standardised pixels, inside or outside the network → the run warns
#[test]
fn pixels_that_nothing_standardises_are_pointed_out() {
    let workspace = workspace("iresnet.onnx");
    let said = refused(&workspace, 0, "experiment", &["preprocess.standardise={mean: 0, scale: 1}"]);
    insta::assert_snapshot!(said, @"HERE/iresnet.onnx gets pixels of 0 to 255 as they are, and does not begin by standardising them: if it was trained on standardised pixels, set `preprocess.standardise`");
}

/// Fault (hub): an ONNX file whose numbers are in another file → refused with what is needed; a whole one is fetched
#[test]
fn the_hub_gives_whole_files_only() {
    let hub = FakeHub::new();
    hub.put("py-feat/facenet", "model.onnx", &fs::read(fixture("iresnet_external.onnx")).unwrap(), true);
    let workspace = Workspace::empty();
    let file = format!("{{source: hub, repo: py-feat/facenet, revision: {COMMIT}, file: model.onnx}}");
    let text = config("model.onnx", "").replace("{source: file, path: model.onnx}", &file);
    fs::write(workspace.path("config.yaml"), text).unwrap();
    let (_, error) = workspace.online(&hub, 1, "fetch");
    let whole = FakeHub::new();
    whole.put("py-feat/facenet", "model.onnx", &fs::read(fixture("iresnet.onnx")).unwrap(), true);
    let other = Workspace::empty();
    fs::copy(workspace.path("config.yaml"), other.path("config.yaml")).unwrap();
    let (fetched, _) = other.online(&whole, 0, "fetch");
    assert!(fetched.contains("network  `input` 32×32 (planar) → `embedding`, 16 numbers"), "{fetched}");
    other.online(&whole, 0, "embed");
    assert!(other.has_run());
    insta::assert_snapshot!(error.lines().last().unwrap(), @"error: cannot load py-feat/facenet/model.onnx: the tensor `onnx::Conv_165` of the ONNX file: it is in `iresnet_external.bin`, and the ONNX file came alone; use a local copy with that file beside it, or save both in one file: `onnx.save(onnx.load(path), path)`");
}
