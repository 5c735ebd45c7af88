//! `evaluate RUN`: recomputes the statistics.

use serde_json::json;

use super::shared::{any_embedded, expectation, found, interrupted, not_evaluated, outcome};
use super::{options_to_repeat, print, with_context};
use crate::cli::RunArgs;
use crate::error::{CommandOutcome, Error};
use crate::run::{self, Evaluated, RunDirectory};

pub(super) fn run(arguments: &RunArgs) -> Result<CommandOutcome, Error> {
    let options = options_to_repeat(&arguments.common, &[]);
    let again = format!("to resume: facevault evaluate {}{options}", arguments.run);
    with_context(&arguments.common, &again, |context| {
        let run = RunDirectory::find(context.experiments, &arguments.run)?;
        let evaluated = match context.evaluate(&run, true) {
            Err(error) if error.interrupted() => return Ok(interrupted(&again)),
            other => other?,
        };
        let text = |first: String, said: Option<&str>| {
            let expectations = evaluated.expectations().iter().map(|judged| expectation(judged, said));
            std::iter::once(first).chain(expectations).collect::<Vec<_>>().join("\n")
        };
        match &evaluated {
            Evaluated::Metrics(evaluation) => {
                let metrics = &evaluation.metrics;
                print(&arguments.common, metrics, || text(found(metrics), None))?;
            }
            Evaluated::NotEvaluable { reason, expectations } => {
                let value = json!({"not_evaluated": reason, "expectations": expectations});
                print(&arguments.common, &value, || text(not_evaluated(reason), Some(reason)))?;
                let (faces, embedded) = run::embedded(&run)?;
                any_embedded(&run, faces, embedded)?;
            }
        }
        Ok(outcome(&evaluated))
    })
}
