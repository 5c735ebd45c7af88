//! `report RUN`: renders the report alone.

use serde_json::json;

use super::{START_OVER, print, with_context};
use crate::cli::RunArgs;
use crate::error::{CommandOutcome, Error};
use crate::pages;
use crate::run::RunDirectory;

pub(super) fn run(arguments: &RunArgs) -> Result<CommandOutcome, Error> {
    with_context(&arguments.common, START_OVER, |context| {
        let run = RunDirectory::find(context.experiments, &arguments.run)?;
        let path = pages::experiment(&arguments.common.reports, &run)?.display().to_string();
        print(&arguments.common, &json!({"run": run.name(), "report": path}), || path.clone())?;
        Ok(CommandOutcome::Done)
    })
}
