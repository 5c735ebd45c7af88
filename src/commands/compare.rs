//! `compare RUN RUN…`: a table here, a page in the reports folder, and an exit code that can be a gate.

use super::{at_work, print};
use crate::cli::CompareArgs;
use crate::compare::{Gate, Headline, Tolerances};
use crate::error::{Error, Outcome};
use crate::pages;
use crate::run::RunDirectory;

/// Runs it.
pub(super) fn run(arguments: &CompareArgs) -> Result<Outcome, Error> {
    let common = &arguments.common;
    // What is wrong with the command line shows before the long work.
    let by = Headline::parse(&arguments.by, &[])?;
    let tolerances = Tolerances::parse(&arguments.tolerate)?;
    let runs = arguments.runs.iter().map(|name| RunDirectory::find(&common.experiments, name));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let mut comparison = at_work(common, |work| Ok(work.compare(&runs, by)?))?;
    if arguments.fail_on_regression {
        comparison.gate = Some(Gate::judge(&comparison, tolerances));
    }
    let path = pages::comparison(&common.reports, &comparison)?;
    print(common, &comparison, || format!("{}\n\nreport  {}", comparison.to_text().trim_end(), path.display()))?;
    let passed = comparison.gate.is_none_or(|gate| gate.passed);
    Ok(if passed { Outcome::Done } else { Outcome::Regressed })
}
