//! `embed CONFIG|RUN`: the embedding alone.

use serde::Serialize;

use super::experiment::{any_embedded, interrupted};
use super::{at_work, print, retype};
use crate::agreement::Agreement;
use crate::cli::EmbedArgs;
use crate::config;
use crate::embed::EmbedOutcome;
use crate::error::{Error, Outcome};
use crate::run::{self, Failures, RunDirectory};

#[derive(Serialize)]
struct Done {
    run: String,
    directory: String,
    faces: usize,
    embedded: usize,
    failed: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<Failures>,
    resumed: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement: Option<Agreement>,
}

/// Runs it.
pub(super) fn run(arguments: &EmbedArgs) -> Result<Outcome, Error> {
    let (path, loaded) = if arguments.target.is_file() {
        (arguments.target.clone(), config::load(&arguments.target, &arguments.overrides)?)
    } else if arguments.overrides.is_empty() {
        let run = RunDirectory::find(&arguments.common.experiments, &arguments.target.to_string_lossy())?;
        run::stored(&run)?
    } else {
        return Err(Error::Usage(format!(
            "--set goes with a config file, and {} is none; a run keeps the config it was made from",
            arguments.target.display()
        )));
    };
    at_work(&arguments.common, |work| {
        let resume = || {
            format!(
                "to resume: facevault embed {}{}",
                arguments.target.display(),
                retype(&arguments.common, &arguments.overrides)
            )
        };
        let prepared = match work.prepare(&path, loaded) {
            Err(error) if error.interrupted() => return Ok(interrupted(&resume())),
            other => other?,
        };
        let run = prepared.directory.clone();
        match work.embed(prepared)? {
            EmbedOutcome::Interrupted(_) => Ok(interrupted(&resume())),
            EmbedOutcome::Complete(summary) => {
                let done = Done {
                    run: run.name(),
                    directory: run.path().display().to_string(),
                    faces: summary.rows,
                    embedded: summary.embedded,
                    failed: summary.failed,
                    failures: run::failures(&run)?,
                    resumed: summary.resumed,
                    agreement: run::agreement(&run)?,
                };
                print(&arguments.common, &done, || {
                    let mut lines =
                        vec![format!("{} of {} faces embedded, {} failed", done.embedded, done.faces, done.failed)];
                    lines.extend(done.agreement.iter().flat_map(Agreement::lines));
                    lines.push(format!("run     {}", done.directory));
                    lines.join("\n")
                })?;
                any_embedded(&run, &summary)?;
                Ok(Outcome::Done)
            }
        }
    })
}
