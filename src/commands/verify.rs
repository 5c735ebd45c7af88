//! `verify RUN`: recomputes every digest and invariant.

use super::shared::interrupted;
use super::{options_to_repeat, print, with_context};
use crate::cli::RunArgs;
use crate::error::{CommandOutcome, Error};
use crate::run::{RunDirectory, Verified};

/// Violations listed per rule.
const MAX_LISTED: usize = 10;

pub(super) fn run(arguments: &RunArgs) -> Result<CommandOutcome, Error> {
    let run = RunDirectory::find(&arguments.common.experiments, &arguments.run)?;
    let options = options_to_repeat(&arguments.common, &[]);
    let again = format!("to start over: facevault verify {}{options}", arguments.run);
    let verified = with_context(&arguments.common, &again, |context| match context.verify(&run) {
        Err(error) if error.interrupted() => Ok(None),
        verified => Ok(Some(verified?)),
    })?;
    let Some(Verified { checks, remedy }) = verified else { return Ok(interrupted(&again)) };
    print(&arguments.common, &checks, || {
        let mut lines = Vec::new();
        for check in &checks {
            lines.push(format!("{}  {}", if check.broken.is_empty() { "ok    " } else { "BROKEN" }, check.rule));
            lines.extend(check.broken.iter().take(MAX_LISTED).map(|line| format!("        {line}")));
            if check.broken.len() > MAX_LISTED {
                lines.push(format!("        … and {} more", check.broken.len() - MAX_LISTED));
            }
            lines.extend(check.note.iter().map(|note| format!("        {note}")));
        }
        lines.extend(remedy);
        lines.join("\n")
    })?;
    Ok(if checks.iter().all(|check| check.broken.is_empty()) { CommandOutcome::Done } else { CommandOutcome::Damaged })
}
