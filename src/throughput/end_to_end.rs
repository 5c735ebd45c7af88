//! The end-to-end pass: the pipeline of a real run, from the dataset's files to rows on disk, in a temporary folder.

use schemars::JsonSchema;
use serde::Serialize;

use super::ThroughputError;
use super::measure::{Bench, Failed};
use super::statistics::Stage;
use super::variant::BenchVariant;
use crate::config::ExperimentConfig;
use crate::dataset::{Face, Manifest};
use crate::embed::{
    self, ChunkStore, EmbedJob, EmbedOptions, EmbedOutcome, FaceFailure, FaceReader, OnError, PixelReader, RunLock,
    Timings,
};
use crate::files::Scratch;
use crate::model::{BatchSize, DeviceKind, Embedder};
use crate::preprocess::Mirror;
use crate::progress::{LinesOnly, Silent};
use crate::quality::Quality;

/// Most faces in one pass, however fast the device is.
const MAX_FACES: usize = 200_000;

/// One end-to-end pass.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EndToEnd {
    /// The variant: device, kernels, precision, threads, batch size.
    pub name: String,
    /// The same as data.
    pub variant: BenchVariant,
    /// Whether the variant passes the accuracy gate; otherwise this speed is invalid too.
    pub counts: bool,
    #[serde(flatten)]
    pub outcome: EndToEndOutcome,
}

/// Result of an end-to-end pass.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum EndToEndOutcome {
    Measured(EndToEndSpeed),
    Failed(Failed),
}

/// The speed of an end-to-end pass and where its time went. Steps overlap, so their times do not add up.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EndToEndSpeed {
    /// Faces of the pass.
    pub faces: u64,
    /// From the first file to the last row on disk, s.
    pub seconds: f64,
    /// Faces per second.
    pub faces_per_second: f64,
    /// Share of the speed of the network alone, in passes: 1 if everything else overlaps with the network.
    pub of_network: f64,
    /// Share of the time that the device had a batch, 0 … 1: whether reading kept up.
    pub fed: f64,
    /// Share of the time that the device computed, 0 … 1: for a CPU, the time it had a batch; for a GPU, from the
    /// events of its stages, without copies. Absent if the GPU's stages are unknown.
    pub busy: Option<f64>,
    /// Threads that read and prepared faces.
    pub workers: usize,
    /// Reading, decoding and resizing on one thread, s per face.
    pub prepare_seconds: f64,
    /// Sending pixels to the device, s per face; absent if the network does not report it.
    pub upload_seconds: Option<f64>,
    /// Forward passes, s per face: on the CPU as measured here, on a GPU from its events when it ran alone.
    pub network_seconds: Option<f64>,
    /// Fetching embeddings from the device, s per face.
    pub download_seconds: Option<f64>,
    /// Writing rows and flushing them to disk, s per face.
    pub write_seconds: f64,
}

/// Inputs of an end-to-end pass.
pub(super) struct EndToEndSetup<'a> {
    pub variant: BenchVariant,
    /// Whether its accuracy passes.
    pub counts: bool,
    /// Speed of the network alone, passes a second.
    pub rate: f64,
    pub stages: &'a [Stage],
    /// Cards that share the work, ≥ 1.
    pub cards: usize,
    pub seconds: f64,
}

/// Reads the sample's faces over and over.
struct CyclingReader<'a> {
    reader: FaceReader<'a>,
    rows: &'a [usize],
}

impl PixelReader for CyclingReader<'_> {
    fn read(&self, row: usize, out: &mut [u8]) -> Result<Quality, FaceFailure> {
        self.reader.read(self.rows[row % self.rows.len()], out)
    }
}

/// Seconds per face on a GPU, from its stages: sending pixels, computing, fetching rows. Copies are absent if the
/// network does not report them separately.
fn on_card(stages: &[Stage]) -> [Option<f64>; 3] {
    const COPIES: [&str; 2] = ["upload", "download"];
    let sum = |wanted: &dyn Fn(&str) -> bool| {
        let mut seconds = stages.iter().filter(|stage| wanted(&stage.name)).map(|stage| stage.seconds).peekable();
        seconds.peek().is_some().then(|| seconds.sum())
    };
    [sum(&|name| name == COPIES[0]), sum(&|name| !COPIES.contains(&name)), sum(&|name| name == COPIES[1])]
}

/// Number of faces that take about the target duration, limited by the network or by preparation on all cores.
fn faces_in_time(start: &EndToEndSetup<'_>, prepare_seconds: f64, cores: usize, sample: usize) -> usize {
    let prepared = if prepare_seconds > 0.0 { cores as f64 / prepare_seconds } else { f64::INFINITY };
    let faces = (start.rate.min(prepared) * start.seconds) as usize;
    // At least two batches: one is prepared while the other is embedded.
    faces.max(sample).max(2 * start.variant.batch).min(MAX_FACES)
}

impl Bench<'_> {
    /// Embeds faces of the sample from their files.
    pub fn end_to_end(
        &self,
        manifest: &Manifest,
        embedder: &mut dyn Embedder,
        start: &EndToEndSetup<'_>,
        cores: usize,
    ) -> Result<EndToEnd, ThroughputError> {
        let name = start.variant.to_string();
        let whole = self.whole(manifest, embedder, start, cores);
        if self.cancel.requested() {
            return Err(ThroughputError::Interrupted);
        }
        let outcome = match whole {
            Ok(whole) => EndToEndOutcome::Measured(whole),
            Err(err) => {
                self.progress.say(&format!("{name}, end to end: {err}"));
                EndToEndOutcome::Failed(Failed { err, not_available: false })
            }
        };
        Ok(EndToEnd { name, variant: start.variant, counts: start.counts, outcome })
    }

    fn whole(
        &self,
        manifest: &Manifest,
        embedder: &mut dyn Embedder,
        start: &EndToEndSetup<'_>,
        cores: usize,
    ) -> Result<EndToEndSpeed, String> {
        let config: &ExperimentConfig = self.config;
        let preparation = self.sample.preparation;
        let prepare_seconds = preparation.decode_seconds + preparation.resize_seconds;
        let count = faces_in_time(start, prepare_seconds, cores, self.sample.rows.len());
        let rows = &self.sample.rows;
        let faces: Vec<Face> = (0..count).map(|i| manifest.faces[rows[i % rows.len()]].clone()).collect();
        let reader = CyclingReader { reader: FaceReader::new(manifest, &config.preprocess, &config.dataset), rows };
        let options = EmbedOptions {
            batch_size: BatchSize::Faces(start.variant.batch),
            threads: None,
            on_error: OnError::Skip,
            max_failures: None,
            ..config.embed.clone()
        };
        let job = EmbedJob::new(&faces, &reader, &config.preprocess, &options);
        let folder = Scratch::new().map_err(|error| error.to_string())?;
        let lock = RunLock::acquire(folder.path()).map_err(|error| error.to_string())?;
        let dimension = embed::output_dimension(embedder.dimension(), config.preprocess.mirror);
        let mut store = ChunkStore::open(&lock, count, dimension, options.chunk_size, None, &Silent)
            .map_err(|error| error.to_string())?;
        let progress = LinesOnly(self.progress);
        let outcome =
            embed::run(&job, embedder, &mut store, &progress, self.cancel).map_err(|error| error.to_string())?;
        let (EmbedOutcome::Complete(summary) | EmbedOutcome::Interrupted(summary)) = outcome;
        let records = embed::read_records(folder.path()).map_err(|error| error.to_string())?;
        let mut sum = Timings::default();
        for record in records {
            sum.prepare_us += record.timings.prepare_us;
            sum.forward_us += record.timings.forward_us;
            sum.write_us += record.timings.write_us;
        }
        Ok(whole(config, start, sum, summary.embedded as u64, summary.seconds, cores))
    }
}

/// Assembles the result from the timings.
fn whole(
    config: &ExperimentConfig,
    start: &EndToEndSetup<'_>,
    sum: Timings,
    faces: u64,
    seconds: f64,
    workers: usize,
) -> EndToEndSpeed {
    let passes = if config.preprocess.mirror == Mirror::None { 1.0 } else { 2.0 };
    let a_face = |micros: u64| micros as f64 / 1e6 / faces.max(1) as f64;
    let rate = faces as f64 / seconds;
    let of_network = rate * passes / start.rate;
    let fed = sum.forward_us as f64 / 1e6 / seconds;
    let (busy, [upload, network, download]) = match start.variant.engine.device {
        DeviceKind::Cpu => (Some(fed), [None, Some(a_face(sum.forward_us)), None]),
        DeviceKind::Cuda => {
            let steps = on_card(start.stages).map(|step| Some(step? * passes / start.cards as f64));
            (steps[1].map(|network| network * rate), steps)
        }
    };
    EndToEndSpeed {
        faces,
        seconds,
        faces_per_second: rate,
        of_network,
        fed: fed.min(1.0),
        busy: busy.map(|busy| busy.min(1.0)),
        workers,
        prepare_seconds: a_face(sum.prepare_us),
        upload_seconds: upload,
        network_seconds: network,
        download_seconds: download,
        write_seconds: a_face(sum.write_us),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kernels, Precision};
    use crate::throughput::NetworkSetup;

    fn stage(name: &str, seconds: f64) -> Stage {
        Stage { name: name.into(), seconds, share: 0.0, gflops: None }
    }

    fn start(device: DeviceKind, stages: &[Stage]) -> EndToEndSetup<'_> {
        let engine = NetworkSetup { device, precision: Precision::F32, kernels: Kernels::Auto, threads: None };
        EndToEndSetup {
            variant: BenchVariant { engine, batch: 64 },
            counts: true,
            rate: 1000.0,
            stages,
            cards: 1,
            seconds: 2.0,
        }
    }

    fn config() -> ExperimentConfig {
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/demo.yaml");
        crate::config::load(std::path::Path::new(demo), &[]).unwrap().config
    }

    const SUM: Timings =
        Timings { session: 1, wall_us: 0, prepare_us: 4_000_000, forward_us: 900_000, write_us: 10_000 };

    #[test]
    fn a_cpu_is_busy_while_it_is_in_forward_passes() {
        let found = whole(&config(), &start(DeviceKind::Cpu, &[]), SUM, 500, 1.0, 2);
        assert_eq!((found.faces_per_second, found.of_network, found.busy), (500.0, 0.5, Some(0.9)));
        assert_eq!((found.prepare_seconds, found.network_seconds), (0.008, Some(0.0018)));
        assert_eq!((found.upload_seconds, found.download_seconds), (None, None));
    }

    #[test]
    fn a_card_is_busy_while_its_events_say_so_and_copies_are_not_computing() {
        let stages = [stage("upload", 0.0005), stage("stem", 0.001), stage("head", 0.0002), stage("download", 0.0001)];
        let found = whole(&config(), &start(DeviceKind::Cuda, &stages), SUM, 500, 1.0, 2);
        assert!((found.busy.unwrap() - 0.6).abs() < 1e-9, "{found:?}");
        assert_eq!((found.upload_seconds, found.download_seconds), (Some(0.0005), Some(0.0001)));
        let mut mirrored = config();
        mirrored.preprocess.mirror = Mirror::Sum;
        let found = whole(&mirrored, &start(DeviceKind::Cuda, &stages), SUM, 500, 1.0, 2);
        assert_eq!((found.busy, found.of_network), (Some(1.0), 1.0), "each face passes twice");
        let [upload, network, download] = on_card(&stages[1..3]);
        assert!(upload.is_none() && (network.unwrap() - 0.0012).abs() < 1e-9 && download.is_none());
        let two = EndToEndSetup { cards: 2, ..start(DeviceKind::Cuda, &stages) };
        let found = whole(&config(), &two, SUM, 500, 1.0, 2);
        assert!(
            (found.busy.unwrap() - 0.3).abs() < 1e-9 && found.upload_seconds == Some(0.00025),
            "two cards: {found:?}"
        );
        let silent = whole(&config(), &start(DeviceKind::Cuda, &[]), SUM, 500, 1.0, 2);
        assert_eq!((silent.fed, silent.busy, silent.network_seconds), (0.9, None, None));
    }

    #[test]
    fn as_many_faces_as_the_slower_side_does_in_the_time() {
        let cuda = start(DeviceKind::Cuda, &[]);
        assert_eq!(faces_in_time(&cuda, 0.0, 16, 10), 2000);
        assert_eq!(faces_in_time(&cuda, 0.02, 16, 10), 1600);
        assert_eq!(faces_in_time(&cuda, 1.0, 16, 10), 128, "two batches at least");
        assert_eq!(faces_in_time(&cuda, 1.0, 16, 300), 300, "the sample at least");
        assert_eq!(faces_in_time(&EndToEndSetup { rate: 1e9, ..cuda }, 0.0, 16, 10), MAX_FACES);
    }
}
