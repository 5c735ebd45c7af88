//! `check CONFIG`: shows what would be downloaded and computed, and does neither.

use schemars::JsonSchema;
use serde::Serialize;

use super::print;
use super::shared::config_for;
use crate::cli::ConfigArgs;
use crate::config::{self, ExperimentConfig};
use crate::dataset::Manifest;
use crate::detect::DetectorFiles;
use crate::error::{CommandOutcome, Error};
use crate::model::{Kernels, Network};
use crate::progress::{Cancel, KeptLines, Progress};
use crate::run::{self, MissingBoxes, MissingLandmarks, RunError, unused_boxes};
use crate::text_table::TextTable;
use crate::weights::GraphFacts;
use crate::{dataset, detect, model, plan, weights};

/// What `check --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckOutput {
    /// The config's name.
    name: String,
    /// The config with its defaults, as a file spells it.
    config: serde_json::Value,
    /// `--set` arguments, in order.
    overrides: Vec<String>,
    /// Where the weights are, or would come from.
    weights: String,
    /// What is in an ONNX file on this machine; null for any other network, or if it has to be downloaded.
    network: Option<GraphFacts>,
    /// Where the faces are, or would come from.
    dataset: String,
    /// What finds faces in photos; null where nothing does.
    detector: Option<String>,
    /// Device the network would run on; null if it cannot.
    device: Option<String>,
    /// Faces of a dataset on this machine; null if it has to be downloaded, or holds photos.
    faces: Option<usize>,
    /// Photos of a dataset on this machine, if faces are detected in them.
    photos: Option<usize>,
    /// Runs that embeddings would be taken from.
    reused: Vec<ReusableRows>,
    /// Faces without a box, if a crop by box takes their whole pictures.
    without_box: Option<u64>,
    /// Why the config cannot run here; null if it can.
    problem: Option<String>,
    /// What else is worth knowing.
    notes: Vec<String>,
}

/// Embeddings that another run has.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReusableRows {
    /// The run's name.
    run: String,
    /// How many.
    rows: u64,
}

pub(super) fn run(arguments: &ConfigArgs) -> Result<CommandOutcome, Error> {
    let loaded = config_for("check", &arguments.config, &arguments.overrides, &arguments.common)?;
    let config = &loaded.config;
    let weights = weights::describe(&config.weights);
    let dataset = dataset::describe(&config.dataset);
    let detector = config.detect.as_ref().map(detect::describe);
    let mut notes = Vec::new();
    let device = {
        let notes = std::cell::RefCell::new(&mut notes);
        let say = |line: &str| notes.borrow_mut().push(line.to_owned());
        run::given(config).map_or_else(|| model::describe(&config.model, &config.embed.execution(), &say), Ok)
    };
    let (embedder, device_error) = match device {
        Ok(embedder) => (Some(embedder), None),
        Err(error) => (None, Some(error)),
    };
    let device = embedder.as_ref().map(|embedder| embedder.device_name.clone());
    let said = KeptLines::default();
    let (network, network_error) = match network(config, &said) {
        Ok(network) => (network, None),
        Err(error) => (None, Some(error)),
    };
    let (found, dataset_error) = match faces(config, &said) {
        Ok(found) => (found, None),
        Err(error) => (None, Some(error)),
    };
    let reused = match (&found, &embedder) {
        (Some((manifest, _)), Some(embedder)) => {
            // What is wrong with weights or runs is said when they are used.
            run::reusable(&arguments.common.experiments, config, manifest, embedder).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let count = |manifest: &Manifest| if detector.is_some() { detect::photos(manifest) } else { manifest.len() };
    let listed = found.as_ref().map(|(manifest, whole)| (count(manifest), *whole));
    notes.extend(said.into_lines());
    notes.extend(listed.and_then(|(_, whole)| whole).map(|whole| whole.sentence()));
    notes.extend(unused_boxes(config));
    notes.extend(config.weights.pin().caution("the weights", "weights", None));
    let detector_files = config.detect.iter().filter_map(|detect| detect.weights.as_ref());
    let pins = detector_files.flat_map(DetectorFiles::sources).map(|source| (source.pin(), None));
    notes.extend(detect::cautions(pins));
    let problem = device_error
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| network_error.as_ref().or(dataset_error.as_ref()).map(ToString::to_string));
    let value = CheckOutput {
        name: config.name.clone(),
        config: config::as_written(config),
        overrides: loaded.kept_overrides(),
        weights: weights.clone(),
        network: network.clone(),
        dataset: dataset.clone(),
        detector: detector.clone(),
        device: device.clone(),
        faces: listed.filter(|_| detector.is_none()).map(|(faces, _)| faces),
        photos: listed.filter(|_| detector.is_some()).map(|(photos, _)| photos),
        reused: reused.iter().map(|(run, rows)| ReusableRows { run: run.clone(), rows: *rows as u64 }).collect(),
        without_box: listed.and_then(|(_, whole)| whole).map(|whole| whole.without_box),
        problem,
        notes: notes.clone(),
    };
    print(&arguments.common, &value, || {
        let keys = plan::flatten(&config::in_words(config)).into_iter().map(|(key, value)| [key, value]);
        let mut sources = TextTable::default().rows([["weights", &weights]]);
        if let Some(network) = &network {
            sources.row(["network", &network.to_string()]);
        }
        sources.row(["dataset", &dataset]);
        if let Some(detector) = &detector {
            sources.row(["detector", detector]);
        }
        if let Some((pictures, _)) = listed {
            sources.row([if detector.is_some() { "photos" } else { "faces" }, &pictures.to_string()]);
        }
        if let Some(line) = listed.and_then(|(faces, _)| run::reuse_in_words(&reused, faces, 0)) {
            sources.row(["reuse", &line]);
        }
        sources.row(["device", device.as_deref().unwrap_or("this machine cannot run it; the error says why")]);
        let mut lines = vec![format!("{} is valid; with its defaults:", arguments.config.display())];
        lines.extend(TextTable::default().rows(keys).indented(2).lines());
        lines.extend(sources.lines());
        lines.extend(notes.iter().cloned());
        lines.join("\n")
    })?;
    // The config is valid, but this machine cannot run it, or what it names does not fit.
    match device_error.map(RunError::from).or(network_error).or(dataset_error) {
        Some(error) => Err(error.into()),
        None => Ok(CommandOutcome::Done),
    }
}

/// What an ONNX file on this machine is; `None` for any other network, and if it has to be downloaded.
fn network(config: &ExperimentConfig, said: &KeptLines) -> Result<Option<GraphFacts>, RunError> {
    if config.model.network != Network::Onnx || !weights::is_available(&config.weights) {
        return Ok(None);
    }
    let side = config.preprocess.resize.size;
    let whole = config.embed.kernels == Kernels::OnnxRuntime;
    let read = weights::load_network(&config.weights, &config.model, side, whole, said, &Cancel::default())?;
    if let Some(caution) = weights::standardised_once(&read, config.preprocess.standardise)? {
        said.say(&caution);
    }
    Ok(GraphFacts::of(&read.weights))
}

/// The faces of a dataset on this machine, and whether a crop by box takes whole pictures; `None` if the dataset
/// is elsewhere or has to be unpacked.
fn faces(config: &ExperimentConfig, said: &KeptLines) -> Result<Option<(Manifest, Option<MissingBoxes>)>, RunError> {
    let Some(manifest) = dataset::list(&config.dataset, said).transpose()? else { return Ok(None) };
    if let Some(line) = manifest.wrong_rows(config.preprocess.crop) {
        said.say(&line);
    }
    let whole = MissingBoxes::of(config, &manifest);
    whole.map_or(Ok(()), |whole| whole.refuse(config, &manifest))?;
    if let Some(missing) = MissingLandmarks::of(config, &manifest) {
        missing.refuse()?;
        said.say(&missing.sentence());
    }
    Ok(Some((manifest, whole)))
}
