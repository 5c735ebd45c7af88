//! All pairs of upstream's number of faces, made up: clustered unit rows of 480 identities with 109 to 759 faces each.
//! Prints what comparing and evaluating them takes, and the share of this machine's multiply-add peak that it reaches,
//! measured on the same threads before and after.
//!
//! `cargo run --release --example all_pairs -- [FACES] [--cuda | --rows FILE.npy]`; with `--cuda` a card compares, with
//! `--rows` the rows are written for another program to compare (`experiments/peers/pairs.py`).

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::time::Instant;

use facevault::evaluate::{self, EvaluationInput};
use facevault::model::DeviceRequest;
use facevault::numbers::Quantity;
use facevault::progress::{Cancel, Silent};
use facevault::similarity::{Cards, Labelled, NoCheckpoint, PairMode, SimilarityOptions};
use facevault_kernels::products::Products;
use rayon::prelude::*;

const DIMENSION: usize = 512;
const UPSTREAM_FACES: usize = 187_697;
const IDENTITIES: usize = 480;

/// A sequence of numbers in −½..½.
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}

/// Faces of each identity: 109 to 759 in upstream's proportions, `faces` in all.
fn sizes(faces: usize) -> Vec<usize> {
    let weight = |identity: usize| 109.0 + 650.0 * (identity as f64 / (IDENTITIES - 1) as f64).powf(1.3);
    let all: f64 = (0..IDENTITIES).map(weight).sum();
    let end = |identity: usize| ((0..identity).map(weight).sum::<f64>() / all * faces as f64).round() as usize;
    (0..IDENTITIES).map(|identity| end(identity + 1) - end(identity)).collect()
}

/// Unit rows around a direction for each identity; some faces are further from it than others.
fn rows(sizes: &[usize]) -> Vec<f32> {
    let starts: Vec<usize> = sizes.iter().scan(0, |sum, size| Some(std::mem::replace(sum, *sum + size))).collect();
    let mut data = vec![0f32; sizes.iter().sum::<usize>() * DIMENSION];
    let mut rest = data.as_mut_slice();
    let mut parts = Vec::new();
    for &size in sizes {
        let (mine, others) = rest.split_at_mut(size * DIMENSION);
        rest = others;
        parts.push(mine);
    }
    parts.into_par_iter().zip(starts).for_each(|(part, start)| {
        let mut uniform = Uniform(start as u64 * 2 + 1);
        let centre: Vec<f32> = (0..DIMENSION).map(|_| uniform.next()).collect();
        for row in part.chunks_exact_mut(DIMENSION) {
            let spread = 0.5 + (uniform.next() + 0.5).powi(4) * 2.5;
            row.iter_mut().zip(&centre).for_each(|(slot, value)| *slot = value + spread * uniform.next());
            let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            for value in row {
                *value /= length;
            }
        }
    });
    data
}

/// Operations a second of all threads at multiply-adds alone.
fn peak() -> f64 {
    let products = Products::best(DIMENSION);
    let started = Instant::now();
    let operations: f64 =
        (0..rayon::current_num_threads()).into_par_iter().map(|_| products.run_peak(20_000_000)).sum();
    operations / started.elapsed().as_secs_f64()
}

/// Most memory that was resident, MiB; where the system says.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let faces = arguments.next().map_or(Ok(UPSTREAM_FACES), |faces| faces.parse())?;
    let sizes = sizes(faces);
    let data = rows(&sizes);
    let option = arguments.next();
    let device = if option.as_deref() == Some("--cuda") { DeviceRequest::Cuda } else { DeviceRequest::Cpu };
    if option.as_deref() == Some("--rows") {
        let path = arguments.next().ok_or("--rows takes a file")?;
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        facevault::npy::write(&mut file, &data, DIMENSION)?;
        file.flush()?;
        return Ok(());
    }
    let names: Vec<String> = (0..faces.max(IDENTITIES)).map(|name| format!("{name:06}")).collect();
    let whose = sizes.iter().enumerate().flat_map(|(identity, &size)| std::iter::repeat_n(identity, size));
    let labelled: Vec<Labelled<'_>> = whose
        .zip(&names)
        .map(|(identity, face_id)| Labelled {
            face_id,
            identity: Some(&names[identity]),
            image_id: face_id,
            content: None,
        })
        .collect();
    let options = SimilarityOptions {
        pairs: PairMode::Exhaustive,
        max_pairs: None,
        upstream: None,
        replicates: 1000,
        hardest: 50,
        ..SimilarityOptions::DEFAULT
    };
    let expect = BTreeMap::new();
    let cards = Cards::new(device);
    let input = EvaluationInput {
        matrix: &data,
        dimension: DIMENSION,
        faces: &labelled,
        columns: &[],
        manifest_rows: faces as u64,
        failed: 0,
        options: &options,
        seed: 1,
        expect: &expect,
        benchmarks: facevault::evaluate::Benchmarks::default(),
        checkpoint: &NoCheckpoint,
        cards: &cards,
    };
    let before = peak();
    let started = Instant::now();
    let evaluation = evaluate::evaluate(&input, &Silent, &Cancel::default())?;
    let seconds = started.elapsed().as_secs_f64();
    let after = peak();
    let metrics = &evaluation.metrics;
    let pairs = metrics.pairs.genuine + metrics.pairs.impostor;
    let reached = pairs as f64 * 2.0 * DIMENSION as f64 / seconds;
    println!("{faces} faces, {} identities, {} threads", IDENTITIES, rayon::current_num_threads());
    println!("{pairs} pairs in {seconds:.1} s: {:.1} M pairs/s", pairs as f64 / seconds / 1e6);
    println!(
        "{:.1} GFLOP/s; multiply-adds alone {:.1} before and {:.1} after: {:.0}% of the faster, everything counted",
        reached / 1e9,
        before / 1e9,
        after / 1e9,
        100.0 * reached / before.max(after)
    );
    println!("resident at most {} MiB, the matrix is {} MiB", resident().unwrap_or(0), data.len() >> 18);
    if let Some(card) = cards.used() {
        println!("compared on: {card}");
    }
    println!("equal error rate {}", Quantity::Rate.sentence(&metrics.eer));
    Ok(())
}
