//! `evaluate RUN`: the statistics alone, computed afresh.

use super::experiment::{expectation, interrupted, numbers, outcome};
use super::{at_work, print, retype};
use crate::cli::RunArgs;
use crate::error::{Error, Outcome};
use crate::run::{Evaluated, RunDirectory};

/// Runs it.
pub(super) fn run(arguments: &RunArgs) -> Result<Outcome, Error> {
    at_work(&arguments.common, |work| {
        let run = RunDirectory::find(work.experiments, &arguments.run)?;
        let evaluated = match work.evaluate(&run, true) {
            Err(error) if error.interrupted() => {
                let again = format!("facevault evaluate {}{}", arguments.run, retype(&arguments.common, &[]));
                return Ok(interrupted(&format!("to go on: {again}")));
            }
            other => other?,
        };
        if let Evaluated::Metrics(evaluation) = &evaluated {
            let metrics = &evaluation.metrics;
            print(&arguments.common, metrics, || {
                let mut lines = vec![numbers(metrics)];
                lines.extend(metrics.expectations.iter().map(expectation));
                lines.join("\n")
            })?;
        }
        Ok(outcome(work, &evaluated))
    })
}
