//! The network on a card, from `device: cuda` to the embeddings: real kernels and real calls of the driver, on a fake one.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::support::fake_cuda;
use crate::support::workspace::Workspace;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/demo.yaml");

/// Four faces of two people, in batches of which the last is shorter.
const FACES: [&str; 4] =
    ["dataset.identities=2", "dataset.samples=2", "embed.batch_size=3", "similarity.replicates=20"];

/// Embeds a few faces of the demo; what it printed.
fn embed(workspace: &Workspace, driver: &Path, code: i32, sets: &[&str], settings: &[(&str, &str)]) -> Output {
    let sets: Vec<&str> = FACES.iter().chain(sets).flat_map(|set| ["--set", set]).collect();
    let mut command = workspace.command(&[&["embed", DEMO, "--json"], &sets[..]].concat());
    let output = fake_cuda::steer(&mut command, driver, settings).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{}\n{errors}", String::from_utf8_lossy(&output.stdout));
    assert!(!errors.contains("fake_cuda:") && !errors.contains("emulator:"), "{errors}");
    output
}

/// The embeddings of a run in a new folder, 512 numbers a face.
fn rows(driver: &Path, sets: &[&str], settings: &[(&str, &str)]) -> Vec<f32> {
    let workspace = Workspace::empty();
    let output = embed(&workspace, driver, 0, sets, settings);
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(done["embedded"], 4, "{done}");
    let bytes = std::fs::read(workspace.only_run().join("face_embeddings.npy")).unwrap();
    let (_, data) = bytes.split_at(bytes.len() - 4 * 512 * 4);
    data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// The smallest cosine of two runs' faces.
fn closest(a: &[f32], b: &[f32]) -> f64 {
    let cosine = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    a.chunks_exact(512).zip(b.chunks_exact(512)).map(cosine).fold(f64::INFINITY, f64::min)
}

const CUDA: &str = "embed.device=cuda";

#[test]
fn a_card_gives_what_the_cpu_gives_in_every_precision() {
    let Some(driver) = fake_cuda::folder() else { return };
    let cpu = rows(driver, &["embed.device=cpu"], &[]);
    for (precision, least) in [("f32", 0.999_999_9), ("tf32", 0.99999), ("f16", 0.99999), ("bf16", 0.9995)] {
        let precision_set = format!("embed.precision={precision}");
        let card = rows(driver, &[CUDA, &precision_set], &[]);
        let cosine = closest(&cpu, &card);
        println!("{precision}: cosine to the CPU's f32 ≥ {cosine:.9}");
        assert!(cosine >= least && cosine < 1.0 + 1e-6, "{precision}: {cosine}");
        let largest = cpu.iter().zip(&card).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        if precision == "f32" {
            assert!(largest < 2e-6, "{largest}");
        }
    }
}

#[test]
fn batches_cards_and_scarce_memory_change_no_byte() {
    let Some(driver) = fake_cuda::folder() else { return };
    let sets = |more: &'static str| [CUDA, "embed.precision=f16", more];
    let alone = rows(driver, &sets("embed.batch_size=1"), &[]);
    // A copy that comes at once, and one that comes as late as it may.
    assert_eq!(rows(driver, &sets("embed.batch_size=4"), &[("EMULATE_ASYNC", "early")]), alone);
    assert_eq!(rows(driver, &sets("embed.chunk_size=1"), &[("FAKE_CUDA_DEVICES", "3")]), alone);
    let workspace = Workspace::empty();
    let output = embed(&workspace, driver, 0, &sets("embed.batch_size=4"), &[("FAKE_CUDA_MEMORY", "12000000")]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("out of memory with 4 faces per batch: using"), "{errors}");
}

#[test]
fn what_a_card_cannot_do_is_told() {
    let Some(driver) = fake_cuda::folder() else { return };
    let told = |sets: &[&str], settings: &[(&str, &str)]| {
        let workspace = Workspace::empty();
        let output = embed(&workspace, driver, 1, sets, settings);
        assert!(!workspace.has_run() || !workspace.only_run().join("SEALED").exists());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        errors.lines().find(|line| line.starts_with("error")).unwrap_or(&errors).to_owned()
    };
    insta::assert_snapshot!(told(&[CUDA], &[("FAKE_CUDA_DEVICES", "0")]), @"error: device `cuda` is not available: the NVIDIA driver shows no GPU; check `nvidia-smi` and CUDA_VISIBLE_DEVICES, and start a container with `--gpus all`; use `device: cpu`, or `auto` to fall back to the CPU");
    insta::assert_snapshot!(told(&[CUDA], &[("FAKE_CUDA_VERSION", "11080")]), @"error: device `cuda` is not available: the NVIDIA driver is too old: it offers CUDA 11.8, but CUDA 12.1 is required; install driver 530 or newer; use `device: cpu`, or `auto` to fall back to the CPU");
    insta::assert_snapshot!(told(&[CUDA], &[("FAKE_CUDA_MEMORY", "5000000")]), @"error: out of memory on Emulated GPU: 6 MiB needed, 4 MiB free; use a smaller `embed.batch_size`");
    insta::assert_snapshot!(told(&[CUDA, "embed.precision=int8"], &[]), @"error: `embed.precision: int8` is not available on Emulated GPU, which computes in `f32`, `tf32`, `f16` and `bf16`; int8 needs `device: cpu` with `kernels: auto`, and `f32` runs everywhere");
    insta::assert_snapshot!(told(&[CUDA, "embed.kernels=avx2"], &[]), @"error: `embed.kernels: avx2` is only supported on the CPU; with `device: cuda`, use `auto` or `candle`");
    insta::assert_snapshot!(told(&[CUDA, "embed.kernels=candle"], &[]), @"error: device `cuda` is not available: this binary was built without the feature `cuda`, which `kernels: candle` needs on a GPU; use `device: cpu`, or `auto` to fall back to the CPU");
    insta::assert_snapshot!(told(&[CUDA], &[("FAKE_CUDA_FAIL", "cuLaunchKernel:40:719")]), @"error: the Emulated GPU failed: the NVIDIA driver failed in cuLaunchKernel: CUDA_ERROR_LAUNCH_FAILED, unspecified launch failure");
}

#[test]
fn auto_takes_the_card_and_says_why_where_it_does_not() {
    let Some(driver) = fake_cuda::folder() else { return };
    let device = |settings: &[(&str, &str)]| {
        let workspace = Workspace::empty();
        let output = embed(&workspace, driver, 0, &["embed.device=auto"], settings);
        let plan = std::fs::read_to_string(workspace.only_run().join("plan.json")).unwrap();
        let plan: Value = serde_json::from_str(&plan).unwrap();
        (plan["model"]["device"].clone(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(device(&[]).0, "cuda");
    let (kind, said) = device(&[("FAKE_CUDA_COMPUTE", "75")]);
    assert_eq!(kind, "cpu");
    assert!(said.contains("device auto: running on the CPU (the "), "{said}");
}
