//! All pairs on a card: the kernel, run by the fake driver, against the CPU, and a run that is evaluated on it. A process
//! opens the driver once, so what needs one is a child process that runs an ignored test below.

use std::fs;
use std::process::Command;

use facevault::digest::Digest;
use facevault::model::DeviceRequest;
use facevault::progress::{Cancel, KeptLines, Silent};
use facevault::similarity::kernel::Rows;
use facevault::similarity::sampling::Quota;
use facevault::similarity::{
    Cards, ComparedPairs, Labelled, NoCheckpoint, PairRequest, Population, compare, compare_resumably,
};
use facevault::verification::cells::CosineCell;

use crate::support::fake_cuda;
use crate::support::workspace::Workspace;

/// Runs an ignored test of this file in a process with that driver. It must not misuse the driver.
fn child(test: &str, settings: &[(&str, &str)]) {
    let Some(folder) = fake_cuda::folder() else { return };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("pairs_card::{test}"), "--ignored", "--nocapture", "--quiet"]);
    let output = fake_cuda::steer(&mut command, folder, settings).output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{test} failed:\n{text}\n{errors}");
    assert!(!errors.contains("fake_cuda:"), "{errors}");
}

#[test]
fn a_card_finds_what_the_cpu_finds() {
    child("every_bit_is_the_cpus", &[]);
    child("every_bit_is_the_cpus", &[("FAKE_CUDA_COMPUTE", "86"), ("EMULATE_ASYNC", "early")]);
    child("so_is_every_bit_of_long_sides", &[]);
}

#[test]
fn a_card_with_little_room_and_a_card_that_fails_find_it_too() {
    child("rows_come_with_each_block", &[("FAKE_CUDA_MEMORY", "3900000")]);
    child("there_is_no_room_for_a_block", &[("FAKE_CUDA_MEMORY", "1000000")]);
    child("the_cpu_goes_on", &[("FAKE_CUDA_FAIL", "cuLaunchKernel:4")]);
    child("the_cpu_goes_on", &[("FAKE_CUDA_FAIL", "cuEventSynchronize:3:700")]);
}

#[test]
fn a_run_that_is_evaluated_on_a_card_has_the_same_bytes() {
    const FILES: [&str; 13] = [
        "plan.json",
        "metrics.json",
        "histograms.parquet",
        "curves.parquet",
        "pairs.parquet",
        "identities.parquet",
        "identity_centroids.npy",
        "breakdown.json",
        "people.json",
        "identity_errors.parquet",
        "identity_pairs.csv",
        "label_audit.csv",
        "face_embeddings.npy",
    ];
    let Some(folder) = fake_cuda::folder() else { return };
    let runs = ["cpu", "cuda"].map(|device| {
        let workspace = Workspace::synthetic(9, 5, "");
        let set = format!("similarity.device={device}");
        let mut command = workspace.command(&["experiment", "config.yaml", "--set", &set]);
        let output = fake_cuda::steer(&mut command, folder, &[("FAKE_CUDA_NAMES", "Some Card")]).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        assert_eq!(errors.contains("comparing on the Some Card"), device == "cuda", "{errors}");
        assert!(!errors.contains("goes on on the CPU") && !errors.contains("fake_cuda:"), "{errors}");
        let run = workspace.only_run();
        let provenance: serde_json::Value =
            serde_json::from_slice(&fs::read(run.join("provenance.json")).unwrap()).unwrap();
        assert_eq!(
            provenance.get("compared_on").and_then(|card| card.as_str()),
            (device == "cuda").then_some("Some Card")
        );
        let bytes = FILES.map(|name| fs::read(run.join(name)).unwrap());
        (run.file_name().unwrap().to_owned(), bytes)
    });
    assert_eq!(runs[0].0, runs[1].0, "the device is no part of the name");
    for (name, (cpu, card)) in FILES.iter().zip(runs[0].1.iter().zip(&runs[1].1)) {
        assert!(cpu == card, "{name} differs");
    }
}

#[test]
fn a_card_that_was_asked_for_and_is_not_there_is_an_error() {
    let workspace = Workspace::synthetic(3, 3, "");
    let nowhere = workspace.path("nowhere");
    fs::create_dir(&nowhere).unwrap();
    fs::write(nowhere.join("libcuda.so.1"), "no library").unwrap();
    let mut command = workspace.command(&["experiment", "config.yaml", "--set", "similarity.device=cuda"]);
    let output = command.env("FACEVAULT_CUDA_LIBS", &nowhere).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{errors}");
    assert!(errors.contains("`similarity.device: cuda` is not available: no NVIDIA driver"), "{errors}");
    // The embeddings are there: on the CPU it is evaluated.
    workspace.run(0, &["experiment", "config.yaml", "--set", "similarity.device=cpu"]);
}

/// Faces with rows that meet every rule: unit rows, longer and shorter ones, equal ones, numbers that are none.
struct Crowd {
    names: Vec<String>,
    identities: Vec<usize>,
    data: Vec<f32>,
    dimension: usize,
}

impl Crowd {
    fn new(faces: usize, dimension: usize, identity: impl Fn(usize) -> usize) -> Self {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        let mut data: Vec<f32> = (0..faces * dimension).map(|_| next()).collect();
        for (face, row) in data.chunks_exact_mut(dimension).enumerate() {
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            let length = if face % 11 == 3 { length / 1.7 } else { length };
            for value in row.iter_mut() {
                *value /= length;
            }
            match face {
                5 => row[0] = f32::NAN,
                77 => row[dimension - 1] = f32::INFINITY,
                _ => {}
            }
        }
        for face in (20..faces).step_by(9) {
            data.copy_within(3 * dimension..4 * dimension, face * dimension);
        }
        let names = (0..faces).map(|i| format!("{i:05}")).collect();
        Self { names, identities: (0..faces).map(identity).collect(), data, dimension }
    }

    /// Every seventh from the photo of another one, every thirteenth one of two pictures.
    fn faces(&self) -> Vec<Labelled<'_>> {
        let labelled = |i: usize| Labelled {
            face_id: &self.names[i],
            identity: Some(&self.names[self.identities[i]]),
            image_id: &self.names[if i % 7 == 1 { self.names.len() - i } else { i }],
            content: i.is_multiple_of(13).then(|| (Digest::of(&[(i % 2) as u8]), None)),
        };
        (0..self.names.len()).map(labelled).collect()
    }

    /// Compares all pairs on the CPU and on the card, which must find the same; what was said.
    fn compare(&self, watched: &[f32]) -> Vec<String> {
        let population = Population::new(&self.faces(), 1);
        let rows = Rows { data: &self.data, dimension: self.dimension };
        let quota = Quota::all(&population.available);
        let request = PairRequest { quota, hardest: 50, watched, seed: 3 };
        let alone = compare(rows, &population, &request, &Silent, &Cancel::default()).unwrap();
        let (lines, cards) = (KeptLines::default(), Cards::new(DeviceRequest::Cuda));
        let card = cards.load(rows, &population, quota.impostor, &lines).unwrap().unwrap();
        let cancel = Cancel::default();
        let found =
            compare_resumably(rows, &population, &request, Some(&card), &NoCheckpoint, &lines, &cancel).unwrap();
        assert_same(&found, &alone);
        lines.into_lines()
    }
}

fn assert_same(found: &ComparedPairs, expected: &ComparedPairs) {
    let cells = |cells: &[CosineCell]| {
        let mut cells: Vec<_> = cells.iter().map(|cell| format!("{cell:?}")).collect();
        cells.sort();
        cells
    };
    assert_eq!(found.genuine, expected.genuine);
    assert_eq!(found.impostor, expected.impostor);
    let range = |found: &ComparedPairs| [found.impostor.min, found.impostor.max].map(f32::to_bits);
    assert_eq!(range(found), range(expected));
    assert_eq!(cells(&found.cells.genuine), cells(&expected.cells.genuine));
    assert_eq!(cells(&found.cells.impostor), cells(&expected.cells.impostor));
    assert_eq!(found.spread, expected.spread);
    assert_eq!(found.faces, expected.faces);
    assert_eq!(found.hardest_genuine, expected.hardest_genuine);
    assert_eq!(found.hardest_impostor, expected.hardest_impostor);
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn every_bit_is_the_cpus() {
    // Units of three identities; units of many panels, whose pairs are more than the lists hold; a single component.
    for (crowd, watched) in [
        (Crowd::new(600, 16, |i| i / 3), &[0.3, 0.6][..]),
        (Crowd::new(1_200, 21, |i| usize::from(i >= 550) + usize::from(i >= 1_193)), &[0.1]),
        (Crowd::new(150, 1, |i| i % 2), &[]),
    ] {
        let said = crowd.compare(watched);
        assert!(said.len() == 1 && said[0].starts_with("comparing on the "), "{said:?}");
    }
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn so_is_every_bit_of_long_sides() {
    // More pairs than are all looked at one by one, and sides that are cut.
    let said = Crowd::new(4_150, 3, |i| usize::from(i >= 2_060)).compare(&[0.995]);
    assert!(said.len() == 1, "{said:?}");
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn rows_come_with_each_block() {
    let said = Crowd::new(320, 40, |i| i / 3).compare(&[0.2]);
    let expected = "the card has no room for all faces at once: each block of pairs brings its own";
    assert!(said.len() == 2 && said[0] == expected, "{said:?}");
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn there_is_no_room_for_a_block() {
    let crowd = Crowd::new(60, 40, |i| i / 3);
    let population = Population::new(&crowd.faces(), 1);
    let rows = Rows { data: &crowd.data, dimension: 40 };
    let refused =
        |device| Cards::new(device).load(rows, &population, 1_000_000_000, &Silent).map(|card| card.is_some());
    assert!(refused(DeviceRequest::Cuda).unwrap_err().contains("memory"), "{:?}", refused(DeviceRequest::Cuda));
    assert_eq!(refused(DeviceRequest::Auto), Ok(false));
    assert_eq!(refused(DeviceRequest::Cpu), Ok(false));
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn the_cpu_goes_on() {
    let said = Crowd::new(900, 19, |i| i / 3).compare(&[0.3]);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].starts_with("comparing goes on on the CPU, with the same result: "), "{said:?}");
}
