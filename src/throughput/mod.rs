//! How many faces a second a config's network embeds on this machine, and how exactly: never the one without the other.
//!
//! Variants differ in device, arithmetic, implementation, threads and batch size. They are measured in turn, round by
//! round, so that drift of the machine hits all alike; what holds from one session to another is their ratio.

mod accuracy;
mod measure;
mod sample;
mod statistics;
pub(crate) mod text;
mod variant;

use std::fs;

use serde::{Deserialize, Serialize};

pub use accuracy::{Separation, Tar, separation};
pub use sample::Preparation;
pub use statistics::{Spread, Stage};
pub use variant::{Engine, Variant, Wanted};

use crate::closeness::Closeness;
use crate::config::{ExperimentConfig, Mirror};
use crate::evaluate::Labelled;
use crate::model::ModelError;
use crate::provenance::{Build, Machine, WeightsOrigin};
use crate::run::{RunError, Workplace};
use crate::similarity::Population;
use measure::{Bench, Effort, Seen};
use sample::Sample;

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
pub struct Request {
    /// Which variants.
    pub wanted: Wanted,
    /// Rounds, ≥ 1.
    pub rounds: usize,
    /// Seconds of each variant in each round, > 0; at least one batch.
    pub seconds: f64,
    /// Faces of the sample, ≥ 1.
    pub faces: usize,
    /// What accuracy is judged by.
    pub reference: Reference,
}

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
    /// One entry a variant, in the order of the request.
    pub variants: Vec<Measured>,
    /// Most memory the process has had resident (`VmHWM`), MiB, over all variants; absent where the system does not tell.
    pub peak_memory_mib: Option<u64>,
    /// The machine.
    pub machine: Machine,
    /// The program.
    pub build: Build,
    /// The weights' file.
    pub weights: WeightsOrigin,
}

/// One variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// In words: device, kernels, precision, threads, batch size.
    pub name: String,
    /// The same, part by part.
    #[serde(flatten)]
    pub variant: Variant,
    /// What did run: architecture and implementation.
    pub embedder: String,
    /// Where, in words.
    pub device_name: String,
    /// Faces a second over the rounds.
    pub faces_per_second: Spread,
    /// Speed relative to the first variant, round by round.
    pub ratio: Spread,
    /// Stages of the network; empty where the implementation cannot tell.
    pub stages: Vec<Stage>,
    /// Its embeddings against the reference's.
    pub agreement: Closeness,
    /// How well they tell people apart.
    pub separation: Option<Separation>,
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

/// Measures.
///
/// # Errors
/// [`ThroughputError`]. Under a request whose devices, precisions and kernels are all defaults, variants that cannot be
/// had here are left out; if none is left, that is the error.
pub fn run(work: &Workplace<'_>, config: &ExperimentConfig, request: &Request) -> Result<Throughput, ThroughputError> {
    let (checkpoint, manifest) = work.fetch(config)?;
    let machine = Machine::current();
    let variants = request.wanted.variants(&config.embed, machine.cores);
    // The reference embeds a face a thread.
    let largest = variants.iter().map(|variant| variant.batch).max().unwrap_or(1).max(machine.cores);
    let sample = Sample::read(&manifest, config, request.faces, largest, work.cancel);
    if work.cancel.requested() {
        return Err(ThroughputError::Interrupted);
    }
    if sample.rows.is_empty() {
        return Err(ThroughputError::NoFaces { tried: sample.preparation.failed });
    }
    let bench =
        Bench { config, tensors: &checkpoint.tensors, sample: &sample, progress: work.progress, cancel: work.cancel };
    let effort = Effort { rounds: request.rounds, seconds: request.seconds };
    let seen = bench.run(&variants, request.wanted.is_default(), effort)?;
    let reference = bench.reference(request.reference, machine.cores)?;

    let faces: Vec<Labelled<'_>> = sample.rows.iter().map(|&row| Labelled::from(&manifest.faces[row])).collect();
    let population = Population::new(&faces, config.seed);
    let first = seen.first().map(|seen| seen.rates.clone()).unwrap_or_default();
    Ok(Throughput {
        schema: 1,
        config: config.name.clone(),
        faces: sample.rows.len(),
        side: config.preprocess.resize.size as usize,
        mirrored: config.preprocess.mirror != Mirror::None,
        rounds: request.rounds,
        seconds: request.seconds,
        reference: request.reference,
        reference_separation: separation(&reference, reference.len() / sample.rows.len(), &population),
        preparation: sample.preparation,
        variants: seen.iter().filter_map(|seen| judged(seen, &first, &reference, &population)).collect(),
        peak_memory_mib: peak_memory(),
        machine,
        build: Build::current(),
        weights: WeightsOrigin { origin: checkpoint.origin.clone(), sha256: checkpoint.digest },
    })
}

/// `None` without a round.
fn judged(seen: &Seen, first: &[f64], reference: &[f32], population: &Population<'_>) -> Option<Measured> {
    let dimension = seen.info.dimension;
    Some(Measured {
        name: seen.variant.to_string(),
        variant: seen.variant,
        embedder: seen.info.name.clone(),
        device_name: seen.info.device_name.clone(),
        faces_per_second: Spread::of(&seen.rates)?,
        ratio: Spread::of(&statistics::ratios(&seen.rates, first))?,
        stages: statistics::stages(&seen.stages, seen.staged),
        agreement: Closeness::of(&seen.embeddings, reference, dimension),
        separation: separation(&seen.embeddings, dimension, population),
    })
}

/// `VmHWM` of this process, MiB (proc(5)).
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}
