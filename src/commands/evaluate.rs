//! `evaluate RUN`: recomputes the statistics.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::shared::{any_embedded, expectation, found, interrupted, not_evaluated, outcome};
use super::{options_to_repeat, print, with_context};
use crate::cli::EvaluateArgs;
use crate::error::{CommandOutcome, Error};
use crate::evaluate::EvaluateError;
use crate::run::{self, Evaluated, RunDirectory, RunError};
use crate::shard::Shard;
use crate::similarity::SharedPairs;
use crate::text::counted;

/// What `evaluate RUN --shard I/N --json` prints: the shard's part of the comparison of all pairs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ComparedShard {
    /// The run's name.
    run: String,
    /// As the command names it, such as `0/4`.
    shard: String,
    /// Pieces of the comparison that this shard has.
    pieces: usize,
    /// Of how many.
    of: usize,
    /// Pairs in them.
    pairs: u64,
    /// Why there is nothing to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_evaluated: Option<String>,
}

fn evaluate_shard(arguments: &EvaluateArgs, shard: Shard) -> Result<CommandOutcome, Error> {
    let options = options_to_repeat(&arguments.common, &[]);
    let again = format!("to resume: facevault evaluate {} --shard {shard}{options}", arguments.run);
    with_context(&arguments.common, &again, |context| {
        let run = RunDirectory::find(context.experiments, &arguments.run)?;
        let (SharedPairs { pieces, of, pairs }, reason) = match context.evaluate_shard(&run, shard) {
            Err(error) if error.interrupted() => return Ok(interrupted(&again)),
            Err(RunError::Evaluate(EvaluateError::NotEvaluable { reason })) => {
                (SharedPairs { pieces: 0, of: 0, pairs: 0 }, Some(reason))
            }
            other => (other?, None),
        };
        let (run, shard) = (run.name(), shard.to_string());
        let done = ComparedShard { run, shard, pieces, of, pairs, not_evaluated: reason };
        print(&arguments.common, &done, || match &done.not_evaluated {
            Some(reason) => not_evaluated(reason),
            None => format!("shard {} of {}: {} compared", done.shard, done.run, counted(pairs, "pair")),
        })?;
        Ok(CommandOutcome::Done)
    })
}

pub(super) fn run(arguments: &EvaluateArgs) -> Result<CommandOutcome, Error> {
    if let Some(shard) = arguments.shard {
        return evaluate_shard(arguments, shard.resolve().map_err(Error::Usage)?);
    }
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
