//! Opens networks, embeds the sample once as a warm-up, then times the variants in turn.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::meter::{CardState, EnergySum, Meter, Meters};
use super::sample::TimedSample;
use super::variant::{BenchVariant, NetworkSetup, order};
use super::{Reference, ThroughputError};
use crate::config::ExperimentConfig;
use crate::model::weights::WeightsRef;
use crate::model::{
    self, BatchSize, DeviceKind, Embedder, EmbedderInfo, Execution, FaceBatch, Kernels, ModelError, OwnedBatch,
    Precision, StageTime,
};
use crate::progress::{Cancel, Progress};
use crate::text;

/// A variant and its outcome.
pub(super) struct VariantRun {
    pub variant: BenchVariant,
    pub outcome: Result<VariantMeasurement, Failed>,
}

/// Everything measured of an available variant.
pub(super) struct VariantMeasurement {
    /// Index of the open network.
    pub network: usize,
    pub info: EmbedderInfo,
    pub embeddings: Vec<f32>,
    /// Faces per second, one value per round.
    pub rates: Vec<f64>,
    pub stages: Vec<StageTime>,
    /// Faces that the stages cover.
    pub staged: usize,
    pub energy: EnergySum,
    /// Operations a second of the device's products alone, where they are measured.
    pub peak: Option<f64>,
    /// The device at the end of the last timed window.
    pub state: Option<CardState>,
}

/// Why a variant could not be measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Failed {
    /// Why, in words.
    pub err: String,
    /// Whether this machine, build or device lacks something, rather than failing.
    pub not_available: bool,
}

impl From<&ModelError> for Failed {
    fn from(error: &ModelError) -> Self {
        let not_available = matches!(
            error,
            ModelError::NoCuda { .. }
                | ModelError::NoKernels { .. }
                | ModelError::Precision { .. }
                | ModelError::OnlyEngine { .. }
                | ModelError::OnlyOnnxFiles { .. }
                | ModelError::OnlyOnnxRuntime
        ) || matches!(error, ModelError::OnnxRuntime(error) if error.is_of_the_library());
        Self { err: text::reason(&error), not_available }
    }
}

/// What stops a measurement, or one variant of it.
pub(super) enum Stop {
    Variant(ModelError),
    Interrupted,
}

impl From<ModelError> for Stop {
    fn from(error: ModelError) -> Self {
        Self::Variant(error)
    }
}

/// A timed window.
struct Window {
    faces: usize,
    /// Seconds.
    elapsed: f64,
    /// The energy counter at start and end, J.
    counter: [Result<f64, String>; 2],
}

/// Opens and times networks.
pub(super) struct Bench<'a> {
    pub config: &'a ExperimentConfig,
    pub weights: WeightsRef<'a>,
    pub sample: &'a TimedSample<'a>,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
}

/// How long to time each variant.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimingPlan {
    pub rounds: usize,
    /// Per variant and round.
    pub seconds: f64,
}

/// Networks on their devices, or why one is not available.
pub(super) type Networks = Vec<(NetworkSetup, Result<Box<dyn Embedder>, Failed>)>;

/// A config's options with those of an engine.
fn options(config: &ExperimentConfig, engine: &NetworkSetup) -> Execution {
    let (precision, kernels, threads) = (engine.precision, engine.kernels, engine.threads);
    Execution { device: engine.device.into(), precision, kernels, threads, ..config.embed.execution() }
}

impl Bench<'_> {
    /// Opens a network with room for batches of `batch` faces.
    fn open(&self, engine: &NetworkSetup, batch: usize) -> Result<Box<dyn Embedder>, ModelError> {
        let options = Execution { batch_size: BatchSize::Faces(batch), ..options(self.config, engine) };
        // Only the fused kernels need int8 ranges; the others report that they do not support int8.
        let fused =
            engine.device == DeviceKind::Cpu && ![Kernels::Candle, Kernels::OnnxRuntime].contains(&engine.kernels);
        let calibration = if fused && engine.precision == Precision::Int8 {
            Some(model::calibrate(&self.config.model, &options, self.weights, self.sample.all())?)
        } else {
            None
        };
        let say = |line: &str| self.progress.say(line);
        model::open(
            &self.config.model,
            self.config.preprocess.resize.size as usize,
            &options,
            self.weights,
            calibration.as_ref(),
            &say,
        )
    }

    /// Embeds the sample with the reference.
    pub fn reference(&self, reference: Reference, threads: usize) -> Result<Vec<f32>, ThroughputError> {
        let (precision, kernels) = (Precision::F32, reference.kernels());
        let engine = NetworkSetup { device: DeviceKind::Cpu, precision, kernels, threads: Some(threads) };
        let variant = BenchVariant { engine, batch: threads };
        let embeddings = self.open(&engine, threads).map_err(Stop::from).and_then(|mut network| {
            let batch = variant.batch.min(self.sample.rows.len());
            self.embed_all(network.as_mut(), batch)
        });
        embeddings.map_err(|stop| match stop {
            Stop::Variant(source) => ThroughputError::Variant { variant: variant.to_string(), source },
            Stop::Interrupted => ThroughputError::Interrupted,
        })
    }

    /// Measures all variants; unavailable or failing ones do not stop the others. Fails with
    /// [`ThroughputError::Interrupted`]; [`ThroughputError::Variant`] if none is available.
    pub fn run(
        &self,
        variants: &[BenchVariant],
        effort: TimingPlan,
        meters: &mut Meters,
    ) -> Result<(Networks, Vec<VariantRun>), ThroughputError> {
        let (mut networks, mut seen) = self.warm_up(variants)?;
        self.progress.start("measuring", "measurements", Some((effort.rounds * seen.len()) as u64), 0);
        for round in 0..effort.rounds {
            for i in order(round, seen.len()) {
                let VariantRun { variant, outcome } = &mut seen[i];
                if let Ok(found) = outcome
                    && let (_, Ok(network)) = &mut networks[found.network]
                {
                    let measured = self.measure(network.as_mut(), variant, found, effort.seconds, meters);
                    keep(measured, variant, outcome, self.progress)?;
                }
                self.progress.advance(1);
            }
        }
        self.progress.finish();
        Ok((networks, seen))
    }

    /// Opens every network once and embeds the sample with every variant, as warm-up and to judge accuracy.
    fn warm_up(&self, variants: &[BenchVariant]) -> Result<(Networks, Vec<VariantRun>), ThroughputError> {
        let (mut networks, mut peaks, mut seen, mut refused) = (Networks::new(), Vec::new(), Vec::new(), None);
        let mut refuse = |variant: &BenchVariant, source: ModelError| {
            let failed = Failed::from(&source);
            refused.get_or_insert(ThroughputError::Variant { variant: variant.to_string(), source });
            failed
        };
        self.progress.start("warming up", "variants", Some(variants.len() as u64), 0);
        for variant in variants {
            let place = networks.iter().position(|(engine, _)| *engine == variant.engine).unwrap_or_else(|| {
                let batches = variants.iter().filter(|other| other.engine == variant.engine).map(|other| other.batch);
                let opened = self.open(&variant.engine, batches.max().unwrap_or(variant.batch));
                let opened = opened.map_err(|error| refuse(variant, error));
                peaks.push(opened.as_ref().ok().and_then(|network| network.peak()));
                networks.push((variant.engine, opened));
                networks.len() - 1
            });
            let outcome = match &mut networks[place].1 {
                Ok(network) => match self.embed_sample(network.as_mut(), place, variant.batch) {
                    Ok(found) => Ok(VariantMeasurement { peak: peaks[place], ..found }),
                    Err(Stop::Interrupted) => return Err(ThroughputError::Interrupted),
                    Err(Stop::Variant(error)) => Err(refuse(variant, error)),
                },
                Err(failed) => Err(failed.clone()),
            };
            if let Err(failed) = &outcome {
                self.progress.say(&format!("{variant}: {}", failed.err));
            }
            seen.push(VariantRun { variant: *variant, outcome });
            self.progress.advance(1);
        }
        self.progress.finish();
        match refused {
            Some(error) if seen.iter().all(|seen| seen.outcome.is_err()) => Err(error),
            _ => Ok((networks, seen)),
        }
    }

    /// Embeds the sample in the variant's own batches.
    fn embed_sample(
        &self,
        embedder: &mut dyn Embedder,
        network: usize,
        batch: usize,
    ) -> Result<VariantMeasurement, Stop> {
        let (faces, info) = (self.sample.rows.len(), embedder.info().clone());
        if let Some(fits) = embedder.fits().filter(|fits| *fits < batch) {
            return Err(Stop::Variant(ModelError::TooLarge { device: info.device_name, faces: batch, fits }));
        }
        let dimension = embedder.dimension();
        let mut full = vec![0.0; batch * dimension];
        embedder.embed(self.sample.batch(0, batch), &mut full)?;
        let embeddings = if batch >= faces {
            // The batch starts with the sample.
            full.truncate(faces * dimension);
            full
        } else {
            self.embed_all(embedder, batch)?
        };
        let (rates, stages) = (Vec::new(), Vec::new());
        Ok(VariantMeasurement {
            network,
            info,
            embeddings,
            rates,
            stages,
            staged: 0,
            energy: EnergySum::default(),
            peak: None,
            state: None,
        })
    }

    /// Embeds the whole sample in batches.
    fn embed_all(&self, embedder: &mut dyn Embedder, batch: usize) -> Result<Vec<f32>, Stop> {
        let (faces, dimension) = (self.sample.rows.len(), embedder.dimension());
        let mut out = vec![0.0; faces * dimension];
        for (rows, first) in out.chunks_mut(batch * dimension).zip((0..faces).step_by(batch)) {
            self.check_cancelled()?;
            embedder.embed(self.sample.batch(first, rows.len() / dimension), rows)?;
        }
        Ok(out)
    }

    /// Times batches for the given duration, then runs one more for the stages, whose timers must not affect the speed.
    fn measure(
        &self,
        embedder: &mut dyn Embedder,
        variant: &BenchVariant,
        found: &mut VariantMeasurement,
        seconds: f64,
        meters: &mut Meters,
    ) -> Result<(), Stop> {
        let batch = variant.batch;
        let mut out = vec![0.0; batch * embedder.dimension()];
        let mut meter = meters.of(variant.engine.device);
        let read = |meter: &mut Result<&mut (dyn Meter + 'static), String>| match meter {
            Ok(meter) => meter.joules(),
            Err(reason) => Err(reason.clone()),
        };
        let Window { faces, elapsed, counter } =
            self.window(embedder, batch, seconds, &mut out, || read(&mut meter))?;
        found.state = meter.ok().and_then(Meter::state);
        found.energy.add(counter, faces as u64, elapsed);
        found.rates.push(faces as f64 / elapsed);
        let first = found.staged % self.sample.rows.len();
        found.stages.extend(embedder.stages(self.sample.batch(first, batch), &mut out)?);
        found.staged += batch;
        Ok(())
    }

    /// Keeps as many batches in flight as the device accepts until the time is up, and waits for all of them. The same
    /// few batches are reused, so that copying is not timed.
    fn window(
        &self,
        embedder: &mut dyn Embedder,
        batch: usize,
        seconds: f64,
        out: &mut [f32],
        mut counter: impl FnMut() -> Result<f64, String>,
    ) -> Result<Window, Stop> {
        let mut queue = embedder.queue();
        let mut waiting = Vec::new();
        for i in 0..queue.in_flight() {
            let FaceBatch { pixels: faces, count, side, standardise } =
                self.sample.batch(i * batch % self.sample.rows.len(), batch);
            let mut pixels = queue.pixels(faces.len())?;
            pixels[..faces.len()].copy_from_slice(faces);
            waiting.push(OwnedBatch { pixels, count, side, standardise });
        }
        let again = |pixels| OwnedBatch {
            pixels,
            count: batch,
            side: self.sample.side(),
            standardise: self.config.preprocess.standardise,
        };
        let before = counter();
        let started = Instant::now();
        let (mut flying, mut done, mut stop) = (0, 0, None);
        // The queue requires every started batch to be finished, even after an error.
        loop {
            while stop.is_none()
                && let Some(next) = waiting.pop()
            {
                match queue.start(next) {
                    Ok(()) => flying += 1,
                    Err(error) => stop = Some(Err(Stop::Variant(error))),
                }
            }
            if flying == 0 {
                break;
            }
            flying -= 1;
            match queue.finish(out) {
                Ok(pixels) => {
                    done += batch;
                    waiting.push(again(pixels));
                }
                Err(error) => stop = Some(Err(Stop::Variant(error))),
            }
            if stop.is_none() {
                stop = match self.check_cancelled() {
                    Ok(()) if started.elapsed() < Duration::from_secs_f64(seconds) => None,
                    ended => Some(ended),
                };
            }
        }
        stop.unwrap_or(Ok(()))?;
        let elapsed = started.elapsed().as_secs_f64();
        Ok(Window { faces: done, elapsed, counter: [before, counter()] })
    }

    fn check_cancelled(&self) -> Result<(), Stop> {
        if self.cancel.requested() { Err(Stop::Interrupted) } else { Ok(()) }
    }
}

/// Records the failure of a variant.
fn keep(
    measured: Result<(), Stop>,
    variant: &BenchVariant,
    outcome: &mut Result<VariantMeasurement, Failed>,
    progress: &dyn Progress,
) -> Result<(), ThroughputError> {
    match measured {
        Ok(()) => Ok(()),
        Err(Stop::Interrupted) => Err(ThroughputError::Interrupted),
        Err(Stop::Variant(error)) => {
            progress.say(&format!("{variant}: {error}"));
            *outcome = Err(Failed::from(&error));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::throughput::meter::tests::ScriptedMeter;
    use facevault_nn::mock::MockCard;

    const BATCH: usize = 4;

    /// Times a window on a mock card with the demo's faces.
    fn window(card: &mut MockCard, seconds: f64) -> Result<Window, Stop> {
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/demo.yaml");
        let config = crate::config::load(std::path::Path::new(demo), &[]).unwrap().config;
        let cancel = Cancel::default();
        let manifest = crate::dataset::open(&config.dataset, None, &Silent, &cancel).unwrap();
        let sample = TimedSample::read(&manifest, &config, 3, BATCH, &cancel);
        let tensors = crate::model::weights::Tensors::default();
        let bench =
            Bench { config: &config, weights: (&tensors).into(), sample: &sample, progress: &Silent, cancel: &cancel };
        let mut meter = ScriptedMeter(vec![Ok(1.0), Ok(3.0)]);
        bench.window(card, BATCH, seconds, &mut [0.0; BATCH * 8], || meter.joules())
    }

    #[test]
    fn a_card_has_all_the_batches_that_it_takes_and_every_face_counts() {
        let mut card = MockCard::new(8).in_flight(3).slow(1);
        let found = window(&mut card, 0.02).unwrap_or_else(|_| panic!("it failed"));
        let seen = card.seen();
        assert_eq!((found.faces, seen.most_at_once()), (seen.batches() * BATCH, 3), "what was started is counted");
        assert!(seen.batches() >= 3 && found.elapsed >= 0.02);
        assert_eq!(seen.memory(), 3, "the same memory goes round");
        assert_eq!(found.counter, [Ok(1.0), Ok(3.0)]);
    }

    #[test]
    fn a_failure_ends_the_window_after_what_is_in_flight() {
        let mut card = MockCard::new(8).in_flight(2).failing_at(3);
        let Err(Stop::Variant(error)) = window(&mut card, 60.0) else { panic!("it did not fail") };
        let failed = Failed::from(&error);
        assert!(!failed.not_available && !failed.err.is_empty());
        assert_eq!(card.seen().batches(), 5, "nothing is started after the failure");
        let precision = ModelError::Precision { precision: Precision::F16, device: "CPU".into(), able: Vec::new() };
        assert!(Failed::from(&precision).not_available);
    }
}
