//! Measures how many faces per second a config's network embeds on this machine, always together with its accuracy.
//!
//! Variants differ in device, precision, kernels, threads and batch size. They are measured in turn, round by round, so
//! that drift of the machine affects all alike; only their ratios carry over between sessions.

mod accuracy;
mod end_to_end;
mod fastest;
mod floor;
mod judge;
mod measure;
pub mod meter;
mod sample;
mod statistics;
pub(crate) mod text;
mod variant;

use std::fs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(test)]
pub(crate) use accuracy::Tar;
pub(crate) use accuracy::{Separation, separation};
pub(crate) use end_to_end::{EndToEnd, EndToEndOutcome, EndToEndSpeed};
pub(crate) use floor::{Floor, Reached};
pub(crate) use judge::{AccuracyGate, ReferenceAgreement};
pub(crate) use measure::Failed;
pub(crate) use sample::Preparation;
pub(crate) use statistics::{Quartiles, Stage};
pub use variant::{BenchVariant, Choice, NetworkSetup, VariantSelection, grid_of, precisions_of};

use crate::config::ExperimentConfig;
use crate::dataset::Manifest;
use crate::evaluate::Labelled;
use crate::model::weights::Weights;
use crate::model::{self, DeviceKind, DeviceRequest, Execution, Kernels, ModelError, Precision, RunsOn};
use crate::preprocess::Mirror;
use crate::progress::Cancel;
use crate::provenance::{self, Build, MachineInfo};
use crate::run::{RunContext, RunError};
use crate::similarity::Population;
use crate::weights::WeightsOrigin;
use end_to_end::EndToEndSetup;
use measure::{Bench, Networks, TimingPlan, VariantRun};
use meter::{CardFacts, CardState, Energy, MeterNote, Meters};
use sample::TimedSample;

/// The reference for accuracy: f32 on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// The candle graph.
    Candle,
    /// The kernels that `auto` selects.
    Fused,
    /// The kernels without any instruction set in particular, for a network that has no candle graph.
    Portable,
    /// ONNX Runtime, for ONNX files.
    #[serde(rename = "onnxruntime")]
    OnnxRuntime,
}

impl Reference {
    /// The kernels that compute it.
    fn kernels(self) -> Kernels {
        match self {
            Self::Candle => Kernels::Candle,
            Self::Fused => Kernels::Auto,
            Self::Portable => Kernels::Portable,
            Self::OnnxRuntime => Kernels::OnnxRuntime,
        }
    }
}

/// What to measure.
#[derive(Debug, Clone)]
pub(crate) struct ThroughputRequest {
    pub wanted: VariantSelection,
    /// Rounds, ≥ 1.
    pub rounds: usize,
    /// Seconds of each variant in each round, > 0; at least one batch.
    pub seconds: f64,
    /// Faces of the sample, ≥ 1.
    pub faces: usize,
    /// Reference for accuracy; `None`: the most independent one that the network has.
    pub reference: Option<Reference>,
    /// Whether to run the end-to-end pass.
    pub end_to_end: bool,
}

/// Version of [`Throughput`]'s format. 2 added failed variants, the gate, energy and end-to-end passes; 3 calls the false
/// match rate `fmr`.
pub(crate) const SCHEMA: u32 = 3;

/// The whole measurement, as printed by `throughput --json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Throughput {
    /// Version of the form.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// The config's name.
    pub config: String,
    /// When it was finished, seconds since the epoch (UTC).
    pub measured_at: u64,
    /// Faces that were embedded.
    pub faces: usize,
    /// Side of the network's input, pixels.
    pub side: usize,
    /// Whether an experiment of this config passes each face twice; here, a face is one pass.
    pub mirrored: bool,
    /// Rounds of measurements.
    pub rounds: usize,
    /// Seconds per variant and round.
    pub seconds: f64,
    /// Reference for accuracy.
    pub reference: Reference,
    /// How well the reference separates people; absent if the sample lacks pairs of either kind.
    pub reference_separation: Option<Separation>,
    /// Cost of faces before the network.
    pub preparation: Preparation,
    /// What the device could reach at most.
    pub floor: Floor,
    /// One entry per variant, in the order of the request.
    pub variants: Vec<VariantResult>,
    /// End-to-end passes of each device and precision at its best batch size; empty if not requested.
    pub end_to_end: Vec<EndToEnd>,
    /// How energy was measured, or why not.
    pub meters: Vec<MeterNote>,
    /// The GPUs that were measured, if their driver reports them.
    pub cards: Vec<CardFacts>,
    /// Devices that `all` skipped, with the reason.
    pub left_out: Vec<String>,
    /// Peak resident memory of the process (`VmHWM`) over all variants, MiB; absent if the system does not report it.
    pub peak_memory_mib: Option<u64>,
    /// The machine.
    pub machine: MachineInfo,
    /// The program.
    pub build: Build,
    /// The file of weights.
    pub weights: WeightsOrigin,
}

/// One variant.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct VariantResult {
    /// Name: device, kernels, precision, threads, batch size.
    pub name: String,
    /// The same as data.
    #[serde(flatten)]
    pub variant: BenchVariant,
    #[serde(flatten)]
    pub outcome: VariantOutcome,
}

/// Outcome of a variant.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum VariantOutcome {
    /// Its speed, and whether it is valid.
    Measured(Box<MeasuredVariant>),
    Failed(Failed),
}

impl VariantResult {
    /// Its measurement.
    pub fn measured(&self) -> Option<&MeasuredVariant> {
        match &self.outcome {
            VariantOutcome::Measured(measured) => Some(measured),
            VariantOutcome::Failed(_) => None,
        }
    }

    /// Why it could not be measured, if so.
    pub fn failed(&self) -> Option<&Failed> {
        match &self.outcome {
            VariantOutcome::Measured(_) => None,
            VariantOutcome::Failed(failed) => Some(failed),
        }
    }
}

/// Measurement of a variant.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct MeasuredVariant {
    /// The network's implementation.
    pub embedder: String,
    /// The device, in words.
    pub device_name: String,
    /// Faces per second over the rounds.
    pub faces_per_second: Quartiles,
    /// Faces per second of each round, in their order.
    pub by_round: Vec<f64>,
    /// Speed relative to the first available variant, round by round.
    pub ratio: Quartiles,
    /// Stages of the network; empty if the implementation does not report them.
    pub stages: Vec<Stage>,
    /// The speed in operations; absent if the network's operations were not counted.
    pub reached: Option<Reached>,
    /// Its embeddings compared with the reference's.
    pub agreement: ReferenceAgreement,
    /// How well its embeddings separate people; absent if the sample lacks pairs of either kind.
    pub separation: Option<Separation>,
    /// Whether its speed is valid.
    pub gate: AccuracyGate,
    /// Energy per face, where it could be measured.
    pub energy: Option<Energy>,
    /// Why it could not.
    pub energy_absent: Option<String>,
    /// State of the GPU at the end of the last timed window.
    pub card_state: Option<CardState>,
}

impl Throughput {
    /// Each network's fastest variant, preferring those that pass the gate.
    pub fn best_of_each(
        &self,
        same: impl Fn(&NetworkSetup, &NetworkSetup) -> bool,
    ) -> Vec<(&VariantResult, &MeasuredVariant)> {
        let mut best: Vec<(&VariantResult, &MeasuredVariant)> = Vec::new();
        for (cell, one) in self.measured() {
            let rank = |one: &MeasuredVariant| (one.gate.passed, one.faces_per_second.median);
            match best.iter_mut().find(|(other, _)| same(&other.variant.engine, &cell.variant.engine)) {
                Some(known) if rank(known.1) < rank(one) => *known = (cell, one),
                Some(_) => {}
                None => best.push((cell, one)),
            }
        }
        best
    }
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum ThroughputError {
    /// Weights or dataset.
    #[error(transparent)]
    Run(#[from] RunError),
    /// No face of the dataset can be read.
    #[error(
        "no sampled face can be read (of {tried}), so there is nothing to measure; `facevault embed` lists the \
         reasons"
    )]
    NoFaces {
        /// Faces in the sample.
        tried: usize,
    },
    /// A variant is not available or failed.
    #[error("cannot measure `{variant}`: {source}")]
    Variant {
        /// Which.
        variant: String,
        /// Why.
        source: ModelError,
    },
    /// Stopped on request.
    #[error("interrupted; partial measurements are not kept")]
    Interrupted,
}

/// Measures all variants. Unavailable and failing variants are among the results, with the reason. Fails with
/// [`ThroughputError`]; [`ThroughputError::Variant`] of the first variant if none is available.
pub(crate) fn run(
    context: &RunContext<'_>,
    config: &ExperimentConfig,
    request: &ThroughputRequest,
) -> Result<Throughput, ThroughputError> {
    if config.is_given() {
        return Err(RunError::from(ModelError::Given).into());
    }
    let machine = MachineInfo::current();
    let (here, left_out) = devices_here(config, &request.wanted);
    let variants = request.wanted.variants(&config.embed, machine.cores, &here);
    let kernels = variants.iter().map(|variant| variant.engine.kernels);
    let kernels: Vec<_> = kernels.chain(request.reference.map(Reference::kernels)).collect();
    let (checkpoint, manifest) = context.sources_for(config, &kernels)?;
    // The reference embeds one face per thread.
    let largest = variants.iter().map(|variant| variant.batch).max().unwrap_or(1).max(machine.cores);
    let sample = TimedSample::read(&manifest, config, request.faces, largest, context.cancel);
    if context.cancel.requested() {
        return Err(ThroughputError::Interrupted);
    }
    if sample.rows.is_empty() {
        return Err(ThroughputError::NoFaces { tried: sample.preparation.failed });
    }
    let bench = Bench {
        config,
        weights: (&checkpoint.weights).into(),
        sample: &sample,
        progress: context.progress,
        cancel: context.cancel,
    };
    let effort = TimingPlan { rounds: request.rounds, seconds: request.seconds };
    let mut devices: Vec<DeviceKind> = variants.iter().map(|variant| variant.engine.device).collect();
    devices.dedup();
    let mut meters = Meters::open(devices.contains(&DeviceKind::Cuda));
    let (mut networks, seen) = bench.run(&variants, effort, &mut meters)?;
    let reference_kind = request.reference.unwrap_or(match config.model.network.facts().runs_on {
        RunsOn::FusedPlans | RunsOn::EngineAndCandle => Reference::Candle,
        RunsOn::Engine => match &checkpoint.weights {
            Weights::Onnx(file) if file.graph.is_none() => Reference::OnnxRuntime,
            _ => Reference::Portable,
        },
    });
    let reference = bench.reference(reference_kind, machine.cores)?;

    let faces: Vec<Labelled<'_>> = sample.rows.iter().map(|&row| Labelled::from(&manifest.faces[row])).collect();
    let population = Population::new(&faces, config.seed);
    let side = config.preprocess.resize.size as usize;
    let dimension = reference.len() / sample.rows.len();
    let floor = Floor {
        flop: flop(&seen),
        parameters: model::parameter_count(&config.model, &checkpoint.weights),
        bytes: (side * side * 3 + dimension * size_of::<f32>()) as u64,
    };
    let variants = judged(config, &seen, &floor, &reference, &faces, &population, context.cancel)
        .ok_or(ThroughputError::Interrupted)?;
    let mut measured = Throughput {
        schema: SCHEMA,
        config: config.name.clone(),
        measured_at: provenance::now(),
        faces: sample.rows.len(),
        side,
        mirrored: config.preprocess.mirror != Mirror::None,
        rounds: request.rounds,
        seconds: request.seconds,
        reference: reference_kind,
        reference_separation: separation(&reference, dimension, &population),
        preparation: sample.preparation,
        floor,
        variants,
        end_to_end: Vec::new(),
        meters: devices.into_iter().map(|device| meters.note(device)).collect(),
        cards: meters.facts.clone(),
        left_out,
        peak_memory_mib: None,
        machine,
        build: Build::current(),
        weights: WeightsOrigin::new(&config.weights, &checkpoint),
    };
    if request.end_to_end {
        measured.end_to_end = end_to_end_passes(&bench, &manifest, &mut networks, &measured, request.seconds)?;
    }
    measured.peak_memory_mib = peak_memory();
    Ok(measured)
}

/// The devices available here, and a line for each that `all` skips.
fn devices_here(config: &ExperimentConfig, wanted: &VariantSelection) -> (Vec<DeviceKind>, Vec<String>) {
    let mut here = vec![DeviceKind::Cpu];
    if wanted.devices != Choice::All {
        return (here, Vec::new());
    }
    let options = Execution { device: DeviceRequest::Cuda, precision: Precision::F32, ..config.embed.execution() };
    if let Err(ModelError::NoCuda { reason }) = model::describe(&config.model, &options, &|_| {}) {
        return (here, vec![format!("skipping device cuda: {reason}")]);
    }
    // The device's variants report any other error.
    here.push(DeviceKind::Cuda);
    (here, Vec::new())
}

/// Operations per face: the highest count of any implementation.
fn flop(seen: &[VariantRun]) -> Option<f64> {
    let counted = seen.iter().filter_map(|seen| seen.outcome.as_ref().ok()).map(|found| {
        let sum: f64 = found.stages.iter().map(|stage| stage.flop).sum();
        sum / found.staged.max(1) as f64
    });
    counted.filter(|flop| *flop > 0.0).max_by(f64::total_cmp)
}

/// Every variant with its judgement; `None` if cancelled.
fn judged(
    config: &ExperimentConfig,
    seen: &[VariantRun],
    floor: &Floor,
    reference: &[f32],
    faces: &[Labelled<'_>],
    population: &Population<'_>,
    cancel: &Cancel,
) -> Option<Vec<VariantResult>> {
    let dimension = reference.len() / faces.len();
    let found = || seen.iter().filter_map(|seen| Some((&seen.variant, seen.outcome.as_ref().ok()?)));
    let matrices: Vec<&[f32]> = found().map(|(_, found)| &found.embeddings[..]).collect();
    let mut agreements = judge::agreements(config, faces, reference, &matrices, cancel)?.into_iter();
    let first = found().next().map(|(_, found)| found.rates.clone()).unwrap_or_default();
    let cell = |VariantRun { variant, outcome }: &VariantRun| {
        let outcome = match outcome {
            Err(failed) => VariantOutcome::Failed(failed.clone()),
            Ok(found) => {
                let agreement = agreements.next()?;
                let faces_per_second = Quartiles::of(&found.rates)?;
                let energy = found.energy.total();
                let precision = variant.engine.precision;
                let peak = match variant.engine.device {
                    DeviceKind::Cpu => found.peak.map(|peak| peak / 1e12),
                    DeviceKind::Cuda => floor::peak_tflops(&found.info.device_name, precision),
                };
                VariantOutcome::Measured(Box::new(MeasuredVariant {
                    embedder: found.info.name.clone(),
                    device_name: found.info.device_name.clone(),
                    faces_per_second,
                    by_round: found.rates.clone(),
                    ratio: Quartiles::of(&statistics::ratios(&found.rates, &first))?,
                    stages: statistics::stages(&found.stages, found.staged),
                    reached: floor.flop.map(|flop| Reached::of(flop, faces_per_second.median, peak)),
                    separation: separation(&found.embeddings, dimension, population),
                    gate: AccuracyGate::of(precision, &agreement),
                    agreement,
                    energy_absent: energy.as_ref().err().cloned(),
                    energy: energy.ok(),
                    card_state: found.state.clone(),
                }))
            }
        };
        Some(VariantResult { name: variant.to_string(), variant: *variant, outcome })
    };
    seen.iter().map(cell).collect()
}

/// The end-to-end passes of the best variant of each device, precision and implementation.
fn end_to_end_passes(
    bench: &Bench<'_>,
    manifest: &Manifest,
    networks: &mut Networks,
    measured: &Throughput,
    seconds: f64,
) -> Result<Vec<EndToEnd>, ThroughputError> {
    let kind = |engine: &NetworkSetup| (engine.device, engine.precision, engine.kernels);
    let best = measured.best_of_each(|a, b| kind(a) == kind(b));
    bench.progress.start("end to end", "passes", Some(best.len() as u64), 0);
    let mut whole = Vec::new();
    for (cell, one) in best {
        let network = networks.iter_mut().find(|(engine, _)| *engine == cell.variant.engine);
        let Some((_, Ok(network))) = network else { continue };
        let (variant, rate) = (cell.variant, one.faces_per_second.median);
        let (cards, _) = floor::cards(&one.device_name);
        let start = EndToEndSetup { variant, counts: one.gate.passed, rate, stages: &one.stages, cards, seconds };
        whole.push(bench.end_to_end(manifest, network.as_mut(), &start, measured.machine.cores)?);
        bench.progress.advance(1);
    }
    bench.progress.finish();
    Ok(whole)
}

/// `VmHWM` of this process, MiB (proc(5)).
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}
