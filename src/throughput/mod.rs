//! How many faces a second a config's network embeds on this machine, and how exactly: never the one without the other.
//!
//! Variants differ in device, arithmetic, implementation, threads and batch size. They are measured in turn, round by
//! round, so that drift of the machine hits all alike; what holds from one session to another is their ratio.

mod accuracy;
mod end_to_end;
mod floor;
mod judge;
mod measure;
pub mod meter;
mod sample;
mod statistics;
pub(crate) mod text;
mod variant;

use std::fs;

use serde::{Deserialize, Serialize};

pub use accuracy::{Separation, Tar, separation};
pub use end_to_end::{EndToEnd, EndToEndOutcome, EndToEndSpeed};
pub use floor::{Floor, Reached};
pub use judge::{AccuracyGate, ReferenceAgreement};
pub use measure::Failed;
pub use sample::Preparation;
pub use statistics::{Quartiles, Stage};
pub use variant::{BenchVariant, Choice, NetworkSetup, VariantSelection, grid_of, precisions_of};

use crate::config::ExperimentConfig;
use crate::dataset::Manifest;
use crate::evaluate::Labelled;
use crate::model::{self, Execution, ModelError};
use crate::model::{DeviceKind, DeviceRequest, Precision};
use crate::preprocess::Mirror;
use crate::progress::Cancel;
use crate::provenance::{Build, MachineInfo, WeightsOrigin};
use crate::run::{RunContext, RunError};
use crate::similarity::Population;
use end_to_end::EndToEndSetup;
use measure::{Bench, Networks, TimingPlan, VariantRun};
use meter::{CardFacts, CardState, Energy, MeterNote, Meters};
use sample::TimedSample;

/// What embeddings are compared with: 32-bit floats on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// The candle graph.
    Candle,
    /// The kernels that `auto` takes.
    Fused,
}

/// What to measure.
#[derive(Debug, Clone)]
pub struct ThroughputRequest {
    /// Which variants.
    pub wanted: VariantSelection,
    /// Rounds, ≥ 1.
    pub rounds: usize,
    /// Seconds of each variant in each round, > 0; at least one batch.
    pub seconds: f64,
    /// Faces of the sample, ≥ 1.
    pub faces: usize,
    /// What accuracy is judged by.
    pub reference: Reference,
    /// Whether to go from files to rows on disk as well.
    pub end_to_end: bool,
}

/// Version of [`Throughput`]'s form. 2: variants may have failed, are judged, and stand beside energy and whole passes.
const SCHEMA: u32 = 2;

/// Everything that was measured: what `throughput --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Throughput {
    /// Version of this form.
    pub schema: u32,
    /// The config's name.
    pub config: String,
    /// Faces of the sample.
    pub faces: usize,
    /// Side of the network's input, pixels.
    pub side: usize,
    /// Whether an experiment of this config passes each face twice; a face here is one pass.
    pub mirrored: bool,
    /// Rounds.
    pub rounds: usize,
    /// Seconds of each variant in each round.
    pub seconds: f64,
    /// What accuracy is judged by.
    pub reference: Reference,
    /// How well the reference tells people apart; absent where the sample lacks pairs of either kind.
    pub reference_separation: Option<Separation>,
    /// What faces cost before the network.
    pub preparation: Preparation,
    /// What the network costs at the very least.
    pub floor: Floor,
    /// One entry a variant, in the order of the request.
    pub variants: Vec<VariantResult>,
    /// The whole way, from files, of each device and precision at its best batch size; empty where that was not asked for.
    pub end_to_end: Vec<EndToEnd>,
    /// Who counts energy here.
    pub meters: Vec<MeterNote>,
    /// The cards that were measured, where their driver tells.
    pub cards: Vec<CardFacts>,
    /// Devices that were asked for as `all` and are not here, with the reason.
    pub left_out: Vec<String>,
    /// Most memory the process has had resident (`VmHWM`), MiB, over all variants; absent where the system does not tell.
    pub peak_memory_mib: Option<u64>,
    /// The machine.
    pub machine: MachineInfo,
    /// The program.
    pub build: Build,
    /// The weights' file.
    pub weights: WeightsOrigin,
}

/// One variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VariantResult {
    /// In words: device, kernels, precision, threads, batch size.
    pub name: String,
    /// The same, part by part.
    #[serde(flatten)]
    pub variant: BenchVariant,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: VariantOutcome,
}

/// What came of a variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum VariantOutcome {
    /// Its speed, and whether that counts.
    Measured(Box<MeasuredVariant>),
    /// Why there is none.
    Failed(Failed),
}

impl VariantResult {
    /// What was measured of it.
    #[must_use]
    pub fn measured(&self) -> Option<&MeasuredVariant> {
        match &self.outcome {
            VariantOutcome::Measured(measured) => Some(measured),
            VariantOutcome::Failed(_) => None,
        }
    }

    /// Why it could not be measured.
    #[must_use]
    pub fn failed(&self) -> Option<&Failed> {
        match &self.outcome {
            VariantOutcome::Measured(_) => None,
            VariantOutcome::Failed(failed) => Some(failed),
        }
    }
}

/// A variant that could be had.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeasuredVariant {
    /// What did run: architecture and implementation.
    pub embedder: String,
    /// Where, in words.
    pub device_name: String,
    /// Faces a second over the rounds.
    pub faces_per_second: Quartiles,
    /// Speed relative to the first variant that could be had, round by round.
    pub ratio: Quartiles,
    /// Stages of the network; empty where the implementation cannot tell.
    pub stages: Vec<Stage>,
    /// The speed as arithmetic; absent where nobody counted the network's operations.
    pub reached: Option<Reached>,
    /// Its embeddings against the reference's.
    pub agreement: ReferenceAgreement,
    /// How well they tell people apart.
    pub separation: Option<Separation>,
    /// Whether its speed counts.
    pub gate: AccuracyGate,
    /// Energy of the device over the timed windows.
    pub energy: Option<Energy>,
    /// Why that is absent.
    pub energy_absent: Option<String>,
    /// The card at the end of the last timed window.
    pub card_state: Option<CardState>,
}

impl Throughput {
    /// The fastest variant whose accuracy passes.
    #[must_use]
    pub fn fastest(&self) -> Option<(&VariantResult, &MeasuredVariant)> {
        let measured = self.variants.iter().filter_map(|cell| Some((cell, cell.measured()?)));
        measured
            .filter(|(_, one)| one.gate.passed)
            .max_by(|(_, a), (_, b)| a.faces_per_second.median.total_cmp(&b.faces_per_second.median))
    }

    /// Each network's variant with the highest speed: of those that pass, where one does.
    #[must_use]
    pub fn best_of_each(
        &self,
        same: impl Fn(&NetworkSetup, &NetworkSetup) -> bool,
    ) -> Vec<(&VariantResult, &MeasuredVariant)> {
        let mut best: Vec<(&VariantResult, &MeasuredVariant)> = Vec::new();
        for (cell, one) in self.variants.iter().filter_map(|cell| Some((cell, cell.measured()?))) {
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

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum ThroughputError {
    /// Weights or dataset.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The dataset has no face, or none that can be read.
    #[error(
        "none of the {tried} faces tried can be read, and speed is measured on faces; `facevault embed` says why, \
         face by face"
    )]
    NoFaces {
        /// Faces that were tried.
        tried: usize,
    },
    /// A variant cannot be had, or failed.
    #[error("cannot measure `{variant}`: {source}")]
    Variant {
        /// Which.
        variant: String,
        /// Why.
        source: ModelError,
    },
    /// Somebody asked to stop.
    #[error("interrupted; nothing of a measurement is kept")]
    Interrupted,
}

impl ThroughputError {
    /// Whether somebody asked to stop.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        match self {
            Self::Run(error) => error.interrupted(),
            Self::Interrupted => true,
            _ => false,
        }
    }
}

/// Measures. A variant that cannot be had here or that fails is among the results with its reason.
///
/// # Errors
/// [`ThroughputError`]; [`ThroughputError::Variant`] of the first variant where none could be had.
pub fn run(
    context: &RunContext<'_>,
    config: &ExperimentConfig,
    request: &ThroughputRequest,
) -> Result<Throughput, ThroughputError> {
    let (checkpoint, manifest) = context.fetch(config)?;
    let machine = MachineInfo::current();
    let (here, left_out) = devices_here(config, &request.wanted);
    let variants = request.wanted.variants(&config.embed, machine.cores, &here);
    // The reference embeds a face a thread.
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
        tensors: &checkpoint.tensors,
        sample: &sample,
        progress: context.progress,
        cancel: context.cancel,
    };
    let effort = TimingPlan { rounds: request.rounds, seconds: request.seconds };
    let mut devices: Vec<DeviceKind> = variants.iter().map(|variant| variant.engine.device).collect();
    devices.dedup();
    let mut meters = Meters::open(devices.contains(&DeviceKind::Cuda));
    let (mut networks, seen) = bench.run(&variants, effort, &mut meters)?;
    let reference = bench.reference(request.reference, machine.cores)?;

    let faces: Vec<Labelled<'_>> = sample.rows.iter().map(|&row| Labelled::from(&manifest.faces[row])).collect();
    let population = Population::new(&faces, config.seed);
    let parameters = model::parameters(&config.model);
    let count = |parameter: &crate::weights::Parameter| parameter.shape.iter().product::<usize>() as u64;
    let side = config.preprocess.resize.size as usize;
    let dimension = reference.len() / sample.rows.len();
    let floor = Floor {
        flop: flop(&seen),
        parameters: parameters.iter().map(count).sum(),
        bytes: (side * side * 3 + dimension * size_of::<f32>()) as u64,
    };
    let variants = judged(config, &seen, &floor, &reference, &faces, &population, context.cancel)
        .ok_or(ThroughputError::Interrupted)?;
    let mut measured = Throughput {
        schema: SCHEMA,
        config: config.name.clone(),
        faces: sample.rows.len(),
        side,
        mirrored: config.preprocess.mirror != Mirror::None,
        rounds: request.rounds,
        seconds: request.seconds,
        reference: request.reference,
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
        weights: WeightsOrigin { origin: checkpoint.origin.clone(), sha256: checkpoint.digest },
    };
    if request.end_to_end {
        measured.end_to_end = whole_passes(&bench, &manifest, &mut networks, &measured, request.seconds)?;
    }
    measured.peak_memory_mib = peak_memory();
    Ok(measured)
}

/// The devices that networks can be put on here, and a line for each that is left out although all were asked for.
fn devices_here(config: &ExperimentConfig, wanted: &VariantSelection) -> (Vec<DeviceKind>, Vec<String>) {
    let mut here = vec![DeviceKind::Cpu];
    if wanted.devices != Choice::All {
        return (here, Vec::new());
    }
    let options = Execution { device: DeviceRequest::Cuda, precision: Precision::F32, ..config.embed.execution() };
    if let Err(ModelError::NoCuda { reason }) = model::describe(&config.model, &options, &|_| {}) {
        return (here, vec![format!("device cuda is left out: {reason}")]);
    }
    // Whatever else is wrong, its variants say it.
    here.push(DeviceKind::Cuda);
    (here, Vec::new())
}

/// Operations a face, as the implementation that counts most of them counts.
fn flop(seen: &[VariantRun]) -> Option<f64> {
    let counted = seen.iter().filter_map(|seen| seen.outcome.as_ref().ok()).map(|found| {
        let sum: f64 = found.stages.iter().map(|stage| stage.flop).sum();
        sum / found.staged.max(1) as f64
    });
    counted.filter(|flop| *flop > 0.0).max_by(f64::total_cmp)
}

/// Every variant with its judgement; `None` when told to stop.
fn judged(
    config: &ExperimentConfig,
    seen: &[VariantRun],
    floor: &Floor,
    reference: &[f32],
    faces: &[Labelled<'_>],
    population: &Population<'_>,
    cancel: &Cancel,
) -> Option<Vec<VariantResult>> {
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
                    DeviceKind::Cpu => None,
                    DeviceKind::Cuda => floor::peak_tflops(&found.info.device_name, precision),
                };
                VariantOutcome::Measured(Box::new(MeasuredVariant {
                    embedder: found.info.name.clone(),
                    device_name: found.info.device_name.clone(),
                    faces_per_second,
                    ratio: Quartiles::of(&statistics::ratios(&found.rates, &first))?,
                    stages: statistics::stages(&found.stages, found.staged),
                    reached: floor.flop.map(|flop| Reached::of(flop, faces_per_second.median, peak)),
                    separation: separation(&found.embeddings, found.info.dimension, population),
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

/// From files to rows on disk, by the best variant of each device, precision and implementation.
fn whole_passes(
    bench: &Bench<'_>,
    manifest: &Manifest,
    networks: &mut Networks,
    measured: &Throughput,
    seconds: f64,
) -> Result<Vec<EndToEnd>, ThroughputError> {
    let kind = |engine: &NetworkSetup| (engine.device, engine.precision, engine.kernels);
    let best = measured.best_of_each(|a, b| kind(a) == kind(b));
    bench.progress.start("from files to rows", "passes", Some(best.len() as u64), 0);
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
