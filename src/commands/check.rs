//! `check CONFIG`: what would be downloaded and computed. Downloads and computes nothing.

use serde_json::json;

use super::print;
use crate::cli::ConfigArgs;
use crate::config;
use crate::error::{Error, Outcome};
use crate::run::RunError;
use crate::{dataset, model, plan, weights};

/// Runs it.
pub(super) fn run(arguments: &ConfigArgs) -> Result<Outcome, Error> {
    let loaded = config::load(&arguments.config, &arguments.overrides)?;
    let config = &loaded.config;
    let weights = weights::describe(&config.weights);
    let dataset = dataset::describe(&config.dataset);
    let mut notes = Vec::new();
    let device = {
        let notes = std::cell::RefCell::new(&mut notes);
        model::describe(&config.model, &config.embed, &|line| notes.borrow_mut().push(line.to_owned()))
    };
    let (device, device_error) = match device {
        Ok(embedder) => (embedder.device_name, None),
        Err(error) => ("none".to_owned(), Some(error)),
    };
    let value = json!({
        "name": config.name,
        "config": config,
        "overrides": loaded.overrides,
        "weights": weights,
        "dataset": dataset,
        "device": device,
        "problem": device_error.as_ref().map(ToString::to_string),
        "notes": notes,
    });
    print(&arguments.common, &value, || {
        let resolved = serde_json::to_value(config).unwrap_or_default();
        let mut lines: Vec<_> =
            plan::flatten(&resolved).into_iter().map(|(key, value)| format!("  {key:<34} {value}")).collect();
        lines.insert(0, format!("{} is valid; resolved, it says", arguments.config.display()));
        lines.push(format!("weights  {weights}"));
        lines.push(format!("dataset  {dataset}"));
        lines.push(format!("device   {device}"));
        lines.extend(notes.iter().cloned());
        lines.join("\n")
    })?;
    match device_error {
        // The config is right; it is here that it cannot be carried out.
        Some(error) => Err(RunError::from(error).into()),
        None => Ok(Outcome::Done),
    }
}
