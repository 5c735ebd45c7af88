//! The clock: opens networks, embeds the sample once, then measures in turn.

use std::time::{Duration, Instant};

use super::sample::Sample;
use super::variant::{Engine, Variant, order};
use super::{Reference, ThroughputError};
use crate::config::{DeviceKind, DeviceRequest, EmbedOptions, ExperimentConfig, Kernels, Precision};
use crate::model::{self, Embedder, EmbedderInfo, ModelError, StageTime};
use crate::progress::{Cancel, Progress};
use crate::weights::Tensors;

/// A variant with its network and everything that was seen of it.
pub(super) struct Seen {
    pub variant: Variant,
    /// Which of the open networks.
    network: usize,
    pub info: EmbedderInfo,
    /// Embeddings of the sample, row by row.
    pub embeddings: Vec<f32>,
    /// Faces a second, a number a round.
    pub rates: Vec<f64>,
    pub stages: Vec<StageTime>,
    /// Faces that the stages are of.
    pub staged: usize,
}

/// What is needed to open networks and to run them.
pub(super) struct Bench<'a> {
    pub config: &'a ExperimentConfig,
    pub tensors: &'a Tensors,
    pub sample: &'a Sample<'a>,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
}

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    pub rounds: usize,
    /// Of each variant in each round.
    pub seconds: f64,
}

impl Bench<'_> {
    fn open(&self, engine: &Engine) -> Result<Box<dyn Embedder>, ModelError> {
        let device = match engine.device {
            DeviceKind::Cpu => DeviceRequest::Cpu,
            DeviceKind::Cuda => DeviceRequest::Cuda,
        };
        let (precision, kernels, threads) = (engine.precision, engine.kernels, engine.threads);
        let options = EmbedOptions { device, precision, kernels, threads, ..self.config.embed.clone() };
        // Only the kernels need ranges for int8: candle and CUDA say themselves that they do not compute in it.
        let fused = engine.device == DeviceKind::Cpu && kernels != Kernels::Candle;
        let calibration = if fused && precision == Precision::Int8 {
            Some(model::calibrate(&self.config.model, &options, self.tensors, self.sample.all())?)
        } else {
            None
        };
        let say = |line: &str| self.progress.say(line);
        model::open(&self.config.model, &options, self.tensors, calibration.as_ref(), &say)
    }

    /// Embeddings of the sample by the reference.
    pub fn reference(&self, reference: Reference, threads: usize) -> Result<Vec<f32>, ThroughputError> {
        let kernels = match reference {
            Reference::Candle => Kernels::Candle,
            Reference::Fused => Kernels::Auto,
        };
        let engine = Engine { device: DeviceKind::Cpu, precision: Precision::F32, kernels, threads: Some(threads) };
        let variant = Variant { engine, batch: threads };
        let failed = |source| ThroughputError::Variant { variant: variant.to_string(), source };
        self.embed_all(self.open(&engine).map_err(failed)?.as_mut(), &variant)
    }

    /// Measures all variants. With `lenient`, one that cannot be had here is left out as long as another can.
    pub fn run(&self, variants: &[Variant], lenient: bool, effort: Effort) -> Result<Vec<Seen>, ThroughputError> {
        let (mut networks, mut seen) = self.warm_up(variants, lenient)?;
        self.progress.start("measuring", "measurements", Some((effort.rounds * seen.len()) as u64), 0);
        for round in 0..effort.rounds {
            for i in order(round, seen.len()) {
                let one = &mut seen[i];
                self.measure(networks[one.network].1.as_mut(), one, effort.seconds)?;
                self.progress.advance(1);
            }
        }
        self.progress.finish();
        Ok(seen)
    }

    /// Opens every network once and embeds the sample by every variant: what accuracy is judged by, and the warm-up.
    fn warm_up(&self, variants: &[Variant], lenient: bool) -> Result<(Networks, Vec<Seen>), ThroughputError> {
        let (mut networks, mut seen, mut refused) = (Networks::new(), Vec::new(), None);
        for variant in variants {
            let failed = |source| ThroughputError::Variant { variant: variant.to_string(), source };
            let at = networks.iter().position(|(engine, _)| *engine == variant.engine);
            let network = match at.map_or_else(|| self.open(&variant.engine).map(Some), |_| Ok(None)) {
                Ok(None) => at.unwrap_or_default(),
                Ok(Some(opened)) => {
                    networks.push((variant.engine, opened));
                    networks.len() - 1
                }
                Err(error) if lenient && is_not_here(&error) => {
                    self.progress.say(&format!("left out: {variant}: {error}"));
                    refused.get_or_insert(failed(error));
                    continue;
                }
                Err(error) => return Err(failed(error)),
            };
            let embedder = networks[network].1.as_mut();
            let embeddings = self.embed_all(embedder, variant)?;
            let mut out = vec![0.0; variant.batch * embedder.info().dimension];
            embedder.embed(self.sample.batch(0, variant.batch), &mut out).map_err(failed)?;
            seen.push(Seen {
                variant: *variant,
                network,
                info: embedder.info().clone(),
                embeddings,
                rates: Vec::new(),
                stages: Vec::new(),
                staged: 0,
            });
        }
        match refused {
            Some(error) if seen.is_empty() => Err(error),
            _ => Ok((networks, seen)),
        }
    }

    /// The whole sample in batches of the variant.
    fn embed_all(&self, embedder: &mut dyn Embedder, variant: &Variant) -> Result<Vec<f32>, ThroughputError> {
        let (faces, dimension) = (self.sample.rows.len(), embedder.info().dimension);
        let mut out = vec![0.0; faces * dimension];
        for (rows, first) in out.chunks_mut(variant.batch * dimension).zip((0..faces).step_by(variant.batch)) {
            self.go_on()?;
            let batch = self.sample.batch(first, rows.len() / dimension);
            let failed = |source| ThroughputError::Variant { variant: variant.to_string(), source };
            embedder.embed(batch, rows).map_err(failed)?;
        }
        Ok(out)
    }

    /// Batch after batch until the time is over; then one more for the stages, whose clocks must not be in the speed.
    fn measure(&self, embedder: &mut dyn Embedder, seen: &mut Seen, seconds: f64) -> Result<(), ThroughputError> {
        let batch = seen.variant.batch;
        let failed = |source| ThroughputError::Variant { variant: seen.variant.to_string(), source };
        let mut out = vec![0.0; batch * embedder.info().dimension];
        let (mut first, mut faces) = (0, 0);
        let started = Instant::now();
        let elapsed = loop {
            embedder.embed(self.sample.batch(first, batch), &mut out).map_err(failed)?;
            faces += batch;
            first = (first + batch) % self.sample.rows.len();
            let elapsed = started.elapsed();
            self.go_on()?;
            if elapsed >= Duration::from_secs_f64(seconds) {
                break elapsed;
            }
        };
        let stages = embedder.stages(self.sample.batch(first, batch), &mut out).map_err(failed)?;
        seen.rates.push(faces as f64 / elapsed.as_secs_f64());
        seen.stages.extend(stages);
        seen.staged += batch;
        Ok(())
    }

    fn go_on(&self) -> Result<(), ThroughputError> {
        if self.cancel.requested() { Err(ThroughputError::Interrupted) } else { Ok(()) }
    }
}

type Networks = Vec<(Engine, Box<dyn Embedder>)>;

/// Whether this machine or build lacks something, as against something that broke.
fn is_not_here(error: &ModelError) -> bool {
    matches!(
        error,
        ModelError::NoCuda { .. }
            | ModelError::NoKernels { .. }
            | ModelError::Precision { .. }
            | ModelError::OnlyCandle { .. }
    )
}
