//! `facevault throughput` as a user runs it, on the demo with settings so small that its speeds mean nothing.

use std::fs;

use crate::support::workspace::Workspace;

/// The demo's config, absolute.
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/demo.yaml");
/// Little work.
const TINY: [&str; 8] = ["--faces", "24", "--seconds", "0.01", "--rounds", "3", "--batches", "1,5"];

#[test]
fn every_variant_is_measured_and_candle_agrees_with_itself() {
    let workspace = Workspace::empty();
    let more = ["--kernels", "candle", "--threads", "1,2", "--quiet"];
    let found = workspace.json(0, &[&["throughput", DEMO][..], &TINY, &more].concat());
    assert_eq!((&found["schema"], &found["config"], &found["faces"]), (&1.into(), &"demo".into(), &24.into()));
    assert!(found["preparation"]["decode_seconds"].as_f64().unwrap() > 0.0);
    let variants = found["variants"].as_array().unwrap();
    let names: Vec<_> = variants.iter().map(|one| one["name"].as_str().unwrap()).collect();
    let expected = [
        "cpu candle f32 threads 1 batch 1",
        "cpu candle f32 threads 1 batch 5",
        "cpu candle f32 threads 2 batch 1",
        "cpu candle f32 threads 2 batch 5",
    ];
    assert_eq!(names, expected);
    for one in variants {
        let agreement = &one["agreement"];
        assert_eq!((&agreement["min_cosine"], &agreement["mean_cosine"]), (&1.0.into(), &1.0.into()), "{one}");
        assert_eq!(agreement["max_difference"], 0.0, "{one}");
        assert_eq!(one["separation"], found["reference_separation"]);
        let rate = |name: &str| one["faces_per_second"][name].as_f64().unwrap();
        assert!(0.0 < rate("lower") && rate("lower") <= rate("median") && rate("median") <= rate("upper"), "{one}");
        assert_eq!(one["embedder"], "inception-resnet-v1 (candle)");
    }
    assert_eq!(variants[0]["ratio"]["median"], 1.0);

    // The page stands alone and shows every variant.
    let page = fs::read_to_string(workspace.path("reports/throughput-demo.html")).unwrap();
    assert!(names.iter().all(|name| page.contains(name)) && !page.contains("://"));
    assert!(!workspace.has_run(), "measuring is no experiment");
}

#[test]
fn the_kernels_tell_their_stages_and_stay_close_to_the_reference() {
    let workspace = Workspace::empty();
    let more = ["--kernels", "portable", "--precisions", "f32,int8", "--threads", "2", "--no-report", "--quiet"];
    let found = workspace.json(0, &[&["throughput", DEMO][..], &TINY, &more].concat());
    let variants = found["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 4);
    for one in variants {
        let least = if one["precision"] == "f32" { 0.9999 } else { 0.9 };
        assert!(one["agreement"]["min_cosine"].as_f64().unwrap() > least, "{one}");
        let stages = one["stages"].as_array().unwrap();
        let shares: f64 = stages.iter().map(|stage| stage["share"].as_f64().unwrap()).sum();
        assert!(stages.len() > 1 && (shares - 1.0).abs() < 1e-9, "{one}");
    }
    assert!(variants[2]["agreement"]["min_cosine"].as_f64() < variants[0]["agreement"]["min_cosine"].as_f64());
}

#[test]
fn the_default_says_in_words_what_it_found() {
    let workspace = Workspace::empty();
    let more = ["--threads", "1", "--no-report"];
    let (text, _) = workspace.run(0, &[&["throughput", DEMO][..], &TINY, &more].concat());
    for part in ["demo: 24 faces of 80 pixels", "cpu auto f32 threads 1 batch 5", "min cosine", "before the network"] {
        assert!(text.contains(part), "{part} is missing from\n{text}");
    }
    assert!(!workspace.path("reports").exists());
}

#[test]
#[cfg(not(feature = "cuda"))]
fn what_this_build_lacks_is_an_error_that_names_the_variant() {
    let workspace = Workspace::empty();
    let more = ["--devices", "cpu,cuda", "--threads", "1", "--quiet"];
    let (_, error) = workspace.run(1, &[&["throughput", DEMO][..], &TINY, &more].concat());
    insta::assert_snapshot!(error.trim(), @"error: cannot measure `cuda f32 batch 1`: device `cuda` is not available: this binary was built without the feature `cuda`; use `device: cpu`, or `auto` to fall back by itself");
}

#[test]
fn a_dataset_without_a_readable_face_is_an_error() {
    let workspace = Workspace::new();
    fs::create_dir_all(workspace.path("faces/someone")).unwrap();
    fs::write(workspace.path("faces/someone/a.png"), b"no picture").unwrap();
    workspace.config("dataset: {source: folders, root: faces}");
    let (_, error) = workspace.run(1, &["throughput", "config.yaml", "--quiet", "--batches", "1"]);
    insta::assert_snapshot!(error.trim(), @"error: none of the 1 faces tried can be read, and speed is measured on faces; `facevault embed` says why, face by face");
}

#[test]
fn words_that_no_variant_has_are_refused() {
    let (_, error) = Workspace::empty().run(2, &["throughput", DEMO, "--precisions", "f8"]);
    assert!(error.contains("expected one of `f32`, `tf32`, `f16`, `bf16`, `int8`"), "{error}");
}
