//! `finish RUN`: checks and exports what workers embedded.

use super::embed::EmbedOutput;
use super::shared::{any_embedded, interrupted};
use super::{options_to_repeat, print, with_context};
use crate::cli::RunArgs;
use crate::error::{CommandOutcome, Error};
use crate::run::RunDirectory;

pub(super) fn run(arguments: &RunArgs) -> Result<CommandOutcome, Error> {
    let options = options_to_repeat(&arguments.common, &[]);
    let again = format!("to resume: facevault finish {}{options}", arguments.run);
    with_context(&arguments.common, &again, |context| {
        let run = RunDirectory::find(context.experiments, &arguments.run)?;
        let summary = match context.finish_shards(&run) {
            Err(error) if error.interrupted() => return Ok(interrupted(&again)),
            other => other?,
        };
        let done = EmbedOutput::new(&run, &summary, None)?;
        print(&arguments.common, &done, || {
            let mut lines = done.lines();
            lines.push(format!("run     {}", done.directory));
            lines.push(format!("next    facevault evaluate {}", run.argument()));
            lines.join("\n")
        })?;
        any_embedded(&run, summary.rows, summary.embedded)?;
        Ok(CommandOutcome::Done)
    })
}
