//! `report RUN`: renders the report alone.

use schemars::JsonSchema;
use serde::Serialize;

use super::{START_OVER, print, with_context};
use crate::cli::RunArgs;
use crate::error::{CommandOutcome, Error};
use crate::pages;
use crate::run::RunDirectory;

/// What `report --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReportOutput {
    /// The run's name.
    run: String,
    /// The page that was written.
    report: String,
}

pub(super) fn run(arguments: &RunArgs) -> Result<CommandOutcome, Error> {
    with_context(&arguments.common, START_OVER, |context| {
        let run = RunDirectory::find(context.experiments, &arguments.run)?;
        let path = pages::experiment(&arguments.common.reports, &run)?.display().to_string();
        print(&arguments.common, &ReportOutput { run: run.name(), report: path.clone() }, || path.clone())?;
        Ok(CommandOutcome::Done)
    })
}
