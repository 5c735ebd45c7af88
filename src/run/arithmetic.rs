//! The arithmetic fingerprint of a run: two built-in pictures pass through the decoder, the crop, the resizer and the
//! network like every face, and the fingerprint is the digest of the results. Machines that compute the same bytes have
//! the same fingerprint.

use super::{RunContext, RunDirectory, RunError, precision, stored};
use crate::config::ExperimentConfig;
use crate::dataset::{Face, Manifest};
use crate::digest::Digest;
use crate::embed::{EmbedJob, EmbedOptions, EmbedSample, FaceReader};
use crate::model::{self, BatchSize, Embedder, Execution, Kernels};
use crate::plan::RunPlan;
use crate::preprocess::{BoundingBox, Landmarks};
use crate::progress::Cancel;
use crate::provenance::{ConfigOrigin, Provenance, RunArithmetic};
use crate::weights;

/// An encoded picture with a box at fractional pixels, larger than any network's input, and tilted landmarks.
struct BuiltIn {
    encoded: &'static [u8],
    bbox: BoundingBox,
    landmarks: Landmarks,
}

const PICTURES: [BuiltIn; 2] = [
    BuiltIn {
        encoded: include_bytes!("../../assets/arithmetic/photo.jpg"),
        bbox: BoundingBox { x1: 38.5, y1: 27.25, x2: 277.75, y2: 305.0 },
        landmarks: Landmarks([[118.5, 141.25], [196.0, 150.75], [152.25, 194.0], [117.75, 226.5], [180.5, 234.25]]),
    },
    BuiltIn {
        encoded: include_bytes!("../../assets/arithmetic/drawing.png"),
        bbox: BoundingBox { x1: 13.0, y1: 9.75, x2: 250.5, y2: 271.25 },
        landmarks: Landmarks([[88.25, 104.5], [171.0, 95.75], [133.5, 140.25], [103.0, 188.75], [170.5, 181.0]]),
    },
];

/// The fingerprint of a network as a config uses it; `None` if cancelled.
pub(super) fn fingerprint(
    config: &ExperimentConfig,
    network: &mut dyn Embedder,
    cancel: &Cancel,
) -> Result<Option<Digest>, RunError> {
    let face = |(i, BuiltIn { bbox, landmarks, .. }): (usize, &BuiltIn)| Face {
        face_id: format!("built-in {i}"),
        bbox: Some(*bbox),
        landmarks: Some(*landmarks),
        ..Face::of_picture("")
    };
    let manifest = Manifest { faces: PICTURES.iter().enumerate().map(face).collect(), ..Manifest::default() };
    let pictures = PICTURES.map(|picture| picture.encoded);
    let reader = FaceReader::in_memory(&manifest, &config.preprocess, &config.dataset, &pictures);
    // One batch, whatever the config says: batches change no number, and are not to change which numbers are asked for.
    let options = EmbedOptions { batch_size: BatchSize::Faces(4), chunk_size: PICTURES.len(), ..config.embed.clone() };
    let job = EmbedJob::new(&manifest.faces, &reader, &config.preprocess, &options);
    let Some(mut sample) = EmbedSample::read(job, cancel)? else { return Ok(None) };
    Ok(sample.fingerprint(network, cancel)?)
}

/// The kernels that give this CPU the arithmetic of a run, if any.
fn kernels(config: &ExperimentConfig, plan: &RunPlan) -> Option<Kernels> {
    use Kernels::{Auto, Avx2, Avx512, Neon, OnnxRuntime, Portable};
    [Auto, Avx512, Avx2, Neon, Portable, OnnxRuntime].into_iter().find(|&kernels| {
        let options = Execution { kernels, device: plan.device().into(), ..config.embed.execution() };
        model::describe(&config.model, &options, &|_| ()).is_ok_and(|info| plan.is_computed_by(&info))
    })
}

/// Prefix of an override of the kernels.
const KEY: &str = "embed.kernels=";

/// How to resume a run whose plan names other kernels than this machine's default.
pub(super) fn remedy_here(
    run: &RunDirectory,
    config: &ExperimentConfig,
    plan: &RunPlan,
    origin: &ConfigOrigin,
) -> String {
    let (folder, run) = (run.folder(), run.name());
    let Some(kernels) = kernels(config, plan) else {
        return format!("no kernels on this machine reproduce {run}: resume it where it was started");
    };
    let mut origin = origin.clone();
    origin.overrides.retain(|text| !text.starts_with(KEY));
    origin.overrides.push(format!("{KEY}{}", kernels.name()));
    let command = super::command_here("experiment", &origin) + &super::experiments_option(folder);
    format!("`embed.kernels: {}` reproduces {run}: resume it with `{command}`", kernels.name())
}

impl RunContext<'_> {
    /// Whether this machine would compute the same embeddings as a run, in words. Downloads nothing. Fails with
    /// [`RunError`] if that cannot be determined.
    pub fn compare_arithmetic_here(&self, run: &RunDirectory) -> Result<String, RunError> {
        let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
        let Some(theirs) = provenance.arithmetic else { return Ok("this run predates fingerprints".into()) };
        let made_by = format!("{}, computed by {}", theirs.fingerprint.short(12), theirs.machine());
        let (_, loaded) = stored(run)?;
        let config = &loaded.config;
        if config.is_given() {
            return Ok("the embeddings were given".into());
        }
        if !weights::is_available(&config.weights) {
            return Ok(format!("{made_by}; the weights are not on this machine, so its arithmetic cannot be compared"));
        }
        let plan = run.plan()?;
        let info = model::describe(&config.model, &config.embed.execution(), &|_| ())?;
        if !plan.is_computed_by(&info) {
            let remedy = remedy_here(run, config, &plan, &provenance.config);
            return Ok(format!("{made_by}; this machine would use {}: {remedy}", info.name));
        }
        let checkpoint = self.checkpoint(config, &mut super::SourceCache::default())?;
        let calibration = if run.has(RunDirectory::CALIBRATION) { Some(precision::calibration(run)?) } else { None };
        let side = config.preprocess.resize.size as usize;
        let options = Execution { device: plan.device().into(), ..config.embed.execution() };
        let weights = &checkpoint.weights;
        let mut network = model::open(&config.model, side, &options, weights, calibration.as_ref(), &|_| ())?;
        let Some(found) = fingerprint(config, network.as_mut(), self.cancel)? else { return Ok(made_by) };
        let here = RunArithmetic::here(found, network.as_ref());
        Ok(if found == theirs.fingerprint {
            format!("{made_by}; this machine computes the same")
        } else {
            format!(
                "{made_by}; this machine ({}) computes {} and cannot resume this run",
                here.machine(),
                found.short(12)
            )
        })
    }
}
