//! Lower precision as a user runs it: what it is calibrated on, how far it is from f32, and that both are kept.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::arithmetic::json;
use crate::orl;
use crate::schemas;
use crate::support::workspace::Workspace;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/demo.yaml");

/// Runs a step of the demo with fewer people: more faces than the sample takes, and a last chunk that can be lost.
fn demo(workspace: &Workspace, verb: &str, precision: &str) -> Value {
    let precision = format!("embed.precision={precision}");
    let sets = [precision.as_str(), "dataset.identities=30", "embed.chunk_size=200", "similarity.replicates=50"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    workspace.json(0, &[&[verb, DEMO], &sets[..]].concat())
}

#[track_caller]
fn at_least(agreement: &Value, cosine: f64) {
    let found = agreement["cosine_min"].as_f64().unwrap();
    println!("{}: cosine ≥ {found:.6}, mean {:.6}", agreement["precision"], agreement["cosine_mean"]);
    assert!(found >= cosine && found < 1.0, "{agreement}");
}

#[test]
fn bf16_and_int8_runs_say_how_they_agree_with_f32_and_are_sealed_with_it() {
    for (precision, cosine, calibrated) in [("bf16", 0.9995, false), ("int8", 0.99, true)] {
        let workspace = Workspace::empty();
        let done = demo(&workspace, "experiment", precision);
        let run = workspace.only_run();
        schemas::check_run(&run);
        let agreement = json(&run.join("agreement.json"));
        assert_eq!(done["agreement"], agreement);
        at_least(&agreement, cosine);
        assert_eq!((&agreement["faces"], &agreement["precision"]), (&256.into(), &precision.into()));
        let verification = &agreement["verification"];
        // 32 blocks of 8 faces out of tens: each block lies in one or two people.
        assert!(verification["genuine_pairs"].as_u64().unwrap() > 500, "{verification}");
        for which in ["f32", "lower"] {
            let rates = &verification[which];
            println!("{which}: EER {}", rates["eer"]["point"]);
            assert!(rates["eer"]["point"].as_f64().unwrap() < 0.05, "{rates}");
            assert_eq!(rates["operating_points"].as_array().unwrap().len(), 2, "{rates}");
        }
        let sealed = fs::read_to_string(run.join("SEALED")).unwrap();
        assert!(sealed.contains("  agreement.json\n"), "{sealed}");
        assert_eq!(sealed.contains("  calibration.json\n"), calibrated, "{sealed}");
        assert_eq!(json(&run.join("plan.json"))["model"].get("calibration").is_some(), calibrated);
        let report = fs::read_to_string(done["report"].as_str().map(|path| workspace.path(path)).unwrap()).unwrap();
        assert!(report.contains("Agreement with f32"));
        workspace.run(0, &["verify", "demo"]);
        workspace.run(0, &["runs"]);
        assert_eq!(demo(&workspace, "experiment", precision)["status"], "already-complete");

        fs::remove_file(run.join("agreement.json")).unwrap();
        let (broken, _) = workspace.run(4, &["verify", "demo"]);
        assert!(broken.contains(&format!("the run is in {precision}, its agreement.json says f32")), "{broken}");
    }
}

#[test]
fn amx_is_replicated_on_other_cpus_with_avx512_and_bf16x3_is_nearly_f32() {
    for (precision, cosine) in [("bf16x3", 0.999_999_99), ("bf16", 0.9995), ("int8", 0.99)] {
        let workspace =
            Workspace::synthetic(6, 6, &format!("embed: {{device: cpu, precision: {precision}, kernels: amx}}"));
        let tried = workspace.command(&["embed", "config.yaml"]).output().unwrap();
        let stderr = String::from_utf8_lossy(&tried.stderr);
        if stderr.contains("cannot run on this CPU") {
            println!("skipped: this CPU has neither AMX nor AVX-512 with VNNI");
            return;
        }
        assert!(tried.status.success(), "{stderr}");
        let run = workspace.only_run();
        at_least(&json(&run.join("agreement.json")), cosine);
        let embedder = json(&run.join("plan.json"))["model"]["embedder"].clone();
        let kind = match precision {
            "bf16x3" => "fused",
            "bf16" => "fused, sums of 32 products",
            _ => "fused, 8-bit products",
        };
        assert!(embedder.as_str().unwrap().contains(&format!("({kind})")), "{embedder}");
    }
}

#[test]
fn bf16x3_needs_a_matrix_unit() {
    let workspace = Workspace::synthetic(2, 2, "embed: {device: cpu, precision: bf16x3, kernels: portable}");
    let (_, stderr) = workspace.run(1, &["embed", "config.yaml"]);
    let line = stderr.lines().find(|line| line.contains("bf16x3")).unwrap();
    let (before, after) = line.split_once("CPU (").unwrap();
    let after = after.split_once(')').unwrap().1;
    insta::assert_snapshot!(format!("{before}CPU{after}"), @"error: `embed.precision: bf16x3` is not available on CPU with `kernels: portable`, which computes in `f32`, `bf16` and `int8`; bf16x3 needs a CPU with AMX (`kernels: amx` replicates it in AVX-512, slowly), and `f32` runs everywhere");
}

#[test]
fn an_f32_run_has_neither_file() {
    let workspace = Workspace::synthetic(5, 4, "");
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    assert!(!run.join("agreement.json").exists() && !run.join("calibration.json").exists());
}

/// Takes a finished run back to where its last chunk was not committed yet.
fn interrupt(run: &Path) {
    for name in [".unsealed", "face_metadata.csv", "chunks/00001.json", "chunks/00001.npy"] {
        fs::remove_file(run.join(name)).unwrap();
    }
}

/// Fault (runs): the ranges of an int8 run have one that its network lacks, lack one, or are a folder → refused with the value or
/// the path
#[test]
fn a_resumed_int8_run_goes_on_with_the_ranges_it_was_started_with() {
    let workspace = Workspace::empty();
    demo(&workspace, "embed", "int8");
    let run = workspace.only_run();
    let rows = || fs::read(run.join("face_embeddings.npy")).unwrap();
    let (whole, stored) = (rows(), fs::read_to_string(run.join("calibration.json")).unwrap());
    let mut calibration: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(calibration["sample"], "256 faces in evenly spaced blocks of 8");
    assert_eq!(calibration["faces"], 256);

    interrupt(&run);
    assert_eq!(demo(&workspace, "embed", "int8")["resumed"], 200);
    assert!(rows() == whole, "a resumed run has other bytes");
    assert_eq!(fs::read_to_string(run.join("calibration.json")).unwrap(), stored);

    // Of a run whose digests are known, damaged ranges are measured again, and so are the rows.
    fs::write(run.join("calibration.json"), stored.replacen("\"faces\": 256", "\"faces\": 255", 1)).unwrap();
    assert_eq!(demo(&workspace, "embed", "int8")["resumed"], 0);
    assert!(rows() == whole, "measured again, the ranges give other bytes");
    assert_eq!(fs::read_to_string(run.join("calibration.json")).unwrap(), stored);

    // Other ranges compute other rows: they are used, and their rows are not mixed with those that are there.
    let resume = ["embed", run.to_str().unwrap()];
    for range in calibration["ranges"].as_object_mut().unwrap().values_mut() {
        *range = (range.as_f64().unwrap() * 0.5).into();
    }
    fs::write(run.join("calibration.json"), calibration.to_string()).unwrap();
    interrupt(&run);
    let (_, refused) = workspace.run(1, &resume);
    assert!(refused.contains("calibration.json: it has changed since it was measured"), "{refused}");
    forget_what_was_measured(&run);
    let (_, refused) = workspace.run(1, &resume);
    assert!(refused.contains("would mix the two in one run. The machine is the same"), "{refused}");
    fs::write(run.join("calibration.json"), &stored).unwrap();
    demo(&workspace, "embed", "int8");
    assert!(rows() == whole, "the restored ranges give other bytes");

    calibration["faces"] = 0.into();
    fs::write(run.join("calibration.json"), calibration.to_string()).unwrap();
    interrupt(&run);
    forget_what_was_measured(&run);
    let said =
        |stderr: String| stderr.lines().find(|line| line.contains("calibration.json")).map(str::to_owned).unwrap();
    let plain = |line: String| line.split_once("calibration.json").unwrap().1.to_owned();
    insta::assert_snapshot!(plain(said(workspace.run(1, &resume).1)), @": `faces` is 0; an int8 run keeps its original ranges: restore the file, or delete the run's directory to start over");
    let mut changed: Value = serde_json::from_str(&stored).unwrap();
    changed["ranges"]["elsewhere"] = 1.0.into();
    fs::write(run.join("calibration.json"), changed.to_string()).unwrap();
    let (_, refused) = workspace.run(1, &resume);
    assert!(refused.contains("int8: there is a range of `elsewhere`, which this network does not have"), "{refused}");
    changed["ranges"] = serde_json::json!({"conv2d_1a": 1.0});
    fs::write(run.join("calibration.json"), changed.to_string()).unwrap();
    let (_, refused) = workspace.run(1, &resume);
    assert!(refused.contains("int8: the ranges lack that of"), "{refused}");
    fs::remove_file(run.join("calibration.json")).unwrap();
    insta::assert_snapshot!(plain(said(workspace.run(1, &resume).1)), @": missing, but existing chunks depend on it; an int8 run keeps its original ranges: restore the file, or delete the run's directory to start over");
    fs::create_dir(run.join("calibration.json")).unwrap();
    insta::assert_snapshot!(plain(said(workspace.run(1, &resume).1)), @": not a regular file, but existing chunks depend on it; an int8 run keeps its original ranges: restore the file, or delete the run's directory to start over");
}

/// As in a run from before the digests of what was measured were recorded.
fn forget_what_was_measured(run: &Path) {
    let path = run.join("provenance.json");
    let mut provenance: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    provenance.as_object_mut().unwrap().remove("measured").unwrap();
    fs::write(path, provenance.to_string()).unwrap();
}

#[test]
fn candle_knows_f32_only() {
    let workspace = Workspace::synthetic(2, 2, "embed: {device: cpu, precision: int8, kernels: candle}");
    let (_, stderr) = workspace.run(1, &["embed", "config.yaml"]);
    assert!(!workspace.has_run());
    let line = stderr.lines().find(|line| line.contains("int8")).unwrap();
    let (before, after) = line.split_once("CPU (").unwrap();
    let after = after.split_once(')').unwrap().1;
    insta::assert_snapshot!(format!("{before}CPU{after}"), @"error: `embed.precision: int8` is not available on CPU with candle, which computes in `f32`; int8 needs `device: cpu` with `kernels: auto`, and `f32` runs everywhere");
}

#[test]
fn without_a_readable_face_there_is_nothing_to_calibrate_on() {
    let workspace = Workspace::new();
    fs::create_dir_all(workspace.path("faces/a")).unwrap();
    fs::write(workspace.path("faces/a/1.png"), "no picture").unwrap();
    workspace.config("dataset: {source: folders, root: faces}\nembed: {device: cpu, precision: int8}");
    let (_, stderr) = workspace.run(1, &["embed", "config.yaml"]);
    let line = stderr.lines().find(|line| line.contains("int8")).unwrap().to_owned();
    insta::assert_snapshot!(line, @"error: `embed.precision: int8` is calibrated and compared with f32 on a sample (256 faces in evenly spaced blocks of 8), and none of its faces can be embedded; run `facevault embed` with `precision: f32` to list the reasons in failures.csv");
}

#[test]
fn full_size_on_photographs_stays_near_f32_and_f32_near_candle() {
    let Some(faces) = orl::orl_faces() else { return };
    // 48 of the 400 photographs: 6 people with 8 each.
    let matrix = |embed: &str| {
        let workspace = orl::workspace("{source: folders, root: faces}");
        for person in 1..=6 {
            fs::create_dir_all(workspace.path(format!("faces/s{person}"))).unwrap();
            for photo in 1..=8 {
                let name = format!("s{person}/{photo}.pgm");
                fs::copy(faces.join(&name), workspace.path("faces").join(&name)).unwrap();
            }
        }
        let set = format!("embed={{device: cpu, {embed}}}");
        let done = workspace.json(0, &["embed", "config.yaml", "--set", &set]);
        (orl::matrix(&workspace), done["agreement"].clone())
    };
    let ((f32, _), (candle, _)) = (matrix("precision: f32"), matrix("kernels: candle"));
    let worst = f32.iter().zip(&candle).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("fused f32 against candle: max |difference| {worst:.1e}");
    assert!(f32.len() == 48 * 512 && worst > 0.0 && worst <= 5e-5, "{worst:e}");
    for (precision, cosine) in [("bf16", 0.9995), ("int8", 0.99)] {
        let (lower, agreement) = matrix(&format!("precision: {precision}"));
        at_least(&agreement, cosine);
        // All 48 are in the sample: what it says must be so of the run's own rows.
        let cosines = f32.chunks(512).zip(lower.chunks(512)).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum());
        let least = cosines.fold(1.0, f32::min);
        assert!((f64::from(least) - agreement["cosine_min"].as_f64().unwrap()).abs() < 1e-5, "{least}: {agreement}");
        for which in ["f32", "lower"] {
            println!("{which}: EER {}", agreement["verification"][which]["eer"]["point"]);
        }
    }
}
