//! `reproduce CONFIG…`: runs experiments and records their results in a document's table.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::shared::{config_for, interrupted};
use super::{print, with_context};
use crate::cli::ReproduceArgs;
use crate::embed::EmbedOutcome;
use crate::error::{CommandOutcome, Error};
use crate::provenance::Provenance;
use crate::reproduce::{self, BEGIN, END, ReproducedConfig, ReproducedRow, RunIdentity};
use crate::run::{self, Evaluated, RunContext, RunDirectory, RunError};
use crate::{config, files, pages, text};

/// What `reproduce --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReproduceOutput {
    /// The rows of the table, config by config.
    rows: Vec<ReproducedRow>,
    /// Configs that could not be run, each with the reason.
    not_run: Vec<(String, String)>,
}

pub(super) fn run(arguments: &ReproduceArgs) -> Result<CommandOutcome, Error> {
    // Reject a wrong config or document before the long work.
    let loaded = arguments
        .configs
        .iter()
        .map(|path| Ok((path, config_for("reproduce", path, &arguments.overrides, &arguments.common)?)));
    let loaded = loaded.collect::<Result<Vec<_>, Error>>()?;
    let document = arguments.into.as_deref().map(read).transpose()?;
    if let (Some(path), Some(document)) = (&arguments.into, &document) {
        reproduce::splice(document, &[]).map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
    }
    let again = "run the command again to resume; finished runs are reused";
    with_context(&arguments.common, again, |context| {
        let mut done = ReproduceOutput { rows: Vec::new(), not_run: Vec::new() };
        let count = loaded.len();
        for (i, (path, loaded)) in loaded.into_iter().enumerate() {
            let name = path.display().to_string();
            context.progress.say(&format!("[{}/{count}] {name}", i + 1));
            let config = loaded.config.clone();
            let row = ReproducedConfig {
                path: &name,
                config: &config,
                overrides: &arguments.overrides,
                command: &run::command_line("experiment", path, &arguments.overrides),
            };
            match run_experiment(context, &arguments.common.reports, path, loaded) {
                Ok(Some((run, evaluated))) => {
                    let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
                    let identity = RunIdentity {
                        run: &run.name(),
                        dataset: provenance.dataset.manifest,
                        weights: provenance.weights.sha256,
                    };
                    let metrics = match &evaluated {
                        Evaluated::Metrics(evaluation) => Some((&evaluation.metrics, identity)),
                        Evaluated::NotEvaluable { reason, .. } => {
                            done.not_run.push((name.clone(), reason.clone()));
                            None
                        }
                    };
                    done.rows.extend(reproduce::rows(&row, metrics));
                }
                Ok(None) => return Ok(interrupted(again)),
                Err(error) => {
                    context.progress.say(&format!("not run: {error}"));
                    done.not_run.push((name.clone(), text::reason(&error)));
                    done.rows.extend(reproduce::rows(&row, None));
                }
            }
        }
        if let (Some(path), Some(document)) = (&arguments.into, &document) {
            let spliced = reproduce::splice(document, &done.rows);
            let (text, kept) = spliced.map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
            for row in kept {
                let (config, metric) = (&row.config, &row.metric);
                context.progress.say(&format!("{config}, {metric}: not run here; keeping the row of an earlier run"));
            }
            // The file that a link leads to, and not the link.
            let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            files::commit_bytes(path, text.as_bytes()).map_err(RunError::from)?;
        }
        print(&arguments.common, &done, || text(&done, arguments.into.as_deref()))?;
        Ok(CommandOutcome::Done)
    })
}

/// All steps of one experiment; `None` when interrupted.
fn run_experiment(
    context: &RunContext<'_>,
    reports: &Path,
    path: &Path,
    loaded: config::Loaded,
) -> Result<Option<(RunDirectory, Evaluated)>, Error> {
    let steps = || {
        let prepared = context.prepare(path, loaded)?;
        let run = prepared.directory.clone();
        if let EmbedOutcome::Interrupted(_) = context.embed(prepared)? {
            return Ok(None);
        }
        let evaluated = context.evaluate(&run, false)?;
        if let Evaluated::Metrics(_) = evaluated {
            pages::experiment(reports, &run)?;
        }
        Ok(Some((run, evaluated)))
    };
    match steps() {
        Err(Error::Run(error)) if error.interrupted() => Ok(None),
        other => other,
    }
}

fn read(path: &Path) -> Result<String, Error> {
    if !path.exists() {
        let shown = path.display();
        return Err(Error::Usage(format!(
            "{shown}: no such file; make it with the lines `{BEGIN}` and `{END}`, for the table between them"
        )));
    }
    let bytes = files::read(path).map_err(RunError::from)?;
    String::from_utf8(bytes).map_err(|_| Error::Usage(format!("{} is not valid UTF-8", path.display())))
}

fn text(done: &ReproduceOutput, into: Option<&Path>) -> String {
    let mut lines: Vec<String> = done
        .rows
        .iter()
        .map(|row| match &row.measured {
            Some(measured) => {
                let verdict =
                    if measured.verdict.is_empty() { String::new() } else { format!(", {}", measured.verdict) };
                format!("{}  {}  {}{verdict}", row.config, row.metric, measured.value)
            }
            None => format!("{}  {}  not measured", row.config, row.metric),
        })
        .collect();
    lines.extend(into.map(|path| format!("table   {}", path.display())));
    lines.join("\n")
}
