//! The network on whatever is here. On the CPU every layer shape of it as GFLOP/s and as a share of what the core can
//! multiply and add, and the whole of it by batch size; on a card, where one works, the whole of it in each precision.
//! Weights are formula numbers: speed does not depend on them.
//!
//! `cargo bench --bench network` measures f32 on the CPU and all precisions of the card; `FACEVAULT_PRECISION=bf16` before
//! it (or another name) that one alone, on the devices that know it. `cargo bench --bench network card` is the card alone.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use facevault::model::cpu::{CpuEmbedder, CpuOptions};
use facevault::model::weights::{Parameter, Tensor, Tensors};
use facevault::model::{
    self, BatchSize, Calibration, DeviceKind, DeviceRequest, Embedder, Execution, FaceBatch, Kernels, ModelError,
    ModelSpec, Network, OwnedBatch, Precision,
};
use facevault::preprocess::Standardise;
use facevault::throughput::{grid_of, precisions_of};

const SIDE: usize = 160;
const STANDARDISE: Standardise = Standardise { mean: 127.5, scale: 128.0 };
const SPEC: ModelSpec = ModelSpec::of(Network::InceptionResnetV1);

/// A checkpoint whose activations keep a sane size.
fn checkpoint(spec: &ModelSpec) -> Tensors {
    let mut state = 1u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0
    };
    let tensor = |parameter: Parameter| {
        let count: usize = parameter.shape.iter().product();
        let inputs: usize = parameter.shape.iter().skip(1).product();
        let data = (0..count)
            .map(|_| match parameter.key.rsplit('.').next() {
                Some("weight") if parameter.shape.len() > 1 => uniform() * (6.0 / inputs as f32).sqrt(),
                Some("weight" | "running_var") => 1.0,
                _ => uniform() * 0.1,
            })
            .collect();
        (parameter.key.clone(), Tensor { shape: parameter.shape, data, dtype: "F32".into() })
    };
    model::parameters(spec).into_iter().map(tensor).collect()
}

fn faces(count: usize) -> Vec<u8> {
    (0..count * SIDE * SIDE * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn embedder(precision: Precision, threads: Option<usize>) -> CpuEmbedder {
    let tensors = checkpoint(&SPEC);
    let options = CpuOptions { threads, precision, kernels: Kernels::Auto, winograd: true };
    let mut calibration = Calibration::default();
    if precision == Precision::Int8 {
        let plain = CpuOptions { precision: Precision::F32, ..options };
        let pixels = faces(8);
        let batch = FaceBatch { pixels: &pixels, count: 8, side: SIDE, standardise: STANDARDISE };
        CpuEmbedder::new(&tensors, 1.0, plain, None).unwrap().calibrate(batch, &mut calibration).unwrap();
    }
    CpuEmbedder::new(&tensors, 1.0, options, Some(&calibration)).unwrap()
}

/// The precision that was asked for.
fn asked() -> Option<Precision> {
    let name = std::env::var("FACEVAULT_PRECISION").ok()?;
    let known = Precision::ALL.into_iter().find(|precision| precision.name() == name);
    Some(known.unwrap_or_else(|| panic!("FACEVAULT_PRECISION is `{name}`, and no precision has that name")))
}

/// The precision to measure on the CPU; none where the one that was asked for is the card's alone.
fn on_cpu() -> Option<Precision> {
    let precision = asked().unwrap_or(Precision::F32);
    precisions_of(DeviceKind::Cpu).contains(&precision).then_some(precision)
}

/// The layers whose shape no layer before them has.
fn shapes(network: &mut CpuEmbedder) -> Vec<(usize, model::cpu::PlanLayer)> {
    let repeated = |name: &str| {
        let block = name.split('.').nth(1).and_then(|i| i.parse::<u32>().ok());
        name.starts_with("repeat_") && block.is_some_and(|i| i > 0)
    };
    let layers = network.layers(SIDE).into_iter().enumerate();
    layers.filter(|(_, layer)| layer.flop > 0.0 && !repeated(&layer.name)).collect()
}

/// Median seconds of some runs.
fn median(mut run: impl FnMut() -> f64) -> f64 {
    let mut seconds: Vec<f64> = (0..15).map(|_| run()).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// criterion knows no share of a peak: a table of its own, peak and layer measured by turns.
fn share_of_peak(network: &mut CpuEmbedder) {
    println!("{:<58}{:>12}{:>12}{:>10}", "layer, one thread, groups of 8 faces", "us a face", "GFLOP/s", "of peak");
    for (index, layer) in shapes(network) {
        let mut peak = Vec::new();
        let mut count = 1;
        let seconds = median(|| {
            let started = Instant::now();
            let flop = network.run_peak(200_000);
            peak.push(flop / started.elapsed().as_secs_f64());
            let started = Instant::now();
            count = network.run_layer(index, 8);
            started.elapsed().as_secs_f64()
        });
        peak.sort_by(f64::total_cmp);
        let rate = layer.flop * count as f64 / seconds;
        let how = if layer.winograd { " W" } else { "" };
        let name: String = layer.name.chars().take(56).collect();
        let micros = seconds * 1e6 / count as f64;
        println!("{name:<58}{micros:>12.1}{:>12.1}{:>9.0}%{how}", rate / 1e9, 100.0 * rate / peak[peak.len() / 2]);
    }
    println!("W: by way of Winograd, counted as the multiplications it stands for");
}

fn layers(criterion: &mut Criterion) {
    let Some(precision) = on_cpu() else { return };
    let mut network = embedder(precision, Some(1));
    share_of_peak(&mut network);
    let mut group = criterion.benchmark_group("layer");
    for (index, layer) in shapes(&mut network) {
        let count = network.run_layer(index, 8);
        group.throughput(Throughput::Elements((layer.flop * count as f64) as u64));
        group.bench_function(&layer.name, |bencher| bencher.iter(|| black_box(network.run_layer(index, 8))));
    }
    group.finish();
}

fn batches(criterion: &mut Criterion) {
    let Some(precision) = on_cpu() else { return };
    let mut network = embedder(precision, None);
    let pixels = faces(32);
    let mut group = criterion.benchmark_group("network");
    group.sample_size(20);
    for count in [1, 2, 8, 32] {
        let batch =
            FaceBatch { pixels: &pixels[..count * SIDE * SIDE * 3], count, side: SIDE, standardise: STANDARDISE };
        let mut out = vec![0.0; count * 512];
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("batch {count}"), |bencher| {
            bencher.iter(|| network.embed(black_box(batch), &mut out).unwrap());
        });
    }
    group.finish();
}

/// Time of `count` batches, as many at once in the card as it takes.
fn in_flight(
    network: &mut dyn Embedder,
    faces: FaceBatch<'_>,
    out: &mut [f32],
    count: u64,
) -> Result<Duration, ModelError> {
    let FaceBatch { pixels: bytes, count: size, side, standardise } = faces;
    let mut queue = network.queue();
    let owned = |pixels| OwnedBatch { pixels, count: size, side, standardise };
    let mut waiting = Vec::new();
    for _ in 0..queue.in_flight() {
        let mut pixels = queue.pixels(bytes.len())?;
        pixels[..bytes.len()].copy_from_slice(bytes);
        waiting.push(pixels);
    }
    let started = Instant::now();
    let (mut begun, mut done) = (0, 0);
    while done < count {
        while begun < count
            && let Some(pixels) = waiting.pop()
        {
            queue.start(owned(pixels))?;
            begun += 1;
        }
        waiting.push(queue.finish(out)?);
        done += 1;
    }
    Ok(started.elapsed())
}

fn card(criterion: &mut Criterion) {
    let tensors = checkpoint(&SPEC);
    let mut group = criterion.benchmark_group("card");
    group.sample_size(10);
    for &precision in precisions_of(DeviceKind::Cuda).iter().filter(|one| asked().is_none_or(|asked| asked == **one)) {
        let options = Execution {
            device: DeviceRequest::Cuda,
            precision,
            kernels: Kernels::Auto,
            batch_size: BatchSize::Auto,
            threads: None,
        };
        let mut network = match model::open(&SPEC, SIDE, &options, &tensors, None, &|line| println!("{line}")) {
            Ok(network) => network,
            Err(error) => {
                println!("card {}: skipped: {error}", precision.name());
                continue;
            }
        };
        println!("card {}: {} on {}", precision.name(), network.info().name, network.info().device_name);
        for &count in grid_of(DeviceKind::Cuda) {
            let pixels = faces(count);
            let batch = FaceBatch { pixels: &pixels, count, side: SIDE, standardise: STANDARDISE };
            let mut out = vec![0.0; count * network.dimension()];
            if let Err(error) = network.embed(batch, &mut out) {
                println!("card {} batch {count}: skipped: {error}", precision.name());
                continue;
            }
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(format!("{} batch {count}", precision.name()), |bencher| {
                bencher.iter_custom(|times| in_flight(network.as_mut(), batch, &mut out, times).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, layers, batches, card);
criterion_main!(benches);
