//! `facevault throughput` as a user runs it, on the demo with settings so small that its speeds mean nothing.

use std::fs;

use serde_json::Value;

use crate::schemas;
use crate::support::fake_cuda;
use crate::support::workspace::Workspace;

/// The demo's config, absolute.
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/demo.yaml");
/// Little work.
const TINY: [&str; 8] = ["--faces", "24", "--seconds", "0.01", "--rounds", "3", "--batches", "1,5"];

/// The only page, whose variants are written without breaks in tables.
fn page(workspace: &Workspace) -> String {
    let pages: Vec<_> = fs::read_dir(workspace.path("reports")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [page] = &pages[..] else { panic!("{pages:?}") };
    assert!(page.file_name().unwrap().to_str().unwrap().starts_with("throughput-demo-20"), "{}", page.display());
    fs::read_to_string(page).unwrap().replace('\u{a0}', " ")
}

#[test]
fn every_variant_is_measured_and_candle_agrees_with_itself() {
    let workspace = Workspace::empty();
    let more = ["--kernels", "candle", "--threads", "1,2", "--quiet"];
    let found = workspace.json(0, &[&["throughput", DEMO][..], &TINY, &more].concat());
    schemas::printed("throughput", &found);
    assert_eq!((&found["schema"], &found["config"], &found["faces"]), (&3.into(), &"demo".into(), &24.into()));
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
        assert_eq!((&agreement["nearest"]["flipped"], &agreement["nearest"]["asked"]), (&0.into(), &24.into()));
        assert_eq!(agreement["eer_difference"]["verdict"], "same");
        assert_eq!((&one["gate"]["passed"], &one["gate"]["because"]), (&true.into(), &serde_json::json!([])));
    }
    assert_eq!(variants[0]["ratio"]["median"], 1.0);

    // The best of them goes the whole way, and nothing of it stays.
    let whole = found["end_to_end"].as_array().unwrap();
    assert_eq!(whole.len(), 1, "one device, one precision: {whole:?}");
    let number = |name: &str| whole[0][name].as_f64().unwrap();
    assert!(
        number("faces") >= 24.0 && number("faces_per_second") > 0.0 && number("prepare_seconds") > 0.0,
        "{whole:?}"
    );
    assert!(0.0 < number("busy") && number("busy") <= 1.0, "{whole:?}");

    // Whether anybody counts energy depends on the machine; one of both is there.
    let meter = &found["meters"][0];
    assert_eq!((&meter["device"], meter["source"].is_null()), (&"cpu".into(), meter["absent"].is_string()));

    // The page stands alone and shows every variant.
    let page = page(&workspace);
    assert!(names.iter().all(|name| page.contains(name)) && !page.contains("://"));
    assert!(!workspace.has_run(), "measuring is no experiment");
}

#[test]
fn the_kernels_tell_their_stages_and_stay_close_to_the_reference() {
    let workspace = Workspace::empty();
    let more = ["--kernels", "portable", "--precisions", "f32,int8", "--threads", "2", "--no-report", "--quiet"];
    let found = workspace.json(0, &[&["throughput", DEMO][..], &TINY, &more].concat());
    schemas::printed("throughput", &found);
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
    for part in [
        "demo: 24 faces of 80 pixels",
        "cpu auto f32 threads 1 batch 5",
        "min cosine",
        "preprocessing per face",
        "end to end",
        "energy of cpu: ",
    ] {
        assert!(text.contains(part), "{part} is missing from\n{text}");
    }
    // Which of two batch sizes is faster depends on the machine's other load.
    assert!(text.contains("Fastest: ") || text.contains("cannot be told apart within noise."), "{text}");
    assert!(!workspace.path("reports").exists());
}

#[test]
fn what_cannot_be_had_is_a_cell_and_keeps_nothing_from_being_measured() {
    let workspace = Workspace::empty();
    let more = ["--precisions", "f16,f32", "--kernels", "portable", "--threads", "2", "--network-only", "--quiet"];
    let found = workspace.json(0, &[&["throughput", DEMO][..], &TINY, &more].concat());
    schemas::printed("throughput", &found);
    let variants = found["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 4);
    for one in &variants[..2] {
        assert!(one["err"].as_str().unwrap().contains("f16") && one["not_available"] == true, "{one}");
        assert!(one["faces_per_second"].is_null() && one["precision"] == "f16");
    }
    // The first that could be had is what the others are held against.
    assert!(variants[2]["err"].is_null() && variants[2]["ratio"]["median"] == 1.0);
    assert_eq!(found["end_to_end"], serde_json::json!([]));
    let page = page(&workspace);
    assert!(page.contains("Variants without a speed") && page.contains("not available"));
}

#[test]
fn nothing_at_all_is_an_error_that_names_the_first_variant() {
    let more = ["--precisions", "f16", "--threads", "1", "--quiet"];
    let (_, error) = Workspace::empty().run(1, &[&["throughput", DEMO][..], &TINY, &more].concat());
    assert!(error.starts_with("error: cannot measure `cpu auto f16 threads 1 batch 1`: "), "{error}");
}

#[test]
fn all_devices_in_all_their_precisions_with_a_line_for_the_device_that_is_not_here() {
    let workspace = Workspace::empty();
    let few = ["--faces", "24", "--seconds", "0.01", "--rounds", "1", "--batches", "8", "--threads", "2"];
    let more = ["--devices", "all", "--precisions", "all", "--no-report", "--quiet"];
    let found = workspace.json(0, &[&["throughput", DEMO][..], &few, &more].concat());
    schemas::printed("throughput", &found);
    let names: Vec<_> = found["variants"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    let expected = ["f32", "bf16", "int8"].map(|precision| format!("cpu auto {precision} threads 2 batch 8"));
    assert_eq!(names[..3], expected);
    let left_out = found["left_out"].as_array().unwrap();
    assert_eq!(
        left_out.len(),
        usize::from(names.len() == 3),
        "the card is measured or left out with a reason: {names:?}"
    );
    assert!(left_out.iter().all(|line| line.as_str().unwrap().starts_with("skipping device cuda: ")));
    assert_eq!(found["end_to_end"].as_array().unwrap().len(), names.len(), "one a precision");
}

#[test]
fn cpu_and_card_stand_in_one_table_with_the_energy_of_the_card() {
    let Some(driver) = fake_cuda::folder() else { return };
    let workspace = Workspace::empty();
    let arguments = [
        &["throughput", DEMO, "--set", "dataset.identities=2", "--set", "dataset.samples=2", "--threads", "2"][..],
        &[
            "--devices",
            "all",
            "--precisions",
            "f32,f16",
            "--batches",
            "1",
            "--seconds",
            "0.01",
            "--rounds",
            "1",
            "--json",
        ],
    ];
    let mut command = workspace.command(&arguments.concat());
    let output = fake_cuda::steer(&mut command, driver, &[]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("fake_cuda:") && !errors.contains("emulator:"), "{errors}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let variants = found["variants"].as_array().unwrap();
    let state = |one: &Value| (one["name"].as_str().unwrap().to_owned(), one["gate"]["passed"].as_bool());
    let expected = [
        ("cpu auto f32 threads 2 batch 1", Some(true)),
        ("cpu auto f16 threads 2 batch 1", None),
        ("cuda f32 batch 1", Some(true)),
        ("cuda f16 batch 1", Some(true)),
    ];
    assert_eq!(variants.iter().map(state).collect::<Vec<_>>(), expected.map(|(name, gate)| (name.to_owned(), gate)));
    for one in &variants[2..] {
        // The fake card counts 250 J from one reading to the next, and two batches are in flight: two faces at least.
        let energy = &one["energy"];
        let (joules, faces) = (energy["joules"].as_f64().unwrap(), energy["faces"].as_f64().unwrap());
        assert!(joules == 250.0 && faces >= 2.0, "{one}");
        assert_eq!(energy["faces_per_joule"], faces / 250.0);
        assert_eq!(
            (&one["card_state"]["clock_mhz"], &one["card_state"]["throttled_by"][0]),
            (&1700.into(), &"sw power cap".into())
        );
        assert!(one["reached"]["tflops"].as_f64().unwrap() > 0.0 && one["reached"]["peak_tflops"].is_null());
    }
    assert_eq!((&found["cards"][0]["name"], &found["meters"][1]["device"]), (&"Fake card".into(), &"cuda".into()));
    let whole = found["end_to_end"].as_array().unwrap();
    assert_eq!(whole.len(), 3, "{whole:?}");
    assert!(
        whole[1..].iter().all(|one| one["fed"].as_f64().unwrap() > 0.0 && one["busy"].as_f64().is_some()),
        "{whole:?}"
    );
    let page = page(&workspace);
    assert!(page.contains("NVML&#x27;s energy counter of Fake card") && page.contains("sw power cap"));
}

#[test]
fn a_dataset_without_a_readable_face_is_an_error() {
    let workspace = Workspace::new();
    fs::create_dir_all(workspace.path("faces/someone")).unwrap();
    fs::write(workspace.path("faces/someone/a.png"), b"no picture").unwrap();
    workspace.config("dataset: {source: folders, root: faces}");
    let (_, error) = workspace.run(1, &["throughput", "config.yaml", "--quiet", "--batches", "1"]);
    insta::assert_snapshot!(error.trim(), @"error: no sampled face can be read (of 1), so there is nothing to measure; `facevault embed` lists the reasons");
}

#[test]
fn words_that_no_variant_has_are_refused() {
    let (_, error) = Workspace::empty().run(2, &["throughput", DEMO, "--precisions", "f8"]);
    assert!(error.contains("expected one of `f32`, `bf16x3`, `tf32`, `f16`, `bf16`, `int8`"), "{error}");
    let (_, error) = Workspace::empty().run(2, &["throughput", DEMO, "--batches", "0"]);
    assert!(error.contains("expected `grid` or a whole number from 1 to 65536"), "{error}");
}
