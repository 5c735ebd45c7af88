//! `compare RUN RUN…`: a table here, a page in the reports folder.

use super::print;
use crate::cli::CompareArgs;
use crate::compare;
use crate::error::{Error, Outcome};
use crate::files;
use crate::report;
use crate::run::{self, RunDirectory};

/// Runs it.
pub(super) fn run(arguments: &CompareArgs) -> Result<Outcome, Error> {
    let common = &arguments.common;
    let runs = arguments
        .runs
        .iter()
        .map(|name| run::summary(&RunDirectory::find(&common.experiments, name)?))
        .collect::<Result<Vec<_>, _>>()?;
    let names: Vec<_> = runs.iter().map(|run| run.run_id.clone()).collect();
    let comparison = compare::compare(runs)?;
    let html = report::render_comparison(&comparison)?;
    files::create_dir(&common.reports)?;
    let path = common.reports.join(format!("compare-{}.html", names.join("-vs-")));
    files::commit_bytes(&path, html.as_bytes())?;
    print(common, &comparison, || format!("{}\n\nreport  {}", comparison.to_text().trim_end(), path.display()))?;
    Ok(Outcome::Done)
}
