//! `verify RUN`: recomputes every digest and invariant.

use super::{at_work, print};
use crate::cli::RunArgs;
use crate::error::{Error, Outcome};
use crate::run::RunDirectory;

/// How many breaches of one rule are listed.
const SHOWN: usize = 10;

/// Runs it.
pub(super) fn run(arguments: &RunArgs) -> Result<Outcome, Error> {
    let run = RunDirectory::find(&arguments.common.experiments, &arguments.run)?;
    let checks = at_work(&arguments.common, |work| Ok(work.verify(&run)?))?;
    print(&arguments.common, &checks, || {
        let mut lines = Vec::new();
        for check in &checks {
            lines.push(format!("{}  {}", if check.broken.is_empty() { "ok    " } else { "BROKEN" }, check.rule));
            lines.extend(check.broken.iter().take(SHOWN).map(|line| format!("        {line}")));
            if check.broken.len() > SHOWN {
                lines.push(format!("        … and {} more", check.broken.len() - SHOWN));
            }
            lines.extend(check.note.iter().map(|note| format!("        {note}")));
        }
        lines.join("\n")
    })?;
    Ok(if checks.iter().all(|check| check.broken.is_empty()) { Outcome::Done } else { Outcome::Damaged })
}
