//! `report RUN`: renders the report alone.

use serde_json::json;

use super::{at_work, print};
use crate::cli::RunArgs;
use crate::error::{Error, Outcome};
use crate::pages;
use crate::run::RunDirectory;

/// Runs it.
pub(super) fn run(arguments: &RunArgs) -> Result<Outcome, Error> {
    at_work(&arguments.common, |work| {
        let run = RunDirectory::find(work.experiments, &arguments.run)?;
        let path = pages::experiment(&arguments.common.reports, &run)?.display().to_string();
        print(&arguments.common, &json!({"run": run.name(), "report": path}), || path.clone())?;
        Ok(Outcome::Done)
    })
}
