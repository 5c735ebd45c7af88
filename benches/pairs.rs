//! All pairs of clustered unit rows: the multiply-adds alone, the products, and the products with everything that is kept
//! of them, each as GFLOP/s, so that the share of the peak can be read off; the last also on a card where there is one.
//!
//! `cargo bench --bench pairs`; the same beside `NumPy`: `experiments/peers/pairs.py`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use facevault::model::DeviceRequest;
use facevault::progress::{Cancel, Silent};
use facevault::similarity::engine::PairEngine;
use facevault::similarity::kernel::Rows;
use facevault::similarity::sampling::Quota;
use facevault::similarity::{Cards, NoCheckpoint, PairRequest, Population, compare, compare_resumably};
use facevault_kernels::products::{self, Block, COLUMNS, Left, Products};
use facevault_stats::testing::{faces, names};
use rayon::prelude::*;

const DIMENSION: usize = 512;
const IDENTITIES: usize = 100;
const FACES: usize = 20_000;
/// Rows of the right side of the products alone: as many as a resampled unit of upstream's faces has.
const RIGHT: usize = 1_877;

/// Unit rows around a direction for each identity.
fn rows() -> Vec<f32> {
    let mut state = 1u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let centres: Vec<f32> = (0..IDENTITIES * DIMENSION).map(|_| uniform()).collect();
    let mut rows = Vec::with_capacity(FACES * DIMENSION);
    for face in 0..FACES {
        let centre = &centres[face % IDENTITIES * DIMENSION..][..DIMENSION];
        let row: Vec<f32> = centre.iter().map(|value| value + 0.6 * uniform()).collect();
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        rows.extend(row.iter().map(|value| value / length));
    }
    rows
}

fn pairs(criterion: &mut Criterion) {
    let data = rows();
    let products = Products::best(DIMENSION);
    let threads = rayon::current_num_threads();
    let mut group = criterion.benchmark_group("pairs");
    group.sample_size(10).measurement_time(Duration::from_secs(5));

    let rounds = 1_000_000;
    let flop: f64 = (0..threads).map(|_| products.run_peak(1)).sum();
    group.throughput(Throughput::Elements((flop * f64::from(rounds)) as u64));
    group.bench_function("multiply-adds alone", |bencher| {
        let peak = |_| {
            black_box(products.run_peak(rounds as usize));
        };
        bencher.iter(|| (0..threads).into_par_iter().for_each(peak));
    });

    let operations = |pairs: usize| Throughput::Elements((pairs * 2 * DIMENSION) as u64);
    group.throughput(operations(threads * products.strip() * RIGHT));
    group.bench_function("products", |bencher| {
        let rows = || data.chunks_exact(DIMENSION);
        let mut right = products::Right::default();
        products.right(rows().take(RIGHT), &mut right);
        bencher.iter_custom(|iterations| {
            let started = Instant::now();
            (0..threads).into_par_iter().for_each(|_| {
                let (mut left, mut block) = (Left::default(), Block::default());
                for _ in 0..iterations {
                    products.left(rows().take(products.strip()), &mut left);
                    for first in (0..RIGHT).step_by(COLUMNS) {
                        black_box(products.multiply(&left, &right, first, &mut block));
                    }
                }
            });
            started.elapsed()
        });
    });

    let names = names(FACES);
    let population = Population::new(&faces(&names, |face| face % IDENTITIES, |face| face), 1);
    let available = &population.available;
    let quota = Quota::all(available);
    let request = PairRequest { quota, hardest: 50, watched: &[0.5, 0.6], seed: 1 };
    group.throughput(operations((available.genuine + available.impostor) as usize));
    group.bench_function("products, counted", |bencher| {
        let rows = Rows { data: &data, dimension: DIMENSION };
        bencher.iter(|| compare(rows, &population, &request, &Silent, &Cancel::default()));
    });
    let rows = Rows { data: &data, dimension: DIMENSION };
    match Cards::new(DeviceRequest::Cuda).load(rows, &population, available.impostor, &Silent) {
        Ok(card) => {
            let engine = card.as_ref().map(|card| card as &dyn PairEngine);
            group.bench_function("products, counted, on a card", |bencher| {
                let cancel = Cancel::default();
                bencher
                    .iter(|| compare_resumably(rows, &population, &request, engine, &NoCheckpoint, &Silent, &cancel));
            });
        }
        Err(reason) => eprintln!("no card: {reason}"),
    }
    group.finish();
}

criterion_group!(benches, pairs);
criterion_main!(benches);
