//! `compare RUN RUN…`: prints a table, writes a page, and can act as a gate by its exit code.

use super::{START_OVER, print, with_context};
use crate::cli::CompareArgs;
use crate::compare::{CompareError, HeadlineMetric, RegressionGate, Tolerances};
use crate::error::{CommandOutcome, Error};
use crate::pages;
use crate::provenance::Build;
use crate::run::{self, RunDirectory, RunError};
use crate::terminal::{self, say};

pub(super) fn run(arguments: &CompareArgs) -> Result<CommandOutcome, Error> {
    let common = &arguments.common;
    // Reject a wrong command line before the long work.
    let by = HeadlineMetric::parse(&arguments.by, &[])?;
    if !arguments.fail_on_regression && !arguments.tolerate.is_empty() {
        return Err(Error::Usage(
            "`--tolerate` has no effect without `--fail-on-regression`: add that option, or leave out `--tolerate`"
                .into(),
        ));
    }
    let tolerances = Tolerances::parse(&arguments.tolerate)?;
    let runs = arguments.runs.iter().map(|name| RunDirectory::find(&common.experiments, name));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let compared =
        with_context(common, START_OVER, |context| Ok(context.compare(&runs, by, arguments.same_pictures)?));
    let mut comparison = match compared {
        Err(Error::Run(RunError::Compare(left @ CompareError::TooFewLeft { .. }))) if arguments.fail_on_regression => {
            say(&format!("gate: failed: {left}"));
            return Ok(CommandOutcome::Regressed);
        }
        compared => compared?,
    };
    if arguments.fail_on_regression {
        let mut gate = RegressionGate::judge(&comparison, tolerances).with_left_out(&comparison);
        let compared = comparison.directories.iter().map(|path| run::embedded_by(&RunDirectory::new(path.clone())));
        let embedded = compared.collect::<Result<Vec<_>, _>>()?;
        gate.judge_builds(&comparison.runs, &embedded, &Build::current().revision);
        comparison.gate = Some(gate);
    }
    let path = pages::comparison(&common.reports, &comparison)?;
    print(common, &comparison, || {
        format!("{}\n\nreport  {}", comparison.to_text(terminal::width()).trim_end(), path.display())
    })?;
    let passed = comparison.gate.is_none_or(|gate| gate.passed);
    Ok(if passed { CommandOutcome::Done } else { CommandOutcome::Regressed })
}
