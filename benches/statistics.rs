//! The double-or-nothing bootstrap: replicates as the definition says, a loop over the cells that stay, and as facevault
//! makes them. Both count cosines by threshold in 2,048 bins; one thread each.
//!
//! `cargo bench --bench statistics`

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use facevault::verification::bootstrap::{Estimator, Resampling};
use facevault::verification::cells::{COARSE, CosineCell, CosineCells};
use facevault::verification::random::Draw;
use facevault::verification::tally::{Tally, bin};

const UNITS: u16 = 100;
const REPLICATES: u32 = 1_000;

/// What is bootstrapped, for both.
struct Data {
    genuine: Tally,
    impostor: Tally,
    cells: CosineCells,
    /// Units, first bin and counts of each cell.
    plain: Vec<(usize, usize, usize, Vec<u64>)>,
}

/// 100 units; cells of 2,000 cosines over about 900 bins.
fn data() -> Data {
    let (mut genuine, mut impostor) = (Tally::default(), Tally::default());
    let mut cells = CosineCells { units: UNITS.into(), identities: UNITS.into(), ..CosineCells::default() };
    let (mut plain, mut draw) = (Vec::new(), Draw::units(1));
    for g in 0..UNITS {
        for h in g..UNITS {
            let mean = if g == h { 0.5 } else { 0.0 };
            let cosines: Vec<f32> =
                (0..500).flat_map(|_| draw.normals()).map(|z| (mean + 0.13 * z).clamp(-1.0, 1.0) as f32).collect();
            let bins = || cosines.iter().map(|&cosine| bin(cosine, COARSE));
            let (first, last) = (bins().min().unwrap(), bins().max().unwrap());
            let mut counts = vec![0; last - first + 1];
            bins().for_each(|bin| counts[bin - first] += 1);
            plain.push((usize::from(g), usize::from(h), first, counts));
            let cell = CosineCell::of((g, h), &cosines);
            if g == h {
                genuine.extend(cosines);
                cells.genuine.extend(cell);
            } else {
                impostor.extend(cosines);
                cells.impostor.extend(cell);
            }
        }
    }
    Data { genuine, impostor, cells, plain }
}

/// Replicate by replicate, cell by cell.
fn by_definition(data: &Data, replicates: u32) -> u64 {
    let mut sum = 0;
    for number in 0..replicates {
        let mut draw = Draw::replicate(1, number);
        let kept: Vec<bool> = (0..UNITS).map(|_| draw.coin()).collect();
        let mut counts = [vec![0_u64; COARSE], vec![0_u64; COARSE]];
        for (g, h, first, cell) in data.plain.iter().filter(|(g, h, ..)| kept[*g] && kept[*h]) {
            let counts = &mut counts[usize::from(g != h)];
            counts[*first..].iter_mut().zip(cell).for_each(|(sum, count)| *sum += count);
        }
        for counts in &counts {
            let mut reach = vec![0; COARSE + 1];
            (0..COARSE).rev().for_each(|bin| reach[bin] = reach[bin + 1] + counts[bin]);
            sum += black_box(reach)[0];
        }
    }
    sum
}

fn by_blocks(data: &Data, replicates: u32) -> Option<Estimator> {
    let how = Resampling { replicates, level: 0.95, seed: 1 };
    Estimator::new(&data.genuine, &data.impostor, &data.cells, how, &|| false)
}

/// Both by turns, nine times; the median of the ratios.
fn ratio(data: &Data) {
    let mut ratios: Vec<f64> = (0..9)
        .map(|_| {
            let started = Instant::now();
            black_box(by_definition(data, REPLICATES));
            let definition = started.elapsed();
            let started = Instant::now();
            black_box(by_blocks(data, REPLICATES));
            definition.as_secs_f64() / started.elapsed().as_secs_f64()
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!("by blocks is {:.1} times as fast ({:.1} to {:.1})", ratios[4], ratios[0], ratios[8]);
}

fn bootstrap(criterion: &mut Criterion) {
    let data = data();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    one.install(|| ratio(&data));
    let mut group = criterion.benchmark_group("bootstrap, 1,000 replicates");
    group.sample_size(10);
    group.bench_function("by definition", |bencher| bencher.iter(|| by_definition(&data, REPLICATES)));
    group.bench_function("by blocks", |bencher| bencher.iter(|| one.install(|| by_blocks(&data, REPLICATES))));
    group.bench_function("by blocks, all threads", |bencher| bencher.iter(|| by_blocks(&data, REPLICATES)));
    group.finish();
}

criterion_group!(benches, bootstrap);
criterion_main!(benches);
