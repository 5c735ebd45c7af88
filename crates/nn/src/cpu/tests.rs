//! Every kernel this CPU can run against a convolution written down as its definition, in f64.

use proptest::prelude::*;

use super::embedder::{CpuEmbedder, CpuOptions};
use super::execute::{Pass, PixelTables};
use super::plan::{CpuPlan, GROUP, ParameterSource, PlanSource};
use crate::batch_norm::Folded;
use crate::networks::inception_resnet_v1::{After, Convolution, DIMENSION};
use crate::{Calibration, Embedder, FaceBatch, Kernels, ModelSpec, Network, Precision, weights};
use facevault_kernels::arena::{Arena, ArenaPointer};
use facevault_kernels::sets::{self, Set, WeightFormat};
use facevault_kernels::team::{Barrier, TeamMember};
use facevault_preprocess::Standardise;

/// Largest values of the input, the output and the residual: what an integer activation's 255 stands for.
const RANGES: [(&str, f32); 3] = [("input", 2.0), ("c", 6.0), ("residual", 3.0)];

#[derive(Debug, Clone)]
struct Case {
    spec: Convolution,
    size: (usize, usize),
    images: usize,
    residual: Option<f32>,
    winograd: bool,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let kernels = [(1, 1), (3, 3), (1, 7), (7, 1), (1, 3), (3, 1), (2, 2), (5, 3)];
    let geometry = (prop::sample::select(kernels.to_vec()), 1..3usize, any::<bool>(), 0..14usize, 0..14usize);
    let channels = (1..40usize, 1..80usize);
    (geometry, channels, 1..=3usize, prop::option::of(0.1..1.0f32), any::<bool>(), any::<u64>()).prop_map(
        |((kernel, stride, padded, h, w), (inputs, outputs), images, residual, winograd, seed)| {
            let padding = if padded { (kernel.0 / 2, kernel.1 / 2) } else { (0, 0) };
            let after = if residual.is_some() { After::Bias } else { After::NormRelu };
            let spec = Convolution { key: "c".into(), inputs, outputs, kernel, stride, padding, after };
            Case { spec, size: (kernel.0 + h, kernel.1 + w), images, residual, winograd, seed }
        },
    )
}

/// Uniform numbers that any language can make again.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, low: f32, high: f32) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (high - low) * ((self.0 >> 40) as f32 / (1u64 << 24) as f32)
    }
}

/// What a set keeps of an activation whose 255 is `range`, as f64, and its bits.
fn kept(set: &Set, value: f32, range: f32) -> (f64, u32) {
    match set.weights {
        WeightFormat::F32 | WeightFormat::SplitBf16 => (f64::from(value), value.to_bits()),
        WeightFormat::RoundedF32 => {
            let value = half::bf16::from_f32(value).to_f32();
            (f64::from(value), value.to_bits())
        }
        WeightFormat::Bf16 => {
            let value = half::bf16::from_f32(value);
            (f64::from(value.to_f32()), u32::from(value.to_bits()))
        }
        WeightFormat::I8 | WeightFormat::I16 => {
            let unit = range / 255.0;
            let steps = (value / unit).round_ties_even().clamp(0.0, 255.0);
            (f64::from(steps) * f64::from(unit), steps as u32)
        }
    }
}

fn write(set: &Set, to: *mut u8, bits: u32) {
    let bytes = bits.to_le_bytes();
    // SAFETY: the test's callers stay inside the buffer.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, set.bytes) }
}

fn read(set: &Set, from: *const u8, range: f32) -> f64 {
    let mut bytes = [0; 4];
    // SAFETY: as above.
    unsafe { std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), set.bytes) };
    let bits = u32::from_le_bytes(bytes);
    match set.weights {
        WeightFormat::F32 | WeightFormat::RoundedF32 | WeightFormat::SplitBf16 => f64::from(f32::from_bits(bits)),
        WeightFormat::Bf16 => f64::from(f32::from_bits(bits << 16)),
        WeightFormat::I8 | WeightFormat::I16 => f64::from(bits) * f64::from(range) / 255.0,
    }
}

/// A weight as a set multiplies with it; `largest` is the largest of its output channel.
fn weight_kept(set: &Set, weight: f32, largest: f32, through_winograd: bool) -> f64 {
    match set.weights {
        _ if through_winograd => f64::from(weight),
        WeightFormat::F32 | WeightFormat::SplitBf16 => f64::from(weight),
        WeightFormat::RoundedF32 | WeightFormat::Bf16 => f64::from(half::bf16::from_f32(weight).to_f32()),
        WeightFormat::I8 | WeightFormat::I16 => {
            let steps = f64::from((weight / largest * 127.0).round_ties_even());
            steps * f64::from(largest) / 127.0
        }
    }
}

struct Job<'a> {
    plan: &'a CpuPlan,
    tables: &'a PixelTables,
    arena: ArenaPointer,
    images: usize,
}

impl Job<'_> {
    fn pass<'a>(&'a self, member: &'a TeamMember<'a>) -> Pass<'a> {
        let Self { plan, tables, arena, images } = *self;
        Pass { plan, tables, arena, member, pixels: &[], images, values: &[0.0; 256] }
    }
}

fn check(set: &'static Set, case: &Case, team: usize) -> Result<(), TestCaseError> {
    let Case { spec, size, images, residual, winograd, seed } = case;
    let range = |name: &str| RANGES.iter().find(|(known, _)| *known == name).map_or(0.0, |(_, range)| *range);
    let mut numbers = Numbers(*seed);
    let taps = spec.kernel.0 * spec.kernel.1;
    let spread = (2.0 / (taps * spec.inputs) as f32).sqrt();
    let weight: Vec<f32> = (0..spec.outputs * spec.inputs * taps).map(|_| numbers.next(-spread, spread)).collect();
    let bias: Vec<f32> = (0..spec.outputs).map(|_| numbers.next(-0.5, 1.0)).collect();
    let folded = |_: &Convolution| Folded { weight: weight.clone(), bias: bias.clone() };
    let ranges = RANGES.map(|(name, range)| (name.to_owned(), range)).into();
    let source = PlanSource { parameters: ParameterSource::Folded(&folded), ranges: &ranges, winograd: *winograd };
    let plan = CpuPlan::of_one(set, spec.clone(), *size, *residual, &source);
    let tables = PixelTables::new(&plan, *images);
    let mut arena = Arena::new(plan.arena, &[]);
    let pointer = arena.shared();
    let output = &plan.buffers[1];
    let out_size = (output.height, output.width);
    let at = |image: usize, (h, w): (usize, usize), y: usize, x: usize| (image * h + y) * w + x;

    let mut inputs = vec![0.0; images * size.0 * size.1 * spec.inputs];
    let mut before = vec![0.0; images * out_size.0 * out_size.1 * spec.outputs];
    let barrier = Barrier::new(1);
    let member = TeamMember::new(0, &barrier);
    let job = Job { plan: &plan, tables: &tables, arena: pointer, images: *images };
    let alone = job.pass(&member);
    for (buffer, extent, channels, name, values) in
        [(0, *size, spec.inputs, "input", &mut inputs), (1, out_size, spec.outputs, "residual", &mut before)]
    {
        let pixel = plan.buffers[buffer].pixel();
        for place in 0..images * extent.0 * extent.1 {
            for channel in 0..channels {
                let (value, bits) = kept(set, numbers.next(0.0, range(name)), range(name));
                values[place * channels + channel] = value;
                // SAFETY: inside the buffer.
                write(set, unsafe { alone.at(buffer, 0).add(place * pixel + channel * set.bytes) }, bits);
            }
        }
    }

    let barrier = Barrier::new(team);
    std::thread::scope(|scope| {
        for rank in 0..team {
            let (barrier, job) = (&barrier, &job);
            scope.spawn(move || {
                let member = TeamMember::new(rank, barrier);
                job.pass(&member).run(|_, _| ());
            });
        }
    });

    let through = matches!(plan.steps[0].work, super::plan::StepWork::Winograd(_));
    let per_output = spec.inputs * taps;
    for image in 0..*images {
        for y in 0..out_size.0 {
            for x in 0..out_size.1 {
                for o in 0..spec.outputs {
                    let weights = &weight[o * per_output..(o + 1) * per_output];
                    let scaled = |w: f32| w * residual.unwrap_or(1.0);
                    let largest = weights.iter().fold(0f32, |most, &w| most.max(scaled(w).abs()));
                    let mut sum = f64::from(scaled(bias[o]));
                    let mut size_of_sum = sum.abs();
                    // A weight between two steps may have gone to either.
                    let mut undecided = 0.0;
                    for i in 0..spec.inputs {
                        for tap in 0..taps {
                            let (ky, kx) = (tap / spec.kernel.1, tap % spec.kernel.1);
                            let y = (y * spec.stride + ky).wrapping_sub(spec.padding.0);
                            let x = (x * spec.stride + kx).wrapping_sub(spec.padding.1);
                            if y < size.0 && x < size.1 {
                                let w = weight_kept(set, scaled(weights[i * taps + tap]), largest, through);
                                let input = inputs[at(image, *size, y, x) * spec.inputs + i];
                                let product = w * input;
                                sum += product;
                                let step = f64::from(largest) / 127.0;
                                let steps = f64::from(scaled(weights[i * taps + tap])) / step;
                                if set.weights.integer() && (steps.abs().fract() - 0.5).abs() < 1e-4 {
                                    undecided += step * input;
                                }
                                size_of_sum += product.abs();
                            }
                        }
                    }
                    if residual.is_some() {
                        let added = before[at(image, out_size, y, x) * spec.outputs + o];
                        sum += added;
                        size_of_sum += added;
                    }
                    let expected = sum.max(0.0);
                    let (expected, rounding) = match set.weights {
                        WeightFormat::F32 | WeightFormat::SplitBf16 => (expected, 0.0),
                        WeightFormat::RoundedF32 | WeightFormat::Bf16 => (expected, expected / 256.0),
                        WeightFormat::I8 | WeightFormat::I16 => {
                            (expected.min(f64::from(range("c"))), 0.51 * f64::from(range("c")) / 255.0)
                        }
                    };
                    let place = at(0, out_size, y, x) * output.pixel() + o * set.bytes;
                    // SAFETY: inside the buffer.
                    let got = read(set, unsafe { alone.at(1, image).add(place) }, range("c"));
                    // Each factor of a split product is off by up to 2⁻¹⁷.
                    let split = if set.weights == WeightFormat::SplitBf16 { 2e-5 } else { 0.0 };
                    let arithmetic = size_of_sum * (if through { 3e-5 } else { 3e-6 } + split);
                    prop_assert!(
                        (got - expected).abs() <= arithmetic + rounding + undecided,
                        "{} {:?}: {got} for {expected} at face {image}, ({y}, {x}), channel {o}; {case:?}",
                        set.name,
                        set.weights,
                    );
                }
            }
        }
    }
    Ok(())
}

/// At every precision; says so where this CPU lacks an instruction set.
#[test]
fn every_kernel_equals_the_definition() {
    for kernels in [Kernels::Portable, Kernels::Avx2, Kernels::Avx512, Kernels::Amx, Kernels::Neon] {
        for precision in sets::PRECISIONS {
            let able = sets::able(kernels, precision);
            if able.is_empty() && sets::able(kernels, Precision::Bf16).is_empty() {
                println!("skipped: this CPU has no {kernels:?}");
            }
            for set in able {
                let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
                proptest!(config, |(case in cases(), team in 1..3usize)| check(set, &case, team)?);
            }
        }
    }
}

#[test]
fn auto_takes_the_widest_set_there_is() {
    let lanes = |kernels| sets::choose(kernels, Precision::F32).map_or(0, |set| set.lanes);
    let widest = [Kernels::Avx512, Kernels::Avx2, Kernels::Neon, Kernels::Portable].map(lanes).into_iter().max();
    assert_eq!(Some(lanes(Kernels::Auto)), widest);
}

/// Every set that this CPU can run at a precision, those included that `auto` passes over, with what it calls its arithmetic
/// and the embeddings of two faces by the demo network.
fn embedded_by_every_set(precision: Precision) -> Vec<(&'static Set, Vec<u32>)> {
    let tensors = weights::parse(include_bytes!("../../../../assets/demo.safetensors"), &|_| {}).unwrap();
    let spec = ModelSpec { width: 0.25, ..ModelSpec::of(Network::InceptionResnetV1) };
    let side = 96;
    let mut numbers = Numbers(7);
    let pixels: Vec<u8> = (0..2 * side * side * 3).map(|_| numbers.next(0.0, 256.0) as u8).collect();
    let batch = FaceBatch { pixels: &pixels, count: 2, side, standardise: Standardise { mean: 127.5, scale: 128.0 } };
    let options = CpuOptions { threads: Some(1), precision, kernels: Kernels::Auto, winograd: true };
    let calibration = (precision == Precision::Int8).then(|| {
        let plain = CpuOptions { precision: Precision::F32, ..options };
        let mut calibration = Calibration::default();
        CpuEmbedder::new(&tensors, spec.width, plain, None).unwrap().calibrate(batch, &mut calibration).unwrap();
        calibration
    });
    let embed = |set| {
        let mut network = CpuEmbedder::of_set(set, &tensors, spec.width, options, calibration.as_ref()).unwrap();
        let mut rows = vec![0.0; 2 * DIMENSION];
        network.embed(batch, &mut rows).unwrap();
        (set, rows.into_iter().map(f32::to_bits).collect())
    };
    sets::every(precision).into_iter().map(embed).collect()
}

/// The ranges of int8 are those of all faces, whoever computes them.
#[test]
fn ranges_do_not_depend_on_threads_or_batches() {
    let tensors = weights::parse(include_bytes!("../../../../assets/demo.safetensors"), &|_| {}).unwrap();
    let (side, faces) = (80, 2 * GROUP + 3);
    let mut numbers = Numbers(11);
    let pixels: Vec<u8> = (0..faces * side * side * 3).map(|_| numbers.next(0.0, 256.0) as u8).collect();
    let ranges = |threads, batch: usize| {
        let options =
            CpuOptions { threads: Some(threads), precision: Precision::F32, kernels: Kernels::Auto, winograd: true };
        let mut network = CpuEmbedder::new(&tensors, 0.25, options, None).unwrap();
        let mut calibration = Calibration::default();
        for pixels in pixels.chunks(batch * side * side * 3) {
            let count = pixels.len() / (side * side * 3);
            let standardise = Standardise { mean: 127.5, scale: 128.0 };
            network.calibrate(FaceBatch { pixels, count, side, standardise }, &mut calibration).unwrap();
        }
        calibration
    };
    let expected = ranges(1, 1);
    assert_eq!(expected.faces, faces);
    assert!(expected.ranges.len() > 100 && expected.ranges.values().any(|most| *most > 0.0));
    assert_eq!(ranges(3, faces), expected);
}

/// Sets of one arithmetic give the same bytes, sets of different ones do not: what runs are named by is what counts.
#[test]
fn instruction_sets_give_the_same_bytes_where_they_say_so() {
    for precision in sets::PRECISIONS {
        let rows = embedded_by_every_set(precision);
        for (i, (a, of_a)) in rows.iter().enumerate() {
            for (b, of_b) in &rows[..i] {
                let same = of_a == of_b;
                println!(
                    "{}: {} ({:?}) and {} ({:?}): {}",
                    precision.name(),
                    b.name,
                    b.weights,
                    a.name,
                    a.weights,
                    if same { "the same bytes" } else { "other bytes" }
                );
                assert_eq!(same, a.arithmetic() == b.arithmetic(), "{} and {} in {}", a.name, b.name, precision.name());
            }
        }
    }
}

/// Which sets are of one arithmetic is part of what docs/cpu-kernels.md promises.
#[test]
fn f32_has_one_arithmetic_wherever_multiply_adds_are_fused_and_bf16_and_int8_have_two() {
    let kinds = |precision| {
        let fused = sets::every(precision).into_iter().filter(|set| set.fused);
        fused
            .map(|set| {
                (if precision == Precision::Int8 { set.bytes == 1 } else { set.has_matrix_unit() }, set.arithmetic())
            })
            .collect::<std::collections::BTreeSet<_>>()
    };
    for precision in [Precision::F32, Precision::Bf16x3, Precision::Bf16] {
        for (unit, kind) in kinds(precision) {
            let other = unit && precision == Precision::Bf16;
            assert_eq!(kind, if other { ", sums of 32 products" } else { "" }, "{precision:?}");
        }
    }
    for (bytes, kind) in kinds(Precision::Int8) {
        assert_eq!(kind, if bytes { ", 8-bit products" } else { ", 16-bit products" });
    }
}
