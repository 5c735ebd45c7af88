//! `reproduce CONFIG…`: runs experiments and writes what they gave into a document's table.

use std::path::Path;

use serde::Serialize;

use super::experiment::interrupted;
use super::{at_work, print};
use crate::cli::ReproduceArgs;
use crate::config;
use crate::embed::EmbedOutcome;
use crate::error::{Error, Outcome};
use crate::files;
use crate::pages;
use crate::provenance::Provenance;
use crate::reproduce::{self, Identity, Row};
use crate::run::{Evaluated, RunDirectory, RunError, Workplace};

/// What `reproduce --json` prints.
#[derive(Debug, Serialize)]
struct Done {
    rows: Vec<Row>,
    /// Why a config could not be run, config by config.
    not_run: Vec<(String, String)>,
}

/// Runs it.
pub(super) fn run(arguments: &ReproduceArgs) -> Result<Outcome, Error> {
    // What is wrong with a config or the document shows before the long work.
    let loaded = arguments.configs.iter().map(|path| Ok((path, config::load(path, &[])?)));
    let loaded = loaded.collect::<Result<Vec<_>, Error>>()?;
    let document = arguments.into.as_deref().map(read).transpose()?;
    if let (Some(path), Some(document)) = (&arguments.into, &document) {
        reproduce::splice(document, &[]).map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
    }
    at_work(&arguments.common, |work| {
        let mut done = Done { rows: Vec::new(), not_run: Vec::new() };
        let count = loaded.len();
        for (i, (path, loaded)) in loaded.into_iter().enumerate() {
            let name = path.display().to_string();
            work.progress.say(&format!("[{}/{count}] {name}", i + 1));
            let config = loaded.config.clone();
            match carry_out(work, &arguments.common.reports, path, loaded) {
                Ok(Some((run, evaluated))) => {
                    let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
                    let identity = Identity {
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
                    done.rows.extend(reproduce::rows(&name, &config, metrics));
                }
                Ok(None) => return Ok(interrupted("start it again to go on: what is finished is not computed again")),
                Err(error) => {
                    work.progress.say(&format!("not run: {error}"));
                    done.not_run.push((name.clone(), error.to_string()));
                    done.rows.extend(reproduce::rows(&name, &config, None));
                }
            }
        }
        if let (Some(path), Some(document)) = (&arguments.into, &document) {
            let spliced = reproduce::splice(document, &done.rows);
            let (text, kept) = spliced.map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
            for row in kept {
                let (config, metric) = (&row.config, &row.metric);
                work.progress
                    .say(&format!("{config}, {metric}: not run here, the table keeps what an earlier run gave"));
            }
            files::commit_bytes(path, text.as_bytes()).map_err(RunError::from)?;
        }
        print(&arguments.common, &done, || text(&done, arguments.into.as_deref()))?;
        Ok(Outcome::Done)
    })
}

/// All steps of one experiment; `None` when interrupted.
fn carry_out(
    work: &Workplace<'_>,
    reports: &Path,
    path: &Path,
    loaded: config::Loaded,
) -> Result<Option<(RunDirectory, Evaluated)>, Error> {
    let steps = || {
        let prepared = work.prepare(path, loaded)?;
        let run = prepared.directory.clone();
        if let EmbedOutcome::Interrupted(_) = work.embed(prepared)? {
            return Ok(None);
        }
        let evaluated = work.evaluate(&run, false)?;
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
    let bytes = files::read(path).map_err(RunError::from)?;
    String::from_utf8(bytes).map_err(|_| Error::Usage(format!("{} is no text in UTF-8", path.display())))
}

fn text(done: &Done, into: Option<&Path>) -> String {
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
