//! One arithmetic a run: what is begun by one kind of kernel or machine is not gone on with by another.

use std::fs;
use std::path::{Path, PathBuf};

use facevault::digest::Digest;
use facevault::model::{DeviceRequest, Execution, Kernels, Precision};
use facevault::{config, model};
use serde_json::Value;

use crate::support::workspace::{Workspace, seal_as_good};

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = json(path);
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

/// 20 faces in chunks of 5.
fn workspace() -> Workspace {
    Workspace::synthetic(5, 4, "")
}

fn embed(workspace: &Workspace, sets: &[&str]) -> PathBuf {
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let done = workspace.json(0, &[&["embed", "config.yaml"], &sets[..]].concat());
    workspace.path(done["directory"].as_str().unwrap())
}

/// Takes a finished run back to where its last two chunks were not committed yet.
fn interrupt(run: &Path) {
    for name in [".unsealed", "face_metadata.csv", "chunks/00002.json", "chunks/00003.json"] {
        fs::remove_file(run.join(name)).unwrap();
    }
}

fn matrix(run: &Path) -> Vec<u8> {
    fs::read(run.join("face_embeddings.npy")).unwrap()
}

fn fingerprint(run: &Path) -> String {
    let provenance = json(&run.join("provenance.json"));
    provenance["arithmetic"]["fingerprint"].as_str().unwrap().to_owned()
}

/// What this CPU would be called in a plan by some kernels; `None` where it lacks them.
fn named(precision: Precision, kernels: Kernels) -> Option<String> {
    let text =
        b"name: a\ndataset: {source: synthetic, identities: 2, samples: 2}\nweights: {source: embedded, name: demo}";
    let here = Path::new("/");
    let config = config::load_stored(text, &here.join("a.yaml"), &[], here).unwrap().config;
    let options = Execution { device: DeviceRequest::Cpu, precision, kernels, ..config.embed.execution() };
    model::describe(&config.model, &options, &|_| ()).ok().map(|info| info.name)
}

/// Kernels that this CPU has, of different arithmetic: VNNI's and AVX2's in int8, and those with and without fused steps.
fn unlike() -> Vec<(&'static str, Kernels, Kernels)> {
    let pairs = [
        (Precision::Int8, Kernels::Avx512, Kernels::Avx2),
        (Precision::F32, Kernels::Avx2, Kernels::Portable),
        (Precision::F32, Kernels::Neon, Kernels::Portable),
    ];
    let unlike = pairs.into_iter().filter(|&(precision, a, b)| {
        let (a, b) = (named(precision, a), named(precision, b));
        a.is_some() && b.is_some() && a != b
    });
    unlike.map(|(precision, a, b)| (precision.name(), a, b)).collect()
}

#[test]
fn other_kernels_of_another_arithmetic_begin_another_run_and_say_which_is_left() {
    for (precision, first, second) in unlike() {
        let workspace = workspace();
        let precision = format!("embed.precision={precision}");
        let kernels = |kernels: Kernels| format!("embed.kernels={}", kernels.name());
        let run = embed(&workspace, &[&precision, &kernels(first)]);
        let whole = matrix(&run);
        interrupt(&run);
        let kept = fs::read(run.join("chunks/00000.json")).unwrap();

        let sets = ["--set", &precision, "--set", &kernels(second)];
        let (_, stderr) = workspace.run(0, &[&["embed", "config.yaml"], &sets[..]].concat());
        let name = run.file_name().unwrap().to_str().unwrap();
        let said = stderr.lines().find(|line| line.contains(name)).unwrap();
        println!("{said}");
        assert!(said.starts_with(&format!("{name} is unfinished, and this is a different run, small-")), "{said}");
        assert!(said.contains("it was started with CPU (") && said.contains("`model.embedder` was `"), "{said}");
        let (_, way_out) = said.rsplit_once(": resume it with `").unwrap();
        let way_out = way_out.strip_suffix("`").unwrap();
        assert_eq!(way_out.matches("embed.kernels").count(), 1, "{way_out}");
        assert!(!run.join("face_metadata.csv").exists(), "the run was gone on with by other kernels");

        // The way out that it names.
        let way_out: Vec<&str> = way_out.split(' ').skip(1).collect();
        assert_eq!(workspace.json(0, &way_out)["run"], name);
        assert!(matrix(&run) == whole, "{first:?} gave other bytes when it went on");
        assert_eq!(fs::read(run.join("chunks/00000.json")).unwrap(), kept);
    }
}

#[test]
fn a_run_is_not_gone_on_with_on_a_machine_that_computes_otherwise_by_itself() {
    for (precision, _, second) in unlike() {
        let workspace = workspace();
        let sets = [format!("embed.precision={precision}"), format!("embed.kernels={}", second.name())];
        let run = embed(&workspace, &[&sets[0], &sets[1]]);
        let whole = matrix(&run);
        interrupt(&run);
        // As it would be had `auto` taken these kernels, on another CPU.
        edit(&run.join("provenance.json"), |provenance| {
            provenance["config"]["overrides"].as_array_mut().unwrap().pop();
            provenance["arithmetic"]["host"] = "elsewhere".into();
        });
        let (_, stderr) = workspace.run(1, &["embed", "small", "--quiet"]);
        println!("{stderr}");
        let command = format!("facevault experiment config.yaml --set {} --set {}", sets[0], sets[1]);
        assert!(stderr.contains("no longer matches its config: it was started with CPU ("), "{stderr}");
        assert!(stderr.contains(" on elsewhere, "), "{stderr}");
        assert!(stderr.contains(&format!("`embed.kernels: {}` reproduces small-", second.name())), "{stderr}");
        assert!(stderr.contains(&format!("resume it with `{command}`")), "{stderr}");

        workspace.run(0, &command.split(' ').skip(1).collect::<Vec<_>>());
        assert_eq!(workspace.only_run(), run);
        assert!(matrix(&run) == whole);
    }
}

#[test]
fn kernels_of_one_arithmetic_go_on_with_each_others_runs() {
    let pairs = [
        (Precision::F32, Kernels::Avx512, Kernels::Avx2),
        (Precision::Bf16, Kernels::Avx512, Kernels::Avx2),
        (Precision::Bf16, Kernels::Avx2, Kernels::Auto),
    ];
    for (precision, first, second) in pairs {
        if named(precision, first).is_none() || named(precision, first) != named(precision, second) {
            println!("skipped: {first:?} and {second:?} in {}", precision.name());
            continue;
        }
        let workspace = workspace();
        let sets = |kernels: Kernels| {
            [format!("embed.precision={}", precision.name()), format!("embed.kernels={}", kernels.name())]
        };
        let run = embed(&workspace, &sets(first).each_ref().map(String::as_str));
        let (whole, by) = (matrix(&run), fingerprint(&run));
        interrupt(&run);
        assert_eq!(embed(&workspace, &sets(second).each_ref().map(String::as_str)), run);
        assert!(matrix(&run) == whole, "{} differs between {first:?} and {second:?}", precision.name());
        assert_eq!(fingerprint(&run), by);
        workspace.run(0, &["evaluate", "small"]);
        let (stdout, _) = workspace.run(0, &["verify", "small"]);
        assert!(stdout.contains("; this machine computes the same"), "{stdout}");
    }
}

const ELSEWHERE: &str = "e15e0000e15e0000e15e0000e15e0000e15e0000e15e0000e15e0000e15e0000";

/// Makes a run one that another machine computed, which calls its arithmetic the same.
fn computed_elsewhere(run: &Path) {
    edit(&run.join("provenance.json"), |provenance| {
        let arithmetic = &mut provenance["arithmetic"];
        for (key, value) in [
            ("fingerprint", ELSEWHERE),
            ("device", "CPU (avx9, 9 threads)"),
            ("host", "elsewhere"),
            ("cpu", "Another CPU"),
            ("instruction_sets", "avx9"),
        ] {
            arithmetic[key] = value.into();
        }
    });
    for chunk in fs::read_dir(run.join("chunks")).unwrap().map(|entry| entry.unwrap().path()) {
        if chunk.extension().is_some_and(|extension| extension == "json") {
            edit(&chunk, |record| {
                record["arithmetic"] = ELSEWHERE.into();
                record.as_object_mut().unwrap().remove("sidecar_sha256");
            });
        }
    }
}

#[test]
fn a_run_that_another_machine_began_is_refused_with_both_machines_and_the_way_out() {
    let workspace = workspace();
    let run = embed(&workspace, &[]);
    let (whole, by) = (matrix(&run), fingerprint(&run));
    interrupt(&run);
    computed_elsewhere(&run);
    let here = json(&run.join("provenance.json"))["sessions"][0]["machine"].clone();
    for target in ["config.yaml", "small"] {
        let (_, stderr) = workspace.run(1, &["embed", target, "--quiet"]);
        let mut said = stderr.trim_end().to_owned();
        for (text, name) in [
            (run.file_name().unwrap().to_str().unwrap(), "RUN"),
            (here["host"].as_str().unwrap(), "HOST"),
            (here["cpu"].as_str().unwrap(), "PROCESSOR"),
            (here["instruction_sets"].as_str().unwrap(), "SETS"),
            (&by[..12], "FINGERPRINT"),
        ] {
            said = said.replace(text, name);
        }
        let (before, after) = said.split_once("this is CPU (").unwrap();
        let said =
            format!("{before}this is CPU ({}", after.split_once(')').map(|(_, rest)| format!("…){rest}")).unwrap());
        insta::allow_duplicates! {
            insta::assert_snapshot!(said, @"error: RUN was started with CPU (avx9, 9 threads) on elsewhere, Another CPU with avx9 (arithmetic e15e0000e15e); this is CPU (…) on HOST, PROCESSOR with SETS (arithmetic FINGERPRINT): resuming here would mix the two in one run. Resume it where it was started, or delete experiments/RUN to start over here");
        }
    }
    assert!(!run.join("face_metadata.csv").exists());
    fs::remove_dir_all(&run).unwrap();
    assert_eq!(embed(&workspace, &[]), run);
    assert!(matrix(&run) == whole);
}

#[test]
fn a_mixed_run_is_found_and_mended() {
    let Some((precision, first, second)) = unlike().pop() else { return };
    let workspace = workspace();
    let sets = |kernels: Kernels| [format!("embed.precision={precision}"), format!("embed.kernels={}", kernels.name())];
    let run = embed(&workspace, &sets(first).each_ref().map(String::as_str));
    let other = embed(&workspace, &sets(second).each_ref().map(String::as_str));
    assert_ne!(run, other);
    let name = run.file_name().unwrap().to_str().unwrap();
    let whole = matrix(&run);
    workspace.run(0, &["evaluate", name]);
    let mut seal = fs::read_to_string(run.join("SEALED")).unwrap();
    for file in ["chunks/00002.npy", "chunks/00002.json"] {
        let digest = |run: &Path| Digest::of(&fs::read(run.join(file)).unwrap()).to_string();
        seal = seal.replace(&digest(&run), &digest(&other));
        fs::copy(other.join(file), run.join(file)).unwrap();
    }
    // Sealed with it, so that the seal has nothing to say.
    fs::write(run.join("SEALED"), seal).unwrap();
    let (stdout, _) = workspace.run(4, &["verify", name]);
    let broken = format!(
        "BROKEN  every chunk was computed by the run's arithmetic\n        chunk 00002: computed by {}, but the run by {}\n",
        &fingerprint(&other)[..12],
        &fingerprint(&run)[..12]
    );
    assert!(stdout.contains(&broken), "{stdout}");
    assert!(stdout.contains("ok      every file has the digest it was sealed with"), "{stdout}");

    fs::remove_file(run.join("face_metadata.csv")).unwrap();
    let again: Vec<String> = sets(first).into_iter().flat_map(|set| ["--set".into(), set]).collect();
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    let (_, stderr) = workspace.run(0, &[&["embed", "config.yaml"], &again[..]].concat());
    let said = "chunk 00002 is damaged (computed by other arithmetic than the run's); computing it again";
    assert!(stderr.contains(said), "{stderr}");
    assert!(matrix(&run) == whole);
}

#[test]
fn embeddings_of_another_arithmetic_are_not_taken_over() {
    let workspace = workspace();
    workspace.run(0, &["experiment", "config.yaml"]);
    let source = workspace.only_run();
    let adopted = |name: &str| {
        let (_, stderr) = workspace.run(0, &["embed", "config.yaml", "--set", &format!("name={name}")]);
        let runs = fs::read_dir(workspace.path("experiments")).unwrap().map(|entry| entry.unwrap().path());
        let run = runs.into_iter().find(|run| run.file_name().unwrap().to_str().unwrap().starts_with(name)).unwrap();
        let provenance = json(&run.join("provenance.json"));
        assert_eq!(provenance["arithmetic"]["fingerprint"], json(&run.join("chunks/00001.json"))["arithmetic"]);
        (stderr, provenance.get("adopted_from").is_some(), run)
    };
    let (stderr, taken, twin) = adopted("twin");
    assert!(taken && stderr.contains("reusing 20 of 20 embeddings"), "{stderr}");
    fs::remove_dir_all(twin).unwrap();
    edit(&source.join("provenance.json"), |provenance| {
        provenance["arithmetic"]["fingerprint"] = ELSEWHERE.into();
        provenance["arithmetic"]["host"] = "elsewhere".into();
    });
    let (stderr, taken, _) = adopted("other");
    assert!(!taken, "{stderr}");
    assert!(stderr.contains("cannot reuse the embeddings of ") && stderr.contains("elsewhere"), "{stderr}");
    assert!(stderr.contains(" gives different bytes"), "{stderr}");
}

#[test]
fn the_fingerprint_follows_what_changes_a_byte_and_nothing_else() {
    let workspace = Workspace::synthetic(2, 2, "");
    let of = |sets: &[&str]| {
        let run = embed(&workspace, &[&["name=one"], sets].concat());
        let found = fingerprint(&run);
        fs::remove_dir_all(run).unwrap();
        found
    };
    let plain = of(&[]);
    for set in ["embed.batch_size=1", "embed.threads=2", "embed.chunk_size=1", "dataset.samples=3", "seed=1"] {
        assert_eq!(of(&[set]), plain, "{set}");
    }
    let mut found = vec![plain];
    for set in [
        "preprocess.resize.filter=pillow-bicubic",
        "preprocess.crop={mode: centre, fraction: 0.5}",
        "preprocess.channels=bgr",
        "preprocess.standardise.mean=127",
        "preprocess.mirror=sum",
        "embed.precision=bf16",
        "embed.kernels=candle",
    ] {
        found.push(of(&[set]));
    }
    let count = found.len();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), count);
}

#[test]
fn compare_says_whether_the_arithmetic_is_the_same() {
    let Some(&(_, first, second)) = unlike().iter().find(|(precision, ..)| *precision == "f32") else { return };
    let workspace = workspace();
    let run = |name: &str, kernels: Kernels| {
        let sets = [format!("name={name}"), format!("embed.kernels={}", kernels.name())];
        let sets = sets.each_ref().map(String::as_str);
        let done = workspace.json(0, &["experiment", "config.yaml", "--set", sets[0], "--set", sets[1]]);
        assert!(done["arithmetic"]["fingerprint"].is_string(), "{done}");
        done["run"].as_str().unwrap().to_owned()
    };
    let (one, same, other) = (run("one", first), run("same", Kernels::Auto), run("other", second));
    let found = workspace.json(0, &["compare", &one, &same]);
    assert_eq!(found["same_arithmetic"], true);
    let (text, _) = workspace.run(0, &["compare", &one, &same]);
    assert!(text.contains("same arithmetic in all runs: fingerprint "), "{text}");

    let found = workspace.json(0, &["compare", &one, &other]);
    assert_eq!(found["same_arithmetic"], false);
    let keys: Vec<_> = found["plan"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert!(keys.contains(&"arithmetic.fingerprint") && keys.contains(&"arithmetic.device"), "{keys:?}");
    assert!(found["headline"].as_str().unwrap().starts_with("differs: arithmetic ("), "{found}");
    let report = fs::read_to_string(workspace.path(format!("reports/{one}.html"))).unwrap();
    assert!(report.contains("arithmetic.fingerprint"));
}

#[test]
fn a_finished_run_stays_a_no_op_on_any_machine() {
    let workspace = workspace();
    workspace.run(0, &["experiment", "config.yaml"]);
    let run = workspace.only_run();
    edit(&run.join("provenance.json"), |provenance| provenance["arithmetic"]["fingerprint"] = ELSEWHERE.into());
    seal_as_good(&run);
    assert_eq!(workspace.json(0, &["experiment", "config.yaml"])["status"], "already-complete");
}
