//! `check CONFIG`: what would be downloaded and computed. Downloads and computes nothing.

use serde_json::json;

use super::print;
use crate::cli::ConfigArgs;
use crate::config::{self, ExperimentConfig};
use crate::error::{CommandOutcome, Error};
use crate::progress::{KeptLines, Progress};
use crate::run::{MissingBoxes, RunError, unused_boxes};
use crate::{dataset, model, plan, weights};

/// Runs it.
pub(super) fn run(arguments: &ConfigArgs) -> Result<CommandOutcome, Error> {
    let loaded = config::load(&arguments.config, &arguments.overrides)?;
    let config = &loaded.config;
    let weights = weights::describe(&config.weights);
    let dataset = dataset::describe(&config.dataset);
    let mut notes = Vec::new();
    let device = {
        let notes = std::cell::RefCell::new(&mut notes);
        model::describe(&config.model, &config.embed.execution(), &|line| notes.borrow_mut().push(line.to_owned()))
    };
    let (device, device_error) = match device {
        Ok(embedder) => (embedder.device_name, None),
        Err(error) => ("none".to_owned(), Some(error)),
    };
    let said = KeptLines::default();
    let (listed, dataset_error) = match faces(config, &said) {
        Ok(listed) => (listed, None),
        Err(error) => (None, Some(error)),
    };
    notes.extend(said.into_lines());
    notes.extend(listed.and_then(|(_, whole)| whole).map(|whole| whole.sentence()));
    notes.extend(unused_boxes(config));
    let problem =
        device_error.as_ref().map(ToString::to_string).or_else(|| dataset_error.as_ref().map(ToString::to_string));
    let value = json!({
        "name": config.name,
        "config": config,
        "overrides": loaded.overrides,
        "weights": weights,
        "dataset": dataset,
        "device": device,
        "faces": listed.map(|(faces, _)| faces),
        "without_box": listed.and_then(|(_, whole)| whole).map(|whole| whole.without_box),
        "problem": problem,
        "notes": notes,
    });
    print(&arguments.common, &value, || {
        let resolved = serde_json::to_value(config).unwrap_or_default();
        let mut lines: Vec<_> =
            plan::flatten(&resolved).into_iter().map(|(key, value)| format!("  {key:<34} {value}")).collect();
        lines.insert(0, format!("{} is valid; resolved, it says", arguments.config.display()));
        lines.push(format!("weights  {weights}"));
        lines.push(format!("dataset  {dataset}"));
        lines.extend(listed.map(|(faces, _)| format!("faces    {faces}")));
        lines.push(format!("device   {device}"));
        lines.extend(notes.iter().cloned());
        lines.join("\n")
    })?;
    match (device_error, dataset_error) {
        // The config is right; it is here that it cannot be carried out.
        (Some(error), _) => Err(RunError::from(error).into()),
        (None, Some(error)) => Err(error.into()),
        (None, None) => Ok(CommandOutcome::Done),
    }
}

/// How many faces a dataset on this machine has, and whether a crop by box takes whole pictures; `None` where the dataset
/// is somewhere else, or has to be unpacked.
fn faces(config: &ExperimentConfig, said: &KeptLines) -> Result<Option<(usize, Option<MissingBoxes>)>, RunError> {
    let Some(manifest) = dataset::list(&config.dataset, said).transpose()? else { return Ok(None) };
    if let Some(line) = manifest.wrong_rows(config.preprocess.crop) {
        said.say(&line);
    }
    let whole = MissingBoxes::of(config, &manifest);
    whole.map_or(Ok(()), |whole| whole.refuse(config, &manifest))?;
    Ok(Some((manifest.len(), whole)))
}
